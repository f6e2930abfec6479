/* Single-precision functions that vectorise: polynomials and selects, no branches, no calls but sqrtf and powf. Within
   about 2 units in the last place; NaN stays NaN, overflow is infinity, underflow goes through the denormals to 0. The
   coefficients are minimax fits (Remez) over the reduced ranges. op/unary.def and op/binary.def are written in these.
 */
#ifndef MTL_CPU_MATH_H
#define MTL_CPU_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t mtl_float_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float mtl_bits_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline float mtl_absf(float x)
{
    return mtl_bits_float(mtl_float_bits(x) & 0x7fffffffu);
}

static inline float mtl_copysignf(float size, float sign)
{
    return mtl_bits_float((mtl_float_bits(size) & 0x7fffffffu) | (mtl_float_bits(sign) & 0x80000000u));
}

static inline float mtl_sqrtf(float x)
{
    return sqrtf(x);
}

static inline float mtl_powf(float a, float b)
{
    return powf(a, b);
}

/* 2^n exp(r), r within half of log 2. n comes out of the low bits of a float of which the unit is 1, and is applied in
   two steps, so that neither leaves the range of a float. */
static inline float mtl_expf(float x)
{
    const float round = 12582912.0f; /* 1.5 * 2^23 */
    float v = x > 89.0f ? 89.0f : x;
    v = v < -104.5f ? -104.5f : v;
    float shifted = v * 1.44269504f + round, n = shifted - round;
    float r = (v - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.395172028e-3f;
    p = p * r + 8.369598189e-3f;
    p = p * r + 4.166618724e-2f;
    p = p * r + 1.666651289e-1f;
    p = p * r + 5.000000101e-1f;
    p = 1.0f + (r + r * r * p);
    int32_t k = (int32_t)(mtl_float_bits(shifted) - 0x4b400000u), half = k >> 1;
    float s = mtl_bits_float((uint32_t)(half + 127) << 23), t = mtl_bits_float((uint32_t)(k - half + 127) << 23);
    return p * s * t;
}

/* x = 2^k m, m from sqrt(1/2) to sqrt(2) */
static inline float mtl_logf(float x)
{
    float tiny = x < 1.17549435e-38f ? 1.0f : 0.0f;
    uint32_t u = mtl_float_bits(tiny != 0.0f ? x * 8388608.0f : x) + (0x3f800000u - 0x3f3504f3u);
    float k = (float)((int32_t)(u >> 23) - 127) - 23.0f * tiny;
    float f = mtl_bits_float((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float p = 6.746598401e-2f;
    p = p * f - 1.167561417e-1f;
    p = p * f + 1.188816049e-1f;
    p = p * f - 1.240559516e-1f;
    p = p * f + 1.421955350e-1f;
    p = p * f - 1.666799554e-1f;
    p = p * f + 2.000211859e-1f;
    p = p * f - 2.500000960e-1f;
    p = p * f + 3.333331261e-1f;
    float square = f * f;
    float y = k * 0.693359375f + (f + (square * f * p + (k * -2.12194440e-4f - 0.5f * square)));
    y = x == INFINITY || x != x ? x : y;
    y = x == 0.0f ? -INFINITY : y;
    return x < 0.0f ? NAN : y;
}

static inline float mtl_log1pf(float x)
{
    float u = 1.0f + x;
    float y = mtl_logf(u) + (x - (u - 1.0f)) / u; /* what rounding took from u */
    y = mtl_absf(x) < 1e-7f ? x : y;
    y = x == -1.0f ? -INFINITY : y;
    return x == INFINITY ? x : y;
}

static inline float mtl_tanhf(float x)
{
    float size = mtl_absf(x), u = x * x;
    float p = -5.660789139e-3f;
    p = p * u + 2.060200773e-2f;
    p = p * u - 5.372922998e-2f;
    p = p * u + 1.333132896e-1f;
    p = p * u - 3.333327832e-1f;
    float small = x + x * u * p;
    float large = mtl_copysignf(1.0f - 2.0f / (mtl_expf(2.0f * size) + 1.0f), x);
    return size < 0.625f ? small : large;
}

/* Near 0 a polynomial in x^2; farther out 1 - exp(log erfc), which needs few correct digits. */
static inline float mtl_erff(float x)
{
    float size = mtl_absf(x), u = x * x;
    float p = 7.889124432e-5f;
    p = p * u - 8.020842733e-4f;
    p = p * u + 5.189535501e-3f;
    p = p * u - 2.685444468e-2f;
    p = p * u + 1.128360018e-1f;
    p = p * u - 3.761262714e-1f;
    p = p * u + 0.128379166f;
    float v = size > 4.0f ? 4.0f : size;
    float q = 1.879705465e-4f;
    q = q * v - 2.963995505e-3f;
    q = q * v + 2.190643619e-2f;
    q = q * v - 1.032561239e-1f;
    q = q * v - 6.379650839e-1f;
    q = q * v - 1.127202229f;
    q = q * v - 3.124809159e-4f;
    float large = mtl_copysignf(1.0f - mtl_expf(q), x);
    return size < 1.0f ? x + x * p : size != size ? x : large;
}

static inline float mtl_sigmoidf(float x)
{
    return 1.0f / (1.0f + mtl_expf(-x));
}

/* Of x/2 (1 + tanh(c (x + 0.044715 x^3))), c = sqrt(2/pi); 0 or 1 beyond 16. */
static inline float mtl_gelu_tanh_slope(float x)
{
    float v = x > 16.0f ? 16.0f : x < -16.0f ? -16.0f : x;
    float square = v * v, t = mtl_tanhf(0.79788456f * v * (1.0f + 0.044715f * square));
    return 0.5f * (1.0f + t) + 0.5f * v * (1.0f - t * t) * 0.79788456f * (1.0f + 0.134145f * square);
}

#endif

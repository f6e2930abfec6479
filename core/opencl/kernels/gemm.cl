/* Products for GPUs: each group makes a tile BM x BN of C = A B, from tiles of A and B in local memory that are loaded
   one ahead. What A, B and C are is a macro's business (KIND): matrices, or the two products of a convolution, whose
   columns are never written out. Sums run over k in its order, or in `pieces` of it that sum_parts adds in theirs.

   Options: KIND; BM, BN, BK (tile), RM, RN (of a work-item: 4 or 8); matrices: TA, TB (transposed); convolutions: KH, KW
   (kernel), SH, SW (stride).

   Kinds: MATRIX; and those of a convolution:
   FORWARD  y, or dx with the weight turned about (conv.c): m = output channels, n = images and pixels of y,
            k = channels and taps
   WEIGHT   dw: m = cotangents and output channels, n = channels and taps (and a column of ones for db), k = images and
            pixels of y */
#include "opencl/kernels/shape.h"

#if KIND != MATRIX
#define TAPS (KH * KW)
/* i / d for 0 <= i < 2^31 */
static uint divide(const uint i, const uint magic, const uint shift)
{
    return (uint)(((ulong)i * magic) >> shift);
}
#endif

#ifdef BM
#define NT (BM / RM * (BN / RN))
/* Which of a tile's elements a work-item loads: neighbours lie along k (ALONG), or along the other side. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define NA        (BM * BK / NT)
#define NB        (BN * BK / NT)
#if KIND == MATRIX
#define A_ALONG (!TA)
#define B_ALONG TB
#elif KIND == WEIGHT
#define A_ALONG 1
#define B_ALONG 1
#else
#define TA      0
#define A_ALONG 1
#define B_ALONG 0
#endif
#define ROW_OF(along, size, s) ((along) ? lid / BK + (s) * (NT / BK) : lid % MIN(size, NT) + (s) * NT % (size))
#define K_OF(along, size, s)   ((along) ? lid % BK : ((s) * NT + lid) / (size))

__kernel __attribute__((reqd_work_group_size(NT, 1, 1))) void
tile(__global const float *restrict a, const long a_at, __global const float *restrict b, const long b_at,
     __global const float *bias, const long bias_at, __global float *restrict c, const long c_at, const int m,
     const int n, const int k, const int pieces, const int piece_length, const shape g)
{
    __local float as[2][BK][BM + 4] __attribute__((aligned(16)));
    __local float bs[2][BK][BN + 4] __attribute__((aligned(16)));
    const int lid = (int)get_local_id(0);
    const int across = (n + BN - 1) / BN, high = (m + BM - 1) / BM, group = (int)get_group_id(0);
    const int i0 = group / across % high * BM, j0 = group % across * BN;
    const int piece = group / across / high % pieces, z = group / across / high / pieces;
    const int begin = piece * piece_length, end = min(k, begin + piece_length);
    const int tx = lid % (BN / RN), ty = lid / (BN / RN);
    float next_a[NA], next_b[NB], sum[RM][RN];

    /* ---- what stays the same for the elements that this work-item loads ---- */
#if KIND == WEIGHT
    const int pixels = g.out_h * g.out_w;
    const long image = (long)g.groups * g.channels * g.height * g.width, output = (long)g.groups * g.out_channels * pixels;
    long line_at[NA];
    int place[NB], down[NB], along[NB]; /* of a tap, seen from a pixel */
    a += a_at + (long)z * g.out_channels * pixels;
    b += b_at + (long)z * g.channels * g.height * g.width;
    _Pragma("unroll") for (int s = 0; s < NA; s++)
    {
        const int i = i0 + ROW_OF(1, BM, s);
        line_at[s] = i < m ? (long)(i / g.out_channels) * g.batch * output + (long)(i % g.out_channels) * pixels : -1;
    }
    _Pragma("unroll") for (int s = 0; s < NB; s++)
    {
        const int j = j0 + ROW_OF(1, BN, s), tap = j % TAPS;
        down[s] = tap / KW * g.dilation_h - g.pad_h;
        along[s] = tap % KW * g.dilation_w - g.pad_w;
        place[s] = j < g.patch ? j / TAPS * g.height * g.width + down[s] * g.width + along[s] : 0;
        if (j >= g.patch)
            down[s] = j < n ? 1 << 29 : 1 << 30; /* the column of ones, and nothing */
    }
#define LOAD(p0)                                                                                                       \
    {                                                                                                                  \
        const int p = (p0) + lid % BK;                                                                                 \
        const int at = (int)divide((uint)p, g.plane_magic, g.plane_shift), pixel = p - at * pixels;                        \
        const int oy = (int)divide((uint)pixel, g.line_magic, g.line_shift), ox = pixel - oy * g.out_w;                      \
        const int y = oy * SH, x = ox * SW;                                                                            \
        _Pragma("unroll") for (int s = 0; s < NA; s++)                                                                 \
            next_a[s] = p < end && line_at[s] >= 0 ? a[at * output + line_at[s] + pixel] : 0.0f;                       \
        _Pragma("unroll") for (int s = 0; s < NB; s++)                                                                 \
        {                                                                                                              \
            const bool in = (uint)(y + down[s]) < (uint)g.height && (uint)(x + along[s]) < (uint)g.width && p < end;       \
            next_b[s] = in ? b[at * image + (place[s] + y * g.width + x)] : down[s] == 1 << 29 ? 1.0f : 0.0f;            \
        }                                                                                                              \
    }
#else /* lines beyond the last are loaded as the last, and never stored */
#if KIND == MATRIX
    const long lda = g.lda, next = g.stride_a;
#else
    const long lda = k, next = (long)g.out_channels * g.channels * TAPS;
#endif
    const long step_a = TA ? lda : 1;
    long from_a[NA];
    a += a_at + z * next;
    _Pragma("unroll") for (int s = 0; s < NA; s++)
        from_a[s] = min(i0 + ROW_OF(A_ALONG, BM, s), m - 1) * (TA ? 1 : lda) + K_OF(A_ALONG, BM, s) * step_a;
#define LOAD_A(p0, whole)                                                                                              \
    _Pragma("unroll") for (int s = 0; s < NA; s++)                                                                     \
        next_a[s] = whole || (p0) + K_OF(A_ALONG, BM, s) < end ? a[from_a[s] + (p0) * step_a] : 0.0f;
#define LOAD(p0)                                                                                                       \
    if ((p0) + BK <= end) {                                                                                            \
        LOAD_A(p0, true)                                                                                               \
        LOAD_B(p0, true)                                                                                               \
    } else {                                                                                                           \
        LOAD_A(p0, false)                                                                                              \
        LOAD_B(p0, false)                                                                                              \
    }
#if KIND == MATRIX
    const long step_b = TB ? 1 : g.ldb;
    long from_b[NB];
    b += b_at + z * g.stride_b;
    _Pragma("unroll") for (int s = 0; s < NB; s++)
        from_b[s] = min(j0 + ROW_OF(B_ALONG, BN, s), n - 1) * (TB ? g.ldb : 1) + K_OF(B_ALONG, BN, s) * step_b;
#define LOAD_B(p0, whole)                                                                                              \
    _Pragma("unroll") for (int s = 0; s < NB; s++)                                                                     \
        next_b[s] = whole || (p0) + K_OF(B_ALONG, BN, s) < end ? b[from_b[s] + (p0) * step_b] : 0.0f;
#else /* FORWARD */
    enum { OWN = BN > NT ? BN / NT : 1 }; /* columns of this work-item */
    __global const float *from_b[OWN];
    int top[OWN], left[OWN];
    const int plane = g.height * g.width;
    b += b_at + (long)z * g.channels * plane;
    _Pragma("unroll") for (int s = 0; s < OWN; s++)
    {
        const int j = min(j0 + ROW_OF(0, BN, s), n - 1);
        const int at = (int)divide((uint)j, g.plane_magic, g.plane_shift), pixel = j - at * g.out_h * g.out_w;
        const int y = (int)divide((uint)pixel, g.line_magic, g.line_shift), x = pixel - y * g.out_w;
        from_b[s] = b + (long)at * g.groups * g.channels * plane;
        top[s] = y * SH - g.pad_h;
        left[s] = x * SW - g.pad_w;
    }
#define LOAD_B(p0, whole)                                                                                              \
    _Pragma("unroll") for (int s = 0; s < NB; s++)                                                                     \
    {                                                                                                                  \
        const int own = s % OWN, p = (p0) + K_OF(0, BN, s), channel = p / TAPS, tap = p % TAPS;                        \
        const int y = top[own] + tap / KW * g.dilation_h, x = left[own] + tap % KW * g.dilation_w;                     \
        const bool in = (uint)y < (uint)g.height && (uint)x < (uint)g.width && (whole || p < end);                     \
        next_b[s] = in ? from_b[own][channel * plane + y * g.width + x] : 0.0f;                                        \
    }
#endif
#endif

#define KEEP(which)                                                                                                    \
    _Pragma("unroll") for (int s = 0; s < NA; s++)                                                                     \
        as[which][K_OF(A_ALONG, BM, s)][ROW_OF(A_ALONG, BM, s)] = next_a[s];                                           \
    _Pragma("unroll") for (int s = 0; s < NB; s++)                                                                     \
        bs[which][K_OF(B_ALONG, BN, s)][ROW_OF(B_ALONG, BN, s)] = next_b[s];

    _Pragma("unroll") for (int r = 0; r < RM; r++)
    {
        _Pragma("unroll") for (int q = 0; q < RN; q++)
            sum[r][q] = 0.0f;
    }
    LOAD(begin)
    KEEP(0)
    barrier(CLK_LOCAL_MEM_FENCE);
    int now = 0;
    for (int p0 = begin; p0 < end; p0 += BK, now ^= 1) {
        if (p0 + BK < end) {
            LOAD(p0 + BK)
        }
        _Pragma("unroll") for (int p = 0; p < BK; p++)
        {
            float u[RM], v[RN];
            _Pragma("unroll") for (int r = 0; r < RM; r += 4)
            {
                const float4 four = *(__local float4 *)&as[now][p][ty * 4 + r * (BM / 8)];
                u[r] = four.x, u[r + 1] = four.y, u[r + 2] = four.z, u[r + 3] = four.w;
            }
            _Pragma("unroll") for (int q = 0; q < RN; q += 4)
            {
                const float4 four = *(__local float4 *)&bs[now][p][tx * 4 + q * (BN / 8)];
                v[q] = four.x, v[q + 1] = four.y, v[q + 2] = four.z, v[q + 3] = four.w;
            }
            _Pragma("unroll") for (int r = 0; r < RM; r++)
            {
                _Pragma("unroll") for (int q = 0; q < RN; q++)
                    sum[r][q] = fma(u[r], v[q], sum[r][q]);
            }
        }
        if (p0 + BK < end) {
            KEEP(now ^ 1)
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    /* ---- C, or this piece's part of it ---- */
    const bool part = KIND == WEIGHT ? true : pieces > 1;
    const int products = (int)get_num_groups(0) / (across * high * pieces);
    c += c_at + (part ? ((long)piece * products + z) * m * n : 0);
    _Pragma("unroll") for (int q = 0; q < RN; q++)
    {
        const int j = j0 + tx * 4 + q % 4 + q / 4 * (BN / 2);
        if (j >= n)
            continue;
#if KIND == FORWARD
        const int at = (int)divide((uint)j, g.plane_magic, g.plane_shift), pixel = j - at * g.out_h * g.out_w;
        const int y = (int)divide((uint)pixel, g.line_magic, g.line_shift), x = pixel - y * g.out_w;
        const long to = (long)at * g.groups * m * g.to_plane + y * g.to_line + x * g.to_step;
#endif
        _Pragma("unroll") for (int r = 0; r < RM; r++)
        {
            const int i = i0 + ty * 4 + r % 4 + r / 4 * (BM / 2);
            if (i >= m)
                continue;
            if (part) {
                c[(long)i * n + j] = sum[r][q];
                continue;
            }
#if KIND == MATRIX
            __global float *to = c + z * g.stride_c + i * g.ldc + j;
            *to = g.alpha * sum[r][q] + (bias ? bias[bias_at + j] : 0.0f) + (g.beta != 0.0f ? g.beta * *to : 0.0f);
#elif KIND == FORWARD
            c[to + ((long)z * m + i) * g.to_plane] = sum[r][q] + (bias ? bias[bias_at + z * m + i] : 0.0f);
#endif
        }
    }
}
#endif

/* C from `pieces` parts [pieces, products, m, n], added in their order; one work-item an element. */
#if KIND != WEIGHT
__kernel void sum_parts(__global const float *restrict parts, const long parts_at, __global const float *bias,
                        const long bias_at, __global float *restrict c, const long c_at, const int m, const int n,
                        const int products, const int pieces, const shape g)
{
    const long e = get_global_id(0), all = (long)products * m * n;
    float sum = 0.0f;
    if (e >= all)
        return;
    const int j = (int)(e % n), i = (int)(e / n % m), z = (int)(e / n / m);
    parts += parts_at;
    c += c_at;
    for (int piece = 0; piece < pieces; piece++)
        sum += parts[piece * all + e];
#if KIND == MATRIX
    __global float *to = c + z * g.stride_c + i * g.ldc + j;
    *to = g.alpha * sum + (bias ? bias[bias_at + j] : 0.0f) + (g.beta != 0.0f ? g.beta * *to : 0.0f);
#else
    const int at = j / (g.out_h * g.out_w), y = j / g.out_w % g.out_h, x = j % g.out_w;
    c[((long)at * g.groups * m + (long)z * m + i) * g.to_plane + y * g.to_line + x * g.to_step] =
        sum + (bias ? bias[bias_at + z * m + i] : 0.0f);
#endif
}
#endif

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers, as easy as 1, 2, 3. SC 2011). */
#include "mtl/random.h"

#include <math.h>

#include "base/context.h"
#include "tensor/backend.h"

uint64_t mtl_stream(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

void mtl_philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[1] = (uint32_t)p1;
        c[3] = (uint32_t)p0;
        c[0] = n0;
        c[2] = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < 4; i++)
        out[i] = c[i];
}

/* [0, 1) in steps of 2^-24: every value is exact in float32. */
static double unit(uint32_t word)
{
    return (double)(word >> 8) * 0x1p-24;
}

typedef struct {
    uint64_t seed, stream, first;
    double a, b;
} draw;

static void uniform4(const draw *d, uint64_t i, float out[4])
{
    uint32_t w[4];
    mtl_philox(d->seed, d->stream, d->first + i, w);
    for (int j = 0; j < 4; j++)
        out[j] = (float)(d->a + (d->b - d->a) * unit(w[j]));
}

static void normal4(const draw *d, uint64_t i, float out[4])
{
    uint32_t w[4];
    mtl_philox(d->seed, d->stream, d->first + i, w);
    for (int j = 0; j < 4; j += 2) {
        double radius = sqrt(-2.0 * log(1.0 - unit(w[j]))), angle = 6.283185307179586 * unit(w[j + 1]);
        out[j] = (float)(d->a + d->b * radius * cos(angle));
        out[j + 1] = (float)(d->a + d->b * radius * sin(angle));
    }
}

/* Drawn on the host, so that every device sees the same numbers. */
static mtl_status fill(mtl_tensor *t, draw d, void (*four)(const draw *, uint64_t, float *))
{
    mtl_context *ctx = t->ctx;
    mtl_tensor *host = NULL;
    mtl_status status = MTL_OK;
    if (t->dtype != MTL_F32)
        return mtl_fail(ctx, MTL_ERR_DTYPE, "random: the tensor is %s, which should be float32",
                        mtl_dtype_name(t->dtype));
    if (mtl_tensor_data(t))
        host = mtl_tensor_retain(t);
    else
        MTL_TRY(mtl_tensor_new(ctx, MTL_F32, t->rank, t->shape, &host));
    MTL_TRY_GOTO(mtl_tensor_writable(t, "random"));
    float *out = mtl_tensor_data(host), last[4];
    int64_t n = t->count, whole = n / 4;
    for (int64_t i = 0; i < whole; i++)
        four(&d, (uint64_t)i, out + 4 * i);
    if (n % 4) {
        four(&d, (uint64_t)whole, last);
        for (int64_t j = 0; j < n % 4; j++)
            out[4 * whole + j] = last[j];
    }
    if (host != t)
        status = mtl_tensor_write(t, out);
done:
    mtl_tensor_release(host);
    return status;
}

mtl_status mtl_random_uniform(mtl_tensor *t, uint64_t seed, uint64_t stream, uint64_t first, double low, double high)
{
    return fill(t, (draw){seed, stream, first, low, high}, uniform4);
}

mtl_status mtl_random_normal(mtl_tensor *t, uint64_t seed, uint64_t stream, uint64_t first, double mean, double std)
{
    return fill(t, (draw){seed, stream, first, mean, std}, normal4);
}

void mtl_random_permutation(int64_t n, uint64_t seed, uint64_t stream, uint64_t first, int32_t *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (int32_t)i;
    for (int64_t i = n - 1; i > 0; i--) {
        uint32_t w[4];
        mtl_philox(seed, stream, first + (uint64_t)i, w);
        /* 64 bits onto 0..i by multiplication: the bias is below 2^-32. */
        uint64_t r = ((uint64_t)w[1] << 32) | w[0];
        int64_t j = (int64_t)(((unsigned __int128)r * (uint64_t)(i + 1)) >> 64);
        int32_t kept = out[i];
        out[i] = out[j];
        out[j] = kept;
    }
}

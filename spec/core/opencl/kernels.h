/* Kernels of OpenCL devices against the CPU's: the same random tensors to both, and results that agree. */
#ifndef SPEC_KERNELS_H
#define SPEC_KERNELS_H

#include <stdlib.h>

#include "mtl/mtl.h"
#include "tensor/backend.h"
#include "test.h"

enum { KERNELS_MAX = 10 };

typedef enum { ABSENT, IN, OUT, BOTH_WAYS } slot_use;

/* A tensor of the call: floats in [-1, 1) times `size` (0: 1), plus `add`; or int32 below `classes`. */
typedef struct {
    slot_use use;
    int64_t count;
    double size, add;
    int64_t classes;
    bool integer;
    bool few; /* four of five are zeros */
} slot;

#define FLOATS(how, n)                                                                                                 \
    {                                                                                                                  \
        .use = (how), .count = (n)                                                                                     \
    }
#define INTS(how, n, most)                                                                                             \
    {                                                                                                                  \
        .use = (how), .count = (n), .classes = (most), .integer = true                                                 \
    }

typedef struct {
    const char *name;
    slot slot[KERNELS_MAX];
    mtl_status (*call)(const mtl_backend *k, mtl_tensor **t, const void *arg);
    const void *arg;
    double tolerance; /* of the largest element; 0: 1e-4 */
} kernel_case;

static mtl_context *kernels_ctx;
static int kernels_devices = 1;

static inline mtl_tensor *kernels_tensor(const slot *s, int stream, int device)
{
    mtl_tensor *t = NULL, *there = NULL;
    bool integer = s->integer || s->classes > 0;
    if (mtl_tensor_new(kernels_ctx, integer ? MTL_I32 : MTL_F32, 1, &s->count, &t) != MTL_OK)
        return NULL;
    for (int64_t i = 0; i < s->count; i++) {
        uint32_t w[4];
        mtl_philox(1, (uint64_t)stream, (uint64_t)i, w);
        double u = (w[0] >> 8) * 0x1p-24;
        if (integer)
            ((int32_t *)mtl_tensor_data(t))[i] = s->classes > 0 ? (int32_t)(u * (double)s->classes) : 0;
        else
            ((float *)mtl_tensor_data(t))[i] =
                s->few && w[1] % 5 != 0 ? 0.0f : (float)((2 * u - 1) * (s->size > 0 ? s->size : 1) + s->add);
    }
    CHECK(mtl_tensor_to(t, device, &there) == MTL_OK);
    mtl_tensor_release(t);
    return there;
}

static inline bool kernels_same(const kernel_case *c, int which, mtl_tensor *want, mtl_tensor *there)
{
    mtl_tensor *got = NULL;
    double largest = 1e-6, tolerance = c->tolerance > 0 ? c->tolerance : 1e-4;
    if (!CHECK(mtl_tensor_to(there, 0, &got) == MTL_OK))
        return false;
    bool good = true, floats = mtl_tensor_dtype(want) == MTL_F32;
    for (int64_t i = 0; floats && i < mtl_tensor_count(want); i++)
        largest = fmax(largest, fabs(((float *)mtl_tensor_data(want))[i]));
    for (int64_t i = 0; good && i < mtl_tensor_count(want); i++) {
        double a = floats ? ((float *)mtl_tensor_data(want))[i] : ((int32_t *)mtl_tensor_data(want))[i];
        double b = floats ? ((float *)mtl_tensor_data(got))[i] : ((int32_t *)mtl_tensor_data(got))[i];
        good = fabs(a - b) <= tolerance * largest || (isnan(a) && isnan(b)) || a == b;
        if (!good)
            printf("  %s: tensor %d, element %lld is %.9g, which should be %.9g\n", c->name, which, (long long)i, b, a);
    }
    mtl_tensor_release(got);
    return good;
}

/* Runs the case on the CPU and on each device of OpenCL, twice: the bits must be the same the second time. */
static inline void kernels_agree(const kernel_case *c)
{
    mtl_tensor *cpu[KERNELS_MAX] = {0}, *there[KERNELS_MAX], *again[KERNELS_MAX];
    if (!kernels_ctx) {
        CHECK(mtl_context_new(2, &kernels_ctx) == MTL_OK);
        if (mtl_device_count(kernels_ctx, &kernels_devices) != MTL_OK)
            printf("  no device of OpenCL: %s\n", mtl_message(kernels_ctx));
    }
    for (int i = 0; i < KERNELS_MAX; i++)
        cpu[i] = c->slot[i].use ? kernels_tensor(&c->slot[i], i, 0) : NULL;
    const mtl_backend *host = mtl_kernels(cpu[0]);
    if (!CHECK(c->call(host, cpu, c->arg) == MTL_OK))
        printf("  %s: %s\n", c->name, mtl_message(kernels_ctx));
    for (int device = 1; device < kernels_devices; device++) {
        for (int i = 0; i < KERNELS_MAX; i++) {
            there[i] = c->slot[i].use ? kernels_tensor(&c->slot[i], i, device) : NULL;
            again[i] = c->slot[i].use ? kernels_tensor(&c->slot[i], i, device) : NULL;
        }
        const mtl_backend *k = mtl_kernels(there[0]);
        bool done = c->call(k, there, c->arg) == MTL_OK && c->call(k, again, c->arg) == MTL_OK;
        if (!CHECK(done))
            printf("  %s: %s\n", c->name, mtl_message(kernels_ctx));
        for (int i = 0; i < KERNELS_MAX; i++) {
            if (done && c->slot[i].use >= OUT) {
                CHECK(kernels_same(c, i, cpu[i], there[i]));
                size_t bytes = mtl_tensor_bytes(there[i]);
                void *a = malloc(bytes + 1), *b = malloc(bytes + 1);
                CHECK(mtl_tensor_read(there[i], a) == MTL_OK && mtl_tensor_read(again[i], b) == MTL_OK);
                CHECK(memcmp(a, b, bytes) == 0);
                free(a);
                free(b);
            }
            mtl_tensor_release(there[i]);
            mtl_tensor_release(again[i]);
        }
    }
    for (int i = 0; i < KERNELS_MAX; i++)
        mtl_tensor_release(cpu[i]);
}

static inline void kernels_end(void)
{
    mtl_context_free(kernels_ctx);
}

#endif

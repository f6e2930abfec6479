/* Small tensors for the operator tests. */
#ifndef SPEC_OP_MAKE_H
#define SPEC_OP_MAKE_H

#include "mtl/mtl.h"
#include "test.h"

#define SHAPE(...)                                                                                                     \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                             \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

static inline mtl_tensor *make(mtl_context *ctx, mtl_dtype dtype, int rank, const int64_t *shape, const void *values)
{
    mtl_tensor *t = NULL;
    if (CHECK(mtl_tensor_new(ctx, dtype, rank, shape, &t) == MTL_OK) && values)
        mtl_tensor_write(t, values);
    return t;
}
#define FLOATS(ctx, ...)                                                                                               \
    make(ctx, MTL_F32, 1, &(int64_t){sizeof((float[]){__VA_ARGS__}) / sizeof(float)}, (float[]){__VA_ARGS__})
#define INTS(ctx, ...)                                                                                                 \
    make(ctx, MTL_I32, 1, &(int64_t){sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)}, (int32_t[]){__VA_ARGS__})

static inline float at(const mtl_tensor *t, int64_t i)
{
    return mtl_tensor_dtype(t) == MTL_F32   ? ((const float *)mtl_tensor_data(t))[i]
           : mtl_tensor_dtype(t) == MTL_I32 ? (float)((const int32_t *)mtl_tensor_data(t))[i]
                                            : (float)((const uint8_t *)mtl_tensor_data(t))[i];
}

static inline bool is(const mtl_tensor *t, int rank, const int64_t *shape)
{
    return mtl_tensor_rank(t) == rank && memcmp(mtl_tensor_shape(t), shape, (size_t)rank * sizeof *shape) == 0;
}

/* d(sum of y)/d(leaves), with one cotangent */
static inline mtl_status backward_sum(mtl_context *ctx, mtl_tensor *y)
{
    mtl_tensor *sum = NULL;
    mtl_status status = mtl_sum(y, MTL_ALL, false, &sum);
    if (status == MTL_OK)
        status = mtl_backward(ctx, 1, &(mtl_root){.value = sum, .scale = 1}, 1);
    mtl_tensor_release(sum);
    return status;
}

/* Ends a test: everything was released. */
static inline void finish(mtl_context *ctx)
{
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

#endif

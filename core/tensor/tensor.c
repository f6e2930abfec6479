/* Tensors: a shape over a counted storage. Views share storage; whatever writes in place asks mtl_tensor_writable
 * first. */
#include "mtl/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/backend.h"
#include "tensor/pool.h"

size_t mtl_dtype_size(mtl_dtype dtype)
{
    return dtype == MTL_U8 ? 1 : 4;
}

const char *mtl_dtype_name(mtl_dtype dtype)
{
    return dtype == MTL_F32 ? "float32" : dtype == MTL_I32 ? "int32" : "uint8";
}

const char *mtl_shape_text(int rank, const int64_t *shape, char *buf, size_t size)
{
    size_t used = (size_t)snprintf(buf, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%" PRId64, i ? ", " : "", shape[i]);
    if (used < size)
        snprintf(buf + used, size - used, "]");
    return buf;
}

static mtl_status storage_new(mtl_device *device, size_t bytes, mtl_storage **out)
{
    mtl_storage *s = calloc(1, sizeof *s);
    if (!s)
        return mtl_fail(device->ctx, MTL_ERR_MEMORY, "no host memory left");
    mtl_status status = mtl_pool_take(device, bytes, &s->data, &s->bytes);
    if (status != MTL_OK) {
        free(s);
        return status;
    }
    s->refs = 1;
    s->device = device;
    *out = s;
    return MTL_OK;
}

static void storage_release(mtl_storage *s)
{
    if (--s->refs > 0)
        return;
    mtl_pool_give(s->device, s->data, s->bytes);
    free(s);
}

/* The product of any sizes of a tensor is known not to overflow: one of 0 hides none that would. */
static mtl_status count_of(mtl_context *ctx, mtl_dtype dtype, int rank, const int64_t *shape, int64_t *count)
{
    int64_t n = 1, bytes;
    bool empty = false;
    if (rank < 0 || rank > MTL_MAX_RANK)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "a tensor of %d dimensions, which should be 0 to %d", rank, MTL_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return mtl_fail(ctx, MTL_ERR_SHAPE, "size %" PRId64 " at dimension %d is negative", shape[i], i + 1);
        empty = empty || shape[i] == 0;
        if (mtl_mul_overflows(n, shape[i] ? shape[i] : 1, &n) ||
            mtl_mul_overflows(n, (int64_t)mtl_dtype_size(dtype), &bytes)) {
            char text[MTL_SHAPE_TEXT];
            return mtl_fail(ctx, MTL_ERR_MEMORY, "a tensor of shape %s is larger than any memory",
                            mtl_shape_text(rank, shape, text, sizeof text));
        }
    }
    *count = empty ? 0 : n;
    return MTL_OK;
}

mtl_status mtl_tensor_new_on(mtl_context *ctx, int device, mtl_dtype dtype, int rank, const int64_t *shape,
                             mtl_tensor **out)
{
    int64_t count;
    mtl_device *on;
    MTL_TRY(count_of(ctx, dtype, rank, shape, &count));
    MTL_TRY(mtl_device_open(ctx, device, &on));
    mtl_tensor *t = calloc(1, sizeof *t);
    if (!t)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    mtl_status status = storage_new(on, (size_t)count * mtl_dtype_size(dtype), &t->storage);
    if (status != MTL_OK) {
        free(t);
        return status;
    }
    t->refs = 1;
    t->ctx = ctx;
    t->dtype = dtype;
    t->rank = rank;
    t->count = count;
    if (rank > 0)
        memcpy(t->shape, shape, (size_t)rank * sizeof *shape);
    *out = t;
    return MTL_OK;
}

mtl_status mtl_tensor_new(mtl_context *ctx, mtl_dtype dtype, int rank, const int64_t *shape, mtl_tensor **out)
{
    return mtl_tensor_new_on(ctx, 0, dtype, rank, shape, out);
}

mtl_status mtl_tensor_like(const mtl_tensor *like, mtl_dtype dtype, int rank, const int64_t *shape, mtl_tensor **out)
{
    return mtl_tensor_new_on(like->ctx, mtl_tensor_device(like), dtype, rank, shape, out);
}

mtl_status mtl_tensor_alias(const mtl_tensor *t, int rank, const int64_t *shape, int64_t offset, mtl_tensor **out)
{
    int64_t count;
    MTL_TRY(count_of(t->ctx, t->dtype, rank, shape, &count));
    if (offset < 0 || offset > t->count - count)
        return mtl_fail(t->ctx, MTL_ERR_SHAPE,
                        "a view of %" PRId64 " elements from %" PRId64 " on a tensor of %" PRId64, count, offset,
                        t->count);
    mtl_tensor *view = calloc(1, sizeof *view);
    if (!view)
        return mtl_fail(t->ctx, MTL_ERR_MEMORY, "no host memory left");
    view->refs = 1;
    view->ctx = t->ctx;
    view->dtype = t->dtype;
    view->rank = rank;
    view->count = count;
    if (rank > 0)
        memcpy(view->shape, shape, (size_t)rank * sizeof *shape);
    view->storage = t->storage;
    view->storage->refs++;
    view->offset = t->offset + (size_t)offset * mtl_dtype_size(t->dtype);
    mtl_status status = count == t->count ? mtl_survey_move(view, t) : MTL_OK;
    if (status == MTL_OK)
        *out = view;
    else
        mtl_tensor_release(view);
    return status;
}

mtl_status mtl_tensor_detach(mtl_tensor *t, mtl_tensor **out)
{
    return mtl_tensor_alias(t, t->rank, t->shape, 0, out);
}

mtl_tensor *mtl_tensor_retain(mtl_tensor *t)
{
    t->refs++;
    return t;
}

void mtl_tensor_release(mtl_tensor *t)
{
    if (!t || --t->refs > 0)
        return;
    if (t->node)
        mtl_node_release(t->node);
    mtl_tensor_release(t->grad);
    storage_release(t->storage);
    mtl_known_free(t->known);
    free(t);
}

mtl_context *mtl_tensor_context(const mtl_tensor *t)
{
    return t->ctx;
}

mtl_dtype mtl_tensor_dtype(const mtl_tensor *t)
{
    return t->dtype;
}

int mtl_tensor_rank(const mtl_tensor *t)
{
    return t->rank;
}

const int64_t *mtl_tensor_shape(const mtl_tensor *t)
{
    return t->shape;
}

int64_t mtl_tensor_count(const mtl_tensor *t)
{
    return t->count;
}

size_t mtl_tensor_bytes(const mtl_tensor *t)
{
    return (size_t)t->count * mtl_dtype_size(t->dtype);
}

int mtl_tensor_device(const mtl_tensor *t)
{
    return t->storage->device->index;
}

void *mtl_tensor_data(const mtl_tensor *t)
{
    return mtl_tensor_device(t) == 0 ? (char *)t->storage->data + t->offset : NULL;
}

bool mtl_same_shape(const mtl_tensor *a, const mtl_tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]) == 0;
}

mtl_status mtl_tensor_writable(mtl_tensor *t, const char *who)
{
    if (t->storage->saved > 0)
        return mtl_fail(t->ctx, MTL_ERR_STATE,
                        "%s: a backward pass still needs this tensor; copy it first, or write after the backward pass",
                        who);
    t->storage->version++;
    return MTL_OK;
}

mtl_status mtl_tensor_read(const mtl_tensor *t, void *host)
{
    return mtl_kernels(t)->read(t, host);
}

mtl_status mtl_tensor_write(mtl_tensor *t, const void *host)
{
    MTL_TRY(mtl_tensor_writable(t, "write"));
    return mtl_kernels(t)->write(t, host);
}

mtl_status mtl_tensor_fill(mtl_tensor *t, double value)
{
    double low = t->dtype == MTL_I32 ? INT32_MIN : 0, high = t->dtype == MTL_I32 ? INT32_MAX : UINT8_MAX;
    if (t->dtype != MTL_F32 && !(value >= low && value <= high))
        return mtl_fail(t->ctx, MTL_ERR_ARG, "fill: %g, which %s does not hold", value, mtl_dtype_name(t->dtype));
    MTL_TRY(mtl_tensor_writable(t, "fill"));
    return mtl_kernels(t)->fill(t, value);
}

mtl_status mtl_tensor_copy(mtl_tensor *dst, const mtl_tensor *src)
{
    if (!mtl_same_shape(dst, src) || dst->dtype != src->dtype) {
        char a[MTL_SHAPE_TEXT], b[MTL_SHAPE_TEXT];
        return mtl_fail(dst->ctx, MTL_ERR_SHAPE, "copy: %s %s into %s %s", mtl_dtype_name(src->dtype),
                        mtl_shape_text(src->rank, src->shape, a, sizeof a), mtl_dtype_name(dst->dtype),
                        mtl_shape_text(dst->rank, dst->shape, b, sizeof b));
    }
    MTL_TRY(mtl_tensor_writable(dst, "copy"));
    if (dst->storage->device == src->storage->device)
        return mtl_kernels(dst)->copy(dst, src);
    void *host = mtl_tensor_data(src);
    if (host)
        return mtl_kernels(dst)->write(dst, host);
    if ((host = mtl_tensor_data(dst)))
        return mtl_kernels(src)->read(src, host);
    return mtl_fail(dst->ctx, MTL_ERR_UNSUPPORTED, "copy: between two devices that are not the CPU");
}

/* Whether two tensors have bytes in common. */
static bool overlap(const mtl_tensor *a, const mtl_tensor *b)
{
    return a->storage == b->storage && a->offset < b->offset + mtl_tensor_bytes(b) &&
           b->offset < a->offset + mtl_tensor_bytes(a);
}

mtl_status mtl_tensor_add(mtl_tensor *dst, double alpha, const mtl_tensor *src)
{
    char a[MTL_SHAPE_TEXT], b[MTL_SHAPE_TEXT];
    if (dst->dtype != MTL_F32 || src->dtype != MTL_F32)
        return mtl_fail(dst->ctx, MTL_ERR_DTYPE, "add: %s to %s, which should both be float32",
                        mtl_dtype_name(src->dtype), mtl_dtype_name(dst->dtype));
    if (!mtl_same_shape(dst, src))
        return mtl_fail(dst->ctx, MTL_ERR_SHAPE, "add: shape %s to %s, which should be the same",
                        mtl_shape_text(src->rank, src->shape, a, sizeof a),
                        mtl_shape_text(dst->rank, dst->shape, b, sizeof b));
    if (dst->storage->device != src->storage->device)
        return mtl_fail(dst->ctx, MTL_ERR_ARG, "add: the tensors are on two devices; to() moves one of them");
    if (overlap(dst, src))
        return mtl_fail(dst->ctx, MTL_ERR_ARG, "add: the tensors share elements; clone() one of them");
    MTL_TRY(mtl_tensor_writable(dst, "add"));
    return MTL_KERNEL(dst, axpy, alpha, src, dst);
}

mtl_status mtl_tensor_scale(mtl_tensor *t, double factor)
{
    if (t->dtype != MTL_F32)
        return mtl_fail(t->ctx, MTL_ERR_DTYPE, "scale: %s, which should be float32", mtl_dtype_name(t->dtype));
    MTL_TRY(mtl_tensor_writable(t, "scale"));
    return MTL_KERNEL(t, scale, factor, t);
}

mtl_status mtl_tensor_to(mtl_tensor *t, int device, mtl_tensor **out)
{
    mtl_tensor *moved = NULL;
    if (device == mtl_tensor_device(t)) {
        *out = mtl_tensor_retain(t);
        return MTL_OK;
    }
    MTL_TRY(mtl_tensor_new_on(t->ctx, device, t->dtype, t->rank, t->shape, &moved));
    mtl_status status = mtl_tensor_copy(moved, t);
    if (status == MTL_OK)
        status = mtl_survey_move(moved, t);
    if (status == MTL_OK)
        *out = moved;
    else
        mtl_tensor_release(moved);
    return status;
}

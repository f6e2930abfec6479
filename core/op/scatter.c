/* Adding up by integer indices: scatter_add, bincount. */
#include <inttypes.h>
#include <stdlib.h>

#include "op/index.h"

enum { DIM };

/* The gradient of src is that of y, gathered. */
static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    const mtl_tensor *index = node->saved[0], *dy = call->dy;
    int dim = (int)node->integer[DIM];
    mtl_fold f = mtl_fold_at(node->rank, node->shape, dim);
    int64_t each = f.outer * f.n * f.inner;
    mtl_tensor *dsrc = NULL;
    if (node->needs[0])
        MTL_TRY(mtl_grad_give(call, 0, call->dy));
    if (!node->needs[1])
        return MTL_OK;
    MTL_TRY(mtl_grad_out(call, 1, &dsrc));
    for (int64_t r = 0; r < call->rows; r++) {
        mtl_tensor *from = NULL, *to = NULL;
        mtl_status status;
        MTL_TRY_GOTO(mtl_tensor_alias(dy, 1, &each, r * each, &from));
        MTL_TRY_GOTO(mtl_tensor_alias(dsrc, 1, &index->count, r * index->count, &to));
        status = MTL_KERNEL(to, gather, f.outer, f.n, index->shape[dim], f.inner, from, index, to);
    done:
        mtl_tensor_release(from);
        mtl_tensor_release(to);
        MTL_TRY(status);
    }
    return MTL_OK;
}

const mtl_op mtl_op_scatter_add = {"scatter_add", backward};

mtl_status mtl_scatter_add(mtl_tensor *x, int dim, mtl_tensor *index, mtl_tensor *src, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_floats("scatter_add", 2, (mtl_tensor *[]){x, src}));
    MTL_TRY(mtl_check_device("scatter_add", 2, (mtl_tensor *[]){x, index}));
    MTL_TRY(mtl_check_dim("scatter_add", x, dim, &dim));
    bool fits = index->rank == x->rank;
    for (int i = 0; fits && i < x->rank; i++)
        fits = i == dim || index->shape[i] == x->shape[i];
    if (!fits)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "scatter_add: indices of shape %s for a tensor of shape %s; they should be equal but for "
                        "dimension %d",
                        mtl_shape_text(index->rank, index->shape, other, sizeof other),
                        mtl_shape_text(x->rank, x->shape, text, sizeof text), dim + 1);
    if (!mtl_same_shape(index, src))
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "scatter_add: what is added has shape %s, which should be %s, that of the indices",
                        mtl_shape_text(src->rank, src->shape, text, sizeof text),
                        mtl_shape_text(index->rank, index->shape, other, sizeof other));
    MTL_TRY(mtl_check_index("scatter_add", index, 0, x->shape[dim]));
    MTL_TRY(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &y));
    mtl_fold f = mtl_fold_at(x->rank, x->shape, dim);
    mtl_status status = MTL_KERNEL(x, gather_grad, 1, f.outer, f.n, index->shape[dim], f.inner, src, index, y);
    if (status == MTL_OK)
        status = MTL_KERNEL(x, axpy, 1.0, x, y);
    MTL_TRY(mtl_finish(status, &mtl_op_scatter_add, 2, (mtl_tensor *[]){x, src}, 1, &index, y, &node, out));
    if (node)
        node->integer[DIM] = dim;
    return MTL_OK;
}

mtl_status mtl_bincount(mtl_tensor *x, int64_t least, mtl_tensor **out)
{
    mtl_status status;
    int64_t n = least;
    int32_t *from = NULL, *count = NULL;
    if (least < 0 || least > (int64_t)INT32_MAX + 1 || x->count > INT32_MAX)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "bincount: %" PRId64 " counts of %" PRId64 " elements; both should be 0 to 2^31 - 1", least,
                        x->count);
    MTL_TRY(mtl_check_index("bincount", x, 0, (int64_t)INT32_MAX + 1));
    from = malloc(mtl_tensor_bytes(x) + 1);
    if (!from)
        return mtl_fail(x->ctx, MTL_ERR_MEMORY, "no host memory left");
    MTL_TRY_GOTO(mtl_tensor_read(x, from));
    for (int64_t i = 0; i < x->count; i++)
        n = from[i] >= n ? (int64_t)from[i] + 1 : n;
    count = calloc((size_t)n + 1, sizeof *count);
    if (!count) {
        status = mtl_fail(x->ctx, MTL_ERR_MEMORY, "bincount: no host memory left for %" PRId64 " counts", n);
        goto done;
    }
    for (int64_t i = 0; i < x->count; i++)
        count[from[i]]++;
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_I32, 1, &n, out));
    status = MTL_KERNEL(*out, write, *out, count);
done:
    free(from);
    free(count);
    return status;
}

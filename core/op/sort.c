/* sort: stable, with the order as indices; topk: the first of it. */
#include <inttypes.h>

#include "op/broadcast.h"

enum { DIM };

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    mtl_fold f = mtl_fold_at(node->rank, node->shape, (int)node->integer[DIM]);
    mtl_tensor *dx = NULL;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, gather_grad, call->rows, f.outer, f.n, f.n, f.inner, call->dy, node->saved[0], dx);
}

const mtl_op mtl_op_sort = {"sort", backward};

mtl_status mtl_sort(mtl_tensor *x, int dim, bool descending, mtl_tensor **values, mtl_tensor **indices)
{
    mtl_tensor *y = NULL, *order = NULL, *sorted = NULL;
    mtl_node *node;
    mtl_status status;
    MTL_TRY(mtl_check_floats("sort", 1, &x));
    if (x->rank > 0)
        MTL_TRY(mtl_check_dim("sort", x, dim, &dim));
    mtl_fold f = mtl_fold_at(x->rank, x->shape, dim);
    if (f.n > INT32_MAX)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "sort: %lld elements are more than an int32 index counts",
                        (long long)f.n);
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &y));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_I32, x->rank, x->shape, &order));
    MTL_TRY_GOTO(MTL_KERNEL(x, sort, descending, f.outer, f.n, f.inner, x, y, order));
    if (values) {
        status = mtl_finish(MTL_OK, &mtl_op_sort, 1, &x, 1, &order, y, &node, &sorted);
        y = NULL; /* handed over, or released */
        MTL_TRY_GOTO(status);
        if (node)
            node->integer[DIM] = dim;
        *values = sorted;
    }
    if (indices) {
        *indices = order;
        order = NULL;
    }
done:
    mtl_tensor_release(y);
    mtl_tensor_release(order);
    return status;
}

mtl_status mtl_topk(mtl_tensor *x, int dim, int64_t k, bool largest, mtl_tensor **values, mtl_tensor **indices)
{
    mtl_tensor *sorted = NULL, *order = NULL, *first = NULL;
    mtl_status status;
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_dim("topk", x, dim, &dim));
    if (k < 0 || k > x->shape[dim])
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "topk: k is %" PRId64 ", which should be 0 to %" PRId64 ", the size of dimension %d of %s", k,
                        x->shape[dim], dim + 1, mtl_shape_text(x->rank, x->shape, text, sizeof text));
    MTL_TRY_GOTO(mtl_sort(x, dim, largest, values ? &sorted : NULL, indices ? &order : NULL));
    if (values)
        MTL_TRY_GOTO(mtl_slice(sorted, dim, 0, k, &first));
    if (indices)
        MTL_TRY_GOTO(mtl_slice(order, dim, 0, k, indices));
    if (values) {
        *values = first;
        first = NULL;
    }
done:
    mtl_tensor_release(sorted);
    mtl_tensor_release(order);
    mtl_tensor_release(first);
    return status;
}

/* cumsum: sums of all elements up to each; its gradient runs backward. */
#include "op/broadcast.h"

enum { DIM };

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    mtl_fold f = mtl_fold_at(node->rank, node->shape, (int)node->integer[DIM]);
    mtl_tensor *dx = NULL;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, cumsum, true, call->rows * f.outer, f.n, f.inner, call->dy, dx);
}

const mtl_op mtl_op_cumsum = {"cumsum", backward};

mtl_status mtl_cumsum(mtl_tensor *x, int dim, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    MTL_TRY(mtl_check_floats("cumsum", 1, &x));
    if (x->rank > 0)
        MTL_TRY(mtl_check_dim("cumsum", x, dim, &dim));
    mtl_fold f = mtl_fold_at(x->rank, x->shape, dim);
    MTL_TRY(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &y));
    mtl_status status = MTL_KERNEL(x, cumsum, false, f.outer, f.n, f.inner, x, y);
    MTL_TRY(mtl_finish(status, &mtl_op_cumsum, 1, &x, 0, NULL, y, &node, out));
    if (node)
        node->integer[DIM] = dim;
    return MTL_OK;
}

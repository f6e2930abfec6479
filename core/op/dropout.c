/* Dropout: x times a mask that is drawn once and kept for the gradient. */
#include "op/broadcast.h"

/* y[r] = x[r] * mask */
static mtl_status masked(int64_t rows, const mtl_tensor *x, const mtl_tensor *mask, mtl_tensor *y)
{
    int64_t n = mask->count;
    mtl_dims all = {2, {rows, n}};
    mtl_broadcast plan = mtl_broadcast_plan(&all, 2, (mtl_dims[]){all, {1, {n}}});
    return MTL_KERNEL(y, binary, MTL_BINARY_mul, &plan, x, mask, y);
}

static mtl_status backward(mtl_grad_call *call)
{
    mtl_tensor *dx;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return masked(call->rows, call->dy, call->node->saved[0], dx);
}

const mtl_op mtl_op_dropout = {.name = "dropout", .backward = backward};

mtl_status mtl_dropout(mtl_tensor *x, double p, uint64_t seed, uint64_t stream, uint64_t first, mtl_tensor **out)
{
    mtl_tensor *mask = NULL, *y = NULL;
    mtl_node *node;
    mtl_status status;
    MTL_TRY(mtl_check_floats("dropout", 1, &x));
    if (!(p >= 0 && p <= 1))
        return mtl_fail(x->ctx, MTL_ERR_ARG, "dropout: p is %g, which should be in [0, 1]", p);
    MTL_TRY(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &mask));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &y));
    status = MTL_KERNEL(x, dropout_mask, p, seed, stream, first, mask);
    if (status == MTL_OK)
        status = masked(1, x, mask, y);
    status = mtl_finish(status, &mtl_op_dropout, 1, &x, 1, &mask, y, &node, out);
done:
    mtl_tensor_release(mask);
    return status;
}

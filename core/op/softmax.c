/* softmax and log_softmax over one dimension. */
#include "op/broadcast.h"

enum { LOG, OUTER, N, INNER };

static mtl_status backward(mtl_grad_call *call)
{
    const int64_t *at = call->node->integer;
    mtl_tensor *dx;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, softmax_grad, at[LOG], call->rows, at[OUTER], at[N], at[INNER], call->node->saved[0],
                      call->dy, dx);
}

const mtl_op mtl_op_softmax = {.name = "softmax", .backward = backward};
const mtl_op mtl_op_log_softmax = {.name = "log_softmax", .backward = backward};

static mtl_status apply(const mtl_op *op, bool log, mtl_tensor *x, int dim, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    int axis;
    MTL_TRY(mtl_check_floats(op->name, 1, &x));
    MTL_TRY(mtl_check_dim(op->name, x, dim, &axis));
    MTL_TRY(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &y));
    mtl_fold f = mtl_fold_at(x->rank, x->shape, axis);
    mtl_status status = MTL_KERNEL(x, softmax, log, f.outer, f.n, f.inner, x, y);
    MTL_TRY(mtl_finish(status, op, 1, &x, 1, &y, y, &node, out));
    if (node) {
        node->integer[LOG] = log;
        node->integer[OUTER] = f.outer;
        node->integer[N] = f.n;
        node->integer[INNER] = f.inner;
    }
    return MTL_OK;
}

mtl_status mtl_softmax(mtl_tensor *x, int dim, mtl_tensor **out)
{
    return apply(&mtl_op_softmax, false, x, dim, out);
}

mtl_status mtl_log_softmax(mtl_tensor *x, int dim, mtl_tensor **out)
{
    return apply(&mtl_op_log_softmax, true, x, dim, out);
}

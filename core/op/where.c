/* where: picks from two inputs. What was not picked gets a gradient of exactly 0, whatever it holds. */
#include "op/broadcast.h"

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    const mtl_tensor *cond = node->saved[0];
    mtl_dims out = mtl_dims_rows(call->rows, node->rank, node->rank, node->shape);
    mtl_dims test = mtl_dims_of(cond->rank, cond->shape), one = {0};
    mtl_tensor *zero = NULL, *dx = NULL;
    mtl_status status;
    MTL_TRY_GOTO(mtl_tensor_like(call->dy, MTL_F32, 0, NULL, &zero));
    MTL_TRY_GOTO(MTL_KERNEL(zero, fill, zero, 0.0));
    for (int i = 0; i < 2; i++) {
        if (!node->needs[i])
            continue;
        MTL_TRY_GOTO(mtl_tensor_like(call->dy, MTL_F32, call->dy->rank, call->dy->shape, &dx));
        mtl_broadcast plan = mtl_broadcast_plan(&out, 3, (mtl_dims[]){test, i ? one : out, i ? out : one});
        MTL_TRY_GOTO(MTL_KERNEL(dx, where, &plan, cond, i ? zero : call->dy, i ? call->dy : zero, dx));
        MTL_TRY_GOTO(mtl_grad_sum(call, i, dx));
        mtl_tensor_release(dx);
        dx = NULL;
    }
done:
    mtl_tensor_release(zero);
    mtl_tensor_release(dx);
    return status;
}

const mtl_op mtl_op_where = {"where", backward};

mtl_status mtl_where(mtl_tensor *cond, mtl_tensor *a, mtl_tensor *b, mtl_tensor **out)
{
    mtl_tensor *y = NULL, *test = NULL, *in[2] = {a, b}, *all[3] = {cond, a, b};
    mtl_node *node;
    mtl_dims d;
    mtl_status status;
    MTL_TRY(mtl_check_device("where", 3, all));
    MTL_TRY(mtl_check_floats("where", 2, in));
    MTL_TRY(mtl_broadcast_shape("where", 3, all, &d));
    MTL_TRY_GOTO(mtl_cast(cond, MTL_F32, &test));
    MTL_TRY_GOTO(mtl_tensor_like(a, MTL_F32, d.rank, d.size, &y));
    mtl_broadcast plan =
        mtl_broadcast_plan(&d, 3,
                           (mtl_dims[]){mtl_dims_of(cond->rank, cond->shape), mtl_dims_of(a->rank, a->shape),
                                        mtl_dims_of(b->rank, b->shape)});
    status = MTL_KERNEL(y, where, &plan, test, a, b, y);
    status = mtl_finish(status, &mtl_op_where, 2, in, 1, &test, y, &node, out);
done:
    mtl_tensor_release(test);
    return status;
}

/* Element-wise operators of two inputs that broadcast. binary.def holds the formulas. */
#include "op/broadcast.h"

enum { KIND };

static mtl_status forward(const char *who, int kind, mtl_tensor *a, mtl_tensor *b, mtl_tensor **out)
{
    mtl_dims d;
    mtl_tensor *y = NULL;
    MTL_TRY(mtl_check_floats(who, 2, (mtl_tensor *[]){a, b}));
    MTL_TRY(mtl_broadcast_shape(who, 2, (mtl_tensor *[]){a, b}, &d));
    MTL_TRY(mtl_tensor_like(a, MTL_F32, d.rank, d.size, &y));
    mtl_broadcast plan =
        mtl_broadcast_plan(&d, 2, (mtl_dims[]){mtl_dims_of(a->rank, a->shape), mtl_dims_of(b->rank, b->shape)});
    mtl_status status = MTL_KERNEL(y, binary, kind, &plan, a, b, y);
    if (status == MTL_OK)
        *out = y;
    else
        mtl_tensor_release(y);
    return status;
}

/* dx = dy * d/da or d/db, in the shape of dy */
static mtl_status slope(mtl_grad_call *call, int which, mtl_tensor *dx)
{
    const mtl_node *node = call->node;
    const mtl_edge *a = &node->edges[0], *b = &node->edges[1], *other = &node->edges[1 - which];
    int kind = (int)node->integer[KIND];
    mtl_dims out = mtl_dims_rows(call->rows, node->rank, node->rank, node->shape);
    if (kind == MTL_BINARY_sub)
        return MTL_KERNEL(dx, unary, MTL_UNARY_neg, 0, 0, call->dy, dx);
    if (kind == MTL_BINARY_mul) {
        mtl_broadcast plan = mtl_broadcast_plan(&out, 2, (mtl_dims[]){out, mtl_dims_of(other->rank, other->shape)});
        return MTL_KERNEL(dx, binary, MTL_BINARY_mul, &plan, call->dy, node->saved[1 - which], dx);
    }
    mtl_broadcast plan =
        mtl_broadcast_plan(&out, 2, (mtl_dims[]){mtl_dims_of(a->rank, a->shape), mtl_dims_of(b->rank, b->shape)});
    return MTL_KERNEL(dx, binary_grad, kind, which, &plan, node->saved[0], node->saved[1], call->dy, dx);
}

/* An input that was not broadcast gets its gradient in one pass; else the pass goes to a tensor that is summed down. */
static mtl_status backward_of(mtl_grad_call *call, int which)
{
    const mtl_node *node = call->node;
    const mtl_edge *edge = &node->edges[which];
    int kind = (int)node->integer[KIND];
    mtl_dims out = mtl_dims_rows(call->rows, node->rank, node->rank, node->shape);
    mtl_dims in = mtl_dims_rows(call->rows, node->rank, edge->rank, edge->shape);
    mtl_tensor *dx = NULL;
    if (kind == MTL_BINARY_add || (kind == MTL_BINARY_sub && which == 0))
        return mtl_grad_sum(call, which, call->dy);
    if (mtl_dims_same(&out, &in)) {
        MTL_TRY(mtl_grad_out(call, which, &dx));
        return slope(call, which, dx);
    }
    MTL_TRY(mtl_tensor_like(call->dy, MTL_F32, 1, &call->dy->count, &dx));
    mtl_status status = slope(call, which, dx);
    if (status == MTL_OK)
        status = mtl_grad_sum(call, which, dx);
    mtl_tensor_release(dx);
    return status;
}

static mtl_status backward(mtl_grad_call *call)
{
    for (int i = 0; i < 2; i++) {
        if (call->node->needs[i])
            MTL_TRY(backward_of(call, i));
    }
    return MTL_OK;
}

static mtl_status arithmetic(const mtl_op *op, int kind, mtl_tensor *a, mtl_tensor *b, mtl_tensor **out)
{
    mtl_tensor *y = NULL, *in[2] = {a, b}, *saved[2] = {NULL, NULL};
    mtl_node *node;
    MTL_TRY(forward(op->name, kind, a, b, &y));
    if (kind != MTL_BINARY_add && kind != MTL_BINARY_sub) {
        saved[0] = kind != MTL_BINARY_mul || mtl_tensor_requires_grad(b) ? a : NULL;
        saved[1] = kind != MTL_BINARY_mul || mtl_tensor_requires_grad(a) ? b : NULL;
    }
    MTL_TRY(mtl_finish(MTL_OK, op, 2, in, 2, saved, y, &node, out));
    if (node)
        node->integer[KIND] = kind;
    return MTL_OK;
}

/* Of any dtype; the result is a constant. */
static mtl_status comparison(const mtl_op *op, int kind, mtl_tensor *a, mtl_tensor *b, mtl_tensor **out)
{
    mtl_tensor *fa = NULL, *fb = NULL;
    mtl_status status;
    MTL_TRY(mtl_check_device(op->name, 2, (mtl_tensor *[]){a, b}));
    MTL_TRY_GOTO(mtl_cast(a, MTL_F32, &fa));
    MTL_TRY_GOTO(mtl_cast(b, MTL_F32, &fb));
    status = forward(op->name, kind, fa, fb, out);
done:
    mtl_tensor_release(fa);
    mtl_tensor_release(fb);
    return status;
}

#define BINARY(name, rule, apply)                                                                                      \
    const mtl_op mtl_op_##name = {#name, rule};                                                                        \
    mtl_status mtl_##name(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out)                                              \
    {                                                                                                                  \
        return apply(&mtl_op_##name, MTL_BINARY_##name, a, b, out);                                                    \
    }

BINARY(add, backward, arithmetic)
BINARY(sub, backward, arithmetic)
BINARY(mul, backward, arithmetic)
BINARY(div, backward, arithmetic)
BINARY(pow, backward, arithmetic)
BINARY(minimum, backward, arithmetic)
BINARY(maximum, backward, arithmetic)
BINARY(eq, NULL, comparison)
BINARY(ne, NULL, comparison)
BINARY(lt, NULL, comparison)
BINARY(le, NULL, comparison)
BINARY(gt, NULL, comparison)
BINARY(ge, NULL, comparison)

/* Element-wise operators of one input. unary.def holds the formulas; here stands what each gradient needs. */
#include <math.h>

#include "op/broadcast.h"

/* What the gradient reads, the less the better: whatever is saved cannot be written in place. */
enum { NOTHING, X, Y };
enum { KIND, NEEDS };

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    int kind = (int)node->integer[KIND];
    double a = node->number[0], b = node->number[1];
    const mtl_tensor *saved = node->saved[0];
    mtl_tensor *dx = NULL;
    if (node->integer[NEEDS] != NOTHING) {
        MTL_TRY(mtl_grad_out(call, 0, &dx));
        return MTL_KERNEL(call->dy, unary_grad, kind, a, b, saved, saved, call->dy, dx);
    }
    if (kind == MTL_UNARY_scale && a == 1.0)
        return mtl_grad_give(call, 0, call->dy);
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    if (kind == MTL_UNARY_sign)
        return MTL_KERNEL(dx, fill, dx, 0.0);
    return MTL_KERNEL(dx, unary, MTL_UNARY_scale, kind == MTL_UNARY_neg ? -1.0 : a, 0.0, call->dy, dx);
}

static mtl_status apply(const mtl_op *op, int kind, int needs, double a, double b, mtl_tensor *x, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    MTL_TRY(mtl_check_floats(op->name, 1, &x));
    MTL_TRY(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &y));
    mtl_status status = MTL_KERNEL(x, unary, kind, a, b, x, y);
    if (kind == MTL_UNARY_isnan && status == MTL_OK) { /* a constant: it carries no history */
        *out = y;
        return MTL_OK;
    }
    MTL_TRY(mtl_finish(status, op, 1, &x, needs != NOTHING, needs == X ? &x : &y, y, &node, out));
    if (node) {
        node->integer[KIND] = kind;
        node->integer[NEEDS] = needs;
        node->number[0] = a;
        node->number[1] = b;
    }
    return MTL_OK;
}

#define UNARY(name, needs)                                                                                             \
    const mtl_op mtl_op_##name = {#name, backward};                                                                    \
    mtl_status mtl_##name(mtl_tensor *x, mtl_tensor **out)                                                             \
    {                                                                                                                  \
        return apply(&mtl_op_##name, MTL_UNARY_##name, needs, 0, 0, x, out);                                           \
    }

UNARY(neg, NOTHING)
UNARY(abs, X)
UNARY(exp, Y)
UNARY(log, X)
UNARY(sqrt, Y)
UNARY(square, X)
UNARY(sign, NOTHING)
UNARY(relu, Y)
UNARY(gelu, X)
UNARY(gelu_tanh, X)
UNARY(silu, X)
UNARY(sigmoid, Y)
UNARY(tanh, Y)

const mtl_op mtl_op_leaky_relu = {"leaky_relu", backward};
const mtl_op mtl_op_elu = {"elu", backward};
const mtl_op mtl_op_softplus = {"softplus", backward};
const mtl_op mtl_op_clamp = {"clamp", backward};
const mtl_op mtl_op_scale = {"scale", backward};
const mtl_op mtl_op_isnan = {"isnan", NULL};

mtl_status mtl_leaky_relu(mtl_tensor *x, double slope, mtl_tensor **out)
{
    return apply(&mtl_op_leaky_relu, MTL_UNARY_leaky_relu, X, slope, 0, x, out);
}

mtl_status mtl_elu(mtl_tensor *x, double alpha, mtl_tensor **out)
{
    return apply(&mtl_op_elu, MTL_UNARY_elu, X, alpha, 0, x, out);
}

mtl_status mtl_softplus(mtl_tensor *x, double beta, mtl_tensor **out)
{
    if (!(beta > 0) || isinf(beta))
        return mtl_fail(x->ctx, MTL_ERR_ARG, "softplus: beta is %g, which should be positive", beta);
    return apply(&mtl_op_softplus, MTL_UNARY_softplus, X, beta, 0, x, out);
}

mtl_status mtl_clamp(mtl_tensor *x, double low, double high, mtl_tensor **out)
{
    if (!(low <= high))
        return mtl_fail(x->ctx, MTL_ERR_ARG, "clamp: low is %g, which should be at most high, %g", low, high);
    return apply(&mtl_op_clamp, MTL_UNARY_clamp, X, low, high, x, out);
}

mtl_status mtl_isnan(mtl_tensor *x, mtl_tensor **out)
{
    return apply(&mtl_op_isnan, MTL_UNARY_isnan, NOTHING, 0, 0, x, out);
}

mtl_status mtl_scale(mtl_tensor *x, double factor, double shift, mtl_tensor **out)
{
    return apply(&mtl_op_scale, MTL_UNARY_scale, NOTHING, factor, shift, x, out);
}

/* Binary cross-entropy of logits, element by element. */
#include "op/broadcast.h"

static mtl_status backward(mtl_grad_call *call)
{
    mtl_node *node = call->node;
    mtl_tensor *dx;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, bce_logits_grad, node->number[0], call->rows, node->saved[0], node->saved[1], call->dy, dx);
}

const mtl_op mtl_op_bce_logits = {.name = "bce_logits", .backward = backward};

mtl_status mtl_bce_logits(mtl_tensor *x, mtl_tensor *target, double pos_weight, mtl_tensor **out)
{
    mtl_tensor *in[] = {x, target}, *y = NULL;
    mtl_node *node;
    MTL_TRY(mtl_check_floats("bce_logits", 2, in));
    if (!mtl_same_shape(x, target)) {
        char a[MTL_SHAPE_TEXT], b[MTL_SHAPE_TEXT];
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "bce_logits: targets of shape %s for logits of shape %s",
                        mtl_shape_text(target->rank, target->shape, a, sizeof a),
                        mtl_shape_text(x->rank, x->shape, b, sizeof b));
    }
    if (!(pos_weight >= 0 && pos_weight <= 1e30))
        return mtl_fail(x->ctx, MTL_ERR_ARG, "bce_logits: pos_weight is %g, which should be 0 or more", pos_weight);
    MTL_TRY(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &y));
    mtl_status status = MTL_KERNEL(x, bce_logits, pos_weight, x, target, y);
    MTL_TRY(mtl_finish(status, &mtl_op_bce_logits, 1, in, 2, in, y, &node, out)); /* no gradient to the targets */
    if (node)
        node->number[0] = pos_weight;
    return MTL_OK;
}

/* conv2d: x [B, C, H, W], weight [O, C/groups, kh, kw], bias [O]; cross-correlation with zero padding, as in PyTorch.
 */
#include <inttypes.h>

#include "op/window.h"

enum { X, WEIGHT, BIAS };

static mtl_status weight_grad(const mtl_node *node, const void *with, int64_t rows, mtl_tensor *dy, mtl_tensor *d)
{
    return MTL_KERNEL(d, conv2d_grad, with, rows, node->saved[X], NULL, dy, NULL, d, NULL);
}

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    mtl_conv c = mtl_window_kept(node);
    mtl_tensor *d[3] = {NULL, NULL, NULL};
    bool apart = node->needs[WEIGHT] && mtl_grad_by_row(call, WEIGHT);
    if (apart)
        MTL_TRY(mtl_grad_parts(call, WEIGHT, call->dy, weight_grad, &c));
    for (int i = X; i <= BIAS; i++) {
        if (node->needs[i] && !(apart && i == WEIGHT))
            MTL_TRY(mtl_grad_out(call, i, &d[i]));
    }
    if (!d[X] && !d[WEIGHT] && !d[BIAS])
        return MTL_OK;
    return MTL_KERNEL(call->dy, conv2d_grad, &c, call->rows, node->saved[X], node->saved[WEIGHT], call->dy, d[X],
                      d[WEIGHT], d[BIAS]);
}

const mtl_op mtl_op_conv2d = {"conv2d", backward};

static mtl_status check(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w, const mtl_spread *s,
                        mtl_conv *c)
{
    char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    mtl_shape_text(x->rank, x->shape, text, sizeof text);
    mtl_shape_text(weight->rank, weight->shape, other, sizeof other);
    MTL_TRY(mtl_check_floats("conv2d", 3, (mtl_tensor *[]){x, weight, bias}));
    MTL_TRY(mtl_window_over("conv2d", x, w, s, c));
    if (x->shape[1] % s->groups != 0)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "conv2d: %" PRId64 " groups of the %" PRId64 " channels of input %s; they should be alike",
                        s->groups, x->shape[1], text);
    int64_t each = x->shape[1] / s->groups;
    if (weight->rank != 4 || weight->shape[0] < 1 || weight->shape[2] != w->kernel_h || weight->shape[3] != w->kernel_w)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "conv2d: the weight has shape %s, which should be [out, %" PRId64 ", %" PRId64 ", %" PRId64 "]",
                        other, each, w->kernel_h, w->kernel_w);
    if (each != weight->shape[1])
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "conv2d: input %s has %" PRId64 " channels%s, the weight %s takes %" PRId64, text, each,
                        s->groups > 1 ? " in each group" : "", other, weight->shape[1]);
    if (weight->shape[0] % s->groups != 0)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "conv2d: %" PRId64 " groups of the %" PRId64 " output channels of the weight %s; they should "
                        "be alike",
                        s->groups, weight->shape[0], other);
    if (bias && (bias->rank != 1 || bias->count != weight->shape[0]))
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "conv2d: the bias has shape %s, which should be [%" PRId64 "], as the weight %s",
                        mtl_shape_text(bias->rank, bias->shape, text, sizeof text), weight->shape[0], other);
    c->out_channels = weight->shape[0];
    return MTL_OK;
}

mtl_status mtl_conv2d(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w, mtl_tensor **out)
{
    return mtl_conv2d_spread(x, weight, bias, w, &mtl_dense, out);
}

mtl_status mtl_conv2d_spread(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w,
                             const mtl_spread *s, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    mtl_conv c;
    MTL_TRY(check(x, weight, bias, w, s, &c));
    MTL_TRY(mtl_tensor_like(x, MTL_F32, 4, (int64_t[]){c.batch, c.out_channels, c.out_h, c.out_w}, &y));
    mtl_status status = MTL_KERNEL(x, conv2d, &c, x, weight, bias, y);
    mtl_tensor *need[] = {mtl_tensor_requires_grad(weight) ? x : NULL, mtl_tensor_requires_grad(x) ? weight : NULL};
    MTL_TRY(mtl_finish(status, &mtl_op_conv2d, 3, (mtl_tensor *[]){x, weight, bias}, 2, need, y, &node, out));
    if (node)
        mtl_window_keep(node, &c);
    return MTL_OK;
}

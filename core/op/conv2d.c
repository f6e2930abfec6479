/* conv2d: x [B, C, H, W], weight [O, C, kh, kw], bias [O]; cross-correlation with zero padding, as in PyTorch. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "op/window.h"

enum { X, WEIGHT, BIAS };

mtl_status mtl_window_over(const char *who, const mtl_tensor *x, const mtl_window *w, mtl_conv *c)
{
    char text[MTL_SHAPE_TEXT];
    mtl_shape_text(x->rank, x->shape, text, sizeof text);
    if (x->rank != 4)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: input %s, which should be [batch, channels, height, width]", who,
                        text);
    if (w->kernel_h < 1 || w->kernel_w < 1 || w->stride_h < 1 || w->stride_w < 1 || w->pad_h < 0 || w->pad_w < 0)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "%s: kernel %" PRId64 " x %" PRId64 ", stride %" PRId64 " x %" PRId64 ", padding %" PRId64
                        " x %" PRId64 "; kernel and stride should be 1 or more, padding 0 or more",
                        who, w->kernel_h, w->kernel_w, w->stride_h, w->stride_w, w->pad_h, w->pad_w);
    /* sizes below 2^30 cannot overflow what is computed of them, and places in an image fit int32 */
    int64_t limit = 1 << 30, sizes[] = {w->kernel_h, w->kernel_w, w->stride_h, w->stride_w, w->pad_h, w->pad_w};
    for (int i = 0; i < 6; i++) {
        if (sizes[i] > limit)
            return mtl_fail(x->ctx, MTL_ERR_ARG, "%s: a kernel, stride or padding of %" PRId64, who, sizes[i]);
    }
    if (x->shape[1] < 1 || x->shape[2] < 1 || x->shape[3] < 1)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: input %s has no channels or no pixels", who, text);
    if (x->shape[2] > limit || x->shape[3] > limit || x->shape[2] * x->shape[3] > INT32_MAX)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: the images of input %s are too large", who, text);
    int64_t high = x->shape[2] + 2 * w->pad_h, wide = x->shape[3] + 2 * w->pad_w;
    if (w->kernel_h > high || w->kernel_w > wide)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "%s: a window of %" PRId64 " x %" PRId64 " on images of %" PRId64 " x %" PRId64
                        " with padding %" PRId64 " x %" PRId64 "; it should fit at least once",
                        who, w->kernel_h, w->kernel_w, x->shape[2], x->shape[3], w->pad_h, w->pad_w);
    *c = (mtl_conv){.batch = x->shape[0],
                    .in_channels = x->shape[1],
                    .height = x->shape[2],
                    .width = x->shape[3],
                    .out_channels = x->shape[1],
                    .kernel_h = w->kernel_h,
                    .kernel_w = w->kernel_w,
                    .stride_h = w->stride_h,
                    .stride_w = w->stride_w,
                    .pad_h = w->pad_h,
                    .pad_w = w->pad_w,
                    .out_h = (high - w->kernel_h) / w->stride_h + 1,
                    .out_w = (wide - w->kernel_w) / w->stride_w + 1};
    return MTL_OK;
}

void mtl_window_keep(mtl_node *node, const mtl_conv *c)
{
    _Static_assert(sizeof *c <= sizeof node->integer, "a window fits a node");
    memcpy(node->integer, c, sizeof *c);
}

mtl_conv mtl_window_kept(const mtl_node *node)
{
    mtl_conv c;
    memcpy(&c, node->integer, sizeof c);
    return c;
}

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    mtl_conv c = mtl_window_kept(node);
    mtl_tensor *d[3] = {NULL, NULL, NULL};
    for (int i = X; i <= BIAS; i++) {
        if (node->needs[i])
            MTL_TRY(mtl_grad_out(call, i, &d[i]));
    }
    return MTL_KERNEL(call->dy, conv2d_grad, &c, call->rows, node->saved[X], node->saved[WEIGHT], call->dy, d[X],
                      d[WEIGHT], d[BIAS]);
}

const mtl_op mtl_op_conv2d = {"conv2d", backward};

static mtl_status check(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w, mtl_conv *c)
{
    char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    mtl_shape_text(x->rank, x->shape, text, sizeof text);
    mtl_shape_text(weight->rank, weight->shape, other, sizeof other);
    MTL_TRY(mtl_check_floats("conv2d", 3, (mtl_tensor *[]){x, weight, bias}));
    MTL_TRY(mtl_window_over("conv2d", x, w, c));
    if (weight->rank != 4 || weight->shape[0] < 1 || weight->shape[2] != w->kernel_h || weight->shape[3] != w->kernel_w)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "conv2d: the weight has shape %s, which should be [out, %" PRId64 ", %" PRId64 ", %" PRId64 "]",
                        other, x->shape[1], w->kernel_h, w->kernel_w);
    if (x->shape[1] != weight->shape[1])
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "conv2d: input %s has %" PRId64 " channels, the weight %s takes %" PRId64, text, x->shape[1],
                        other, weight->shape[1]);
    if (bias && (bias->rank != 1 || bias->count != weight->shape[0]))
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "conv2d: the bias has shape %s, which should be [%" PRId64 "], as the weight %s",
                        mtl_shape_text(bias->rank, bias->shape, text, sizeof text), weight->shape[0], other);
    c->out_channels = weight->shape[0];
    return MTL_OK;
}

mtl_status mtl_conv2d(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    mtl_conv c;
    MTL_TRY(check(x, weight, bias, w, &c));
    MTL_TRY(mtl_tensor_like(x, MTL_F32, 4, (int64_t[]){c.batch, c.out_channels, c.out_h, c.out_w}, &y));
    mtl_status status = MTL_KERNEL(x, conv2d, &c, x, weight, bias, y);
    mtl_tensor *need[] = {mtl_tensor_requires_grad(weight) ? x : NULL, mtl_tensor_requires_grad(x) ? weight : NULL};
    MTL_TRY(mtl_finish(status, &mtl_op_conv2d, 3, (mtl_tensor *[]){x, weight, bias}, 2, need, y, &node, out));
    if (node)
        mtl_window_keep(node, &c);
    return MTL_OK;
}

/* conv_transpose2d: x [B, C, H, W], weight [C, O/groups, kh, kw], as in PyTorch. It is the gradient that a convolution
   from O to C channels, with this very weight, sends to its input; so the kernels are that convolution's. */
#include <inttypes.h>

#include "op/window.h"

enum { X, WEIGHT };

static mtl_status input_grad(const mtl_node *node, mtl_grad_call *call)
{
    mtl_conv c = mtl_window_kept(node);
    mtl_tensor *dx;
    MTL_TRY(mtl_grad_out(call, X, &dx));
    c.batch *= call->rows;
    return MTL_KERNEL(dx, conv2d, &c, call->dy, node->saved[WEIGHT], NULL, dx);
}

/* Here the images differ from cotangent to cotangent: one after the other. */
static mtl_status weight_grad(const mtl_node *node, const void *with, int64_t rows, mtl_tensor *dy, mtl_tensor *dw)
{
    const mtl_conv *c = with;
    mtl_tensor *dy_row = NULL, *dw_row = NULL;
    const mtl_edge *w = &node->edges[WEIGHT];
    mtl_status status = MTL_OK;
    int64_t n_dy = dy->count / rows, n_dw = dw->count / rows;
    for (int64_t r = 0; status == MTL_OK && r < rows; r++) {
        MTL_TRY_GOTO(mtl_tensor_alias(dy, node->rank, node->shape, r * n_dy, &dy_row));
        MTL_TRY_GOTO(mtl_tensor_alias(dw, w->rank, w->shape, r * n_dw, &dw_row));
        status = MTL_KERNEL(dw, conv2d_grad, c, 1, dy_row, NULL, node->saved[X], NULL, dw_row, NULL);
        mtl_tensor_release(dy_row);
        mtl_tensor_release(dw_row);
        dy_row = dw_row = NULL;
    }
done:
    mtl_tensor_release(dy_row);
    mtl_tensor_release(dw_row);
    return status;
}

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    if (node->needs[X])
        MTL_TRY(input_grad(node, call));
    mtl_conv c = mtl_window_kept(node);
    return node->needs[WEIGHT] ? mtl_grad_parts(call, WEIGHT, call->dy, weight_grad, &c) : MTL_OK;
}

const mtl_op mtl_op_conv_transpose2d = {"conv_transpose2d", backward};

/* *c: the convolution that this is the gradient of. */
static mtl_status check(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w, const mtl_spread *s,
                        mtl_conv *c)
{
    char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    const char *who = mtl_op_conv_transpose2d.name;
    mtl_context *ctx = x->ctx;
    mtl_shape_text(x->rank, x->shape, text, sizeof text);
    mtl_shape_text(weight->rank, weight->shape, other, sizeof other);
    MTL_TRY(mtl_check_floats(who, 3, (mtl_tensor *[]){x, weight, bias}));
    MTL_TRY(mtl_window_check(who, x, w, s));
    if (weight->rank != 4 || weight->shape[0] != x->shape[1] || weight->shape[1] < 1 ||
        weight->shape[2] != w->kernel_h || weight->shape[3] != w->kernel_w)
        return mtl_fail(ctx, MTL_ERR_SHAPE,
                        "%s: the weight has shape %s, which should be [%" PRId64 ", out / groups, %" PRId64 ", %" PRId64
                        "] for input %s",
                        who, other, x->shape[1], w->kernel_h, w->kernel_w, text);
    if (x->shape[1] < 1 || x->shape[2] < 1 || x->shape[3] < 1)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "%s: input %s has no channels or no pixels", who, text);
    if (x->shape[1] % s->groups != 0)
        return mtl_fail(ctx, MTL_ERR_ARG, "%s: %" PRId64 " groups of the %" PRId64 " channels of input %s", who,
                        s->groups, x->shape[1], text);
    int64_t most_h = w->stride_h > s->dilation_h ? w->stride_h : s->dilation_h;
    int64_t most_w = w->stride_w > s->dilation_w ? w->stride_w : s->dilation_w;
    if (s->extra_h < 0 || s->extra_h >= most_h || s->extra_w < 0 || s->extra_w >= most_w)
        return mtl_fail(ctx, MTL_ERR_ARG,
                        "%s: output_padding %" PRId64 " x %" PRId64 ", which should be 0 or more and less than stride "
                        "or dilation",
                        who, s->extra_h, s->extra_w);
    if (x->shape[2] > INT32_MAX || x->shape[3] > INT32_MAX)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "%s: the images of input %s are too large", who, text);
    int64_t image[4];
    image[0] = x->shape[0];
    image[1] = weight->shape[1] * s->groups;
    image[2] = (x->shape[2] - 1) * w->stride_h - 2 * w->pad_h + s->dilation_h * (w->kernel_h - 1) + s->extra_h + 1;
    image[3] = (x->shape[3] - 1) * w->stride_w - 2 * w->pad_w + s->dilation_w * (w->kernel_w - 1) + s->extra_w + 1;
    if (image[2] < 1 || image[3] < 1)
        return mtl_fail(ctx, MTL_ERR_SHAPE,
                        "%s: of input %s nothing is left between the padding %" PRId64 " x %" PRId64, who, text,
                        w->pad_h, w->pad_w);
    if (bias && (bias->rank != 1 || bias->count != image[1]))
        return mtl_fail(ctx, MTL_ERR_SHAPE, "%s: the bias has shape %s, which should be [%" PRId64 "]", who,
                        mtl_shape_text(bias->rank, bias->shape, text, sizeof text), image[1]);
    MTL_TRY(mtl_window_fit(who, ctx, image, w, s, c));
    c->out_channels = x->shape[1];
    c->out_h = x->shape[2];
    c->out_w = x->shape[3];
    return MTL_OK;
}

mtl_status mtl_conv_transpose2d(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w,
                                const mtl_spread *s, mtl_tensor **out)
{
    mtl_tensor *y = NULL, *row = NULL;
    mtl_node *node;
    mtl_conv c;
    MTL_TRY(check(x, weight, bias, w, s, &c));
    MTL_TRY(mtl_tensor_like(x, MTL_F32, 4, (int64_t[]){c.batch, c.in_channels, c.height, c.width}, &y));
    mtl_status status = MTL_KERNEL(x, conv2d_grad, &c, 1, NULL, weight, x, y, NULL, NULL);
    mtl_tensor *need[] = {mtl_tensor_requires_grad(weight) ? x : NULL, mtl_tensor_requires_grad(x) ? weight : NULL};
    MTL_TRY(mtl_finish(status, &mtl_op_conv_transpose2d, 2, (mtl_tensor *[]){x, weight}, 2, need, y, &node, &y));
    if (node)
        mtl_window_keep(node, &c);
    if (!bias) {
        *out = y;
        return MTL_OK;
    }
    status = mtl_reshape(bias, 3, (int64_t[]){c.in_channels, 1, 1}, &row);
    if (status == MTL_OK)
        status = mtl_add(y, row, out);
    mtl_tensor_release(row);
    mtl_tensor_release(y);
    return status;
}

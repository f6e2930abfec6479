/* upsample, adaptive_avg_pool2d and pad: planes [H, W] of another size, each pixel a weighted sum of some. */
#include <inttypes.h>
#include <string.h>

#include "op/broadcast.h"

static mtl_status backward(mtl_grad_call *call)
{
    mtl_resize r;
    mtl_tensor *dx;
    memcpy(&r, call->node->integer, sizeof r);
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, resize_grad, &r, call->rows, call->dy, dx);
}

const mtl_op mtl_op_upsample = {"upsample", backward};
const mtl_op mtl_op_adaptive_avg_pool2d = {"adaptive_avg_pool2d", backward};
const mtl_op mtl_op_pad = {"pad", backward};

static mtl_status check(const mtl_op *op, mtl_tensor *x)
{
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_floats(op->name, 1, &x));
    mtl_shape_text(x->rank, x->shape, text, sizeof text);
    if (op == &mtl_op_pad ? x->rank < 2 : x->rank != 4)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: input %s, which should be [%s, height, width]", op->name, text,
                        op == &mtl_op_pad ? "..." : "batch, channels");
    int64_t height = x->shape[x->rank - 2], width = x->shape[x->rank - 1];
    if (height < 1 || width < 1 || height > INT32_MAX || width > INT32_MAX)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: input %s, whose images should have 1 to %d lines and columns",
                        op->name, text, INT32_MAX);
    return MTL_OK;
}

/* `r` without planes, height and width. */
static mtl_status apply(const mtl_op *op, mtl_tensor *x, mtl_resize *r, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    int64_t shape[MTL_MAX_RANK];
    memcpy(shape, x->shape, sizeof shape);
    r->height = shape[x->rank - 2];
    r->width = shape[x->rank - 1];
    r->planes = x->count / r->height / r->width;
    if (r->out_h < 1 || r->out_w < 1 || r->out_h > INT32_MAX || r->out_w > INT32_MAX)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "%s: images of %" PRId64 " x %" PRId64 "; they should be 1 to %d wide and high", op->name,
                        r->out_h, r->out_w, INT32_MAX);
    shape[x->rank - 2] = r->out_h;
    shape[x->rank - 1] = r->out_w;
    MTL_TRY(mtl_tensor_like(x, MTL_F32, x->rank, shape, &y));
    mtl_status status = MTL_KERNEL(x, resize, r, x, y);
    MTL_TRY(mtl_finish(status, op, 1, &x, 0, NULL, y, &node, out));
    _Static_assert(sizeof *r <= sizeof node->integer, "a change of size fits a node");
    if (node)
        memcpy(node->integer, r, sizeof *r);
    return MTL_OK;
}

mtl_status mtl_upsample(mtl_tensor *x, int64_t out_h, int64_t out_w, mtl_upsample_mode mode, mtl_tensor **out)
{
    mtl_resize r = {.kind = mode == MTL_UPSAMPLE_NEAREST ? MTL_RESIZE_NEAREST : MTL_RESIZE_BILINEAR,
                    .out_h = out_h,
                    .out_w = out_w};
    MTL_TRY(check(&mtl_op_upsample, x));
    return apply(&mtl_op_upsample, x, &r, out);
}

mtl_status mtl_adaptive_avg_pool2d(mtl_tensor *x, int64_t out_h, int64_t out_w, mtl_tensor **out)
{
    mtl_resize r = {.kind = MTL_RESIZE_MEAN, .out_h = out_h, .out_w = out_w};
    MTL_TRY(check(&mtl_op_adaptive_avg_pool2d, x));
    return apply(&mtl_op_adaptive_avg_pool2d, x, &r, out);
}

mtl_status mtl_pad(mtl_tensor *x, const int64_t *padding, mtl_pad_mode mode, double value, mtl_tensor **out)
{
    static const int kinds[] = {MTL_RESIZE_CONSTANT, MTL_RESIZE_REFLECT, MTL_RESIZE_REPLICATE};
    static const char *const sides[] = {"left", "right", "top", "bottom"};
    MTL_TRY(check(&mtl_op_pad, x));
    for (int i = 0; i < 4; i++) {
        int64_t size = x->shape[x->rank - (i < 2 ? 1 : 2)];
        if (padding[i] < 0 || padding[i] > INT32_MAX)
            return mtl_fail(x->ctx, MTL_ERR_ARG, "pad: %s is %" PRId64 ", which should be 0 to %d", sides[i],
                            padding[i], INT32_MAX);
        if (mode == MTL_PAD_REFLECT && padding[i] >= size)
            return mtl_fail(x->ctx, MTL_ERR_ARG,
                            "pad: %s is %" PRId64 ", which should be less than the size %" PRId64 " that is reflected",
                            sides[i], padding[i], size);
    }
    mtl_resize r = {.kind = kinds[mode],
                    .out_h = x->shape[x->rank - 2] + padding[2] + padding[3],
                    .out_w = x->shape[x->rank - 1] + padding[0] + padding[1],
                    .top = padding[2],
                    .left = padding[0],
                    .value = value};
    return apply(&mtl_op_pad, x, &r, out);
}

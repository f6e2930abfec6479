/* The geometry of convolution and pooling: checks with messages, and where a node keeps it. */
#include "op/window.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* Sizes up to here cannot overflow what is computed of them, and places in an image fit int32. */
#define LIMIT ((int64_t)1 << 30)
/* Elements of images with their borders: what the kernels make room for. */
#define ROOM 0x1p40

const mtl_spread mtl_dense = {1, 1, 1, 0, 0};

mtl_status mtl_window_check(const char *who, const mtl_tensor *x, const mtl_window *w, const mtl_spread *s)
{
    if (x->rank != 4) {
        char text[MTL_SHAPE_TEXT];
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: input %s, which should be [batch, channels, height, width]", who,
                        mtl_shape_text(x->rank, x->shape, text, sizeof text));
    }
    if (w->kernel_h < 1 || w->kernel_w < 1 || w->stride_h < 1 || w->stride_w < 1 || w->pad_h < 0 || w->pad_w < 0)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "%s: kernel %" PRId64 " x %" PRId64 ", stride %" PRId64 " x %" PRId64 ", padding %" PRId64
                        " x %" PRId64 "; kernel and stride should be 1 or more, padding 0 or more",
                        who, w->kernel_h, w->kernel_w, w->stride_h, w->stride_w, w->pad_h, w->pad_w);
    if (s->dilation_h < 1 || s->dilation_w < 1 || s->groups < 1)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "%s: dilation %" PRId64 " x %" PRId64 ", groups %" PRId64 "; they should be 1 or more", who,
                        s->dilation_h, s->dilation_w, s->groups);
    int64_t sizes[] = {w->kernel_h, w->kernel_w, w->stride_h,   w->stride_w,
                       w->pad_h,    w->pad_w,    s->dilation_h, s->dilation_w};
    for (int i = 0; i < 8; i++) {
        if (sizes[i] > LIMIT)
            return mtl_fail(x->ctx, MTL_ERR_ARG,
                            "%s: a kernel, stride, padding or dilation of %" PRId64
                            ", which should be at most %" PRId64,
                            who, sizes[i], LIMIT);
    }
    return MTL_OK;
}

mtl_status mtl_window_fit(const char *who, mtl_context *ctx, const int64_t *image, const mtl_window *w,
                          const mtl_spread *s, mtl_conv *c)
{
    char text[MTL_SHAPE_TEXT];
    mtl_shape_text(4, image, text, sizeof text);
    if (image[1] < 1 || image[2] < 1 || image[3] < 1)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "%s: images %s have no channels or no pixels", who, text);
    int64_t high = image[2] + 2 * w->pad_h, wide = image[3] + 2 * w->pad_w;
    if (image[2] > LIMIT || image[3] > LIMIT || image[2] * image[3] > INT32_MAX ||
        (double)image[1] * (double)high * (double)wide > ROOM)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "%s: images %s with padding %" PRId64 " x %" PRId64 " are too large", who,
                        text, w->pad_h, w->pad_w);
    int64_t extent_h = (w->kernel_h - 1) * s->dilation_h + 1, extent_w = (w->kernel_w - 1) * s->dilation_w + 1;
    if (extent_h > high || extent_w > wide)
        return mtl_fail(ctx, MTL_ERR_SHAPE,
                        "%s: a window of %" PRId64 " x %" PRId64 " on images of %" PRId64 " x %" PRId64
                        " with padding %" PRId64 " x %" PRId64 "; it should fit at least once",
                        who, extent_h, extent_w, image[2], image[3], w->pad_h, w->pad_w);
    *c = (mtl_conv){.batch = image[0],
                    .in_channels = image[1],
                    .height = image[2],
                    .width = image[3],
                    .out_channels = image[1],
                    .kernel_h = w->kernel_h,
                    .kernel_w = w->kernel_w,
                    .stride_h = w->stride_h,
                    .stride_w = w->stride_w,
                    .pad_h = w->pad_h,
                    .pad_w = w->pad_w,
                    .out_h = (high - extent_h) / w->stride_h + 1,
                    .out_w = (wide - extent_w) / w->stride_w + 1,
                    .dilation_h = s->dilation_h,
                    .dilation_w = s->dilation_w,
                    .groups = s->groups};
    return MTL_OK;
}

mtl_status mtl_window_over(const char *who, const mtl_tensor *x, const mtl_window *w, const mtl_spread *s, mtl_conv *c)
{
    MTL_TRY(mtl_window_check(who, x, w, s));
    return mtl_window_fit(who, x->ctx, x->shape, w, s, c);
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

/* max_pool2d, avg_pool2d: the largest, or the mean, of each window of [C, H, W] samples; stride: the kernel's by
 * default. */
#include <inttypes.h>
#include <math.h>

#include "layer/window.h"

enum { KERNEL, STRIDE, PADDING };
static const mtl_option options[] = {{"kernel_size", MTL_OPTION_PAIR, true, true, 0, 0, 0},
                                     {"stride", MTL_OPTION_PAIR, false, false, NAN, 0, 0}, /* kernel_size */
                                     {"padding", MTL_OPTION_COUNTS, false, false, 0, 0, 0},
                                     {0}};

mtl_window mtl_layer_window(const mtl_layer *l, int kernel, int stride, int padding)
{
    const int64_t *k = l->pair[kernel], *s = l->pair[stride][0] < 0 ? k : l->pair[stride], *p = l->pair[padding];
    return (mtl_window){k[0], k[1], s[0], s[1], p[0], p[1]};
}

mtl_status mtl_layer_image(mtl_layer *l, const mtl_shape *in)
{
    char text[MTL_SHAPE_TEXT];
    if (in->rank != 3)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample has shape %s, which should be [channels, height, width]",
                              mtl_layer_shape_text(in, text));
    return MTL_OK;
}

mtl_status mtl_layer_window_shape(mtl_layer *l, const mtl_window *w, const int64_t *dilation, const mtl_shape *in,
                                  mtl_shape *out)
{
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_layer_image(l, in));
    int64_t high = in->size[1] + 2 * w->pad_h, wide = in->size[2] + 2 * w->pad_w, h = dilation[0], v = dilation[1];
    if (w->kernel_h > high || w->kernel_w > wide || w->kernel_h - 1 > (high - 1) / h ||
        w->kernel_w - 1 > (wide - 1) / v)
        return mtl_layer_fail(l, MTL_ERR_SHAPE,
                              "a window of %" PRId64 " x %" PRId64 "%s does not fit a sample of shape %s", w->kernel_h,
                              w->kernel_w, h > 1 || v > 1 ? " with its dilation" : "", mtl_layer_shape_text(in, text));
    *out = *in;
    out->size[1] = (high - (w->kernel_h - 1) * h - 1) / w->stride_h + 1;
    out->size[2] = (wide - (w->kernel_w - 1) * v - 1) / w->stride_w + 1;
    return MTL_OK;
}

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    mtl_window w = mtl_layer_window(l, KERNEL, STRIDE, PADDING);
    (void)n;
    if (2 * w.pad_h > w.kernel_h || 2 * w.pad_w > w.kernel_w)
        return mtl_layer_fail(l, MTL_ERR_ARG, "padding should be at most half of kernel_size");
    return mtl_layer_window_shape(l, &w, (int64_t[]){1, 1}, in, out);
}

static mtl_status max_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_window w = mtl_layer_window(l, KERNEL, STRIDE, PADDING);
    (void)pass, (void)n;
    return mtl_max_pool2d(in[0], &w, out);
}

static mtl_status avg_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_window w = mtl_layer_window(l, KERNEL, STRIDE, PADDING);
    (void)pass, (void)n;
    return mtl_avg_pool2d(in[0], &w, out);
}

/** nn.max_pool2d: The largest of each window of images [channels, height, width].
     kernel_size               one number, or { height, width }
     stride       kernel_size  how far the window moves
     padding                   around the image, at most half of kernel_size; it is never the largest
   @formula size ← ⌊(size + 2 padding - kernel) / stride⌋ + 1
   @when images are made smaller, and that a feature is there counts more than where
   @usage nn.max_pool2d(2)
   @sample 16, 28, 28 */
const mtl_layer_type mtl_layer_max_pool2d = {
    .name = "max_pool2d", .options = options, .shape = shape, .forward = max_forward};
/** nn.avg_pool2d: The mean of each window of images [channels, height, width].
     kernel_size               one number, or { height, width }
     stride       kernel_size  how far the window moves
     padding                   zeros around the image, at most half of kernel_size; they count
   @formula size ← ⌊(size + 2 padding - kernel) / stride⌋ + 1
   @when images are made smaller smoothly
   @usage nn.avg_pool2d(2)
   @sample 16, 28, 28 */
const mtl_layer_type mtl_layer_avg_pool2d = {
    .name = "avg_pool2d", .options = options, .shape = shape, .forward = avg_forward};

/* conv2d: convolution of [C, H, W] samples. Weight [out, in, kh, kw] and bias [out] uniform in +-1/sqrt(in kh kw). */
#include <math.h>

#include "layer/layer.h"
#include "layer/window.h"

enum { IN, OUT, KERNEL, STRIDE, PADDING, BIAS };
static const mtl_option options[] = {{"in_channels", MTL_OPTION_WIDTH, true, false, NAN, 0, 0},
                                     {"out_channels", MTL_OPTION_SIZE, true, true, 0, 0, 0},
                                     {"kernel_size", MTL_OPTION_PAIR, true, true, 0, 0, 0},
                                     {"stride", MTL_OPTION_PAIR, false, false, 1, 0, 0},
                                     {"padding", MTL_OPTION_COUNTS, false, false, 0, 0, 0},
                                     {"bias", MTL_OPTION_BOOL, false, false, 1, 0, 0},
                                     {0}};

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    char text[MTL_SHAPE_TEXT];
    mtl_window w = mtl_layer_window(l, KERNEL, STRIDE, PADDING);
    (void)n;
    MTL_TRY(mtl_layer_window_shape(l, &w, in, out));
    int64_t channels = in->size[0];
    if (l->given[IN] && (int64_t)l->number[IN] != channels)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "in_channels is %.0f, but a sample has shape %s", l->number[IN],
                              mtl_layer_shape_text(in, text));
    int64_t weight[4] = {(int64_t)l->number[OUT], channels, w.kernel_h, w.kernel_w};
    double bound = channels > 0 ? 1.0 / sqrt((double)channels * (double)w.kernel_h * (double)w.kernel_w) : 0.0;
    out->size[0] = weight[0];
    MTL_TRY(mtl_layer_slot(l, "weight", 4, weight, -bound, bound));
    return l->number[BIAS] != 0 ? mtl_layer_slot(l, "bias", 1, weight, -bound, bound) : MTL_OK;
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_window w = mtl_layer_window(l, KERNEL, STRIDE, PADDING);
    (void)pass, (void)n;
    return mtl_conv2d(in[0], l->slots[0], l->slots[1], &w, out);
}

const mtl_layer_type mtl_layer_conv2d = {.name = "conv2d", .options = options, .shape = shape, .forward = forward};

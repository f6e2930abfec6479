/* conv2d, conv_transpose2d: convolution of [C, H, W] samples. Weight [out, in/groups, kh, kw], transposed
   [in, out/groups, kh, kw]; it and the bias [out] uniform in +-1/sqrt(n) with n = what the weight holds behind its
   first dimension, as in PyTorch. */
#include <inttypes.h>
#include <math.h>

#include "layer/layer.h"
#include "layer/window.h"

enum { IN, OUT, KERNEL, STRIDE, PADDING, DILATION, GROUPS, BIAS, EXTRA };
#define OPTIONS                                                                                                        \
    {"in_channels", MTL_OPTION_WIDTH, true, false, NAN, 0, 0}, {"out_channels", MTL_OPTION_SIZE, true, true, 0, 0, 0}, \
        {"kernel_size", MTL_OPTION_PAIR, true, true, 0, 0, 0}, {"stride", MTL_OPTION_PAIR, false, false, 1, 0, 0},     \
        {"padding", MTL_OPTION_COUNTS, false, false, 0, 0, 0}, {"dilation", MTL_OPTION_PAIR, false, false, 1, 0, 0},   \
        {"groups", MTL_OPTION_SIZE, false, false, 1, 0, 0}, {"bias", MTL_OPTION_BOOL, false, false, 1, 0, 0},
static const mtl_option options[] = {OPTIONS{0}};
static const mtl_option transpose_options[] = {OPTIONS{"output_padding", MTL_OPTION_COUNTS, false, false, 0, 0, 0},
                                               {0}};

static mtl_spread spread_of(const mtl_layer *l, bool transposed)
{
    const int64_t *d = l->pair[DILATION];
    return (mtl_spread){d[0], d[1], (int64_t)l->number[GROUPS], transposed ? l->pair[EXTRA][0] : 0,
                        transposed ? l->pair[EXTRA][1] : 0};
}

static mtl_status check_channels(mtl_layer *l, const mtl_shape *in)
{
    char text[MTL_SHAPE_TEXT];
    int64_t channels = in->size[0], out = (int64_t)l->number[OUT], groups = (int64_t)l->number[GROUPS];
    if (l->given[IN] && (int64_t)l->number[IN] != channels)
        return mtl_layer_fail(l, MTL_ERR_SHAPE,
                              "in_channels is %.0f, but a sample has shape %s: it should be %" PRId64
                              ", or left out (nil)",
                              l->number[IN], mtl_layer_shape_text(in, text), channels);
    if (channels % groups != 0 || out % groups != 0)
        return mtl_layer_fail(l, MTL_ERR_ARG,
                              "groups is %" PRId64 ", which should divide the %" PRId64
                              " channels of the input and the "
                              "%" PRId64 " of the output",
                              groups, channels, out);
    return MTL_OK;
}

/* Slots for a weight [first, second, kernel] */
static mtl_status slots(mtl_layer *l, int64_t first, int64_t second)
{
    const int64_t *k = l->pair[KERNEL];
    int64_t weight[4] = {first, second, k[0], k[1]}, out = (int64_t)l->number[OUT];
    double bound = second > 0 ? 1.0 / sqrt((double)second * (double)k[0] * (double)k[1]) : 0.0;
    MTL_TRY(mtl_layer_slot(l, "weight", 4, weight, -bound, bound));
    return l->number[BIAS] != 0 ? mtl_layer_slot(l, "bias", 1, &out, -bound, bound) : MTL_OK;
}

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    mtl_window w = mtl_layer_window(l, KERNEL, STRIDE, PADDING);
    (void)n;
    MTL_TRY(mtl_layer_window_shape(l, &w, l->pair[DILATION], in, out));
    MTL_TRY(check_channels(l, in));
    out->size[0] = (int64_t)l->number[OUT];
    return slots(l, out->size[0], in->size[0] / (int64_t)l->number[GROUPS]);
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_window w = mtl_layer_window(l, KERNEL, STRIDE, PADDING);
    mtl_spread s = spread_of(l, false);
    (void)pass, (void)n;
    return mtl_conv2d_spread(in[0], l->slots[0], l->slots[1], &w, &s, out);
}

/** nn.conv2d: Convolution of images [channels, height, width]. weight [out, in / groups, kernel height, kernel
   width], bias [out]; uniform in ±1/√n, n what the weight holds behind its first dimension, as in PyTorch.
     in_channels   inferred  channels of a sample
     out_channels            channels that it gives
     kernel_size             one number, or { height, width }
     stride                  how far the kernel moves
     padding                 zeros around the image
     dilation                distance of the kernel's points
     groups                  so many groups of channels that do not see one another; it divides both widths
     bias                    whether there is one
   @formula size ← ⌊(size + 2 padding - dilation (kernel - 1) - 1) / stride⌋ + 1
   @when what matters in an image is near together and may be anywhere
   @usage nn.conv2d(nil, 16, 3, { padding = 1 })
   @sample 3, 32, 32 */
const mtl_layer_type mtl_layer_conv2d = {.name = "conv2d", .options = options, .shape = shape, .forward = forward};

static mtl_status transpose_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    static const int64_t limit = 1 << 30; /* sums of products of such sizes do not overflow */
    static const int sizes[] = {KERNEL, STRIDE, PADDING, DILATION, EXTRA};
    (void)n;
    MTL_TRY(mtl_layer_image(l, in));
    MTL_TRY(check_channels(l, in));
    *out = *in;
    out->size[0] = (int64_t)l->number[OUT];
    for (int d = 0; d < 2; d++) {
        int64_t size = in->size[d + 1], stride = l->pair[STRIDE][d], dilation = l->pair[DILATION][d];
        for (int i = 0; i < 5; i++) {
            if (l->pair[sizes[i]][d] > limit || size > limit)
                return mtl_layer_fail(l, MTL_ERR_ARG,
                                      "%s is %" PRId64 " for a size of %" PRId64 "; both should be %" PRId64 " or less",
                                      transpose_options[sizes[i]].name, l->pair[sizes[i]][d], size, limit);
        }
        if (l->pair[EXTRA][d] >= (stride > dilation ? stride : dilation))
            return mtl_layer_fail(l, MTL_ERR_ARG,
                                  "output_padding is %" PRId64 ", which should be less than stride or "
                                  "dilation",
                                  l->pair[EXTRA][d]);
        int64_t least = dilation * (l->pair[KERNEL][d] - 1) + l->pair[EXTRA][d] + 1;
        out->size[d + 1] = (size - 1) * stride - 2 * l->pair[PADDING][d] + least;
        if (size < 1 || out->size[d + 1] < 1)
            return mtl_layer_fail(l, MTL_ERR_SHAPE, "nothing is left of a size of %" PRId64 " and padding %" PRId64,
                                  size, l->pair[PADDING][d]);
    }
    return slots(l, in->size[0], out->size[0] / (int64_t)l->number[GROUPS]);
}

static mtl_status transpose_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_window w = mtl_layer_window(l, KERNEL, STRIDE, PADDING);
    mtl_spread s = spread_of(l, true);
    (void)pass, (void)n;
    return mtl_conv_transpose2d(in[0], l->slots[0], l->slots[1], &w, &s, out);
}

/** nn.conv_transpose2d: Transposed convolution of images [channels, height, width], which makes them larger. weight
   [in, out / groups, kernel height, kernel width], bias [out]; uniform in ±1/√n, n what the weight holds behind its
   first dimension.
     in_channels     inferred  channels of a sample
     out_channels              channels that it gives
     kernel_size               one number, or { height, width }
     stride                    by how much the image grows
     padding                   what is cut off around the result
     output_padding            rows and columns more at the end of the result
     dilation                  distance of the kernel's points
     groups                    so many groups of channels that do not see one another; it divides both widths
     bias                      whether there is one
   @formula size ← (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1
   @when a decoder brings features back to the size of the image; upsample before a conv2d leaves no checkered pattern
   @usage nn.conv_transpose2d(nil, 8, 2, { stride = 2 })
   @sample 16, 8, 8 */
const mtl_layer_type mtl_layer_conv_transpose2d = {
    .name = "conv_transpose2d", .options = transpose_options, .shape = transpose_shape, .forward = transpose_forward};

/* upsample, adaptive_avg_pool2d, pad: [C, H, W] samples in another size. */
#include <inttypes.h>
#include <math.h>

#include "layer/window.h"

static const int64_t limit = 1 << 30; /* of a size, and of a factor: their product does not overflow */

enum { FACTOR, SIZE, MODE };
static const mtl_option upsample_options[] = {{"scale_factor", MTL_OPTION_PAIR, false, false, NAN, 0, 0},
                                              {"size", MTL_OPTION_PAIR, false, false, NAN, 0, 0},
                                              {"mode", MTL_OPTION_CHOICE, false, false, NAN, 0, 0},
                                              {0}};
static const char *const upsample_modes[] = {
    [MTL_UPSAMPLE_NEAREST] = "nearest", [MTL_UPSAMPLE_BILINEAR] = "bilinear", NULL};

static mtl_status upsample_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)n;
    if (l->given[FACTOR] == l->given[SIZE])
        return mtl_layer_fail(l, MTL_ERR_ARG, "scale_factor or size should be given%s",
                              l->given[SIZE] ? ", and not both" : "");
    MTL_TRY(mtl_layer_image(l, in));
    *out = *in;
    for (int d = 0; d < 2; d++) {
        int64_t given = l->pair[l->given[SIZE] ? SIZE : FACTOR][d];
        if (given > limit || in->size[d + 1] > limit)
            return mtl_layer_fail(l, MTL_ERR_ARG,
                                  "%s is %" PRId64 " for a size of %" PRId64 "; both should be %" PRId64 " or less",
                                  l->given[SIZE] ? "size" : "scale_factor", given, in->size[d + 1], limit);
        out->size[d + 1] = l->given[SIZE] ? given : given * in->size[d + 1];
    }
    return MTL_OK;
}

static mtl_status upsample_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)pass, (void)n;
    return mtl_upsample(in[0], l->out.size[1], l->out.size[2], (mtl_upsample_mode)l->number[MODE], out);
}

/** nn.upsample: Images [channels, height, width] made larger. Give one of scale_factor and size.
     scale_factor            one number, or { height, width }
     size                    one number, or { height, width }
     mode          "nearest"  or "bilinear"
   @when a decoder brings features back to the size of the image
   @usage nn.upsample { scale_factor = 2, mode = "bilinear" }
   @sample 16, 8, 8 */
const mtl_layer_type mtl_layer_upsample = {.name = "upsample",
                                           .options = upsample_options,
                                           .choices = upsample_modes,
                                           .shape = upsample_shape,
                                           .forward = upsample_forward};

static const mtl_option pool_options[] = {{"output_size", MTL_OPTION_PAIR, true, true, 0, 0, 0}, {0}};

static mtl_status pool_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)n;
    MTL_TRY(mtl_layer_image(l, in));
    *out = *in;
    out->size[1] = l->pair[0][0];
    out->size[2] = l->pair[0][1];
    return MTL_OK;
}

static mtl_status pool_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)pass, (void)n;
    return mtl_adaptive_avg_pool2d(in[0], l->out.size[1], l->out.size[2], out);
}

/** nn.adaptive_avg_pool2d: The mean of windows such that images [channels, height, width] get a given size.
     output_size  one number, or { height, width }
   @when a head wants the same size of images of any size; 1 is global average pooling
   @usage nn.adaptive_avg_pool2d(1)
   @sample 16, 7, 5 */
const mtl_layer_type mtl_layer_adaptive_avg_pool2d = {
    .name = "adaptive_avg_pool2d", .options = pool_options, .shape = pool_shape, .forward = pool_forward};

enum { LEFT, RIGHT, TOP, BOTTOM, PAD_MODE, VALUE };
static const mtl_option pad_options[] = {{"left", MTL_OPTION_COUNT, true, false, 0, 0, 0},
                                         {"right", MTL_OPTION_COUNT, true, false, 0, 0, 0},
                                         {"top", MTL_OPTION_COUNT, true, false, 0, 0, 0},
                                         {"bottom", MTL_OPTION_COUNT, true, false, 0, 0, 0},
                                         {"mode", MTL_OPTION_CHOICE, false, false, NAN, 0, 0},
                                         {"value", MTL_OPTION_NUMBER, false, false, 0, -1e30, 1e30},
                                         {0}};
static const char *const pad_modes[] = {
    [MTL_PAD_CONSTANT] = "constant", [MTL_PAD_REFLECT] = "reflect", [MTL_PAD_REPLICATE] = "replicate", NULL};

static mtl_status pad_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)n;
    MTL_TRY(mtl_layer_image(l, in));
    *out = *in;
    for (int side = LEFT; side <= BOTTOM; side++) {
        int d = side <= RIGHT ? 2 : 1;
        if (l->number[PAD_MODE] == MTL_PAD_REFLECT && l->number[side] >= (double)in->size[d])
            return mtl_layer_fail(l, MTL_ERR_ARG,
                                  "%s is %.0f, which should be less than the size %" PRId64 " that is reflected",
                                  pad_options[side].name, l->number[side], in->size[d]);
        out->size[d] += (int64_t)l->number[side];
    }
    return MTL_OK;
}

static mtl_status pad_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    int64_t padding[4];
    (void)pass, (void)n;
    for (int side = LEFT; side <= BOTTOM; side++)
        padding[side] = (int64_t)l->number[side];
    return mtl_pad(in[0], padding, (mtl_pad_mode)l->number[PAD_MODE], l->number[VALUE], out);
}

/** nn.pad: Rows and columns around images [channels, height, width].
     left                columns
     right               columns
     top                 rows
     bottom              rows
     mode    "constant"  "reflect": mirrored at the border, which is not repeated; "replicate": the border's values
     value               of a constant border
   @when a convolution should see more than zeros at the border, or by unequal amounts
   @usage nn.pad(1, 1, 2, 2, { mode = "reflect" })
   @sample 3, 8, 8 */
const mtl_layer_type mtl_layer_pad = {
    .name = "pad", .options = pad_options, .choices = pad_modes, .shape = pad_shape, .forward = pad_forward};

/* layer_norm: over the last dimension of a sample. group_norm: over the channels of each group of [C, ...] samples.
   weight 1, bias 0. The same in training and outside of it. */
#include <inttypes.h>
#include <math.h>

#include "layer/layer.h"

static mtl_status declare(mtl_layer *l, int64_t width, bool affine, bool bias)
{
    if (affine)
        MTL_TRY(mtl_layer_slot(l, "weight", 1, &width, 1, 1));
    return affine && bias ? mtl_layer_slot(l, "bias", 1, &width, 0, 0) : MTL_OK;
}

enum { SHAPE, LAYER_EPS, LAYER_AFFINE, LAYER_BIAS };
static const mtl_option layer_options[] = {{"normalized_shape", MTL_OPTION_WIDTH, true, false, NAN, 0, 0},
                                           {"eps", MTL_OPTION_NUMBER, false, false, 1e-5, 0, 1},
                                           {"elementwise_affine", MTL_OPTION_BOOL, false, false, 1, 0, 0},
                                           {"bias", MTL_OPTION_BOOL, false, false, 1, 0, 0},
                                           {0}};

static mtl_status layer_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    char text[MTL_SHAPE_TEXT];
    (void)n;
    if (in->rank < 1)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample is one number, which should be a row of features");
    int64_t width = in->size[in->rank - 1];
    if (l->given[SHAPE] && (int64_t)l->number[SHAPE] != width)
        return mtl_layer_fail(l, MTL_ERR_SHAPE,
                              "normalized_shape is %.0f, but a sample has shape %s; it is the last size that counts",
                              l->number[SHAPE], mtl_layer_shape_text(in, text));
    *out = *in;
    return declare(l, width, l->number[LAYER_AFFINE] != 0, l->number[LAYER_BIAS] != 0);
}

static mtl_status layer_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)pass, (void)n;
    return mtl_layer_norm(in[0], l->slots[0], l->slots[1], 1, l->number[LAYER_EPS], out);
}

/** nn.layer_norm: Layer normalization over the last dimension of a sample. The same in training and outside of it.
   weight 1, bias 0.
     normalized_shape    inferred  size of that dimension
     eps                           added to the variance
     elementwise_affine            whether there are weight and bias
     bias                          whether there is a bias beside the weight
   @formula y = (x - mean) / √(variance + eps) weight + bias
   @when sequences are normalized, or samples must not depend on one another
   @sample 10, 64 */
const mtl_layer_type mtl_layer_layer_norm = {
    .name = "layer_norm", .options = layer_options, .shape = layer_shape, .forward = layer_forward};

enum { GROUPS, CHANNELS, GROUP_EPS, GROUP_AFFINE };
static const mtl_option group_options[] = {{"num_groups", MTL_OPTION_SIZE, true, true, 0, 0, 0},
                                           {"num_channels", MTL_OPTION_WIDTH, true, false, NAN, 0, 0},
                                           {"eps", MTL_OPTION_NUMBER, false, false, 1e-5, 0, 1},
                                           {"affine", MTL_OPTION_BOOL, false, false, 1, 0, 0},
                                           {0}};

static mtl_status group_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    char text[MTL_SHAPE_TEXT];
    (void)n;
    mtl_layer_shape_text(in, text);
    if (in->rank < 1)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample is one number, which should be [channels, ...]");
    if (l->given[CHANNELS] && (int64_t)l->number[CHANNELS] != in->size[0])
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "num_channels is %.0f, but a sample has shape %s", l->number[CHANNELS],
                              text);
    if (in->size[0] == 0 || in->size[0] % (int64_t)l->number[GROUPS] != 0)
        return mtl_layer_fail(l, MTL_ERR_ARG,
                              "num_groups is %.0f, which should divide the %" PRId64 " channels of a sample %s",
                              l->number[GROUPS], in->size[0], text);
    *out = *in;
    return declare(l, in->size[0], l->number[GROUP_AFFINE] != 0, true);
}

static mtl_status group_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)pass, (void)n;
    return mtl_group_norm(in[0], (int64_t)l->number[GROUPS], l->slots[0], l->slots[1], l->number[GROUP_EPS], out);
}

/** nn.group_norm: Normalization over the channels of each group, and all places, of samples [channels, ...]. The
   same in training and outside of it. weight 1, bias 0.
     num_groups              divides the channels
     num_channels  inferred  the first size of a sample
     eps                     added to the variance
     affine                  whether there are weight and bias
   @formula y = (x - mean) / √(variance + eps) weight + bias
   @when batches are too small for batch_norm2d
   @usage nn.group_norm(4)
   @sample 16, 8, 8 */
const mtl_layer_type mtl_layer_group_norm = {
    .name = "group_norm", .options = group_options, .shape = group_shape, .forward = group_forward};

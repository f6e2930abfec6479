/* batch_norm1d ([C] or [C, L] samples), batch_norm2d ([C, H, W]): weight 1, bias 0, running statistics as state. A
   frozen layer uses its running statistics in training too. */
#include <math.h>

#include "layer/layer.h"

enum { FEATURES, EPS, MOMENTUM, AFFINE };
static const mtl_option options[] = {{"num_features", MTL_OPTION_WIDTH, true, false, NAN, 0, 0},
                                     {"eps", MTL_OPTION_NUMBER, false, false, 1e-5, 0, 1},
                                     {"momentum", MTL_OPTION_NUMBER, false, false, 0.1, 0, 1},
                                     {"affine", MTL_OPTION_BOOL, false, false, 1, 0, 0},
                                     {0}};

static mtl_status declare(mtl_layer *l, const mtl_shape *in, mtl_shape *out, bool fits, const char *wanted)
{
    char text[MTL_SHAPE_TEXT];
    if (!fits)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample has shape %s, which should be %s",
                              mtl_layer_shape_text(in, text), wanted);
    if (l->given[FEATURES] && (int64_t)l->number[FEATURES] != in->size[0])
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "num_features is %.0f, but a sample has shape %s", l->number[FEATURES],
                              mtl_layer_shape_text(in, text));
    *out = *in;
    if (l->number[AFFINE] != 0) {
        MTL_TRY(mtl_layer_slot(l, "weight", 1, in->size, 1, 1));
        MTL_TRY(mtl_layer_slot(l, "bias", 1, in->size, 0, 0));
    }
    MTL_TRY(mtl_layer_state(l, "running_mean", in->size[0], 0));
    return mtl_layer_state(l, "running_var", in->size[0], 1);
}

static mtl_status shape1d(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)n;
    return declare(l, in, out, in->rank == 1 || in->rank == 2, "[features] or [features, length]");
}

static mtl_status shape2d(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)n;
    return declare(l, in, out, in->rank == 3, "[channels, height, width]");
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)n;
    bool training = pass->training && !l->frozen, still = training && pass->again; /* no statistics move */
    return mtl_batch_norm(in[0], l->slots[0], l->slots[1], still ? NULL : l->states[0], still ? NULL : l->states[1],
                          training, l->number[MOMENTUM], l->number[EPS], out);
}

/** nn.batch_norm1d: Batch normalization of samples [features] or [features, length]. In training by the batch's
   mean and variance, afterwards, and where it is frozen, by the running ones. weight 1, bias 0.
     num_features  inferred  the first size of a sample
     eps                     added to the variance
     momentum                share of the batch in the running statistics
     affine                  whether there are weight and bias
   @formula y = (x - mean) / √(variance + eps) weight + bias
   @when batches are large; not where tasks have data sets of their own, whose statistics differ
   @sample 10 */
const mtl_layer_type mtl_layer_batch_norm1d = {
    .name = "batch_norm1d", .options = options, .shape = shape1d, .forward = forward};
/** nn.batch_norm2d: Batch normalization of images [channels, height, width], each channel over batch and places. In
   training by the batch's mean and variance, afterwards, and where it is frozen, by the running ones. weight 1, bias
   0.
     num_features  inferred  channels
     eps                     added to the variance
     momentum                share of the batch in the running statistics
     affine                  whether there are weight and bias
   @formula y = (x - mean) / √(variance + eps) weight + bias
   @when batches are large; for small ones see group_norm
   @sample 16, 8, 8 */
const mtl_layer_type mtl_layer_batch_norm2d = {
    .name = "batch_norm2d", .options = options, .shape = shape2d, .forward = forward};

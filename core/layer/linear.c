/* linear: y = x W' + b over the last dimension. W [out, in], b [out]; both uniform in +-1/sqrt(in), as in PyTorch. */
#include <inttypes.h>
#include <math.h>

#include "layer/layer.h"

enum { IN, OUT, BIAS };
static const mtl_option options[] = {{"in_features", MTL_OPTION_WIDTH, true, false, NAN, 0, 0},
                                     {"out_features", MTL_OPTION_SIZE, true, true, 0, 0, 0},
                                     {"bias", MTL_OPTION_BOOL, false, false, 1, 0, 0},
                                     {0}};

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    char text[MTL_SHAPE_TEXT];
    (void)n;
    if (in->rank < 1)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample is one number, which should be a row of features");
    int64_t width = in->size[in->rank - 1];
    if (l->given[IN] && (int64_t)l->number[IN] != width) {
        bool flat = in->rank > 1 && in->size[0] * width == (int64_t)l->number[IN];
        mtl_layer_shape_text(in, text);
        return flat ? mtl_layer_fail(l, MTL_ERR_SHAPE,
                                     "in_features is %.0f, but a sample has shape %s (flatten it first?)",
                                     l->number[IN], text)
                    : mtl_layer_fail(l, MTL_ERR_SHAPE,
                                     "in_features is %.0f, but a sample has shape %s: it should be %" PRId64
                                     ", or left out (nil)",
                                     l->number[IN], text, width);
    }
    int64_t weight[2] = {(int64_t)l->number[OUT], width};
    double bound = width > 0 ? 1.0 / sqrt((double)width) : 0.0;
    *out = *in;
    out->size[in->rank - 1] = weight[0];
    MTL_TRY(mtl_layer_slot(l, "weight", 2, weight, -bound, bound));
    return l->number[BIAS] != 0 ? mtl_layer_slot(l, "bias", 1, weight, -bound, bound) : MTL_OK;
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)pass, (void)n;
    return mtl_linear(in[0], l->slots[0], l->slots[1], out);
}

/** nn.linear: Sums of the features with learned weights: over the last dimension of a sample. weight [out, in],
   bias [out]; both uniform in ±1/√in, as in PyTorch.
     in_features   inferred  size of that dimension
     out_features            size that it becomes
     bias                    whether there is one
   @formula y = x Wᵀ + b
   @when features are joined: heads, dense layers; over [length, features] it works on each step alike
   @usage nn.linear(nil, 10)
   @sample 20 */
const mtl_layer_type mtl_layer_linear = {.name = "linear", .options = options, .shape = shape, .forward = forward};

/* prelu: a relu with a learned slope below 0: one, or one a channel of [C, ...] samples. */
#include "layer/layer.h"

enum { SLOPES, INIT };
static const mtl_option options[] = {{"num_parameters", MTL_OPTION_SIZE, true, false, 1, 0, 0},
                                     {"init", MTL_OPTION_NUMBER, false, false, 0.25, -1e6, 1e6},
                                     {0}};

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    int64_t slopes = (int64_t)l->number[SLOPES];
    char text[MTL_SHAPE_TEXT];
    (void)n;
    if (slopes != 1 && (in->rank < 1 || in->size[0] != slopes))
        return mtl_layer_fail(l, MTL_ERR_SHAPE,
                              "num_parameters is %.0f, which should be 1 or the first size of a sample, whose shape is "
                              "%s",
                              l->number[SLOPES], mtl_layer_shape_text(in, text));
    *out = *in;
    return mtl_layer_slot(l, "weight", 1, &slopes, l->number[INIT], l->number[INIT]);
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)pass, (void)n;
    return mtl_prelu(in[0], l->slots[0], out);
}

/** nn.prelu: A relu with a learned slope below 0: one, or one a channel of samples [channels, ...].
     num_parameters  1, or the channels
     init            slope to start from
   @formula y = x where x > 0, slope x below
   @when leaky_relu's slope should be learned
   @sample 10 */
const mtl_layer_type mtl_layer_prelu = {.name = "prelu", .options = options, .shape = shape, .forward = forward};

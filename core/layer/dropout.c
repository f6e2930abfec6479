/* dropout: in training, each element is zeroed with probability p and the rest scaled by 1/(1-p). Its random stream is
   its path, its counter the number of the training pass. */
#include "layer/layer.h"

enum { P };
static const mtl_option options[] = {{"p", MTL_OPTION_NUMBER, true, false, 0.5, 0, 1}, {0}};

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)l, (void)n;
    *out = *in;
    return MTL_OK;
}

mtl_status mtl_layer_drop(mtl_layer *l, const mtl_pass *pass, int which, double p, mtl_tensor *x, mtl_tensor **out)
{
    if (!pass->training || p == 0) {
        *out = mtl_tensor_retain(x);
        return MTL_OK;
    }
    return mtl_dropout(x, p, pass->seed, l->stream + (uint64_t)which, pass->pass << 32, out);
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)n;
    return mtl_layer_drop(l, pass, 0, l->number[P], in[0], out);
}

/** nn.dropout: In training, each element is 0 with probability p, and the rest larger by 1 / (1 - p); nothing
   outside of it. Its random numbers are those of the run's seed, the layer's path and the number of the pass.
     p  share that is dropped
   @formula y = x m / (1 - p), m drawn: 1 with probability 1 - p, else 0
   @when a network learns its training rows by heart
   @sample 10 */
const mtl_layer_type mtl_layer_dropout = {.name = "dropout", .options = options, .shape = shape, .forward = forward};

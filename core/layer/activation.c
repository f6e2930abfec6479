/* Layers without parameters that keep the shape: activations, softmax over the first dimension of a sample, identity.
 */
#include "layer/layer.h"

static mtl_status same(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)l, (void)n;
    *out = *in;
    return MTL_OK;
}

#define ACTIVATION(name_, options_, call)                                                                              \
    static mtl_status name_##_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in,                \
                                      mtl_tensor **out)                                                                \
    {                                                                                                                  \
        (void)l, (void)pass, (void)n;                                                                                  \
        return call;                                                                                                   \
    }                                                                                                                  \
    const mtl_layer_type mtl_layer_##name_ = {                                                                         \
        .name = #name_, .options = options_, .shape = same, .forward = name_##_forward};

static const mtl_option none[] = {{0}};
static const mtl_option slope[] = {{"negative_slope", MTL_OPTION_NUMBER, true, false, 0.01, -1e6, 1e6}, {0}};
static const mtl_option alpha[] = {{"alpha", MTL_OPTION_NUMBER, true, false, 1, -1e6, 1e6}, {0}};
static const mtl_option beta[] = {{"beta", MTL_OPTION_NUMBER, true, false, 1, 1e-6, 1e6}, {0}};
static const mtl_option approximate[] = {{"tanh", MTL_OPTION_BOOL, false, false, 0, 0, 0}, {0}};

static mtl_status identity(mtl_tensor *x, mtl_tensor **out)
{
    *out = mtl_tensor_retain(x);
    return MTL_OK;
}

ACTIVATION(relu, none, mtl_relu(in[0], out))
ACTIVATION(leaky_relu, slope, mtl_leaky_relu(in[0], l->number[0], out))
ACTIVATION(gelu, approximate, l->number[0] != 0 ? mtl_gelu_tanh(in[0], out) : mtl_gelu(in[0], out))
ACTIVATION(elu, alpha, mtl_elu(in[0], l->number[0], out))
ACTIVATION(softplus, beta, mtl_softplus(in[0], l->number[0], out))
ACTIVATION(silu, none, mtl_silu(in[0], out))
ACTIVATION(sigmoid, none, mtl_sigmoid(in[0], out))
ACTIVATION(tanh, none, mtl_tanh(in[0], out))
ACTIVATION(softmax, none, mtl_softmax(in[0], 1, out))
ACTIVATION(log_softmax, none, mtl_log_softmax(in[0], 1, out))
ACTIVATION(identity, none, identity(in[0], out))

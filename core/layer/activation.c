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

/** nn.relu: Zero below 0.
   @formula y = max(x, 0)
   @when it is a hidden layer: the usual activation
   @sample 10 */
ACTIVATION(relu, none, mtl_relu(in[0], out))
/** nn.leaky_relu: A relu that lets a little through below 0.
     negative_slope  slope below 0
   @formula y = x where x > 0, negative_slope x below
   @when units of a relu die (are 0 for every sample)
   @sample 10 */
ACTIVATION(leaky_relu, slope, mtl_leaky_relu(in[0], l->number[0], out))
/** nn.gelu: A smooth relu: x times the normal distribution's Φ(x).
     tanh  true: the approximation 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))
   @formula y = x Φ(x)
   @when it is a transformer
   @sample 10 */
ACTIVATION(gelu, approximate, l->number[0] != 0 ? mtl_gelu_tanh(in[0], out) : mtl_gelu(in[0], out))
/** nn.elu: A relu that levels off below 0.
     alpha  it levels off at -alpha
   @formula y = x where x > 0, alpha (exp(x) - 1) below
   @when activations should have a mean near 0 without a norm
   @sample 10 */
ACTIVATION(elu, alpha, mtl_elu(in[0], l->number[0], out))
/** nn.softplus: A smooth relu that is always above 0.
     beta  the larger, the nearer to relu
   @formula y = log(1 + exp(beta x)) / beta
   @when an output must be positive: a scale, a rate
   @sample 10 */
ACTIVATION(softplus, beta, mtl_softplus(in[0], l->number[0], out))
/** nn.silu: A smooth relu, x times its sigmoid (also called swish).
   @formula y = x σ(x)
   @when a deep convolutional network is trained; often a little better than relu
   @sample 10 */
ACTIVATION(silu, none, mtl_silu(in[0], out))
/** nn.sigmoid: Numbers between 0 and 1.
   @formula y = 1 / (1 + exp(-x))
   @when it is a gate; not at the end of a head: the losses apply it themselves
   @sample 10 */
ACTIVATION(sigmoid, none, mtl_sigmoid(in[0], out))
/** nn.tanh: Numbers between -1 and 1.
   @formula y = tanh(x)
   @when outputs or states are bounded on both sides
   @sample 10 */
ACTIVATION(tanh, none, mtl_tanh(in[0], out))
/** nn.softmax: Positive numbers with the sum 1, along the first dimension of a sample.
   @formula y = exp(x) / Σ exp(x)
   @when it is a gate (see mixture); not at the end of a head: the losses apply it themselves
   @sample 10 */
ACTIVATION(softmax, none, mtl_softmax(in[0], 1, out))
/** nn.log_softmax: Logarithms of softmax, along the first dimension of a sample.
   @formula y = x - log Σ exp(x)
   @when log-probabilities are wanted outside of the losses, which apply it themselves
   @sample 10 */
ACTIVATION(log_softmax, none, mtl_log_softmax(in[0], 1, out))
/** nn.identity: Its input, as it is.
   @when a place in a model should be empty: a branch of concat, a head without layers
   @sample 10 */
ACTIVATION(identity, none, identity(in[0], out))

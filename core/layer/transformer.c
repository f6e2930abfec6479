/* transformer_encoder_layer: self-attention, then two linear layers at each step, each added to its input, with layer
   norm after the sum or (norm_first) before the part. Parameters are named and drawn as in PyTorch. */
#include <math.h>

#include "layer/attention.h"

enum { WIDTH, HEADS, FEEDFORWARD, DROPOUT, ACTIVATION, EPS, NORM_FIRST, CAUSAL };
enum { RELU, GELU };
static const char *const activations[] = {"relu", "gelu", NULL};
static const mtl_option options[] = {{"d_model", MTL_OPTION_WIDTH, true, false, NAN, 0, 0},
                                     {"nhead", MTL_OPTION_SIZE, true, true, 0, 0, 0},
                                     {"dim_feedforward", MTL_OPTION_SIZE, false, false, 2048, 0, 0},
                                     {"dropout", MTL_OPTION_NUMBER, false, false, 0.1, 0, 1},
                                     {"activation", MTL_OPTION_CHOICE, false, false, RELU, 0, 0},
                                     {"layer_norm_eps", MTL_OPTION_NUMBER, false, false, 1e-5, 0, 1},
                                     {"norm_first", MTL_OPTION_BOOL, false, false, 0, 0, 0},
                                     {"causal", MTL_OPTION_BOOL, false, false, 0, 0, 0},
                                     {0}};
/* Slots; weights, with a bias behind each. And dropouts, of which the first is the attention's. */
enum { ATTENTION = 0, LINEAR1 = 4, LINEAR2 = 6, NORM1 = 8, NORM2 = 10 };
enum { INNER = 1, AFTER_ATTENTION, AFTER_LINEAR };

static mtl_attention settings(const mtl_layer *l)
{
    return (mtl_attention){(int64_t)l->number[HEADS], true, l->number[CAUSAL] != 0, l->number[DROPOUT]};
}

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    mtl_attention a = settings(l);
    int64_t inner = (int64_t)l->number[FEEDFORWARD];
    (void)n;
    MTL_TRY(mtl_attention_check(l, &a, WIDTH, "nhead", in));
    int64_t width = in->size[1];
    double bound = 1 / sqrt((double)width), inner_bound = 1 / sqrt((double)inner);
    MTL_TRY(mtl_attention_declare(l, &a, "self_attn.", width));
    MTL_TRY(mtl_layer_slot(l, "linear1.weight", 2, (int64_t[]){inner, width}, -bound, bound));
    MTL_TRY(mtl_layer_slot(l, "linear1.bias", 1, &inner, -bound, bound));
    MTL_TRY(mtl_layer_slot(l, "linear2.weight", 2, (int64_t[]){width, inner}, -inner_bound, inner_bound));
    MTL_TRY(mtl_layer_slot(l, "linear2.bias", 1, &width, -inner_bound, inner_bound));
    MTL_TRY(mtl_layer_slot(l, "norm1.weight", 1, &width, 1, 1));
    MTL_TRY(mtl_layer_slot(l, "norm1.bias", 1, &width, 0, 0));
    MTL_TRY(mtl_layer_slot(l, "norm2.weight", 1, &width, 1, 1));
    MTL_TRY(mtl_layer_slot(l, "norm2.bias", 1, &width, 0, 0));
    *out = *in;
    return MTL_OK;
}

static mtl_status attention(mtl_layer *l, const mtl_pass *pass, mtl_tensor *x, mtl_tensor **out)
{
    mtl_attention a = settings(l);
    mtl_tensor *y = NULL;
    MTL_TRY(mtl_attention_forward(l, pass, &a, ATTENTION, x, &y));
    mtl_status status = mtl_layer_drop(l, pass, AFTER_ATTENTION, l->number[DROPOUT], y, out);
    mtl_tensor_release(y);
    return status;
}

static mtl_status feedforward(mtl_layer *l, const mtl_pass *pass, mtl_tensor *x, mtl_tensor **out)
{
    mtl_tensor *sums = NULL, *active = NULL, *dropped = NULL, *y = NULL;
    mtl_status status;
    MTL_TRY_GOTO(mtl_linear(x, l->slots[LINEAR1], l->slots[LINEAR1 + 1], &sums));
    MTL_TRY_GOTO(l->number[ACTIVATION] == GELU ? mtl_gelu(sums, &active) : mtl_relu(sums, &active));
    MTL_TRY_GOTO(mtl_layer_drop(l, pass, INNER, l->number[DROPOUT], active, &dropped));
    MTL_TRY_GOTO(mtl_linear(dropped, l->slots[LINEAR2], l->slots[LINEAR2 + 1], &y));
    status = mtl_layer_drop(l, pass, AFTER_LINEAR, l->number[DROPOUT], y, out);
done:
    mtl_tensor_release(sums);
    mtl_tensor_release(active);
    mtl_tensor_release(dropped);
    mtl_tensor_release(y);
    return status;
}

static mtl_status normalized(mtl_layer *l, int slot, mtl_tensor *x, mtl_tensor **out)
{
    return mtl_layer_norm(x, l->slots[slot], l->slots[slot + 1], 1, l->number[EPS], out);
}

typedef mtl_status (*sublayer)(mtl_layer *l, const mtl_pass *pass, mtl_tensor *x, mtl_tensor **out);

/* norm(x + part(x)), or x + part(norm(x)) */
static mtl_status added(mtl_layer *l, const mtl_pass *pass, sublayer part, int norm, mtl_tensor *x, mtl_tensor **out)
{
    mtl_tensor *before = NULL, *y = NULL, *sum = NULL;
    mtl_status status;
    bool first = l->number[NORM_FIRST] != 0;
    if (first)
        MTL_TRY_GOTO(normalized(l, norm, x, &before));
    MTL_TRY_GOTO(part(l, pass, first ? before : x, &y));
    MTL_TRY_GOTO(mtl_add(x, y, first ? out : &sum));
    if (!first)
        status = normalized(l, norm, sum, out);
done:
    mtl_tensor_release(before);
    mtl_tensor_release(y);
    mtl_tensor_release(sum);
    return status;
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    (void)n;
    MTL_TRY(added(l, pass, attention, NORM1, in[0], &y));
    mtl_status status = added(l, pass, feedforward, NORM2, y, out);
    mtl_tensor_release(y);
    return status;
}

/** nn.transformer_encoder_layer: Self-attention, then two linear layers at each step, each added to its input.
   Layer norm stands after the sum or (norm_first) before the part. Parameters are named and drawn as in PyTorch.
     d_model          inferred  features
     nhead                      heads; divides the features
     dim_feedforward            width between the two linear layers
     dropout                    of attention weights, within and after each part
     activation                 between the two linear layers
     layer_norm_eps             added to the variance
     norm_first                 true: trains more steadily when many are stacked
     causal                     true: no step sees a later one
   @formula x ← norm(x + attention(x)); x ← norm(x + W₂ f(W₁ x)); with norm_first x + part(norm(x))
   @when sequences are long or have no order but position_embedding's, and there is much data
   @usage nn.transformer_encoder_layer(nil, 4, { dim_feedforward = 64 })
   @sample 12, 32 */
const mtl_layer_type mtl_layer_transformer_encoder_layer = {.name = "transformer_encoder_layer",
                                                            .options = options,
                                                            .shape = shape,
                                                            .forward = forward,
                                                            .choices = activations};

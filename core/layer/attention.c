/* multi_head_attention: self-attention over [length, features] samples; each head has width/heads features, weights are
   softmax(q k' / sqrt(that)); causal: no step sees a later one. Parameters are named and drawn as in PyTorch. */
#include "layer/attention.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUERY, KEY, VALUE };

mtl_status mtl_attention_check(mtl_layer *l, const mtl_attention *a, int given, const char *heads, const mtl_shape *in)
{
    const char *width = l->type->options[given].name;
    char text[MTL_SHAPE_TEXT];
    mtl_layer_shape_text(in, text);
    if (in->rank != 2)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample has shape %s, which should be [length, features]", text);
    if (l->given[given] && (int64_t)l->number[given] != in->size[1])
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "%s is %.0f, but a sample has shape %s", width, l->number[given], text);
    if (in->size[1] < 1 || in->size[1] % a->heads != 0)
        return mtl_layer_fail(l, MTL_ERR_ARG, "%s is %.0f, which should divide the features of a sample of shape %s",
                              heads, (double)a->heads, text);
    return MTL_OK;
}

mtl_status mtl_attention_declare(mtl_layer *l, const mtl_attention *a, const char *prefix, int64_t width)
{
    static const char *const names[] = {"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"};
    const double bounds[] = {sqrt(1.5 / (double)width), 0, 1 / sqrt((double)width), 0}; /* the first: Xavier */
    for (int i = 0; i < 4; i++) {
        char name[64];
        bool bias = i % 2;
        snprintf(name, sizeof name, "%s%s", prefix, names[i]);
        if (!bias || a->bias)
            MTL_TRY(mtl_layer_slot(l, name, bias ? 1 : 2, (int64_t[]){i < 2 ? 3 * width : width, width}, -bounds[i],
                                   bounds[i]));
    }
    return MTL_OK;
}

/* Queries, keys or values: [batch, heads, length, width/heads]. Cutting the parameters, not the products, keeps the
   gradient's copies as small as they are. */
static mtl_status projected(const mtl_attention *a, int which, mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias,
                            mtl_tensor **out)
{
    const int64_t *shape = mtl_tensor_shape(x), width = shape[2];
    int64_t split[] = {shape[0], shape[1], a->heads, width / a->heads};
    mtl_tensor *w = NULL, *b = NULL, *y = NULL, *scaled = NULL, *heads = NULL;
    mtl_status status;
    MTL_TRY_GOTO(mtl_slice(weight, 0, which * width, (which + 1) * width, &w));
    if (bias)
        MTL_TRY_GOTO(mtl_slice(bias, 0, which * width, (which + 1) * width, &b));
    MTL_TRY_GOTO(mtl_linear(x, w, b, &y));
    if (which == QUERY)
        MTL_TRY_GOTO(mtl_scale(y, 1 / sqrt((double)split[3]), 0, &scaled));
    MTL_TRY_GOTO(mtl_reshape(scaled ? scaled : y, 4, split, &heads));
    status = mtl_transpose(heads, 1, 2, out);
done:
    mtl_tensor_release(w);
    mtl_tensor_release(b);
    mtl_tensor_release(y);
    mtl_tensor_release(scaled);
    mtl_tensor_release(heads);
    return status;
}

/* scores plus minus infinity where a step would see a later one */
static mtl_status without_later(mtl_tensor *scores, mtl_tensor **out)
{
    int64_t n = mtl_tensor_shape(scores)[2];
    mtl_tensor *mask = NULL;
    mtl_status status;
    float *host = calloc((size_t)n + 1, ((size_t)n + 1) * sizeof *host);
    if (!host)
        return mtl_fail(mtl_tensor_context(scores), MTL_ERR_MEMORY, "no host memory left");
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = i + 1; j < n; j++)
            host[i * n + j] = -INFINITY;
    }
    MTL_TRY_GOTO(mtl_tensor_like(scores, MTL_F32, 2, (int64_t[]){n, n}, &mask));
    MTL_TRY_GOTO(mtl_tensor_write(mask, host));
    status = mtl_add(scores, mask, out);
done:
    mtl_tensor_release(mask);
    free(host);
    return status;
}

/* softmax(q k') v, the heads side by side again */
static mtl_status attend(mtl_layer *l, const mtl_pass *pass, const mtl_attention *a, mtl_tensor *const *part,
                         mtl_tensor **out)
{
    const int64_t *shape = mtl_tensor_shape(part[VALUE]);
    mtl_tensor *scores = NULL, *masked = NULL, *weights = NULL, *dropped = NULL, *y = NULL, *lines = NULL;
    mtl_status status;
    MTL_TRY_GOTO(mtl_matmul(part[QUERY], part[KEY], false, true, &scores));
    if (a->causal)
        MTL_TRY_GOTO(without_later(scores, &masked));
    MTL_TRY_GOTO(mtl_softmax(masked ? masked : scores, -1, &weights));
    MTL_TRY_GOTO(mtl_layer_drop(l, pass, 0, a->dropout, weights, &dropped));
    MTL_TRY_GOTO(mtl_matmul(dropped, part[VALUE], false, false, &y));
    MTL_TRY_GOTO(mtl_transpose(y, 1, 2, &lines));
    status = mtl_reshape(lines, 3, (int64_t[]){shape[0], shape[2], shape[1] * shape[3]}, out);
done:
    mtl_tensor_release(scores);
    mtl_tensor_release(masked);
    mtl_tensor_release(weights);
    mtl_tensor_release(dropped);
    mtl_tensor_release(y);
    mtl_tensor_release(lines);
    return status;
}

mtl_status mtl_attention_forward(mtl_layer *l, const mtl_pass *pass, const mtl_attention *a, int first, mtl_tensor *x,
                                 mtl_tensor **out)
{
    mtl_tensor *const *slots = l->slots + first, *part[3] = {NULL, NULL, NULL}, *y = NULL;
    mtl_status status;
    for (int i = QUERY; i <= VALUE; i++)
        MTL_TRY_GOTO(projected(a, i, x, slots[0], a->bias ? slots[1] : NULL, &part[i]));
    MTL_TRY_GOTO(attend(l, pass, a, part, &y));
    status = mtl_linear(y, slots[a->bias ? 2 : 1], a->bias ? slots[3] : NULL, out);
done:
    for (int i = QUERY; i <= VALUE; i++)
        mtl_tensor_release(part[i]);
    mtl_tensor_release(y);
    return status;
}

enum { WIDTH, HEADS, DROPOUT, BIAS, CAUSAL };
static const mtl_option options[] = {
    {"embed_dim", MTL_OPTION_WIDTH, true, false, NAN, 0, 0}, {"num_heads", MTL_OPTION_SIZE, true, true, 0, 0, 0},
    {"dropout", MTL_OPTION_NUMBER, false, false, 0, 0, 1},   {"bias", MTL_OPTION_BOOL, false, false, 1, 0, 0},
    {"causal", MTL_OPTION_BOOL, false, false, 0, 0, 0},      {0}};

static mtl_attention settings(const mtl_layer *l)
{
    return (mtl_attention){(int64_t)l->number[HEADS], l->number[BIAS] != 0, l->number[CAUSAL] != 0, l->number[DROPOUT]};
}

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    mtl_attention a = settings(l);
    (void)n;
    MTL_TRY(mtl_attention_check(l, &a, WIDTH, "num_heads", in));
    *out = *in;
    return mtl_attention_declare(l, &a, "", in->size[1]);
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_attention a = settings(l);
    (void)n;
    return mtl_attention_forward(l, pass, &a, 0, in[0], out);
}

/** nn.multi_head_attention: Self-attention over samples [length, features]. Parameters are named and drawn as in
   PyTorch.
     embed_dim  inferred  features
     num_heads            divides the features
     dropout              of the attention weights
     bias                 whether there are biases
     causal               true: no step sees a later one
   @formula each head: softmax(q kᵀ / √d) v, d = features / heads; the heads side by side through a linear layer
   @when each step of a sequence should see all others
   @usage nn.multi_head_attention(nil, 4)
   @sample 12, 32 */
const mtl_layer_type mtl_layer_multi_head_attention = {
    .name = "multi_head_attention", .options = options, .shape = shape, .forward = forward};

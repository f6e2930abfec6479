/* lstm, gru: [length, features] samples, from zeros. Parameters and their names are PyTorch's; all uniform in
   +-1/sqrt(hidden_size). "last" gives what PyTorch calls h_n of the top layer: where each direction ends. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "layer/layer.h"

enum { INPUT, HIDDEN, LAYERS, BIAS, DROPOUT, BIDIRECTIONAL, OUTPUT };
enum { SEQUENCE, LAST };
static const char *const outputs[] = {"sequence", "last", NULL};
static const mtl_option options[] = {{"input_size", MTL_OPTION_WIDTH, true, false, NAN, 0, 0},
                                     {"hidden_size", MTL_OPTION_SIZE, true, true, 0, 0, 0},
                                     {"num_layers", MTL_OPTION_SIZE, true, false, 1, 0, 0},
                                     {"bias", MTL_OPTION_BOOL, false, false, 1, 0, 0},
                                     {"dropout", MTL_OPTION_NUMBER, false, false, 0, 0, 1}, /* between layers */
                                     {"bidirectional", MTL_OPTION_BOOL, false, false, 0, 0, 0},
                                     {"output", MTL_OPTION_CHOICE, false, false, SEQUENCE, 0, 0},
                                     {0}};

static int directions(const mtl_layer *l)
{
    return l->number[BIDIRECTIONAL] != 0 ? 2 : 1;
}

static int slots_each(const mtl_layer *l) /* of one layer and direction */
{
    return l->number[BIAS] != 0 ? 4 : 2;
}

/* The parameters of layer k in one direction. */
static mtl_status declare(mtl_layer *l, int64_t gates, int64_t width, int k, bool reverse)
{
    static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
    int64_t hidden = (int64_t)l->number[HIDDEN];
    double bound = 1.0 / sqrt(l->number[HIDDEN]);
    for (int i = 0; i < slots_each(l); i++) {
        char name[48];
        snprintf(name, sizeof name, "%s_l%d%s", names[i], k, reverse ? "_reverse" : "");
        MTL_TRY(mtl_layer_slot(l, name, i < 2 ? 2 : 1, (int64_t[]){gates * hidden, i == 0 ? width : hidden}, -bound,
                               bound));
    }
    return MTL_OK;
}

static mtl_status declare_all(mtl_layer *l, int64_t gates, const mtl_shape *in, mtl_shape *out)
{
    char text[MTL_SHAPE_TEXT];
    int most = MTL_LAYER_SLOTS / slots_each(l) / directions(l);
    if (in->rank != 2 || in->size[0] < 1)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample has shape %s, which should be [length, features]",
                              mtl_layer_shape_text(in, text));
    int64_t width = in->size[1];
    if (l->given[INPUT] && (int64_t)l->number[INPUT] != width)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "input_size is %.0f, but a sample has shape %s", l->number[INPUT],
                              mtl_layer_shape_text(in, text));
    if (l->number[LAYERS] > most)
        return mtl_layer_fail(l, MTL_ERR_ARG,
                              "num_layers is %.0f, which should be at most %d here; put two %ss in turn",
                              l->number[LAYERS], most, l->type->name);
    for (int k = 0; k < (int)l->number[LAYERS]; k++) {
        for (int d = 0; d < directions(l); d++)
            MTL_TRY(declare(l, gates, width, k, d == 1));
        width = directions(l) * (int64_t)l->number[HIDDEN];
    }
    *out = l->number[OUTPUT] == LAST ? (mtl_shape){1, {width}} : (mtl_shape){2, {in->size[0], width}};
    return MTL_OK;
}

static mtl_status lstm_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)n;
    return declare_all(l, 4, in, out);
}

static mtl_status gru_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)n;
    return declare_all(l, 3, in, out);
}

typedef mtl_status (*operator)(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, bool reverse, mtl_tensor **out);

/* One layer in one direction; `last`: only where it ends. */
static mtl_status run(mtl_layer *l, operator op, int slot, mtl_tensor *x, bool reverse, bool last, mtl_tensor **out)
{
    mtl_tensor *const *slots = l->slots + slot, *sums = NULL, *y = NULL;
    mtl_status status;
    bool bias = l->number[BIAS] != 0;
    MTL_TRY(mtl_linear(x, slots[0], bias ? slots[2] : NULL, &sums));
    MTL_TRY_GOTO(op(sums, slots[1], bias ? slots[3] : NULL, reverse, last ? &y : out));
    if (last)
        status = mtl_select(y, 1, reverse ? 0 : mtl_tensor_shape(y)[1] - 1, out);
done:
    mtl_tensor_release(sums);
    mtl_tensor_release(y);
    return status;
}

/* Both directions of layer k, side by side. */
static mtl_status run_layer(mtl_layer *l, operator op, int k, mtl_tensor *x, bool last, mtl_tensor **out)
{
    mtl_tensor *parts[2] = {NULL, NULL};
    int slot = k * directions(l) * slots_each(l);
    mtl_status status;
    if (directions(l) == 1)
        return run(l, op, slot, x, false, last, out);
    MTL_TRY_GOTO(run(l, op, slot, x, false, last, &parts[0]));
    MTL_TRY_GOTO(run(l, op, slot + slots_each(l), x, true, last, &parts[1]));
    status = mtl_cat(2, parts, -1, out);
done:
    mtl_tensor_release(parts[0]);
    mtl_tensor_release(parts[1]);
    return status;
}

static mtl_status run_all(mtl_layer *l, const mtl_pass *pass, operator op, mtl_tensor *x, mtl_tensor **out)
{
    int top = (int)l->number[LAYERS] - 1;
    mtl_tensor *at = mtl_tensor_retain(x);
    for (int k = 0; k <= top; k++) {
        mtl_tensor *y = NULL, *next = NULL;
        mtl_status status = run_layer(l, op, k, at, k == top && l->number[OUTPUT] == LAST, &y);
        if (status == MTL_OK)
            status = mtl_layer_drop(l, pass, k, k < top ? l->number[DROPOUT] : 0, y, &next);
        mtl_tensor_release(at);
        mtl_tensor_release(y);
        MTL_TRY(status);
        at = next;
    }
    *out = at;
    return MTL_OK;
}

static mtl_status lstm_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)n;
    return run_all(l, pass, mtl_lstm, in[0], out);
}

static mtl_status gru_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)n;
    return run_all(l, pass, mtl_gru, in[0], out);
}

/** nn.lstm: Long short-term memory over samples [length, features], from zeros. Parameters, and their names, are
   PyTorch's, uniform in ±1/√hidden_size.
     input_size     inferred  features
     hidden_size              size of the state
     num_layers               one above the other
     bias                     whether there are biases
     dropout                  between the layers
     bidirectional            true: a second one from the end; the output is twice as wide
     output                   "sequence": of each step; "last": where each direction of the top layer ends (h_n)
   @formula i, f, o = σ(W x + U h + b), g = tanh(W x + U h + b); c ← f c + i g; h ← o tanh(c)
   @when order matters, and what is long past may count
   @usage nn.lstm(nil, 32, { output = "last" })
   @sample 12, 8 */
const mtl_layer_type mtl_layer_lstm = {
    .name = "lstm", .options = options, .shape = lstm_shape, .forward = lstm_forward, .choices = outputs};
/** nn.gru: Gated recurrent units over samples [length, features], from zeros. Parameters, and their names, are
   PyTorch's, uniform in ±1/√hidden_size.
     input_size     inferred  features
     hidden_size              size of the state
     num_layers               one above the other
     bias                     whether there are biases
     dropout                  between the layers
     bidirectional            true: a second one from the end; the output is twice as wide
     output                   "sequence": of each step; "last": where each direction of the top layer ends (h_n)
   @formula r, z = σ(W x + U h + b), n = tanh(W x + b + r (U h + b')); h ← (1 - z) n + z h
   @when order matters; smaller than an lstm, and often as good
   @usage nn.gru(nil, 32)
   @sample 12, 8 */
const mtl_layer_type mtl_layer_gru = {
    .name = "gru", .options = options, .shape = gru_shape, .forward = gru_forward, .choices = outputs};

/* Self-attention, as a layer and as a part of transformers. */
#ifndef MTL_LAYER_ATTENTION_H
#define MTL_LAYER_ATTENTION_H

#include "layer/layer.h"

typedef struct {
    int64_t heads;
    bool bias, causal;
    double dropout; /* of the attention's weights */
} mtl_attention;

/* Checks the sample [length, width] and that the heads divide it; `given` names the option that says the width. */
mtl_status mtl_attention_check(mtl_layer *l, const mtl_attention *a, int given, const char *heads, const mtl_shape *in);
/* Declares in_proj_weight, in_proj_bias, out_proj.weight, out_proj.bias below `prefix` ("" or "self_attn."). */
mtl_status mtl_attention_declare(mtl_layer *l, const mtl_attention *a, const char *prefix, int64_t width);
/* x [batch, length, width]; the parameters are slots `first` and on; dropout is number 0 of the layer's. */
mtl_status mtl_attention_forward(mtl_layer *l, const mtl_pass *pass, const mtl_attention *a, int first, mtl_tensor *x,
                                 mtl_tensor **out);

#endif

/* embedding: a row of the weight [num_embeddings, embedding_dim] for each index of a sample; normal values, N(0, 1).
   The row padding_idx (from 0, as the indices) holds zeros and learns nothing. */
#include <math.h>

#include "layer/layer.h"

enum { ROWS, WIDTH, PADDING };
static const mtl_option options[] = {{"num_embeddings", MTL_OPTION_SIZE, true, true, 0, 0, 0},
                                     {"embedding_dim", MTL_OPTION_SIZE, true, true, 0, 0, 0},
                                     {"padding_idx", MTL_OPTION_COUNT, false, false, NAN, 0, 0},
                                     {0}};

static int64_t padding(const mtl_layer *l)
{
    return l->given[PADDING] ? (int64_t)l->number[PADDING] : -1;
}

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    int64_t weight[2] = {(int64_t)l->number[ROWS], (int64_t)l->number[WIDTH]};
    char text[MTL_SHAPE_TEXT];
    (void)n;
    if (weight[0] > INT32_MAX)
        return mtl_layer_fail(l, MTL_ERR_ARG, "num_embeddings is %.0f, which is more than an int32 index counts",
                              l->number[ROWS]);
    if (padding(l) >= weight[0])
        return mtl_layer_fail(l, MTL_ERR_ARG, "padding_idx is %.0f, which should be less than num_embeddings, %.0f",
                              l->number[PADDING], l->number[ROWS]);
    if (in->rank >= MTL_MAX_RANK - 1)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample of shape %s has no room for one more dimension",
                              mtl_layer_shape_text(in, text));
    *out = *in;
    out->size[out->rank++] = weight[1];
    return mtl_layer_slot_normal(l, "weight", 2, weight, 1, padding(l) + 1);
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)pass, (void)n;
    return mtl_embedding(l->slots[0], in[0], padding(l), out);
}

/** nn.embedding: A row of a learned table for each index of a sample, int32 from 0. weight [num_embeddings,
   embedding_dim], drawn from N(0, 1).
     num_embeddings        how many indices there are
     embedding_dim         numbers in a row
     padding_idx     none  an index whose row holds zeros and learns nothing
   @formula y = W[index]
   @when inputs are classes: words, places, kinds
   @usage nn.embedding(100, 16)
   @sample 5, "int32" */
const mtl_layer_type mtl_layer_embedding = {
    .name = "embedding", .options = options, .shape = shape, .forward = forward};

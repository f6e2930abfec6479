/* mixture: a mixture of experts' outputs (Ma et al., KDD 2018), a join of two inputs of a graph: weights [E], as a
   gate's softmax gives them, and the outputs of E experts joined along their first dimension, [E * C, ...]. Gives sum_e
   weights[e] outputs[e], [C, ...]. */
#include <inttypes.h>

#include "layer/layer.h"

static const mtl_option options[] = {{0}};

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    char a[MTL_SHAPE_TEXT], b[MTL_SHAPE_TEXT];
    (void)n;
    if (in[0].rank != 1 || in[0].size[0] < 1)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "the weights (its first input) have shape %s; it wants [experts]",
                              mtl_layer_shape_text(&in[0], a));
    if (in[1].rank < 1 || in[1].size[0] % in[0].size[0] != 0)
        return mtl_layer_fail(
            l, MTL_ERR_SHAPE,
            "the experts' outputs, joined (its second input), have shape %s; with weights of shape %s "
            "the first dimension should be a multiple of %" PRId64,
            mtl_layer_shape_text(&in[1], b), mtl_layer_shape_text(&in[0], a), in[0].size[0]);
    *out = in[1];
    out->size[0] /= in[0].size[0];
    return MTL_OK;
}

/* A product for each sample: [1, E] x [E, C ...]. */
static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_tensor *weights = NULL, *experts = NULL, *mixed = NULL;
    mtl_status status = MTL_OK;
    int64_t batch = mtl_tensor_shape(in[0])[0], e = mtl_tensor_shape(in[0])[1], each = 1, to[MTL_MAX_RANK] = {batch};
    (void)pass, (void)n;
    for (int d = 0; d < l->out.rank; d++)
        each *= to[d + 1] = l->out.size[d];
    MTL_TRY_GOTO(mtl_reshape(in[0], 3, (const int64_t[]){batch, 1, e}, &weights));
    MTL_TRY_GOTO(mtl_reshape(in[1], 3, (const int64_t[]){batch, e, each}, &experts));
    MTL_TRY_GOTO(mtl_matmul(weights, experts, false, false, &mixed));
    status = mtl_reshape(mixed, l->out.rank + 1, to, out);
done:
    mtl_tensor_release(weights);
    mtl_tensor_release(experts);
    mtl_tensor_release(mixed);
    return status;
}

/** nn.mixture: The sum of experts' outputs, each times what a gate gives it (Ma et al., KDD 2018). It joins two inputs
   of an nn.graph: weights [E], as a gate's softmax gives them, and the outputs of E experts joined along their first
   dimension, [E C, ...]; it gives [C, ...].
   @formula y = Σ w_e x_e
   @when tasks share experts, each by a gate of its own (MMoE) */
const mtl_layer_type mtl_layer_mixture = {
    .name = "mixture", .options = options, .shape = shape, .forward = forward, .min_inputs = 2, .max_inputs = 2};

/* Containers: sequential (one after the other), residual (x + sequential(x)), concat (children side by side on the same
   input, outputs joined along the first dimension of a sample), and the joins of a graph: add, and concat without
   children. */
#include <inttypes.h>
#include <string.h>

#include "layer/layer.h"

static const mtl_option children[] = {{"children", MTL_OPTION_LAYERS, true, true, 0, 0, 0}, {0}};
static const mtl_option maybe_children[] = {{"children", MTL_OPTION_LAYERS, true, false, 0, 0, 0}, {0}};
static const mtl_option none[] = {{0}};

static mtl_status chain_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    mtl_shape at = *in;
    (void)n;
    for (int i = 0; i < l->n_children; i++) {
        mtl_shape next = {0};
        l->children[i]->tasks = l->tasks;
        MTL_TRY(mtl_layer_shape(l->children[i], 1, &at, &next));
        at = next;
    }
    *out = at;
    return MTL_OK;
}

extern const mtl_layer_type mtl_layer_relu, mtl_layer_max_pool2d;

/* Which child comes at place i. A relu goes behind a max pool that follows it: values and gradients are the same, bit
   for bit, and there is less to do. */
static mtl_layer *turn(const mtl_layer *l, int i)
{
    mtl_layer *const *at = l->children + i;
    if (i + 1 < l->n_children && at[0]->type == &mtl_layer_relu && at[1]->type == &mtl_layer_max_pool2d)
        return at[1];
    if (i > 0 && at[-1]->type == &mtl_layer_relu && at[0]->type == &mtl_layer_max_pool2d)
        return at[-1];
    return at[0];
}

static mtl_status chain_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_tensor *at = mtl_tensor_retain(in[0]);
    (void)n;
    for (int i = 0; i < l->n_children; i++) {
        mtl_tensor *next = NULL;
        mtl_status status = mtl_layer_forward(turn(l, i), pass, 1, &at, &next);
        mtl_tensor_release(at);
        MTL_TRY(status);
        at = next;
    }
    *out = at;
    return MTL_OK;
}

static mtl_status residual_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    char a[MTL_SHAPE_TEXT], b[MTL_SHAPE_TEXT];
    MTL_TRY(chain_shape(l, n, in, out));
    if (out->rank != in->rank || memcmp(out->size, in->size, (size_t)in->rank * sizeof in->size[0]) != 0)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "its layers make %s of %s; what is added to the input has its shape",
                              mtl_layer_shape_text(out, a), mtl_layer_shape_text(in, b));
    return MTL_OK;
}

static mtl_status residual_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_tensor *inner = NULL;
    MTL_TRY(chain_forward(l, pass, n, in, &inner));
    mtl_status status = mtl_add(in[0], inner, out);
    mtl_tensor_release(inner);
    return status;
}

static mtl_status join_shapes(mtl_layer *l, int n, const mtl_shape *parts, mtl_shape *out)
{
    char a[MTL_SHAPE_TEXT], b[MTL_SHAPE_TEXT];
    *out = parts[0];
    for (int i = 1; i < n; i++) {
        bool fits = parts[i].rank == out->rank && out->rank > 0;
        for (int d = 1; fits && d < out->rank; d++)
            fits = parts[i].size[d] == out->size[d];
        if (!fits)
            return mtl_layer_fail(l, MTL_ERR_SHAPE, "part %d has shape %s, which does not join %s", i + 1,
                                  mtl_layer_shape_text(&parts[i], a), mtl_layer_shape_text(&parts[0], b));
        out->size[0] += parts[i].size[0];
    }
    return MTL_OK;
}

static mtl_status concat_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    mtl_shape parts[MTL_MAX_INPUTS];
    if (l->n_children == 0)
        return join_shapes(l, n, in, out);
    if (n != 1 || l->n_children > MTL_MAX_INPUTS)
        return mtl_layer_fail(l, MTL_ERR_SHAPE,
                              "it takes one input for up to %d layers, or joins inputs without layers", MTL_MAX_INPUTS);
    for (int i = 0; i < l->n_children; i++) {
        l->children[i]->tasks = l->tasks;
        MTL_TRY(mtl_layer_shape(l->children[i], 1, in, &parts[i]));
    }
    return join_shapes(l, l->n_children, parts, out);
}

static mtl_status concat_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_tensor *parts[MTL_MAX_INPUTS] = {0};
    mtl_status status = MTL_OK;
    if (l->n_children == 0)
        return mtl_cat(n, in, 1, out);
    for (int i = 0; i < l->n_children; i++)
        MTL_TRY_GOTO(mtl_layer_forward(l->children[i], pass, 1, in, &parts[i]));
    status = mtl_cat(l->n_children, parts, 1, out);
done:
    for (int i = 0; i < l->n_children; i++)
        mtl_tensor_release(parts[i]);
    return status;
}

static mtl_status add_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    char a[MTL_SHAPE_TEXT], b[MTL_SHAPE_TEXT];
    for (int i = 1; i < n; i++) {
        if (in[i].rank != in[0].rank || memcmp(in[i].size, in[0].size, (size_t)in[0].rank * sizeof in[0].size[0]) != 0)
            return mtl_layer_fail(l, MTL_ERR_SHAPE, "input %d has shape %s, the first %s", i + 1,
                                  mtl_layer_shape_text(&in[i], a), mtl_layer_shape_text(&in[0], b));
    }
    *out = in[0];
    return MTL_OK;
}

static mtl_status add_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_tensor *sum = mtl_tensor_retain(in[0]);
    (void)l, (void)pass;
    for (int i = 1; i < n; i++) {
        mtl_tensor *next = NULL;
        mtl_status status = mtl_add(sum, in[i], &next);
        mtl_tensor_release(sum);
        MTL_TRY(status);
        sum = next;
    }
    *out = sum;
    return MTL_OK;
}

/** nn.sequential: Layers one after the other. A parameter is named by its place:
   trunk.0.weight.
     children  the layers
   @formula y = f_n(... f_1(x))
   @when it is a trunk or a head of several layers
   @usage nn.sequential { nn.linear(nil, 50), nn.relu(), nn.linear(nil, 10) }
   @sample 20 */
const mtl_layer_type mtl_layer_sequential = {
    .name = "sequential", .options = children, .shape = chain_shape, .forward = chain_forward};
/** nn.residual: Layers whose result is added to their input, which has the same shape.
     children  the layers, one after the other
   @formula y = x + f_n(... f_1(x))
   @when a network is deep
   @usage nn.residual { nn.linear(nil, 20), nn.relu() }
   @sample 20 */
const mtl_layer_type mtl_layer_residual = {
    .name = "residual", .options = children, .shape = residual_shape, .forward = residual_forward};
/** nn.concat: Layers side by side on the same input, joined along the first dimension of a sample. Without layers
   it joins the inputs of an nn.graph.
     children  none  the layers, up to 16
   @formula y = [f_1(x), ..., f_n(x)]
   @when an input is looked at in several ways: windows of several sizes, experts
   @usage nn.concat { nn.linear(nil, 4), nn.linear(nil, 6) }
   @sample 20 */
const mtl_layer_type mtl_layer_concat = {.name = "concat",
                                         .options = maybe_children,
                                         .shape = concat_shape,
                                         .forward = concat_forward,
                                         .max_inputs = MTL_MAX_INPUTS};
/** nn.add: The sum of a graph's inputs, all of one shape.
   @formula y = Σ x_i
   @when a model is an nn.graph with branches that meet; for one branch beside its input see residual */
const mtl_layer_type mtl_layer_add = {.name = "add",
                                      .options = none,
                                      .shape = add_shape,
                                      .forward = add_forward,
                                      .min_inputs = 1,
                                      .max_inputs = MTL_MAX_INPUTS};

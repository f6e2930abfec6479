/* flatten: all dimensions of a sample become one. */
#include "layer/layer.h"

static const mtl_option options[] = {{0}};

static mtl_status shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    char text[MTL_SHAPE_TEXT];
    (void)n;
    *out = (mtl_shape){.rank = 1, .size = {1}};
    for (int i = 0; i < in->rank; i++) {
        if (mtl_mul_overflows(out->size[0], in->size[i], &out->size[0]))
            return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample of shape %s is larger than any memory",
                                  mtl_layer_shape_text(in, text));
    }
    return MTL_OK;
}

static mtl_status forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)pass, (void)n;
    int64_t to[2] = {mtl_tensor_shape(in[0])[0], l->out.size[0]};
    return mtl_reshape(in[0], 2, to, out);
}

/** nn.flatten: All dimensions of a sample become one.
   @when images go into nn.linear
   @sample 16, 4, 4 */
const mtl_layer_type mtl_layer_flatten = {.name = "flatten", .options = options, .shape = shape, .forward = forward};

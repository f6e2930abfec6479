/* prelu: a relu with a learned slope below 0, of one number or of one a channel; composed of other operators. */
#include <inttypes.h>

#include "op/broadcast.h"

mtl_status mtl_prelu(mtl_tensor *x, mtl_tensor *weight, mtl_tensor **out)
{
    mtl_tensor *zero = NULL, *above = NULL, *slope = NULL, *below = NULL;
    mtl_status status;
    int64_t shape[MTL_MAX_RANK], channels = x->rank > 1 ? x->shape[1] : 1;
    int rank = weight->count == 1 ? 0 : x->rank - 1;
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_floats("prelu", 2, (mtl_tensor *[]){x, weight}));
    if (weight->rank != 1 || (weight->count != 1 && weight->count != channels))
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "prelu: the weight has shape %s, which should be [1] or [%" PRId64 "]",
                        mtl_shape_text(weight->rank, weight->shape, text, sizeof text), channels);
    for (int i = 0; i < rank; i++)
        shape[i] = i ? 1 : channels;
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 0, NULL, &zero));
    MTL_TRY_GOTO(MTL_KERNEL(zero, fill, zero, 0.0));
    MTL_TRY_GOTO(mtl_gt(x, zero, &above));
    MTL_TRY_GOTO(mtl_reshape(weight, rank, shape, &slope));
    MTL_TRY_GOTO(mtl_mul(x, slope, &below));
    status = mtl_where(above, x, below, out);
done:
    mtl_tensor_release(zero);
    mtl_tensor_release(above);
    mtl_tensor_release(slope);
    mtl_tensor_release(below);
    return status;
}

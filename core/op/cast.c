/* cast: between dtypes. The result is a constant, but for a tensor that has the dtype already: that is x itself. */
#include "op/broadcast.h"

const mtl_op mtl_op_cast = {"cast", NULL};

mtl_status mtl_cast(mtl_tensor *x, mtl_dtype dtype, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    if (x->dtype == dtype) {
        *out = mtl_tensor_retain(x);
        return MTL_OK;
    }
    MTL_TRY(mtl_tensor_like(x, dtype, x->rank, x->shape, &y));
    mtl_status status = MTL_KERNEL(x, cast, x, y);
    if (status == MTL_OK)
        *out = y;
    else
        mtl_tensor_release(y);
    return status;
}

/* var, std: composed of a mean and a sum of squares, in two passes. */
#include <math.h>

#include "op/broadcast.h"

mtl_status mtl_var(mtl_tensor *x, int dim, bool keep, int correction, mtl_tensor **out)
{
    mtl_tensor *mean = NULL, *off = NULL, *square = NULL, *sum = NULL;
    mtl_status status;
    MTL_TRY(mtl_check_floats("var", 1, &x));
    if (correction < 0)
        return mtl_fail(x->ctx, MTL_ERR_ARG, "var: the correction is %d, which should be 0 or more", correction);
    if (dim != MTL_ALL)
        MTL_TRY(mtl_check_dim("var", x, dim, &dim));
    double n = (double)mtl_fold_at(x->rank, x->shape, dim).n - correction;
    MTL_TRY_GOTO(mtl_mean(x, dim, true, &mean));
    MTL_TRY_GOTO(mtl_sub(x, mean, &off));
    MTL_TRY_GOTO(mtl_square(off, &square));
    MTL_TRY_GOTO(mtl_sum(square, dim, keep, &sum));
    status = mtl_scale(sum, n > 0 ? 1 / n : NAN, 0, out); /* of too few: NaN, as in PyTorch */
done:
    mtl_tensor_release(mean);
    mtl_tensor_release(off);
    mtl_tensor_release(square);
    mtl_tensor_release(sum);
    return status;
}

mtl_status mtl_std(mtl_tensor *x, int dim, bool keep, int correction, mtl_tensor **out)
{
    mtl_tensor *var = NULL;
    MTL_TRY(mtl_var(x, dim, keep, correction, &var));
    mtl_status status = mtl_sqrt(var, out);
    mtl_tensor_release(var);
    return status;
}

/* Element-wise kernels: the texts of op/unary.def and op/binary.def. */
#include "opencl/opencl.h"

static const char *const unary_names[] = {
#define MTL_UNARY(name, forward, gradient) "unary_" #name,
#include "op/unary.def"
#undef MTL_UNARY
};

mtl_status mtl_cl_unary(int kind, double a, double b, const mtl_tensor *x, mtl_tensor *y)
{
    return MTL_CL_RUN_FLAT(x, "elementwise", unary_names[kind], "", x->count, MTL_CL_I64(x->count), MTL_CL_F32(a),
                           MTL_CL_F32(b), MTL_CL_BUF(x), MTL_CL_BUF(y));
}

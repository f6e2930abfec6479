/* Element-wise kernels: the texts of op/unary.def and op/binary.def; casts, axpy, dropout. */
#include <inttypes.h>
#include <math.h>

#include "opencl/lines.h"

/* Program, and kernels. */
static const char *const unary_names[][3] = {
#define MTL_UNARY(name, forward, gradient) {"unary." #name, "unary_" #name, "slope_" #name},
#include "op/unary.def"
#undef MTL_UNARY
};

static const char *const binary_names[][4] = {
#define MTL_BINARY(name, forward, grad_a, grad_b)                                                                      \
    {"binary." #name, "binary_" #name, "slope_a_" #name, "slope_b_" #name},
#include "op/binary.def"
#undef MTL_BINARY
};

mtl_status mtl_cl_unary(int kind, double a, double b, const mtl_tensor *x, mtl_tensor *y)
{
    return MTL_CL_RUN_FLAT(x, unary_names[kind][0], unary_names[kind][1], "", x->count, MTL_CL_I64(x->count),
                           MTL_CL_F32(a), MTL_CL_F32(b), MTL_CL_BUF(x), MTL_CL_BUF(y));
}

mtl_status mtl_cl_unary_grad(int kind, double a, double b, const mtl_tensor *x, const mtl_tensor *y,
                             const mtl_tensor *dy, mtl_tensor *dx)
{
    size_t global[] = {(size_t)x->count, x->count ? (size_t)(dy->count / x->count) : 0},
           local[] = {mtl_cl_group(x, x->count), 1};
    return MTL_CL_RUN(x, unary_names[kind][0], unary_names[kind][2], "", 2, global, local, MTL_CL_I64(x->count),
                      MTL_CL_F32(a), MTL_CL_F32(b), MTL_CL_BUF(x), MTL_CL_BUF(y), MTL_CL_BUF(dy), MTL_CL_BUF(dx));
}

mtl_status mtl_cl_binary(int kind, const mtl_broadcast *shape, const mtl_tensor *a, const mtl_tensor *b, mtl_tensor *y)
{
    mtl_cl_lines l = mtl_cl_lines_of(y, shape);
    return MTL_CL_RUN(y, binary_names[kind][0], binary_names[kind][1], "", 2, l.global, l.local, MTL_CL_STRUCT(*shape),
                      MTL_CL_I64(l.inner), MTL_CL_I64(l.lines), MTL_CL_I64(l.step[0]), MTL_CL_I64(l.step[1]),
                      MTL_CL_BUF(a), MTL_CL_BUF(b), MTL_CL_BUF(y));
}

mtl_status mtl_cl_binary_grad(int kind, int which, const mtl_broadcast *shape, const mtl_tensor *a, const mtl_tensor *b,
                              const mtl_tensor *dy, mtl_tensor *dx)
{
    mtl_cl_lines l = mtl_cl_lines_of(dx, shape);
    return MTL_CL_RUN(dx, binary_names[kind][0], binary_names[kind][2 + which], "", 2, l.global, l.local,
                      MTL_CL_STRUCT(*shape), MTL_CL_I64(l.inner), MTL_CL_I64(l.lines), MTL_CL_I64(l.step[0]),
                      MTL_CL_I64(l.step[1]), MTL_CL_BUF(a), MTL_CL_BUF(b), MTL_CL_BUF(dy), MTL_CL_BUF(dx));
}

mtl_status mtl_cl_where(const mtl_broadcast *shape, const mtl_tensor *cond, const mtl_tensor *a, const mtl_tensor *b,
                        mtl_tensor *y)
{
    mtl_cl_lines l = mtl_cl_lines_of(y, shape);
    return MTL_CL_RUN(y, "elementwise", "where", "", 2, l.global, l.local, MTL_CL_STRUCT(*shape), MTL_CL_I64(l.inner),
                      MTL_CL_I64(l.lines), MTL_CL_I64(l.step[0]), MTL_CL_I64(l.step[1]), MTL_CL_I64(l.step[2]),
                      MTL_CL_BUF(cond), MTL_CL_BUF(a), MTL_CL_BUF(b), MTL_CL_BUF(y));
}

/* Names the first element that does not fit; the only cast that waits for the device. */
static mtl_status check_fit(const mtl_tensor *x, const mtl_tensor *y, const mtl_tensor *bad)
{
    uint32_t at;
    mtl_tensor *element = NULL;
    union {
        float f32;
        int32_t i32;
    } value;
    MTL_TRY(mtl_tensor_read(bad, &at));
    if (at == UINT32_MAX)
        return MTL_OK;
    MTL_TRY(mtl_tensor_alias(x, 0, NULL, at, &element));
    mtl_status status = mtl_tensor_read(element, &value);
    mtl_tensor_release(element);
    MTL_TRY(status);
    return mtl_fail(y->ctx, MTL_ERR_ARG, "cast: element %" PRIu32 " is %g, which %s does not hold", at,
                    x->dtype == MTL_F32 ? (double)value.f32 : (double)value.i32, mtl_dtype_name(y->dtype));
}

mtl_status mtl_cl_cast(const mtl_tensor *x, mtl_tensor *y)
{
    static const char *const to_float[] = {[MTL_I32] = "int_to_float", [MTL_U8] = "uchar_to_float"};
    mtl_tensor *bad = NULL;
    mtl_status status;
    if (y->dtype == MTL_F32)
        return MTL_CL_RUN_FLAT(x, "elementwise", to_float[x->dtype], "", x->count, MTL_CL_I64(x->count), MTL_CL_BUF(x),
                               MTL_CL_BUF(y));
    const char *name = x->dtype == MTL_F32   ? (y->dtype == MTL_I32 ? "float_to_int" : "float_to_uchar")
                       : x->dtype == MTL_I32 ? "int_to_uchar"
                                             : "uchar_to_int";
    MTL_TRY(mtl_tensor_like(x, MTL_I32, 0, NULL, &bad));
    MTL_TRY_GOTO(mtl_tensor_fill(bad, -1));
    MTL_TRY_GOTO(MTL_CL_RUN_FLAT(x, "elementwise", name, "", x->count, MTL_CL_I64(x->count), MTL_CL_BUF(x),
                                 MTL_CL_BUF(y), MTL_CL_BUF(bad)));
    if (x->dtype != MTL_U8)
        status = check_fit(x, y, bad);
done:
    mtl_tensor_release(bad);
    return status;
}

mtl_status mtl_cl_axpy(double alpha, const mtl_tensor *x, mtl_tensor *y)
{
    return MTL_CL_RUN_FLAT(y, "elementwise", "axpy", "", y->count, MTL_CL_I64(y->count), MTL_CL_F32(alpha),
                           MTL_CL_BUF(x), MTL_CL_BUF(y));
}

mtl_status mtl_cl_scale(double factor, mtl_tensor *y)
{
    return MTL_CL_RUN_FLAT(y, "elementwise", "scale_in_place", "", y->count, MTL_CL_I64(y->count), MTL_CL_F32(factor),
                           MTL_CL_BUF(y));
}

mtl_status mtl_cl_clip(double most, const mtl_tensor *squares, mtl_tensor *y)
{
    return MTL_CL_RUN_FLAT(y, "elementwise", "clip_in_place", "", y->count, MTL_CL_I64(y->count), MTL_CL_F32(most),
                           MTL_CL_BUF(squares), MTL_CL_BUF(y));
}

mtl_status mtl_cl_dropout_mask(double p, uint64_t seed, uint64_t stream, uint64_t first, mtl_tensor *mask)
{
    double bound = ceil(p * 0x1p32); /* as on the CPU: the first word that keeps; 2^32, which is none, when p is 1 */
    uint32_t least = bound < 0x1p32 ? (uint32_t)bound : 0;
    float kept = bound < 0x1p32 ? (float)(1.0 / (1.0 - p)) : 0.0f;
    return MTL_CL_RUN_FLAT(mask, "elementwise", "dropout", "", (mask->count + 3) / 4, MTL_CL_I64(mask->count),
                           MTL_CL_I64((int64_t)seed), MTL_CL_I64((int64_t)stream), MTL_CL_I64((int64_t)first),
                           MTL_CL_I32(least), MTL_CL_F32(kept), MTL_CL_BUF(mask));
}

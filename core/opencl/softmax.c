/* Softmax and the losses made from it. */
#include "opencl/opencl.h"

enum { LINE = 256, LONG_LANE = 64 }; /* from so many elements on, neighbours in memory, a lane is a group's on a GPU */

static bool by_group(const mtl_tensor *on, int64_t n, int64_t inner)
{
    return inner == 1 && n >= LONG_LANE && !mtl_cl_is_cpu(on);
}

mtl_status mtl_cl_softmax(bool log, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y)
{
    size_t local = LINE, global = (size_t)outer * LINE;
    if (by_group(x, n, inner))
        return MTL_CL_RUN(y, "softmax", "softmax_line", mtl_cl_index(x->count), 1, &global, &local, MTL_CL_BUF(x),
                          MTL_CL_BUF(y), MTL_CL_I64(n), MTL_CL_I32(log), MTL_CL_LOCAL(LINE * sizeof(float)));
    return MTL_CL_RUN_FLAT(y, "softmax", "softmax_each", mtl_cl_index(x->count), n ? outer * inner : 0, MTL_CL_BUF(x),
                           MTL_CL_BUF(y), MTL_CL_I64(outer * inner), MTL_CL_I64(n), MTL_CL_I64(inner), MTL_CL_I32(log));
}

mtl_status mtl_cl_softmax_grad(bool log, int64_t rows, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *y,
                               const mtl_tensor *dy, mtl_tensor *dx)
{
    int64_t lanes = rows * outer * inner;
    size_t local = LINE, global = (size_t)lanes * LINE;
    if (by_group(y, n, inner))
        return MTL_CL_RUN(dx, "softmax", "softmax_grad_line", mtl_cl_index(dx->count), 1, &global, &local,
                          MTL_CL_BUF(y), MTL_CL_BUF(dy), MTL_CL_BUF(dx), MTL_CL_I64(outer), MTL_CL_I64(n),
                          MTL_CL_I32(log), MTL_CL_LOCAL(LINE * sizeof(float)));
    return MTL_CL_RUN_FLAT(dx, "softmax", "softmax_grad_each", mtl_cl_index(dx->count), n ? lanes : 0, MTL_CL_BUF(y),
                           MTL_CL_BUF(dy), MTL_CL_BUF(dx), MTL_CL_I64(lanes), MTL_CL_I64(outer * inner), MTL_CL_I64(n),
                           MTL_CL_I64(inner), MTL_CL_I32(log));
}

typedef struct { /* as `criterion` of kernels/softmax.cl */
    int64_t lanes, classes, inner;
    int32_t ignore;
    float smoothing;
} mtl_cl_criterion;

/* *bad is always -1: to look for a target out of range the host would have to wait for the device. The loss, its weight
   and all gradients are NaN then; see mtl_cross_entropy. */
mtl_status mtl_cl_cross_entropy(int64_t outer, int64_t classes, int64_t inner, int32_t ignore, double smoothing,
                                const mtl_tensor *x, const mtl_tensor *target, const mtl_tensor *class_weight,
                                mtl_tensor *p, mtl_tensor *loss, int64_t *bad)
{
    mtl_cl_criterion own = {outer * inner, classes, inner, ignore, (float)smoothing};
    mtl_tensor *parts = NULL;
    int64_t groups = (own.lanes + LINE - 1) / LINE, room = 2 * groups;
    size_t local = LINE, global = (size_t)groups * LINE;
    *bad = -1;
    if (own.lanes == 0)
        return mtl_kernels(loss)->fill(loss, 0.0);
    if (groups > 1)
        MTL_TRY(mtl_tensor_like(x, MTL_F32, 1, &room, &parts));
    mtl_status status =
        MTL_CL_RUN(x, "softmax", "cross_entropy", mtl_cl_index(x->count), 1, &global, &local, MTL_CL_BUF(x),
                   MTL_CL_BUF(target), MTL_CL_BUF(class_weight), MTL_CL_BUF(p), MTL_CL_BUF(parts ? parts : loss),
                   MTL_CL_STRUCT(own), MTL_CL_LOCAL(LINE * sizeof(float)));
    if (status == MTL_OK && parts)
        status =
            MTL_CL_RUN(x, "softmax", "cross_entropy_sum", mtl_cl_index(x->count), 1, &local, &local, MTL_CL_BUF(parts),
                       MTL_CL_BUF(loss), MTL_CL_I64(groups), MTL_CL_LOCAL(LINE * sizeof(float)));
    mtl_tensor_release(parts);
    return status;
}

mtl_status mtl_cl_cross_entropy_grad(int64_t rows, int64_t outer, int64_t classes, int64_t inner, int32_t ignore,
                                     double smoothing, const mtl_tensor *p, const mtl_tensor *target,
                                     const mtl_tensor *class_weight, const mtl_tensor *loss, const mtl_tensor *dy,
                                     mtl_tensor *dx)
{
    mtl_cl_criterion own = {outer * inner, classes, inner, ignore, (float)smoothing};
    return MTL_CL_RUN_FLAT(dx, "softmax", "cross_entropy_grad", mtl_cl_index(dx->count), rows * own.lanes,
                           MTL_CL_BUF(p), MTL_CL_BUF(target), MTL_CL_BUF(class_weight), MTL_CL_BUF(loss),
                           MTL_CL_BUF(dy), MTL_CL_BUF(dx), MTL_CL_I64(rows), MTL_CL_STRUCT(own));
}

mtl_status mtl_cl_bce_logits(double pos_weight, const mtl_tensor *x, const mtl_tensor *target, mtl_tensor *y)
{
    return MTL_CL_RUN_FLAT(y, "softmax", "bce_logits", mtl_cl_index(y->count), x->count, MTL_CL_BUF(x),
                           MTL_CL_BUF(target), MTL_CL_BUF(y), MTL_CL_I64(x->count), MTL_CL_F32(pos_weight));
}

mtl_status mtl_cl_bce_logits_grad(double pos_weight, int64_t rows, const mtl_tensor *x, const mtl_tensor *target,
                                  const mtl_tensor *dy, mtl_tensor *dx)
{
    return MTL_CL_RUN_FLAT(dx, "softmax", "bce_logits_grad", mtl_cl_index(dx->count), rows * x->count, MTL_CL_BUF(x),
                           MTL_CL_BUF(target), MTL_CL_BUF(dy), MTL_CL_BUF(dx), MTL_CL_I64(rows * x->count),
                           MTL_CL_I64(x->count), MTL_CL_F32(pos_weight));
}

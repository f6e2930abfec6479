/* Optimizers: one kernel a range. What does not depend on the element is computed here, in double precision. */
#include <math.h>

#include "mtl/arena.h"
#include "opencl/opencl.h"

static mtl_status sgd(const mtl_optim_step *o, const mtl_tensor *squares, mtl_tensor *p, const mtl_tensor *g,
                      mtl_tensor *m)
{
    bool begin = o->step == 1;
    return MTL_CL_RUN_FLAT(p, "optimize", "sgd", "", p->count, MTL_CL_I64(p->count), MTL_CL_F32(o->lr),
                           MTL_CL_F32(o->weight_decay), MTL_CL_F32(o->clip), MTL_CL_F32(begin ? 0.0 : o->momentum),
                           MTL_CL_F32(begin ? 1.0 : 1.0 - o->dampening), MTL_CL_F32(o->nesterov ? 1.0 : 0.0),
                           MTL_CL_F32(o->nesterov ? o->momentum : 1.0), MTL_CL_BUF(squares), MTL_CL_BUF(p),
                           MTL_CL_BUF(g), MTL_CL_BUF(m));
}

static mtl_status adam(const mtl_optim_step *o, const mtl_tensor *squares, mtl_tensor *p, const mtl_tensor *g,
                       mtl_tensor *m, mtl_tensor *v)
{
    bool decoupled = o->kind == MTL_OPTIM_ADAMW;
    return MTL_CL_RUN_FLAT(
        p, "optimize", "adam", "", p->count, MTL_CL_I64(p->count), MTL_CL_F32(decoupled ? 0.0 : o->weight_decay),
        MTL_CL_F32(decoupled ? 1.0 - o->lr * o->weight_decay : 1.0), MTL_CL_F32(o->clip), MTL_CL_F32(1.0 - o->beta1),
        MTL_CL_F32(o->beta2), MTL_CL_F32(1.0 - o->beta2), MTL_CL_F32(o->lr / (1.0 - pow(o->beta1, (double)o->step))),
        MTL_CL_F32(1.0 / sqrt(1.0 - pow(o->beta2, (double)o->step))), MTL_CL_F32(o->eps), MTL_CL_BUF(squares),
        MTL_CL_BUF(p), MTL_CL_BUF(g), MTL_CL_BUF(m), MTL_CL_BUF(v));
}

mtl_status mtl_cl_optimize(const mtl_optim_step *o, int64_t offset, int64_t n, const mtl_tensor *squares,
                           mtl_tensor *param, const mtl_tensor *grad, mtl_tensor *m, mtl_tensor *v)
{
    const mtl_tensor *whole[] = {param, grad, m, v};
    mtl_tensor *part[4] = {0};
    mtl_status status = MTL_OK;
    bool no_moment = o->kind == MTL_OPTIM_SGD && o->momentum == 0;
    for (int i = 0; i < 4; i++) {
        if (whole[i] && !(no_moment && i >= 2))
            MTL_TRY_GOTO(mtl_tensor_alias(whole[i], 1, &n, offset, &part[i]));
    }
    status = o->kind == MTL_OPTIM_SGD ? sgd(o, squares, part[0], part[1], part[2])
                                      : adam(o, squares, part[0], part[1], part[2], part[3]);
done:
    for (int i = 0; i < 4; i++)
        mtl_tensor_release(part[i]);
    return status;
}

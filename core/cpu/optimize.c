/* Optimizers: one pass over parameters, gradients and moments. The formulas are PyTorch's (torch.optim.SGD, Adam,
   AdamW); what does not depend on the element is computed in double precision once. */
#include <math.h>

#include "cpu/cpu.h"
#include "mtl/arena.h"

/* d = g + wd p; buf = mu buf + (1-dampening) d, at the first step d; p -= lr (nesterov ? d + mu buf : buf) */
static void sgd(const mtl_optim_step *o, float scale, int64_t n, float *restrict p, const float *restrict g,
                float *restrict m)
{
    float lr = (float)o->lr, decay = (float)o->weight_decay, mu = (float)o->momentum;
    bool begin = o->step == 1;
    float keep = begin ? 0.0f : mu, take = begin ? 1.0f : (float)(1.0 - o->dampening);
    float direct = o->nesterov ? 1.0f : 0.0f, moved = o->nesterov ? mu : 1.0f;
    if (!m) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            p[i] -= lr * (g[i] * scale + decay * p[i]);
        return;
    }
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] * scale + decay * p[i], buf = keep * m[i] + take * d;
        m[i] = buf;
        p[i] -= lr * (direct * d + moved * buf);
    }
}

/* m += (1-b1)(g - m); v = b2 v + (1-b2) g^2; p -= lr/(1-b1^t) m / (sqrt(v)/sqrt(1-b2^t) + eps). Adam adds wd p to g
   first; AdamW multiplies p by 1 - lr wd first. */
static void adam(const mtl_optim_step *o, float scale, int64_t n, float *restrict p, const float *restrict g,
                 float *restrict m, float *restrict v)
{
    bool decoupled = o->kind == MTL_OPTIM_ADAMW;
    float decay = decoupled ? 0.0f : (float)o->weight_decay;
    float shrink = decoupled ? (float)(1.0 - o->lr * o->weight_decay) : 1.0f;
    float fresh1 = (float)(1.0 - o->beta1), keep2 = (float)o->beta2, fresh2 = (float)(1.0 - o->beta2);
    float step = (float)(o->lr / (1.0 - pow(o->beta1, (double)o->step)));
    float correct = (float)(1.0 / sqrt(1.0 - pow(o->beta2, (double)o->step))), eps = (float)o->eps;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] * scale + decay * p[i];
        float mi = m[i] + fresh1 * (d - m[i]), vi = keep2 * v[i] + fresh2 * d * d;
        m[i] = mi;
        v[i] = vi;
        p[i] = p[i] * shrink - step * mi / (sqrtf(vi) * correct + eps);
    }
}

static mtl_status optimize(const mtl_optim_step *o, int64_t offset, int64_t n, const mtl_tensor *squares,
                           mtl_tensor *param, const mtl_tensor *grad, mtl_tensor *m, mtl_tensor *v)
{
    float scale = o->clip > 0 ? (float)mtl_cpu_clip_factor(o->clip, squares) : 1.0f;
    int64_t blocks = n / MTL_CPU_GRAIN < 1 ? 1 : n / MTL_CPU_GRAIN;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(param->ctx, blocks))
    for (int64_t b = 0; b < blocks; b++) {
        int64_t begin, end;
        mtl_block(n, blocks, b, &begin, &end);
        int64_t at = offset + begin, count = end - begin;
        if (o->kind == MTL_OPTIM_SGD)
            sgd(o, scale, count, mtl_f32(param) + at, mtl_f32(grad) + at, o->momentum != 0 ? mtl_f32(m) + at : NULL);
        else
            adam(o, scale, count, mtl_f32(param) + at, mtl_f32(grad) + at, mtl_f32(m) + at, mtl_f32(v) + at);
    }
    return MTL_OK;
}

void MTL_CPU(optimize)(mtl_backend *table)
{
    table->optimize = optimize;
}

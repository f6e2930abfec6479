/* One pass over n elements of parameters, gradients and moments; the formulas are those of core/cpu/optimize.c. */

/* d = g + wd p; m = keep m + take d; p -= lr (direct d + moved m) */
__kernel void sgd(long n, float lr, float decay, float clip, float keep, float take, float direct, float moved,
                  __global const mtl_sum *squares, long squares_at, __global float *p, long p_at,
                  __global const float *g, long g_at, __global float *m, long m_at)
{
    const long i = get_global_id(0);
    if (i >= n)
        return;
    const float d = g[g_at + i] * mtl_clip_factor(clip, squares) + decay * p[p_at + i];
    float step = d;
    if (m) {
        const float buf = (keep != 0.0f ? keep * m[m_at + i] : 0.0f) + take * d;
        m[m_at + i] = buf;
        step = direct * d + moved * buf;
    }
    p[p_at + i] -= lr * step;
}

__kernel void adam(long n, float decay, float shrink, float clip, float fresh1, float keep2, float fresh2, float step,
                   float correct, float eps, __global const mtl_sum *squares, long squares_at, __global float *p,
                   long p_at, __global const float *g, long g_at, __global float *m, long m_at, __global float *v, long v_at)
{
    const long i = get_global_id(0);
    if (i >= n)
        return;
    const float d = g[g_at + i] * mtl_clip_factor(clip, squares) + decay * p[p_at + i];
    const float mi = m[m_at + i] + fresh1 * (d - m[m_at + i]), vi = keep2 * v[v_at + i] + fresh2 * d * d;
    m[m_at + i] = mi;
    v[v_at + i] = vi;
    p[p_at + i] = p[p_at + i] * shrink - step * mi / (sqrt(vi) * correct + eps);
}

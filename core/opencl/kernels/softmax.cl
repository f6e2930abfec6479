/* Softmax, and the losses made from it, over lanes: the outer * inner vectors of n elements, `inner` apart. A work-item
   has a lane to itself (_each), or a group of work-items has one, whose elements are neighbours (_line).
   Option: INDEX, uint where all elements can be counted with it, else ulong. */

static float group_max(float value, __local float *room)
{
    const int own = (int)get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    room[own] = value;
    for (int step = (int)get_local_size(0) / 2; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (own < step)
            room[own] = room[own + step] > room[own] ? room[own + step] : room[own];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return room[0];
}

/* NaN shows in the sum, not in the maximum. */
static float lane_max(const long n, const long inner, __global const float *x)
{
    float top = -INFINITY;
    for (long j = 0; j < n; j++)
        top = x[j * inner] > top ? x[j * inner] : top;
    return top;
}

static float lane_sum(const long n, const long inner, __global const float *x, const float top)
{
    float sum = 0.0f;
    for (long j = 0; j < n; j++)
        sum += exp(x[j * inner] - top);
    return sum;
}

__kernel void softmax_each(__global const float *restrict x, const long x_at, __global float *restrict y,
                           const long y_at, const long lanes, const long n, const long inner, const int logarithm)
{
    const long lane = get_global_id(0);
    if (lane >= lanes)
        return;
    const INDEX block = (INDEX)lane / (INDEX)inner;
    const long at = block * n * inner + (lane - (long)block * inner);
    x += x_at + at;
    y += y_at + at;
    const float top = lane_max(n, inner, x);
    float sum = 0.0f;
    if (logarithm) {
        sum = log(lane_sum(n, inner, x, top));
        for (long j = 0; j < n; j++)
            y[j * inner] = (x[j * inner] - top) - sum;
        return;
    }
    for (long j = 0; j < n; j++) {
        const float e = exp(x[j * inner] - top);
        y[j * inner] = e;
        sum += e;
    }
    sum = 1.0f / sum;
    for (long j = 0; j < n; j++)
        y[j * inner] *= sum;
}

__kernel void softmax_line(__global const float *restrict x, const long x_at, __global float *restrict y,
                           const long y_at, const long n, const int logarithm, __local float *room)
{
    const long own = get_local_id(0), step = get_local_size(0);
    float top = -INFINITY, sum = 0.0f;
    x += x_at + get_group_id(0) * n;
    y += y_at + get_group_id(0) * n;
    for (long j = own; j < n; j += step)
        top = x[j] > top ? x[j] : top;
    top = group_max(top, room);
    for (long j = own; j < n; j += step)
        sum += exp(x[j] - top);
    sum = group_sum(sum, room);
    const float scale = logarithm ? log(sum) : 1.0f / sum;
    for (long j = own; j < n; j += step)
        y[j] = logarithm ? (x[j] - top) - scale : exp(x[j] - top) * scale;
}

/* dx = y (dy - sum(y dy)), or with logarithms dx = dy - exp(y) sum(dy). y: `lanes_y` lanes, dy: rows times so many */
__kernel void softmax_grad_each(__global const float *restrict y, const long y_at, __global const float *restrict dy,
                                const long dy_at, __global float *restrict dx, const long dx_at, const long lanes,
                                const long lanes_y, const long n, const long inner, const int logarithm)
{
    const long lane = get_global_id(0), lane_y = (INDEX)lane % (INDEX)lanes_y;
    if (lane >= lanes)
        return;
    const INDEX block = (INDEX)lane / (INDEX)inner;
    const long at = block * n * inner + (lane - (long)block * inner);
    float sum = 0.0f;
    y += y_at + (INDEX)lane_y / (INDEX)inner * n * inner + (INDEX)lane_y % (INDEX)inner;
    dy += dy_at + at;
    dx += dx_at + at;
    for (long j = 0; j < n; j++)
        sum += logarithm ? dy[j * inner] : y[j * inner] * dy[j * inner];
    for (long j = 0; j < n; j++)
        dx[j * inner] = logarithm ? dy[j * inner] - exp(y[j * inner]) * sum : y[j * inner] * (dy[j * inner] - sum);
}

__kernel void softmax_grad_line(__global const float *restrict y, const long y_at, __global const float *restrict dy,
                                const long dy_at, __global float *restrict dx, const long dx_at, const long lanes_y,
                                const long n, const int logarithm, __local float *room)
{
    const long own = get_local_id(0), step = get_local_size(0), lane = get_group_id(0);
    float sum = 0.0f;
    y += y_at + lane % lanes_y * n;
    dy += dy_at + lane * n;
    dx += dx_at + lane * n;
    for (long j = own; j < n; j += step)
        sum += logarithm ? dy[j] : y[j] * dy[j];
    sum = group_sum(sum, room);
    for (long j = own; j < n; j += step)
        dx[j] = logarithm ? dy[j] - exp(y[j]) * sum : y[j] * (dy[j] - sum);
}

/* ---- cross-entropy ---- */

typedef struct { /* as mtl_cl_criterion of softmax.c */
    long lanes, classes, inner;
    int ignore;
    float smoothing; /* share of the smoothed part */
} criterion;

/* The sums of what the lanes of this group lose, and of their weights, go to parts [2, groups]; with one group they are
   the loss itself: finish. */
static void finish(const float loss, const float weight, __global float *out)
{
    out[0] = weight != 0.0f ? loss / weight : 0.0f;
    out[1] = weight;
}

/* A target out of range makes its lane's loss and weight NaN, and with them the loss and all gradients. */
__kernel void cross_entropy(__global const float *restrict x, const long x_at, __global const int *restrict target,
                            const long target_at, __global const float *restrict class_weight, const long weight_at,
                            __global float *restrict p, const long p_at, __global float *restrict parts,
                            const long parts_at, const criterion g, __local float *room)
{
    const long lane = get_global_id(0);
    float loss = 0.0f, weight = 0.0f;
    if (lane < g.lanes) {
        const INDEX block = (INDEX)lane / (INDEX)g.inner;
        const long at = block * g.classes * g.inner + (lane - (long)block * g.inner);
        const int t = target[target_at + lane];
        x += x_at + at;
        class_weight += class_weight ? weight_at : 0;
        const float top = lane_max(g.classes, g.inner, x);
        float sum = 0.0f;
        if (p) {
            p += p_at + at;
            for (long j = 0; j < g.classes; j++) {
                const float e = exp(x[j * g.inner] - top);
                p[j * g.inner] = e;
                sum += e;
            }
            const float scale = 1.0f / sum;
            for (long j = 0; j < g.classes; j++)
                p[j * g.inner] *= scale;
        } else {
            sum = lane_sum(g.classes, g.inner, x, top);
        }
        if (t != -1 && t != g.ignore) {
            if (t < 0 || t >= g.classes) {
                loss = weight = NAN;
            } else {
                const float log_sum = log(sum);
                weight = class_weight ? class_weight[t] : 1.0f;
                loss = weight * (log_sum - (x[t * g.inner] - top));
                if (g.smoothing != 0.0f) {
                    float smooth = 0.0f;
                    for (long j = 0; j < g.classes; j++)
                        smooth += (class_weight ? class_weight[j] : 1.0f) * (log_sum - (x[j * g.inner] - top));
                    loss = (1.0f - g.smoothing) * loss + g.smoothing / (float)g.classes * smooth;
                }
            }
        }
    }
    loss = group_sum(loss, room);
    weight = group_sum(weight, room);
    if (get_local_id(0) != 0)
        return;
    parts += parts_at;
    if (get_num_groups(0) == 1) {
        finish(loss, weight, parts);
    } else {
        parts[get_group_id(0)] = loss;
        parts[get_num_groups(0) + get_group_id(0)] = weight;
    }
}

/* One group adds the parts. */
__kernel void cross_entropy_sum(__global const float *restrict parts, const long parts_at, __global float *restrict out,
                                const long out_at, const long n, __local float *room)
{
    const long own = get_local_id(0), step = get_local_size(0);
    float loss = 0.0f, weight = 0.0f;
    parts += parts_at;
    for (long i = own; i < n; i += step) {
        loss += parts[i];
        weight += parts[n + i];
    }
    loss = group_sum(loss, room);
    weight = group_sum(weight, room);
    if (own == 0)
        finish(loss, weight, out + out_at);
}

/* dL/dx_j = p_j ((1-s) w_t + s/C sum_c w_c) - s/C w_j - (1-s) w_t [j = t], times dy / sum(w); 0 where the target is left
   out, whatever p is. One work-item a lane of dx. */
__kernel void cross_entropy_grad(__global const float *restrict p, const long p_at, __global const int *restrict target,
                                 const long target_at, __global const float *restrict class_weight,
                                 const long weight_at, __global const float *restrict loss, const long loss_at,
                                 __global const float *restrict dy, const long dy_at, __global float *restrict dx,
                                 const long dx_at, const long rows, const criterion g)
{
    const long lane = get_global_id(0), own = (INDEX)lane % (INDEX)g.lanes;
    if (lane >= rows * g.lanes)
        return;
    const int t = target[target_at + own];
    const float weight = loss[loss_at + 1], even = g.smoothing / (float)g.classes;
    p += p_at + (INDEX)own / (INDEX)g.inner * g.classes * g.inner + (INDEX)own % (INDEX)g.inner;
    dx += dx_at + (INDEX)lane / (INDEX)g.inner * g.classes * g.inner + (INDEX)lane % (INDEX)g.inner;
    class_weight += class_weight ? weight_at : 0;
    if (t == -1 || t == g.ignore || weight == 0.0f) {
        for (long j = 0; j < g.classes; j++)
            dx[j * g.inner] = 0.0f;
        return;
    }
    float all = (float)g.classes;
    if (class_weight && g.smoothing != 0.0f) {
        all = 0.0f;
        for (long j = 0; j < g.classes; j++)
            all += class_weight[j];
    }
    const float scale = dy[dy_at + (INDEX)lane / (INDEX)g.lanes] / weight; /* NaN where a target is out of range */
    const float own_weight = class_weight && t >= 0 && t < g.classes ? class_weight[t] : 1.0f;
    const float sharp = scale * (1.0f - g.smoothing) * own_weight, flat = scale * even, slope = sharp + flat * all;
    for (long j = 0; j < g.classes; j++)
        dx[j * g.inner] = p[j * g.inner] * slope - flat * (class_weight ? class_weight[j] : 1.0f) - (j == t ? sharp : 0.0f);
}

/* ---- binary cross-entropy: c softplus(x) - p t x with c = 1 + (p-1) t ---- */

__kernel void bce_logits(__global const float *restrict x, const long x_at, __global const float *restrict target,
                         const long target_at, __global float *restrict y, const long y_at, const long count,
                         const float p)
{
    const long e = get_global_id(0);
    if (e >= count)
        return;
    const float v = x[x_at + e], t = target[target_at + e];
    y[y_at + e] = (v > 0.0f ? 1.0f - t : -p * t) * v + (1.0f + (p - 1.0f) * t) * log1p(exp(-fabs(v)));
}

__kernel void bce_logits_grad(__global const float *restrict x, const long x_at, __global const float *restrict target,
                              const long target_at, __global const float *restrict dy, const long dy_at,
                              __global float *restrict dx, const long dx_at, const long count, const long each,
                              const float p)
{
    const long e = get_global_id(0);
    if (e >= count)
        return;
    const float t = target[target_at + (INDEX)e % (INDEX)each];
    dx[dx_at + e] = dy[dy_at + e] * ((1.0f + (p - 1.0f) * t) * mtl_sigmoidf(x[x_at + (INDEX)e % (INDEX)each]) - p * t);
}

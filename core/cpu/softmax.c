/* Softmax and the losses made from it. Work is split over lanes: the outer * inner vectors of n elements, `inner`
   apart. Every lane is computed by one thread, so the result does not depend on how many there are. */
#include "cpu/cpu.h"
#include "cpu/math.h"

enum { TILE = 64, LANES = 16, MAX_BLOCKS = 256 };

/* Blocks of lanes, by the elements in all. */
static int64_t blocks_for(int64_t elements, int64_t lanes)
{
    int64_t n = elements / MTL_CPU_GRAIN;
    n = n > MAX_BLOCKS ? MAX_BLOCKS : n > lanes ? lanes : n;
    return n < 1 ? 1 : n;
}

/* Lanes [lane, end) that lie next to each other, at most TILE: of one `outer`. */
static int64_t run_length(int64_t lane, int64_t end, int64_t inner)
{
    int64_t left = inner - lane % inner, most = end - lane;
    left = left < most ? left : most;
    return left < TILE ? left : TILE;
}

/* Without NaN: that shows in the sum. LANES maxima at once, since compilers keep the order of a single one. */
static float row_max(int64_t n, const float *x)
{
    float top[LANES];
    int64_t j = 0;
    for (int k = 0; k < LANES; k++)
        top[k] = -INFINITY;
    for (; j + LANES <= n; j += LANES) {
        for (int k = 0; k < LANES; k++)
            top[k] = x[j + k] > top[k] ? x[j + k] : top[k];
    }
    for (; j < n; j++)
        top[0] = x[j] > top[0] ? x[j] : top[0];
    for (int k = 1; k < LANES; k++)
        top[0] = top[k] > top[0] ? top[k] : top[0];
    return top[0];
}

/* Sum of exp(x - top), kept in y where it is given. */
static float row_exp(int64_t n, const float *x, float top, float *y)
{
    float sum = 0;
    if (y) {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < n; j++) {
            float e = mtl_expf(x[j] - top);
            y[j] = e;
            sum += e;
        }
    } else {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < n; j++)
            sum += mtl_expf(x[j] - top);
    }
    return sum;
}

/* The same for `width` lanes side by side. */
static void tile_max(int64_t n, int64_t inner, int64_t width, const float *x, float *top)
{
    for (int64_t i = 0; i < width; i++)
        top[i] = -INFINITY;
    for (int64_t j = 0; j < n; j++) {
#pragma omp simd
        for (int64_t i = 0; i < width; i++)
            top[i] = x[j * inner + i] > top[i] ? x[j * inner + i] : top[i];
    }
}

static void tile_exp(int64_t n, int64_t inner, int64_t width, const float *x, const float *top, float *y, float *sum)
{
    for (int64_t i = 0; i < width; i++)
        sum[i] = 0;
    for (int64_t j = 0; j < n; j++) {
        if (y) {
#pragma omp simd
            for (int64_t i = 0; i < width; i++) {
                float e = mtl_expf(x[j * inner + i] - top[i]);
                y[j * inner + i] = e;
                sum[i] += e;
            }
        } else {
#pragma omp simd
            for (int64_t i = 0; i < width; i++)
                sum[i] += mtl_expf(x[j * inner + i] - top[i]);
        }
    }
}

/* Maximum and sum of exponentials of the lanes, which are kept in y where it is given. */
static void lanes_exp(int64_t n, int64_t inner, int64_t width, const float *x, float *y, float *top, float *sum)
{
    if (inner == 1) {
        *top = row_max(n, x);
        *sum = row_exp(n, x, *top, y);
    } else {
        tile_max(n, inner, width, x, top);
        tile_exp(n, inner, width, x, top, y, sum);
    }
}

/* y = a y (or y = x - a), `a` one a lane */
static void lanes_scale(int64_t n, int64_t inner, int64_t width, const float *a, float *y)
{
    if (inner == 1) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            y[j] *= *a;
        return;
    }
    for (int64_t j = 0; j < n; j++) {
#pragma omp simd
        for (int64_t i = 0; i < width; i++)
            y[j * inner + i] *= a[i];
    }
}

/* y = (x - top) - log(sum) */
static void lanes_log(int64_t n, int64_t inner, int64_t width, const float *x, const float *top, const float *sum,
                      float *y)
{
    float shift[TILE];
    for (int64_t i = 0; i < width; i++)
        shift[i] = mtl_logf(sum[i]);
    for (int64_t j = 0; inner > 1 && j < n; j++) {
#pragma omp simd
        for (int64_t i = 0; i < width; i++)
            y[j * inner + i] = (x[j * inner + i] - top[i]) - shift[i];
    }
    if (inner == 1) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            y[j] = (x[j] - *top) - *shift;
    }
}

static mtl_status softmax(bool log, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y)
{
    int64_t lanes = outer * inner, blocks = blocks_for(lanes * n, lanes);
    const float *from = mtl_f32(x);
    float *to = mtl_f32(y);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, blocks))
    for (int64_t b = 0; b < blocks; b++) {
        int64_t lane, end, width;
        mtl_block(lanes, blocks, b, &lane, &end);
        for (; lane < end; lane += width) {
            float top[TILE], sum[TILE];
            int64_t at = lane / inner * n * inner + lane % inner;
            width = run_length(lane, end, inner);
            lanes_exp(n, inner, width, from + at, log ? NULL : to + at, top, sum);
            if (log) {
                lanes_log(n, inner, width, from + at, top, sum, to + at);
                continue;
            }
            for (int64_t i = 0; i < width; i++)
                sum[i] = 1.0f / sum[i];
            lanes_scale(n, inner, width, sum, to + at);
        }
    }
    return MTL_OK;
}

/* dx = y (dy - sum(y dy)), or with logarithms dx = dy - exp(y) sum(dy). */
static void row_grad(bool log, int64_t n, const float *y, const float *dy, float *dx)
{
    float sum = 0;
    if (log) {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < n; j++)
            sum += dy[j];
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            dx[j] = dy[j] - mtl_expf(y[j]) * sum;
    } else {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < n; j++)
            sum += y[j] * dy[j];
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            dx[j] = y[j] * (dy[j] - sum);
    }
}

static void tile_grad(bool log, int64_t n, int64_t inner, int64_t width, const float *y, const float *dy, float *dx)
{
    float sum[TILE] = {0};
    for (int64_t j = 0; j < n; j++) {
        const float *yj = y + j * inner, *dyj = dy + j * inner;
#pragma omp simd
        for (int64_t i = 0; i < width; i++)
            sum[i] += log ? dyj[i] : yj[i] * dyj[i];
    }
    for (int64_t j = 0; j < n; j++) {
        const float *yj = y + j * inner, *dyj = dy + j * inner;
        float *dxj = dx + j * inner;
#pragma omp simd
        for (int64_t i = 0; i < width; i++)
            dxj[i] = log ? dyj[i] - mtl_expf(yj[i]) * sum[i] : yj[i] * (dyj[i] - sum[i]);
    }
}

static mtl_status softmax_grad(bool log, int64_t rows, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *y,
                               const mtl_tensor *dy, mtl_tensor *dx)
{
    int64_t lanes = rows * outer * inner, blocks = blocks_for(lanes * n, lanes);
    const float *value = mtl_f32(y), *from = mtl_f32(dy);
    float *to = mtl_f32(dx);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(y->ctx, blocks))
    for (int64_t b = 0; b < blocks; b++) {
        int64_t lane, end, width;
        mtl_block(lanes, blocks, b, &lane, &end);
        for (; lane < end; lane += width) {
            int64_t o = lane / inner, i = lane % inner, at = o * n * inner + i, at_y = o % outer * n * inner + i;
            width = run_length(lane, end, inner);
            if (inner == 1)
                row_grad(log, n, value + at_y, from + at, to + at);
            else
                tile_grad(log, n, inner, width, value + at_y, from + at, to + at);
        }
    }
    return MTL_OK;
}

/* ---- cross-entropy ---- */

typedef struct {
    int64_t classes, inner;
    int32_t ignore;
    double smoothing, weights; /* share of the smoothed part; sum of all class weights */
    const float *class_weight; /* or NULL */
} criterion;

static double weight_of(const criterion *c, int64_t class)
{
    return c->class_weight ? c->class_weight[class] : 1.0;
}

static bool left_out(const criterion *c, int32_t target)
{
    return target == -1 || target == c->ignore;
}

static criterion criterion_of(int64_t classes, int64_t inner, int32_t ignore, double smoothing,
                              const mtl_tensor *class_weight)
{
    criterion c = {classes, inner, ignore, smoothing, 0, class_weight ? mtl_f32(class_weight) : NULL};
    for (int64_t j = 0; j < classes; j++)
        c.weights += weight_of(&c, j);
    return c;
}

/* -log p of the target, smoothed: (1-s) w_t (-log p_t) + s/C sum_c w_c (-log p_c). x: the lane's first element. */
static double lane_loss(const criterion *c, const float *x, int32_t target, float top, float sum)
{
    double log_sum = mtl_logf(sum), weight = weight_of(c, target), smooth = 0;
    double loss = weight * (log_sum - (x[target * c->inner] - top));
    if (c->smoothing == 0)
        return loss;
    for (int64_t j = 0; j < c->classes; j++)
        smooth += weight_of(c, j) * (log_sum - (x[j * c->inner] - top));
    return (1 - c->smoothing) * loss + c->smoothing / (double)c->classes * smooth;
}

static mtl_status cross_entropy(int64_t outer, int64_t classes, int64_t inner, int32_t ignore, double smoothing,
                                const mtl_tensor *x, const mtl_tensor *target, const mtl_tensor *class_weight,
                                mtl_tensor *p, mtl_tensor *loss, int64_t *bad)
{
    criterion c = criterion_of(classes, inner, ignore, smoothing, class_weight);
    int64_t lanes = outer * inner, blocks = blocks_for(lanes * classes, lanes);
    double losses[MAX_BLOCKS], weights[MAX_BLOCKS], total = 0, weight = 0;
    int64_t wrong[MAX_BLOCKS];
    const float *from = mtl_f32(x);
    float *to = p ? mtl_f32(p) : NULL;
    const int32_t *wanted = mtl_i32(target);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, blocks))
    for (int64_t b = 0; b < blocks; b++) {
        int64_t lane, end, width;
        mtl_block(lanes, blocks, b, &lane, &end);
        losses[b] = weights[b] = 0;
        wrong[b] = -1;
        for (; lane < end; lane += width) {
            float top[TILE], sum[TILE];
            int64_t at = lane / inner * classes * inner + lane % inner;
            width = run_length(lane, end, inner);
            lanes_exp(classes, inner, width, from + at, to ? to + at : NULL, top, sum);
            for (int64_t i = 0; i < width; i++) {
                int32_t t = wanted[lane + i];
                if (left_out(&c, t))
                    continue;
                if (t < 0 || t >= classes) {
                    wrong[b] = wrong[b] < 0 ? lane + i : wrong[b];
                    continue;
                }
                losses[b] += lane_loss(&c, from + at + i, t, top[i], sum[i]);
                weights[b] += weight_of(&c, t);
            }
            for (int64_t i = 0; i < width; i++)
                sum[i] = 1.0f / sum[i];
            if (to)
                lanes_scale(classes, inner, width, sum, to + at);
        }
    }
    *bad = -1;
    for (int64_t b = 0; b < blocks; b++) {
        total += losses[b];
        weight += weights[b];
        if (*bad < 0)
            *bad = wrong[b];
    }
    mtl_f32(loss)[0] = weight != 0 ? (float)(total / weight) : 0.0f;
    mtl_f32(loss)[1] = (float)weight;
    return MTL_OK;
}

/* dL/dx_j = p_j ((1-s) w_t + s/C sum_c w_c) - s/C w_j - (1-s) w_t [j = t], times scale[i]; 0 where scale[i] is 0,
   whatever p is. */
static void lanes_grad(const criterion *c, int64_t width, const float *p, const int32_t *target, const double *scale,
                       float *dx)
{
    int64_t inner = c->inner;
    double even = c->smoothing / (double)c->classes;
    float slope[TILE], sharp[TILE], flat[TILE];
    for (int64_t i = 0; i < width; i++) {
        double w = scale[i] != 0 ? scale[i] * (1 - c->smoothing) * weight_of(c, target[i]) : 0;
        sharp[i] = (float)w;
        flat[i] = (float)(scale[i] * even);
        slope[i] = (float)(w + scale[i] * even * c->weights);
    }
    if (inner == 1) {
#pragma omp simd
        for (int64_t j = 0; j < c->classes; j++)
            dx[j] = *scale != 0 ? p[j] * *slope - *flat * (c->class_weight ? c->class_weight[j] : 1.0f) : 0.0f;
    }
    for (int64_t j = 0; inner > 1 && j < c->classes; j++) {
        float w = (float)weight_of(c, j);
#pragma omp simd
        for (int64_t i = 0; i < width; i++)
            dx[j * inner + i] = scale[i] != 0 ? p[j * inner + i] * slope[i] - flat[i] * w : 0.0f;
    }
    for (int64_t i = 0; i < width; i++) {
        if (scale[i] != 0)
            dx[target[i] * inner + i] -= sharp[i];
    }
}

static mtl_status cross_entropy_grad(int64_t rows, int64_t outer, int64_t classes, int64_t inner, int32_t ignore,
                                     double smoothing, const mtl_tensor *p, const mtl_tensor *target,
                                     const mtl_tensor *class_weight, const mtl_tensor *loss, const mtl_tensor *dy,
                                     mtl_tensor *dx)
{
    criterion c = criterion_of(classes, inner, ignore, smoothing, class_weight);
    int64_t each = outer * inner, lanes = rows * each, blocks = blocks_for(lanes * classes, lanes);
    double weight = mtl_f32(loss)[1];
    const float *from = mtl_f32(p), *give = mtl_f32(dy);
    const int32_t *wanted = mtl_i32(target);
    float *to = mtl_f32(dx);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(p->ctx, blocks))
    for (int64_t b = 0; b < blocks; b++) {
        int64_t lane, end, width;
        mtl_block(lanes, blocks, b, &lane, &end);
        for (; lane < end; lane += width) {
            int64_t o = lane / inner, i = lane % inner;
            const int32_t *t = wanted + lane % each;
            double scale[TILE];
            width = run_length(lane, end, inner);
            for (int64_t k = 0; k < width; k++)
                scale[k] = left_out(&c, t[k]) || weight == 0 ? 0 : give[lane / each] / weight;
            lanes_grad(&c, width, from + o % outer * classes * inner + i, t, scale, to + o * classes * inner + i);
        }
    }
    return MTL_OK;
}

/* ---- binary cross-entropy: c softplus(x) - p t x with c = 1 + (p-1) t ---- */

static mtl_status bce_logits(double pos_weight, const mtl_tensor *x, const mtl_tensor *target, mtl_tensor *y)
{
    int64_t n = x->count, blocks = blocks_for(n, n);
    const float *from = mtl_f32(x), *wanted = mtl_f32(target);
    float *to = mtl_f32(y), p = (float)pos_weight;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, blocks))
    for (int64_t b = 0; b < blocks; b++) {
        int64_t begin, end;
        mtl_block(n, blocks, b, &begin, &end);
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            to[i] = mtl_expf(-mtl_absf(from[i]));
#pragma omp simd
        for (int64_t i = begin; i < end; i++) { /* in one loop with the above, gcc would not vectorise it */
            float v = from[i], t = wanted[i], far = (v > 0.0f ? 1.0f - t : -p * t) * v;
            to[i] = far + (1.0f + (p - 1.0f) * t) * mtl_log1pf(to[i]);
        }
    }
    return MTL_OK;
}

/* dy/dx = c sigmoid(x) - p t */
static mtl_status bce_logits_grad(double pos_weight, int64_t rows, const mtl_tensor *x, const mtl_tensor *target,
                                  const mtl_tensor *dy, mtl_tensor *dx)
{
    int64_t n = x->count, blocks = blocks_for(n, n);
    const float *from = mtl_f32(x), *wanted = mtl_f32(target), *give = mtl_f32(dy);
    float *to = mtl_f32(dx), p = (float)pos_weight;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, blocks))
    for (int64_t b = 0; b < blocks; b++) {
        int64_t begin, end;
        mtl_block(n, blocks, b, &begin, &end);
        for (int64_t at = 0; at < rows * n; at += n) {
#pragma omp simd
            for (int64_t i = begin; i < end; i++) {
                float t = wanted[i], slope = (1.0f + (p - 1.0f) * t) * mtl_sigmoidf(from[i]) - p * t;
                to[at + i] = give[at + i] * slope;
            }
        }
    }
    return MTL_OK;
}

void MTL_CPU(softmax)(mtl_backend *table)
{
    table->softmax = softmax;
    table->softmax_grad = softmax_grad;
    table->cross_entropy = cross_entropy;
    table->cross_entropy_grad = cross_entropy_grad;
    table->bce_logits = bce_logits;
    table->bce_logits_grad = bce_logits_grad;
}

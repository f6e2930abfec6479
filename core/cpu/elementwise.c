/* Element-wise kernels, compiled from op/unary.def and op/binary.def. Every loop runs over elements that lie side by
   side and vectorises; blocks of a fixed size go to the threads. */
#include <inttypes.h>

#include "cpu/cpu.h"
#include "cpu/math.h"
#include "cpu/walk.h"

#define NONE 0.0f /* comparisons: no gradient */

/* ---- one input ---- */

typedef void unary_loop(float a, float b, const float *restrict x, float *restrict y, int64_t n);
typedef void slope_loop(float a, float b, const float *restrict px, const float *restrict py, const float *restrict pdy,
                        float *restrict dx, int64_t n);

#define MTL_UNARY(name, forward, gradient)                                                                             \
    static void unary_##name(float a, float b, const float *restrict px, float *restrict py, int64_t n)                \
    {                                                                                                                  \
        (void)a, (void)b;                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const float x = px[i];                                                                                     \
            py[i] = forward;                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    static void slope_##name(float a, float b, const float *restrict px, const float *restrict py,                     \
                             const float *restrict pdy, float *restrict dx, int64_t n)                                 \
    {                                                                                                                  \
        (void)a, (void)b;                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const float x = px[i], y = py[i];                                                                          \
            (void)x, (void)y;                                                                                          \
            dx[i] = pdy[i] * (gradient);                                                                               \
        }                                                                                                              \
    }
#include "op/unary.def"
#undef MTL_UNARY

static unary_loop *const unary_loops[] = {
#define MTL_UNARY(name, forward, gradient) unary_##name,
#include "op/unary.def"
#undef MTL_UNARY
};

static slope_loop *const slope_loops[] = {
#define MTL_UNARY(name, forward, gradient) slope_##name,
#include "op/unary.def"
#undef MTL_UNARY
};

/* Block i of `each` of a row. */
static inline void unary_block(int kind, float a, float b, const float *x, float *y, int64_t n, int64_t each, int64_t i)
{
    int64_t begin, end;
    mtl_block(n, each, i, &begin, &end);
    unary_loops[kind](a, b, x + begin, y + begin, end - begin);
}

static mtl_status unary(int kind, double a, double b, const mtl_tensor *x, mtl_tensor *y)
{
    int64_t n = x->count, blocks = block_count(n);
    const float *from = mtl_f32(x);
    float *to = mtl_f32(y);
    MTL_CPU_FOR(i, blocks, MTL_CPU_THREADS(x->ctx, blocks),
                unary_block(kind, (float)a, (float)b, from, to, n, blocks, i));
    return MTL_OK;
}

static inline void slope_block(int kind, float a, float b, const float *x, const float *y, const float *dy, float *dx,
                               int64_t n, int64_t each, int64_t i)
{
    int64_t begin, end, row = i / each * n;
    mtl_block(n, each, i % each, &begin, &end);
    slope_loops[kind](a, b, x + begin, y + begin, dy + row + begin, dx + row + begin, end - begin);
}

static mtl_status unary_grad(int kind, double a, double b, const mtl_tensor *x, const mtl_tensor *y,
                             const mtl_tensor *dy, mtl_tensor *dx)
{
    int64_t n = x->count, rows = n ? dy->count / n : 0, each = block_count(n), blocks = rows * each;
    const float *from = mtl_f32(x), *made = mtl_f32(y), *given = mtl_f32(dy);
    float *to = mtl_f32(dx);
    MTL_CPU_FOR(i, blocks, MTL_CPU_THREADS(x->ctx, blocks),
                slope_block(kind, (float)a, (float)b, from, made, given, to, n, each, i));
    return MTL_OK;
}

/* ---- several inputs that broadcast ---- */

/* A loop is compiled for the steps that occur, 0 or 1 in each input, and once for any. */
#define BINARY_LOOP(sa, sb, condition, to, text)                                                                       \
    if (condition) {                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const float a = pa[i * (sa)], b = pb[i * (sb)];                                                            \
            (void)a, (void)b;                                                                                          \
            to[i] = text;                                                                                              \
        }                                                                                                              \
        return;                                                                                                        \
    }
#define BINARY_LOOPS(to, text)                                                                                         \
    BINARY_LOOP(1, 1, sa == 1 && sb == 1, to, text)                                                                    \
    BINARY_LOOP(1, 0, sa == 1 && sb == 0, to, text)                                                                    \
    BINARY_LOOP(0, 1, sa == 0 && sb == 1, to, text)                                                                    \
    BINARY_LOOP(sa, sb, true, to, text)

typedef void binary_loop(int64_t sa, int64_t sb, const float *restrict pa, const float *restrict pb, float *restrict py,
                         int64_t n);
typedef void binary_slope_loop(int64_t sa, int64_t sb, const float *restrict pa, const float *restrict pb,
                               const float *restrict pdy, float *restrict dx, int64_t n);

#define SLOPE_LOOP(name, forward, gradient)                                                                            \
    static inline float name##_at(float a, float b)                                                                    \
    {                                                                                                                  \
        const float y = forward;                                                                                       \
        (void)y, (void)a, (void)b;                                                                                     \
        return gradient;                                                                                               \
    }                                                                                                                  \
    static void name(int64_t sa, int64_t sb, const float *restrict pa, const float *restrict pb,                       \
                     const float *restrict pdy, float *restrict dx, int64_t n)                                         \
    {                                                                                                                  \
        BINARY_LOOPS(dx, pdy[i] * name##_at(a, b))                                                                     \
    }

#define MTL_BINARY(name, forward, grad_a, grad_b)                                                                      \
    static void binary_##name(int64_t sa, int64_t sb, const float *restrict pa, const float *restrict pb,              \
                              float *restrict py,                                                                      \
                              int64_t n){BINARY_LOOPS(py, forward)} SLOPE_LOOP(slope_a_##name, forward, grad_a)        \
        SLOPE_LOOP(slope_b_##name, forward, grad_b)
#include "op/binary.def"
#undef MTL_BINARY

static binary_loop *const binary_loops[] = {
#define MTL_BINARY(name, forward, grad_a, grad_b) binary_##name,
#include "op/binary.def"
#undef MTL_BINARY
};

static binary_slope_loop *const binary_slope_loops[][2] = {
#define MTL_BINARY(name, forward, grad_a, grad_b) {slope_a_##name, slope_b_##name},
#include "op/binary.def"
#undef MTL_BINARY
};

/* y = a^e for one exponent: the usual ones without powf */
static void power(float e, int64_t sa, const float *restrict a, float *restrict y, int64_t n)
{
    if (e == 1.0f) {
        for (int64_t i = 0; i < n; i++)
            y[i] = a[i * sa];
    } else if (e == 2.0f) {
        for (int64_t i = 0; i < n; i++)
            y[i] = a[i * sa] * a[i * sa];
    } else if (e == 3.0f) {
        for (int64_t i = 0; i < n; i++)
            y[i] = a[i * sa] * a[i * sa] * a[i * sa];
    } else if (e == -1.0f) {
        for (int64_t i = 0; i < n; i++)
            y[i] = 1.0f / a[i * sa];
    } else if (e == 0.5f) { /* powf: +0 of -0, infinity of -infinity */
        for (int64_t i = 0; i < n; i++)
            y[i] = a[i * sa] == -INFINITY ? INFINITY : mtl_sqrtf(a[i * sa]) + 0.0f;
    } else {
        for (int64_t i = 0; i < n; i++)
            y[i] = mtl_powf(a[i * sa], e);
    }
}

/* A binary operator or, with dy, its gradient for one of its inputs. */
typedef struct binary_job {
    int kind, which;
    const mtl_broadcast *shape;
    const float *a, *b, *dy;
    float *to;
    bool one_exponent;
} binary_job;

static void binary_block(const binary_job *j, int64_t total, int64_t blocks, int64_t i)
{
    int64_t begin, end, sa = step_of(j->shape, 0), sb = step_of(j->shape, 1);
    mtl_block(total, blocks, i, &begin, &end);
    for (walk w = walk_from(j->shape, begin, end); w.at < end; walk_on(&w)) {
        const float *a = j->a + w.in[0], *b = j->b + w.in[1];
        if (j->one_exponent && !j->dy) {
            power(j->b[0], sa, a, j->to + w.at, w.n);
        } else if (j->one_exponent) {
            power(j->b[0] - 1.0f, sa, a, j->to + w.at, w.n);
            for (int64_t k = w.at; k < w.at + w.n; k++)
                j->to[k] *= j->dy[k] * j->b[0];
        } else if (!j->dy) {
            binary_loops[j->kind](sa, sb, a, b, j->to + w.at, w.n);
        } else {
            binary_slope_loops[j->kind][j->which](sa, sb, a, b, j->dy + w.at, j->to + w.at, w.n);
        }
    }
}

static mtl_status binary(int kind, const mtl_broadcast *shape, const mtl_tensor *a, const mtl_tensor *b, mtl_tensor *y)
{
    int64_t total = total_of(shape), blocks = block_count(total);
    binary_job j = {kind, 0, shape, mtl_f32(a), mtl_f32(b), NULL, mtl_f32(y), false};
    j.one_exponent = kind == MTL_BINARY_pow && b->count == 1;
    MTL_CPU_FOR(i, blocks, MTL_CPU_THREADS(y->ctx, blocks), binary_block(&j, total, blocks, i));
    return MTL_OK;
}

static mtl_status binary_grad(int kind, int which, const mtl_broadcast *shape, const mtl_tensor *a, const mtl_tensor *b,
                              const mtl_tensor *dy, mtl_tensor *dx)
{
    int64_t total = total_of(shape), blocks = block_count(total);
    binary_job j = {kind, which, shape, mtl_f32(a), mtl_f32(b), mtl_f32(dy), mtl_f32(dx), false};
    j.one_exponent = kind == MTL_BINARY_pow && which == 0 && b->count == 1 && j.b[0] != 0.0f;
    MTL_CPU_FOR(i, blocks, MTL_CPU_THREADS(dx->ctx, blocks), binary_block(&j, total, blocks, i));
    return MTL_OK;
}

#define WHERE_LOOP(sc, sa, sb, condition)                                                                              \
    if (condition) {                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const float yes = pa[i * (sa)], no = pb[i * (sb)];                                                         \
            py[i] = pc[i * (sc)] != 0.0f ? yes : no;                                                                   \
        }                                                                                                              \
        return;                                                                                                        \
    }

static void where_run(const int64_t step[3], const float *restrict pc, const float *restrict pa,
                      const float *restrict pb, float *restrict py, int64_t n)
{
    int64_t sc = step[0], sa = step[1], sb = step[2];
    WHERE_LOOP(1, 1, 1, sc == 1 && sa == 1 && sb == 1)
    WHERE_LOOP(1, 1, 0, sc == 1 && sa == 1 && sb == 0)
    WHERE_LOOP(1, 0, 1, sc == 1 && sa == 0 && sb == 1)
    WHERE_LOOP(sc, sa, sb, true)
}

static mtl_status where(const mtl_broadcast *shape, const mtl_tensor *cond, const mtl_tensor *a, const mtl_tensor *b,
                        mtl_tensor *y)
{
    int64_t total = total_of(shape), blocks = block_count(total);
    int64_t step[3] = {step_of(shape, 0), step_of(shape, 1), step_of(shape, 2)};
    const float *pc = mtl_f32(cond), *pa = mtl_f32(a), *pb = mtl_f32(b);
    float *py = mtl_f32(y);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(y->ctx, blocks))
    for (int64_t i = 0; i < blocks; i++) {
        int64_t begin, end;
        mtl_block(total, blocks, i, &begin, &end);
        for (walk w = walk_from(shape, begin, end); w.at < end; walk_on(&w))
            where_run(step, pc + w.in[0], pa + w.in[1], pb + w.in[2], py + w.at, w.n);
    }
    return MTL_OK;
}

/* ---- dtypes, sums ---- */

/* Toward zero; the first element that the integer type cannot hold is an error. */
static mtl_status to_integer(const mtl_tensor *x, mtl_tensor *y)
{
    double low = y->dtype == MTL_U8 ? -1.0 : (double)INT32_MIN - 1.0;
    double high = y->dtype == MTL_U8 ? 256.0 : (double)INT32_MAX + 1.0;
    for (int64_t i = 0; i < x->count; i++) {
        double v = x->dtype == MTL_F32   ? (double)mtl_f32(x)[i]
                   : x->dtype == MTL_I32 ? (double)mtl_i32(x)[i]
                                         : (double)mtl_u8(x)[i];
        if (!(v > low && v < high))
            return mtl_fail(y->ctx, MTL_ERR_ARG, "cast: element %" PRId64 " is %g, which %s does not hold", i, v,
                            mtl_dtype_name(y->dtype));
        if (y->dtype == MTL_I32)
            mtl_i32(y)[i] = (int32_t)v;
        else
            mtl_u8(y)[i] = (uint8_t)v;
    }
    return MTL_OK;
}

static mtl_status cast(const mtl_tensor *x, mtl_tensor *y)
{
    int64_t n = x->count;
    if (y->dtype != MTL_F32)
        return to_integer(x, y);
    float *to = mtl_f32(y);
    if (x->dtype == MTL_U8) {
        const uint8_t *from = mtl_u8(x);
        for (int64_t i = 0; i < n; i++)
            to[i] = (float)from[i];
    } else {
        const int32_t *from = mtl_i32(x);
        for (int64_t i = 0; i < n; i++)
            to[i] = (float)from[i];
    }
    return MTL_OK;
}

static void axpy_run(float alpha, const float *restrict x, float *restrict y, int64_t n)
{
    if (alpha == 1.0f) {
        for (int64_t i = 0; i < n; i++)
            y[i] += x[i];
    } else {
        for (int64_t i = 0; i < n; i++)
            y[i] += alpha * x[i];
    }
}

static inline void axpy_block(float alpha, const float *x, float *y, int64_t n, int64_t blocks, int64_t i)
{
    int64_t begin, end;
    mtl_block(n, blocks, i, &begin, &end);
    axpy_run(alpha, x + begin, y + begin, end - begin);
}

static mtl_status axpy(double alpha, const mtl_tensor *x, mtl_tensor *y)
{
    int64_t n = y->count, blocks = block_count(n);
    const float *from = mtl_f32(x);
    float *to = mtl_f32(y);
    MTL_CPU_FOR(i, blocks, MTL_CPU_THREADS(y->ctx, blocks), axpy_block((float)alpha, from, to, n, blocks, i));
    return MTL_OK;
}

static mtl_status scale(double factor, mtl_tensor *y)
{
    int64_t blocks = block_count(y->count);
    float *to = mtl_f32(y), k = (float)factor;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(y->ctx, blocks))
    for (int64_t i = 0; i < blocks; i++) {
        int64_t begin, end;
        mtl_block(y->count, blocks, i, &begin, &end);
        for (int64_t j = begin; j < end; j++)
            to[j] *= k;
    }
    return MTL_OK;
}

static mtl_status clip(double most, const mtl_tensor *squares, mtl_tensor *y)
{
    double factor = mtl_cpu_clip_factor(most, squares);
    return factor == 1 ? MTL_OK : scale(factor, y);
}

void MTL_CPU(elementwise)(mtl_backend *table)
{
    table->unary = unary;
    table->unary_grad = unary_grad;
    table->binary = binary;
    table->binary_grad = binary_grad;
    table->where = where;
    table->cast = cast;
    table->axpy = axpy;
    table->scale = scale;
    table->clip = clip;
}

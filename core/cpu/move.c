/* Kernels that move elements and compute nothing but sums of what meets: strided copies, take, gather, and the adjoints
   of the last two. Elements are 4 bytes, or 1. Additions to one place run in the order of the indices. */
#include <string.h>

#include "cpu/walk.h"

enum { SIDE = 16, TILE = 256 };

/* Four bytes of any type. */
typedef uint32_t __attribute__((may_alias)) word;
typedef uint8_t byte;

/* ---- strided copies ---- */

/* Run of one dimension: y[i sy] = x[i sx]. */
#define COPY_RUN(type)                                                                                                 \
    static void copy_run_##type(int64_t sx, int64_t sy, const type *restrict x, type *restrict y, int64_t n)           \
    {                                                                                                                  \
        if (sx == 1 && sy == 1) {                                                                                      \
            memcpy(y, x, (size_t)n * sizeof *x);                                                                       \
        } else if (sx == 0 && sy == 1) {                                                                               \
            for (int64_t i = 0; i < n; i++)                                                                            \
                y[i] = x[0];                                                                                           \
        } else {                                                                                                       \
            for (int64_t i = 0; i < n; i++)                                                                            \
                y[i * sy] = x[i * sx];                                                                                 \
        }                                                                                                              \
    }                                                                                                                  \
    /* A square: x runs along its rows, y along its columns. Lines of the cache are read and written whole. */         \
    static inline void turn_square_##type(int64_t sx, int64_t sy, const type *restrict x, type *restrict y)            \
    {                                                                                                                  \
        type square[SIDE][SIDE];                                                                                       \
        for (int j = 0; j < SIDE; j++)                                                                                 \
            memcpy(square[j], x + j * sx, sizeof square[j]);                                                           \
        for (int i = 0; i < SIDE; i++) {                                                                               \
            for (int j = 0; j < SIDE; j++)                                                                             \
                y[i * sy + j] = square[j][i];                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    /* A plane [m, n], m at most SIDE: x runs along m, y along n. */                                                   \
    static void turn_##type(int64_t sx, int64_t sy, const type *restrict x, type *restrict y, int64_t m, int64_t n)    \
    {                                                                                                                  \
        int64_t left = 0;                                                                                              \
        for (; m == SIDE && left + SIDE <= n; left += SIDE)                                                            \
            turn_square_##type(sx, sy, x + left * sx, y + left);                                                       \
        for (int64_t i = 0; i < m; i++) {                                                                              \
            for (int64_t j = left; j < n; j++)                                                                         \
                y[i * sy + j] = x[i + j * sx];                                                                         \
        }                                                                                                              \
    }
COPY_RUN(byte)
COPY_RUN(word)

static void copy_block(const mtl_broadcast *s, const mtl_tensor *x, mtl_tensor *y, int64_t blocks, int64_t i)
{
    int64_t begin, end, sx = step_of(s, 0), sy = step_of(s, 1);
    bool bytes = mtl_dtype_size(x->dtype) == 1;
    mtl_block(total_of(s), blocks, i, &begin, &end);
    for (walk w = walk_from(s, begin, end); w.at < end; walk_on(&w)) {
        if (bytes)
            copy_run_byte(sx, sy, mtl_u8(x) + w.in[0], mtl_u8(y) + w.in[1], w.n);
        else
            copy_run_word(sx, sy, (const word *)mtl_i32(x) + w.in[0], (word *)mtl_i32(y) + w.in[1], w.n);
    }
}

static void copy_runs(const mtl_broadcast *s, const mtl_tensor *x, mtl_tensor *y)
{
    int64_t blocks = block_count(total_of(s));
    MTL_CPU_FOR(i, blocks, MTL_CPU_THREADS(x->ctx, blocks), copy_block(s, x, y, blocks, i));
}

/* Dimension k of x lies side by side, the last of y does: bands of SIDE of k, across the last. */
static void copy_turned(const mtl_broadcast *s, int k, const mtl_tensor *x, mtl_tensor *y)
{
    int last = s->rank - 1;
    int64_t m = s->shape[k], n = s->shape[last], bands = (m + SIDE - 1) / SIDE;
    int64_t sx = s->stride[0][last], sy = s->stride[1][k], items = total_of(s) / (m * n) * bands;
    bool bytes = mtl_dtype_size(x->dtype) == 1;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, total_of(s) / MTL_CPU_GRAIN))
    for (int64_t item = 0; item < items; item++) {
        int64_t first = item % bands * SIDE, rest = item / bands, width = m - first < SIDE ? m - first : SIDE;
        int64_t from = first, to = first * sy;
        for (int d = last - 1; d >= 0; d--) {
            if (d == k)
                continue;
            from += rest % s->shape[d] * s->stride[0][d];
            to += rest % s->shape[d] * s->stride[1][d];
            rest /= s->shape[d];
        }
        if (bytes)
            turn_byte(sx, sy, mtl_u8(x) + from, mtl_u8(y) + to, width, n);
        else
            turn_word(sx, sy, (const word *)mtl_i32(x) + from, (word *)mtl_i32(y) + to, width, n);
    }
}

static mtl_status copy_strided(const mtl_broadcast *shape, const mtl_tensor *x, mtl_tensor *y)
{
    if (total_of(shape) == 0)
        return MTL_OK;
    if (step_of(shape, 0) > 1 && step_of(shape, 1) == 1) {
        for (int k = 0; k < shape->rank - 1; k++) {
            if (shape->stride[0][k] == 1) {
                copy_turned(shape, k, x, y);
                return MTL_OK;
            }
        }
    }
    copy_runs(shape, x, y);
    return MTL_OK;
}

/* ---- take and gather ---- */

static void copy_elements(int64_t n, size_t size, const uint8_t *from, uint8_t *to)
{
    if (n == 1 && size == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, (size_t)n * size);
}

static mtl_status take(int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *x,
                       const mtl_tensor *index, mtl_tensor *y)
{
    int64_t lines = outer * n_index;
    size_t size = mtl_dtype_size(x->dtype);
    const int32_t *at = mtl_i32(index);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, lines *inner / MTL_CPU_GRAIN))
    for (int64_t line = 0; line < lines; line++) {
        int64_t from = (line / n_index * n + at[line % n_index]) * inner;
        copy_elements(inner, size, mtl_u8(x) + (size_t)from * size, mtl_u8(y) + (size_t)(line * inner) * size);
    }
    return MTL_OK;
}

static mtl_status take_grad(int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *dy,
                            const mtl_tensor *index, mtl_tensor *dx)
{
    int64_t tiles = (inner + TILE - 1) / TILE, total = outer * (n + n_index) * inner;
    const int32_t *at = mtl_i32(index);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(dx->ctx, total / MTL_CPU_GRAIN))
    for (int64_t item = 0; item < outer * tiles; item++) {
        int64_t o = item / tiles, first = item % tiles * TILE, width = inner - first < TILE ? inner - first : TILE;
        float *to = mtl_f32(dx) + o * n * inner + first;
        const float *from = mtl_f32(dy) + o * n_index * inner + first;
        for (int64_t j = 0; j < n; j++)
            memset(to + j * inner, 0, (size_t)width * sizeof *to);
        for (int64_t j = 0; j < n_index; j++) {
            float *row = to + at[j] * inner;
            for (int64_t i = 0; i < width; i++)
                row[i] += from[j * inner + i];
        }
    }
    return MTL_OK;
}

static mtl_status gather(int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *x,
                         const mtl_tensor *index, mtl_tensor *y)
{
    int64_t lines = outer * n_index;
    bool bytes = mtl_dtype_size(x->dtype) == 1;
    const int32_t *at = mtl_i32(index);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, lines *inner / MTL_CPU_GRAIN))
    for (int64_t line = 0; line < lines; line++) {
        int64_t from = line / n_index * n * inner, to = line * inner;
        for (int64_t i = 0; i < inner; i++) {
            if (bytes)
                mtl_u8(y)[to + i] = mtl_u8(x)[from + at[to + i] * inner + i];
            else
                ((word *)mtl_i32(y))[to + i] = ((const word *)mtl_i32(x))[from + at[to + i] * inner + i];
        }
    }
    return MTL_OK;
}

static mtl_status gather_grad(int64_t rows, int64_t outer, int64_t n, int64_t n_index, int64_t inner,
                              const mtl_tensor *dy, const mtl_tensor *index, mtl_tensor *dx)
{
    int64_t total = rows * outer * (n + n_index) * inner;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(dx->ctx, total / MTL_CPU_GRAIN))
    for (int64_t item = 0; item < rows * outer; item++) {
        const int32_t *at = mtl_i32(index) + item % outer * n_index * inner;
        const float *from = mtl_f32(dy) + item * n_index * inner;
        float *to = mtl_f32(dx) + item * n * inner;
        memset(to, 0, (size_t)(n * inner) * sizeof *to);
        for (int64_t j = 0; j < n_index; j++) {
            for (int64_t i = 0; i < inner; i++)
                to[at[j * inner + i] * inner + i] += from[j * inner + i];
        }
    }
    return MTL_OK;
}

void MTL_CPU(move)(mtl_backend *table)
{
    table->copy_strided = copy_strided;
    table->take = take;
    table->take_grad = take_grad;
    table->gather = gather;
    table->gather_grad = gather_grad;
}

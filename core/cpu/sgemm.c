/* Single-threaded matrix products, in two ways. By panels: a panel of a few vectors' width of op(B) stays in the cache
   while all rows of op(A) pass by; what is not laid out for that is packed first. By dots: rows of A with rows of B, both
   straight in memory, for results with few rows or columns. An element's sum has one order in each way, wherever it lies. */
#include <string.h>

#include "cpu/cpu.h"

#if defined(__AVX512F__)
enum { LANES = 16, TILE = 12, DOTS = 5 }; /* 32 registers */
#elif defined(__AVX2__)
enum { LANES = 8, TILE = 6, DOTS = 3 }; /* 16 */
#else
enum { LANES = 4, TILE = 4, DOTS = 3 };
#endif
enum { WIDE = 2 * LANES, DEPTH = 256, ROWS = 192 }; /* a panel's width and depth; rows packed at once */

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* op(A)(i, p) is a[i * row + p * step]; row p of the panel is b + p * pitch. */
typedef struct {
    const float *a, *b;
    int64_t row, step, pitch, depth;
    float alpha, beta;
} panel;

/* c[rows, width * LANES] = alpha A B + beta c, with rows and width known to the compiler */
INLINE void tile_of(int rows, int width, const panel *p, const float *a, float *c, int64_t ldc)
{
    vec sum[TILE][2];
    const float *b = p->b;
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < width; v++)
            sum[i][v] = (vec){0};
    for (int64_t k = 0; k < p->depth; k++, b += p->pitch, a += p->step) {
        vec right[2];
#pragma GCC unroll 2
        for (int v = 0; v < width; v++)
            right[v] = *(const vec *)(b + v * LANES);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            float left = a[i * p->row];
#pragma GCC unroll 2
            for (int v = 0; v < width; v++)
                sum[i][v] += left * right[v];
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
        for (int v = 0; v < width; v++) {
            vec *out = (vec *)(c + i * ldc + v * LANES);
            *out = p->beta == 0.0f ? p->alpha * sum[i][v] : p->alpha * sum[i][v] + p->beta * *out;
        }
    }
}

#define TILE_CASE(n)                                                                                                   \
    case n:                                                                                                            \
        if (width > 1)                                                                                                 \
            tile_of(n <= TILE ? n : TILE, 2, p, a, c, ldc);                                                            \
        else                                                                                                           \
            tile_of(n <= TILE ? n : TILE, 1, p, a, c, ldc);                                                            \
        break;

static void tile(int rows, int width, const panel *p, const float *a, float *c, int64_t ldc)
{
    switch (rows) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
#if defined(__AVX2__)
        TILE_CASE(5)
        TILE_CASE(6)
#endif
#if defined(__AVX512F__)
        TILE_CASE(7)
        TILE_CASE(8)
        TILE_CASE(9)
        TILE_CASE(10)
        TILE_CASE(11)
        TILE_CASE(12)
#endif
    }
}

/* c[m, n] with n <= WIDE: a panel with all rows. Where the panel has more columns than c, the tile goes aside first. */
static void pass(const panel *p, int64_t m, int64_t n, float *c, int64_t ldc)
{
    int width = n > LANES ? 2 : 1;
    int64_t tiles = (m + TILE - 1) / TILE;
    for (int64_t t = 0; t < tiles; t++) {
        int64_t i, end;
        mtl_block(m, tiles, t, &i, &end);
        if (n == width * LANES) {
            tile((int)(end - i), width, p, p->a + i * p->row, c + i * ldc, ldc);
            continue;
        }
        float aside[TILE * WIDE];
        panel q = *p;
        q.beta = 0.0f;
        tile((int)(end - i), width, &q, p->a + i * p->row, aside, WIDE);
        for (int64_t r = 0; r < end - i; r++) {
            float *out = c + (i + r) * ldc;
            for (int64_t j = 0; j < n; j++)
                out[j] = p->beta == 0.0f ? aside[r * WIDE + j] : aside[r * WIDE + j] + p->beta * out[j];
        }
    }
}

/* out[k][width] = from[k][n], the rest zero */
static void pack(int64_t width, int64_t n, int64_t depth, const float *from, int64_t pitch, float *out)
{
    for (int64_t k = 0; k < depth; k++, from += pitch, out += width) {
        for (int64_t j = 0; j < n; j++)
            out[j] = from[j];
        for (int64_t j = n; j < width; j++)
            out[j] = 0.0f;
    }
}

/* out[k][width] = from[n][k], the rest zero: four by four at a time */
static void pack_turned(int64_t width, int64_t n, int64_t depth, const float *from, int64_t pitch, float *out)
{
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) {
        const float *a = from + j * pitch, *b = a + pitch, *c = b + pitch, *d = c + pitch;
        int64_t k = 0;
        for (; k + 4 <= depth; k += 4) {
            quad u = *(const quad *)(a + k), v = *(const quad *)(b + k);
            quad w = *(const quad *)(c + k), x = *(const quad *)(d + k);
            quad low = __builtin_shufflevector(u, v, 0, 4, 1, 5), high = __builtin_shufflevector(u, v, 2, 6, 3, 7);
            quad low2 = __builtin_shufflevector(w, x, 0, 4, 1, 5), high2 = __builtin_shufflevector(w, x, 2, 6, 3, 7);
            float *to = out + k * width + j;
            *(quad *)to = __builtin_shufflevector(low, low2, 0, 1, 4, 5);
            *(quad *)(to + width) = __builtin_shufflevector(low, low2, 2, 3, 6, 7);
            *(quad *)(to + 2 * width) = __builtin_shufflevector(high, high2, 0, 1, 4, 5);
            *(quad *)(to + 3 * width) = __builtin_shufflevector(high, high2, 2, 3, 6, 7);
        }
        for (; k < depth; k++) {
            float *to = out + k * width + j;
            to[0] = a[k], to[1] = b[k], to[2] = c[k], to[3] = d[k];
        }
    }
    for (; j < width; j++) {
        for (int64_t k = 0; k < depth; k++)
            out[k * width + j] = j < n ? from[j * pitch + k] : 0.0f;
    }
}

typedef struct {
    bool trans_a, trans_b;
    int64_t m, n, k, lda, ldb, ldc;
    float alpha, beta;
} shape;

/* c[m, n] (+)= over the sum's places k .. k + depth, for m <= ROWS */
static void by_panels(const shape *s, int64_t m, int64_t depth, const float *a, const float *b, float beta, float *c)
{
    float left[ROWS * DEPTH] __attribute__((aligned(64))), right[WIDE * DEPTH] __attribute__((aligned(64)));
    panel p = {.a = a,
               .row = s->trans_a ? 1 : s->lda,
               .step = s->trans_a ? s->lda : 1,
               .depth = depth,
               .alpha = s->alpha,
               .beta = beta};
    bool repack = s->n >= 4 * WIDE && m >= 4 * TILE; /* used often enough */
    for (int64_t j = 0; j < s->n; j += WIDE) {
        int64_t n = s->n - j < WIDE ? s->n - j : WIDE, width = n > LANES ? WIDE : LANES;
        const float *from = b + (s->trans_b ? j * s->ldb : j);
        p.b = right;
        p.pitch = width;
        if (s->trans_b) {
            pack_turned(width, n, depth, from, s->ldb, right);
        } else if (n < width || m > 4 * TILE) {
            pack(width, n, depth, from, s->ldb, right);
        } else {
            p.b = from;
            p.pitch = s->ldb;
        }
        if (!repack) {
            pass(&p, m, n, c + j, s->ldc);
            continue;
        }
        int64_t tiles = (m + TILE - 1) / TILE;
        for (int64_t t = 0; t < tiles; t++) {
            int64_t i, end;
            mtl_block(m, tiles, t, &i, &end);
            float *own = left + t * TILE * depth;
            if (j == 0)
                (s->trans_a ? pack : pack_turned)(TILE, end - i, depth, a + i * p.row, s->lda, own);
            panel q = p;
            q.a = own;
            q.row = 1;
            q.step = TILE;
            pass(&q, end - i, n, c + i * s->ldc + j, s->ldc);
        }
    }
}

INLINE float total(vec v)
{
    float part[LANES];
    memcpy(part, &v, sizeof part);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            part[i] += part[i + half];
    return part[0];
}

/* c[rows, columns] = alpha (rows of a) . (rows of b) + beta c, with rows and columns known to the compiler */
INLINE void dots_of(int rows, int columns, const shape *s, const float *a, const float *b, float *c)
{
    vec sum[DOTS][DOTS];
    int64_t k = 0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            sum[i][j] = (vec){0};
    for (; k + LANES <= s->k; k += LANES) {
        vec left[DOTS];
#pragma GCC unroll 5
        for (int i = 0; i < rows; i++)
            left[i] = *(const vec *)(a + i * s->lda + k);
#pragma GCC unroll 5
        for (int j = 0; j < columns; j++) {
            vec right = *(const vec *)(b + j * s->ldb + k);
#pragma GCC unroll 5
            for (int i = 0; i < rows; i++)
                sum[i][j] += left[i] * right;
        }
    }
    int64_t rest = s->k - k;
    if (rest > 0) {
        vec left[DOTS], right;
        for (int i = 0; i < rows; i++) {
            left[i] = (vec){0};
            memcpy(&left[i], a + i * s->lda + k, (size_t)rest * sizeof *a);
        }
        for (int j = 0; j < columns; j++) {
            right = (vec){0};
            memcpy(&right, b + j * s->ldb + k, (size_t)rest * sizeof *b);
            for (int i = 0; i < rows; i++)
                sum[i][j] += left[i] * right;
        }
    }
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
            float *out = c + i * s->ldc + j, value = s->alpha * total(sum[i][j]);
            *out = s->beta == 0.0f ? value : value + s->beta * *out;
        }
    }
}

/* Single-threaded matrix products, in two ways. By panels: a panel of a few vectors' width of op(B) stays in the cache
   while all rows of op(A) pass by; what is not laid out for that is packed first. By dots: rows of A with rows of B,
   both straight in memory, for results with few rows or columns. An element's sum has one order in each way, wherever
   it lies. */
#include "cpu/cpu.h"
#include "cpu/vec.h"

enum { WIDE = 2 * LANES, DEPTH = 256, ROWS = 192 }; /* a panel's width and depth; rows packed at once */

/* op(A)(i, p) is a[i * row + p * step]; row p of the panel is b + p * pitch. */
typedef struct {
    const float *a, *b;
    int64_t row, step, pitch, depth;
    float alpha, beta;
} panel;

/* c[rows, n] = alpha A B + beta c: `width` vectors, the last of them with n - (width - 1) LANES columns; rows and width
   are known to the compiler */
INLINE void tile_of(int rows, int width, const panel *p, const float *a, int64_t n, float *c, int64_t ldc)
{
    vec sum[TILE * 2], right[2];
    const float *b = p->b;
    const int64_t last = n - (width - 1) * LANES;
    FOR (e, rows * width)
        sum[e] = (vec){0};
    for (int64_t k = 0; k < p->depth; k++, b += p->pitch, a += p->step) {
        FOR (v, width)
            right[v] = *(const vec *)(b + v * LANES);
        FOR (e, rows * width)
            sum[e] += a[e / width * p->row] * right[e % width];
    }
    FOR (e, rows * width) {
        float *out = c + e / width * ldc + e % width * LANES;
        vec result = p->alpha * sum[e];
        if (e % width < width - 1 || last == LANES) {
            if (p->beta != 0.0f)
                result += p->beta * *(vec *)out;
            *(vec *)out = result;
        } else {
            if (p->beta != 0.0f)
                result += p->beta * load_part(out, last);
            store_part(out, result, last);
        }
    }
}

#define TILE_CASE(rows)                                                                                                \
    case rows:                                                                                                         \
        if (n > LANES)                                                                                                 \
            tile_of(rows, 2, p, a, n, c, ldc);                                                                         \
        else                                                                                                           \
            tile_of(rows, 1, p, a, n, c, ldc);                                                                         \
        break;

/* c[m, n] with n <= WIDE: a panel with all rows */
static void pass(const panel *p, int64_t m, int64_t n, float *c, int64_t ldc)
{
    int64_t tiles = (m + TILE - 1) / TILE, i = 0, end;
    for (int64_t t = 0; t < tiles; t++, c += (end - i) * ldc) {
        const float *a;
        mtl_block(m, tiles, t, &i, &end);
        a = p->a + i * p->row;
        switch (end - i) {
            ALL_TILES(TILE_CASE)
        }
    }
}

/* out[k][width] = from[k][n], the rest zero */
static void pack(int64_t width, int64_t n, int64_t depth, const float *from, int64_t pitch, float *out)
{
    for (int64_t k = 0; k < depth; k++, from += pitch, out += width) {
        int64_t j = 0;
        for (; j + LANES <= n; j += LANES)
            *(vec *)(out + j) = *(const vec *)(from + j);
        if (j < n)
            *(vec *)(out + j) = load_part(from + j, n - j);
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

/* All tiles of up to ROWS columns of a: tile t's rows in out + t * (TILE * depth + LANES), [depth][TILE]. Line by line,
   as a line's cache lines are shared by its tiles. */
static void pack_tiles(int64_t m, int64_t tiles, int64_t depth, const float *a, int64_t lda, float *out)
{
    int64_t first[ROWS / TILE + 2], end;
    for (int64_t t = 0; t < tiles; t++)
        mtl_block(m, tiles, t, &first[t], &end);
    for (int64_t k = 0; k < depth; k++, a += lda) {
        float *to = out + k * TILE;
        for (int64_t t = 0; t < tiles; t++, to += TILE * depth + LANES) /* what is too much is overwritten, or slack */
            *(vec *)to = m - first[t] >= LANES ? *(const vec *)(a + first[t]) : load_part(a + first[t], m - first[t]);
    }
}

typedef struct {
    bool trans_a, trans_b;
    int64_t m, n, k, lda, ldb, ldc;
    float alpha, beta;
} shape;

/* One panel of op(B): columns j .. j + n of `depth` lines, from b's first. */
static void pack_panel(bool trans, int64_t n, int64_t depth, const float *b, int64_t ldb, int64_t j, float *out)
{
    int64_t width = n > LANES ? WIDE : LANES;
    if (trans)
        pack_turned(width, n, depth, b + j * ldb, ldb, out);
    else
        pack(width, n, depth, b + j, ldb, out);
}

/* c[m, n] (+)= the sum's places k .. k + depth, for m <= ROWS. `packed`: all of op(B), each panel by
   itself, or NULL; k: where in the sum this is. */
static void by_panels(const shape *s, int64_t m, int64_t depth, const float *a, const float *b, const float *packed,
                      float beta, int64_t k, float *c)
{
    float left[(ROWS / TILE + 1) * (TILE * DEPTH + LANES)] __attribute__((aligned(64)));
    float right[WIDE * DEPTH] __attribute__((aligned(64)));
    int64_t tiles = (m + TILE - 1) / TILE;
    panel p = {.a = a,
               .row = s->trans_a ? 1 : s->lda,
               .step = s->trans_a ? s->lda : 1,
               .depth = depth,
               .alpha = s->alpha,
               .beta = beta};
    bool repack = s->trans_a && s->n >= 4 * WIDE && m >= 4 * TILE; /* used often enough; rows are good where they lie */
    if (repack)
        pack_tiles(m, tiles, depth, a, s->lda, left);
    for (int64_t j = 0; j < s->n; j += WIDE) {
        int64_t n = s->n - j < WIDE ? s->n - j : WIDE, width = n > LANES ? WIDE : LANES;
        p.b = packed ? packed + j * s->k + k * width : right;
        p.pitch = width;
        if (!packed && !s->trans_b && n == width && m <= 4 * TILE) { /* good enough where it lies */
            p.b = b + j;
            p.pitch = s->ldb;
        } else if (!packed) {
            pack_panel(s->trans_b, n, depth, b, s->ldb, j, right);
        }
        if (!repack) {
            pass(&p, m, n, c + j, s->ldc);
            continue;
        }
        for (int64_t t = 0; t < tiles; t++) {
            int64_t i, end;
            panel q = p;
            mtl_block(m, tiles, t, &i, &end);
            q.a = left + t * (TILE * depth + LANES);
            q.row = 1;
            q.step = TILE;
            pass(&q, end - i, n, c + i * s->ldc + j, s->ldc);
        }
    }
}

/* c[rows, columns] = alpha (rows of a) . (rows of b) + beta c, with rows and columns known to the compiler */
INLINE void dots_of(int rows, int columns, const shape *s, const float *a, const float *b, float *c)
{
    vec sum[DOTS * DOTS], left[DOTS], right = {0};
    int64_t k = 0, rest = s->k % LANES;
    FOR (e, rows * columns)
        sum[e] = (vec){0};
    for (; k + LANES <= s->k; k += LANES) {
        FOR (i, rows)
            left[i] = *(const vec *)(a + i * s->lda + k);
        FOR (e, rows * columns) {
            if (e % rows == 0)
                right = *(const vec *)(b + e / rows * s->ldb + k);
            sum[e] += left[e % rows] * right;
        }
    }
    if (rest > 0) {
        FOR (i, rows)
            left[i] = load_part(a + i * s->lda + k, rest);
        FOR (e, rows * columns) {
            if (e % rows == 0)
                right = load_part(b + e / rows * s->ldb + k, rest);
            sum[e] += left[e % rows] * right;
        }
    }
    FOR (e, rows * columns) {
        float *out = c + e % rows * s->ldc + e / rows, value = s->alpha * total(sum[e]);
        *out = s->beta == 0.0f ? value : value + s->beta * *out;
    }
}

#define DOTS_CASE(rows, columns)                                                                                       \
    case (rows)*8 + (columns):                                                                                         \
        dots_of(rows, columns, s, a, b, c);                                                                            \
        break;

static void dots(int64_t rows, int64_t columns, const shape *s, const float *a, const float *b, float *c)
{
    switch (rows * 8 + columns) {
        ALL_DOTS(DOTS_CASE)
    }
}

static void by_dots(const shape *s, const float *a, const float *b, float *c)
{
    int64_t lines = (s->m + DOTS - 1) / DOTS, columns = (s->n + DOTS - 1) / DOTS;
    for (int64_t column = 0; column < columns; column++) {
        int64_t j, j_end;
        mtl_block(s->n, columns, column, &j, &j_end);
        for (int64_t line = 0; line < lines; line++) {
            int64_t i, end;
            mtl_block(s->m, lines, line, &i, &end);
            dots(end - i, j_end - j, s, a + i * s->lda, b + j * s->ldb, c + i * s->ldc + j);
        }
    }
}

/* A dot's end costs about as much as 64 of its elements, packing an element about 0.4 of a vector's step. */
static bool dots_pay(const shape *s)
{
    return !s->trans_a && s->trans_b && (10 * s->m < s->k || s->n * (s->k + 64) < 16 * s->k);
}

int64_t mtl_sgemm_panels(int64_t n)
{
    return (n + WIDE - 1) / WIDE;
}

int64_t mtl_sgemm_packed(int64_t n, int64_t k)
{
    return (n + LANES - 1) / LANES * LANES * k;
}

void mtl_sgemm_pack(bool trans_b, int64_t n, int64_t k, const float *b, int64_t ldb, int64_t which, float *packed)
{
    int64_t j = which * WIDE;
    pack_panel(trans_b, n - j < WIDE ? n - j : WIDE, k, b, ldb, j, packed + j * k);
}

void mtl_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
               const float *b, int64_t ldb, const float *packed, float beta, float *c, int64_t ldc)
{
    shape s = {trans_a, trans_b, m, n, k, lda, ldb, ldc, alpha, beta};
    if (n == 1 && !trans_b && ldb == 1) { /* a column is a row as well */
        s.trans_b = true;
        s.ldb = k;
    }
    if (!packed && dots_pay(&s)) {
        by_dots(&s, a, b, c);
        return;
    }
    for (int64_t i = 0; i < m; i += ROWS) {
        int64_t rows = m - i < ROWS ? m - i : ROWS, p = 0;
        do {
            int64_t depth = k - p < DEPTH ? k - p : DEPTH;
            by_panels(&s, rows, depth, a + (trans_a ? p * lda + i : i * lda + p), b + (s.trans_b ? p : p * ldb), packed,
                      p == 0 ? beta : 1.0f, p, c + i * ldc);
            p += depth;
        } while (p < k);
    }
}

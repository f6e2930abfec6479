/* Single-threaded matrix products, in two ways. By panels: a panel of a few vectors' width of op(B) stays in the cache
   while all rows of op(A) pass by; what is not laid out for that is packed first. By dots: rows of A with rows of B,
   both straight in memory, for results with few rows or columns. An element's sum has one order in each way, wherever
   it lies. */
#include "cpu/cpu.h"
#include "cpu/vec.h"

enum { WIDE = 2 * LANES, DEPTH = 256 }; /* a panel's width and depth */
enum { ROWS = 192, COLUMNS = 256 };     /* packed at once */

/* op(A)(i, p) is a[i * row + p * step]; row p of the panel is b + p * pitch; bias: NULL, or of the panel's columns. */
typedef struct {
    const float *a, *b, *bias;
    int64_t row, step, pitch, depth;
    float alpha, beta;
} panel;

/* c[rows, n] = alpha A B + beta c + bias: `width` vectors, the last of them with n - (width - 1) LANES columns; rows
   and width are known to the compiler */
INLINE void tile_of(int rows, int width, const panel *p, const float *a, int64_t n, float *c, int64_t ldc)
{
    vec sum[TILE * 2], right[2], bias[2] = {{0}, {0}};
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
    if (p->bias) {
        FOR (v, width)
            bias[v] = v < width - 1 || last == LANES ? *(const vec *)(p->bias + v * LANES)
                                                     : load_part(p->bias + v * LANES, last);
    }
    FOR (e, rows * width) {
        float *out = c + e / width * ldc + e % width * LANES;
        vec result = p->alpha * sum[e] + bias[e % width];
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

/* Rows of the next tile, of `left` ones: the last two tiles are about as high. */
INLINE int64_t rows_of(int64_t left)
{
    return left >= 2 * TILE ? TILE : left > TILE ? (left + 1) / 2 : left;
}

/* c[m, n] with n <= WIDE: a panel with all rows, whose tiles are `apart` in A; 0: rows follow each other. */
static void pass(const panel *p, int64_t m, int64_t apart, int64_t n, float *c, int64_t ldc)
{
    const float *a = p->a;
    for (int64_t rows; m > 0; m -= rows) {
        rows = rows_of(m);
        switch (rows) {
            ALL_TILES(TILE_CASE)
        }
        a += apart ? apart : rows * p->row;
        c += rows * ldc;
    }
}

/* Panels of n columns, `apart` floats from one to the next: panel[k][j] = from[k][j], zero behind the last. Line by
   line, as memory is read fastest. */
static void pack(int64_t n, int64_t depth, const float *from, int64_t pitch, float *out, int64_t apart)
{
    int64_t whole = n / WIDE, rest = n % WIDE, width = rest > LANES ? WIDE : LANES;
    float *end = out + whole * apart;
    for (int64_t k = 0; k < depth; k++, from += pitch, end += width) {
        float *to = out + k * WIDE;
        int64_t j = 0;
        for (; j + WIDE <= n; j += WIDE, to += apart) {
            *(vec *)to = *(const vec *)(from + j);
            *(vec *)(to + LANES) = *(const vec *)(from + j + LANES);
        }
        for (int64_t at = 0; j < n; j += LANES, at += LANES)
            *(vec *)(end + at) = n - j < LANES ? load_part(from + j, n - j) : *(const vec *)(from + j);
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
static void pack_tiles(int64_t m, int64_t depth, const float *a, int64_t lda, float *out)
{
    const int64_t apart = TILE * depth + LANES; /* what is too much is overwritten, or slack */
    for (int64_t k = 0; k < depth; k++, a += lda, out += TILE) {
        const float *from = a;
        float *to = out;
        int64_t left = m;
        for (; left >= 2 * TILE + LANES; left -= TILE, from += TILE, to += apart)
            *(vec *)to = *(const vec *)from;
        for (int64_t rows; left > 0; left -= rows, from += rows, to += apart) {
            rows = rows_of(left);
            *(vec *)to = left < LANES ? load_part(from, left) : *(const vec *)from;
        }
    }
}

typedef struct {
    bool trans_a, trans_b;
    int64_t m, n, k, lda, ldb, ldc;
    float alpha, beta;
    const float *bias;
} shape;

/* Columns j .. j + n of `depth` lines of op(B), from b's first, in panels. */
static void pack_panels(bool trans, int64_t n, int64_t depth, const float *b, int64_t ldb, int64_t j, float *out,
                        int64_t apart)
{
    if (!trans)
        pack(n, depth, b + j, ldb, out, apart);
    for (int64_t at = 0; trans && at < n; at += WIDE, out += apart)
        pack_turned(n - at > LANES ? WIDE : LANES, n - at < WIDE ? n - at : WIDE, depth, b + (j + at) * ldb, ldb, out);
}

/* Panels of op(B): `apart` floats from one to the next, lines from `line` on, `pitch` apart; 0: as wide as they are. */
typedef struct {
    const float *b;
    int64_t apart, line, pitch;
} panels;

/* c[m, n] (+)= depth places of the sum, for m <= ROWS */
static void by_panels(const shape *s, int64_t m, int64_t n, int64_t depth, const float *a, const panels *right,
                      float beta, const float *bias, float *c)
{
    float left[(ROWS / TILE + 1) * (TILE * DEPTH + LANES)] __attribute__((aligned(64)));
    panel p = {.a = a,
               .row = s->trans_a ? 1 : s->lda,
               .step = s->trans_a ? s->lda : 1,
               .depth = depth,
               .alpha = s->alpha,
               .beta = beta};
    bool repack = s->trans_a && n >= 4 * WIDE && m >= 4 * TILE; /* used often enough; rows are good where they lie */
    if (repack) {
        pack_tiles(m, depth, a, s->lda, left);
        p.a = left, p.row = 1, p.step = TILE;
    }
    for (int64_t j = 0; j < n; j += WIDE) {
        int64_t columns = n - j < WIDE ? n - j : WIDE;
        p.pitch = right->pitch ? right->pitch : columns > LANES ? WIDE : LANES;
        p.b = right->b + j / WIDE * right->apart + right->line * p.pitch;
        p.bias = bias ? bias + j : NULL;
        pass(&p, m, repack ? TILE * depth + LANES : 0, columns, c + j, s->ldc);
    }
}

/* B is good enough where it lies: few rows use it, and its panels are whole. */
static bool in_place(const shape *s, const float *packed)
{
    return !packed && !s->trans_b && s->m <= 4 * TILE;
}

/* Columns j .. j + n, at most COLUMNS, and places k .. k + depth of the sum. `packed`: all of op(B), or NULL. */
static void by_blocks(const shape *s, int64_t j, int64_t n, int64_t k, int64_t depth, const float *a, const float *b,
                      const float *packed, float *c)
{
    float room[COLUMNS / WIDE * (WIDE * DEPTH + LANES)] __attribute__((aligned(64)));
    panels right = {.b = room, .apart = WIDE * depth + LANES};
    if (packed)
        right = (panels){packed + j * s->k, WIDE * s->k, k, 0};
    else if (in_place(s, packed) && n % WIDE == 0)
        right = (panels){b + j, WIDE, k, s->ldb};
    else
        pack_panels(s->trans_b, n, depth, b + (s->trans_b ? k : k * s->ldb), s->ldb, j, room, right.apart);
    for (int64_t i = 0; i < s->m; i += ROWS)
        by_panels(s, s->m - i < ROWS ? s->m - i : ROWS, n, depth, a + (s->trans_a ? k * s->lda + i : i * s->lda + k),
                  &right, k == 0 ? s->beta : 1.0f, k == 0 && s->bias ? s->bias + j : NULL, c + i * s->ldc + j);
}

/* c[rows, columns] = alpha (rows of a) . (rows of b) + beta c, with rows and columns known to the compiler */
INLINE void dots_of(int rows, int columns, const shape *s, const float *a, const float *b, const float *bias, float *c)
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
        if (bias)
            value += bias[e / rows];
        *out = s->beta == 0.0f ? value : value + s->beta * *out;
    }
}

#define DOTS_CASE(rows, columns)                                                                                       \
    case (rows)*8 + (columns):                                                                                         \
        dots_of(rows, columns, s, a, b, bias, c);                                                                      \
        break;

static void dots(int64_t rows, int64_t columns, const shape *s, const float *a, const float *b, const float *bias,
                 float *c)
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
            dots(end - i, j_end - j, s, a + i * s->lda, b + j * s->ldb, s->bias ? s->bias + j : NULL,
                 c + i * s->ldc + j);
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
    pack_panels(trans_b, n - j < WIDE ? n - j : WIDE, k, b, ldb, j, packed + j * k, 0);
}

void mtl_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
               const float *b, int64_t ldb, const float *packed, float beta, const float *bias, float *c, int64_t ldc)
{
    shape s = {trans_a, trans_b, m, n, k, lda, ldb, ldc, alpha, beta, bias};
    if (n == 1 && !trans_b && ldb == 1) { /* a column is a row as well */
        s.trans_b = true;
        s.ldb = k;
    }
    if (!packed && dots_pay(&s)) {
        by_dots(&s, a, b, c);
        return;
    }
    int64_t whole = in_place(&s, packed) ? n / WIDE * WIDE : n, columns;
    for (int64_t p = 0; p == 0 || p < k; p += DEPTH) {
        for (int64_t j = 0; j < n; j += columns) {
            columns = j < whole ? whole - j : n - j;
            columns = columns < COLUMNS ? columns : COLUMNS;
            by_blocks(&s, j, columns, p, k - p < DEPTH ? k - p : DEPTH, a, b, packed, c);
        }
    }
}

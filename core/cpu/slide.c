/* Convolution without columns, where the pixels of an output line are whole pieces of neighbours: the windows are read
   where they lie, and the sums stay in registers over the whole patch (forward) or over many pixels (dw). */
#include "cpu/conv.h"

enum { WIDE = 2 * LANES };

int64_t mtl_slide_places(const plan *p, int32_t *places)
{
    const mtl_conv *c = &p->c;
    for (int64_t k = 0; places && k < p->patch; k++) {
        int64_t kw = k % c->kernel_w, row = k / c->kernel_w;
        int64_t y = row / c->kernel_h * p->high + row % c->kernel_h * c->dilation_h;
        *places++ = (int32_t)(y * p->wide + kw * c->dilation_w);
    }
    for (int64_t at = 0; places && at < p->pixels; at += PIECE)
        *places++ = (int32_t)(at / c->out_w * c->stride_h * p->wide + at % c->out_w);
    return p->patch + p->pixels / PIECE;
}

INLINE vec window(const float *from, const int32_t *piece)
{
#if defined(__AVX512F__)
    __m512 low = _mm512_castps256_ps512(_mm256_loadu_ps(from + piece[0]));
    return (vec)_mm512_insertf32x8(low, _mm256_loadu_ps(from + piece[1]), 1);
#else
    return *(const vec *)(from + piece[0]);
#endif
}

static int64_t tiles_of(const plan *p)
{
    return (p->c.out_channels + TILE - 1) / TILE;
}

int64_t mtl_slide_weight(const plan *p, const float *weight, float *packed)
{
    int64_t tiles = tiles_of(p), i, end;
    for (int64_t t = 0; packed && t < tiles; t++) {
        mtl_block(p->c.out_channels, tiles, t, &i, &end);
        for (int64_t k = 0; k < p->patch; k++, packed += TILE) {
            for (int64_t o = i; o < end; o++)
                packed[o - i] = weight[o * p->patch + k];
        }
    }
    return tiles * TILE * p->patch;
}

/* y[rows, n pixels] of a panel, with rows and width (in vectors) known to the compiler */
INLINE void forward_tile(int rows, int width, const plan *p, const int32_t *corner, const int32_t *piece,
                         const float *w, const float *bias, const float *image, int64_t n, float *y)
{
    vec sum[TILE * 2], right[2];
    const int64_t last = n - (width - 1) * LANES;
    FOR (e, rows * width)
        sum[e] = (vec){0} + (bias ? bias[e / width] : 0.0f);
    for (int64_t k = 0; k < p->patch; k++, w += TILE) {
        FOR (v, width)
            right[v] = window(image + corner[k], piece + v * PIECES);
        FOR (e, rows * width)
            sum[e] += w[e / width] * right[e % width];
    }
    FOR (e, rows * width) {
        float *out = y + e / width * p->pixels + e % width * LANES;
        if (e % width < width - 1 || last == LANES)
            *(vec *)out = sum[e];
        else
            store_part(out, sum[e], last);
    }
}

#define FORWARD_CASE(rows)                                                                                             \
    case rows:                                                                                                         \
        if (n > LANES)                                                                                                 \
            forward_tile(rows, 2, p, places, piece, w, start, image, n, out);                                          \
        else                                                                                                           \
            forward_tile(rows, 1, p, places, piece, w, start, image, n, out);                                          \
        break;

void mtl_slide_forward(const plan *p, const int32_t *places, const float *packed, const float *bias, const float *image,
                       int64_t first, int64_t end, float *y)
{
    int64_t tiles = tiles_of(p), o, o_end;
    for (int64_t at = first; at < end; at += WIDE) {
        int64_t n = end - at < WIDE ? end - at : WIDE;
        int32_t piece[2 * PIECES];
        for (int i = 0; i < 2 * PIECES; i++) /* those past the end repeat the first: their sums are not stored */
            piece[i] = places[p->patch + at / PIECE + (i * PIECE < n ? i : 0)];
        for (int64_t t = 0; t < tiles; t++) {
            mtl_block(p->c.out_channels, tiles, t, &o, &o_end);
            const float *w = packed + t * TILE * p->patch, *start = bias ? bias + o : NULL;
            float *out = y + o * p->pixels + at;
            switch (o_end - o) {
                ALL_TILES(FORWARD_CASE)
            }
        }
    }
}

/* Lines of dy and places of the patch whose sums are in registers at once. */
#if defined(__AVX512F__)
enum { LINES = 5, PLACES = 5 };
#elif defined(__AVX2__)
enum { LINES = 3, PLACES = 4 };
#else
enum { LINES = 3, PLACES = 3 };
#endif

typedef struct {
    const plan *p;
    const int32_t *corner, *piece;
    int64_t images, step;
    const float *image, *dy[LINES];
    float *part;
} share;

/* part[rows, columns] += products of lines of dy with windows, with rows and columns known to the compiler */
INLINE void sums_of(int rows, int columns, const share *s)
{
    vec sum[LINES * PLACES], left[LINES], right = {0};
    int64_t pixels = s->p->pixels;
    FOR (e, rows * columns)
        sum[e] = (vec){0};
    for (int64_t b = 0; b < s->images; b++) {
        const float *image = s->image + b * s->step;
        const int32_t *piece = s->piece;
        int64_t skip = b * s->p->output, at = 0;
        for (; at + LANES <= pixels; at += LANES, piece += PIECES) {
            FOR (i, rows)
                left[i] = *(const vec *)(s->dy[i] + skip + at);
            FOR (e, rows * columns) {
                if (e % rows == 0)
                    right = window(image + s->corner[e / rows], piece);
                sum[e] += left[e % rows] * right;
            }
        }
        if (at == pixels)
            continue;
        FOR (i, rows) /* half a vector is left */
            left[i] = load_part(s->dy[i] + skip + at, PIECE);
        FOR (e, rows * columns) {
            if (e % rows == 0)
                right = load_part(image + s->corner[e / rows] + piece[0], PIECE);
            sum[e] += left[e % rows] * right;
        }
    }
    FOR (i, rows) {
        float *part = s->part + i * s->p->pitch;
        if (columns >= 4)
            *(quad *)part += totals(sum[i], sum[rows + i], sum[2 * rows + i], sum[3 * rows + i]);
        FOR (k, columns) {
            if (columns < 4 || k >= 4)
                part[k] += total(sum[k * rows + i]);
        }
    }
}

#define SUMS_CASE(rows, columns)                                                                                       \
    case (rows)*8 + (columns):                                                                                         \
        sums_of(rows, columns, &s);                                                                                    \
        break;

/* X(rows, columns) for each block of sums. */
#define ROW_4(X, n) ROW_3(X, n) X(n, 4)
#if defined(__AVX512F__)
#define ALL_SUMS(X) ALL_DOTS(X)
#elif defined(__AVX2__)
#define ALL_SUMS(X) ROW_4(X, 1) ROW_4(X, 2) ROW_4(X, 3)
#else
#define ALL_SUMS(X) ALL_DOTS(X)
#endif

void mtl_slide_sums(const plan *p, const int32_t *places, int64_t lines, int64_t images, const float *image,
                    int64_t step, const float *dy, float *part)
{
    int64_t rows = (lines + LINES - 1) / LINES, columns = (p->patch + PLACES - 1) / PLACES, i, i_end, k, k_end;
    share s = {.p = p, .piece = places + p->pitch, .images = images, .step = step, .image = image};
    for (int64_t row = 0; row < rows; row++) {
        mtl_block(lines, rows, row, &i, &i_end);
        for (int64_t line = i; line < i_end; line++) {
            int64_t out = p->c.out_channels;
            s.dy[line - i] = dy + line / out * p->c.batch * p->output + line % out * p->pixels;
        }
        for (int64_t column = 0; column < columns; column++) {
            mtl_block(p->patch, columns, column, &k, &k_end);
            s.corner = places + k;
            s.part = part + i * p->pitch + k;
            switch ((i_end - i) * 8 + k_end - k) {
                ALL_SUMS(SUMS_CASE)
            }
        }
    }
}

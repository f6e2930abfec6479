/* Convolution without columns, where the pixels of an output line are whole pieces of neighbours: the windows are read
   where they lie, and the sums stay in registers over the whole patch (forward) or over many pixels (dw). */
#include "cpu/conv.h"

enum { WIDE = 2 * LANES };

int64_t mtl_slide_places(const plan *p, int32_t *places)
{
    const mtl_conv *c = &p->c;
    for (int64_t k = 0; places && k < p->patch; k++) {
        int64_t kw = k % c->kernel_w, row = k / c->kernel_w;
        *places++ = (int32_t)((row / c->kernel_h * p->high + row % c->kernel_h) * p->wide + kw);
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

/* A last vector that is one piece of two. */
INLINE vec half_window(const float *from, const int32_t *piece)
{
    return load_part(from + piece[0], PIECE);
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
    vec sum[TILE][2];
    int64_t last = n - (width - 1) * LANES;
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
    for (int v = 0; v < width; v++)
        sum[i][v] = (vec){0} + (bias ? bias[i] : 0.0f);
    for (int64_t k = 0; k < p->patch; k++, w += TILE) {
        const float *at = image + corner[k];
        vec right[2];
        UNROLL
        for (int v = 0; v < width; v++)
            right[v] = window(at, piece + v * PIECES);
        UNROLL
        for (int i = 0; i < rows; i++) {
            float left = w[i];
            UNROLL
            for (int v = 0; v < width; v++)
                sum[i][v] += left * right[v];
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++, y += p->pixels) {
        UNROLL
        for (int v = 0; v < width; v++) {
            if (v < width - 1 || last == LANES)
                *(vec *)(y + v * LANES) = sum[i][v];
            else
                store_part(y + v * LANES, sum[i][v], last);
        }
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
                FORWARD_CASE(1)
                FORWARD_CASE(2)
                FORWARD_CASE(3)
                FORWARD_CASE(4)
#if defined(__AVX2__)
                FORWARD_CASE(5)
                FORWARD_CASE(6)
#endif
#if defined(__AVX512F__)
                FORWARD_CASE(7)
                FORWARD_CASE(8)
                FORWARD_CASE(9)
                FORWARD_CASE(10)
                FORWARD_CASE(11)
                FORWARD_CASE(12)
#endif
            }
        }
    }
}

typedef struct {
    const plan *p;
    const int32_t *corner, *piece;
    int64_t images, step;
    const float *image, *dy[DOTS];
    float *part;
} share;

/* part[rows, columns] += products of lines of dy with windows, with rows and columns known to the compiler */
INLINE void sums_of(int rows, int columns, const share *s)
{
    vec sum[DOTS][DOTS];
    int64_t pixels = s->p->pixels;
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
    for (int j = 0; j < columns; j++)
        sum[i][j] = (vec){0};
    for (int64_t b = 0; b < s->images; b++) {
        const float *image = s->image + b * s->step;
        const int32_t *piece = s->piece;
        int64_t skip = b * s->p->output, at = 0;
        vec left[DOTS];
        for (; at + LANES <= pixels; at += LANES, piece += PIECES) {
            UNROLL
            for (int i = 0; i < rows; i++)
                left[i] = *(const vec *)(s->dy[i] + skip + at);
            UNROLL
            for (int j = 0; j < columns; j++) {
                vec right = window(image + s->corner[j], piece);
                UNROLL
                for (int i = 0; i < rows; i++)
                    sum[i][j] += left[i] * right;
            }
        }
        if (at == pixels)
            continue;
        UNROLL
        for (int i = 0; i < rows; i++)
            left[i] = load_part(s->dy[i] + skip + at, PIECE);
        UNROLL
        for (int j = 0; j < columns; j++) {
            vec right = half_window(image + s->corner[j], piece);
            UNROLL
            for (int i = 0; i < rows; i++)
                sum[i][j] += left[i] * right;
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
    for (int j = 0; j < columns; j++)
        s->part[i * s->p->patch + j] += total(sum[i][j]);
}

#define SUMS_CASE(rows, columns)                                                                                       \
    case (rows)*8 + (columns):                                                                                         \
        sums_of(rows, columns, &s);                                                                                    \
        break;

void mtl_slide_sums(const plan *p, const int32_t *places, int64_t lines, int64_t images, const float *image,
                    int64_t step, const float *dy, float *part)
{
    int64_t rows = (lines + DOTS - 1) / DOTS, columns = (p->patch + DOTS - 1) / DOTS, i, i_end, k, k_end;
    share s = {.p = p, .piece = places + p->patch, .images = images, .step = step, .image = image};
    for (int64_t row = 0; row < rows; row++) {
        mtl_block(lines, rows, row, &i, &i_end);
        for (int64_t line = i; line < i_end; line++) {
            int64_t out = p->c.out_channels;
            s.dy[line - i] = dy + line / out * p->c.batch * p->output + line % out * p->pixels;
        }
        for (int64_t column = 0; column < columns; column++) {
            mtl_block(p->patch, columns, column, &k, &k_end);
            s.corner = places + k;
            s.part = part + i * p->patch + k;
            switch ((i_end - i) * 8 + k_end - k) {
                SUMS_CASE(1, 1)
                SUMS_CASE(1, 2) SUMS_CASE(1, 3) SUMS_CASE(2, 1) SUMS_CASE(2, 2) SUMS_CASE(2, 3) SUMS_CASE(3, 1)
                    SUMS_CASE(3, 2) SUMS_CASE(3, 3)
#if defined(__AVX512F__)
                        SUMS_CASE(1, 4) SUMS_CASE(1, 5) SUMS_CASE(2, 4) SUMS_CASE(2, 5) SUMS_CASE(3, 4) SUMS_CASE(3, 5)
                            SUMS_CASE(4, 1) SUMS_CASE(4, 2) SUMS_CASE(4, 3) SUMS_CASE(4, 4) SUMS_CASE(4, 5)
                                SUMS_CASE(5, 1) SUMS_CASE(5, 2) SUMS_CASE(5, 3) SUMS_CASE(5, 4) SUMS_CASE(5, 5)
#endif
            }
        }
    }
}

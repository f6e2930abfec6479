/* Convolution of 3 x 3 windows at stride 1 in fewer multiplications (Winograd's F(2 x 2, 3 x 3); Lavin & Gray, CVPR
   2016). A tile of 2 x 2 outputs is A'[(G g G') . (B'd B)]A, d its 4 x 4 inputs and g the window: 16 products in place
   of 36. Over channels and tiles these are 16 matrix products, one a position of the 4 x 4. The weight's gradient is
   the adjoint in g: G'[sum (A dy A') . (B'd B)]G. Tiles go through in blocks of a fixed size: of several small images
   or of a part of one. */
#include "cpu/conv.h"

/* Tiles of a block: in outputs two panels of a product, in sums over tiles enough to pay for what a product packs. */
enum { POSITIONS = 16, WIDE = 2 * LANES, AT_ONCE = 2 * WIDE, AT_ONCE_SUM = 64, MOST = 64 };
/* Sums: weights of a block of channels, and items of work. */
enum { BLOCK = 64 * 1024, SHARES = 16 };

/* Floats from a position's `n` to the next one's: a cache line more, or all would fall into the same few sets. */
static int64_t apart(int64_t n)
{
    return n + 16;
}

/* How images are cut into tiles. */
typedef struct {
    plan p;                 /* high, wide and bordered are those that the tiles meet: an even number of outputs */
    int64_t across, tiles;  /* of an image */
    int64_t at_once;        /* tiles of a block: a multiple of 4 */
    int64_t images, blocks; /* of a block; of an image */
} tiling;

/* The tiles of a block: where their inputs and outputs begin in its first image. Those past `n` repeat the last. */
typedef struct {
    int64_t n, in[MOST], out[MOST];
    int rows[MOST], columns[MOST];
    bool whole; /* all have four outputs */
} tiles;

static tiling tiling_of(const plan *p, int64_t at_once)
{
    tiling w = {.p = *p, .across = (p->c.out_w + 1) / 2, .at_once = at_once};
    int64_t down = (p->c.out_h + 1) / 2;
    w.tiles = w.across * down;
    w.images = w.tiles < at_once ? at_once / w.tiles : 1;
    w.images = w.images < p->c.batch ? w.images : p->c.batch;
    w.blocks = (w.tiles + at_once - 1) / at_once;
    w.p.border = true;
    w.p.high = 2 * down + 2;
    w.p.wide = 2 * w.across + 2;
    w.p.bordered = p->c.in_channels * w.p.high * w.p.wide;
    return w;
}

bool mtl_winograd_pays(const plan *p)
{
    const mtl_conv *c = &p->c;
    return c->kernel_h == 3 && c->kernel_w == 3 && c->stride_h == 1 && c->stride_w == 1 && c->dilation_h == 1 &&
           c->dilation_w == 1 && c->in_channels >= 16 && c->out_channels >= 16 && c->out_h > 1 && c->out_w > 1 &&
           c->batch * p->pixels >= 64;
}

/* Block `block` of an image, or of `images` of them. */
static void tiles_of(const tiling *w, int64_t block, int64_t images, tiles *t)
{
    const mtl_conv *c = &w->p.c;
    int64_t first = block * w->at_once, each = w->tiles - first;
    each = each < w->at_once ? each : w->at_once;
    t->n = images * each;
    t->whole = true;
    for (int64_t i = 0; i < w->at_once; i++) {
        int64_t at = i < t->n ? i : t->n - 1, image = at / each, tile = first + at % each;
        int64_t y = tile / w->across * 2, x = tile % w->across * 2;
        t->in[i] = image * w->p.bordered + y * w->p.wide + x;
        t->out[i] = image * w->p.output + y * c->out_w + x;
        t->rows[i] = c->out_h - y < 2 ? 1 : 2;
        t->columns[i] = c->out_w - x < 2 ? 1 : 2;
        t->whole = t->whole && t->rows[i] == 2 && t->columns[i] == 2;
    }
}

/* Image b with its border, in `room` whose border is zero already. */
static void with_border(const plan *p, int64_t b, const float *x, float *room)
{
    const mtl_conv *c = &p->c;
    x += b * p->image;
    for (int64_t line = 0; line < c->in_channels * c->height; line++) {
        int64_t y = line / c->height * p->high + line % c->height + c->pad_h;
        memcpy(room + y * p->wide + c->pad_w, x + line * c->width, (size_t)c->width * sizeof *x);
    }
}

INLINE quad load(const float *from)
{
    return *(const quad *)from;
}

/* B'd along one side */
INLINE void spread(const quad d[4], quad out[4])
{
    out[0] = d[0] - d[2];
    out[1] = d[1] + d[2];
    out[2] = d[2] - d[1];
    out[3] = d[1] - d[3];
}

/* Four vectors of four become their columns. */
INLINE void turn(quad v[4])
{
    quad a = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5), b = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
    quad c = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5), d = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
    v[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    v[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    v[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    v[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

/* B'd B of every channel and tile, four tiles at a time. Position k of tile t and channel c goes to out[k][t /
   width][c] [t % width]. */
static void spread_inputs(const tiling *w, const tiles *t, const float *image, int64_t width, float *out)
{
    const plan *p = &w->p;
    int64_t channels = p->c.in_channels, step = apart(channels * w->at_once);
    for (int64_t c = 0; c < channels; c++, image += p->high * p->wide) {
        for (int64_t i = 0; i < t->n; i += 4) {
            quad rows[4][4], columns[4], d[4];
            float *to = out + i / width * channels * width + c * width + i % width;
            FOR (k, 4) { /* along the columns of each tile; rows[row][tile] */
                const float *from = image + t->in[i + k];
                FOR (r, 4)
                    d[r] = load(from + r * p->wide);
                spread(d, columns);
                FOR (r, 4)
                    rows[r][k] = columns[r];
            }
            FOR (r, 4) { /* along the rows, of four tiles at once */
                turn(rows[r]);
                spread(rows[r], d);
                FOR (k, 4)
                    *(quad *)(to + (r * 4 + k) * step) = d[k];
            }
        }
    }
}

/* G g G' of windows [first, end) of `count`: out[position][window] */
static void spread_weight(const float *weight, int64_t first, int64_t end, int64_t count, float *out)
{
    for (int64_t at = first; at < end; at++) {
        const float *g = weight + at * 9;
        float half[4][3];
        FOR (j, 3) {
            float sum = 0.5f * (g[j] + g[6 + j]), mid = 0.5f * g[3 + j];
            half[0][j] = g[j], half[1][j] = sum + mid, half[2][j] = sum - mid, half[3][j] = g[6 + j];
        }
        FOR (i, 4) {
            float sum = 0.5f * (half[i][0] + half[i][2]), mid = 0.5f * half[i][1], *to = out + i * 4 * count + at;
            to[0] = half[i][0], to[count] = sum + mid, to[2 * count] = sum - mid, to[3 * count] = half[i][2];
        }
    }
}

/* y = A' m A of every output channel and tile, from m[position][channel][tile] */
static void gather_outputs(const tiling *w, const tiles *t, const float *m, const float *bias, float *y)
{
    const plan *p = &w->p;
    int64_t line = p->c.out_w, step = apart(p->c.out_channels * w->at_once);
    for (int64_t o = 0; o < p->c.out_channels; o++, y += p->pixels) {
        for (int64_t i = 0; i < t->n; i += 4) {
            const float *from = m + o * w->at_once + i;
            quad rows[2][4], sum[2][2], add = (quad){0} + (bias ? bias[o] : 0.0f);
            FOR (j, 4) {
                quad a = load(from + j * step), b = load(from + (4 + j) * step), c = load(from + (8 + j) * step);
                rows[0][j] = a + b + c;
                rows[1][j] = b - c - load(from + (12 + j) * step);
            }
            FOR (r, 2) {
                sum[r][0] = rows[r][0] + rows[r][1] + rows[r][2] + add;
                sum[r][1] = rows[r][1] - rows[r][2] - rows[r][3] + add;
            }
            if (t->whole && i + 4 <= t->n) {
                FOR (r, 2) {
                    quad low = __builtin_shufflevector(sum[r][0], sum[r][1], 0, 4, 1, 5);
                    quad high = __builtin_shufflevector(sum[r][0], sum[r][1], 2, 6, 3, 7);
                    memcpy(y + t->out[i] + r * line, &low, 8);
                    memcpy(y + t->out[i + 1] + r * line, (const float *)&low + 2, 8);
                    memcpy(y + t->out[i + 2] + r * line, &high, 8);
                    memcpy(y + t->out[i + 3] + r * line, (const float *)&high + 2, 8);
                }
                continue;
            }
            for (int64_t k = 0; k < 4 && i + k < t->n; k++) {
                for (int r = 0; r < t->rows[i + k]; r++) {
                    for (int j = 0; j < t->columns[i + k]; j++)
                        y[t->out[i + k] + r * line + j] = sum[r][j][k];
                }
            }
        }
    }
}

mtl_status mtl_winograd(const plan *of, const mtl_tensor *like, const float *x, const float *weight, const float *bias,
                        float *y)
{
    tiling w = tiling_of(of, AT_ONCE);
    const plan *p = &w.p;
    const mtl_conv *c = &p->c;
    mtl_tensor *room = NULL;
    int64_t groups = (c->batch + w.images - 1) / w.images, items = groups * w.blocks;
    int64_t windows = c->in_channels * c->out_channels, bordered = w.images * p->bordered;
    int64_t step_in = apart(c->in_channels * AT_ONCE), step_out = apart(c->out_channels * AT_ONCE);
    int64_t each = bordered + POSITIONS * (step_in + step_out);
    int threads = MTL_CPU_THREADS(like->ctx, items);
    int64_t floats = POSITIONS * windows + threads * each;
    MTL_TRY(mtl_tensor_like(like, MTL_F32, 1, &floats, &room));
    float *spread_to = mtl_f32(room), *own = spread_to + POSITIONS * windows;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t o = 0; o < c->out_channels; o++)
        spread_weight(weight, o * c->in_channels, (o + 1) * c->in_channels, windows, spread_to);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        float *border = own + t * each, *in = border + bordered, *out = in + POSITIONS * step_in;
        memset(border, 0, (size_t)bordered * sizeof *border);
        tiles now;
        for (int64_t begin = items * t / threads, item = begin; item < items * (t + 1) / threads; item++) {
            int64_t b = item / w.blocks * w.images, n = c->batch - b < w.images ? c->batch - b : w.images;
            for (int64_t i = 0; i < n && (item == begin || item % w.blocks == 0); i++)
                with_border(p, b + i, x, border + i * p->bordered);
            tiles_of(&w, item % w.blocks, n, &now);
            spread_inputs(&w, &now, border, WIDE, in);
            int64_t columns = (now.n + WIDE - 1) / WIDE * WIDE; /* whole panels */
            for (int64_t k = 0; k < POSITIONS; k++)
                mtl_sgemm(false, false, c->out_channels, columns, c->in_channels, 1.0f, spread_to + k * windows,
                          c->in_channels, NULL, 0, in + k * step_in, 0.0f, NULL, out + k * step_out, AT_ONCE);
            gather_outputs(&w, &now, out, bias, y + b * p->output);
        }
    }
    mtl_tensor_release(room);
    return MTL_OK;
}

/* Sums over the batch, cut into chunks of images and blocks of input channels and lines; a line is an output channel of
   a cotangent. */
typedef struct {
    tiling w;
    int64_t lines, chunks, in_blocks, line_blocks;
    const float *x, *dy;
} summing;

/* A dy A' of lines [first, end) and every tile: out[position][line][tile] */
static void spread_outputs(const summing *s, const tiles *t, int64_t image, int64_t first, int64_t end, float *out)
{
    const plan *p = &s->w.p;
    int64_t channels = p->c.out_channels, width = p->c.out_w, step = apart((end - first) * s->w.at_once);
    for (int64_t line = first; line < end; line++) {
        const float *from = s->dy + (line / channels * p->c.batch + image) * p->output + line % channels * p->pixels;
        for (int64_t i = 0; i < t->n; i += 4) {
            float *to = out + (line - first) * s->w.at_once + i;
            quad dy[2][2] = {0}, rows[2][4];
            for (int64_t k = 0; k < 4 && i + k < t->n; k++) {
                const float *at = from + t->out[i + k];
                bool low = t->rows[i + k] == 2, right = t->columns[i + k] == 2;
                dy[0][0][k] = at[0];
                dy[0][1][k] = right ? at[1] : 0.0f;
                dy[1][0][k] = low ? at[width] : 0.0f;
                dy[1][1][k] = low && right ? at[width + 1] : 0.0f;
            }
            FOR (r, 2) {
                rows[r][0] = dy[r][0];
                rows[r][1] = dy[r][0] + dy[r][1];
                rows[r][2] = dy[r][0] - dy[r][1];
                rows[r][3] = -dy[r][1];
            }
            FOR (j, 4) {
                *(quad *)(to + j * step) = rows[0][j];
                *(quad *)(to + (4 + j) * step) = rows[0][j] + rows[1][j];
                *(quad *)(to + (8 + j) * step) = rows[0][j] - rows[1][j];
                *(quad *)(to + (12 + j) * step) = -rows[1][j];
            }
        }
    }
}

/* part[position][line][channel] of one chunk: a block of lines and channels */
static void sum_images(const summing *s, int64_t chunk, int64_t in_block, int64_t line_block, float *room, float *part)
{
    tiling w = s->w;
    const plan *p = &w.p;
    int64_t channels = p->c.in_channels, channel, end_channel, line, end_line, b, end;
    mtl_block(channels, s->in_blocks, in_block, &channel, &end_channel);
    mtl_block(s->lines, s->line_blocks, line_block, &line, &end_line);
    mtl_block(p->c.batch, s->chunks, chunk, &b, &end);
    const float *x = s->x + channel * p->c.height * p->c.width;
    int64_t n_in = end_channel - channel, n_lines = end_line - line;
    w.p.c.in_channels = n_in;
    w.p.bordered = n_in * p->high * p->wide;
    int64_t step_in = apart(n_in * w.at_once), step_out = apart(n_lines * w.at_once);
    float *in = room + w.images * w.p.bordered, *out = in + POSITIONS * step_in;
    float beta = 0.0f;
    tiles now;
    memset(room, 0, (size_t)(w.images * w.p.bordered) * sizeof *room);
    for (; b < end; b += w.images) {
        int64_t n = end - b < w.images ? end - b : w.images;
        for (int64_t i = 0; i < n; i++)
            with_border(&w.p, b + i, x, room + i * w.p.bordered);
        for (int64_t block = 0; block < w.blocks; block++, beta = 1.0f) {
            tiles_of(&w, block, n, &now);
            int64_t k_tiles = (now.n + 3) / 4 * 4;
            spread_inputs(&w, &now, room, w.at_once, in);
            spread_outputs(s, &now, b, line, end_line, out);
            for (int64_t k = 0; k < POSITIONS; k++)
                mtl_sgemm(false, true, n_lines, n_in, k_tiles, 1.0f, out + k * step_out, w.at_once, in + k * step_in,
                          w.at_once, NULL, beta, NULL, part + (k * s->lines + line) * channels + channel, channels);
        }
    }
}

/* dw of windows [first, end) from the sum of the parts: G'u G */
static void gather_weight(const summing *s, const float *parts, int64_t first, int64_t end, float *dw)
{
    int64_t windows = s->lines * s->w.p.c.in_channels;
    for (int64_t at = first; at < end; at++) {
        float u[4][4], half[3][4];
        FOR (k, POSITIONS) {
            u[k / 4][k % 4] = 0.0f;
            for (int64_t chunk = 0; chunk < s->chunks; chunk++)
                u[k / 4][k % 4] += parts[(chunk * POSITIONS + k) * windows + at];
        }
        FOR (j, 4) {
            float sum = 0.5f * (u[1][j] + u[2][j]);
            half[0][j] = u[0][j] + sum, half[1][j] = 0.5f * (u[1][j] - u[2][j]), half[2][j] = sum + u[3][j];
        }
        FOR (i, 3) {
            float sum = 0.5f * (half[i][1] + half[i][2]), *to = dw + at * 9 + i * 3;
            to[0] = half[i][0] + sum, to[1] = 0.5f * (half[i][1] - half[i][2]), to[2] = sum + half[i][3];
        }
    }
}

mtl_status mtl_winograd_sums(const plan *of, int64_t rows, const mtl_tensor *like, const float *x, const float *dy,
                             float *dw)
{
    summing s = {.w = tiling_of(of, AT_ONCE_SUM), .lines = rows * of->c.out_channels, .x = x, .dy = dy};
    const plan *p = &s.w.p;
    const mtl_conv *c = &p->c;
    mtl_tensor *room = NULL;
    int64_t windows = s.lines * c->in_channels, blocks = 1;
    while (blocks < SHARES && windows * 9 / BLOCK >= 2 * blocks)
        blocks *= 2;
    s.line_blocks = blocks >= 16 ? 4 : blocks >= 4 ? 2 : 1;
    s.in_blocks = blocks / s.line_blocks;
    s.chunks = SHARES / blocks < c->batch ? SHARES / blocks : c->batch;
    int64_t most_in = (c->in_channels + s.in_blocks - 1) / s.in_blocks;
    int64_t most_lines = (s.lines + s.line_blocks - 1) / s.line_blocks;
    int64_t each = s.w.images * most_in * p->high * p->wide +
                   POSITIONS * (apart(most_in * s.w.at_once) + apart(most_lines * s.w.at_once));
    int64_t items = s.chunks * blocks, part = POSITIONS * windows;
    int threads = MTL_CPU_THREADS(like->ctx, items);
    int64_t floats = s.chunks * part + threads * each;
    MTL_TRY(mtl_tensor_like(like, MTL_F32, 1, &floats, &room));
    float *parts = mtl_f32(room), *own = parts + s.chunks * part;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        for (int64_t item = items * t / threads; item < items * (t + 1) / threads; item++)
            sum_images(&s, item / blocks, item % s.in_blocks, item % blocks / s.in_blocks, own + t * each,
                       parts + item / blocks * part);
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t line = 0; line < s.lines; line++)
        gather_weight(&s, parts, line * c->in_channels, (line + 1) * c->in_channels, dw);
    mtl_tensor_release(room);
    return MTL_OK;
}

/* Batch norm over [B, C, inner], layer and group norm, and dropout's mask. Channels, or lines, are split over threads:
   their sums are one thread's, in double. With inner = 1 a tile of neighbouring channels goes through the batch
   together. */
#include <math.h>

#include "cpu/cpu.h"

enum { TILE = 32, LANES = 16 };

typedef struct {
    int64_t batch, channels, inner;
} extent;

/* Blocks of channels: whole tiles where channels are neighbours in memory. */
static int64_t tiles_of(const extent *e)
{
    return e->inner == 1 ? (e->channels + TILE - 1) / TILE : e->channels;
}

static int64_t tile(const extent *e, int64_t i, int64_t *first)
{
    int64_t left;
    if (e->inner != 1) {
        *first = i;
        return 1;
    }
    *first = i * TILE;
    left = e->channels - *first;
    return left < TILE ? left : TILE;
}

static int threads_for(const mtl_context *ctx, const extent *e, int64_t blocks)
{
    return e->batch * e->channels * e->inner < MTL_CPU_GRAIN ? 1 : MTL_CPU_THREADS(ctx, blocks);
}

/* sum += (x - mean)^power over the batch, for `width` channels from `first` */
static void moments(const extent *e, int64_t first, int64_t width, int power, const float *x, const double *mean,
                    double *sum)
{
    for (int64_t b = 0; b < e->batch; b++) {
        const float *at = x + (b * e->channels + first) * e->inner;
        if (e->inner == 1) {
#pragma omp simd
            for (int64_t c = 0; c < width; c++)
                sum[c] += power == 1 ? at[c] : (at[c] - mean[c]) * (at[c] - mean[c]);
            continue;
        }
        double part = 0, centre = *mean;
        if (power == 1) {
#pragma omp simd reduction(+ : part)
            for (int64_t i = 0; i < e->inner; i++)
                part += at[i];
        } else {
#pragma omp simd reduction(+ : part)
            for (int64_t i = 0; i < e->inner; i++)
                part += (at[i] - centre) * (at[i] - centre);
        }
        *sum += part;
    }
}

static mtl_status norm_stats(bool training, int64_t batch, int64_t channels, int64_t inner, double momentum, double eps,
                             const mtl_tensor *x, mtl_tensor *running_mean, mtl_tensor *running_var, mtl_tensor *mean,
                             mtl_tensor *inv)
{
    extent e = {batch, channels, inner};
    int64_t tiles = tiles_of(&e);
    double n = (double)(batch * inner);
    const float *from = mtl_f32(x);
    float *to_mean = mtl_f32(mean), *to_inv = mtl_f32(inv);
    float *run_mean = running_mean ? mtl_f32(running_mean) : NULL;
    float *run_var = running_var ? mtl_f32(running_var) : NULL;
    if (!training) {
        for (int64_t c = 0; c < channels; c++) {
            to_mean[c] = run_mean[c];
            to_inv[c] = (float)(1.0 / sqrt(run_var[c] + eps));
        }
        return MTL_OK;
    }
#pragma omp parallel for schedule(static) num_threads(threads_for(x->ctx, &e, tiles))
    for (int64_t t = 0; t < tiles; t++) {
        double centre[TILE] = {0}, spread[TILE] = {0};
        int64_t first, width = tile(&e, t, &first);
        moments(&e, first, width, 1, from, centre, centre);
        for (int64_t c = 0; c < width; c++)
            centre[c] /= n;
        moments(&e, first, width, 2, from, centre, spread);
        for (int64_t c = 0; c < width; c++) {
            to_mean[first + c] = (float)centre[c];
            to_inv[first + c] = (float)(1.0 / sqrt(spread[c] / n + eps));
            if (!run_mean)
                continue;
            run_mean[first + c] = (float)((1 - momentum) * run_mean[first + c] + momentum * centre[c]);
            run_var[first + c] = (float)((1 - momentum) * run_var[first + c] + momentum * spread[c] / (n - 1));
        }
    }
    return MTL_OK;
}

static mtl_status norm_apply(int64_t batch, int64_t channels, int64_t inner, const mtl_tensor *x,
                             const mtl_tensor *mean, const mtl_tensor *inv, const mtl_tensor *w, const mtl_tensor *b,
                             mtl_tensor *y)
{
    int64_t runs = inner == 1 ? batch : batch * channels;
    int64_t blocks = batch * channels * inner / MTL_CPU_GRAIN;
    const float *from = mtl_f32(x), *centre = mtl_f32(mean), *scale = mtl_f32(inv);
    const float *weight = w ? mtl_f32(w) : NULL, *bias = b ? mtl_f32(b) : NULL;
    float *to = mtl_f32(y);
    blocks = blocks < 1 ? 1 : blocks < runs ? blocks : runs;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, blocks))
    for (int64_t block = 0; block < blocks; block++) {
        int64_t run, end;
        mtl_block(runs, blocks, block, &run, &end);
        for (; run < end; run++) {
            if (inner == 1) {
                const float *in = from + run * channels;
                float *out = to + run * channels;
#pragma omp simd
                for (int64_t c = 0; c < channels; c++)
                    out[c] = (in[c] - centre[c]) * (scale[c] * (weight ? weight[c] : 1.0f)) + (bias ? bias[c] : 0.0f);
                continue;
            }
            int64_t c = run % channels;
            const float *in = from + run * inner;
            float *out = to + run * inner, m = centre[c], s = scale[c] * (weight ? weight[c] : 1.0f);
            float shift = bias ? bias[c] : 0.0f;
#pragma omp simd
            for (int64_t i = 0; i < inner; i++)
                out[i] = (in[i] - m) * s + shift;
        }
    }
    return MTL_OK;
}

/* Of `width` channels: sum of dy, and of dy times the normalised x. */
static void grad_sums(const extent *e, int64_t first, int64_t width, const float *x, const float *mean,
                      const float *inv, const float *dy, double *sum, double *along)
{
    for (int64_t b = 0; b < e->batch; b++) {
        int64_t at = (b * e->channels + first) * e->inner;
        if (e->inner == 1) {
#pragma omp simd
            for (int64_t c = 0; c < width; c++) {
                sum[c] += dy[at + c];
                along[c] += dy[at + c] * ((x[at + c] - mean[c]) * inv[c]);
            }
            continue;
        }
        double s = 0, a = 0;
        float m = *mean, scale = *inv;
#pragma omp simd reduction(+ : s, a)
        for (int64_t i = 0; i < e->inner; i++) {
            s += dy[at + i];
            a += dy[at + i] * ((x[at + i] - m) * scale);
        }
        *sum += s;
        *along += a;
    }
}

/* dx = f (dy - level - slope xhat), one of each a channel; level and slope are 0 where the statistics are constants */
static void grad_x(const extent *e, int64_t first, int64_t width, const float *x, const float *mean, const float *inv,
                   const float *factor, const float *level, const float *slope, const float *dy, float *dx)
{
    for (int64_t b = 0; b < e->batch; b++) {
        int64_t at = (b * e->channels + first) * e->inner;
        if (e->inner == 1) {
#pragma omp simd
            for (int64_t c = 0; c < width; c++)
                dx[at + c] = factor[c] * (dy[at + c] - level[c] - slope[c] * ((x[at + c] - mean[c]) * inv[c]));
            continue;
        }
        float m = *mean, scale = *inv, f = *factor, l = *level, s = *slope;
#pragma omp simd
        for (int64_t i = 0; i < e->inner; i++)
            dx[at + i] = f * (dy[at + i] - l - s * ((x[at + i] - m) * scale));
    }
}

static mtl_status norm_grad(bool training, int64_t rows, int64_t batch, int64_t channels, int64_t inner,
                            const mtl_tensor *x, const mtl_tensor *mean, const mtl_tensor *inv, const mtl_tensor *w,
                            const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db)
{
    extent e = {batch, channels, inner};
    int64_t tiles = tiles_of(&e), each = batch * channels * inner;
    const float *from = mtl_f32(x), *m = mtl_f32(mean), *s = mtl_f32(inv), *weight = w ? mtl_f32(w) : NULL;
    const float *give = mtl_f32(dy);
    float *to = dx ? mtl_f32(dx) : NULL, *to_w = dw ? mtl_f32(dw) : NULL, *to_b = db ? mtl_f32(db) : NULL;
#pragma omp parallel for schedule(static) num_threads(threads_for(x->ctx, &e, rows *tiles))
    for (int64_t job = 0; job < rows * tiles; job++) {
        double sum[TILE] = {0}, along[TILE] = {0};
        float factor[TILE], level[TILE], slope[TILE];
        int64_t first, row = job / tiles, width = tile(&e, job % tiles, &first);
        if (training || to_w || to_b)
            grad_sums(&e, first, width, from, m + first, s + first, give + row * each, sum, along);
        for (int64_t c = 0; c < width; c++) {
            if (to_w)
                to_w[row * channels + first + c] = (float)along[c];
            if (to_b)
                to_b[row * channels + first + c] = (float)sum[c];
            factor[c] = s[first + c] * (weight ? weight[first + c] : 1.0f);
            level[c] = training ? (float)(sum[c] / (double)(batch * inner)) : 0.0f;
            slope[c] = training ? (float)(along[c] / (double)(batch * inner)) : 0.0f;
        }
        if (to)
            grad_x(&e, first, width, from, m + first, s + first, factor, level, slope, give + row * each,
                   to + row * each);
    }
    return MTL_OK;
}

/* ---- layer and group norm: lines [each, inner] with statistics of their own ---- */

typedef struct {
    int64_t lines, groups, each, inner, n; /* n: elements of a line */
} fabric;

static fabric fabric_of(const int64_t *extent)
{
    return (fabric){extent[0] * extent[1], extent[1], extent[2], extent[3], extent[2] * extent[3]};
}

static double line_moment(const float *x, int64_t n, int power, double centre)
{
    double sum = 0;
    if (power == 1) {
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++)
            sum += x[i];
    } else {
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++)
            sum += (x[i] - centre) * (x[i] - centre);
    }
    return n ? sum / (double)n : 0;
}

/* y = (x - mean) inv w + b; w and b, of one line, may be NULL */
static void line_apply(const fabric *f, const float *restrict x, float mean, float inv, const float *w, const float *b,
                       float *restrict y)
{
    if (f->inner == 1) {
#pragma omp simd
        for (int64_t i = 0; i < f->n; i++)
            y[i] = (x[i] - mean) * inv * (w ? w[i] : 1.0f) + (b ? b[i] : 0.0f);
        return;
    }
    for (int64_t c = 0; c < f->each; c++) {
        float scale = inv * (w ? w[c] : 1.0f), shift = b ? b[c] : 0.0f;
#pragma omp simd
        for (int64_t i = c * f->inner; i < (c + 1) * f->inner; i++)
            y[i] = (x[i] - mean) * scale + shift;
    }
}

static mtl_status line_norm(const int64_t *extent, double eps, const mtl_tensor *x, const mtl_tensor *w,
                            const mtl_tensor *b, mtl_tensor *mean, mtl_tensor *inv, mtl_tensor *y)
{
    fabric f = fabric_of(extent);
    const float *from = mtl_f32(x), *weight = w ? mtl_f32(w) : NULL, *bias = b ? mtl_f32(b) : NULL;
    float *to_mean = mtl_f32(mean), *to_inv = mtl_f32(inv), *to = mtl_f32(y);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, f.lines *f.n / MTL_CPU_GRAIN))
    for (int64_t line = 0; line < f.lines; line++) {
        const float *own = from + line * f.n;
        int64_t first = line % f.groups * f.each;
        double centre = line_moment(own, f.n, 1, 0);
        to_mean[line] = (float)centre;
        to_inv[line] = (float)(1.0 / sqrt(line_moment(own, f.n, 2, centre) + eps));
        line_apply(&f, own, to_mean[line], to_inv[line], weight ? weight + first : NULL, bias ? bias + first : NULL,
                   to + line * f.n);
    }
    return MTL_OK;
}

/* dx = inv (g - mean of g - xhat mean of (g xhat)), g = dy w */
static void line_grad_x(const fabric *f, const float *restrict x, float mean, float inv, const float *w,
                        const float *restrict dy, float *restrict dx)
{
    double sum = 0, along = 0;
    for (int64_t c = 0; c < f->n; c += f->inner) { /* a stretch of one weight, or the whole line */
        int64_t width = f->inner == 1 ? f->n : f->inner;
        const float *weight = w ? w + (f->inner == 1 ? 0 : c / f->inner) : NULL;
        int64_t step = f->inner == 1;
        double s = 0, a = 0;
#pragma omp simd reduction(+ : s, a)
        for (int64_t i = 0; i < width; i++) {
            float g = dy[c + i] * (weight ? weight[i * step] : 1.0f);
            s += g;
            a += g * ((x[c + i] - mean) * inv);
            dx[c + i] = g;
        }
        sum += s;
        along += a;
        if (f->inner == 1)
            break;
    }
    float level = (float)(sum / (double)f->n), slope = (float)(along / (double)f->n);
#pragma omp simd
    for (int64_t i = 0; i < f->n; i++)
        dx[i] = inv * (dx[i] - level - slope * ((x[i] - mean) * inv));
}

/* Of channels first .. first + width - 1 (one, unless inner is 1) of all lines: sums of dy, and of dy xhat. */
static void line_grad_sums(const fabric *f, int64_t first, int64_t width, const float *x, const float *mean,
                           const float *inv, const float *dy, double *sum, double *along)
{
    for (int64_t line = first / f->each; line < f->lines; line += f->groups) {
        int64_t at = line * f->n + first % f->each * f->inner;
        float m = mean[line], scale = inv[line];
        if (f->inner == 1) {
#pragma omp simd
            for (int64_t c = 0; c < width; c++) {
                sum[c] += dy[at + c];
                along[c] += dy[at + c] * ((x[at + c] - m) * scale);
            }
            continue;
        }
        double s = 0, a = 0;
#pragma omp simd reduction(+ : s, a)
        for (int64_t i = 0; i < f->inner; i++) {
            s += dy[at + i];
            a += dy[at + i] * ((x[at + i] - m) * scale);
        }
        *sum += s;
        *along += a;
    }
}

static mtl_status line_norm_grad(int64_t rows, const int64_t *extent, const mtl_tensor *x, const mtl_tensor *mean,
                                 const mtl_tensor *inv, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx,
                                 mtl_tensor *dw, mtl_tensor *db)
{
    fabric f = fabric_of(extent);
    const float *from = mtl_f32(x), *m = mtl_f32(mean), *s = mtl_f32(inv), *give = mtl_f32(dy);
    const float *weight = w ? mtl_f32(w) : NULL;
    float *to = dx ? mtl_f32(dx) : NULL, *to_w = dw ? mtl_f32(dw) : NULL, *to_b = db ? mtl_f32(db) : NULL;
    /* a tile lies within one group, so that its channels are neighbours */
    int64_t wide = f.inner == 1 ? TILE : 1, tiles = (f.each + wide - 1) / wide, channels = f.groups * f.each;
    int64_t grains = rows * f.lines * f.n / MTL_CPU_GRAIN;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, grains))
    for (int64_t job = 0; job < (to ? rows * f.lines : 0); job++) {
        int64_t line = job % f.lines;
        line_grad_x(&f, from + line * f.n, m[line], s[line], weight ? weight + line % f.groups * f.each : NULL,
                    give + job * f.n, to + job * f.n);
    }
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, grains))
    for (int64_t job = 0; job < (to_w || to_b ? rows * f.groups * tiles : 0); job++) {
        double sum[TILE] = {0}, along[TILE] = {0};
        int64_t row = job / (f.groups * tiles), place = job % tiles * wide, left = f.each - place;
        int64_t first = job / tiles % f.groups * f.each + place, width = left < wide ? left : wide;
        line_grad_sums(&f, first, width, from, m, s, give + row * f.lines * f.n, sum, along);
        for (int64_t c = 0; c < width; c++) {
            if (to_w)
                to_w[row * channels + first + c] = (float)along[c];
            if (to_b)
                to_b[row * channels + first + c] = (float)sum[c];
        }
    }
    return MTL_OK;
}

/* Philox4x32-10 as in base/random.c, for LANES counters side by side: word k of counter i in out[k][i]. */
static void philox_lanes(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4][LANES])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int i = 0; i < LANES; i++) {
        out[0][i] = (uint32_t)(counter + (uint64_t)i);
        out[1][i] = (uint32_t)((counter + (uint64_t)i) >> 32);
        out[2][i] = (uint32_t)stream;
        out[3][i] = (uint32_t)(stream >> 32);
    }
    for (int round = 0; round < 10; round++) {
#pragma omp simd
        for (int i = 0; i < LANES; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * out[0][i], p1 = (uint64_t)0xCD9E8D57u * out[2][i];
            out[0][i] = (uint32_t)(p1 >> 32) ^ out[1][i] ^ k0;
            out[2][i] = (uint32_t)(p0 >> 32) ^ out[3][i] ^ k1;
            out[1][i] = (uint32_t)p1;
            out[3][i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

static mtl_status dropout_mask(double p, uint64_t seed, uint64_t stream, uint64_t first, mtl_tensor *mask)
{
    enum { STRIDE = 4 * LANES };
    int64_t n = mask->count, chunks = (n + STRIDE - 1) / STRIDE, blocks = n / MTL_CPU_GRAIN;
    double bound = ceil(p * 0x1p32); /* the first word that keeps; 2^32, which is none, when p is 1 */
    uint32_t least = bound < 0x1p32 ? (uint32_t)bound : 0;
    float *to = mtl_f32(mask), kept = bound < 0x1p32 ? (float)(1.0 / (1.0 - p)) : 0.0f;
    blocks = blocks < 1 ? 1 : blocks;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(mask->ctx, blocks))
    for (int64_t b = 0; b < blocks; b++) {
        int64_t chunk, end;
        mtl_block(chunks, blocks, b, &chunk, &end);
        for (; chunk < end; chunk++) {
            uint32_t words[4][LANES];
            float values[STRIDE];
            int64_t at = chunk * STRIDE, left = n - at < STRIDE ? n - at : STRIDE;
            philox_lanes(seed, stream, first + (uint64_t)chunk * LANES, words);
            for (int i = 0; i < LANES; i++) {
                for (int k = 0; k < 4; k++)
                    values[4 * i + k] = words[k][i] >= least ? kept : 0.0f;
            }
            for (int64_t i = 0; i < left; i++)
                to[at + i] = values[i];
        }
    }
    return MTL_OK;
}

void MTL_CPU(norm)(mtl_backend *table)
{
    table->norm_stats = norm_stats;
    table->norm_apply = norm_apply;
    table->norm_grad = norm_grad;
    table->line_norm = line_norm;
    table->line_norm_grad = line_norm_grad;
    table->dropout_mask = dropout_mask;
}

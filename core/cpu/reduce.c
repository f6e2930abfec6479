/* Reductions over [outer, n, inner], sorting, sums of squares. Sums run in a fixed order: floats over short stretches,
   then doubles; long ones in parts that the shape decides. NaN wins every comparison. */
#include <stdlib.h>

#include "cpu/cpu.h"
#include "cpu/math.h"

enum { TILE = 256, LANES = 16, STRETCH = 512, MAX_PARTS = 16, STACKED = 16 };

/* ---- sums ---- */

/* Of n elements side by side. */
static double sum_line(const float *x, int64_t n)
{
    double total = 0;
    if (n < LANES) {
        for (int64_t i = 0; i < n; i++)
            total += x[i];
        return total;
    }
    for (int64_t begin = 0; begin < n; begin += STRETCH) {
        int64_t end = begin + STRETCH < n ? begin + STRETCH : n, i = begin;
        float lane[LANES] = {0};
        for (; i + LANES <= end; i += LANES) {
            for (int l = 0; l < LANES; l++)
                lane[l] += x[i + l];
        }
        for (int l = 0; i < end; i++, l++)
            lane[l] += x[i];
        for (int l = 0; l < LANES; l++)
            total += lane[l];
    }
    return total;
}

/* Of `width` columns over n rows that lie `inner` apart. */
static void sum_columns(const float *x, int64_t n, int64_t inner, int64_t width, double *total)
{
    for (int64_t i = 0; i < width; i++)
        total[i] = 0;
    for (int64_t begin = 0; begin < n; begin += STACKED) {
        int64_t end = begin + STACKED < n ? begin + STACKED : n;
        float part[TILE] = {0};
        for (int64_t j = begin; j < end; j++) {
            const float *row = x + j * inner;
            for (int64_t i = 0; i < width; i++)
                part[i] += row[i];
        }
        for (int64_t i = 0; i < width; i++)
            total[i] += part[i];
    }
}

typedef struct {
    int kind;
    int64_t outer, n, inner;
    int64_t tiles, parts; /* of inner and of n */
    const float *x;
    void *y;
    double *partial; /* [outer, parts, inner] where parts > 1 */
} job;

static int64_t tile_width(const job *j, int64_t tile)
{
    int64_t left = j->inner - tile * TILE;
    return left < TILE ? left : TILE;
}

/* Item (o, part, tile) */
static void sum_item(const job *j, int64_t item)
{
    int64_t tile = item % j->tiles, part = item / j->tiles % j->parts, o = item / j->tiles / j->parts;
    int64_t begin, end, width = tile_width(j, tile);
    double total[TILE];
    mtl_block(j->n, j->parts, part, &begin, &end);
    const float *x = j->x + (o * j->n + begin) * j->inner + tile * TILE;
    if (j->inner == 1)
        total[0] = sum_line(x, end - begin);
    else
        sum_columns(x, end - begin, j->inner, width, total);
    if (j->parts > 1) {
        double *to = j->partial + (o * j->parts + part) * j->inner + tile * TILE;
        for (int64_t i = 0; i < width; i++)
            to[i] = total[i];
        return;
    }
    float *y = (float *)j->y + o * j->inner + tile * TILE;
    double n = j->kind == MTL_REDUCE_MEAN ? (double)j->n : 1.0;
    for (int64_t i = 0; i < width; i++)
        y[i] = (float)(total[i] / n);
}

static void sum_partial(const job *j)
{
    double n = j->kind == MTL_REDUCE_MEAN ? (double)j->n : 1.0;
    for (int64_t o = 0; o < j->outer; o++) {
        for (int64_t i = 0; i < j->inner; i++) {
            double total = 0;
            for (int64_t part = 0; part < j->parts; part++)
                total += j->partial[(o * j->parts + part) * j->inner + i];
            ((float *)j->y)[o * j->inner + i] = (float)(total / n);
        }
    }
}

/* ---- extremes ---- */

/* `sign` turns a minimum into a maximum. */
static inline float larger(float best, float x, float sign)
{
    return ((sign * x > sign * best) | (x != x)) ? x : best;
}

static inline void extreme_item(const job *j, int64_t item, float sign)
{
    int64_t tile = item % j->tiles, o = item / j->tiles, width = tile_width(j, tile);
    const float *x = j->x + o * j->n * j->inner + tile * TILE;
    float *y = (float *)j->y + o * j->inner + tile * TILE;
    if (j->inner > 1) {
        float best[TILE];
        for (int64_t i = 0; i < width; i++)
            best[i] = x[i];
        for (int64_t k = 1; k < j->n; k++) {
            const float *row = x + k * j->inner;
            for (int64_t i = 0; i < width; i++)
                best[i] = larger(best[i], row[i], sign);
        }
        for (int64_t i = 0; i < width; i++)
            y[i] = best[i];
        return;
    }
    float lane[LANES], best = x[0];
    int64_t k = 0;
    for (int l = 0; l < LANES; l++)
        lane[l] = x[0];
    for (; k + LANES <= j->n; k += LANES) {
        for (int l = 0; l < LANES; l++)
            lane[l] = larger(lane[l], x[k + l], sign);
    }
    for (int l = 0; l < LANES; l++)
        best = larger(best, lane[l], sign);
    for (; k < j->n; k++)
        best = larger(best, x[k], sign);
    y[0] = best;
}

/* The first of equals; the first NaN where there is one. */
static inline void place_item(const job *j, int64_t item, float sign)
{
    int64_t tile = item % j->tiles, o = item / j->tiles, width = tile_width(j, tile);
    const float *x = j->x + o * j->n * j->inner + tile * TILE;
    int32_t *y = (int32_t *)j->y + o * j->inner + tile * TILE, at[TILE];
    float best[TILE];
    if (j->inner == 1) {
        int64_t place = 0;
        for (int64_t k = 1; k < j->n && x[place] == x[place]; k++)
            place = sign * x[k] > sign * x[place] || x[k] != x[k] ? k : place;
        y[0] = (int32_t)place;
        return;
    }
    for (int64_t i = 0; i < width; i++) {
        best[i] = x[i];
        at[i] = 0;
    }
    for (int64_t k = 1; k < j->n; k++) {
        const float *row = x + k * j->inner;
        for (int64_t i = 0; i < width; i++) {
            int better = (sign * row[i] > sign * best[i]) | ((row[i] != row[i]) & (best[i] == best[i]));
            best[i] = better ? row[i] : best[i];
            at[i] = better ? (int32_t)k : at[i];
        }
    }
    for (int64_t i = 0; i < width; i++)
        y[i] = at[i];
}

static void run_item(const job *j, int64_t item)
{
    switch (j->kind) {
    case MTL_REDUCE_MAX:
        extreme_item(j, item, 1.0f);
        break;
    case MTL_REDUCE_MIN:
        extreme_item(j, item, -1.0f);
        break;
    case MTL_REDUCE_ARGMAX:
        place_item(j, item, 1.0f);
        break;
    case MTL_REDUCE_ARGMIN:
        place_item(j, item, -1.0f);
        break;
    default:
        sum_item(j, item);
    }
}

static mtl_status reduce(int kind, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y)
{
    bool sum = kind == MTL_REDUCE_SUM || kind == MTL_REDUCE_MEAN;
    job j = {kind, outer, n, inner, (inner + TILE - 1) / TILE, 1, mtl_f32(x), mtl_u8(y), NULL};
    int64_t lanes = outer * j.tiles, grains = outer * n * inner / MTL_CPU_GRAIN;
    if (sum && lanes > 0 && lanes < MAX_PARTS && grains >= 2 * lanes) {
        j.parts = grains / lanes < MAX_PARTS ? grains / lanes : MAX_PARTS;
        j.partial = malloc((size_t)(outer * j.parts * inner) * sizeof *j.partial);
        if (!j.partial)
            return mtl_fail(x->ctx, MTL_ERR_MEMORY, "no host memory left");
    }
    int64_t items = lanes * j.parts;
    MTL_CPU_FOR(i, items, MTL_CPU_THREADS(x->ctx, grains), run_item(&j, i));
    if (j.parts > 1)
        sum_partial(&j);
    free(j.partial);
    return MTL_OK;
}

static double squares(const float *x, int64_t n)
{
    double lane[LANES] = {0}, total = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int l = 0; l < LANES; l++)
            lane[l] += (double)x[i + l] * (double)x[i + l];
    }
    for (int l = 0; i < n; i++, l++)
        lane[l] += (double)x[i] * (double)x[i];
    for (int l = 0; l < LANES; l++)
        total += lane[l];
    return total;
}

static mtl_status sum_squares(const mtl_tensor *x, int64_t offset, int64_t n, bool more, mtl_tensor *to)
{
    enum { PARTS = 64 };
    double part[PARTS], total = more ? mtl_cpu_squares(to) : 0;
    int64_t parts = n / MTL_CPU_GRAIN;
    parts = parts < 1 ? 1 : parts > PARTS ? PARTS : parts;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, parts))
    for (int64_t i = 0; i < parts; i++) {
        int64_t begin, end;
        mtl_block(n, parts, i, &begin, &end);
        part[i] = squares(mtl_f32(x) + offset + begin, end - begin);
    }
    for (int64_t i = 0; i < parts; i++)
        total += part[i];
    memcpy(to->storage->data, &total, sizeof total);
    return MTL_OK;
}

static mtl_status cumsum(bool reverse, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y)
{
    int64_t tiles = (inner + TILE - 1) / TILE, step = reverse ? -inner : inner;
    int64_t start = reverse && n > 0 ? (n - 1) * inner : 0;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, outer *n *inner / MTL_CPU_GRAIN))
    for (int64_t item = 0; item < outer * tiles; item++) {
        int64_t tile = item % tiles, width = inner - tile * TILE < TILE ? inner - tile * TILE : TILE;
        int64_t at = item / tiles * n * inner + tile * TILE + start;
        double sum[TILE] = {0};
        for (int64_t j = 0; j < n; j++, at += step) {
            for (int64_t i = 0; i < width; i++) {
                sum[i] += mtl_f32(x)[at + i];
                mtl_f32(y)[at + i] = (float)sum[i];
            }
        }
    }
    return MTL_OK;
}

/* ---- sorting ---- */

/* Unsigned numbers in the order of the floats; -0 equals 0, NaN is last. Below it, the index: no two keys are equal,
   so any sort of them is stable. */
static uint64_t sort_key(float x, bool descending, int64_t i)
{
    uint32_t u = mtl_float_bits(x);
    u = x == 0.0f ? 0x80000000u : u >> 31 ? ~u : u | 0x80000000u;
    u = x != x ? 0xffffffffu : u;
    return (uint64_t)(descending ? ~u : u) << 32 | (uint32_t)i;
}

static void insertion_sort(uint64_t *key, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        uint64_t k = key[i];
        int64_t at = i;
        for (; at > 0 && key[at - 1] > k; at--)
            key[at] = key[at - 1];
        key[at] = k;
    }
}

/* By the four bytes of the number, lowest first; the indices are in order already. `spare` has n places. */
static void radix_sort(uint64_t *key, uint64_t *spare, int64_t n)
{
    for (int shift = 32; shift < 64; shift += 8) {
        int64_t place[256] = {0}, at = 0;
        for (int64_t i = 0; i < n; i++)
            place[key[i] >> shift & 255]++;
        for (int b = 0; b < 256; b++) {
            int64_t count = place[b];
            place[b] = at;
            at += count;
        }
        for (int64_t i = 0; i < n; i++)
            spare[place[key[i] >> shift & 255]++] = key[i];
        uint64_t *other = key;
        key = spare;
        spare = other;
    }
}

static mtl_status sort(bool descending, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x,
                       mtl_tensor *values, mtl_tensor *indices)
{
    int64_t lines = outer * inner, blocks = lines * n / MTL_CPU_GRAIN;
    bool failed = false;
    blocks = blocks < 1 ? 1 : blocks > 64 ? 64 : blocks;
    blocks = blocks > lines ? lines : blocks;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, blocks))
    for (int64_t block = 0; block < blocks; block++) {
        int64_t begin, end;
        mtl_block(lines, blocks, block, &begin, &end);
        uint64_t *key = malloc((size_t)(2 * n + 1) * sizeof *key);
        if (!key) {
#pragma omp atomic write
            failed = true;
            continue;
        }
        for (int64_t line = begin; line < end; line++) {
            int64_t first = line / inner * n * inner + line % inner;
            const float *from = mtl_f32(x) + first;
            float *to = mtl_f32(values) + first;
            int32_t *order = mtl_i32(indices) + first;
            for (int64_t i = 0; i < n; i++)
                key[i] = sort_key(from[i * inner], descending, i);
            if (n <= 64)
                insertion_sort(key, n);
            else
                radix_sort(key, key + n, n);
            for (int64_t i = 0; i < n; i++) {
                int64_t at = (int64_t)(key[i] & 0xffffffffu);
                to[i * inner] = from[at * inner];
                order[i * inner] = (int32_t)at;
            }
        }
        free(key);
    }
    return failed ? mtl_fail(x->ctx, MTL_ERR_MEMORY, "no host memory left") : MTL_OK;
}

void MTL_CPU(reduce)(mtl_backend *table)
{
    table->reduce = reduce;
    table->cumsum = cumsum;
    table->sort = sort;
    table->sum_squares = sum_squares;
}

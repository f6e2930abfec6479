/* Max and average pooling: each plane [H, W] by itself, planes over threads. A NaN in a window is its maximum. */
#include <math.h>

#include "cpu/cpu.h"
#include "cpu/vec.h"

typedef struct { /* a window, clipped to the image */
    int64_t y0, y1, x0, x1;
} area;

static area area_of(const mtl_conv *c, int64_t oy, int64_t ox)
{
    int64_t y = oy * c->stride_h - c->pad_h, x = ox * c->stride_w - c->pad_w;
    return (area){y < 0 ? 0 : y, y + c->kernel_h < c->height ? y + c->kernel_h : c->height, x < 0 ? 0 : x,
                  x + c->kernel_w < c->width ? x + c->kernel_w : c->width};
}

static bool halves(const mtl_conv *c) /* the common 2 x 2 windows side by side */
{
    return c->kernel_h == 2 && c->kernel_w == 2 && c->stride_h == 2 && c->stride_w == 2 && c->pad_h == 0 &&
           c->pad_w == 0;
}

static int threads_for(const mtl_tensor *t, const mtl_conv *c, int64_t planes)
{
    return planes * c->height * c->width < MTL_CPU_GRAIN ? 1 : MTL_CPU_THREADS(t->ctx, planes);
}

INLINE vec either(ints take, vec yes, vec no)
{
    return (vec)((take & (ints)yes) | (~take & (ints)no));
}

/* Two lines of x, `n` wide: the larger of each column and its place; the upper one of equals. */
static void max_of_lines(const float *x, int64_t width, int64_t n, int32_t place, float *best, int32_t *at)
{
    ints step, down = (ints){0} + (int32_t)width;
    for (int i = 0; i < LANES; i++)
        step[i] = place + i;
    for (int64_t j = 0; j < n; j += LANES, step += LANES) { /* the last vector's excess is overwritten, or slack */
        vec top = n - j < LANES ? load_part(x + j, n - j) : *(const vec *)(x + j);
        vec low = n - j < LANES ? load_part(x + width + j, n - j) : *(const vec *)(x + width + j);
        ints take = (ints)(low > top) | (ints)(low != low);
        *(vec *)(best + j) = either(take, low, top);
        *(ints *)(at + j) = step + (take & down);
    }
}

#if defined(__AVX512F__)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(a, b)  __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#elif defined(__AVX2__)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(a, b)  __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#else
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODD(a, b)  __builtin_shufflevector(a, b, 1, 3, 5, 7)
#endif

/* The larger of each pair, of equals the one that comes first in the image; n results. */
static void max_of_pairs(const float *best, const int32_t *at, int64_t n, float *y, int32_t *index)
{
    for (int64_t j = 0; j < n; j += LANES) {
        vec a0 = *(const vec *)(best + 2 * j), a1 = *(const vec *)(best + 2 * j + LANES);
        ints i0 = *(const ints *)(at + 2 * j), i1 = *(const ints *)(at + 2 * j + LANES);
        vec left = EVEN(a0, a1), right = ODD(a0, a1);
        ints first = EVEN(i0, i1), second = ODD(i0, i1);
        ints take = (ints)(right > left) | (ints)(right != right) | ((ints)(right == left) & (ints)(second < first));
        left = either(take, right, left);
        right = either(take, (vec)second, (vec)first);
        if (n - j >= LANES) {
            *(vec *)(y + j) = left;
            *(vec *)(index + j) = right;
        } else {
            store_part(y + j, left, n - j);
            store_part((float *)(index + j), right, n - j);
        }
    }
}

/* 2 x 2 windows: some lines of the image at a time, so that narrow ones fill vectors too. */
static void max_halves(const mtl_conv *c, const float *x, float *y, int32_t *index)
{
    enum { ROOM = 2048 };
    float best[ROOM + 2 * LANES];
    int32_t at[ROOM + 2 * LANES];
    int64_t lines = ROOM / (2 * c->out_w), n;
    if (lines == 0) { /* wide ones in parts */
        for (int64_t oy = 0; oy < c->out_h; oy++) {
            for (int64_t ox = 0; ox < c->out_w; ox += n) {
                int64_t place = 2 * oy * c->width + 2 * ox;
                n = c->out_w - ox < ROOM / 2 ? c->out_w - ox : ROOM / 2;
                max_of_lines(x + place, c->width, 2 * n, (int32_t)place, best, at);
                max_of_pairs(best, at, n, y + oy * c->out_w + ox, index + oy * c->out_w + ox);
            }
        }
        return;
    }
    for (int64_t oy = 0; oy < c->out_h; oy += n) {
        n = c->out_h - oy < lines ? c->out_h - oy : lines;
        for (int64_t i = 0; i < n; i++) {
            int64_t place = 2 * (oy + i) * c->width, to = 2 * i * c->out_w;
            max_of_lines(x + place, c->width, 2 * c->out_w, (int32_t)place, best + to, at + to);
        }
        max_of_pairs(best, at, n * c->out_w, y + oy * c->out_w, index + oy * c->out_w);
    }
}

static void max_plane(const mtl_conv *c, const float *x, float *y, int32_t *index)
{
    for (int64_t oy = 0; oy < c->out_h; oy++) {
        for (int64_t ox = 0; ox < c->out_w; ox++) {
            area w = area_of(c, oy, ox);
            float best = -INFINITY;
            int64_t which = w.y0 * c->width + w.x0;
            for (int64_t i = w.y0; i < w.y1; i++) {
                for (int64_t j = w.x0; j < w.x1; j++) {
                    float v = x[i * c->width + j];
                    if (v > best || v != v) {
                        best = v;
                        which = i * c->width + j;
                    }
                }
            }
            y[oy * c->out_w + ox] = best;
            index[oy * c->out_w + ox] = (int32_t)which;
        }
    }
}

static mtl_status max_pool2d(const mtl_conv *c, const mtl_tensor *x, mtl_tensor *y, mtl_tensor *index)
{
    int64_t planes = c->batch * c->in_channels, in = c->height * c->width, out = c->out_h * c->out_w;
    const float *from = mtl_f32(x);
    float *to = mtl_f32(y);
    int32_t *at = mtl_i32(index);
#pragma omp parallel for schedule(static) num_threads(threads_for(x, c, planes))
    for (int64_t p = 0; p < planes; p++)
        (halves(c) ? max_halves : max_plane)(c, from + p * in, to + p * out, at + p * out);
    return MTL_OK;
}

#if defined(__AVX512F__)
#define ZIP_LOW(a, b)  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif defined(__AVX2__)
#define ZIP_LOW(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define ZIP_LOW(a, b)  __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

/* dx of LANES windows of 2 x 2 side by side, whose places in the image are `at`, relative to where each begins. */
INLINE void spread(ints at, int64_t width, vec dy, float *dx)
{
    ints up_left = at == 0, up_right = at == 1, left = at == (int32_t)width, right = at == (int32_t)width + 1;
    vec even = (vec)(up_left & (ints)dy), odd = (vec)(up_right & (ints)dy);
    vec low_even = (vec)(left & (ints)dy), low_odd = (vec)(right & (ints)dy);
    *(vec *)dx = ZIP_LOW(even, odd);
    *(vec *)(dx + LANES) = ZIP_HIGH(even, odd);
    *(vec *)(dx + width) = ZIP_LOW(low_even, low_odd);
    *(vec *)(dx + width + LANES) = ZIP_HIGH(low_even, low_odd);
}

/* 2 x 2 windows: every pixel is written, so that nothing has to be cleared first. */
static void halves_grad(const mtl_conv *c, const int32_t *index, const float *dy, float *dx)
{
    int64_t width = c->width, n = c->out_w;
    ints begin = {0};
    for (int i = 0; i < LANES; i++)
        begin[i] = 2 * i;
    for (int64_t oy = 0; oy < c->out_h; oy++, index += n, dy += n) {
        float *top = dx + 2 * oy * width, *bottom = top + width;
        int64_t j = 0;
        for (; j + LANES <= n; j += LANES)
            spread(*(const ints *)(index + j) - begin - (int32_t)(2 * (oy * width + j)), width, *(const vec *)(dy + j),
                   top + 2 * j);
        for (; j < n; j++) {
            top[2 * j] = top[2 * j + 1] = bottom[2 * j] = bottom[2 * j + 1] = 0.0f;
            dx[index[j]] = dy[j];
        }
        if (width > 2 * n)
            top[2 * n] = bottom[2 * n] = 0.0f;
    }
    memset(dx + 2 * c->out_h * width, 0, (size_t)((c->height - 2 * c->out_h) * width) * sizeof *dx);
}

static void max_plane_grad(const mtl_conv *c, const int32_t *index, const float *dy, float *dx)
{
    memset(dx, 0, (size_t)(c->height * c->width) * sizeof *dx);
    for (int64_t i = 0; i < c->out_h * c->out_w; i++)
        dx[index[i]] += dy[i];
}

static mtl_status max_pool2d_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *index, const mtl_tensor *dy,
                                  mtl_tensor *dx)
{
    int64_t planes = c->batch * c->in_channels, in = c->height * c->width, out = c->out_h * c->out_w;
    const float *from = mtl_f32(dy);
    const int32_t *at = mtl_i32(index);
    float *to = mtl_f32(dx);
#pragma omp parallel for schedule(static) num_threads(threads_for(dx, c, rows *planes))
    for (int64_t p = 0; p < rows * planes; p++)
        (halves(c) ? halves_grad : max_plane_grad)(c, at + p % planes * out, from + p * out, to + p * in);
    return MTL_OK;
}

static mtl_status avg_pool2d(const mtl_conv *c, const mtl_tensor *x, mtl_tensor *y)
{
    int64_t planes = c->batch * c->in_channels;
    const float *from = mtl_f32(x), share = 1.0f / (float)(c->kernel_h * c->kernel_w);
    float *to = mtl_f32(y);
#pragma omp parallel for schedule(static) num_threads(threads_for(x, c, planes))
    for (int64_t p = 0; p < planes; p++) {
        const float *in = from + p * c->height * c->width;
        float *out = to + p * c->out_h * c->out_w;
        for (int64_t oy = 0; oy < c->out_h; oy++) {
            for (int64_t ox = 0; ox < c->out_w; ox++) {
                area w = area_of(c, oy, ox);
                float sum = 0.0f;
                for (int64_t i = w.y0; i < w.y1; i++) {
                    for (int64_t j = w.x0; j < w.x1; j++)
                        sum += in[i * c->width + j];
                }
                out[oy * c->out_w + ox] = sum * share;
            }
        }
    }
    return MTL_OK;
}

static mtl_status avg_pool2d_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *dy, mtl_tensor *dx)
{
    int64_t planes = rows * c->batch * c->in_channels;
    const float *from = mtl_f32(dy), share = 1.0f / (float)(c->kernel_h * c->kernel_w);
    float *to = mtl_f32(dx);
#pragma omp parallel for schedule(static) num_threads(threads_for(dx, c, planes))
    for (int64_t p = 0; p < planes; p++) {
        const float *in = from + p * c->out_h * c->out_w;
        float *out = to + p * c->height * c->width;
        memset(out, 0, (size_t)(c->height * c->width) * sizeof *out);
        for (int64_t oy = 0; oy < c->out_h; oy++) {
            for (int64_t ox = 0; ox < c->out_w; ox++) {
                area w = area_of(c, oy, ox);
                float v = in[oy * c->out_w + ox] * share;
                for (int64_t i = w.y0; i < w.y1; i++) {
                    for (int64_t j = w.x0; j < w.x1; j++)
                        out[i * c->width + j] += v;
                }
            }
        }
    }
    return MTL_OK;
}

void MTL_CPU(pool)(mtl_backend *table)
{
    table->max_pool2d = max_pool2d;
    table->max_pool2d_grad = max_pool2d_grad;
    table->avg_pool2d = avg_pool2d;
    table->avg_pool2d_grad = avg_pool2d_grad;
}

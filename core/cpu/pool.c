/* Max and average pooling: each plane [H, W] by itself, planes over threads. A NaN in a window is its maximum. */
#include <math.h>
#include <string.h>

#include "cpu/cpu.h"

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

static void max_halves(const mtl_conv *c, const float *x, float *y, int32_t *index)
{
    for (int64_t oy = 0; oy < c->out_h; oy++) {
        const float *top = x + 2 * oy * c->width, *low = top + c->width;
        int32_t place = (int32_t)(2 * oy * c->width), wide = (int32_t)c->width;
        float *out = y + oy * c->out_w;
        int32_t *at = index + oy * c->out_w;
#pragma omp simd
        for (int64_t j = 0; j < c->out_w; j++) {
            float best = top[2 * j], b = top[2 * j + 1], d = low[2 * j], e = low[2 * j + 1];
            int32_t which = place + 2 * (int32_t)j, first = which;
            which = b > best || b != b ? first + 1 : which;
            best = b > best || b != b ? b : best;
            which = d > best || d != d ? first + wide : which;
            best = d > best || d != d ? d : best;
            which = e > best || e != e ? first + wide + 1 : which;
            best = e > best || e != e ? e : best;
            out[j] = best;
            at[j] = which;
        }
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

static void max_halves_grad(const mtl_conv *c, const int32_t *index, const float *dy, float *dx)
{
    for (int64_t oy = 0; oy < c->out_h; oy++) {
        float *top = dx + 2 * oy * c->width, *low = top + c->width;
        int32_t place = (int32_t)(2 * oy * c->width), wide = (int32_t)c->width;
        const float *from = dy + oy * c->out_w;
        const int32_t *at = index + oy * c->out_w;
#pragma omp simd
        for (int64_t j = 0; j < c->out_w; j++) {
            int32_t which = at[j] - place - 2 * (int32_t)j;
            top[2 * j] = which == 0 ? from[j] : 0.0f;
            top[2 * j + 1] = which == 1 ? from[j] : 0.0f;
            low[2 * j] = which == wide ? from[j] : 0.0f;
            low[2 * j + 1] = which == wide + 1 ? from[j] : 0.0f;
        }
        for (int64_t j = 2 * c->out_w; j < c->width; j++) /* an odd width's last column is in no window */
            top[j] = low[j] = 0.0f;
    }
    if (c->height > 2 * c->out_h)
        memset(dx + 2 * c->out_h * c->width, 0, (size_t)c->width * sizeof *dx);
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
        (halves(c) ? max_halves_grad : max_plane_grad)(c, at + p % planes * out, from + p * out, to + p * in);
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

/* Convolution for GPUs where each group has one input channel. Options: KH, KW (kernel), SH, SW (stride); INDEX, uint
   where all elements can be counted with it, else ulong. */
#define TAPS (KH * KW)

#define KIND FORWARD
#include "opencl/kernels/shape.h"

/* One work-item an element of y [batch, groups out_channels, out_h, out_w]. */
__kernel void forward(__global const float *restrict x, const long x_at, __global const float *restrict w,
                      const long w_at, __global const float *bias, const long bias_at, __global float *restrict y,
                      const long y_at, const long count, const int rows, const shape g)
{
    const INDEX e = (INDEX)get_global_id(0);
    if (get_global_id(0) >= count)
        return;
    const int pixel = (int)(e % (INDEX)(g.out_h * g.out_w)), oy = pixel / g.out_w, ox = pixel % g.out_w;
    const INDEX plane = e / (INDEX)(g.out_h * g.out_w);
    const int o = (int)(plane % (INDEX)(g.groups * g.out_channels));
    const long from = plane / (INDEX)g.out_channels; /* image and channel */
    float sum = bias ? bias[bias_at + o] : 0.0f;
    x += x_at + from * g.height * g.width;
    w += w_at + (long)o * TAPS;
    for (int i = 0; i < KH; i++) {
        const int iy = oy * SH - g.pad_h + i * g.dilation_h;
        for (int j = 0; j < KW; j++) {
            const int ix = ox * SW - g.pad_w + j * g.dilation_w;
            if ((uint)iy < (uint)g.height && (uint)ix < (uint)g.width)
                sum = fma(w[i * KW + j], x[iy * g.width + ix], sum);
        }
    }
    y[y_at + e] = sum;
}

/* One work-item an element of dx [rows batch, groups, height, width]. */
__kernel void input(__global const float *restrict dy, const long dy_at, __global const float *restrict w,
                    const long w_at, __global const float *bias, const long bias_at, __global float *restrict dx,
                    const long dx_at, const long count, const int rows, const shape g)
{
    const INDEX e = (INDEX)get_global_id(0);
    if (get_global_id(0) >= count)
        return;
    const int pixel = (int)(e % (INDEX)(g.height * g.width)), y = pixel / g.width + g.pad_h, x = pixel % g.width + g.pad_w;
    const INDEX plane = e / (INDEX)(g.height * g.width); /* image and group */
    float sum = 0.0f;
    dy += dy_at + (long)plane * g.out_channels * g.out_h * g.out_w;
    w += w_at + (long)(plane % (INDEX)g.groups) * g.out_channels * TAPS;
    for (int o = 0; o < g.out_channels; o++, dy += g.out_h * g.out_w, w += TAPS) {
        for (int i = 0; i < KH; i++) {
            const int down = y - i * g.dilation_h;
            for (int j = 0; j < KW; j++) {
                const int along = x - j * g.dilation_w;
                if (down >= 0 && along >= 0 && down % SH == 0 && along % SW == 0 && down / SH < g.out_h &&
                    along / SW < g.out_w)
                    sum = fma(w[i * KW + j], dy[down / SH * g.out_w + along / SW], sum);
            }
        }
    }
    dx[dx_at + e] = sum;
}

/* One group of 256 an element of dw [rows, groups out_channels, taps]. */
__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void
weight(__global const float *restrict x, const long x_at, __global const float *restrict dy, const long dy_at,
       __global const float *bias, const long bias_at, __global float *restrict dw, const long dw_at, const long count,
       const int rows, const shape g)
{
    __local float room[256];
    const long e = get_group_id(0);
    const int tap = (int)(e % TAPS), all = g.groups * g.out_channels, o = (int)(e / TAPS % all), row = (int)(e / TAPS / all);
    const int down = tap / KW * g.dilation_h - g.pad_h, along = tap % KW * g.dilation_w - g.pad_w;
    const int pixels = g.out_h * g.out_w;
    float sum = 0.0f;
    for (int at = (int)get_local_id(0); at < g.batch * pixels; at += 256) {
        const int image = at / pixels, pixel = at % pixels;
        const int y = pixel / g.out_w * SH + down, x_ = pixel % g.out_w * SW + along;
        if ((uint)y < (uint)g.height && (uint)x_ < (uint)g.width)
            sum = fma(dy[dy_at + (((long)row * g.batch + image) * all + o) * pixels + pixel],
                      x[x_at + ((long)image * g.groups + o / g.out_channels) * g.height * g.width + y * g.width + x_],
                      sum);
    }
    sum = group_sum(sum, room);
    if (get_local_id(0) == 0)
        dw[dw_at + e] = sum;
}

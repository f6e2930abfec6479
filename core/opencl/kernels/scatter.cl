/* dx of a convolution for devices that are CPUs, where that takes fewer multiplications than a product: each element of
   dy that is not zero adds its multiple of the weight's lines to dx. `shifts` neighbours of a line of dy go together,
   since their windows fit into 8 lanes; of the weight there is a copy for each of them, moved to where its window is,
   with zeros beside it: an infinity of dy reaches those lanes too. `lines`: the weight's for a pixel of dy, channels
   times kernel_h, in whole blocks. */
#define KIND FORWARD
#include "opencl/kernels/shape.h"
enum { SUMS = 10, LINES = 1024, LIST = 512 }; /* the first two as in conv.c */

/* copies [groups, lines / SUMS, shifts, out, SUMS, 8] of w [groups, out, channels, kernel_h, kernel_w] */
__kernel void spread(__global const float *restrict w, const long w_at, __global float *restrict copies,
                     const long copies_at, const int count, const int shifts, const int lines, const shape g)
{
    const int e = (int)get_global_id(0);
    if (e >= count)
        return;
    const int o = e / (8 * SUMS) % g.out_channels, shift = e / (8 * SUMS) / g.out_channels % shifts;
    const int block = e / (8 * SUMS) / g.out_channels / shifts, group = block / (lines / SUMS);
    const int line = block % (lines / SUMS) * SUMS + e / 8 % SUMS, tap = e % 8 - shift * g.stride_w;
    const bool is = line < g.channels * g.kernel_h && tap >= 0 && tap < g.kernel_w;
    const int from = ((group * g.out_channels + o) * g.channels * g.kernel_h + line) * g.kernel_w + tap;
    copies[copies_at + e] = is ? w[w_at + from] : 0.0f;
}

/* dx [images, groups, channels, height, width], padding included, from dy [images, groups, out, out_h, out_w]; a
   work-item makes one group of one image. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
scatter(__global const float *restrict copies, const long copies_at, __global const float *restrict dy,
        const long dy_at, __global float *restrict dx, const long dx_at, const int shifts, const int lines,
        const shape g)
{
    float value[LIST];
    int place[LIST], corner[LINES];
    const int group = (int)get_global_id(1), pixels = g.out_h * g.out_w, size = g.channels * g.height * g.width;
    const int some = LIST / shifts, each = shifts * g.out_channels * SUMS * 8;
    const long item = get_global_id(0) * get_global_size(1) + group;
    copies += copies_at + (long)group * (lines / SUMS) * each;
    dy += dy_at + item * g.out_channels * pixels;
    dx += dx_at + item * size;
    for (int i = 0; i < size; i++)
        dx[i] = 0.0f;
    for (int v = 0; v < g.channels * g.kernel_h; v++)
        corner[v] = (v / g.kernel_h * g.height + v % g.kernel_h) * g.width;
    for (int y = 0; y < g.out_h; y++) {
        for (int x = 0; x < g.out_w; x += shifts) {
            const int beside = min(shifts, g.out_w - x), origin = y * g.stride_h * g.width + x * g.stride_w;
            for (int first = 0; first < g.out_channels; first += some) {
                int n = 0;
                for (int o = first; o < min(g.out_channels, first + some); o++) {
                    for (int s = 0; s < beside; s++) {
                        value[n] = dy[o * pixels + y * g.out_w + x + s];
                        place[n] = (s * g.out_channels + o) * SUMS * 8;
                        n += value[n] != 0.0f;
                    }
                }
                for (int v = 0; v < lines && n > 0; v += SUMS) {
                    __global const float *from = copies + v / SUMS * each;
                    float8 sum[SUMS];
                    _Pragma("unroll") for (int l = 0; l < SUMS; l++) sum[l] = (float8)(0.0f);
                    for (int i = 0; i < n; i++) {
                        const float8 u = (float8)(value[i]);
                        _Pragma("unroll") for (int l = 0; l < SUMS; l++) sum[l] =
                            fma(u, vload8(l, from + place[i]), sum[l]);
                    }
                    for (int l = 0; l < SUMS && v + l < g.channels * g.kernel_h; l++) {
                        const int to = origin + corner[v + l];
                        if (to + 8 <= size) {
                            vstore8(vload8(0, dx + to) + sum[l], 0, dx + to);
                            continue;
                        }
                        float lane[8];
                        vstore8(sum[l], 0, lane);
                        for (int i = 0; to + i < size; i++)
                            dx[to + i] += lane[i];
                    }
                }
            }
        }
    }
}

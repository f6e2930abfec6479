/* What convolutions need beside the products of gemm.cl and panel.cl. */

/* Images with room around them, or without their rim: y [planes, out_h, out_w] has pixel (i, j) of x [planes, height,
   width] at (i + top, j + left), where that is inside, and zeros elsewhere. */
__kernel void expand(__global const float *restrict x, const long x_at, __global float *restrict y, const long y_at,
                     const int height, const int width, const int out_h, const int out_w, const int top, const int left)
{
    const int row = (int)get_global_id(0), i = row - top;
    const long plane = get_global_id(1);
    if (row >= out_h)
        return;
    __global float *to = y + y_at + (plane * out_h + row) * out_w;
    const int begin = i < 0 || i >= height ? out_w : clamp(left, 0, out_w), end = max(begin, min(out_w, width + left));
    __global const float *from = x + x_at + (plane * height + (begin < out_w ? i : 0)) * width;
    for (int at = 0; at < begin; at++)
        to[at] = 0.0f;
    for (int at = begin; at < end; at++)
        to[at] = from[at - left];
    for (int at = end; at < out_w; at++)
        to[at] = 0.0f;
}

/* Taps of the weight [groups, out, in, kernel_h, kernel_w], of each side first, first + step ..., turned about:
   [groups, in, out, taps_h, taps_w], the taps in opposite order. */
__kernel void turn(__global const float *restrict w, const long w_at, __global float *restrict y, const long y_at,
                   const long count, const int in, const int out, const int kernel_h, const int kernel_w,
                   const int first_h, const int step_h, const int taps_h, const int first_w, const int step_w,
                   const int taps_w)
{
    const long e = get_global_id(0);
    if (e >= count)
        return;
    const int along = taps_w - 1 - (int)(e % taps_w), down = taps_h - 1 - (int)(e / taps_w % taps_h);
    const long rest = e / (taps_h * taps_w), group = rest / out / in;
    const int o = (int)(rest % out), i = (int)(rest / out % in);
    y[y_at + e] = w[w_at + (((group * out + o) * in + i) * kernel_h + first_h + down * step_h) * kernel_w + first_w +
                    along * step_w];
}

/* dw [rows, groups, out, patch] and db [rows, groups, out] (either NULL) from parts [pieces, groups, ...] that lie
   [rows out, patch + 1] (turned: [patch + 1, rows out]); added to what is there with `more`. `columns`: what a line
   holds, with db's. */
__kernel void sum_weight(__global const float *restrict parts, const long parts_at, __global float *restrict dw,
                         const long dw_at, __global float *restrict db, const long db_at, const int pieces,
                         const int groups, const int rows, const int out, const int patch, const int columns,
                         const int turned, const int more)
{
    const long e = get_global_id(0), lines = (long)rows * out, all = groups * lines * columns;
    if (e >= all)
        return;
    const int column = (int)(e % columns), line = (int)(e / columns % lines), group = (int)(e / columns / lines);
    const long at = group * lines * columns + (turned ? column * lines + line : (long)line * columns + column);
    const long to = ((long)(line / out) * groups + group) * out + line % out;
    float sum = 0.0f;
    parts += parts_at;
    for (int piece = 0; piece < pieces; piece++)
        sum += parts[piece * all + at];
    if (column < patch) {
        if (dw)
            dw[dw_at + to * patch + column] = more ? dw[dw_at + to * patch + column] + sum : sum;
    } else if (db) {
        db[db_at + to] = more ? db[db_at + to] + sum : sum;
    }
}

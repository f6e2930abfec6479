/* What convolutions need beside the products of gemm.cl and panel.cl. */

/* Images with room around and between their pixels: y [planes, out_h, out_w] has pixel (i, j) of x [planes, height,
   width] at (i step_h + top, j step_w + left), where that is inside, and zeros elsewhere. */
__kernel void expand(__global const float *restrict x, const long x_at, __global float *restrict y, const long y_at,
                     const int height, const int width, const int out_h, const int out_w, const int top, const int left,
                     const int step_h, const int step_w)
{
    const int row = (int)get_global_id(0);
    const long plane = get_global_id(1);
    if (row >= out_h)
        return;
    __global float *to = y + y_at + (plane * out_h + row) * out_w;
    const int i = (row - top) / step_h, shift = row - top;
    if (shift < 0 || shift % step_h != 0 || i >= height) {
        for (int at = 0; at < out_w; at++)
            to[at] = 0.0f;
        return;
    }
    __global const float *from = x + x_at + (plane * height + i) * width;
    if (step_w == 1) {
        const int begin = max(left, 0), end = max(begin, min(out_w, width + left));
        for (int at = 0; at < begin && at < out_w; at++)
            to[at] = 0.0f;
        for (int at = begin; at < end; at++)
            to[at] = from[at - left];
        for (int at = end; at < out_w; at++)
            to[at] = 0.0f;
        return;
    }
    for (int at = 0; at < out_w; at++)
        to[at] = 0.0f;
    for (int j = 0; j < width; j++) {
        const int at = j * step_w + left;
        if (at >= 0 && at < out_w)
            to[at] = from[j];
    }
}

/* The weight [groups, out, in, taps] turned about: [groups, in, out, taps in opposite order]. */
__kernel void turn(__global const float *restrict w, const long w_at, __global float *restrict y, const long y_at,
                   const int in, const int out, const int taps, const long count)
{
    const long e = get_global_id(0);
    if (e >= count)
        return;
    const int tap = (int)(e % taps), o = (int)(e / taps % out), i = (int)(e / taps / out % in);
    const long group = e / taps / out / in;
    y[y_at + e] = w[w_at + ((group * out + o) * in + i) * taps + taps - 1 - tap];
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

/* Pooling, forward and back: one work-item an element of the result, which gathers what it needs; going
   forward, `run` of one line on a CPU.
   Options: INDEX, uint where all elements can be counted with it, else ulong; KH, KW: the size of small windows, so
   that those that lie inside the image are written out. */
typedef struct { /* as mtl_cl_window of pool.c; out_h, out_w of the smaller image */
    int height, width, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
} window;

/* The pixels (i, j) of a window: lines y0 .. y1 - 1, columns x0 .. x1 - 1. */
#define OVER(body)                                                                                                     \
    for (int i = y0; i < y1; i++) {                                                                                    \
        for (int j = x0; j < x1; j++) {                                                                                \
            body                                                                                                       \
        }                                                                                                              \
    }
#ifdef KH
#define EACH_OF_WINDOW(body)                                                                                           \
    if (y1 - y0 == KH && x1 - x0 == KW) {                                                                              \
        _Pragma("unroll") for (int down = 0; down < KH; down++)                                                        \
        {                                                                                                              \
            _Pragma("unroll") for (int along = 0; along < KW; along++)                                                 \
            {                                                                                                          \
                const int i = y0 + down, j = x0 + along;                                                               \
                body                                                                                                   \
            }                                                                                                          \
        }                                                                                                              \
    } else {                                                                                                           \
        OVER(body)                                                                                                     \
    }
#else
#define EACH_OF_WINDOW(body) OVER(body)
#endif

#if defined(MTL_CPU) && defined(KH)
/* x[0], x[step] ... of n neighbours; lanes too many repeat the last. `along`: so many elements before x may be read. */
static float8 apart(__global const float *x, const int step, const int n, const int along)
{
    const int e = n - 1;
    if (n == 8 && step == 1)
        return vload8(0, x);
    if (n == 8 && step == 2 && KW > 1) /* nothing behind the last one is read */
        return along ? vload16(0, x - 1).odd : vload16(0, x).even;
    return (float8)(x[0], x[min(1, e) * step], x[min(2, e) * step], x[min(3, e) * step], x[min(4, e) * step],
                    x[min(5, e) * step], x[min(6, e) * step], x[min(7, e) * step]);
}

/* The maxima of n <= 8 neighbouring windows inside the image, the first of which begins at x[from], and their places.
 */
static void max_of(__global const float *x, const int from, const int width, const int step, const int n,
                   __global float *y, __global int *index)
{
    const int8 first = from + step * (int8)(0, 1, 2, 3, 4, 5, 6, 7);
    float8 best = apart(x + from, step, n, 0);
    int8 which = first;
    float value[8];
    int place[8];
    _Pragma("unroll") for (int down = 0; down < KH; down++)
    {
        _Pragma("unroll") for (int along = 0; along < KW; along++)
        {
            const float8 v = apart(x + from + down * width + along, step, n, along);
            const int8 more = (v > best) | isnan(v);
            best = select(best, v, more);
            which = select(which, first + (down * width + along), more);
        }
    }
    if (n == 8) {
        vstore8(best, 0, y);
        vstore8(which, 0, index);
        return;
    }
    vstore8(best, 0, value);
    vstore8(which, 0, place);
    for (int l = 0; l < n; l++) {
        y[l] = value[l];
        index[l] = place[l];
    }
}
#endif

/* A NaN is the maximum of its window; of equals the first. */
__kernel void max_pool(__global const float *restrict x, const long x_at, __global float *restrict y, const long y_at,
                       __global int *restrict index, const long index_at, const long items, const int run,
                       const window g)
{
    const INDEX e = (INDEX)get_global_id(0) * (INDEX)run;
    if (get_global_id(0) >= items)
        return;
    const int pixel = (int)(e % (INDEX)(g.out_h * g.out_w)), first = pixel % g.out_w;
    const int top = pixel / g.out_w * g.stride_h - g.pad_h, y0 = max(top, 0), y1 = min(top + g.kernel_h, g.height);
    x += x_at + (long)(e / (INDEX)(g.out_h * g.out_w)) * g.height * g.width;
    for (int r = 0; r < run; r++) {
        const int left = (first + r) * g.stride_w - g.pad_w, x0 = max(left, 0), x1 = min(left + g.kernel_w, g.width);
#if defined(MTL_CPU) && defined(KH)
        const int n = left < 0 ? 0 : min(min(8, run - r), (g.width - KW - left) / g.stride_w + 1);
        if (y1 - y0 == KH && n > 0 && left + KW <= g.width) {
            max_of(x, y0 * g.width + left, g.width, g.stride_w, n, y + y_at + e + r, index + index_at + e + r);
            r += n - 1;
            continue;
        }
#endif
        float best = -INFINITY;
        int which = y0 * g.width + x0;
        EACH_OF_WINDOW(const float v = x[i * g.width + j]; const bool more = v > best || v != v; best = more ? v : best;
                       which = more ? i * g.width + j : which;)
        y[y_at + e + r] = best;
        index[index_at + e + r] = which;
    }
}

/* Outputs whose windows hold line (or column) i: first .. last. */
static int first_of(const int i, const int kernel_size, const int stride, const int pad)
{
    return i + pad < kernel_size ? 0 : (i + pad - kernel_size) / stride + 1;
}
static int last_of(const int i, const int stride, const int pad, const int out)
{
    return min((i + pad) / stride, out - 1);
}

/* One work-item a plane, for CPUs: nothing is searched. */
__kernel void max_pool_grad_plane(__global const int *restrict index, const long index_at,
                                  __global const float *restrict dy, const long dy_at, __global float *restrict dx,
                                  const long dx_at, const long count, const long planes, const window g)
{
    const long plane = get_global_id(0), size = (long)g.height * g.width, out = (long)g.out_h * g.out_w;
    if (plane * size >= count)
        return;
    index += index_at + plane % planes * out;
    dy += dy_at + plane * out;
    dx += dx_at + plane * size;
    for (long i = 0; i < size; i++)
        dx[i] = 0.0f;
    for (long i = 0; i < out; i++)
        dx[index[i]] += dy[i];
}

/* dx [rows planes, height, width]; index is one row's */
__kernel void max_pool_grad(__global const int *restrict index, const long index_at, __global const float *restrict dy,
                            const long dy_at, __global float *restrict dx, const long dx_at, const long count,
                            const long planes, const window g)
{
    const INDEX e = (INDEX)get_global_id(0);
    if (get_global_id(0) >= count)
        return;
    const int place = (int)(e % (INDEX)(g.height * g.width)), i = place / g.width, j = place % g.width;
    const INDEX plane = e / (INDEX)(g.height * g.width);
    const int y1 = last_of(i, g.stride_h, g.pad_h, g.out_h), x1 = last_of(j, g.stride_w, g.pad_w, g.out_w);
    const int x0 = first_of(j, g.kernel_w, g.stride_w, g.pad_w);
    float sum = 0.0f;
    index += index_at + (long)(plane % (INDEX)planes) * g.out_h * g.out_w;
    dy += dy_at + (long)plane * g.out_h * g.out_w;
    for (int oy = first_of(i, g.kernel_h, g.stride_h, g.pad_h); oy <= y1; oy++) {
        for (int ox = x0; ox <= x1; ox++)
            sum += index[oy * g.out_w + ox] == place ? dy[oy * g.out_w + ox] : 0.0f;
    }
    dx[dx_at + e] = sum;
}

__kernel void avg_pool(__global const float *restrict x, const long x_at, __global float *restrict y, const long y_at,
                       const long items, const int run, const window g)
{
    const INDEX e = (INDEX)get_global_id(0) * (INDEX)run;
    if (get_global_id(0) >= items)
        return;
    const int pixel = (int)(e % (INDEX)(g.out_h * g.out_w)), first = pixel % g.out_w;
    const int top = pixel / g.out_w * g.stride_h - g.pad_h, y0 = max(top, 0), y1 = min(top + g.kernel_h, g.height);
    x += x_at + (long)(e / (INDEX)(g.out_h * g.out_w)) * g.height * g.width;
    for (int r = 0; r < run; r++) {
        const int left = (first + r) * g.stride_w - g.pad_w, x0 = max(left, 0), x1 = min(left + g.kernel_w, g.width);
        float sum = 0.0f;
        EACH_OF_WINDOW(sum += x[i * g.width + j];)
        y[y_at + e + r] = sum * (1.0f / (float)(g.kernel_h * g.kernel_w));
    }
}

__kernel void avg_pool_grad(__global const float *restrict dy, const long dy_at, __global float *restrict dx,
                            const long dx_at, const long count, const window g)
{
    const INDEX e = (INDEX)get_global_id(0);
    if (get_global_id(0) >= count)
        return;
    const int place = (int)(e % (INDEX)(g.height * g.width)), i = place / g.width, j = place % g.width;
    const int y1 = last_of(i, g.stride_h, g.pad_h, g.out_h), x1 = last_of(j, g.stride_w, g.pad_w, g.out_w);
    const int x0 = first_of(j, g.kernel_w, g.stride_w, g.pad_w);
    float sum = 0.0f;
    dy += dy_at + (long)(e / (INDEX)(g.height * g.width)) * g.out_h * g.out_w;
    for (int oy = first_of(i, g.kernel_h, g.stride_h, g.pad_h); oy <= y1; oy++) {
        for (int ox = x0; ox <= x1; ox++)
            sum += dy[oy * g.out_w + ox];
    }
    dx[dx_at + e] = sum * (1.0f / (float)(g.kernel_h * g.kernel_w));
}

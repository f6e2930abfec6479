/* Convolution where each group has one input channel. A plane is laid out with its border, and each line by the phases
   of the stride: columns x of one x % stride_w are neighbours. Then every tap of the kernel meets neighbours. */
#include "cpu/conv.h"

enum { TALL = 4 }; /* output lines, or taps, at once */

typedef struct {
    const mtl_conv *c;
    int64_t many, taps, pixels; /* output channels of each input channel; kh kw; oh ow */
    int64_t phases;             /* those that a tap meets */
    int64_t pitch, line, plane; /* floats of a phase of a line, of a line, and of a plane with slack for a vector */
    const int64_t *places;      /* of each tap, seen from the first output pixel */
} layout;

static layout layout_of(const mtl_conv *c)
{
    int64_t extent = (c->kernel_w - 1) * c->dilation_w + 1;
    layout l = {.c = c,
                .many = c->out_channels / c->groups,
                .taps = c->kernel_h * c->kernel_w,
                .pixels = c->out_h * c->out_w,
                .phases = extent < c->stride_w ? extent : c->stride_w,
                .pitch = (c->width + 2 * c->pad_w + c->stride_w - 1) / c->stride_w};
    l.line = l.phases * l.pitch;
    l.plane = (c->height + 2 * c->pad_h) * l.line + LANES;
    return l;
}

/* The taps' places, and `floats` zeros for each of the threads that the work deserves. */
static mtl_status start(layout *l, const mtl_tensor *like, int64_t items, int64_t rows, int64_t floats, int *threads,
                        mtl_tensor **map, mtl_tensor **room)
{
    const mtl_conv *c = l->c;
    double work = (double)rows * (double)c->batch * (double)(c->out_channels * l->pixels) * (double)l->taps;
    *threads = work < 100000.0 ? 1 : MTL_CPU_THREADS(like->ctx, items);
    MTL_TRY(mtl_tensor_like(like, MTL_I32, 2, (int64_t[]){2, l->taps}, map)); /* room for so many of 64 bits */
    MTL_TRY(mtl_tensor_like(like, MTL_F32, 2, (int64_t[]){*threads, floats}, room));
    memset(mtl_f32(*room), 0, mtl_tensor_bytes(*room));
    int64_t *places = (int64_t *)mtl_i32(*map);
    for (int64_t k = 0; k < l->taps; k++) {
        int64_t y = k / c->kernel_w * c->dilation_h, x = k % c->kernel_w * c->dilation_w;
        places[k] = y * l->line + x % c->stride_w * l->pitch + x / c->stride_w;
    }
    l->places = places;
    return MTL_OK;
}

/* One plane of x into its layout, whose border is zero, or back; the stride and which of both the compiler knows.
   Pixels that no tap meets are left alone. */
INLINE void lay_by(int64_t stride, bool back, const layout *l, float *x, float *plane)
{
    const mtl_conv *c = l->c;
    for (int64_t phase = 0; phase < l->phases; phase++) {
        int64_t skip = (phase + stride - c->pad_w % stride) % stride; /* the first column of it */
        int64_t n = skip < c->width ? (c->width - skip + stride - 1) / stride : 0;
        float *at = plane + c->pad_h * l->line + phase * l->pitch + (skip + c->pad_w) / stride, *pixel = x + skip;
        for (int64_t y = 0; y < c->height; y++, at += l->line, pixel += c->width) {
#pragma omp simd
            for (int64_t i = 0; i < n; i++) {
                if (back)
                    pixel[i * stride] = at[i];
                else
                    at[i] = pixel[i * stride];
            }
        }
    }
}

INLINE void lay(const layout *l, bool back, float *x, float *plane)
{
    if (l->c->stride_w == 1)
        lay_by(1, back, l, x, plane);
    else if (l->c->stride_w == 2)
        lay_by(2, back, l, x, plane);
    else
        lay_by(l->c->stride_w, back, l, x, plane);
}

/* `lines` output lines, known to the compiler, from line oy on */
INLINE void forward_lines(int lines, const layout *l, const float *weight, float bias, const float *plane, int64_t oy,
                          float *y)
{
    const mtl_conv *c = l->c;
    const int64_t down = c->stride_h * l->line;
    plane += oy * down;
    y += oy * c->out_w;
    for (int64_t ox = 0; ox < c->out_w; ox += LANES) {
        vec sum[TALL];
        FOR (i, lines)
            sum[i] = (vec){0} + bias;
        for (int64_t k = 0; k < l->taps; k++) {
            const float *from = plane + l->places[k] + ox;
            FOR (i, lines)
                sum[i] += weight[k] * *(const vec *)(from + i * down);
        }
        FOR (i, lines) {
            if (c->out_w - ox >= LANES)
                *(vec *)(y + i * c->out_w + ox) = sum[i];
            else
                store_part(y + i * c->out_w + ox, sum[i], c->out_w - ox);
        }
    }
}

mtl_status mtl_depthwise(const mtl_conv *c, const mtl_tensor *x, const float *weight, const float *bias, mtl_tensor *y)
{
    layout l = layout_of(c);
    mtl_tensor *map = NULL, *room = NULL;
    float *from = mtl_f32(x), *to = mtl_f32(y);
    int64_t items = c->batch * c->groups, size = c->height * c->width;
    int threads;
    mtl_status status = start(&l, x, items, 1, l.plane, &threads, &map, &room);
    if (status != MTL_OK)
        goto done;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        float *plane = mtl_f32(room) + t * l.plane;
        for (int64_t item = items * t / threads; item < items * (t + 1) / threads; item++) {
            lay(&l, false, from + item * size, plane);
            for (int64_t o = item % c->groups * l.many, end = o + l.many; o < end; o++) {
                float *out = to + (item / c->groups * c->out_channels + o) * l.pixels, add = bias ? bias[o] : 0.0f;
                int64_t oy = 0;
                for (; oy + TALL <= c->out_h; oy += TALL)
                    forward_lines(TALL, &l, weight + o * l.taps, add, plane, oy, out);
                for (; oy < c->out_h; oy++)
                    forward_lines(1, &l, weight + o * l.taps, add, plane, oy, out);
            }
        }
    }
done:
    mtl_tensor_release(map);
    mtl_tensor_release(room);
    return status;
}

/* plane += what an output channel with gradient dy gives back */
static void spread(const layout *l, const float *weight, const float *dy, float *plane)
{
    const mtl_conv *c = l->c;
    for (int64_t oy = 0; oy < c->out_h; oy++, dy += c->out_w, plane += c->stride_h * l->line) {
        for (int64_t k = 0; k < l->taps; k++) {
            float *to = plane + l->places[k];
#pragma omp simd
            for (int64_t ox = 0; ox < c->out_w; ox++)
                to[ox] += weight[k] * dy[ox];
        }
    }
}

static mtl_status input_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx)
{
    layout l = layout_of(c);
    mtl_tensor *map = NULL, *room = NULL;
    const float *weight = mtl_f32(w), *from = mtl_f32(dy);
    float *to = mtl_f32(dx);
    int64_t items = rows * c->batch * c->groups, size = c->height * c->width;
    int threads;
    mtl_status status = start(&l, dx, items, rows, l.plane, &threads, &map, &room);
    if (status != MTL_OK)
        goto done;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        float *plane = mtl_f32(room) + t * l.plane;
        for (int64_t item = items * t / threads; item < items * (t + 1) / threads; item++) {
            memset(plane, 0, (size_t)l.plane * sizeof *plane);
            for (int64_t o = item % c->groups * l.many, end = o + l.many; o < end; o++)
                spread(&l, weight + o * l.taps, from + (item / c->groups * c->out_channels + o) * l.pixels, plane);
            memset(to + item * size, 0, (size_t)size * sizeof *to);
            lay(&l, true, to + item * size, plane);
        }
    }
done:
    mtl_tensor_release(map);
    mtl_tensor_release(room);
    return status;
}

/* sums[taps, known to the compiler] += dy times what each tap meets */
INLINE void tap_sums(int taps, const layout *l, const int64_t *places, const float *dy, const float *plane, float *sums)
{
    const mtl_conv *c = l->c;
    vec sum[TALL];
    FOR (k, taps)
        sum[k] = *(const vec *)(sums + k * LANES);
    for (int64_t oy = 0; oy < c->out_h; oy++, dy += c->out_w, plane += c->stride_h * l->line) {
        int64_t ox = 0;
        for (; ox + LANES <= c->out_w; ox += LANES) {
            vec left = *(const vec *)(dy + ox);
            FOR (k, taps)
                sum[k] += left * *(const vec *)(plane + places[k] + ox);
        }
        if (ox == c->out_w)
            continue;
        vec left = load_part(dy + ox, c->out_w - ox);
        FOR (k, taps)
            sum[k] += left * load_part(plane + places[k] + ox, c->out_w - ox);
    }
    FOR (k, taps)
        *(vec *)(sums + k * LANES) = sum[k];
}

/* dw and db of input channel g; `sums` is zero: a vector for each cotangent, output channel and tap */
static void channel_grad(const layout *l, int64_t g, int64_t rows, float *x, const float *dy, float *plane, float *sums,
                         float *dw, float *db)
{
    const mtl_conv *c = l->c;
    int64_t size = c->height * c->width, lines = rows * l->many;
    for (int64_t line = 0; db && line < lines; line++)
        db[line / l->many * c->out_channels + g * l->many + line % l->many] = 0.0f;
    for (int64_t b = 0; b < c->batch; b++) {
        if (dw)
            lay(l, false, x + (b * c->groups + g) * size, plane);
        for (int64_t line = 0; line < lines; line++) {
            int64_t r = line / l->many, o = g * l->many + line % l->many, k = 0;
            const float *from = dy + ((r * c->batch + b) * c->out_channels + o) * l->pixels;
            float *to = sums + line * l->taps * LANES, sum = 0.0f;
            for (; dw && k + TALL <= l->taps; k += TALL)
                tap_sums(TALL, l, l->places + k, from, plane, to + k * LANES);
            for (; dw && k < l->taps; k++)
                tap_sums(1, l, l->places + k, from, plane, to + k * LANES);
            if (!db)
                continue;
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < l->pixels; i++)
                sum += from[i];
            db[r * c->out_channels + o] += sum;
        }
    }
    for (int64_t e = 0; dw && e < lines * l->taps; e++) {
        int64_t line = e / l->taps, o = g * l->many + line % l->many;
        vec *sum = (vec *)(sums + e * LANES);
        dw[(line / l->many * c->out_channels + o) * l->taps + e % l->taps] = total(*sum);
        *sum = (vec){0};
    }
}

/* With stride 1 and one output channel each, dx is the convolution of dy with the weight turned about, where that
   covers the image. */
static bool turns(const mtl_conv *c, int64_t rows, mtl_conv *back)
{
    *back = *c;
    back->batch = rows * c->batch;
    back->height = c->out_h;
    back->width = c->out_w;
    back->out_h = c->height;
    back->out_w = c->width;
    back->pad_h = (c->kernel_h - 1) * c->dilation_h - c->pad_h;
    back->pad_w = (c->kernel_w - 1) * c->dilation_w - c->pad_w;
    return c->out_channels == c->groups && c->stride_h == 1 && c->stride_w == 1 && back->pad_h >= 0 &&
           back->pad_w >= 0 && c->out_h + back->pad_h == c->height + c->pad_h &&
           c->out_w + back->pad_w == c->width + c->pad_w;
}

static mtl_status turned_grad(const mtl_conv *back, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx)
{
    mtl_tensor *turned = NULL;
    int64_t taps = back->kernel_h * back->kernel_w;
    MTL_TRY(mtl_tensor_like(dx, MTL_F32, w->rank, w->shape, &turned));
    for (int64_t at = 0; at < w->count; at++)
        mtl_f32(turned)[at] = mtl_f32(w)[at / taps * taps + taps - 1 - at % taps];
    mtl_status status = mtl_depthwise(back, dy, mtl_f32(turned), NULL, dx);
    mtl_tensor_release(turned);
    return status;
}

mtl_status mtl_depthwise_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *x, const mtl_tensor *w,
                              const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db)
{
    layout l = layout_of(c);
    mtl_tensor *map = NULL, *room = NULL;
    int64_t each = dw ? l.plane + rows * l.many * l.taps * LANES : 0;
    int threads;
    mtl_conv back;
    if (dx)
        MTL_TRY(turns(c, rows, &back) ? turned_grad(&back, w, dy, dx) : input_grad(c, rows, w, dy, dx));
    if (!dw && !db)
        return MTL_OK;
    mtl_status status = start(&l, dy, c->groups, rows, each, &threads, &map, &room);
    if (status != MTL_OK)
        goto done;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        float *plane = mtl_f32(room) + t * each;
        for (int64_t g = c->groups * t / threads; g < c->groups * (t + 1) / threads; g++)
            channel_grad(&l, g, rows, dw ? mtl_f32(x) : NULL, mtl_f32(dy), plane, dw ? plane + l.plane : NULL,
                         dw ? mtl_f32(dw) : NULL, db ? mtl_f32(db) : NULL);
    }
done:
    mtl_tensor_release(map);
    mtl_tensor_release(room);
    return status;
}

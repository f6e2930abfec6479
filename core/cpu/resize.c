/* Planes of another size: each output pixel is a weighted sum of some neighbours, first down the lines, then along
   them. Planes over threads. */
#include <string.h>

#include "cpu/cpu.h"

typedef struct { /* of output i: weight x[first] + next (x[first + 1] + ... + x[first + n - 1]); none: the constant */
    int32_t first, n;
    float weight, next;
} tap;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* `in` pixels become `out`; for padding, `before` of them lie before the first. */
static void fill(int kind, int64_t in, int64_t out, int64_t before, tap *taps)
{
    for (int64_t i = 0; i < out; i++) {
        int64_t at = i - before, n = 1;
        double share = 1.0;
        switch (kind) {
        case MTL_RESIZE_NEAREST:
            at = i * in / out;
            break;
        case MTL_RESIZE_BILINEAR: {
            double place = ((double)i + 0.5) * (double)in / (double)out - 0.5;
            place = place < 0 ? 0 : place;
            at = least((int64_t)place, in - 1);
            if (at < in - 1 && place > (double)at) {
                n = 2;
                share = 1.0 - (place - (double)at);
            }
            break;
        }
        case MTL_RESIZE_MEAN:
            at = i * in / out;
            n = ((i + 1) * in + out - 1) / out - at;
            share = 1.0 / (double)n;
            break;
        case MTL_RESIZE_CONSTANT:
            n = at >= 0 && at < in;
            at = n ? at : 0;
            break;
        case MTL_RESIZE_REFLECT:
            at = at < 0 ? -at : at < in ? at : 2 * (in - 1) - at;
            break;
        default: /* MTL_RESIZE_REPLICATE */
            at = at < 0 ? 0 : least(at, in - 1);
        }
        taps[i] =
            (tap){(int32_t)at, (int32_t)n, (float)share, (float)(kind == MTL_RESIZE_BILINEAR ? 1.0 - share : share)};
    }
}

/* Taps of the lines, then of the columns; and a line of the image for each thread. */
static mtl_status start(const mtl_resize *r, const mtl_tensor *like, int threads, mtl_tensor **map, mtl_tensor **room,
                        const tap **down, const tap **along)
{
    int64_t n = r->out_h + r->out_w;
    MTL_TRY(mtl_tensor_like(like, MTL_I32, 2, (int64_t[]){n, sizeof(tap) / sizeof(int32_t)}, map));
    MTL_TRY(mtl_tensor_like(like, MTL_F32, 2, (int64_t[]){threads, r->width}, room));
    tap *taps = (tap *)mtl_i32(*map);
    fill(r->kind, r->height, r->out_h, r->top, taps);
    fill(r->kind, r->width, r->out_w, r->left, taps + r->out_h);
    *down = taps;
    *along = taps + r->out_h;
    return MTL_OK;
}

static int threads_for(const mtl_tensor *t, const mtl_resize *r, int64_t planes)
{
    int64_t size = r->height * r->width + r->out_h * r->out_w;
    return planes * size < MTL_CPU_GRAIN ? 1 : MTL_CPU_THREADS(t->ctx, planes);
}

static void one_plane(const mtl_resize *r, const tap *down, const tap *along, const float *x, float *line, float *y)
{
    for (const tap *d = down; d < down + r->out_h; d++, y += r->out_w) {
        const float *from = x + d->first * r->width;
        if (d->n == 0) {
            for (int64_t i = 0; i < r->out_w; i++)
                y[i] = (float)r->value;
            continue;
        }
        if (d->n > 1) {
            for (int64_t i = 0; i < r->width; i++)
                line[i] = d->weight * from[i];
            for (int64_t k = 1; k < d->n; k++) {
                for (int64_t i = 0; i < r->width; i++)
                    line[i] += d->next * from[k * r->width + i];
            }
            from = line;
        }
        for (int64_t i = 0; i < r->out_w; i++) {
            const tap *a = along + i;
            const float *at = from + a->first;
            float sum = a->n ? a->weight * at[0] : (float)r->value;
            if (a->n > 1)
                sum += a->next * at[1]; /* most often the last: no loop */
            for (int32_t k = 2; k < a->n; k++)
                sum += a->next * at[k];
            y[i] = sum;
        }
    }
}

static mtl_status resize(const mtl_resize *r, const mtl_tensor *x, mtl_tensor *y)
{
    mtl_tensor *map = NULL, *room = NULL;
    const tap *down, *along;
    const float *from = mtl_f32(x);
    float *to = mtl_f32(y);
    int threads = threads_for(x, r, r->planes);
    mtl_status status = start(r, x, threads, &map, &room, &down, &along);
    if (status != MTL_OK)
        goto done;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        for (int64_t p = r->planes * t / threads; p < r->planes * (t + 1) / threads; p++)
            one_plane(r, down, along, from + p * r->height * r->width, mtl_f32(room) + t * r->width,
                      to + p * r->out_h * r->out_w);
    }
done:
    mtl_tensor_release(map);
    mtl_tensor_release(room);
    return status;
}

static void one_plane_grad(const mtl_resize *r, const tap *down, const tap *along, const float *dy, float *line,
                           float *dx)
{
    memset(dx, 0, (size_t)(r->height * r->width) * sizeof *dx);
    for (const tap *d = down; d < down + r->out_h; d++, dy += r->out_w) {
        float *to = dx + d->first * r->width;
        if (d->n == 0)
            continue;
        memset(line, 0, (size_t)r->width * sizeof *line);
        for (int64_t i = 0; i < r->out_w; i++) {
            const tap *a = along + i;
            float *at = line + a->first;
            if (a->n)
                at[0] += a->weight * dy[i];
            if (a->n > 1)
                at[1] += a->next * dy[i];
            for (int32_t k = 2; k < a->n; k++)
                at[k] += a->next * dy[i];
        }
        for (int64_t k = 0; k < d->n; k++) {
            for (int64_t i = 0; i < r->width; i++)
                to[k * r->width + i] += (k ? d->next : d->weight) * line[i];
        }
    }
}

static mtl_status resize_grad(const mtl_resize *r, int64_t rows, const mtl_tensor *dy, mtl_tensor *dx)
{
    mtl_tensor *map = NULL, *room = NULL;
    const tap *down, *along;
    const float *from = mtl_f32(dy);
    float *to = mtl_f32(dx);
    int64_t planes = rows * r->planes;
    int threads = threads_for(dx, r, planes);
    mtl_status status = start(r, dx, threads, &map, &room, &down, &along);
    if (status != MTL_OK)
        goto done;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        for (int64_t p = planes * t / threads; p < planes * (t + 1) / threads; p++)
            one_plane_grad(r, down, along, from + p * r->out_h * r->out_w, mtl_f32(room) + t * r->width,
                           to + p * r->height * r->width);
    }
done:
    mtl_tensor_release(map);
    mtl_tensor_release(room);
    return status;
}

void MTL_CPU(resize)(mtl_backend *table)
{
    table->resize = resize;
    table->resize_grad = resize_grad;
}

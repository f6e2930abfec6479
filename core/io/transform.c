/* Transforms. All that moves elements is one step: for each row and each column of the result, the place that it comes
   from. Elements that are moved are 4 bytes of either dtype. */
#include "io/transform.h"

#include <math.h>
#include <string.h>

#include "base/context.h"
#include "mtl/random.h"

enum { MOST_SIZE = 65536 };

/* Where a row or a column comes from: `from`, or both neighbours by weight; outside of the image: from -1. */
typedef struct {
    int32_t from, next;
    float weight; /* of next */
} place;

/* ---- moving ---- */

static void fill_row(mtl_role role, int64_t n, char *to)
{
    static const int32_t no_label = -1;
    static const float black = 0.0f, unknown = NAN;
    const void *value = role == MTL_ROLE_LABELS ? (const void *)&no_label : role == MTL_ROLE_IMAGE ? &black : &unknown;
    for (int64_t x = 0; x < n; x++)
        memcpy(to + 4 * x, value, 4);
}

static void nearest_row(mtl_role role, const char *row, const place *xs, int64_t n, char *to)
{
    for (int64_t x = 0; x < n; x++) {
        if (xs[x].from < 0)
            fill_row(role, 1, to + 4 * x);
        else
            memcpy(to + 4 * x, row + 4 * (size_t)xs[x].from, 4);
    }
}

static void bilinear_row(const float *row, const float *next, float weight, const place *xs, int64_t n, float *to)
{
    for (int64_t x = 0; x < n; x++) {
        if (xs[x].from < 0) {
            to[x] = 0.0f;
            continue;
        }
        int32_t a = xs[x].from, b = xs[x].next;
        float wb = xs[x].weight, wa = 1.0f - wb;
        to[x] = (1.0f - weight) * (wa * row[a] + wb * row[b]) + weight * (wa * next[a] + wb * next[b]);
    }
}

/* To height x width, whose rows and columns come from `ys` and `xs`. smooth: images between their pixels. */
static bool move(mtl_picture *p, int64_t height, int64_t width, const place *ys, const place *xs, bool smooth)
{
    if (!mtl_room_make(&p->spare, p->channels * height * width, 4))
        return false;
    for (int64_t c = 0; c < p->channels; c++) {
        const char *plane = (const char *)p->data.data + 4 * c * p->height * p->width;
        for (int64_t y = 0; y < height; y++) {
            char *to = (char *)p->spare.data + 4 * (c * height + y) * width;
            if (ys[y].from < 0)
                fill_row(p->role, width, to);
            else if (smooth && p->role == MTL_ROLE_IMAGE)
                bilinear_row((const float *)plane + ys[y].from * p->width, (const float *)plane + ys[y].next * p->width,
                             ys[y].weight, xs, width, (float *)to);
            else
                nearest_row(p->role, plane + 4 * ys[y].from * p->width, xs, width, to);
        }
    }
    mtl_room kept = p->data;
    p->data = p->spare;
    p->spare = kept;
    p->height = height;
    p->width = width;
    return true;
}

/* Rows and columns for a result of height x width. */
static place *make_places(mtl_picture *p, int64_t height, int64_t width)
{
    return mtl_room_make(&p->places, height + width, sizeof(place)) ? p->places.data : NULL;
}

/* `n` places that cover `length` pixels from `start` on, in pixels of the image, of which there are `size`. */
static void sample(place *places, int64_t n, double start, double length, int64_t size, bool smooth)
{
    for (int64_t i = 0; i < n; i++) {
        double centre = start + ((double)i + 0.5) * length / (double)n;
        place *at = &places[i];
        *at = (place){-1, -1, 0.0f};
        if (centre < 0 || centre >= (double)size)
            continue;
        if (!smooth) {
            at->from = (int32_t)centre;
            continue;
        }
        double left = centre > 0.5 ? centre - 0.5 : 0.0;
        at->from = (int32_t)left;
        at->next = at->from + 1 < size ? at->from + 1 : at->from;
        at->weight = (float)(left - at->from);
    }
}

/* Places start, start + 1 .. of an image of `size`. */
static void cut(place *places, int64_t n, int64_t start, int64_t size)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t from = start + i;
        places[i] = (place){from < 0 || from >= size ? -1 : (int32_t)from, 0, 0.0f};
    }
}

static void make_unit(mtl_picture *p)
{
    int64_t n = p->height * p->width;
    float *x = p->data.data, *y = x + n, *z = y + n;
    if (p->role != MTL_ROLE_NORMALS)
        return;
    for (int64_t i = 0; i < n; i++) {
        double length = sqrt((double)x[i] * x[i] + (double)y[i] * y[i] + (double)z[i] * z[i]);
        if (length > 0) {
            x[i] = (float)(x[i] / length);
            y[i] = (float)(y[i] / length);
            z[i] = (float)(z[i] / length);
        }
    }
}

/* ---- what is drawn ---- */

static void draw_words(const mtl_draw *d, int index, uint32_t words[4])
{
    mtl_philox(d->seed, mtl_stream("data/augment") + (uint64_t)index, (d->epoch << 32) + (uint64_t)d->place, words);
}

static double between(double low, double high, uint32_t word)
{
    return low + (high - low) * (word * 0x1p-32);
}

/* 0 .. n */
static int64_t whole(int64_t n, uint32_t word)
{
    return (int64_t)((uint64_t)word * (uint64_t)(n + 1) >> 32);
}

/* ---- one by one ---- */

static bool resize(const mtl_transform *t, mtl_picture *p)
{
    bool smooth = p->role == MTL_ROLE_IMAGE;
    place *ys = make_places(p, t->height, t->width), *xs = ys + t->height;
    if (!ys)
        return false;
    sample(ys, t->height, 0.0, (double)p->height, p->height, smooth);
    sample(xs, t->width, 0.0, (double)p->width, p->width, smooth);
    if (!move(p, t->height, t->width, ys, xs, true))
        return false;
    make_unit(p);
    return true;
}

static bool random_crop(const mtl_transform *t, const mtl_draw *d, const uint32_t *words, mtl_picture *p)
{
    int64_t free_y = p->height + 2 * t->padding - t->height, free_x = p->width + 2 * t->padding - t->width;
    int64_t top = d->training ? whole(free_y, words[0]) : free_y / 2;
    int64_t left = d->training ? whole(free_x, words[1]) : free_x / 2;
    place *ys = make_places(p, t->height, t->width), *xs = ys + t->height;
    if (!ys)
        return false;
    cut(ys, t->height, top - t->padding, p->height);
    cut(xs, t->width, left - t->padding, p->width);
    return move(p, t->height, t->width, ys, xs, false);
}

static bool random_flip(const mtl_transform *t, const uint32_t *words, mtl_picture *p)
{
    if (words[0] * 0x1p-32 >= t->p)
        return true;
    place *ys = make_places(p, p->height, p->width), *xs = ys + p->height;
    if (!ys)
        return false;
    for (int64_t y = 0; y < p->height; y++)
        ys[y] = (place){(int32_t)(t->vertical ? p->height - 1 - y : y), 0, 0.0f};
    for (int64_t x = 0; x < p->width; x++)
        xs[x] = (place){(int32_t)(t->vertical ? x : p->width - 1 - x), 0, 0.0f};
    if (!move(p, p->height, p->width, ys, xs, false))
        return false;
    if (p->role == MTL_ROLE_NORMALS) {
        int64_t n = p->height * p->width;
        float *turned = (float *)p->data.data + (t->vertical ? n : 0);
        for (int64_t i = 0; i < n; i++)
            turned[i] = -turned[i];
    }
    return true;
}

/* A window of size / s; where s < 1 it is larger than the image. */
static bool random_scale(const mtl_transform *t, const uint32_t *words, mtl_picture *p)
{
    double s = between(t->low, t->high, words[0]), h = (double)p->height / s, w = (double)p->width / s;
    bool smooth = p->role == MTL_ROLE_IMAGE;
    place *ys = make_places(p, p->height, p->width), *xs = ys + p->height;
    if (!ys)
        return false;
    sample(ys, p->height, between(0.0, (double)p->height - h, words[1]), h, p->height, smooth);
    sample(xs, p->width, between(0.0, (double)p->width - w, words[2]), w, p->width, smooth);
    if (!move(p, p->height, p->width, ys, xs, true))
        return false;
    if (p->role == MTL_ROLE_DEPTH) {
        float *depth = p->data.data;
        for (int64_t i = 0; i < p->height * p->width; i++)
            depth[i] = (float)(depth[i] / s);
    }
    make_unit(p);
    return true;
}

static float gray(const float *x, int64_t plane, int64_t i)
{
    return 0.2989f * x[i] + 0.587f * x[plane + i] + 0.114f * x[2 * plane + i];
}

/* factor * x + (1 - factor) * other, within the range. */
static float blend(const mtl_picture *p, float x, float other, float factor)
{
    float y = factor * x + (1.0f - factor) * other;
    return y < p->low ? p->low : y > p->high ? p->high : y;
}

static void color_jitter(const mtl_transform *t, const uint32_t *words, mtl_picture *p)
{
    const double amount[3] = {t->brightness, t->contrast, t->saturation};
    float factor[3], *x = p->data.data;
    int64_t plane = p->height * p->width;
    int64_t channels = p->channels == 2 || p->channels == 4 ? p->channels - 1 : p->channels; /* without alpha */
    for (int i = 0; i < 3; i++)
        factor[i] = (float)between(amount[i] < 1.0 ? 1.0 - amount[i] : 0.0, 1.0 + amount[i], words[i]);
    if (amount[0] > 0) {
        for (int64_t i = 0; i < channels * plane; i++)
            x[i] = blend(p, x[i], 0.0f, factor[0]);
    }
    if (amount[1] > 0 && plane > 0) {
        double sum = 0.0;
        int64_t n = channels == 3 ? plane : channels * plane;
        for (int64_t i = 0; i < n; i++)
            sum += channels == 3 ? gray(x, plane, i) : x[i];
        for (int64_t i = 0; i < channels * plane; i++)
            x[i] = blend(p, x[i], (float)(sum / (double)n), factor[1]);
    }
    if (amount[2] > 0 && channels == 3) {
        for (int64_t i = 0; i < plane; i++) {
            float own = gray(x, plane, i);
            for (int64_t c = 0; c < 3; c++)
                x[c * plane + i] = blend(p, x[c * plane + i], own, factor[2]);
        }
    }
}

static void normalize(const mtl_transform *t, mtl_picture *p)
{
    int64_t plane = p->height * p->width;
    for (int64_t c = 0; c < p->channels; c++) {
        float *x = (float *)p->data.data + c * plane, mean = (float)t->mean[c], std = (float)t->std[c];
        for (int64_t i = 0; i < plane; i++)
            x[i] = (x[i] - mean) / std;
    }
}

bool mtl_transform_apply(const mtl_transform *t, int index, const mtl_draw *draw, mtl_picture *p)
{
    uint32_t words[4];
    draw_words(draw, index, words);
    switch (t->kind) {
    case MTL_RESIZE:
        return resize(t, p);
    case MTL_RANDOM_CROP:
        return random_crop(t, draw, words, p);
    case MTL_RANDOM_FLIP:
        return !draw->training || random_flip(t, words, p);
    case MTL_RANDOM_SCALE:
        return !draw->training || random_scale(t, words, p);
    case MTL_COLOR_JITTER:
        if (draw->training && p->role == MTL_ROLE_IMAGE)
            color_jitter(t, words, p);
        break;
    case MTL_NORMALIZE:
        if (p->role == MTL_ROLE_IMAGE)
            normalize(t, p);
        break;
    }
    return true;
}

/* ---- settings ---- */

static mtl_status check_number(mtl_context *ctx, const char *who, const char *name, double x, double low, double high)
{
    if (x >= low && x <= high)
        return MTL_OK;
    return mtl_fail(ctx, MTL_ERR_ARG, "%s: %s is %.17g, which should be %g to %g", who, name, x, low, high);
}

static mtl_status check_size(mtl_context *ctx, const char *who, const mtl_transform *t)
{
    MTL_TRY(check_number(ctx, who, "height", (double)t->height, 1, MOST_SIZE));
    return check_number(ctx, who, "width", (double)t->width, 1, MOST_SIZE);
}

mtl_status mtl_transform_check(mtl_context *ctx, const char *who, const mtl_transform *t)
{
    switch (t->kind) {
    case MTL_RESIZE:
        return check_size(ctx, who, t);
    case MTL_RANDOM_CROP:
        MTL_TRY(check_size(ctx, who, t));
        return check_number(ctx, who, "padding", (double)t->padding, 0, MOST_SIZE);
    case MTL_RANDOM_FLIP:
        return check_number(ctx, who, "p", t->p, 0, 1);
    case MTL_RANDOM_SCALE:
        MTL_TRY(check_number(ctx, who, "low", t->low, 0x1p-10, 1024));
        return check_number(ctx, who, "high", t->high, t->low, 1024);
    case MTL_COLOR_JITTER:
        MTL_TRY(check_number(ctx, who, "brightness", t->brightness, 0, 1e6));
        MTL_TRY(check_number(ctx, who, "contrast", t->contrast, 0, 1e6));
        return check_number(ctx, who, "saturation", t->saturation, 0, 1e6);
    case MTL_NORMALIZE:
        MTL_TRY(check_number(ctx, who, "channels", t->channels, 1, INT32_MAX));
        for (int c = 0; c < t->channels; c++) {
            if (!isfinite(t->mean[c]) || !((float)t->std[c] > 0) || !isfinite((float)t->std[c]))
                return mtl_fail(ctx, MTL_ERR_ARG,
                                "%s: channel %d has mean %g and std %g, which should be a number and one above 0", who,
                                c + 1, t->mean[c], t->std[c]);
        }
        return MTL_OK;
    }
    return mtl_fail(ctx, MTL_ERR_ARG, "%s: kind %d is none", who, (int)t->kind);
}

/* Convolution by columns: a strip of output rows of one image becomes a matrix [patch, pixels], and a single-threaded
   product does the rest. Images (and strips) are split over threads; sums over the batch are cut by the shape alone. */
#include <limits.h>
#include <string.h>

#include "cpu/cpu.h"

/* Floats of columns that are worked on at once: half of a usual second-level cache. */
enum { STRIP = 64 * 1024, MAX_CHUNKS = 16, MAX_PARTS = 16 * 1024 * 1024 };

typedef struct {
    mtl_conv c;
    int64_t patch, pixels; /* channels kh kw; oh ow */
    int64_t image, output; /* elements of one image of x, and of y */
    int64_t lines, strips; /* output rows a strip; strips an image */
    bool plain;            /* 1 x 1, stride 1: the image is its own columns */
} plan;

static mtl_status plan_of(mtl_context *ctx, const mtl_conv *c, plan *p)
{
    *p = (plan){.c = *c,
                .patch = c->in_channels * c->kernel_h * c->kernel_w,
                .pixels = c->out_h * c->out_w,
                .image = c->in_channels * c->height * c->width,
                .output = c->out_channels * c->out_h * c->out_w};
    if (p->patch > INT_MAX || p->pixels > INT_MAX || c->out_channels > INT_MAX)
        return mtl_fail(ctx, MTL_ERR_UNSUPPORTED, "conv2d: a dimension of 2^31 or more");
    p->plain =
        c->kernel_h == 1 && c->kernel_w == 1 && c->stride_h == 1 && c->stride_w == 1 && c->pad_h == 0 && c->pad_w == 0;
    p->lines = STRIP / (p->patch * c->out_w + 1);
    p->lines = p->lines < 1 ? 1 : p->lines < c->out_h ? p->lines : c->out_h;
    p->strips = (c->out_h + p->lines - 1) / p->lines;
    p->lines = (c->out_h + p->strips - 1) / p->strips; /* even strips */
    p->strips = (c->out_h + p->lines - 1) / p->lines;
    return MTL_OK;
}

/* Output rows and pixels of strip s. */
static int64_t strip_of(const plan *p, int64_t s, int64_t *first)
{
    int64_t left;
    *first = s * p->lines;
    left = p->c.out_h - *first;
    return (left < p->lines ? left : p->lines) * p->c.out_w;
}

static int threads_for(const mtl_context *ctx, const plan *p, int64_t items, int64_t rows)
{
    double work = (double)rows * (double)p->c.batch * (double)p->patch * (double)p->output;
    return work < 100000.0 ? 1 : MTL_CPU_THREADS(ctx, items);
}

static mtl_status scratch(const mtl_tensor *like, int64_t n, mtl_tensor **t, float **data)
{
    MTL_TRY(mtl_tensor_like(like, MTL_F32, 1, &n, t));
    *data = mtl_f32(*t);
    return MTL_OK;
}

/* The output columns whose place in the image, ox * stride + shift, is inside. */
static void inside(int64_t n, int64_t stride, int64_t shift, int64_t width, int64_t *low, int64_t *high)
{
    *low = shift < 0 ? (-shift + stride - 1) / stride : 0;
    *high = shift < width ? (width - shift + stride - 1) / stride : 0;
    *low = *low < n ? *low : n;
    *high = *high < *low ? *low : *high < n ? *high : n;
}

/* cols[patch, pixels of the strip] from x[C, H, W] */
static void columns(const plan *p, const float *x, int64_t first, int64_t pixels, float *cols)
{
    const mtl_conv *c = &p->c;
    for (int64_t k = 0; k < p->patch; k++) {
        int64_t kw = k % c->kernel_w, kh = k / c->kernel_w % c->kernel_h, channel = k / c->kernel_w / c->kernel_h;
        int64_t low, high, shift = kw - c->pad_w;
        inside(c->out_w, c->stride_w, shift, c->width, &low, &high);
        for (int64_t i = 0; i < pixels; i += c->out_w, cols += c->out_w) {
            int64_t y = (first + i / c->out_w) * c->stride_h + kh - c->pad_h;
            if (y < 0 || y >= c->height) {
                memset(cols, 0, (size_t)c->out_w * sizeof *cols);
                continue;
            }
            const float *from = x + (channel * c->height + y) * c->width + shift;
            for (int64_t j = 0; j < low; j++)
                cols[j] = 0.0f;
            if (c->stride_w == 1)
                memcpy(cols + low, from + low, (size_t)(high - low) * sizeof *cols);
            else
                for (int64_t j = low; j < high; j++)
                    cols[j] = from[j * c->stride_w];
            for (int64_t j = high; j < c->out_w; j++)
                cols[j] = 0.0f;
        }
    }
}

/* The adjoint: dx[C, H, W] += cols */
static void add_columns(const plan *p, const float *cols, int64_t first, int64_t pixels, float *dx)
{
    const mtl_conv *c = &p->c;
    for (int64_t k = 0; k < p->patch; k++) {
        int64_t kw = k % c->kernel_w, kh = k / c->kernel_w % c->kernel_h, channel = k / c->kernel_w / c->kernel_h;
        int64_t low, high, shift = kw - c->pad_w;
        inside(c->out_w, c->stride_w, shift, c->width, &low, &high);
        for (int64_t i = 0; i < pixels; i += c->out_w, cols += c->out_w) {
            int64_t y = (first + i / c->out_w) * c->stride_h + kh - c->pad_h;
            if (y < 0 || y >= c->height)
                continue;
            float *to = dx + (channel * c->height + y) * c->width + shift;
            if (c->stride_w == 1) {
#pragma omp simd
                for (int64_t j = low; j < high; j++)
                    to[j] += cols[j];
            } else {
                for (int64_t j = low; j < high; j++)
                    to[j * c->stride_w] += cols[j];
            }
        }
    }
}

static mtl_status conv2d(const mtl_conv *c, const mtl_tensor *x, const mtl_tensor *w, const mtl_tensor *bias,
                         mtl_tensor *y)
{
    plan p;
    MTL_TRY(plan_of(x->ctx, c, &p));
    mtl_tensor *room = NULL;
    const float *from = mtl_f32(x), *weight = mtl_f32(w), *start = bias ? mtl_f32(bias) : NULL;
    float *to = mtl_f32(y), *cols = NULL;
    int64_t items = c->batch * p.strips, each = p.patch * p.lines * c->out_w;
    int threads = threads_for(x->ctx, &p, items, 1);
    if (!p.plain)
        MTL_TRY(scratch(x, threads * each, &room, &cols));
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        float *own = cols + t * each;
        for (int64_t item = items * t / threads; item < items * (t + 1) / threads; item++) {
            int64_t first, pixels = strip_of(&p, item % p.strips, &first);
            const float *image = from + item / p.strips * p.image, *matrix = own;
            float *out = to + item / p.strips * p.output + first * c->out_w;
            if (p.plain)
                matrix = image + first * c->out_w;
            else
                columns(&p, image, first, pixels, own);
            for (int64_t o = 0; o < c->out_channels; o++) {
                for (int64_t i = 0; i < pixels; i++)
                    out[o * p.pixels + i] = start ? start[o] : 0.0f;
            }
            MTL_CPU(sgemm)
            (false, false, c->out_channels, pixels, p.patch, 1.0f, weight, p.patch, matrix, p.plain ? p.pixels : pixels,
             1.0f, out, p.pixels);
        }
    }
    mtl_tensor_release(room);
    return MTL_OK;
}

/* dx of each cotangent and image: one thread's. */
static mtl_status input_grad(const plan *p, int64_t rows, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx)
{
    const mtl_conv *c = &p->c;
    mtl_tensor *room = NULL;
    const float *weight = mtl_f32(w), *from = mtl_f32(dy);
    float *to = mtl_f32(dx), *cols = NULL;
    int64_t items = rows * c->batch, each = p->patch * p->lines * c->out_w;
    int threads = threads_for(dx->ctx, p, items, rows);
    if (!p->plain)
        MTL_TRY(scratch(dx, threads * each, &room, &cols));
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        float *own = cols + t * each;
        for (int64_t item = items * t / threads; item < items * (t + 1) / threads; item++) {
            float *image = to + item * p->image;
            if (!p->plain)
                memset(image, 0, (size_t)p->image * sizeof *image);
            for (int64_t s = 0; s < p->strips; s++) {
                int64_t first, pixels = strip_of(p, s, &first);
                const float *part = from + item * p->output + first * c->out_w;
                MTL_CPU(sgemm)
                (true, false, p->patch, pixels, c->out_channels, 1.0f, weight, p->patch, part, p->pixels, 0.0f,
                 p->plain ? image + first * c->out_w : own, p->plain ? p->pixels : pixels);
                if (!p->plain)
                    add_columns(p, own, first, pixels, image);
            }
        }
    }
    mtl_tensor_release(room);
    return MTL_OK;
}

/* part [rows, O, patch] += this image's share of dw; the columns are made once for all cotangents */
static void weight_share(const plan *p, int64_t rows, int64_t image, const float *x, const float *dy, float *cols,
                         float *part)
{
    const mtl_conv *c = &p->c;
    x += image * p->image;
    for (int64_t s = 0; s < p->strips; s++) {
        int64_t first, pixels = strip_of(p, s, &first);
        const float *matrix = cols;
        if (p->plain)
            matrix = x + first * c->out_w;
        else
            columns(p, x, first, pixels, cols);
        for (int64_t r = 0; r < rows; r++) {
            const float *from = dy + (r * c->batch + image) * p->output + first * c->out_w;
            MTL_CPU(sgemm)
            (false, true, c->out_channels, p->patch, pixels, 1.0f, from, p->pixels, matrix,
             p->plain ? p->pixels : pixels, 1.0f, part + r * c->out_channels * p->patch, p->patch);
        }
    }
}

/* part [rows, O] += sums of dy over one image's pixels */
static void bias_share(const plan *p, int64_t rows, int64_t image, const float *dy, float *part)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *from = dy + (r * p->c.batch + image) * p->output;
        for (int64_t o = 0; o < p->c.out_channels; o++, from += p->pixels) {
            float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < p->pixels; i++)
                sum += from[i];
            part[r * p->c.out_channels + o] += sum;
        }
    }
}

/* out[i] = the sum of the chunks' parts, in their order */
static void add_parts(const mtl_context *ctx, int64_t chunks, int64_t stride, const float *parts, int64_t n, float *out)
{
    int64_t blocks = n * chunks / MTL_CPU_GRAIN + 1;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(ctx, blocks))
    for (int64_t block = 0; block < blocks; block++) {
        int64_t i, end;
        mtl_block(n, blocks, block, &i, &end);
        memcpy(out + i, parts + i, (size_t)(end - i) * sizeof *out);
        for (int64_t chunk = 1; chunk < chunks; chunk++) {
            for (int64_t j = i; j < end; j++)
                out[j] += parts[chunk * stride + j];
        }
    }
}

/* dw and db: sums over chunks of the batch, which the shape decides. */
static mtl_status parameter_grad(const plan *p, int64_t rows, const mtl_tensor *x, const mtl_tensor *dy, mtl_tensor *dw,
                                 mtl_tensor *db)
{
    const mtl_conv *c = &p->c;
    mtl_tensor *room = NULL;
    const float *from = x ? mtl_f32(x) : NULL, *grads = mtl_f32(dy);
    float *own;
    int64_t n_weight = dw ? rows * c->out_channels * p->patch : 0, n_bias = db ? rows * c->out_channels : 0;
    int64_t part = n_weight + n_bias, each = dw && !p->plain ? p->patch * p->lines * c->out_w : 0;
    int64_t chunks = MAX_PARTS / (part + 1);
    chunks = chunks < 2 ? 2 : chunks < MAX_CHUNKS ? chunks : MAX_CHUNKS;
    chunks = chunks < c->batch ? chunks : c->batch > 0 ? c->batch : 1;
    int threads = threads_for(dy->ctx, p, chunks, rows);
    MTL_TRY(scratch(dy, chunks * part + threads * each, &room, &own));
    float *cols = own + chunks * part;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        for (int64_t chunk = chunks * t / threads; chunk < chunks * (t + 1) / threads; chunk++) {
            int64_t image, end;
            float *mine = own + chunk * part;
            mtl_block(c->batch, chunks, chunk, &image, &end);
            memset(mine, 0, (size_t)part * sizeof *mine);
            for (; image < end; image++) {
                if (dw)
                    weight_share(p, rows, image, from, grads, cols + t * each, mine);
                if (db)
                    bias_share(p, rows, image, grads, mine + n_weight);
            }
        }
    }
    if (dw)
        add_parts(dy->ctx, chunks, part, own, n_weight, mtl_f32(dw));
    if (db)
        add_parts(dy->ctx, chunks, part, own + n_weight, n_bias, mtl_f32(db));
    mtl_tensor_release(room);
    return MTL_OK;
}

static mtl_status conv2d_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *x, const mtl_tensor *w,
                              const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db)
{
    plan p;
    MTL_TRY(plan_of(dy->ctx, c, &p));
    if (dx)
        MTL_TRY(input_grad(&p, rows, w, dy, dx));
    return dw || db ? parameter_grad(&p, rows, x, dy, dw, db) : MTL_OK;
}

void MTL_CPU(conv)(mtl_backend *table)
{
    table->conv2d = conv2d;
    table->conv2d_grad = conv2d_grad;
}

/* Convolution. On a GPU its three products read images where they lie (kernels/gemm.cl). On a CPU images are laid with
   their padding first, some at a time, and dx is a convolution of dy, spread by the stride, with the weight turned
   about (kernels/panel.cl). Groups of one channel have kernels of their own on a GPU. */
#include "opencl/product.h"

#include <stdio.h>

enum { MAX_ROOM = 64 << 20, MAX_COLUMNS = 1 << 30, GROUP = 128, REDUCE = 256 };

typedef struct {
    const mtl_conv *c;
    int64_t taps, image, output; /* kh kw; elements of an image of x, and of y */
    char options[80];
} plan;

static plan plan_of(const mtl_conv *c)
{
    plan p = {.c = c,
              .taps = c->kernel_h * c->kernel_w,
              .image = c->in_channels * c->height * c->width,
              .output = c->out_channels * c->out_h * c->out_w};
    snprintf(p.options, sizeof p.options, "-DKH=%d -DKW=%d -DSH=%d -DSW=%d", (int)c->kernel_h, (int)c->kernel_w,
             (int)c->stride_h, (int)c->stride_w);
    return p;
}

/* i / d is (i magic) >> shift for 0 <= i < 2^31. */
static void magic_of(int64_t d, uint32_t *magic, uint32_t *shift)
{
    uint32_t bits = 0;
    while (((int64_t)1 << bits) < d)
        bits++;
    *shift = 31 + bits;
    *magic = (uint32_t)((((uint64_t)1 << *shift) + (uint64_t)d - 1) / (uint64_t)d);
}

/* The product of one kind over `images`; n, or k for WEIGHT, counts lines of `line` pixels and planes of `plane`. */
static mtl_cl_product product_of(const plan *p, int kind, int64_t line, int64_t plane)
{
    const mtl_conv *c = p->c;
    mtl_cl_product product = {.kind = kind, .options = p->options, .products = c->groups};
    product.shape.conv.groups = (int32_t)c->groups;
    product.shape.conv.batch = (int32_t)c->batch;
    product.shape.conv.channels = (int32_t)(c->in_channels / c->groups);
    product.shape.conv.out_channels = (int32_t)(c->out_channels / c->groups);
    product.shape.conv.height = (int32_t)c->height;
    product.shape.conv.width = (int32_t)c->width;
    product.shape.conv.out_h = (int32_t)c->out_h;
    product.shape.conv.out_w = (int32_t)c->out_w;
    product.shape.conv.kernel_h = (int32_t)c->kernel_h;
    product.shape.conv.kernel_w = (int32_t)c->kernel_w;
    product.shape.conv.stride_h = (int32_t)c->stride_h;
    product.shape.conv.stride_w = (int32_t)c->stride_w;
    product.shape.conv.pad_h = (int32_t)c->pad_h;
    product.shape.conv.pad_w = (int32_t)c->pad_w;
    product.shape.conv.dilation_h = (int32_t)c->dilation_h;
    product.shape.conv.dilation_w = (int32_t)c->dilation_w;
    magic_of(line, &product.shape.conv.line_magic, &product.shape.conv.line_shift);
    magic_of(plane, &product.shape.conv.plane_magic, &product.shape.conv.plane_shift);
    return product;
}

/* Images at a time: so that `floats` of each fit in MAX_ROOM, and pixels can be counted. */
static int64_t images_at_once(int64_t images, int64_t floats, int64_t pixels)
{
    int64_t most = MAX_COLUMNS / (pixels + 1);
    most = floats > 0 && MAX_ROOM / floats < most ? MAX_ROOM / floats : most;
    return most < 1 ? 1 : most < images ? most : images;
}

/* Images [first, first + n) of t, `each` elements an image. */
static mtl_status some(const mtl_tensor *t, int64_t each, int64_t first, int64_t n, mtl_tensor **out)
{
    int64_t count = n * each;
    return mtl_tensor_alias(t, 1, &count, first * each, out);
}

/* Planes of height x width become those of expand in conv.cl. */
static mtl_status expand(const mtl_tensor *x, int64_t planes, int64_t height, int64_t width, int64_t out_h,
                         int64_t out_w, int64_t top, int64_t left, int64_t step_h, int64_t step_w, mtl_tensor **out)
{
    int64_t count = planes * out_h * out_w;
    size_t global[] = {(size_t)out_h, (size_t)planes};
    MTL_TRY(mtl_tensor_like(x, MTL_F32, 1, &count, out));
    return MTL_CL_RUN(x, "conv", "expand", "", 2, global, ((const size_t[]){8, 1}), MTL_CL_BUF(x), MTL_CL_BUF(*out),
                      MTL_CL_I32(height), MTL_CL_I32(width), MTL_CL_I32(out_h), MTL_CL_I32(out_w), MTL_CL_I32(top),
                      MTL_CL_I32(left), MTL_CL_I32(step_h), MTL_CL_I32(step_w));
}

/* x of some images as the kernels of a CPU read it: itself (with a reference), or with its padding, which *c then has
   no more. */
static mtl_status with_padding(mtl_conv *c, int64_t images, mtl_tensor *x, mtl_tensor **out)
{
    if (c->pad_h == 0 && c->pad_w == 0) {
        *out = mtl_tensor_retain(x);
        return MTL_OK;
    }
    int64_t high = c->height + 2 * c->pad_h, wide = c->width + 2 * c->pad_w;
    MTL_TRY(expand(x, images * c->in_channels, c->height, c->width, high, wide, c->pad_h, c->pad_w, 1, 1, out));
    c->height = high;
    c->width = wide;
    c->pad_h = c->pad_w = 0;
    return MTL_OK;
}

static int64_t padded(const mtl_conv *c) /* elements of an image with its padding; 0: it has none */
{
    return c->pad_h || c->pad_w ? c->in_channels * (c->height + 2 * c->pad_h) * (c->width + 2 * c->pad_w) : 0;
}

/* y of images [first, first + n) */
static mtl_status forward_some(const mtl_conv *c, int64_t first, int64_t n, const mtl_tensor *x, const mtl_tensor *w,
                               const mtl_tensor *bias, mtl_tensor *y)
{
    mtl_conv own = *c;
    plan p = plan_of(c);
    mtl_tensor *from = NULL, *in = NULL, *to = NULL;
    mtl_status status;
    MTL_TRY_GOTO(some(x, p.image, first, n, &from));
    MTL_TRY_GOTO(some(y, p.output, first, n, &to));
    if (mtl_cl_is_cpu(y)) {
        MTL_TRY_GOTO(with_padding(&own, n, from, &in));
        p = plan_of(&own);
    }
    mtl_cl_product product = product_of(&p, MTL_CL_FORWARD, c->out_w, c->out_h * c->out_w);
    product.m = c->out_channels / c->groups;
    product.n = n * c->out_h * c->out_w;
    product.k = c->in_channels / c->groups * p.taps;
    MTL_TRY_GOTO(mtl_cl_multiply(&product, w, in ? in : from, bias, to, NULL, NULL));
done:
    mtl_tensor_release(from);
    mtl_tensor_release(in);
    mtl_tensor_release(to);
    return status;
}

static mtl_status forward(const mtl_conv *c, const mtl_tensor *x, const mtl_tensor *w, const mtl_tensor *bias,
                          mtl_tensor *y)
{
    int64_t once = images_at_once(c->batch, mtl_cl_is_cpu(y) ? padded(c) : 0, c->out_h * c->out_w);
    for (int64_t i = 0; i < c->batch; i += once)
        MTL_TRY(forward_some(c, i, c->batch - i < once ? c->batch - i : once, x, w, bias, y));
    return MTL_OK;
}

/* dx on a GPU, of images [first, first + n) of all cotangents' */
static mtl_status input_some(const mtl_conv *c, int64_t first, int64_t n, const mtl_tensor *w, const mtl_tensor *dy,
                             mtl_tensor *dx)
{
    plan p = plan_of(c);
    mtl_tensor *from = NULL, *to = NULL;
    mtl_status status;
    MTL_TRY_GOTO(some(dy, p.output, first, n, &from));
    MTL_TRY_GOTO(some(dx, p.image, first, n, &to));
    mtl_cl_product product = product_of(&p, MTL_CL_INPUT, c->width, c->height * c->width);
    product.m = c->in_channels / c->groups;
    product.n = n * c->height * c->width;
    product.k = c->out_channels / c->groups * p.taps;
    MTL_TRY_GOTO(mtl_cl_multiply(&product, w, from, NULL, to, NULL, NULL));
done:
    mtl_tensor_release(from);
    mtl_tensor_release(to);
    return status;
}

static mtl_status turn(const mtl_conv *c, const mtl_tensor *w, mtl_tensor **out)
{
    MTL_TRY(mtl_tensor_like(w, MTL_F32, w->rank, w->shape, out));
    return MTL_CL_RUN_FLAT(w, "conv", "turn", "", w->count, MTL_CL_BUF(w), MTL_CL_BUF(*out),
                           MTL_CL_I32(c->in_channels / c->groups), MTL_CL_I32(c->out_channels / c->groups),
                           MTL_CL_I32(c->kernel_h * c->kernel_w), MTL_CL_I64(w->count));
}

/* On a CPU: `turned` convolves dy with room around and between its pixels. */
static mtl_status turned_some(const mtl_conv *c, int64_t first, int64_t n, const mtl_tensor *turned,
                              const mtl_tensor *dy, mtl_tensor *dx)
{
    int64_t reach_h = (c->kernel_h - 1) * c->dilation_h, reach_w = (c->kernel_w - 1) * c->dilation_w;
    mtl_conv back = {.batch = n,
                     .in_channels = c->out_channels,
                     .height = c->height + reach_h,
                     .width = c->width + reach_w,
                     .out_channels = c->in_channels,
                     .kernel_h = c->kernel_h,
                     .kernel_w = c->kernel_w,
                     .stride_h = 1,
                     .stride_w = 1,
                     .out_h = c->height,
                     .out_w = c->width,
                     .dilation_h = c->dilation_h,
                     .dilation_w = c->dilation_w,
                     .groups = c->groups};
    mtl_tensor *from = NULL, *wide = NULL, *to = NULL;
    mtl_status status;
    MTL_TRY_GOTO(some(dy, c->out_channels * c->out_h * c->out_w, first, n, &from));
    MTL_TRY_GOTO(some(dx, c->in_channels * c->height * c->width, first, n, &to));
    if (reach_h == 0 && reach_w == 0 && c->stride_h == 1 && c->stride_w == 1 && c->pad_h == 0 && c->pad_w == 0 &&
        c->out_h == c->height && c->out_w == c->width)
        wide = mtl_tensor_retain(from);
    else
        MTL_TRY_GOTO(expand(from, n * c->out_channels, c->out_h, c->out_w, back.height, back.width, reach_h - c->pad_h,
                            reach_w - c->pad_w, c->stride_h, c->stride_w, &wide));
    MTL_TRY_GOTO(forward_some(&back, 0, n, wide, turned, NULL, to));
done:
    mtl_tensor_release(from);
    mtl_tensor_release(wide);
    mtl_tensor_release(to);
    return status;
}

static mtl_status input_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx)
{
    bool cpu = mtl_cl_is_cpu(dx);
    mtl_tensor *turned = NULL;
    mtl_status status = MTL_OK;
    int64_t all = rows * c->batch, each = c->out_channels * (c->height + (c->kernel_h - 1) * c->dilation_h) *
                                          (c->width + (c->kernel_w - 1) * c->dilation_w);
    int64_t once = images_at_once(all, cpu ? each : 0, c->height * c->width);
    if (cpu)
        status = turn(c, w, &turned);
    for (int64_t i = 0; status == MTL_OK && i < all; i += once) {
        int64_t n = all - i < once ? all - i : once;
        status = cpu ? turned_some(c, i, n, turned, dy, dx) : input_some(c, i, n, w, dy, dx);
    }
    mtl_tensor_release(turned);
    return status;
}

/* dw and db (or NULL) of images [first, first + n), added to what is there with `more` */
static mtl_status weight_some(const mtl_conv *c, int64_t rows, int64_t first, int64_t n, bool more, const mtl_tensor *x,
                              const mtl_tensor *dy, mtl_tensor *dw, mtl_tensor *db)
{
    mtl_conv own = *c;
    plan p = plan_of(c);
    mtl_tensor *from = NULL, *in = NULL, *given = NULL, *parts = NULL;
    mtl_status status;
    bool cpu = mtl_cl_is_cpu(dy);
    int64_t pixels = c->out_h * c->out_w, out = c->out_channels / c->groups, pieces;
    int64_t patch = dw ? c->in_channels / c->groups * p.taps : 0, columns = patch + (cpu || db);
    MTL_TRY_GOTO(some(dy, p.output, first, (rows - 1) * c->batch + n, &given));
    if (dw)
        MTL_TRY_GOTO(some(x, p.image, first, n, &from));
    if (dw && cpu)
        MTL_TRY_GOTO(with_padding(&own, n, from, &in));
    p = plan_of(&own);
    mtl_tensor *images = in ? in : from ? from : given;
    mtl_cl_product product = product_of(&p, MTL_CL_WEIGHT, c->out_w, pixels);
    product.shape.conv.patch = (int32_t)patch;
    product.m = cpu ? patch : rows * out;
    product.n = cpu ? rows * out : columns;
    product.k = n * pixels;
    MTL_TRY_GOTO(mtl_cl_multiply(&product, cpu ? images : given, cpu ? given : images, NULL, NULL, &parts, &pieces));
    MTL_TRY_GOTO(MTL_CL_RUN_FLAT(dy, "conv", "sum_weight", "", c->groups * rows * out * columns, MTL_CL_BUF(parts),
                                 MTL_CL_BUF(dw), MTL_CL_BUF(db), MTL_CL_I32(pieces), MTL_CL_I32(c->groups),
                                 MTL_CL_I32(rows), MTL_CL_I32(out), MTL_CL_I32(patch), MTL_CL_I32(columns),
                                 MTL_CL_I32(cpu), MTL_CL_I32(more)));
done:
    mtl_tensor_release(from);
    mtl_tensor_release(in);
    mtl_tensor_release(given);
    mtl_tensor_release(parts);
    return status;
}

/* ---- groups of one channel, on a GPU ---- */

static bool by_channel(const mtl_conv *c, const mtl_tensor *on)
{
    return c->groups > 1 && c->groups == c->in_channels && !mtl_cl_is_cpu(on);
}

/* `which` of the kernels, with one work-item for each of n elements, or one group of REDUCE. */
static mtl_status channel_run(const mtl_conv *c, const char *which, int64_t rows, int64_t n, bool reduce,
                              const mtl_tensor *a, const mtl_tensor *b, const mtl_tensor *bias, mtl_tensor *y)
{
    plan p = plan_of(c);
    mtl_cl_product shape = product_of(&p, 0, c->out_w, c->out_h * c->out_w);
    char options[120];
    snprintf(options, sizeof options, "%s %s", p.options, mtl_cl_index(y->count));
    size_t local = reduce ? REDUCE : GROUP, global = (size_t)n * (reduce ? REDUCE : 1);
    return MTL_CL_RUN(y, "depthwise", which, options, 1, &global, &local, MTL_CL_BUF(a), MTL_CL_BUF(b),
                      MTL_CL_BUF(bias), MTL_CL_BUF(y), MTL_CL_I64(n), MTL_CL_I32(rows),
                      MTL_CL_STRUCT(shape.shape.conv));
}

mtl_status mtl_cl_conv2d(const mtl_conv *c, const mtl_tensor *x, const mtl_tensor *w, const mtl_tensor *bias,
                         mtl_tensor *y)
{
    if (y->count == 0)
        return MTL_OK;
    if (by_channel(c, y))
        return channel_run(c, "forward", 1, y->count, false, x, w, bias, y);
    return forward(c, x, w, bias, y);
}

static mtl_status parameter_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *x, const mtl_tensor *dy,
                                 mtl_tensor *dw, mtl_tensor *db)
{
    if (dw && by_channel(c, dy)) {
        MTL_TRY(channel_run(c, "weight", rows, dw->count, true, x, dy, NULL, dw));
        dw = NULL;
        if (!db)
            return MTL_OK;
    }
    int64_t once = images_at_once(c->batch, dw && mtl_cl_is_cpu(dy) ? padded(c) : 0, c->out_h * c->out_w);
    for (int64_t i = 0; i < c->batch; i += once)
        MTL_TRY(weight_some(c, rows, i, c->batch - i < once ? c->batch - i : once, i > 0, x, dy, dw, db));
    return MTL_OK;
}

mtl_status mtl_cl_conv2d_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *x, const mtl_tensor *w,
                              const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db)
{
    const mtl_backend *kernels = mtl_kernels(dy);
    if (dy->count == 0) {
        mtl_tensor *all[] = {dx, dw, db};
        for (int i = 0; i < 3; i++) {
            if (all[i] && all[i]->count)
                MTL_TRY(kernels->fill(all[i], 0.0));
        }
        return MTL_OK;
    }
    if (dx && by_channel(c, dy))
        MTL_TRY(channel_run(c, "input", rows, dx->count, false, dy, w, NULL, dx));
    else if (dx)
        MTL_TRY(input_grad(c, rows, w, dy, dx));
    return dw || db ? parameter_grad(c, rows, x, dy, dw, db) : MTL_OK;
}

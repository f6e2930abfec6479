/* Convolution. On a GPU its products read images where they lie (kernels/gemm.cl); on a CPU images are laid with their
   padding first, some at a time (kernels/panel.cl). dx is convolutions of dy with the weight turned about: with a
   stride s one for each phase, the pixels of x that are s apart, and with the taps that meet it, so that no zeros
   between the pixels of dy are multiplied; or, on a CPU, where that takes fewer multiplications, sums of the weight's
   lines (kernels/scatter.cl). Groups of one channel have kernels of their own on a GPU. */
#include "opencl/product.h"

#include <stdio.h>

enum { MAX_ROOM = 64 << 20, MAX_COLUMNS = 1 << 30, GROUP = 128, REDUCE = 256 };
enum { LANES = 8, SUMS = 10, LINES = 1024 }; /* of scatter.cl: floats of a vector, sums in registers, most lines */
enum { LEAST_ITEMS = 16, COPIES = 1 << 20 }; /* groups of images that it is worth; floats of the weight's copies */

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

/* Where pixels of the result lie in an image of `image` elements and planes of `plane`: from element `at` on, lines
   `line` and neighbours `step` apart. */
typedef struct {
    int64_t image, plane, line, step, at;
} phase;

/* i / d is (i magic) >> shift for 0 <= i < 2^31. */
static void magic_of(int64_t d, uint32_t *magic, uint32_t *shift)
{
    uint32_t bits = 0;
    while (((int64_t)1 << bits) < d)
        bits++;
    *shift = 31 + bits;
    *magic = (uint32_t)((((uint64_t)1 << *shift) + (uint64_t)d - 1) / (uint64_t)d);
}

/* The product of one kind; n, or k for WEIGHT, counts the pixels of y. */
static mtl_cl_product product_of(const plan *p, int kind)
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
    product.shape.conv.to_plane = (int32_t)(c->out_h * c->out_w);
    product.shape.conv.to_line = (int32_t)c->out_w;
    product.shape.conv.to_step = 1;
    magic_of(c->out_w, &product.shape.conv.line_magic, &product.shape.conv.line_shift);
    magic_of(c->out_h * c->out_w, &product.shape.conv.plane_magic, &product.shape.conv.plane_shift);
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

/* Lines (or columns) of an image with its padding that a convolution reads. */
static int64_t reach(int64_t out, int64_t stride, int64_t taps, int64_t dilation)
{
    return (out - 1) * stride + (taps - 1) * dilation + 1;
}

/* Elements of an image as a CPU's kernels read or write it, where that is not the image itself; else 0. */
static int64_t padded(const mtl_conv *c)
{
    int64_t high = reach(c->out_h, c->stride_h, c->kernel_h, c->dilation_h);
    int64_t wide = reach(c->out_w, c->stride_w, c->kernel_w, c->dilation_w);
    bool inside = c->pad_h == 0 && c->pad_w == 0 && high <= c->height && wide <= c->width;
    return inside ? 0 : c->in_channels * high * wide;
}

/* x of some images as the kernels of a CPU read it: itself (with a reference), or with its padding, which *c then has
   no more. */
static mtl_status with_padding(mtl_conv *c, int64_t images, mtl_tensor *x, mtl_tensor **out)
{
    int64_t count = images * padded(c), planes = images * c->in_channels;
    if (count == 0) {
        *out = mtl_tensor_retain(x);
        return MTL_OK;
    }
    int64_t high = reach(c->out_h, c->stride_h, c->kernel_h, c->dilation_h), wide = count / planes / high;
    size_t global[] = {(size_t)high, (size_t)planes};
    MTL_TRY(mtl_tensor_like(x, MTL_F32, 1, &count, out));
    MTL_TRY(MTL_CL_RUN(x, "conv", "expand", "", 2, global, ((const size_t[]){8, 1}), MTL_CL_BUF(x), MTL_CL_BUF(*out),
                       MTL_CL_I32(c->height), MTL_CL_I32(c->width), MTL_CL_I32(high), MTL_CL_I32(wide),
                       MTL_CL_I32(c->pad_h), MTL_CL_I32(c->pad_w)));
    c->height = high;
    c->width = wide;
    c->pad_h = c->pad_w = 0;
    return MTL_OK;
}

/* y of images [first, first + n); `lie` NULL: y is whole images. */
static mtl_status forward_some(const mtl_conv *c, int64_t first, int64_t n, const mtl_tensor *x, const mtl_tensor *w,
                               const mtl_tensor *bias, mtl_tensor *y, const phase *lie)
{
    mtl_conv own = *c;
    plan p = plan_of(c);
    mtl_tensor *from = NULL, *in = NULL, *to = NULL;
    mtl_status status;
    MTL_TRY_GOTO(some(x, p.image, first, n, &from));
    if (lie) {
        int64_t count = n * lie->image - lie->at;
        MTL_TRY_GOTO(mtl_tensor_alias(y, 1, &count, first * lie->image + lie->at, &to));
    } else {
        MTL_TRY_GOTO(some(y, p.output, first, n, &to));
    }
    if (mtl_cl_is_cpu(y)) {
        MTL_TRY_GOTO(with_padding(&own, n, from, &in));
        p = plan_of(&own);
    }
    mtl_cl_product product = product_of(&p, MTL_CL_FORWARD);
    product.m = c->out_channels / c->groups;
    product.n = n * c->out_h * c->out_w;
    product.k = c->in_channels / c->groups * p.taps;
    if (lie) {
        product.shape.conv.to_plane = (int32_t)lie->plane;
        product.shape.conv.to_line = (int32_t)lie->line;
        product.shape.conv.to_step = (int32_t)lie->step;
    }
    MTL_TRY_GOTO(mtl_cl_multiply(&product, w, in ? in : from, bias, to, NULL, NULL));
done:
    mtl_tensor_release(from);
    mtl_tensor_release(in);
    mtl_tensor_release(to);
    return status;
}

/* All c->batch images. */
static mtl_status forward(const mtl_conv *c, const mtl_tensor *x, const mtl_tensor *w, const mtl_tensor *bias,
                          mtl_tensor *y, const phase *lie)
{
    int64_t once = images_at_once(c->batch, mtl_cl_is_cpu(y) ? padded(c) : 0, c->out_h * c->out_w);
    for (int64_t i = 0; i < c->batch; i += once)
        MTL_TRY(forward_some(c, i, c->batch - i < once ? c->batch - i : once, x, w, bias, y, lie));
    return MTL_OK;
}

/* Along one side, lines r, r + stride ... of x: which taps meet them, and the convolution of dy that they are. */
typedef struct {
    int64_t lines, first, step, taps; /* taps first, first + step ... */
    int64_t dilation, pad;
} side;

static side side_of(int64_t r, int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    int64_t common = stride;
    for (int64_t rest = dilation; rest;) {
        int64_t next = common % rest;
        common = rest;
        rest = next;
    }
    side s = {.lines = (size - r + stride - 1) / stride, .step = stride / common, .dilation = dilation / common};
    while (s.first < kernel && (r + pad - s.first * dilation) % stride != 0)
        s.first++;
    s.taps = (kernel - s.first + s.step - 1) / s.step;
    s.pad = (s.taps - 1) * s.dilation - (r + pad - s.first * dilation) / stride;
    return s;
}

/* dx at the pixels of one phase. */
static mtl_status input_phase(const mtl_conv *c, int64_t rows, const side *h, const side *w, const phase *lie,
                              const mtl_tensor *weight, const mtl_tensor *dy, mtl_tensor *dx)
{
    mtl_conv back = {.batch = rows * c->batch,
                     .in_channels = c->out_channels,
                     .height = c->out_h,
                     .width = c->out_w,
                     .out_channels = c->in_channels,
                     .kernel_h = h->taps,
                     .kernel_w = w->taps,
                     .stride_h = 1,
                     .stride_w = 1,
                     .pad_h = h->pad,
                     .pad_w = w->pad,
                     .out_h = h->lines,
                     .out_w = w->lines,
                     .dilation_h = h->dilation,
                     .dilation_w = w->dilation,
                     .groups = c->groups};
    int64_t in = c->in_channels / c->groups, out = c->out_channels / c->groups;
    int64_t count = c->in_channels * out * h->taps * w->taps;
    mtl_tensor *turned = NULL;
    mtl_status status;
    MTL_TRY(mtl_tensor_like(weight, MTL_F32, 1, &count, &turned));
    MTL_TRY_GOTO(MTL_CL_RUN_FLAT(weight, "conv", "turn", "", count, MTL_CL_BUF(weight), MTL_CL_BUF(turned),
                                 MTL_CL_I64(count), MTL_CL_I32(in), MTL_CL_I32(out), MTL_CL_I32(c->kernel_h),
                                 MTL_CL_I32(c->kernel_w), MTL_CL_I32(h->first), MTL_CL_I32(h->step),
                                 MTL_CL_I32(h->taps), MTL_CL_I32(w->first), MTL_CL_I32(w->step), MTL_CL_I32(w->taps)));
    status = forward(&back, dy, turned, NULL, dx, lie);
done:
    mtl_tensor_release(turned);
    return status;
}

/* ---- dx on a CPU, where sums of the weight's lines take fewer multiplications than a product ---- */

/* Neighbours in a line of dy whose windows fit into a vector. */
static int64_t shifts_of(const mtl_conv *c)
{
    return (LANES - c->kernel_w) / c->stride_w + 1;
}

/* The weight's lines for a pixel of dy, in whole blocks. */
static int64_t lines_of(const mtl_conv *c)
{
    return (c->in_channels / c->groups * c->kernel_h + SUMS - 1) / SUMS * SUMS;
}

/* Whether there are fewer vectors to multiply than by products, even where dy has no zeros. */
static bool scatter_pays(const mtl_conv *c, int64_t rows)
{
    int64_t image = padded(c) ? padded(c) : c->in_channels * c->height * c->width;
    if (c->kernel_w > LANES || c->dilation_h != 1 || c->dilation_w != 1 || lines_of(c) > LINES ||
        rows * c->batch * padded(c) > MAX_ROOM || image > INT32_MAX ||
        c->out_channels * c->out_h * c->out_w > INT32_MAX)
        return false;
    int64_t copies = lines_of(c) * shifts_of(c) * c->out_channels * LANES, taps = c->kernel_h * c->kernel_w;
    int64_t product = c->height * c->width / (c->stride_h * c->stride_w) * (c->in_channels / c->groups) * taps / LANES;
    return rows * c->batch * c->groups >= LEAST_ITEMS && copies <= COPIES &&
           c->out_h * c->out_w * lines_of(c) < product;
}

static mtl_status input_scatter(const mtl_conv *c, int64_t rows, const mtl_tensor *w, const mtl_tensor *dy,
                                mtl_tensor *dx)
{
    mtl_conv own = *c;
    int64_t images = rows * c->batch, room = images * padded(c), lines = lines_of(c), shifts = shifts_of(c);
    int64_t count = lines * shifts * c->out_channels * LANES, planes = images * c->in_channels;
    mtl_tensor *copies = NULL, *laid = NULL;
    mtl_status status;
    if (room) {
        MTL_TRY(mtl_tensor_like(dx, MTL_F32, 1, &room, &laid));
        own.height = reach(c->out_h, c->stride_h, c->kernel_h, c->dilation_h);
        own.width = room / planes / own.height;
    }
    plan p = plan_of(&own);
    mtl_cl_product shape = product_of(&p, MTL_CL_FORWARD);
    size_t global[] = {(size_t)images, (size_t)c->groups}, crop[] = {(size_t)c->height, (size_t)planes};
    MTL_TRY_GOTO(mtl_tensor_like(w, MTL_F32, 1, &count, &copies));
    MTL_TRY_GOTO(MTL_CL_RUN_FLAT(w, "scatter", "spread", "", count, MTL_CL_BUF(w), MTL_CL_BUF(copies),
                                 MTL_CL_I32(count), MTL_CL_I32(shifts), MTL_CL_I32(lines), MTL_CL_SHAPE(&shape)));
    MTL_TRY_GOTO(MTL_CL_RUN(dx, "scatter", "scatter", "", 2, global, ((const size_t[]){1, 1}), MTL_CL_BUF(copies),
                            MTL_CL_BUF(dy), MTL_CL_BUF(laid ? laid : dx), MTL_CL_I32(shifts), MTL_CL_I32(lines),
                            MTL_CL_SHAPE(&shape)));
    if (laid)
        MTL_TRY_GOTO(MTL_CL_RUN(dx, "conv", "expand", "", 2, crop, ((const size_t[]){8, 1}), MTL_CL_BUF(laid),
                                MTL_CL_BUF(dx), MTL_CL_I32(own.height), MTL_CL_I32(own.width), MTL_CL_I32(c->height),
                                MTL_CL_I32(c->width), MTL_CL_I32(-c->pad_h), MTL_CL_I32(-c->pad_w)));
done:
    mtl_tensor_release(copies);
    mtl_tensor_release(laid);
    return status;
}

static mtl_status input_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx)
{
    if (mtl_cl_is_cpu(dx) && scatter_pays(c, rows))
        return input_scatter(c, rows, w, dy, dx);
    /* Phases that no tap meets are those of a stride that is larger than the kernel, or has a factor of the dilation.
     */
    side any_h = side_of(0, c->height, c->kernel_h, c->stride_h, c->pad_h, c->dilation_h);
    side any_w = side_of(0, c->width, c->kernel_w, c->stride_w, c->pad_w, c->dilation_w);
    if (any_h.step < c->stride_h || any_w.step < c->stride_w || c->kernel_h < c->stride_h || c->kernel_w < c->stride_w)
        MTL_TRY(mtl_kernels(dx)->fill(dx, 0.0));
    for (int64_t i = 0; i < c->stride_h && i < c->height; i++) {
        for (int64_t j = 0; j < c->stride_w && j < c->width; j++) {
            side high = side_of(i, c->height, c->kernel_h, c->stride_h, c->pad_h, c->dilation_h);
            side wide = side_of(j, c->width, c->kernel_w, c->stride_w, c->pad_w, c->dilation_w);
            phase lie = {.image = c->in_channels * c->height * c->width,
                         .plane = c->height * c->width,
                         .line = c->stride_h * c->width,
                         .step = c->stride_w,
                         .at = i * c->width + j};
            if (high.taps > 0 && wide.taps > 0)
                MTL_TRY(input_phase(c, rows, &high, &wide, &lie, w, dy, dx));
        }
    }
    return MTL_OK;
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
    mtl_cl_product product = product_of(&p, MTL_CL_WEIGHT);
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
    mtl_cl_product shape = product_of(&p, 0);
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
    return forward(c, x, w, bias, y, NULL);
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

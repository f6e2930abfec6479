/* Convolution. Many channels with windows of 3 x 3 go Winograd's way (winograd.c). Else gradients skip the zeros of dy
   where most of it is zeros (sparse.c). Else, where output lines are whole pieces of vectors, windows are read where
   they lie (slide.c). Else by columns: some output pixels become a matrix [patch, pixels], and a single-threaded
   product does the rest. Images are split over threads; sums over the batch are cut by the shape alone. Groups of
   channels come one after the other, each as a convolution of its own; groups of one channel have their own way
   (depthwise.c). */
#include "cpu/conv.h"

/* Columns that are worked on at once: STRIP floats, half of a usual second-level cache, but at least so many pixels. */
enum { STRIP = 64 * 1024, LEAST = 128, LEAST_SUM = 256, WIDE = 2 * LANES };
/* Sums: weights of a block, items of work, floats of all parts, pixels of small images at once. */
enum { BLOCK = 64 * 1024, SHARES = 16, MAX_PARTS = 16 * 1024 * 1024, SUM_PIXELS = 256 };
enum { AT_ONCE = 64 };

static int64_t between(int64_t n, int64_t low, int64_t high)
{
    return n > high ? high : n < low ? low : n;
}

/* Strips of at least `least` pixels. */
static plan plan_of(const mtl_conv *c, int64_t least)
{
    plan p = {.c = *c,
              .patch = c->in_channels / c->groups * c->kernel_h * c->kernel_w,
              .pixels = c->out_h * c->out_w,
              .image = c->in_channels * c->height * c->width,
              .output = c->out_channels * c->out_h * c->out_w,
              .high = c->height + 2 * c->pad_h,
              .wide = c->width + 2 * c->pad_w};
    p.c.in_channels /= c->groups;
    p.c.out_channels /= c->groups;
    p.border = c->pad_h || c->pad_w;
    p.bordered = p.c.in_channels * p.high * p.wide + LANES;
    p.plain = c->kernel_h == 1 && c->kernel_w == 1 && c->out_h == c->height && c->out_w == c->width && !p.border;
    p.slides = c->stride_w == 1 && c->out_w % PIECE == 0 && p.bordered < INT32_MAX;
    p.strip = STRIP / p.patch < least ? least : STRIP / p.patch;
    p.strips = (p.pixels + p.strip - 1) / p.strip;
    p.strip = ((p.pixels + p.strips - 1) / p.strips + WIDE - 1) / WIDE * WIDE; /* even ones */
    p.strip = p.strip < p.pixels ? p.strip : p.pixels;
    p.strips = (p.pixels + p.strip - 1) / p.strip;
    p.pitch = p.patch;
    return p;
}

/* First pixel of strip s, and how many. */
static int64_t strip_of(const plan *p, int64_t s, int64_t *first)
{
    *first = s * p->strip;
    return p->pixels - *first < p->strip ? p->pixels - *first : p->strip;
}

static int threads_for(const mtl_context *ctx, const plan *p, int64_t items, int64_t rows)
{
    double work = (double)rows * (double)p->c.batch * (double)p->patch * (double)p->output;
    return work < 100000.0 ? 1 : MTL_CPU_THREADS(ctx, items);
}

/* Of `all` elements, where those of group g begin. */
static int64_t start_of(const plan *p, int64_t g, int64_t all)
{
    return all / p->c.groups * g;
}

static mtl_status scratch(const mtl_tensor *like, int64_t n, mtl_tensor **t, float **data)
{
    MTL_TRY(mtl_tensor_like(like, MTL_F32, 1, &n, t));
    *data = mtl_f32(*t);
    return MTL_OK;
}

/* An image into one with a border, which is zero already. */
static void put_inside(const plan *p, const float *x, float *room)
{
    const mtl_conv *c = &p->c;
    for (int64_t line = 0; line < c->in_channels * c->height; line++) {
        int64_t y = line / c->height * p->high + line % c->height + c->pad_h;
        memcpy(room + y * p->wide + c->pad_w, x + line * c->width, (size_t)c->width * sizeof *x);
    }
}

/* Image b with its border, in `room` whose border is zero already; where it lies if it has none. For columns the last
   images go to `room` too: whole vectors are read, and may go past the end. */
static const float *image_of(const plan *p, int64_t b, const float *x, float *room)
{
    const mtl_conv *c = &p->c;
    x += b * p->image;
    if (!p->border && (p->slides || (c->batch - 1 - b) * p->image >= LANES))
        return x;
    put_inside(p, x, room);
    return room;
}

/* Neighbouring output pixels of one line, a vector's at most: the first one's place in the image, and in a line of
   columns. */
typedef struct {
    int64_t from, to, n;
} run;

/* Up to AT_ONCE of them, from pixel *at on. */
static int runs_of(const plan *p, int64_t first, int64_t *at, int64_t end, run *out)
{
    const mtl_conv *c = &p->c;
    int n = 0;
    for (; *at < end && n < AT_ONCE; n++) {
        int64_t oy = *at / c->out_w, ox = *at % c->out_w, left = c->out_w - ox;
        left = left < end - *at ? left : end - *at;
        left = left < LANES ? left : LANES;
        out[n] = (run){oy * c->stride_h * p->wide + ox * c->stride_w, *at - first, left};
        *at += left;
    }
    return n;
}

/* Whole vectors: what is too much is overwritten by the next run, or lies in the slack behind the line. */
INLINE void copy_run(const float *from, int64_t stride, int64_t n, float *to)
{
    if (stride == 1)
        *(vec *)to = *(const vec *)from;
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i * stride];
}

#define ADD(type)                                                                                                      \
    do {                                                                                                               \
        *(type *)to += *(const type *)from;                                                                            \
        n -= (int64_t)(sizeof(type) / sizeof(float));                                                                  \
        to += sizeof(type) / sizeof(float), from += sizeof(type) / sizeof(float);                                      \
    } while (0)

INLINE void add_run(const float *from, int64_t n, float *to, int64_t stride)
{
    if (stride != 1) {
        for (int64_t i = 0; i < n; i++)
            to[i * stride] += from[i];
        return;
    }
    if (n == LANES)
        ADD(vec);
    if (LANES > 8 && n >= 8)
        ADD(octet);
    if (LANES > 4 && n >= 4)
        ADD(quad);
    while (n > 0)
        ADD(float);
}

/* Lines of columns, `pitch` apart, of `pixels` pixels of a bordered image; or their adjoint, added to it. Where lines
   have no slack behind them, all of a line fits into AT_ONCE runs: then the next line overwrites the excess. */
INLINE void walk(const plan *p, bool add, int64_t stride, int64_t first, int64_t pixels, float *image, int64_t pitch,
                 float *cols)
{
    const mtl_conv *c = &p->c;
    run runs[AT_ONCE];
    for (int64_t at = first; at < first + pixels;) {
        int n = runs_of(p, first, &at, first + pixels, runs);
        float *line = cols;
        for (int64_t row = 0; row < c->in_channels * c->kernel_h; row++) {
            float *corner = image + (row / c->kernel_h * p->high + row % c->kernel_h * c->dilation_h) * p->wide;
            for (int64_t k = 0; k < c->kernel_w; k++, line += pitch, corner += c->dilation_w) {
                for (const run *q = runs; q < runs + n; q++) {
                    if (add)
                        add_run(line + q->to, q->n, corner + q->from, stride);
                    else
                        copy_run(corner + q->from, stride, q->n, line + q->to);
                }
            }
        }
    }
}

static void columns(const plan *p, const float *image, int64_t first, int64_t pixels, int64_t pitch, float *cols)
{
    if (p->c.stride_w == 1)
        walk(p, false, 1, first, pixels, (float *)image, pitch, cols);
    else
        walk(p, false, p->c.stride_w, first, pixels, (float *)image, pitch, cols);
}

static void add_columns(const plan *p, const float *cols, int64_t first, int64_t pixels, int64_t pitch, float *image)
{
    if (p->c.stride_w == 1)
        walk(p, true, 1, first, pixels, image, pitch, (float *)cols);
    else
        walk(p, true, p->c.stride_w, first, pixels, image, pitch, (float *)cols);
}

/* What slide.c needs to know of the windows; NULL where nothing slides. */
static mtl_status places_of(const plan *p, const mtl_tensor *like, mtl_tensor **t, const int32_t **places)
{
    *places = NULL;
    if (!p->slides)
        return MTL_OK;
    MTL_TRY(mtl_tensor_like(like, MTL_I32, 1, (int64_t[]){mtl_slide_places(p, NULL)}, t));
    mtl_slide_places(p, mtl_i32(*t));
    *places = mtl_i32(*t);
    return MTL_OK;
}

/* Some pixels of y of one image, by columns */
static void by_columns(const plan *p, int64_t first, int64_t pixels, const float *x, const float *image,
                       const float *weight, const float *bias, float *cols, float *y)
{
    int64_t channels = p->c.out_channels;
    for (int64_t o = 0; o < channels; o++) {
        for (int64_t i = 0; i < pixels; i++)
            y[o * p->pixels + first + i] = bias ? bias[o] : 0.0f;
    }
    for (int64_t j = 0; !p->plain && j < pixels; j += WIDE) { /* each panel as sgemm packs them */
        int64_t n = pixels - j < WIDE ? pixels - j : WIDE;
        columns(p, image, first + j, n, n > LANES ? WIDE : LANES, cols + j * p->patch);
    }
    mtl_sgemm(false, false, channels, pixels, p->patch, 1.0f, weight, p->patch, x + first, p->pixels,
              p->plain ? NULL : cols, 1.0f, NULL, y + first, p->pixels);
}

/* y of group g; weight and bias are those of all groups. */
static mtl_status forward(const plan *p, int64_t g, const mtl_tensor *x, const float *weight, const float *bias,
                          mtl_tensor *y)
{
    const mtl_conv *c = &p->c;
    mtl_tensor *room = NULL, *map = NULL;
    const int32_t *places;
    const float *from = mtl_f32(x) + start_of(p, g, p->image);
    float *to = mtl_f32(y) + start_of(p, g, p->output), *own;
    weight += g * c->out_channels * p->patch;
    bias = bias ? bias + g * c->out_channels : NULL;
    if (mtl_winograd_pays(p))
        return mtl_winograd(p, x, from, weight, bias, to);
    int64_t items = c->batch * p->strips, packed = p->slides ? mtl_slide_weight(p, weight, NULL) : 0;
    int64_t each = p->bordered + (p->plain || p->slides ? 0 : mtl_sgemm_packed(p->strip, p->patch) + LANES);
    int threads = threads_for(x->ctx, p, items, 1);
    mtl_status status = scratch(x, packed + threads * each, &room, &own);
    if (status == MTL_OK)
        status = places_of(p, x, &map, &places);
    if (status != MTL_OK)
        goto done;
    if (p->slides)
        mtl_slide_weight(p, weight, own);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        float *border = own + packed + t * each;
        const float *image = NULL;
        memset(border, 0, (size_t)p->bordered * sizeof *border);
        for (int64_t item = items * t / threads, end = items * (t + 1) / threads; item < end; item++) {
            int64_t b = item / p->strips, s = item % p->strips, first, pixels = strip_of(p, s, &first);
            float *out = to + b * p->output;
            if (!image || s == 0)
                image = image_of(p, b, from, border);
            if (p->slides)
                mtl_slide_forward(p, places, own, bias, image, first, first + pixels, out);
            else
                by_columns(p, first, pixels, from + b * p->image, image, weight, bias, border + p->bordered, out);
        }
    }
done:
    mtl_tensor_release(room);
    mtl_tensor_release(map);
    return status;
}

static mtl_status conv2d(const mtl_conv *c, const mtl_tensor *x, const mtl_tensor *w, const mtl_tensor *bias,
                         mtl_tensor *y)
{
    plan p = plan_of(c, LEAST);
    const float *add = bias ? mtl_f32(bias) : NULL;
    if (mtl_is_depthwise(c))
        return mtl_depthwise(c, x, mtl_f32(w), add, y);
    for (int64_t g = 0; g < c->groups; g++)
        MTL_TRY(forward(&p, g, x, mtl_f32(w), add, y));
    return MTL_OK;
}

/* With stride 1, dx is the convolution of dy, with a border, with the weight turned about. It pays where the border
   adds little. */
static bool turns(const mtl_conv *c, int64_t rows, plan *p)
{
    mtl_conv back = {.batch = rows * c->batch,
                     .in_channels = c->out_channels,
                     .height = c->out_h,
                     .width = c->out_w,
                     .out_channels = c->in_channels,
                     .kernel_h = c->kernel_h,
                     .kernel_w = c->kernel_w,
                     .stride_h = 1,
                     .stride_w = 1,
                     .pad_h = (c->kernel_h - 1) * c->dilation_h - c->pad_h,
                     .pad_w = (c->kernel_w - 1) * c->dilation_w - c->pad_w,
                     .out_h = c->height,
                     .out_w = c->width,
                     .dilation_h = c->dilation_h,
                     .dilation_w = c->dilation_w,
                     .groups = c->groups};
    if (c->stride_h != 1 || c->stride_w != 1 || back.pad_h < 0 || back.pad_w < 0)
        return false;
    /* the gradient may be wanted of more pixels than windows meet: a transposed convolution's output_padding */
    if (c->out_h + back.pad_h != c->height + c->pad_h || c->out_w + back.pad_w != c->width + c->pad_w)
        return false;
    *p = plan_of(&back, LEAST);
    return 4 * c->height * c->width <= 5 * c->out_h * c->out_w;
}

static mtl_status turned_grad(const plan *p, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx)
{
    const mtl_conv *c = &p->c;
    int64_t size = c->kernel_h * c->kernel_w, n = c->in_channels * c->out_channels;
    const float *weight = mtl_f32(w);
    mtl_status status = MTL_OK;
    mtl_tensor *room = NULL;
    float *turned;
    MTL_TRY(scratch(dx, c->groups * n * size, &room, &turned));
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(dx->ctx, c->groups *n *size / MTL_CPU_GRAIN))
    for (int64_t at = 0; at < c->groups * n; at++) { /* of each group, [from, to] becomes [to, from] */
        int64_t from = at % c->in_channels * c->out_channels + at % n / c->in_channels;
        const float *in = weight + (at / n * n + from) * size;
        for (int64_t k = 0; k < size; k++)
            turned[at * size + k] = in[size - 1 - k];
    }
    for (int64_t g = 0; status == MTL_OK && g < c->groups; g++)
        status = forward(p, g, dy, turned, NULL, dx);
    mtl_tensor_release(room);
    return status;
}

/* dx of one cotangent and image */
static void image_grad(const plan *p, const float *weight, const float *dy, float *border, float *dx)
{
    const mtl_conv *c = &p->c;
    float *sum = p->border ? border : dx, *cols = border + p->bordered;
    if (!p->plain)
        memset(sum, 0, (size_t)(p->border ? p->bordered : p->image / c->groups) * sizeof *sum);
    for (int64_t s = 0; s < p->strips; s++) {
        int64_t first, pixels = strip_of(p, s, &first);
        mtl_sgemm(true, false, p->patch, pixels, c->out_channels, 1.0f, weight, p->patch, dy + first, p->pixels, NULL,
                  0.0f, NULL, p->plain ? dx + first : cols, p->plain ? p->pixels : pixels);
        if (!p->plain)
            add_columns(p, cols, first, pixels, pixels, sum);
    }
    for (int64_t line = 0; p->border && line < c->in_channels * c->height; line++) {
        int64_t y = line / c->height * p->high + line % c->height + c->pad_h;
        memcpy(dx + line * c->width, border + y * p->wide + c->pad_w, (size_t)c->width * sizeof *dx);
    }
}

static mtl_status input_grad(const plan *p, int64_t g, int64_t rows, const mtl_tensor *w, const mtl_tensor *dy,
                             mtl_tensor *dx)
{
    mtl_tensor *room = NULL;
    const float *weight = mtl_f32(w) + g * p->c.out_channels * p->patch;
    const float *from = mtl_f32(dy) + start_of(p, g, p->output);
    float *to = mtl_f32(dx) + start_of(p, g, p->image), *own;
    int64_t items = rows * p->c.batch, each = p->bordered + (p->plain ? 0 : p->patch * p->strip);
    int threads = threads_for(dx->ctx, p, items, rows);
    MTL_TRY(scratch(dx, threads * each, &room, &own));
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        for (int64_t item = items * t / threads, end = items * (t + 1) / threads; item < end; item++)
            image_grad(p, weight, from + item * p->output, own + t * each, to + item * p->image);
    }
    mtl_tensor_release(room);
    return MTL_OK;
}

/* Sums over the batch: dw and db of all cotangents at once, over a few images (or a strip of one) at a time. Cut into
   chunks of images, whose sums are added in the end, and where there are many weights into blocks of input channels: a
   block's weights then stay in the cache, and there is less to add. */
typedef struct {
    plan p;
    bool sparse; /* dy is mostly zeros: see sparse.c */
    const int32_t *places;
    int64_t lines;          /* cotangents times output channels */
    int64_t blocks, chunks; /* of input channels; of images */
    int64_t group;          /* images at once */
    int64_t weights, part;  /* floats of dw (0: not wanted), and of dw and db */
    const float *x, *dy;
} summing;

/* Channels of block `at`, as a convolution of their own: its plan, and its first channel. */
static plan block_of(const summing *s, int64_t at, int64_t *first)
{
    plan p = s->p;
    const mtl_conv *c = &s->p.c;
    int64_t end;
    mtl_block(c->in_channels, s->blocks, at, first, &end);
    p.c.in_channels = end - *first;
    p.patch = p.c.in_channels * c->kernel_h * c->kernel_w;
    p.bordered = p.c.in_channels * p.high * p.wide + LANES;
    return p;
}

/* The pixels of a line of dy: cotangent line / O, output channel line % O. */
static const float *line_of(const summing *s, int64_t image, int64_t line)
{
    int64_t out = s->p.c.out_channels;
    return s->dy + (line / out * s->p.c.batch + image) * s->p.output + line % out * s->p.pixels;
}

static int64_t room_of(const summing *s)
{
    int64_t first, pitch = s->group * s->p.strip;
    plan p = block_of(s, s->blocks - 1, &first); /* none is larger */
    if (!s->weights)
        return 0;
    if (s->sparse)
        return s->group * p.bordered + mtl_sparse_room(&p, s->group);
    return p.slides ? s->group * p.bordered : p.bordered + pitch * s->lines + (pitch + LANES) * p.patch;
}

static void slide_share(const summing *s, const plan *p, const float *x, int64_t image, int64_t n, float *room,
                        float *part)
{
    for (int64_t i = 0; p->border && i < n; i++)
        image_of(p, image + i, x, room + i * p->bordered);
    mtl_slide_sums(p, s->places, s->lines, n, p->border ? room : x + image * p->image,
                   p->border ? p->bordered : p->image, line_of(s, image, 0), part);
}

static void sparse_share(const summing *s, const plan *p, const float *x, int64_t image, int64_t n, float *room,
                         float *part)
{
    bool copy = p->border || (p->c.batch - image - n) * p->image < LANES; /* vectors are read past the end */
    for (int64_t i = 0; copy && i < n; i++)
        put_inside(p, x + (image + i) * p->image, room + i * p->bordered);
    mtl_sparse_sums(p, s->lines / p->c.out_channels, n, copy ? room : x + image * p->image,
                    copy ? p->bordered : p->image, line_of(s, image, 0), room + s->group * p->bordered, part);
}

static void column_share(const summing *s, const plan *p, const float *x, int64_t image, int64_t n, float *room,
                         float *part)
{
    float *dys = room + p->bordered, *cols = dys + s->group * p->strip * s->lines;
    for (int64_t strip = 0; strip < p->strips; strip++) {
        int64_t first, pixels = strip_of(p, strip, &first), width = n * pixels, pitch = width + LANES;
        for (int64_t i = 0; i < n; i++) {
            columns(p, image_of(p, image + i, x, room), first, pixels, pitch, cols + i * pixels);
            for (int64_t line = 0; line < s->lines; line++)
                memcpy(dys + line * width + i * pixels, line_of(s, image + i, line) + first,
                       (size_t)pixels * sizeof *dys);
        }
        mtl_sgemm(false, true, s->lines, p->patch, width, 1.0f, dys, width, cols, pitch, NULL, 1.0f, NULL, part,
                  p->pitch);
    }
}

static void bias_share(const summing *s, int64_t image, float *part)
{
    for (int64_t line = 0; line < s->lines; line++) {
        const float *from = line_of(s, image, line);
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < s->p.pixels; i++)
            sum += from[i];
        part[line] += sum;
    }
}

/* dw of a block of channels, from the images of a chunk; db with the first block. `part` is the chunk's. */
static void sum_images(const summing *s, int64_t chunk, int64_t block, float *room, float *part)
{
    int64_t channel, begin, end;
    plan p = block_of(s, block, &channel);
    const mtl_conv *c = &s->p.c;
    float *own = part + channel * c->kernel_h * c->kernel_w;
    void (*share)(const summing *, const plan *, const float *, int64_t, int64_t, float *, float *) =
        s->sparse  ? sparse_share
        : p.slides ? slide_share
                   : column_share;
    mtl_block(c->batch, s->chunks, chunk, &begin, &end);
    for (int64_t line = 0; s->weights && line < s->lines; line++)
        memset(own + line * p.pitch, 0, (size_t)p.patch * sizeof *own);
    for (int64_t b = begin; b < end && s->weights; b += s->group)
        share(s, &p, s->x + channel * c->height * c->width, b, between(end - b, 0, s->group), room, own);
    if (block == 0 && s->part > s->weights) {
        memset(part + s->weights, 0, (size_t)s->lines * sizeof *part);
        for (int64_t b = begin; b < end; b++)
            bias_share(s, b, part + s->weights);
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

/* dw and db of group g. x NULL: dw is not wanted. */
static mtl_status parameter_grad(const plan *p, bool sparse, int64_t g, int64_t rows, const mtl_tensor *x,
                                 const mtl_tensor *dy, mtl_tensor *dw, mtl_tensor *db)
{
    mtl_tensor *room = NULL, *map = NULL;
    float *own;
    int64_t groups = p->c.groups, out = p->c.out_channels;
    summing s = {.p = *p,
                 .sparse = sparse,
                 .lines = rows * out,
                 .x = x ? mtl_f32(x) + start_of(p, g, p->image) : NULL,
                 .dy = mtl_f32(dy) + start_of(p, g, p->output)};
    s.weights = dw ? s.lines * p->patch : 0;
    s.part = s.weights + (db ? s.lines : 0);
    int64_t batch = between(p->c.batch, 1, INT64_MAX);
    s.blocks = between(between(s.weights / BLOCK, 1, SHARES), 1, p->c.in_channels);
    s.chunks = between(between(SHARES / s.blocks, 1, MAX_PARTS / (s.part + 1) + 1), 1, batch);
    int64_t fit = sparse          ? mtl_sparse_images(p)
                  : p->slides     ? 1024 / p->pixels
                  : p->strips > 1 ? 1
                                  : SUM_PIXELS / p->pixels;
    s.group = between(between(fit, 1, INT64_MAX), 1, (batch + s.chunks - 1) / s.chunks);
    int64_t each = room_of(&s), items = s.blocks * s.chunks;
    int threads = threads_for(dy->ctx, p, items, rows);
    mtl_status status = scratch(dy, s.chunks * s.part + threads * each, &room, &own);
    if (status == MTL_OK)
        status = places_of(p, dy, &map, &s.places);
    if (status != MTL_OK)
        goto done;
    float *work = own + s.chunks * s.part;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        int64_t wide = 0; /* the block that the borders in the room are of; all blocks' sizes differ by one at most */
        for (int64_t item = items * t / threads; item < items * (t + 1) / threads; item++) {
            int64_t first;
            plan block = block_of(&s, item / s.chunks, &first);
            if (dw && p->border && block.bordered != wide)
                memset(work + t * each, 0,
                       (size_t)((sparse || p->slides ? s.group : 1) * block.bordered) * sizeof *work);
            wide = block.bordered;
            sum_images(&s, item % s.chunks, item / s.chunks, work + t * each, own + item % s.chunks * s.part);
        }
    }
    int64_t pieces = groups > 1 ? rows : 1; /* a cotangent's lines of one group are neighbours */
    for (int64_t r = 0; r < pieces; r++) {
        int64_t from = r * out, to = r * groups * out + g * out;
        if (dw)
            add_parts(dy->ctx, s.chunks, s.part, own + from * p->patch, s.weights / pieces,
                      mtl_f32(dw) + to * p->patch);
        if (db)
            add_parts(dy->ctx, s.chunks, s.part, own + s.weights + from, s.lines / pieces, mtl_f32(db) + to);
    }
done:
    mtl_tensor_release(room);
    mtl_tensor_release(map);
    return status;
}

static mtl_status conv2d_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *x, const mtl_tensor *w,
                              const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db)
{
    plan p = plan_of(c, LEAST), sum = plan_of(c, LEAST_SUM), turned;
    if (mtl_is_depthwise(c))
        return mtl_depthwise_grad(c, rows, x, w, dy, dx, dw, db);
    bool listed = dx && mtl_sparse_pays(&p, rows, mtl_f32(dy), true);
    bool sparse = dw && mtl_sparse_pays(&sum, rows, mtl_f32(dy), false);
    bool back = dx && !listed && turns(c, rows, &turned);
    if (back)
        MTL_TRY(turned_grad(&turned, w, dy, dx));
    if (dw && c->groups == 1 && mtl_winograd_pays(&sum)) {
        MTL_TRY(mtl_winograd_sums(&sum, rows, dy, mtl_f32(x), mtl_f32(dy), mtl_f32(dw)));
        dw = NULL;
    }
    for (int64_t g = 0; g < c->groups; g++) {
        if (listed)
            MTL_TRY(mtl_sparse_input(&p, rows, dx, mtl_f32(w) + g * p.c.out_channels * p.patch,
                                     mtl_f32(dy) + start_of(&p, g, p.output), mtl_f32(dx) + start_of(&p, g, p.image)));
        else if (dx && !back)
            MTL_TRY(input_grad(&p, g, rows, w, dy, dx));
        if (dw || db)
            MTL_TRY(parameter_grad(&sum, sparse, g, rows, x, dy, dw, db));
    }
    return MTL_OK;
}

void MTL_CPU(conv)(mtl_backend *table)
{
    table->conv2d = conv2d;
    table->conv2d_grad = conv2d_grad;
}

/* Convolution by columns: some output pixels of one image become a matrix [patch, pixels], and a single-threaded
   product does the rest. Images are split over threads; sums over the batch are cut by the shape alone. */
#include "cpu/cpu.h"
#include "cpu/vec.h"

/* STRIP: floats of columns that are worked on at once, half of a usual second-level cache. */
enum { STRIP = 64 * 1024, MAX_CHUNKS = 16, MAX_PARTS = 16 * 1024 * 1024, PIECES = 64, WIDE = 2 * LANES };

typedef struct {
    mtl_conv c;
    int64_t patch, pixels;      /* channels kh kw; oh ow */
    int64_t image, output;      /* elements of one image of x, and of y */
    int64_t high, wide, padded; /* of an image with its border; its elements, 0 without a border */
    int64_t strip, strips;      /* pixels that are worked on at once, of each image */
    bool plain;                 /* 1 x 1, stride 1: the image is its own columns */
} plan;

static plan plan_of(const mtl_conv *c)
{
    plan p = {.c = *c,
              .patch = c->in_channels * c->kernel_h * c->kernel_w,
              .pixels = c->out_h * c->out_w,
              .image = c->in_channels * c->height * c->width,
              .output = c->out_channels * c->out_h * c->out_w,
              .high = c->height + 2 * c->pad_h,
              .wide = c->width + 2 * c->pad_w};
    p.padded = c->pad_h || c->pad_w ? c->in_channels * p.high * p.wide : 0;
    p.plain = c->kernel_h == 1 && c->kernel_w == 1 && c->stride_h == 1 && c->stride_w == 1 && !p.padded;
    p.strips = p.pixels * p.patch / STRIP + 1;
    p.strip = ((p.pixels + p.strips - 1) / p.strips + WIDE - 1) / WIDE * WIDE;
    p.strip = p.strip < p.pixels ? p.strip : p.pixels;
    p.strips = (p.pixels + p.strip - 1) / p.strip;
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

static mtl_status scratch(const mtl_tensor *like, int64_t n, mtl_tensor **t, float **data)
{
    MTL_TRY(mtl_tensor_like(like, MTL_F32, 1, &n, t));
    *data = mtl_f32(*t);
    return MTL_OK;
}

/* The image with its border, in `room` whose border is zero already; itself where there is none. */
static const float *bordered(const plan *p, const float *x, float *room)
{
    const mtl_conv *c = &p->c;
    if (!p->padded)
        return x;
    for (int64_t line = 0; line < c->in_channels * c->height; line++) {
        int64_t y = line / c->height * p->high + line % c->height + c->pad_h;
        memcpy(room + y * p->wide + c->pad_w, x + line * c->width, (size_t)c->width * sizeof *x);
    }
    return room;
}

/* Neighbouring output pixels of one line: where their first input lies, and where they stand in a line of columns. */
typedef struct {
    int64_t from, to, n;
} piece;

/* Up to PIECES of them, from pixel *at on. */
static int pieces_of(const plan *p, int64_t first, int64_t *at, int64_t end, piece *out)
{
    const mtl_conv *c = &p->c;
    int n = 0;
    for (; *at < end && n < PIECES; n++) {
        int64_t oy = *at / c->out_w, ox = *at % c->out_w, left = c->out_w - ox;
        left = left < end - *at ? left : end - *at;
        out[n] = (piece){oy * c->stride_h * p->wide + ox * c->stride_w, *at - first, left};
        *at += left;
    }
    return n;
}

INLINE void copy_piece(const float *from, int64_t stride, int64_t n, float *to)
{
    if (stride != 1) {
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i * stride];
        return;
    }
    for (; n >= LANES; n -= LANES, from += LANES, to += LANES)
        *(vec *)to = *(const vec *)from;
    if (n > 0)
        store_part(to, load_part(from, n), n);
}

INLINE void add_piece(const float *from, int64_t stride, int64_t n, float *to)
{
    if (stride != 1) {
        for (int64_t i = 0; i < n; i++)
            to[i * stride] += from[i];
        return;
    }
    for (; n >= LANES; n -= LANES, from += LANES, to += LANES)
        *(vec *)to += *(const vec *)from;
    if (n > 0)
        store_part(to, load_part(to, n) + load_part(from, n), n);
}

/* Lines of columns, `pitch` apart, of `pixels` pixels of a bordered image; or their adjoint, added to it. */
INLINE void walk(const plan *p, bool add, int64_t first, int64_t pixels, float *image, int64_t pitch, float *cols)
{
    const mtl_conv *c = &p->c;
    piece pieces[PIECES];
    for (int64_t at = first; at < first + pixels;) {
        int n = pieces_of(p, first, &at, first + pixels, pieces);
        float *line = cols;
        for (int64_t row = 0; row < c->in_channels * c->kernel_h; row++) {
            float *corner = image + (row / c->kernel_h * p->high + row % c->kernel_h) * p->wide;
            for (int64_t k = 0; k < c->kernel_w; k++, line += pitch, corner++) {
                for (int i = 0; i < n; i++) {
                    const piece *q = &pieces[i];
                    if (add)
                        add_piece(line + q->to, c->stride_w, q->n, corner + q->from);
                    else
                        copy_piece(corner + q->from, c->stride_w, q->n, line + q->to);
                }
            }
        }
    }
}

static void columns(const plan *p, const float *image, int64_t first, int64_t pixels, int64_t pitch, float *cols)
{
    walk(p, false, first, pixels, (float *)image, pitch, cols);
}

static void add_columns(const plan *p, const float *cols, int64_t first, int64_t pixels, int64_t pitch, float *image)
{
    walk(p, true, first, pixels, image, pitch, (float *)cols);
}

/* y of one strip */
static void strip_forward(const plan *p, int64_t first, int64_t pixels, const float *x, const float *image,
                          const float *weight, const float *bias, float *cols, float *y)
{
    const mtl_conv *c = &p->c;
    float *out = y + first;
    for (int64_t o = 0; o < c->out_channels; o++) {
        for (int64_t i = 0; i < pixels; i++)
            out[o * p->pixels + i] = bias ? bias[o] : 0.0f;
    }
    if (!p->plain)
        columns(p, image, first, pixels, pixels, cols);
    MTL_CPU(sgemm)
    (false, false, c->out_channels, pixels, p->patch, 1.0f, weight, p->patch, p->plain ? x + first : cols,
     p->plain ? p->pixels : pixels, NULL, 1.0f, out, p->pixels);
}

static mtl_status conv2d(const mtl_conv *c, const mtl_tensor *x, const mtl_tensor *w, const mtl_tensor *bias,
                         mtl_tensor *y)
{
    plan p = plan_of(c);
    mtl_tensor *room = NULL;
    const float *from = mtl_f32(x), *weight = mtl_f32(w), *start = bias ? mtl_f32(bias) : NULL;
    float *to = mtl_f32(y), *own;
    int64_t items = c->batch * p.strips, each = p.padded + (p.plain ? 0 : p.patch * p.strip);
    int threads = threads_for(x->ctx, &p, items, 1);
    MTL_TRY(scratch(x, threads * each, &room, &own));
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        float *border = own + t * each;
        const float *image = NULL;
        memset(border, 0, (size_t)p.padded * sizeof *border);
        for (int64_t item = items * t / threads, end = items * (t + 1) / threads; item < end; item++) {
            int64_t b = item / p.strips, s = item % p.strips, first, pixels = strip_of(&p, s, &first);
            const float *in = from + b * p.image;
            if (!image || s == 0)
                image = bordered(&p, in, border);
            strip_forward(&p, first, pixels, in, image, weight, start, border + p.padded, to + b * p.output);
        }
    }
    mtl_tensor_release(room);
    return MTL_OK;
}

/* dx of one cotangent and image */
static void image_grad(const plan *p, const float *weight, const float *dy, float *border, float *dx)
{
    const mtl_conv *c = &p->c;
    float *sum = p->padded ? border : dx, *cols = border + p->padded;
    if (!p->plain)
        memset(sum, 0, (size_t)(p->padded ? p->padded : p->image) * sizeof *sum);
    for (int64_t s = 0; s < p->strips; s++) {
        int64_t first, pixels = strip_of(p, s, &first);
        MTL_CPU(sgemm)
        (true, false, p->patch, pixels, c->out_channels, 1.0f, weight, p->patch, dy + first, p->pixels, NULL, 0.0f,
         p->plain ? dx + first : cols, p->plain ? p->pixels : pixels);
        if (!p->plain)
            add_columns(p, cols, first, pixels, pixels, sum);
    }
    for (int64_t line = 0; p->padded && line < c->in_channels * c->height; line++) {
        int64_t y = line / c->height * p->high + line % c->height + c->pad_h;
        memcpy(dx + line * c->width, border + y * p->wide + c->pad_w, (size_t)c->width * sizeof *dx);
    }
}

static mtl_status input_grad(const plan *p, int64_t rows, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx)
{
    mtl_tensor *room = NULL;
    const float *weight = mtl_f32(w), *from = mtl_f32(dy);
    float *to = mtl_f32(dx), *own;
    int64_t items = rows * p->c.batch, each = p->padded + (p->plain ? 0 : p->patch * p->strip);
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

/* Sums over the batch: dw and db of all cotangents at once, with the columns of a few images (or a strip of one). */
typedef struct {
    plan p;
    int64_t rows, lines;   /* cotangents; times output channels */
    int64_t group, pitch;  /* images at once; their pixels */
    int64_t weights, part; /* floats of dw (0: not wanted) and of dw and db */
    const float *x, *dy;
} summing;

/* part += the share of pixels [first, first + pixels) of images [image, image + n) */
static void add_share(const summing *s, int64_t image, int64_t n, int64_t first, int64_t pixels, float *room,
                      float *part)
{
    const plan *p = &s->p;
    int64_t out = p->c.out_channels, width = n * pixels;
    float *border = room, *dys = border + p->padded, *cols = dys + s->lines * s->pitch;
    for (int64_t i = 0; i < n; i++) {
        if (s->weights)
            columns(p, bordered(p, s->x + (image + i) * p->image, border), first, pixels, width, cols + i * pixels);
        for (int64_t line = 0; line < s->lines; line++) {
            int64_t from = ((line / out * p->c.batch + image + i) * out + line % out) * p->pixels + first;
            copy_piece(s->dy + from, 1, pixels, dys + line * width + i * pixels);
        }
    }
    if (s->weights)
        MTL_CPU(sgemm)
        (false, true, s->lines, p->patch, width, 1.0f, dys, width, cols, width, NULL, 1.0f, part, p->patch);
    for (int64_t line = 0; s->part > s->weights && line < s->lines; line++) {
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < width; i++)
            sum += dys[line * width + i];
        part[s->weights + line] += sum;
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

static mtl_status parameter_grad(const plan *p, int64_t rows, const mtl_tensor *x, const mtl_tensor *dy, mtl_tensor *dw,
                                 mtl_tensor *db)
{
    mtl_tensor *room = NULL;
    float *own;
    summing s = {
        .p = *p, .rows = rows, .lines = rows * p->c.out_channels, .x = x ? mtl_f32(x) : NULL, .dy = mtl_f32(dy)};
    int64_t batch = p->c.batch;
    s.weights = dw ? s.lines * p->patch : 0;
    s.part = s.weights + (db ? s.lines : 0);
    int64_t chunks = MAX_PARTS / (s.part + 1);
    chunks = chunks < 2 ? 2 : chunks < MAX_CHUNKS ? chunks : MAX_CHUNKS;
    chunks = chunks < batch ? chunks : batch > 0 ? batch : 1;
    s.group = p->strips > 1 ? 1 : STRIP / (p->pixels * (p->patch + s.lines));
    s.group = s.group < 1 ? 1 : s.group < batch / chunks ? s.group : batch / chunks > 0 ? batch / chunks : 1;
    s.pitch = s.group * p->strip;
    int64_t each = p->padded + s.pitch * (s.lines + (dw ? p->patch : 0));
    int threads = threads_for(dy->ctx, p, chunks, rows);
    MTL_TRY(scratch(dy, chunks * s.part + threads * each, &room, &own));
    float *work = own + chunks * s.part;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        memset(work + t * each, 0, (size_t)p->padded * sizeof *work);
        for (int64_t chunk = chunks * t / threads; chunk < chunks * (t + 1) / threads; chunk++) {
            int64_t image, end, first;
            memset(own + chunk * s.part, 0, (size_t)s.part * sizeof *own);
            mtl_block(batch, chunks, chunk, &image, &end);
            for (; image < end; image += s.group) {
                int64_t n = end - image < s.group ? end - image : s.group;
                for (int64_t i = 0; i < p->strips; i++) {
                    int64_t pixels = strip_of(p, i, &first);
                    add_share(&s, image, n, first, pixels, work + t * each, own + chunk * s.part);
                }
            }
        }
    }
    if (dw)
        add_parts(dy->ctx, chunks, s.part, own, s.weights, mtl_f32(dw));
    if (db)
        add_parts(dy->ctx, chunks, s.part, own + s.weights, s.lines, mtl_f32(db));
    mtl_tensor_release(room);
    return MTL_OK;
}

static mtl_status conv2d_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *x, const mtl_tensor *w,
                              const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db)
{
    plan p = plan_of(c);
    if (dx)
        MTL_TRY(input_grad(&p, rows, w, dy, dx));
    return dw || db ? parameter_grad(&p, rows, x, dy, dw, db) : MTL_OK;
}

void MTL_CPU(conv)(mtl_backend *table)
{
    table->conv2d = conv2d;
    table->conv2d_grad = conv2d_grad;
}

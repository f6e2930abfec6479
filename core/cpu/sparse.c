/* A convolution's gradients where dy is mostly zeros, as behind a max pooling: only its other elements are multiplied.
   These are put into lists; the sums over a list stay in registers. A vector's lanes are neighbours in a line of the
   image, so a line of the window must fit into a vector. */
#include "cpu/conv.h"

enum { PAIR = 2, SUMS = 10 };                   /* cotangents at once; registers of sums */
enum { LINES = 1024 };                          /* of all channels' windows */
enum { SAMPLES = 32, STRIP = 8192, X = 12288 }; /* planes looked at; elements in lists, floats of x at once */
enum { COPIES = 1024 * 1024 };                  /* floats of the weight's copies, at most */

typedef float piece __attribute__((vector_size(4 * PIECE), aligned(4), may_alias));
typedef int32_t quad_ints __attribute__((vector_size(16), aligned(4), may_alias));

/* Elements of dy that are not zero in all of one or two cotangents: what each is multiplied with, and its values. */
typedef struct {
    int64_t n;
    int32_t *place;
    float *value[PAIR];
} list;

enum { SLACK = 4 }; /* elements that a list has room for behind its last */

/* The lines of the windows, channels times kh: where each is in an image, and in what else the gradient is made of. */
typedef struct {
    int64_t n, blocks;
    int32_t corner[LINES], other[LINES];
} lines;

/* Pixels of dx's blocks: as many as windows beside each other fit into a vector; whole quads, as lists are made of. */
static int64_t shifts_of(const mtl_conv *c)
{
    int64_t fit = (PIECE - c->kernel_w) / c->stride_w + 1;
    return fit > 4 ? fit / 4 * 4 : fit;
}

/* In multiplications of vectors for a pixel of dy, as measured with AVX2: to put it into a list takes 2, for dx, whose
   lists are short, 10; an element of a list costs half as much again as in slide.c. */
bool mtl_sparse_pays(const plan *p, int64_t rows, const float *dy, bool dx)
{
    const mtl_conv *c = &p->c;
    int64_t planes = rows * c->batch * c->out_channels * c->groups, n = c->in_channels * c->kernel_h, some = 0;
    if (c->kernel_w > PIECE || c->dilation_w != 1 || n > LINES || planes == 0 || p->bordered > INT32_MAX)
        return false;
    if (mtl_winograd_pays(p) || (dx && n * c->out_channels * shifts_of(c) * PIECE > COPIES))
        return false;
    for (int64_t k = 0; k < SAMPLES; k++) { /* images and channels from everywhere */
        const float *plane = dy + (planes * k / SAMPLES + k) % planes * p->pixels;
        for (int64_t i = 0; i < p->pixels; i++)
            some += plane[i] != 0.0f;
    }
    double all = (double)(n * (rows < PAIR ? rows : PAIR)), share = (double)some / (double)(SAMPLES * p->pixels);
    double listing = !dx ? 2.0 : shifts_of(c) < 4 ? 40.0 / (double)shifts_of(c) : 10.0;
    return 1.5 * share * all + listing < all * (double)c->kernel_w / LANES;
}

/* The elements whose bits are set, moved together; behind them is anything. */
INLINE quad squeezed(quad v, int bits)
{
    static const int32_t order[16][4] = {{0}, {0},    {1},    {0, 1},    {2},    {0, 2},    {1, 2},    {0, 1, 2},
                                         {3}, {0, 3}, {1, 3}, {0, 1, 3}, {2, 3}, {0, 2, 3}, {1, 2, 3}, {0, 1, 2, 3}};
#if defined(__AVX2__)
    return (quad)_mm_permutevar_ps((__m128)v, _mm_loadu_si128((const __m128i *)order[bits]));
#else
    const int32_t *from = order[bits];
    return (quad){v[from[0]], v[from[1]], v[from[2]], v[from[3]]};
#endif
}

INLINE int signs(quad_ints v)
{
#if defined(__AVX2__)
    return _mm_movemask_ps((__m128)v);
#else
    return (v[0] & 1) | (v[1] & 2) | (v[2] & 4) | (v[3] & 8);
#endif
}

/* n neighbours of dy, of `rows` cotangents; what they are multiplied with is at `places`, from `place` on. */
INLINE int64_t append(int rows, const float *const *dy, int64_t at, int64_t n, const int32_t *places, int32_t place,
                      const list *l, int64_t count)
{
    for (int64_t j = 0; j < n; j += 4) {
        quad v[PAIR];
        quad_ints some = {0}, where = *(const quad_ints *)(places + j) + place;
        FOR (r, rows) {
            const float *from = dy[r] + at + j;
            v[r] = (quad){0};
            if (n - j >= 4)
                v[r] = *(const quad *)from;
            else
                memcpy(&v[r], from, (size_t)(n - j) * sizeof *from);
            some |= (quad_ints)(v[r] != 0.0f);
        }
        int bits = signs(some);
        *(quad *)(l->place + count) = squeezed((quad)where, bits);
        FOR (r, rows)
            *(quad *)(l->value[r] + count) = squeezed(v[r], bits);
        count += __builtin_popcount((unsigned)bits);
    }
    return count;
}

/* The first n lanes. */
INLINE void add_lanes(piece sum, int64_t n, float *to)
{
    float lane[PIECE];
    int64_t i = 0;
    if (n == PIECE) {
        *(piece *)to += sum;
        return;
    }
    memcpy(lane, &sum, sizeof lane);
    if (PIECE > 4 && n >= 4) {
        *(quad *)to += *(const quad *)lane;
        i = 4;
    }
    for (; i < n; i++)
        to[i] += lane[i];
}

/* to[r] + target[v] += the sum of value[r] times a vector at from + place + source[v], with rows and width known to the
   compiler; v < width */
INLINE void gather(int rows, int width, const list *l, const float *from, const int32_t *source, float *const *to,
                   const int32_t *target, int64_t lanes)
{
    piece sum[SUMS];
    FOR (e, rows * width)
        sum[e] = (piece){0};
    for (int64_t i = 0; i < l->n; i++) {
        const float *at = from + l->place[i];
        FOR (v, width) {
            piece right = *(const piece *)(at + source[v]);
            FOR (r, rows)
                sum[v * rows + r] += l->value[r][i] * right;
        }
    }
    FOR (e, rows * width)
        add_lanes(sum[e], lanes, to[e % rows] + target[e / rows]);
}

#define GATHER_CASE(rows, width)                                                                                       \
    case (rows)*16 + (width):                                                                                          \
        gather(rows, width, l, from, source, to, target, lanes);                                                       \
        break;

static void gather_any(int rows, int64_t width, const list *l, const float *from, const int32_t *source,
                       float *const *to, const int32_t *target, int64_t lanes)
{
    switch (rows * 16 + width) {
        ROW_5(GATHER_CASE, 1)
        GATHER_CASE(1, 6) GATHER_CASE(1, 7) GATHER_CASE(1, 8) GATHER_CASE(1, 9) GATHER_CASE(1, 10) ROW_5(GATHER_CASE, 2)
    }
}

static void lines_of(const plan *p, int64_t rows, lines *w)
{
    const mtl_conv *c = &p->c;
    int64_t most = rows > 1 ? SUMS / PAIR : SUMS;
    w->n = c->in_channels * c->kernel_h;
    w->blocks = (w->n + most - 1) / most;
    for (int64_t v = 0; v < w->n; v++)
        w->corner[v] = (int32_t)((v / c->kernel_h * p->high + v % c->kernel_h * c->dilation_h) * p->wide);
}

static int pair_of(int64_t rows, int64_t r)
{
    return rows - r < PAIR ? 1 : PAIR;
}

/* ---- the weight's gradient: a list for each channel of dy ---- */

int64_t mtl_sparse_images(const plan *p)
{
    return X / p->image;
}

int64_t mtl_sparse_room(const plan *p, int64_t images)
{
    return (1 + PAIR) * (images * p->pixels + SLACK) + p->pixels + SLACK;
}

void mtl_sparse_sums(const plan *p, int64_t rows, int64_t images, const float *image, int64_t step, const float *dy,
                     float *room, float *part)
{
    const mtl_conv *c = &p->c;
    int64_t apart = images * p->pixels + SLACK, first, end;
    int32_t *places = (int32_t *)(room + (1 + PAIR) * apart);
    list l = {.place = (int32_t *)room, .value = {room + apart, room + 2 * apart}};
    lines w;
    lines_of(p, rows, &w);
    for (int64_t v = 0; v < w.n; v++)
        w.other[v] = (int32_t)(v * c->kernel_w);
    for (int64_t y = 0; y < c->out_h; y++) {
        for (int64_t x = 0; x < c->out_w; x++)
            places[y * c->out_w + x] = (int32_t)(y * c->stride_h * p->wide + x * c->stride_w);
    }
    for (int64_t r = 0; r < rows; r += PAIR) {
        int n = pair_of(rows, r);
        for (int64_t o = 0; o < c->out_channels; o++) {
            const float *from[PAIR] = {dy + r * c->batch * p->output + o * p->pixels};
            float *to[PAIR] = {part + (r * c->out_channels + o) * p->pitch};
            from[1] = from[0] + c->batch * p->output;
            to[1] = to[0] + c->out_channels * p->pitch;
            l.n = 0;
            for (int64_t b = 0; b < images; b++) {
                int32_t place = (int32_t)(b * step);
                l.n = n == 1 ? append(1, from, b * p->output, p->pixels, places, place, &l, l.n)
                             : append(PAIR, from, b * p->output, p->pixels, places, place, &l, l.n);
            }
            for (int64_t block = 0; block < w.blocks; block++) {
                mtl_block(w.n, w.blocks, block, &first, &end);
                gather_any(n, end - first, &l, image, w.corner + first, to, w.other + first, c->kernel_w);
            }
        }
    }
}

/* ---- the input's gradient: a list for each block of neighbours in an output line, whose windows together are a vector
   wide; of the weight there is a copy for each of them, moved to where its window is in the vector ---- */

typedef struct {
    plan p;
    lines w;
    int64_t shifts;                /* pixels of a block */
    int64_t across, strip;         /* blocks of a line; output lines at once */
    int64_t longest, each;         /* elements of a list, at most; floats of a copy of a block of the weight's lines */
    int32_t places[PIECE + SLACK]; /* of a block's pixels in `weight` */
    float *weight;                 /* blocks of lines, shifts, O, lines of a block, PIECE */
} turned;

/* What a thread has: images with a border, the lists' elements, and how many there are. */
typedef struct {
    float *image[PAIR], *elements;
    int32_t *count;
} own;

static list list_at(const turned *s, const own *room, int64_t i)
{
    float *from = room->elements + i * (1 + PAIR) * s->longest;
    return (list){room->count[i], (int32_t *)from, {from + s->longest, from + 2 * s->longest}};
}

/* The weight's copies, which are zero already. */
static void copy_weight(turned *s, const float *weight)
{
    const mtl_conv *c = &s->p.c;
    int64_t copies = s->shifts * c->out_channels, first, end;
    float *out = s->weight;
    for (int64_t block = 0; block < s->w.blocks; block++) {
        mtl_block(s->w.n, s->w.blocks, block, &first, &end);
        for (int64_t copy = 0; copy < copies; copy++, out += s->each) {
            const float *from = weight + copy % c->out_channels * s->p.patch;
            float *to = out + copy / c->out_channels * c->stride_w;
            for (int64_t v = first; v < end; v++)
                memcpy(to + (v - first) * PIECE, from + v * c->kernel_w, (size_t)c->kernel_w * sizeof *to);
        }
        for (int64_t v = first; v < end; v++)
            s->w.other[v] = (int32_t)((v - first) * PIECE);
    }
}

/* Lists of some output lines of an image. */
static void list_lines(const turned *s, int n, const float *const *dy, int64_t first, int64_t end, const own *room)
{
    const mtl_conv *c = &s->p.c;
    memset(room->count, 0, (size_t)((end - first) * s->across) * sizeof *room->count);
    for (int64_t o = 0; o < c->out_channels; o++) {
        int32_t place = (int32_t)(o * s->each);
        for (int64_t y = first, i = 0; y < end; y++) {
            int64_t at = o * s->p.pixels + y * c->out_w, stop = at + c->out_w, some;
            for (; at < stop; at += some, i++) {
                list l = list_at(s, room, i);
                some = stop - at < s->shifts ? stop - at : s->shifts;
                l.n = n == 1 ? append(1, dy, at, some, s->places, place, &l, l.n)
                             : append(PAIR, dy, at, some, s->places, place, &l, l.n);
                room->count[i] = (int32_t)l.n;
            }
        }
    }
}

/* dx of one image in one or two cotangents, into the thread's images. */
static void image_grad(const turned *s, int n, const float *const *dy, const own *room)
{
    const mtl_conv *c = &s->p.c;
    int64_t end, begin, stop;
    for (int r = 0; r < n; r++)
        memset(room->image[r], 0, (size_t)s->p.bordered * sizeof *room->image[r]);
    for (int64_t first = 0; first < c->out_h; first = end) {
        end = c->out_h - first < s->strip ? c->out_h : first + s->strip;
        list_lines(s, n, dy, first, end, room);
        for (int64_t block = 0; block < s->w.blocks; block++) {
            const float *weight = s->weight + block * s->shifts * c->out_channels * s->each;
            mtl_block(s->w.n, s->w.blocks, block, &begin, &stop);
            for (int64_t y = first, i = 0; y < end; y++) {
                for (int64_t x = 0; x < s->across; x++, i++) {
                    int64_t place = y * c->stride_h * s->p.wide + x * s->shifts * c->stride_w;
                    float *to[PAIR] = {room->image[0] + place, room->image[1] + place};
                    list l = list_at(s, room, i);
                    if (l.n > 0)
                        gather_any(n, stop - begin, &l, weight, s->w.other + begin, to, s->w.corner + begin, PIECE);
                }
            }
        }
    }
}

/* What is inside of the border. */
static void put_image(const plan *p, const float *image, float *dx)
{
    const mtl_conv *c = &p->c;
    for (int64_t line = 0; line < c->in_channels * c->height; line++) {
        int64_t y = line / c->height * p->high + line % c->height + c->pad_h;
        memcpy(dx + line * c->width, image + y * p->wide + c->pad_w, (size_t)c->width * sizeof *dx);
    }
}

mtl_status mtl_sparse_input(const plan *p, int64_t rows, const mtl_tensor *like, const float *weight, const float *dy,
                            float *dx)
{
    const mtl_conv *c = &p->c;
    mtl_tensor *room = NULL;
    turned s = {.p = *p, .shifts = shifts_of(c)};
    lines_of(p, rows, &s.w);
    s.each = (s.w.n + s.w.blocks - 1) / s.w.blocks * PIECE;
    s.across = (c->out_w + s.shifts - 1) / s.shifts;
    for (int i = 0; i < s.shifts; i++)
        s.places[i] = (int32_t)(i * c->out_channels * s.each);
    s.longest = s.shifts * c->out_channels + SLACK;
    s.strip = STRIP / (s.across * s.longest) + 1;
    s.strip = s.strip < c->out_h ? s.strip : c->out_h;
    int64_t lists = s.strip * s.across, each = PAIR * p->bordered + lists * ((1 + PAIR) * s.longest + 1);
    int64_t pairs = (rows + PAIR - 1) / PAIR, copies = s.w.blocks * s.shifts * c->out_channels * s.each;
    int threads = rows * c->batch * p->output < MTL_CPU_GRAIN ? 1 : MTL_CPU_THREADS(like->ctx, c->batch);
    MTL_TRY(mtl_tensor_like(like, MTL_F32, 1, (int64_t[]){copies + threads * each}, &room));
    s.weight = mtl_f32(room);
    memset(s.weight, 0, (size_t)copies * sizeof *s.weight);
    copy_weight(&s, weight);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t t = 0; t < threads; t++) {
        float *at = s.weight + copies + t * each;
        own mine = {{at, at + p->bordered}, at + PAIR * p->bordered, (int32_t *)(at + each - lists)};
        for (int64_t item = pairs * c->batch * t / threads; item < pairs * c->batch * (t + 1) / threads; item++) {
            int64_t first = item / c->batch * PAIR, image = first * c->batch + item % c->batch;
            int n = pair_of(rows, first);
            const float *from[PAIR] = {dy + image * p->output, dy + (image + c->batch) * p->output};
            image_grad(&s, n, from, &mine);
            for (int r = 0; r < n; r++)
                put_image(p, mine.image[r], dx + (image + r * c->batch) * p->image);
        }
    }
    mtl_tensor_release(room);
    return MTL_OK;
}

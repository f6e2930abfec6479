/* Matrix products: which tiles, and in how many pieces a long sum is cut, depends on the shape alone, so that the bits
   do too. */
#include "opencl/product.h"

#include <stdio.h>

/* Tiles for GPUs, and how much of a multiprocessor's rate each reaches when there are enough of them. */
typedef struct {
    int bm, bn, bk, rm, rn;
    double rate;
} tile;
static const tile tiles[] = {{128, 128, 8, 8, 8, 1.0}, {64, 128, 8, 8, 8, 0.9},  {128, 64, 8, 8, 8, 0.9},
                             {64, 64, 16, 8, 4, 0.75}, {32, 32, 16, 4, 4, 0.45}, {16, 128, 16, 4, 4, 0.45},
                             {128, 16, 16, 4, 4, 0.45}};
enum {
    PROCESSORS = 132,    /* of the GPU that tiles are chosen for */
    LEAST_PIECE = 256,   /* of k */
    MAX_PIECES = 256,    /* and */
    MAX_PARTS = 1 << 24, /* floats of all parts */
    CPU_PIECE = 2048,    /* of k, on a CPU */
    CPU_JOBS = 16,       /* that a CPU's work is cut into, if it can be */
    CPU_WORK = 1 << 16   /* multiplications that a job should have */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t between(int64_t n, int64_t low, int64_t high)
{
    return n < low ? low : n < high ? n : high;
}

static int64_t share(int64_t n, int64_t of) /* n / of, rounded up */
{
    return (n + of - 1) / of;
}

typedef struct {
    int64_t pieces, piece; /* how many, and the length of each */
} cut;

/* At most `wanted` pieces of at least `length`. */
static cut cut_of(const mtl_cl_product *p, int64_t wanted, int64_t length)
{
    int64_t size = p->products * p->m * p->n + 1;
    cut c = {.pieces = between(least(wanted, p->k / length), 1, between(MAX_PARTS / size, 1, MAX_PIECES))};
    c.piece = share(share(p->k, c.pieces), 16) * 16;
    c.pieces = c.piece ? between(share(p->k, c.piece), 1, MAX_PIECES) : 1;
    return c;
}

static const tile *tile_for(const mtl_cl_product *p, cut *pieces)
{
    const tile *best = NULL;
    double best_time = 0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        const tile *t = &tiles[i];
        int64_t groups = share(p->m, t->bm) * share(p->n, t->bn) * p->products;
        cut c = cut_of(p, 2 * PROCESSORS / groups, LEAST_PIECE);
        double each = (double)t->bm * t->bn * (double)c.piece / t->rate;
        double rounds = (double)share(groups * c.pieces, PROCESSORS);
        if (!best || rounds * each < best_time) {
            best = t;
            best_time = rounds * each;
            *pieces = c;
        }
    }
    return best;
}

static mtl_status run_tiles(const mtl_cl_product *p, const tile *t, const cut *cut, const mtl_tensor *a,
                            const mtl_tensor *b, const mtl_tensor *bias, const mtl_tensor *c)
{
    char options[160];
    size_t local = (size_t)(t->bm / t->rm * (t->bn / t->rn));
    size_t global = (size_t)(share(p->m, t->bm) * share(p->n, t->bn) * p->products * cut->pieces) * local;
    snprintf(options, sizeof options, "-DKIND=%d %s -DBM=%d -DBN=%d -DBK=%d -DRM=%d -DRN=%d", p->kind, p->options,
             t->bm, t->bn, t->bk, t->rm, t->rn);
    return MTL_CL_RUN(c, "gemm", "tile", options, 1, &global, &local, MTL_CL_BUF(a), MTL_CL_BUF(b), MTL_CL_BUF(bias),
                      MTL_CL_BUF(c), MTL_CL_I32(p->m), MTL_CL_I32(p->n), MTL_CL_I32(p->k), MTL_CL_I32(cut->pieces),
                      MTL_CL_I32(cut->piece), MTL_CL_SHAPE(p));
}

/* `each`: panels of a work-item, so that it has CPU_WORK where panels are small. */
static cut panel_cut(const mtl_cl_product *p, int64_t wide, int64_t *rows, int64_t *lines, int64_t *each)
{
    int64_t panels = share(p->n, 8 * wide) * p->products;
    *rows = p->m <= 1 ? 1 : p->m <= 3 ? 3 : p->m <= 5 || share(p->m, 5) * 5 < share(p->m, 6) * 6 ? 5 : 6;
    double work = (double)p->m * (double)p->n * (double)p->k * (double)p->products;
    int64_t jobs = between((int64_t)(work / CPU_WORK), 1, CPU_JOBS);
    /* FORWARD writes into images: there is no room for parts. */
    cut c = cut_of(p, p->kind == MTL_CL_FORWARD ? 1 : share(jobs, panels), CPU_PIECE);
    int64_t blocks = between(share(jobs, panels * c.pieces), 1, share(between(p->m, 1, INT32_MAX), 4 * *rows));
    *lines = share(share(between(p->m, 1, INT32_MAX), blocks), *rows) * *rows;
    double panel = 8.0 * (double)wide * (double)*lines * (double)(c.piece + 1);
    *each = between((int64_t)(CPU_WORK / panel), 1, between(panels / CPU_JOBS, 1, panels));
    return c;
}

static mtl_status run_panels(const mtl_cl_product *p, const cut *cut, int64_t wide, int64_t rows, int64_t lines,
                             int64_t each, const mtl_tensor *a, const mtl_tensor *b, const mtl_tensor *bias,
                             const mtl_tensor *c)
{
    char options[160];
    size_t global[] = {(size_t)share(p->n, 8 * wide * each), (size_t)share(between(p->m, 1, INT32_MAX), lines),
                       (size_t)(p->products * cut->pieces)};
    snprintf(options, sizeof options, "-DKIND=%d -DROWS=%d -DWIDE=%d", p->kind, (int)rows, (int)wide);
    return MTL_CL_RUN(c, "panel", "panel", options, 3, global, ((const size_t[]){1, 1, 1}), MTL_CL_BUF(a),
                      MTL_CL_BUF(b), MTL_CL_BUF(bias), MTL_CL_BUF(c), MTL_CL_I32(p->m), MTL_CL_I32(p->n),
                      MTL_CL_I32(p->k), MTL_CL_I32(cut->pieces), MTL_CL_I32(cut->piece), MTL_CL_I32(lines),
                      MTL_CL_I32(each), MTL_CL_SHAPE(p));
}

mtl_status mtl_cl_multiply(const mtl_cl_product *p, const mtl_tensor *a, const mtl_tensor *b, const mtl_tensor *bias,
                           mtl_tensor *c, mtl_tensor **parts, int64_t *pieces)
{
    const mtl_tensor *on = a;
    mtl_tensor *room = NULL;
    bool cpu = mtl_cl_is_cpu(on);
    int64_t wide = p->n > 8 ? 2 : 1, rows = 0, lines = 0, each = 1, size;
    if (p->m > INT32_MAX || p->n > INT32_MAX || p->k > INT32_MAX)
        return mtl_fail(on->ctx, MTL_ERR_UNSUPPORTED, "%s: a product of more than 2^31 lines, columns or terms",
                        on->storage->device->kernels->name);
    cut cut;
    const tile *tile = NULL;
    if (cpu)
        cut = panel_cut(p, wide, &rows, &lines, &each);
    else
        tile = tile_for(p, &cut);
    size = cut.pieces * p->products * (p->m + (parts && cpu)) * p->n;
    if (cut.pieces > 1 || parts)
        MTL_TRY(mtl_tensor_like(on, MTL_F32, 1, &size, &room));
    mtl_tensor *to = room ? room : c;
    mtl_status status =
        cpu ? run_panels(p, &cut, wide, rows, lines, each, a, b, bias, to) : run_tiles(p, tile, &cut, a, b, bias, to);
    if (status == MTL_OK && parts) {
        *parts = room;
        *pieces = cut.pieces;
        return MTL_OK;
    }
    if (status == MTL_OK && room) {
        char options[96];
        snprintf(options, sizeof options, "-DKIND=%d %s", p->kind, p->options);
        status = MTL_CL_RUN_FLAT(c, "gemm", "sum_parts", options, p->products * p->m * p->n, MTL_CL_BUF(room),
                                 MTL_CL_BUF(bias), MTL_CL_BUF(c), MTL_CL_I32(p->m), MTL_CL_I32(p->n),
                                 MTL_CL_I32(p->products), MTL_CL_I32(cut.pieces), MTL_CL_SHAPE(p));
    }
    mtl_tensor_release(room);
    return status;
}

mtl_status mtl_cl_gemm(const mtl_gemm *g, const mtl_tensor *a, const mtl_tensor *b, const mtl_tensor *bias,
                       mtl_tensor *c)
{
    static const char *const options[] = {"-DTA=0 -DTB=0", "-DTA=0 -DTB=1", "-DTA=1 -DTB=0", "-DTA=1 -DTB=1"};
    mtl_cl_product p = {.kind = MTL_CL_MATRIX,
                        .options = options[2 * g->trans_a + g->trans_b],
                        .m = g->m,
                        .n = g->n,
                        .k = g->k,
                        .products = g->batch};
    p.shape.matrix.lda = g->lda;
    p.shape.matrix.ldb = g->ldb;
    p.shape.matrix.ldc = g->ldc;
    p.shape.matrix.stride_a = g->stride_a;
    p.shape.matrix.stride_b = g->stride_b;
    p.shape.matrix.stride_c = g->stride_c;
    p.shape.matrix.trans_a = g->trans_a;
    p.shape.matrix.trans_b = g->trans_b;
    p.shape.matrix.alpha = g->alpha;
    p.shape.matrix.beta = g->beta;
    if (g->m == 0 || g->n == 0 || g->batch == 0)
        return MTL_OK;
    return mtl_cl_multiply(&p, a, b, bias, c, NULL, NULL);
}

/* Matrix products over the threads. C is cut into tiles, and a long sum into pieces, by the shape alone: the bits do
   not depend on the number of threads. Tiles above each other share what is packed of B. */
#include "cpu/cpu.h"
#include "cpu/vec.h"

#include <cblas.h>
#include <limits.h>

/* How a product is cut: `rows` x `columns` tiles of each of the batch's results, each the sum of `pieces`. */
typedef struct {
    int64_t rows, columns, pieces;
    bool pack; /* B is packed first, for all tiles */
    bool blas; /* each tile is OpenBLAS's */
} cut;

enum {
    LINES = 64,
    BLAS_LINES = 256,

    COLUMNS = 128,
    PIECE = 512,
    MAX_PIECES = 16,
    MAX_TILES = 32,
    FEW = 8,

    SIDE = 128,
    MAX_PART = 128 * 1024 /* numbers of a weight whose gradient is summed in parts */
};
/* From which size on, in every dimension, a product is OpenBLAS's. Measured with AVX-512: level with sgemm.c at 1024
   and 6 % faster at 2048; 2 to 3 times faster where sgemm.c is compiled for the baseline alone. */
#ifdef __AVX2__
enum { LARGE = 1024 };
#else
enum { LARGE = 128 };
#endif
/* Multiplications below which one thread does it. */
#define SMALL 200000.0

static int64_t between(int64_t n, int64_t low, int64_t high)
{
    return n < low ? low : n < high ? n : high;
}

static double work_of(const mtl_gemm *g)
{
    return (double)g->m * (double)g->n * (double)g->k;
}

/* A weight's gradient: both sides are packed, and few results share that. So its long sum is cut first, which leaves
   whole lines to read, and then its longer side in two, again and again: to FEW tiles of SIDE or more, at least to half
   as many smaller ones. */
static void cut_gradient(const mtl_gemm *g, cut *c)
{
    c->pieces = between(g->k / PIECE, 1, FEW / 2);
    for (;;) {
        int64_t tiles = c->rows * c->columns * c->pieces * g->batch, m = g->m / c->rows, n = g->n / c->columns;
        int64_t longer = m >= n ? m : n, least = tiles < FEW / 2 ? SIDE / 2 : SIDE;
        if (tiles >= FEW || longer < 2 * least)
            return;
        *(m >= n ? &c->rows : &c->columns) *= 2;
    }
}

/* Debian's serial flavour has no locks: called from two threads at once it gives wrong numbers. */
static bool blas_may(const mtl_gemm *g)
{
    return g->lda <= INT_MAX && g->ldb <= INT_MAX && g->ldc <= INT_MAX && g->n <= INT_MAX && g->k <= INT_MAX &&
           openblas_get_parallel() != OPENBLAS_SEQUENTIAL;
}

static cut cut_of(const mtl_gemm *g)
{
    cut c = {.rows = 1, .columns = 1, .pieces = 1};
    if (work_of(g) < 2 * SMALL)
        return c;
    c.blas = g->m >= LARGE && g->n >= LARGE && g->k >= LARGE && blas_may(g);
    if (c.blas) {
        c.rows = between(g->m / BLAS_LINES, 2, MAX_TILES);
        return c;
    }
    if (g->trans_a && !g->trans_b && g->m * g->n <= MAX_PART) {
        cut_gradient(g, &c);
        return c;
    }
    c.rows = between(g->m / LINES, 1, MAX_TILES);
    if (c.rows * g->batch < FEW)
        c.columns = between(g->n / COLUMNS, 1, FEW);
    if (c.rows * c.columns * g->batch <= 4)
        c.pieces = between(g->k / PIECE, 1, MAX_PIECES);
    c.pack = c.rows > 1 && c.columns == 1 && c.pieces == 1 && g->batch == 1 && g->n >= 16;
    return c;
}

/* c = beta c + bias: what the product is added to. */
static void prepare(float beta, const float *bias, float *c, int64_t rows, int64_t columns, int64_t ldc)
{
    for (int64_t i = 0; i < rows; i++, c += ldc) {
        for (int64_t j = 0; j < columns; j++)
            c[j] = (beta == 0.0f ? 0.0f : beta * c[j]) + (bias ? bias[j] : 0.0f);
    }
}

typedef struct {
    const mtl_gemm *g;
    cut cut;
    const float *a, *b, *bias, *packed;
    float *c, *parts; /* parts: [pieces - 1, batch, m, n] */
} job;

/* Like mtl_block, but in whole `units`. */
static void block_of(int64_t total, int64_t unit, int64_t n_blocks, int64_t i, int64_t *begin, int64_t *end)
{
    mtl_block((total + unit - 1) / unit, n_blocks, i, begin, end);
    *begin = between(*begin * unit, 0, total);
    *end = between(*end * unit, 0, total);
}

static void tile(const job *job, int64_t at)
{
    const mtl_gemm *g = job->g;
    const cut *cut = &job->cut;
    int64_t piece = at % cut->pieces, column = at / cut->pieces % cut->columns;
    int64_t row = at / cut->pieces / cut->columns % cut->rows, batch = at / cut->pieces / cut->columns / cut->rows;
    int64_t i, i_end, j, j_end, p, p_end, ldc = g->ldc;
    float beta = g->beta, *c = job->c;
    const float *bias = piece == 0 ? job->bias : NULL;
    block_of(g->m, TILE, cut->rows, row, &i, &i_end);
    block_of(g->n, 2 * LANES, cut->columns, column, &j, &j_end);
    mtl_block(g->k, cut->pieces, piece, &p, &p_end);
    const float *a = job->a + batch * g->stride_a + (g->trans_a ? p * g->lda + i : i * g->lda + p);
    const float *b = job->b + batch * g->stride_b + (g->trans_b ? j * g->ldb + p : p * g->ldb + j);
    c += batch * g->stride_c + i * g->ldc + j;
    if (piece > 0) { /* added by add_parts */
        c = job->parts + (((piece - 1) * g->batch + batch) * g->m + i) * g->n + j;
        ldc = g->n;
        beta = 0.0f;
    } else if ((bias && cut->blas) || g->k == 0) {
        prepare(beta, bias ? bias + j : NULL, c, i_end - i, j_end - j, ldc);
        beta = 1.0f;
    }
    if (cut->blas)
        cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans, g->trans_b ? CblasTrans : CblasNoTrans,
                    (int)(i_end - i), (int)(j_end - j), (int)(p_end - p), g->alpha, a, (int)g->lda, b, (int)g->ldb,
                    beta, c, (int)ldc);
    else if (p_end > p)
        mtl_sgemm(g->trans_a, g->trans_b, i_end - i, j_end - j, p_end - p, g->alpha, a, g->lda, b, g->ldb, job->packed,
                  beta, bias ? bias + j : NULL, c, ldc);
}

static void add_parts(const job *job, const mtl_context *ctx)
{
    const mtl_gemm *g = job->g;
    int64_t lines = g->batch * g->m, blocks = lines * g->n / MTL_CPU_GRAIN;
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(ctx, blocks))
    for (int64_t line = 0; line < lines; line++) {
        float *out = job->c + line / g->m * g->stride_c + line % g->m * g->ldc;
        for (int64_t piece = 1; piece < job->cut.pieces; piece++) {
            const float *part = job->parts + ((piece - 1) * lines + line) * g->n;
            for (int64_t j = 0; j < g->n; j++)
                out[j] += part[j];
        }
    }
}

static mtl_status gemm(const mtl_gemm *g, const mtl_tensor *a, const mtl_tensor *b, const mtl_tensor *bias,
                       mtl_tensor *c)
{
    mtl_tensor *room = NULL;
    job job = {.g = g, .cut = cut_of(g), .a = mtl_f32(a), .b = mtl_f32(b), .c = mtl_f32(c)};
    const cut *cut = &job.cut;
    if (g->m == 0 || g->n == 0 || g->batch == 0)
        return MTL_OK;
    job.bias = bias ? mtl_f32(bias) : NULL;
    int64_t tiles = g->batch * cut->rows * cut->columns * cut->pieces, panels = mtl_sgemm_panels(g->n);
    int threads = work_of(g) * (double)g->batch < SMALL ? 1 : MTL_CPU_THREADS(c->ctx, tiles);
    int64_t floats = cut->pack ? mtl_sgemm_packed(g->n, g->k) : (cut->pieces - 1) * g->batch * g->m * g->n;
    if (floats > 0) {
        MTL_TRY(mtl_tensor_like(c, MTL_F32, 1, &floats, &room));
        job.parts = mtl_f32(room);
    }
    if (cut->pack) {
#pragma omp parallel for schedule(static) num_threads(g->n * g->k < MTL_CPU_GRAIN ? 1 : MTL_CPU_THREADS(c->ctx, panels))
        for (int64_t which = 0; which < panels; which++)
            mtl_sgemm_pack(g->trans_b, g->n, g->k, job.b, g->ldb, which, job.parts);
        job.packed = job.parts;
    }
    MTL_CPU_FOR(t, tiles, threads, tile(&job, t));
    if (cut->pieces > 1)
        add_parts(&job, c->ctx);
    mtl_tensor_release(room);
    return MTL_OK;
}

void MTL_CPU(gemm)(mtl_backend *table)
{
    table->gemm = gemm;
}

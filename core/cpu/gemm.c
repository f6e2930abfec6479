/* Matrix products. C is cut into tiles, and a long sum into pieces, by the shape alone: the bits do not depend on the
   number of threads. Each piece is a single-threaded product. */
#include <cblas.h>
#include <limits.h>

#include "cpu/cpu.h"

void MTL_CPU(sgemm)(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                    int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    cblas_sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, (int)m, (int)n,
                (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

/* How a product is cut: `rows` x `columns` tiles of each of the batch's results, each the sum of `pieces`. */
typedef struct {
    int64_t rows, columns, pieces;
} cut;

enum { TILE = 128, PIECE = 1024, MAX_PIECES = 16, MAX_TILES = 64 };
/* Multiplications below which nothing is cut. */
#define SMALL 200000.0

static int64_t at_most(int64_t n, int64_t limit)
{
    return n < 1 ? 1 : n < limit ? n : limit;
}

static cut cut_of(const mtl_gemm *g)
{
    cut c = {1, 1, 1};
    double work = (double)g->m * (double)g->n * (double)g->k;
    if (work < SMALL)
        return c;
    c.rows = at_most(g->m / TILE, MAX_TILES);
    if (c.rows * g->batch < MAX_TILES)
        c.columns = at_most(g->n / (2 * TILE), MAX_TILES / 4);
    if (c.rows * c.columns * g->batch <= 4 && g->k >= 2 * PIECE)
        c.pieces = at_most(g->k / PIECE, MAX_PIECES);
    while (c.rows * c.columns * g->batch == 1 && c.pieces == 1 && g->m >= 16 && work > 4 * SMALL)
        c.rows = at_most(g->m / 8, 4);
    return c;
}

/* c[rows] = or += bias; c scaled by beta. Leaves a plain "add to what is there". */
static void prepare(const mtl_gemm *g, float beta, const float *bias, float *c, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++, c += g->ldc) {
        for (int64_t j = 0; j < columns; j++)
            c[j] = (beta == 0.0f ? 0.0f : beta * c[j]) + (bias ? bias[j] : 0.0f);
    }
}

/* One tile of one result: c += its product over one piece of the sum. */
static void tile(const mtl_gemm *g, const cut *cut, int64_t at, const float *a, const float *b, const float *bias,
                 float *c, float *parts)
{
    int64_t piece = at % cut->pieces, column = at / cut->pieces % cut->columns;
    int64_t row = at / cut->pieces / cut->columns % cut->rows, batch = at / cut->pieces / cut->columns / cut->rows;
    int64_t i, i_end, j, j_end, p, p_end, ldc = g->ldc;
    float beta = g->beta;
    mtl_block(g->m, cut->rows, row, &i, &i_end);
    mtl_block(g->n, cut->columns, column, &j, &j_end);
    mtl_block(g->k, cut->pieces, piece, &p, &p_end);
    a += batch * g->stride_a + (g->trans_a ? p * g->lda + i : i * g->lda + p);
    b += batch * g->stride_b + (g->trans_b ? j * g->ldb + p : p * g->ldb + j);
    c += batch * g->stride_c + i * g->ldc + j;
    if (piece > 0) { /* added by add_parts */
        c = parts + (((piece - 1) * g->batch + batch) * g->m + i) * g->n + j;
        ldc = g->n;
        beta = 0.0f;
    } else if (bias || g->k == 0) {
        prepare(g, beta, bias ? bias + j : NULL, c, i_end - i, j_end - j);
        beta = 1.0f;
    }
    if (p_end > p)
        MTL_CPU(sgemm)
        (g->trans_a, g->trans_b, i_end - i, j_end - j, p_end - p, g->alpha, a, g->lda, b, g->ldb, beta, c, ldc);
}

static mtl_status gemm(const mtl_gemm *g, const mtl_tensor *a, const mtl_tensor *b, const mtl_tensor *bias,
                       mtl_tensor *c)
{
    mtl_tensor *parts = NULL;
    const float *from_a = mtl_f32(a), *from_b = mtl_f32(b), *start = bias ? mtl_f32(bias) : NULL;
    float *to = mtl_f32(c), *sums = NULL;
    if (g->m == 0 || g->n == 0 || g->batch == 0)
        return MTL_OK;
    if (g->m > INT_MAX || g->n > INT_MAX || g->k > INT_MAX || g->lda > INT_MAX || g->ldb > INT_MAX || g->ldc > INT_MAX)
        return mtl_fail(c->ctx, MTL_ERR_UNSUPPORTED, "matmul: a dimension of 2^31 or more");
    cut cut = cut_of(g);
    int64_t tiles = g->batch * cut.rows * cut.columns, lines = g->batch * g->m;
    if (cut.pieces > 1) {
        MTL_TRY(mtl_tensor_like(c, MTL_F32, 1, (int64_t[]){(cut.pieces - 1) * g->batch * g->m * g->n}, &parts));
        sums = mtl_f32(parts);
    }
    double work = (double)g->m * (double)g->n * (double)g->k * (double)g->batch;
    int threads = work < SMALL ? 1 : MTL_CPU_THREADS(c->ctx, tiles * cut.pieces);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t t = 0; t < tiles * cut.pieces; t++)
        tile(g, &cut, t, from_a, from_b, start, to, sums);
    if (sums) {
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(c->ctx, lines * g->n / MTL_CPU_GRAIN))
        for (int64_t line = 0; line < lines; line++) {
            float *out = to + line / g->m * g->stride_c + line % g->m * g->ldc;
            for (int64_t piece = 1; piece < cut.pieces; piece++) {
                const float *part = sums + ((piece - 1) * lines + line) * g->n;
                for (int64_t j = 0; j < g->n; j++)
                    out[j] += part[j];
            }
        }
    }
    mtl_tensor_release(parts);
    return MTL_OK;
}

void MTL_CPU(gemm)(mtl_backend *table)
{
    table->gemm = gemm;
}

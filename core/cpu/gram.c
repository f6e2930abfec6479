/* Inner products of all pairs of rows of one matrix, or of two, in one pass: each stretch of the rows is used for every
   pair while it is in the cache. Sums are of doubles, in parts that the length alone decides. */
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

enum { PARTS = 64, STRETCH = 4096 };

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Adds <row i of x, row j of y> over columns begin .. end to sum[i m + j]; where y is x, of j <= i alone. */
static void add_products(const mtl_tensor *x, const mtl_tensor *y, int64_t begin, int64_t end, double *sum)
{
    int64_t rows = x->shape[0], m = y->shape[0], line = x->shape[1];
    for (int64_t at = begin; at < end; at += STRETCH) {
        int64_t n = end - at < STRETCH ? end - at : STRETCH;
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < (x == y ? i + 1 : m); j++)
                sum[i * m + j] += dot(mtl_f32(x) + i * line + at, mtl_f32(y) + j * line + at, n);
        }
    }
}

static mtl_status gram(const mtl_tensor *x, const mtl_tensor *y, int64_t offset, int64_t n, double *sums)
{
    int64_t rows = x->shape[0], parts = n * rows / MTL_CPU_GRAIN, pairs = rows * y->shape[0];
    parts = parts < 1 ? 1 : parts > PARTS ? PARTS : parts;
    double *part = calloc((size_t)(parts * pairs), sizeof *part);
    if (!part)
        return mtl_fail(x->ctx, MTL_ERR_MEMORY, "no host memory left");
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, parts))
    for (int64_t p = 0; p < parts; p++) {
        int64_t begin, end;
        mtl_block(n, parts, p, &begin, &end);
        add_products(x, y, offset + begin, offset + end, part + p * pairs);
    }
    memset(sums, 0, (size_t)pairs * sizeof *sums);
    for (int64_t p = 0; p < parts; p++) {
        for (int64_t k = 0; k < pairs; k++)
            sums[k] += part[p * pairs + k];
    }
    for (int64_t i = 0; x == y && i < rows; i++) {
        for (int64_t j = i + 1; j < rows; j++)
            sums[i * rows + j] = sums[j * rows + i];
    }
    free(part);
    return MTL_OK;
}

void MTL_CPU(gram)(mtl_backend *table)
{
    table->gram = gram;
}

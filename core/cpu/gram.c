/* Inner products of all pairs of rows, in one pass: each stretch of the rows is used for every pair while it is in the
   cache. Sums are of doubles, in parts that the length alone decides. */
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

/* Adds <row i, row j> over columns begin .. end to sum[i rows + j], j <= i. */
static void add_products(const float *x, int64_t line, int rows, int64_t begin, int64_t end, double *sum)
{
    for (int64_t at = begin; at < end; at += STRETCH) {
        int64_t n = end - at < STRETCH ? end - at : STRETCH;
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j <= i; j++)
                sum[i * rows + j] += dot(x + i * line + at, x + j * line + at, n);
        }
    }
}

static mtl_status gram(const mtl_tensor *x, int64_t offset, int64_t n, double *sums)
{
    int rows = (int)x->shape[0];
    int64_t line = x->shape[1], parts = n * rows / MTL_CPU_GRAIN, pairs = (int64_t)rows * rows;
    parts = parts < 1 ? 1 : parts > PARTS ? PARTS : parts;
    double *part = calloc((size_t)(parts * pairs), sizeof *part);
    if (!part)
        return mtl_fail(x->ctx, MTL_ERR_MEMORY, "no host memory left");
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(x->ctx, parts))
    for (int64_t p = 0; p < parts; p++) {
        int64_t begin, end;
        mtl_block(n, parts, p, &begin, &end);
        add_products(mtl_f32(x) + offset, line, rows, begin, end, part + p * pairs);
    }
    memset(sums, 0, (size_t)pairs * sizeof *sums);
    for (int64_t p = 0; p < parts; p++) {
        for (int64_t k = 0; k < pairs; k++)
            sums[k] += part[p * pairs + k];
    }
    for (int i = 0; i < rows; i++) {
        for (int j = i + 1; j < rows; j++)
            sums[i * rows + j] = sums[j * rows + i];
    }
    free(part);
    return MTL_OK;
}

void MTL_CPU(gram)(mtl_backend *table)
{
    table->gram = gram;
}

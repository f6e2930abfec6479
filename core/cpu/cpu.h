/* The CPU backend. Its kernels are compiled once for each instruction set (MTL_ISA: baseline, v3, v4), from the same
   text; the best that the machine has is chosen when the context is made. */
#ifndef MTL_CPU_CPU_H
#define MTL_CPU_CPU_H

#include <math.h>
#include <string.h>

#include "tensor/backend.h"

mtl_status mtl_cpu_device_new(mtl_context *ctx, mtl_device **out);

/* Each kernel file fills its part of the table: mtl_cpu_elementwise_v3(&table). */
#define MTL_CPU_PASTE2(a, b) a##_##b
#define MTL_CPU_PASTE(a, b)  MTL_CPU_PASTE2(a, b)
#define MTL_CPU(name)        MTL_CPU_PASTE(mtl_cpu_##name, MTL_ISA)

#define MTL_CPU_FILES(X)                                                                                               \
    X(elementwise)                                                                                                     \
    X(reduce) X(move) X(gemm) X(conv) X(pool) X(resize) X(softmax) X(norm) X(optimize) X(recurrent) X(gram)
#define MTL_CPU_DECLARE(name)                                                                                          \
    void mtl_cpu_##name##_baseline(mtl_backend *table);                                                                \
    void mtl_cpu_##name##_v3(mtl_backend *table);                                                                      \
    void mtl_cpu_##name##_v4(mtl_backend *table);
MTL_CPU_FILES(MTL_CPU_DECLARE)

/* Of `squares` of sum_squares: the sum, and what brings its root, a norm, down to `most`; NaN of one that is NaN. */
static inline double mtl_cpu_squares(const mtl_tensor *squares)
{
    double sum;
    memcpy(&sum, squares->storage->data, sizeof sum);
    return sum;
}
static inline double mtl_cpu_clip_factor(double most, const mtl_tensor *squares)
{
    double norm = sqrt(mtl_cpu_squares(squares));
    return norm <= most ? 1.0 : most / (norm + 1e-6);
}

/* Work is split by shape, never by the number of threads: block i of n_blocks covers [begin, end) of `total`. */
static inline void mtl_block(int64_t total, int64_t n_blocks, int64_t i, int64_t *begin, int64_t *end)
{
    *begin = total * i / n_blocks;
    *end = total * (i + 1) / n_blocks;
}
/* Elements below which a loop stays on one thread (a parallel region costs about 1.3 us). */
#define MTL_CPU_GRAIN 16384

/* `for` over blocks with the context's threads:
   #pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(ctx, blocks)) */
#define MTL_CPU_THREADS(ctx, blocks) ((int)((blocks) < (ctx)->threads ? ((blocks) < 1 ? 1 : (blocks)) : (ctx)->threads))
/* The same, `call` for each i below n. One thread enters no region: libgomp makes a team even for one, which takes
   longer than a small operator. */
#define MTL_CPU_FOR(i, n, threads, call)                                                                               \
    do {                                                                                                               \
        int mtl_threads = (threads);                                                                                   \
        if (mtl_threads == 1) {                                                                                        \
            for (int64_t i = 0; i < (n); i++)                                                                          \
                call;                                                                                                  \
        } else {                                                                                                       \
            MTL_CPU_PRAGMA(omp parallel for schedule(static) num_threads(mtl_threads))                                 \
            for (int64_t i = 0; i < (n); i++)                                                                          \
                call;                                                                                                  \
        }                                                                                                              \
    } while (0)
#define MTL_CPU_PRAGMA(text) _Pragma(#text)

#define mtl_sgemm        MTL_CPU(sgemm)
#define mtl_sgemm_packed MTL_CPU(sgemm_packed)
#define mtl_sgemm_panels MTL_CPU(sgemm_panels)
#define mtl_sgemm_pack   MTL_CPU(sgemm_pack)
/* Single-threaded single-precision product on host memory, row-major: C = alpha op(A) op(B) + beta C + bias, which
   is added to every row (NULL: none). In sgemm.c. `packed` is op(B) laid out by sgemm_pack, for products that share it,
   or NULL. */
void mtl_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
               const float *b, int64_t ldb, const float *packed, float beta, const float *bias, float *c, int64_t ldc);
/* Floats that packed op(B) takes, its number of panels, and the packing of one of them. */
int64_t mtl_sgemm_packed(int64_t n, int64_t k);
int64_t mtl_sgemm_panels(int64_t n);
void mtl_sgemm_pack(bool trans_b, int64_t n, int64_t k, const float *b, int64_t ldb, int64_t which, float *packed);
#endif

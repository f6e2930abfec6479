/* Vectors of floats, as wide as the instruction set that a kernel file is compiled for. Loads and stores need no
   alignment. */
#ifndef MTL_CPU_VEC_H
#define MTL_CPU_VEC_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* Products hold TILE x 2 vectors of sums, or DOTS x DOTS, in registers. */
#if defined(__AVX512F__)
enum { LANES = 16, TILE = 12, DOTS = 5 }; /* 32 registers */
#elif defined(__AVX2__)
enum { LANES = 8, TILE = 6, DOTS = 3 }; /* 16 */
#else
enum { LANES = 4, TILE = 4, DOTS = 3 };
#endif

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float octet __attribute__((vector_size(32), aligned(4), may_alias));
typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
/* A loop whose end the compiler knows; it becomes straight code, so that arrays of vectors are registers. */
#if defined(__clang__)
#define FOR(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < (n); i++)
#else
#define FOR(i, n) _Pragma("GCC unroll 32") for (int i = 0; i < (n); i++)
#endif

/* X(n) for each number of rows of a tile; X(rows, columns) for each block of dots. */
/* clang-format off */
#define TILES_4(X)   X(1) X(2) X(3) X(4)
#define TILES_6(X)   TILES_4(X) X(5) X(6)
#define ROW_3(X, n)  X(n, 1) X(n, 2) X(n, 3)
#define ROW_5(X, n)  ROW_3(X, n) X(n, 4) X(n, 5)
#if defined(__AVX512F__)
#define ALL_TILES(X) TILES_6(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define ALL_DOTS(X)  ROW_5(X, 1) ROW_5(X, 2) ROW_5(X, 3) ROW_5(X, 4) ROW_5(X, 5)
#else
#if defined(__AVX2__)
#define ALL_TILES(X) TILES_6(X)
#else
#define ALL_TILES(X) TILES_4(X)
#endif
#define ALL_DOTS(X)  ROW_3(X, 1) ROW_3(X, 2) ROW_3(X, 3)
#endif
/* clang-format on */

/* The first n < LANES elements, and zeros behind them; and the way back. Nothing else is touched. */
INLINE vec load_part(const float *from, int64_t n)
{
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), from);
#elif defined(__AVX2__)
    const __m256i place = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (vec)_mm256_maskload_ps(from, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), place));
#else
    vec v = {0};
    memcpy(&v, from, (size_t)n * sizeof *from);
    return v;
#endif
}

INLINE void store_part(float *to, vec v, int64_t n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
    const __m256i place = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(to, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), place), (__m256)v);
#else
    memcpy(to, &v, (size_t)n * sizeof *to);
#endif
}

/* What a vector is when halved by sums to four. */
INLINE quad folded(vec v)
{
    quad part[4];
    memcpy(part, &v, sizeof v);
    if (LANES > 8)
        part[0] += part[2], part[1] += part[3];
    if (LANES > 4)
        part[0] += part[1];
    return part[0];
}

/* The sum of a vector's elements, always in this order. */
INLINE float total(vec v)
{
    quad sum = folded(v);
    sum += __builtin_shufflevector(sum, sum, 2, 3, 0, 1);
    return sum[0] + sum[1];
}

/* The totals of four. */
INLINE quad totals(vec a, vec b, vec c, vec d)
{
    quad i = folded(a), j = folded(b), k = folded(c), l = folded(d);
    quad left = __builtin_shufflevector(i, j, 0, 4, 1, 5) + __builtin_shufflevector(i, j, 2, 6, 3, 7);
    quad right = __builtin_shufflevector(k, l, 0, 4, 1, 5) + __builtin_shufflevector(k, l, 2, 6, 3, 7);
    return __builtin_shufflevector(left, right, 0, 1, 4, 5) + __builtin_shufflevector(left, right, 2, 3, 6, 7);
}

#endif

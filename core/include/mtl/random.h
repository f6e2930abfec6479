/* Counter-based random numbers (Philox4x32-10; Salmon et al., SC 2011). A draw is a function of (seed, stream,
   counter): nothing is kept between calls, and a stream is named by what it serves ("trunk.0.weight", "data/order",
   "policy"), never by the order of creation. */
#ifndef MTL_RANDOM_H
#define MTL_RANDOM_H

#include "mtl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

uint64_t mtl_stream(const char *name); /* FNV-1a, 64 bits */

/* Four words for each counter. */
void mtl_philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]);

/* Fill a float tensor; element i uses word i%4 of counter first+i/4 (normal: Box-Muller on pairs of words). */
mtl_status mtl_random_uniform(mtl_tensor *t, uint64_t seed, uint64_t stream, uint64_t first, double low, double high);
mtl_status mtl_random_normal(mtl_tensor *t, uint64_t seed, uint64_t stream, uint64_t first, double mean, double std);
/* A permutation of 0 .. n-1 (Fisher-Yates, from the top), n < 2^31. Host memory. Draw i uses counter first+i. */
void mtl_random_permutation(int64_t n, uint64_t seed, uint64_t stream, uint64_t first, int32_t *out);

#ifdef __cplusplus
}
#endif
#endif

/* Batches of a data set held in memory, made ahead by a thread of the loader's own. */
#ifndef MTL_LOADER_H
#define MTL_LOADER_H

#include "mtl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mtl_loader mtl_loader;

/* fields: n tensors on the CPU with the same first dimension (rows); retained. uint8 fields come out as float32 times
   `scale` plus `shift` (given for each field; other dtypes come out as they are). The last batch may be smaller. */
typedef struct {
    mtl_tensor *tensor;
    double scale, shift; /* of uint8 only */
} mtl_field;
mtl_status mtl_loader_new(mtl_context *ctx, int n, const mtl_field *fields, int64_t batch, mtl_loader **out);
void mtl_loader_free(mtl_loader *loader);
int64_t mtl_loader_rows(const mtl_loader *loader);
int64_t mtl_loader_batches(const mtl_loader *loader); /* an epoch */

/* Starts at batch `first` (0: the beginning) of an epoch. shuffle: the order is the permutation of (seed, "data/order",
   epoch << 32); else the order of the rows. What was made ahead of an earlier start is dropped. */
mtl_status mtl_loader_start(mtl_loader *loader, bool shuffle, uint64_t seed, uint64_t epoch, int64_t first);
/* The next batch: n tensors [rows, ...], retained for the caller, or NULLs and *rows = 0 at the end of the epoch. */
mtl_status mtl_loader_next(mtl_loader *loader, mtl_tensor **batch, int64_t *rows);

#ifdef __cplusplus
}
#endif
#endif

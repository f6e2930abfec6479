/* Caching allocator of a device. Sizes are rounded up; give back with the size that was given. */
#ifndef MTL_TENSOR_POOL_H
#define MTL_TENSOR_POOL_H

#include "tensor/backend.h"

typedef struct mtl_pool mtl_pool;

mtl_pool *mtl_pool_new(void);
mtl_status mtl_pool_take(mtl_device *device, size_t bytes, void **data, size_t *size);
void mtl_pool_give(mtl_device *device, void *data, size_t size);
void mtl_pool_trim(mtl_device *device); /* frees what waits for reuse */
void mtl_pool_free(mtl_device *device);

#endif

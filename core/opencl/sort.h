/* Sorting on the device, for sort and for what needs an order of indices. */
#ifndef MTL_OPENCL_SORT_H
#define MTL_OPENCL_SORT_H

#include "opencl/opencl.h"

typedef enum { MTL_CL_SORT_UP, MTL_CL_SORT_DOWN, MTL_CL_SORT_INDICES } mtl_cl_sort_order;

/* Keys of each line of x [outer, n, inner] in order, `ulong` [outer * inner, padded n] in a new tensor: the place in
   the line is the lower half of a key, so that equal elements keep their order. Floats up or down (NaN is the largest),
   or int32 indices that are not negative. */
mtl_status mtl_cl_sort_keys(mtl_cl_sort_order how, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x,
                            mtl_tensor **out);
int64_t mtl_cl_sort_padded(int64_t n); /* the length of a line of keys: a power of 2 */

#endif

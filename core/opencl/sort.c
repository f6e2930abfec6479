/* Sorting: bitonic, on keys with the place in their lower half. */
#include "opencl/sort.h"

enum { GROUP = 128, BLOCK = 2 * GROUP };

int64_t mtl_cl_sort_padded(int64_t n)
{
    int64_t padded = 1;
    while (padded < n)
        padded *= 2;
    return padded;
}

static mtl_status run_block(const mtl_tensor *keys, int64_t total, int64_t padded, int64_t from, int64_t to)
{
    return MTL_CL_RUN(keys, "sort", "sort_block", "", 1,
                      ((const size_t[]){(size_t)((total + BLOCK - 1) / BLOCK) * GROUP}), ((const size_t[]){GROUP}),
                      MTL_CL_I64(total), MTL_CL_I64(padded), MTL_CL_I64(from), MTL_CL_I64(to), MTL_CL_BUF(keys));
}

static mtl_status sort_lines(const mtl_tensor *keys, int64_t lines, int64_t padded)
{
    int64_t total = lines * padded;
    MTL_TRY(run_block(keys, total, padded, 2, padded < BLOCK ? padded : BLOCK));
    for (int64_t run = 2 * BLOCK; run <= padded; run *= 2) {
        for (int64_t step = run / 2; step >= BLOCK; step /= 2)
            MTL_TRY(MTL_CL_RUN_FLAT(keys, "sort", "sort_step", "", total / 2, MTL_CL_I64(total / 2), MTL_CL_I64(padded),
                                    MTL_CL_I64(run), MTL_CL_I64(step), MTL_CL_BUF(keys)));
        MTL_TRY(run_block(keys, total, padded, run, run));
    }
    return MTL_OK;
}

mtl_status mtl_cl_sort_keys(mtl_cl_sort_order how, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x,
                            mtl_tensor **out)
{
    int64_t lines = outer * inner, padded = mtl_cl_sort_padded(n);
    mtl_tensor *keys = NULL;
    MTL_TRY(mtl_tensor_like(x, MTL_I32, 1, (int64_t[]){2 * lines * padded}, &keys));
    mtl_status status =
        MTL_CL_RUN_FLAT(x, "sort", how == MTL_CL_SORT_INDICES ? "index_keys" : "float_keys", "", lines * padded,
                        MTL_CL_I64(lines), MTL_CL_I64(n), MTL_CL_I64(inner), MTL_CL_I64(padded),
                        MTL_CL_I32(how == MTL_CL_SORT_DOWN), MTL_CL_BUF(x), MTL_CL_BUF(keys));
    if (status == MTL_OK)
        status = sort_lines(keys, lines, padded);
    if (status == MTL_OK)
        *out = keys;
    else
        mtl_tensor_release(keys);
    return status;
}

mtl_status mtl_cl_sort(bool descending, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x,
                       mtl_tensor *values, mtl_tensor *indices)
{
    mtl_tensor *keys = NULL;
    if (x->count == 0)
        return MTL_OK;
    MTL_TRY(mtl_cl_sort_keys(descending ? MTL_CL_SORT_DOWN : MTL_CL_SORT_UP, outer, n, inner, x, &keys));
    mtl_status status = MTL_CL_RUN_FLAT(x, "sort", "sort_out", "", x->count, MTL_CL_I64(outer * inner), MTL_CL_I64(n),
                                        MTL_CL_I64(inner), MTL_CL_I64(mtl_cl_sort_padded(n)), MTL_CL_BUF(x),
                                        MTL_CL_BUF(keys), MTL_CL_BUF(values), MTL_CL_BUF(indices));
    mtl_tensor_release(keys);
    return status;
}

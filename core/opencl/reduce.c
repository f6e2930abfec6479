/* Reductions, running sums, inner products. The work is split by shape and compute units; on one device the bits of a
   result are the same each time. */
#include <string.h>

#include "opencl/opencl.h"

enum { GROUP = 128, MOST_PARTS = 256, CPU_PART = 8192 };

/* As in kernels/reduce.cl. */
typedef struct {
    int64_t outer, n, inner, parts;
    int32_t n_bits, inner_bits;
} fold;

static int bits_for(int64_t n, int most)
{
    int bits = 0;
    while (bits < most && INT64_C(1) << bits < n)
        bits++;
    return bits;
}

/* Wide over inner where lines lie side by side; on CPUs a work item sums alone. */
static fold fold_of(const mtl_tensor *on, int64_t outer, int64_t n, int64_t inner)
{
    fold f = {outer, n, inner, 1, 0, 0};
    bool cpu = mtl_cl_is_cpu(on);
    f.inner_bits = bits_for(inner, cpu ? 7 : 5);
    f.n_bits = cpu ? 0 : bits_for(n, 7 - f.inner_bits);
    return f;
}

static int64_t groups_of(const fold *f)
{
    int64_t wide = INT64_C(1) << f->inner_bits, high = GROUP >> f->n_bits >> f->inner_bits;
    return (f->outer + high - 1) / high * f->parts * ((f->inner + wide - 1) / wide);
}

/* A tensor of `n` mtl_sum's: 8 bytes each. */
static mtl_status sums_new(const mtl_tensor *on, int64_t n, mtl_tensor **out)
{
    return mtl_tensor_like(on, MTL_I32, 1, (int64_t[]){2 * n}, out);
}

#define RUN_FOLD(on, name, f, ...)                                                                                     \
    MTL_CL_RUN(on, "reduce", name, "", 1, ((const size_t[]){(size_t)groups_of(&(f)) * GROUP}),                         \
               ((const size_t[]){GROUP}), MTL_CL_STRUCT(f), __VA_ARGS__)

static mtl_status sum(bool mean, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y)
{
    fold f = fold_of(x, outer, n, inner);
    mtl_tensor *partial = NULL;
    mtl_status status;
    int64_t over = mean ? n : 1, groups = groups_of(&f), wanted = 4 * mtl_cl_units(x);
    /* a part should be worth its start, and on a CPU that of the second kernel */
    int64_t most = mtl_cl_is_cpu(x) ? (n << f.inner_bits) / CPU_PART : n / (16 * (INT64_C(1) << f.n_bits));
    if (groups > 0 && groups < wanted && most > 1) {
        f.parts = wanted / groups < most ? wanted / groups : most;
        f.parts = f.parts < 1 ? 1 : f.parts > MOST_PARTS ? MOST_PARTS : f.parts;
    }
    if (f.parts == 1)
        return RUN_FOLD(x, "sum_floats", f, MTL_CL_I64(over), MTL_CL_BUF(x), MTL_CL_BUF(y), MTL_CL_BUF(NULL));
    MTL_TRY(sums_new(x, outer * f.parts * inner, &partial));
    MTL_TRY_GOTO(RUN_FOLD(x, "sum_floats", f, MTL_CL_I64(over), MTL_CL_BUF(x), MTL_CL_BUF(y), MTL_CL_BUF(partial)));
    f = fold_of(x, outer, f.parts, inner);
    status = RUN_FOLD(x, "sum_partial", f, MTL_CL_I64(over), MTL_CL_BUF(partial), MTL_CL_BUF(y), MTL_CL_BUF(NULL));
done:
    mtl_tensor_release(partial);
    return status;
}

mtl_status mtl_cl_reduce(int kind, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y)
{
    if (kind == MTL_REDUCE_SUM || kind == MTL_REDUCE_MEAN)
        return sum(kind == MTL_REDUCE_MEAN, outer, n, inner, x, y);
    fold f = fold_of(x, outer, n, inner);
    bool place = kind == MTL_REDUCE_ARGMAX || kind == MTL_REDUCE_ARGMIN;
    float sign = kind == MTL_REDUCE_MAX || kind == MTL_REDUCE_ARGMAX ? 1.0f : -1.0f;
    return RUN_FOLD(x, place ? "extreme_place" : "extreme_value", f, MTL_CL_F32(sign), MTL_CL_BUF(x), MTL_CL_BUF(y));
}

mtl_status mtl_cl_cumsum(bool reverse, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y)
{
    return MTL_CL_RUN_FLAT(x, "reduce", "cumsum", "", outer * inner, MTL_CL_I32(reverse), MTL_CL_I64(outer),
                           MTL_CL_I64(n), MTL_CL_I64(inner), MTL_CL_BUF(x), MTL_CL_BUF(y));
}

/* ---- inner products ---- */

/* joined[i*columns+j] of `rows` rows of x and `columns` of y, which lie `line` apart: mtl_sum's, 8 bytes each. more:
   added to what is there. */
static mtl_status products(const mtl_tensor *x, const mtl_tensor *y, int64_t rows, int64_t columns, int64_t line,
                           int64_t offset, int64_t n, bool more, mtl_tensor *joined)
{
    int64_t longer = rows > columns ? rows : columns, b = longer > 2 ? 4 : longer, pairs = rows * columns;
    const char *options = b <= 1 ? "-DB=1" : b == 2 ? "-DB=2" : "-DB=4";
    int64_t blocks = (rows + b - 1) / b * ((columns + b - 1) / b), parts = n / (8 * GROUP);
    int64_t most = 8 * mtl_cl_units(x) / blocks + 1;
    mtl_tensor *partial = NULL;
    mtl_status status;
    parts = parts < 1 ? 1 : parts > most ? most : parts > MOST_PARTS ? MOST_PARTS : parts;
    MTL_TRY(sums_new(x, parts * pairs, &partial));
    MTL_TRY_GOTO(MTL_CL_RUN(x, "reduce", "products", options, 1, ((const size_t[]){(size_t)(blocks * parts) * GROUP}),
                            ((const size_t[]){GROUP}), MTL_CL_I64(rows), MTL_CL_I64(columns), MTL_CL_I32(x == y),
                            MTL_CL_I64(line), MTL_CL_I64(offset), MTL_CL_I64(n), MTL_CL_I64(parts), MTL_CL_BUF(x),
                            MTL_CL_BUF(y), MTL_CL_BUF(partial)));
    MTL_TRY_GOTO(MTL_CL_RUN_FLAT(x, "reduce", "products_join", options, pairs, MTL_CL_I64(rows), MTL_CL_I64(columns),
                                 MTL_CL_I32(x == y), MTL_CL_I64(parts), MTL_CL_I32(more), MTL_CL_BUF(partial),
                                 MTL_CL_BUF(joined)));
done:
    mtl_tensor_release(partial);
    return status;
}

mtl_status mtl_cl_sum_squares(const mtl_tensor *x, int64_t offset, int64_t n, bool more, mtl_tensor *squares)
{
    return products(x, x, 1, 1, 0, offset, n, more, squares);
}

mtl_status mtl_cl_gram(const mtl_tensor *x, const mtl_tensor *y, int64_t offset, int64_t n, double *sums)
{
    int64_t pairs = x->shape[0] * y->shape[0];
    mtl_tensor *joined = NULL;
    mtl_status status;
    MTL_TRY(sums_new(x, pairs, &joined));
    MTL_TRY_GOTO(products(x, y, x->shape[0], y->shape[0], x->shape[1], offset, n, false, joined));
    MTL_TRY_GOTO(mtl_tensor_read(joined, sums));
    if (!mtl_cl_has_fp64(x)) { /* a sum is two floats then */
        for (int64_t k = 0; k < pairs; k++) {
            float two[2];
            memcpy(two, &sums[k], sizeof two);
            sums[k] = (double)two[0] + (double)two[1];
        }
    }
done:
    mtl_tensor_release(joined);
    return status;
}

/* Reductions of [outer, n, inner]. A group of GROUP work items is [2^outer_bits, 2^n_bits, 2^inner_bits] of them: each
   adds what it meets along n at strides of 2^n_bits, and the group joins them in a tree. The order depends on the shape
   alone. Groups are [outer blocks, parts of n, inner blocks]. */
#define GROUP 128

typedef struct {
    long outer, n, inner, parts;
    int n_bits, inner_bits; /* outer_bits: what is left of GROUP */
} mtl_fold;

#define FOLD_ENTER(f)                                                                                                  \
    const int lid = get_local_id(0), lane = lid >> f.inner_bits & ((1 << f.n_bits) - 1);                               \
    const long inner_blocks = (f.inner + (1 << f.inner_bits) - 1) >> f.inner_bits;                                     \
    const long group = get_group_id(0), rest = group / inner_blocks, part = rest % f.parts;                            \
    const long i = ((group - rest * inner_blocks) << f.inner_bits) + (lid & ((1 << f.inner_bits) - 1));                \
    const long o = rest / f.parts * (GROUP >> f.n_bits >> f.inner_bits) + (lid >> f.inner_bits >> f.n_bits);           \
    const bool inside = o < f.outer && i < f.inner;                                                                    \
    const long begin = f.n * part / f.parts, end = f.n * (part + 1) / f.parts;

#define SUM(name, type, add)                                                                                           \
    __kernel void name(mtl_fold f, long over, __global const type *x, long x_at, __global float *y, long y_at,         \
                       __global mtl_sum *partial, long partial_at)                                                         \
    {                                                                                                                  \
        __local mtl_sum shared[GROUP];                                                                                 \
        FOLD_ENTER(f)                                                                                                  \
        mtl_sum total = MTL_SUM_ZERO;                                                                                  \
        if (inside) {                                                                                                  \
            __global const type *from = x + x_at + o * f.n * f.inner + i;                                              \
            for (long k = begin + lane; k < end; k += 1 << f.n_bits)                                                   \
                total = add(total, from[k * f.inner]);                                                                 \
        }                                                                                                              \
        shared[lid] = total;                                                                                           \
        for (int step = 1 << f.n_bits >> 1; step > 0; step >>= 1) {                                                    \
            barrier(CLK_LOCAL_MEM_FENCE);                                                                              \
            if (lane < step)                                                                                           \
                shared[lid] = mtl_sum_join(shared[lid], shared[lid + (step << f.inner_bits)]);                         \
        }                                                                                                              \
        if (inside && lane == 0) {                                                                                     \
            if (partial)                                                                                               \
                partial[(o * f.parts + part) * f.inner + i] = shared[lid];                                             \
            else                                                                                                       \
                y[y_at + o * f.inner + i] = mtl_sum_over(shared[lid], over);                                           \
        }                                                                                                              \
    }
SUM(sum_floats, float, mtl_sum_add)
SUM(sum_partial, mtl_sum, mtl_sum_join)

/* NaN wins; then the larger of sign x; then the one that comes first. */
bool mtl_better(float x, int k, float best, int at, float sign)
{
    if (isnan(best))
        return isnan(x) && k < at;
    return isnan(x) || sign * x > sign * best || (x == best && k < at);
}

#define EXTREME(name, type, result)                                                                                    \
    __kernel void name(mtl_fold f, float sign, __global const float *x, long x_at, __global type *y, long y_at)        \
    {                                                                                                                  \
        __local float values[GROUP];                                                                                   \
        __local int places[GROUP];                                                                                     \
        FOLD_ENTER(f)                                                                                                  \
        float best = -INFINITY * sign;                                                                                 \
        int at = INT_MAX;                                                                                              \
        if (inside) {                                                                                                  \
            __global const float *from = x + x_at + o * f.n * f.inner + i;                                             \
            for (long k = begin + lane; k < end; k += 1 << f.n_bits) {                                                 \
                const float v = from[k * f.inner];                                                                     \
                if (mtl_better(v, (int)k, best, at, sign)) {                                                           \
                    best = v;                                                                                          \
                    at = (int)k;                                                                                       \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        values[lid] = best;                                                                                            \
        places[lid] = at;                                                                                              \
        for (int step = 1 << f.n_bits >> 1; step > 0; step >>= 1) {                                                    \
            barrier(CLK_LOCAL_MEM_FENCE);                                                                              \
            if (lane < step) {                                                                                         \
                const int other = lid + (step << f.inner_bits);                                                        \
                if (mtl_better(values[other], places[other], values[lid], places[lid], sign)) {                        \
                    values[lid] = values[other];                                                                       \
                    places[lid] = places[other];                                                                       \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        if (inside && lane == 0)                                                                                       \
            y[y_at + o * f.inner + i] = result;                                                                        \
    }
EXTREME(extreme_value, float, values[lid])
EXTREME(extreme_place, int, places[lid])

/* One line a work item, in order. */
__kernel void cumsum(int reverse, long outer, long n, long inner, __global const float *x, long x_at,
                     __global float *y, long y_at)
{
    const long line = get_global_id(0);
    if (line >= outer * inner)
        return;
    const long o = line / inner, i = line - o * inner, step = reverse ? -inner : inner;
    long at = o * n * inner + i + (reverse ? (n - 1) * inner : 0);
    mtl_sum total = MTL_SUM_ZERO;
    for (long k = 0; k < n; k++, at += step) {
        total = mtl_sum_add(total, x[x_at + at]);
        y[y_at + at] = mtl_sum_over(total, 1);
    }
}

/* ---- inner products of all pairs of rows of x and y ---- */

/* Group (block, part): the products of B rows with B rows over one part of the columns, each work item at strides of
   the group. blocks: [rows / B, columns / B]; `same`: y is x, and the upper triangle is left out. partial: [parts,
   rows, columns]. */
#ifdef B
__kernel void products(long rows, long columns, int same, long line, long first, long n, long parts,
                       __global const float *x, long x_at, __global const float *y, long y_at,
                       __global mtl_sum *partial, long partial_at)
{
    __local mtl_sum shared[GROUP];
    const long side = (columns + B - 1) / B, block = get_group_id(0) / parts, part = get_group_id(0) % parts;
    const long row = block / side * B, column = block % side * B;
    const long begin = n * part / parts, end = n * (part + 1) / parts;
    const int lid = get_local_id(0);
    mtl_sum sum[B * B];
    if (same && row < column)
        return;
    for (int k = 0; k < B * B; k++)
        sum[k] = MTL_SUM_ZERO;
    for (long at = begin + lid; at < end; at += GROUP) {
        float left[B], right[B];
        for (int k = 0; k < B; k++) {
            left[k] = row + k < rows ? x[x_at + (row + k) * line + first + at] : 0.0f;
            right[k] = column + k < columns ? y[y_at + (column + k) * line + first + at] : 0.0f;
        }
        for (int k = 0; k < B * B; k++)
            sum[k] = mtl_sum_product(sum[k], left[k / B], right[k % B]);
    }
    for (int k = 0; k < B * B; k++) {
        barrier(CLK_LOCAL_MEM_FENCE);
        shared[lid] = sum[k];
        for (int step = GROUP / 2; step > 0; step >>= 1) {
            barrier(CLK_LOCAL_MEM_FENCE);
            if (lid < step)
                shared[lid] = mtl_sum_join(shared[lid], shared[lid + step]);
        }
        const long i = row + k / B, j = column + k % B;
        if (lid == 0 && i < rows && j < columns && (!same || j <= i))
            partial[(part * rows + i) * columns + j] = shared[0];
    }
}

/* The parts in order; `same`: symmetric. more: on top of what is there. */
__kernel void products_join(long rows, long columns, int same, long parts, int more, __global const mtl_sum *partial,
                            long partial_at, __global mtl_sum *sums, long sums_at)
{
    const long at = get_global_id(0), i = at / columns, j = at % columns;
    const bool turned = same && j > i;
    if (at >= rows * columns)
        return;
    mtl_sum total = more ? sums[at] : MTL_SUM_ZERO;
    for (long p = 0; p < parts; p++)
        total = mtl_sum_join(total, partial[(p * rows + (turned ? j : i)) * columns + (turned ? i : j)]);
    sums[at] = total;
}
#endif

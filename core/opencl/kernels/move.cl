/* Kernels that move elements of 4 bytes or 1, and the adjoints of take and gather. What meets at one place is added in
   the order of the indices by one work item: no atomics. */

#define COPY(type)                                                                                                     \
    __kernel void copy_##type(mtl_broadcast s, long inner, long lines, long sx, long sy, __global const type *x,       \
                              long x_at, __global type *y, long y_at)                                                  \
    {                                                                                                                  \
        MTL_EACH_LINE(line, lines)                                                                                     \
        {                                                                                                              \
            long in[3];                                                                                                \
            mtl_line_at(&s, line, in);                                                                                 \
            MTL_EACH_PLACE(i, inner)                                                                                   \
                y[y_at + in[1] + i * sy] = x[x_at + in[0] + i * sx];                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    /* x runs along the last but one dimension [m], y along the last [n]: squares go through local memory. `s` holds   \
       the other dimensions, of which `lines` is the product; groups are [lines, m / 16, n / 16]. */                   \
    __kernel void turn_##type(mtl_broadcast s, long m, long n, long sx, long sy, __global const type *x, long x_at,    \
                              __global type *y, long y_at)                                                             \
    {                                                                                                                  \
        __local type square[16][17];                                                                                   \
        const long across = (n + 15) / 16, down = (m + 15) / 16, group = get_group_id(0);                              \
        const long line = group / across / down, i = group / across % down * 16, j = group % across * 16;              \
        const int low = get_local_id(0) & 15, high = get_local_id(0) >> 4;                                             \
        long in[3];                                                                                                    \
        mtl_line_at(&s, line, in);                                                                                     \
        for (int k = high; k < 16; k += 8)                                                                             \
            if (i + low < m && j + k < n)                                                                              \
                square[k][low] = x[x_at + in[0] + i + low + (j + k) * sx];                                             \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                  \
        for (int k = high; k < 16; k += 8)                                                                             \
            if (i + k < m && j + low < n)                                                                              \
                y[y_at + in[1] + (i + k) * sy + j + low] = square[low][k];                                             \
    }                                                                                                                  \
    __kernel void take_##type(long inner, long lines, long n, long n_index, __global const type *x, long x_at,         \
                              __global const int *index, long index_at, __global type *y, long y_at)                   \
    {                                                                                                                  \
        MTL_EACH_LINE(line, lines)                                                                                     \
        {                                                                                                              \
            const long o = line / n_index, from = (o * n + index[index_at + line - o * n_index]) * inner;              \
            MTL_EACH_PLACE(i, inner)                                                                                   \
                y[y_at + line * inner + i] = x[x_at + from + i];                                                       \
        }                                                                                                              \
    }                                                                                                                  \
    __kernel void gather_##type(long inner, long lines, long n, long n_index, __global const type *x, long x_at,       \
                                __global const int *index, long index_at, __global type *y, long y_at)                 \
    {                                                                                                                  \
        MTL_EACH_LINE(line, lines)                                                                                     \
        {                                                                                                              \
            const long from = line / n_index * n, at = line * inner;                                                   \
            MTL_EACH_PLACE(i, inner)                                                                                   \
                y[y_at + at + i] = x[x_at + (from + index[index_at + at + i]) * inner + i];                            \
        }                                                                                                              \
    }
COPY(uchar)
COPY(uint)

/* order: the numbers 0 .. n_index - 1, sorted by index. The work item at the first of a run of equal indices adds the
   run; dx has been cleared. Lines are [outer, n_index]. */
__kernel void take_grad(long inner, long lines, long n, long n_index, __global const float *dy, long dy_at,
                        __global const int *index, long index_at, __global const ulong *order, long order_at,
                        __global float *dx, long dx_at)
{
    MTL_EACH_LINE(line, lines)
    {
        const long o = line / n_index, first = line - o * n_index;
        const int row = index[index_at + (uint)order[first]];
        if (first > 0 && index[index_at + (uint)order[first - 1]] == row)
            continue;
        MTL_EACH_PLACE(i, inner)
        {
            float total = 0.0f;
            for (long k = first; k < n_index; k++) {
                const uint j = (uint)order[k];
                if (index[index_at + j] != row)
                    break;
                total += dy[dy_at + (o * n_index + j) * inner + i];
            }
            dx[dx_at + (o * n + row) * inner + i] = total;
        }
    }
}

/* One element of dx a work item; lines are [rows, outer, n]: for few indices. */
__kernel void gather_grad_few(long inner, long lines, long outer, long n, long n_index, __global const float *dy,
                              long dy_at, __global const int *index, long index_at, __global float *dx, long dx_at)
{
    MTL_EACH_LINE(line, lines)
    {
        const long item = line / n, place = line - item * n, o = item % outer;
        MTL_EACH_PLACE(i, inner)
        {
            float total = 0.0f;
            for (long j = 0; j < n_index; j++)
                if (index[index_at + (o * n_index + j) * inner + i] == place)
                    total += dy[dy_at + (item * n_index + j) * inner + i];
            dx[dx_at + line * inner + i] = total;
        }
    }
}

/* One column of dx a work item; lines are [rows, outer]. dx has been cleared. */
__kernel void gather_grad_many(long inner, long lines, long outer, long n, long n_index, __global const float *dy,
                               long dy_at, __global const int *index, long index_at, __global float *dx, long dx_at)
{
    MTL_EACH_LINE(line, lines)
    {
        const long o = line % outer;
        MTL_EACH_PLACE(i, inner)
        {
            for (long j = 0; j < n_index; j++)
                dx[dx_at + (line * n + index[index_at + (o * n_index + j) * inner + i]) * inner + i] +=
                    dy[dy_at + (line * n_index + j) * inner + i];
        }
    }
}

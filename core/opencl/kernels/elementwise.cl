/* Element-wise kernels that are no operator of op/unary.def or op/binary.def. */

__kernel void where(mtl_broadcast s, long inner, long lines, long sc, long sa, long sb, __global const float *c,
                    long c_at, __global const float *a, long a_at, __global const float *b, long b_at,
                    __global float *y, long y_at)
{
    MTL_EACH_LINE(line, lines)
    {
        long in[3];
        mtl_line_at(&s, line, in);
        MTL_EACH_PLACE(i, inner)
        {
            const float yes = a[a_at + in[1] + i * sa], no = b[b_at + in[2] + i * sb];
            y[y_at + line * inner + i] = c[c_at + in[0] + i * sc] != 0.0f ? yes : no;
        }
    }
}

/* ---- dtypes ---- */
#define TO_FLOAT(type)                                                                                                 \
    __kernel void type##_to_float(long n, __global const type *x, long x_at, __global float *y, long y_at)             \
    {                                                                                                                  \
        const long i = get_global_id(0);                                                                               \
        if (i < n)                                                                                                     \
            y[y_at + i] = (float)x[x_at + i];                                                                          \
    }
TO_FLOAT(int)
TO_FLOAT(uchar)

/* Toward zero; bad receives the least place of an element that does not fit. */
#define TO_INTEGER(from, to, fits)                                                                                     \
    __kernel void from##_to_##to(long n, __global const from *x, long x_at, __global to *y, long y_at,                 \
                                 __global uint *bad, long bad_at)                                                      \
    {                                                                                                                  \
        const long i = get_global_id(0);                                                                               \
        if (i >= n)                                                                                                    \
            return;                                                                                                    \
        const from v = x[x_at + i];                                                                                    \
        if (fits)                                                                                                      \
            y[y_at + i] = (to)v;                                                                                       \
        else                                                                                                           \
            atomic_min(bad + bad_at, (uint)i);                                                                         \
    }
TO_INTEGER(float, int, v >= -2147483648.0f && v < 2147483648.0f)
TO_INTEGER(float, uchar, v > -1.0f && v < 256.0f)
TO_INTEGER(int, uchar, v >= 0 && v < 256)
TO_INTEGER(uchar, int, true)

__kernel void axpy(long n, float alpha, __global const float *x, long x_at, __global float *y, long y_at)
{
    const long i = get_global_id(0);
    if (i < n)
        y[y_at + i] += alpha * x[x_at + i];
}

__kernel void scale_in_place(long n, float factor, __global float *y, long y_at)
{
    const long i = get_global_id(0);
    if (i < n)
        y[y_at + i] *= factor;
}

__kernel void clip_in_place(long n, float most, __global const mtl_sum *squares, long squares_at, __global float *y,
                            long y_at)
{
    const long i = get_global_id(0);
    if (i < n)
        y[y_at + i] *= mtl_clip_factor(most, squares);
}

/* ---- dropout: Philox4x32-10 as in base/random.c; a work item makes the four elements of one counter ---- */
__kernel void dropout(long n, ulong seed, ulong stream, ulong first, uint least, float kept, __global float *mask,
                      long mask_at)
{
    const long at = 4 * (long)get_global_id(0);
    const ulong counter = first + get_global_id(0);
    uint c[4] = {(uint)counter, (uint)(counter >> 32), (uint)stream, (uint)(stream >> 32)};
    uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
    if (at >= n)
        return;
    for (int round = 0; round < 10; round++) {
        const uint high0 = mul_hi(0xD2511F53u, c[0]), high1 = mul_hi(0xCD9E8D57u, c[2]);
        const uint low0 = 0xD2511F53u * c[0], low1 = 0xCD9E8D57u * c[2];
        c[0] = high1 ^ c[1] ^ k0;
        c[2] = high0 ^ c[3] ^ k1;
        c[1] = low1;
        c[3] = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int j = 0; j < 4 && at + j < n; j++)
        mask[mask_at + at + j] = c[j] >= least ? kept : 0.0f;
}

/* Bitonic sort of lines of keys, of a power of 2 each: unequal, so that any sort is stable. Blocks of 2 GROUP keys are
   sorted in local memory. */
#define GROUP 128
#define BLOCK (2 * GROUP)

ulong mtl_float_key(float x, int down)
{
    uint u = as_uint(x);
    u = x == 0.0f ? 0x80000000u : u >> 31 ? ~u : u | 0x80000000u;
    u = isnan(x) ? 0xffffffffu : u;
    return (ulong)(down ? ~u : u) << 32;
}

/* x [outer, n, inner]; what pads a line comes last. */
#define KEYS(name, type, key)                                                                                          \
    __kernel void name(long lines, long n, long inner, long padded, int down, __global const type *x, long x_at,       \
                       __global ulong *keys, long keys_at)                                                             \
    {                                                                                                                  \
        const long at = get_global_id(0), line = at / padded, k = at - line * padded;                                  \
        if (line >= lines)                                                                                             \
            return;                                                                                                    \
        const long first = line / inner * n * inner + line % inner;                                                    \
        ulong made = ULONG_MAX;                                                                                        \
        if (k < n) {                                                                                                   \
            const type v = x[x_at + first + k * inner];                                                                \
            made = (key) | (uint)k;                                                                                    \
        }                                                                                                              \
        keys[at] = made;                                                                                               \
    }
KEYS(float_keys, float, mtl_float_key(v, down))
KEYS(index_keys, int, (ulong)(uint)v << 32)

/* Exchanges at distance `step` within runs of `run` keys that go up and down in turns; a line's last run goes up. */
void mtl_exchange(ulong *low, ulong *high, bool up)
{
    const ulong a = *low, b = *high;
    *low = up == (a < b) ? a : b;
    *high = up == (a < b) ? b : a;
}

__kernel void sort_step(long pairs, long padded, long run, long step, __global ulong *keys, long keys_at)
{
    const long pair = get_global_id(0);
    if (pair >= pairs)
        return;
    const long at = pair / step * 2 * step + pair % step;
    const bool up = (at % padded & run) == 0;
    ulong low = keys[at], high = keys[at + step];
    mtl_exchange(&low, &high, up);
    keys[at] = low;
    keys[at + step] = high;
}

/* Runs `from` .. `to` with all their steps that stay within a block: from 2 the block is sorted whole. */
__kernel void sort_block(long total, long padded, long from, long to, __global ulong *keys, long keys_at)
{
    __local ulong block[BLOCK];
    const int lid = get_local_id(0);
    const long first = get_group_id(0) * BLOCK;
    for (int k = lid; k < BLOCK; k += GROUP)
        block[k] = first + k < total ? keys[first + k] : ULONG_MAX;
    for (long run = from; run <= to; run *= 2) {
        for (int step = run < BLOCK ? run / 2 : BLOCK / 2; step > 0; step /= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            const int at = lid / step * 2 * step + lid % step;
            const bool up = ((first + at) % padded & run) == 0;
            ulong low = block[at], high = block[at + step];
            mtl_exchange(&low, &high, up);
            block[at] = low;
            block[at + step] = high;
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = lid; k < BLOCK; k += GROUP)
        if (first + k < total)
            keys[first + k] = block[k];
}

__kernel void sort_out(long lines, long n, long inner, long padded, __global const float *x, long x_at,
                       __global const ulong *keys, long keys_at, __global float *values, long values_at,
                       __global int *indices, long indices_at)
{
    const long item = get_global_id(0), line = item / n, k = item - line * n;
    if (line >= lines)
        return;
    const long first = line / inner * n * inner + line % inner;
    const uint from = (uint)keys[line * padded + k];
    values[values_at + first + k * inner] = x[x_at + first + from * inner];
    indices[indices_at + first + k * inner] = (int)from;
}

/* Products for devices that are CPUs: each work-item packs some panels of B, DEPTH x 8 WIDE, and multiplies each with
   some rows of A, ROWS at a time; no barriers. The kinds are those of gemm.cl, but images have no padding here (conv.cl
   lays it around them first). WEIGHT makes dw transposed: m = channels and taps, n = cotangents and output channels, k
   = images and pixels of y; and a last row, the sums of dy.

   Options: KIND, ROWS (1 .. 6), WIDE (1, 2): few, since each build takes its time. */
#include "opencl/kernels/shape.h"
#define DEPTH 256
#define LANES (8 * WIDE)
#define TAPS  (g.kernel_h * g.kernel_w)

/* The first `n` lanes of v, to[0 .. n - 1]. */
static void store_lanes(const float8 v, const int n, __global float *to)
{
    float lane[8];
    if (n >= 8) {
        vstore8(v, 0, to);
        return;
    }
    vstore8(v, 0, lane);
    for (int l = 0; l < n; l++)
        to[l] = lane[l];
}

static float8 load_lanes(const int n, __global const float *from)
{
    float lane[8] = {0};
    if (n >= 8)
        return vload8(0, from);
    for (int l = 0; l < n; l++)
        lane[l] = from[l];
    return vload8(0, lane);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
panel(__global const float *restrict a, const long a_at, __global const float *restrict b, const long b_at,
      __global const float *bias, const long bias_at, __global float *restrict c, const long c_at, const int m,
      const int n, const int k, const int pieces, const int piece_length, const int lines, const int panels,
      const shape g)
{
    float8 packed[DEPTH][WIDE];
    const int begin_j = (int)get_global_id(0) * panels * LANES, end_j = min(n, begin_j + panels * LANES),
              first = (int)get_global_id(1) * lines, last = min(m, first + lines);
    const int z = (int)get_global_id(2) / pieces, piece = (int)get_global_id(2) % pieces;
    const int begin = piece * piece_length, end = min(k, begin + piece_length);
    int at[DEPTH]; /* of A's row, where its elements lie; FORWARD: of B's column */
    c += c_at;
#if KIND == MATRIX
    const bool part = pieces > 1;
    a += a_at + z * g.stride_a;
    b += b_at + z * g.stride_b;
    c += part ? ((long)piece * (get_global_size(2) / pieces) + z) * m * n : z * g.stride_c;
    const long pitch = part ? n : g.ldc;
#elif KIND == WEIGHT
    const int pixels = g.out_h * g.out_w;
    const long image = (long)g.groups * g.channels * g.height * g.width,
               output = (long)g.groups * g.out_channels * pixels;
    a += a_at + (long)z * g.channels * g.height * g.width;
    b += b_at + (long)z * g.out_channels * pixels;
    c += ((long)piece * g.groups + z) * (m + 1) * n;
#else
    const int pixels = g.out_h * g.out_w, plane = g.height * g.width;
    const long image = (long)g.groups * g.channels * plane;
    __global const float *images = b + b_at + (long)z * g.channels * plane;
    int placed = -1; /* p0 of `at` */
    a += a_at + (long)z * m * k;
#endif
    for (int j0 = begin_j; j0 < end_j; j0 += LANES) {
        const int columns = min(LANES, n - j0);
#if KIND == WEIGHT
        float8 total[WIDE] = {0};
#elif KIND == FORWARD
        int from[LANES];
        long to[LANES];
        const int first_image = j0 / pixels;
        b = images + first_image * image;
        int at_image = first_image, oy = j0 % pixels / g.out_w, ox = j0 % pixels % g.out_w;
        for (int l = 0; l < LANES; l++) { /* lanes too many repeat the last */
            from[l] = (int)((at_image - first_image) * image) + oy * g.stride_h * g.width + ox * g.stride_w;
            to[l] = ((long)at_image * g.groups + z) * m * g.to_plane + oy * g.to_line + ox * g.to_step;
            if (l + 1 < columns && ++ox == g.out_w) {
                ox = 0;
                if (++oy == g.out_h) {
                    oy = 0;
                    at_image++;
                }
            }
        }
        /* Where the lanes of a vector are neighbours but for one jump, two loads do, neither outside of what the lanes
           span. From which lane on the second counts; 8: no jump; 0: lane by lane. */
        const int8 lane_number = (int8)(0, 1, 2, 3, 4, 5, 6, 7);
        int jump[WIDE];
        for (int w = 0; w < WIDE; w++) {
            const int *f = from + 8 * w;
            int s = 1;
            while (s < 8 && f[s] - f[0] == s)
                s++;
            jump[w] = s == 8 || (columns == LANES && f[7] - f[s] == 7 - s) ? s : 0;
        }
#endif
        for (int p0 = begin; p0 < end || p0 == begin; p0 += DEPTH) {
            const int depth = min(DEPTH, end - p0);
            /* ---- B's panel ---- */
#if KIND == MATRIX
            for (int p = 0; p < depth; p++)
                at[p] = g.trans_a ? p * (int)g.lda : p;
            for (int p = 0; p < depth && !g.trans_b; p++) {
                for (int w = 0; w < WIDE; w++)
                    packed[p][w] = load_lanes(columns - 8 * w, b + (p0 + p) * g.ldb + j0 + 8 * w);
            }
            for (int l = 0; l < LANES && g.trans_b; l++) {
                __global const float *row = b + (j0 + min(l, columns - 1)) * g.ldb + p0;
                for (int p = 0; p < depth; p++)
                    ((float *)packed)[p * LANES + l] = row[p];
            }
#elif KIND == WEIGHT
            const int own = p0 / pixels;
            for (int l = 0; l < LANES; l++) {
                const int line = j0 + min(l, columns - 1);
                __global const float *row =
                    b + (long)(line / g.out_channels) * g.batch * output + (long)(line % g.out_channels) * pixels;
                int p = 0;
                for (int i = own; p < depth; i++) {
                    const int skip = p0 + p - i * pixels, stop = min(depth, p + pixels - skip);
                    __global const float *pixel = row + i * output + skip - p;
                    for (; p < stop; p++)
                        ((float *)packed)[p * LANES + l] = pixel[p];
                }
            }
            int oy = (p0 - own * pixels) / g.out_w, ox = (p0 - own * pixels) % g.out_w, base = 0;
            for (int p = 0; p < depth; p++) {
                at[p] = base + oy * g.stride_h * g.width + ox * g.stride_w;
                for (int w = 0; w < WIDE; w++)
                    total[w] += packed[p][w];
                if (++ox == g.out_w) {
                    ox = 0;
                    if (++oy == g.out_h) {
                        oy = 0;
                        base += (int)image;
                    }
                }
            }
#else
            for (int p = 0, tap = p0 % TAPS, channel = p0 / TAPS; p < depth && placed != p0; p++) {
                at[p] = channel * plane + tap / g.kernel_w * g.dilation_h * g.width + tap % g.kernel_w * g.dilation_w;
                if (++tap == TAPS) {
                    tap = 0;
                    channel++;
                }
            }
            placed = p0;
            for (int w = 0; w < WIDE; w++) {
                const int *f = from + 8 * w;
                const int f0 = f[0], f7 = f[7] - 7;
                const int8 second = lane_number >= jump[w];
                if (jump[w] == 8) {
                    for (int p = 0; p < depth; p++)
                        packed[p][w] = vload8(0, b + at[p] + f0);
                } else if (jump[w] > 0) {
                    for (int p = 0; p < depth; p++)
                        packed[p][w] = select(vload8(0, b + at[p] + f0), vload8(0, b + at[p] + f7), second);
                } else {
                    for (int p = 0; p < depth; p++) {
                        __global const float *corner = b + at[p];
                        packed[p][w] = (float8)(corner[f0], corner[f[1]], corner[f[2]], corner[f[3]], corner[f[4]],
                                                corner[f[5]], corner[f[6]], corner[f[7]]);
                    }
                }
            }
#endif
            /* ---- its product with the rows of A; rows too many repeat the last, and are not kept ---- */
            for (int i = first; i < last; i += ROWS) {
                float8 sum[ROWS][WIDE];
                __global const float *row[ROWS];
                _Pragma("unroll") for (int r = 0; r < ROWS; r++)
                {
                    const int line = min(i + r, last - 1);
#if KIND == MATRIX
                    row[r] = a + (g.trans_a ? p0 * g.lda + line : line * g.lda + p0);
#elif KIND == WEIGHT
                    row[r] = a + own * image + line / TAPS * g.height * g.width +
                             line % TAPS / g.kernel_w * g.dilation_h * g.width + line % g.kernel_w * g.dilation_w;
#else
                    row[r] = a + (long)line * k + p0;
#endif
                    _Pragma("unroll") for (int w = 0; w < WIDE; w++) sum[r][w] = (float8)(0.0f);
                }
                for (int p = 0; p < depth; p++) {
                    _Pragma("unroll") for (int r = 0; r < ROWS; r++)
                    {
                        const float8 u = (float8)(row[r][KIND == FORWARD ? p : at[p]]);
                        _Pragma("unroll") for (int w = 0; w < WIDE; w++) sum[r][w] = fma(u, packed[p][w], sum[r][w]);
                    }
                }
                for (int r = 0; r < ROWS && i + r < last; r++) {
                    for (int w = 0; w < WIDE; w++) {
                        float8 v = sum[r][w];
                        const int left = columns - 8 * w;
#if KIND == MATRIX
                        __global float *out = c + (i + r) * pitch + j0 + 8 * w;
                        if (!part) {
                            v *= g.alpha;
                            if (bias && p0 == begin)
                                v += load_lanes(left, bias + bias_at + j0 + 8 * w);
                        }
                        if (p0 != begin)
                            v += load_lanes(left, out);
                        else if (g.beta != 0.0f && !part)
                            v += g.beta * load_lanes(left, out);
                        store_lanes(v, left, out);
#elif KIND == WEIGHT
                        __global float *out = c + (i + r) * (long)n + j0 + 8 * w;
                        if (p0 != begin)
                            v += load_lanes(left, out);
                        store_lanes(v, left, out);
#else
                        __global float *out = c + (long)(i + r) * g.to_plane;
                        const long *t = to + 8 * w;
                        float lane[8];
                        if (bias && p0 == begin)
                            v += bias[bias_at + z * m + i + r];
                        if (left >= 8 && t[7] - t[0] == 7) {
                            vstore8(p0 == begin ? v : v + vload8(0, out + t[0]), 0, out + t[0]);
                            continue;
                        }
                        vstore8(v, 0, lane);
                        for (int l = 0; l < min(left, 8); l++)
                            out[t[l]] = p0 == begin ? lane[l] : out[t[l]] + lane[l];
#endif
                    }
                }
            }
        }
#if KIND == WEIGHT
        for (int w = 0; first == 0 && w < WIDE; w++)
            store_lanes(total[w], columns - 8 * w, c + (long)m * n + j0 + 8 * w);
#endif
    }
}

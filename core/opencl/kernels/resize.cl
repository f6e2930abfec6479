/* Planes of another size: an output pixel is a weighted sum of some neighbours (core/cpu/resize.c). One work-item an
   element of the result; going back it gathers from the outputs that could have used it.
   Option: INDEX, uint where all elements can be counted with it, else ulong. */
enum { NEAREST, BILINEAR, MEAN, CONSTANT, REFLECT, REPLICATE };

typedef struct { /* as mtl_cl_resized of pool.c */
    int kind, height, width, out_h, out_w, top, left;
    float value;
} resized;

typedef struct { /* of output i: weight x[first] + next (x[first + 1] + ... + x[first + n - 1]); none: the constant */
    int first, n;
    float weight, next;
} tap;

static tap tap_of(const int kind, const int in, const int out, const int before, const int i)
{
    tap t = {i - before, 1, 1.0f, 1.0f};
    if (kind == NEAREST) {
        t.first = (int)((long)i * in / out);
    } else if (kind == BILINEAR) {
        /* place = ((i + 1/2) in / out) - 1/2, with a common denominator: exact */
        const long top = max((2 * (long)i + 1) * in - out, 0L), whole = top / (2 * (long)out);
        t.first = (int)min(whole, (long)in - 1);
        t.next = (float)(top - whole * 2 * out) / (float)(2 * (long)out);
        t.n = t.first < in - 1 && t.next > 0.0f ? 2 : 1;
        t.weight = t.n > 1 ? 1.0f - t.next : 1.0f;
    } else if (kind == MEAN) {
        t.first = (int)((long)i * in / out);
        t.n = (int)(((long)(i + 1) * in + out - 1) / out) - t.first;
        t.weight = t.next = 1.0f / (float)t.n;
    } else if (kind == CONSTANT) {
        t.n = t.first >= 0 && t.first < in;
        t.first = t.n ? t.first : 0;
    } else if (kind == REFLECT) {
        t.first = t.first < 0 ? -t.first : t.first < in ? t.first : 2 * (in - 1) - t.first;
    } else {
        t.first = clamp(t.first, 0, in - 1);
    }
    return t;
}

/* The weight of input j in output i. */
static float weight_of(const tap t, const int j)
{
    return j < t.first || j >= t.first + t.n ? 0.0f : j == t.first ? t.weight : t.next;
}

__kernel void resize(__global const float *restrict x, const long x_at, __global float *restrict y, const long y_at,
                     const long count, const resized g)
{
    const INDEX e = (INDEX)get_global_id(0);
    if (get_global_id(0) >= count)
        return;
    const int pixel = (int)(e % (INDEX)(g.out_h * g.out_w));
    const tap down = tap_of(g.kind, g.height, g.out_h, g.top, pixel / g.out_w);
    const tap along = tap_of(g.kind, g.width, g.out_w, g.left, pixel % g.out_w);
    float sum = down.n && along.n ? 0.0f : g.value;
    x += x_at + (long)(e / (INDEX)(g.out_h * g.out_w)) * g.height * g.width;
    for (int j = 0; j < along.n; j++) {
        float line = 0.0f;
        for (int i = 0; i < down.n; i++)
            line += (i ? down.next : down.weight) * x[(down.first + i) * g.width + along.first + j];
        sum += (j ? along.next : along.weight) * line;
    }
    y[y_at + e] = sum;
}

/* Outputs from .s0 to before .s1 may use input j; no others do. Mirrored ones are spread: any may. */
static int2 users(const int kind, const int in, const int out, const int before, const int j)
{
    if (kind == NEAREST || kind == MEAN || kind == BILINEAR) {
        const long slack = kind == BILINEAR ? 1 : 0;
        const long first = ((long)j - slack) * out / in - 1 - slack, end = ((long)j + 1 + slack) * out / in + 2 + slack;
        return (int2)((int)max(first, 0L), (int)min(end, (long)out));
    }
    if (kind == CONSTANT)
        return (int2)(max(j + before, 0), min(j + before + 1, out));
    if (kind == REPLICATE)
        return (int2)(j == 0 ? 0 : max(j + before, 0), j == in - 1 ? out : min(j + before + 1, out));
    return (int2)(0, out);
}

__kernel void resize_grad(__global const float *restrict dy, const long dy_at, __global float *restrict dx,
                          const long dx_at, const long count, const resized g)
{
    const INDEX e = (INDEX)get_global_id(0);
    if (get_global_id(0) >= count)
        return;
    const int place = (int)(e % (INDEX)(g.height * g.width)), i = place / g.width, j = place % g.width;
    const int2 down = users(g.kind, g.height, g.out_h, g.top, i), along = users(g.kind, g.width, g.out_w, g.left, j);
    float sum = 0.0f;
    dy += dy_at + (long)(e / (INDEX)(g.height * g.width)) * g.out_h * g.out_w;
    for (int oy = down.s0; oy < down.s1; oy++) {
        const float share = weight_of(tap_of(g.kind, g.height, g.out_h, g.top, oy), i);
        float line = 0.0f;
        if (share == 0.0f)
            continue;
        for (int ox = along.s0; ox < along.s1; ox++) {
            const float w = weight_of(tap_of(g.kind, g.width, g.out_w, g.left, ox), j);
            if (w != 0.0f)
                line += w * dy[oy * g.out_w + ox];
        }
        sum += share * line;
    }
    dx[dx_at + e] = sum;
}

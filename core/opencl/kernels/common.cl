/* Before the text of every program: the functions that op/unary.def and op/binary.def are written in, sums, and the
   places of tensors that broadcast. */
#ifdef MTL_FP64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif

#define mtl_absf(x)   fabs(x)
#define mtl_sqrtf(x)  sqrt(x)
#define mtl_expf(x)   exp(x)
#define mtl_logf(x)   log(x)
#define mtl_log1pf(x) log1p(x)
#define mtl_tanhf(x)  tanh(x)
#define mtl_erff(x)   erf(x)

float mtl_sigmoidf(float x)
{
    return 1.0f / (1.0f + exp(-x));
}

/* Of x/2 (1 + tanh(c (x + 0.044715 x^3))), c = sqrt(2/pi); 0 or 1 beyond 16. */
float mtl_gelu_tanh_slope(float x)
{
    float v = x > 16.0f ? 16.0f : x < -16.0f ? -16.0f : x;
    float square = v * v, t = tanh(0.79788456f * v * (1.0f + 0.044715f * square));
    return 0.5f * (1.0f + t) + 0.5f * v * (1.0f - t * t) * 0.79788456f * (1.0f + 0.134145f * square);
}

/* The sum over a group of 2^n work-items, for all of them, in a fixed order; `room` holds a float for each. */
float group_sum(float value, __local float *room)
{
    const int own = (int)get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    room[own] = value;
    for (int step = (int)get_local_size(0) / 2; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (own < step)
            room[own] += room[own + step];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return room[0];
}

/* Most powers have one exponent for all elements: no branch diverges. */
float mtl_powf(float a, float b)
{
    if (b == 2.0f)
        return a * a;
    if (b == 1.0f)
        return a;
    if (b == 3.0f)
        return a * a * a;
    if (b == -1.0f)
        return 1.0f / a;
    return pow(a, b);
}

/* ---- sums of many floats: in double precision, or of two floats where the device has none ---- */
#ifdef MTL_FP64
typedef double mtl_sum;
#define MTL_SUM_ZERO 0.0
mtl_sum mtl_sum_join(mtl_sum a, mtl_sum b)
{
    return a + b;
}
mtl_sum mtl_sum_add(mtl_sum a, float x)
{
    return a + x;
}
mtl_sum mtl_sum_product(mtl_sum a, float x, float y)
{
    return a + (double)x * (double)y;
}
float mtl_sum_over(mtl_sum a, long n)
{
    return (float)(a / (double)n);
}
float mtl_sum_root(mtl_sum a)
{
    return (float)sqrt(a);
}
#else
typedef float2 mtl_sum; /* the sum and what rounding took from it */
#define MTL_SUM_ZERO ((float2)(0.0f, 0.0f))
mtl_sum mtl_sum_join(mtl_sum a, mtl_sum b)
{
    float s = a.x + b.x, part = s - a.x;
    float lost = (a.x - (s - part)) + (b.x - part) + a.y + b.y, whole = s + lost;
    return isfinite(s) ? (float2)(whole, lost - (whole - s)) : (float2)(s, 0.0f);
}
mtl_sum mtl_sum_add(mtl_sum a, float x)
{
    return mtl_sum_join(a, (float2)(x, 0.0f));
}
mtl_sum mtl_sum_product(mtl_sum a, float x, float y)
{
    float p = x * y;
    return mtl_sum_join(a, (float2)(p, isfinite(p) ? fma(x, y, -p) : 0.0f));
}
float mtl_sum_over(mtl_sum a, long n)
{
    return (a.x + a.y) / (float)n;
}
float mtl_sum_root(mtl_sum a)
{
    return sqrt(a.x + a.y);
}
#endif

/* What brings a norm, the root of *squares, down to `most`; most 0: it stays. As torch.nn.utils.clip_grad_norm_, also of
   a norm that is NaN. */
float mtl_clip_factor(float most, __global const mtl_sum *squares)
{
    const float norm = most > 0.0f ? mtl_sum_root(*squares) : 0.0f;
    return norm <= most ? 1.0f : most / (norm + 1e-6f);
}

/* ---- mtl_broadcast of tensor/backend.h ---- */
typedef struct {
    int rank;
    long shape[9];
    long stride[3][9];
} mtl_broadcast;

/* Kernels over them: global 0 is the last dimension, global 1 the lines; each work item may take several lines, for
   the second is bounded on some devices; and on a CPU it takes MTL_CHUNK neighbours of a line, by vectors. */
#define MTL_EACH_LINE(line, lines) for (long line = get_global_id(1); line < lines; line += get_global_size(1))
#ifdef MTL_CPU
#define MTL_CHUNK 4096 /* as in lines.h */
#define MTL_EACH_PLACE(i, inner)                                                                                       \
    for (long i = get_global_id(0) * MTL_CHUNK, stop_ = min(i + MTL_CHUNK, (long)inner); i < stop_; i++)
#else
#define MTL_EACH_PLACE(i, inner)                                                                                       \
    const long i = get_global_id(0);                                                                                   \
    if (i < inner)
#endif

/* The first element of a line in each of three tensors. */
void mtl_line_at(const mtl_broadcast *s, long line, long *in)
{
    in[0] = in[1] = in[2] = 0;
    for (int k = s->rank - 2; k >= 0; k--) {
        long place = line;
        if (k > 0) {
            long rest = line <= UINT_MAX ? (long)((uint)line / (uint)s->shape[k]) : line / s->shape[k];
            place = line - rest * s->shape[k];
            line = rest;
        }
        in[0] += place * s->stride[0][k];
        in[1] += place * s->stride[1][k];
        in[2] += place * s->stride[2][k];
    }
}

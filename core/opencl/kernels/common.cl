/* Before the text of every program: the functions that op/unary.def and op/binary.def are written in. */
#ifdef MTL_FP64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif

#define mtl_absf(x)    fabs(x)
#define mtl_sqrtf(x)   sqrt(x)
#define mtl_expf(x)    exp(x)
#define mtl_logf(x)    log(x)
#define mtl_log1pf(x)  log1p(x)
#define mtl_tanhf(x)   tanh(x)
#define mtl_erff(x)    erf(x)
#define mtl_powf(a, b) pow(a, b)

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

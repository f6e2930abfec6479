/* One operator of one input: n elements; dy and dx have rows of them. Each line of op/unary.def is a program of its
   own, unary.NAME: drivers take seconds for all of them together. */
#define MTL_UNARY(name, forward, gradient)                                                                             \
    __kernel void unary_##name(long n, float a, float b, __global const float *restrict px, long px_at,                \
                               __global float *restrict py, long py_at)                                                \
    {                                                                                                                  \
        const long i = get_global_id(0);                                                                               \
        if (i >= n)                                                                                                    \
            return;                                                                                                    \
        const float x = px[px_at + i];                                                                                 \
        py[py_at + i] = forward;                                                                                       \
    }                                                                                                                  \
    __kernel void slope_##name(long n, float a, float b, __global const float *restrict px, long px_at,                \
                               __global const float *restrict py, long py_at, __global const float *restrict pdy,      \
                               long pdy_at, __global float *restrict dx, long dx_at)                                   \
    {                                                                                                                  \
        const long i = get_global_id(0), row = get_global_id(1);                                                       \
        if (i >= n)                                                                                                    \
            return;                                                                                                    \
        const float x = px[px_at + i], y = py[py_at + i];                                                              \
        dx[dx_at + row * n + i] = pdy[pdy_at + row * n + i] * (gradient);                                              \
    }
#include "op/unary.def"
#undef MTL_UNARY

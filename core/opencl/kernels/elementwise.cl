/* One input: y = f(x), n elements. */
#define MTL_UNARY(name, forward, gradient)                                                                             \
    __kernel void unary_##name(long n, float a, float b, __global const float *px, long px_at, __global float *py,     \
                               long py_at)                                                                             \
    {                                                                                                                  \
        const size_t i = get_global_id(0);                                                                             \
        if (i >= n)                                                                                                    \
            return;                                                                                                    \
        const float x = px[px_at + i];                                                                                 \
        py[py_at + i] = forward;                                                                                       \
    }
#include "op/unary.def"
#undef MTL_UNARY

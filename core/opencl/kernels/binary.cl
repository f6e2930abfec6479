/* One operator of two inputs that broadcast; each line of op/binary.def is a program of its own, binary.NAME. */
#define NONE 0.0f /* comparisons: no gradient */

#define BINARY_SLOPE(kernel_name, forward, gradient)                                                                   \
    __kernel void kernel_name(mtl_broadcast s, long inner, long lines, long sa, long sb,                               \
                              __global const float *restrict pa, long pa_at, __global const float *restrict pb,        \
                              long pb_at, __global const float *restrict pdy, long pdy_at,                             \
                              __global float *restrict dx, long dx_at)                                                 \
    {                                                                                                                  \
        MTL_EACH_LINE(line, lines)                                                                                     \
        {                                                                                                              \
            long in[3];                                                                                                \
            mtl_line_at(&s, line, in);                                                                                 \
            MTL_EACH_PLACE(i, inner)                                                                                   \
            {                                                                                                          \
                const float a = pa[pa_at + in[0] + i * sa], b = pb[pb_at + in[1] + i * sb];                            \
                const float y = forward;                                                                               \
                dx[dx_at + line * inner + i] = pdy[pdy_at + line * inner + i] * (gradient);                            \
            }                                                                                                          \
        }                                                                                                              \
    }
#define MTL_BINARY(name, forward, grad_a, grad_b)                                                                      \
    __kernel void binary_##name(mtl_broadcast s, long inner, long lines, long sa, long sb,                             \
                                __global const float *restrict pa, long pa_at, __global const float *restrict pb,      \
                                long pb_at, __global float *restrict py, long py_at)                                   \
    {                                                                                                                  \
        MTL_EACH_LINE(line, lines)                                                                                     \
        {                                                                                                              \
            long in[3];                                                                                                \
            mtl_line_at(&s, line, in);                                                                                 \
            MTL_EACH_PLACE(i, inner)                                                                                   \
            {                                                                                                          \
                const float a = pa[pa_at + in[0] + i * sa], b = pb[pb_at + in[1] + i * sb];                            \
                py[py_at + line * inner + i] = forward;                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    BINARY_SLOPE(slope_a_##name, forward, grad_a)                                                                      \
    BINARY_SLOPE(slope_b_##name, forward, grad_b)
#include "op/binary.def"
#undef MTL_BINARY

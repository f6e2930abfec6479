/* Launches over shapes that broadcast: the last dimension times the lines of all others (kernels/common.cl). */
#ifndef MTL_OPENCL_LINES_H
#define MTL_OPENCL_LINES_H

#include "opencl/opencl.h"

typedef struct {
    int64_t inner, lines;
    int64_t step[3]; /* of each input along the last dimension */
    size_t global[2], local[2];
} mtl_cl_lines;

/* Groups of MTL_CL_GROUP, as wide as the line; the second dimension is bounded: kernels take several lines then. On a
   CPU a work-item takes a chunk of a line (kernels/common.cl), and a group the more lines the shorter they are. */
static inline mtl_cl_lines mtl_cl_lines_over(const mtl_tensor *on, int64_t inner, int64_t lines)
{
    enum { CHUNK = 4096, MOST = 256, GROUPS = 16 };
    mtl_cl_lines l = {.inner = inner, .lines = lines, .local = {1, 1}, .global = {(size_t)inner, 0}};
    if (mtl_cl_is_cpu(on)) {
        l.global[0] = (size_t)((inner + CHUNK - 1) / CHUNK);
        while (l.local[1] < MOST && (int64_t)l.local[1] * inner < CHUNK && (int64_t)l.local[1] * GROUPS < lines)
            l.local[1] *= 2;
    } else {
        while (l.local[0] < MTL_CL_GROUP && l.local[0] < (size_t)inner)
            l.local[0] *= 2;
        l.local[1] = MTL_CL_GROUP / l.local[0];
    }
    size_t most = 32768 * l.local[1];
    l.global[1] = (size_t)lines < most ? (size_t)lines : most;
    return l;
}

static inline mtl_cl_lines mtl_cl_lines_of(const mtl_tensor *on, const mtl_broadcast *s)
{
    int64_t lines = 1;
    for (int k = 0; k < s->rank - 1; k++)
        lines *= s->shape[k];
    mtl_cl_lines l = mtl_cl_lines_over(on, s->rank ? s->shape[s->rank - 1] : 1, lines);
    for (int i = 0; i < 3; i++)
        l.step[i] = s->rank ? s->stride[i][s->rank - 1] : 0;
    return l;
}

#endif

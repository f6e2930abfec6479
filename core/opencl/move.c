/* Strided copies, take, gather and their adjoints. */
#include "opencl/lines.h"
#include "opencl/sort.h"

/* Where x runs along dimension k and y along the last: the two go to the end of `rest`'s order, which keeps the others.
   False: no such dimension. */
static bool turned(const mtl_broadcast *s, mtl_broadcast *rest, int64_t *m, int64_t *sy)
{
    int last = s->rank - 1, k = -1;
    if (s->rank < 2 || s->stride[0][last] <= 1 || s->stride[1][last] != 1)
        return false;
    for (int i = 0; i < last; i++) {
        if (s->stride[0][i] == 1 && s->shape[i] > 1)
            k = i;
    }
    if (k < 0)
        return false;
    *m = s->shape[k];
    *sy = s->stride[1][k];
    *rest = (mtl_broadcast){0};
    for (int i = 0; i < last; i++) {
        if (i == k)
            continue;
        rest->shape[rest->rank] = s->shape[i];
        rest->stride[0][rest->rank] = s->stride[0][i];
        rest->stride[1][rest->rank++] = s->stride[1][i];
    }
    rest->shape[rest->rank++] = 1; /* the kernel walks the lines of the last dimension */
    return true;
}

mtl_status mtl_cl_copy_strided(const mtl_broadcast *shape, const mtl_tensor *x, mtl_tensor *y)
{
    bool bytes = mtl_dtype_size(x->dtype) == 1;
    mtl_cl_lines l = mtl_cl_lines_of(x, shape);
    mtl_broadcast rest;
    int64_t m, sy, n = l.inner;
    if (l.inner * l.lines == 0)
        return MTL_OK;
    if (!mtl_cl_is_cpu(x) && turned(shape, &rest, &m, &sy)) {
        int64_t groups = l.lines / m * ((m + 15) / 16) * ((n + 15) / 16);
        return MTL_CL_RUN(x, "move", bytes ? "turn_uchar" : "turn_uint", "", 1,
                          ((const size_t[]){(size_t)groups * 128}), ((const size_t[]){128}), MTL_CL_STRUCT(rest),
                          MTL_CL_I64(m), MTL_CL_I64(n), MTL_CL_I64(l.step[0]), MTL_CL_I64(sy), MTL_CL_BUF(x),
                          MTL_CL_BUF(y));
    }
    return MTL_CL_RUN(x, "move", bytes ? "copy_uchar" : "copy_uint", "", 2, l.global, l.local, MTL_CL_STRUCT(*shape),
                      MTL_CL_I64(l.inner), MTL_CL_I64(l.lines), MTL_CL_I64(l.step[0]), MTL_CL_I64(l.step[1]),
                      MTL_CL_BUF(x), MTL_CL_BUF(y));
}

static mtl_status pick(const char *name, int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *x,
                       const mtl_tensor *index, mtl_tensor *y)
{
    mtl_cl_lines l = mtl_cl_lines_over(x, inner, outer * n_index);
    return MTL_CL_RUN(x, "move", name, "", 2, l.global, l.local, MTL_CL_I64(inner), MTL_CL_I64(l.lines), MTL_CL_I64(n),
                      MTL_CL_I64(n_index), MTL_CL_BUF(x), MTL_CL_BUF(index), MTL_CL_BUF(y));
}

mtl_status mtl_cl_take(int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *x,
                       const mtl_tensor *index, mtl_tensor *y)
{
    return pick(mtl_dtype_size(x->dtype) == 1 ? "take_uchar" : "take_uint", outer, n, n_index, inner, x, index, y);
}

mtl_status mtl_cl_gather(int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *x,
                         const mtl_tensor *index, mtl_tensor *y)
{
    return pick(mtl_dtype_size(x->dtype) == 1 ? "gather_uchar" : "gather_uint", outer, n, n_index, inner, x, index, y);
}

mtl_status mtl_cl_take_grad(int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *dy,
                            const mtl_tensor *index, mtl_tensor *dx)
{
    mtl_cl_lines l = mtl_cl_lines_over(dx, inner, outer * n_index);
    mtl_tensor *order = NULL;
    mtl_status status;
    MTL_TRY(mtl_kernels(dx)->fill(dx, 0.0));
    if (n_index == 0)
        return MTL_OK;
    MTL_TRY(mtl_cl_sort_keys(MTL_CL_SORT_INDICES, 1, n_index, 1, index, &order));
    status = MTL_CL_RUN(dx, "move", "take_grad", "", 2, l.global, l.local, MTL_CL_I64(inner), MTL_CL_I64(l.lines),
                        MTL_CL_I64(n), MTL_CL_I64(n_index), MTL_CL_BUF(dy), MTL_CL_BUF(index), MTL_CL_BUF(order),
                        MTL_CL_BUF(dx));
    mtl_tensor_release(order);
    return status;
}

mtl_status mtl_cl_gather_grad(int64_t rows, int64_t outer, int64_t n, int64_t n_index, int64_t inner,
                              const mtl_tensor *dy, const mtl_tensor *index, mtl_tensor *dx)
{
    enum { FEW = 32 };
    bool few = n_index <= FEW;
    mtl_cl_lines l = mtl_cl_lines_over(dx, inner, rows * outer * (few ? n : 1));
    if (!few)
        MTL_TRY(mtl_kernels(dx)->fill(dx, 0.0));
    return MTL_CL_RUN(dx, "move", few ? "gather_grad_few" : "gather_grad_many", "", 2, l.global, l.local,
                      MTL_CL_I64(inner), MTL_CL_I64(l.lines), MTL_CL_I64(outer), MTL_CL_I64(n), MTL_CL_I64(n_index),
                      MTL_CL_BUF(dy), MTL_CL_BUF(index), MTL_CL_BUF(dx));
}

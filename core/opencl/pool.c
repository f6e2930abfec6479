/* Pooling, and planes of another size: their launches. */
#include "opencl/opencl.h"

#include <stdio.h>

typedef struct { /* as `window` of kernels/pool.cl */
    int32_t height, width, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
} mtl_cl_window;

static mtl_cl_window window_of(const mtl_conv *c)
{
    return (mtl_cl_window){(int32_t)c->height,   (int32_t)c->width,    (int32_t)c->out_h,    (int32_t)c->out_w,
                           (int32_t)c->kernel_h, (int32_t)c->kernel_w, (int32_t)c->stride_h, (int32_t)c->stride_w,
                           (int32_t)c->pad_h,    (int32_t)c->pad_w};
}

/* Neighbours on a line of y that a work-item does. */
static int64_t run_of(const mtl_conv *c, const mtl_tensor *on)
{
    return mtl_cl_is_cpu(on) && c->out_w > 0 ? c->out_w : 1;
}

/* Options of the forward kernels. */
static const char *options_of(const mtl_conv *c, const mtl_tensor *y, char *text, size_t size)
{
    enum { SMALL = 9 };
    if (c->kernel_h * c->kernel_w > SMALL)
        return mtl_cl_index(y->count);
    snprintf(text, size, "%s -DKH=%d -DKW=%d", mtl_cl_index(y->count), (int)c->kernel_h, (int)c->kernel_w);
    return text;
}

mtl_status mtl_cl_max_pool2d(const mtl_conv *c, const mtl_tensor *x, mtl_tensor *y, mtl_tensor *index)
{
    mtl_cl_window w = window_of(c);
    int64_t run = run_of(c, y), items = y->count / run;
    char text[64];
    return MTL_CL_RUN_FLAT(y, "pool", "max_pool", options_of(c, y, text, sizeof text), items, MTL_CL_BUF(x),
                           MTL_CL_BUF(y), MTL_CL_BUF(index), MTL_CL_I64(items), MTL_CL_I32(run), MTL_CL_STRUCT(w));
}

mtl_status mtl_cl_max_pool2d_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *index, const mtl_tensor *dy,
                                  mtl_tensor *dx)
{
    mtl_cl_window w = window_of(c);
    bool planes = mtl_cl_is_cpu(dx);
    return MTL_CL_RUN_FLAT(dx, "pool", planes ? "max_pool_grad_plane" : "max_pool_grad", mtl_cl_index(dx->count),
                           planes && dx->count ? rows * c->batch * c->in_channels : dx->count, MTL_CL_BUF(index),
                           MTL_CL_BUF(dy), MTL_CL_BUF(dx), MTL_CL_I64(dx->count), MTL_CL_I64(c->batch * c->in_channels),
                           MTL_CL_STRUCT(w));
}

mtl_status mtl_cl_avg_pool2d(const mtl_conv *c, const mtl_tensor *x, mtl_tensor *y)
{
    mtl_cl_window w = window_of(c);
    int64_t run = run_of(c, y), items = y->count / run;
    char text[64];
    return MTL_CL_RUN_FLAT(y, "pool", "avg_pool", options_of(c, y, text, sizeof text), items, MTL_CL_BUF(x),
                           MTL_CL_BUF(y), MTL_CL_I64(items), MTL_CL_I32(run), MTL_CL_STRUCT(w));
}

mtl_status mtl_cl_avg_pool2d_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *dy, mtl_tensor *dx)
{
    mtl_cl_window w = window_of(c);
    (void)rows;
    return MTL_CL_RUN_FLAT(dx, "pool", "avg_pool_grad", mtl_cl_index(dx->count), dx->count, MTL_CL_BUF(dy),
                           MTL_CL_BUF(dx), MTL_CL_I64(dx->count), MTL_CL_STRUCT(w));
}

typedef struct { /* as `resized` of kernels/resize.cl */
    int32_t kind, height, width, out_h, out_w, top, left;
    float value;
} mtl_cl_resized;

static mtl_cl_resized resized_of(const mtl_resize *r)
{
    return (mtl_cl_resized){(int32_t)r->kind,  (int32_t)r->height, (int32_t)r->width, (int32_t)r->out_h,
                            (int32_t)r->out_w, (int32_t)r->top,    (int32_t)r->left,  (float)r->value};
}

mtl_status mtl_cl_resize(const mtl_resize *r, const mtl_tensor *x, mtl_tensor *y)
{
    mtl_cl_resized own = resized_of(r);
    return MTL_CL_RUN_FLAT(y, "resize", "resize", mtl_cl_index(y->count), y->count, MTL_CL_BUF(x), MTL_CL_BUF(y),
                           MTL_CL_I64(y->count), MTL_CL_STRUCT(own));
}

mtl_status mtl_cl_resize_grad(const mtl_resize *r, int64_t rows, const mtl_tensor *dy, mtl_tensor *dx)
{
    mtl_cl_resized own = resized_of(r);
    (void)rows;
    return MTL_CL_RUN_FLAT(dx, "resize", "resize_grad", mtl_cl_index(dx->count), dx->count, MTL_CL_BUF(dy),
                           MTL_CL_BUF(dx), MTL_CL_I64(dx->count), MTL_CL_STRUCT(own));
}

/* Products of the OpenCL backend: gemm's, and those that a convolution is made of (kernels/gemm.cl, panel.cl). */
#ifndef MTL_OPENCL_PRODUCT_H
#define MTL_OPENCL_PRODUCT_H

#include "opencl/opencl.h"

/* What A, B and C are; the kernels know the same numbers. */
enum { MTL_CL_MATRIX, MTL_CL_FORWARD, MTL_CL_WEIGHT };

typedef union { /* as `shape` of the kernels */
    struct {
        int64_t lda, ldb, ldc, stride_a, stride_b, stride_c;
        float alpha, beta;
        int32_t trans_a, trans_b;
    } matrix;
    struct {
        int32_t groups, batch, channels, height, width, out_channels, out_h, out_w;
        int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, patch;
        int32_t to_plane, to_line, to_step;
        uint32_t line_magic, line_shift, plane_magic, plane_shift;
    } conv;
} mtl_cl_shape;

typedef struct {
    int kind;
    const char *options; /* of the kind, for GPUs */
    int64_t m, n, k, products;
    mtl_cl_shape shape;
} mtl_cl_product;

/* c = a b + bias. With `parts`, which WEIGHT needs, c is not used: *parts, for the caller to release, are `*pieces`
   results to be added, [pieces, products, m, n]; a CPU's have one line more. */
/* The last argument of the kernels. */
#define MTL_CL_SHAPE(p)                                                                                                \
    ((mtl_cl_arg){.kind = MTL_CL_ARG_BYTES,                                                                            \
                  .size = (p)->kind == MTL_CL_MATRIX ? sizeof(p)->shape.matrix : sizeof(p)->shape.conv,                \
                  .as = {.bytes = &(p)->shape}})

mtl_status mtl_cl_multiply(const mtl_cl_product *p, const mtl_tensor *a, const mtl_tensor *b, const mtl_tensor *bias,
                           mtl_tensor *c, mtl_tensor **parts, int64_t *pieces);

#endif

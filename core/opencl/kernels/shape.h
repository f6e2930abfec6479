/* What the matrices or images of a product are: mtl_cl_shape of opencl/product.h, for gemm.cl, panel.cl,
   depthwise.cl and scatter.cl. */
#define MATRIX  0
#define FORWARD 1
#define WEIGHT  2
typedef struct {
#if KIND == MATRIX
    long lda, ldb, ldc, stride_a, stride_b, stride_c;
    float alpha, beta;
    int trans_a, trans_b;
#else
    int groups, batch, channels, height, width, out_channels, out_h, out_w; /* channels: of one group */
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    int patch;                                             /* WEIGHT: columns before that of ones */
    int to_plane, to_line, to_step;                        /* FORWARD: how the pixels of the result lie */
    uint line_magic, line_shift, plane_magic, plane_shift; /* see divide */
#endif
} shape;

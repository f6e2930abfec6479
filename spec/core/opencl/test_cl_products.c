/* Products and convolution on OpenCL devices. */
#include "opencl/kernels.h"

static mtl_status call_gemm(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    return k->gemm(arg, t[0], t[1], t[2], t[3]);
}

static void gemm_of(int64_t m, int64_t n, int64_t k, int64_t batch, bool shared, bool bias, float alpha, float beta)
{
    for (int turned = 0; turned < 4; turned++) {
        mtl_gemm g = {.trans_a = turned & 1,
                      .trans_b = turned & 2,
                      .m = m,
                      .n = n,
                      .k = k,
                      .lda = (turned & 1 ? m : k) + 3,
                      .ldb = (turned & 2 ? k : n) + 1,
                      .ldc = n + 2,
                      .batch = batch,
                      .alpha = alpha,
                      .beta = beta};
        int64_t size_a = g.lda * (turned & 1 ? k : m), size_b = g.ldb * (turned & 2 ? n : k);
        char name[80];
        g.stride_a = size_a;
        g.stride_b = shared ? 0 : size_b;
        g.stride_c = g.ldc * m;
        snprintf(name, sizeof name, "gemm %d: %lld x %lld x %lld, %lld", turned, (long long)m, (long long)n,
                 (long long)k, (long long)batch);
        kernels_agree(&(kernel_case){name,
                                     {FLOATS(IN, size_a * batch), FLOATS(IN, size_b * batch),
                                      FLOATS(bias ? IN : ABSENT, n), FLOATS(BOTH_WAYS, g.ldc * m * batch)},
                                     call_gemm,
                                     &g,
                                     0});
    }
}

static void products(void)
{
    gemm_of(1, 1, 1, 1, false, false, 1, 0);
    gemm_of(5, 7, 3, 1, false, true, 1, 0);
    gemm_of(33, 17, 70, 3, false, false, 1.5f, 0.5f);
    gemm_of(64, 64, 64, 2, true, true, 1, 0);
    gemm_of(130, 129, 300, 1, false, false, 1, 0);
    gemm_of(10, 25, 5000, 1, false, true, 1, 0);
    gemm_of(10, 26, 1100, 2, false, false, 2, 1);
    gemm_of(3, 200, 40, 1, false, false, 1, 0);
    gemm_of(200, 3, 40, 1, false, false, 1, 0);
    gemm_of(4, 4, 0, 1, false, true, 1, 0);
    gemm_of(0, 4, 3, 1, false, false, 1, 0);
}

typedef struct {
    mtl_conv c;
    int64_t rows;
    bool dx, dw, db;
} conv_arg;

static mtl_status call_conv(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    const conv_arg *a = arg;
    return k->conv2d(&a->c, t[0], t[1], t[2], t[3]);
}

static mtl_status call_conv_grad(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    const conv_arg *a = arg;
    return k->conv2d_grad(&a->c, a->rows, a->dw ? t[0] : NULL, a->dx ? t[1] : NULL, t[2], a->dx ? t[3] : NULL,
                          a->dw ? t[4] : NULL, a->db ? t[5] : NULL);
}

/* less: lines and columns of y that would fit, but are not there (transposed convolutions) */
static void conv_with(const char *name, mtl_conv c, int64_t less)
{
    int64_t out = c.out_channels;
    c.out_h = (c.height + 2 * c.pad_h - c.dilation_h * (c.kernel_h - 1) - 1) / c.stride_h + 1 - less;
    c.out_w = (c.width + 2 * c.pad_w - c.dilation_w * (c.kernel_w - 1) - 1) / c.stride_w + 1 - less;
    int64_t x = c.batch * c.in_channels * c.height * c.width, y = c.batch * out * c.out_h * c.out_w;
    int64_t w = out * (c.in_channels / c.groups) * c.kernel_h * c.kernel_w;
    kernels_agree(&(kernel_case){name,
                                 {FLOATS(IN, x), FLOATS(IN, w), FLOATS(IN, out), FLOATS(OUT, y)},
                                 call_conv,
                                 &(conv_arg){c, 1, false, false, false},
                                 0});
    for (int64_t rows = 1; rows <= 3; rows += 2) {
        for (int want = 1; want < 8; want++) {
            conv_arg a = {c, rows, want & 1, want & 2, want & 4};
            if (rows > 1 && want != 7)
                continue;
            kernels_agree(&(kernel_case){name,
                                         {FLOATS(IN, x),
                                          FLOATS(IN, w),
                                          {.use = IN, .count = rows * y, .few = rows > 1},
                                          FLOATS(a.dx ? OUT : ABSENT, rows * x),
                                          FLOATS(a.dw ? OUT : ABSENT, rows * w),
                                          FLOATS(a.db ? OUT : ABSENT, rows * out)},
                                         call_conv_grad,
                                         &a,
                                         0});
        }
    }
}

static void conv_of(const char *name, int64_t batch, int64_t in, int64_t out, int64_t high, int64_t wide,
                    int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t groups, int64_t less)
{
    conv_with(name,
              (mtl_conv){batch, in, high, wide, out, kernel, kernel, stride, stride, pad, pad, 0, 0, dilation, dilation,
                         groups},
              less);
}

static void convolutions(void)
{
    conv_of("lenet 1", 5, 1, 10, 28, 28, 5, 1, 0, 1, 1, 0);
    conv_of("lenet 2", 5, 10, 20, 12, 12, 5, 1, 0, 1, 1, 0);
    conv_of("3 x 3", 2, 16, 33, 9, 13, 3, 1, 1, 1, 1, 0);
    conv_of("deep", 3, 40, 24, 4, 4, 3, 1, 1, 1, 1, 0);
    conv_of("strides", 2, 3, 8, 15, 17, 3, 2, 1, 1, 1, 0);
    conv_of("dilation", 2, 4, 6, 16, 11, 3, 1, 2, 2, 1, 0);
    conv_of("dilation and stride", 2, 4, 6, 16, 11, 3, 3, 0, 2, 1, 0);
    conv_of("1 x 1", 2, 17, 9, 8, 8, 1, 1, 0, 1, 1, 0);
    conv_of("1 x 1, stride 2", 2, 17, 9, 9, 8, 1, 2, 0, 1, 1, 0);
    conv_of("groups", 2, 8, 12, 10, 9, 3, 1, 1, 1, 4, 0);
    conv_of("channels apart", 2, 6, 6, 10, 9, 3, 1, 1, 1, 6, 0);
    conv_of("channels apart, doubled, stride 2", 2, 6, 12, 10, 9, 3, 2, 1, 1, 6, 0);
    conv_of("less than fits", 2, 4, 6, 9, 9, 3, 2, 1, 1, 1, 1);
    conv_of("wide padding", 1, 2, 3, 4, 4, 2, 1, 3, 1, 1, 0);
    conv_of("few pixels, long sums", 2, 512, 3, 4, 4, 3, 1, 1, 1, 1, 0);
    /* dx of these on a CPU: sums of the weight's lines */
    conv_of("windows without padding", 16, 10, 20, 12, 12, 5, 1, 0, 1, 1, 0);
    conv_of("some lines of many outputs", 17, 3, 150, 8, 9, 5, 1, 0, 1, 1, 0);
    conv_of("windows, padding", 16, 2, 5, 8, 8, 5, 1, 1, 1, 1, 0);
    conv_of("windows, groups", 9, 8, 12, 9, 9, 5, 1, 0, 1, 2, 0);
    conv_of("windows, stride 2", 16, 5, 7, 13, 10, 6, 2, 0, 1, 1, 0);
    conv_of("windows, stride 2, padding", 16, 5, 7, 13, 10, 6, 2, 1, 1, 1, 0);
    conv_of("windows of a vector", 16, 2, 3, 9, 11, 8, 1, 0, 1, 1, 0);
    conv_of("lines that no window reaches, padding", 16, 5, 7, 12, 12, 6, 3, 1, 1, 1, 0);
    conv_with("windows of 3 x 6", (mtl_conv){16, 10, 11, 13, 7, 3, 6, 1, 2, 0, 1, 0, 0, 1, 1, 1}, 0);
    /* and of these not: dilated, wider than a vector, more lines than there is room for */
    conv_of("windows, dilation", 16, 5, 7, 12, 12, 4, 1, 0, 2, 1, 0);
    conv_of("wide windows", 16, 2, 3, 12, 12, 9, 1, 0, 1, 1, 0);
    conv_of("many lines", 16, 129, 1, 9, 9, 8, 1, 0, 1, 1, 0);
}

int main(void)
{
    RUN(products);
    RUN(convolutions);
    kernels_end();
    return TEST_RESULT;
}

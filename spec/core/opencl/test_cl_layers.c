/* Pooling, resizing, softmax and losses, norms and recurrent layers on OpenCL devices. */
#include "opencl/kernels.h"

typedef struct {
    mtl_conv c;
    int64_t rows;
} pool_arg;

static mtl_status call_max(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    return k->max_pool2d(&((const pool_arg *)arg)->c, t[0], t[1], t[2]);
}
static mtl_status call_max_grad(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    const pool_arg *a = arg;
    mtl_status status = k->max_pool2d(&a->c, t[0], t[1], t[2]);
    return status == MTL_OK ? k->max_pool2d_grad(&a->c, a->rows, t[2], t[3], t[4]) : status;
}
static mtl_status call_avg(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    return k->avg_pool2d(&((const pool_arg *)arg)->c, t[0], t[1]);
}
static mtl_status call_avg_grad(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    return k->avg_pool2d_grad(&((const pool_arg *)arg)->c, ((const pool_arg *)arg)->rows, t[0], t[1]);
}

static void pool_of(int64_t high, int64_t wide, int64_t kernel, int64_t stride, int64_t pad)
{
    mtl_conv c = {2, 3, high, wide, 3, kernel, kernel, stride, stride, pad, pad, 0, 0, 1, 1, 1};
    pool_arg a = {c, 3};
    a.c.out_h = (high + 2 * pad - kernel) / stride + 1;
    a.c.out_w = (wide + 2 * pad - kernel) / stride + 1;
    int64_t x = 6 * high * wide, y = 6 * a.c.out_h * a.c.out_w;
    kernels_agree(&(kernel_case){"max", {FLOATS(IN, x), FLOATS(OUT, y), INTS(OUT, y, 0)}, call_max, &a, 0});
    kernels_agree(
        &(kernel_case){"max back",
                       {FLOATS(IN, x), FLOATS(OUT, y), INTS(OUT, y, 0), FLOATS(IN, 3 * y), FLOATS(OUT, 3 * x)},
                       call_max_grad,
                       &a,
                       0});
    kernels_agree(&(kernel_case){"mean", {FLOATS(IN, x), FLOATS(OUT, y)}, call_avg, &a, 0});
    kernels_agree(&(kernel_case){"mean back", {FLOATS(IN, 3 * y), FLOATS(OUT, 3 * x)}, call_avg_grad, &a, 0});
}

static void pooling(void)
{
    pool_of(8, 10, 2, 2, 0);
    pool_of(9, 7, 3, 2, 1);
    pool_of(7, 7, 3, 1, 1);
    pool_of(11, 8, 2, 3, 0);
}

static mtl_status call_resize(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    mtl_status status = k->resize(arg, t[0], t[1]);
    return status == MTL_OK ? k->resize_grad(arg, 3, t[2], t[3]) : status;
}

static void resizing(void)
{
    static const int64_t sizes[][4] = {{4, 5, 8, 10}, {8, 9, 3, 4}, {5, 5, 5, 5}, {1, 1, 3, 2}, {7, 3, 9, 2}};
    for (int kind = 0; kind <= MTL_RESIZE_REPLICATE; kind++) {
        for (int i = 0; i < 5; i++) {
            mtl_resize r = {kind, 2, sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], 0, 0, 0.5};
            if (kind >= MTL_RESIZE_CONSTANT) {
                r.out_h = r.height + 3;
                r.out_w = r.width + 2;
                r.top = r.left = 1;
                if (kind == MTL_RESIZE_REFLECT && (r.height < 3 || r.width < 3))
                    continue;
            }
            int64_t x = 2 * r.height * r.width, y = 2 * r.out_h * r.out_w;
            kernels_agree(&(kernel_case){
                "resize", {FLOATS(IN, x), FLOATS(OUT, y), FLOATS(IN, 3 * y), FLOATS(OUT, 3 * x)}, call_resize, &r, 0});
        }
    }
}

typedef struct {
    bool log;
    int64_t outer, n, inner;
    double smoothing;
    bool weighted;
} lane_arg;

static mtl_status call_softmax(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    const lane_arg *a = arg;
    mtl_status status = k->softmax(a->log, a->outer, a->n, a->inner, t[0], t[1]);
    return status == MTL_OK ? k->softmax_grad(a->log, 3, a->outer, a->n, a->inner, t[1], t[2], t[3]) : status;
}

static mtl_status call_entropy(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    const lane_arg *a = arg;
    int64_t bad;
    mtl_tensor *w = a->weighted ? t[2] : NULL;
    mtl_status status = k->cross_entropy(a->outer, a->n, a->inner, 1, a->smoothing, t[0], t[1], w, t[3], t[4], &bad);
    if (status == MTL_OK)
        status = k->cross_entropy(a->outer, a->n, a->inner, 1, a->smoothing, t[0], t[1], w, NULL, t[7], &bad);
    return status == MTL_OK
               ? k->cross_entropy_grad(3, a->outer, a->n, a->inner, 1, a->smoothing, t[3], t[1], w, t[4], t[5], t[6])
               : status;
}

static mtl_status call_bce(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    mtl_status status = k->bce_logits(*(const double *)arg, t[0], t[1], t[2]);
    return status == MTL_OK ? k->bce_logits_grad(*(const double *)arg, 3, t[0], t[1], t[3], t[4]) : status;
}

static void losses(void)
{
    static const int64_t sizes[][3] = {{7, 10, 1}, {3, 300, 1}, {2, 13, 300}, {600, 3, 1}, {1, 64, 1}};
    for (int i = 0; i < 5; i++) {
        int64_t outer = sizes[i][0], n = sizes[i][1], inner = sizes[i][2], x = outer * n * inner, lanes = outer * inner;
        slot logits = {.use = IN, .count = x, .size = 5};
        for (int log = 0; log < 2; log++)
            kernels_agree(&(kernel_case){"softmax",
                                         {logits, FLOATS(OUT, x), FLOATS(IN, 3 * x), FLOATS(OUT, 3 * x)},
                                         call_softmax,
                                         &(lane_arg){log, outer, n, inner, 0, false},
                                         0});
        for (int mode = 0; mode < 3; mode++)
            kernels_agree(&(kernel_case){"cross-entropy",
                                         {logits,
                                          INTS(IN, lanes, n),
                                          {.use = IN, .count = n, .add = 2},
                                          FLOATS(OUT, x),
                                          FLOATS(OUT, 2),
                                          FLOATS(IN, 3),
                                          FLOATS(OUT, 3 * x),
                                          FLOATS(OUT, 2)},
                                         call_entropy,
                                         &(lane_arg){false, outer, n, inner, mode == 2 ? 0.1 : 0, mode > 0},
                                         0});
    }
    double p = 2.5;
    kernels_agree(&(kernel_case){
        "bce",
        {{.use = IN, .count = 500, .size = 8}, FLOATS(IN, 500), FLOATS(OUT, 500), FLOATS(IN, 1500), FLOATS(OUT, 1500)},
        call_bce,
        &p,
        0});
}

/* A target out of range must not be read with: the loss, its weight and the gradients are NaN. */
static void bad_target(void)
{
    for (int device = 1; device < kernels_devices; device++) {
        mtl_tensor *x = kernels_tensor(&(slot)FLOATS(IN, 12), 1, device);
        mtl_tensor *target = kernels_tensor(&(slot)INTS(IN, 3, 4), 2, device);
        mtl_tensor *p = kernels_tensor(&(slot)FLOATS(OUT, 12), 3, device);
        mtl_tensor *loss = kernels_tensor(&(slot)FLOATS(OUT, 2), 4, device);
        const mtl_backend *k = mtl_kernels(x);
        float got[2];
        int64_t bad;
        CHECK(mtl_tensor_write(target, (int32_t[]){1, 1 << 30, 2}) == MTL_OK);
        CHECK(k->cross_entropy(3, 4, 1, -1, 0, x, target, NULL, p, loss, &bad) == MTL_OK);
        CHECK(mtl_tensor_read(loss, got) == MTL_OK);
        CHECK(bad == -1 && isnan(got[0]) && isnan(got[1]));
        mtl_tensor_release(x);
        mtl_tensor_release(target);
        mtl_tensor_release(p);
        mtl_tensor_release(loss);
    }
}

typedef struct {
    int64_t batch, channels, inner;
    bool training, parameters;
} norm_arg;

static mtl_status call_norm(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    const norm_arg *a = arg;
    mtl_status status =
        k->norm_stats(a->training, a->batch, a->channels, a->inner, 0.1, 1e-5, t[0], t[1], t[2], t[3], t[4]);
    return status == MTL_OK ? k->norm_apply(a->batch, a->channels, a->inner, t[0], t[3], t[4], t[5], t[5], t[6])
                            : status;
}

static mtl_status call_norm_grad(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    const norm_arg *a = arg;
    return k->norm_grad(a->training, 3, a->batch, a->channels, a->inner, t[0], t[1], t[2], a->parameters ? t[3] : NULL,
                        t[4], t[5], a->parameters ? t[6] : NULL, a->parameters ? t[7] : NULL);
}

static void batch_norms(void)
{
    static const int64_t sizes[][3] = {{5, 3, 7}, {6, 40, 1}, {2, 2, 20000}, {300, 70, 1}, {40, 5, 300}};
    for (int i = 0; i < 5; i++) {
        int64_t x = sizes[i][0] * sizes[i][1] * sizes[i][2], n = sizes[i][1];
        slot some = {.use = IN, .count = x, .size = 2, .add = 3};
        for (int mode = 0; mode < 4; mode++) {
            norm_arg a = {sizes[i][0], n, sizes[i][2], mode & 1, mode & 2};
            kernels_agree(&(kernel_case){"batch norm",
                                         {some,
                                          FLOATS(BOTH_WAYS, n),
                                          {.use = BOTH_WAYS, .count = n, .add = 2},
                                          FLOATS(OUT, n),
                                          FLOATS(OUT, n),
                                          FLOATS(IN, n),
                                          FLOATS(OUT, x)},
                                         call_norm,
                                         &a,
                                         0});
            kernels_agree(&(kernel_case){"batch norm back",
                                         {some,
                                          {.use = IN, .count = n, .size = 0.1, .add = 3},
                                          {.use = IN, .count = n, .size = 0.1, .add = 1},
                                          FLOATS(IN, n),
                                          FLOATS(IN, 3 * x),
                                          FLOATS(OUT, 3 * x),
                                          FLOATS(a.parameters ? OUT : IN, 3 * n),
                                          FLOATS(a.parameters ? OUT : IN, 3 * n)},
                                         call_norm_grad,
                                         &a,
                                         0});
        }
    }
}

static mtl_status call_line(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    mtl_status status = k->line_norm(arg, 1e-5, t[0], t[1], t[2], t[3], t[4], t[5]);
    return status == MTL_OK ? k->line_norm_grad(3, arg, t[0], t[3], t[4], t[1], t[6], t[7], t[8], t[9]) : status;
}

static void line_norms(void)
{
    static const int64_t sizes[][4] = {{5, 1, 33, 1}, {3, 2, 4, 7}, {300, 1, 40, 1}, {2, 1, 1000, 1}, {9, 4, 3, 100}};
    for (int i = 0; i < 5; i++) {
        const int64_t *s = sizes[i];
        int64_t lines = s[0] * s[1], x = lines * s[2] * s[3], n = s[1] * s[2];
        kernels_agree(&(kernel_case){"layer norm",
                                     {{.use = IN, .count = x, .size = 2, .add = 3},
                                      FLOATS(IN, n),
                                      FLOATS(IN, n),
                                      FLOATS(OUT, lines),
                                      FLOATS(OUT, lines),
                                      FLOATS(OUT, x),
                                      FLOATS(IN, 3 * x),
                                      FLOATS(OUT, 3 * x),
                                      FLOATS(OUT, 3 * n),
                                      FLOATS(OUT, 3 * n)},
                                     call_line,
                                     s,
                                     0});
    }
}

static mtl_status call_recurrent(const mtl_backend *k, mtl_tensor **t, const void *arg)
{
    const mtl_recurrent *r = arg;
    mtl_status status = k->recurrent(r, t[0], t[1], t[2], t[3], r->gru ? NULL : t[4], t[5]);
    return status == MTL_OK
               ? k->recurrent_grad(r, 3, t[1], t[3], r->gru ? NULL : t[4], t[5], t[6], t[7], r->gru ? t[8] : t[7])
               : status;
}

static void recurrent(void)
{
    for (int mode = 0; mode < 4; mode++) {
        mtl_recurrent r = {mode & 1, mode & 2, 5, 6, 20};
        int64_t sums = r.gru ? 60 : 80, at = 30;
        kernels_agree(
            &(kernel_case){r.gru ? "GRU" : "LSTM",
                           {FLOATS(IN, at * sums), FLOATS(IN, sums * 20), FLOATS(IN, sums), FLOATS(OUT, at * 80),
                            FLOATS(r.gru ? IN : OUT, at * 20), FLOATS(OUT, at * 20), FLOATS(IN, 3 * at * 20),
                            FLOATS(OUT, 3 * at * sums), FLOATS(r.gru ? OUT : IN, 3 * at * sums)},
                           call_recurrent,
                           &r,
                           0});
    }
}

int main(void)
{
    RUN(pooling);
    RUN(resizing);
    RUN(losses);
    RUN(bad_target);
    RUN(batch_norms);
    RUN(line_norms);
    RUN(recurrent);
    kernels_end();
    return TEST_RESULT;
}

/* conv2d: against its definition, against PyTorch, the same bits for any number of threads, no allocation in the second
   step, and its errors. */
#include <math.h>

#include "conformance.h"
#include "fixture.h"
#include "same_bits.h"
#include "test.h"

enum { STRIDE_H, STRIDE_W, PAD_H, PAD_W };

static mtl_window window_of(const conformance_case *c)
{
    const int64_t *w = c->input[1].shape;
    return (mtl_window){w[2],
                        w[3],
                        (int64_t)c->arg[STRIDE_H],
                        (int64_t)c->arg[STRIDE_W],
                        (int64_t)c->arg[PAD_H],
                        (int64_t)c->arg[PAD_W]};
}

static mtl_status apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    const int64_t *w = mtl_tensor_shape(in[1]);
    mtl_window window = {
        w[2], w[3], (int64_t)arg[STRIDE_H], (int64_t)arg[STRIDE_W], (int64_t)arg[PAD_H], (int64_t)arg[PAD_W]};
    (void)ctx;
    return mtl_conv2d(in[0], in[1], in[2], &window, out);
}

static void reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const int64_t *x = c->input[0].shape, *w = c->input[1].shape;
    mtl_window win = window_of(c);
    int64_t out_h = (x[2] + 2 * win.pad_h - w[2]) / win.stride_h + 1;
    int64_t out_w = (x[3] + 2 * win.pad_w - w[3]) / win.stride_w + 1;
    for (int64_t e = 0; e < count; e++) {
        int64_t ox = e % out_w, oy = e / out_w % out_h, o = e / out_w / out_h % w[0], b = e / out_w / out_h / w[0];
        out[e] = c->n_inputs > 2 ? in[2][o] : 0.0;
        for (int64_t k = 0; k < w[1] * w[2] * w[3]; k++) {
            int64_t channel = k / w[3] / w[2], i = oy * win.stride_h - win.pad_h + k / w[3] % w[2];
            int64_t j = ox * win.stride_w - win.pad_w + k % w[3];
            if (i >= 0 && i < x[2] && j >= 0 && j < x[3])
                out[e] += in[0][((b * x[1] + channel) * x[2] + i) * x[3] + j] * in[1][o * w[1] * w[2] * w[3] + k];
        }
    }
}

static void conv2d_is_its_definition(void)
{
    static const struct {
        int64_t x[4], w[4];
        double window[4];
        bool bias;
    } cases[] = {
        {{2, 1, 8, 9}, {3, 1, 5, 5}, {1, 1, 0, 0}, true},
        {{2, 3, 5, 4}, {2, 3, 3, 3}, {1, 1, 1, 1}, true},
        {{2, 2, 7, 6}, {4, 2, 3, 2}, {2, 3, 1, 0}, true},
        {{1, 3, 4, 4}, {5, 3, 1, 1}, {1, 1, 0, 0}, true},
        {{2, 2, 4, 5}, {3, 2, 4, 5}, {1, 1, 0, 0}, false},
        {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 0, 0}, true},
        {{2, 1, 1, 7}, {2, 1, 1, 3}, {1, 2, 0, 2}, false},
        {{3, 2, 6, 1}, {2, 2, 3, 1}, {1, 1, 1, 0}, true},
        {{2, 2, 5, 5}, {2, 2, 1, 1}, {2, 2, 1, 1}, true},
        {{1, 1, 3, 3}, {2, 1, 5, 5}, {2, 1, 2, 2}, true},
        {{1, 2, 2, 2}, {1, 2, 3, 3}, {3, 3, 3, 3}, false},
        {{1, 1, 4, 40}, {2, 1, 2, 3}, {1, 1, 1, 1}, true},
        {{1, 1, 6, 19}, {11, 1, 3, 3}, {1, 1, 0, 0}, true},
        {{5, 2, 3, 3}, {1, 2, 2, 2}, {1, 1, 0, 0}, true},
        /* images of less than a vector: nothing behind them is read */
        {{2, 1, 2, 3}, {2, 1, 2, 2}, {1, 1, 0, 0}, true},
        /* output lines of whole vectors: without columns, and dx as a convolution of dy */
        {{2, 3, 8, 8}, {5, 3, 3, 3}, {1, 1, 1, 1}, true},
        {{3, 2, 3, 8}, {13, 2, 1, 3}, {1, 1, 0, 1}, true},
        {{2, 2, 9, 16}, {3, 2, 3, 1}, {2, 1, 1, 0}, true},
        {{5, 1, 5, 12}, {2, 1, 5, 5}, {1, 1, 2, 0}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t *x = cases[i].x, *w = cases[i].w;
        conformance_case c = {.name = "conv2d",
                              .n_inputs = cases[i].bias ? 3 : 2,
                              .input = {{.rank = 4, .shape = {x[0], x[1], x[2], x[3]}, .low = -1, .high = 1},
                                        {.rank = 4, .shape = {w[0], w[1], w[2], w[3]}, .low = -1, .high = 1},
                                        {.rank = 1, .shape = {w[0]}, .low = -1, .high = 1}},
                              .apply = apply,
                              .reference = reference,
                              .reduction = w[1] * w[2] * w[3]};
        memcpy(c.arg, cases[i].window, sizeof cases[i].window);
        if (!CHECK(conformance(&c)))
            printf("  case %zu\n", i);
    }
}

static void conv2d_agrees_with_pytorch(void)
{
    fixture f;
    MUST(fixture_open(&f, "conv2d"));
    while (fixture_next(&f)) {
        bool with_bias = fixture_number(&f, "bias") != 0;
        mtl_tensor *x = fixture_tensor(&f, "x"), *weight = fixture_tensor(&f, "weight");
        mtl_tensor *bias = with_bias ? fixture_tensor(&f, "bias") : NULL, *dy = fixture_tensor(&f, "dy"), *y = NULL;
        mtl_window w;
        MUST(x && weight && dy && (bias || !with_bias));
        w.kernel_h = (int64_t)fixture_item(&f, "kernel", 0), w.kernel_w = (int64_t)fixture_item(&f, "kernel", 1);
        w.stride_h = (int64_t)fixture_item(&f, "stride", 0), w.stride_w = (int64_t)fixture_item(&f, "stride", 1);
        w.pad_h = (int64_t)fixture_item(&f, "padding", 0), w.pad_w = (int64_t)fixture_item(&f, "padding", 1);
        mtl_tensor_require_grad(x, true);
        mtl_tensor_require_grad(weight, true);
        if (bias)
            mtl_tensor_require_grad(bias, true);
        MUST(mtl_conv2d(x, weight, bias, &w, &y) == MTL_OK);
        MUST(mtl_backward(f.ctx, 1, &(mtl_root){.value = y, .seed = dy, .scale = 1}, 1) == MTL_OK);
        CHECK(fixture_equals(&f, "y", y, 1e-5));
        CHECK(fixture_equals(&f, "dx", mtl_tensor_grad(x), 1e-5));
        CHECK(fixture_equals(&f, "dweight", mtl_tensor_grad(weight), 1e-5));
        CHECK(!bias || fixture_equals(&f, "dbias", mtl_tensor_grad(bias), 1e-5));
        mtl_tensor_release(x);
        mtl_tensor_release(weight);
        mtl_tensor_release(bias);
        mtl_tensor_release(dy);
        mtl_tensor_release(y);
    }
    fixture_close(&f);
}

static mtl_status stride_1(mtl_tensor **in, mtl_tensor **out)
{
    const int64_t *w = mtl_tensor_shape(in[1]);
    return mtl_conv2d(in[0], in[1], in[2], &(mtl_window){w[2], w[3], 1, 1, 0, 0}, out);
}

static mtl_status same(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_conv2d(in[0], in[1], in[2], &(mtl_window){3, 3, 1, 1, 1, 1}, out);
}

static mtl_status stride_2(mtl_tensor **in, mtl_tensor **out)
{
    const int64_t *w = mtl_tensor_shape(in[1]);
    return mtl_conv2d(in[0], in[1], in[2], &(mtl_window){w[2], w[3], 2, 2, 1, 1}, out);
}

static mtl_status pooled(mtl_tensor **in, mtl_tensor **out) /* most of the convolution's cotangents are zeros */
{
    mtl_tensor *y = NULL;
    mtl_status status = stride_1(in, &y);
    if (status == MTL_OK)
        status = mtl_max_pool2d(y, &(mtl_window){2, 2, 2, 2, 0, 0}, out);
    mtl_tensor_release(y);
    return status;
}

static void threads_do_not_change_bits(void)
{
    bits_case cases[] = {
        {.name = "one channel", .shape = {{37, 1, 28, 28}, {10, 1, 5, 5}, {10}}, .rows = 2, .apply = stride_1},
        {.name = "many", .shape = {{19, 10, 12, 12}, {20, 10, 5, 5}, {20}}, .rows = 3, .apply = stride_1},
        {.name = "one image in strips", .shape = {{1, 64, 40, 60}, {32, 64, 3, 3}, {32}}, .rows = 1, .apply = stride_1},
        {.name = "same", .shape = {{9, 6, 16, 16}, {7, 6, 3, 3}, {7}}, .rows = 2, .apply = same},
        {.name = "tiles", .shape = {{9, 24, 9, 15}, {64, 24, 3, 3}, {64}}, .rows = 3, .apply = same},
        {.name = "strides", .shape = {{6, 8, 30, 31}, {16, 8, 3, 3}, {16}}, .rows = 2, .apply = stride_2},
        {.name = "pooled", .shape = {{37, 10, 12, 12}, {20, 10, 5, 5}, {20}}, .rows = 3, .apply = pooled},
        {.name = "1 x 1", .shape = {{8, 64, 15, 15}, {48, 64, 1, 1}, {48}}, .rows = 2, .apply = stride_1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].n = 3;
        cases[i].rank[0] = cases[i].rank[1] = 4;
        cases[i].rank[2] = 1;
        CHECK(same_bits(&cases[i]));
    }
}

/* Seeds of few elements, most of them at the same places in all rows; and the gradients that they make. */
typedef struct {
    int64_t x[4], w[4];
    mtl_window window;
    int rows;
} few;

static bool few_elements_are_right(mtl_context *ctx, const few *c)
{
    const int64_t *x = c->x, *w = c->w;
    const mtl_window *win = &c->window;
    mtl_tensor *in[2] = {bits_draw(ctx, 4, x, 1), bits_draw(ctx, 4, w, 2)}, *y = NULL, *seed[3] = {0};
    mtl_root roots[3];
    bool good = in[0] && in[1] && mtl_tensor_require_grad(in[0], true) == MTL_OK &&
                mtl_tensor_require_grad(in[1], true) == MTL_OK && mtl_conv2d(in[0], in[1], NULL, win, &y) == MTL_OK;
    for (int r = 0; good && r < c->rows; r++) {
        seed[r] = bits_draw(ctx, 4, mtl_tensor_shape(y), 10 + (uint64_t)r);
        float *d = mtl_tensor_data(seed[r]);
        for (int64_t e = 0; e < mtl_tensor_count(y); e++)
            d[e] = e * 7919 % 23 == 5 || e * 7919 % 101 == r ? d[e] : 0.0f;
        roots[r] = (mtl_root){.value = y, .seed = seed[r], .scale = 1, .row = r};
    }
    good = good && mtl_backward(ctx, c->rows, roots, c->rows) == MTL_OK;
    for (int r = 0; good && r < c->rows; r++) {
        int64_t n[2] = {mtl_tensor_count(in[0]), mtl_tensor_count(in[1])}, patch = w[1] * w[2] * w[3];
        double *d[2] = {calloc((size_t)n[0], sizeof(double)), calloc((size_t)n[1], sizeof(double))};
        const float *from[2] = {mtl_tensor_data(in[0]), mtl_tensor_data(in[1])}, *dy = mtl_tensor_data(seed[r]);
        int64_t out_h = mtl_tensor_shape(y)[2], out_w = mtl_tensor_shape(y)[3];
        for (int64_t e = 0; d[0] && d[1] && e < mtl_tensor_count(y); e++) {
            int64_t ox = e % out_w, oy = e / out_w % out_h, o = e / out_w / out_h % w[0], b = e / out_w / out_h / w[0];
            for (int64_t k = 0; k < patch; k++) {
                int64_t i = oy * win->stride_h - win->pad_h + k / w[3] % w[2];
                int64_t j = ox * win->stride_w - win->pad_w + k % w[3];
                int64_t at = ((b * x[1] + k / w[3] / w[2]) * x[2] + i) * x[3] + j;
                if (i < 0 || i >= x[2] || j < 0 || j >= x[3])
                    continue;
                d[0][at] += (double)dy[e] * (double)from[1][o * patch + k];
                d[1][o * patch + k] += (double)dy[e] * (double)from[0][at];
            }
        }
        for (int i = 0; i < 2; i++) {
            const float *grad = mtl_tensor_data(mtl_tensor_grad(in[i]));
            for (int64_t k = 0; good && k < n[i]; k++)
                good = d[i] && fabs((double)grad[r * n[i] + k] - d[i][k]) <= 1e-5 * (1 + fabs(d[i][k]));
            free(d[i]);
        }
    }
    for (int i = 0; i < 3; i++)
        mtl_tensor_release(seed[i]);
    mtl_tensor_release(in[0]);
    mtl_tensor_release(in[1]);
    mtl_tensor_release(y);
    return good;
}

static void zeros_of_a_cotangent_are_skipped(void)
{
    static const few cases[] = {
        {{5, 10, 12, 12}, {20, 10, 5, 5}, {5, 5, 1, 1, 0, 0}, 2},
        {{3, 10, 13, 15}, {6, 10, 5, 5}, {5, 5, 1, 1, 2, 2}, 3},
        {{4, 11, 9, 14}, {5, 11, 5, 3}, {5, 3, 1, 1, 1, 1}, 1},
        {{3, 14, 11, 12}, {7, 14, 3, 3}, {3, 3, 1, 1, 0, 1}, 2},
        {{3, 12, 17, 18}, {4, 12, 4, 4}, {4, 4, 2, 2, 1, 0}, 2},
        {{2, 9, 12, 19}, {6, 9, 7, 7}, {7, 7, 1, 1, 3, 0}, 1},
        {{2, 20, 9, 24}, {3, 20, 3, 8}, {3, 8, 1, 1, 0, 0}, 3},
        {{2, 40, 8, 11}, {9, 40, 2, 2}, {2, 2, 1, 2, 1, 1}, 1},
        {{70, 1, 28, 28}, {10, 1, 5, 5}, {5, 5, 1, 1, 0, 0}, 2},
    };
    mtl_context *ctx;
    MUST(mtl_context_new(2, &ctx) == MTL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!CHECK(few_elements_are_right(ctx, &cases[i])))
            printf("  case %zu: %s\n", i, mtl_message(ctx));
    }
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

/* Many channels: the rows of three cotangents are the gradients of each by itself. (spec/nn_conv_spec.lua has them
   against convolutions of few channels, which conform above.) */
static void rows_are_the_gradients_of_each(void)
{
    mtl_context *ctx;
    mtl_tensor *in[3] = {0}, *y = NULL, *seed[3] = {0};
    mtl_root roots[3];
    MUST(mtl_context_new(2, &ctx) == MTL_OK);
    MUST((in[0] = bits_draw(ctx, 4, (int64_t[]){5, 18, 7, 9}, 1)));
    MUST((in[1] = bits_draw(ctx, 4, (int64_t[]){16, 18, 3, 3}, 2)));
    MUST((in[2] = bits_draw(ctx, 1, (int64_t[]){16}, 3)));
    for (int i = 0; i < 3; i++)
        mtl_tensor_require_grad(in[i], true);
    float *rows[3] = {0};
    for (int which = -1; which < 3; which++) { /* all together, then one after the other */
        for (int i = 0; i < 3; i++)
            mtl_tensor_zero_grad(in[i]);
        MUST(same(in, &y) == MTL_OK);
        for (int r = 0; r < 3; r++) {
            if (!seed[r])
                MUST((seed[r] = bits_draw(ctx, 4, mtl_tensor_shape(y), 10 + (uint64_t)r)));
            roots[r] = (mtl_root){.value = y, .seed = seed[r], .scale = 1, .row = which < 0 ? r : 0};
        }
        MUST(mtl_backward(ctx, which < 0 ? 3 : 1, which < 0 ? roots : &roots[which], which < 0 ? 3 : 1) == MTL_OK);
        mtl_tensor_release(y);
        for (int i = 0; i < 3; i++) {
            const float *grad = mtl_tensor_data(mtl_tensor_grad(in[i]));
            int64_t n = mtl_tensor_count(in[i]), bad = 0;
            if (which < 0) {
                rows[i] = malloc((size_t)(3 * n) * sizeof(float));
                memcpy(rows[i], grad, (size_t)(3 * n) * sizeof(float));
            } else {
                for (int64_t k = 0; k < n; k++)
                    bad +=
                        !(fabs((double)grad[k] - (double)rows[i][which * n + k]) <= 2e-5 * (1 + fabs((double)grad[k])));
                CHECK(bad == 0);
            }
        }
    }
    for (int i = 0; i < 3; i++) {
        free(rows[i]);
        mtl_tensor_release(in[i]);
        mtl_tensor_release(seed[i]);
    }
    mtl_context_free(ctx);
}

static void the_second_step_does_not_allocate(void)
{
    mtl_context *ctx;
    mtl_tensor *in[3] = {0}, *y = NULL;
    uint64_t after_first = 0;
    MUST(mtl_context_new(2, &ctx) == MTL_OK);
    MUST((in[0] = bits_draw(ctx, 4, (int64_t[]){16, 3, 20, 20}, 1)));
    MUST((in[1] = bits_draw(ctx, 4, (int64_t[]){8, 3, 5, 5}, 2)));
    MUST((in[2] = bits_draw(ctx, 1, (int64_t[]){8}, 3)));
    for (int i = 0; i < 3; i++)
        mtl_tensor_require_grad(in[i], true);
    for (int step = 0; step < 3; step++) {
        mtl_tensor *sum = NULL;
        for (int i = 0; i < 3; i++)
            mtl_tensor_zero_grad(in[i]);
        MUST(stride_1(in, &y) == MTL_OK && mtl_sum(y, MTL_ALL, false, &sum) == MTL_OK);
        mtl_tensor_release(y);
        MUST(mtl_backward(ctx, 1, &(mtl_root){.value = sum, .scale = 1}, 1) == MTL_OK);
        mtl_tensor_release(sum);
        if (step == 0)
            after_first = mtl_memory_use(ctx).allocations;
    }
    CHECK(mtl_memory_use(ctx).allocations == after_first);
    for (int i = 0; i < 3; i++)
        mtl_tensor_release(in[i]);
    mtl_context_free(ctx);
}

static void errors_name_the_shapes(void)
{
    mtl_context *ctx;
    mtl_tensor *x = NULL, *w = NULL, *bias = NULL, *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 4, (int64_t[]){8, 3, 32, 32}, &x) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 4, (int64_t[]){16, 1, 5, 5}, &w) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 1, (int64_t[]){3}, &bias) == MTL_OK);
    CHECK(mtl_conv2d(x, w, NULL, &(mtl_window){5, 5, 1, 1, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "conv2d: input [8, 3, 32, 32] has 3 channels, the weight [16, 1, 5, 5] takes 1");
    CHECK(mtl_conv2d(x, w, NULL, &(mtl_window){3, 3, 1, 1, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "conv2d: the weight has shape [16, 1, 5, 5], which should be [out, 3, 3, 3]");
    CHECK(mtl_conv2d(x, w, NULL, &(mtl_window){5, 5, 0, 1, 0, 0}, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "stride 0 x 1");
    CHECK(mtl_conv2d(x, w, NULL, &(mtl_window){33, 5, 1, 1, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "a window of 33 x 5 on images of 32 x 32");
    mtl_tensor_release(w);
    MUST(mtl_tensor_new(ctx, MTL_F32, 4, (int64_t[]){16, 3, 5, 5}, &w) == MTL_OK);
    CHECK(mtl_conv2d(x, w, bias, &(mtl_window){5, 5, 1, 1, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "conv2d: the bias has shape [3], which should be [16], as the weight [16, 3, 5, 5]");
    CHECK(mtl_conv2d(w, w, NULL, &(mtl_window){INT64_MAX, 1, 1, 1, INT64_MAX, 0}, &y) != MTL_OK);
    CHECK(mtl_conv2d(bias, w, NULL, &(mtl_window){5, 5, 1, 1, 0, 0}, &y) == MTL_ERR_SHAPE);
    mtl_tensor_release(x);
    mtl_tensor_release(w);
    mtl_tensor_release(bias);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(conv2d_is_its_definition);
    RUN(conv2d_agrees_with_pytorch);
    RUN(threads_do_not_change_bits);
    RUN(zeros_of_a_cotangent_are_skipped);
    RUN(rows_are_the_gradients_of_each);
    RUN(the_second_step_does_not_allocate);
    RUN(errors_name_the_shapes);
    return TEST_RESULT;
}

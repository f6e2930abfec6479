/* Pooling: against its definition, against PyTorch, NaN and ties, the same bits for any number of threads. */
#include <math.h>

#include "conformance.h"
#include "fixture.h"
#include "same_bits.h"
#include "test.h"

enum { KIND, KERNEL_H, KERNEL_W, SHIFT_H, SHIFT_W, PAD_H, PAD_W }; /* KIND: 1 is max */

static mtl_window window_of(const double *arg)
{
    return (mtl_window){(int64_t)arg[KERNEL_H], (int64_t)arg[KERNEL_W], (int64_t)arg[SHIFT_H],
                        (int64_t)arg[SHIFT_W],  (int64_t)arg[PAD_H],    (int64_t)arg[PAD_W]};
}

static mtl_status apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    mtl_window w = window_of(arg);
    (void)ctx;
    return arg[KIND] != 0 ? mtl_max_pool2d(in[0], &w, out) : mtl_avg_pool2d(in[0], &w, out);
}

static void reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    mtl_window w = window_of(c->arg);
    int64_t high = c->input[0].shape[2], wide = c->input[0].shape[3];
    int64_t out_h = (high + 2 * w.pad_h - w.kernel_h) / w.stride_h + 1;
    int64_t out_w = (wide + 2 * w.pad_w - w.kernel_w) / w.stride_w + 1;
    for (int64_t e = 0; e < count; e++) {
        const double *plane = in[0] + e / out_w / out_h * high * wide;
        double sum = 0, best = -INFINITY;
        for (int64_t k = 0; k < w.kernel_h * w.kernel_w; k++) {
            int64_t i = e / out_w % out_h * w.stride_h - w.pad_h + k / w.kernel_w;
            int64_t j = e % out_w * w.stride_w - w.pad_w + k % w.kernel_w;
            if (i < 0 || i >= high || j < 0 || j >= wide)
                continue;
            sum += plane[i * wide + j];
            best = fmax(best, plane[i * wide + j]);
        }
        out[e] = c->arg[KIND] != 0 ? best : sum / (double)(w.kernel_h * w.kernel_w);
    }
}

static void pooling_is_its_definition(void)
{
    static const struct {
        int64_t shape[4];
        double window[6];
    } cases[] = {
        {{2, 3, 6, 8}, {2, 2, 2, 2, 0, 0}},  {{1, 2, 7, 9}, {2, 2, 2, 2, 0, 0}}, {{2, 2, 2, 2}, {2, 2, 2, 2, 0, 0}},
        {{2, 1, 7, 6}, {3, 2, 2, 1, 1, 1}},  {{1, 1, 5, 5}, {5, 5, 1, 1, 0, 0}}, {{1, 2, 1, 6}, {1, 3, 1, 2, 0, 1}},
        {{1, 1, 1, 1}, {1, 1, 1, 1, 0, 0}},  {{2, 2, 5, 4}, {2, 2, 1, 1, 1, 1}}, {{1, 1, 9, 8}, {2, 3, 4, 4, 0, 0}},
        {{1, 1, 4, 70}, {2, 2, 2, 2, 0, 0}}, {{1, 1, 1, 1}, {3, 3, 1, 1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int max = 0; max < 2; max++) {
            const int64_t *x = cases[i].shape;
            conformance_case c = {
                .name = max ? "max_pool2d" : "avg_pool2d",
                .n_inputs = 1,
                .input = {{.rank = 4, .shape = {x[0], x[1], x[2], x[3]}, .low = -1, .high = 1, .gap = max ? 0.01 : 0}},
                .apply = apply,
                .reference = reference,
                .reduction = max ? 1 : 16};
            c.arg[KIND] = max;
            memcpy(c.arg + 1, cases[i].window, sizeof cases[i].window);
            if (!CHECK(conformance(&c)))
                printf("  case %zu\n", i);
        }
    }
}

static void pooling_agrees_with_pytorch(void)
{
    fixture f;
    MUST(fixture_open(&f, "pool"));
    while (fixture_next(&f)) {
        mtl_tensor *x = fixture_tensor(&f, "x"), *dy = fixture_tensor(&f, "dy"), *y = NULL;
        double arg[7] = {strcmp(fixture_text(&f, "op"), "max_pool2d") == 0};
        for (int i = 0; i < 2; i++) {
            arg[KERNEL_H + i] = fixture_item(&f, "kernel", i);
            arg[SHIFT_H + i] = fixture_item(&f, "stride", i);
            arg[PAD_H + i] = fixture_item(&f, "padding", i);
        }
        MUST(x && dy);
        mtl_tensor_require_grad(x, true);
        MUST(apply(f.ctx, arg, &x, &y) == MTL_OK);
        MUST(mtl_backward(f.ctx, 1, &(mtl_root){.value = y, .seed = dy, .scale = 1}, 1) == MTL_OK);
        CHECK(fixture_equals(&f, "y", y, 1e-6));
        CHECK(fixture_equals(&f, "dx", mtl_tensor_grad(x), 1e-6));
        mtl_tensor_release(x);
        mtl_tensor_release(dy);
        mtl_tensor_release(y);
    }
    fixture_close(&f);
}

/* Images of `wide` columns, so that both the vectorised and the general code meet them. */
static void nan_wins_and_ties_go_to_the_first(void)
{
    mtl_context *ctx;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    for (int64_t kernel = 2; kernel <= 3; kernel++) {
        mtl_tensor *x = NULL, *y = NULL, *sum = NULL;
        int64_t wide = 20 * kernel;
        mtl_window w = {kernel, kernel, kernel, kernel, 0, 0};
        MUST(mtl_tensor_new(ctx, MTL_F32, 4, (int64_t[]){1, 1, kernel, wide}, &x) == MTL_OK);
        float *at = mtl_tensor_data(x);
        for (int64_t i = 0; i < mtl_tensor_count(x); i++)
            at[i] = 1.0f;
        for (int64_t i = 0; i < 4; i++) /* windows 1 to 4 hold a NaN at each of their first corners */
            at[i / 2 * wide + (i + 1) * kernel + i % 2] = NAN;
        for (int64_t i = 0; i < kernel * kernel; i++) /* window 5: nothing but -inf */
            at[i / kernel * wide + 5 * kernel + i % kernel] = -INFINITY;
        mtl_tensor_require_grad(x, true);
        MUST(mtl_max_pool2d(x, &w, &y) == MTL_OK && mtl_sum(y, MTL_ALL, false, &sum) == MTL_OK);
        const float *got = mtl_tensor_data(y);
        for (int i = 0; i < 20; i++)
            CHECK(i >= 1 && i <= 4 ? isnan(got[i]) : got[i] == (i == 5 ? -INFINITY : 1.0f));
        MUST(mtl_backward(ctx, 1, &(mtl_root){.value = sum, .scale = 1}, 1) == MTL_OK);
        const float *grad = mtl_tensor_data(mtl_tensor_grad(x));
        for (int64_t i = 0; i < mtl_tensor_count(x); i++) {
            int64_t window = i % wide / kernel, place = i / wide * 2 + i % wide % kernel;
            bool corner = i / wide < 2 && i % wide % kernel < 2;
            int64_t winner = window >= 1 && window <= 4 ? window - 1 : 0;
            CHECK(grad[i] == (corner && place == winner ? 1.0f : 0.0f));
        }
        mtl_tensor_release(x);
        mtl_tensor_release(y);
        mtl_tensor_release(sum);
    }
    mtl_context_free(ctx);
}

static mtl_status max_2(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_max_pool2d(in[0], &(mtl_window){2, 2, 2, 2, 0, 0}, out);
}

static mtl_status max_3(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_max_pool2d(in[0], &(mtl_window){3, 3, 2, 2, 1, 1}, out);
}

static mtl_status avg_3(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_avg_pool2d(in[0], &(mtl_window){3, 3, 2, 2, 1, 1}, out);
}

static void threads_do_not_change_bits(void)
{
    mtl_status (*kinds[])(mtl_tensor **, mtl_tensor **) = {max_2, max_3, avg_3};
    for (int i = 0; i < 3; i++) {
        bits_case c = {.name = "pool", .n = 1, .rank = {4}, .shape = {{9, 7, 24, 25}}, .rows = 2, .apply = kinds[i]};
        CHECK(same_bits(&c));
    }
}

static void errors_name_the_window(void)
{
    mtl_context *ctx;
    mtl_tensor *x = NULL, *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 4, (int64_t[]){1, 2, 3, 3}, &x) == MTL_OK);
    CHECK(mtl_max_pool2d(x, &(mtl_window){2, 2, 2, 2, 2, 0}, &y) == MTL_ERR_ARG);
    CHECK_TEXT(mtl_message(ctx),
               "max_pool2d: padding 2 x 0 for a window of 2 x 2; it should be at most half of the window");
    CHECK(mtl_avg_pool2d(x, &(mtl_window){4, 2, 2, 2, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "avg_pool2d: a window of 4 x 2 on images of 3 x 3");
    mtl_tensor_release(x);
    MUST(mtl_tensor_new(ctx, MTL_F32, 3, (int64_t[]){2, 3, 3}, &x) == MTL_OK);
    CHECK(mtl_avg_pool2d(x, &(mtl_window){2, 2, 2, 2, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "avg_pool2d: input [2, 3, 3], which should be [batch, channels, height, width]");
    mtl_tensor_release(x);
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(pooling_is_its_definition);
    RUN(pooling_agrees_with_pytorch);
    RUN(nan_wins_and_ties_go_to_the_first);
    RUN(threads_do_not_change_bits);
    RUN(errors_name_the_window);
    return TEST_RESULT;
}

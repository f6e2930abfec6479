/* Batch norm: against its definition, against PyTorch, its running statistics, and at the edges. */
#include <stdlib.h>

#include "conformance.h"
#include "fixture.h"
#include "test.h"

enum { X, WEIGHT, BIAS, MEAN, VAR };

static mtl_status apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    bool training = arg[0] != 0, affine = arg[1] != 0;
    return mtl_batch_norm(in[X], affine ? in[WEIGHT] : NULL, affine ? in[BIAS] : NULL, training ? NULL : in[MEAN],
                          training ? NULL : in[VAR], training, 0.1, 1e-3, out);
}

static void reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const case_input *x = &c->input[X];
    int64_t channels = x->shape[1], inner = 1, n;
    for (int i = 2; i < x->rank; i++)
        inner *= x->shape[i];
    n = x->shape[0] * inner;
    for (int64_t k = 0; k < channels; k++) {
        double mean = 0, var = 0, weight = c->arg[1] != 0 ? in[WEIGHT][k] : 1, bias = c->arg[1] != 0 ? in[BIAS][k] : 0;
        for (int64_t i = 0; i < count; i++)
            mean += i / inner % channels == k ? in[X][i] / (double)n : 0;
        for (int64_t i = 0; i < count; i++)
            var += i / inner % channels == k ? (in[X][i] - mean) * (in[X][i] - mean) / (double)n : 0;
        if (c->arg[0] == 0) {
            mean = in[MEAN][k];
            var = in[VAR][k];
        }
        for (int64_t i = 0; i < count; i++) {
            if (i / inner % channels == k)
                out[i] = (in[X][i] - mean) / sqrt(var + 1e-3) * weight + bias;
        }
    }
}

static void batch_norm_is_its_definition(void)
{
    const case_input inputs[] = {{.rank = 2, .shape = {6, 3}, .low = -2, .high = 4},
                                 {.rank = 2, .shape = {4, 37}, .low = -2, .high = 4},
                                 {.rank = 3, .shape = {3, 2, 1}, .low = -2, .high = 4},
                                 {.rank = 4, .shape = {2, 3, 4, 5}, .low = 5, .high = 7},
                                 {.rank = 4, .shape = {1, 2, 3, 19}, .low = -2, .high = 4},
                                 {.rank = 2, .shape = {2, 1}, .low = -2, .high = 4},
                                 {.rank = 5, .shape = {2, 2, 2, 2, 3}, .low = -2, .high = 4}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        for (int kind = 0; kind < 4; kind++) {
            int64_t channels = inputs[i].shape[1];
            conformance_case c = {.name = "batch_norm",
                                  .n_inputs = 5,
                                  .input = {inputs[i],
                                            {.rank = 1, .shape = {channels}, .low = -2, .high = 2},
                                            {.rank = 1, .shape = {channels}, .low = -2, .high = 2},
                                            {.rank = 1, .shape = {channels}, .low = -1, .high = 1, .constant = true},
                                            {.rank = 1, .shape = {channels}, .low = 1, .high = 2, .constant = true}},
                                  .arg = {kind & 1, kind & 2},
                                  .apply = apply,
                                  .reference = reference,
                                  .reduction = 64,
                                  .tolerance = 2e-4};
            c.input[WEIGHT].constant = c.input[BIAS].constant = !(kind & 2);
            CHECK(conformance(&c));
        }
    }
}

static void batch_norm_agrees_with_pytorch(void)
{
    fixture f;
    MUST(fixture_open(&f, "batch_norm"));
    while (fixture_next(&f)) {
        bool training = fixture_number(&f, "training") != 0;
        double momentum = fixture_number(&f, "momentum"), eps = fixture_number(&f, "eps");
        mtl_tensor *weight = fixture_tensor(&f, "weight"), *bias = fixture_tensor(&f, "bias");
        mtl_tensor *mean = NULL, *var = NULL, *x = NULL, *y = NULL;
        MUST(weight && bias);
        mtl_tensor_require_grad(weight, true);
        mtl_tensor_require_grad(bias, true);
        if (training) {
            MUST(mtl_tensor_new(f.ctx, MTL_F32, 1, mtl_tensor_shape(weight), &mean) == MTL_OK);
            MUST(mtl_tensor_new(f.ctx, MTL_F32, 1, mtl_tensor_shape(weight), &var) == MTL_OK);
            MUST(mtl_tensor_fill(mean, 0) == MTL_OK && mtl_tensor_fill(var, 1) == MTL_OK);
            MUST((x = fixture_tensor(&f, "x1")));
            MUST(mtl_batch_norm(x, weight, bias, mean, var, true, momentum, eps, &y) == MTL_OK);
            CHECK(fixture_equals(&f, "y1", y, 1e-5));
            CHECK(fixture_equals(&f, "running_mean1", mean, 1e-6) && fixture_equals(&f, "running_var1", var, 1e-6));
            mtl_tensor_release(x);
            mtl_tensor_release(y);
            MUST((x = fixture_tensor(&f, "x2")));
        } else {
            MUST((mean = fixture_tensor(&f, "running_mean")) && (var = fixture_tensor(&f, "running_var")));
            MUST((x = fixture_tensor(&f, "x")));
        }
        mtl_tensor *dy = fixture_tensor(&f, training ? "dy2" : "dy");
        mtl_tensor_require_grad(x, true);
        MUST(mtl_batch_norm(x, weight, bias, mean, var, training, momentum, eps, &y) == MTL_OK);
        MUST(mtl_backward(f.ctx, 1, &(mtl_root){.value = y, .seed = dy, .scale = 1}, 1) == MTL_OK);
        CHECK(fixture_equals(&f, training ? "y2" : "y", y, 1e-5));
        CHECK(fixture_equals(&f, training ? "dx2" : "dx", mtl_tensor_grad(x), 1e-5));
        CHECK(fixture_equals(&f, "dweight", mtl_tensor_grad(weight), 1e-5));
        CHECK(fixture_equals(&f, "dbias", mtl_tensor_grad(bias), 1e-5));
        CHECK(fixture_equals(&f, training ? "running_mean2" : "running_mean", mean, 1e-6));
        CHECK(fixture_equals(&f, training ? "running_var2" : "running_var", var, 1e-6));
        mtl_tensor *all[] = {weight, bias, mean, var, x, y, dy};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            mtl_tensor_release(all[i]);
    }
    fixture_close(&f);
}

static void batch_norm_at_the_edges(void)
{
    mtl_context *ctx;
    mtl_tensor *x = NULL, *y = NULL, *mean = NULL, *var = NULL, *one = NULL;
    const int64_t two = 2, shape[] = {4, 2};
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, shape, &x) == MTL_OK &&
         mtl_tensor_new(ctx, MTL_F32, 1, &two, &mean) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 1, &two, &var) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 4, (int64_t[]){1, 2, 1, 1}, &one) == MTL_OK && mtl_tensor_fill(one, 1) == MTL_OK);
    MUST(mtl_tensor_fill(mean, 0) == MTL_OK && mtl_tensor_fill(var, 1) == MTL_OK);

    /* a channel that is constant becomes the bias; a large mean costs no precision of the variance */
    MUST(mtl_tensor_write(x, (float[]){7, 10000, 7, 10001, 7, 10002, 7, 10003}) == MTL_OK);
    MUST(mtl_batch_norm(x, NULL, NULL, mean, var, true, 1, 0, &y) == MTL_OK);
    CHECK_NEAR(((float *)mtl_tensor_data(mean))[1], 10001.5, 0);
    CHECK_NEAR(((float *)mtl_tensor_data(var))[0], 0, 0);
    CHECK_NEAR(((float *)mtl_tensor_data(var))[1], 5.0 / 3, 1e-6);
    CHECK_NEAR(((float *)mtl_tensor_data(y))[1], -1.5 / sqrt(1.25), 1e-6);
    mtl_tensor_release(y);
    y = NULL;

    CHECK(mtl_batch_norm(one, NULL, NULL, NULL, NULL, true, 0.1, 1e-5, &y) == MTL_ERR_SHAPE && y == NULL);
    CHECK_CONTAINS(mtl_message(ctx), "more than one value a channel, but x has shape [1, 2, 1, 1]");
    CHECK(mtl_batch_norm(one, NULL, NULL, mean, var, false, 0.1, 1e-5, &y) == MTL_OK);
    mtl_tensor_release(y);
    y = NULL;
    CHECK(mtl_batch_norm(x, NULL, NULL, NULL, NULL, false, 0.1, 1e-5, &y) == MTL_ERR_ARG);
    CHECK(mtl_batch_norm(x, mean, NULL, NULL, NULL, true, 0.1, 1e-5, &y) == MTL_ERR_ARG);
    CHECK(mtl_batch_norm(x, x, x, NULL, NULL, true, 0.1, 1e-5, &y) == MTL_ERR_SHAPE);
    CHECK(mtl_batch_norm(mean, NULL, NULL, NULL, NULL, true, 0.1, 1e-5, &y) == MTL_ERR_SHAPE && y == NULL);
    mtl_tensor *all[] = {x, mean, var, one};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mtl_tensor_release(all[i]);
    mtl_context_free(ctx);
}

/* The same bits for any number of threads. */
static void threads_change_nothing(void)
{
    const int64_t shapes[][3] = {{64, 7, 81}, {700, 67, 1}};
    for (size_t s = 0; s < 2; s++) {
        float *kept = NULL;
        for (int threads = 1; threads <= 3; threads++) {
            mtl_context *ctx;
            mtl_tensor *x = NULL, *y = NULL;
            MUST(mtl_context_new(threads, &ctx) == MTL_OK && mtl_tensor_new(ctx, MTL_F32, 3, shapes[s], &x) == MTL_OK);
            MUST(mtl_random_normal(x, 1, 2, 0, 3, 2) == MTL_OK && mtl_tensor_require_grad(x, true) == MTL_OK);
            MUST(mtl_batch_norm(x, NULL, NULL, NULL, NULL, true, 0.1, 1e-5, &y) == MTL_OK);
            MUST(mtl_backward(ctx, 1, &(mtl_root){.value = y, .seed = x, .scale = 1}, 1) == MTL_OK);
            size_t bytes = mtl_tensor_bytes(x);
            if (!kept) {
                kept = malloc(2 * bytes);
                memcpy(kept, mtl_tensor_data(y), bytes);
                memcpy((char *)kept + bytes, mtl_tensor_data(mtl_tensor_grad(x)), bytes);
            }
            CHECK(memcmp(kept, mtl_tensor_data(y), bytes) == 0);
            CHECK(memcmp((char *)kept + bytes, mtl_tensor_data(mtl_tensor_grad(x)), bytes) == 0);
            mtl_tensor_release(x);
            mtl_tensor_release(y);
            mtl_context_free(ctx);
        }
        free(kept);
    }
}

int main(void)
{
    RUN(batch_norm_is_its_definition);
    RUN(batch_norm_agrees_with_pytorch);
    RUN(batch_norm_at_the_edges);
    RUN(threads_change_nothing);
    return TEST_RESULT;
}

/* LSTM and GRU over sequences: against their definitions, at the edges, with any number of threads, and where memory
   ends. */
#include <stdlib.h>

#include "conformance.h"
#include "make.h"
#include "same_bits.h"
#include "test.h"

enum { X, WEIGHT, BIAS };
enum { GRU, REVERSE, BIASED }; /* arg */

static mtl_status apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    mtl_tensor *bias = arg[BIASED] != 0 ? in[BIAS] : NULL;
    (void)ctx;
    return arg[GRU] != 0 ? mtl_gru(in[X], in[WEIGHT], bias, arg[REVERSE] != 0, out)
                         : mtl_lstm(in[X], in[WEIGHT], bias, arg[REVERSE] != 0, out);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Number k of the sums that the hidden states give: gate times hidden. */
static double product(const conformance_case *c, double *const *in, const double *h, int64_t n, int64_t k)
{
    double sum = c->arg[BIASED] != 0 ? in[BIAS][k] : 0;
    for (int64_t j = 0; h && j < n; j++)
        sum += in[WEIGHT][k * n + j] * h[j];
    return sum;
}

static void reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const int64_t *shape = c->input[X].shape;
    int64_t length = shape[1], sums = shape[2], n = c->input[WEIGHT].shape[1];
    double *cell = calloc((size_t)n + 1, sizeof *cell);
    for (int64_t b = 0; count > 0 && b < shape[0]; b++) {
        const double *h = NULL; /* of the step before */
        memset(cell, 0, (size_t)n * sizeof *cell);
        for (int64_t s = 0; s < length; s++) {
            int64_t t = c->arg[REVERSE] != 0 ? length - 1 - s : s;
            const double *x = in[X] + (b * length + t) * sums;
            double *y = out + (b * length + t) * n;
            for (int64_t j = 0; j < n; j++) {
                double p[4];
                for (int64_t k = 0; k < sums / n; k++)
                    p[k] = product(c, in, h, n, k * n + j);
                if (c->arg[GRU] != 0) {
                    double r = sigmoid(x[j] + p[0]), z = sigmoid(x[n + j] + p[1]);
                    y[j] = (1 - z) * tanh(x[2 * n + j] + r * p[2]) + z * (h ? h[j] : 0);
                } else {
                    double i = sigmoid(x[j] + p[0]), f = sigmoid(x[n + j] + p[1]);
                    cell[j] = f * cell[j] + i * tanh(x[2 * n + j] + p[2]);
                    y[j] = sigmoid(x[3 * n + j] + p[3]) * tanh(cell[j]);
                }
            }
            h = y;
        }
    }
    free(cell);
}

static void they_are_their_definitions(void)
{
    /* batch, length, hidden; the last needs two blocks of lines, with three cotangents more */
    static const int64_t sizes[][3] = {{2, 4, 3}, {1, 5, 2}, {3, 1, 4}, {1, 1, 1}, {2, 3, 1}, {3, 2, 17}, {11, 2, 5}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int kind = 0; kind < 8; kind++) {
            int64_t batch = sizes[i][0], length = sizes[i][1], n = sizes[i][2], sums = (kind & 1 ? 3 : 4) * n;
            conformance_case c = {.name = kind & 1 ? "gru" : "lstm",
                                  .n_inputs = 3,
                                  .input = {{.rank = 3, .shape = {batch, length, sums}, .low = -2, .high = 2},
                                            {.rank = 2, .shape = {sums, n}, .low = -1, .high = 1},
                                            {.rank = 1, .shape = {sums}, .low = -1, .high = 1}},
                                  .arg = {kind & 1, kind & 2, kind & 4},
                                  .apply = apply,
                                  .reference = reference,
                                  .reduction = n * length};
            c.input[BIAS].constant = !(kind & 4);
            if (n > 10 && kind > 1 && kind < 7) /* the large one: once each */
                continue;
            CHECK(conformance(&c));
        }
    }
}

static void parts_without_a_gradient(void)
{
    for (int kind = 0; kind < 6; kind++) { /* one of the inputs alone has one */
        int64_t sums = kind & 1 ? 9 : 12;
        conformance_case c = {.name = kind & 1 ? "gru" : "lstm",
                              .n_inputs = 3,
                              .input = {{.rank = 3, .shape = {2, 3, sums}, .low = -2, .high = 2, .constant = true},
                                        {.rank = 2, .shape = {sums, 3}, .low = -1, .high = 1, .constant = true},
                                        {.rank = 1, .shape = {sums}, .low = -1, .high = 1, .constant = true}},
                              .arg = {kind & 1, 0, 1},
                              .apply = apply,
                              .reference = reference,
                              .reduction = 9};
        c.input[kind / 2].constant = false;
        CHECK(conformance(&c));
    }
}

static void no_steps_and_no_batch(void)
{
    for (int kind = 0; kind < 4; kind++) {
        mtl_context *ctx;
        mtl_tensor *x, *weight, *y = NULL;
        int64_t batch = kind & 2 ? 0 : 2, length = kind & 2 ? 3 : 0, sums = kind & 1 ? 6 : 8;
        MUST(mtl_context_new(1, &ctx) == MTL_OK);
        x = make(ctx, MTL_F32, SHAPE(batch, length, sums), NULL);
        weight = make(ctx, MTL_F32, SHAPE(sums, 2), NULL);
        mtl_tensor_fill(weight, 1);
        mtl_tensor_require_grad(x, true);
        mtl_tensor_require_grad(weight, true);
        MUST((kind & 1 ? mtl_gru : mtl_lstm)(x, weight, NULL, false, &y) == MTL_OK);
        CHECK(is(y, SHAPE(batch, length, 2)));
        MUST(backward_sum(ctx, y) == MTL_OK);
        CHECK_NEAR(at(mtl_tensor_grad(weight), 0), 0, 0);
        mtl_tensor_release(x);
        mtl_tensor_release(weight);
        mtl_tensor_release(y);
        finish(ctx);
    }
}

/* Far from 0 the gates are shut or open, and nothing overflows. */
static void large_sums(void)
{
    mtl_context *ctx;
    mtl_tensor *x, *weight, *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    x = make(ctx, MTL_F32, SHAPE(1, 2, 4), (float[]){1e6f, -1e6f, 1e6f, 1e6f, -1e6f, 1e6f, -1e6f, 1e6f});
    weight = make(ctx, MTL_F32, SHAPE(4, 1), (float[]){0, 0, 0, 0});
    mtl_tensor_require_grad(x, true);
    MUST(mtl_lstm(x, weight, NULL, false, &y) == MTL_OK);
    CHECK_NEAR(at(y, 0), tanh(1), 1e-6); /* written, then kept */
    CHECK_NEAR(at(y, 1), tanh(1), 1e-6);
    MUST(backward_sum(ctx, y) == MTL_OK);
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(at(mtl_tensor_grad(x), i), 0, 0);
    mtl_tensor_release(x);
    mtl_tensor_release(weight);
    mtl_tensor_release(y);
    finish(ctx);
}

static void wrong_shapes_are_refused(void)
{
    mtl_context *ctx;
    mtl_tensor *x, *flat, *weight, *odd, *bias, *whole, *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    x = make(ctx, MTL_F32, SHAPE(2, 3, 8), NULL);
    flat = make(ctx, MTL_F32, SHAPE(6, 8), NULL);
    weight = make(ctx, MTL_F32, SHAPE(8, 2), NULL);
    odd = make(ctx, MTL_F32, SHAPE(8, 3), NULL);
    bias = make(ctx, MTL_F32, SHAPE(6), NULL);
    whole = make(ctx, MTL_I32, SHAPE(2, 3, 8), NULL);
    CHECK(mtl_lstm(flat, weight, NULL, false, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "lstm: x has shape [6, 8], which should be [batch, length, 8]");
    CHECK(mtl_lstm(x, odd, NULL, false, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "lstm: the weight has shape [8, 3], which should be [4 hidden, hidden]");
    CHECK(mtl_gru(x, weight, NULL, false, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "gru: the weight has shape [8, 2], which should be [3 hidden, hidden]");
    CHECK(mtl_lstm(x, weight, bias, false, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "lstm: the bias has shape [6], which should be [8]");
    CHECK(mtl_lstm(whole, weight, NULL, false, &y) == MTL_ERR_DTYPE && y == NULL);
    mtl_tensor *all[] = {x, flat, weight, odd, bias, whole};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mtl_tensor_release(all[i]);
    finish(ctx);
}

static mtl_status lstm(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_lstm(in[X], in[WEIGHT], in[BIAS], false, out);
}

static mtl_status gru(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_gru(in[X], in[WEIGHT], in[BIAS], true, out);
}

static void threads_do_not_change_the_bits(void)
{
    const bits_case cases[] = {
        {"lstm", 3, {3, 2, 1}, {{19, 5, 4 * 65}, {4 * 65, 65}, {4 * 65}}, 1, lstm},
        {"lstm", 3, {3, 2, 1}, {{33, 3, 4 * 300}, {4 * 300, 300}, {4 * 300}}, 3, lstm},
        {"gru", 3, {3, 2, 1}, {{19, 5, 3 * 65}, {3 * 65, 65}, {3 * 65}}, 3, gru},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(same_bits(&cases[i]));
}

/* With a cap at any place, nothing is left behind. */
static void memory_may_end_anywhere(void)
{
    for (int64_t gates = 3; gates <= 4; gates++) {
        bool done = false;
        for (size_t cap = 0; !done && cap < 1 << 20; cap += 64) {
            mtl_context *ctx;
            mtl_tensor *y = NULL;
            MUST(mtl_context_new(1, &ctx) == MTL_OK);
            mtl_tensor *in[3] = {bits_draw(ctx, 3, (int64_t[]){2, 3, 5 * gates}, 1),
                                 bits_draw(ctx, 2, (int64_t[]){5 * gates, 5}, 2),
                                 bits_draw(ctx, 1, (int64_t[]){5 * gates}, 3)};
            for (int i = 0; i < 3; i++)
                mtl_tensor_require_grad(in[i], true);
            mtl_set_memory_limit(ctx, mtl_memory_use(ctx).bytes + cap);
            mtl_status status = (gates == 3 ? gru : lstm)(in, &y);
            if (status == MTL_OK)
                status = backward_sum(ctx, y);
            CHECK(status == MTL_OK || status == MTL_ERR_MEMORY);
            done = status == MTL_OK;
            mtl_tensor_release(y);
            for (int i = 0; i < 3; i++)
                mtl_tensor_release(in[i]);
            finish(ctx);
        }
        CHECK(done);
    }
}

int main(void)
{
    RUN(they_are_their_definitions);
    RUN(parts_without_a_gradient);
    RUN(no_steps_and_no_batch);
    RUN(large_sums);
    RUN(wrong_shapes_are_refused);
    RUN(threads_do_not_change_the_bits);
    RUN(memory_may_end_anywhere);
    return TEST_RESULT;
}

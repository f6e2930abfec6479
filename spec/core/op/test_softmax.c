/* softmax, log_softmax and the cross-entropies: against plain definitions, against PyTorch, and at the edges. */
#include <stdlib.h>

#include "conformance.h"
#include "fixture.h"
#include "test.h"

enum { X, TARGET, WEIGHT };

/* ---- softmax ---- */

static mtl_status apply_softmax(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return arg[1] != 0 ? mtl_log_softmax(in[0], (int)arg[0], out) : mtl_softmax(in[0], (int)arg[0], out);
}

static void reference_softmax(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const case_input *x = &c->input[0];
    int dim = c->arg[0] < 0 ? (int)c->arg[0] + x->rank : (int)c->arg[0];
    int64_t inner = 1, n = x->shape[dim];
    for (int i = dim + 1; i < x->rank; i++)
        inner *= x->shape[i];
    for (int64_t i = 0; i < count; i++) {
        int64_t lane = i - i / inner % n * inner;
        double top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < n; j++)
            top = fmax(top, in[0][lane + j * inner]);
        for (int64_t j = 0; j < n; j++)
            sum += exp(in[0][lane + j * inner] - top);
        out[i] = c->arg[1] != 0 ? in[0][i] - top - log(sum) : exp(in[0][i] - top) / sum;
    }
}

static void softmax_is_its_definition(void)
{
    const case_input inputs[] = {
        {.rank = 1, .shape = {7}, .low = -3, .high = 3},
        {.rank = 2, .shape = {5, 37}, .low = -3, .high = 3},
        {.rank = 2, .shape = {4, 1}, .low = -3, .high = 3},
        {.rank = 3, .shape = {2, 3, 70}, .low = -3, .high = 3},
        {.rank = 4, .shape = {2, 5, 1, 3}, .low = -9, .high = 9},
        {.rank = 2, .shape = {0, 4}, .low = 0, .high = 1},
    };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        for (int dim = -1; dim < inputs[i].rank; dim++) {
            for (int log = 0; log < 2; log++) {
                conformance_case c = {.name = log ? "log_softmax" : "softmax",
                                      .n_inputs = 1,
                                      .input = {inputs[i]},
                                      .arg = {dim, log},
                                      .apply = apply_softmax,
                                      .reference = reference_softmax,
                                      .reduction = 8};
                CHECK(conformance(&c));
            }
        }
    }
}

static mtl_tensor *floats(mtl_context *ctx, int rank, const int64_t *shape, const float *values)
{
    mtl_tensor *t = NULL;
    if (mtl_tensor_new(ctx, MTL_F32, rank, shape, &t) == MTL_OK)
        memcpy(mtl_tensor_data(t), values, mtl_tensor_bytes(t));
    return t;
}

static mtl_tensor *ints(mtl_context *ctx, int rank, const int64_t *shape, const int32_t *values)
{
    mtl_tensor *t = NULL;
    if (mtl_tensor_new(ctx, MTL_I32, rank, shape, &t) == MTL_OK)
        memcpy(mtl_tensor_data(t), values, mtl_tensor_bytes(t));
    return t;
}

static const float *at(const mtl_tensor *t)
{
    return mtl_tensor_data(t);
}

static void softmax_at_the_edges(void)
{
    mtl_context *ctx;
    mtl_tensor *y = NULL, *z = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    mtl_tensor *x = floats(ctx, 2, (int64_t[]){3, 3}, (float[]){1e4f, 0, -1e4f, 1, NAN, 2, -INFINITY, 5, 5});
    MUST(mtl_softmax(x, 1, &y) == MTL_OK && mtl_log_softmax(x, 1, &z) == MTL_OK);
    CHECK(at(y)[0] == 1 && at(y)[1] == 0 && at(y)[2] == 0);
    CHECK(at(z)[0] == 0 && at(z)[1] == -1e4f && at(z)[2] == -2e4f);
    CHECK(isnan(at(y)[3]) && isnan(at(y)[4]) && isnan(at(y)[5]) && isnan(at(z)[3]));
    CHECK(at(y)[6] == 0 && at(y)[7] == 0.5f && at(z)[6] == -INFINITY);
    mtl_tensor_release(y);
    mtl_tensor_release(z);
    y = NULL;
    CHECK(mtl_softmax(x, 2, &y) == MTL_ERR_ARG && y == NULL);
    CHECK_CONTAINS(mtl_message(ctx), "softmax: dimension 3");
    mtl_tensor_release(x);
    mtl_context_free(ctx);
}

/* ---- cross-entropy ---- */

static mtl_status apply_cross_entropy(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return mtl_cross_entropy(in[X], in[TARGET], arg[2] != 0 ? in[WEIGHT] : NULL, arg[0], (int32_t)arg[1], NULL, out);
}

static void reference_cross_entropy(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const case_input *x = &c->input[X];
    int64_t classes = x->shape[1], inner = 1, lanes = case_count(&c->input[TARGET]);
    double loss = 0, weight = 0;
    (void)count;
    for (int i = 2; i < x->rank; i++)
        inner *= x->shape[i];
    for (int64_t lane = 0; lane < lanes; lane++) {
        const double *logits = in[X] + lane / inner * classes * inner + lane % inner;
        double sum = 0, smooth = 0, target = in[TARGET][lane];
        if (target < 0 || target == c->arg[1])
            continue;
        for (int64_t j = 0; j < classes; j++)
            sum += exp(logits[j * inner]);
        for (int64_t j = 0; j < classes; j++)
            smooth += (c->arg[2] != 0 ? in[WEIGHT][j] : 1) * (log(sum) - logits[j * inner]) / (double)classes;
        double w = c->arg[2] != 0 ? in[WEIGHT][(int)target] : 1;
        loss += (1 - c->arg[0]) * w * (log(sum) - logits[(int)target * inner]) + c->arg[0] * smooth;
        weight += w;
    }
    *out = weight > 0 ? loss / weight : 0;
}

static void cross_entropy_is_its_definition(void)
{
    const struct {
        int rank;
        int64_t shape[4];
        int64_t target[3];
        double smoothing, ignore;
        bool weighted, missing;
    } cases[] = {
        {2, {6, 5}, {6}, 0, -1, false, false},
        {2, {9, 33}, {9}, 0, -1, false, true},
        {2, {7, 4}, {7}, 0.1, 2, true, true},
        {2, {1, 1}, {1}, 0.1, -1, false, false},
        {4, {2, 3, 4, 5}, {2, 4, 5}, 0, -1, true, true},
        {4, {2, 3, 1, 70}, {2, 1, 70}, 0.3, 1, true, true},
        {3, {3, 4, 1}, {3, 1}, 1, -1, false, true},
        {2, {0, 4}, {0}, 0, -1, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        conformance_case c = {
            .name = "cross_entropy",
            .n_inputs = 3,
            .input = {{.rank = cases[i].rank, .low = -4, .high = 4},
                      {.rank = cases[i].rank - 1, .classes = cases[i].shape[1], .missing = cases[i].missing},
                      {.rank = 1, .shape = {cases[i].shape[1]}, .low = 0.2, .high = 2, .constant = true}},
            .arg = {cases[i].smoothing, cases[i].ignore, cases[i].weighted},
            .apply = apply_cross_entropy,
            .reference = reference_cross_entropy,
            .reduction = 16};
        memcpy(c.input[X].shape, cases[i].shape, sizeof cases[i].shape);
        memcpy(c.input[TARGET].shape, cases[i].target, sizeof cases[i].target);
        CHECK(conformance(&c));
    }
}

static void cross_entropy_agrees_with_pytorch(void)
{
    fixture f;
    MUST(fixture_open(&f, "cross_entropy"));
    for (; fixture_next(&f);) {
        mtl_tensor *x = fixture_tensor(&f, "logits"), *target = fixture_tensor(&f, "target"), *loss = NULL;
        mtl_tensor *weights = fixture_number(&f, "class_weights") != 0 ? fixture_tensor(&f, "class_weights") : NULL;
        MUST(x && target && mtl_tensor_require_grad(x, true) == MTL_OK);
        CHECK(mtl_cross_entropy(x, target, weights, fixture_number(&f, "smoothing"),
                                (int32_t)fixture_number(&f, "ignore_index"), NULL, &loss) == MTL_OK);
        MUST(loss && mtl_backward(f.ctx, 1, &(mtl_root){.value = loss, .scale = 1}, 1) == MTL_OK);
        CHECK(fixture_equals(&f, "loss", loss, 1e-6));
        CHECK(fixture_equals(&f, "dlogits", mtl_tensor_grad(x), 1e-6));
        mtl_tensor_release(loss);
        mtl_tensor_release(x);
        mtl_tensor_release(target);
        mtl_tensor_release(weights);
    }
    fixture_close(&f);
}

static void cross_entropy_at_the_edges(void)
{
    mtl_context *ctx;
    mtl_tensor *loss = NULL;
    double remains = -1;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    mtl_tensor *x = floats(ctx, 2, (int64_t[]){2, 3}, (float[]){1e4f, -1e4f, 0, NAN, 0, 0});
    mtl_tensor *target = ints(ctx, 1, (int64_t[]){2}, (int32_t[]){1, -1});
    MUST(mtl_tensor_require_grad(x, true) == MTL_OK);

    /* a row that is left out leaves no trace, not even its NaN */
    MUST(mtl_cross_entropy(x, target, NULL, 0, -1, &remains, &loss) == MTL_OK);
    CHECK(at(loss)[0] == 2e4f && remains == 1 && mtl_tensor_rank(loss) == 0);
    CHECK(mtl_tensor_fill(target, 0) == MTL_ERR_STATE); /* the gradient needs it */
    CHECK(mtl_backward(ctx, 1, &(mtl_root){.value = loss, .scale = 1}, 1) == MTL_OK);
    const float want[] = {1, -1, 0, 0, 0, 0};
    for (int i = 0; i < 6; i++)
        CHECK(at(mtl_tensor_grad(x))[i] == want[i]);
    mtl_tensor_release(loss);
    mtl_tensor_zero_grad(x);

    /* nothing remains: 0, and no gradient */
    MUST(mtl_cross_entropy(x, target, NULL, 0.1, 1, &remains, &loss) == MTL_OK);
    CHECK(at(loss)[0] == 0 && remains == 0);
    CHECK(mtl_backward(ctx, 1, &(mtl_root){.value = loss, .scale = 1}, 1) == MTL_OK);
    for (int i = 0; i < 6; i++)
        CHECK(at(mtl_tensor_grad(x))[i] == 0);
    mtl_tensor_release(loss);
    loss = NULL;

    MUST(mtl_tensor_write(target, (int32_t[]){0, 3}) == MTL_OK);
    CHECK(mtl_cross_entropy(x, target, NULL, 0, -1, NULL, &loss) == MTL_ERR_ARG && loss == NULL);
    CHECK_CONTAINS(mtl_message(ctx), "target 3 at place 2");
    MUST(mtl_tensor_write(target, (int32_t[]){-2, 0}) == MTL_OK);
    CHECK(mtl_cross_entropy(x, target, NULL, 0, -1, NULL, &loss) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "target -2 at place 1");
    CHECK(mtl_cross_entropy(x, x, NULL, 0, -1, NULL, &loss) == MTL_ERR_DTYPE);
    CHECK(mtl_cross_entropy(x, target, NULL, 1.5, -1, NULL, &loss) == MTL_ERR_ARG);
    mtl_tensor_release(x);
    mtl_tensor_release(target);
    mtl_context_free(ctx);
}

/* The same bits for any number of threads. */
static void threads_change_nothing(void)
{
    enum { B = 500, C = 6, H = 83 };
    float *kept = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        mtl_context *ctx;
        mtl_tensor *x = NULL, *target = NULL, *y = NULL, *loss = NULL;
        int64_t n = B * C * H;
        MUST(mtl_context_new(threads, &ctx) == MTL_OK);
        MUST(mtl_tensor_new(ctx, MTL_F32, 3, (int64_t[]){B, C, H}, &x) == MTL_OK);
        MUST(mtl_tensor_new(ctx, MTL_I32, 2, (int64_t[]){B, H}, &target) == MTL_OK);
        MUST(mtl_random_normal(x, 1, 2, 0, 0, 3) == MTL_OK && mtl_tensor_require_grad(x, true) == MTL_OK);
        for (int64_t i = 0; i < B * H; i++)
            ((int32_t *)mtl_tensor_data(target))[i] = (int32_t)(i % (C + 1)) - 1;
        MUST(mtl_softmax(x, 1, &y) == MTL_OK);
        MUST(mtl_cross_entropy(x, target, NULL, 0.1, -1, NULL, &loss) == MTL_OK);
        mtl_root roots[] = {{y, y, 1, 0}, {loss, NULL, 1, 1}};
        MUST(mtl_backward(ctx, 2, roots, 2) == MTL_OK);
        if (!kept) {
            kept = malloc((size_t)(3 * n + 1) * sizeof *kept);
            memcpy(kept, at(y), (size_t)n * sizeof *kept);
            memcpy(kept + n, at(mtl_tensor_grad(x)), (size_t)(2 * n) * sizeof *kept);
            kept[3 * n] = *at(loss);
        }
        CHECK(memcmp(kept, at(y), (size_t)n * sizeof *kept) == 0);
        CHECK(memcmp(kept + n, at(mtl_tensor_grad(x)), (size_t)(2 * n) * sizeof *kept) == 0);
        CHECK(kept[3 * n] == *at(loss));
        mtl_tensor_release(x);
        mtl_tensor_release(target);
        mtl_tensor_release(y);
        mtl_tensor_release(loss);
        mtl_context_free(ctx);
    }
    free(kept);
}

/* ---- binary cross-entropy ---- */

static mtl_status apply_bce(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return mtl_bce_logits(in[X], in[TARGET], arg[0], out);
}

static void reference_bce(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double x = in[X][i], t = in[TARGET][i];
        out[i] = c->arg[0] * t * log1p(exp(-x)) + (1 - t) * (x + log1p(exp(-x)));
    }
}

static void bce_is_its_definition(void)
{
    for (int i = 0; i < 3; i++) {
        conformance_case c = {.name = "bce_logits",
                              .n_inputs = 2,
                              .input = {{.rank = 2, .shape = {7, 5}, .low = -8, .high = 8},
                                        {.rank = 2, .shape = {7, 5}, .low = 0, .high = 1, .constant = true}},
                              .arg = {(double[]){1, 3.7, 0.2}[i]},
                              .apply = apply_bce,
                              .reference = reference_bce};
        CHECK(conformance(&c));
    }
}

static void bce_at_the_edges(void)
{
    mtl_context *ctx;
    mtl_tensor *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    mtl_tensor *x = floats(ctx, 1, (int64_t[]){5}, (float[]){1e4f, 1e4f, -1e4f, -1e4f, NAN});
    mtl_tensor *t = floats(ctx, 1, (int64_t[]){5}, (float[]){0, 1, 0, 1, 1});
    MUST(mtl_tensor_require_grad(x, true) == MTL_OK && mtl_bce_logits(x, t, 2, &y) == MTL_OK);
    const float value[] = {1e4f, 0, 0, 2e4f}, slope[] = {1, 0, 0, -2};
    mtl_tensor *ones = floats(ctx, 1, (int64_t[]){5}, (float[]){1, 1, 1, 1, 1});
    CHECK(mtl_backward(ctx, 1, &(mtl_root){.value = y, .seed = ones, .scale = 1}, 1) == MTL_OK);
    for (int i = 0; i < 4; i++)
        CHECK(at(y)[i] == value[i] && at(mtl_tensor_grad(x))[i] == slope[i]);
    CHECK(isnan(at(y)[4]) && isnan(at(mtl_tensor_grad(x))[4]));
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    mtl_tensor_release(t);
    mtl_tensor_release(ones);
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(softmax_is_its_definition);
    RUN(softmax_at_the_edges);
    RUN(cross_entropy_is_its_definition);
    RUN(cross_entropy_agrees_with_pytorch);
    RUN(cross_entropy_at_the_edges);
    RUN(threads_change_nothing);
    RUN(bce_is_its_definition);
    RUN(bce_at_the_edges);
    return TEST_RESULT;
}

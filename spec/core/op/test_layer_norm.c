/* Layer norm and group norm: against their definition, against PyTorch, at the edges, the same bits from any number of
   threads. */
#include "conformance.h"
#include "fixture.h"
#include "make.h"
#include "same_bits.h"

enum { X, WEIGHT, BIAS };
enum { AFFINE, GROUPS, DIMS, EPS }; /* of arg; GROUPS 0: layer norm of the last DIMS dimensions */

static mtl_status apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    mtl_tensor *weight = (int)arg[AFFINE] & 1 ? in[WEIGHT] : NULL, *bias = (int)arg[AFFINE] & 2 ? in[BIAS] : NULL;
    (void)ctx;
    if (arg[GROUPS] > 0)
        return mtl_group_norm(in[X], (int64_t)arg[GROUPS], weight, bias, arg[EPS], out);
    return mtl_layer_norm(in[X], weight, bias, (int)arg[DIMS], arg[EPS], out);
}

/* Line by line; element i of line l has weight (l mod groups) * each + i / inner. */
static void reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const case_input *x = &c->input[X];
    int64_t groups = c->arg[GROUPS] > 0 ? (int64_t)c->arg[GROUPS] : 1, inner = 1, each = case_count(&c->input[WEIGHT]);
    each /= groups;
    for (int i = 2; i < x->rank && c->arg[GROUPS] > 0; i++)
        inner *= x->shape[i];
    int64_t n = each * inner;
    for (int64_t line = 0; line < (n ? count / n : 0); line++) {
        const double *own = in[X] + line * n;
        double mean = 0, var = 0;
        for (int64_t i = 0; i < n; i++)
            mean += own[i] / (double)n;
        for (int64_t i = 0; i < n; i++)
            var += (own[i] - mean) * (own[i] - mean) / (double)n;
        for (int64_t i = 0; i < n; i++) {
            int64_t k = line % groups * each + i / inner;
            double y = (own[i] - mean) / sqrt(var + c->arg[EPS]);
            y *= (int)c->arg[AFFINE] & 1 ? in[WEIGHT][k] : 1;
            out[line * n + i] = y + ((int)c->arg[AFFINE] & 2 ? in[BIAS][k] : 0);
        }
    }
}

static void check(const case_input *x, int groups, int dims)
{
    for (int affine = 0; affine < 4; affine++) {
        conformance_case c = {.name = groups ? "group_norm" : "layer_norm", .n_inputs = 3, .input = {*x}};
        c.apply = apply;
        c.reference = reference;
        c.reduction = 64;
        c.tolerance = 3e-4;
        c.arg[AFFINE] = affine;
        c.arg[GROUPS] = groups;
        c.arg[DIMS] = dims;
        c.arg[EPS] = 1e-3;
        for (int i = WEIGHT; i <= BIAS; i++) {
            c.input[i] = (case_input){.rank = groups ? 1 : dims, .low = -2, .high = 2};
            for (int k = 0; k < c.input[i].rank; k++)
                c.input[i].shape[k] = groups ? x->shape[1] : x->shape[x->rank - dims + k];
            c.input[i].constant = !(affine & i);
        }
        CHECK(conformance(&c));
    }
}

static void layer_norm_is_its_definition(void)
{
    static const struct {
        case_input x;
        int dims;
    } cases[] = {{{.rank = 2, .shape = {5, 7}, .low = -2, .high = 4}, 1},
                 {{.rank = 1, .shape = {9}, .low = -2, .high = 4}, 1},
                 {{.rank = 3, .shape = {2, 3, 37}, .low = 5, .high = 7}, 1},
                 {{.rank = 3, .shape = {2, 3, 4}, .low = -2, .high = 4}, 2},
                 {{.rank = 4, .shape = {1, 2, 3, 5}, .low = -2, .high = 4}, 4},
                 {{.rank = 3, .shape = {3, 1, 4}, .low = -2, .high = 4}, 2},
                 {{.rank = 2, .shape = {0, 4}, .low = -2, .high = 4}, 1},
                 {{.rank = 8, .shape = {1, 2, 1, 2, 1, 1, 3, 2}, .low = -2, .high = 4}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i].x, 0, cases[i].dims);
}

static void group_norm_is_its_definition(void)
{
    static const struct {
        case_input x;
        int groups;
    } cases[] = {{{.rank = 2, .shape = {3, 6}, .low = -2, .high = 4}, 2},
                 {{.rank = 4, .shape = {2, 4, 3, 5}, .low = 5, .high = 7}, 2},
                 {{.rank = 4, .shape = {2, 4, 2, 3}, .low = -2, .high = 4}, 4},
                 {{.rank = 3, .shape = {1, 3, 17}, .low = -2, .high = 4}, 1},
                 {{.rank = 2, .shape = {2, 70}, .low = -2, .high = 4}, 2},
                 {{.rank = 5, .shape = {2, 2, 1, 3, 2}, .low = -2, .high = 4}, 1},
                 {{.rank = 3, .shape = {0, 4, 2}, .low = -2, .high = 4}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i].x, cases[i].groups, 0);
}

static void both_agree_with_pytorch(void)
{
    fixture f;
    MUST(fixture_open(&f, "norm"));
    while (fixture_next(&f)) {
        mtl_tensor *x = fixture_tensor(&f, "x"), *weight = NULL, *bias = NULL, *y = NULL,
                   *dy = fixture_tensor(&f, "dy");
        double eps = fixture_number(&f, "eps");
        MUST(x && dy);
        mtl_tensor_require_grad(x, true);
        if (fixture_number(&f, "affine") != 0) {
            MUST((weight = fixture_tensor(&f, "weight")) && (bias = fixture_tensor(&f, "bias")));
            mtl_tensor_require_grad(weight, true);
            mtl_tensor_require_grad(bias, true);
        }
        if (strcmp(fixture_text(&f, "op"), "layer_norm") == 0)
            MUST(mtl_layer_norm(x, weight, bias, (int)fixture_number(&f, "dims"), eps, &y) == MTL_OK);
        else
            MUST(mtl_group_norm(x, (int64_t)fixture_number(&f, "groups"), weight, bias, eps, &y) == MTL_OK);
        MUST(mtl_backward(f.ctx, 1, &(mtl_root){.value = y, .seed = dy, .scale = 1}, 1) == MTL_OK);
        CHECK(fixture_equals(&f, "y", y, 1e-5));
        CHECK(fixture_equals(&f, "dx", mtl_tensor_grad(x), 1e-5));
        if (weight)
            CHECK(fixture_equals(&f, "dweight", mtl_tensor_grad(weight), 1e-5) &&
                  fixture_equals(&f, "dbias", mtl_tensor_grad(bias), 1e-5));
        mtl_tensor *all[] = {x, weight, bias, y, dy};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            mtl_tensor_release(all[i]);
    }
    fixture_close(&f);
}

static void at_the_edges(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(2, 4), (float[]){7, 7, 7, 7, 10000, 10001, 10002, 10003});
    mtl_tensor *two = FLOATS(ctx, 1, 2), *whole = INTS(ctx, 1, 2);

    /* a constant line becomes 0; a large mean costs no precision of the variance */
    MUST(mtl_layer_norm(x, NULL, NULL, 1, 1e-5, &y) == MTL_OK);
    CHECK(at(y, 0) == 0 && at(y, 3) == 0);
    CHECK_NEAR(at(y, 4), -1.5 / sqrt(1.25 + 1e-5), 1e-6);
    mtl_tensor_release(y);
    y = NULL;

    CHECK(mtl_layer_norm(x, NULL, NULL, 3, 1e-5, &y) == MTL_ERR_ARG && !y);
    CHECK_CONTAINS(mtl_message(ctx), "the last 3 dimensions of x, whose shape is [2, 4]");
    CHECK(mtl_layer_norm(x, NULL, NULL, 0, 1e-5, &y) == MTL_ERR_ARG);
    CHECK(mtl_layer_norm(x, two, NULL, 1, 1e-5, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "layer_norm: weight has shape [2], which should be [4]");
    CHECK(mtl_layer_norm(x, NULL, two, 1, 1e-5, &y) == MTL_ERR_SHAPE);
    CHECK(mtl_layer_norm(whole, NULL, NULL, 1, 1e-5, &y) == MTL_ERR_DTYPE);
    CHECK(mtl_layer_norm(x, NULL, NULL, 1, -1, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "eps is -1, which should be 0 or more");
    CHECK(mtl_group_norm(x, 3, NULL, NULL, 1e-5, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "group_norm: 3 groups, which should divide the channels of x, 4");
    CHECK(mtl_group_norm(x, 0, NULL, NULL, 1e-5, &y) == MTL_ERR_ARG);
    mtl_tensor *none = make(ctx, MTL_F32, SHAPE(3000, 0), NULL);
    CHECK(mtl_group_norm(none, INT64_MAX, NULL, NULL, 1e-5, &y) == MTL_ERR_ARG);
    mtl_tensor_release(none);
    CHECK(mtl_group_norm(x, 2, two, NULL, 1e-5, &y) == MTL_ERR_SHAPE);
    CHECK(mtl_group_norm(two, 1, NULL, NULL, 1e-5, &y) == MTL_ERR_SHAPE && !y);
    mtl_tensor_release(x);
    mtl_tensor_release(two);
    mtl_tensor_release(whole);
    finish(ctx);
}

static mtl_status layer_bits(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_layer_norm(in[0], in[1], in[2], 1, 1e-5, out);
}

static mtl_status group_bits(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_group_norm(in[0], 4, in[1], in[2], 1e-5, out);
}

static void threads_change_nothing(void)
{
    static const bits_case cases[] = {
        {"layer_norm", 3, {3, 1, 1}, {{40, 50, 70}, {70}, {70}}, 3, layer_bits},
        {"group_norm", 3, {4, 1, 1}, {{20, 16, 19, 17}, {16}, {16}}, 3, group_bits},
        {"group_norm of features", 3, {2, 1, 1}, {{400, 300}, {300}, {300}}, 1, group_bits},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(same_bits(&cases[i]));
}

int main(void)
{
    RUN(layer_norm_is_its_definition);
    RUN(group_norm_is_its_definition);
    RUN(both_agree_with_pytorch);
    RUN(at_the_edges);
    RUN(threads_change_nothing);
    return TEST_RESULT;
}

/* Reductions and sorting against plain doubles: every dimension, all of them, ties, NaN, nothing to reduce, long sums,
   the same bits from any number of threads. */
#include <stdlib.h>

#include "conformance.h"
#include "make.h"

enum { DIM, KEEP, WHICH };

typedef mtl_status reduction(mtl_tensor *, int, bool, mtl_tensor **);
static const struct {
    const char *name;
    reduction *apply;
    bool no_gradient;
} reductions[] = {{"sum", mtl_sum, false},   {"mean", mtl_mean, false},    {"amax", mtl_amax, false},
                  {"amin", mtl_amin, false}, {"argmax", mtl_argmax, true}, {"argmin", mtl_argmin, true}};
enum { SUM, MEAN, AMAX, AMIN, ARGMAX, ARGMIN, REDUCTIONS };

static void fold(const case_input *x, int dim, int64_t *outer, int64_t *n, int64_t *inner)
{
    *outer = *n = *inner = 1;
    dim = dim == MTL_ALL || dim >= 0 ? dim : dim + x->rank;
    for (int k = 0; k < x->rank; k++)
        *(dim == MTL_ALL || k == dim ? n : k < dim ? outer : inner) *= x->shape[k];
}

static mtl_status reduce_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return reductions[(int)arg[WHICH]].apply(in[0], (int)arg[DIM], arg[KEEP] != 0, out);
}

static void reduce_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t outer, n, inner;
    int which = (int)c->arg[WHICH];
    fold(&c->input[0], (int)c->arg[DIM], &outer, &n, &inner);
    for (int64_t i = 0; i < count; i++) {
        const double *x = in[0] + i / inner * n * inner + i % inner;
        double sum = 0;
        int64_t high = 0, low = 0;
        for (int64_t j = 0; j < n; j++) {
            sum += x[j * inner];
            high = x[j * inner] > x[high * inner] ? j : high;
            low = x[j * inner] < x[low * inner] ? j : low;
        }
        out[i] = which == SUM      ? sum
                 : which == MEAN   ? sum / (double)n
                 : which == AMAX   ? x[high * inner]
                 : which == AMIN   ? x[low * inner]
                 : which == ARGMAX ? (double)high
                                   : (double)low;
    }
}

static void every_dimension(void)
{
    static const struct {
        int rank;
        int64_t shape[MTL_MAX_RANK];
    } shapes[] = {{0, {0}}, {1, {50}}, {2, {7, 1}}, {3, {3, 4, 5}}, {8, {2, 1, 2, 1, 2, 1, 3, 2}}, {3, {0, 3, 2}}};
    for (int which = 0; which < REDUCTIONS; which++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            int rank = shapes[s].rank;
            for (int dim = -rank - 1; dim < rank; dim++) {
                for (int keep = 0; keep < 2; keep++) {
                    conformance_case c = {.name = reductions[which].name, .n_inputs = 1, .apply = reduce_apply};
                    int64_t outer, n, inner;
                    c.reference = reduce_reference;
                    c.no_gradient = reductions[which].no_gradient;
                    c.arg[DIM] = dim < -rank ? MTL_ALL : dim;
                    c.arg[KEEP] = keep;
                    c.arg[WHICH] = which;
                    c.input[0] = (case_input){.rank = rank, .low = -1, .high = 2};
                    if (which > MEAN)
                        c.input[0].gap = 0.1;
                    memcpy(c.input[0].shape, shapes[s].shape, sizeof shapes[s].shape);
                    fold(&c.input[0], (int)c.arg[DIM], &outer, &n, &inner);
                    c.reduction = n;
                    if (n > 0 || which == SUM)
                        CHECK(conformance(&c));
                }
            }
        }
    }
}

static mtl_status sum_to_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    int64_t shape[MTL_MAX_RANK];
    (void)ctx;
    for (int i = 0; i < (int)arg[0]; i++)
        shape[i] = (int64_t)arg[1 + i];
    return mtl_sum_to(in[0], (int)arg[0], shape, out);
}

static void sum_to_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const case_input *x = &c->input[0];
    for (int64_t i = 0; i < count; i++)
        out[i] = 0;
    for (int64_t i = 0; i < case_count(x); i++) {
        int64_t rest = i, place = 0, step = 1;
        for (int k = x->rank - 1, own = (int)c->arg[0] - 1; k >= 0; k--, own--) {
            if (own >= 0) {
                place += c->arg[1 + own] == 1 ? 0 : rest % x->shape[k] * step;
                step *= (int64_t)c->arg[1 + own];
            }
            rest /= x->shape[k];
        }
        out[place] += in[0][i];
    }
}

static void sums_to_shapes(void)
{
    static const double targets[][8] = {{0},    {4, 2, 3, 2, 4}, {4, 1, 3, 1, 4}, {4, 2, 1, 2, 1}, {3, 3, 1, 1},
                                        {1, 4}, {1, 1},          {2, 1, 4},       {4, 1, 1, 1, 1}};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        conformance_case c = {.name = "sum_to", .n_inputs = 1, .apply = sum_to_apply, .reference = sum_to_reference};
        memcpy(c.arg, targets[i], sizeof c.arg);
        c.input[0] = (case_input){.rank = 4, .shape = {2, 3, 2, 4}, .low = -1, .high = 1};
        c.reduction = 48;
        CHECK(conformance(&c));
    }
}

/* ---- sorting ---- */

static mtl_status sort_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return mtl_sort(in[0], (int)arg[0], arg[1] != 0, arg[2] != 0 ? NULL : out, arg[2] != 0 ? out : NULL);
}

static void sort_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t outer, n, inner;
    double sign = c->arg[1] != 0 ? -1 : 1;
    fold(&c->input[0], (int)c->arg[0], &outer, &n, &inner);
    for (int64_t i = 0; i < count; i++) { /* element i goes to its rank */
        int64_t first = i / (n * inner) * n * inner + i % inner, own = i / inner % n, rank = 0;
        const double *x = in[0] + first;
        for (int64_t j = 0; j < n; j++) {
            double other = sign * x[j * inner], mine = sign * x[own * inner];
            rank += other < mine || (other == mine && j < own);
        }
        out[first + rank * inner] = c->arg[2] != 0 ? (double)own : x[own * inner];
    }
}

static void sorts(void)
{
    static const struct {
        int rank, dim;
        int64_t shape[3];
    } shapes[] = {{0, 0, {0}}, {1, 0, {40}}, {1, -1, {0}}, {3, 1, {2, 9, 3}}, {2, 0, {90, 2}}, {2, 1, {1, 130}}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (int way = 0; way < 4; way++) {
            conformance_case c = {.name = "sort", .n_inputs = 1, .apply = sort_apply, .reference = sort_reference};
            c.arg[0] = shapes[s].dim;
            c.arg[1] = way & 1;
            c.arg[2] = way >> 1;
            c.no_gradient = way >> 1;
            c.input[0] = (case_input){.rank = shapes[s].rank, .gap = 0.1};
            memcpy(c.input[0].shape, shapes[s].shape, sizeof shapes[s].shape);
            CHECK(conformance(&c));
        }
    }
}

/* Equal numbers keep their order either way; 0 and -0 are equal; NaN is the largest. */
static void order_of_equals(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *v = NULL, *order = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, 2, NAN, 0, -0.0f, 2, -INFINITY, NAN, 0, INFINITY);
    static const int up[] = {5, 2, 3, 7, 0, 4, 8, 1, 6}, down[] = {1, 6, 8, 0, 4, 2, 3, 7, 5};
    for (int descending = 0; descending < 2; descending++) {
        MUST(mtl_sort(x, 0, descending, &v, &order) == MTL_OK);
        for (int i = 0; i < 9; i++)
            CHECK(at(order, i) == (float)(descending ? down : up)[i]);
        CHECK(isnan(at(v, descending ? 0 : 8)) && at(v, descending ? 8 : 0) == -INFINITY);
        mtl_tensor_release(v);
        mtl_tensor_release(order);
    }
    mtl_tensor_release(x);
    static float many[5000]; /* long lines take another way */
    for (int i = 0; i < 5000; i++)
        many[i] = (float)(i * 7919 % 13) - 6;
    x = make(ctx, MTL_F32, SHAPE(5000), many);
    for (int descending = 0; descending < 2; descending++) {
        int wrong = 0;
        MUST(mtl_sort(x, 0, descending, &v, &order) == MTL_OK);
        for (int i = 1; i < 5000; i++) {
            wrong += at(v, i) != many[(int)at(order, i)];
            wrong += descending ? at(v, i - 1) < at(v, i) : at(v, i - 1) > at(v, i);
            wrong += at(v, i - 1) == at(v, i) && at(order, i - 1) >= at(order, i);
        }
        CHECK(wrong == 0);
        mtl_tensor_release(v);
        mtl_tensor_release(order);
    }
    mtl_tensor_release(x);
    finish(ctx);
}

/* ---- corners ---- */

static void ties_and_nan(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(3, 4), (float[]){1, 3, 3, 0, -1, NAN, 5, NAN, 2, 2, 2, 2});
    mtl_tensor_require_grad(x, true);
    MUST(mtl_argmax(x, 1, false, &y) == MTL_OK);
    CHECK(!mtl_tensor_requires_grad(y) && at(y, 0) == 1 && at(y, 1) == 1 && at(y, 2) == 0);
    mtl_tensor_release(y);
    MUST(mtl_argmin(x, 0, true, &y) == MTL_OK);
    CHECK(is(y, SHAPE(1, 4)) && at(y, 0) == 1 && at(y, 1) == 1 && at(y, 2) == 2 && at(y, 3) == 1);
    mtl_tensor_release(y);
    MUST(mtl_amin(x, 1, false, &y) == MTL_OK);
    CHECK(at(y, 0) == 0 && isnan(at(y, 1)) && at(y, 2) == 2);
    mtl_tensor_release(y);
    MUST(mtl_amax(x, 1, false, &y) == MTL_OK);
    CHECK(at(y, 0) == 3 && isnan(at(y, 1)) && at(y, 2) == 2);
    MUST(backward_sum(ctx, y) == MTL_OK);
    const mtl_tensor *g = mtl_tensor_grad(x);
    CHECK(at(g, 0) == 0 && at(g, 1) == 0.5f && at(g, 2) == 0.5f && at(g, 8) == 0.25f && at(g, 11) == 0.25f);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    finish(ctx);
}

static void nothing_to_reduce(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(2, 0), NULL);
    MUST(mtl_sum(x, 1, false, &y) == MTL_OK);
    CHECK(is(y, SHAPE(2)) && at(y, 0) == 0 && at(y, 1) == 0);
    mtl_tensor_release(y);
    MUST(mtl_mean(x, MTL_ALL, false, &y) == MTL_OK);
    CHECK(isnan(at(y, 0)));
    mtl_tensor_release(y);
    MUST(mtl_amax(x, 0, false, &y) == MTL_OK);
    CHECK(is(y, SHAPE(0)));
    mtl_tensor_release(y);
    CHECK(mtl_amax(x, 1, false, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "amax: a tensor of shape [2, 0] has nothing to choose from");
    CHECK(mtl_sum(x, 2, false, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "sum: dimension 3 of a tensor of shape [2, 0], which has 2");
    CHECK(mtl_sum_to(x, SHAPE(3), &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "sum_to: shape [3] does not broadcast to [2, 0]");
    mtl_tensor_release(x);
    finish(ctx);
}

static void long_sums(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(2, &ctx);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(1 << 22), NULL);
    mtl_tensor_fill(x, 0.1);
    MUST(mtl_sum(x, 0, false, &y) == MTL_OK);
    CHECK_NEAR(at(y, 0) / ((1 << 22) * (double)0.1f), 1, 3e-7);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    finish(ctx);
}

static void threads(void)
{
    static const struct {
        int64_t shape[3];
    } shapes[] = {{{1, 300001, 1}}, {{3, 100003, 1}}, {{1, 5000, 30}}, {{2, 3000, 300}}, {{4000, 37, 2}}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (int which = 0; which < REDUCTIONS + 1; which++) {
            mtl_tensor *y[2] = {NULL, NULL};
            mtl_context *ctx[2];
            for (int k = 0; k < 2; k++) {
                mtl_context_new(k ? 4 : 1, &ctx[k]);
                mtl_tensor *x = make(ctx[k], MTL_F32, 3, shapes[s].shape, NULL);
                mtl_random_normal(x, 1, 2, 0, 0, 1);
                if (which < REDUCTIONS)
                    CHECK(reductions[which].apply(x, 1, false, &y[k]) == MTL_OK);
                else
                    CHECK(mtl_sort(x, 1, false, &y[k], NULL) == MTL_OK);
                mtl_tensor_release(x);
            }
            CHECK(memcmp(mtl_tensor_data(y[0]), mtl_tensor_data(y[1]), mtl_tensor_bytes(y[0])) == 0);
            for (int k = 0; k < 2; k++) {
                mtl_tensor_release(y[k]);
                finish(ctx[k]);
            }
        }
    }
}

int main(void)
{
    RUN(every_dimension);
    RUN(sums_to_shapes);
    RUN(sorts);
    RUN(order_of_equals);
    RUN(ties_and_nan);
    RUN(nothing_to_reduce);
    RUN(long_sums);
    RUN(threads);
    return TEST_RESULT;
}

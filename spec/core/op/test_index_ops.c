/* Operators by integer indices and along a line: embedding, scatter_add, bincount, topk, cumsum, var, std, prelu:
   against plain doubles, what does not fit, the same bits from any number of threads. */
#include "conformance.h"
#include "make.h"
#include "same_bits.h"

typedef mtl_status apply_function(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out);
typedef void reference_function(const conformance_case *c, double *const *in, double *out, int64_t count);

static void fold(const case_input *x, int dim, int64_t *outer, int64_t *n, int64_t *inner)
{
    *outer = *n = *inner = 1;
    dim = dim == MTL_ALL || dim >= 0 ? dim : dim + x->rank;
    for (int k = 0; k < x->rank; k++)
        *(dim == MTL_ALL || k == dim ? n : k < dim ? outer : inner) *= x->shape[k];
}

static case_input floats(int rank, const int64_t *shape)
{
    case_input x = {.rank = rank, .low = -2, .high = 3};
    for (int i = 0; i < rank; i++)
        x.shape[i] = shape[i];
    return x;
}

static case_input whole(int64_t classes, int rank, const int64_t *shape)
{
    case_input x = floats(rank, shape);
    x.classes = classes;
    return x;
}

static conformance_case case_of(const char *name, apply_function *apply, reference_function *reference)
{
    return (conformance_case){.name = name, .apply = apply, .reference = reference, .n_inputs = 1};
}

/* ---- embedding ---- */

static mtl_status embedding_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return mtl_embedding(in[0], in[1], (int64_t)arg[0], out);
}

static void embedding_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t width = c->input[0].shape[1];
    for (int64_t i = 0; i < count; i++)
        out[i] = in[0][(int64_t)in[1][i / width] * width + i % width];
}

static void embeddings(void)
{
    const case_input indices[] = {whole(6, SHAPE(5)), whole(6, 0, NULL), whole(6, SHAPE(2, 3, 4)),
                                  whole(6, SHAPE(2, 0)), whole(1, SHAPE(40))};
    for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
        for (int64_t width = 1; width < 4; width += 2) {
            conformance_case c = case_of("embedding", embedding_apply, embedding_reference);
            c.n_inputs = 2;
            c.input[0] = floats(SHAPE(6, width));
            c.input[1] = indices[i];
            c.arg[0] = -1;
            CHECK(conformance(&c));
        }
    }
}

static void embedding_at_the_edges(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *w = make(ctx, MTL_F32, SHAPE(3, 2), (float[]){1, 2, 3, 4, 5, 6}), *index = FLOATS(ctx, 2, 0, 2, 1);
    mtl_tensor_require_grad(w, true);
    MUST(mtl_embedding(w, index, 2, &y) == MTL_OK); /* whole floats; row 2 is looked up, and learns nothing */
    CHECK(is(y, SHAPE(4, 2)) && at(y, 0) == 5 && at(y, 3) == 2 && at(y, 7) == 4);
    mtl_tensor *dy = make(ctx, MTL_F32, SHAPE(4, 2), NULL);
    mtl_tensor_fill(dy, 1);
    mtl_root roots[] = {{.value = y, .seed = dy, .scale = 1, .row = 0}, {.value = y, .seed = dy, .scale = 2, .row = 1}};
    MUST(mtl_backward(ctx, 2, roots, 2) == MTL_OK);
    for (int i = 0; i < 12; i++) /* [2, 3, 2] */
        CHECK(at(mtl_tensor_grad(w), i) == (i % 6 < 4 ? 1 + i / 6 : 0));
    mtl_tensor_release(y);
    mtl_tensor_release(dy);
    mtl_tensor_zero_grad(w);
    y = NULL;
    mtl_tensor *bytes = make(ctx, MTL_U8, SHAPE(2), (uint8_t[]){1, 1});
    MUST(mtl_embedding(w, bytes, -1, &y) == MTL_OK);
    CHECK(at(y, 2) == 3);
    mtl_tensor_release(y);
    y = NULL;

    mtl_tensor *large = INTS(ctx, 0, 3), *negative = INTS(ctx, -1), *half = FLOATS(ctx, 1, 0.5f),
               *nan = FLOATS(ctx, NAN);
    CHECK(mtl_embedding(w, large, -1, &y) == MTL_ERR_ARG && !y);
    CHECK_CONTAINS(mtl_message(ctx), "embedding: index 3 (element 1 of the indices), which should be 0 to 2");
    CHECK(mtl_embedding(w, negative, -1, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "index -1 (element 0 of the indices), which should be 0 to 2");
    CHECK(mtl_embedding(w, half, -1, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "index 0.5 (element 1 of the indices), which should be a whole number");
    CHECK(mtl_embedding(w, nan, -1, &y) == MTL_ERR_ARG);
    CHECK(mtl_embedding(w, large, 3, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "the padding index is 3, which should be 0 to 2");
    CHECK(mtl_embedding(index, large, -1, &y) == MTL_ERR_SHAPE && mtl_embedding(large, large, -1, &y) == MTL_ERR_DTYPE);
    mtl_tensor *all[] = {w, index, bytes, large, negative, half, nan};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mtl_tensor_release(all[i]);
    finish(ctx);
}

/* ---- scatter_add, bincount ---- */

static mtl_status scatter_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return mtl_scatter_add(in[0], (int)arg[0], in[1], in[2], out);
}

static void scatter_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t outer, n, inner, m;
    fold(&c->input[1], (int)c->arg[0], &outer, &m, &inner);
    fold(&c->input[0], (int)c->arg[0], &outer, &n, &inner);
    memcpy(out, in[0], (size_t)count * sizeof *out);
    for (int64_t i = 0; i < outer * m * inner; i++)
        out[(i / (m * inner) * n + (int64_t)in[1][i]) * inner + i % inner] += in[2][i];
}

static void scatters(void)
{
    static const struct {
        int rank, dim;
        int64_t x[3], index[3];
    } shapes[] = {{1, 0, {4}, {9}},
                  {2, 0, {3, 4}, {5, 4}},
                  {2, -1, {3, 4}, {3, 2}},
                  {3, 1, {2, 5, 3}, {2, 7, 3}},
                  {3, 2, {1, 2, 1}, {1, 2, 6}},
                  {2, 1, {2, 3}, {2, 0}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        conformance_case c = case_of("scatter_add", scatter_apply, scatter_reference);
        c.n_inputs = 3;
        c.arg[0] = shapes[i].dim;
        int dim = shapes[i].dim < 0 ? shapes[i].dim + shapes[i].rank : shapes[i].dim;
        c.input[0] = floats(shapes[i].rank, shapes[i].x);
        c.input[1] = whole(shapes[i].x[dim], shapes[i].rank, shapes[i].index);
        c.input[2] = floats(shapes[i].rank, shapes[i].index);
        c.reduction = 9;
        CHECK(conformance(&c));
    }
}

static void counts(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = INTS(ctx, 1, 3, 1, 0), *none = make(ctx, MTL_I32, SHAPE(0), NULL), *bad = INTS(ctx, 1, -1);
    mtl_tensor *f = FLOATS(ctx, 1, 2);
    MUST(mtl_bincount(x, 0, &y) == MTL_OK);
    CHECK(is(y, SHAPE(4)) && mtl_tensor_dtype(y) == MTL_I32 && at(y, 0) == 1 && at(y, 1) == 2 && at(y, 2) == 0);
    mtl_tensor_release(y);
    MUST(mtl_bincount(x, 6, &y) == MTL_OK);
    CHECK(is(y, SHAPE(6)) && at(y, 3) == 1 && at(y, 5) == 0);
    mtl_tensor_release(y);
    MUST(mtl_bincount(none, 2, &y) == MTL_OK);
    CHECK(is(y, SHAPE(2)) && at(y, 1) == 0);
    mtl_tensor_release(y);
    y = NULL;
    CHECK(mtl_bincount(bad, 0, &y) == MTL_ERR_ARG && !y);
    CHECK_CONTAINS(mtl_message(ctx), "bincount: index -1 (element 1 of the indices), which should be 0 to 2147483647");
    CHECK(mtl_bincount(x, -1, &y) == MTL_ERR_ARG && mtl_bincount(f, 0, &y) == MTL_ERR_DTYPE);

    CHECK(mtl_scatter_add(f, 0, x, f, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "what is added has shape [2], which should be [4], that of the indices");
    mtl_tensor *four = FLOATS(ctx, 1, 2, 3, 4);
    CHECK(mtl_scatter_add(f, 0, x, four, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "scatter_add: index 3 (element 1 of the indices), which should be 0 to 1");
    CHECK(mtl_scatter_add(f, 1, x, four, &y) == MTL_ERR_ARG && mtl_scatter_add(f, 0, four, four, &y) == MTL_ERR_DTYPE);
    mtl_tensor *all[] = {x, none, bad, f, four};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mtl_tensor_release(all[i]);
    finish(ctx);
}

/* ---- topk ---- */

static mtl_status topk_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    bool order = arg[3] != 0;
    return mtl_topk(in[0], (int)arg[0], (int64_t)arg[1], arg[2] != 0, order ? NULL : out, order ? out : NULL);
}

static void topk_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t outer, n, inner, k = (int64_t)c->arg[1];
    double sign = c->arg[2] != 0 ? -1 : 1;
    (void)count;
    fold(&c->input[0], (int)c->arg[0], &outer, &n, &inner);
    for (int64_t i = 0; i < outer * n * inner; i++) { /* element i goes to its rank */
        int64_t first = i / (n * inner) * n * inner + i % inner, own = i / inner % n, rank = 0;
        for (int64_t j = 0; j < n; j++)
            rank += sign * in[0][first + j * inner] < sign * in[0][i];
        if (rank < k)
            out[(i / (n * inner) * k + rank) * inner + i % inner] = c->arg[3] != 0 ? (double)own : in[0][i];
    }
}

static void greatest_and_least(void)
{
    static const struct {
        int rank, dim, k;
        int64_t shape[3];
    } shapes[] = {{1, 0, 3, {40}}, {3, 1, 2, {2, 9, 3}}, {2, -1, 1, {3, 90}}, {2, 0, 0, {4, 2}}, {2, 0, 5, {5, 2}}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (int way = 0; way < 4; way++) {
            conformance_case c = case_of("topk", topk_apply, topk_reference);
            c.arg[0] = shapes[s].dim;
            c.arg[1] = shapes[s].k;
            c.arg[2] = way & 1;
            c.arg[3] = way >> 1;
            c.no_gradient = way >> 1;
            c.input[0] = floats(shapes[s].rank, shapes[s].shape);
            c.input[0].gap = 0.1;
            CHECK(conformance(&c));
        }
    }
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, 1, 2);
    CHECK(mtl_topk(x, 0, 3, true, &y, NULL) == MTL_ERR_ARG && !y);
    CHECK_CONTAINS(mtl_message(ctx), "topk: k is 3, which should be 0 to 2, the size of dimension 1 of [2]");
    CHECK(mtl_topk(x, 0, -1, true, &y, NULL) == MTL_ERR_ARG && mtl_topk(x, 1, 1, true, &y, NULL) == MTL_ERR_ARG);
    mtl_tensor_release(x);
    finish(ctx);
}

/* ---- cumsum, var, std ---- */

enum { DIM, KEEP, CORRECTION, ROOT };

static mtl_status cumsum_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return mtl_cumsum(in[0], (int)arg[DIM], out);
}

static void cumsum_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t outer, n, inner;
    fold(&c->input[0], (int)c->arg[DIM], &outer, &n, &inner);
    for (int64_t i = 0; i < count; i++)
        out[i] = in[0][i] + (i / inner % n ? out[i - inner] : 0);
}

static mtl_status var_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return (arg[ROOT] != 0 ? mtl_std : mtl_var)(in[0], (int)arg[DIM], arg[KEEP] != 0, (int)arg[CORRECTION], out);
}

static void var_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t outer, n, inner;
    fold(&c->input[0], (int)c->arg[DIM], &outer, &n, &inner);
    for (int64_t i = 0; i < count; i++) {
        const double *x = in[0] + i / inner * n * inner + i % inner;
        double mean = 0, sum = 0;
        for (int64_t j = 0; j < n; j++)
            mean += x[j * inner] / (double)n;
        for (int64_t j = 0; j < n; j++)
            sum += (x[j * inner] - mean) * (x[j * inner] - mean);
        sum /= (double)n - c->arg[CORRECTION];
        out[i] = c->arg[ROOT] != 0 ? sqrt(sum) : sum;
    }
}

static void along_a_dimension(void)
{
    const case_input inputs[] = {floats(SHAPE(50)), floats(SHAPE(7, 3)), floats(SHAPE(3, 4, 5)), floats(SHAPE(2, 300)),
                                 floats(SHAPE(0, 3))};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        for (int dim = -1; dim < inputs[i].rank; dim++) {
            conformance_case c = case_of("cumsum", cumsum_apply, cumsum_reference);
            int64_t outer, n, inner;
            c.input[0] = inputs[i];
            c.arg[DIM] = dim;
            fold(&c.input[0], dim, &outer, &n, &inner);
            c.reduction = n;
            CHECK(conformance(&c));
            for (int way = 0; way < 8 && n > 1; way++) {
                conformance_case v = case_of(way >> 2 ? "std" : "var", var_apply, var_reference);
                v.input[0] = inputs[i];
                v.arg[DIM] = dim < 0 && way & 1 ? MTL_ALL : dim;
                v.arg[KEEP] = way & 1;
                v.arg[CORRECTION] = way >> 1 & 1;
                v.arg[ROOT] = way >> 2;
                v.reduction = 60;
                if (case_count(&inputs[i]) > 0)
                    CHECK(conformance(&v));
            }
        }
    }
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *one = FLOATS(ctx, 3), *x = FLOATS(ctx, 10000, 10001, 10002, 10003), *ints = INTS(ctx, 1);
    MUST(mtl_var(one, 0, false, 1, &y) == MTL_OK);
    CHECK(isnan(at(y, 0)));
    mtl_tensor_release(y);
    MUST(mtl_var(x, MTL_ALL, false, 1, &y) == MTL_OK);
    CHECK_NEAR(at(y, 0), 5.0 / 3, 1e-6);
    mtl_tensor_release(y);
    y = NULL;
    CHECK(mtl_var(x, 1, false, 1, &y) == MTL_ERR_ARG && mtl_var(x, 0, false, -1, &y) == MTL_ERR_ARG);
    CHECK(mtl_var(ints, 0, false, 1, &y) == MTL_ERR_DTYPE && mtl_cumsum(ints, 0, &y) == MTL_ERR_DTYPE);
    CHECK(mtl_cumsum(x, 1, &y) == MTL_ERR_ARG && !y);
    CHECK_CONTAINS(mtl_message(ctx), "cumsum: dimension 2 of a tensor of shape [4], which has 1");
    mtl_tensor_release(one);
    mtl_tensor_release(x);
    mtl_tensor_release(ints);
    finish(ctx);
}

/* ---- prelu ---- */

static mtl_status prelu_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx, (void)arg;
    return mtl_prelu(in[0], in[1], out);
}

static void prelu_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t outer, n, inner, slopes = c->input[1].shape[0];
    fold(&c->input[0], 1, &outer, &n, &inner);
    for (int64_t i = 0; i < count; i++)
        out[i] = in[0][i] * (in[0][i] > 0 ? 1 : in[1][i / inner % n % slopes]);
}

static void prelus(void)
{
    const case_input inputs[] = {floats(SHAPE(4, 3)), floats(SHAPE(2, 3, 4, 2)), floats(SHAPE(2, 1, 3)),
                                 floats(SHAPE(0, 3))};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        for (int each = 0; each < 2; each++) {
            conformance_case c = case_of("prelu", prelu_apply, prelu_reference);
            c.n_inputs = 2;
            c.input[0] = inputs[i];
            c.input[0].gap = 0.1;
            c.input[1] = floats(SHAPE(each ? inputs[i].shape[1] : 1));
            c.reduction = 48;
            CHECK(conformance(&c));
        }
    }
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(2, 3), (float[]){0, -1, 2, NAN, -2, 3}), *two = FLOATS(ctx, 1, 2);
    CHECK(mtl_prelu(x, two, &y) == MTL_ERR_SHAPE && !y);
    CHECK_CONTAINS(mtl_message(ctx), "prelu: the weight has shape [2], which should be [1] or [3]");
    mtl_tensor *slope = FLOATS(ctx, 0.25f);
    mtl_tensor_require_grad(x, true);
    MUST(mtl_prelu(x, slope, &y) == MTL_OK && backward_sum(ctx, y) == MTL_OK);
    CHECK(isnan(at(y, 3)) && at(y, 1) == -0.25f && at(mtl_tensor_grad(x), 0) == 0.25f);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    mtl_tensor_release(two);
    mtl_tensor_release(slope);
    finish(ctx);
}

/* ---- threads ---- */

static mtl_status indices_of(mtl_tensor *x, int64_t limit, int rank, const int64_t *shape, mtl_tensor **out)
{
    mtl_tensor *from = NULL;
    (void)x;
    mtl_context *ctx = mtl_tensor_context(x);
    mtl_status status = mtl_tensor_new(ctx, MTL_F32, rank, shape, &from);
    if (status == MTL_OK)
        status = mtl_random_uniform(from, 3, 4, 0, 0, (double)limit - 0.01);
    if (status == MTL_OK)
        status = mtl_cast(from, MTL_I32, out);
    mtl_tensor_release(from);
    return status;
}

static mtl_status embedding_bits(mtl_tensor **in, mtl_tensor **out)
{
    mtl_tensor *index = NULL;
    mtl_status status = indices_of(in[0], 50, SHAPE(30, 40), &index);
    if (status == MTL_OK)
        status = mtl_embedding(in[0], index, 7, out);
    mtl_tensor_release(index);
    return status;
}

static mtl_status scatter_bits(mtl_tensor **in, mtl_tensor **out)
{
    mtl_tensor *index = NULL;
    mtl_status status = indices_of(in[0], 50, mtl_tensor_rank(in[1]), mtl_tensor_shape(in[1]), &index);
    if (status == MTL_OK)
        status = mtl_scatter_add(in[0], 1, index, in[1], out);
    mtl_tensor_release(index);
    return status;
}

static mtl_status cumsum_bits(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_cumsum(in[0], 1, out);
}

static void threads_change_nothing(void)
{
    static const bits_case cases[] = {
        {"embedding", 1, {2}, {{50, 300}}, 3, embedding_bits},
        {"scatter_add", 2, {3, 3}, {{8, 50, 70}, {8, 200, 70}}, 3, scatter_bits},
        {"cumsum", 1, {3}, {{30, 40, 50}}, 3, cumsum_bits},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(same_bits(&cases[i]));
}

int main(void)
{
    RUN(embeddings);
    RUN(embedding_at_the_edges);
    RUN(scatters);
    RUN(counts);
    RUN(greatest_and_least);
    RUN(along_a_dimension);
    RUN(prelus);
    RUN(threads_change_nothing);
    return TEST_RESULT;
}

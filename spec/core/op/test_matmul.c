/* matmul and linear: against plain sums, at the edges, the same bits for any number of threads, and their errors. */
#include <math.h>

#include "conformance.h"
#include "op/make.h"
#include "same_bits.h"
#include "test.h"

enum { TRANS_A, TRANS_B };

static mtl_status apply_matmul(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return mtl_matmul(in[0], in[1], arg[TRANS_A] != 0, arg[TRANS_B] != 0, out);
}

/* Every element by itself, from the definition: leading dimensions walked as digits, from the right. */
static void matmul_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    case_input a = c->input[0], b = c->input[1];
    bool trans_a = c->arg[TRANS_A] != 0 && a.rank > 1, trans_b = c->arg[TRANS_B] != 0 && b.rank > 1;
    if (a.rank == 1)
        a = (case_input){.rank = 2, .shape = {1, a.shape[0]}};
    if (b.rank == 1)
        b = (case_input){.rank = 2, .shape = {b.shape[0], 1}};
    int64_t m = a.shape[a.rank - 2 + trans_a], k = a.shape[a.rank - 1 - trans_a], n = b.shape[b.rank - 1 - trans_b];
    int rank = a.rank > b.rank ? a.rank : b.rank;
    for (int64_t e = 0; e < count; e++) {
        int64_t i = e / n % m, j = e % n, left = e / n / m, at_a = 0, at_b = 0, step_a = 1, step_b = 1;
        for (int d = 3; d <= rank; d++) {
            int64_t size_a = d <= a.rank ? a.shape[a.rank - d] : 1, size_b = d <= b.rank ? b.shape[b.rank - d] : 1;
            int64_t size = size_a > size_b ? size_a : size_b;
            at_a += left % size % size_a * step_a;
            at_b += left % size % size_b * step_b;
            step_a *= size_a;
            step_b *= size_b;
            left /= size;
        }
        out[e] = 0;
        for (int64_t p = 0; p < k; p++)
            out[e] += in[0][at_a * m * k + (trans_a ? p * m + i : i * k + p)] *
                      in[1][at_b * k * n + (trans_b ? j * k + p : p * n + j)];
    }
}

static case_input floats(int rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (case_input){.rank = rank, .shape = {a, b, c, d}, .low = -1, .high = 1};
}

static bool matmul_case(case_input a, case_input b, bool trans_a, bool trans_b)
{
    conformance_case c = {.name = "matmul",
                          .n_inputs = 2,
                          .input = {a, b},
                          .arg = {trans_a, trans_b},
                          .apply = apply_matmul,
                          .reference = matmul_reference,
                          .reduction = 16};
    return conformance(&c);
}

static void matmul_is_its_definition(void)
{
    static const int64_t sizes[][3] = {{1, 1, 1}, {3, 4, 5}, {1, 7, 1}, {5, 1, 4}, {17, 3, 2}, {2, 33, 18}, {6, 2, 35}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t m = sizes[i][0], k = sizes[i][1], n = sizes[i][2];
        for (int t = 0; t < 4; t++) {
            bool ta = t & 1, tb = t & 2;
            CHECK(
                matmul_case(floats(2, ta ? k : m, ta ? m : k, 0, 0), floats(2, tb ? n : k, tb ? k : n, 0, 0), ta, tb));
            CHECK(
                matmul_case(floats(3, 3, ta ? k : m, ta ? m : k, 0), floats(3, 3, tb ? n : k, tb ? k : n, 0), ta, tb));
        }
    }
}

static void matmul_of_vectors_and_broadcast(void)
{
    CHECK(matmul_case(floats(1, 5, 0, 0, 0), floats(1, 5, 0, 0, 0), false, false));
    CHECK(matmul_case(floats(1, 5, 0, 0, 0), floats(2, 5, 3, 0, 0), false, false));
    CHECK(matmul_case(floats(2, 3, 5, 0, 0), floats(1, 5, 0, 0, 0), false, false));
    CHECK(matmul_case(floats(1, 4, 0, 0, 0), floats(3, 2, 4, 3, 0), true, false));
    CHECK(matmul_case(floats(3, 2, 3, 4, 0), floats(1, 4, 0, 0, 0), false, true));
    CHECK(matmul_case(floats(1, 5, 0, 0, 0), floats(2, 3, 5, 0, 0), false, true));
    for (int t = 0; t < 4; t++) { /* square, so that every transpose fits */
        bool ta = t & 1, tb = t & 2;
        CHECK(matmul_case(floats(3, 2, 3, 3, 0), floats(2, 3, 3, 0, 0), ta, tb));
        CHECK(matmul_case(floats(2, 3, 3, 0, 0), floats(3, 2, 3, 3, 0), ta, tb));
        CHECK(matmul_case(floats(4, 2, 1, 3, 3), floats(3, 3, 3, 3, 0), ta, tb));
        CHECK(matmul_case(floats(4, 1, 2, 3, 3), floats(4, 2, 1, 3, 3), ta, tb));
        CHECK(matmul_case(floats(2, 3, 3, 0, 0), floats(3, 1, 3, 3, 0), ta, tb));
    }
}

static void matmul_of_nothing_is_zero(void)
{
    mtl_context *ctx;
    mtl_tensor *a = NULL, *b = NULL, *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){2, 0}, &a) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){0, 3}, &b) == MTL_OK);
    MUST(mtl_matmul(a, b, false, false, &y) == MTL_OK);
    for (int i = 0; i < 6; i++)
        CHECK(((float *)mtl_tensor_data(y))[i] == 0.0f);
    mtl_tensor_release(y);
    MUST(mtl_matmul(b, a, false, false, &y) == MTL_ERR_SHAPE);
    MUST(mtl_matmul(b, a, true, true, &y) == MTL_OK);
    CHECK(mtl_tensor_count(y) == 6);
    mtl_tensor_release(y);
    mtl_tensor_release(a);
    mtl_tensor_release(b);
    mtl_context_free(ctx);
}

/* The four products of these sizes, turned or not, against sums in double. */
static void product_is_its_sums(mtl_context *ctx, int64_t m, int64_t n, int64_t k)
{
    for (int t = 0; t < 4; t++) {
        bool ta = t & 1, tb = t & 2, good = true;
        mtl_tensor *a = bits_draw(ctx, 2, (int64_t[]){ta ? k : m, ta ? m : k}, 1);
        mtl_tensor *b = bits_draw(ctx, 2, (int64_t[]){tb ? n : k, tb ? k : n}, 2), *y = NULL;
        MUST(a && b && mtl_matmul(a, b, ta, tb, &y) == MTL_OK);
        const float *x = mtl_tensor_data(a), *w = mtl_tensor_data(b), *got = mtl_tensor_data(y);
        for (int64_t i = 0; i < m && good; i += 1 + i % 7) {
            for (int64_t j = 0; j < n && good; j += 1 + j % 5) {
                double sum = 0;
                for (int64_t p = 0; p < k; p++)
                    sum += (double)x[ta ? p * m + i : i * k + p] * (double)w[tb ? j * k + p : p * n + j];
                good = CHECK_NEAR(got[i * n + j], sum, 1e-5 * sqrt((double)k));
                if (!good)
                    printf("  %lld x %lld x %lld, transposes %d\n", (long long)m, (long long)k, (long long)n, t);
            }
        }
        mtl_tensor_release(a);
        mtl_tensor_release(b);
        mtl_tensor_release(y);
    }
}

/* Sizes that the kernels treat differently. */
static void products_of_every_size(void)
{
    static const int64_t sizes[] = {1, 2, 3, 5, 8, 13, 16, 17, 31, 48, 65, 130, 300};
    mtl_context *ctx;
    const int n_sizes = sizeof sizes / sizeof *sizes;
    MUST(mtl_context_new(2, &ctx) == MTL_OK);
    for (int at = 0; at < n_sizes * n_sizes * n_sizes; at += 1 + at % 3)
        product_is_its_sums(ctx, sizes[at % n_sizes], sizes[at / n_sizes % n_sizes], sizes[at / n_sizes / n_sizes]);
    product_is_its_sums(ctx, 131, 70, 1300); /* sums in parts */
    product_is_its_sums(ctx, 70, 270, 1100);
    product_is_its_sums(ctx, 20, 533, 40);
    mtl_context_free(ctx);
}

static mtl_status apply_linear(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx, (void)arg;
    return mtl_linear(in[0], in[1], in[2], out);
}

static mtl_status apply_linear_plain(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx, (void)arg;
    return mtl_linear(in[0], in[1], NULL, out);
}

static void linear_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t n_out = c->input[1].shape[0], n_in = c->input[1].shape[1];
    for (int64_t e = 0; e < count; e++) {
        out[e] = c->n_inputs > 2 ? in[2][e % n_out] : 0.0;
        for (int64_t i = 0; i < n_in; i++)
            out[e] += in[0][e / n_out * n_in + i] * in[1][e % n_out * n_in + i];
    }
}

static void linear_is_its_definition(void)
{
    static const struct {
        int rank;
        int64_t shape[3], out;
    } cases[] = {{2, {5, 7}, 3},     {2, {1, 4}, 1},   {2, {33, 20}, 1}, {2, {4, 1}, 6},   {1, {6}, 4},
                 {3, {2, 3, 5}, 10}, {2, {19, 3}, 16}, {2, {7, 50}, 17}, {2, {26, 9}, 270}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t in = cases[i].shape[cases[i].rank - 1];
        conformance_case c = {
            .name = "linear",
            .n_inputs = 3,
            .input = {floats(cases[i].rank, cases[i].shape[0], cases[i].shape[1], cases[i].shape[2], 0),
                      floats(2, cases[i].out, in, 0, 0), floats(1, cases[i].out, 0, 0, 0)},
            .apply = apply_linear,
            .reference = linear_reference,
            .reduction = in};
        CHECK(conformance(&c));
        c.n_inputs = 2;
        c.apply = apply_linear_plain;
        CHECK(conformance(&c));
    }
}

static mtl_status bits_matmul(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_matmul(in[0], in[1], false, false, out);
}

static mtl_status bits_linear(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_linear(in[0], in[1], in[2], out);
}

static void threads_do_not_change_bits(void)
{
    bits_case cases[] = {
        {.name = "wide", .rank = {2, 2}, .shape = {{300, 200}, {200, 520}}},
        {.name = "long sum", .rank = {2, 2}, .shape = {{20, 9000}, {9000, 30}}},
        {.name = "tall", .rank = {2, 2}, .shape = {{5000, 10}, {10, 12}}},
        {.name = "batches", .rank = {3, 3}, .shape = {{7, 40, 50}, {7, 50, 60}}},
        {.name = "one column", .rank = {2, 2}, .shape = {{3000, 100}, {100, 1}}},
    };
    bits_case linear = {.name = "linear",
                        .n = 3,
                        .rank = {2, 2, 1},
                        .shape = {{256, 320}, {50, 320}, {50}},
                        .rows = 3,
                        .apply = bits_linear};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].n = 2;
        cases[i].rows = 1 + (int)i % 3;
        cases[i].apply = bits_matmul;
        CHECK(same_bits(&cases[i]));
    }
    CHECK(same_bits(&linear));
    linear = (bits_case){.name = "sums in parts",
                         .n = 3,
                         .rank = {2, 2, 1},
                         .shape = {{1600, 150}, {130, 150}, {130}},
                         .rows = 1,
                         .apply = bits_linear};
    CHECK(same_bits(&linear));
}

/* Large products may be OpenBLAS's. Of small whole numbers every sum is exact, so a sample is compared bit for bit; the
   two threads call at once, many times. */
static void large_products_are_exact(void)
{
    enum { M = 1040, N = 1030, K = 1025, SAMPLES = 2000 };
    mtl_context *ctx = NULL;
    mtl_tensor *a = NULL, *b = NULL;
    int64_t of_a[] = {M, K}, of_b[] = {K, N};
    mtl_context_new(2, &ctx);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, of_a, &a) == MTL_OK && mtl_tensor_new(ctx, MTL_F32, 2, of_b, &b) == MTL_OK);
    float *x = mtl_tensor_data(a), *y = mtl_tensor_data(b);
    for (int64_t i = 0; i < (int64_t)M * K; i++)
        x[i] = (float)(i * 7 % 11 - 5);
    for (int64_t i = 0; i < (int64_t)K * N; i++)
        y[i] = (float)(i * 5 % 13 - 6);
    for (int round = 0; round < 8; round++) {
        mtl_tensor *c = NULL;
        MUST(mtl_matmul(a, b, false, false, &c) == MTL_OK);
        const float *z = mtl_tensor_data(c);
        int wrong = 0;
        for (int64_t sample = 0; sample < SAMPLES; sample++) {
            int64_t i = sample * 7919 % M, j = sample * 104729 % N;
            double sum = 0;
            for (int64_t k = 0; k < K; k++)
                sum += (double)x[i * K + k] * (double)y[k * N + j];
            wrong += z[i * N + j] != (float)sum;
        }
        CHECK(wrong == 0);
        mtl_tensor_release(c);
    }
    mtl_tensor_release(a);
    mtl_tensor_release(b);
    mtl_context_free(ctx);
}

static void errors_name_the_shapes(void)
{
    mtl_context *ctx;
    mtl_tensor *a = NULL, *b = NULL, *bias = NULL, *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){3, 4}, &a) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){5, 6}, &b) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 1, (int64_t[]){4}, &bias) == MTL_OK);
    CHECK(mtl_matmul(a, b, true, false, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx),
               "matmul: [3, 4] transposed times [5, 6]; the columns of the first should be as many as "
               "the rows of the second");
    CHECK(mtl_linear(a, b, NULL, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx),
               "linear: input [3, 4] and weight [5, 6]; the input's last size should be the weight's second, 6");
    mtl_tensor_release(b);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){5, 4}, &b) == MTL_OK);
    CHECK(mtl_linear(a, b, bias, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "linear: the bias has shape [4], which should be [5], as the weight [5, 4]");
    mtl_tensor_release(a);
    mtl_tensor_release(b);
    mtl_tensor_release(bias);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

/* Read and written by no batch at all: sanitizers watch. */
static void gradients_of_no_batch(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *a = make(ctx, MTL_F32, SHAPE(0, 4, 8), NULL), *b = make(ctx, MTL_F32, SHAPE(0, 8, 16), NULL);
    CHECK(mtl_tensor_require_grad(a, true) == MTL_OK && mtl_tensor_require_grad(b, true) == MTL_OK);
    MUST(mtl_matmul(a, b, false, false, &y) == MTL_OK);
    CHECK(backward_sum(ctx, y) == MTL_OK);
    mtl_tensor_release(a);
    mtl_tensor_release(b);
    mtl_tensor_release(y);
    finish(ctx);
}

int main(void)
{
    RUN(gradients_of_no_batch);
    RUN(matmul_is_its_definition);
    RUN(matmul_of_vectors_and_broadcast);
    RUN(matmul_of_nothing_is_zero);
    RUN(products_of_every_size);
    RUN(linear_is_its_definition);
    RUN(threads_do_not_change_bits);
    RUN(large_products_are_exact);
    RUN(errors_name_the_shapes);
    return TEST_RESULT;
}

/* Gramian and mix: what weighted task gradients become, against sums made by hand and against one sweep of the weighted
 * losses.
 */
#include "arena/arena.h"
#include "op/make.h"
#include <stdlib.h>

enum { TASKS = 3 };

/* Slots of three tasks: "abc" and "ab" shared, "b" and "c" of one task; three values of 1 each. */
static mtl_arena *make_arena(mtl_context *ctx)
{
    mtl_slot_request requests[] = {
        {.name = "abc", .tasks = 7}, {.name = "ab", .tasks = 3}, {.name = "b", .tasks = 2}, {.name = "c", .tasks = 4}};
    mtl_arena *a = NULL;
    for (int i = 0; i < 4; i++) {
        requests[i].rank = 1;
        requests[i].shape[0] = 3;
        requests[i].low = requests[i].high = 1;
    }
    CHECK(mtl_arena_new(ctx, 0, TASKS, 1, 4, requests, &a) == MTL_OK);
    return a;
}

/* Adds `values` times `scale` to row `row` of a slot's gradient; `rows` of the sweep. */
static mtl_status push(mtl_arena *a, int slot, int row, int rows, double scale, const float *values)
{
    mtl_tensor *param = mtl_slot_param(a, slot), *seed = NULL;
    mtl_context *ctx = mtl_tensor_context(param);
    mtl_status status = mtl_tensor_new(ctx, MTL_F32, 1, mtl_tensor_shape(param), &seed);
    if (status == MTL_OK)
        status = mtl_tensor_write(seed, values);
    if (status == MTL_OK)
        status = mtl_backward(ctx, 1, &(mtl_root){.value = param, .seed = seed, .scale = scale, .row = row}, rows);
    mtl_tensor_release(seed);
    return status;
}

static float grad_at(mtl_arena *a, int slot, int i)
{
    return ((const float *)mtl_tensor_data(mtl_slot_grad(a, slot)))[i];
}

static const float first[] = {1, 2, 3}, second[] = {-1, 0.5f, 4}, third[] = {8, -2, 1};
static const double weight[] = {2, 0.25, -1};

static void shared_slots_get_the_weighted_sum_of_rows(void)
{
    mtl_context *ctx = NULL;
    mtl_context_new(1, &ctx);
    mtl_arena *a = make_arena(ctx);
    MUST(a != NULL);
    CHECK(push(a, 0, 0, TASKS, 1, first) == MTL_OK && push(a, 0, 1, TASKS, 1, second) == MTL_OK);
    CHECK(push(a, 0, 2, TASKS, 1, third) == MTL_OK && push(a, 0, 2, TASKS, 3, third) == MTL_OK); /* rows add up */
    CHECK(push(a, 1, 1, TASKS, 1, third) == MTL_OK);                                             /* task 0 gives none */
    CHECK(push(a, 2, 1, TASKS, 1, first) == MTL_OK && push(a, 3, 2, TASKS, 1, second) == MTL_OK);
    CHECK(mtl_mix(a, 7, TASKS, weight, NULL, NULL, 0) == MTL_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(grad_at(a, 0, i), 2 * first[i] + 0.25 * second[i] - 4 * third[i], 1e-6);
        CHECK_NEAR(grad_at(a, 1, i), 0.25 * third[i], 1e-6);
        CHECK_NEAR(grad_at(a, 2, i), 0.25 * first[i], 1e-6);
        CHECK_NEAR(grad_at(a, 3, i), -second[i], 1e-6);
    }
    mtl_arena_free(a);
    mtl_context_free(ctx);
}

static void tasks_that_are_not_active_give_nothing(void)
{
    mtl_context *ctx = NULL;
    mtl_context_new(1, &ctx);
    mtl_arena *a = make_arena(ctx);
    MUST(a != NULL);
    CHECK(push(a, 0, 0, TASKS, 1, first) == MTL_OK && push(a, 0, 1, TASKS, 1, second) == MTL_OK);
    CHECK(push(a, 2, 1, TASKS, 1, third) == MTL_OK);
    CHECK(mtl_mix(a, 1, TASKS, weight, NULL, NULL, 0) == MTL_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(grad_at(a, 0, i), 2 * first[i], 1e-6);
        CHECK_NEAR(grad_at(a, 2, i), third[i], 0); /* of an inactive task: as it was */
    }
    mtl_arena_free(a);
    mtl_context_free(ctx);
}

static void it_equals_one_sweep_over_the_weighted_sum(void)
{
    mtl_context *ctx = NULL;
    mtl_context_new(1, &ctx);
    mtl_arena *a = make_arena(ctx), *b = make_arena(ctx);
    MUST(a != NULL && b != NULL);
    const float *values[] = {first, second, third};
    for (int t = 0; t < TASKS; t++) {
        CHECK(push(a, 0, t, TASKS, 1, values[t]) == MTL_OK);
        CHECK(push(b, 0, 0, 1, weight[t], values[t]) == MTL_OK);
    }
    CHECK(mtl_mix(a, 7, TASKS, weight, NULL, NULL, 0) == MTL_OK);
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(grad_at(a, 0, i), grad_at(b, 0, i), 1e-6);
    mtl_arena_free(a);
    mtl_arena_free(b);
    mtl_context_free(ctx);
}

static void frozen_slots_keep_what_they_have(void)
{
    mtl_context *ctx = NULL;
    int n;
    mtl_context_new(1, &ctx);
    mtl_arena *a = make_arena(ctx);
    MUST(a != NULL);
    CHECK(mtl_arena_set_frozen(a, "abc", true, &n) == MTL_OK && n == 1);
    CHECK(push(a, 1, 0, TASKS, 1, first) == MTL_OK && mtl_mix(a, 7, TASKS, weight, NULL, NULL, 0) == MTL_OK);
    CHECK_NEAR(grad_at(a, 0, 0), 0, 0);
    CHECK_NEAR(grad_at(a, 1, 2), 6, 1e-6);
    CHECK(mtl_mix(a, 7, 2, weight, NULL, NULL, 0) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "2 weights for 3 tasks");
    mtl_arena_free(a);
    mtl_context_free(ctx);
}

/* What is learned outside of the model has an arena of one task: any one row of a sweep reaches it. */
static void an_arena_of_one_task_takes_any_row(void)
{
    mtl_context *ctx = NULL;
    mtl_arena *a = NULL;
    mtl_context_new(1, &ctx);
    MUST(mtl_arena_make(ctx, 0, 1, (const char *const[]){"alpha"}, (int[]){1}, (const int64_t *const[]){(int64_t[]){3}},
                        (double[]){0.5}, &a) == MTL_OK);
    CHECK(push(a, 0, 2, TASKS, 1, first) == MTL_OK && push(a, 0, 2, TASKS, 1, second) == MTL_OK);
    CHECK(mtl_mix(a, ~UINT64_C(0), 1, (double[]){0.5}, NULL, NULL, 0) == MTL_OK);
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(grad_at(a, 0, i), 0.5 * (first[i] + second[i]), 1e-6);
    mtl_arena_free(a);
    mtl_context_free(ctx);
}

/* Heads may have weights of their own, and what the shared slots got a largest norm. */
static void heads_and_norm_apart(void)
{
    mtl_context *ctx = NULL;
    double norm = 0;
    mtl_context_new(1, &ctx);
    mtl_arena *a = make_arena(ctx);
    MUST(a != NULL);
    CHECK(push(a, 0, 0, TASKS, 1, first) == MTL_OK && push(a, 1, 1, TASKS, 1, second) == MTL_OK);
    CHECK(push(a, 2, 1, TASKS, 1, third) == MTL_OK && push(a, 3, 2, TASKS, 1, first) == MTL_OK);
    CHECK(mtl_mix(a, 7, TASKS, weight, NULL, (double[]){1, 1, 3}, 0.5) == MTL_OK);
    for (int i = 0; i < 3; i++) {
        norm += pow(grad_at(a, 0, i), 2) + pow(grad_at(a, 1, i), 2);
        CHECK_NEAR(grad_at(a, 0, i) / grad_at(a, 0, 0), first[i] / first[0], 1e-5);
        CHECK_NEAR(grad_at(a, 2, i), third[i], 1e-6);
        CHECK_NEAR(grad_at(a, 3, i), 3 * first[i], 1e-6);
    }
    CHECK_NEAR(sqrt(norm), 0.5, 1e-5);
    mtl_arena_free(a);
    mtl_context_free(ctx);
}

static void the_gramian_is_of_rows_over_what_both_reach(void)
{
    mtl_context *ctx = NULL;
    double gram[TASKS * TASKS];
    mtl_context_new(1, &ctx);
    mtl_arena *a = make_arena(ctx);
    MUST(a != NULL);
    CHECK(mtl_gram(a, "", gram) == MTL_OK && gram[0] == 0); /* no sweep yet */
    CHECK(push(a, 0, 0, TASKS, 1, first) == MTL_OK && push(a, 0, 2, TASKS, 1, third) == MTL_OK);
    CHECK(push(a, 1, 0, TASKS, 1, second) == MTL_OK && push(a, 1, 1, TASKS, 1, third) == MTL_OK);
    CHECK(push(a, 2, 1, TASKS, 1, first) == MTL_OK); /* of one task: not part of it */
    CHECK(mtl_gram(a, "", gram) == MTL_OK);
    const double want[] = {14 + 17.25, -5, 7, -5, 69, 0, 7, 0, 69};
    for (int k = 0; k < TASKS * TASKS; k++)
        CHECK_NEAR(gram[k], want[k], 1e-12);
    CHECK(mtl_gram(a, "ab", gram) == MTL_OK);
    CHECK_NEAR(gram[0], 17.25, 1e-12);
    CHECK_NEAR(gram[4], 69, 1e-12);
    CHECK_NEAR(gram[8], 0, 0);
    CHECK(mtl_gram(a, "nothing", gram) == MTL_OK && gram[0] == 0);
    mtl_arena_free(a);
    mtl_context_free(ctx);
}

/* Products of rows of two matrices, and what is refused. */
static void products_of_two_matrices(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *x = NULL, *y = NULL, *z = NULL;
    double products[6], own[9];
    mtl_context_new(1, &ctx);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){2, 3}, &x) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 3, (int64_t[]){3, 3, 1}, &y) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){3, 2}, &z) == MTL_OK);
    CHECK(mtl_tensor_write(x, (float[]){1, 2, 3, -1, 0, 4}) == MTL_OK);
    CHECK(mtl_tensor_write(y, (float[]){1, 0, 0, 0, 1, 0, 2, 2, 2}) == MTL_OK);
    CHECK(mtl_products(x, y, products) == MTL_OK && mtl_products(y, y, own) == MTL_OK);
    for (int k = 0; k < 6; k++)
        CHECK_NEAR(products[k], ((double[]){1, 2, 12, -1, 0, 6})[k], 0);
    for (int k = 0; k < 9; k++)
        CHECK_NEAR(own[k], ((double[]){1, 0, 2, 0, 1, 2, 2, 2, 12})[k], 0);
    CHECK(mtl_products(x, z, products) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "rows of 3 and of 2 elements");
    mtl_tensor_release(x);
    mtl_tensor_release(y);
    mtl_tensor_release(z);
    mtl_context_free(ctx);
}

/* Slots may have weights of their own, by slices; shared ones without rows keep what one sweep gave them. */
static void weights_by_slices(void)
{
    mtl_context *ctx = NULL;
    mtl_context_new(1, &ctx);
    mtl_arena *a = make_arena(ctx);
    const double weights[] = {1, 0, 0, 0, 3, 0}, heads[] = {1, 2, 1};
    MUST(a != NULL);
    CHECK(push(a, 0, 0, TASKS, 1, first) == MTL_OK && push(a, 0, 1, TASKS, 1, second) == MTL_OK);
    CHECK(push(a, 1, 0, TASKS, 1, first) == MTL_OK && push(a, 1, 1, TASKS, 1, second) == MTL_OK);
    CHECK(push(a, 2, 1, TASKS, 1, third) == MTL_OK);
    CHECK(mtl_mix(a, 7, TASKS, weights, (int[]){0, 1, 0, 0}, heads, 0) == MTL_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(grad_at(a, 0, i), first[i], 1e-6);
        CHECK_NEAR(grad_at(a, 1, i), 3 * second[i], 1e-6);
        CHECK_NEAR(grad_at(a, 2, i), 2 * third[i], 1e-6);
    }
    CHECK(mtl_arena_zero_grad(a) == MTL_OK && push(a, 0, 0, 1, 1, third) == MTL_OK);
    CHECK(mtl_mix(a, 7, TASKS, weights, NULL, heads, 0) == MTL_OK);
    CHECK_NEAR(grad_at(a, 0, 1), third[1], 0);
    mtl_arena_free(a);
    mtl_context_free(ctx);
}

/* Who looks at the rows may write them, of tasks without a gradient in this step too. */
static void rows_may_be_written(void)
{
    mtl_context *ctx = NULL;
    mtl_context_new(1, &ctx);
    mtl_arena *a = make_arena(ctx);
    MUST(a != NULL);
    CHECK(push(a, 0, 0, TASKS, 1, first) == MTL_OK);
    mtl_tensor *rows = NULL;
    MUST(mtl_arena_rows(a, &rows) == MTL_OK && mtl_tensor_fill(rows, 0.5) == MTL_OK);
    CHECK(mtl_mix(a, 7, TASKS, (double[]){1, 2, 4}, NULL, NULL, 0) == MTL_OK);
    CHECK_NEAR(grad_at(a, 0, 0), 3.5, 0);
    mtl_arena_free(a);
    mtl_context_free(ctx);
}

/* A long row: sums in double, the same for any number of threads. */
static void long_rows_lose_nothing(void)
{
    enum { N = 3000017 };
    double kept[4];
    float *row = malloc(N * sizeof *row);
    for (int threads = 1; threads <= 3; threads++) {
        mtl_context *ctx = NULL;
        mtl_arena *a = NULL;
        mtl_slot_request request = {.name = "w", .tasks = 3, .rank = 1, .shape = {N}};
        double gram[4], exact[3] = {0};
        mtl_context_new(threads, &ctx);
        MUST(mtl_arena_new(ctx, 0, 2, 1, 1, &request, &a) == MTL_OK);
        for (int r = 0; r < 2; r++) {
            for (int64_t i = 0; i < N; i++)
                row[i] = (float)(r ? cos((double)i) : 1.0 + 1e-3 * sin(0.1 * (double)i));
            CHECK(push(a, 0, r, 2, 1, row) == MTL_OK);
        }
        for (int64_t i = 0; i < N; i++) {
            double x = (float)(1.0 + 1e-3 * sin(0.1 * (double)i)), y = (float)cos((double)i);
            exact[0] += x * x;
            exact[1] += x * y;
            exact[2] += y * y;
        }
        CHECK(mtl_gram(a, "", gram) == MTL_OK && gram[1] == gram[2]);
        CHECK_NEAR(gram[0], exact[0], 1e-9 * N);
        CHECK_NEAR(gram[1], exact[1], 1e-9 * N);
        CHECK_NEAR(gram[3], exact[2], 1e-9 * N);
        if (threads == 1)
            memcpy(kept, gram, sizeof kept);
        CHECK(memcmp(kept, gram, sizeof kept) == 0);
        mtl_arena_free(a);
        mtl_context_free(ctx);
    }
    free(row);
}

int main(void)
{
    RUN(heads_and_norm_apart);
    RUN(the_gramian_is_of_rows_over_what_both_reach);
    RUN(long_rows_lose_nothing);
    RUN(products_of_two_matrices);
    RUN(weights_by_slices);
    RUN(rows_may_be_written);
    RUN(shared_slots_get_the_weighted_sum_of_rows);
    RUN(tasks_that_are_not_active_give_nothing);
    RUN(it_equals_one_sweep_over_the_weighted_sum);
    RUN(frozen_slots_keep_what_they_have);
    RUN(an_arena_of_one_task_takes_any_row);
    return TEST_RESULT;
}

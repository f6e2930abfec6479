/* Tensors: sizes are checked, views share, memory is reused and capped. */
#include "mtl/mtl.h"
#include "test.h"

static mtl_context *context(void)
{
    mtl_context *ctx = NULL;
    mtl_context_new(1, &ctx);
    return ctx;
}

static void sizes_are_checked(void)
{
    mtl_context *ctx = context();
    mtl_tensor *t = NULL;
    int64_t negative[] = {2, -1}, huge[] = {INT64_MAX / 2, 3}, wide[] = {INT64_MAX / 2}, many[9] = {0};
    int64_t hidden[] = {INT64_MAX / 2, 0, 3};
    CHECK(mtl_tensor_new(ctx, MTL_F32, 2, negative, &t) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "size -1 at dimension 2");
    CHECK(mtl_tensor_new(ctx, MTL_F32, 2, huge, &t) == MTL_ERR_MEMORY);
    CHECK(mtl_tensor_new(ctx, MTL_F32, 1, wide, &t) == MTL_ERR_MEMORY);
    CHECK(mtl_tensor_new(ctx, MTL_F32, 3, hidden, &t) == MTL_ERR_MEMORY); /* its reductions would overflow */
    CHECK(mtl_tensor_new(ctx, MTL_F32, 9, many, &t) == MTL_ERR_SHAPE);
    CHECK(mtl_tensor_new_on(ctx, 99, MTL_F32, 1, many, &t) == MTL_ERR_UNSUPPORTED);
    CHECK(t == NULL);
    CHECK(mtl_tensor_new(ctx, MTL_F32, 2, many, &t) == MTL_OK && mtl_tensor_count(t) == 0);
    mtl_tensor_release(t);
    CHECK(mtl_tensor_new(ctx, MTL_U8, 0, NULL, &t) == MTL_OK && mtl_tensor_bytes(t) == 1);
    mtl_tensor_release(t);
    mtl_context_free(ctx);
}

static void memory_is_reused(void)
{
    mtl_context *ctx = context();
    mtl_tensor *t[20];
    uint64_t after_first = 0;
    for (int round = 0; round < 3; round++) {
        for (int64_t i = 0; i < 20; i++) { /* later rounds ask for less: still nothing new is needed */
            int64_t n = (i * i * 37 + 5) / (round + 1);
            MUST(mtl_tensor_new(ctx, MTL_F32, 1, &n, &t[i]) == MTL_OK);
            CHECK((uintptr_t)mtl_tensor_data(t[i]) % 64 == 0);
            memset(mtl_tensor_data(t[i]), 1, mtl_tensor_bytes(t[i]));
        }
        for (int i = 0; i < 20; i++)
            mtl_tensor_release(t[(i * 7) % 20]);
        if (round == 0)
            after_first = mtl_memory_use(ctx).allocations;
    }
    CHECK(mtl_memory_use(ctx).allocations == after_first);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    CHECK(mtl_memory_use(ctx).cached > 0);
    mtl_context_free(ctx);
}

/* Memory of huge pages, in sizes that are no multiples of one. */
static void large_tensors_are_whole(void)
{
    mtl_context *ctx = context();
    for (int64_t n = 1 << 19; n < 1 << 21; n += 150001) {
        mtl_tensor *t = NULL;
        MUST(mtl_tensor_new(ctx, MTL_F32, 1, &n, &t) == MTL_OK);
        CHECK((uintptr_t)mtl_tensor_data(t) % 64 == 0);
        memset(mtl_tensor_data(t), 1, mtl_tensor_bytes(t));
        mtl_tensor_release(t);
    }
    mtl_context_free(ctx);
}

static void memory_is_capped(void)
{
    mtl_context *ctx = context();
    mtl_tensor *a = NULL, *b = NULL;
    int64_t n = 1000;
    mtl_set_memory_limit(ctx, 6000);
    CHECK(mtl_tensor_new(ctx, MTL_F32, 1, &n, &a) == MTL_OK);
    CHECK(mtl_tensor_new(ctx, MTL_F32, 1, &n, &b) == MTL_ERR_MEMORY);
    CHECK_CONTAINS(mtl_message(ctx), "limit");
    mtl_tensor_release(a);
    n = 1200; /* what waits for reuse is given back before the cap says no */
    CHECK(mtl_tensor_new(ctx, MTL_F32, 1, &n, &b) == MTL_OK);
    mtl_tensor_release(b);
    mtl_trim_memory(ctx);
    CHECK(mtl_memory_use(ctx).cached == 0);
    size_t others = 500; /* of the host program: they count, as they are at each allocation */
    mtl_count_memory(ctx, &others);
    MUST(mtl_tensor_new(ctx, MTL_F32, 1, &n, &a) == MTL_OK);
    mtl_tensor_release(a);
    others = 2000;
    CHECK(mtl_tensor_new(ctx, MTL_F32, 1, &n, &b) == MTL_ERR_MEMORY);
    mtl_context_free(ctx);
}

static void views_and_writes(void)
{
    mtl_context *ctx = context();
    mtl_tensor *t = NULL, *view = NULL, *copy = NULL;
    int64_t shape[] = {2, 3}, flat[] = {-1}, other[] = {3, 2};
    float in[] = {1, 2, 3, 4, 5, 6}, out[6];
    mtl_tensor_new(ctx, MTL_F32, 2, shape, &t);
    mtl_tensor_write(t, in);
    MUST(mtl_reshape(t, 1, flat, &view) == MTL_OK);
    CHECK(mtl_tensor_data(view) == mtl_tensor_data(t) && mtl_tensor_count(view) == 6);
    CHECK(mtl_tensor_fill(view, 7) == MTL_OK);
    mtl_tensor_read(t, out);
    CHECK(out[0] == 7 && out[5] == 7);
    mtl_tensor_new(ctx, MTL_F32, 2, other, &copy);
    CHECK(mtl_tensor_copy(copy, t) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "[2, 3]");
    mtl_tensor_release(copy);
    mtl_tensor_release(view);
    mtl_tensor_release(t);
    mtl_context_free(ctx);
}

/* A tensor that a live graph needs is not written; a parameter that moved makes the graph stale. */
static void saved_tensors_are_guarded(void)
{
    mtl_context *ctx = context();
    mtl_tensor *x = NULL, *y = NULL, *sum = NULL;
    int64_t n = 3;
    float one[] = {1, 2, 3};
    mtl_tensor_new(ctx, MTL_F32, 1, &n, &x);
    mtl_tensor_write(x, one);
    mtl_tensor_require_grad(x, true);
    MUST(mtl_square(x, &y) == MTL_OK && mtl_sum(y, MTL_ALL, false, &sum) == MTL_OK);
    CHECK(mtl_tensor_fill(x, 0) == MTL_ERR_STATE);
    CHECK_CONTAINS(mtl_message(ctx), "backward pass still needs");
    mtl_root root = {.value = sum, .scale = 2};
    CHECK(mtl_backward(ctx, 1, &root, 1) == MTL_OK);
    CHECK_NEAR(((float *)mtl_tensor_data(mtl_tensor_grad(x)))[2], 12, 0);
    CHECK(mtl_tensor_fill(x, 0) == MTL_OK);
    CHECK(mtl_backward(ctx, 1, &root, 1) == MTL_ERR_STATE);
    mtl_tensor_release(sum);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

static void fills_that_do_not_fit(void)
{
    mtl_context *ctx = context();
    int64_t n = 3;
    const struct {
        mtl_dtype dtype;
        double value;
        mtl_status status;
    } cases[] = {{MTL_U8, 255, MTL_OK},
                 {MTL_U8, 256, MTL_ERR_ARG},
                 {MTL_U8, -1, MTL_ERR_ARG},
                 {MTL_I32, -2147483648.0, MTL_OK},
                 {MTL_I32, 2147483648.0, MTL_ERR_ARG},
                 {MTL_I32, NAN, MTL_ERR_ARG},
                 {MTL_F32, NAN, MTL_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mtl_tensor *t = NULL;
        MUST(mtl_tensor_new(ctx, cases[i].dtype, 1, &n, &t) == MTL_OK);
        CHECK(mtl_tensor_fill(t, cases[i].value) == cases[i].status);
        mtl_tensor_release(t);
    }
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(sizes_are_checked);
    RUN(fills_that_do_not_fit);
    RUN(memory_is_reused);
    RUN(large_tensors_are_whole);
    RUN(memory_is_capped);
    RUN(views_and_writes);
    RUN(saved_tensors_are_guarded);
    return TEST_RESULT;
}

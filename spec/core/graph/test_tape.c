/* The tape: what is refused, what accumulates, and that nothing is left behind. */
#include "op/make.h"

static void in_place_writes_are_refused(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL, *z = NULL, *view = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, 1, 2);
    mtl_tensor_require_grad(x, true);
    MUST(mtl_square(x, &y) == MTL_OK);
    CHECK(mtl_tensor_fill(x, 0) == MTL_ERR_STATE);
    CHECK_CONTAINS(mtl_message(ctx), "a backward pass still needs this tensor");
    MUST(mtl_reshape(x, SHAPE(2, 1), &view) == MTL_OK);
    CHECK(mtl_tensor_fill(view, 0) == MTL_ERR_STATE); /* the same bytes */
    mtl_tensor_release(view);
    CHECK(mtl_tensor_fill(y, 0) == MTL_OK); /* square does not need its output */
    MUST(mtl_exp(y, &z) == MTL_OK);
    CHECK(mtl_tensor_fill(z, 0) == MTL_ERR_STATE);
    MUST(backward_sum(ctx, z) == MTL_OK);
    CHECK(mtl_tensor_fill(x, 0) == MTL_OK && mtl_tensor_fill(z, 0) == MTL_OK);
    mtl_tensor_release(x);
    mtl_tensor_release(y);
    mtl_tensor_release(z);
    finish(ctx);
}

static void a_graph_is_used_once(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL, *z = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, 3);
    mtl_tensor_require_grad(x, true);
    MUST(mtl_square(x, &y) == MTL_OK && mtl_neg(y, &z) == MTL_OK);
    MUST(backward_sum(ctx, y) == MTL_OK && at(mtl_tensor_grad(x), 0) == 6);
    CHECK(backward_sum(ctx, y) == MTL_ERR_STATE);
    CHECK_CONTAINS(mtl_message(ctx), "the graph of 'square' was used by an earlier backward pass");
    CHECK(backward_sum(ctx, z) == MTL_ERR_STATE && at(mtl_tensor_grad(x), 0) == 6);
    mtl_tensor_release(x);
    mtl_tensor_release(y);
    mtl_tensor_release(z);
    finish(ctx);
}

/* A pass down to a tensor on the way stops there; a second one goes on from it. */
static void a_sweep_in_two_parts(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL, *twice = NULL, *cube = NULL, *grad = NULL, *seed = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, 3);
    mtl_tensor_require_grad(x, true);
    MUST(mtl_square(x, &y) == MTL_OK && mtl_scale(y, 2, 0, &twice) == MTL_OK && mtl_mul(y, x, &cube) == MTL_OK);
    mtl_root roots[] = {{.value = twice, .scale = 1, .row = 0}, {.value = cube, .scale = 1, .row = 2}};
    MUST(mtl_backward_to(ctx, 2, roots, 3, y, &grad) == MTL_OK && mtl_tensor_count(grad) == 3);
    CHECK(at(grad, 0) == 2 && at(grad, 1) == 0 && at(grad, 2) == 3);
    CHECK(at(mtl_tensor_grad(x), 0) == 0 && at(mtl_tensor_grad(x), 2) == 9); /* of x^3 = y x: what goes around y */
    CHECK(mtl_backward_to(ctx, 2, roots, 3, y, &seed) == MTL_ERR_STATE);
    mtl_tensor_zero_grad(x);
    seed = FLOATS(ctx, 5);
    MUST(mtl_backward(ctx, 1, &(mtl_root){.value = y, .seed = seed, .scale = 1}, 1) == MTL_OK);
    CHECK(at(mtl_tensor_grad(x), 0) == 30);
    mtl_tensor_release(x);
    mtl_tensor_release(y);
    mtl_tensor_release(twice);
    mtl_tensor_release(cube);
    mtl_tensor_release(grad);
    mtl_tensor_release(seed);
    finish(ctx);
}

static void gradients_accumulate(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL, *z = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, 3, -1);
    mtl_tensor_require_grad(x, true);
    MUST(mtl_mul(x, x, &y) == MTL_OK && mtl_add(y, x, &z) == MTL_OK && backward_sum(ctx, z) == MTL_OK);
    CHECK(at(mtl_tensor_grad(x), 0) == 7 && at(mtl_tensor_grad(x), 1) == -1);
    mtl_tensor_release(y);
    mtl_tensor_release(z);
    MUST(mtl_scale(x, 2, 0, &y) == MTL_OK && backward_sum(ctx, y) == MTL_OK);
    CHECK(at(mtl_tensor_grad(x), 0) == 9 && at(mtl_tensor_grad(x), 1) == 1);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    finish(ctx);
}

/* Two roots, three rows: rows that a root does not reach stay 0, shared parts are gone through once. */
static void rows_of_several_roots(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *h = NULL, *a = NULL, *b = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, 2);
    mtl_tensor_require_grad(x, true);
    MUST(mtl_square(x, &h) == MTL_OK && mtl_scale(h, 3, 0, &a) == MTL_OK && mtl_add(h, h, &b) == MTL_OK);
    mtl_root roots[] = {{.value = a, .scale = 1, .row = 0}, {.value = b, .scale = 0.5, .row = 2}};
    MUST(mtl_backward(ctx, 2, roots, 3) == MTL_OK);
    const mtl_tensor *g = mtl_tensor_grad(x);
    CHECK(is(g, SHAPE(3, 1)) && at(g, 0) == 12 && at(g, 1) == 0 && at(g, 2) == 4);
    mtl_tensor_release(h);
    mtl_tensor_release(a);
    mtl_tensor_release(b);
    mtl_tensor_release(x);
    finish(ctx);
}

static void recording_off(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, 2);
    mtl_tensor_require_grad(x, true);
    CHECK(mtl_set_recording(ctx, false));
    MUST(mtl_square(x, &y) == MTL_OK && !mtl_tensor_requires_grad(y));
    CHECK(!mtl_set_recording(ctx, true));
    CHECK(backward_sum(ctx, y) == MTL_ERR_STATE);
    CHECK_CONTAINS(mtl_message(ctx), "nothing behind the value requires a gradient");
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    finish(ctx);
}

/* A chain of a million nodes is freed, and gone through, without recursion. */
static void a_long_chain(void)
{
    enum { LENGTH = 1000000 };
    for (int backward = 0; backward < 2; backward++) {
        mtl_context *ctx = NULL;
        mtl_tensor *next = NULL;
        mtl_context_new(1, &ctx);
        mtl_tensor *x = FLOATS(ctx, 1), *y = mtl_tensor_retain(x);
        mtl_tensor_require_grad(x, true);
        for (int i = 0; i < LENGTH; i++) {
            MUST(mtl_neg(y, &next) == MTL_OK);
            mtl_tensor_release(y);
            y = next;
        }
        CHECK(at(y, 0) == 1);
        if (backward)
            CHECK(backward_sum(ctx, y) == MTL_OK && at(mtl_tensor_grad(x), 0) == 1);
        mtl_tensor_release(y);
        mtl_tensor_release(x);
        finish(ctx);
    }
}

/* From the second time on, a step of the same shapes asks for no memory. */
static void no_allocation_in_a_steady_state(void)
{
    mtl_context *ctx = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(20, 30), NULL), *w = make(ctx, MTL_F32, SHAPE(30), NULL);
    uint64_t first = 0;
    mtl_random_normal(x, 1, 1, 0, 0, 1);
    mtl_random_normal(w, 1, 2, 0, 0, 1);
    mtl_tensor_require_grad(w, true);
    for (int step = 0; step < 4; step++) {
        mtl_tensor *y = NULL, *z = NULL;
        MUST(mtl_mul(x, w, &y) == MTL_OK && mtl_tanh(y, &z) == MTL_OK && backward_sum(ctx, z) == MTL_OK);
        mtl_tensor_release(y);
        mtl_tensor_release(z);
        if (step == 1)
            first = mtl_memory_use(ctx).allocations;
    }
    CHECK(mtl_memory_use(ctx).allocations == first);
    mtl_tensor_release(x);
    mtl_tensor_release(w);
    finish(ctx);
}

int main(void)
{
    RUN(in_place_writes_are_refused);
    RUN(a_graph_is_used_once);
    RUN(a_sweep_in_two_parts);
    RUN(gradients_accumulate);
    RUN(rows_of_several_roots);
    RUN(recording_off);
    RUN(a_long_chain);
    RUN(no_allocation_in_a_steady_state);
    return TEST_RESULT;
}

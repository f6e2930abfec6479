/* Models: shapes are inferred, parameters named and masked, errors placed, passes repeatable. */
#include "mtl/mtl.h"
#include "test.h"

static const char *two_heads =
    "{\"type\":\"graph\",\"inputs\":[\"input\"],\"nodes\":["
    "{\"name\":\"trunk\",\"inputs\":[\"input\"],\"module\":{\"type\":\"sequential\",\"children\":["
    "{\"type\":\"conv2d\",\"in_channels\":null,\"out_channels\":3,\"kernel_size\":3,\"padding\":1},{\"type\":\"relu\"},"
    "{\"type\":\"max_pool2d\",\"kernel_size\":2},{\"type\":\"flatten\"},"
    "{\"type\":\"linear\",\"in_features\":null,\"out_features\":5},{\"type\":\"dropout\",\"p\":0.5}]}},"
    "{\"name\":\"heads.a\",\"inputs\":[\"trunk\"],\"module\":{\"type\":\"linear\",\"in_features\":5,\"out_features\":2}"
    "},"
    "{\"name\":\"heads.b\",\"inputs\":[\"trunk\"],\"module\":{\"type\":\"linear\",\"in_features\":null,\"out_"
    "features\":4}}],"
    "\"outputs\":[{\"name\":\"a\",\"node\":\"heads.a\"},{\"name\":\"b\",\"node\":\"heads.b\"}]}";

static const mtl_shape image = {3, {2, 4, 4}};

static mtl_context *context(void)
{
    mtl_context *ctx = NULL;
    mtl_context_new(2, &ctx);
    return ctx;
}

static mtl_tensor *input(mtl_context *ctx, int64_t batch)
{
    int64_t shape[4] = {batch, 2, 4, 4};
    mtl_tensor *x = NULL;
    mtl_tensor_new(ctx, MTL_F32, 4, shape, &x);
    mtl_random_uniform(x, 3, 4, 0, -1, 1);
    return x;
}

static void freeze_infers_and_masks(void)
{
    mtl_context *ctx = context();
    mtl_model *m = NULL;
    mtl_shape out;
    MUST(mtl_model_new(ctx, two_heads, &m) == MTL_OK);
    MUST(mtl_model_freeze(m, 0, 1, &image) == MTL_OK);
    mtl_arena *a = mtl_model_arena(m);
    CHECK(mtl_arena_slots(a) == 8);
    CHECK_TEXT(mtl_slot_name(a, 0), "trunk.0.weight");
    CHECK_TEXT(mtl_slot_name(a, 3), "trunk.4.bias");
    CHECK_TEXT(mtl_slot_name(a, 4), "heads.a.weight");
    CHECK(mtl_slot_tasks(a, 0) == 3 && mtl_slot_tasks(a, 4) == 1 && mtl_slot_tasks(a, 6) == 2);
    CHECK(mtl_arena_shared(a) == 3 * 2 * 9 + 3 + 12 * 5 + 5);
    CHECK(mtl_arena_count(a) == mtl_arena_shared(a) + 5 * 2 + 2 + 5 * 4 + 4);
    const int64_t *shape = mtl_tensor_shape(mtl_slot_param(a, 2));
    CHECK(shape[0] == 5 && shape[1] == 12);
    for (int i = 0; i < 8; i++)
        CHECK((uintptr_t)mtl_tensor_data(mtl_slot_param(a, i)) % 64 == 0);
    CHECK(mtl_model_output_shape(m, 1, &out) == MTL_OK && out.rank == 1 && out.size[0] == 4);
    const float *w = mtl_tensor_data(mtl_slot_param(a, 2));
    double bound = 1 / sqrt(12), largest = 0;
    for (int i = 0; i < 60; i++)
        largest = fmax(largest, fabs(w[i]));
    CHECK(largest <= bound && largest > 0.8 * bound);
    CHECK(mtl_model_freeze(m, 0, 1, &image) == MTL_ERR_STATE);
    mtl_model_free(m);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

static void one_layer_is_a_model(void)
{
    mtl_context *ctx = context();
    mtl_model *m = NULL;
    mtl_shape in = {1, {3}};
    MUST(mtl_model_new(ctx, "{\"type\":\"sequential\",\"children\":[{\"type\":\"linear\",\"out_features\":2}]}", &m) ==
         MTL_OK);
    MUST(mtl_model_freeze(m, 0, 1, &in) == MTL_OK);
    CHECK_TEXT(mtl_slot_name(mtl_model_arena(m), 0), "0.weight");
    mtl_model_free(m);
    mtl_context_free(ctx);
}

static void initial_values_depend_on_the_path_alone(void)
{
    mtl_context *ctx = context();
    mtl_model *m = NULL, *longer = NULL;
    mtl_shape in = {1, {3}};
    MUST(mtl_model_new(ctx, "{\"type\":\"sequential\",\"children\":[{\"type\":\"linear\",\"out_features\":2}]}", &m) ==
         MTL_OK);
    MUST(mtl_model_new(ctx,
                       "{\"type\":\"sequential\",\"children\":[{\"type\":\"linear\",\"out_features\":2},"
                       "{\"type\":\"linear\",\"out_features\":7}]}",
                       &longer) == MTL_OK);
    MUST(mtl_model_freeze(m, 0, 9, &in) == MTL_OK && mtl_model_freeze(longer, 0, 9, &in) == MTL_OK);
    CHECK(memcmp(mtl_tensor_data(mtl_slot_param(mtl_model_arena(m), 0)),
                 mtl_tensor_data(mtl_slot_param(mtl_model_arena(longer), 0)), 6 * sizeof(float)) == 0);
    mtl_model_free(m);
    mtl_model_free(longer);
    mtl_context_free(ctx);
}

static void only_wanted_tasks_are_computed(void)
{
    mtl_context *ctx = context();
    mtl_model *m = NULL;
    mtl_tensor *x = input(ctx, 3), *y[2];
    MUST(mtl_model_new(ctx, two_heads, &m) == MTL_OK && mtl_model_freeze(m, 0, 1, &image) == MTL_OK);
    MUST(mtl_model_forward(m, &x, 2, true, y) == MTL_OK);
    CHECK(y[0] == NULL && y[1] != NULL && mtl_tensor_shape(y[1])[1] == 4);
    CHECK(mtl_model_passes(m) == 1);
    mtl_tensor_release(y[1]);
    mtl_tensor_release(x);
    mtl_model_free(m);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

static void dropout_follows_the_pass(void)
{
    mtl_context *ctx = context();
    mtl_model *m = NULL;
    mtl_tensor *x = input(ctx, 8), *y[4][2];
    MUST(mtl_model_new(ctx, two_heads, &m) == MTL_OK && mtl_model_freeze(m, 0, 1, &image) == MTL_OK);
    mtl_set_recording(ctx, false);
    for (int i = 0; i < 4; i++) {
        if (i == 2)
            mtl_model_set_passes(m, 0);
        MUST(mtl_model_forward(m, &x, 1, i < 3, y[i]) == MTL_OK);
    }
    CHECK(memcmp(mtl_tensor_data(y[0][0]), mtl_tensor_data(y[2][0]), 64) == 0);
    CHECK(memcmp(mtl_tensor_data(y[0][0]), mtl_tensor_data(y[1][0]), 64) != 0);
    CHECK(memcmp(mtl_tensor_data(y[0][0]), mtl_tensor_data(y[3][0]), 64) != 0);
    for (int i = 0; i < 4; i++)
        mtl_tensor_release(y[i][0]);
    mtl_tensor_release(x);
    mtl_model_free(m);
    mtl_context_free(ctx);
}

/* The rows of J from one sweep against one sweep a task. */
static void rows_equal_separate_sweeps(void)
{
    mtl_context *ctx = context();
    mtl_model *m = NULL;
    mtl_tensor *x = input(ctx, 6), *y[2], *loss[2];
    mtl_root roots[2];
    float alone[2][256];
    MUST(mtl_model_new(ctx, two_heads, &m) == MTL_OK && mtl_model_freeze(m, 0, 1, &image) == MTL_OK);
    mtl_arena *a = mtl_model_arena(m);
    for (int pass = 0; pass < 3; pass++) { /* task a, task b, both */
        mtl_arena_zero_grad(a);
        mtl_model_set_passes(m, 0);
        MUST(mtl_model_forward(m, &x, 3, true, y) == MTL_OK);
        for (int t = 0; t < 2; t++) {
            mtl_tensor *square = NULL;
            MUST(mtl_square(y[t], &square) == MTL_OK && mtl_mean(square, MTL_ALL, false, &loss[t]) == MTL_OK);
            mtl_tensor_release(square);
            roots[t] = (mtl_root){.value = loss[t], .scale = 1, .row = t};
        }
        if (pass < 2) {
            roots[0] = (mtl_root){.value = loss[pass], .scale = 1};
            MUST(mtl_backward(ctx, 1, roots, 1) == MTL_OK);
            int at = 0;
            for (int s = 0; s < 4; s++) {
                mtl_tensor *g = mtl_slot_grad(a, s);
                memcpy(alone[pass] + at, mtl_tensor_data(g), mtl_tensor_bytes(g));
                at += (int)mtl_tensor_count(g);
            }
            CHECK(mtl_backward(ctx, 1, roots, 1) == MTL_ERR_STATE);
        } else {
            MUST(mtl_backward(ctx, 2, roots, 2) == MTL_OK);
        }
        for (int t = 0; t < 2; t++) {
            mtl_tensor_release(y[t]);
            mtl_tensor_release(loss[t]);
        }
    }
    mtl_tensor *rows = NULL;
    MUST(mtl_arena_rows(a, &rows) == MTL_OK);
    MUST(rows != NULL);
    int64_t width = mtl_tensor_shape(rows)[1];
    for (int t = 0; t < 2; t++) {
        int at = 0;
        for (int s = 0; s < 4; s++) {
            const char *base = mtl_tensor_data(mtl_arena_params(a)), *slot = mtl_tensor_data(mtl_slot_param(a, s));
            const float *row = (float *)mtl_tensor_data(rows) + t * width + (slot - base) / 4;
            for (int64_t i = 0; i < mtl_tensor_count(mtl_slot_param(a, s)); i++, at++)
                CHECK_NEAR(row[i], alone[t][at], 1e-6);
        }
    }
    mtl_tensor_release(x);
    mtl_model_free(m);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

static void frozen_parts_stand_still(void)
{
    mtl_context *ctx = context();
    mtl_model *m = NULL;
    mtl_optimizer *o = NULL;
    mtl_tensor *x = input(ctx, 6), *y[2], *loss = NULL;
    float before[54], head[10];
    int n;
    MUST(mtl_model_new(ctx, two_heads, &m) == MTL_OK && mtl_model_freeze(m, 0, 1, &image) == MTL_OK);
    mtl_arena *a = mtl_model_arena(m);
    mtl_optim_settings adamw = mtl_optim_defaults(MTL_OPTIM_ADAMW);
    MUST(mtl_optimizer_new(a, &adamw, &o) == MTL_OK);
    CHECK(mtl_model_set_frozen(m, "trunk.0", true, &n) == MTL_OK && n == 2);
    CHECK(mtl_model_set_frozen(m, "trunk.", true, &n) == MTL_OK && n == 0);
    memcpy(before, mtl_tensor_data(mtl_slot_param(a, 0)), sizeof before);
    memcpy(head, mtl_tensor_data(mtl_slot_param(a, 4)), sizeof head);
    MUST(mtl_model_forward(m, &x, 1, true, y) == MTL_OK);
    MUST(mtl_sum(y[0], MTL_ALL, false, &loss) == MTL_OK);
    mtl_root root = {.value = loss, .scale = 1};
    MUST(mtl_backward(ctx, 1, &root, 1) == MTL_OK);
    MUST(mtl_optimizer_step(o, 1, 0) == MTL_OK);
    CHECK(memcmp(before, mtl_tensor_data(mtl_slot_param(a, 0)), sizeof before) == 0);
    CHECK(memcmp(head, mtl_tensor_data(mtl_slot_param(a, 4)), sizeof head) != 0);
    CHECK(mtl_optimizer_groups(o) == 3);
    CHECK(mtl_optimizer_count(o, 0) == 1 && mtl_optimizer_count(o, 1) == 1 && mtl_optimizer_count(o, 2) == 0);
    mtl_tensor_release(y[0]);
    mtl_tensor_release(loss);
    mtl_tensor_release(x);
    mtl_optimizer_free(o);
    mtl_model_free(m);
    mtl_context_free(ctx);
}

static void mistakes_are_placed(void)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"{\"type\":\"liner\"}", "no layer 'liner'"},
        {"{\"type\":\"linear\"}", "out_features is missing"},
        {"{\"type\":\"linear\",\"out_features\":-3}", "out_features"},
        {"{\"type\":\"linear\",\"out_features\":2.5}", "whole number"},
        {"{\"type\":\"linear\",\"out_features\":2,\"bais\":true}", "no option 'bais'"},
        {"{\"type\":\"sequential\",\"children\":[{\"type\":\"relu\"},{\"type\":\"relu\"}],\"children\":[]}",
         "children is given twice"},
        {"{\"type\":\"dropout\",\"p\":1.5}", "p should be a number from 0 to 1"},
        {"{\"type\":\"sequential\",\"children\":[{\"type\":\"flatten\"},{\"type\":\"linear\",\"in_features\":31,"
         "\"out_features\":2}]}",
         "1 (linear): in_features is 31, but a sample has shape [32]: it should be 32, or left out (nil)"},
        {"{\"type\":\"conv2d\",\"in_channels\":3,\"out_channels\":4,\"kernel_size\":3}",
         "[2, 4, 4]: it should be 2, or left out (nil)"},
        {"{\"type\":\"conv2d\",\"out_channels\":4,\"kernel_size\":[5,3]}", "a window of 5 x 3 does not fit"},
        {"{\"type\":\"batch_norm1d\"}", "which should be [features]"},
        {"{\"type\":\"residual\",\"children\":[{\"type\":\"flatten\"}]}", "its layers make [32] of [2, 4, 4]"},
        {"{\"type\":\"sequential\",\"children\":[{\"type\":\"flatten\"},{\"type\":\"linear\",\"out_features\":"
         "1000000000000000}]}",
         "'1.weight' alone has 32000000000000000"},
        {"{\"type\":\"graph\",\"nodes\":[{\"name\":\"a\",\"inputs\":[\"b\"],\"module\":{\"type\":\"relu\"}}],"
         "\"outputs\":[{\"name\":\"x\",\"node\":\"a\"}]}",
         "'b' is no input"},
        {"{\"type\":\"graph\",\"nodes\":[],\"outputs\":[]}", "no outputs"},
        {"[1, 2", "no JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mtl_context *ctx = context();
        mtl_model *m = NULL;
        mtl_set_memory_limit(ctx, 1 << 30);
        mtl_status status = mtl_model_new(ctx, cases[i].json, &m);
        if (status == MTL_OK)
            status = mtl_model_freeze(m, 0, 1, &image);
        CHECK(status != MTL_OK);
        CHECK_CONTAINS(mtl_message(ctx), cases[i].says);
        mtl_model_free(m);
        CHECK(mtl_memory_use(ctx).bytes == 0);
        mtl_context_free(ctx);
    }
}

static void joins(void)
{
    mtl_context *ctx = context();
    mtl_model *m = NULL;
    mtl_shape in = {1, {3}};
    mtl_tensor *x = NULL, *y[1];
    int64_t shape[2] = {2, 3};
    float values[6] = {1, -2, 3, 4, -5, 6};
    MUST(mtl_model_new(ctx,
                       "{\"type\":\"graph\",\"inputs\":[\"x\"],\"nodes\":["
                       "{\"name\":\"r\",\"inputs\":[\"x\"],\"module\":{\"type\":\"relu\"}},"
                       "{\"name\":\"s\",\"inputs\":[\"x\",\"r\"],\"module\":{\"type\":\"add\"}},"
                       "{\"name\":\"c\",\"inputs\":[\"x\",\"s\"],\"module\":{\"type\":\"concat\"}}],"
                       "\"outputs\":[{\"name\":\"y\",\"node\":\"c\"}]}",
                       &m) == MTL_OK);
    MUST(mtl_model_freeze(m, 0, 1, &in) == MTL_OK);
    mtl_tensor_new(ctx, MTL_F32, 2, shape, &x);
    mtl_tensor_write(x, values);
    MUST(mtl_model_forward(m, &x, 1, false, y) == MTL_OK);
    const float want[12] = {1, -2, 3, 2, -2, 6, 4, -5, 6, 8, -5, 12};
    CHECK(mtl_tensor_count(y[0]) == 12 && memcmp(mtl_tensor_data(y[0]), want, sizeof want) == 0);
    mtl_tensor_release(x);
    mtl_tensor_release(y[0]);
    mtl_model_free(m);
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(freeze_infers_and_masks);
    RUN(one_layer_is_a_model);
    RUN(initial_values_depend_on_the_path_alone);
    RUN(only_wanted_tasks_are_computed);
    RUN(dropout_follows_the_pass);
    RUN(rows_equal_separate_sweeps);
    RUN(frozen_parts_stand_still);
    RUN(mistakes_are_placed);
    RUN(joins);
    return TEST_RESULT;
}

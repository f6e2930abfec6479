/* layer_norm, group_norm, embedding, elu, softplus, silu, prelu as layers: shapes, parameters and their first values,
   the operators' values, learning, and what is wrong. */
#include "mtl/mtl.h"
#include "test.h"

static mtl_model *frozen(mtl_context *ctx, const char *layer, mtl_shape in)
{
    mtl_model *m = NULL;
    if (mtl_model_new(ctx, layer, &m) != MTL_OK || mtl_model_freeze(m, 0, 1, &in) != MTL_OK) {
        mtl_model_free(m);
        return NULL;
    }
    return m;
}

static void shapes_parameters_and_first_values(void)
{
    static const struct {
        const char *layer;
        mtl_shape in, out;
        int slots;
        int64_t parameters;
        float first[2]; /* of each slot */
    } cases[] = {
        {"{\"type\":\"layer_norm\"}", {3, {4, 5, 6}}, {3, {4, 5, 6}}, 2, 12, {1, 0}},
        {"{\"type\":\"layer_norm\",\"normalized_shape\":6,\"bias\":false}", {1, {6}}, {1, {6}}, 1, 6, {1, 0}},
        {"{\"type\":\"layer_norm\",\"elementwise_affine\":false}", {1, {6}}, {1, {6}}, 0, 0, {0, 0}},
        {"{\"type\":\"group_norm\",\"num_groups\":2}", {3, {4, 5, 6}}, {3, {4, 5, 6}}, 2, 8, {1, 0}},
        {"{\"type\":\"group_norm\",\"num_groups\":3,\"num_channels\":6,\"affine\":false}",
         {1, {6}},
         {1, {6}},
         0,
         0,
         {0, 0}},
        {"{\"type\":\"prelu\"}", {2, {4, 5}}, {2, {4, 5}}, 1, 1, {0.25f, 0}},
        {"{\"type\":\"prelu\",\"num_parameters\":4,\"init\":0.5}", {2, {4, 5}}, {2, {4, 5}}, 1, 4, {0.5f, 0}},
        {"{\"type\":\"elu\",\"alpha\":2}", {0, {0}}, {0, {0}}, 0, 0, {0, 0}},
        {"{\"type\":\"softplus\"}", {2, {4, 5}}, {2, {4, 5}}, 0, 0, {0, 0}},
        {"{\"type\":\"silu\"}", {2, {4, 5}}, {2, {4, 5}}, 0, 0, {0, 0}},
    };
    mtl_context *ctx;
    MUST(mtl_context_new(2, &ctx) == MTL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mtl_model *m = frozen(ctx, cases[i].layer, cases[i].in);
        mtl_shape out;
        mtl_tensor *x = NULL, *y = NULL;
        int64_t shape[MTL_MAX_RANK] = {3};
        if (!CHECK(m != NULL))
            printf("  %s: %s\n", cases[i].layer, mtl_message(ctx));
        MUST(m && mtl_model_output_shape(m, 0, &out) == MTL_OK);
        CHECK(out.rank == cases[i].out.rank && memcmp(out.size, cases[i].out.size, (size_t)out.rank * 8) == 0);
        mtl_arena *arena = mtl_model_arena(m);
        CHECK(mtl_arena_slots(arena) == cases[i].slots && mtl_arena_count(arena) == cases[i].parameters);
        for (int s = 0; s < cases[i].slots; s++)
            CHECK(*(float *)mtl_tensor_data(mtl_slot_param(arena, s)) == cases[i].first[s]);
        memcpy(shape + 1, cases[i].in.size, (size_t)cases[i].in.rank * sizeof *shape);
        MUST(mtl_tensor_new(ctx, MTL_F32, cases[i].in.rank + 1, shape, &x) == MTL_OK &&
             mtl_random_normal(x, 1, 2, 0, 0, 1) == MTL_OK);
        MUST(mtl_model_forward(m, &x, 1, true, &y) == MTL_OK);
        CHECK(mtl_tensor_rank(y) == out.rank + 1 && mtl_tensor_count(y) == mtl_tensor_count(x));
        mtl_tensor_release(x);
        mtl_tensor_release(y);
        mtl_model_free(m);
    }
    mtl_context_free(ctx);
}

/* Element 1 of a layer of three numbers is what the formula says. */
static void values(void)
{
    static const struct {
        const char *layer;
        double want;
    } cases[] = {{"{\"type\":\"elu\",\"alpha\":2}", -1.2642411}, {"{\"type\":\"elu\"}", -0.63212056},
                 {"{\"type\":\"softplus\"}", 0.31326169},        {"{\"type\":\"softplus\",\"beta\":2}", 0.063464},
                 {"{\"type\":\"silu\"}", -0.26894142},           {"{\"type\":\"prelu\"}", -0.25},
                 {"{\"type\":\"layer_norm\"}", -1.3363},         {"{\"type\":\"group_norm\",\"num_groups\":3}", 0}};
    mtl_context *ctx;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mtl_model *m = frozen(ctx, cases[i].layer, (mtl_shape){1, {3}});
        mtl_tensor *x = NULL, *y = NULL;
        MUST(m && mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){1, 3}, &x) == MTL_OK);
        MUST(mtl_tensor_write(x, (float[]){1, -1, 2}) == MTL_OK && mtl_model_forward(m, &x, 1, false, &y) == MTL_OK);
        CHECK_NEAR(((float *)mtl_tensor_data(y))[1], cases[i].want, 1e-4);
        mtl_tensor_release(x);
        mtl_tensor_release(y);
        mtl_model_free(m);
    }
    mtl_context_free(ctx);
}

#define TABLE "{\"type\":\"embedding\",\"num_embeddings\":50,\"embedding_dim\":40"

/* N(0, 1) by the slot's name; the padding row is 0, and only it differs. Samples [] and [L]. */
static void embedding_begins_normal(void)
{
    mtl_context *ctx;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    mtl_model *m = frozen(ctx, TABLE "}", (mtl_shape){0, {0}});
    mtl_model *padded = frozen(ctx, TABLE ",\"padding_idx\":2}", (mtl_shape){1, {7}});
    mtl_shape out;
    double sum = 0, squares = 0;
    MUST(m && padded);
    MUST(mtl_model_output_shape(m, 0, &out) == MTL_OK);
    CHECK(out.rank == 1 && out.size[0] == 40);
    MUST(mtl_model_output_shape(padded, 0, &out) == MTL_OK);
    CHECK(out.rank == 2 && out.size[0] == 7 && out.size[1] == 40);
    CHECK_TEXT(mtl_slot_name(mtl_model_arena(m), 0), "weight");
    const float *a = mtl_tensor_data(mtl_slot_param(mtl_model_arena(m), 0));
    const float *b = mtl_tensor_data(mtl_slot_param(mtl_model_arena(padded), 0));
    for (int i = 0; i < 2000; i++) {
        sum += a[i];
        squares += a[i] * a[i];
        CHECK(b[i] == (i / 40 == 2 ? 0 : a[i]));
    }
    CHECK_NEAR(sum / 2000, 0, 0.08);
    CHECK_NEAR(squares / 2000, 1, 0.12);

    /* floats that are whole numbers, as a table's column gives them; the padding row learns nothing */
    mtl_tensor *x = NULL, *y = NULL, *all = NULL;
    float indices[14] = {2, 2, 4};
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){2, 7}, &x) == MTL_OK && mtl_tensor_write(x, indices) == MTL_OK);
    MUST(mtl_model_forward(padded, &x, 1, true, &y) == MTL_OK && mtl_sum(y, MTL_ALL, false, &all) == MTL_OK);
    CHECK(((float *)mtl_tensor_data(y))[0] == 0 && ((float *)mtl_tensor_data(y))[80] == b[160]);
    MUST(mtl_backward(ctx, 1, &(mtl_root){.value = all, .scale = 1}, 1) == MTL_OK);
    const float *g = mtl_tensor_data(mtl_slot_grad(mtl_model_arena(padded), 0));
    CHECK(g[0] == 11 && g[80] == 0 && g[119] == 0 && g[160] == 1 && g[200] == 0);
    mtl_tensor_release(y);
    mtl_tensor_release(all);
    y = NULL;

    indices[3] = 50;
    MUST(mtl_tensor_write(x, indices) == MTL_OK);
    CHECK(mtl_model_forward(padded, &x, 1, true, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx),
                   "(embedding): embedding: index 50 (element 3 of the indices), which should be 0 to 49");
    mtl_tensor_release(x);
    mtl_model_free(m);
    mtl_model_free(padded);
    mtl_context_free(ctx);
}

static void wrong_layers(void)
{
    static const struct {
        const char *layer;
        mtl_shape in;
        const char *message;
    } cases[] = {
        {"{\"type\":\"layer_norm\",\"normalized_shape\":5}",
         {2, {5, 4}},
         "normalized_shape is 5, but a sample has shape [5, 4]"},
        {"{\"type\":\"layer_norm\"}", {0, {0}}, "a sample is one number"},
        {"{\"type\":\"layer_norm\",\"eps\":-1}", {1, {4}}, "eps should be a number from 0 to 1"},
        {"{\"type\":\"group_norm\"}", {2, {4, 4}}, "num_groups is missing"},
        {"{\"type\":\"group_norm\",\"num_groups\":3}",
         {2, {4, 5}},
         "num_groups is 3, which should divide the 4 channels of a sample [4, 5]"},
        {"{\"type\":\"group_norm\",\"num_groups\":2,\"num_channels\":6}",
         {2, {4, 5}},
         "num_channels is 6, but a sample has shape [4, 5]"},
        {"{\"type\":\"group_norm\",\"num_groups\":2}", {0, {0}}, "a sample is one number"},
        {TABLE ",\"padding_idx\":50}", {1, {4}}, "padding_idx is 50, which should be less than num_embeddings, 50"},
        {"{\"type\":\"embedding\",\"num_embeddings\":9007199254740992,\"embedding_dim\":1}",
         {1, {4}},
         "which is more than an int32 index counts"},
        {"{\"type\":\"embedding\",\"num_embeddings\":2000000000,\"embedding_dim\":9007199254740992}",
         {1, {4}},
         "larger than any memory"},
        {TABLE "}", {7, {1, 1, 1, 1, 1, 1, 1}}, "has no room for one more dimension"},
        {"{\"type\":\"prelu\",\"num_parameters\":3}",
         {2, {4, 5}},
         "num_parameters is 3, which should be 1 or the first"},
        {"{\"type\":\"softplus\",\"beta\":0}", {1, {4}}, "beta should be a number from"},
    };
    mtl_context *ctx;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mtl_model *m = frozen(ctx, cases[i].layer, cases[i].in);
        CHECK(m == NULL);
        CHECK_CONTAINS(mtl_message(ctx), cases[i].message);
        mtl_model_free(m);
    }
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(shapes_parameters_and_first_values);
    RUN(values);
    RUN(embedding_begins_normal);
    RUN(wrong_layers);
    return TEST_RESULT;
}

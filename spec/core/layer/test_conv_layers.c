/* conv2d with dilation and groups, conv_transpose2d, upsample, adaptive_avg_pool2d, pad as layers: shapes, parameters,
   the operators' values, and what is wrong, also with sizes that no memory holds. */
#include "mtl/mtl.h"
#include "test.h"

#define MORE "\"in_channels\":null,\"out_channels\":6,\"kernel_size\":3"

/* A frozen model of one layer over samples [4, 5, 8]; NULL where it fails. */
static mtl_model *frozen(mtl_context *ctx, const char *layer, mtl_shape in)
{
    mtl_model *m = NULL;
    if (mtl_model_new(ctx, layer, &m) != MTL_OK || mtl_model_freeze(m, 0, 1, &in) != MTL_OK) {
        mtl_model_free(m);
        return NULL;
    }
    return m;
}

static const mtl_shape image = {3, {4, 5, 8}};

static bool sizes_are(const int64_t *got, int64_t a, int64_t b, int64_t c)
{
    return got[0] == a && got[1] == b && got[2] == c;
}

static void shapes_and_parameters(void)
{
    static const struct {
        const char *layer;
        int64_t out[3], weight[4], parameters;
        double bound;
    } cases[] = {
        {"{\"type\":\"conv2d\"," MORE ",\"dilation\":2}", {6, 1, 4}, {6, 4, 3, 3}, 6 * 36 + 6, 1 / 6.0},
        {"{\"type\":\"conv2d\"," MORE ",\"dilation\":[1,2],\"groups\":2,\"padding\":[1,2],\"bias\":false}",
         {6, 5, 8},
         {6, 2, 3, 3},
         6 * 18,
         0.2357023},
        {"{\"type\":\"conv_transpose2d\"," MORE ",\"stride\":2,\"padding\":1,\"output_padding\":1}",
         {6, 10, 16},
         {4, 6, 3, 3},
         4 * 54 + 6,
         0.1360828},
        {"{\"type\":\"conv_transpose2d\"," MORE ",\"groups\":2,\"dilation\":[1,3]}",
         {6, 7, 14},
         {4, 3, 3, 3},
         4 * 27 + 6,
         0.1924501},
        {"{\"type\":\"upsample\",\"scale_factor\":[2,3]}", {4, 10, 24}, {0}, 0, 0},
        {"{\"type\":\"upsample\",\"size\":7,\"mode\":\"bilinear\"}", {4, 7, 7}, {0}, 0, 0},
        {"{\"type\":\"adaptive_avg_pool2d\",\"output_size\":[1,2]}", {4, 1, 2}, {0}, 0, 0},
        {"{\"type\":\"pad\",\"left\":1,\"right\":2,\"top\":3}", {4, 8, 11}, {0}, 0, 0},
        {"{\"type\":\"pad\",\"left\":7,\"bottom\":4,\"mode\":\"reflect\"}", {4, 9, 15}, {0}, 0, 0},
    };
    mtl_context *ctx;
    MUST(mtl_context_new(2, &ctx) == MTL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mtl_model *m = frozen(ctx, cases[i].layer, image);
        mtl_shape out;
        mtl_tensor *x = NULL, *y = NULL;
        if (!CHECK(m != NULL)) {
            printf("  %s\n  %s\n", cases[i].layer, mtl_message(ctx));
            continue;
        }
        CHECK(mtl_model_output_shape(m, 0, &out) == MTL_OK && out.rank == 3);
        if (!CHECK(sizes_are(out.size, cases[i].out[0], cases[i].out[1], cases[i].out[2])))
            printf("  case %zu\n", i);
        CHECK(mtl_arena_count(mtl_model_arena(m)) == cases[i].parameters);
        if (cases[i].parameters > 0) {
            const mtl_tensor *w = mtl_slot_param(mtl_model_arena(m), 0);
            double largest = 0;
            CHECK(memcmp(mtl_tensor_shape(w), cases[i].weight, sizeof cases[i].weight) == 0);
            for (int64_t e = 0; e < mtl_tensor_count(w); e++)
                largest = fmax(largest, fabs(((const float *)mtl_tensor_data(w))[e]));
            CHECK(largest <= cases[i].bound + 1e-6 && largest > 0.9 * cases[i].bound);
        }
        MUST(mtl_tensor_new(ctx, MTL_F32, 4, (int64_t[]){2, 4, 5, 8}, &x) == MTL_OK);
        mtl_random_uniform(x, 3, 4, 0, -1, 1);
        if (CHECK(mtl_model_forward(m, &x, 1, true, &y) == MTL_OK)) {
            CHECK(mtl_tensor_rank(y) == 4 && mtl_tensor_shape(y)[0] == 2);
            CHECK(sizes_are(mtl_tensor_shape(y) + 1, out.size[0], out.size[1], out.size[2]));
        }
        mtl_tensor_release(y);
        mtl_tensor_release(x);
        mtl_model_free(m);
    }
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

/* Options reach the operator: 1 x 1 pixels of value 1, by hand. */
static void options_reach_the_operators(void)
{
    mtl_context *ctx;
    mtl_tensor *x = NULL, *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 4, (int64_t[]){1, 1, 1, 2}, &x) == MTL_OK);
    mtl_tensor_write(x, (float[]){1, 3});
    mtl_model *m =
        frozen(ctx, "{\"type\":\"pad\",\"right\":1,\"top\":1,\"mode\":\"replicate\"}", (mtl_shape){3, {1, 1, 2}});
    MUST(m && mtl_model_forward(m, &x, 1, false, &y) == MTL_OK);
    CHECK(memcmp(mtl_tensor_data(y), (float[]){1, 3, 3, 1, 3, 3}, 6 * sizeof(float)) == 0);
    mtl_tensor_release(y);
    mtl_model_free(m);
    m = frozen(ctx, "{\"type\":\"pad\",\"left\":1,\"value\":-2.5}", (mtl_shape){3, {1, 1, 2}});
    MUST(m && mtl_model_forward(m, &x, 1, false, &y) == MTL_OK);
    CHECK(memcmp(mtl_tensor_data(y), (float[]){-2.5f, 1, 3}, 3 * sizeof(float)) == 0);
    mtl_tensor_release(y);
    mtl_model_free(m);
    m = frozen(ctx, "{\"type\":\"upsample\",\"scale_factor\":[1,2],\"mode\":\"bilinear\"}", (mtl_shape){3, {1, 1, 2}});
    MUST(m && mtl_model_forward(m, &x, 1, false, &y) == MTL_OK);
    CHECK(memcmp(mtl_tensor_data(y), (float[]){1, 1.5f, 2.5f, 3}, 4 * sizeof(float)) == 0);
    mtl_tensor_release(y);
    mtl_model_free(m);
    m = frozen(ctx, "{\"type\":\"upsample\",\"scale_factor\":[1,2]}", (mtl_shape){3, {1, 1, 2}});
    MUST(m && mtl_model_forward(m, &x, 1, false, &y) == MTL_OK);
    CHECK(memcmp(mtl_tensor_data(y), (float[]){1, 1, 3, 3}, 4 * sizeof(float)) == 0);
    mtl_tensor_release(y);
    mtl_model_free(m);
    mtl_tensor_release(x);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

static void errors_name_the_option(void)
{
    static const char *const cases[][2] = {
        {"{\"type\":\"conv2d\"," MORE ",\"groups\":3}",
         "(conv2d): groups is 3, which should divide the 4 channels of the input and the 6 of the output"},
        {"{\"type\":\"conv2d\"," MORE ",\"groups\":4}", "groups is 4, which should divide"},
        {"{\"type\":\"conv2d\"," MORE ",\"dilation\":3}", "a window of 3 x 3 with its dilation does not fit"},
        {"{\"type\":\"conv2d\"," MORE ",\"dilation\":0}",
         "dilation is 0, which should be a whole number of at least 1"},
        {"{\"type\":\"conv2d\"," MORE ",\"dilation\":9e15}", "with its dilation does not fit"},
        {"{\"type\":\"conv2d\",\"out_channels\":1,\"kernel_size\":1e15}", "does not fit a sample"},
        {"{\"type\":\"conv2d\",\"out_channels\":1,\"kernel_size\":9e15,\"dilation\":9e15,\"padding\":9e15}",
         "(conv2d)"},
        {"{\"type\":\"conv_transpose2d\"," MORE ",\"output_padding\":1}",
         "output_padding is 1, which should be less than stride or dilation"},
        {"{\"type\":\"conv_transpose2d\"," MORE ",\"padding\":4}", "nothing is left of a size of 5 and padding 4"},
        {"{\"type\":\"conv_transpose2d\",\"out_channels\":1,\"kernel_size\":1e15}",
         "kernel_size is 1000000000000000 for a size of 5; both should be 1073741824 or less"},
        {"{\"type\":\"conv_transpose2d\",\"out_channels\":9e15,\"kernel_size\":1e9}", "(conv_transpose2d)"},
        {"{\"type\":\"conv_transpose2d\",\"out_channels\":1e6,\"kernel_size\":1e9,\"stride\":1e9}",
         "is larger than any memory"},
        {"{\"type\":\"upsample\"}", "scale_factor or size should be given"},
        {"{\"type\":\"upsample\",\"size\":2,\"scale_factor\":2}", "should be given, and not both"},
        {"{\"type\":\"upsample\",\"size\":2,\"mode\":\"cubic\"}",
         "mode is 'cubic', which should be one of 'nearest', 'bilinear'"},
        {"{\"type\":\"upsample\",\"size\":2,\"mode\":1}", "mode is no text, which should be one of"},
        {"{\"type\":\"upsample\",\"scale_factor\":1e15}", "scale_factor is 1000000000000000 for a size of 5"},
        {"{\"type\":\"upsample\",\"size\":1e9}", "is larger than any memory"},
        {"{\"type\":\"adaptive_avg_pool2d\"}", "output_size is missing"},
        {"{\"type\":\"adaptive_avg_pool2d\",\"output_size\":9e15}", "is larger than any memory"},
        {"{\"type\":\"pad\",\"left\":8,\"mode\":\"reflect\"}",
         "left is 8, which should be less than the size 8 that is reflected"},
        {"{\"type\":\"pad\",\"left\":-1}", "left is -1, which should be a whole number of at least 0"},
        {"{\"type\":\"pad\",\"left\":9e15,\"right\":9e15}", "is larger than any memory"},
        {"{\"type\":\"pad\",\"mode\":\"mirror\"}", "one of 'constant', 'reflect', 'replicate'"},
    };
    mtl_context *ctx;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mtl_model *m = frozen(ctx, cases[i][0], image);
        if (CHECK(m == NULL))
            CHECK_CONTAINS(mtl_message(ctx), cases[i][1]);
        else
            printf("  %s\n", cases[i][0]);
        mtl_model_free(m);
    }
    static const char *const images[] = {"{\"type\":\"upsample\",\"size\":2}", "{\"type\":\"pad\"}",
                                         "{\"type\":\"adaptive_avg_pool2d\",\"output_size\":1}",
                                         "{\"type\":\"conv_transpose2d\"," MORE "}"};
    for (int i = 0; i < 4; i++) {
        CHECK(frozen(ctx, images[i], (mtl_shape){2, {4, 5}}) == NULL);
        CHECK_CONTAINS(mtl_message(ctx), "a sample has shape [4, 5], which should be [channels, height, width]");
    }
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

static void choices_are_listed(void)
{
    const mtl_option *options;
    const char *name;
    for (int i = 0; (name = mtl_layer_type_name(i, &options)); i++) {
        const char *const *choices = mtl_layer_type_choices(i);
        int n = 0;
        for (int o = 0; options[o].name; o++)
            n += options[o].kind == MTL_OPTION_CHOICE;
        CHECK(n == (choices != NULL));
        if (strcmp(name, "upsample") == 0 && CHECK(choices != NULL))
            CHECK_TEXT(choices[1], "bilinear");
    }
    CHECK(mtl_layer_type_choices(-1) == NULL && mtl_layer_type_choices(1000) == NULL);
}

int main(void)
{
    RUN(shapes_and_parameters);
    RUN(options_reach_the_operators);
    RUN(errors_name_the_option);
    RUN(choices_are_listed);
    return TEST_RESULT;
}

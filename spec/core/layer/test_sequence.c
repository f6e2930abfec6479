/* Layers over sequences: against PyTorch, parameters by name; dropout; lengths; what does not fit. */
#include <stdlib.h>

#include "fixture.h"
#include "mtl/mtl.h"
#include "test.h"

static mtl_context *context(void)
{
    mtl_context *ctx = NULL;
    CHECK(mtl_context_new(2, &ctx) == MTL_OK);
    return ctx;
}

/* A frozen model of one layer for samples [length, width]; NULL, with the context's message, where that fails. */
static mtl_model *model_of(mtl_context *ctx, const char *json, int64_t length, int64_t width)
{
    mtl_model *m = NULL;
    mtl_shape in = {2, {length, width}};
    if (mtl_model_new(ctx, json, &m) == MTL_OK && mtl_model_freeze(m, 0, 1, &in) == MTL_OK)
        return m;
    mtl_model_free(m);
    return NULL;
}

/* {"type": op, ...options} of the current case */
static char *layer_of(const fixture *f)
{
    cJSON *layer = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(f->current, "options"), true);
    cJSON_AddStringToObject(layer, "type", fixture_text(f, "op"));
    char *text = cJSON_PrintUnformatted(layer);
    cJSON_Delete(layer);
    return text;
}

static bool load_parameters(const fixture *f, mtl_arena *arena)
{
    bool good = mtl_arena_slots(arena) == (int)fixture_number(f, "parameters");
    for (int i = 0; good && i < mtl_arena_slots(arena); i++) {
        mtl_tensor *value = fixture_tensor(f, mtl_slot_name(arena, i));
        good = value && mtl_tensor_copy(mtl_slot_param(arena, i), value) == MTL_OK;
        mtl_tensor_release(value);
    }
    return good;
}

static void agrees(const char *file)
{
    fixture f;
    MUST(fixture_open(&f, file));
    while (fixture_next(&f)) {
        char *json = layer_of(&f);
        mtl_tensor *x = fixture_tensor(&f, "x"), *dy = fixture_tensor(&f, "dy"), *y = NULL;
        MUST(x && dy);
        mtl_model *m = model_of(f.ctx, json, mtl_tensor_shape(x)[1], mtl_tensor_shape(x)[2]);
        if (!CHECK(m != NULL))
            printf("  %s: %s\n", json, mtl_message(f.ctx));
        MUST(m);
        mtl_arena *arena = mtl_model_arena(m);
        mtl_tensor_require_grad(x, true);
        MUST(load_parameters(&f, arena));
        MUST(mtl_model_forward(m, &x, 1, true, &y) == MTL_OK);
        MUST(mtl_backward(f.ctx, 1, &(mtl_root){.value = y, .seed = dy, .scale = 1}, 1) == MTL_OK);
        CHECK(fixture_equals(&f, "y", y, 1e-5));
        CHECK(fixture_equals(&f, "dx", mtl_tensor_grad(x), 2e-5));
        for (int i = 0; i < mtl_arena_slots(arena); i++) {
            char name[128];
            snprintf(name, sizeof name, "d%s", mtl_slot_name(arena, i));
            CHECK(fixture_equals(&f, name, mtl_slot_grad(arena, i), 2e-5));
        }
        mtl_tensor_release(x);
        mtl_tensor_release(dy);
        mtl_tensor_release(y);
        mtl_model_free(m);
        free(json);
    }
    fixture_close(&f);
}

static void lstm_and_gru_agree_with_pytorch(void)
{
    agrees("recurrent");
}

static void attention_and_transformers_agree_with_pytorch(void)
{
    agrees("transformer");
}

static mtl_tensor *input(mtl_context *ctx, int64_t batch, int64_t length, int64_t width)
{
    mtl_tensor *x = NULL;
    CHECK(mtl_tensor_new(ctx, MTL_F32, 3, (int64_t[]){batch, length, width}, &x) == MTL_OK &&
          mtl_random_uniform(x, 3, 1, 0, -1, 1) == MTL_OK);
    return x;
}

static bool same(const mtl_tensor *a, const mtl_tensor *b)
{
    return mtl_tensor_bytes(a) == mtl_tensor_bytes(b) &&
           memcmp(mtl_tensor_data(a), mtl_tensor_data(b), mtl_tensor_bytes(a)) == 0;
}

static void first_values_are_pytorchs(void)
{
    static const struct {
        const char *layer, *slot;
        double bound; /* 0: all 0 */
    } wanted[] = {
        {"{\"type\":\"lstm\",\"hidden_size\":16}", "weight_ih_l0", 0.25},
        {"{\"type\":\"lstm\",\"hidden_size\":16}", "bias_hh_l0", 0.25},
        {"{\"type\":\"gru\",\"hidden_size\":4,\"bidirectional\":true}", "weight_hh_l0_reverse", 0.5},
        {"{\"type\":\"multi_head_attention\",\"num_heads\":2}", "in_proj_weight", 0.25},
        {"{\"type\":\"multi_head_attention\",\"num_heads\":2}", "out_proj.weight", 0.2041241},
        {"{\"type\":\"multi_head_attention\",\"num_heads\":2}", "in_proj_bias", 0},
        {"{\"type\":\"transformer_encoder_layer\",\"nhead\":2,\"dim_feedforward\":64}", "linear2.bias", 0.125},
        {"{\"type\":\"transformer_encoder_layer\",\"nhead\":2}", "self_attn.out_proj.bias", 0}};
    mtl_context *ctx = context();
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        mtl_model *m = model_of(ctx, wanted[i].layer, 3, 24);
        double largest = -1;
        MUST(m);
        for (int k = 0; k < mtl_arena_slots(mtl_model_arena(m)); k++) {
            mtl_tensor *slot = mtl_slot_param(mtl_model_arena(m), k);
            if (strcmp(mtl_slot_name(mtl_model_arena(m), k), wanted[i].slot) != 0)
                continue;
            for (int64_t j = 0; j < mtl_tensor_count(slot); j++)
                largest = fmax(largest, fabs(((float *)mtl_tensor_data(slot))[j]));
        }
        CHECK(largest <= wanted[i].bound && largest >= 0.8 * wanted[i].bound);
        mtl_model_free(m);
    }
    mtl_context_free(ctx);
}

/* In training each pass drops other elements; outside of it none, and lengths may be others than at freeze. */
static void dropout_and_other_lengths(void)
{
    static const char *const layers[] = {
        "{\"type\":\"lstm\",\"hidden_size\":8,\"num_layers\":2,\"dropout\":0.5}",
        "{\"type\":\"multi_head_attention\",\"num_heads\":2,\"dropout\":0.5}",
        "{\"type\":\"transformer_encoder_layer\",\"nhead\":2,\"dim_feedforward\":16}",
    };
    mtl_context *ctx = context();
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        mtl_model *m = model_of(ctx, layers[i], 6, 8);
        mtl_tensor *x = input(ctx, 3, 6, 8), *longer = input(ctx, 3, 9, 8), *y[5] = {0};
        MUST(m && x && longer);
        for (int k = 0; k < 4; k++)
            MUST(mtl_model_forward(m, &x, 1, k < 2, &y[k]) == MTL_OK);
        CHECK(!same(y[0], y[1]) && same(y[2], y[3]) && !same(y[1], y[2]));
        MUST(mtl_model_forward(m, &longer, 1, false, &y[4]) == MTL_OK);
        CHECK(mtl_tensor_shape(y[4])[1] == 9 && mtl_tensor_shape(y[4])[2] == 8);
        mtl_tensor_release(x);
        mtl_tensor_release(longer);
        for (int k = 0; k < 5; k++)
            mtl_tensor_release(y[k]);
        mtl_model_free(m);
    }
    mtl_context_free(ctx);
}

/* A step's output does not depend on later ones. */
static void causal_attention_looks_back(void)
{
    mtl_context *ctx = context();
    mtl_model *m = model_of(ctx, "{\"type\":\"transformer_encoder_layer\",\"nhead\":2,\"causal\":true}", 5, 4);
    mtl_tensor *x = input(ctx, 1, 5, 4), *before = NULL, *after = NULL;
    MUST(m && x);
    MUST(mtl_model_forward(m, &x, 1, false, &before) == MTL_OK);
    ((float *)mtl_tensor_data(x))[3 * 4] += 1; /* of the fourth */
    MUST(mtl_model_forward(m, &x, 1, false, &after) == MTL_OK);
    const float *a = mtl_tensor_data(before), *b = mtl_tensor_data(after);
    CHECK(memcmp(a, b, 12 * sizeof *a) == 0);
    CHECK(a[12] != b[12] && a[16] != b[16]);
    mtl_tensor_release(x);
    mtl_tensor_release(before);
    mtl_tensor_release(after);
    mtl_model_free(m);
    mtl_context_free(ctx);
}

static void places_are_added_and_sequences_pooled(void)
{
    static const struct {
        const char *how;
        float values[2];
    } pools[] = {{"mean", {3, 1}}, {"max", {5, 8}}, {"first", {1, 8}}, {"last", {5, -4}}};
    const float values[] = {1, 8, 3, -1, 5, -4};
    mtl_context *ctx = context();
    mtl_tensor *x = input(ctx, 1, 3, 2), *shorter = input(ctx, 1, 2, 2), *y = NULL;
    mtl_tensor_write(x, values);
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        char json[80];
        snprintf(json, sizeof json, "{\"type\":\"sequence_pool\",\"how\":\"%s\"}", pools[i].how);
        mtl_model *m = model_of(ctx, json, 3, 2);
        MUST(m && mtl_model_forward(m, &x, 1, false, &y) == MTL_OK);
        CHECK(mtl_tensor_rank(y) == 2 && memcmp(mtl_tensor_data(y), pools[i].values, sizeof pools[i].values) == 0);
        mtl_tensor_release(y);
        mtl_model_free(m);
    }
    mtl_model *m = model_of(ctx, "{\"type\":\"position_embedding\"}", 3, 2);
    MUST(m);
    mtl_tensor *rows = mtl_slot_param(mtl_model_arena(m), 0);
    CHECK(mtl_tensor_count(rows) == 6);
    MUST(mtl_tensor_write(rows, values) == MTL_OK);
    MUST(mtl_model_forward(m, &x, 1, false, &y) == MTL_OK);
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(((float *)mtl_tensor_data(y))[i], 2 * values[i], 0);
    mtl_tensor_release(y);
    MUST(mtl_model_forward(m, &shorter, 1, false, &y) == MTL_OK);
    CHECK_NEAR(((float *)mtl_tensor_data(y))[3], ((float *)mtl_tensor_data(shorter))[3] + values[3], 0);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    mtl_tensor_release(shorter);
    mtl_model_free(m);
    mtl_context_free(ctx);
}

static void what_does_not_fit_is_refused(void)
{
    static const struct {
        const char *layer;
        int rank;
        int64_t shape[3];
        const char *message;
    } wrong[] = {
        {"\"lstm\",\"hidden_size\":4", 1, {3}, "a sample has shape [3], which should be [length, features]"},
        {"\"lstm\",\"hidden_size\":4,\"input_size\":5", 2, {3, 2}, "input_size is 5, but a sample has shape [3, 2]"},
        {"\"gru\",\"hidden_size\":4,\"num_layers\":5,\"bidirectional\":true",
         2,
         {3, 2},
         "num_layers is 5, which should be at most 4 here; put two grus in turn"},
        {"\"gru\",\"hidden_size\":4,\"output\":\"first\"", 2, {3, 2}, "output"},
        {"\"gru\",\"hidden_size\":4,\"output\":\"last\"",
         2,
         {0, 3},
         "shape [0, 3], which should be [length, features]"},
        {"\"multi_head_attention\",\"num_heads\":4",
         2,
         {3, 6},
         "num_heads is 4, which should divide the features of a sample of shape [3, 6]"},
        {"\"multi_head_attention\",\"num_heads\":2,\"embed_dim\":8",
         2,
         {3, 6},
         "embed_dim is 8, but a sample has shape"},
        {"\"transformer_encoder_layer\",\"nhead\":5", 2, {3, 6}, "nhead is 5, which should divide"},
        {"\"transformer_encoder_layer\",\"nhead\":2",
         3,
         {3, 6, 1},
         "shape [3, 6, 1], which should be [length, features]"},
        {"\"position_embedding\",\"max_length\":2", 2, {3, 6}, "shape [3, 6] is longer than max_length, 2"},
        {"\"sequence_pool\"", 1, {3}, "which should be [length, features]"},
        {"\"lstm\",\"hidden_size\":9007199254740992", 2, {3, 2}, "lstm"},
    };
    mtl_context *ctx = context();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char json[160];
        mtl_model *m = NULL;
        mtl_shape in = {wrong[i].rank, {wrong[i].shape[0], wrong[i].shape[1], wrong[i].shape[2]}};
        snprintf(json, sizeof json, "{\"type\":%s}", wrong[i].layer);
        CHECK(mtl_model_new(ctx, json, &m) != MTL_OK || mtl_model_freeze(m, 0, 1, &in) != MTL_OK);
        CHECK_CONTAINS(mtl_message(ctx), wrong[i].message);
        mtl_model_free(m);
    }
    mtl_context_free(ctx);
}

/* The bytes of outputs and gradients, with so many threads. */
static bool bits(const char *json, int threads, char **all, size_t *size)
{
    mtl_context *ctx = NULL;
    mtl_tensor *x, *y = NULL;
    mtl_model *m;
    if (mtl_context_new(threads, &ctx) != MTL_OK || !(m = model_of(ctx, json, 20, 64)) || !(x = input(ctx, 19, 20, 64)))
        return false;
    mtl_arena *arena = mtl_model_arena(m);
    bool good = mtl_model_forward(m, &x, 1, true, &y) == MTL_OK;
    good = good && mtl_backward(ctx, 1, &(mtl_root){.value = y, .seed = y, .scale = 1}, 1) == MTL_OK;
    for (int i = -1; good && i < mtl_arena_slots(arena); i++) {
        const mtl_tensor *t = i < 0 ? y : mtl_slot_grad(arena, i);
        *all = realloc(*all, *size + mtl_tensor_bytes(t));
        memcpy(*all + *size, mtl_tensor_data(t), mtl_tensor_bytes(t));
        *size += mtl_tensor_bytes(t);
    }
    mtl_tensor_release(x);
    mtl_tensor_release(y);
    mtl_model_free(m);
    mtl_context_free(ctx);
    return good;
}

static void threads_do_not_change_the_bits(void)
{
    static const char *const layers[] = {
        "{\"type\":\"lstm\",\"hidden_size\":40,\"num_layers\":2,\"bidirectional\":true,\"dropout\":0.2}",
        "{\"type\":\"gru\",\"hidden_size\":40,\"output\":\"last\"}",
        "{\"type\":\"transformer_encoder_layer\",\"nhead\":4,\"causal\":true}",
    };
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        char *one = NULL, *two = NULL;
        size_t n_one = 0, n_two = 0;
        CHECK(bits(layers[i], 1, &one, &n_one) && bits(layers[i], 2, &two, &n_two));
        CHECK(n_one == n_two && memcmp(one, two, n_one) == 0);
        free(one);
        free(two);
    }
}

/* With a cap at any place, nothing is left behind. */
static void memory_may_end_anywhere(void)
{
    static const char *const json =
        "{\"type\":\"sequential\",\"children\":[{\"type\":\"position_embedding\"},"
        "{\"type\":\"lstm\",\"hidden_size\":2,\"num_layers\":2,\"bidirectional\":true,\"dropout\":0.5},"
        "{\"type\":\"multi_head_attention\",\"num_heads\":2,\"causal\":true,\"dropout\":0.5},"
        "{\"type\":\"transformer_encoder_layer\",\"nhead\":2,\"dim_feedforward\":3},"
        "{\"type\":\"transformer_encoder_layer\",\"nhead\":2,\"dim_feedforward\":3,\"norm_first\":true},"
        "{\"type\":\"gru\",\"hidden_size\":2,\"output\":\"last\"}]}";
    mtl_context *ctx = context();
    mtl_model *m = model_of(ctx, json, 3, 4);
    mtl_tensor *x = input(ctx, 2, 3, 4), *y = NULL;
    mtl_status status = MTL_ERR_MEMORY;
    MUST(m && x && mtl_tensor_require_grad(x, true) == MTL_OK);
    size_t held = mtl_memory_use(ctx).bytes;
    for (size_t cap = held; status != MTL_OK && cap < held + (1 << 20); cap += 64) {
        mtl_set_memory_limit(ctx, cap);
        status = mtl_model_forward(m, &x, 1, true, &y);
        if (status == MTL_OK)
            status = mtl_backward(ctx, 1, &(mtl_root){.value = y, .seed = y, .scale = 1}, 1);
        mtl_tensor_release(y);
        mtl_tensor_zero_grad(x);
        y = NULL;
        if (!CHECK((status == MTL_OK || status == MTL_ERR_MEMORY) && mtl_memory_use(ctx).bytes == held))
            break;
    }
    CHECK(status == MTL_OK);
    mtl_tensor_release(x);
    mtl_model_free(m);
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(lstm_and_gru_agree_with_pytorch);
    RUN(attention_and_transformers_agree_with_pytorch);
    RUN(first_values_are_pytorchs);
    RUN(dropout_and_other_lengths);
    RUN(causal_attention_looks_back);
    RUN(places_are_added_and_sequences_pooled);
    RUN(what_does_not_fit_is_refused);
    RUN(threads_do_not_change_the_bits);
    RUN(memory_may_end_anywhere);
    return TEST_RESULT;
}

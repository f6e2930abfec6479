/* What a C program does to predict with a trained model: the model from its JSON, the parameters by name from a
   safetensors file, one forward pass. Read it as an example. */
#include <stdlib.h>
#include <unistd.h>

#include "mtl/mtl.h"
#include "test.h"

static const char *json =
    "{\"type\":\"graph\",\"inputs\":[\"input\"],\"nodes\":["
    "{\"name\":\"trunk\",\"inputs\":[\"input\"],\"module\":{\"type\":\"sequential\",\"children\":["
    "{\"type\":\"linear\",\"out_features\":2},{\"type\":\"batch_norm1d\",\"eps\":0},{\"type\":\"relu\"}]}},"
    "{\"name\":\"heads.left\",\"inputs\":[\"trunk\"],\"module\":{\"type\":\"linear\",\"out_features\":1}},"
    "{\"name\":\"heads.right\",\"inputs\":[\"trunk\"],\"module\":{\"type\":\"softmax\"}}],"
    "\"outputs\":[{\"name\":\"left\",\"node\":\"heads.left\"},{\"name\":\"right\",\"node\":\"heads.right\"}]}";

/* What training would have left. */
static const struct {
    const char *name;
    int rank;
    int64_t shape[2];
    float values[6];
} trained[] = {{"trunk.0.weight", 2, {2, 3}, {1, 0, -1, 0.5f, 2, 0}},
               {"trunk.0.bias", 1, {2}, {1, -1}},
               {"trunk.1.weight", 1, {2}, {2, 1}},
               {"trunk.1.bias", 1, {2}, {0, 0.5f}},
               {"trunk.1.running_mean", 1, {2}, {1, 0}},
               {"trunk.1.running_var", 1, {2}, {4, 1}},
               {"heads.left.weight", 2, {1, 2}, {3, -1}},
               {"heads.left.bias", 1, {1}, {0.25f}}};
enum { TRAINED = sizeof trained / sizeof *trained };

static mtl_status save(mtl_context *ctx, const char *path, int n)
{
    mtl_tensor *tensors[TRAINED] = {0};
    const char *names[TRAINED];
    mtl_status status = MTL_OK;
    for (int i = 0; status == MTL_OK && i < n; i++) {
        names[i] = trained[i].name;
        status = mtl_tensor_new(ctx, MTL_F32, trained[i].rank, trained[i].shape, &tensors[i]);
        if (status == MTL_OK)
            status = mtl_tensor_write(tensors[i], trained[i].values);
    }
    if (status == MTL_OK)
        status = mtl_safetensors_write(ctx, path, n, names, tensors, 1, (const char *[]){"model", json});
    for (int i = 0; i < n; i++)
        mtl_tensor_release(tensors[i]);
    return status;
}

/* The file's tensor of that name into one of the model. */
static mtl_status load(mtl_safetensors *file, const char *name, mtl_tensor *to)
{
    mtl_tensor *from = NULL;
    mtl_status status = mtl_safetensors_tensor(file, name, &from);
    if (status == MTL_OK)
        status = mtl_tensor_copy(to, from);
    if (from && status != MTL_OK)
        mtl_fail_in(mtl_tensor_context(to), status, name);
    mtl_tensor_release(from);
    return status;
}

static mtl_status load_model(mtl_context *ctx, const char *path, const mtl_shape *input, mtl_model **out)
{
    mtl_safetensors *file = NULL;
    mtl_model *model = NULL;
    mtl_status status = mtl_safetensors_read(ctx, path, &file);
    if (status == MTL_OK)
        status = mtl_model_new(ctx, mtl_safetensors_meta(file, "model"), &model);
    if (status == MTL_OK)
        status = mtl_model_freeze(model, 0, 1, input);
    mtl_arena *arena = status == MTL_OK ? mtl_model_arena(model) : NULL;
    for (int i = 0; status == MTL_OK && i < mtl_arena_slots(arena); i++)
        status = load(file, mtl_slot_name(arena, i), mtl_slot_param(arena, i));
    for (int i = 0; status == MTL_OK && i < mtl_model_states(model); i++)
        status = load(file, mtl_model_state_name(model, i), mtl_model_state(model, i));
    mtl_safetensors_free(file);
    if (status == MTL_OK)
        *out = model;
    else
        mtl_model_free(model);
    return status;
}

static void in_folder(void (*body)(mtl_context *, const char *))
{
    char folder[] = "/tmp/mtl-predict-XXXXXX", path[64];
    mtl_context *ctx = NULL;
    MUST(mkdtemp(folder) != NULL && mtl_context_new(1, &ctx) == MTL_OK);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    body(ctx, path);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
    unlink(path);
    rmdir(folder);
}

static void predicts(mtl_context *ctx, const char *path)
{
    const mtl_shape input = {1, {3}};
    const int64_t shape[2] = {2, 3};
    const float rows[6] = {4, 1, 0, 1, 0.5f, 2};
    mtl_model *model = NULL;
    mtl_tensor *x = NULL, *y[2] = {NULL, NULL};
    MUST(save(ctx, path, TRAINED) == MTL_OK);
    MUST(load_model(ctx, path, &input, &model) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, shape, &x) == MTL_OK && mtl_tensor_write(x, rows) == MTL_OK);
    mtl_set_recording(ctx, false); /* no gradients are wanted: nothing is kept for them */
    MUST(mtl_model_forward(model, &x, 3, false, y) == MTL_OK);
    /* linear gives (5, 3) and (0, 0.5); batch norm (4, 3.5) and (-1, 1); relu (4, 3.5) and (0, 1) */
    const float *left = mtl_tensor_data(y[0]), *right = mtl_tensor_data(y[1]);
    CHECK_NEAR(left[0], 3 * 4 - 3.5 + 0.25, 1e-6);
    CHECK_NEAR(left[1], -1 + 0.25, 1e-6);
    CHECK_NEAR(right[0], 1 / (1 + exp(-0.5)), 1e-6);
    CHECK_NEAR(right[3], 1 / (1 + exp(-1)), 1e-6);
    CHECK(!mtl_tensor_requires_grad(y[0]));
    mtl_tensor_release(x);
    mtl_tensor_release(y[0]);
    mtl_tensor_release(y[1]);
    mtl_model_free(model);
}

static void says_what_does_not_fit(mtl_context *ctx, const char *path)
{
    const mtl_shape four = {1, {4}}, three = {1, {3}};
    mtl_model *model = NULL;
    CHECK(load_model(ctx, path, &three, &model) == MTL_ERR_IO);
    MUST(save(ctx, path, TRAINED) == MTL_OK);
    CHECK(load_model(ctx, path, &four, &model) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "trunk.0.weight: copy: float32 [2, 3] into float32 [2, 4]");
    MUST(save(ctx, path, TRAINED - 1) == MTL_OK);
    CHECK(load_model(ctx, path, &three, &model) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "no tensor 'heads.left.bias' in the file");
    CHECK(model == NULL);
}

static void predicts_from_a_file(void)
{
    in_folder(predicts);
}

static void says_what_is_wrong(void)
{
    in_folder(says_what_does_not_fit);
}

int main(void)
{
    RUN(predicts_from_a_file);
    RUN(says_what_is_wrong);
    return TEST_RESULT;
}

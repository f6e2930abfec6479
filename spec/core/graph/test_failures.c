/* Memory that ends: with a cap at any place, every operator, sweep and training step fails with MTL_ERR_MEMORY, holds
   nothing afterwards, and works when the cap is lifted. */
#include "op/make.h"

enum { X, Y, C, W, M, LABELS, INDEX, INPUTS }; /* what every operator below may take */
enum { STEP = 64, MOST = 1 << 20 };            /* the allocator's grain; far above what anything here takes */

typedef mtl_status run(mtl_tensor **in, mtl_tensor **out);
static const mtl_window window = {2, 2, 1, 1, 0, 0};
static const int order[] = {2, 0, 3, 1};

static mtl_status batch_norm(mtl_tensor **in, mtl_tensor **out)
{
    mtl_tensor *mean = NULL, *var = NULL;
    mtl_context *ctx = mtl_tensor_context(in[X]);
    mtl_status status = mtl_tensor_new(ctx, MTL_F32, 1, &(int64_t){3}, &mean);
    if (status == MTL_OK)
        status = mtl_tensor_new(ctx, MTL_F32, 1, &(int64_t){3}, &var);
    if (status == MTL_OK)
        status = mtl_tensor_fill(mean, 0);
    if (status == MTL_OK)
        status = mtl_tensor_fill(var, 1);
    if (status == MTL_OK)
        status = mtl_batch_norm(in[X], in[C], in[C], mean, var, true, 0.1, 1e-5, out);
    mtl_tensor_release(mean);
    mtl_tensor_release(var);
    return status;
}

static mtl_status cat_of_many(mtl_tensor **in, mtl_tensor **out)
{
    mtl_tensor *many[40];
    for (int i = 0; i < 40; i++)
        many[i] = in[M];
    return mtl_cat(40, many, 0, out);
}

#define OPERATORS(OP)                                                                                                  \
    OP(neg, mtl_neg(in[X], out))                                                                                       \
    OP(tanh, mtl_tanh(in[X], out))                                                                                     \
    OP(square, mtl_square(in[X], out))                                                                                 \
    OP(clamp, mtl_clamp(in[X], -0.5, 0.5, out))                                                                        \
    OP(scale, mtl_scale(in[X], 2, 1, out))                                                                             \
    OP(add, mtl_add(in[X], in[Y], out))                                                                                \
    OP(add_itself, mtl_add(in[X], in[X], out))                                                                         \
    OP(sub, mtl_sub(in[Y], in[X], out))                                                                                \
    OP(mul, mtl_mul(in[X], in[Y], out))                                                                                \
    OP(mul_itself, mtl_mul(in[Y], in[Y], out))                                                                         \
    OP(div, mtl_div(in[Y], in[X], out))                                                                                \
    OP(maximum, mtl_maximum(in[X], in[Y], out))                                                                        \
    OP(where, mtl_where(in[LABELS], in[M], in[M], out))                                                                \
    OP(sum, mtl_sum(in[X], 1, true, out))                                                                              \
    OP(mean, mtl_mean(in[X], MTL_ALL, false, out))                                                                     \
    OP(amax, mtl_amax(in[X], 2, false, out))                                                                           \
    OP(sum_to, mtl_sum_to(in[X], SHAPE(3, 1, 4), out))                                                                 \
    OP(sort, mtl_sort(in[X], 1, true, out, NULL))                                                                      \
    OP(reshape, mtl_reshape(in[X], SHAPE(6, -1), out))                                                                 \
    OP(slice, mtl_slice(in[X], 2, 1, 3, out))                                                                          \
    OP(select, mtl_select(in[X], 1, 2, out))                                                                           \
    OP(transpose, mtl_transpose(in[X], 1, 2, out))                                                                     \
    OP(permute, mtl_permute(in[X], 4, order, out))                                                                     \
    OP(expand, mtl_expand(in[Y], SHAPE(2, 3, 4, 4), out))                                                              \
    OP(cat, mtl_cat(2, (mtl_tensor *[]){in[X], in[X]}, 1, out))                                                        \
    OP(cat_of_many, cat_of_many(in, out))                                                                              \
    OP(stack, mtl_stack(3, (mtl_tensor *[]){in[M], in[M], in[M]}, 1, out))                                             \
    OP(take, mtl_take(in[X], 3, in[INDEX], out))                                                                       \
    OP(matmul, mtl_matmul(in[X], in[M], false, false, out))                                                            \
    OP(matmul_broadcast, mtl_matmul(in[Y], in[X], false, true, out))                                                   \
    OP(linear, mtl_linear(in[M], in[M], NULL, out))                                                                    \
    OP(conv2d, mtl_conv2d(in[X], in[W], in[C], &window, out))                                                          \
    OP(max_pool2d, mtl_max_pool2d(in[X], &window, out))                                                                \
    OP(avg_pool2d, mtl_avg_pool2d(in[X], &window, out))                                                                \
    OP(batch_norm, batch_norm(in, out))                                                                                \
    OP(dropout, mtl_dropout(in[X], 0.5, 1, 2, 3, out))                                                                 \
    OP(softmax, mtl_softmax(in[X], 1, out))                                                                            \
    OP(log_softmax, mtl_log_softmax(in[X], -1, out))                                                                   \
    OP(cross_entropy, mtl_cross_entropy(in[M], in[LABELS], NULL, 0.1, -1, NULL, out))                                  \
    OP(bce_logits, mtl_bce_logits(in[M], in[M], 2, out))
#define DEFINE(name, call)                                                                                             \
    static mtl_status run_##name(mtl_tensor **in, mtl_tensor **out)                                                    \
    {                                                                                                                  \
        return call;                                                                                                   \
    }
#define LIST(name, call) {#name, run_##name},
OPERATORS(DEFINE)
static const struct {
    const char *name;
    run *run;
} operators[] = {OPERATORS(LIST)};

/* The operator, the sum of what it gives, and a sweep of two rows: once and twice the gradient. */
static mtl_status attempt(mtl_context *ctx, run *f, mtl_tensor **in)
{
    mtl_tensor *y = NULL, *sum = NULL;
    mtl_status status = f(in, &y);
    if (status == MTL_OK)
        status = mtl_sum(y, MTL_ALL, false, &sum);
    if (status == MTL_OK)
        status =
            mtl_backward(ctx, 2, (mtl_root[]){{.value = sum, .scale = 1}, {.value = sum, .scale = 2, .row = 1}}, 2);
    mtl_tensor_release(y);
    mtl_tensor_release(sum);
    return status;
}

static bool doubled(const mtl_tensor *leaf)
{
    const mtl_tensor *g = mtl_tensor_grad(leaf);
    int64_t n = mtl_tensor_count(leaf);
    for (int64_t i = 0; g && i < n; i++) {
        if (fabsf(2 * at(g, i) - at(g, n + i)) > 1e-5f * (1 + fabsf(at(g, i))))
            return false;
    }
    return true;
}

static void every_operator(void)
{
    for (size_t k = 0; k < sizeof operators / sizeof *operators; k++) {
        mtl_context *ctx = NULL;
        mtl_status status = MTL_ERR_MEMORY;
        mtl_context_new(1, &ctx);
        mtl_tensor *in[INPUTS] = {[X] = make(ctx, MTL_F32, SHAPE(2, 3, 4, 4), NULL),
                                  [Y] = make(ctx, MTL_F32, SHAPE(3, 1, 4), NULL),
                                  [C] = FLOATS(ctx, 1, -1, 0.5f),
                                  [W] = make(ctx, MTL_F32, SHAPE(3, 3, 2, 2), NULL),
                                  [M] = make(ctx, MTL_F32, SHAPE(4, 4), NULL),
                                  [LABELS] = INTS(ctx, 0, 3, -1, 1),
                                  [INDEX] = INTS(ctx, 3, 0, 0)};
        for (int i = X; i <= M; i++) {
            if (i != C)
                mtl_random_normal(in[i], 1, (uint64_t)i, 0, 0, 1);
            mtl_tensor_require_grad(in[i], true);
        }
        size_t held = mtl_memory_use(ctx).bytes, cap = held;
        for (; status != MTL_OK && cap < held + MOST; cap += STEP) {
            mtl_set_memory_limit(ctx, cap);
            status = attempt(ctx, operators[k].run, in);
            if (status != MTL_OK && status != MTL_ERR_MEMORY)
                break;
            CHECK(mtl_memory_use(ctx).bytes <= cap);
            for (int i = X; i <= M; i++) {
                CHECK(status != MTL_OK || doubled(in[i]));
                mtl_tensor_zero_grad(in[i]);
                CHECK(mtl_tensor_copy(in[i], in[i]) == MTL_OK); /* no graph holds it */
            }
            if (!CHECK(mtl_memory_use(ctx).bytes == held))
                break;
        }
        if (!CHECK(status == MTL_OK))
            printf("  %s: %s\n", operators[k].name, mtl_message(ctx));
        CHECK(cap > held + STEP); /* the cap was felt */
        for (int i = 0; i < INPUTS; i++)
            mtl_tensor_release(in[i]);
        finish(ctx);
    }
}

static const char *json =
    "{\"type\":\"graph\",\"inputs\":[\"x\"],\"nodes\":[{\"name\":\"trunk\",\"inputs\":[\"x\"],\"module\":"
    "{\"type\":\"sequential\",\"children\":[{\"type\":\"conv2d\",\"out_channels\":4,\"kernel_size\":3},"
    "{\"type\":\"batch_norm2d\"},{\"type\":\"relu\"},{\"type\":\"max_pool2d\",\"kernel_size\":2},"
    "{\"type\":\"residual\",\"children\":[{\"type\":\"conv2d\",\"out_channels\":4,\"kernel_size\":3,\"padding\":1}]},"
    "{\"type\":\"flatten\"},{\"type\":\"concat\",\"children\":[{\"type\":\"linear\",\"out_features\":9},"
    "{\"type\":\"linear\",\"out_features\":6}]},{\"type\":\"dropout\"}]}},"
    "{\"name\":\"a\",\"inputs\":[\"trunk\"],\"module\":{\"type\":\"linear\",\"out_features\":3}},"
    "{\"name\":\"b\",\"inputs\":[\"trunk\"],\"module\":{\"type\":\"linear\",\"out_features\":2}}],"
    "\"outputs\":[{\"name\":\"a\",\"node\":\"a\"},{\"name\":\"b\",\"node\":\"b\"}]}";

/* Forward, two losses, a sweep of `rows` rows. */
static mtl_status gradients(mtl_context *ctx, mtl_model *m, mtl_tensor *x, mtl_tensor *labels, int rows)
{
    mtl_tensor *y[2] = {NULL, NULL}, *loss[2] = {NULL, NULL}, *square = NULL;
    mtl_model_set_passes(m, 0);
    mtl_status status = mtl_model_forward(m, &x, 3, true, y);
    if (status == MTL_OK)
        status = mtl_cross_entropy(y[0], labels, NULL, 0, -1, NULL, &loss[0]);
    if (status == MTL_OK)
        status = mtl_square(y[1], &square);
    if (status == MTL_OK)
        status = mtl_mean(square, MTL_ALL, false, &loss[1]);
    if (status == MTL_OK)
        status = mtl_backward(
            ctx, 2, (mtl_root[]){{.value = loss[0], .scale = 1}, {.value = loss[1], .scale = 1, .row = rows - 1}},
            rows);
    for (int t = 0; t < 2; t++) {
        mtl_tensor_release(y[t]);
        mtl_tensor_release(loss[t]);
    }
    mtl_tensor_release(square);
    return status;
}

static mtl_status whole_run(mtl_context *ctx, mtl_tensor *x, mtl_tensor *labels)
{
    const mtl_shape shape = {3, {2, 6, 6}};
    mtl_model *m = NULL;
    mtl_optimizer *o = NULL;
    mtl_optim_settings adam = mtl_optim_defaults(MTL_OPTIM_ADAM);
    mtl_status status = mtl_model_new(ctx, json, &m);
    if (status == MTL_OK)
        status = mtl_model_freeze(m, 0, 1, &shape);
    if (status == MTL_OK)
        status = mtl_optimizer_new(mtl_model_arena(m), &adam, &o);
    for (int rows = 1; status == MTL_OK && rows <= 2; rows++) {
        status = gradients(ctx, m, x, labels, rows);
        if (status == MTL_OK)
            status = mtl_optimizer_step(o, 3, 1);
    }
    mtl_optimizer_free(o);
    mtl_model_free(m);
    return status;
}

static void from_the_model_to_the_step(void)
{
    mtl_context *ctx = NULL;
    mtl_status status = MTL_ERR_MEMORY;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(3, 2, 6, 6), NULL), *labels = INTS(ctx, 0, 2, 1);
    mtl_random_normal(x, 1, 2, 0, 0, 1);
    size_t held = mtl_memory_use(ctx).bytes;
    for (size_t cap = held; status == MTL_ERR_MEMORY && cap < held + MOST; cap += STEP) {
        mtl_set_memory_limit(ctx, cap);
        status = whole_run(ctx, x, labels);
        if (status == MTL_ERR_MEMORY)
            CHECK_CONTAINS(mtl_message(ctx), "out of memory on cpu");
        if (!CHECK(mtl_memory_use(ctx).bytes == held))
            break;
    }
    if (!CHECK(status == MTL_OK))
        printf("  %s\n", mtl_message(ctx));
    mtl_tensor_release(x);
    mtl_tensor_release(labels);
    finish(ctx);
}

enum { KEPT = 4096 };

/* All gradients and rows, one behind the other. */
static bool keep(mtl_arena *a, float *to)
{
    mtl_tensor *rows = NULL;
    if (!CHECK(mtl_arena_rows(a, &rows) == MTL_OK))
        return false;
    int64_t used = 0;
    for (int i = 0; i <= mtl_arena_slots(a); i++) {
        const mtl_tensor *t = i < mtl_arena_slots(a) ? mtl_slot_grad(a, i) : rows;
        int64_t n = t ? mtl_tensor_count(t) : 0;
        if (!CHECK(used + n <= KEPT))
            return false;
        if (n > 0)
            memcpy(to + used, mtl_tensor_data(t), (size_t)n * sizeof *to);
        used += n;
    }
    return true;
}

/* A sweep that broke off leaves nothing that the next one, after zero_grad, would take for its own. */
static void a_broken_sweep_is_forgotten(void)
{
    const mtl_shape shape = {3, {2, 6, 6}};
    mtl_context *ctx = NULL;
    mtl_model *m = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(3, 2, 6, 6), NULL), *labels = INTS(ctx, 0, 2, 1);
    mtl_random_normal(x, 1, 2, 0, 0, 1);
    MUST(mtl_model_new(ctx, json, &m) == MTL_OK && mtl_model_freeze(m, 0, 1, &shape) == MTL_OK);
    mtl_arena *a = mtl_model_arena(m);
    for (int rows = 1; rows <= 2; rows++) {
        float want[KEPT] = {0}, got[KEPT] = {0};
        mtl_arena_zero_grad(a);
        MUST(gradients(ctx, m, x, labels, rows) == MTL_OK && keep(a, want));
        size_t held = mtl_memory_use(ctx).bytes;
        mtl_status status = MTL_ERR_MEMORY;
        for (size_t cap = held; status == MTL_ERR_MEMORY && cap < held + MOST; cap += 2 * STEP) {
            mtl_set_memory_limit(ctx, cap);
            mtl_arena_zero_grad(a);
            status = gradients(ctx, m, x, labels, rows);
            CHECK(mtl_memory_use(ctx).bytes == held);
            mtl_set_memory_limit(ctx, 0);
            mtl_arena_zero_grad(a);
            MUST(gradients(ctx, m, x, labels, rows) == MTL_OK && keep(a, got));
            MUST(memcmp(want, got, sizeof want) == 0);
        }
        CHECK(status == MTL_OK);
    }
    mtl_tensor_release(x);
    mtl_tensor_release(labels);
    mtl_model_free(m);
    finish(ctx);
}

int main(void)
{
    RUN(every_operator);
    RUN(from_the_model_to_the_step);
    RUN(a_broken_sweep_is_forgotten);
    return TEST_RESULT;
}

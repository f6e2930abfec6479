/* The arena and its optimizers: where slots lie, which of them a step moves, and the formulas over many slots at once.
 */
#include "arena/arena.h"
#include "op/make.h"

/* Adds `values` to a parameter's gradient, as a backward pass does. */
static mtl_status push(mtl_arena *a, int slot, const float *values)
{
    mtl_tensor *param = mtl_slot_param(a, slot), *seed = NULL;
    mtl_context *ctx = mtl_tensor_context(param);
    mtl_status status = mtl_tensor_new(ctx, MTL_F32, mtl_tensor_rank(param), mtl_tensor_shape(param), &seed);
    if (status == MTL_OK)
        status = mtl_tensor_write(seed, values);
    if (status == MTL_OK)
        status = mtl_backward(ctx, 1, &(mtl_root){.value = param, .seed = seed, .scale = 1}, 1);
    mtl_tensor_release(seed);
    return status;
}

static bool equals(const mtl_tensor *t, const float *want)
{
    return memcmp(mtl_tensor_data(t), want, mtl_tensor_bytes(t)) == 0;
}

/* Five slots of three tasks, three values each: value 1 in all. */
static mtl_arena *of_groups(mtl_context *ctx)
{
    mtl_slot_request requests[] = {{.name = "a", .tasks = 1},
                                   {.name = "ab", .tasks = 3},
                                   {.name = "c", .tasks = 4},
                                   {.name = "abc", .tasks = 7},
                                   {.name = "ab2", .tasks = 3}};
    enum { N = sizeof requests / sizeof *requests };
    mtl_arena *a = NULL;
    for (int i = 0; i < N; i++) {
        requests[i].rank = 1;
        requests[i].shape[0] = 3;
        requests[i].low = requests[i].high = 1;
    }
    CHECK(mtl_arena_new(ctx, 0, 3, 1, N, requests, &a) == MTL_OK);
    CHECK(requests[0].order == 3 && requests[1].order == 1 && requests[3].order == 0 && requests[4].order == 2);
    return a;
}

static void slots_are_sorted_and_aligned(void)
{
    static const char *const names[] = {"abc", "ab", "ab2", "a", "c"};
    mtl_context *ctx = NULL;
    mtl_context_new(1, &ctx);
    mtl_arena *a = of_groups(ctx);
    MUST(a != NULL && mtl_arena_slots(a) == 5);
    const float *flat = mtl_tensor_data(mtl_arena_params(a));
    CHECK(mtl_tensor_count(mtl_arena_params(a)) == 5 * 16 && mtl_arena_count(a) == 15 && mtl_arena_shared(a) == 9);
    for (int i = 0; i < 5; i++) {
        const float *values = mtl_tensor_data(mtl_slot_param(a, i));
        CHECK_TEXT(mtl_slot_name(a, i), names[i]);
        CHECK(values == flat + 16 * i && (uintptr_t)values % 64 == 0);
        for (int k = 0; k < 16; k++)
            CHECK(values[k] == (k < 3 ? 1 : 0)); /* padding is 0 */
    }
    mtl_arena_free(a);
    finish(ctx);
}

static void shapes_are_checked(void)
{
    const int64_t negative[] = {-2}, many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, large[] = {INT64_MAX / 8, 9};
    const struct {
        int rank;
        const int64_t *shape;
        const char *says;
    } cases[] = {{1, negative, "w: size -2 at dimension 1 is negative"},
                 {9, many, "w: a parameter of 9 dimensions, which should be 0 to 8"},
                 {2, large, "is larger than any memory"}};
    for (int i = 0; i < 3; i++) {
        mtl_context *ctx = NULL;
        mtl_arena *a = NULL;
        mtl_context_new(1, &ctx);
        CHECK(mtl_arena_make(ctx, 0, 1, (const char *[]){"w"}, &cases[i].rank, &cases[i].shape, (double[]){0}, &a) !=
              MTL_OK);
        CHECK_CONTAINS(mtl_message(ctx), cases[i].says);
        CHECK(a == NULL);
        finish(ctx);
    }
}

/* Slots of inactive groups have gradients here, and decay would show. */
static void inactive_groups_stand_still(void)
{
    static const struct {
        uint64_t active;
        int counts[4]; /* of abc, ab, a, c afterwards */
    } steps[] = {{1, {1, 1, 1, 0}}, {4, {2, 1, 1, 1}}, {0, {2, 1, 1, 1}}, {~UINT64_C(0), {3, 2, 2, 2}}};
    static const int group_of[] = {0, 1, 1, 2, 3};
    mtl_context *ctx = NULL;
    mtl_optimizer *o = NULL;
    mtl_optim_settings adamw = mtl_optim_defaults(MTL_OPTIM_ADAMW);
    int before[4] = {0};
    mtl_context_new(1, &ctx);
    mtl_arena *a = of_groups(ctx);
    MUST(mtl_optimizer_new(a, &adamw, &o) == MTL_OK && mtl_optimizer_groups(o) == 4);
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        float params[80], first[80], second[80];
        mtl_arena_zero_grad(a);
        for (int i = 0; i < 4; i++) /* and none for c */
            MUST(push(a, i, (float[]){1, -2, 3}) == MTL_OK);
        mtl_tensor_read(mtl_arena_params(a), params);
        mtl_tensor_read(mtl_optimizer_moment(o, 0), first);
        mtl_tensor_read(mtl_optimizer_moment(o, 1), second);
        MUST(mtl_optimizer_step(o, steps[k].active, 0) == MTL_OK);
        for (int i = 0; i < 5; i++) {
            int g = group_of[i];
            bool still = steps[k].counts[g] == before[g];
            const float *m = (float *)mtl_tensor_data(mtl_optimizer_moment(o, 0)) + 16 * i;
            const float *v = (float *)mtl_tensor_data(mtl_optimizer_moment(o, 1)) + 16 * i;
            CHECK(equals(mtl_slot_param(a, i), params + 16 * i) == still);
            CHECK(!still || (memcmp(m, first + 16 * i, 12) == 0 && memcmp(v, second + 16 * i, 12) == 0));
        }
        for (int g = 0; g < 4; g++) {
            CHECK(mtl_optimizer_count(o, g) == steps[k].counts[g]);
            before[g] = steps[k].counts[g];
        }
    }
    CHECK_NEAR(at(mtl_slot_param(a, 4), 0), (1 - 1e-5) * (1 - 1e-5), 1e-6); /* no gradient: decay alone */
    mtl_optimizer_free(o);
    mtl_arena_free(a);
    finish(ctx);
}

static void a_frozen_slot_within_a_group(void)
{
    mtl_context *ctx = NULL;
    mtl_optimizer *o = NULL;
    mtl_optim_settings sgd = mtl_optim_defaults(MTL_OPTIM_SGD);
    const int64_t three = 3, *shapes[] = {&three, &three, &three};
    mtl_arena *a = NULL;
    double norm = 0;
    int n;
    mtl_context_new(1, &ctx);
    MUST(mtl_arena_make(ctx, 0, 3, (const char *[]){"p", "p1.q", "p2"}, (int[]){1, 1, 1}, shapes, (double[]){1, 1, 1},
                        &a) == MTL_OK);
    sgd.lr = 1;
    sgd.weight_decay = 0.5;
    MUST(mtl_optimizer_new(a, &sgd, &o) == MTL_OK);
    for (int i = 0; i < 3; i++)
        MUST(push(a, i, (float[]){3, 0, 4}) == MTL_OK);
    MUST(mtl_arena_set_frozen(a, "p1", true, &n) == MTL_OK && n == 1); /* forgets its gradient */
    CHECK(!mtl_tensor_requires_grad(mtl_slot_param(a, 1)) && at(mtl_slot_grad(a, 1), 0) == 0);
    CHECK(push(a, 1, (float[]){9, 9, 9}) == MTL_ERR_STATE);
    MUST(mtl_arena_grad_norm(a, 1, &norm) == MTL_OK);
    CHECK_NEAR(norm, sqrt(50), 1e-12);
    MUST(mtl_optimizer_step(o, 1, 0) == MTL_OK && mtl_optimizer_count(o, 0) == 1);
    CHECK(equals(mtl_slot_param(a, 0), (float[]){-2.5f, 0.5f, -3.5f}));
    CHECK(equals(mtl_slot_param(a, 1), (float[]){1, 1, 1}));
    CHECK(equals(mtl_slot_param(a, 2), (float[]){-2.5f, 0.5f, -3.5f}));
    MUST(mtl_tensor_require_grad(mtl_slot_param(a, 1), true) == MTL_OK); /* the same as set_frozen */
    MUST(push(a, 1, (float[]){0, 0, 1}) == MTL_OK && mtl_optimizer_step(o, 1, 0) == MTL_OK);
    CHECK(equals(mtl_slot_param(a, 1), (float[]){0.5f, 0.5f, -0.5f}));
    for (int i = 0; i < 3; i++)
        mtl_tensor_require_grad(mtl_slot_param(a, i), false);
    CHECK(mtl_optimizer_step(o, 1, 0) == MTL_OK && mtl_optimizer_count(o, 0) == 2); /* nothing moved */
    mtl_optimizer_free(o);
    mtl_arena_free(a);
    finish(ctx);
}

/* (3, 4) over two slots has norm 5; what an inactive group holds does not count. */
static void clipping(void)
{
    static const struct {
        double clip, first; /* where the first element comes to, from 1, with a rate of 1 */
    } cases[] = {{0, -2}, {10, -2}, {5, -2}, {1, 1 - 3 / (5 + 1e-6)}, {0.25, 1 - 0.25 * 3 / (5 + 1e-6)}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        mtl_context *ctx = NULL;
        mtl_optimizer *o = NULL;
        mtl_optim_settings sgd = mtl_optim_defaults(MTL_OPTIM_SGD);
        double norm = -1;
        mtl_context_new(1, &ctx);
        mtl_arena *a = of_groups(ctx);
        sgd.lr = 1;
        MUST(mtl_optimizer_new(a, &sgd, &o) == MTL_OK);
        MUST(push(a, 0, (float[]){3, 0, 0}) == MTL_OK && push(a, 3, (float[]){0, 4, 0}) == MTL_OK);
        MUST(push(a, 4, (float[]){100, 100, 100}) == MTL_OK);
        MUST(mtl_arena_grad_norm(a, 1, &norm) == MTL_OK && mtl_optimizer_step(o, 1, cases[k].clip) == MTL_OK);
        CHECK_NEAR(norm, 5, 1e-12);
        CHECK_NEAR(at(mtl_slot_param(a, 0), 0), cases[k].first, 1e-6);
        CHECK_NEAR(at(mtl_slot_param(a, 3), 1), 1 + (cases[k].first - 1) * 4 / 3, 1e-6);
        CHECK(at(mtl_slot_grad(a, 0), 0) == 3); /* the gradient itself stays */
        mtl_optimizer_free(o);
        mtl_arena_free(a);
        finish(ctx);
    }
}

/* PyTorch's formulas on one element, plainly; t counts from 1. */
static double plain(const mtl_optim_settings *s, int t, double p, double g, double *m, double *v)
{
    if (s->kind == MTL_OPTIM_ADAMW)
        p -= s->lr * s->weight_decay * p;
    else
        g += s->weight_decay * p;
    if (s->kind == MTL_OPTIM_SGD) {
        *m = t == 1 ? g : s->momentum * *m + (1 - s->dampening) * g;
        return p - s->lr * (s->momentum == 0 ? g : s->nesterov ? g + s->momentum * *m : *m);
    }
    *m = s->beta1 * *m + (1 - s->beta1) * g;
    *v = s->beta2 * *v + (1 - s->beta2) * g * g;
    return p - s->lr * (*m / (1 - pow(s->beta1, t))) / (sqrt(*v / (1 - pow(s->beta2, t))) + s->eps);
}

static void steps_over_several_slots(void)
{
    enum { SLOTS = 3, LARGEST = 40, STEPS = 5 };
    static const struct {
        mtl_optim_kind kind;
        double decay, momentum, dampening;
        bool nesterov;
    } cases[] = {{MTL_OPTIM_SGD, 0, 0, 0, false},    {MTL_OPTIM_SGD, 0.1, 0.9, 0.2, false},
                 {MTL_OPTIM_SGD, 0.1, 0.8, 0, true}, {MTL_OPTIM_ADAM, 0, 0, 0, false},
                 {MTL_OPTIM_ADAM, 0.1, 0, 0, false}, {MTL_OPTIM_ADAMW, 0.1, 0, 0, false}};
    const int64_t sizes[SLOTS][2] = {{5, 8}, {7, 1}, {1, 1}}, *shapes[SLOTS] = {sizes[0], sizes[1], sizes[2]};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        mtl_context *ctx = NULL;
        mtl_arena *a = NULL;
        mtl_optimizer *o = NULL;
        mtl_optim_settings s = mtl_optim_defaults(cases[k].kind);
        double p[SLOTS][LARGEST], m[SLOTS][LARGEST] = {{0}}, v[SLOTS][LARGEST] = {{0}};
        s.lr = 0.05;
        s.weight_decay = cases[k].decay;
        s.momentum = cases[k].momentum;
        s.dampening = cases[k].dampening;
        s.nesterov = cases[k].nesterov;
        mtl_context_new(2, &ctx);
        MUST(mtl_arena_make(ctx, 0, SLOTS, (const char *[]){"u", "v", "w"}, (int[]){2, 2, 2}, shapes,
                            (double[]){0.5, -1, 2}, &a) == MTL_OK);
        MUST(mtl_optimizer_new(a, &s, &o) == MTL_OK);
        for (int t = 1; t <= STEPS; t++) {
            mtl_arena_zero_grad(a);
            for (int i = 0; i < SLOTS; i++) {
                float g[LARGEST];
                for (int64_t e = 0; e < sizes[i][0] * sizes[i][1]; e++) {
                    g[e] = (float)sin(17.0 * t + 5.0 * i + (double)e);
                    p[i][e] = t == 1 ? (double[]){0.5, -1, 2}[i] : p[i][e];
                    p[i][e] = plain(&s, t, p[i][e], g[e], &m[i][e], &v[i][e]);
                }
                MUST(push(a, i, g) == MTL_OK);
            }
            MUST(mtl_optimizer_step(o, ~UINT64_C(0), 0) == MTL_OK);
        }
        for (int i = 0; i < SLOTS; i++) {
            for (int64_t e = 0; e < sizes[i][0] * sizes[i][1]; e++)
                CHECK_NEAR(at(mtl_slot_param(a, i), e), p[i][e], 2e-6);
        }
        mtl_optimizer_free(o);
        mtl_arena_free(a);
        finish(ctx);
    }
}

/* Rows that no sweep reached are 0, also where an earlier one did. */
static void rows_are_fresh(void)
{
    mtl_context *ctx = NULL;
    mtl_context_new(1, &ctx);
    mtl_arena *a = of_groups(ctx);
    mtl_tensor *seed = FLOATS(ctx, 1, 2, 3);
    mtl_tensor *rows = NULL;
    CHECK(mtl_arena_rows(a, &rows) == MTL_OK && at(rows, 0) == 0);
    for (int pass = 0; pass < 2; pass++) {
        mtl_root root = {.value = mtl_slot_param(a, pass), .seed = seed, .scale = 1, .row = pass};
        mtl_arena_zero_grad(a);
        MUST(mtl_backward(ctx, 1, &root, 3) == MTL_OK);
        MUST(mtl_arena_rows(a, &rows) == MTL_OK && is(rows, SHAPE(3, 48)));
        for (int64_t i = 0; i < 3 * 48; i++) {
            int64_t place = i - (pass ? 48 + 16 : 0);
            CHECK(at(rows, i) == (place >= 0 && place < 3 ? (float)(place + 1) : 0));
        }
    }
    mtl_root stray = {.value = mtl_slot_param(a, 1), .seed = seed, .scale = 1, .row = 2};
    CHECK(mtl_backward(ctx, 1, &stray, 3) == MTL_ERR_STATE);
    CHECK_CONTAINS(mtl_message(ctx), "task 3 reaches 'ab'");
    mtl_tensor_release(seed);
    mtl_arena_free(a);
    finish(ctx);
}

static void settings_change_whole_or_not(void)
{
    mtl_context *ctx = NULL;
    mtl_optimizer *o = NULL;
    mtl_optim_settings s = mtl_optim_defaults(MTL_OPTIM_SGD), other = s;
    mtl_context_new(1, &ctx);
    mtl_arena *a = of_groups(ctx);
    MUST(mtl_optimizer_new(a, &s, &o) == MTL_OK && mtl_optimizer_moment(o, 0) == NULL);
    other.momentum = 0.9;
    mtl_set_memory_limit(ctx, mtl_memory_use(ctx).bytes);
    CHECK(mtl_optimizer_set(o, &other) == MTL_ERR_MEMORY);
    CHECK(mtl_optimizer_step(o, 1, 0) == MTL_OK); /* as it was */
    mtl_set_memory_limit(ctx, 0);
    CHECK(mtl_optimizer_set(o, &other) == MTL_OK && mtl_optimizer_moment(o, 0) != NULL);
    CHECK(mtl_optimizer_step(o, 1, 0) == MTL_OK && mtl_optimizer_count(o, 0) == 2);
    other.kind = MTL_OPTIM_ADAM;
    CHECK(mtl_optimizer_set(o, &other) == MTL_ERR_ARG);
    other = s;
    other.lr = NAN;
    CHECK(mtl_optimizer_set(o, &other) == MTL_ERR_ARG);
    mtl_optimizer_free(o);
    mtl_arena_free(a);
    finish(ctx);
}

/* A graph that was made before a step would give the gradient of other parameters. */
static void a_step_outdates_graphs(void)
{
    mtl_context *ctx = NULL;
    mtl_optimizer *o = NULL;
    mtl_tensor *y = NULL;
    mtl_optim_settings s = mtl_optim_defaults(MTL_OPTIM_SGD);
    mtl_context_new(1, &ctx);
    mtl_arena *a = of_groups(ctx);
    MUST(mtl_optimizer_new(a, &s, &o) == MTL_OK && mtl_square(mtl_slot_param(a, 0), &y) == MTL_OK);
    MUST(mtl_optimizer_step(o, 1, 0) == MTL_OK);
    CHECK(backward_sum(ctx, y) == MTL_ERR_STATE);
    CHECK_CONTAINS(mtl_message(ctx), "'square' needs was changed after it was used");
    mtl_tensor_release(y);
    mtl_optimizer_free(o);
    mtl_arena_free(a);
    finish(ctx);
}

/* Through a view of a parameter, and through a parameter twice, the gradient comes to the slot whole. */
static void views_of_parameters(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *view = NULL, *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_arena *a = of_groups(ctx);
    mtl_tensor *p = mtl_slot_param(a, 3);
    MUST(mtl_reshape(p, SHAPE(1, 3), &view) == MTL_OK && mtl_mul(view, p, &y) == MTL_OK);
    MUST(backward_sum(ctx, y) == MTL_OK);
    CHECK(equals(mtl_slot_grad(a, 3), (float[]){2, 2, 2}));
    mtl_tensor_release(view);
    mtl_tensor_release(y);
    MUST(mtl_slice(p, 0, 1, 3, &view) == MTL_OK && backward_sum(ctx, view) == MTL_OK);
    CHECK(equals(mtl_slot_grad(a, 3), (float[]){2, 3, 3}));
    mtl_tensor_release(view);
    mtl_arena_free(a);
    finish(ctx);
}

int main(void)
{
    RUN(slots_are_sorted_and_aligned);
    RUN(shapes_are_checked);
    RUN(inactive_groups_stand_still);
    RUN(a_frozen_slot_within_a_group);
    RUN(clipping);
    RUN(steps_over_several_slots);
    RUN(rows_are_fresh);
    RUN(settings_change_whole_or_not);
    RUN(a_step_outdates_graphs);
    RUN(views_of_parameters);
    return TEST_RESULT;
}

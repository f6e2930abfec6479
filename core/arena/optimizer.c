/* Optimizers: one fused pass over contiguous ranges of active slots. Formulas and defaults are PyTorch's. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "arena/arena.h"

struct mtl_optimizer {
    mtl_arena *arena;
    mtl_optim_settings settings;
    mtl_tensor *moment[2]; /* NULL until the rule needs it */
    int64_t *steps;        /* one a group */
};

mtl_optim_settings mtl_optim_defaults(mtl_optim_kind kind)
{
    return (mtl_optim_settings){.kind = kind,
                                .lr = 1e-3,
                                .weight_decay = kind == MTL_OPTIM_ADAMW ? 1e-2 : 0.0,
                                .beta1 = 0.9,
                                .beta2 = 0.999,
                                .eps = 1e-8};
}

static mtl_status check(mtl_context *ctx, const mtl_optim_settings *s)
{
    const struct {
        const char *name;
        double value, low, high; /* high itself is excluded */
    } rules[] = {{"lr", s->lr, 0, INFINITY},
                 {"weight_decay", s->weight_decay, 0, INFINITY},
                 {"momentum", s->momentum, 0, INFINITY},
                 {"beta1", s->beta1, 0, 1},
                 {"beta2", s->beta2, 0, 1},
                 {"eps", s->eps, 0, INFINITY}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!(rules[i].value >= rules[i].low && rules[i].value < rules[i].high))
            return mtl_fail(ctx, MTL_ERR_ARG, "optimizer: %s is %g, which should be in [%g, %g)", rules[i].name,
                            rules[i].value, rules[i].low, rules[i].high);
    }
    if (s->nesterov && (s->momentum == 0 || s->dampening != 0))
        return mtl_fail(ctx, MTL_ERR_ARG, "optimizer: nesterov needs a momentum above 0 and a dampening of 0");
    return MTL_OK;
}

/* How many of the two moments the rule keeps. */
static int moments(const mtl_optim_settings *s)
{
    return s->kind == MTL_OPTIM_SGD ? s->momentum != 0 : 2;
}

/* Takes the settings, once there is memory for the moments that they need. */
static mtl_status apply(mtl_optimizer *o, const mtl_optim_settings *settings)
{
    mtl_arena *a = o->arena;
    for (int i = 0; i < moments(settings); i++) {
        if (o->moment[i])
            continue;
        MTL_TRY(mtl_tensor_new_on(a->ctx, mtl_tensor_device(a->params), MTL_F32, 1, &a->count, &o->moment[i]));
        MTL_TRY(mtl_tensor_fill(o->moment[i], 0.0));
    }
    o->settings = *settings;
    return MTL_OK;
}

mtl_status mtl_optimizer_new(mtl_arena *arena, const mtl_optim_settings *settings, mtl_optimizer **out)
{
    MTL_TRY(check(arena->ctx, settings));
    mtl_optimizer *o = calloc(1, sizeof *o);
    mtl_status status = MTL_OK;
    if (!o || !(o->steps = calloc((size_t)arena->n_groups + 1, sizeof *o->steps))) {
        free(o);
        return mtl_fail(arena->ctx, MTL_ERR_MEMORY, "no host memory left");
    }
    o->arena = arena;
    status = apply(o, settings);
    if (status == MTL_OK)
        *out = o;
    else
        mtl_optimizer_free(o);
    return status;
}

void mtl_optimizer_free(mtl_optimizer *o)
{
    if (!o)
        return;
    mtl_tensor_release(o->moment[0]);
    mtl_tensor_release(o->moment[1]);
    free(o->steps);
    free(o);
}

mtl_status mtl_optimizer_set(mtl_optimizer *o, const mtl_optim_settings *settings)
{
    MTL_TRY(check(o->arena->ctx, settings));
    if (settings->kind != o->settings.kind)
        return mtl_fail(o->arena->ctx, MTL_ERR_ARG, "optimizer: its kind cannot change; make a new one");
    return apply(o, settings);
}

typedef struct {
    int64_t offset, count;
} range;

/* The next longest run of neighbouring slots of a group, from *slot on, that are not frozen; false: there is none. A
   slot of an active group that no gradient reached counts as reached by zero: it decays and its moments fade. */
static bool next_range(mtl_arena *a, const mtl_group *group, int *slot, range *r)
{
    while (*slot < group->end && a->slots[*slot].frozen)
        ++*slot;
    if (*slot == group->end)
        return false;
    r->offset = a->slots[*slot].offset;
    while (*slot < group->end && !a->slots[*slot].frozen) {
        mtl_slot *s = &a->slots[*slot];
        if (!s->has_grad) {
            mtl_kernels(s->grad)->fill(s->grad, 0.0);
            s->has_grad = true;
        }
        ++*slot;
    }
    int64_t end = *slot < group->end ? a->slots[*slot].offset : group->offset + group->count;
    r->count = end - r->offset;
    return true;
}

/* Of the slots that a task of `active` reaches, into a->squares. */
static mtl_status sum_squares(mtl_arena *a, uint64_t active)
{
    bool more = false;
    MTL_TRY(mtl_arena_squares(a));
    for (int g = 0; g < a->n_groups; g++) {
        range r;
        if (!(a->groups[g].tasks & active))
            continue;
        for (int slot = a->groups[g].first; next_range(a, &a->groups[g], &slot, &r); more = true)
            MTL_TRY(MTL_KERNEL(a->grads, sum_squares, a->grads, r.offset, r.count, more, a->squares));
    }
    return more ? MTL_OK : mtl_tensor_fill(a->squares, 0);
}

mtl_status mtl_arena_grad_norm(mtl_arena *a, uint64_t active, double *norm)
{
    mtl_tensor *row = NULL;
    double total = 0;
    MTL_TRY(mtl_tensor_alias(a->grads, 2, (int64_t[]){1, a->grads->count}, 0, &row));
    mtl_status status = MTL_OK;
    for (int g = 0; g < a->n_groups; g++) {
        range r;
        if (!(a->groups[g].tasks & active))
            continue;
        for (int slot = a->groups[g].first; next_range(a, &a->groups[g], &slot, &r);) {
            double sum;
            MTL_TRY_GOTO(MTL_KERNEL(row, gram, row, row, r.offset, r.count, &sum));
            total += sum;
        }
    }
    *norm = sqrt(total);
done:
    mtl_tensor_release(row);
    return status;
}

mtl_status mtl_optimizer_step(mtl_optimizer *o, uint64_t active, double clip)
{
    mtl_arena *a = o->arena;
    const mtl_optim_settings *s = &o->settings;
    if (clip > 0)
        MTL_TRY(sum_squares(a, active));
    a->params->storage->version++; /* a graph made before this step is stale */
    for (int g = 0; g < a->n_groups; g++) {
        range r;
        bool moved = false;
        if (!(a->groups[g].tasks & active))
            continue;
        for (int slot = a->groups[g].first; next_range(a, &a->groups[g], &slot, &r); moved = true) {
            mtl_optim_step step = {.kind = s->kind,
                                   .nesterov = s->nesterov,
                                   .lr = s->lr,
                                   .momentum = s->momentum,
                                   .dampening = s->dampening,
                                   .beta1 = s->beta1,
                                   .beta2 = s->beta2,
                                   .eps = s->eps,
                                   .weight_decay = s->weight_decay,
                                   .step = o->steps[g] + 1,
                                   .clip = clip};
            MTL_TRY(MTL_KERNEL(a->params, optimize, &step, r.offset, r.count, a->squares, a->params, a->grads,
                               o->moment[0], o->moment[1]));
        }
        o->steps[g] += moved;
    }
    return MTL_OK;
}

mtl_tensor *mtl_optimizer_moment(const mtl_optimizer *o, int which)
{
    return o->moment[which];
}

int mtl_optimizer_groups(const mtl_optimizer *o)
{
    return o->arena->n_groups;
}

int64_t mtl_optimizer_count(const mtl_optimizer *o, int group)
{
    return o->steps[group];
}

void mtl_optimizer_set_count(mtl_optimizer *o, int group, int64_t steps)
{
    o->steps[group] = steps;
}

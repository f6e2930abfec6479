/* The parameter arena: made once by freeze; nothing in it moves afterwards. */
#include "arena/arena.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mtl/random.h"

enum { ALIGN = 16 }; /* floats: 64 bytes */

static _Thread_local const mtl_slot_request *sorted_by; /* qsort hands no argument on */

static int by_mask(const void *a, const void *b)
{
    int i = *(const int *)a, j = *(const int *)b;
    uint64_t x = sorted_by[i].tasks, y = sorted_by[j].tasks;
    int px = __builtin_popcountll(x), py = __builtin_popcountll(y);
    if (px != py)
        return py - px;
    if (x != y)
        return x < y ? -1 : 1;
    return i - j;
}

static mtl_status count_request(mtl_context *ctx, const mtl_slot_request *r, int64_t *count)
{
    int64_t n = 1;
    if (r->rank < 0 || r->rank > MTL_MAX_RANK)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "%s: a parameter of %d dimensions, which should be 0 to %d", r->name,
                        r->rank, MTL_MAX_RANK);
    for (int i = 0; i < r->rank; i++) {
        if (r->shape[i] < 0)
            return mtl_fail(ctx, MTL_ERR_SHAPE, "%s: size %" PRId64 " at dimension %d is negative", r->name,
                            r->shape[i], i + 1);
        if (mtl_mul_overflows(n, r->shape[i], &n) || n > INT64_MAX / 64) {
            char text[MTL_SHAPE_TEXT];
            return mtl_fail(ctx, MTL_ERR_MEMORY, "%s: a parameter of shape %s is larger than any memory", r->name,
                            mtl_shape_text(r->rank, r->shape, text, sizeof text));
        }
    }
    *count = n;
    return MTL_OK;
}

static mtl_status add_slot(mtl_arena *a, int i, const mtl_slot_request *r)
{
    mtl_slot *slot = &a->slots[i];
    slot->arena = a;
    slot->tasks = r->tasks;
    slot->offset = a->count;
    slot->name = strdup(r->name);
    if (!slot->name)
        return mtl_fail(a->ctx, MTL_ERR_MEMORY, "no host memory left");
    MTL_TRY(count_request(a->ctx, r, &slot->count));
    if (i == 0 || r->tasks != a->slots[i - 1].tasks)
        a->groups[a->n_groups++] = (mtl_group){.tasks = r->tasks, .first = i, .offset = a->count};
    mtl_group *group = &a->groups[a->n_groups - 1];
    if (a->count > INT64_MAX / 64 - slot->count)
        return mtl_fail(a->ctx, MTL_ERR_MEMORY, "%s: the model is larger than any memory", r->name);
    a->count += (slot->count + ALIGN - 1) / ALIGN * ALIGN;
    group->end = i + 1;
    group->count = a->count - group->offset;
    if (__builtin_popcountll(r->tasks) > 1)
        a->shared = a->count;
    return MTL_OK;
}

static mtl_status normal_values(mtl_tensor *param, const mtl_slot_request *r, uint64_t seed)
{
    mtl_tensor *row = NULL;
    MTL_TRY(mtl_random_normal(param, seed, mtl_stream(r->name), 0, 0, r->normal));
    if (r->zero == 0)
        return MTL_OK;
    int64_t each = param->count / r->shape[0];
    MTL_TRY(mtl_tensor_alias(param, 1, &each, (r->zero - 1) * each, &row));
    mtl_status status = mtl_tensor_fill(row, 0);
    mtl_tensor_release(row);
    return status;
}

static mtl_status bind_slot(mtl_arena *a, int i, const mtl_slot_request *r, uint64_t seed)
{
    mtl_slot *slot = &a->slots[i];
    MTL_TRY(mtl_tensor_alias(a->params, r->rank, r->shape, slot->offset, &slot->param));
    MTL_TRY(mtl_tensor_alias(a->grads, r->rank, r->shape, slot->offset, &slot->grad));
    slot->param->wants_grad = true;
    slot->param->slot = slot;
    if (r->normal > 0)
        return normal_values(slot->param, r, seed);
    if (r->low == r->high)
        return mtl_tensor_fill(slot->param, r->low);
    return mtl_random_uniform(slot->param, seed, mtl_stream(r->name), 0, r->low, r->high);
}

/* The flat buffers. Where they do not fit, the largest parameter is the one to look at. */
static mtl_status buffers(mtl_arena *a, int device)
{
    const mtl_slot *largest = a->slots;
    char where[400];
    mtl_status status = mtl_tensor_new_on(a->ctx, device, MTL_F32, 1, &a->count, &a->params);
    if (status == MTL_OK)
        status = mtl_tensor_new_on(a->ctx, device, MTL_F32, 1, &a->count, &a->grads);
    if (status == MTL_OK || a->n_slots == 0)
        return status;
    for (int i = 1; i < a->n_slots; i++)
        largest = a->slots[i].count > largest->count ? &a->slots[i] : largest;
    snprintf(where, sizeof where, "the model's parameters ('%.200s' alone has %" PRId64 ")", largest->name,
             largest->count);
    return mtl_fail_in(a->ctx, status, where);
}

mtl_status mtl_arena_new(mtl_context *ctx, int device, int n_tasks, uint64_t seed, int n, mtl_slot_request *requests,
                         mtl_arena **out)
{
    mtl_status status = MTL_OK;
    mtl_arena *a = calloc(1, sizeof *a);
    int *order = calloc((size_t)n + 1, sizeof *order);
    if (!a || !order || !(a->slots = calloc((size_t)n + 1, sizeof *a->slots)) ||
        !(a->groups = calloc((size_t)n + 1, sizeof *a->groups))) {
        status = mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
        goto done;
    }
    a->ctx = ctx;
    a->n_tasks = n_tasks;
    for (int i = 0; i < n; i++)
        order[i] = i;
    sorted_by = requests;
    qsort(order, (size_t)n, sizeof *order, by_mask);
    for (int i = 0; i < n; i++) {
        requests[order[i]].order = i;
        a->n_slots = i + 1;
        MTL_TRY_GOTO(add_slot(a, i, &requests[order[i]]));
    }
    MTL_TRY_GOTO(buffers(a, device));
    MTL_TRY_GOTO(mtl_tensor_fill(a->params, 0.0)); /* the padding stays 0 for ever */
    MTL_TRY_GOTO(mtl_tensor_fill(a->grads, 0.0));
    for (int i = 0; i < n; i++)
        MTL_TRY_GOTO(bind_slot(a, i, &requests[order[i]], seed));
    *out = a;
    a = NULL;
done:
    mtl_arena_free(a);
    free(order);
    return status;
}

void mtl_arena_free(mtl_arena *a)
{
    if (!a)
        return;
    for (int i = 0; i < a->n_slots; i++) {
        if (a->slots[i].param)
            a->slots[i].param->slot = NULL; /* whoever still holds it has a plain leaf */
        mtl_tensor_release(a->slots[i].param);
        mtl_tensor_release(a->slots[i].grad);
        free(a->slots[i].name);
    }
    mtl_tensor_release(a->params);
    mtl_tensor_release(a->grads);
    mtl_tensor_release(a->rows);
    mtl_tensor_release(a->squares);
    free(a->slots);
    free(a->groups);
    free(a);
}

mtl_status mtl_arena_squares(mtl_arena *a)
{
    return a->squares ? MTL_OK : mtl_tensor_like(a->grads, MTL_I32, 1, (int64_t[]){2}, &a->squares);
}

int mtl_arena_tasks(const mtl_arena *a)
{
    return a->n_tasks;
}

int mtl_arena_slots(const mtl_arena *a)
{
    return a->n_slots;
}

int64_t mtl_arena_count(const mtl_arena *a)
{
    int64_t n = 0;
    for (int i = 0; i < a->n_slots; i++)
        n += a->slots[i].count;
    return n;
}

int64_t mtl_arena_shared(const mtl_arena *a)
{
    int64_t n = 0;
    for (int i = 0; i < a->n_slots; i++)
        n += __builtin_popcountll(a->slots[i].tasks) > 1 ? a->slots[i].count : 0;
    return n;
}

const char *mtl_slot_name(const mtl_arena *a, int slot)
{
    return a->slots[slot].name;
}

uint64_t mtl_slot_tasks(const mtl_arena *a, int slot)
{
    return a->slots[slot].tasks;
}

mtl_tensor *mtl_slot_param(const mtl_arena *a, int slot)
{
    return a->slots[slot].param;
}

mtl_tensor *mtl_slot_grad(const mtl_arena *a, int slot)
{
    mtl_slot *s = &a->slots[slot];
    if (!s->has_grad)
        mtl_kernels(s->grad)->fill(s->grad, 0.0);
    return s->grad;
}

mtl_tensor *mtl_arena_params(const mtl_arena *a)
{
    return a->params;
}

static mtl_status rows_buffer(mtl_arena *a)
{
    int64_t shape[2] = {a->n_tasks, a->shared};
    if (a->rows)
        return MTL_OK;
    MTL_TRY(mtl_tensor_new_on(a->ctx, mtl_tensor_device(a->params), MTL_F32, 2, shape, &a->rows));
    return MTL_KERNEL(a->rows, fill, a->rows, 0.0); /* padding, and tasks that a slot does not have, stay 0 */
}

/* Row t of the rows of J, over one slot. */
static mtl_status row_of(mtl_arena *a, const mtl_slot *slot, int t, mtl_tensor **out)
{
    return mtl_tensor_alias(a->rows, 1, &slot->count, t * a->shared + slot->offset, out);
}

/* What no task reached since zero_grad becomes 0 only here, where someone looks; from then on it counts as reached, for
   whoever looks may write. */
mtl_status mtl_arena_rows(mtl_arena *a, mtl_tensor **out)
{
    MTL_TRY(rows_buffer(a));
    for (int i = 0; i < a->n_slots && a->slots[i].offset < a->shared; i++) {
        mtl_slot *slot = &a->slots[i];
        for (int t = 0; t < a->n_tasks; t++) {
            mtl_tensor *part = NULL;
            if (!((slot->tasks & ~slot->has_rows) >> t & 1))
                continue;
            MTL_TRY(row_of(a, slot, t, &part));
            mtl_status status = MTL_KERNEL(part, fill, part, 0.0);
            mtl_tensor_release(part);
            MTL_TRY(status);
        }
        slot->has_rows = slot->frozen ? 0 : slot->tasks;
    }
    *out = a->rows;
    return MTL_OK;
}

mtl_tensor *mtl_tensor_grad(const mtl_tensor *t)
{
    return t->slot ? mtl_slot_grad(t->slot->arena, (int)(t->slot - t->slot->arena->slots)) : t->grad;
}

void mtl_tensor_zero_grad(mtl_tensor *t)
{
    if (t->slot) {
        t->slot->has_grad = false;
        t->slot->has_rows = 0;
    }
    mtl_tensor_release(t->grad);
    t->grad = NULL;
}

bool mtl_path_covers(const char *prefix, const char *path)
{
    size_t n = strlen(prefix);
    return n == 0 || (strncmp(prefix, path, n) == 0 && (path[n] == '.' || path[n] == '\0'));
}

void mtl_slot_freeze(mtl_slot *slot, bool frozen)
{
    slot->frozen = frozen;
    slot->has_grad = slot->has_grad && !frozen;
    slot->has_rows = frozen ? 0 : slot->has_rows;
    slot->param->wants_grad = !frozen;
}

mtl_status mtl_arena_set_frozen(mtl_arena *a, const char *prefix, bool frozen, int *n)
{
    *n = 0;
    for (int i = 0; i < a->n_slots; i++) {
        if (!mtl_path_covers(prefix, a->slots[i].name))
            continue;
        mtl_slot_freeze(&a->slots[i], frozen);
        ++*n;
    }
    return MTL_OK;
}

mtl_status mtl_arena_zero_grad(mtl_arena *a)
{
    for (int i = 0; i < a->n_slots; i++) {
        a->slots[i].has_grad = false;
        a->slots[i].has_rows = 0;
    }
    return MTL_OK;
}

/* ---- what the sweep delivers ---- */

static bool into_grad(const mtl_slot *slot, bool single)
{
    return single || __builtin_popcountll(slot->tasks) < 2;
}

static mtl_status check_rows(const mtl_slot *slot, bool single, uint64_t row_mask)
{
    bool own = slot->arena->n_tasks == 1 && __builtin_popcountll(row_mask) == 1; /* outside of the model: any one row */
    if (single || own || (row_mask & ~slot->tasks) == 0)
        return MTL_OK;
    return mtl_fail(slot->arena->ctx, MTL_ERR_STATE,
                    "backward: task %d reaches '%s', which the frozen model says it does not",
                    __builtin_ctzll(row_mask & ~slot->tasks) + 1, slot->name);
}

mtl_status mtl_slot_direct(mtl_slot *slot, bool single, uint64_t row_mask, mtl_tensor **out)
{
    int64_t shape[MTL_MAX_RANK + 1] = {1};
    MTL_TRY(check_rows(slot, single, row_mask));
    if (!into_grad(slot, single) || slot->has_grad || slot->param->rank >= MTL_MAX_RANK)
        return MTL_OK;
    memcpy(shape + 1, slot->param->shape, (size_t)slot->param->rank * sizeof *shape);
    MTL_TRY(mtl_tensor_alias(slot->grad, slot->param->rank + 1, shape, 0, out));
    slot->has_grad = true;
    return MTL_OK;
}

static mtl_status put(mtl_tensor *to, mtl_tensor *from, bool add)
{
    return add ? MTL_KERNEL(to, axpy, 1.0, from, to) : MTL_KERNEL(to, copy, to, from);
}

mtl_status mtl_slot_row(mtl_slot *slot, int task, mtl_tensor **out)
{
    mtl_arena *a = slot->arena;
    int64_t shape[MTL_MAX_RANK + 1] = {1};
    uint64_t bit = UINT64_C(1) << task;
    MTL_TRY(check_rows(slot, false, bit));
    if (slot->has_rows & bit || slot->param->rank >= MTL_MAX_RANK)
        return MTL_OK;
    MTL_TRY(rows_buffer(a));
    memcpy(shape + 1, slot->param->shape, (size_t)slot->param->rank * sizeof *shape);
    MTL_TRY(mtl_tensor_alias(a->rows, slot->param->rank + 1, shape, task * a->shared + slot->offset, out));
    slot->has_rows |= bit;
    return MTL_OK;
}

mtl_status mtl_slot_add(mtl_slot *slot, bool single, uint64_t row_mask, mtl_tensor *dx)
{
    mtl_arena *a = slot->arena;
    int64_t given = 0;
    MTL_TRY(check_rows(slot, single, row_mask));
    if (into_grad(slot, single)) {
        MTL_TRY(put(slot->grad, dx, slot->has_grad));
        slot->has_grad = true;
        return MTL_OK;
    }
    MTL_TRY(rows_buffer(a));
    for (int t = 0; t < a->n_tasks; t++) {
        mtl_tensor *to = NULL, *from = NULL;
        uint64_t bit = UINT64_C(1) << t;
        if (!(row_mask & bit))
            continue;
        MTL_TRY(mtl_tensor_alias(a->rows, 1, &slot->count, t * a->shared + slot->offset, &to));
        mtl_status status = mtl_tensor_alias(dx, 1, &slot->count, given++ * slot->count, &from);
        if (status == MTL_OK)
            status = put(to, from, slot->has_rows & bit);
        mtl_tensor_release(to);
        mtl_tensor_release(from);
        MTL_TRY(status);
        slot->has_rows |= bit;
    }
    return MTL_OK;
}

mtl_status mtl_arena_make(mtl_context *ctx, int device, int n, const char *const *names, const int *ranks,
                          const int64_t *const *shapes, const double *values, mtl_arena **out)
{
    mtl_slot_request *requests = calloc((size_t)n + 1, sizeof *requests);
    if (!requests)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    for (int i = 0; i < n; i++) {
        requests[i] =
            (mtl_slot_request){.name = names[i], .tasks = 1, .rank = ranks[i], .low = values[i], .high = values[i]};
        for (int k = 0; k < ranks[i] && k < MTL_MAX_RANK; k++)
            requests[i].shape[k] = shapes[i][k];
    }
    mtl_status status = mtl_arena_new(ctx, device, 1, 0, n, requests, out);
    free(requests);
    return status;
}

/* The mix: rows of J, weighted, become the gradient. Sums run in the order of tasks, slot after slot. */
#include "mtl/task.h"

#include "arena/arena.h"

/* to = the sum of weight[t] times row t, over the tasks that reach the slot. */
static mtl_status mix_rows(mtl_arena *a, const mtl_slot *slot, uint64_t active, const double *weight, mtl_tensor *to)
{
    MTL_TRY(MTL_KERNEL(to, fill, to, 0.0));
    for (int t = 0; t < a->n_tasks; t++) {
        mtl_tensor *row = NULL;
        if (!(slot->has_rows & active & UINT64_C(1) << t))
            continue;
        MTL_TRY(mtl_tensor_alias(a->rows, 1, &slot->count, t * a->shared + slot->offset, &row));
        mtl_status status = MTL_KERNEL(to, axpy, weight[t], row, to);
        mtl_tensor_release(row);
        MTL_TRY(status);
    }
    return MTL_OK;
}

/* A slot of several tasks, one of them active, that has a gradient. */
static bool has_shared(const mtl_slot *slot, uint64_t active)
{
    return !slot->frozen && slot->has_grad && (slot->tasks & active) && __builtin_popcountll(slot->tasks) > 1;
}

/* Brings the gradient of the shared slots that `active` reaches down to the norm `most`; measured on what was mixed,
   for a norm of a Gramian is not exact enough to divide by. */
static mtl_status clip_shared(mtl_arena *a, uint64_t active, double most)
{
    bool more = false;
    MTL_TRY(mtl_arena_squares(a));
    for (int i = 0; i < a->n_slots; i++) {
        const mtl_slot *slot = &a->slots[i];
        if (!has_shared(slot, active))
            continue;
        MTL_TRY(MTL_KERNEL(a->grads, sum_squares, a->grads, slot->offset, slot->count, more, a->squares));
        more = true;
    }
    for (int i = 0; i < a->n_slots; i++) {
        if (has_shared(&a->slots[i], active))
            MTL_TRY(MTL_KERNEL(a->grads, clip, most, a->squares, a->slots[i].grad));
    }
    return MTL_OK;
}

mtl_status mtl_mix(mtl_arena *a, uint64_t active, int n, const double *weight, const int *slice, const double *own,
                   double max_norm)
{
    own = own ? own : weight;
    if (n != a->n_tasks)
        return mtl_fail(a->ctx, MTL_ERR_ARG, "mix: %d weights for %d tasks", n, a->n_tasks);
    for (int i = 0; i < a->n_slots; i++) {
        mtl_slot *slot = &a->slots[i];
        if (slot->frozen || !(slot->tasks & active))
            continue;
        if (slot->has_rows) {
            MTL_TRY(mix_rows(a, slot, active, weight + (slice ? slice[i] * n : 0), slot->grad));
            slot->has_grad = true;
            slot->has_rows = 0;
        } else if (slot->has_grad && __builtin_popcountll(slot->tasks) == 1) {
            MTL_TRY(MTL_KERNEL(a->grads, scale, own[__builtin_ctzll(slot->tasks)], slot->grad));
        }
    }
    return max_norm > 0 ? clip_shared(a, active, max_norm) : MTL_OK;
}

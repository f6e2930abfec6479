/* Inside of the parameter arena: slots in one buffer, gradients in a second of the same layout, task gradients (rows of
   J) of the slots that several tasks reach in a third. Slots are sorted by task mask, those of most tasks first. */
#ifndef MTL_ARENA_ARENA_H
#define MTL_ARENA_ARENA_H

#include "mtl/arena.h"
#include "tensor/backend.h"

struct mtl_slot {
    mtl_arena *arena;
    char *name;
    int64_t offset, count; /* elements in the flat buffers */
    uint64_t tasks;        /* bit t: task t reaches it */
    bool frozen;
    bool has_grad;     /* grads holds something since the last zero_grad */
    uint64_t has_rows; /* bit t: rows holds something of task t */
    mtl_tensor *param; /* leaf, view of arena->params */
    mtl_tensor *grad;  /* view of arena->grads */
};

typedef struct { /* slots of one mask: one contiguous range with one step count */
    uint64_t tasks;
    int first, end; /* slots */
    int64_t offset, count;
} mtl_group;

struct mtl_arena {
    mtl_context *ctx;
    int n_slots, n_groups, n_tasks;
    mtl_slot *slots;
    mtl_group *groups;
    int64_t count, shared; /* elements in all; in the groups that several tasks reach (they lie first) */
    mtl_tensor *params, *grads, *rows;
    mtl_tensor *squares; /* of the gradient, where it is clipped: sum_squares of the backend; NULL before */
};

/* A slot as it is asked for; its values come from `init`. */
typedef struct {
    const char *name;
    uint64_t tasks;
    int rank;
    int64_t shape[MTL_MAX_RANK];
    double low, high; /* uniform in [low, high); equal: that constant */
    double normal;    /* > 0: normal about 0 with this deviation in place of that */
    int64_t zero;     /* with `normal`: 1 + the index along the first dimension that holds zeros; 0: none */
    int order;        /* out: index of the slot that it became */
} mtl_slot_request;

/* Makes the arena of all requests, sorted by mask (popcount falling, then mask, then order given), and draws the
   initial values: stream = the slot's name. */
mtl_status mtl_arena_new(mtl_context *ctx, int device, int n_tasks, uint64_t seed, int n, mtl_slot_request *requests,
                         mtl_arena **out);

/* "trunk.1" covers "trunk.1.weight", not "trunk.10.weight"; "" covers all. */
bool mtl_path_covers(const char *prefix, const char *path);

/* Makes a->squares, once. */
mtl_status mtl_arena_squares(mtl_arena *a);

void mtl_slot_freeze(mtl_slot *slot, bool frozen);

/* For the sweep. direct: a view [rows, ...] to write the gradient into, where nothing is there yet and it is
 *contiguous; else out stays NULL and the finished gradient goes through mtl_slot_add. */
mtl_status mtl_slot_direct(mtl_slot *slot, bool single, uint64_t row_mask, mtl_tensor **out);
/* The row of one task, to write its gradient into: a view with a leading 1; out stays NULL where something is there
 * already. */
mtl_status mtl_slot_row(mtl_slot *slot, int task, mtl_tensor **out);
mtl_status mtl_slot_add(mtl_slot *slot, bool single, uint64_t row_mask, mtl_tensor *dx);

#endif

/* Parameters and their optimizers. All parameters of a frozen model lie in one arena: slots sorted by the tasks that
   reach them, shared first, each aligned to 64 bytes. */
#ifndef MTL_ARENA_H
#define MTL_ARENA_H

#include "mtl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mtl_arena mtl_arena;

/* An arena of its own for n constant-filled slots of one task, named and shaped as given: what is learned outside of a
 * model. */
mtl_status mtl_arena_make(mtl_context *ctx, int device, int n, const char *const *names, const int *ranks,
                          const int64_t *const *shapes, const double *values, mtl_arena **out);
void mtl_arena_free(mtl_arena *arena); /* not for a model's: the model frees it */

int mtl_arena_slots(const mtl_arena *arena);
int mtl_arena_tasks(const mtl_arena *arena);
int64_t mtl_arena_count(const mtl_arena *arena);  /* parameters, padding not counted */
int64_t mtl_arena_shared(const mtl_arena *arena); /* parameters that two or more tasks reach */
const char *mtl_slot_name(const mtl_arena *arena, int slot);
uint64_t mtl_slot_tasks(const mtl_arena *arena, int slot);    /* bit t: task t reaches it */
mtl_tensor *mtl_slot_param(const mtl_arena *arena, int slot); /* borrowed */
/* Borrowed. All zero where no backward pass has reached the slot since zero_grad. */
mtl_tensor *mtl_slot_grad(const mtl_arena *arena, int slot);
/* Frozen slots collect no gradient and take no step. `prefix`: a path ("trunk", "trunk.0", "heads.left.weight").
 *n receives how many slots matched. */
mtl_status mtl_arena_set_frozen(mtl_arena *arena, const char *prefix, bool frozen, int *n);

mtl_status mtl_arena_zero_grad(mtl_arena *arena); /* forgets gradients and rows; costs no pass over memory */
/* Euclidean norm of the gradient over the slots that tasks in `active` reach. */
mtl_status mtl_arena_grad_norm(mtl_arena *arena, uint64_t active, double *norm);
/* Rows of J: [tasks, shared elements with padding], what sweeps with more than one row gave since zero_grad, and 0
   elsewhere. What is written there is what mtl_mix mixes. Borrowed. */
mtl_status mtl_arena_rows(mtl_arena *arena, mtl_tensor **rows);

typedef enum { MTL_OPTIM_SGD, MTL_OPTIM_ADAM, MTL_OPTIM_ADAMW } mtl_optim_kind;

/* Settings; defaults are PyTorch's (mtl_optim_defaults). */
typedef struct {
    mtl_optim_kind kind;
    double lr;
    double weight_decay;
    double momentum, dampening; /* SGD */
    bool nesterov;              /* SGD */
    double beta1, beta2, eps;   /* Adam, AdamW */
} mtl_optim_settings;
mtl_optim_settings mtl_optim_defaults(mtl_optim_kind kind);

/* Moments and step counts for one arena; one step count a task mask. */
typedef struct mtl_optimizer mtl_optimizer;
mtl_status mtl_optimizer_new(mtl_arena *arena, const mtl_optim_settings *settings, mtl_optimizer **out);
void mtl_optimizer_free(mtl_optimizer *optimizer);
/* Moments and counts stay. The kind cannot change. */
mtl_status mtl_optimizer_set(mtl_optimizer *optimizer, const mtl_optim_settings *settings);
/* One fused pass over the slots that a task of `active` reaches (all: ~0): no others move, decay or count. `clip` > 0:
   the gradient's norm over them is first brought down to it, as torch.nn.utils.clip_grad_norm_ does; the norm stays on
   the device, which is not waited for (mtl_arena_grad_norm reads it). 0: no clipping. */
mtl_status mtl_optimizer_step(mtl_optimizer *optimizer, uint64_t active, double clip);

/* For checkpoints: the moments in the arena's layout (NULL where the kind has none; borrowed) and the step counts, one
   for each mask. */
mtl_tensor *mtl_optimizer_moment(const mtl_optimizer *optimizer, int which); /* 0: first, 1: second */
int mtl_optimizer_groups(const mtl_optimizer *optimizer);
int64_t mtl_optimizer_count(const mtl_optimizer *optimizer, int group);
void mtl_optimizer_set_count(mtl_optimizer *optimizer, int group, int64_t steps);
/* The parameters of all slots as one flat tensor with padding, for checkpoints; borrowed. */
mtl_tensor *mtl_arena_params(const mtl_arena *arena);

#ifdef __cplusplus
}
#endif
#endif

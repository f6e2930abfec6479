/* The multi-task part: what becomes of the task gradients that a sweep leaves in an arena. */
#ifndef MTL_TASK_H
#define MTL_TASK_H

#include "mtl/arena.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The gradient as a weighted sum of task gradients, after sweeps with a row a task (mtl_backward): slots that several
   tasks reach get the sum of weight[t] times row t of J over the tasks t of `active`; slots of one task get their
   gradient times its weight. weight: n numbers, n the number of tasks of the arena. Frozen slots keep what they have.
   Afterwards the gradient is as one sweep over the weighted losses would have left it, so it is mixed once only. */
mtl_status mtl_mix(mtl_arena *arena, uint64_t active, int n, const double *weight);

#ifdef __cplusplus
}
#endif
#endif

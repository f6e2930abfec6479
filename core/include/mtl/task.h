/* The multi-task part: what becomes of the task gradients that sweeps with a row a task (mtl_backward) leave in an
   arena. */
#ifndef MTL_TASK_H
#define MTL_TASK_H

#include "mtl/arena.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Gramian of the task gradients over the shared slots below `prefix` ("": all of them): gram[i*T+j] = <g_i, g_j>, T the
   number of tasks of the arena, 0 on slots that a task does not reach. `gram` is host memory, T*T doubles. Sums run in
   parts with double partial sums, in a fixed order: the same for any number of threads, and symmetric. */
mtl_status mtl_gram(mtl_arena *arena, const char *prefix, double *gram);

/* The gradient as a weighted sum of task gradients: slots that several tasks reach get the sum of weight[t] times row t
   of J over the tasks t of `active`; slots of one task get their gradient times own[t] (NULL: weight). weight, own: n
   numbers, n the number of tasks of the arena. max_norm > 0: what the shared slots got is then brought down to that
   Euclidean norm. Frozen slots keep what they have. Rows are gone afterwards, so it is mixed once only. */
mtl_status mtl_mix(mtl_arena *arena, uint64_t active, int n, const double *weight, const double *own, double max_norm);

#ifdef __cplusplus
}
#endif
#endif

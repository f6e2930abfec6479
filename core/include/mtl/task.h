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

/* The gradient as a weighted sum of task gradients: slots with rows of J get the sum of weight[t] times row t over the
   tasks t of `active`; slots of one task get their gradient times own[t] (NULL: weight). weight, own: n numbers, n the
   number of tasks of the arena. slice: NULL, or for each slot which n numbers of `weight` are its own (0: the first n).
   max_norm > 0: the gradient of the shared slots is then brought down to that Euclidean norm. Frozen slots, and shared
   ones without rows, keep what they have. Rows are gone afterwards, so it is mixed once only. */
mtl_status mtl_mix(mtl_arena *arena, uint64_t active, int n, const double *weight, const int *slice, const double *own,
                   double max_norm);

/* products[i*m+j] = <row i of x, row j of y>: x [n, ...], y [m, ...], float32, rows of one size. Summed as mtl_gram
   does. `products` is host memory, n*m doubles. */
mtl_status mtl_products(const mtl_tensor *x, const mtl_tensor *y, double *products);

#ifdef __cplusplus
}
#endif
#endif

/* Walks over tensors that broadcast or lie at strides: the runs of the last dimension, for any block of the elements,
   so that blocks can go to threads. Merged dimensions make the runs long. */
#ifndef MTL_CPU_WALK_H
#define MTL_CPU_WALK_H

#include "cpu/cpu.h"

/* The runs of the last dimension that elements [begin, end) of the result fall into. */
typedef struct {
    const mtl_broadcast *shape;
    int64_t at, end;                 /* in the result */
    int64_t n;                       /* of this run */
    int64_t place[MTL_MAX_RANK + 1]; /* in each dimension but the last */
    int64_t row[3], in[3];           /* first element of the line, and of this run, in each input */
} walk;

static inline int64_t inner_of(const mtl_broadcast *s)
{
    return s->rank ? s->shape[s->rank - 1] : 1;
}

static inline int64_t step_of(const mtl_broadcast *s, int input)
{
    return s->rank ? s->stride[input][s->rank - 1] : 0;
}

static inline int64_t total_of(const mtl_broadcast *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= s->shape[i];
    return n;
}

static inline void run_from(walk *w, int64_t skip)
{
    int64_t left = inner_of(w->shape) - skip;
    w->n = left < w->end - w->at ? left : w->end - w->at;
    for (int i = 0; i < 3; i++)
        w->in[i] = w->row[i] + skip * step_of(w->shape, i);
}

static inline walk walk_from(const mtl_broadcast *s, int64_t begin, int64_t end)
{
    walk w = {.shape = s, .at = begin, .end = end};
    int64_t line = begin / inner_of(s);
    for (int k = s->rank - 2; k >= 0; k--) {
        w.place[k] = line % s->shape[k];
        line /= s->shape[k];
        for (int i = 0; i < 3; i++)
            w.row[i] += w.place[k] * s->stride[i][k];
    }
    run_from(&w, begin % inner_of(s));
    return w;
}

static inline void walk_on(walk *w)
{
    const mtl_broadcast *s = w->shape;
    w->at += w->n;
    for (int k = s->rank - 2; k >= 0; k--) {
        for (int i = 0; i < 3; i++)
            w->row[i] += s->stride[i][k];
        if (++w->place[k] < s->shape[k])
            break;
        w->place[k] = 0;
        for (int i = 0; i < 3; i++)
            w->row[i] -= s->shape[k] * s->stride[i][k];
    }
    run_from(w, 0);
}

/* Blocks of MTL_CPU_GRAIN elements. */
static inline int64_t block_count(int64_t total)
{
    return (total + MTL_CPU_GRAIN - 1) / MTL_CPU_GRAIN;
}

#endif

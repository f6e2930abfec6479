/* Whether an operator gives the same bits for any number of threads: outputs and gradients of 1, 2 and 5 threads. */
#ifndef SPEC_SAME_BITS_H
#define SPEC_SAME_BITS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mtl/mtl.h"

#define BITS_INPUTS 3

typedef struct {
    const char *name;
    int n, rank[BITS_INPUTS];
    int64_t shape[BITS_INPUTS][MTL_MAX_RANK];
    int rows; /* cotangents */
    mtl_status (*apply)(mtl_tensor **in, mtl_tensor **out);
} bits_case;

static inline mtl_tensor *bits_draw(mtl_context *ctx, int rank, const int64_t *shape, uint64_t stream)
{
    mtl_tensor *t = NULL;
    if (mtl_tensor_new(ctx, MTL_F32, rank, shape, &t) != MTL_OK || mtl_random_uniform(t, 7, stream, 0, -1, 1) != MTL_OK)
        printf("  %s\n", mtl_message(ctx));
    return t;
}

/* Appends the bytes of t to *all. */
static inline void bits_keep(const mtl_tensor *t, char **all, size_t *size)
{
    size_t bytes = mtl_tensor_bytes(t);
    *all = realloc(*all, *size + bytes + 1);
    memcpy(*all + *size, mtl_tensor_data(t), bytes);
    *size += bytes;
}

static inline bool bits_run(const bits_case *c, int threads, char **all, size_t *size)
{
    mtl_context *ctx = NULL;
    mtl_tensor *in[BITS_INPUTS] = {0}, *y = NULL, *seed[4] = {0};
    mtl_root roots[4];
    bool good = mtl_context_new(threads, &ctx) == MTL_OK;
    for (int i = 0; good && i < c->n; i++) {
        in[i] = bits_draw(ctx, c->rank[i], c->shape[i], (uint64_t)i);
        good = in[i] && mtl_tensor_require_grad(in[i], true) == MTL_OK;
    }
    good = good && c->apply(in, &y) == MTL_OK;
    if (good)
        bits_keep(y, all, size);
    for (int r = 0; good && r < c->rows; r++) {
        seed[r] = bits_draw(ctx, mtl_tensor_rank(y), mtl_tensor_shape(y), 10 + (uint64_t)r);
        roots[r] = (mtl_root){.value = y, .seed = seed[r], .scale = 1, .row = r};
        good = seed[r] != NULL;
    }
    good = good && mtl_backward(ctx, c->rows, roots, c->rows) == MTL_OK;
    for (int i = 0; good && i < c->n; i++)
        bits_keep(mtl_tensor_grad(in[i]), all, size);
    if (!good)
        printf("  %s, %d threads: %s\n", c->name, threads, ctx ? mtl_message(ctx) : "no context");
    for (int i = 0; i < c->n; i++)
        mtl_tensor_release(in[i]);
    for (int r = 0; r < 4; r++)
        mtl_tensor_release(seed[r]);
    mtl_tensor_release(y);
    mtl_context_free(ctx);
    return good;
}

static inline bool same_bits(const bits_case *c)
{
    static const int threads[] = {1, 2, 5};
    char *first = NULL;
    size_t n_first = 0;
    bool good = bits_run(c, threads[0], &first, &n_first);
    for (int i = 1; good && i < 3; i++) {
        char *again = NULL;
        size_t n_again = 0;
        good = bits_run(c, threads[i], &again, &n_again);
        if (good && (n_first != n_again || memcmp(first, again, n_first) != 0)) {
            printf("  %s: %d threads give other bits than 1\n", c->name, threads[i]);
            good = false;
        }
        free(again);
    }
    free(first);
    return good;
}

#endif

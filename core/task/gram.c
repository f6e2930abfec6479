/* The Gramian of the task gradients, from the rows that sweeps have left in the arena. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mtl/task.h"

#include "arena/arena.h"

/* The next run of neighbouring shared slots below `prefix`, from *slot on; false: there is none. */
static bool next_run(const mtl_arena *a, const char *prefix, int *slot, int64_t *offset, int64_t *count)
{
    while (*slot < a->n_slots && a->slots[*slot].offset < a->shared && !mtl_path_covers(prefix, a->slots[*slot].name))
        ++*slot;
    if (*slot == a->n_slots || a->slots[*slot].offset >= a->shared)
        return false;
    *offset = a->slots[*slot].offset;
    while (*slot < a->n_slots && a->slots[*slot].offset < a->shared && mtl_path_covers(prefix, a->slots[*slot].name))
        ++*slot;
    *count = (*slot < a->n_slots && a->slots[*slot].offset < a->shared ? a->slots[*slot].offset : a->shared) - *offset;
    return true;
}

mtl_status mtl_gram(mtl_arena *a, const char *prefix, double *gram)
{
    size_t pairs = (size_t)a->n_tasks * (size_t)a->n_tasks;
    int64_t offset, count;
    mtl_tensor *rows;
    MTL_TRY(mtl_arena_rows(a, &rows));
    double *part = malloc((pairs + 1) * sizeof *part);
    mtl_status status = MTL_OK;
    if (!part)
        return mtl_fail(a->ctx, MTL_ERR_MEMORY, "no host memory left");
    memset(gram, 0, pairs * sizeof *gram);
    for (int slot = 0; next_run(a, prefix, &slot, &offset, &count);) {
        MTL_TRY_GOTO(MTL_KERNEL(rows, gram, rows, rows, offset, count, part));
        for (size_t k = 0; k < pairs; k++)
            gram[k] += part[k];
    }
done:
    free(part);
    return status;
}

/* [rows, all the rest] */
static mtl_status as_rows(const mtl_tensor *t, mtl_tensor **out)
{
    int64_t shape[2] = {t->rank ? t->shape[0] : 1, 0};
    shape[1] = shape[0] ? t->count / shape[0] : 0;
    return mtl_tensor_alias(t, 2, shape, 0, out);
}

mtl_status mtl_products(const mtl_tensor *x, const mtl_tensor *y, double *products)
{
    mtl_tensor *a = NULL, *b = NULL;
    mtl_status status;
    if (x->dtype != MTL_F32 || y->dtype != MTL_F32)
        return mtl_fail(x->ctx, MTL_ERR_DTYPE, "products: %s and %s, which should both be float32",
                        mtl_dtype_name(x->dtype), mtl_dtype_name(y->dtype));
    if (x->storage->device != y->storage->device)
        return mtl_fail(x->ctx, MTL_ERR_DEVICE, "products: of tensors on two devices");
    MTL_TRY_GOTO(as_rows(x, &a));
    MTL_TRY_GOTO(as_rows(y, &b));
    if (a->shape[1] != b->shape[1]) {
        status = mtl_fail(x->ctx, MTL_ERR_SHAPE, "products: rows of %" PRId64 " and of %" PRId64 " elements",
                          a->shape[1], b->shape[1]);
        goto done;
    }
    status = MTL_KERNEL(a, gram, a, x == y ? a : b, 0, a->shape[1], products);
done:
    mtl_tensor_release(a);
    mtl_tensor_release(b);
    return status;
}

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
    mtl_tensor *rows = mtl_arena_rows(a);
    double *part = malloc((pairs + 1) * sizeof *part);
    mtl_status status = MTL_OK;
    if (!part)
        return mtl_fail(a->ctx, MTL_ERR_MEMORY, "no host memory left");
    memset(gram, 0, pairs * sizeof *gram);
    for (int slot = 0; rows && next_run(a, prefix, &slot, &offset, &count);) {
        MTL_TRY_GOTO(MTL_KERNEL(rows, gram, rows, offset, count, part));
        for (size_t k = 0; k < pairs; k++)
            gram[k] += part[k];
    }
done:
    free(part);
    return status;
}

/* Numbers that the host takes from a device later. They are gathered there, in the order of the work, and one reading
   brings all that have come together since the last. */
#include <stdlib.h>
#include <string.h>

#include "tensor/backend.h"

enum { ROOM = 4096 };

/* A block of numbers, on the device and as far as they were read on the host. */
struct mtl_notes {
    int refs; /* the device's current block, and what lies in it */
    mtl_tensor *there;
    int64_t used, taken;
    float here[];
};

struct mtl_later {
    mtl_notes *notes;
    int64_t at, count;
};

void mtl_notes_release(mtl_notes *n)
{
    if (!n || --n->refs > 0)
        return;
    mtl_tensor_release(n->there);
    free(n);
}

static mtl_status notes_new(const mtl_tensor *like, int64_t room, mtl_notes **out)
{
    mtl_notes *n = calloc(1, sizeof *n + (size_t)room * sizeof n->here[0]);
    if (!n)
        return mtl_fail(like->ctx, MTL_ERR_MEMORY, "no host memory left");
    mtl_status status = mtl_tensor_like(like, MTL_F32, 1, &room, &n->there);
    if (status != MTL_OK) {
        free(n);
        return status;
    }
    n->refs = 1;
    *out = n;
    return MTL_OK;
}

/* The device's block. A new one where `count` more do not fit, and better before that, when all of the old one was
   read: so what a step puts there, and reads at its end, seldom lies in two blocks, which are two readings. */
static mtl_status room_for(const mtl_tensor *t, int64_t count, mtl_notes **out)
{
    mtl_device *device = t->storage->device;
    mtl_notes *n = device->notes;
    if (!n || n->used + count > n->there->count || (n->used > ROOM / 2 && n->used == n->taken)) {
        MTL_TRY(notes_new(t, count > ROOM ? count : ROOM, &n));
        mtl_notes_release(device->notes);
        device->notes = n;
    }
    *out = n;
    return MTL_OK;
}

static mtl_status copy_part(mtl_notes *n, int64_t at, const mtl_tensor *t)
{
    mtl_tensor *part = NULL;
    MTL_TRY(mtl_tensor_alias(n->there, t->rank, t->shape, at, &part));
    mtl_status status = mtl_kernels(t)->copy(part, t);
    mtl_tensor_release(part);
    return status;
}

mtl_status mtl_later_new(mtl_context *ctx, int n, mtl_tensor *const *tensors, mtl_later **out)
{
    int64_t count = 0;
    mtl_notes *notes;
    for (int i = 0; i < n; i++) {
        const mtl_tensor *t = tensors[i];
        if (t->dtype != MTL_F32)
            return mtl_fail(ctx, MTL_ERR_DTYPE, "later: %s, which should be float32", mtl_dtype_name(t->dtype));
        if (t->storage->device != tensors[0]->storage->device)
            return mtl_fail(ctx, MTL_ERR_ARG, "later: the tensors are on two devices");
        count += t->count;
    }
    if (n < 1)
        return mtl_fail(ctx, MTL_ERR_ARG, "later: no tensor");
    MTL_TRY(room_for(tensors[0], count, &notes));
    int64_t at = notes->used;
    for (int i = 0; i < n; at += tensors[i++]->count)
        MTL_TRY(copy_part(notes, at, tensors[i]));
    mtl_later *l = malloc(sizeof *l);
    if (!l)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    *l = (mtl_later){notes, notes->used, count};
    notes->used += count;
    notes->refs++;
    *out = l;
    return MTL_OK;
}

int64_t mtl_later_count(const mtl_later *l)
{
    return l->count;
}

mtl_status mtl_later_get(mtl_later *l, const float **numbers)
{
    mtl_notes *n = l->notes;
    int64_t left = n->used - n->taken;
    if (l->at + l->count > n->taken) {
        mtl_tensor *part = NULL;
        MTL_TRY(mtl_tensor_alias(n->there, 1, &left, n->taken, &part));
        mtl_status status = mtl_tensor_read(part, n->here + n->taken);
        mtl_tensor_release(part);
        MTL_TRY(status);
        n->taken = n->used;
    }
    *numbers = n->here + l->at;
    return MTL_OK;
}

void mtl_later_free(mtl_later *l)
{
    if (!l)
        return;
    mtl_notes_release(l->notes);
    free(l);
}

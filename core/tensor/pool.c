/* The caching allocator of a device: freed blocks wait in bins of equal size, eight sizes an octave, and the smallest
   one that fits is taken. A step that asks for no more than the step before therefore never reaches malloc. */
#include "tensor/pool.h"

#include <stdlib.h>

/* REACH: a block may be up to 64 times what is asked for, so that the last, smaller batch of an epoch finds room too.
 */
enum { STEPS = 8, BINS = 64 * STEPS, SMALLEST = 64, REACH = 6 * STEPS };

typedef struct block {
    struct block *next;
    void *data;
} block;

struct mtl_pool {
    block *bins[BINS];
    uint64_t full[BINS / 64]; /* bit b: bins[b] holds a block */
    block *spare;             /* list nodes without a block */
};

/* The bin of `bytes`, and its size: 64 * 2^octave * (8 + step) / 8. */
static int bin_of(size_t bytes, size_t *size)
{
    if (bytes <= SMALLEST) {
        *size = SMALLEST;
        return 0;
    }
    size_t units = (bytes + SMALLEST - 1) / SMALLEST;
    int octave = 63 - __builtin_clzll(units);
    size_t unit = (size_t)SMALLEST << octave, eighth = unit / STEPS;
    if (octave < 3) { /* below 512 bytes the eighths are no whole units */
        *size = units * SMALLEST;
        return octave * STEPS + (int)((units << 3 >> octave) - STEPS);
    }
    size_t step = (bytes - unit + eighth - 1) / eighth;
    *size = unit + step * eighth;
    return octave * STEPS + (int)step; /* step 8 is the next octave's step 0 */
}

mtl_pool *mtl_pool_new(void)
{
    return calloc(1, sizeof(mtl_pool));
}

static void *take(mtl_pool *pool, int bin)
{
    block *b = pool->bins[bin];
    pool->bins[bin] = b->next;
    if (!b->next)
        pool->full[bin / 64] &= ~(UINT64_C(1) << bin % 64);
    b->next = pool->spare;
    pool->spare = b;
    return b->data;
}

static size_t size_of_bin(int bin)
{
    size_t unit = (size_t)SMALLEST << bin / STEPS;
    return unit + unit / STEPS * (size_t)(bin % STEPS);
}

void mtl_pool_trim(mtl_device *device)
{
    mtl_pool *pool = device->pool;
    for (int bin = 0; bin < BINS; bin++) {
        while (pool->bins[bin]) {
            device->ctx->memory.cached -= size_of_bin(bin);
            device->kernels->free(device, take(pool, bin));
        }
    }
}

void mtl_pool_free(mtl_device *device)
{
    if (!device->pool)
        return;
    mtl_pool_trim(device);
    for (block *b = device->pool->spare, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(device->pool);
    device->pool = NULL;
}

/* Whether `bytes` more are over the limit. */
static bool over(const mtl_context *ctx, size_t bytes)
{
    return ctx->memory_limit && ctx->memory.bytes + (ctx->others ? *ctx->others : 0) + bytes > ctx->memory_limit;
}

mtl_status mtl_pool_take(mtl_device *device, size_t bytes, void **data, size_t *size)
{
    mtl_context *ctx = device->ctx;
    mtl_pool *pool = device->pool;
    if (bytes > SIZE_MAX / 4)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "a tensor of %zu bytes", bytes);
    int bin = bin_of(bytes, size);
    for (int word = bin / 64; word < BINS / 64; word++) {
        uint64_t full = pool->full[word];
        if (word == bin / 64)
            full &= ~UINT64_C(0) << bin % 64;
        if (!full)
            continue;
        int found = word * 64 + __builtin_ctzll(full);
        if (found > bin + REACH || over(ctx, size_of_bin(found)))
            break;
        *size = size_of_bin(found);
        *data = take(pool, found);
        ctx->memory.cached -= *size;
        ctx->memory.bytes += *size;
        return MTL_OK;
    }
    bool capped = over(ctx, ctx->memory.cached + *size);
    if (capped) {
        mtl_pool_trim(device);
        capped = over(ctx, *size);
    }
    void *made = capped ? NULL : device->kernels->alloc(device, *size);
    if (!made && !capped) {
        mtl_pool_trim(device);
        made = device->kernels->alloc(device, *size);
    }
    if (!made)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "out of memory on %s: a tensor of %.1f MiB, with %.1f MiB in use%s",
                        device->kernels->name, (double)bytes / 1048576.0, (double)ctx->memory.bytes / 1048576.0,
                        capped ? " and the limit reached" : "");
    ctx->memory.allocations++;
    ctx->memory.bytes += *size;
    *data = made;
    return MTL_OK;
}

void mtl_pool_give(mtl_device *device, void *data, size_t size)
{
    mtl_pool *pool = device->pool;
    size_t rounded;
    int bin = bin_of(size, &rounded);
    block *b = pool->spare;
    device->ctx->memory.bytes -= size;
    if (b)
        pool->spare = b->next;
    else
        b = malloc(sizeof *b);
    if (!b) { /* no list node: hand the block back at once */
        device->kernels->free(device, data);
        return;
    }
    *b = (block){pool->bins[bin], data};
    pool->bins[bin] = b;
    pool->full[bin / 64] |= UINT64_C(1) << bin % 64;
    device->ctx->memory.cached += size;
}

/* The loader. Its thread only copies bytes, from the fields' memory to that of tensors which the caller's thread made:
   contexts, tensors and reference counts are touched by the caller's thread alone. The thread never runs OpenMP. */
#include "mtl/loader.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "mtl/random.h"
#include "tensor/backend.h"

enum { AHEAD = 2 }; /* batches that are made before they are asked for */

typedef struct {
    mtl_tensor *tensor;   /* retained */
    const uint8_t *bytes; /* its elements */
    size_t row;           /* bytes of a row */
    float *table;         /* uint8: the float of each value; else NULL */
} field;

struct mtl_loader {
    mtl_context *ctx;
    int n;
    field *fields;
    int64_t rows, batch, batches;
    int32_t *order; /* the epoch's */

    /* Of the running epoch, for the caller's thread: next batch to hand out, and to ask for. */
    bool started;
    int64_t next, wanted;
    mtl_tensor **slots[AHEAD]; /* batch i is made in slots[i % AHEAD], n tensors or NULLs */
    uint8_t **to[AHEAD];       /* their elements, for the loader's thread */

    pthread_t thread;
    bool running; /* the thread exists */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    /* Under the lock. The thread makes batches made, made + 1 .. asked - 1. */
    int64_t made, asked;
    bool shuffled, busy, quit;
};

static int64_t rows_of(const mtl_loader *l, int64_t batch)
{
    int64_t left = l->rows - batch * l->batch;
    return left < l->batch ? left : l->batch;
}

static void copy_rows(const field *f, const int32_t *order, int64_t first, int64_t rows, uint8_t *to)
{
    for (int64_t r = 0; r < rows; r++) {
        const uint8_t *from = f->bytes + (size_t)(order ? order[first + r] : first + r) * f->row;
        if (!f->table) {
            memcpy(to + (size_t)r * f->row, from, f->row);
            continue;
        }
        float *row = (float *)to + (size_t)r * f->row;
        for (size_t i = 0; i < f->row; i++)
            row[i] = f->table[from[i]];
    }
}

static void *make_batches(void *argument)
{
    mtl_loader *l = argument;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->quit && l->made >= l->asked)
            pthread_cond_wait(&l->work, &l->lock);
        if (l->quit)
            break;
        int64_t batch = l->made;
        const int32_t *order = l->shuffled ? l->order : NULL;
        l->busy = true;
        pthread_mutex_unlock(&l->lock);
        for (int i = 0; i < l->n; i++)
            copy_rows(&l->fields[i], order, batch * l->batch, rows_of(l, batch), l->to[batch % AHEAD][i]);
        pthread_mutex_lock(&l->lock);
        l->busy = false;
        l->made++;
        pthread_cond_signal(&l->done);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static mtl_status check(mtl_context *ctx, int n, const mtl_field *fields, int64_t batch)
{
    if (n < 1)
        return mtl_fail(ctx, MTL_ERR_ARG, "loader: it has no fields");
    if (batch < 1)
        return mtl_fail(ctx, MTL_ERR_ARG, "loader: batches of %" PRId64 " rows, which should be 1 or more", batch);
    for (int i = 0; i < n; i++) {
        const mtl_tensor *t = fields[i].tensor;
        if (!mtl_tensor_data(t))
            return mtl_fail(ctx, MTL_ERR_DEVICE, "loader: field %d is not on the CPU", i + 1);
        if (t->rank < 1)
            return mtl_fail(ctx, MTL_ERR_SHAPE, "loader: field %d is one number, which should be [rows, ...]", i + 1);
        if (t->shape[0] != fields[0].tensor->shape[0])
            return mtl_fail(ctx, MTL_ERR_SHAPE, "loader: field %d has %" PRId64 " rows, but field 1 has %" PRId64,
                            i + 1, t->shape[0], fields[0].tensor->shape[0]);
        if (t->shape[0] > INT32_MAX)
            return mtl_fail(ctx, MTL_ERR_ARG, "loader: %" PRId64 " rows are more than 2^31 - 1", t->shape[0]);
    }
    return MTL_OK;
}

static mtl_status take_field(mtl_context *ctx, const mtl_field *from, field *to)
{
    to->tensor = mtl_tensor_retain(from->tensor);
    to->bytes = mtl_u8(from->tensor);
    to->row = from->tensor->shape[0] > 0 ? mtl_tensor_bytes(from->tensor) / (size_t)from->tensor->shape[0] : 0;
    if (from->tensor->dtype != MTL_U8)
        return MTL_OK;
    to->table = malloc(256 * sizeof *to->table);
    if (!to->table)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    for (int v = 0; v < 256; v++)
        to->table[v] = (float)(v * from->scale + from->shift);
    return MTL_OK;
}

/* The thread takes no signals: they are the caller's. */
static mtl_status run(mtl_loader *l)
{
    sigset_t all, kept;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept);
    l->running = pthread_create(&l->thread, NULL, make_batches, l) == 0;
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    return l->running ? MTL_OK : mtl_fail(l->ctx, MTL_ERR_MEMORY, "loader: the system gives no further thread");
}

mtl_status mtl_loader_new(mtl_context *ctx, int n, const mtl_field *fields, int64_t batch, mtl_loader **out)
{
    mtl_status status;
    MTL_TRY(check(ctx, n, fields, batch));
    mtl_loader *l = calloc(1, sizeof *l);
    if (!l)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    l->ctx = ctx;
    l->rows = fields[0].tensor->shape[0];
    l->batch = batch < l->rows ? batch : l->rows > 0 ? l->rows : 1;
    l->batches = (l->rows + l->batch - 1) / l->batch;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    l->fields = calloc((size_t)n, sizeof *l->fields);
    l->order = malloc((size_t)(l->rows + 1) * sizeof *l->order);
    bool complete = l->fields && l->order;
    for (int a = 0; a < AHEAD; a++) {
        l->slots[a] = calloc((size_t)n, sizeof *l->slots[a]);
        l->to[a] = calloc((size_t)n, sizeof *l->to[a]);
        complete = complete && l->slots[a] && l->to[a];
    }
    if (!complete)
        MTL_TRY_GOTO(mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left"));
    l->n = n;
    for (int i = 0; i < n; i++)
        MTL_TRY_GOTO(take_field(ctx, &fields[i], &l->fields[i]));
    MTL_TRY_GOTO(run(l));
    *out = l;
    return MTL_OK;
done:
    mtl_loader_free(l);
    return status;
}

void mtl_loader_free(mtl_loader *l)
{
    if (!l)
        return;
    if (l->running) {
        pthread_mutex_lock(&l->lock);
        l->quit = true;
        pthread_cond_signal(&l->work);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
    for (int i = 0; i < l->n; i++) {
        for (int a = 0; a < AHEAD; a++)
            mtl_tensor_release(l->slots[a][i]);
        mtl_tensor_release(l->fields[i].tensor);
        free(l->fields[i].table);
    }
    for (int a = 0; a < AHEAD; a++) {
        free(l->slots[a]);
        free(l->to[a]);
    }
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->lock);
    free(l->fields);
    free(l->order);
    free(l);
}

int64_t mtl_loader_rows(const mtl_loader *l)
{
    return l->rows;
}

int64_t mtl_loader_batches(const mtl_loader *l)
{
    return l->batches;
}

static mtl_status make(mtl_loader *l, const mtl_tensor *like, int64_t rows, mtl_tensor **out)
{
    int64_t shape[MTL_MAX_RANK];
    memcpy(shape, like->shape, sizeof shape);
    shape[0] = rows;
    return mtl_tensor_new(l->ctx, like->dtype == MTL_U8 ? MTL_F32 : like->dtype, like->rank, shape, out);
}

/* Asks for batches until AHEAD are on their way. */
static mtl_status ask(mtl_loader *l)
{
    for (; l->wanted < l->batches && l->wanted < l->next + AHEAD; l->wanted++) {
        int a = (int)(l->wanted % AHEAD);
        int64_t rows = rows_of(l, l->wanted);
        for (int i = 0; i < l->n; i++) {
            mtl_tensor **slot = &l->slots[a][i];
            if (*slot && (*slot)->shape[0] != rows) { /* of an earlier start */
                mtl_tensor_release(*slot);
                *slot = NULL;
            }
            if (!*slot)
                MTL_TRY(make(l, l->fields[i].tensor, rows, slot));
            l->to[a][i] = mtl_u8(*slot);
        }
        pthread_mutex_lock(&l->lock);
        l->asked = l->wanted + 1;
        pthread_cond_signal(&l->work);
        pthread_mutex_unlock(&l->lock);
    }
    return MTL_OK;
}

mtl_status mtl_loader_start(mtl_loader *l, bool shuffle, uint64_t seed, uint64_t epoch, int64_t first)
{
    if (first < 0 || first > l->batches)
        return mtl_fail(l->ctx, MTL_ERR_ARG, "loader: batch %" PRId64 " of an epoch of %" PRId64, first + 1,
                        l->batches);
    pthread_mutex_lock(&l->lock);
    l->asked = 0; /* the thread finishes what it is at, and rests */
    while (l->busy)
        pthread_cond_wait(&l->done, &l->lock);
    l->made = first;
    l->asked = first;
    l->shuffled = shuffle;
    pthread_mutex_unlock(&l->lock);
    if (shuffle)
        mtl_random_permutation(l->rows, seed, mtl_stream("data/order"), epoch << 32, l->order);
    l->next = first;
    l->wanted = first;
    l->started = true;
    return ask(l);
}

mtl_status mtl_loader_next(mtl_loader *l, mtl_tensor **batch, int64_t *rows)
{
    mtl_tensor **slot = l->slots[l->next % AHEAD];
    if (!l->started)
        return mtl_fail(l->ctx, MTL_ERR_STATE, "loader: it was not started");
    if (l->next == l->batches) {
        memset(batch, 0, (size_t)l->n * sizeof *batch);
        *rows = 0;
        return MTL_OK;
    }
    MTL_TRY(ask(l)); /* where an earlier call had no memory */
    pthread_mutex_lock(&l->lock);
    while (l->made <= l->next)
        pthread_cond_wait(&l->done, &l->lock);
    pthread_mutex_unlock(&l->lock);

    memcpy(batch, slot, (size_t)l->n * sizeof *batch);
    memset(slot, 0, (size_t)l->n * sizeof *slot);
    *rows = rows_of(l, l->next);
    l->next++;
    ask(l); /* out of memory: the next call says so */
    return MTL_OK;
}

/* The loader. Its threads only move bytes, from sources to the memory of tensors which the caller's thread made:
   contexts, tensors and counts are touched by the caller's thread alone. The threads never run OpenMP. A row of a batch
   depends on nothing but its place, so it does not matter which thread makes it. */
#include "mtl/loader.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/field.h"
#include "mtl/random.h"
#include "tensor/backend.h"

enum {
    AHEAD = 2,
    FETCHED = 8,
    MAX_THREADS = 64
}; /* AHEAD: batches that are made before they are asked for; FETCHED: rows */

/* A batch that is being made, or made. */
typedef struct {
    mtl_tensor **tensors; /* n, or NULLs */
    uint8_t **to;         /* their elements, for the loader's threads */
    int64_t left;         /* under the lock: rows that no thread has made yet */
    int64_t failed;       /* under the lock: the first row that could not be made; -1: none */
    char message[MTL_MESSAGE];
} slot;

struct mtl_loader {
    mtl_context *ctx;
    int n, n_transforms;
    mtl_row_field *fields;
    mtl_transform *transforms;
    double *numbers;    /* of normalize: means and deviations */
    double *cumulative; /* weights of the rows up to each, itself included; NULL: none */
    int64_t rows, batch, batches;
    int64_t piece;  /* rows that a thread makes at a time */
    int32_t *order; /* the epoch's */

    /* Of the running epoch, for the caller's thread: next batch to hand out, and to ask for. */
    bool started;
    int64_t next, wanted;
    slot slots[AHEAD]; /* batch i is made in slots[i % AHEAD] */

    int threads; /* those that exist */
    pthread_t thread[MAX_THREADS];
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    /* Under the lock. The threads make batches up to asked - 1; the next piece is at row `from` of batch `making`. */
    int64_t making, from, asked;
    mtl_draw draw; /* but its place */
    int busy;
    bool quit;
};

static int64_t rows_of(const mtl_loader *l, int64_t batch)
{
    int64_t left = l->rows - batch * l->batch;
    return left < l->batch ? left : l->batch;
}

/* ---- a thread ---- */

typedef struct {
    int64_t batch, first, rows;
    mtl_draw draw;
} piece;

/* Waits for a piece; false: the loader is closed. Holds the lock. */
static bool take_piece(mtl_loader *l, piece *p)
{
    while (!l->quit && l->making >= l->asked)
        pthread_cond_wait(&l->work, &l->lock);
    if (l->quit)
        return false;
    int64_t rest = rows_of(l, l->making) - l->from;
    *p = (piece){l->making, l->from, rest < l->piece ? rest : l->piece, l->draw};
    l->from += p->rows;
    if (p->rows == rest) {
        l->making++;
        l->from = 0;
    }
    return true;
}

/* The row of the data set that row r of the batch is. */
static int64_t row_at(const mtl_loader *l, const piece *p, int64_t r)
{
    int64_t place = p->batch * l->batch + r;
    return p->draw.training ? l->order[place] : place;
}

/* The first row of the piece that could not be made, or -1. */
static int64_t make_rows(const mtl_loader *l, piece *p, mtl_scratch *scratch, char *message)
{
    const slot *s = &l->slots[p->batch % AHEAD];
    int64_t end = p->first + p->rows, failed = -1;
    for (int i = 0; i < l->n; i++) {
        const mtl_row_field *f = &l->fields[i];
        for (int64_t r = p->first; r < end; r++) {
            p->draw.place = p->batch * l->batch + r;
            int64_t row = row_at(l, p, r);
            if (r + FETCHED < end)
                mtl_field_fetch(f, row_at(l, p, r + FETCHED));
            if (!mtl_field_make(f, row, &p->draw, scratch, s->to[i] + (size_t)r * f->bytes, message))
                failed = end = r; /* of the fields that follow, the rows before it */
        }
    }
    return failed;
}

static void *make_batches(void *argument)
{
    mtl_loader *l = argument;
    mtl_scratch scratch = {.row = {.data = NULL}};
    char message[MTL_MESSAGE];
    piece p;
    pthread_mutex_lock(&l->lock);
    while (take_piece(l, &p)) {
        slot *s = &l->slots[p.batch % AHEAD];
        l->busy++;
        pthread_mutex_unlock(&l->lock);
        int64_t failed = make_rows(l, &p, &scratch, message);
        pthread_mutex_lock(&l->lock);
        l->busy--;
        if (failed >= 0 && (s->failed < 0 || failed < s->failed)) { /* the same one for any number of threads */
            s->failed = failed;
            memcpy(s->message, message, sizeof message);
        }
        s->left -= p.rows;
        if (s->left == 0 || l->busy == 0)
            pthread_cond_signal(&l->done);
    }
    pthread_mutex_unlock(&l->lock);
    mtl_scratch_free(&scratch);
    return NULL;
}

/* The threads take no signals: they are the caller's. */
static mtl_status run(mtl_loader *l, int threads)
{
    sigset_t all, kept;
    bool good = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept);
    while (good && l->threads < threads) {
        good = pthread_create(&l->thread[l->threads], NULL, make_batches, l) == 0;
        l->threads += good;
    }
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    return good ? MTL_OK : mtl_fail(l->ctx, MTL_ERR_MEMORY, "loader: the system gives no further thread");
}

/* ---- opening and closing ---- */

static mtl_status no_memory(mtl_context *ctx)
{
    return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
}

static mtl_status take_transforms(mtl_loader *l, const mtl_loader_options *o)
{
    size_t numbers = 0;
    char who[64];
    for (int i = 0; i < o->n_transforms; i++) {
        snprintf(who, sizeof who, "loader: transform %d", i + 1);
        MTL_TRY(mtl_transform_check(l->ctx, who, &o->transforms[i]));
        if (o->transforms[i].kind == MTL_NORMALIZE)
            numbers += 2 * (size_t)o->transforms[i].channels;
    }
    l->transforms = calloc((size_t)o->n_transforms + 1, sizeof *l->transforms);
    double *to = l->numbers = malloc((numbers + 1) * sizeof *l->numbers);
    if (!l->transforms || !l->numbers)
        return no_memory(l->ctx);
    for (l->n_transforms = 0; l->n_transforms < o->n_transforms; l->n_transforms++) {
        mtl_transform *t = &l->transforms[l->n_transforms];
        *t = o->transforms[l->n_transforms];
        if (t->kind != MTL_NORMALIZE)
            continue;
        size_t bytes = (size_t)t->channels * sizeof *to;
        memcpy(to, t->mean, bytes);
        memcpy(to + t->channels, t->std, bytes);
        t->mean = to;
        t->std = to + t->channels;
        to += 2 * t->channels;
    }
    return MTL_OK;
}

/* Fields that move together must be of one size where they do. */
static mtl_status take_fields(mtl_loader *l, const mtl_loader_options *o)
{
    const mtl_row_field *first = NULL;
    char who[64];
    for (l->n = 0; l->n < o->n;) {
        mtl_row_field *f = &l->fields[l->n];
        snprintf(who, sizeof who, "loader: field %d", l->n + 1);
        MTL_TRY(mtl_field_open(l->ctx, who, &o->fields[l->n], l->n_transforms, l->transforms, f));
        l->n++;
        if (f->n_rows != l->fields[0].n_rows)
            return mtl_fail(l->ctx, MTL_ERR_SHAPE, "%s has %" PRId64 " rows, but field 1 has %" PRId64, who, f->n_rows,
                            l->fields[0].n_rows);
        if (f->moved[0] < 0)
            continue;
        first = first ? first : f;
        if (memcmp(f->moved, first->moved, sizeof f->moved) != 0)
            return mtl_fail(l->ctx, MTL_ERR_SHAPE,
                            "%s is %" PRId64 " x %" PRId64 " (height x width), but field %d is %" PRId64 " x %" PRId64
                            ": what is cut or zoomed together should be of one size",
                            who, f->moved[0], f->moved[1], (int)(first - l->fields) + 1, first->moved[0],
                            first->moved[1]);
    }
    l->rows = l->fields[0].n_rows;
    return MTL_OK;
}

static mtl_status take_weights(mtl_loader *l, const mtl_tensor *w)
{
    double sum = 0.0;
    if (!w)
        return MTL_OK;
    if (!mtl_tensor_data(w) || w->dtype != MTL_F32 || w->rank != 1 || w->shape[0] != l->rows) {
        char text[MTL_SHAPE_TEXT];
        return mtl_fail(l->ctx, MTL_ERR_SHAPE,
                        "loader: weights are %s %s, which should be float32 [%" PRId64 "] on the CPU, one a row",
                        mtl_dtype_name(w->dtype), mtl_shape_text(w->rank, w->shape, text, sizeof text), l->rows);
    }
    l->cumulative = malloc((size_t)(l->rows + 1) * sizeof *l->cumulative);
    if (!l->cumulative)
        return no_memory(l->ctx);
    for (int64_t i = 0; i < l->rows; i++) {
        double x = mtl_f32(w)[i];
        if (!(x >= 0) || isinf(x))
            return mtl_fail(l->ctx, MTL_ERR_ARG,
                            "loader: weights[%" PRId64 "] is %g, which should be a number of 0 or more", i + 1, x);
        sum += x;
        l->cumulative[i] = sum;
    }
    return l->rows == 0 || sum > 0 ? MTL_OK : mtl_fail(l->ctx, MTL_ERR_ARG, "loader: all weights are 0");
}

static mtl_status check(mtl_context *ctx, const mtl_loader_options *o)
{
    if (o->n < 1)
        return mtl_fail(ctx, MTL_ERR_ARG, "loader: it has no fields");
    if (o->batch < 1)
        return mtl_fail(ctx, MTL_ERR_ARG, "loader: batches of %" PRId64 " rows, which should be 1 or more", o->batch);
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return mtl_fail(ctx, MTL_ERR_ARG, "loader: %d threads, which should be 1 to %d", o->threads, MAX_THREADS);
    return MTL_OK;
}

static mtl_status make_slots(mtl_loader *l, int n)
{
    bool complete = true;
    for (int a = 0; a < AHEAD; a++) {
        l->slots[a].tensors = calloc((size_t)n, sizeof *l->slots[a].tensors);
        l->slots[a].to = calloc((size_t)n, sizeof *l->slots[a].to);
        complete = complete && l->slots[a].tensors && l->slots[a].to;
    }
    return complete ? MTL_OK : no_memory(l->ctx);
}

mtl_status mtl_loader_new(mtl_context *ctx, const mtl_loader_options *o, mtl_loader **out)
{
    mtl_status status;
    bool in_memory = true;
    MTL_TRY(check(ctx, o));
    mtl_loader *l = calloc(1, sizeof *l);
    if (!l)
        return no_memory(ctx);
    l->ctx = ctx;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    l->fields = calloc((size_t)o->n, sizeof *l->fields);
    if (!l->fields)
        MTL_TRY_GOTO(no_memory(ctx));
    MTL_TRY_GOTO(make_slots(l, o->n));
    MTL_TRY_GOTO(take_transforms(l, o));
    MTL_TRY_GOTO(take_fields(l, o));
    MTL_TRY_GOTO(take_weights(l, o->weights));
    l->order = malloc((size_t)(l->rows + 1) * sizeof *l->order);
    if (!l->order)
        MTL_TRY_GOTO(no_memory(ctx));
    l->batch = o->batch < l->rows ? o->batch : l->rows > 0 ? l->rows : 1;
    l->batches = (l->rows + l->batch - 1) / l->batch;
    for (int i = 0; i < l->n; i++)
        in_memory = in_memory && mtl_source_in_memory(l->fields[i].source);
    int threads = o->threads > 0 ? o->threads : in_memory ? 1 : 2;
    l->piece = in_memory && threads == 1 ? l->batch : 1 + l->batch / (4 * threads);
    MTL_TRY_GOTO(run(l, threads));
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
    pthread_mutex_lock(&l->lock);
    l->quit = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->threads; i++)
        pthread_join(l->thread[i], NULL);
    for (int i = 0; i < l->n; i++) {
        for (int a = 0; a < AHEAD; a++)
            mtl_tensor_release(l->slots[a].tensors[i]);
        mtl_field_close(&l->fields[i]);
    }
    for (int a = 0; a < AHEAD; a++) {
        free(l->slots[a].tensors);
        free(l->slots[a].to);
    }
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->lock);
    free(l->fields);
    free(l->transforms);
    free(l->numbers);
    free(l->cumulative);
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

/* ---- an epoch ---- */

static mtl_status make(mtl_loader *l, const mtl_row_field *f, int64_t rows, mtl_tensor **out)
{
    int64_t shape[MTL_MAX_RANK] = {rows};
    memcpy(shape + 1, f->shape, (size_t)f->rank * sizeof *shape);
    return mtl_tensor_new(l->ctx, f->dtype, f->rank + 1, shape, out);
}

/* Asks for batches until AHEAD are on their way. */
static mtl_status ask(mtl_loader *l)
{
    for (; l->wanted < l->batches && l->wanted < l->next + AHEAD; l->wanted++) {
        slot *s = &l->slots[l->wanted % AHEAD];
        int64_t rows = rows_of(l, l->wanted);
        for (int i = 0; i < l->n; i++) {
            mtl_tensor **t = &s->tensors[i];
            if (*t && (*t)->shape[0] != rows) { /* of an earlier start */
                mtl_tensor_release(*t);
                *t = NULL;
            }
            if (!*t)
                MTL_TRY(make(l, &l->fields[i], rows, t));
            s->to[i] = mtl_u8(*t);
        }
        pthread_mutex_lock(&l->lock);
        s->left = rows;
        s->failed = -1;
        l->asked = l->wanted + 1;
        pthread_cond_broadcast(&l->work);
        pthread_mutex_unlock(&l->lock);
    }
    return MTL_OK;
}

/* Draws rows by weight: the first whose weights, summed up to it, lie above a uniform share of all. */
static void draw_order(mtl_loader *l, uint64_t seed, uint64_t epoch)
{
    uint64_t stream = mtl_stream("data/order");
    for (int64_t i = 0; i < l->rows; i++) {
        uint32_t w[4];
        int64_t low = 0, high = l->rows - 1;
        mtl_philox(seed, stream, (epoch << 32) + (uint64_t)i, w);
        uint64_t bits = ((uint64_t)w[1] << 32 | w[0]) >> 11;
        double at = (double)bits * 0x1p-53 * l->cumulative[high];
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (l->cumulative[middle] > at)
                high = middle;
            else
                low = middle + 1;
        }
        while (low > 0 && l->cumulative[low] == l->cumulative[low - 1]) /* `at` was rounded up to the sum of all */
            low--;
        l->order[i] = (int32_t)low;
    }
}

mtl_status mtl_loader_start(mtl_loader *l, bool training, uint64_t seed, uint64_t epoch, int64_t first)
{
    if (first < 0 || first > l->batches)
        return mtl_fail(l->ctx, MTL_ERR_ARG, "loader: batch %" PRId64 " of an epoch of %" PRId64, first + 1,
                        l->batches);
    pthread_mutex_lock(&l->lock);
    l->asked = 0; /* the threads finish what they are at, and rest */
    while (l->busy > 0)
        pthread_cond_wait(&l->done, &l->lock);
    l->making = first;
    l->from = 0;
    l->asked = first;
    l->draw = (mtl_draw){training, seed, epoch, 0};
    pthread_mutex_unlock(&l->lock);
    if (training && l->cumulative)
        draw_order(l, seed, epoch);
    else if (training)
        mtl_random_permutation(l->rows, seed, mtl_stream("data/order"), epoch << 32, l->order);
    l->next = first;
    l->wanted = first;
    l->started = true;
    return ask(l);
}

mtl_status mtl_loader_next(mtl_loader *l, mtl_tensor **batch, int64_t *rows)
{
    slot *s = &l->slots[l->next % AHEAD];
    if (!l->started)
        return mtl_fail(l->ctx, MTL_ERR_STATE, "loader: it was not started");
    if (l->next == l->batches) {
        memset(batch, 0, (size_t)l->n * sizeof *batch);
        *rows = 0;
        return MTL_OK;
    }
    MTL_TRY(ask(l)); /* where an earlier call had no memory */
    pthread_mutex_lock(&l->lock);
    while (s->left > 0)
        pthread_cond_wait(&l->done, &l->lock);
    pthread_mutex_unlock(&l->lock);
    if (s->failed >= 0)
        return mtl_fail(l->ctx, MTL_ERR_FORMAT, "%s", s->message);

    memcpy(batch, s->tensors, (size_t)l->n * sizeof *batch);
    memset(s->tensors, 0, (size_t)l->n * sizeof *s->tensors);
    *rows = rows_of(l, l->next);
    l->next++;
    ask(l); /* out of memory: the next call says so */
    return MTL_OK;
}

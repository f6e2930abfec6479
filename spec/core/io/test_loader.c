/* The loader: every row once, in the promised order, converted; starts anywhere, stops anywhere, and asks malloc for
   nothing once it runs. Any number of threads gives the same bits. */
#include <stdlib.h>

#include "mtl/mtl.h"
#include "test.h"

/* Three fields: uint8 [rows, 3, 2], float32 [rows, 2], int32 [rows]; what a row holds follows from its number. */
enum { FIELDS = 3 };

static bool make(mtl_context *ctx, int64_t rows, mtl_field *f)
{
    mtl_tensor *t[FIELDS] = {NULL};
    if (mtl_tensor_new(ctx, MTL_U8, 3, (int64_t[]){rows, 3, 2}, &t[0]) != MTL_OK ||
        mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){rows, 2}, &t[1]) != MTL_OK ||
        mtl_tensor_new(ctx, MTL_I32, 1, &rows, &t[2]) != MTL_OK)
        return false;
    for (int64_t r = 0; r < rows; r++) {
        for (int i = 0; i < 6; i++)
            ((uint8_t *)mtl_tensor_data(t[0]))[r * 6 + i] = (uint8_t)(r * 7 + i);
        for (int i = 0; i < 2; i++)
            ((float *)mtl_tensor_data(t[1]))[r * 2 + i] = (float)r + 0.25f * (float)i;
        ((int32_t *)mtl_tensor_data(t[2]))[r] = (int32_t)r;
    }
    for (int i = 0; i < FIELDS; i++) {
        f[i] = (mtl_field){.scale = 1 / 255.0, .shift = -0.5};
        if (mtl_source_tensor(t[i], &f[i].source) != MTL_OK)
            return false;
        mtl_tensor_release(t[i]); /* the source keeps it */
    }
    return true;
}

static void drop_fields(int n, mtl_field *f)
{
    for (int i = 0; i < n; i++)
        mtl_source_release(f[i].source);
}

static mtl_status open(mtl_context *ctx, int n, const mtl_field *f, int64_t batch, int threads, mtl_loader **out)
{
    return mtl_loader_new(ctx, &(mtl_loader_options){.n = n, .fields = f, .batch = batch, .threads = threads}, out);
}

static void drop(int n, mtl_tensor **t)
{
    for (int i = 0; i < n; i++)
        mtl_tensor_release(t[i]);
}

/* Rows of the batch that are not what row `order[first + r]` holds. */
static int64_t wrong_rows(mtl_tensor **batch, int64_t rows, const int32_t *order, int64_t first)
{
    int64_t wrong = 0;
    for (int64_t r = 0; r < rows; r++) {
        int32_t want = order[first + r];
        bool good = ((int32_t *)mtl_tensor_data(batch[2]))[r] == want;
        for (int i = 0; i < 2; i++)
            good &= ((float *)mtl_tensor_data(batch[1]))[r * 2 + i] == (float)want + 0.25f * (float)i;
        for (int i = 0; i < 6; i++)
            good &=
                ((float *)mtl_tensor_data(batch[0]))[r * 6 + i] == (float)((uint8_t)(want * 7 + i) * (1 / 255.0) - 0.5);
        wrong += !good;
    }
    return wrong;
}

static void it_gives_every_row_in_order(void)
{
    const struct {
        int64_t rows, batch;
        int threads;
    } cases[] = {{10, 3, 0}, {9, 3, 2}, {2, 5, 3}, {1, 1, 1}, {101, 10, 1}, {101, 10, 5}, {64, 64, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        mtl_context *ctx;
        mtl_loader *loader = NULL;
        mtl_field f[FIELDS];
        int64_t rows = cases[c].rows, batch = cases[c].batch;
        int32_t order[128];
        MUST(mtl_context_new(2, &ctx) == MTL_OK && make(ctx, rows, f));
        MUST(open(ctx, FIELDS, f, batch, cases[c].threads, &loader) == MTL_OK);
        drop_fields(FIELDS, f); /* the loader keeps them */
        int64_t batches = (rows + batch - 1) / batch;
        CHECK(mtl_loader_rows(loader) == rows && mtl_loader_batches(loader) == batches);
        for (uint64_t epoch = 0; epoch < 4; epoch++) {
            for (int64_t i = 0; i < rows; i++)
                order[i] = (int32_t)i;
            if (epoch > 0)
                mtl_random_permutation(rows, 5, mtl_stream("data/order"), epoch << 32, order);
            int64_t first = epoch == 2 ? batches / 2 : 0, n = 0;
            MUST(mtl_loader_start(loader, epoch > 0, 5, epoch, first) == MTL_OK);
            for (int64_t b = first; b <= batches; b++) {
                mtl_tensor *t[FIELDS] = {NULL};
                int64_t want = b < batches ? (rows - b * batch < batch ? rows - b * batch : batch) : 0;
                MUST(mtl_loader_next(loader, t, &n) == MTL_OK);
                MUST(n == want);
                if (b == batches) {
                    CHECK(!t[0] && !t[1] && !t[2]);
                    continue;
                }
                CHECK(mtl_tensor_rank(t[0]) == 3 && mtl_tensor_shape(t[0])[0] == n && mtl_tensor_shape(t[0])[2] == 2);
                CHECK(mtl_tensor_dtype(t[0]) == MTL_F32 && mtl_tensor_dtype(t[2]) == MTL_I32);
                CHECK(mtl_tensor_count(t[2]) == n);
                CHECK(wrong_rows(t, n, order, b * batch) == 0);
                drop(FIELDS, t);
            }
        }
        mtl_loader_free(loader);
        CHECK(mtl_memory_use(ctx).bytes == 0);
        mtl_context_free(ctx);
    }
}

static void it_starts_again_and_stops_anywhere(void)
{
    mtl_context *ctx;
    mtl_field f[FIELDS];
    int32_t order[50];
    MUST(mtl_context_new(2, &ctx) == MTL_OK && make(ctx, 50, f));
    for (int turn = 0; turn < 300; turn++) {
        mtl_loader *loader = NULL;
        mtl_tensor *kept[FIELDS] = {NULL};
        int64_t rows;
        MUST(open(ctx, FIELDS, f, 8, turn % 3, &loader) == MTL_OK);
        CHECK(mtl_loader_next(loader, kept, &rows) == MTL_ERR_STATE);
        for (int start = 0; start < turn % 4; start++) {
            int64_t first = (turn + start) % 7;
            uint64_t epoch = (uint64_t)(turn * 4 + start);
            MUST(mtl_loader_start(loader, true, 5, epoch, first) == MTL_OK);
            mtl_random_permutation(50, 5, mtl_stream("data/order"), epoch << 32, order);
            for (int64_t b = first; b < 7 && b < first + turn % 3; b++) {
                drop(FIELDS, kept);
                MUST(mtl_loader_next(loader, kept, &rows) == MTL_OK && rows == (b < 6 ? 8 : 2));
                CHECK(wrong_rows(kept, rows, order, b * 8) == 0);
            }
        }
        mtl_loader_free(loader);
        drop(FIELDS, kept); /* a batch outlives its loader */
    }
    drop_fields(FIELDS, f);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

/* A start while threads are at a batch of an earlier one. */
static void what_was_made_ahead_is_dropped(void)
{
    enum { ROWS = 40000, BATCH = 10000 };
    static int32_t order[ROWS];
    mtl_context *ctx;
    mtl_field f[FIELDS];
    MUST(mtl_context_new(2, &ctx) == MTL_OK && make(ctx, ROWS, f));
    mtl_random_permutation(ROWS, 5, mtl_stream("data/order"), 0, order);
    for (int threads = 1; threads <= 3; threads++) {
        mtl_loader *loader = NULL;
        MUST(open(ctx, FIELDS, f, BATCH, threads, &loader) == MTL_OK);
        for (int turn = 0; turn < 20; turn++) {
            mtl_tensor *t[FIELDS] = {NULL};
            int64_t rows = 0;
            MUST(mtl_loader_start(loader, false, 5, 0, 2) == MTL_OK);
            MUST(mtl_loader_start(loader, false, 5, 0, 1) == MTL_OK);
            MUST(mtl_loader_start(loader, true, 5, 0, 0) == MTL_OK);
            MUST(mtl_loader_next(loader, t, &rows) == MTL_OK && rows == BATCH);
            CHECK(wrong_rows(t, rows, order, 0) == 0);
            drop(FIELDS, t);
        }
        mtl_loader_free(loader);
    }
    drop_fields(FIELDS, f);
    mtl_context_free(ctx);
}

static void it_allocates_nothing_once_it_runs(void)
{
    mtl_context *ctx;
    mtl_loader *loader = NULL;
    mtl_field f[FIELDS];
    uint64_t settled = 0;
    int steps = 0;
    MUST(mtl_context_new(2, &ctx) == MTL_OK && make(ctx, 1000, f));
    MUST(open(ctx, FIELDS, f, 64, 2, &loader) == MTL_OK);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        MUST(mtl_loader_start(loader, true, 5, epoch, 0) == MTL_OK);
        for (;; steps++) {
            mtl_tensor *t[FIELDS];
            int64_t rows;
            MUST(mtl_loader_next(loader, t, &rows) == MTL_OK);
            if (rows == 0)
                break;
            drop(FIELDS, t);
            if (steps == 1)
                settled = mtl_memory_use(ctx).allocations;
        }
    }
    CHECK(steps == 48 && mtl_memory_use(ctx).allocations == settled);
    mtl_loader_free(loader);
    drop_fields(FIELDS, f);
    mtl_context_free(ctx);
}

/* ---- rows and weights ---- */

static void rows_may_be_chosen(void)
{
    const int32_t rows[] = {7, 3, 3, 0, 9}, outside[] = {0, 10};
    mtl_context *ctx;
    mtl_loader *loader = NULL;
    mtl_field f[FIELDS];
    mtl_tensor *t[FIELDS] = {NULL};
    int64_t n;
    MUST(mtl_context_new(1, &ctx) == MTL_OK && make(ctx, 10, f));
    for (int i = 0; i < FIELDS; i++) {
        f[i].rows = rows;
        f[i].n_rows = 5;
    }
    MUST(open(ctx, FIELDS, f, 8, 0, &loader) == MTL_OK);
    MUST(mtl_loader_start(loader, false, 0, 0, 0) == MTL_OK && mtl_loader_next(loader, t, &n) == MTL_OK && n == 5);
    CHECK(wrong_rows(t, n, rows, 0) == 0);
    drop(FIELDS, t);
    mtl_loader_free(loader);
    f[1].rows = outside;
    f[1].n_rows = 2;
    CHECK(open(ctx, FIELDS, f, 8, 0, &loader) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "field 2: rows[2] is 10, but its source has rows 0 to 9");

    /* a source of two, and rows as they are */
    mtl_source *both = NULL, *pair[] = {f[2].source, f[2].source};
    MUST(mtl_source_join(ctx, 2, pair, &both) == MTL_OK && mtl_source_rows(both) == 20);
    MUST(mtl_source_take(both, 3, (int32_t[]){19, 0, 12}, t) == MTL_OK);
    CHECK(memcmp(mtl_tensor_data(t[0]), (int32_t[]){9, 0, 2}, 12) == 0 && mtl_tensor_rank(t[0]) == 1);
    mtl_tensor_release(t[0]);
    CHECK(mtl_source_take(both, 1, (int32_t[]){20}, t) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "row 20, which should be 0 to 19");
    pair[1] = f[0].source;
    CHECK(mtl_source_join(ctx, 2, pair, &both) == MTL_ERR_SHAPE);
    mtl_source_release(both);
    drop_fields(FIELDS, f);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

static mtl_status weighted(mtl_context *ctx, const mtl_field *f, const float *weights, int64_t n, mtl_loader **out)
{
    mtl_tensor *w = NULL;
    if (mtl_tensor_new(ctx, MTL_F32, 1, &n, &w) != MTL_OK)
        return MTL_ERR_MEMORY;
    memcpy(mtl_tensor_data(w), weights, mtl_tensor_bytes(w));
    mtl_status status =
        mtl_loader_new(ctx, &(mtl_loader_options){.n = FIELDS, .fields = f, .batch = 4, .weights = w}, out);
    mtl_tensor_release(w);
    return status;
}

static void rows_are_drawn_by_weight(void)
{
    const float weights[10] = {0, 1, 2, 0, 0, 4, 0.5f, 0.5f, 2, 0};
    double seen[10] = {0};
    mtl_context *ctx;
    mtl_loader *loader = NULL;
    mtl_field f[FIELDS];
    mtl_tensor *t[FIELDS];
    int64_t n;
    MUST(mtl_context_new(1, &ctx) == MTL_OK && make(ctx, 10, f));
    MUST(weighted(ctx, f, weights, 10, &loader) == MTL_OK);
    for (uint64_t epoch = 0; epoch < 2000; epoch++) {
        int64_t all = 0;
        MUST(mtl_loader_start(loader, true, 1, epoch, 0) == MTL_OK);
        while (mtl_loader_next(loader, t, &n) == MTL_OK && n > 0) {
            for (int64_t r = 0; r < n; r++)
                seen[((int32_t *)mtl_tensor_data(t[2]))[r]]++;
            CHECK(wrong_rows(t, n, mtl_tensor_data(t[2]), 0) == 0);
            drop(FIELDS, t);
            all += n;
        }
        CHECK(all == 10);
    }
    for (int i = 0; i < 10; i++)
        CHECK_NEAR(seen[i] / 20000, weights[i] / 10, weights[i] > 0 ? 0.012 : 0);
    /* outside of training: every row, in order */
    MUST(mtl_loader_start(loader, false, 1, 0, 0) == MTL_OK && mtl_loader_next(loader, t, &n) == MTL_OK && n == 4);
    CHECK(wrong_rows(t, n, (int32_t[]){0, 1, 2, 3}, 0) == 0);
    drop(FIELDS, t);
    mtl_loader_free(loader);

    loader = NULL;
    CHECK(weighted(ctx, f, weights, 9, &loader) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "weights are float32 [9], which should be float32 [10]");
    CHECK(weighted(ctx, f, (float[10]){0}, 10, &loader) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "all weights are 0");
    CHECK(weighted(ctx, f, (float[10]){1, -1}, 10, &loader) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "weights[2] is -1, which should be a number of 0 or more");
    CHECK(weighted(ctx, f, (float[10]){NAN}, 10, &loader) == MTL_ERR_ARG);
    CHECK(weighted(ctx, f, (float[10]){INFINITY}, 10, &loader) == MTL_ERR_ARG && !loader);
    drop_fields(FIELDS, f);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

static void it_says_what_is_wrong(void)
{
    mtl_context *ctx;
    mtl_loader *loader = NULL;
    mtl_field f[FIELDS], other[FIELDS];
    mtl_tensor *t[FIELDS];
    int64_t rows;
    MUST(mtl_context_new(1, &ctx) == MTL_OK && make(ctx, 10, f) && make(ctx, 9, other));
    CHECK(open(ctx, 0, f, 4, 0, &loader) == MTL_ERR_ARG);
    CHECK(open(ctx, FIELDS, f, 0, 0, &loader) == MTL_ERR_ARG);
    CHECK(open(ctx, FIELDS, f, 4, 65, &loader) == MTL_ERR_ARG);
    CHECK(open(ctx, 2, (mtl_field[]){f[0], other[1]}, 4, 0, &loader) == MTL_ERR_SHAPE && !loader);
    CHECK_CONTAINS(mtl_message(ctx), "field 2 has 9 rows, but field 1 has 10");

    /* out of memory on the way: an error, and the same batch once there is some */
    MUST(open(ctx, FIELDS, f, 4, 0, &loader) == MTL_OK);
    CHECK(mtl_loader_start(loader, false, 0, 0, 4) == MTL_ERR_ARG);
    mtl_set_memory_limit(ctx, 1);
    CHECK(mtl_loader_start(loader, false, 0, 0, 0) == MTL_ERR_MEMORY);
    CHECK(mtl_loader_next(loader, t, &rows) == MTL_ERR_MEMORY);
    mtl_set_memory_limit(ctx, 0);
    MUST(mtl_loader_next(loader, t, &rows) == MTL_OK && rows == 4);
    CHECK(wrong_rows(t, rows, (int32_t[]){0, 1, 2, 3}, 0) == 0);
    drop(FIELDS, t);
    mtl_loader_free(loader);
    drop_fields(FIELDS, f);
    drop_fields(FIELDS, other);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(it_gives_every_row_in_order);
    RUN(it_starts_again_and_stops_anywhere);
    RUN(what_was_made_ahead_is_dropped);
    RUN(it_allocates_nothing_once_it_runs);
    RUN(rows_may_be_chosen);
    RUN(rows_are_drawn_by_weight);
    RUN(it_says_what_is_wrong);
    return TEST_RESULT;
}

/* Where a loader's rows come from: a tensor, files, one large file, or several of those. Files are open only while a
   row is read. */
#include "io/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/npy.h"
#include "tensor/backend.h"

typedef enum { TENSOR, PNG, NPY, NPY_FILES, JOIN } source_kind;

struct mtl_source {
    int refs;
    mtl_context *ctx;
    source_kind kind;
    int64_t rows;
    int rank; /* of a row */
    int64_t shape[MTL_MAX_RANK];
    mtl_dtype dtype;
    size_t bytes; /* of a row */

    mtl_tensor *tensor; /* retained */
    char *names;        /* paths, one after the other; a tensor that was a file has its path */
    uint64_t *at;       /* NULL: there is one path */
    mtl_png_mode mode;
    mtl_npy_info npy;
    int n_parts;
    mtl_source **parts;
};

bool mtl_room_make(mtl_room *room, int64_t count, size_t each)
{
    int64_t bytes;
    if (mtl_mul_overflows(count, (int64_t)each, &bytes))
        return false;
    if ((size_t)bytes <= room->size)
        return true;
    free(room->data);
    room->data = malloc((size_t)bytes);
    room->size = room->data ? (size_t)bytes : 0;
    return room->data;
}

static mtl_status no_memory(mtl_context *ctx)
{
    return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
}

static mtl_status new_source(mtl_context *ctx, source_kind kind, int64_t rows, mtl_source **out)
{
    if (rows > INT32_MAX)
        return mtl_fail(ctx, MTL_ERR_ARG, "source: %" PRId64 " rows are more than 2^31 - 1", rows);
    mtl_source *s = calloc(1, sizeof *s);
    if (!s)
        return no_memory(ctx);
    s->refs = 1;
    s->ctx = ctx;
    s->kind = kind;
    s->rows = rows;
    *out = s;
    return MTL_OK;
}

/* The shape of a row. The product of any sizes is known not to overflow: one of 0 hides none that would. */
static mtl_status set_shape(mtl_source *s, int rank, const int64_t *shape, mtl_dtype dtype)
{
    int64_t bytes = 4; /* an element's, whatever it becomes */
    size_t row = mtl_dtype_size(dtype);
    if (rank >= MTL_MAX_RANK)
        return mtl_fail(s->ctx, MTL_ERR_SHAPE, "%s: a row of %d dimensions, which should be 0 to %d",
                        s->names ? s->names : "source", rank, MTL_MAX_RANK - 1);
    for (int i = 0; i < rank; i++) {
        if (mtl_mul_overflows(bytes, shape[i] > 0 ? shape[i] : 1, &bytes))
            return no_memory(s->ctx);
        row *= (size_t)shape[i];
    }
    s->rank = rank;
    if (rank > 0)
        memcpy(s->shape, shape, (size_t)rank * sizeof *shape);
    s->dtype = dtype;
    s->bytes = row;
    return MTL_OK;
}

static mtl_status keep_paths(mtl_source *s, int64_t n, const char *const *paths)
{
    size_t bytes = 0, used = 0;
    for (int64_t i = 0; i < n; i++)
        bytes += strlen(paths[i]) + 1;
    s->names = malloc(bytes);
    s->at = n > 1 ? malloc((size_t)n * sizeof *s->at) : NULL;
    if (!s->names || (n > 1 && !s->at))
        return no_memory(s->ctx);
    for (int64_t i = 0; i < n; i++) {
        size_t size = strlen(paths[i]) + 1;
        memcpy(s->names + used, paths[i], size);
        if (s->at)
            s->at[i] = used;
        used += size;
    }
    return MTL_OK;
}

mtl_status mtl_source_tensor(mtl_tensor *rows, mtl_source **out)
{
    mtl_context *ctx = rows->ctx;
    mtl_status status;
    mtl_source *s = NULL;
    if (!mtl_tensor_data(rows))
        return mtl_fail(ctx, MTL_ERR_DEVICE, "source: the tensor is not on the CPU");
    if (rows->rank < 1)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "source: the tensor is one number, which should be [rows, ...]");
    MTL_TRY(new_source(ctx, TENSOR, rows->shape[0], &s));
    MTL_TRY_GOTO(set_shape(s, rows->rank - 1, rows->shape + 1, rows->dtype));
    s->tensor = mtl_tensor_retain(rows);
    *out = s;
    return MTL_OK;
done:
    mtl_source_release(s);
    return status;
}

/* A file a row: the first is looked at, the others when they are read. */
static mtl_status files(mtl_context *ctx, source_kind kind, int64_t n, const char *const *paths, mtl_png_mode mode,
                        mtl_source **out)
{
    char message[MTL_MESSAGE];
    mtl_status status;
    mtl_png_info png = {0};
    mtl_source *s = NULL;
    if (n < 1)
        return mtl_fail(ctx, MTL_ERR_ARG, "source: no files, which should be 1 or more");
    MTL_TRY(new_source(ctx, kind, n, &s));
    MTL_TRY_GOTO(keep_paths(s, n, paths));
    s->mode = mode;
    if (!(kind == PNG ? mtl_png_peek(paths[0], mode, &png, message) : mtl_npy_peek(paths[0], &s->npy, message)))
        MTL_TRY_GOTO(mtl_fail(ctx, MTL_ERR_FORMAT, "%s", message));
    MTL_TRY_GOTO(kind == PNG ? set_shape(s, png.rank, png.shape, png.dtype)
                             : set_shape(s, s->npy.rank, s->npy.shape, s->npy.dtype));
    *out = s;
    return MTL_OK;
done:
    mtl_source_release(s);
    return status;
}

mtl_status mtl_source_png(mtl_context *ctx, int64_t n, const char *const *paths, mtl_png_mode mode, mtl_source **out)
{
    return files(ctx, PNG, n, paths, mode, out);
}

mtl_status mtl_source_npy_files(mtl_context *ctx, int64_t n, const char *const *paths, mtl_source **out)
{
    return files(ctx, NPY_FILES, n, paths, MTL_PNG_ANY, out);
}

mtl_status mtl_source_npy(mtl_context *ctx, const char *path, mtl_source **out)
{
    char message[MTL_MESSAGE];
    mtl_npy_info info;
    mtl_status status;
    mtl_tensor *whole = NULL;
    mtl_source *s = NULL;
    if (!mtl_npy_peek(path, &info, message))
        return mtl_fail(ctx, MTL_ERR_FORMAT, "%s", message);
    if (info.rank < 1)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "%s: holds one number, which should be [rows, ...]", path);
    bool scattered = info.fortran && info.rank > 1; /* a row's elements lie all over the file */
    if (scattered) {
        MTL_TRY(mtl_npy_read(ctx, path, &whole));
        MTL_TRY_GOTO(mtl_source_tensor(whole, &s));
    } else {
        MTL_TRY_GOTO(new_source(ctx, NPY, info.shape[0], &s));
        s->npy = info;
    }
    MTL_TRY_GOTO(keep_paths(s, 1, &path));
    if (!scattered)
        MTL_TRY_GOTO(set_shape(s, info.rank - 1, info.shape + 1, info.dtype));
    *out = s;
    s = NULL;
done:
    mtl_tensor_release(whole);
    mtl_source_release(s);
    return status;
}

mtl_status mtl_source_join(mtl_context *ctx, int n, mtl_source *const *sources, mtl_source **out)
{
    mtl_status status;
    mtl_source *s = NULL;
    int64_t rows = 0;
    if (n < 1)
        return mtl_fail(ctx, MTL_ERR_ARG, "join: no sources, which should be 1 or more");
    for (int i = 0; i < n; i++) {
        if (sources[i]->dtype != sources[0]->dtype || sources[i]->rank != sources[0]->rank)
            return mtl_fail(ctx, MTL_ERR_SHAPE,
                            "join: rows of source %d are %s of %d dimensions, but of source 1 %s of %d", i + 1,
                            mtl_dtype_name(sources[i]->dtype), sources[i]->rank, mtl_dtype_name(sources[0]->dtype),
                            sources[0]->rank);
        rows += sources[i]->rows;
    }
    MTL_TRY(new_source(ctx, JOIN, rows, &s));
    s->parts = calloc((size_t)n, sizeof *s->parts);
    if (!s->parts)
        MTL_TRY_GOTO(no_memory(ctx));
    MTL_TRY_GOTO(set_shape(s, sources[0]->rank, sources[0]->shape, sources[0]->dtype));
    for (int i = 0; i < n; i++)
        s->parts[s->n_parts++] = mtl_source_retain(sources[i]);
    *out = s;
    return MTL_OK;
done:
    mtl_source_release(s);
    return status;
}

mtl_source *mtl_source_retain(mtl_source *s)
{
    s->refs++;
    return s;
}

void mtl_source_release(mtl_source *s)
{
    if (!s || --s->refs > 0)
        return;
    for (int i = 0; i < s->n_parts; i++)
        mtl_source_release(s->parts[i]);
    mtl_tensor_release(s->tensor);
    free(s->parts);
    free(s->names);
    free(s->at);
    free(s);
}

int64_t mtl_source_rows(const mtl_source *s)
{
    return s->rows;
}

int mtl_source_rank(const mtl_source *s)
{
    return s->rank;
}

const int64_t *mtl_source_shape(const mtl_source *s)
{
    return s->shape;
}

mtl_dtype mtl_source_dtype(const mtl_source *s)
{
    return s->dtype;
}

/* The part of a join that has row *row, which becomes the part's. */
static const mtl_source *part_of(const mtl_source *s, int64_t *row)
{
    int i = 0;
    while (*row >= s->parts[i]->rows)
        *row -= s->parts[i++]->rows;
    return s->parts[i];
}

const char *mtl_source_name(const mtl_source *s, int64_t row)
{
    while (s->kind == JOIN)
        s = part_of(s, &row);
    return s->names && s->at ? s->names + s->at[row] : s->names;
}

bool mtl_source_in_memory(const mtl_source *s)
{
    bool all = s->kind == TENSOR || s->kind == JOIN;
    for (int i = 0; i < s->n_parts; i++)
        all = all && mtl_source_in_memory(s->parts[i]);
    return all;
}

const uint8_t *mtl_source_memory(const mtl_source *s)
{
    return s->kind == TENSOR ? mtl_u8(s->tensor) : NULL;
}

/* ---- rows, in any thread ---- */

static bool is_like_first(const mtl_source *s, bool any_size, int rank, const int64_t *shape, mtl_dtype dtype)
{
    bool alike = rank == s->rank && dtype == s->dtype;
    for (int i = 0; alike && i < rank - (any_size ? 2 : 0); i++)
        alike = shape[i] == s->shape[i];
    return alike;
}

/* Whether a row is as row 0 of `like`; else the message says how it is not. */
static bool check_shape(const mtl_source *like, const char *name, bool any_size, int rank, const int64_t *shape,
                        mtl_dtype dtype, char *message)
{
    char is[MTL_SHAPE_TEXT], should[MTL_SHAPE_TEXT];
    if (is_like_first(like, any_size, rank, shape, dtype))
        return true;
    snprintf(message, MTL_MESSAGE, "%s: it is %s %s, but the first row is %s %s%s", name ? name : "source",
             mtl_dtype_name(dtype), mtl_shape_text(rank, shape, is, sizeof is), mtl_dtype_name(like->dtype),
             mtl_shape_text(like->rank, like->shape, should, sizeof should),
             any_size || !is_like_first(like, true, rank, shape, dtype) || rank < 2
                 ? ""
                 : "; a transform of type resize, before any crop or scale, makes images of one size");
    return false;
}

static bool make_room(mtl_row *to, const char *name, int rank, const int64_t *shape, mtl_dtype dtype, char *message)
{
    int64_t count = 1;
    bool fits = true;
    for (int i = 0; i < rank; i++)
        fits = fits && !mtl_mul_overflows(count, shape[i], &count);
    if (fits && mtl_room_make(&to->room, count, mtl_dtype_size(dtype))) {
        if (rank > 0)
            memcpy(to->shape, shape, (size_t)rank * sizeof *shape);
        to->data = to->room.data;
        return true;
    }
    snprintf(message, MTL_MESSAGE, "%s: no host memory left", name);
    return false;
}

static bool read_png(const mtl_source *s, const mtl_source *like, const char *path, bool any_size, mtl_row *to,
                     char *message)
{
    char other[MTL_MESSAGE];
    mtl_png_info info = {.rank = like->rank, .dtype = like->dtype}, found;
    memcpy(info.shape, like->shape, sizeof info.shape);
    if (any_size && !(mtl_png_peek(path, s->mode, &info, message) &&
                      check_shape(like, path, true, info.rank, info.shape, info.dtype, message)))
        return false;
    if (!make_room(to, path, info.rank, info.shape, info.dtype, message))
        return false;
    if (mtl_png_load(path, s->mode, &info, to->room.data, to->room.size, &found, message))
        return true;
    /* where its shape is the reason, this says what helps */
    if (mtl_png_peek(path, s->mode, &found, other))
        check_shape(like, path, any_size, found.rank, found.shape, found.dtype, message);
    return false;
}

static bool read_npy(const mtl_source *like, const char *path, bool any_size, mtl_row *to, char *message)
{
    mtl_npy_info info;
    return mtl_npy_peek(path, &info, message) &&
           check_shape(like, path, any_size, info.rank, info.shape, info.dtype, message) &&
           make_room(to, path, info.rank, info.shape, info.dtype, message) &&
           mtl_npy_load(path, &info, 0, info.rank > 0 ? info.shape[0] : 1, to->room.data, message);
}

bool mtl_source_read(const mtl_source *s, int64_t row, bool any_size, mtl_row *to, char *message)
{
    const mtl_source *like = s;
    while (s->kind == JOIN)
        s = part_of(s, &row);
    const char *name = mtl_source_name(s, row);
    if (s->kind == PNG)
        return read_png(s, like, name, any_size, to, message);
    if (s->kind == NPY_FILES)
        return read_npy(like, name, any_size, to, message);
    if (s != like && !check_shape(like, name, any_size, s->rank, s->shape, s->dtype, message))
        return false;
    if (s->kind == NPY)
        return make_room(to, name, s->rank, s->shape, s->dtype, message) &&
               mtl_npy_load(name, &s->npy, row, 1, to->room.data, message);
    memcpy(to->shape, s->shape, sizeof to->shape);
    to->data = mtl_u8(s->tensor) + (size_t)row * s->bytes;
    return true;
}

mtl_status mtl_source_take(mtl_source *s, int64_t n, const int32_t *rows, mtl_tensor **out)
{
    char message[MTL_MESSAGE];
    int64_t shape[MTL_MAX_RANK] = {n};
    mtl_status status;
    mtl_tensor *t = NULL;
    mtl_row row = {.data = NULL};
    memcpy(shape + 1, s->shape, (size_t)s->rank * sizeof *shape);
    MTL_TRY(mtl_tensor_new(s->ctx, s->dtype, s->rank + 1, shape, &t));
    for (int64_t i = 0; i < n; i++) {
        if (rows[i] < 0 || rows[i] >= s->rows)
            MTL_TRY_GOTO(mtl_fail(s->ctx, MTL_ERR_ARG, "take: row %" PRId32 ", which should be 0 to %" PRId64, rows[i],
                                  s->rows - 1));
        if (!mtl_source_read(s, rows[i], false, &row, message))
            MTL_TRY_GOTO(mtl_fail(s->ctx, MTL_ERR_FORMAT, "%s", message));
        if (s->bytes > 0)
            memcpy(mtl_u8(t) + (size_t)i * s->bytes, row.data, s->bytes);
    }
    *out = t;
    t = NULL;
    status = MTL_OK;
done:
    free(row.room.data);
    mtl_tensor_release(t);
    return status;
}

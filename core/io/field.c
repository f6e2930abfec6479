/* Fields: what their roles ask of a source, and rows from its bytes to a batch's. */
#include "io/field.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"

/* ---- opening ---- */

static mtl_status check_role(mtl_context *ctx, const char *who, const mtl_field *from)
{
    static const char *const should[] = {
        [MTL_ROLE_IMAGE] = "an image is uint8 or float32 [channels, height, width]",
        [MTL_ROLE_LABELS] = "labels are int32 or uint8 [height, width]",
        [MTL_ROLE_DEPTH] = "depth is [height, width] or [1, height, width]",
        [MTL_ROLE_NORMALS] = "normals are uint8 or float32 [3, height, width]",
    };
    int rank = mtl_source_rank(from->source);
    const int64_t *shape = mtl_source_shape(from->source);
    mtl_dtype dtype = mtl_source_dtype(from->source);
    bool good = true;
    switch (from->role) {
    case MTL_ROLE_PLAIN:
        break;
    case MTL_ROLE_IMAGE:
        good = rank == 3 && dtype != MTL_I32;
        break;
    case MTL_ROLE_LABELS:
        good = rank == 2 && dtype != MTL_F32;
        break;
    case MTL_ROLE_DEPTH:
        good = rank == 2 || (rank == 3 && shape[0] == 1);
        break;
    case MTL_ROLE_NORMALS:
        good = rank == 3 && shape[0] == 3 && dtype != MTL_I32;
        break;
    default:
        return mtl_fail(ctx, MTL_ERR_ARG, "%s has role %d, which is none", who, (int)from->role);
    }
    if (!good) {
        char text[MTL_SHAPE_TEXT];
        return mtl_fail(ctx, MTL_ERR_SHAPE, "%s has rows of %s %s, but %s", who, mtl_dtype_name(dtype),
                        mtl_shape_text(rank, shape, text, sizeof text), should[from->role]);
    }
    if (from->has_missing && (from->role == MTL_ROLE_PLAIN || from->role == MTL_ROLE_IMAGE))
        return mtl_fail(ctx, MTL_ERR_ARG, "%s: `missing` is for labels, depth and normals", who);
    if (from->classes && from->role != MTL_ROLE_LABELS)
        return mtl_fail(ctx, MTL_ERR_ARG, "%s: `classes` are for labels", who);
    return MTL_OK;
}

static mtl_status take_rows(mtl_context *ctx, const char *who, const mtl_field *from, mtl_row_field *f)
{
    int64_t n = mtl_source_rows(from->source);
    f->n_rows = from->rows ? from->n_rows : n;
    if (!from->rows)
        return MTL_OK;
    if (f->n_rows < 0 || f->n_rows > INT32_MAX)
        return mtl_fail(ctx, MTL_ERR_ARG, "%s has %" PRId64 " rows, which should be 0 to 2^31 - 1", who, f->n_rows);
    f->rows = malloc((size_t)(f->n_rows + 1) * sizeof *f->rows);
    if (!f->rows)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    for (int64_t i = 0; i < f->n_rows; i++) {
        f->rows[i] = from->rows[i];
        if (f->rows[i] < 0 || f->rows[i] >= n)
            return mtl_fail(ctx, MTL_ERR_ARG,
                            "%s: rows[%" PRId64 "] is %" PRId32 ", but its source has rows 0 to %" PRId64, who, i + 1,
                            f->rows[i], n - 1);
    }
    return MTL_OK;
}

/* The shape after each transform, from row 0's. */
static mtl_status follow(mtl_context *ctx, const char *who, int n, const mtl_transform *transforms, mtl_row_field *f)
{
    int64_t *size = f->shape + f->rank - 2, elements;
    bool normalized = false;
    for (int i = 0; i < n; i++) {
        const mtl_transform *t = &transforms[i];
        bool cuts = t->kind == MTL_RANDOM_CROP || t->kind == MTL_RANDOM_SCALE;
        if (cuts && f->moved[0] < 0)
            memcpy(f->moved, size, sizeof f->moved);
        if (t->kind == MTL_RESIZE)
            f->any_size = f->any_size || f->moved[0] < 0;
        if (t->kind == MTL_RANDOM_CROP && (t->height - 2 * t->padding > size[0] || t->width - 2 * t->padding > size[1]))
            return mtl_fail(ctx, MTL_ERR_SHAPE,
                            "%s: a crop of %" PRId64 " x %" PRId64 " of an image of %" PRId64 " x %" PRId64
                            " (height x width) with padding %" PRId64,
                            who, t->height, t->width, size[0], size[1], t->padding);
        if (t->kind == MTL_RANDOM_CROP || t->kind == MTL_RESIZE) {
            size[0] = t->height;
            size[1] = t->width;
        }
        if (f->role == MTL_ROLE_IMAGE && t->kind == MTL_NORMALIZE && t->channels != f->shape[0])
            return mtl_fail(ctx, MTL_ERR_SHAPE, "%s has %" PRId64 " channels, but normalize has numbers for %d", who,
                            f->shape[0], t->channels);
        if (t->kind == MTL_COLOR_JITTER && normalized)
            return mtl_fail(ctx, MTL_ERR_ARG, "%s: color_jitter stands after normalize, and should stand before it",
                            who);
        normalized = normalized || t->kind == MTL_NORMALIZE;
        if (mtl_mul_overflows(f->rank > 2 ? f->shape[0] : 1, size[0] * size[1] * 4, &elements))
            return mtl_fail(ctx, MTL_ERR_MEMORY, "%s is larger than any memory", who);
    }
    return MTL_OK;
}

static mtl_status make_table(mtl_context *ctx, const mtl_field *from, mtl_row_field *f)
{
    bool floats = mtl_source_dtype(f->source) == MTL_U8 && f->role != MTL_ROLE_LABELS && f->role != MTL_ROLE_DEPTH;
    if (!floats && !from->classes)
        return MTL_OK;
    f->table = malloc(256 * sizeof *f->table);
    if (!f->table)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    for (int v = 0; v < 256; v++)
        f->table[v] = floats ? (float)(v * f->scale + f->shift) : (float)from->classes[v];
    return MTL_OK;
}

mtl_status mtl_field_open(mtl_context *ctx, const char *who, const mtl_field *from, int n_transforms,
                          const mtl_transform *transforms, mtl_row_field *field)
{
    mtl_status status;
    mtl_row_field f = {.role = from->role,
                       .scale = from->scale,
                       .shift = from->shift,
                       .has_missing = from->has_missing,
                       .missing = from->missing,
                       .moved = {-1, -1},
                       .rank = mtl_source_rank(from->source)};
    mtl_dtype dtype = mtl_source_dtype(from->source);
    int64_t bytes = 4;
    if (dtype == MTL_F32)
        f.missing = (float)f.missing; /* as it stands in the source */
    f.source = mtl_source_retain(from->source);
    f.dtype = f.role == MTL_ROLE_LABELS ? MTL_I32 : f.role == MTL_ROLE_DEPTH || dtype == MTL_U8 ? MTL_F32 : dtype;
    memcpy(f.shape, mtl_source_shape(from->source), sizeof f.shape);
    f.memory = mtl_source_memory(from->source);
    f.count = 1;
    for (int i = 0; i < f.rank; i++)
        f.count *= f.shape[i]; /* the source has checked it */
    f.stride = (size_t)f.count * mtl_dtype_size(dtype);
    MTL_TRY_GOTO(check_role(ctx, who, from));
    MTL_TRY_GOTO(take_rows(ctx, who, from, &f));
    MTL_TRY_GOTO(make_table(ctx, from, &f));
    if (f.role != MTL_ROLE_PLAIN) {
        f.n_transforms = n_transforms;
        f.transforms = transforms;
        MTL_TRY_GOTO(follow(ctx, who, n_transforms, transforms, &f));
    }
    for (int i = 0; i < f.rank; i++) {
        if (mtl_mul_overflows(bytes, f.shape[i], &bytes))
            MTL_TRY_GOTO(mtl_fail(ctx, MTL_ERR_MEMORY, "%s is larger than any memory", who));
    }
    f.bytes = (size_t)bytes;
    *field = f;
    return MTL_OK;
done:
    mtl_field_close(&f);
    return status;
}

void mtl_field_close(mtl_row_field *f)
{
    mtl_source_release(f->source);
    free(f->rows);
    free(f->table);
}

/* ---- rows ---- */

static bool is_missing(const mtl_row_field *f, double x)
{
    return f->has_missing && x == f->missing;
}

static void to_labels(const mtl_row_field *f, const void *from, int64_t n, int32_t *to)
{
    bool narrow = mtl_source_dtype(f->source) == MTL_U8;
    for (int64_t i = 0; i < n; i++) {
        int32_t label = narrow ? ((const uint8_t *)from)[i] : ((const int32_t *)from)[i];
        to[i] = is_missing(f, label) ? -1 : f->table && label >= 0 && label < 256 ? (int32_t)f->table[label] : label;
    }
}

static double number(const void *from, mtl_dtype dtype, int64_t i)
{
    return dtype == MTL_U8    ? ((const uint8_t *)from)[i]
           : dtype == MTL_I32 ? ((const int32_t *)from)[i]
                              : (double)((const float *)from)[i];
}

static void to_depth(const mtl_row_field *f, const void *from, int64_t n, float *to)
{
    mtl_dtype dtype = mtl_source_dtype(f->source);
    for (int64_t i = 0; i < n; i++) {
        double x = number(from, dtype, i);
        to[i] = is_missing(f, x) ? NAN : (float)(x * f->scale + f->shift);
    }
}

/* Pixels whose three channels are all the missing value. */
static void drop_normals(const mtl_row_field *f, const void *from, int64_t plane, float *to)
{
    mtl_dtype dtype = mtl_source_dtype(f->source);
    for (int64_t i = 0; i < plane; i++) {
        if (is_missing(f, number(from, dtype, i)) && is_missing(f, number(from, dtype, plane + i)) &&
            is_missing(f, number(from, dtype, 2 * plane + i)))
            to[i] = to[plane + i] = to[2 * plane + i] = NAN;
    }
}

/* n elements of the source as the role wants them. */
static void convert(const mtl_row_field *f, const void *from, int64_t n, void *to)
{
    if (f->role == MTL_ROLE_LABELS) {
        to_labels(f, from, n, to);
    } else if (f->role == MTL_ROLE_DEPTH) {
        to_depth(f, from, n, to);
    } else if (f->table) {
        const uint8_t *bytes = from;
        float *row = to;
        for (int64_t i = 0; i < n; i++)
            row[i] = f->table[bytes[i]];
    } else if (n > 0) {
        memcpy(to, from, (size_t)n * 4);
    }
    if (f->role == MTL_ROLE_NORMALS && f->has_missing)
        drop_normals(f, from, n / 3, to);
}

static void set_range(const mtl_row_field *f, mtl_picture *p)
{
    p->low = f->table ? f->table[0] : 0.0f;
    p->high = f->table ? f->table[255] : 1.0f;
    if (p->low > p->high) {
        p->low = f->table[255];
        p->high = f->table[0];
    }
}

enum { CACHE_LINE = 64, MOST_FETCHED = 1024 }; /* bytes; of a longer row the processor fetches the rest by itself */

void mtl_field_fetch(const mtl_row_field *f, int64_t i)
{
    if (!f->memory || f->n_transforms > 0)
        return;
    const char *at = (const char *)f->memory + (size_t)(f->rows ? f->rows[i] : i) * f->stride;
    for (size_t k = 0; k < f->stride && k < MOST_FETCHED; k += CACHE_LINE)
        __builtin_prefetch(at + k);
}

bool mtl_field_make(const mtl_row_field *f, int64_t i, const mtl_draw *draw, mtl_scratch *scratch, void *to,
                    char *message)
{
    mtl_picture *p = &scratch->picture;
    int64_t row = f->rows ? f->rows[i] : i, n = 1;
    const int64_t *shape = scratch->row.shape;
    if (f->memory && f->n_transforms == 0) {
        convert(f, f->memory + (size_t)row * f->stride, f->count, to);
        return true;
    }
    if (!mtl_source_read(f->source, row, f->any_size, &scratch->row, message))
        return false;
    for (int d = 0; d < f->rank; d++)
        n *= shape[d];
    if (f->n_transforms == 0) {
        convert(f, scratch->row.data, n, to);
        return true;
    }
    p->role = f->role;
    p->channels = f->rank == 3 ? shape[0] : 1;
    p->height = shape[f->rank - 2];
    p->width = shape[f->rank - 1];
    set_range(f, p);
    bool good = mtl_room_make(&p->data, n, 4);
    if (good)
        convert(f, scratch->row.data, n, p->data.data);
    for (int k = 0; good && k < f->n_transforms; k++)
        good = mtl_transform_apply(&f->transforms[k], k, draw, p);
    if (!good) {
        const char *name = mtl_source_name(f->source, row);
        snprintf(message, MTL_MESSAGE, "%s: no host memory left", name ? name : "loader");
    } else if (f->bytes > 0) {
        memcpy(to, p->data.data, f->bytes);
    }
    return good;
}

void mtl_scratch_free(mtl_scratch *scratch)
{
    free(scratch->row.room.data);
    free(scratch->picture.data.data);
    free(scratch->picture.spare.data);
    free(scratch->picture.places.data);
}

/* Texts of a csv's columns, and codes: each field becomes the place of its text (in a column of numbers: of its value)
   among the sorted different ones. */
#include "io/csv.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct {
    const char *text; /* of its first field */
    double value;     /* in a column of numbers */
    uint64_t hash;
    int32_t id; /* in the order of first appearance */
} level;

/* Open addressing; at most half full. */
typedef struct {
    bool numeric;
    char decimal;
    level *levels;
    int64_t count, room;
    int32_t *slots; /* -1: free */
    uint64_t size;  /* 2 * room, a power of two */
} table;

static uint64_t hash_of(const void *bytes, size_t n)
{
    const unsigned char *s = bytes;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ s[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static bool grow(table *t)
{
    int64_t room = t->room ? 2 * t->room : 16;
    uint64_t size = 2 * (uint64_t)room;
    level *levels = realloc(t->levels, (size_t)room * sizeof *levels);
    if (!levels)
        return false;
    t->levels = levels;
    int32_t *slots = malloc(size * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xff, size * sizeof *slots);
    for (int64_t i = 0; i < t->count; i++) {
        uint64_t at = levels[i].hash & (size - 1);
        while (slots[at] >= 0)
            at = (at + 1) & (size - 1);
        slots[at] = (int32_t)i;
    }
    free(t->slots);
    t->slots = slots;
    t->size = size;
    t->room = room;
    return true;
}

/* The id of a field's level, made where there is none yet; -1: no memory left. */
static int32_t id_of(table *t, const char *text, size_t n)
{
    level new = {.text = text, .id = (int32_t)t->count};
    if (t->numeric) {
        mtl_csv_number(text, n, t->decimal, &new.value);
        new.value += 0.0; /* -0 is 0 */
        new.hash = hash_of(&new.value, sizeof new.value);
    } else {
        new.hash = hash_of(text, n);
    }
    if (t->count == t->room && (t->count > INT32_MAX / 2 || !grow(t)))
        return -1;
    uint64_t at = new.hash &(t->size - 1);
    for (; t->slots[at] >= 0; at = (at + 1) & (t->size - 1)) {
        const level *old = &t->levels[t->slots[at]];
        if (old->hash == new.hash && (t->numeric ? old->value == new.value : strcmp(old->text, text) == 0))
            return old->id;
    }
    t->slots[at] = new.id;
    t->levels[t->count++] = new;
    return new.id;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const level *)a)->text, ((const level *)b)->text);
}

static int by_value(const void *a, const void *b)
{
    double x = ((const level *)a)->value, y = ((const level *)b)->value;
    return (x > y) - (x < y);
}

static mtl_status make_codes(mtl_csv *csv, mtl_csv_column *c)
{
    table t = {.numeric = c->numbers != NULL, .decimal = csv->decimal};
    const char *field = c->text.data;
    mtl_status status = MTL_ERR_MEMORY;
    int32_t *places = NULL, *codes = malloc((size_t)(csv->rows + 1) * sizeof *codes);
    if (!codes)
        goto done;
    for (int64_t i = 0; i < csv->rows; i++) {
        size_t n = strlen(field);
        codes[i] = -1;
        if (!mtl_csv_missing(csv, field, n) && (codes[i] = id_of(&t, field, n)) < 0)
            goto done;
        field += n + 1;
    }
    places = malloc((size_t)(t.count + 1) * sizeof *places);
    c->levels = malloc((size_t)(t.count + 1) * sizeof *c->levels);
    if (!places || !c->levels)
        goto done;
    if (t.count > 1)
        qsort(t.levels, (size_t)t.count, sizeof *t.levels, t.numeric ? by_value : by_text);
    for (int64_t i = 0; i < t.count; i++) {
        places[t.levels[i].id] = (int32_t)i;
        c->levels[i] = t.levels[i].text;
    }
    for (int64_t i = 0; i < csv->rows; i++)
        codes[i] = codes[i] < 0 ? -1 : places[codes[i]];
    c->n_levels = t.count;
    c->codes = codes;
    codes = NULL;
    status = MTL_OK;
done:
    if (status != MTL_OK) {
        free(c->levels);
        c->levels = NULL;
        mtl_fail(csv->ctx, status, "%s: no host memory left", csv->path);
    }
    free(codes);
    free(places);
    free(t.levels);
    free(t.slots);
    return status;
}

mtl_status mtl_csv_texts(mtl_csv *csv, int column, const char **out)
{
    if (column < 0 || column >= csv->n_columns)
        return mtl_fail(csv->ctx, MTL_ERR_ARG, "%s: column %d of %d", csv->path, column, csv->n_columns);
    if (csv->columns[column].lost)
        MTL_TRY(mtl_csv_reload(csv, column));
    *out = csv->columns[column].text.data;
    return MTL_OK;
}

static mtl_status coded(mtl_csv *csv, int column, mtl_csv_column **out)
{
    const char *texts = NULL;
    MTL_TRY(mtl_csv_texts(csv, column, &texts));
    mtl_csv_column *c = &csv->columns[column];
    if (!c->codes)
        MTL_TRY(make_codes(csv, c));
    *out = c;
    return MTL_OK;
}

mtl_status mtl_csv_codes(mtl_csv *csv, int column, mtl_tensor **out)
{
    mtl_csv_column *c = NULL;
    mtl_tensor *t = NULL;
    MTL_TRY(coded(csv, column, &c));
    MTL_TRY(mtl_tensor_new(csv->ctx, MTL_I32, 1, &csv->rows, &t));
    if (csv->rows > 0)
        memcpy(mtl_tensor_data(t), c->codes, (size_t)csv->rows * sizeof *c->codes);
    *out = t;
    return MTL_OK;
}

int64_t mtl_csv_levels(mtl_csv *csv, int column)
{
    mtl_csv_column *c = NULL;
    return coded(csv, column, &c) == MTL_OK ? c->n_levels : -1;
}

const char *mtl_csv_level(mtl_csv *csv, int column, int64_t level)
{
    mtl_csv_column *c = NULL;
    if (coded(csv, column, &c) != MTL_OK || level < 0 || level >= c->n_levels)
        return NULL;
    return c->levels[level];
}

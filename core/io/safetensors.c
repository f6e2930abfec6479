/* safetensors, read (https://huggingface.co/docs/safetensors): eight bytes with the header's length, a JSON header, the
   data. The header is believed only where its tensors tile the data without a gap or an overlap. */
#include "io/safetensors.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors are copied as they are: this needs a little-endian machine"
#endif

enum { CHUNK = 8192, NEAREST = 3, NAME_COMPARED = 128 };

static const struct {
    const char *name;
    int size; /* in the file */
    mtl_dtype dtype;
} types[] = {{"F32", 4, MTL_F32}, {"I32", 4, MTL_I32}, {"U8", 1, MTL_U8}, {"F64", 8, MTL_F32}, {"I64", 8, MTL_I32}};

typedef struct {
    const char *name; /* in the JSON tree */
    size_t type;
    int rank;
    int64_t shape[MTL_MAX_RANK];
    int64_t begin, end; /* in the data */
    mtl_tensor *tensor;
} entry;

struct mtl_safetensors {
    mtl_context *ctx;
    cJSON *header;
    int64_t count;
    entry *entries; /* in the header's order */
    const cJSON *metadata;
};

/* ---- the header ---- */

/* cJSON would end a text at an escaped NUL, and two names could then look like one. */
static bool escapes_nul(const char *s, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (s[i] != '\\')
            continue;
        i++;
        if (s[i] == 'u' && n - i > 4 && memcmp(s + i + 1, "0000", 4) == 0)
            return true;
    }
    return false;
}

static mtl_status parse_header(mtl_input *in, cJSON **header)
{
    unsigned char prefix[8];
    uint64_t size = 0;
    const char *stop = NULL;
    char *text = NULL;
    cJSON *made = NULL;
    mtl_status status;
    MTL_TRY_GOTO(mtl_input_need(in, prefix, sizeof prefix));
    for (int i = 8; i-- > 0;)
        size = size << 8 | prefix[i];
    if (size > in->size - 8 || size > MTL_SAFETENSORS_HEADER) {
        status = mtl_fail(in->ctx, MTL_ERR_FORMAT,
                          "%s: the header says it has %" PRIu64 " bytes, of a file of %" PRIu64 "; at most %d are read",
                          in->path, size, in->size, MTL_SAFETENSORS_HEADER);
        goto done;
    }
    text = malloc((size_t)size + 1);
    if (!text) {
        status = mtl_fail(in->ctx, MTL_ERR_MEMORY, "%s: no host memory left", in->path);
        goto done;
    }
    MTL_TRY_GOTO(mtl_input_need(in, text, (size_t)size));
    text[size] = '\0';
    if (!mtl_utf8(text, (size_t)size) || escapes_nul(text, (size_t)size)) {
        status = mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: the header is not UTF-8 text", in->path);
        goto done;
    }
    stop = text;
    made = cJSON_ParseWithLengthOpts(text, (size_t)size + 1, &stop, false);
    while (made && *stop == ' ')
        stop++;
    if (!made || stop != text + size || !cJSON_IsObject(made)) {
        status = mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: the header is not a JSON object (byte %zu)", in->path,
                          8 + (made && !cJSON_IsObject(made) ? 0 : (size_t)(stop - text)));
        goto done;
    }
    *header = made;
    made = NULL;
done:
    cJSON_Delete(made);
    free(text);
    return status;
}

/* The next n whole numbers of an array that are not negative; false: it holds anything else. */
static bool whole_numbers(const cJSON *array, int most, int64_t *numbers, int *n)
{
    *n = 0;
    if (!cJSON_IsArray(array))
        return false;
    for (const cJSON *item = array->child; item; item = item->next) {
        if (*n == most || !cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 0x1p53) ||
            floor(item->valuedouble) != item->valuedouble)
            return false;
        numbers[(*n)++] = (int64_t)item->valuedouble;
    }
    return true;
}

/* One tensor's description; `size`: bytes of data in the file. */
static mtl_status parse_entry(const mtl_input *in, const cJSON *item, int64_t size, entry *e)
{
    const size_t n_types = sizeof types / sizeof *types;
    const cJSON *dtype = NULL, *shape = NULL, *offsets = NULL;
    char shown[MTL_SHOWN], kind[MTL_SHOWN];
    int64_t range[2];
    int n = 0, keys = 0;
    for (const cJSON *field = item->child; cJSON_IsObject(item) && field; field = field->next, keys++) {
        if (strcmp(field->string, "dtype") == 0)
            dtype = field;
        else if (strcmp(field->string, "shape") == 0)
            shape = field;
        else if (strcmp(field->string, "data_offsets") == 0)
            offsets = field;
    }
    mtl_shown(item->string, shown);
    if (keys != 3 || !dtype || !shape || !offsets || !cJSON_IsString(dtype))
        return mtl_fail(in->ctx, MTL_ERR_FORMAT,
                        "%s: tensor '%s' should have dtype, shape and data_offsets, each once and no more", in->path,
                        shown);
    e->name = item->string;
    for (e->type = 0; e->type < n_types && strcmp(types[e->type].name, dtype->valuestring) != 0;)
        e->type++;
    if (e->type == n_types)
        return mtl_fail(in->ctx, MTL_ERR_UNSUPPORTED, "%s: tensor '%s' is %s; F32, I32, U8, F64 and I64 are read",
                        in->path, shown, mtl_shown(dtype->valuestring, kind));
    if (!whole_numbers(shape, MTL_MAX_RANK, e->shape, &e->rank))
        return mtl_fail(in->ctx, MTL_ERR_FORMAT,
                        "%s: tensor '%s': the shape should be up to %d whole numbers, none negative", in->path, shown,
                        MTL_MAX_RANK);
    int64_t bytes = types[e->type].size;
    bool overflow = false;
    for (int i = 0; i < e->rank; i++)
        overflow = mtl_mul_overflows(bytes, e->shape[i], &bytes) || overflow;
    if (!whole_numbers(offsets, 2, range, &n) || n != 2 || range[0] > range[1] || range[1] > size || overflow ||
        range[1] - range[0] != bytes) {
        char text[MTL_SHAPE_TEXT];
        return mtl_fail(in->ctx, MTL_ERR_FORMAT,
                        "%s: tensor '%s': the data_offsets do not give %s %s a place in %" PRId64 " bytes of data",
                        in->path, shown, types[e->type].name, mtl_shape_text(e->rank, e->shape, text, sizeof text),
                        size);
    }
    e->begin = range[0];
    e->end = range[1];
    return MTL_OK;
}

/* Members of an object have names of their own. */
static mtl_status check_names(const mtl_input *in, const cJSON *object)
{
    size_t n = 0;
    char shown[MTL_SHOWN];
    for (const cJSON *item = object->child; item; item = item->next)
        n++;
    const char **names = malloc((n + 1) * sizeof *names);
    if (!names)
        return mtl_fail(in->ctx, MTL_ERR_MEMORY, "%s: no host memory left", in->path);
    n = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        names[n++] = item->string;
    const char *twice = mtl_repeated(names, n);
    free(names);
    if (twice)
        return mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: '%s' stands in the header twice", in->path,
                        mtl_shown(twice, shown));
    return MTL_OK;
}

static mtl_status parse_metadata(const mtl_input *in, mtl_safetensors *file, const cJSON *item)
{
    bool texts = cJSON_IsObject(item);
    for (const cJSON *pair = texts ? item->child : NULL; pair; pair = pair->next)
        texts = texts && cJSON_IsString(pair);
    if (!texts)
        return mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: __metadata__ should be an object of texts", in->path);
    file->metadata = item;
    return check_names(in, item);
}

static int by_place(const void *a, const void *b)
{
    const entry *x = *(entry *const *)a, *y = *(entry *const *)b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Entries sorted by place: each begins where the one before ends, and the last ends with the data. */
static mtl_status check_places(const mtl_input *in, entry **sorted, int64_t n, int64_t size)
{
    int64_t at = 0;
    char shown[MTL_SHOWN];
    if (n > 1)
        qsort(sorted, (size_t)n, sizeof *sorted, by_place);
    for (int64_t i = 0; i < n; i++) {
        if (sorted[i]->begin != at)
            return mtl_fail(in->ctx, MTL_ERR_FORMAT,
                            "%s: tensor '%s' begins at byte %" PRId64 " of the data, where byte %" PRId64 " is next",
                            in->path, mtl_shown(sorted[i]->name, shown), sorted[i]->begin, at);
        at = sorted[i]->end;
    }
    if (at != size)
        return mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: %" PRId64 " bytes of data, and the tensors take %" PRId64,
                        in->path, size, at);
    return MTL_OK;
}

/* ---- the data ---- */

/* n wide elements to the tensor's dtype; the index of the first that does not fit, or -1. */
static int64_t narrow(mtl_dtype dtype, const void *from, int64_t n, char *to)
{
    if (dtype == MTL_F32)
        return mtl_narrow(from, n, (float *)to);
    for (int64_t i = 0; i < n; i++) {
        int64_t value = ((const int64_t *)from)[i];
        if (value < INT32_MIN || value > INT32_MAX)
            return i;
        ((int32_t *)to)[i] = (int32_t)value;
    }
    return -1;
}

static mtl_status read_tensor(mtl_input *in, entry *e)
{
    union {
        double floats[CHUNK / 8];
        int64_t integers[CHUNK / 8];
    } wide;
    mtl_dtype dtype = types[e->type].dtype;
    MTL_TRY(mtl_tensor_new(in->ctx, dtype, e->rank, e->shape, &e->tensor));
    char *to = mtl_tensor_data(e->tensor);
    int64_t count = mtl_tensor_count(e->tensor);
    if (types[e->type].size < 8)
        return mtl_input_need(in, to, mtl_tensor_bytes(e->tensor));
    for (int64_t i = 0, n; i < count; i += n) {
        n = count - i < CHUNK / 8 ? count - i : CHUNK / 8;
        MTL_TRY(mtl_input_need(in, &wide, (size_t)n * 8));
        int64_t bad = narrow(dtype, &wide, n, to + 4 * i);
        if (bad >= 0) {
            char shown[MTL_SHOWN];
            return mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: tensor '%s': element %" PRId64 " does not fit %s", in->path,
                            mtl_shown(e->name, shown), i + bad, mtl_dtype_name(dtype));
        }
    }
    return MTL_OK;
}

static mtl_status read_all(mtl_input *in, mtl_safetensors *file)
{
    entry **sorted = NULL;
    int64_t n = 0;
    mtl_status status;
    MTL_TRY_GOTO(parse_header(in, &file->header));
    MTL_TRY_GOTO(check_names(in, file->header));
    int64_t size = (int64_t)(in->size - in->offset);
    for (const cJSON *item = file->header->child; item; item = item->next)
        n++;
    file->entries = calloc((size_t)n + 1, sizeof *file->entries);
    sorted = malloc(((size_t)n + 1) * sizeof *sorted);
    if (!file->entries || !sorted) {
        status = mtl_fail(in->ctx, MTL_ERR_MEMORY, "%s: no host memory left", in->path);
        goto done;
    }
    for (const cJSON *item = file->header->child; item; item = item->next) {
        if (strcmp(item->string, "__metadata__") == 0) {
            MTL_TRY_GOTO(parse_metadata(in, file, item));
            continue;
        }
        sorted[file->count] = &file->entries[file->count];
        MTL_TRY_GOTO(parse_entry(in, item, size, &file->entries[file->count]));
        file->count++;
    }
    MTL_TRY_GOTO(check_places(in, sorted, file->count, size));
    for (int64_t i = 0; i < file->count; i++)
        MTL_TRY_GOTO(read_tensor(in, sorted[i]));
done:
    free(sorted);
    return status;
}

mtl_status mtl_safetensors_read(mtl_context *ctx, const char *path, mtl_safetensors **out)
{
    mtl_input in = {0};
    mtl_status status;
    mtl_safetensors *file = calloc(1, sizeof *file);
    if (!file)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "%s: no host memory left", path);
    file->ctx = ctx;
    MTL_TRY_GOTO(mtl_input_open(ctx, path, false, &in));
    MTL_TRY_GOTO(read_all(&in, file));
    *out = file;
    file = NULL;
done:
    mtl_input_close(&in);
    mtl_safetensors_free(file);
    return status;
}

void mtl_safetensors_free(mtl_safetensors *file)
{
    if (!file)
        return;
    for (int64_t i = 0; i < file->count; i++)
        mtl_tensor_release(file->entries[i].tensor);
    free(file->entries);
    cJSON_Delete(file->header);
    free(file);
}

/* ---- what was read ---- */

int64_t mtl_safetensors_count(const mtl_safetensors *file)
{
    return file->count;
}

const char *mtl_safetensors_name(const mtl_safetensors *file, int64_t i)
{
    return i >= 0 && i < file->count ? file->entries[i].name : NULL;
}

const char *mtl_safetensors_meta(const mtl_safetensors *file, const char *key)
{
    const cJSON *pair = file->metadata ? cJSON_GetObjectItemCaseSensitive(file->metadata, key) : NULL;
    return pair ? pair->valuestring : NULL;
}

/* Letters to insert, delete or change to make one name of the other (Levenshtein), over their first NAME_COMPARED
 * bytes. */
static int distance(const char *a, const char *b)
{
    int row[NAME_COMPARED + 1], n = (int)strnlen(b, NAME_COMPARED);
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 0; a[i] && i < NAME_COMPARED; i++) {
        int corner = row[0];
        row[0] = i + 1;
        for (int j = 0; j < n; j++) {
            int change = corner + (a[i] != b[j]), other = 1 + (row[j] < row[j + 1] ? row[j] : row[j + 1]);
            corner = row[j + 1];
            row[j + 1] = change < other ? change : other;
        }
    }
    return row[n];
}

mtl_status mtl_safetensors_tensor(mtl_safetensors *file, const char *name, mtl_tensor **out)
{
    const char *nearest[NEAREST] = {0};
    int far[NEAREST], found = 0;
    for (int64_t i = 0; i < file->count; i++) {
        if (strcmp(file->entries[i].name, name) == 0) {
            *out = mtl_tensor_retain(file->entries[i].tensor);
            return MTL_OK;
        }
    }
    for (int64_t i = 0; i < file->count; i++) {
        int d = distance(name, file->entries[i].name), at = found;
        while (at > 0 && far[at - 1] > d)
            at--;
        if (at == NEAREST)
            continue;
        found += found < NEAREST;
        for (int k = found - 1; k > at; k--) {
            nearest[k] = nearest[k - 1];
            far[k] = far[k - 1];
        }
        nearest[at] = file->entries[i].name;
        far[at] = d;
    }
    char shown[MTL_SHOWN], list[NEAREST * (MTL_SHOWN + 4)] = "";
    for (int k = 0; k < found; k++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s'%s'", k ? ", " : "", mtl_shown(nearest[k], shown));
    }
    return mtl_fail(file->ctx, MTL_ERR_ARG, "no tensor '%s' in the file; %s%s", mtl_shown(name, shown),
                    found ? "the nearest are " : "it holds none", list);
}

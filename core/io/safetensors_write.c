/* safetensors, written: the same tensors, names and metadata give the same bytes. */
#include <inttypes.h>
#include <stdlib.h>

#include "io/safetensors.h"

static mtl_status add(mtl_context *ctx, mtl_text *header, const char *text)
{
    return mtl_text_add(ctx, header, text, strlen(text));
}

/* A JSON text, with its quotes. */
static mtl_status add_quoted(mtl_context *ctx, mtl_text *header, const char *text)
{
    char escape[16], shown[MTL_SHOWN];
    if (!mtl_utf8(text, strlen(text)))
        return mtl_fail(ctx, MTL_ERR_ARG, "'%s' is not UTF-8", mtl_shown(text, shown));
    MTL_TRY(add(ctx, header, "\""));
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20) {
            snprintf(escape, sizeof escape, "\\u%04x", *text);
            MTL_TRY(add(ctx, header, escape));
            continue;
        }
        if (*text == '"' || *text == '\\')
            MTL_TRY(add(ctx, header, "\\"));
        MTL_TRY(mtl_text_add(ctx, header, text, 1));
    }
    return add(ctx, header, "\"");
}

static mtl_status add_metadata(mtl_context *ctx, mtl_text *header, int64_t n, const char *const *metadata)
{
    MTL_TRY(add(ctx, header, "\"__metadata__\":{"));
    for (int64_t i = 0; i < n; i++) {
        MTL_TRY(add(ctx, header, i ? "," : ""));
        MTL_TRY(add_quoted(ctx, header, metadata[2 * i]));
        MTL_TRY(add(ctx, header, ":"));
        MTL_TRY(add_quoted(ctx, header, metadata[2 * i + 1]));
    }
    return add(ctx, header, "}");
}

static mtl_status add_tensor(mtl_context *ctx, mtl_text *header, const char *name, const mtl_tensor *t, uint64_t begin)
{
    static const char *const types[] = {[MTL_F32] = "F32", [MTL_I32] = "I32", [MTL_U8] = "U8"};
    const int64_t *shape = mtl_tensor_shape(t);
    char text[96];
    MTL_TRY(add_quoted(ctx, header, name));
    snprintf(text, sizeof text, ":{\"dtype\":\"%s\",\"shape\":[", types[mtl_tensor_dtype(t)]);
    MTL_TRY(add(ctx, header, text));
    for (int i = 0; i < mtl_tensor_rank(t); i++) {
        snprintf(text, sizeof text, "%s%" PRId64, i ? "," : "", shape[i]);
        MTL_TRY(add(ctx, header, text));
    }
    snprintf(text, sizeof text, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, begin + mtl_tensor_bytes(t));
    return add(ctx, header, text);
}

/* Data come in two rounds, wide elements first, so that each tensor is aligned to its elements without a gap. */
static bool in_round(const mtl_tensor *t, int round)
{
    return (mtl_dtype_size(mtl_tensor_dtype(t)) == 4) == (round == 0);
}

/* Length and JSON text, padded with spaces so that the data start at a multiple of 8. */
static mtl_status make_header(mtl_context *ctx, mtl_text *header, int64_t n, const char *const *names,
                              mtl_tensor *const *tensors, int64_t n_meta, const char *const *metadata)
{
    uint64_t at[2] = {0, 0};
    MTL_TRY(add(ctx, header, "........{")); /* the length goes here */
    if (n_meta > 0)
        MTL_TRY(add_metadata(ctx, header, n_meta, metadata));
    for (int64_t i = 0; i < n; i++) {
        if (in_round(tensors[i], 0))
            at[1] += mtl_tensor_bytes(tensors[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        uint64_t *begin = &at[in_round(tensors[i], 1)];
        MTL_TRY(add(ctx, header, i > 0 || n_meta > 0 ? "," : ""));
        MTL_TRY(add_tensor(ctx, header, names[i], tensors[i], *begin));
        *begin += mtl_tensor_bytes(tensors[i]);
    }
    MTL_TRY(add(ctx, header, "}"));
    while (header->used % 8)
        MTL_TRY(add(ctx, header, " "));
    uint64_t size = header->used - 8;
    if (size > MTL_SAFETENSORS_HEADER)
        return mtl_fail(ctx, MTL_ERR_ARG, "names and metadata take %" PRIu64 " bytes; at most %d are read back", size,
                        MTL_SAFETENSORS_HEADER);
    for (int i = 0; i < 8; i++)
        header->data[i] = (char)(size >> 8 * i);
    return MTL_OK;
}

static mtl_status write_tensor(mtl_output *out, const mtl_tensor *t)
{
    void *data = mtl_tensor_data(t), *copy = NULL;
    mtl_status status = MTL_OK;
    if (!data) {
        data = copy = malloc(mtl_tensor_bytes(t) + 1);
        if (!copy)
            return mtl_fail(out->ctx, MTL_ERR_MEMORY, "no host memory left");
        status = mtl_tensor_read(t, copy);
    }
    if (status == MTL_OK)
        status = mtl_output_write(out, data, mtl_tensor_bytes(t));
    free(copy);
    return status;
}

/* No name twice, and none that the format keeps for itself. `stride` 2: the keys of metadata. */
static mtl_status check_names(mtl_context *ctx, int64_t n, const char *const *names, int stride)
{
    char shown[MTL_SHOWN];
    const char **sorted = malloc(((size_t)n + 1) * sizeof *sorted);
    if (!sorted)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    bool kept = false;
    for (int64_t i = 0; i < n; i++) {
        sorted[i] = names[stride * i];
        kept = kept || (stride == 1 && strcmp(sorted[i], "__metadata__") == 0);
    }
    const char *twice = mtl_repeated(sorted, (size_t)n);
    free(sorted);
    if (kept)
        return mtl_fail(ctx, MTL_ERR_ARG, "a tensor cannot be named '__metadata__'");
    if (twice)
        return mtl_fail(ctx, MTL_ERR_ARG, "'%s' is given twice", mtl_shown(twice, shown));
    return MTL_OK;
}

static mtl_status write_all(mtl_output *out, const mtl_text *header, int64_t n, mtl_tensor *const *tensors)
{
    MTL_TRY(mtl_output_write(out, header->data, header->used));
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < n; i++) {
            if (in_round(tensors[i], round))
                MTL_TRY(write_tensor(out, tensors[i]));
        }
    }
    return MTL_OK;
}

mtl_status mtl_safetensors_write(mtl_context *ctx, const char *path, int64_t n, const char *const *names,
                                 mtl_tensor *const *tensors, int64_t n_meta, const char *const *metadata)
{
    mtl_text header = {0};
    mtl_output out;
    mtl_status status = check_names(ctx, n, names, 1);
    if (status == MTL_OK)
        status = check_names(ctx, n_meta, metadata, 2);
    if (status == MTL_OK)
        status = make_header(ctx, &header, n, names, tensors, n_meta, metadata);
    if (status != MTL_OK) {
        char where[2 * MTL_SHOWN];
        snprintf(where, sizeof where, "cannot write %s", path);
        mtl_fail_in(ctx, status, where);
        goto done;
    }
    MTL_TRY_GOTO(mtl_output_open(ctx, path, &out));
    status = mtl_output_close(&out, write_all(&out, &header, n, tensors));
done:
    free(header.data);
    return status;
}

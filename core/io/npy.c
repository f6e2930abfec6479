/* NPY: a magic text, a version, the length of a Python dictionary, the dictionary, the elements. The dictionary is read
   by rules of its own, never evaluated: descr, fortran_order and shape, each once and no more. */
#include "io/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "arrays are copied as they are: this needs a little-endian machine"
#endif

enum { MOST_HEADER = 1 << 16, CHUNK = 1 << 13 /* bytes of elements that are converted at a time; a multiple of 8 */ };

/* ---- the header ---- */

typedef struct {
    const char *path, *text, *s; /* s: the next byte of `text`, which a NUL ends */
    char *message;
} parser;

static mtl_status broken(parser *p, const char *should)
{
    return mtl_say(p->message, MTL_ERR_FORMAT, "%s: byte %zu of the header's text, where %s should be", p->path,
                   (size_t)(p->s - p->text), should);
}

static bool next(parser *p, char c)
{
    while (*p->s == ' ' || *p->s == '\n' || *p->s == '\t')
        p->s++;
    if (*p->s != c)
        return false;
    p->s++;
    return true;
}

/* A text in quotes of either kind, without escapes. */
static bool quoted(parser *p, const char **text, size_t *n)
{
    char quote = next(p, '\'') ? '\'' : next(p, '"') ? '"' : '\0';
    const char *end = quote ? strchr(p->s, quote) : NULL;
    if (!end)
        return false;
    *text = p->s;
    *n = (size_t)(end - p->s);
    p->s = end + 1;
    return memchr(*text, '\\', *n) == NULL;
}

static mtl_status unsupported(parser *p, const char *what)
{
    return mtl_say(p->message, MTL_ERR_UNSUPPORTED,
                   "%s: it holds %s; bool, integers, float16, float32 and float64 are read", p->path, what);
}

static mtl_status parse_descr(parser *p, mtl_npy_info *info)
{
    const char *text;
    size_t n;
    char what[80], shown[MTL_SHOWN], copy[MTL_SHOWN];
    if (next(p, '[') || next(p, '{') || next(p, '('))
        return unsupported(p, "records (a structured dtype)");
    if (!quoted(p, &text, &n))
        return broken(p, "a dtype in quotes");
    snprintf(copy, sizeof copy, "%.*s", (int)(n < 40 ? n : 40), text);
    char order = n > 0 && strchr("<>|=", *text) ? *text : '\0';
    const char *type = copy + (order ? 1 : 0);
    if (*type == 'O')
        return unsupported(p, "Python objects (a pickle, which could run code)");
    if (strcmp(type, "?") == 0)
        type = "b1";
    bool sized = strlen(type) == 2 && type[1] >= '1' && type[1] <= '8';
    info->kind = *type;
    info->item = sized ? type[1] - '0' : 0;
    bool power = info->item == 1 || info->item == 2 || info->item == 4 || info->item == 8;
    if (!power || !strchr("biuf", info->kind) || (info->kind == 'f' && info->item == 1) ||
        (info->kind == 'b' && info->item != 1)) {
        snprintf(what, sizeof what, "dtype '%s'", mtl_shown(copy, shown));
        return unsupported(p, what);
    }
    info->swap = order == '>' && info->item > 1;
    info->dtype = info->kind == 'f' ? MTL_F32 : info->item == 1 && info->kind != 'i' ? MTL_U8 : MTL_I32;
    return MTL_OK;
}

static mtl_status parse_shape(parser *p, mtl_npy_info *info)
{
    info->rank = 0;
    if (!next(p, '('))
        return broken(p, "a shape in round brackets");
    while (!next(p, ')')) {
        if (info->rank == MTL_MAX_RANK)
            return mtl_say(p->message, MTL_ERR_UNSUPPORTED, "%s: more than %d dimensions", p->path, MTL_MAX_RANK);
        int64_t size = 0;
        const char *from = p->s;
        for (; *p->s >= '0' && *p->s <= '9'; p->s++) {
            if (mtl_mul_overflows(size, 10, &size) || size > INT64_MAX - 9)
                return broken(p, "a size that 63 bits hold");
            size += *p->s - '0';
        }
        if (p->s == from)
            return broken(p, "a size, a whole number");
        p->s += *p->s == 'L'; /* Python 2 */
        info->shape[info->rank++] = size;
        if (!next(p, ',') && *p->s != ')')
            return broken(p, "a comma or the end of the shape");
        next(p, ' ');
    }
    return MTL_OK;
}

static mtl_status parse(parser *p, mtl_npy_info *info)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    unsigned seen = 0;
    if (!next(p, '{'))
        return broken(p, "a dictionary");
    while (!next(p, '}')) {
        const char *key;
        size_t n;
        unsigned k = 0;
        if (!quoted(p, &key, &n))
            return broken(p, "a key in quotes");
        while (k < 3 && (strlen(keys[k]) != n || memcmp(keys[k], key, n) != 0))
            k++;
        if (k == 3 || (seen & 1u << k))
            return broken(p, "descr, fortran_order or shape, each once,");
        if (!next(p, ':'))
            return broken(p, "a colon");
        seen |= 1u << k;
        next(p, ' ');
        if (k == 0) {
            MTL_TRY(parse_descr(p, info));
        } else if (k == 2) {
            MTL_TRY(parse_shape(p, info));
        } else {
            info->fortran = strncmp(p->s, "True", 4) == 0;
            if (!info->fortran && strncmp(p->s, "False", 5) != 0)
                return broken(p, "True or False");
            p->s += info->fortran ? 4 : 5;
        }
        if (!next(p, ',') && *p->s != '}')
            return broken(p, "a comma or the end of the dictionary");
    }
    next(p, ' ');
    return seen != 7 ? broken(p, "descr, fortran_order and shape") : *p->s ? broken(p, "the end") : MTL_OK;
}

static int64_t row_count(const mtl_npy_info *info)
{
    int64_t count = 1;
    for (int i = 1; i < info->rank; i++)
        count *= info->shape[i];
    return count;
}

mtl_status mtl_npy_header(mtl_npy_stream *stream, mtl_npy_info *info, char *message)
{
    unsigned char start[12];
    memset(info, 0, sizeof *info);
    MTL_TRY(stream->need(stream, start, 10, message));
    if (memcmp(start, "\x93NUMPY", 6) != 0)
        return mtl_say(message, MTL_ERR_FORMAT, "%s: no NPY, which begins with \\x93NUMPY", stream->path);
    if (start[6] < 1 || start[6] > 3)
        return mtl_say(message, MTL_ERR_UNSUPPORTED, "%s: NPY of version %d; 1 to 3 are read", stream->path, start[6]);
    size_t length = start[8] | (size_t)start[9] << 8;
    if (start[6] > 1) {
        MTL_TRY(stream->need(stream, start + 10, 2, message));
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    }
    if (length > MOST_HEADER || length > stream->size - stream->at)
        return mtl_say(message, MTL_ERR_FORMAT,
                       "%s: the header says it has %zu bytes, of a file of %" PRIu64 "; at most %d are read",
                       stream->path, length, stream->size, MOST_HEADER);
    char *text = malloc(length + 1);
    if (!text)
        return mtl_say(message, MTL_ERR_MEMORY, "%s: no host memory left", stream->path);
    mtl_status status = stream->need(stream, text, length, message);
    text[length] = '\0';
    parser p = {stream->path, text, text, message};
    if (status == MTL_OK && !mtl_utf8(text, length))
        status = mtl_say(message, MTL_ERR_FORMAT, "%s: the header is not text", stream->path);
    if (status == MTL_OK)
        status = parse(&p, info);
    free(text);
    MTL_TRY(status);
    int64_t bytes = info->item;
    bool overflow = false;
    for (int i = 0; i < info->rank; i++)
        overflow = mtl_mul_overflows(bytes, info->shape[i], &bytes) || overflow;
    info->fortran = info->fortran && info->rank > 1;
    info->data_offset = (int64_t)stream->at;
    if (overflow || (uint64_t)bytes != stream->size - stream->at) {
        char shape[MTL_SHAPE_TEXT];
        return mtl_say(message, MTL_ERR_FORMAT,
                       "%s: the header says %s of %d bytes each, and %" PRIu64 " bytes follow it", stream->path,
                       mtl_shape_text(info->rank, info->shape, shape, sizeof shape), info->item,
                       stream->size - stream->at);
    }
    return MTL_OK;
}

/* ---- elements ---- */

static float half(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    float mantissa = (float)(bits & 1023), value;
    if (exponent == 31)
        value = mantissa > 0 ? NAN : INFINITY;
    else
        value = exponent ? ldexpf(1024 + mantissa, exponent - 25) : ldexpf(mantissa, -24);
    return bits & 0x8000 ? -value : value;
}

/* Element at `from` to `to`; false: its dtype does not hold it. */
static bool convert(const mtl_npy_info *info, const unsigned char *from, void *to)
{
    uint64_t bits = 0;
    for (int i = 0; i < info->item; i++)
        bits |= (uint64_t)from[info->swap ? info->item - 1 - i : i] << 8 * i;
    if (info->kind == 'f') {
        double wide;
        uint32_t word = (uint32_t)bits;
        float value = info->item == 2 ? half((uint16_t)bits) : 0;
        if (info->item == 4)
            memcpy(&value, &word, sizeof value);
        memcpy(&wide, &bits, sizeof wide);
        bool fits = info->item < 8 || mtl_narrow(&wide, 1, &value) < 0;
        memcpy(to, &value, sizeof value);
        return fits;
    }
    if (info->dtype == MTL_U8) {
        *(uint8_t *)to = (uint8_t)(info->kind == 'b' ? bits != 0 : bits);
        return true;
    }
    int unused = 64 - 8 * info->item;
    int64_t value = info->kind == 'i'  ? (int64_t)(bits << unused) >> unused
                    : bits > INT32_MAX ? INT64_MAX
                                       : (int64_t)bits;
    int32_t narrow = (int32_t)value;
    memcpy(to, &narrow, sizeof narrow);
    return narrow == value;
}

/* Where the element after this one goes, of an array in Fortran order. */
static int64_t step(const mtl_npy_info *info, int64_t index[MTL_MAX_RANK], int64_t at)
{
    int64_t stride[MTL_MAX_RANK];
    stride[info->rank - 1] = 1;
    for (int d = info->rank - 1; d > 0; d--)
        stride[d - 1] = stride[d] * info->shape[d];
    for (int d = 0; d < info->rank; d++) {
        at += stride[d];
        if (++index[d] < info->shape[d])
            break;
        at -= index[d] * stride[d];
        index[d] = 0;
    }
    return at;
}

mtl_status mtl_npy_rows(mtl_npy_stream *stream, const mtl_npy_info *info, int64_t n, void *to, char *message)
{
    unsigned char chunk[CHUNK];
    int64_t index[MTL_MAX_RANK] = {0}, at = 0, count = n * row_count(info);
    size_t size = mtl_dtype_size(info->dtype), item = (size_t)info->item;
    bool same = size == item && !info->swap && info->kind != 'b';
    if (same && !info->fortran)
        return stream->need(stream, to, (size_t)count * item, message);
    for (int64_t i = 0, part; i < count; i += part) {
        part = count - i < CHUNK / 8 ? count - i : CHUNK / 8;
        uint64_t from = stream->at;
        MTL_TRY(stream->need(stream, chunk, (size_t)part * item, message));
        for (int64_t k = 0; k < part; k++) {
            if (!convert(info, chunk + (size_t)k * item, (char *)to + (size_t)at * size))
                return mtl_say(message, MTL_ERR_FORMAT, "%s: the number at byte %" PRIu64 " does not fit %s",
                               stream->path, from + (uint64_t)k * item, mtl_dtype_name(info->dtype));
            at = info->fortran ? step(info, index, at) : at + 1;
        }
    }
    return MTL_OK;
}

/* ---- files ---- */

static mtl_status need(mtl_npy_stream *stream, void *to, size_t n, char *message)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(stream->fd, (char *)to + done, n - done, (off_t)(stream->at + done));
        if (got < 0)
            return mtl_say(message, MTL_ERR_IO, "cannot read %s: %s", stream->path, strerror(errno));
        if (got == 0)
            return mtl_say(message, MTL_ERR_FORMAT,
                           "%s: has %" PRIu64 " bytes, where %zu from byte %" PRIu64 " on should be", stream->path,
                           stream->size, n, stream->at);
        done += (size_t)got;
    }
    stream->at += n;
    return MTL_OK;
}

static mtl_status open_file(const char *path, mtl_npy_stream *stream, char *message)
{
    *stream = (mtl_npy_stream){.path = path, .need = need, .fd = -1};
    return mtl_file_open(path, &stream->fd, &stream->size, message);
}

bool mtl_npy_peek(const char *path, mtl_npy_info *info, char *message)
{
    mtl_npy_stream stream;
    if (open_file(path, &stream, message) != MTL_OK)
        return false;
    mtl_status status = mtl_npy_header(&stream, info, message);
    close(stream.fd);
    return status == MTL_OK;
}

bool mtl_npy_load(const char *path, const mtl_npy_info *info, int64_t first, int64_t n, void *to, char *message)
{
    mtl_npy_stream stream;
    int64_t rows = info->rank > 0 ? info->shape[0] : 1;
    if (first < 0 || n < 0 || first > rows || n > rows - first || (info->fortran && n < rows)) {
        mtl_say(message, MTL_ERR_ARG, "%s: rows %" PRId64 " to %" PRId64 " of %" PRId64 "%s", path, first, first + n,
                rows, info->fortran ? ", which Fortran order gives only together" : "");
        return false;
    }
    if (open_file(path, &stream, message) != MTL_OK)
        return false;
    stream.at = (uint64_t)(info->data_offset + first * row_count(info) * info->item);
    mtl_status status = mtl_npy_rows(&stream, info, n, to, message);
    close(stream.fd);
    return status == MTL_OK;
}

mtl_status mtl_npy_read(mtl_context *ctx, const char *path, mtl_tensor **out)
{
    char message[MTL_MESSAGE] = "";
    mtl_npy_info info;
    mtl_npy_stream stream;
    mtl_status status;
    mtl_tensor *t = NULL;
    MTL_TRY_GOTO(open_file(path, &stream, message));
    MTL_TRY_GOTO(mtl_npy_header(&stream, &info, message));
    MTL_TRY_GOTO(mtl_tensor_new(ctx, info.dtype, info.rank, info.shape, &t));
    MTL_TRY_GOTO(mtl_npy_rows(&stream, &info, info.rank > 0 ? info.shape[0] : 1, mtl_tensor_data(t), message));
    *out = t;
    t = NULL;
done:
    if (stream.fd >= 0)
        close(stream.fd);
    mtl_tensor_release(t);
    return status == MTL_OK || !*message ? status : mtl_fail(ctx, status, "%s", message);
}

mtl_status mtl_npy_write(const char *path, const mtl_tensor *array)
{
    static const char *const types[] = {[MTL_F32] = "<f4", [MTL_I32] = "<i4", [MTL_U8] = "|u1"};
    enum { ALIGN = 64, START = 10, MOST = 320 };
    mtl_context *ctx = mtl_tensor_context(array);
    char text[MOST] = "\x93NUMPY\x01";
    int rank = mtl_tensor_rank(array), n = START;
    void *host = mtl_tensor_data(array), *copy = NULL;
    mtl_status status;
    mtl_output out;
    n += snprintf(text + n, MOST - START, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                  types[mtl_tensor_dtype(array)]);
    for (int i = 0; i < rank; i++)
        n += snprintf(text + n, (size_t)(MOST - n), i + 1 < rank ? "%" PRId64 ", " : "%" PRId64,
                      mtl_tensor_shape(array)[i]);
    n += snprintf(text + n, (size_t)(MOST - n), "%s), }", rank == 1 ? "," : "");
    while ((n + 1) % ALIGN != 0)
        text[n++] = ' ';
    text[n++] = '\n';
    text[8] = (char)((n - START) & 255);
    text[9] = (char)((n - START) >> 8);
    if (!host) {
        host = copy = malloc(mtl_tensor_bytes(array) + 1);
        if (!copy)
            return mtl_fail(ctx, MTL_ERR_MEMORY, "%s: no host memory left", path);
        MTL_TRY_GOTO(mtl_tensor_read(array, copy));
    }
    MTL_TRY_GOTO(mtl_output_open(ctx, path, &out));
    status = mtl_output_write(&out, text, (size_t)n);
    if (status == MTL_OK)
        status = mtl_output_write(&out, host, mtl_tensor_bytes(array));
    status = mtl_output_close(&out, status);
done:
    free(copy);
    return status;
}

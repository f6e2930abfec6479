/* IDX, the format of MNIST (http://yann.lecun.com/exdb/mnist): two zero bytes, a type, a rank, the sizes and the
   elements, all with the most significant byte first. */
#include <inttypes.h>
#include <stdlib.h>

#include "io/io.h"

enum { HEADER = 4 + 4 * MTL_MAX_RANK, CHUNK = 8192 };

static const struct {
    unsigned char code;
    unsigned char size; /* of an element in the file */
    mtl_dtype dtype;
} types[] = {{0x08, 1, MTL_U8},  {0x09, 1, MTL_I32}, {0x0b, 2, MTL_I32},
             {0x0c, 4, MTL_I32}, {0x0d, 4, MTL_F32}, {0x0e, 8, MTL_F32}};

static uint64_t big(const unsigned char *s, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value = value << 8 | s[i];
    return value;
}

/* n elements to host order and the tensor's dtype; the index of the first that does not fit, or -1. */
static int64_t convert(int code, const unsigned char *from, int64_t n, void *to)
{
    int32_t *integers = to;
    uint32_t *words = to; /* float32 moves as bits */
    float *floats = to;
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits;
        double wide;
        switch (code) {
        case 0x09:
            integers[i] = (int8_t)from[i];
            break;
        case 0x0b:
            integers[i] = (int16_t)big(from + 2 * i, 2);
            break;
        case 0x0c:
        case 0x0d:
            words[i] = (uint32_t)big(from + 4 * i, 4);
            break;
        default:
            bits = big(from + 8 * i, 8);
            memcpy(&wide, &bits, sizeof wide);
            if (mtl_narrow(&wide, 1, &floats[i]) >= 0)
                return i;
        }
    }
    return -1;
}

static mtl_status read_elements(mtl_input *in, int code, size_t size, mtl_tensor *t)
{
    unsigned char chunk[CHUNK];
    char *to = mtl_tensor_data(t);
    int64_t count = mtl_tensor_count(t);
    if (code == 0x08)
        return mtl_input_need(in, to, (size_t)count);
    for (int64_t i = 0, n; i < count; i += n) {
        uint64_t from = in->offset;
        n = count - i < CHUNK / 8 ? count - i : CHUNK / 8;
        MTL_TRY(mtl_input_need(in, chunk, (size_t)n * size));
        int64_t bad = convert(code, chunk, n, to + 4 * i);
        if (bad >= 0)
            return mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: the number at byte %" PRIu64 " does not fit float32",
                            in->path, from + (uint64_t)bad * size);
    }
    return MTL_OK;
}

/* The header of `in` as a type (index of `types`) and a shape whose bytes the file can hold. */
static mtl_status read_header(mtl_input *in, size_t *type, int *rank, int64_t *shape)
{
    unsigned char header[HEADER];
    size_t found = 0;
    MTL_TRY(mtl_input_need(in, header, 4));
    while (found < sizeof types / sizeof *types && types[found].code != header[2])
        found++;
    if (header[0] || header[1] || found == sizeof types / sizeof *types)
        return mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: begins with %02x %02x %02x, which is not IDX", in->path,
                        header[0], header[1], header[2]);
    int n = header[3];
    if (n < 1 || n > MTL_MAX_RANK)
        return mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: %d dimensions at byte 3, which should be 1 to %d", in->path, n,
                        MTL_MAX_RANK);
    MTL_TRY(mtl_input_need(in, header + 4, 4 * (size_t)n));
    int64_t bytes = types[found].size;
    bool overflow = false;
    for (int i = 0; i < n; i++) {
        shape[i] = (int64_t)big(header + 4 + 4 * i, 4);
        overflow = mtl_mul_overflows(bytes, shape[i], &bytes) || overflow;
    }
    uint64_t most = mtl_input_most(in), size = in->offset + (uint64_t)bytes;
    if (overflow || size > most || (!in->gz && size != most)) {
        char text[MTL_SHAPE_TEXT];
        return mtl_fail(in->ctx, MTL_ERR_FORMAT,
                        "%s: the header says %s of %d bytes each, and the file has %" PRIu64 " bytes%s", in->path,
                        mtl_shape_text(n, shape, text, sizeof text), types[found].size, in->size,
                        in->gz ? " packed, which cannot hold them" : "");
    }
    *type = found;
    *rank = n;
    return MTL_OK;
}

mtl_status mtl_idx_read(mtl_context *ctx, const char *path, mtl_tensor **out)
{
    mtl_input in = {0};
    mtl_tensor *t = NULL;
    size_t type = 0;
    int rank = 0;
    int64_t shape[MTL_MAX_RANK];
    mtl_status status;
    MTL_TRY_GOTO(mtl_input_open(ctx, path, true, &in));
    MTL_TRY_GOTO(read_header(&in, &type, &rank, shape));
    MTL_TRY_GOTO(mtl_tensor_new(ctx, types[type].dtype, rank, shape, &t));
    MTL_TRY_GOTO(read_elements(&in, types[type].code, types[type].size, t));
    MTL_TRY_GOTO(mtl_input_end(&in));
    *out = t;
    t = NULL;
done:
    mtl_tensor_release(t);
    mtl_input_close(&in);
    return status;
}

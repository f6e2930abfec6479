/* IDX: every type, plain and gzipped, and what is damaged. */
#include <zlib.h>

#include "damage.h"

static const char *pack(const char *name, const void *bytes, size_t n)
{
    const char *path = place(name);
    gzFile gz = gzopen(path, "wb9");
    CHECK(gz && (size_t)gzwrite(gz, bytes, (unsigned)n) == n);
    CHECK(gzclose(gz) == Z_OK);
    return path;
}

static mtl_status read_idx(const char *path)
{
    mtl_tensor *t = NULL;
    mtl_status status = mtl_idx_read(ctx, path, &t);
    CHECK((status == MTL_OK) == (t != NULL));
    mtl_tensor_release(t);
    return status;
}

static const unsigned char digits[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 250, 251, 255};

static void reads_plain_and_gzipped(void)
{
    for (int packed = 0; packed < 2; packed++) {
        mtl_tensor *t = NULL;
        const char *path = packed ? pack("digits", digits, sizeof digits) : put("digits", digits, sizeof digits);
        MUST(mtl_idx_read(ctx, path, &t) == MTL_OK);
        const int64_t *shape = mtl_tensor_shape(t);
        CHECK(mtl_tensor_dtype(t) == MTL_U8 && mtl_tensor_rank(t) == 3);
        CHECK(shape[0] == 2 && shape[1] == 1 && shape[2] == 3);
        CHECK(memcmp(mtl_tensor_data(t), digits + 16, 6) == 0);
        mtl_tensor_release(t);
    }
}

static void reads_every_type(void)
{
    static const struct {
        unsigned char bytes[24];
        size_t n;
        mtl_dtype dtype;
        double want[2];
    } files[] = {
        {{0, 0, 0x08, 1, 0, 0, 0, 2, 255, 7}, 10, MTL_U8, {255, 7}},
        {{0, 0, 0x09, 1, 0, 0, 0, 2, 255, 7}, 10, MTL_I32, {-1, 7}},
        {{0, 0, 0x0b, 1, 0, 0, 0, 2, 0xff, 0xfe, 1, 2}, 12, MTL_I32, {-2, 258}},
        {{0, 0, 0x0c, 1, 0, 0, 0, 2, 0x80, 0, 0, 0, 1, 2, 3, 4}, 16, MTL_I32, {-2147483648.0, 16909060}},
        {{0, 0, 0x0d, 1, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0}, 16, MTL_F32, {1, -2.5}},
        {{0, 0, 0x0e, 1, 0, 0, 0, 2, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0},
         24,
         MTL_F32,
         {1.5, INFINITY}},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        mtl_tensor *t = NULL;
        MUST(mtl_idx_read(ctx, put("type", files[i].bytes, files[i].n), &t) == MTL_OK);
        CHECK(mtl_tensor_dtype(t) == files[i].dtype && mtl_tensor_count(t) == 2);
        for (int k = 0; k < 2; k++) {
            double got = files[i].dtype == MTL_U8    ? ((uint8_t *)mtl_tensor_data(t))[k]
                         : files[i].dtype == MTL_I32 ? ((int32_t *)mtl_tensor_data(t))[k]
                                                     : (double)((float *)mtl_tensor_data(t))[k];
            CHECK_NEAR(got, files[i].want[k], 0);
        }
        mtl_tensor_release(t);
    }
}

static void reads_no_elements(void)
{
    static const unsigned char none[] = {0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 3};
    CHECK(read_idx(put("none", none, sizeof none)) == MTL_OK);
}

/* More elements than one chunk of the conversion. */
static void reads_long_files(void)
{
    enum { N = 5000 };
    static unsigned char bytes[8 + 8 * N] = {0, 0, 0x0e, 1, 0, 0, N >> 8, N & 255};
    for (uint64_t i = 0; i < N; i++) {
        double value = (double)i / 4;
        uint64_t bits;
        memcpy(&bits, &value, 8);
        for (int k = 0; k < 8; k++)
            bytes[8 + 8 * i + (uint64_t)k] = (unsigned char)(bits >> (56 - 8 * k));
    }
    mtl_tensor *t = NULL;
    MUST(mtl_idx_read(ctx, pack("long", bytes, sizeof bytes), &t) == MTL_OK);
    for (int i = 0; i < N; i++)
        CHECK_NEAR(((float *)mtl_tensor_data(t))[i], i / 4.0, 0);
    mtl_tensor_release(t);
}

static void refuses_numbers_that_do_not_fit(void)
{
    static const unsigned char wide[] = {0, 0, 0x0e, 1, 0,    0,    0, 2, 0x3f, 0xf8, 0, 0,
                                         0, 0, 0,    0, 0x7f, 0xe0, 0, 0, 0,    0,    0, 0};
    CHECK(read_idx(put("wide", wide, sizeof wide)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "wide: the number at byte 16 does not fit float32");
}

static void refuses_headers_that_lie(void)
{
    static const unsigned char huge[] = {0,    0,    8,    3,    0xff, 0xff, 0xff, 0xff, 0xff,
                                         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,    2};
    static const unsigned char large[] = {0, 0, 8, 2, 0, 1, 0, 0, 0, 1, 0, 0, 5};
    static const unsigned char rank[] = {0, 0, 8, 9, 0, 0, 0, 1}, type[] = {0, 0, 10, 1, 0, 0, 0, 1, 0};
    uint64_t before = mtl_memory_use(ctx).allocations;
    CHECK(read_idx(put("huge", huge, sizeof huge)) == MTL_ERR_FORMAT);
    CHECK(read_idx(pack("huge", huge, sizeof huge)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "[4294967295, 4294967295, 4294967295]");
    CHECK(read_idx(put("large", large, sizeof large)) == MTL_ERR_FORMAT);
    CHECK(read_idx(pack("large", large, sizeof large)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "packed, which cannot hold them");
    CHECK(read_idx(put("rank", rank, sizeof rank)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "9 dimensions at byte 3");
    CHECK(read_idx(put("type", type, sizeof type)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "not IDX");
    CHECK(mtl_memory_use(ctx).allocations == before);
}

static void refuses_damage(void)
{
    unsigned char longer[sizeof digits + 1] = {0};
    memcpy(longer, digits, sizeof digits);
    CHECK(read_idx(put("longer", longer, sizeof longer)) == MTL_ERR_FORMAT);
    CHECK(read_idx(pack("longer", longer, sizeof longer)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "bytes follow at byte 22");
    truncate_everywhere(read_idx, digits, sizeof digits, 0);
    flip_each(read_idx, digits, sizeof digits);
    size_t n;
    unsigned char *packed = get(pack("digits", digits, sizeof digits), &n);
    truncate_everywhere(read_idx, packed, n, 0);
    flip_each(read_idx, packed, n);
    flip_bytes(read_idx, packed, n, 500);
    free(packed);
}

int main(void)
{
    if (!test_begin())
        return 1;
    RUN(reads_plain_and_gzipped);
    RUN(reads_every_type);
    RUN(reads_no_elements);
    RUN(reads_long_files);
    RUN(refuses_numbers_that_do_not_fit);
    RUN(refuses_headers_that_lie);
    RUN(refuses_damage);
    return TEST_RESULT;
}

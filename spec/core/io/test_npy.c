/* NPY and NPZ: every dtype, order and version; files of NumPy's own; what is written comes back; headers that lie. */
#include "io/npy.h"
#include "npy_make.h"
#include "npz_make.h"

static double element(const mtl_tensor *t, int64_t i)
{
    const void *data = mtl_tensor_data(t);
    return mtl_tensor_dtype(t) == MTL_U8    ? ((const uint8_t *)data)[i]
           : mtl_tensor_dtype(t) == MTL_I32 ? ((const int32_t *)data)[i]
                                            : (double)((const float *)data)[i];
}

static void reads_every_type(void)
{
    static const struct {
        const char *descr;
        unsigned char bytes[16];
        size_t n;
        mtl_dtype dtype;
        double want[2];
    } files[] = {
        {"|b1", {0, 1}, 2, MTL_U8, {0, 1}},
        {"?", {1, 0}, 2, MTL_U8, {1, 0}},
        {"|u1", {7, 255}, 2, MTL_U8, {7, 255}},
        {"|i1", {7, 255}, 2, MTL_I32, {7, -1}},
        {"<i2", {0xfe, 0xff, 2, 1}, 4, MTL_I32, {-2, 258}},
        {">i2", {0xff, 0xfe, 1, 2}, 4, MTL_I32, {-2, 258}},
        {"<u2", {0xfe, 0xff, 2, 1}, 4, MTL_I32, {65534, 258}},
        {"<i4", {0, 0, 0, 0x80, 4, 3, 2, 1}, 8, MTL_I32, {-2147483648.0, 16909060}},
        {">i4", {0x80, 0, 0, 0, 1, 2, 3, 4}, 8, MTL_I32, {-2147483648.0, 16909060}},
        {"=u4", {255, 255, 255, 0x7f, 4, 3, 2, 1}, 8, MTL_I32, {2147483647, 16909060}},
        {"<i8", {0xfe, 255, 255, 255, 255, 255, 255, 255, 2}, 16, MTL_I32, {-2, 2}},
        {">u8", {0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3}, 16, MTL_I32, {258, 3}},
        {"<f2", {0, 0x3e, 1, 0x80}, 4, MTL_F32, {1.5, -0x1p-24}},
        {">f2", {0x7c, 0, 0x7b, 0xff}, 4, MTL_F32, {INFINITY, 65504}},
        {"<f4", {0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0}, 8, MTL_F32, {1, -2.5}},
        {">f4", {0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0}, 8, MTL_F32, {1, -2.5}},
        {"<f8", {0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f}, 16, MTL_F32, {1.5, NAN}},
        {">f8", {0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0}, 16, MTL_F32, {1.5, INFINITY}},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        for (int version = 1; version <= 3; version++) {
            mtl_tensor *t = NULL;
            char text[100];
            snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }  \n", files[i].descr);
            if (!CHECK(mtl_npy_read(ctx, npy_put("t.npy", version, text, files[i].bytes, files[i].n), &t) == MTL_OK)) {
                printf("    %s: %s\n", files[i].descr, mtl_message(ctx));
                continue;
            }
            CHECK(mtl_tensor_dtype(t) == files[i].dtype && mtl_tensor_rank(t) == 1 && mtl_tensor_count(t) == 2);
            for (int k = 0; k < 2; k++)
                CHECK_NEAR(element(t, k), files[i].want[k], 0);
            mtl_tensor_release(t);
        }
    }
}

static mtl_status read_npy(const char *path)
{
    mtl_tensor *t = NULL;
    mtl_status status = mtl_npy_read(ctx, path, &t);
    CHECK((status == MTL_OK) == (t != NULL));
    mtl_tensor_release(t);
    return status;
}

static void reads_shapes_and_orders(void)
{
    float values[24];
    mtl_tensor *t = NULL;
    for (int i = 0; i < 24; i++)
        values[i] = (float)i;
    MUST(mtl_npy_read(ctx,
                      npy_put("f.npy", 1, "{\"shape\": (2, 3, 4), \"fortran_order\": True, \"descr\": \"<f4\"}", values,
                              sizeof values),
                      &t) == MTL_OK);
    for (int i = 0; i < 24; i++) /* element (a, b, c) stands at a + 2 b + 6 c */
        CHECK(element(t, i) == i / 12 + 2 * (i / 4 % 3) + 6 * (i % 4));
    mtl_tensor_release(t);
    MUST(mtl_npy_read(ctx, npy_put("0.npy", 2, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", values + 5, 4),
                      &t) == MTL_OK);
    CHECK(mtl_tensor_rank(t) == 0 && element(t, 0) == 5);
    mtl_tensor_release(t);
    CHECK(read_npy(npy_put("n.npy", 1, "{'descr': '<f8', 'fortran_order': True, 'shape': (0, 3L)}", NULL, 0)) ==
          MTL_OK);
}

/* What threads use: rows out of the middle. */
static void loads_rows(void)
{
    static const unsigned char values[] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6};
    char message[MTL_MESSAGE];
    mtl_npy_info info;
    int32_t to[4];
    const char *path = npy_put("r.npy", 1, "{'descr': '>i2', 'fortran_order': False, 'shape': (3, 2)}", values, 12);
    MUST(mtl_npy_peek(path, &info, message));
    CHECK(info.rank == 2 && info.kind == 'i' && info.item == 2 && info.swap && !info.fortran && info.dtype == MTL_I32);
    CHECK(mtl_npy_load(path, &info, 1, 2, to, message) && to[0] == 3 && to[3] == 6);
    CHECK(!mtl_npy_load(path, &info, 2, 2, to, message));
    CHECK_CONTAINS(message, "r.npy: rows 2 to 4 of 3");
    put("r.npy", "short", 5);
    CHECK(!mtl_npy_load(path, &info, 1, 1, to, message));
    CHECK_CONTAINS(message, "r.npy: has 5 bytes, where 4 from byte 71 on");
}

static void writes_what_it_reads(void)
{
    for (int rank = 0; rank <= MTL_MAX_RANK; rank++) {
        for (mtl_dtype dtype = MTL_F32; dtype <= MTL_U8; dtype++) {
            int64_t shape[] = {2, 3, 1, 2, 1, 1, 2, 1};
            mtl_tensor *t = NULL, *back = NULL;
            size_t n;
            MUST(mtl_tensor_new(ctx, dtype, rank, shape, &t) == MTL_OK);
            for (size_t i = 0; i < mtl_tensor_bytes(t); i++)
                ((uint8_t *)mtl_tensor_data(t))[i] = (uint8_t)(i * 11);
            CHECK(mtl_npy_write(place("w.npy"), t) == MTL_OK);
            MUST(mtl_npy_read(ctx, place("w.npy"), &back) == MTL_OK);
            CHECK(mtl_tensor_dtype(back) == dtype && mtl_tensor_rank(back) == rank);
            CHECK(rank == 0 || memcmp(mtl_tensor_shape(back), shape, (size_t)rank * sizeof *shape) == 0);
            CHECK(memcmp(mtl_tensor_data(back), mtl_tensor_data(t), mtl_tensor_bytes(t)) == 0);
            unsigned char *bytes = get(place("w.npy"), &n);
            CHECK((n - mtl_tensor_bytes(t)) % 64 == 0); /* the data lie where NumPy wants them */
            free(bytes);
            mtl_tensor_release(back);
            mtl_tensor_release(t);
        }
    }
}

static void says_what_is_wrong(void)
{
    static const struct {
        const char *dictionary, *says;
    } files[] = {
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "Python objects (a pickle"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "records (a structured dtype)"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "dtype '<c8'"},
        {"{'descr': '<U2', 'fortran_order': False, 'shape': (1,)}", "dtype '<U2'"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", "dtype '<f16'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "[3] of 4 bytes each, and 8 bytes follow"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296)}", "bytes each"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "63 bits"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", "more than 8 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "a whole number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2)(", "a comma or the end of the dictionary"},
        {"{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}", "True or False"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", "each once"},
        {"{'descr': '<f4', 'shape': (2,)}", "descr, fortran_order and shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "each once"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "the end should be"},
        {"__import__('os')", "a dictionary should be"},
        {"", "a dictionary should be"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "the number at byte 65 does not fit float32"},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", "the number at byte 65 does not fit int32"},
    };
    static const unsigned char data[] = {1, 0, 0, 0, 1, 0, 0xe0, 0x7f};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!CHECK(read_npy(npy_put("x.npy", 1, files[i].dictionary, data, 8)) != MTL_OK))
            printf("    %s was taken\n", files[i].dictionary);
        CHECK_CONTAINS(mtl_message(ctx), files[i].says);
        CHECK_CONTAINS(mtl_message(ctx), "x.npy: ");
    }
    CHECK(read_npy(npy_put("x.npy", 4, "{}", data, 8)) == MTL_ERR_UNSUPPORTED);
    CHECK_CONTAINS(mtl_message(ctx), "version 4");
    CHECK(read_npy(put("x.npy", "\x93NUMPY\x02\x00\xff\xff\xff\xff", 12)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "the header says it has 4294967295 bytes, of a file of 12");
    CHECK(read_npy(put_text("x.npy", "PK and more than ten bytes")) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "no NPY");
    CHECK(read_npy(test_folder) == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "folder");
    CHECK(mtl_memory_use(ctx).bytes == 0);
}

/* ---- archives ---- */

static mtl_status read_npz(const char *path)
{
    mtl_npz *npz = NULL;
    mtl_status status = mtl_npz_open(ctx, path, &npz);
    for (int64_t i = 0; status == MTL_OK && i < mtl_npz_count(npz); i++) {
        mtl_tensor *t = NULL;
        status = mtl_npz_tensor(npz, i, &t);
        CHECK((status == MTL_OK) == (t != NULL));
        mtl_tensor_release(t);
    }
    mtl_npz_free(npz);
    return status;
}

static const char *zip_put(const zip_part *parts, int n)
{
    size_t size;
    unsigned char *bytes = zip_make(parts, n, &size);
    const char *path = put("a.npz", bytes, size);
    free(bytes);
    return path;
}

enum { MANY = 20000 };
static float many[MANY];
#define MANY_TEXT "{'descr': '<f4', 'fortran_order': False, 'shape': (20000,)}"

static void reads_archives(void)
{
    static const unsigned char values[] = {1, 2, 3};
    size_t n[2];
    unsigned char *bytes[2] = {npy_make(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}", values, 3, &n[0]),
                               npy_make(1, MANY_TEXT, many, sizeof many, &n[1])};
    for (int deflated = 0; deflated < 2; deflated++) {
        zip_part parts[] = {{"small.npy", bytes[0], n[0], deflated, 0}, {"sub/many.npy", bytes[1], n[1], deflated, 0}};
        mtl_npz *npz = NULL;
        mtl_tensor *t = NULL;
        if (!CHECK(mtl_npz_open(ctx, zip_put(parts, 2), &npz) == MTL_OK)) {
            printf("    %s\n", mtl_message(ctx));
            continue;
        }
        CHECK(mtl_npz_count(npz) == 2 && !mtl_npz_name(npz, 2));
        CHECK_TEXT(mtl_npz_name(npz, 0), "small");
        CHECK_TEXT(mtl_npz_name(npz, 1), "sub/many");
        CHECK(mtl_npz_tensor(npz, 1, &t) == MTL_OK && mtl_tensor_count(t) == MANY);
        mtl_tensor_release(t);
        CHECK(mtl_npz_tensor(npz, 0, &t) == MTL_OK && element(t, 2) == 3);
        mtl_tensor_release(t);
        mtl_npz_free(npz);
    }
    free(bytes[0]);
    free(bytes[1]);
    CHECK(read_npz(zip_put(NULL, 0)) == MTL_OK);
}

static void refuses_archives(void)
{
    static const unsigned char values[] = {1, 2, 3};
    size_t n, large;
    unsigned char *bytes = npy_make(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}", values, 3, &n),
                  *zeros = npy_make(1, MANY_TEXT, many, sizeof many, &large);
    const struct {
        zip_part parts[2];
        int n;
        const char *says;
    } files[] = {
        {{{"a.npy", bytes, n, true, 0}, {"a.npy", bytes, n, true, 0}}, 2, "twice"},
        {{{"README", bytes, n, true, 0}}, 1, "'README' is no array"},
        {{{"a.npy", zeros, large, true, 1u << 30}}, 1, "which they cannot"},
        {{{"a.npy", zeros, large, true, 100000}}, 1, "the header says [20000] of 4 bytes each, and 99931 bytes"},
        {{{"a.npy", bytes, n, false, 1000}}, 1, ""},
        {{{"a.npy", bytes, n - 1, true, (uint32_t)n}}, 1, ""},
        {{{"a.npy", bytes, n, true, (uint32_t)n - 1}}, 1, "and 2 bytes follow"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!CHECK(read_npz(zip_put(files[i].parts, files[i].n)) != MTL_OK))
            printf("    archive %zu was taken\n", i);
        CHECK_CONTAINS(mtl_message(ctx), "a.npz");
        if (!CHECK_CONTAINS(mtl_message(ctx), files[i].says))
            printf("    archive %zu\n", i);
    }
    CHECK(read_npz(put_text("a.npz", "no archive at all")) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "a.npz: no zip archive");
    CHECK(read_npz(place("none.npz")) == MTL_ERR_IO);
    CHECK(mtl_memory_use(ctx).bytes == 0);
    free(bytes);
    free(zeros);
}

int main(void)
{
    if (!test_begin())
        return 1;
    RUN(reads_every_type);
    RUN(reads_shapes_and_orders);
    RUN(loads_rows);
    RUN(writes_what_it_reads);
    RUN(says_what_is_wrong);
    RUN(reads_archives);
    RUN(refuses_archives);
    return TEST_RESULT;
}

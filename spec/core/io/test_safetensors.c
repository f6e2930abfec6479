/* safetensors: what is written comes back, files of other writers are read, and lying headers are refused. */
#include "damage.h"

static mtl_tensor *tensor(mtl_dtype dtype, int rank, const int64_t *shape)
{
    mtl_tensor *t = NULL;
    if (!CHECK(mtl_tensor_new(ctx, dtype, rank, shape, &t) == MTL_OK))
        exit(1);
    unsigned char *data = mtl_tensor_data(t);
    for (size_t i = 0; i < mtl_tensor_bytes(t); i++)
        data[i] = (unsigned char)(i * 37 + 1);
    return t;
}

/* A file of a header and `n` bytes of data (1, 2, 3 ...), as another writer would lay it out. */
static const char *put_file(const char *header, size_t n)
{
    static unsigned char bytes[1 << 16];
    size_t size = strlen(header);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(size >> 8 * i);
    memcpy(bytes + 8, header, size);
    for (size_t i = 0; i < n; i++)
        bytes[8 + size + i] = (unsigned char)(i + 1);
    return put("made.safetensors", bytes, 8 + size + n);
}

static mtl_status read_file(const char *path)
{
    mtl_safetensors *file = NULL;
    mtl_status status = mtl_safetensors_read(ctx, path, &file);
    CHECK((status == MTL_OK) == (file != NULL));
    for (int64_t i = 0; file && i < mtl_safetensors_count(file); i++) {
        mtl_tensor *t = NULL;
        CHECK(mtl_safetensors_tensor(file, mtl_safetensors_name(file, i), &t) == MTL_OK);
        mtl_tensor_release(t);
    }
    mtl_safetensors_free(file);
    return status;
}

static void writes_what_it_reads(void)
{
    static const int64_t matrix[] = {2, 3}, bytes[] = {5}, none[] = {4, 0};
    mtl_tensor *tensors[] = {tensor(MTL_U8, 1, bytes), tensor(MTL_F32, 2, matrix), tensor(MTL_I32, 0, NULL),
                             tensor(MTL_F32, 2, none)};
    static const char *const names[] = {"image", "trunk.0.weight", "step \"\\\n\xc3\xa9", "none"};
    static const char *const metadata[] = {"format", "mtl", "key \"quoted\"", "{\"a\": \"\\u0001\"}\t"};
    mtl_safetensors *file = NULL;
    size_t n[2];
    MUST(mtl_safetensors_write(ctx, place("a"), 4, names, tensors, 2, metadata) == MTL_OK);
    MUST(mtl_safetensors_write(ctx, place("b"), 4, names, tensors, 2, metadata) == MTL_OK);
    unsigned char *a = get(place("a"), &n[0]), *b = get(place("b"), &n[1]);
    CHECK(n[0] == n[1] && memcmp(a, b, n[0]) == 0);
    size_t header = a[0] | (size_t)a[1] << 8;
    CHECK(header % 8 == 0 && n[0] == 8 + header + 5 + 24 + 4);
    a[8 + header] = '\0';
    CHECK_CONTAINS((char *)a + 8, "{\"__metadata__\":{\"format\":\"mtl\",");
    CHECK_CONTAINS((char *)a + 8,
                   "\"image\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[28,33]},\"trunk.0.weight\":"
                   "{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}");
    free(a);
    free(b);
    MUST(mtl_safetensors_read(ctx, place("a"), &file) == MTL_OK);
    CHECK(mtl_safetensors_count(file) == 4);
    CHECK_TEXT(mtl_safetensors_meta(file, "format"), "mtl");
    CHECK_TEXT(mtl_safetensors_meta(file, metadata[2]), metadata[3]);
    CHECK(!mtl_safetensors_meta(file, "Format") && !mtl_safetensors_name(file, 4) && !mtl_safetensors_name(file, -1));
    for (int i = 0; i < 4; i++) {
        mtl_tensor *t = NULL;
        CHECK_TEXT(mtl_safetensors_name(file, i), names[i]);
        MUST(mtl_safetensors_tensor(file, names[i], &t) == MTL_OK);
        CHECK(mtl_tensor_dtype(t) == mtl_tensor_dtype(tensors[i]) && mtl_tensor_rank(t) == mtl_tensor_rank(tensors[i]));
        CHECK(mtl_tensor_bytes(t) == mtl_tensor_bytes(tensors[i]));
        CHECK(memcmp(mtl_tensor_data(t), mtl_tensor_data(tensors[i]), mtl_tensor_bytes(t)) == 0);
        mtl_tensor_release(t);
        mtl_tensor_release(tensors[i]);
    }
    mtl_tensor *t = NULL;
    CHECK(mtl_safetensors_tensor(file, "trunk.1.weight", &t) == MTL_ERR_ARG && !t);
    CHECK_CONTAINS(mtl_message(ctx), "no tensor 'trunk.1.weight' in the file; the nearest are 'trunk.0.weight'");
    mtl_safetensors_free(file);
}

static void writes_nothing_at_all(void)
{
    mtl_safetensors *file = NULL;
    mtl_tensor *t = NULL;
    MUST(mtl_safetensors_write(ctx, place("empty"), 0, NULL, NULL, 0, NULL) == MTL_OK);
    MUST(mtl_safetensors_read(ctx, place("empty"), &file) == MTL_OK);
    CHECK(mtl_safetensors_count(file) == 0 && !mtl_safetensors_meta(file, "x"));
    CHECK(mtl_safetensors_tensor(file, "x", &t) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "it holds none");
    mtl_safetensors_free(file);
}

static void refuses_to_write_names_that_cannot_be_read(void)
{
    static const int64_t shape[] = {1};
    mtl_tensor *one = tensor(MTL_F32, 1, shape), *tensors[] = {one, one};
    static const char *const twice[] = {"a", "a"}, *const kept[] = {"a", "__metadata__"},
                             *const latin[] = {"a", "\xe9"};
    static const char *const metadata[] = {"k", "1", "k", "2"};
    CHECK(mtl_safetensors_write(ctx, place("no"), 2, twice, tensors, 0, NULL) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "'a' is given twice");
    CHECK(mtl_safetensors_write(ctx, place("no"), 2, kept, tensors, 0, NULL) == MTL_ERR_ARG);
    CHECK(mtl_safetensors_write(ctx, place("no"), 2, latin, tensors, 0, NULL) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "'?' is not UTF-8");
    CHECK(mtl_safetensors_write(ctx, place("no"), 1, twice, tensors, 2, metadata) == MTL_ERR_ARG);
    CHECK(access(place("no"), F_OK) != 0);
    mtl_tensor_release(one);
}

static void reads_files_of_other_writers(void)
{
    mtl_safetensors *file = NULL;
    mtl_tensor *t = NULL;
    /* not in the order of the data, blanks behind, escapes in names */
    const char *path = put_file("{\"b\":{\"shape\":[2],\"data_offsets\":[1,9],\"dtype\":\"I32\"}, \"\\u00e9\":"
                                "{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}   ",
                                9);
    MUST(mtl_safetensors_read(ctx, path, &file) == MTL_OK);
    CHECK_TEXT(mtl_safetensors_name(file, 0), "b");
    CHECK_TEXT(mtl_safetensors_name(file, 1), "\xc3\xa9");
    MUST(mtl_safetensors_tensor(file, "b", &t) == MTL_OK);
    CHECK(((int32_t *)mtl_tensor_data(t))[0] == 0x05040302 && ((int32_t *)mtl_tensor_data(t))[1] == 0x09080706);
    mtl_tensor_release(t);
    mtl_safetensors_free(file);
}

static void converts_wide_numbers(void)
{
    enum { N = 3000 };
    static const char header[] = "{\"f\":{\"dtype\":\"F64\",\"shape\":[3000],\"data_offsets\":[0,24000]},"
                                 "\"i\":{\"dtype\":\"I64\",\"shape\":[3000],\"data_offsets\":[24000,48000]}}";
    static unsigned char bytes[8 + sizeof header - 1 + 16 * N];
    double *floats = malloc(8 * N);
    int64_t *integers = malloc(8 * N);
    bytes[0] = sizeof header - 1;
    memcpy(bytes + 8, header, sizeof header - 1);
    for (int bad = 0; bad < 3; bad++) {
        mtl_safetensors *file = NULL;
        mtl_tensor *t = NULL;
        for (int i = 0; i < N; i++) {
            floats[i] = i / 8.0;
            integers[i] = i - 1500;
        }
        floats[7] = bad == 1 ? 1e39 : -INFINITY;
        integers[2999] = bad == 2 ? INT64_C(2147483648) : INT32_MAX;
        memcpy(bytes + 8 + sizeof header - 1, floats, 8 * N);
        memcpy(bytes + 8 + sizeof header - 1 + 8 * N, integers, 8 * N);
        mtl_status status = mtl_safetensors_read(ctx, put("wide", bytes, sizeof bytes), &file);
        if (bad) {
            CHECK(status == MTL_ERR_FORMAT && !file);
            CHECK_CONTAINS(mtl_message(ctx), bad == 1 ? "wide: tensor 'f': element 7 does not fit float32"
                                                      : "wide: tensor 'i': element 2999 does not fit int32");
            continue;
        }
        MUST(status == MTL_OK);
        MUST(mtl_safetensors_tensor(file, "f", &t) == MTL_OK && mtl_tensor_dtype(t) == MTL_F32);
        CHECK(((float *)mtl_tensor_data(t))[7] == -INFINITY && ((float *)mtl_tensor_data(t))[2001] == 2001 / 8.0f);
        mtl_tensor_release(t);
        MUST(mtl_safetensors_tensor(file, "i", &t) == MTL_OK && mtl_tensor_dtype(t) == MTL_I32);
        CHECK(((int32_t *)mtl_tensor_data(t))[0] == -1500 && ((int32_t *)mtl_tensor_data(t))[2999] == INT32_MAX);
        mtl_tensor_release(t);
        mtl_safetensors_free(file);
    }
    free(floats);
    free(integers);
}

#define F32(name, shape, offsets) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void refuses_headers_that_lie(void)
{
    static const struct {
        const char *header;
        size_t bytes;
        const char *message;
    } files[] = {
        {"{" F32("a", "[1]", "[0,4]") "," F32("b", "[1]", "[0,4]") "}", 4, "begins at byte 0 of the data"},
        {"{" F32("a", "[2]", "[0,8]") "," F32("b", "[1]", "[4,8]") "}", 8, "'b' begins at byte 4 of the data"},
        {"{" F32("a", "[1]", "[0,4]") "," F32("b", "[1]", "[8,12]") "}", 12, "where byte 4 is next"},
        {"{" F32("a", "[1]", "[4,8]") "}", 8, "where byte 0 is next"},
        {"{" F32("a", "[1]", "[0,4]") "}", 5, "5 bytes of data, and the tensors take 4"},
        {"{" F32("a", "[2]", "[0,8]") "}", 4, "'a': the data_offsets do not give F32 [2] a place in 4 bytes"},
        {"{" F32("a", "[2]", "[0,4]") "}", 4, "data_offsets"},
        {"{" F32("a", "[1]", "[4,0]") "}", 4, "data_offsets"},
        {"{" F32("a", "[1]", "[-4,0]") "}", 4, "data_offsets"},
        {"{" F32("a", "[1]", "[0,4,8]") "}", 4, "data_offsets"},
        {"{" F32("a", "[1]", "[0]") "}", 4, "data_offsets"},
        {"{" F32("a", "[1]", "\"0,4\"") "}", 4, "data_offsets"},
        {"{" F32("a", "[4294967296,4294967296,4294967296]", "[0,0]") "}", 0, "data_offsets"},
        {"{" F32("a", "[9007199254740992,1024]", "[0,0]") "}", 0, "data_offsets"},
        {"{" F32("a", "[-1]", "[0,4]") "}", 4, "the shape should be"},
        {"{" F32("a", "[0.5]", "[0,2]") "}", 2, "the shape should be"},
        {"{" F32("a", "[1e300]", "[0,4]") "}", 4, "the shape should be"},
        {"{" F32("a", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "the shape should be up to 8"},
        {"{" F32("a", "[1]", "[0,4]") "," F32("a", "[1]", "[4,8]") "}", 8, "'a' stands in the header twice"},
        {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "'a' is BF16; F32, I32"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "should have dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "should have dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"shape\":[1]}}", 4, "each once"},
        {"{\"a\":[]}", 0, "should have dtype"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ should be an object of texts"},
        {"{\"__metadata__\":[\"a\"]}", 0, "__metadata__ should be an object of texts"},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "'a' stands in the header twice"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "'__metadata__' stands in the header twice"},
        {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, "not UTF-8"},
        {"{\"__metadata__\":{\"a\":\"\xff\"}}", 0, "not UTF-8"},
        {"[]", 0, "not a JSON object"},
        {"{} x", 0, "not a JSON object (byte 11)"},
        {"{\"a\":", 0, "not a JSON object"},
        {"", 0, "not a JSON object"},
        {"{\"a\x1b[31m\":{}}", 0, "'a?[31m' should have"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        mtl_status status = read_file(put_file(files[i].header, files[i].bytes));
        CHECK(status == MTL_ERR_FORMAT || (status == MTL_ERR_UNSUPPORTED && strstr(files[i].header, "BF16")));
        CHECK_CONTAINS(mtl_message(ctx), "made.safetensors: ");
        CHECK_CONTAINS(mtl_message(ctx), files[i].message);
    }
    CHECK(read_file(put_file("{\"__metadata__\":{\"a\":\"\\\\u0000\"}}", 0)) == MTL_OK); /* a backslash, then u0000 */
    CHECK(read_file(put("short", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "the header says it has 18446744073709551615 bytes, of a file of 10");
    char deep[40001];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    CHECK(read_file(put_file(deep, 0)) == MTL_ERR_FORMAT);
    CHECK(read_file(place("missing")) == MTL_ERR_IO);
    CHECK(read_file(test_folder) == MTL_ERR_IO);
    CHECK(mtl_memory_use(ctx).bytes == 0);
}

static void refuses_damage(void)
{
    size_t n;
    const char *path =
        put_file("{\"__metadata__\":{\"k\":\"v\\n\"}," F32(
                     "a", "[2,1]", "[0,8]") ","
                                            "\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]},"
                                            "\"c\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]}}",
                 19);
    unsigned char *bytes = get(path, &n);
    CHECK(read_file(path) == MTL_OK);
    truncate_everywhere(read_file, bytes, n, 0);
    flip_each(read_file, bytes, n);
    flip_bytes(read_file, bytes, n, 1000);
    free(bytes);
}

int main(void)
{
    if (!test_begin())
        return 1;
    RUN(writes_what_it_reads);
    RUN(writes_nothing_at_all);
    RUN(refuses_to_write_names_that_cannot_be_read);
    RUN(reads_files_of_other_writers);
    RUN(converts_wide_numbers);
    RUN(refuses_headers_that_lie);
    RUN(refuses_damage);
    return TEST_RESULT;
}

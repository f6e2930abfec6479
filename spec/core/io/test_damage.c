/* 200 files of each format that damage has made wrong: one clear message each, and memory in proportion to the file.
   Damage that leaves a right file (another number, another pixel behind a right checksum, a text that nobody needs)
   gives a tensor and does not count. */
#include "npy_make.h"
#include "npz_make.h"
#include "png_make.h"
#include "watch.h"

enum { DAMAGED = 200, SMALL = 1 << 19 /* what libraries take for any file */, PLAIN = 64, PACKED = 4 * 1032 };

/* Looks at every byte of the result. */
static mtl_status end_with(mtl_status status, mtl_tensor **made)
{
    mtl_tensor *t = *made;
    unsigned sum = 0;
    CHECK((status == MTL_OK) == (t != NULL));
    for (size_t i = 0; t && i < mtl_tensor_bytes(t); i++)
        sum ^= ((const unsigned char *)mtl_tensor_data(t))[i];
    CHECK(sum < 256);
    mtl_tensor_release(t);
    return status;
}

static mtl_status read_png_any(const char *path)
{
    mtl_tensor *t = NULL;
    return end_with(mtl_png_read(ctx, path, MTL_PNG_ANY, &t), &t);
}

static mtl_status read_png_gray(const char *path)
{
    mtl_tensor *t = NULL;
    return end_with(mtl_png_read(ctx, path, MTL_PNG_GRAY16, &t), &t);
}

static mtl_status read_npy(const char *path)
{
    mtl_tensor *t = NULL;
    return end_with(mtl_npy_read(ctx, path, &t), &t);
}

static mtl_status read_npz(const char *path)
{
    mtl_npz *npz = NULL;
    mtl_status status = mtl_npz_open(ctx, path, &npz);
    for (int64_t i = 0; status == MTL_OK && i < mtl_npz_count(npz); i++) {
        mtl_tensor *t = NULL;
        status = end_with(mtl_npz_tensor(npz, i, &t), &t);
    }
    mtl_npz_free(npz);
    return status;
}

static mtl_status read_csv(const char *path)
{
    mtl_csv *csv = NULL;
    mtl_status status = mtl_csv_read(ctx, path, &(mtl_csv_options){.missing = "?"}, &csv);
    for (int i = 0; status == MTL_OK && i < mtl_csv_columns(csv); i++) {
        mtl_tensor *numbers = NULL, *codes = NULL;
        if (mtl_csv_numeric(csv, i))
            status = end_with(mtl_csv_numbers(csv, i, &numbers), &numbers);
        if (status == MTL_OK)
            status = end_with(mtl_csv_codes(csv, i, &codes), &codes);
    }
    mtl_csv_free(csv);
    return status;
}

static mtl_status read_idx(const char *path)
{
    mtl_tensor *t = NULL;
    return end_with(mtl_idx_read(ctx, path, &t), &t);
}

static mtl_status read_safetensors(const char *path)
{
    mtl_safetensors *file = NULL;
    mtl_status status = mtl_safetensors_read(ctx, path, &file);
    for (int64_t i = 0; status == MTL_OK && i < mtl_safetensors_count(file); i++) {
        mtl_tensor *t = NULL;
        status = end_with(mtl_safetensors_tensor(file, mtl_safetensors_name(file, i), &t), &t);
    }
    if (file)
        mtl_safetensors_free(file);
    return status;
}

/* Damage of one of four sorts in `to`, which has room for n + 16 bytes; its length. */
static size_t damage(const unsigned char *bytes, size_t n, uint64_t seed, unsigned char *to)
{
    static const uint32_t lies[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x00ffffff, 0x10000, 0xfffffff0};
    uint32_t w[4];
    mtl_philox(11, 5, seed, w);
    size_t at = w[0] % n, more = 1 + w[1] % 16;
    memcpy(to, bytes, n);
    switch (seed % 4) {
    case 0: /* one to four bytes */
        for (uint32_t k = 0; k <= w[3] % 4; k++)
            to[(at + k * w[2]) % n] ^= (unsigned char)(1 + w[1] % 255);
        return n;
    case 1: /* the end is missing */
        return at;
    case 2: /* bytes of the file come twice */
        memmove(to + at + more, to + at, n - at);
        memcpy(to + at, bytes + w[2] % (n > more ? n - more : 1), more < n ? more : n);
        return n + more;
    default: /* a length that lies, in either byte order, more often near the ends */
        at = (w[3] & 1 ? w[0] % (n < 80 ? n : 80) : n - 1 - w[0] % (n < 120 ? n : 120)) / 2 * 2;
        for (size_t k = 0; k < 4 && at + k < n; k++)
            to[at + k] = (unsigned char)(lies[w[1] % 8] >> 8 * (w[3] & 2 ? k : 3 - k));
        return n;
    }
}

static void damaged_files(const char *format, reader read, unsigned char *bytes, size_t n, bool mend, size_t factor)
{
    unsigned char *damaged = malloc(n + 16);
    int taken = 0, refused = 0;
    size_t most = 0;
    CHECK(read(put("whole", bytes, n)) == MTL_OK || (printf("    %s: %s\n", format, mtl_message(ctx)), false));
    for (uint64_t seed = 0; refused < DAMAGED && seed < 4 * DAMAGED; seed++) {
        size_t length = damage(bytes, n, seed, damaged);
        if (mend)
            png_mend(damaged, length);
        const char *path = put("damaged", damaged, length);
        watch_start();
        mtl_status status = read(path);
        size_t grown = watch_grown();
        taken += status == MTL_OK;
        most = grown > most ? grown : most;
        if (!CHECK(grown <= SMALL + factor * length))
            printf("    %s %d: %zu bytes of memory for a file of %zu\n", format, (int)seed, grown, length);
        if (status != MTL_OK) {
            refused++;
            const char *message = mtl_message(ctx), *name = strstr(message, "/damaged");
            if (!CHECK(name && strlen(name) > 20 && !strchr(message, '\n')))
                printf("    %s %d: %s\n", format, (int)seed, message);
        }
        if (!CHECK(mtl_memory_use(ctx).bytes == 0))
            return;
    }
    CHECK(refused == DAMAGED);
    printf("   %s: %d refused, %d harmless; at most %zu bytes of memory for about %zu\n", format, refused, taken, most,
           n);
    free(damaged);
    free(bytes);
}

static unsigned char *packed(const void *bytes, size_t n, size_t *size)
{
    gzFile gz = gzopen(place("packed"), "wb9");
    CHECK(gz && (size_t)gzwrite(gz, bytes, (unsigned)n) == n && gzclose(gz) == Z_OK);
    return get(place("packed"), size);
}

static void png_files(void)
{
    png_kind colours = {.colour = RGB, .depth = 8, .height = 12, .width = 17, .interlaced = true, .transparent = true},
             gray = {.colour = GRAY, .depth = 16, .height = 12, .width = 17},
             places = {
                 .colour = PALETTE, .depth = 4, .height = 12, .width = 17, .transparent = true, .background = true};
    for (int mend = 0; mend < 2; mend++) {
        size_t n;
        unsigned char *bytes = png_make(&colours, &n);
        damaged_files("PNG", read_png_any, bytes, n, mend, PACKED);
        bytes = png_make(&gray, &n);
        damaged_files("PNG", read_png_gray, bytes, n, mend, PACKED);
        bytes = png_make(&places, &n);
        damaged_files("PNG", read_png_any, bytes, n, mend, PACKED);
    }
}

static float noise[150];

static void npy_files(void)
{
    size_t n;
    unsigned char *bytes =
        npy_make(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (5, 30), }   \n", noise, sizeof noise, &n);
    damaged_files("NPY", read_npy, bytes, n, false, PLAIN);
    bytes = npy_make(2, "{'descr': '>i2', 'fortran_order': False, 'shape': (300,), }\n", noise, sizeof noise, &n);
    damaged_files("NPY", read_npy, bytes, n, false, PLAIN);
}

static void npz_files(void)
{
    size_t n[2], size;
    unsigned char *a = npy_make(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 30), }\n", noise,
                                sizeof noise, &n[0]),
                  *b = npy_make(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (600,), }\n", noise, sizeof noise,
                                &n[1]);
    for (int deflated = 0; deflated < 2; deflated++) {
        zip_part parts[] = {{"a.npy", a, n[0], deflated, 0}, {"b.npy", b, n[1], deflated, 0}};
        unsigned char *bytes = zip_make(parts, 2, &size);
        damaged_files(deflated ? "NPZ, deflated" : "NPZ, stored", read_npz, bytes, size, false, PACKED);
    }
    free(a);
    free(b);
}

static void csv_files(void)
{
    static char text[8000] = "id,\"name, and more\",score\r\n";
    size_t n = strlen(text), size;
    for (int i = 0; i < 80; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%d,\"n%d \"\"q\"\"\",%g\r\n", i, i * i % 17, noise[i]);
    unsigned char *bytes = malloc(n);
    memcpy(bytes, text, n);
    damaged_files("CSV", read_csv, bytes, n, false, PLAIN);
    bytes = packed(text, n, &size);
    damaged_files("CSV, gzipped", read_csv, bytes, size, false, PACKED);
}

static void idx_files(void)
{
    unsigned char file[16 + 600] = {0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 10, 0, 0, 0, 10}, *bytes = malloc(sizeof file);
    size_t size;
    memcpy(file + 16, noise, 600);
    memcpy(bytes, file, sizeof file);
    damaged_files("IDX", read_idx, bytes, sizeof file, false, PLAIN);
    bytes = packed(file, sizeof file, &size);
    damaged_files("IDX, gzipped", read_idx, bytes, size, false, PACKED);
}

static void safetensors_files(void)
{
    const char *names[] = {"trunk.weight", "step"}, *meta[] = {"model", "{\"layers\": 3}"};
    mtl_tensor *t[2] = {NULL, NULL};
    size_t n;
    MUST(mtl_tensor_new(ctx, MTL_F32, 2, (int64_t[]){5, 30}, &t[0]) == MTL_OK);
    MUST(mtl_tensor_new(ctx, MTL_I32, 0, NULL, &t[1]) == MTL_OK);
    memcpy(mtl_tensor_data(t[0]), noise, sizeof noise);
    memset(mtl_tensor_data(t[1]), 0, 4);
    CHECK(mtl_safetensors_write(ctx, place("s"), 2, names, t, 1, meta) == MTL_OK);
    mtl_tensor_release(t[0]);
    mtl_tensor_release(t[1]);
    unsigned char *bytes = get(place("s"), &n);
    damaged_files("safetensors", read_safetensors, bytes, n, false, PLAIN);
}

/* A thousand times the file: read in pieces where it is true, refused where it is not. */
static void unpacks_no_bombs(void)
{
    enum { LARGE = 8 << 20 };
    size_t n, size;
    unsigned char *zeros = calloc(1, LARGE), *lines = malloc(LARGE), *bytes;
    mtl_csv *csv = NULL;
    memset(lines, '\n', LARGE);
    memcpy(lines, "a,b\n", 4);
    bytes = packed(lines, LARGE, &n);
    const char *path = put("lines.csv", bytes, n);
    watch_start();
    CHECK(mtl_csv_read(ctx, path, NULL, &csv) == MTL_OK && mtl_csv_rows(csv) == 0);
    CHECK(watch_grown() < 4 * SMALL);
    mtl_csv_free(csv);
    free(bytes);
    bytes = packed(zeros, LARGE, &n);
    CHECK(read_csv(put("zeros.csv", bytes, n)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "zeros.csv:1: a NUL byte");
    CHECK(read_idx(put("zeros.idx", bytes, n)) == MTL_ERR_FORMAT);
    free(bytes);
    /* an array whose directory says less than what it unpacks to */
    zip_part bomb = {"a.npy", zeros, LARGE, true, 200};
    bytes = zip_make(&bomb, 1, &size);
    watch_start();
    CHECK(read_npz(put("bomb.npz", bytes, size)) == MTL_ERR_FORMAT);
    CHECK(watch_grown() < 4 * SMALL);
    free(bytes);
    free(zeros);
    free(lines);
}

int main(void)
{
    if (!test_begin())
        return 1;
    CHECK(watch_begin());
    for (uint64_t i = 0; i < 150; i += 4)
        mtl_philox(1, 2, i, (uint32_t *)noise + i % 148);
    for (int i = 0; i < 150; i++)
        noise[i] = (float)((int32_t *)noise)[i] / 1e6f;
    RUN(png_files);
    RUN(npy_files);
    RUN(npz_files);
    RUN(csv_files);
    RUN(idx_files);
    RUN(safetensors_files);
    RUN(unpacks_no_bombs);
    return TEST_RESULT;
}

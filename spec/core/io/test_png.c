/* PNG: every colour type and depth in every mode, made by an encoder of the tests' own; what is written comes back. */
#include <sys/stat.h>

#include "io/png.h"
#include "png_make.h"

static const char *make(const png_kind *k)
{
    size_t n;
    unsigned char *bytes = png_make(k, &n);
    const char *path = put("made.png", bytes, n);
    free(bytes);
    return path;
}

static unsigned eight_bits(unsigned v, int depth)
{
    unsigned most = (1u << depth) - 1;
    return (v * 255 + most / 2) / most;
}

/* A pixel as red, green, blue and alpha of 8 bits; the channels that the file has. */
static int stored(const png_kind *k, int y, int x, unsigned pixel[4])
{
    int n = png_samples(k), colours = n > 2 ? 3 : 1;
    bool clear = true;
    unsigned v[4];
    for (int c = 0; c < n; c++) {
        v[c] = png_sample(k, c, y, x);
        clear = clear && v[c] == (unsigned)c % 2;
    }
    for (int c = 0; c < 4; c++)
        pixel[c] = k->colour == PALETTE ? png_palette(v[0], c) : eight_bits(v[c < colours ? c : 0], k->depth);
    if (k->colour == PALETTE) {
        pixel[3] = k->transparent ? pixel[3] : 255;
        return k->transparent ? 4 : 3;
    }
    pixel[3] = n == colours + 1 ? eight_bits(v[colours], k->depth) : k->transparent && clear ? 0 : 255;
    return n + k->transparent;
}

static double wanted(const png_kind *k, mtl_png_mode mode, int channel, int y, int x)
{
    unsigned pixel[4];
    int n = stored(k, y, x, pixel);
    if (mode == MTL_PNG_INDEX || mode == MTL_PNG_GRAY16)
        return png_sample(k, 0, y, x);
    if (mode == MTL_PNG_GRAY && n > 2)
        return floor((pixel[0] * 19595.0 + pixel[1] * 38470.0 + pixel[2] * 7471.0 + 32768) / 65536);
    if (mode == MTL_PNG_ANY && n == 2 && channel == 1)
        return pixel[3];
    return pixel[channel];
}

static double element(const mtl_tensor *t, int64_t i)
{
    const void *data = mtl_tensor_data(t);
    return mtl_tensor_dtype(t) == MTL_U8    ? ((const uint8_t *)data)[i]
           : mtl_tensor_dtype(t) == MTL_I32 ? ((const int32_t *)data)[i]
                                            : (double)((const float *)data)[i];
}

/* The modes that give the samples themselves take no colours. */
static bool refused(const png_kind *k, mtl_png_mode mode)
{
    return mode == MTL_PNG_GRAY16 ? (k->colour & 2) != 0
                                  : mode == MTL_PNG_INDEX && k->colour != PALETTE && (k->colour & 2);
}

static void check_mode(const png_kind *k, const char *path, mtl_png_mode mode)
{
    mtl_tensor *t = NULL;
    unsigned pixel[4];
    int rank = 0, channels = mode == MTL_PNG_ANY    ? stored(k, 0, 0, pixel)
                             : mode == MTL_PNG_RGB  ? 3
                             : mode == MTL_PNG_RGBA ? 4
                                                    : 1;
    int64_t shape[3];
    mtl_dtype dtype = MTL_U8;
    mtl_status status = mtl_png_shape(ctx, path, mode, shape, &rank, &dtype);
    if (refused(k, mode)) {
        CHECK(status == MTL_ERR_FORMAT && mtl_png_read(ctx, path, mode, &t) == MTL_ERR_FORMAT && !t);
        CHECK_CONTAINS(mtl_message(ctx),
                       mode == MTL_PNG_INDEX ? "where mode index should" : "where mode gray16 should");
        return;
    }
    MUST(status == MTL_OK && mtl_png_read(ctx, path, mode, &t) == MTL_OK);
    bool good = dtype == mtl_tensor_dtype(t) && rank == mtl_tensor_rank(t) &&
                memcmp(shape, mtl_tensor_shape(t), (size_t)rank * sizeof *shape) == 0 &&
                rank == (mode == MTL_PNG_INDEX ? 2 : 3) && (rank == 2 || shape[0] == channels) &&
                shape[rank - 2] == k->height && shape[rank - 1] == k->width &&
                dtype == (mode == MTL_PNG_INDEX    ? MTL_I32
                          : mode == MTL_PNG_GRAY16 ? MTL_F32
                                                   : MTL_U8);
    for (int64_t i = 0; good && i < mtl_tensor_count(t); i++) {
        int at = (int)i % (k->height * k->width);
        good = element(t, i) == wanted(k, mode, (int)i / (k->height * k->width), at / k->width, at % k->width);
    }
    if (!CHECK(good))
        printf("    mode %d: colour type %d, depth %d, %d x %d, interlaced %d, transparent %d, background %d\n", mode,
               k->colour, k->depth, k->height, k->width, k->interlaced, k->transparent, k->background);
    mtl_tensor_release(t);
}

static void reads_every_kind(void)
{
    static const int kinds[][2] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                                   {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
    static const int sizes[][2] = {{9, 13}, {1, 1}, {3, 2}, {40, 33}}; /* small ones have empty passes */
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (int variant = 0; variant < 32; variant++) {
            png_kind k = {.colour = kinds[i][0],
                          .depth = kinds[i][1],
                          .height = sizes[variant / 8][0],
                          .width = sizes[variant / 8][1],
                          .interlaced = variant & 1,
                          .transparent = (variant & 2) && kinds[i][0] < 4,
                          .background = variant & 4};
            const char *path = make(&k);
            for (mtl_png_mode mode = MTL_PNG_ANY; mode <= MTL_PNG_GRAY16; mode++)
                check_mode(&k, path, mode);
        }
    }
    CHECK(mtl_memory_use(ctx).bytes == 0);
}

/* What threads use: peek, and load into memory of their own. */
static void loads_without_a_context(void)
{
    png_kind k = {.colour = RGB, .depth = 8, .height = 4, .width = 6};
    const char *path = make(&k);
    char message[MTL_MESSAGE];
    mtl_png_info info, other;
    uint8_t to[72];
    CHECK(mtl_png_peek(path, MTL_PNG_RGB, &info, message) && info.shape[0] == 3 && info.shape[2] == 6);
    CHECK(mtl_png_load(path, MTL_PNG_RGB, &info, to, sizeof to, &other, message));
    CHECK(to[24 + 7] == png_sample(&k, 1, 1, 1));
    CHECK(!mtl_png_load(path, MTL_PNG_RGB, &info, to, 71, &other, message));
    CHECK_CONTAINS(message, "made.png: 72 bytes of pixels, and there is room for 71");
    info.shape[1] = 5;
    CHECK(!mtl_png_load(path, MTL_PNG_RGB, &info, to, sizeof to, &other, message));
    CHECK_CONTAINS(message, "made.png: it is [3, 4, 6], which should be [3, 5, 6]");
    CHECK(!mtl_png_peek(place("none.png"), MTL_PNG_RGB, &info, message));
    CHECK_CONTAINS(message, "none.png: No such file");
}

static void writes_sixteen_bits(void)
{
    static const int32_t values[] = {0, 1, 255, 256, 40000, 65535};
    mtl_tensor *t = NULL, *back = NULL;
    MUST(mtl_tensor_new(ctx, MTL_I32, 3, (int64_t[]){1, 2, 3}, &t) == MTL_OK);
    memcpy(mtl_tensor_data(t), values, sizeof values);
    CHECK(mtl_png_write(place("deep.png"), t) == MTL_OK);
    MUST(mtl_png_read(ctx, place("deep.png"), MTL_PNG_GRAY16, &back) == MTL_OK);
    for (int i = 0; i < 6; i++)
        CHECK(element(back, i) == values[i]);
    mtl_tensor_release(back);
    ((int32_t *)mtl_tensor_data(t))[4] = 65536;
    CHECK(mtl_png_write(place("deep.png"), t) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "deep.png: the value 65536");
    mtl_tensor_release(t);
}

static mtl_tensor *picture(int64_t channels, int64_t height, int64_t width)
{
    mtl_tensor *t = NULL;
    int64_t shape[] = {channels, height, width};
    if (!CHECK(mtl_tensor_new(ctx, MTL_U8, 3, shape, &t) == MTL_OK))
        exit(1);
    for (int64_t i = 0; i < mtl_tensor_count(t); i++)
        ((uint8_t *)mtl_tensor_data(t))[i] = (uint8_t)(i * i + 3 * i);
    return t;
}

static void writes_what_it_reads(void)
{
    for (int64_t channels = 1; channels <= 4; channels++) {
        mtl_tensor *t = picture(channels, 5, 7), *back = NULL;
        size_t n[2];
        CHECK(mtl_png_write(place("a.png"), t) == MTL_OK);
        CHECK(mtl_png_write(place("b.png"), t) == MTL_OK);
        MUST(mtl_png_read(ctx, place("a.png"), MTL_PNG_ANY, &back) == MTL_OK);
        CHECK(mtl_tensor_shape(back)[0] == channels && mtl_tensor_bytes(back) == mtl_tensor_bytes(t));
        CHECK(memcmp(mtl_tensor_data(back), mtl_tensor_data(t), mtl_tensor_bytes(t)) == 0);
        unsigned char *a = get(place("a.png"), &n[0]), *b = get(place("b.png"), &n[1]);
        CHECK(n[0] == n[1] && memcmp(a, b, n[0]) == 0);
        free(a);
        free(b);
        mtl_tensor_release(back);
        mtl_tensor_release(t);
    }
}

static void refuses_what_is_no_image(void)
{
    mtl_tensor *t = picture(5, 2, 2), *floats = NULL;
    int64_t shape[] = {1, 2, 2};
    CHECK(mtl_png_write(place("no.png"), t) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "[5, 2, 2]");
    mtl_tensor_release(t);
    t = picture(1, 0, 2);
    CHECK(mtl_png_write(place("no.png"), t) == MTL_ERR_SHAPE);
    mtl_tensor_release(t);
    MUST(mtl_tensor_new(ctx, MTL_F32, 3, shape, &floats) == MTL_OK);
    CHECK(mtl_png_write(place("no.png"), floats) == MTL_ERR_DTYPE);
    mtl_tensor_release(floats);
    t = picture(1, 2, 2);
    CHECK(mtl_png_write(place("nowhere/no.png"), t) == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "No such file or directory");
    mtl_tensor_release(t);
    CHECK(access(place("no.png"), F_OK) != 0);
}

static mtl_status read_png(const char *path)
{
    mtl_tensor *t = NULL;
    mtl_status status = mtl_png_read(ctx, path, MTL_PNG_ANY, &t);
    CHECK((status == MTL_OK) == (t != NULL));
    mtl_tensor_release(t);
    return status;
}

static void refuses_damage(void)
{
    png_kind kinds[] = {
        {.colour = PALETTE, .depth = 4, .height = 9, .width = 13, .interlaced = true, .transparent = true},
        {.colour = RGB, .depth = 16, .height = 9, .width = 13, .transparent = true}};
    for (int i = 0; i < 2; i++) {
        size_t n;
        unsigned char *bytes = png_make(&kinds[i], &n);
        truncate_everywhere(read_png, bytes, n, 0);
        flip_bytes(read_png, bytes, n, 500);
        free(bytes);
    }
}

static void refuses_damage_behind_checksums(void)
{
    png_kind k = {.colour = PALETTE, .depth = 8, .height = 9, .width = 13, .interlaced = true, .transparent = true};
    size_t n;
    mtl_status status;
    unsigned char *bytes = png_make(&k, &n), *damaged = malloc(n);
    uint32_t w[4];
    for (uint64_t i = 0; i < 1000; i++) {
        memcpy(damaged, bytes, n);
        mtl_philox(3, 3, i, w);
        damaged[8 + w[0] % (i < 300 ? 25 : n - 8)] = (unsigned char)w[1];
        png_mend(damaged, n);
        try_damaged(read_png, damaged, n, &status);
    }
    free(damaged);
    free(bytes);
}

static void refuses_sizes_that_lie(void)
{
    /* 2^31-1 by 2^31-1 pixels of 64 bits in a file of 57 bytes, with a right checksum */
    static const unsigned char huge[] = {
        0x89, 'P',  'N',  'G',  '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0x7f, 0xff, 0xff,
        0xff, 0x00, 0x10, 0x00, 0x00, 16,   6,    0,    0, 0, 0, 0,  0,   0,   0,   0,   0,    4,    'I',
        'D',  'A',  'T',  0,    0,    0,    0,    0,    0, 0, 0, 0,  0,   0,   0,   0,   'I',  'E',  'N'};
    unsigned char file[sizeof huge];
    memcpy(file, huge, sizeof file);
    png_mend(file, sizeof file);
    CHECK(read_png(put("huge.png", file, sizeof file)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "huge.png: the header says 2147483647 x 1048576 pixels");
    CHECK(mtl_memory_use(ctx).allocations < 100000);
    CHECK(read_png(put_text("text.png", "no PNG at all, but text")) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "PNG");
}

static void reads_regular_files_only(void)
{
    CHECK(read_png(place("missing.png")) == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "missing.png: No such file or directory");
    CHECK(read_png(test_folder) == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "folder");
    const char *pipe = place("pipe");
    MUST(mkfifo(pipe, 0600) == 0);
    CHECK(read_png(pipe) == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "pipe");
    CHECK(read_png("/dev/zero") == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "device");
}

int main(void)
{
    if (!test_begin())
        return 1;
    RUN(reads_every_kind);
    RUN(loads_without_a_context);
    RUN(writes_what_it_reads);
    RUN(writes_sixteen_bits);
    RUN(refuses_what_is_no_image);
    RUN(refuses_damage);
    RUN(refuses_damage_behind_checksums);
    RUN(refuses_sizes_that_lie);
    RUN(reads_regular_files_only);
    return TEST_RESULT;
}

/* PNG: every colour type and depth, made by libpng; what is written comes back. */
#include <png.h>

#include <sys/stat.h>

#include "damage.h"

enum { WIDTH = 13, HEIGHT = 9 };

typedef struct {
    int colour, depth, interlace;
    bool transparent; /* a tRNS chunk */
} kind;

static unsigned sample(const kind *k, int channel, int y, int x)
{
    uint32_t w[4];
    mtl_philox(1, (uint64_t)(channel + 1), (uint64_t)(y * WIDTH + x), w);
    unsigned value = w[0] & ((1u << k->depth) - 1);
    return (x + y) % 5 == 0 ? (unsigned)channel % 2 : value; /* the transparent colour comes often */
}

static int samples(const kind *k)
{
    return (k->colour == PNG_COLOR_TYPE_PALETTE  ? 1
            : (k->colour & PNG_COLOR_MASK_COLOR) ? 3
                                                 : 1) +
           (k->colour & PNG_COLOR_MASK_ALPHA ? 1 : 0);
}

static png_color palette(unsigned i)
{
    return (png_color){(png_byte)(i * 7), (png_byte)(255 - i), (png_byte)(i * 31)};
}

static const char *make(const kind *k)
{
    const char *path = place("made.png");
    static png_byte rows[HEIGHT][WIDTH * 8 + 8];
    png_bytep pointers[HEIGHT];
    int n = samples(k);
    memset(rows, 0, sizeof rows);
    for (int y = 0; y < HEIGHT; y++) {
        pointers[y] = rows[y];
        for (int x = 0; x < WIDTH; x++) {
            for (int c = 0; c < n; c++) {
                unsigned v = sample(k, c, y, x);
                int bit = (x * n + c) * k->depth;
                if (k->depth == 16) {
                    rows[y][bit / 8] = (png_byte)(v >> 8);
                    rows[y][bit / 8 + 1] = (png_byte)v;
                } else {
                    rows[y][bit / 8] |= (png_byte)(v << (8 - k->depth - bit % 8));
                }
            }
        }
    }
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    FILE *file = fopen(path, "wb");
    png_init_io(png, file);
    png_set_IHDR(png, info, WIDTH, HEIGHT, k->depth, k->colour, k->interlace, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (k->colour == PNG_COLOR_TYPE_PALETTE) {
        png_color colours[256];
        png_byte alpha[2] = {0, 128};
        for (unsigned i = 0; i < 256; i++)
            colours[i] = palette(i);
        png_set_PLTE(png, info, colours, 1 << k->depth);
        if (k->transparent)
            png_set_tRNS(png, info, alpha, 2, NULL);
    } else if (k->transparent) {
        png_color_16 clear = {.red = 0, .green = 1, .blue = 0, .gray = 0};
        png_set_tRNS(png, info, NULL, 0, &clear);
    }
    png_text text = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = "Title", .text = "dots"};
    png_set_text(png, info, &text, 1);
    png_set_gAMA(png, info, 0.3); /* must not change a pixel */
    png_write_info(png, info);
    png_write_image(png, pointers);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
    return path;
}

static unsigned eight_bits(unsigned v, int depth)
{
    unsigned most = (1u << depth) - 1;
    return (v * 255 + most / 2) / most;
}

static void expect(const kind *k, int y, int x, unsigned *want)
{
    int n = samples(k);
    bool clear = true;
    unsigned v[4];
    for (int c = 0; c < n; c++) {
        v[c] = sample(k, c, y, x);
        want[c] = eight_bits(v[c], k->depth);
        clear = clear && v[c] == (unsigned)c % 2;
    }
    if (k->colour == PNG_COLOR_TYPE_PALETTE) {
        png_color colour = palette(v[0]);
        want[0] = colour.red;
        want[1] = colour.green;
        want[2] = colour.blue;
        want[3] = v[0] == 0 ? 0 : v[0] == 1 ? 128 : 255;
    } else if (k->transparent) {
        want[n] = clear ? 0 : 255;
    }
}

static void check_kind(const kind *k)
{
    mtl_tensor *t = NULL;
    unsigned want[5];
    int channels = (k->colour == PNG_COLOR_TYPE_PALETTE ? 3 : samples(k)) + (k->transparent ? 1 : 0);
    MUST(mtl_png_read(ctx, make(k), &t) == MTL_OK);
    const int64_t *shape = mtl_tensor_shape(t);
    const uint8_t *data = mtl_tensor_data(t);
    bool good = mtl_tensor_rank(t) == 3 && shape[0] == channels && shape[1] == HEIGHT && shape[2] == WIDTH;
    for (int i = 0; good && i < HEIGHT * WIDTH; i++) {
        expect(k, i / WIDTH, i % WIDTH, want);
        for (int c = 0; c < channels; c++)
            good = good && data[c * HEIGHT * WIDTH + i] == want[c];
    }
    if (!CHECK(good))
        printf("    colour type %d, depth %d, interlace %d, transparent %d\n", k->colour, k->depth, k->interlace,
               k->transparent);
    mtl_tensor_release(t);
}

static void reads_every_kind(void)
{
    static const struct {
        int colour, depth;
    } kinds[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                 {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (int variant = 0; variant < 4; variant++) {
            kind k = {kinds[i].colour, kinds[i].depth, variant & 1 ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                      variant & 2 && kinds[i].colour < 4};
            check_kind(&k);
        }
    }
    CHECK(mtl_memory_use(ctx).bytes == 0);
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
        MUST(mtl_png_read(ctx, place("a.png"), &back) == MTL_OK);
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
    mtl_status status = mtl_png_read(ctx, path, &t);
    CHECK((status == MTL_OK) == (t != NULL));
    mtl_tensor_release(t);
    return status;
}

static void refuses_damage(void)
{
    kind kinds[] = {{PNG_COLOR_TYPE_PALETTE, 4, PNG_INTERLACE_ADAM7, true}, {PNG_COLOR_TYPE_RGB, 16, 0, true}};
    for (int i = 0; i < 2; i++) {
        size_t n;
        unsigned char *bytes = get(make(&kinds[i]), &n);
        truncate_everywhere(read_png, bytes, n, 0);
        flip_bytes(read_png, bytes, n, 500);
        free(bytes);
    }
}

/* Checksums made right again, so that the damage comes through to the parts behind them. */
static void refuses_damage_behind_checksums(void)
{
    kind k = {PNG_COLOR_TYPE_PALETTE, 8, PNG_INTERLACE_ADAM7, true};
    size_t n;
    mtl_status status;
    unsigned char *bytes = get(make(&k), &n), *damaged = malloc(n);
    uint32_t w[4];
    for (uint64_t i = 0; i < 1000; i++) {
        memcpy(damaged, bytes, n);
        mtl_philox(3, 3, i, w);
        damaged[8 + w[0] % (i < 300 ? 25 : n - 8)] = (unsigned char)w[1];
        for (size_t at = 8; at + 12 <= n;) {
            size_t length = (size_t)damaged[at] << 24 | (size_t)damaged[at + 1] << 16 | (size_t)damaged[at + 2] << 8 |
                            damaged[at + 3];
            if (length > n - at - 12)
                break;
            uint32_t crc = 0xffffffff;
            for (size_t j = at + 4; j < at + 8 + length; j++) {
                crc ^= damaged[j];
                for (int bit = 0; bit < 8; bit++)
                    crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
            }
            for (int j = 0; j < 4; j++)
                damaged[at + 8 + length + (size_t)j] = (unsigned char)(~crc >> (24 - 8 * j));
            at += 12 + length;
        }
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
    uint32_t crc = 0xffffffff;
    for (int i = 12; i < 29; i++) {
        crc ^= file[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    for (int i = 0; i < 4; i++)
        file[29 + i] = (unsigned char)(~crc >> (24 - 8 * i));
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
    RUN(writes_what_it_reads);
    RUN(refuses_what_is_no_image);
    RUN(refuses_damage);
    RUN(refuses_damage_behind_checksums);
    RUN(refuses_sizes_that_lie);
    RUN(reads_regular_files_only);
    return TEST_RESULT;
}

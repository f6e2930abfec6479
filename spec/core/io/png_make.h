/* A PNG encoder for tests that shares nothing with the reader but zlib: every colour type and depth, all five filters
   in turn, Adam7 by its definition, PLTE, tRNS and bKGD, image data cut into several chunks. */
#ifndef SPEC_PNG_MAKE_H
#define SPEC_PNG_MAKE_H

#include <zlib.h>

#include "damage.h"

enum { GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGBA = 6 };

typedef struct {
    int colour, depth, height, width;
    bool interlaced, transparent, background;
} png_kind;

static inline int png_samples(const png_kind *k)
{
    return k->colour == RGB ? 3 : k->colour == RGBA ? 4 : k->colour == GRAY_ALPHA ? 2 : 1;
}

/* The picture: the sample of a channel. Every fifth diagonal holds the colour that tRNS names. */
static inline unsigned png_sample(const png_kind *k, int channel, int y, int x)
{
    uint32_t w[4];
    mtl_philox(1, (uint64_t)(channel + 1), (uint64_t)(y * k->width + x), w);
    return (x + y) % 5 == 0 ? (unsigned)channel % 2 : w[0] & ((1u << k->depth) - 1);
}

/* Red, green and blue of a palette's entry, and its alpha. */
static inline unsigned png_palette(unsigned i, int channel)
{
    unsigned entry[] = {i * 7, 255 - i, i * 31, i == 0 ? 0 : i == 1 ? 128 : 255};
    return entry[channel] & 255;
}

typedef struct {
    unsigned char *data;
    size_t n;
} png_bytes;

static inline void png_add(png_bytes *b, const void *data, size_t n)
{
    b->data = realloc(b->data, b->n + n + 1);
    if (n > 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
}

static inline void png_add_number(png_bytes *b, uint32_t value)
{
    png_add(b,
            (unsigned char[]){(unsigned char)(value >> 24), (unsigned char)(value >> 16), (unsigned char)(value >> 8),
                              (unsigned char)value},
            4);
}

static inline void png_add_chunk(png_bytes *b, const char *name, const void *data, size_t n)
{
    png_add_number(b, (uint32_t)n);
    size_t from = b->n;
    png_add(b, name, 4);
    png_add(b, data, n);
    png_add_number(b, (uint32_t)crc32(0, b->data + from, (uInt)(n + 4)));
}

static inline int png_paeth(int a, int b, int c)
{
    int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/* The pixels y0, y0 + dy ... and x0, x0 + dx ... as filtered rows. */
static inline void png_add_pass(const png_kind *k, png_bytes *raw, int y0, int x0, int dy, int dx)
{
    int n = png_samples(k), width = (k->width - x0 + dx - 1) / dx;
    size_t bytes = ((size_t)width * (size_t)(n * k->depth) + 7) / 8,
           unit = n * k->depth >= 8 ? (size_t)(n * k->depth) / 8 : 1;
    if (k->width <= x0)
        return;
    unsigned char *before = calloc(1, bytes), *row = malloc(bytes), *out = malloc(bytes + 1);
    for (int y = y0, filter = 0; y < k->height; y += dy, filter = (filter + 1) % 5) {
        memset(row, 0, bytes);
        for (int i = 0; i < width * n; i++) {
            unsigned v = png_sample(k, i % n, y, x0 + i / n * dx);
            if (k->depth == 16) {
                row[2 * i] = (unsigned char)(v >> 8);
                row[2 * i + 1] = (unsigned char)v;
            } else {
                row[i * k->depth / 8] |= (unsigned char)(v << (8 - k->depth - i * k->depth % 8));
            }
        }
        out[0] = (unsigned char)filter;
        for (size_t i = 0; i < bytes; i++) {
            int a = i >= unit ? row[i - unit] : 0, b = before[i], c = i >= unit ? before[i - unit] : 0;
            int guess[] = {0, a, b, (a + b) / 2, png_paeth(a, b, c)};
            out[i + 1] = (unsigned char)(row[i] - guess[filter]);
        }
        png_add(raw, out, bytes + 1);
        memcpy(before, row, bytes);
    }
    free(before);
    free(row);
    free(out);
}

/* The file's bytes; free them. */
static inline unsigned char *png_make(const png_kind *k, size_t *size)
{
    static const int adam7[7][4] = {{0, 0, 8, 8}, {0, 4, 8, 8}, {4, 0, 8, 4}, {0, 2, 4, 4},
                                    {2, 0, 4, 2}, {0, 1, 2, 2}, {1, 0, 2, 1}};
    png_bytes b = {0}, raw = {0};
    unsigned char head[13] = {0,
                              0,
                              0,
                              (unsigned char)k->width,
                              0,
                              0,
                              0,
                              (unsigned char)k->height,
                              (unsigned char)k->depth,
                              (unsigned char)k->colour,
                              0,
                              0,
                              k->interlaced};
    head[2] = (unsigned char)(k->width >> 8);
    head[6] = (unsigned char)(k->height >> 8);
    png_add(&b, "\x89PNG\r\n\x1a\n", 8);
    png_add_chunk(&b, "IHDR", head, sizeof head);
    png_add_chunk(&b, "gAMA", (unsigned char[]){0, 0, 0x75, 0x30}, 4); /* must not change a pixel */
    if (k->colour == PALETTE) {
        unsigned char colours[768];
        for (unsigned i = 0; i < 768; i++)
            colours[i] = (unsigned char)png_palette(i / 3, (int)(i % 3));
        png_add_chunk(&b, "PLTE", colours, 3u << k->depth);
    }
    if (k->transparent)
        png_add_chunk(&b, "tRNS",
                      k->colour == PALETTE ? (unsigned char[]){0, 128}
                      : k->colour == GRAY  ? (unsigned char[]){0, 0}
                                           : (unsigned char[]){0, 0, 0, 1, 0, 0},
                      k->colour == RGB ? 6 : 2);
    if (k->background)
        png_add_chunk(&b, "bKGD", (unsigned char[]){0, 1, 0, 1, 0, 0},
                      k->colour == PALETTE ? 1
                      : k->colour & 2      ? 6
                                           : 2);
    png_add_chunk(&b, "tEXt", "Title\0dots", 10);
    for (int pass = 0; pass < (k->interlaced ? 7 : 1); pass++)
        png_add_pass(k, &raw, k->interlaced ? adam7[pass][0] : 0, k->interlaced ? adam7[pass][1] : 0,
                     k->interlaced ? adam7[pass][2] : 1, k->interlaced ? adam7[pass][3] : 1);
    uLongf packed = compressBound((uLong)raw.n);
    unsigned char *data = malloc(packed);
    CHECK(compress2(data, &packed, raw.data, (uLong)raw.n, 9) == Z_OK);
    for (size_t at = 0, step; at < packed; at += step) {
        step = packed - at < 100 ? packed - at : 100;
        png_add_chunk(&b, "IDAT", data + at, step);
    }
    png_add_chunk(&b, "IEND", NULL, 0);
    free(data);
    free(raw.data);
    *size = b.n;
    return b.data;
}

/* Right checksums for every chunk, so that damage comes through to the parts behind them. */
static inline void png_mend(unsigned char *bytes, size_t n)
{
    for (size_t at = 8; at + 12 <= n;) {
        size_t length =
            (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | (size_t)bytes[at + 3];
        if (length > n - at - 12)
            break;
        uint32_t crc = (uint32_t)crc32(0, bytes + at + 4, (uInt)(length + 4));
        for (int j = 0; j < 4; j++)
            bytes[at + 8 + length + (size_t)j] = (unsigned char)(crc >> (24 - 8 * j));
        at += 12 + length;
    }
}

#endif

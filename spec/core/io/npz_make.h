/* Zip archives for tests, written by hand: local headers, the directory, its end. */
#ifndef SPEC_NPZ_MAKE_H
#define SPEC_NPZ_MAKE_H

#include <zlib.h>

#include "damage.h"

typedef struct {
    const char *name;
    const void *data;
    size_t n;
    bool deflated;
    uint32_t claims; /* the size that its headers say; 0: the right one */
} zip_part;

static inline void zip_number(unsigned char **to, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *(*to)++ = (unsigned char)(value >> 8 * i);
}

/* What the local header and the directory say alike. */
static inline void zip_fields(unsigned char **to, const zip_part *p, uint32_t packed)
{
    uint32_t fields[][2] = {{20, 2}, {0, 2}, {p->deflated ? 8 : 0, 2}, {0, 2}, {0x21, 2}};
    for (size_t i = 0; i < 5; i++)
        zip_number(to, fields[i][0], (int)fields[i][1]);
    zip_number(to, (uint32_t)crc32(0, p->data, (uInt)p->n), 4);
    zip_number(to, packed, 4);
    zip_number(to, p->claims ? p->claims : (uint32_t)p->n, 4);
    zip_number(to, (uint32_t)strlen(p->name), 2);
    zip_number(to, 0, 2);
}

/* The archive's bytes; free them. */
static inline unsigned char *zip_make(const zip_part *parts, int count, size_t *size)
{
    size_t room = 1024;
    uint32_t at[8], packed[8];
    for (int i = 0; i < count; i++)
        room += 2 * strlen(parts[i].name) + 256 + compressBound((uLong)parts[i].n);
    unsigned char *bytes = malloc(room), *to = bytes;
    for (int i = 0; i < count; i++) {
        const zip_part *p = &parts[i];
        unsigned char *data = malloc(compressBound((uLong)p->n) + 64);
        z_stream z = {.next_in = (unsigned char *)p->data, .avail_in = (uInt)p->n, .next_out = data};
        z.avail_out = (uInt)compressBound((uLong)p->n) + 64;
        CHECK(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
        packed[i] = p->deflated ? (uint32_t)z.total_out : (uint32_t)p->n;
        deflateEnd(&z);
        at[i] = (uint32_t)(to - bytes);
        zip_number(&to, 0x04034b50, 4);
        zip_fields(&to, p, packed[i]);
        memcpy(to, p->name, strlen(p->name));
        to += strlen(p->name);
        memcpy(to, p->deflated ? data : p->data, packed[i]);
        to += packed[i];
        free(data);
    }
    uint32_t directory = (uint32_t)(to - bytes);
    for (int i = 0; i < count; i++) {
        zip_number(&to, 0x02014b50, 4);
        zip_number(&to, 20, 2);
        zip_fields(&to, &parts[i], packed[i]);
        for (int k = 0; k < 5; k++) /* comment, disk, attributes */
            zip_number(&to, 0, 2);
        zip_number(&to, at[i], 4);
        memcpy(to, parts[i].name, strlen(parts[i].name));
        to += strlen(parts[i].name);
    }
    uint32_t end = (uint32_t)(to - bytes);
    zip_number(&to, 0x06054b50, 4);
    zip_number(&to, 0, 4);
    zip_number(&to, (uint32_t)count, 2);
    zip_number(&to, (uint32_t)count, 2);
    zip_number(&to, end - directory, 4);
    zip_number(&to, directory, 4);
    zip_number(&to, 0, 2);
    *size = (size_t)(to - bytes);
    return bytes;
}

#endif

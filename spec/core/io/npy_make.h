/* NPY files for tests, written by hand. */
#ifndef SPEC_NPY_MAKE_H
#define SPEC_NPY_MAKE_H

#include "damage.h"

/* An array's bytes with a dictionary as it is given; free them. */
static inline unsigned char *npy_make(int version, const char *dictionary, const void *data, size_t n, size_t *size)
{
    size_t start = version > 1 ? 12 : 10, length = strlen(dictionary);
    unsigned char *bytes = malloc(start + length + n + 1);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[7] = 0;
    for (size_t i = 8; i < start; i++)
        bytes[i] = (unsigned char)(length >> 8 * (i - 8));
    memcpy(bytes + start, dictionary, length);
    if (n > 0)
        memcpy(bytes + start + length, data, n);
    *size = start + length + n;
    return bytes;
}

static inline const char *npy_put(const char *name, int version, const char *dictionary, const void *data, size_t n)
{
    size_t size;
    unsigned char *bytes = npy_make(version, dictionary, data, n, &size);
    const char *path = put(name, bytes, size);
    free(bytes);
    return path;
}

#endif

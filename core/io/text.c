/* Texts and numbers on their way between files and tensors. */
#include "io/io.h"

#include <math.h>
#include <stdlib.h>

mtl_status mtl_text_room(mtl_context *ctx, mtl_text *text, size_t more)
{
    size_t size = text->size ? text->size : 16;
    if (more > SIZE_MAX / 4 - text->used)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    while (size < text->used + more)
        size *= 2;
    char *data = realloc(text->data, size);
    if (!data)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    text->data = data;
    text->size = size;
    return MTL_OK;
}

/* Bytes of the character at s, or 0 where it is none (the table of well-formed sequences of the Unicode standard). */
static size_t character(const unsigned char *s, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    if (s[0] < 0x80)
        return s[0] != 0;
    size_t length = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (length == 0 || length > n)
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    }
    return length;
}

bool mtl_utf8(const char *bytes, size_t n)
{
    const unsigned char *s = (const unsigned char *)bytes;
    for (size_t i = 0, length; i < n; i += length) {
        length = character(s + i, n - i);
        if (length == 0)
            return false;
    }
    return true;
}

const char *mtl_shown(const char *text, char buf[MTL_SHOWN])
{
    const unsigned char *s = (const unsigned char *)text;
    size_t used = 0, n = strlen(text);
    while (n > 0) {
        size_t length = character(s, n);
        bool plain = length > 1 ? s[0] != 0xc2 || s[1] >= 0xa0 : length == 1 && *s >= 0x20 && *s != 0x7f;
        if (used + (plain ? length : 1) + 4 > MTL_SHOWN) { /* 4: dots and end */
            memcpy(buf + used, "...", 3);
            used += 3;
            break;
        }
        if (plain)
            memcpy(buf + used, s, length);
        else
            buf[used] = '?';
        used += plain ? length : 1;
        s += length ? length : 1;
        n -= length ? length : 1;
    }
    buf[used] = '\0';
    return buf;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *mtl_repeated(const char **names, size_t n)
{
    if (n > 1)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0)
            return names[i];
    }
    return NULL;
}

int64_t mtl_narrow(const double *x, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        double value = x[i];
        float narrow = (float)value;
        if (isinf(narrow) && !isinf(value))
            return i;
        y[i] = narrow;
    }
    return -1;
}

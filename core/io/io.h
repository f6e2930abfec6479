/* What the readers and writers share: files in and out, growing texts, checks of bytes. Only core/io includes this. */
#ifndef MTL_IO_IO_H
#define MTL_IO_IO_H

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/context.h"
#include "mtl/io.h"

/* ---- messages where there is no context (in any thread) ---- */

#define MTL_MESSAGE 512
/* Keeps a message, and returns `status`. */
mtl_status mtl_say(char message[MTL_MESSAGE], mtl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Opens a regular file to be read; `size`: its bytes. */
mtl_status mtl_file_open(const char *path, int *fd, uint64_t *size, char message[MTL_MESSAGE]);

/* ---- in: a regular file, unpacked on the way where it is gzipped (the reader says whether it may be) ---- */

typedef struct {
    mtl_context *ctx;
    const char *path; /* borrowed */
    FILE *file;       /* one of these two */
    gzFile gz;
    uint64_t size;   /* of the file, in bytes */
    uint64_t offset; /* bytes handed out so far */
} mtl_input;

mtl_status mtl_input_open(mtl_context *ctx, const char *path, bool gzip, mtl_input *in);
void mtl_input_close(mtl_input *in); /* fine on one that is all zero, and twice */
/* Fewer than `bytes` only at the end of the file. A gzip stream that breaks off or fails its checksum is an error. */
mtl_status mtl_input_read(mtl_input *in, void *data, size_t bytes, size_t *got);
/* The end of the file before `bytes` is an error that says so. */
mtl_status mtl_input_need(mtl_input *in, void *data, size_t bytes);
/* MTL_ERR_FORMAT where anything follows. */
mtl_status mtl_input_end(mtl_input *in);
/* No file of this size holds more: what a header claims is checked against this before memory is taken. */
uint64_t mtl_input_most(const mtl_input *in);
/* Deflate writes at least two bits for 258 bytes. */
#define MTL_DEFLATE_MOST 1032

/* ---- out: a temporary file in the same folder that becomes `path` whole, or goes ---- */

typedef struct {
    mtl_context *ctx;
    const char *path; /* borrowed */
    char *temporary;
    int fd;
} mtl_output;

mtl_status mtl_output_open(mtl_context *ctx, const char *path, mtl_output *out);
mtl_status mtl_output_write(mtl_output *out, const void *data, size_t bytes);
/* Syncs, renames and syncs the folder where `status` is MTL_OK; else removes what was written, and returns `status`. */
mtl_status mtl_output_close(mtl_output *out, mtl_status status);

/* ---- texts ---- */

typedef struct {
    char *data;
    size_t used, size;
} mtl_text;

mtl_status mtl_text_room(mtl_context *ctx, mtl_text *text, size_t more); /* for `more` bytes past `used` */
static inline mtl_status mtl_text_add(mtl_context *ctx, mtl_text *text, const char *bytes, size_t n)
{
    if (text->size - text->used < n)
        MTL_TRY(mtl_text_room(ctx, text, n));
    if (n > 0)
        memcpy(text->data + text->used, bytes, n);
    text->used += n;
    return MTL_OK;
}

bool mtl_utf8(const char *bytes, size_t n); /* well-formed, no overlong forms, no surrogates, no NUL */
/* A file's text made fit for a message: no control characters, cut to MTL_SHOWN bytes. Returns buf. */
#define MTL_SHOWN 64
const char *mtl_shown(const char *text, char buf[MTL_SHOWN]);
/* Sorts the names; a name that is there twice, or NULL. */
const char *mtl_repeated(const char **names, size_t n);

/* ---- numbers ---- */

/* float32 of doubles. The index of the first finite one that float32 cannot hold, or -1. */
int64_t mtl_narrow(const double *x, int64_t n, float *y);

#endif

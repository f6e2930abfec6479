/* NPY arrays (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html) from files and archives, in any
   thread: nothing here touches a context or a tensor. */
#ifndef MTL_IO_NPY_H
#define MTL_IO_NPY_H

#include "io/io.h"

typedef struct {
    int rank;
    int64_t shape[MTL_MAX_RANK];
    char kind;           /* b, i, u or f, and */
    int item;            /* bytes of an element in the file */
    bool swap;           /* the other byte order than this machine's */
    bool fortran;        /* the first dimension is next to itself (of rank 2 or more) */
    int64_t data_offset; /* in the file */
    mtl_dtype dtype;     /* of what is read */
} mtl_npy_info;

/* The header, checked against the file's size. false: `message` (MTL_MESSAGE bytes) says why. */
bool mtl_npy_peek(const char *path, mtl_npy_info *info, char *message);
/* Rows [first, first + n) of the leading dimension, as info->dtype; of one number (rank 0): first 0, n 1. Of a Fortran
   array all rows or none. */
bool mtl_npy_load(const char *path, const mtl_npy_info *info, int64_t first, int64_t n, void *to, char *message);

/* The same from bytes that come one after the other. */
typedef struct mtl_npy_stream mtl_npy_stream;
struct mtl_npy_stream {
    const char *path; /* for messages: the file, or "archive: name" */
    uint64_t size;    /* bytes of the array with its header */
    uint64_t at;      /* bytes taken so far */
    /* The next n bytes, all of them or a message. */
    mtl_status (*need)(mtl_npy_stream *stream, void *to, size_t n, char *message);
    int fd;     /* for files, */
    void *file; /* and for archives */
};
mtl_status mtl_npy_header(mtl_npy_stream *stream, mtl_npy_info *info, char *message);
/* From the stream's place on n rows, converted. */
mtl_status mtl_npy_rows(mtl_npy_stream *stream, const mtl_npy_info *info, int64_t n, void *to, char *message);

#endif

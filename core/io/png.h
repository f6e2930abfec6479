/* PNG files in any thread: nothing here touches a context or a tensor. */
#ifndef MTL_IO_PNG_H
#define MTL_IO_PNG_H

#include "io/io.h"

typedef struct {
    int rank;
    int64_t shape[3];
    mtl_dtype dtype;
} mtl_png_info;

/* What the header says the mode gives. false: `message` (MTL_MESSAGE bytes) says why. */
bool mtl_png_peek(const char *path, mtl_png_mode mode, mtl_png_info *info, char *message);
/* Reads the pixels to `to`, which has room for `room` bytes. expect: what the image must be, or NULL. */
bool mtl_png_load(const char *path, mtl_png_mode mode, const mtl_png_info *expect, void *to, size_t room,
                  mtl_png_info *info, char *message);

#endif

/* What the reader and the writer of safetensors share. Only they include this. */
#ifndef MTL_IO_SAFETENSORS_H
#define MTL_IO_SAFETENSORS_H

#include "io/io.h"

/* Longest header that is read or written: a parsed one takes some forty times its length. */
#define MTL_SAFETENSORS_HEADER (16 << 20)

#endif

/* Compiled programs on disk, below $XDG_CACHE_HOME/mtl/opencl or ~/.cache/mtl/opencl, one file a program. */
#ifndef MTL_OPENCL_BINARY_H
#define MTL_OPENCL_BINARY_H

#include "opencl/device.h"

/* The program of these options and source (common, then text), built; NULL where the cache has none that is whole, of
   this device and driver, and of exactly this source. */
cl_program mtl_cl_binary_load(mtl_cl_device *d, const char *options, const char *common, const char *text);
/* Keeps it. A folder that cannot be written is no error: the next process then compiles again. */
void mtl_cl_binary_save(mtl_cl_device *d, const char *options, const char *common, const char *text,
                        cl_program program);

#endif

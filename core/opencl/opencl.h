/* The OpenCL backend. A tensor is a buffer and an offset into it, never a sub-buffer; one in-order queue a device, so
   what is enqueued later sees what was enqueued before (large writes come from a second one, see device.c). Nothing
   waits but reads. A family of kernels is core/opencl/NAME.c (the host's part: mtl_cl_FUNCTION of the table in
   tensor/backend.h), core/opencl/kernels/NAME.cl, and its functions' lines in kernels.def. */
#ifndef MTL_OPENCL_OPENCL_H
#define MTL_OPENCL_OPENCL_H

#include "tensor/backend.h"

/* mtl_status mtl_cl_unary(int kind, ...): declared from the table, one for each line of kernels.def. */
#define MTL_CL_KERNEL(name) __typeof__(*((mtl_backend *)0)->name) mtl_cl_##name;
#include "opencl/kernels.def"
#undef MTL_CL_KERNEL

/* Opens device `index` (1: the first of OpenCL). */
mtl_status mtl_cl_device_new(mtl_context *ctx, int index, mtl_device **out);
/* A name and its value for each; strings are cut to fit. */
mtl_status mtl_cl_device_describe(mtl_context *ctx, int index, mtl_device_info *out);

/* ---- launching ---- */

typedef enum { MTL_CL_ARG_BUFFER, MTL_CL_ARG_BYTES, MTL_CL_ARG_LOCAL } mtl_cl_arg_kind;
typedef struct {
    mtl_cl_arg_kind kind;
    size_t size;
    union {
        const mtl_tensor *tensor;
        const void *bytes;
        int64_t i64;
        int32_t i32;
        float f32;
    } as;
} mtl_cl_arg;

/* A tensor (or NULL) is TWO arguments of the kernel: `__global T *x, long x_at`, the place of its first element. */
#define MTL_CL_BUF(t)       ((mtl_cl_arg){.kind = MTL_CL_ARG_BUFFER, .as = {.tensor = (t)}})
#define MTL_CL_I64(x)       ((mtl_cl_arg){.kind = MTL_CL_ARG_BYTES, .size = 8, .as = {.i64 = (x)}})          /* long */
#define MTL_CL_I32(x)       ((mtl_cl_arg){.kind = MTL_CL_ARG_BYTES, .size = 4, .as = {.i32 = (int32_t)(x)}}) /* int */
#define MTL_CL_F32(x)       ((mtl_cl_arg){.kind = MTL_CL_ARG_BYTES, .size = 4, .as = {.f32 = (float)(x)}})   /* float */
#define MTL_CL_STRUCT(s)    ((mtl_cl_arg){.kind = MTL_CL_ARG_BYTES, .size = sizeof(s), .as = {.bytes = &(s)}})
#define MTL_CL_LOCAL(bytes) ((mtl_cl_arg){.kind = MTL_CL_ARG_LOCAL, .size = (bytes)})

/* Runs kernel `name` of kernels/FILE.cl on the device of `on`. `options` ("" or "-DTILE=16" ...) are of the build,
   which happens once for each file and options. `global` (1 to 3 dimensions) is rounded up to multiples of `local`:
   kernels check their bounds; a dimension of 0 runs nothing. `local` NULL: the driver chooses. MTL_ERR_MEMORY,
   MTL_ERR_DEVICE as the driver says. */
mtl_status mtl_cl_run(const mtl_tensor *on, const char *file, const char *name, const char *options, int dims,
                      const size_t *global, const size_t *local, int n_args, const mtl_cl_arg *args);
#define MTL_CL_RUN(on, file, name, options, dims, global, local, ...)                                                  \
    mtl_cl_run(on, file, name, options, dims, global, local,                                                           \
               (int)(sizeof((mtl_cl_arg[]){__VA_ARGS__}) / sizeof(mtl_cl_arg)), (mtl_cl_arg[]){__VA_ARGS__})
/* The usual launch: work items 0 .. n - 1 in groups of mtl_cl_group. */
#define MTL_CL_RUN_FLAT(on, file, name, options, n, ...)                                                               \
    MTL_CL_RUN(on, file, name, options, 1, ((const size_t[]){(size_t)(n)}), ((const size_t[]){mtl_cl_group(on, n)}),   \
               __VA_ARGS__)
#define MTL_CL_GROUP 128
/* Option of kernels that divide the number of an element: 64 bits only where there are so many. */
static inline const char *mtl_cl_index(int64_t count)
{
    return count < INT32_MAX ? "-DINDEX=uint" : "-DINDEX=ulong";
}

bool mtl_cl_is_cpu(const mtl_tensor *on); /* PoCL and the like: vector kernels without barriers are better there */
bool mtl_cl_has_fp64(const mtl_tensor *on);
/* Work-items of a group where each does little and there are n: MTL_CL_GROUP, or more on a CPU, which starts a group
   slowly. */
size_t mtl_cl_group(const mtl_tensor *on, int64_t n);
int mtl_cl_units(const mtl_tensor *on); /* compute units: multiprocessors, or cores */

/* ---- the embedded sources: made from kernels/ by scripts/embed_kernels.lua ---- */
typedef struct {
    const char *name, *text; /* "elementwise" */
} mtl_cl_source;
extern const mtl_cl_source mtl_cl_sources[]; /* ends with a NULL name */

#endif

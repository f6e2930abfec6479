/* Status codes and the context. Every function that can fail returns an mtl_status and gives its result through an
   out-parameter, written only on success; the message (what, which values, which shapes) is kept in the context.
   Nothing in libmtl prints, exits or aborts. */
#ifndef MTL_STATUS_H
#define MTL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MTL_VERSION   "0.1.0"
#define MTL_MAX_RANK  8
#define MTL_MAX_TASKS 64 /* task masks are 64 bits wide */

typedef enum {
    MTL_OK = 0,
    MTL_ERR_ARG,         /* a value that makes no sense: a negative size, an unknown option */
    MTL_ERR_SHAPE,       /* shapes that do not fit each other */
    MTL_ERR_DTYPE,       /* a dtype that the operator does not take */
    MTL_ERR_STATE,       /* the right call at the wrong time: a graph used twice, a frozen module frozen again */
    MTL_ERR_UNSUPPORTED, /* the device, or this build, lacks it */
    MTL_ERR_FORMAT,      /* bytes of a file that are not what its format says */
    MTL_ERR_IO,          /* the operating system said no: missing file, full disk */
    MTL_ERR_MEMORY,      /* no memory left, on the host or on the device */
    MTL_ERR_DEVICE       /* the device was lost or its driver failed */
} mtl_status;

/* A context owns devices, their allocators, the thread count and the last message. It is used by one thread at a time.
 */
typedef struct mtl_context mtl_context;

/* `threads` <= 0: as many as the machine has cores; at most 1024. Fails only without memory (then *out is NULL and no
 * message exists). */
mtl_status mtl_context_new(int threads, mtl_context **out);
void mtl_context_free(mtl_context *ctx); /* every object made with it must be gone */

/* Message of the last failed call, never NULL. Valid until the next failure. */
const char *mtl_message(const mtl_context *ctx);

/* Keeps a message and returns `status`, so that a failure is one line. */
mtl_status mtl_fail(mtl_context *ctx, mtl_status status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* Puts "where: " before the kept message, for callers that know the place ("trunk.2 (conv2d)"). Returns `status`. */
mtl_status mtl_fail_in(mtl_context *ctx, mtl_status status, const char *where);

int mtl_threads(const mtl_context *ctx);
mtl_status mtl_set_threads(mtl_context *ctx, int threads); /* 1 .. 1024; results do not depend on it */

/* Cap for tensor memory in bytes over all devices; 0: none. Past it an allocation fails with MTL_ERR_MEMORY. */
void mtl_set_memory_limit(mtl_context *ctx, size_t bytes);
/* Memory of the host program's own that counts against the cap: read at each allocation, so it outlives the context.
   NULL (the default): none. */
void mtl_count_memory(mtl_context *ctx, const size_t *bytes);
/* Frees what the caching allocators keep for reuse. */
void mtl_trim_memory(mtl_context *ctx);

typedef struct {
    size_t bytes;         /* held by live tensors */
    size_t cached;        /* kept by the caching allocator for reuse */
    uint64_t allocations; /* calls of malloc (or clCreateBuffer) for tensor data since the context was made */
} mtl_memory;
mtl_memory mtl_memory_use(const mtl_context *ctx);

/* "OpenBLAS 0.3.21 DYNAMIC_ARCH SkylakeX" and the like, for run.json: same bits are promised for the same library and
 * kernels only. */
const char *mtl_blas_name(void);
/* Instruction set that the CPU kernels were chosen for: "x86-64-v4", "x86-64-v3" or "baseline". */
const char *mtl_cpu_isa(const mtl_context *ctx);

#ifdef __cplusplus
}
#endif
#endif

/* Inside of the context: what every part of core may use, and nothing outside core. */
#ifndef MTL_BASE_CONTEXT_H
#define MTL_BASE_CONTEXT_H

#include "mtl/status.h"

#define MTL_MAX_DEVICES 16

/* Leaves a function that holds nothing. Functions that hold something `goto` their one exit instead. */
#define MTL_TRY(call)                                                                                                  \
    do {                                                                                                               \
        mtl_status status_ = (call);                                                                                   \
        if (status_ != MTL_OK)                                                                                         \
            return status_;                                                                                            \
    } while (0)
/* The same for functions with one exit: needs a `mtl_status status` and a label `done`. */
#define MTL_TRY_GOTO(call)                                                                                             \
    do {                                                                                                               \
        status = (call);                                                                                               \
        if (status != MTL_OK)                                                                                          \
            goto done;                                                                                                 \
    } while (0)

struct mtl_device;
struct mtl_cl_library;

struct mtl_context {
    char message[1024];
    int threads;
    bool recording;
    uint64_t next_node; /* numbers the nodes of the tape: a node's inputs always have smaller ones */
    struct mtl_device *devices[MTL_MAX_DEVICES]; /* 0 is the CPU; those of OpenCL are NULL until they are used */
    int64_t waits;                               /* for a device of OpenCL */
    struct mtl_cl_library *opencl;               /* NULL until it is asked for */
    size_t memory_limit;
    const size_t *others; /* bytes of the host's that count against the limit; NULL: none */
    mtl_memory memory;
    const char *isa;
    void (*building)(const char *device); /* see mtl_device_on_build */
};

bool mtl_mul_overflows(int64_t a, int64_t b, int64_t *product); /* of two numbers that are not negative */

#endif

/* Inside of an OpenCL device: what device.c and program.c share. */
#ifndef MTL_OPENCL_DEVICE_H
#define MTL_OPENCL_DEVICE_H

#include "opencl/loader.h"
#include "opencl/opencl.h"

enum { MTL_CL_STAGES = 8 };

/* Page-locked host memory that a write is copied to, so that the caller need not wait for the device; and memory of a
   GPU that large writes go to first, by a queue of their own, while the device works. */
typedef struct {
    cl_mem buffer, landing;
    void *host;
    size_t size, landing_size;
    cl_event done;  /* of the last write from here, or NULL */
    cl_event taken; /* of the last copy out of `landing`, or NULL */
} mtl_cl_stage;

typedef struct mtl_cl_program mtl_cl_program;

typedef struct {
    mtl_device device; /* first: freed as it */
    mtl_backend table; /* its name tells which device it is */
    mtl_cl_library *cl;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue, uploads;
    size_t allowed, allocated; /* bytes; allowed 0: what the device has */
    char name[256];            /* "opencl:1 (NVIDIA H100, 81559 MiB)" */
    char identity[640];        /* device, driver and platform: what compiled programs depend on */
    bool cpu, fp64;
    int units;
    bool building; /* a kernel was compiled: the context's hook was told */
    int unflushed; /* kernels since the driver was last told to begin */
    mtl_cl_stage stage[MTL_CL_STAGES];
    int next_stage;
    mtl_cl_program *programs; /* program.c's */
} mtl_cl_device;

static inline mtl_cl_device *mtl_cl_device_of(const mtl_tensor *t)
{
    return (mtl_cl_device *)t->storage->device;
}
static inline cl_mem mtl_cl_memory(const mtl_tensor *t)
{
    return t->storage->data;
}

/* MTL_OK for CL_SUCCESS; else a message with the device's name, `what` and the error. */
mtl_status mtl_cl_check(const mtl_cl_device *device, cl_int error, const char *what);
void mtl_cl_programs_free(mtl_cl_device *device);

#endif

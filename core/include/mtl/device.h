/* Devices: number 0 is the CPU; 1, 2 ... are those of OpenCL, GPUs first. One of OpenCL is opened when its first tensor
   is made. */
#ifndef MTL_DEVICE_H
#define MTL_DEVICE_H

#include "mtl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    char name[128], platform[128], version[128], driver[128];
    size_t memory; /* bytes */
    bool gpu;
} mtl_device_info;

/* How many devices there are, with the CPU. MTL_ERR_UNSUPPORTED where OpenCL or a device of it is missing; the message
   says which, and *count is 1 then too. */
mtl_status mtl_device_count(mtl_context *ctx, int *count);
/* What OpenCL says of device 1 or later, without opening it. */
mtl_status mtl_device_describe(mtl_context *ctx, int device, mtl_device_info *out);

/* The number of "cpu", "opencl" (the first) or "opencl:N", N from 1. MTL_ERR_ARG: another text; MTL_ERR_UNSUPPORTED:
   there is no such device. */
mtl_status mtl_device_find(mtl_context *ctx, const char *name, int *device);
/* How often the host has waited for a device of OpenCL: each reading of it is one. */
int64_t mtl_device_waits(const mtl_context *ctx);
/* The name that finds it: "cpu", "opencl:1". `size` 16 suffices. */
void mtl_device_name(int device, char *name, size_t size);

/* `building` (or NULL) is called, with the device's name, before the first kernel that a device compiles because it is
   not among those kept on disk: that may take a minute. */
void mtl_device_on_build(mtl_context *ctx, void (*building)(const char *device));

#ifdef __cplusplus
}
#endif
#endif

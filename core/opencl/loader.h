/* The OpenCL library, opened at run time: the build needs its headers only. */
#ifndef MTL_OPENCL_LOADER_H
#define MTL_OPENCL_LOADER_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "base/context.h"

#define MTL_CL_FUNCTIONS(X)                                                                                            \
    X(clGetPlatformIDs)                                                                                                \
    X(clGetPlatformInfo)                                                                                               \
    X(clGetDeviceIDs)                                                                                                  \
    X(clGetDeviceInfo)                                                                                                 \
    X(clCreateContext)                                                                                                 \
    X(clReleaseContext)                                                                                                \
    X(clCreateCommandQueue)                                                                                            \
    X(clReleaseCommandQueue)                                                                                           \
    X(clCreateBuffer)                                                                                                  \
    X(clReleaseMemObject)                                                                                              \
    X(clGetMemObjectInfo)                                                                                              \
    X(clEnqueueReadBuffer)                                                                                             \
    X(clEnqueueWriteBuffer)                                                                                            \
    X(clEnqueueCopyBuffer)                                                                                             \
    X(clEnqueueFillBuffer)                                                                                             \
    X(clEnqueueMapBuffer)                                                                                              \
    X(clEnqueueUnmapMemObject)                                                                                         \
    X(clEnqueueMigrateMemObjects)                                                                                      \
    X(clEnqueueNDRangeKernel)                                                                                          \
    X(clFlush)                                                                                                         \
    X(clFinish)                                                                                                        \
    X(clWaitForEvents)                                                                                                 \
    X(clReleaseEvent)                                                                                                  \
    X(clCreateProgramWithSource)                                                                                       \
    X(clCreateProgramWithBinary)                                                                                       \
    X(clBuildProgram)                                                                                                  \
    X(clGetProgramInfo)                                                                                                \
    X(clGetProgramBuildInfo)                                                                                           \
    X(clReleaseProgram)                                                                                                \
    X(clCreateKernel)                                                                                                  \
    X(clSetKernelArg)                                                                                                  \
    X(clReleaseKernel)

/* The functions, and the devices of all platforms: GPUs first, then the rest, each in the loader's order. */
typedef struct mtl_cl_library {
#define X(name) __typeof__(name) *name;
    MTL_CL_FUNCTIONS(X)
#undef X
    int count;
    cl_platform_id platform[MTL_MAX_DEVICES];
    cl_device_id device[MTL_MAX_DEVICES];
} mtl_cl_library;

/* The context's library, opened at the first call. MTL_ERR_UNSUPPORTED: it is not installed, or knows no device. */
mtl_status mtl_cl_library_open(mtl_context *ctx, mtl_cl_library **out);
/* "out of memory" ... of an error code of OpenCL, or "error -59". Valid until the next call of the thread. */
const char *mtl_cl_error_text(cl_int error);

#endif

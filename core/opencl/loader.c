/* dlopen of libOpenCL.so.1, and the list of devices. */
#include "opencl/loader.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mtl_status load(mtl_context *ctx, mtl_cl_library *cl)
{
    /* Never closed: drivers leave threads and exit handlers behind. */
    const char *name = getenv("MTL_OPENCL_LIBRARY");
    void *library = dlopen(name ? name : "libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library && name)
        return mtl_fail(ctx, MTL_ERR_UNSUPPORTED, "MTL_OPENCL_LIBRARY: %s", dlerror());
    if (!library)
        return mtl_fail(
            ctx, MTL_ERR_UNSUPPORTED,
            "no OpenCL on this machine: libOpenCL.so.1 is not found (Debian: apt install ocl-icd-libopencl1,"
            " and the driver of the device)");
#define X(name)                                                                                                        \
    *(void **)&cl->name = dlsym(library, #name);                                                                       \
    if (!cl->name)                                                                                                     \
        return mtl_fail(ctx, MTL_ERR_UNSUPPORTED, "OpenCL: libOpenCL.so.1 has no %s; 1.2 or later is needed", #name);
    MTL_CL_FUNCTIONS(X)
#undef X
    return MTL_OK;
}

static void list_kind(mtl_cl_library *cl, int platforms, const cl_platform_id *platform, bool gpu)
{
    for (int p = 0; p < platforms; p++) {
        cl_device_id found[MTL_MAX_DEVICES];
        cl_uint n = 0;
        if (cl->clGetDeviceIDs(platform[p], CL_DEVICE_TYPE_ALL, MTL_MAX_DEVICES, found, &n) != CL_SUCCESS)
            continue;
        n = n > MTL_MAX_DEVICES ? MTL_MAX_DEVICES : n;
        for (cl_uint i = 0; i < n && cl->count < MTL_MAX_DEVICES - 1; i++) {
            cl_device_type type = 0;
            cl->clGetDeviceInfo(found[i], CL_DEVICE_TYPE, sizeof type, &type, NULL);
            if (((type & CL_DEVICE_TYPE_GPU) != 0) != gpu)
                continue;
            cl->platform[cl->count] = platform[p];
            cl->device[cl->count++] = found[i];
        }
    }
}

mtl_status mtl_cl_library_open(mtl_context *ctx, mtl_cl_library **out)
{
    if (ctx->opencl) {
        *out = ctx->opencl;
        return MTL_OK;
    }
    cl_platform_id platform[MTL_MAX_DEVICES];
    cl_uint platforms = 0;
    mtl_cl_library *cl = calloc(1, sizeof *cl);
    if (!cl)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    mtl_status status = MTL_OK;
    MTL_TRY_GOTO(load(ctx, cl));
    if (cl->clGetPlatformIDs(MTL_MAX_DEVICES, platform, &platforms) != CL_SUCCESS)
        platforms = 0;
    platforms = platforms > MTL_MAX_DEVICES ? MTL_MAX_DEVICES : platforms;
    list_kind(cl, (int)platforms, platform, true);
    list_kind(cl, (int)platforms, platform, false);
    if (cl->count == 0)
        status =
            mtl_fail(ctx, MTL_ERR_UNSUPPORTED,
                     "no OpenCL device on this machine: %s (Debian: pocl-opencl-icd computes on the CPU; a GPU needs"
                     " its vendor's driver)",
                     platforms ? "its platforms list none" : "no driver is installed below /etc/OpenCL/vendors");
done:
    if (status != MTL_OK) {
        free(cl);
        return status;
    }
    *out = ctx->opencl = cl;
    return MTL_OK;
}

const char *mtl_cl_error_text(cl_int error)
{
    static _Thread_local char other[32];
    switch (error) {
    case CL_DEVICE_NOT_AVAILABLE:
        return "the device is not available";
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
        return "no device memory left";
    case CL_OUT_OF_RESOURCES:
        return "the device is out of resources";
    case CL_OUT_OF_HOST_MEMORY:
        return "no host memory left";
    case CL_BUILD_PROGRAM_FAILURE:
        return "the program does not compile";
    case CL_INVALID_KERNEL_NAME:
        return "no such kernel";
    case CL_INVALID_KERNEL_ARGS:
        return "an argument is missing";
    case CL_INVALID_ARG_INDEX:
        return "too many arguments";
    case CL_INVALID_ARG_SIZE:
        return "an argument's size is wrong";
    case CL_INVALID_WORK_GROUP_SIZE:
        return "the work-group is too large";
    default:
        snprintf(other, sizeof other, "error %d", (int)error);
        return other;
    }
}

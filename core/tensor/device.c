/* Devices by number and by name. */
#include "mtl/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl/loader.h"
#include "opencl/opencl.h"
#include "tensor/pool.h"

mtl_status mtl_device_count(mtl_context *ctx, int *count)
{
    mtl_cl_library *cl;
    *count = 1;
    MTL_TRY(mtl_cl_library_open(ctx, &cl));
    *count = 1 + cl->count;
    return MTL_OK;
}

mtl_status mtl_device_describe(mtl_context *ctx, int device, mtl_device_info *out)
{
    return mtl_cl_device_describe(ctx, device, out);
}

mtl_status mtl_device_find(mtl_context *ctx, const char *name, int *device)
{
    mtl_device_info info;
    int n = 1;
    if (strcmp(name, "cpu") == 0) {
        *device = 0;
        return MTL_OK;
    }
    if (strncmp(name, "opencl:", 7) == 0) {
        char *end;
        long number = strtol(name + 7, &end, 10);
        n = end == name + 7 || *end || number < 1 || number >= MTL_MAX_DEVICES ? 0 : (int)number;
    } else if (strcmp(name, "opencl") != 0) {
        n = 0;
    }
    if (n == 0)
        return mtl_fail(ctx, MTL_ERR_ARG, "device '%s', which should be 'cpu', 'opencl' or 'opencl:N' with N from 1",
                        name);
    MTL_TRY(mtl_cl_device_describe(ctx, n, &info));
    *device = n;
    return MTL_OK;
}

int64_t mtl_device_waits(const mtl_context *ctx)
{
    return ctx->waits;
}

void mtl_device_name(int device, char *name, size_t size)
{
    if (device == 0)
        snprintf(name, size, "cpu");
    else
        snprintf(name, size, "opencl:%d", device);
}

void mtl_device_on_build(mtl_context *ctx, void (*building)(const char *device))
{
    ctx->building = building;
}

mtl_status mtl_device_open(mtl_context *ctx, int index, mtl_device **out)
{
    if (index < 0 || index >= MTL_MAX_DEVICES)
        return mtl_fail(ctx, MTL_ERR_UNSUPPORTED, "device %d, which should be 0 to %d", index, MTL_MAX_DEVICES - 1);
    if (!ctx->devices[index])
        MTL_TRY(mtl_cl_device_new(ctx, index, &ctx->devices[index]));
    *out = ctx->devices[index];
    return MTL_OK;
}

void mtl_device_free(mtl_device *device)
{
    if (!device)
        return;
    mtl_notes_release(device->notes);
    mtl_pool_free(device);
    device->kernels->shutdown(device);
    free(device);
}

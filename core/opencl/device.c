/* A device of OpenCL: its queue, memory, and copies to and from the host. */
#include "opencl/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/pool.h"

mtl_status mtl_cl_check(const mtl_cl_device *device, cl_int error, const char *what)
{
    if (error == CL_SUCCESS)
        return MTL_OK;
    bool memory = error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_OUT_OF_HOST_MEMORY;
    return mtl_fail(device->device.ctx, memory ? MTL_ERR_MEMORY : MTL_ERR_DEVICE,
                    "%s: %s: %s; %.1f MiB are in use by tensors", device->name, what, mtl_cl_error_text(error),
                    (double)device->device.ctx->memory.bytes / 1048576.0);
}

/* ---- memory ---- */

static void *cl_alloc(mtl_device *device, size_t bytes)
{
    mtl_cl_device *d = (mtl_cl_device *)device;
    cl_int error;
    if (d->allowed && bytes > d->allowed - d->allocated)
        return NULL;
    cl_mem made = d->cl->clCreateBuffer(d->context, CL_MEM_READ_WRITE, bytes, NULL, &error);
    if (error != CL_SUCCESS)
        return NULL;
    /* Drivers put off the allocation to the first use: here is where a lack of memory should show. */
    error =
        d->cl->clEnqueueMigrateMemObjects(d->queue, 1, &made, CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, 0, NULL, NULL);
    if (error != CL_SUCCESS) {
        d->cl->clReleaseMemObject(made);
        return NULL;
    }
    d->allocated += bytes;
    return made;
}

static void cl_free(mtl_device *device, void *data)
{
    mtl_cl_device *d = (mtl_cl_device *)device;
    size_t bytes = 0;
    d->cl->clGetMemObjectInfo(data, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
    d->allocated -= bytes;
    d->cl->clReleaseMemObject(data); /* OpenCL keeps it until the queue is done with it */
}

/* Waits until the stage is free, and makes it large enough. NULL: write without it. */
static mtl_cl_stage *stage_of(mtl_cl_device *d, size_t bytes)
{
    enum { MOST = 64 << 20 };
    mtl_cl_stage *s = &d->stage[d->next_stage];
    cl_int error;
    if (bytes > MOST)
        return NULL;
    d->next_stage = (d->next_stage + 1) % MTL_CL_STAGES;
    if (s->done) {
        error = d->cl->clWaitForEvents(1, &s->done);
        d->cl->clReleaseEvent(s->done);
        s->done = NULL;
        if (error != CL_SUCCESS)
            return NULL;
    }
    if (s->size >= bytes)
        return s;
    if (s->buffer)
        d->cl->clReleaseMemObject(s->buffer);
    s->buffer = NULL;
    s->size = 0;
    size_t size = bytes < 4096 ? 4096 : bytes;
    cl_mem made = d->cl->clCreateBuffer(d->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, size, NULL, &error);
    if (error != CL_SUCCESS)
        return NULL;
    void *host =
        d->cl->clEnqueueMapBuffer(d->queue, made, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, size, 0, NULL, NULL, &error);
    if (error != CL_SUCCESS) {
        d->cl->clReleaseMemObject(made);
        return NULL;
    }
    s->buffer = made;
    s->host = host;
    s->size = size;
    return s;
}

/* Whether the stage has memory on the device for a write of so many bytes. */
static bool landing_of(mtl_cl_device *d, mtl_cl_stage *s, size_t bytes)
{
    cl_int error;
    if (s->landing_size >= bytes)
        return true;
    if (s->landing)
        d->cl->clReleaseMemObject(s->landing);
    s->landing = d->cl->clCreateBuffer(d->context, CL_MEM_READ_WRITE, bytes, NULL, &error);
    s->landing_size = error == CL_SUCCESS ? bytes : 0;
    if (error != CL_SUCCESS)
        s->landing = NULL;
    return s->landing != NULL;
}

/* Up to `landing` while kernels run, then to the tensor in its turn: its memory may be in use by kernels until then. */
static mtl_status upload(mtl_cl_device *d, mtl_cl_stage *s, const mtl_tensor *t, size_t bytes)
{
    MTL_TRY(mtl_cl_check(d,
                         d->cl->clEnqueueWriteBuffer(d->uploads, s->landing, CL_FALSE, 0, bytes, s->host,
                                                     s->taken ? 1 : 0, s->taken ? &s->taken : NULL, &s->done),
                         "write"));
    MTL_TRY(mtl_cl_check(d, d->cl->clFlush(d->uploads), "write"));
    if (s->taken)
        d->cl->clReleaseEvent(s->taken);
    s->taken = NULL;
    MTL_TRY(mtl_cl_check(
        d,
        d->cl->clEnqueueCopyBuffer(d->queue, s->landing, mtl_cl_memory(t), 0, t->offset, bytes, 1, &s->done, &s->taken),
        "write"));
    d->unflushed = 0;
    return mtl_cl_check(d, d->cl->clFlush(d->queue), "write"); /* `taken` is what the other queue will wait for */
}

static mtl_status cl_write(mtl_tensor *t, const void *host)
{
    enum { LARGE = 64 << 10 }; /* smaller ones take less time than the second command */
    mtl_cl_device *d = mtl_cl_device_of(t);
    size_t bytes = mtl_tensor_bytes(t);
    if (bytes == 0)
        return MTL_OK;
    mtl_cl_stage *s = stage_of(d, bytes);
    if (s)
        memcpy(s->host, host, bytes);
    if (s && d->uploads && bytes >= LARGE && landing_of(d, s, bytes))
        return upload(d, s, t, bytes);
    cl_int error = d->cl->clEnqueueWriteBuffer(d->queue, mtl_cl_memory(t), s ? CL_FALSE : CL_TRUE, t->offset, bytes,
                                               s ? s->host : host, 0, NULL, s ? &s->done : NULL);
    return mtl_cl_check(d, error, "write");
}

static mtl_status cl_read(const mtl_tensor *t, void *host)
{
    mtl_cl_device *d = mtl_cl_device_of(t);
    if (t->count == 0)
        return MTL_OK;
    t->ctx->waits++;
    return mtl_cl_check(d,
                        d->cl->clEnqueueReadBuffer(d->queue, mtl_cl_memory(t), CL_TRUE, t->offset, mtl_tensor_bytes(t),
                                                   host, 0, NULL, NULL),
                        "read");
}

static mtl_status cl_copy(mtl_tensor *dst, const mtl_tensor *src)
{
    mtl_cl_device *d = mtl_cl_device_of(dst);
    size_t bytes = mtl_tensor_bytes(dst);
    bool same = dst->storage == src->storage;
    if (bytes == 0 || (same && dst->offset == src->offset))
        return MTL_OK;
    if (same && dst->offset < src->offset + bytes && src->offset < dst->offset + bytes)
        return mtl_fail(dst->ctx, MTL_ERR_UNSUPPORTED, "copy: between overlapping views on %s", d->name);
    return mtl_cl_check(d,
                        d->cl->clEnqueueCopyBuffer(d->queue, mtl_cl_memory(src), mtl_cl_memory(dst), src->offset,
                                                   dst->offset, bytes, 0, NULL, NULL),
                        "copy");
}

static mtl_status cl_fill(mtl_tensor *t, double value)
{
    mtl_cl_device *d = mtl_cl_device_of(t);
    union {
        float f32;
        int32_t i32;
        uint8_t u8;
    } pattern;
    if (t->count == 0)
        return MTL_OK;
    if (t->dtype == MTL_F32)
        pattern.f32 = (float)value;
    else if (t->dtype == MTL_I32)
        pattern.i32 = (int32_t)value;
    else
        pattern.u8 = (uint8_t)value;
    return mtl_cl_check(d,
                        d->cl->clEnqueueFillBuffer(d->queue, mtl_cl_memory(t), &pattern, mtl_dtype_size(t->dtype),
                                                   t->offset, mtl_tensor_bytes(t), 0, NULL, NULL),
                        "fill");
}

/* ---- opening and closing ---- */

static void cl_shutdown(mtl_device *device)
{
    mtl_cl_device *d = (mtl_cl_device *)device;
    if (d->queue)
        d->cl->clFinish(d->queue);
    if (d->uploads) {
        d->cl->clFinish(d->uploads);
        d->cl->clReleaseCommandQueue(d->uploads);
    }
    for (int i = 0; i < MTL_CL_STAGES; i++) {
        mtl_cl_stage *s = &d->stage[i];
        if (s->done)
            d->cl->clReleaseEvent(s->done);
        if (s->taken)
            d->cl->clReleaseEvent(s->taken);
        if (s->landing)
            d->cl->clReleaseMemObject(s->landing);
        if (!s->buffer)
            continue;
        d->cl->clEnqueueUnmapMemObject(d->queue, s->buffer, s->host, 0, NULL, NULL);
        d->cl->clReleaseMemObject(s->buffer);
    }
    mtl_cl_programs_free(d);
    if (d->queue) {
        d->cl->clFinish(d->queue);
        d->cl->clReleaseCommandQueue(d->queue);
    }
    if (d->context)
        d->cl->clReleaseContext(d->context);
}

static void device_text(mtl_cl_library *cl, int i, cl_device_info what, char *out, size_t size)
{
    char text[512] = "";
    cl->clGetDeviceInfo(cl->device[i], what, sizeof text - 1, text, NULL);
    snprintf(out, size, "%s", text + strspn(text, " "));
}

static void platform_text(mtl_cl_library *cl, int i, cl_platform_info what, char *out, size_t size)
{
    char text[512] = "";
    cl->clGetPlatformInfo(cl->platform[i], what, sizeof text - 1, text, NULL);
    snprintf(out, size, "%s", text);
}

static mtl_status library_with(mtl_context *ctx, int index, mtl_cl_library **cl)
{
    MTL_TRY(mtl_cl_library_open(ctx, cl));
    if (index < 1 || index > (*cl)->count)
        return mtl_fail(ctx, MTL_ERR_UNSUPPORTED, "opencl:%d: this machine has %s%d", index,
                        (*cl)->count > 1 ? "opencl:1 to opencl:" : "only opencl:", (*cl)->count);
    return MTL_OK;
}

mtl_status mtl_cl_device_describe(mtl_context *ctx, int index, mtl_device_info *out)
{
    mtl_cl_library *cl;
    cl_ulong memory = 0;
    cl_device_type type = 0;
    MTL_TRY(library_with(ctx, index, &cl));
    *out = (mtl_device_info){0};
    cl->clGetDeviceInfo(cl->device[index - 1], CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
    cl->clGetDeviceInfo(cl->device[index - 1], CL_DEVICE_TYPE, sizeof type, &type, NULL);
    out->memory = (size_t)memory;
    out->gpu = type & CL_DEVICE_TYPE_GPU;
    device_text(cl, index - 1, CL_DEVICE_NAME, out->name, sizeof out->name);
    device_text(cl, index - 1, CL_DEVICE_VERSION, out->version, sizeof out->version);
    device_text(cl, index - 1, CL_DRIVER_VERSION, out->driver, sizeof out->driver);
    platform_text(cl, index - 1, CL_PLATFORM_NAME, out->platform, sizeof out->platform);
    return MTL_OK;
}

/* The device's name, and what of its memory may be taken. */
static mtl_status limit(mtl_cl_device *d, int index, const mtl_device_info *info)
{
    const char *text = getenv("MTL_OPENCL_MEMORY");
    char *end = NULL, part[80] = "";
    if (text && *text) {
        unsigned long long mib = strtoull(text, &end, 10);
        if (*end || *text < '0' || *text > '9' || mib == 0 || mib > SIZE_MAX >> 21)
            return mtl_fail(d->device.ctx, MTL_ERR_ARG, "MTL_OPENCL_MEMORY is '%s', which should be MiB: 1 or more",
                            text);
        d->allowed = (size_t)mib << 20;
        snprintf(part, sizeof part, ", of which MTL_OPENCL_MEMORY allows %llu MiB", mib);
    }
    snprintf(d->name, sizeof d->name, "opencl:%d (%.100s, %zu MiB%s)", index, info->name, info->memory >> 20, part);
    return MTL_OK;
}

static mtl_status open_queue(mtl_cl_device *d, int index)
{
    mtl_cl_library *cl = d->cl;
    cl_int error;
    cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)cl->platform[index - 1], 0};
    char extensions[8192] = "", version[128];
    mtl_device_info info;
    cl_uint units = 1;
    MTL_TRY(mtl_cl_device_describe(d->device.ctx, index, &info));
    platform_text(cl, index - 1, CL_PLATFORM_VERSION, version, sizeof version);
    MTL_TRY(limit(d, index, &info));
    snprintf(d->identity, sizeof d->identity, "%s\n%s\n%s\n%s\n", info.name, info.driver, info.version, version);
    cl->clGetDeviceInfo(d->id, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, NULL);
    cl->clGetDeviceInfo(d->id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    /* To compare, and for tests: "gpu", "cpu": whose kernels it takes; "gpu,single": as if it had no doubles. */
    const char *kind = getenv("MTL_OPENCL_KERNELS");
    d->cpu = kind ? !strstr(kind, "gpu") : !info.gpu;
    d->units = (int)units;
    d->fp64 = strstr(extensions, "cl_khr_fp64") && !(kind && strstr(kind, "single"));
    d->context = cl->clCreateContext(properties, 1, &d->id, NULL, NULL, &error);
    MTL_TRY(mtl_cl_check(d, error, "open"));
    d->queue = cl->clCreateCommandQueue(d->context, d->id, 0, &error);
    MTL_TRY(mtl_cl_check(d, error, "open"));
    if (d->cpu) /* copies are the CPU's own work there */
        return MTL_OK;
    d->uploads = cl->clCreateCommandQueue(d->context, d->id, 0, &error);
    return mtl_cl_check(d, error, "open");
}

mtl_status mtl_cl_device_new(mtl_context *ctx, int index, mtl_device **out)
{
    mtl_cl_library *cl;
    MTL_TRY(library_with(ctx, index, &cl));
    mtl_cl_device *d = calloc(1, sizeof *d);
    mtl_pool *pool = mtl_pool_new();
    if (!d || !pool) {
        free(d);
        free(pool);
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    }
    d->cl = cl;
    d->id = cl->device[index - 1];
    d->table = (mtl_backend){
        .name = d->name,
        .alloc = cl_alloc,
        .free = cl_free,
        .write = cl_write,
        .read = cl_read,
        .copy = cl_copy,
        .fill = cl_fill,
        .shutdown = cl_shutdown,
#define MTL_CL_KERNEL(name) .name = mtl_cl_##name,
#include "opencl/kernels.def"
#undef MTL_CL_KERNEL
    };
    d->device = (mtl_device){.ctx = ctx, .kernels = &d->table, .pool = pool, .index = index};
    mtl_status status = open_queue(d, index);
    if (status == MTL_OK)
        *out = &d->device;
    else
        mtl_device_free(&d->device);
    return status;
}

bool mtl_cl_is_cpu(const mtl_tensor *on)
{
    return mtl_cl_device_of(on)->cpu;
}

bool mtl_cl_has_fp64(const mtl_tensor *on)
{
    return mtl_cl_device_of(on)->fp64;
}

size_t mtl_cl_group(const mtl_tensor *on, int64_t n)
{
    enum { CPU_GROUP = 1024 };
    return mtl_cl_is_cpu(on) && n >= 16 * CPU_GROUP ? CPU_GROUP : MTL_CL_GROUP;
}

int mtl_cl_units(const mtl_tensor *on)
{
    return mtl_cl_device_of(on)->units;
}

/* Programs and their launch. A program is built once for each file and options; its kernels are kept by name. */
#include "opencl/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl/binary.h"

/* Some drivers hold kernels back until they are told or waited for. */
enum { KERNEL_BINS = 256, FLUSH_AFTER = 16 };

typedef struct kernel {
    struct kernel *next;
    const char *file, *name; /* literals of the callers */
    char *options;
    cl_kernel kernel;
} kernel;

typedef struct built {
    struct built *next;
    const char *file;
    char *options;
    cl_program program;
} built;

struct mtl_cl_program {
    built *first;
    kernel *bins[KERNEL_BINS];
};

static const char *source_of(const char *file)
{
    for (const mtl_cl_source *s = mtl_cl_sources; s->name; s++) {
        if (strcmp(s->name, file) == 0)
            return s->text;
    }
    return NULL;
}

/* The message ends with the first lines of the compiler's log. */
static mtl_status build_failed(mtl_cl_device *d, cl_program program, cl_int error, const char *file)
{
    char *log = NULL;
    size_t size = 0;
    if (d->cl->clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS && size > 1)
        log = calloc(1, size + 1);
    if (log)
        d->cl->clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    mtl_status status = mtl_fail(d->device.ctx, MTL_ERR_DEVICE, "%s: kernels/%s.cl: %s: %.700s", d->name, file,
                                 mtl_cl_error_text(error), log ? log : "");
    free(log);
    return status;
}

static mtl_status build(mtl_cl_device *d, const char *file, const char *options, cl_program *out)
{
    const char *common = source_of("common"), *text = source_of(file);
    mtl_context *ctx = d->device.ctx;
    cl_int error;
    if (!common || !text)
        return mtl_fail(ctx, MTL_ERR_UNSUPPORTED, "%s: kernels/%s.cl is not in this build", d->name, file);
    char all[512]; /* -w: NVIDIA's compiler counts its warnings on the program's stderr */
    snprintf(all, sizeof all, "-cl-std=CL1.2 -w%s%s %s", d->fp64 ? " -DMTL_FP64" : "", d->cpu ? " -DMTL_CPU" : "",
             options);
    cl_program program = mtl_cl_binary_load(d, all, common, text);
    if (program) {
        *out = program;
        return MTL_OK;
    }
    if (!d->building && ctx->building)
        ctx->building(d->name);
    d->building = true;
    program = d->cl->clCreateProgramWithSource(d->context, 2, (const char *[]){common, text}, NULL, &error);
    MTL_TRY(mtl_cl_check(d, error, file));
    error = d->cl->clBuildProgram(program, 1, &d->id, all, NULL, NULL);
    if (error != CL_SUCCESS) {
        mtl_status status = build_failed(d, program, error, file);
        d->cl->clReleaseProgram(program);
        return status;
    }
    mtl_cl_binary_save(d, all, common, text, program);
    *out = program;
    return MTL_OK;
}

static mtl_status program_of(mtl_cl_device *d, const char *file, const char *options, cl_program *out)
{
    mtl_cl_program *all = d->programs;
    for (built *b = all->first; b; b = b->next) {
        if (strcmp(b->file, file) == 0 && strcmp(b->options, options) == 0) {
            *out = b->program;
            return MTL_OK;
        }
    }
    cl_program program = NULL;
    MTL_TRY(build(d, file, options, &program));
    built *b = calloc(1, sizeof *b);
    char *kept = strdup(options);
    if (!b || !kept) {
        free(b);
        free(kept);
        d->cl->clReleaseProgram(program);
        return mtl_fail(d->device.ctx, MTL_ERR_MEMORY, "no host memory left");
    }
    *b = (built){all->first, file, kept, program};
    all->first = b;
    *out = program;
    return MTL_OK;
}

static uint32_t hash_of(const char *text, uint32_t hash)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x01000193u;
    return hash;
}

static mtl_status kernel_of(mtl_cl_device *d, const char *file, const char *name, const char *options, cl_kernel *out)
{
    if (!d->programs && !(d->programs = calloc(1, sizeof *d->programs)))
        return mtl_fail(d->device.ctx, MTL_ERR_MEMORY, "no host memory left");
    kernel **bin = &d->programs->bins[hash_of(options, hash_of(name, hash_of(file, 0x811c9dc5u))) % KERNEL_BINS];
    for (kernel *k = *bin; k; k = k->next) {
        if (strcmp(k->name, name) == 0 && strcmp(k->file, file) == 0 && strcmp(k->options, options) == 0) {
            *out = k->kernel;
            return MTL_OK;
        }
    }
    cl_program program = NULL;
    cl_int error;
    MTL_TRY(program_of(d, file, options, &program));
    kernel *k = calloc(1, sizeof *k);
    char *kept = strdup(options);
    cl_kernel made = k && kept ? d->cl->clCreateKernel(program, name, &error) : NULL;
    if (!made) {
        mtl_status status =
            k && kept ? mtl_cl_check(d, error, name) : mtl_fail(d->device.ctx, MTL_ERR_MEMORY, "no host memory left");
        free(k);
        free(kept);
        return status;
    }
    *k = (kernel){*bin, file, name, kept, made};
    *bin = k;
    *out = made;
    return MTL_OK;
}

static cl_int set_arguments(mtl_cl_device *d, cl_kernel kernel, int n, const mtl_cl_arg *args)
{
    cl_uint at = 0;
    cl_int error = CL_SUCCESS;
    for (int i = 0; i < n && error == CL_SUCCESS; i++) {
        const mtl_cl_arg *a = &args[i];
        if (a->kind == MTL_CL_ARG_BUFFER) {
            const mtl_tensor *t = a->as.tensor;
            cl_mem memory = t ? mtl_cl_memory(t) : NULL;
            cl_long from = t ? (cl_long)(t->offset / mtl_dtype_size(t->dtype)) : 0;
            error = d->cl->clSetKernelArg(kernel, at++, sizeof memory, t ? &memory : NULL);
            if (error == CL_SUCCESS)
                error = d->cl->clSetKernelArg(kernel, at++, sizeof from, &from);
        } else if (a->kind == MTL_CL_ARG_LOCAL) {
            error = d->cl->clSetKernelArg(kernel, at++, a->size, NULL);
        } else {
            error = d->cl->clSetKernelArg(kernel, at++, a->size, a->size > sizeof a->as ? a->as.bytes : &a->as);
        }
    }
    return error;
}

mtl_status mtl_cl_run(const mtl_tensor *on, const char *file, const char *name, const char *options, int dims,
                      const size_t *global, const size_t *local, int n_args, const mtl_cl_arg *args)
{
    mtl_cl_device *d = mtl_cl_device_of(on);
    size_t rounded[3] = {1, 1, 1};
    cl_kernel kernel = NULL;
    for (int i = 0; i < dims; i++) {
        if (global[i] == 0)
            return MTL_OK;
        rounded[i] = local ? (global[i] + local[i] - 1) / local[i] * local[i] : global[i];
    }
    MTL_TRY(kernel_of(d, file, name, options, &kernel));
    MTL_TRY(mtl_cl_check(d, set_arguments(d, kernel, n_args, args), name));
    MTL_TRY(mtl_cl_check(
        d, d->cl->clEnqueueNDRangeKernel(d->queue, kernel, (cl_uint)dims, NULL, rounded, local, 0, NULL, NULL), name));
    if (++d->unflushed < FLUSH_AFTER)
        return MTL_OK;
    d->unflushed = 0;
    return mtl_cl_check(d, d->cl->clFlush(d->queue), name);
}

void mtl_cl_programs_free(mtl_cl_device *d)
{
    if (!d->programs)
        return;
    for (int i = 0; i < KERNEL_BINS; i++) {
        for (kernel *k = d->programs->bins[i], *next; k; k = next) {
            next = k->next;
            d->cl->clReleaseKernel(k->kernel);
            free(k->options);
            free(k);
        }
    }
    for (built *b = d->programs->first, *next; b; b = next) {
        next = b->next;
        d->cl->clReleaseProgram(b->program);
        free(b->options);
        free(b);
    }
    free(d->programs);
    d->programs = NULL;
}

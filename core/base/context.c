/* The context: made once, owns the devices and the last message. */
#include "base/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "tensor/backend.h"
#include "tensor/pool.h"

enum { MOST_THREADS = 1024 };

mtl_status mtl_context_new(int threads, mtl_context **out)
{
    mtl_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return MTL_ERR_MEMORY;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    ctx->threads = threads > 0 ? threads : cores > 0 ? (int)cores : 1;
    ctx->threads = ctx->threads > MOST_THREADS ? MOST_THREADS : ctx->threads;
    ctx->recording = true;
    mtl_status status = mtl_cpu_device_new(ctx, &ctx->devices[0]);
    if (status != MTL_OK) {
        free(ctx);
        return status;
    }
    *out = ctx;
    return MTL_OK;
}

void mtl_context_free(mtl_context *ctx)
{
    if (!ctx)
        return;
    for (int i = 0; i < MTL_MAX_DEVICES; i++)
        mtl_device_free(ctx->devices[i]);
    free(ctx->opencl);
    free(ctx);
}

const char *mtl_message(const mtl_context *ctx)
{
    return ctx->message;
}

mtl_status mtl_fail(mtl_context *ctx, mtl_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(ctx->message, sizeof ctx->message, format, args);
    va_end(args);
    return status;
}

mtl_status mtl_fail_in(mtl_context *ctx, mtl_status status, const char *where)
{
    char inner[sizeof ctx->message];
    memcpy(inner, ctx->message, sizeof inner);
    int used = snprintf(ctx->message, sizeof ctx->message, "%s: ", where);
    if (used >= 0 && (size_t)used < sizeof ctx->message)
        strncat(ctx->message, inner, sizeof ctx->message - (size_t)used - 1);
    return status;
}

int mtl_threads(const mtl_context *ctx)
{
    return ctx->threads;
}

mtl_status mtl_set_threads(mtl_context *ctx, int threads)
{
    if (threads < 1 || threads > MOST_THREADS)
        return mtl_fail(ctx, MTL_ERR_ARG, "threads: %d, which should be 1 to %d", threads, MOST_THREADS);
    ctx->threads = threads;
    return MTL_OK;
}

void mtl_set_memory_limit(mtl_context *ctx, size_t bytes)
{
    ctx->memory_limit = bytes;
}

void mtl_count_memory(mtl_context *ctx, const size_t *bytes)
{
    ctx->others = bytes;
}

void mtl_trim_memory(mtl_context *ctx)
{
    for (int i = 0; i < MTL_MAX_DEVICES; i++) {
        if (ctx->devices[i])
            mtl_pool_trim(ctx->devices[i]);
    }
}

mtl_memory mtl_memory_use(const mtl_context *ctx)
{
    return ctx->memory;
}

const char *mtl_cpu_isa(const mtl_context *ctx)
{
    return ctx->isa;
}

bool mtl_mul_overflows(int64_t a, int64_t b, int64_t *product)
{
    return __builtin_mul_overflow(a, b, product);
}

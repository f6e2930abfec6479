/* The CPU device: memory, and the choice of the kernels' instruction set. */
#include "cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

#include <cblas.h>
#include <sys/mman.h>

#include "tensor/pool.h"

/* From this size on, memory is asked for in huge pages: kernels walk over many channels at once, each on pages of its
   own, more than the TLB holds of small ones. */
#define HUGE ((size_t)2 * 1024 * 1024)

static void *cpu_alloc(mtl_device *device, size_t bytes)
{
    (void)device;
    void *data = NULL;
    if (posix_memalign(&data, bytes < HUGE ? 64 : HUGE, bytes)) /* aligned_alloc wants multiples of it */
        return NULL;
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE)
        madvise(data, bytes & ~(HUGE - 1), MADV_HUGEPAGE);
#endif
    return data;
}

static void cpu_free(mtl_device *device, void *data)
{
    (void)device;
    free(data);
}

static mtl_status cpu_write(mtl_tensor *t, const void *host)
{
    memcpy(mtl_u8(t), host, mtl_tensor_bytes(t));
    return MTL_OK;
}

static mtl_status cpu_read(const mtl_tensor *t, void *host)
{
    memcpy(host, mtl_u8(t), mtl_tensor_bytes(t));
    return MTL_OK;
}

static mtl_status cpu_copy(mtl_tensor *dst, const mtl_tensor *src)
{
    memmove(mtl_u8(dst), mtl_u8(src), mtl_tensor_bytes(dst));
    return MTL_OK;
}

static mtl_status cpu_fill(mtl_tensor *t, double value)
{
    if (t->dtype == MTL_U8) {
        memset(mtl_u8(t), (uint8_t)value, (size_t)t->count);
    } else if (value == 0.0) {
        memset(mtl_u8(t), 0, mtl_tensor_bytes(t));
    } else if (t->dtype == MTL_I32) {
        for (int64_t i = 0; i < t->count; i++)
            mtl_i32(t)[i] = (int32_t)value;
    } else {
        for (int64_t i = 0; i < t->count; i++)
            mtl_f32(t)[i] = (float)value;
    }
    return MTL_OK;
}

static void cpu_shutdown(mtl_device *device)
{
    (void)device;
}

#define FILL(name, isa)     mtl_cpu_##name##_##isa(table);
#define FILL_BASELINE(name) FILL(name, baseline)
#define FILL_V3(name)       FILL(name, v3)
#define FILL_V4(name)       FILL(name, v4)

static const char *choose(mtl_backend *table)
{
#if defined(MTL_CPU_X86)
    const char *cap = getenv("MTL_ISA"); /* "baseline", "x86-64-v3": to compare, or to get another machine's bits */
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (cap && strcmp(cap, "x86-64-v4") != 0)
        v4 = false;
    if (cap && strcmp(cap, "baseline") == 0)
        v3 = false;
    if (v4) {
        MTL_CPU_FILES(FILL_V4)
        return "x86-64-v4";
    }
    if (v3) {
        MTL_CPU_FILES(FILL_V3)
        return "x86-64-v3";
    }
#endif
    MTL_CPU_FILES(FILL_BASELINE)
    return "baseline";
}

/* The table is the device's own: contexts of several threads share nothing. */
typedef struct {
    mtl_device device; /* first: freed as it */
    mtl_backend table;
} cpu_device;

mtl_status mtl_cpu_device_new(mtl_context *ctx, mtl_device **out)
{
    cpu_device *cpu = calloc(1, sizeof *cpu);
    mtl_pool *pool = mtl_pool_new();
    if (!cpu || !pool) {
        free(cpu);
        free(pool);
        return MTL_ERR_MEMORY;
    }
    cpu->table = (mtl_backend){.name = "cpu",
                               .alloc = cpu_alloc,
                               .free = cpu_free,
                               .write = cpu_write,
                               .read = cpu_read,
                               .copy = cpu_copy,
                               .fill = cpu_fill,
                               .shutdown = cpu_shutdown};
    ctx->isa = choose(&cpu->table);
    openblas_set_num_threads(1); /* mtl splits the work, and is the only one with threads */
    cpu->device = (mtl_device){.ctx = ctx, .kernels = &cpu->table, .pool = pool};
    *out = &cpu->device;
    return MTL_OK;
}

const char *mtl_blas_name(void)
{
    return openblas_get_config();
}

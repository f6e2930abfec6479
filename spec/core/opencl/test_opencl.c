/* The OpenCL backend beside the CPU's, where the operators' own cases do not reach: large shapes, kernels without an
   operator, the disk cache, errors. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mtl/mtl.h"
#include "tensor/backend.h"
#include "test.h"

static char cache[64]; /* a folder of this test's own */

/* With device 1, or NULL where this machine has none (a failure where one is required). */
static mtl_context *context(void)
{
    mtl_context *ctx = NULL;
    int count;
    const char *required = getenv("MTL_TEST_OPENCL");
    if (!CHECK(mtl_context_new(2, &ctx) == MTL_OK))
        return NULL;
    if (mtl_device_count(ctx, &count) == MTL_OK && count > 1)
        return ctx;
    CHECK(!required || strcmp(required, "required") != 0);
    mtl_context_free(ctx);
    return NULL;
}

static mtl_tensor *random_on(mtl_context *ctx, int device, uint64_t stream, int64_t n)
{
    mtl_tensor *t = NULL;
    CHECK(mtl_tensor_new_on(ctx, device, MTL_F32, 1, &n, &t) == MTL_OK);
    CHECK(mtl_random_uniform(t, 3, stream, 0, -1, 1) == MTL_OK);
    return t;
}

static mtl_tensor *floats(mtl_context *ctx, int device, int64_t n)
{
    mtl_tensor *t = NULL;
    CHECK(mtl_tensor_new_on(ctx, device, MTL_F32, 1, &n, &t) == MTL_OK && mtl_tensor_fill(t, 0) == MTL_OK);
    return t;
}

static mtl_tensor *integers(mtl_context *ctx, int device, int64_t n, int64_t below)
{
    mtl_tensor *host = NULL, *t = NULL;
    CHECK(mtl_tensor_new(ctx, MTL_I32, 1, &n, &host) == MTL_OK);
    for (int64_t i = 0; i < n; i++) {
        uint32_t w[4];
        mtl_philox(5, 1, (uint64_t)i, w);
        mtl_i32(host)[i] = (int32_t)(w[0] % (uint32_t)below);
    }
    CHECK(mtl_tensor_to(host, device, &t) == MTL_OK);
    mtl_tensor_release(host);
    return t;
}

/* Both as floats or both as integers; within tolerance (1 + |it|). */
static bool agree(mtl_tensor *cpu, mtl_tensor *other, double tolerance, const char *what)
{
    mtl_tensor *host = NULL;
    bool good = CHECK(mtl_tensor_to(other, 0, &host) == MTL_OK && host->count == cpu->count);
    for (int64_t i = 0; good && i < cpu->count; i++) {
        double a = cpu->dtype == MTL_F32 ? (double)mtl_f32(cpu)[i] : (double)mtl_i32(cpu)[i];
        double b = cpu->dtype == MTL_F32 ? (double)mtl_f32(host)[i] : (double)mtl_i32(host)[i];
        good = fabs(a - b) <= tolerance * (1 + fabs(a));
        if (!good)
            printf("  %s: element %lld is %.9g on the CPU and %.9g on OpenCL\n", what, (long long)i, a, b);
    }
    CHECK(good);
    mtl_tensor_release(host);
    return good;
}

enum { NUMBERS = 80 }; /* at most, of a run */

typedef void two_tensors(mtl_context *ctx, int device, mtl_tensor **result, double *numbers);

/* Runs it on both devices, and twice on OpenCL: the same bits. */
static void compare(two_tensors *run, double tolerance, const char *what)
{
    mtl_context *ctx = context();
    if (!ctx)
        return;
    mtl_tensor *cpu[4] = {0}, *cl[4] = {0}, *again[4] = {0};
    double want[NUMBERS] = {0}, got[NUMBERS] = {0}, got_again[NUMBERS] = {0};
    run(ctx, 0, cpu, want);
    run(ctx, 1, cl, got);
    run(ctx, 1, again, got_again);
    for (int i = 0; i < NUMBERS; i++)
        CHECK_NEAR(got[i], want[i], 1e-6 * (1 + fabs(want[i])));
    CHECK(memcmp(got, got_again, sizeof got) == 0);
    for (int i = 0; i < 4 && cpu[i]; i++) {
        agree(cpu[i], cl[i], tolerance, what);
        mtl_tensor *first = NULL;
        CHECK(mtl_tensor_to(cl[i], 0, &first) == MTL_OK);
        agree(first, again[i], 0, what);
        mtl_tensor_release(first);
    }
    for (int i = 0; i < 4; i++) {
        mtl_tensor_release(cpu[i]);
        mtl_tensor_release(cl[i]);
        mtl_tensor_release(again[i]);
    }
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

/* On the device as it is, as a GPU, and without doubles. */
static void compare_all(two_tensors *run, double tolerance, const char *what)
{
    static const char *const as[] = {"cpu", "gpu", "gpu,single"};
    for (int i = 0; i < 3; i++) {
        char text[64];
        setenv("MTL_OPENCL_KERNELS", as[i], 1);
        snprintf(text, sizeof text, "%s (as '%s')", what, as[i]);
        compare(run, tolerance, text);
    }
    unsetenv("MTL_OPENCL_KERNELS");
}

static const int64_t folds[][3] = {{1, 100000, 1}, {7, 3000, 1},  {1, 4097, 33},
                                   {5, 129, 300},  {3000, 10, 1}, {2, 1, 5}};

static void run_reductions(mtl_context *ctx, int device, mtl_tensor **result, double *numbers)
{
    (void)numbers;
    int64_t total = 0, at[2] = {0, 0};
    for (size_t i = 0; i < sizeof folds / sizeof *folds; i++)
        total += folds[i][0] * folds[i][2];
    result[0] = floats(ctx, device, 4 * total);
    CHECK(mtl_tensor_new_on(ctx, device, MTL_I32, 1, (int64_t[]){2 * total}, &result[1]) == MTL_OK);
    for (size_t i = 0; i < sizeof folds / sizeof *folds; i++) {
        const int64_t *f = folds[i];
        int64_t n = f[0] * f[2];
        mtl_tensor *x = random_on(ctx, device, i, n * f[1]), *y = NULL;
        for (int kind = MTL_REDUCE_SUM; kind <= MTL_REDUCE_ARGMIN; kind++) {
            int place = kind >= MTL_REDUCE_ARGMAX;
            CHECK(mtl_tensor_alias(result[place], 1, &n, at[place], &y) == MTL_OK);
            CHECK(mtl_kernels(x)->reduce(kind, f[0], f[1], f[2], x, y) == MTL_OK);
            mtl_tensor_release(y);
            at[place] += n;
        }
        mtl_tensor_release(x);
    }
}

static void reductions(void)
{
    compare_all(run_reductions, 1e-5, "reduce");
}

static void run_products(mtl_context *ctx, int device, mtl_tensor **result, double *numbers)
{
    (void)result;
    int64_t sizes[][2] = {{2, 50001}, {3, 7000}, {5, 999}}, one[] = {1, 140000};
    mtl_tensor *flat = random_on(ctx, device, 9, 140000), *row = NULL;
    CHECK(mtl_tensor_alias(flat, 2, one, 0, &row) == MTL_OK);
    CHECK(mtl_kernels(row)->gram(row, row, 17, 69000, numbers++) == MTL_OK);
    mtl_tensor_release(row);
    for (int i = 0; i < 3; i++) {
        mtl_tensor *x = NULL, *y = NULL;
        CHECK(mtl_tensor_alias(flat, 2, (int64_t[]){sizes[i][0], sizes[i][1] / sizes[i][0]}, 0, &x) == MTL_OK);
        CHECK(mtl_kernels(x)->gram(x, x, 11, x->shape[1] - 20, numbers) == MTL_OK);
        numbers += sizes[i][0] * sizes[i][0];
        CHECK(mtl_tensor_alias(flat, 2, (int64_t[]){sizes[2 - i][0], x->shape[1]}, 7, &y) == MTL_OK);
        CHECK(mtl_kernels(x)->gram(x, y, 3, x->shape[1] - 20, numbers) == MTL_OK);
        numbers += sizes[i][0] * sizes[2 - i][0];
        mtl_tensor_release(x);
        mtl_tensor_release(y);
    }
    mtl_tensor_release(flat);
}

static void inner_products(void)
{
    compare_all(run_products, 0, "gram");
}

static void run_sort(mtl_context *ctx, int device, mtl_tensor **result, double *numbers)
{
    (void)numbers;
    static const int64_t sizes[][3] = {{1, 5000, 1}, {6, 256, 1}, {3, 300, 7}};
    result[0] = floats(ctx, device, 50000);
    CHECK(mtl_tensor_new_on(ctx, device, MTL_I32, 1, (int64_t[]){50000}, &result[1]) == MTL_OK);
    CHECK(mtl_tensor_fill(result[1], 0) == MTL_OK);
    int64_t at = 0;
    for (int i = 0; i < 6; i++) {
        const int64_t *f = sizes[i / 2];
        int64_t n = f[0] * f[1] * f[2];
        mtl_tensor *whole = integers(ctx, device, n, 100), *x = floats(ctx, device, n), *values, *indices;
        CHECK(mtl_kernels(x)->cast(whole, x) == MTL_OK); /* many are equal */
        CHECK(mtl_tensor_alias(result[0], 1, &n, at, &values) == MTL_OK);
        CHECK(mtl_tensor_alias(result[1], 1, &n, at, &indices) == MTL_OK);
        CHECK(mtl_kernels(x)->sort(i % 2, f[0], f[1], f[2], x, values, indices) == MTL_OK);
        at += n;
        mtl_tensor_release(whole);
        mtl_tensor_release(x);
        mtl_tensor_release(values);
        mtl_tensor_release(indices);
    }
}

static void sorts(void)
{
    compare_all(run_sort, 0, "sort");
}

static void run_moves(mtl_context *ctx, int device, mtl_tensor **result, double *numbers)
{
    (void)numbers;
    enum { OUTER = 3, N = 50, INDEX = 700, INNER = 9, M = 70, K = 45 };
    mtl_tensor *dy = random_on(ctx, device, 1, OUTER * INDEX * INNER), *index = integers(ctx, device, INDEX, N);
    mtl_tensor *each = integers(ctx, device, OUTER * INDEX * INNER, N), *x = random_on(ctx, device, 2, 4 * M * K);
    result[0] = floats(ctx, device, OUTER * N * INNER);
    result[1] = floats(ctx, device, OUTER * N * INNER);
    result[2] = floats(ctx, device, 4 * M * K);
    result[3] = floats(ctx, device, 10007);
    CHECK(mtl_kernels(dy)->take_grad(OUTER, N, INDEX, INNER, dy, index, result[0]) == MTL_OK);
    CHECK(mtl_kernels(dy)->gather_grad(1, OUTER, N, INDEX, INNER, dy, each, result[1]) == MTL_OK);
    /* y [4, M, K] of x [4, K, M] */
    mtl_broadcast turn = {.rank = 3, .shape = {4, M, K}, .stride = {{M * K, 1, M}, {M * K, K, 1}}};
    CHECK(mtl_kernels(x)->copy_strided(&turn, x, result[2]) == MTL_OK);
    CHECK(mtl_kernels(x)->dropout_mask(0.3, 77, 1234567890123, 1ull << 33, result[3]) == MTL_OK);
    mtl_tensor_release(dy);
    mtl_tensor_release(index);
    mtl_tensor_release(each);
    mtl_tensor_release(x);
}

static void moves(void)
{
    compare_all(run_moves, 1e-5, "moves");
}

static void run_optimizers(mtl_context *ctx, int device, mtl_tensor **result, double *numbers)
{
    (void)numbers;
    enum { N = 1000 };
    static const mtl_optim_step rules[] = {
        {.kind = MTL_OPTIM_SGD, .lr = 0.1, .weight_decay = 0.01},
        {.kind = MTL_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .dampening = 0.1},
        {.kind = MTL_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1},
        {.kind = MTL_OPTIM_ADAM, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1},
        {.kind = MTL_OPTIM_ADAMW, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1}};
    mtl_tensor *p = random_on(ctx, device, 1, 5 * N), *m = floats(ctx, device, 5 * N), *v = floats(ctx, device, 5 * N);
    mtl_tensor *squares = NULL;
    CHECK(mtl_tensor_like(p, MTL_I32, 1, (int64_t[]){2}, &squares) == MTL_OK);
    for (int step = 1; step <= 3; step++) {
        mtl_tensor *g = random_on(ctx, device, (uint64_t)step + 10, 5 * N);
        for (int i = 0; i < 5; i++) {
            mtl_optim_step o = rules[i];
            o.step = step;
            o.clip = i == 1 ? 0 : 4.0 + 20 * (i == 3); /* of a norm of about 18 */
            CHECK(mtl_kernels(g)->sum_squares(g, i * N + 3, 700, false, squares) == MTL_OK);
            CHECK(mtl_kernels(g)->sum_squares(g, i * N + 703, N - 705, true, squares) == MTL_OK);
            CHECK(mtl_kernels(p)->optimize(&o, i * N + 3, N - 5, squares, p, g, m, v) == MTL_OK);
        }
        if (step < 3) {
            mtl_tensor_release(g);
            continue;
        }
        CHECK(mtl_kernels(g)->clip(100, squares, g) == MTL_OK && mtl_kernels(g)->clip(0.25, squares, g) == MTL_OK);
        result[3] = g;
    }
    mtl_tensor_release(squares);
    result[0] = p;
    result[1] = m;
    result[2] = v;
}

static void optimizers(void)
{
    compare_all(run_optimizers, 1e-6, "optimize");
}

/* ---- the program cache ---- */

static int files(char *last, size_t size)
{
    char folder[128];
    int n = 0;
    snprintf(folder, sizeof folder, "%s/mtl/opencl", cache);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        snprintf(last, size, "%s/%.200s", folder, e->d_name);
    }
    if (d)
        closedir(d);
    return n;
}

static bool axpy_works(void)
{
    mtl_context *ctx = context();
    mtl_tensor *x = random_on(ctx, 1, 1, 100), *y = floats(ctx, 1, 100), *want = random_on(ctx, 0, 1, 100);
    bool good = CHECK(mtl_kernels(x)->axpy(1.0, x, y) == MTL_OK) && agree(want, y, 0, "axpy");
    mtl_tensor_release(x);
    mtl_tensor_release(y);
    mtl_tensor_release(want);
    mtl_context_free(ctx);
    return good;
}

static void damaged_programs_are_built_again(void)
{
    mtl_context *ctx = context();
    char path[512];
    if (!ctx)
        return;
    mtl_context_free(ctx);
    setenv("XDG_CACHE_HOME", cache, 1);
    MUST(axpy_works() && files(path, sizeof path) == 1);
    struct stat whole, now;
    MUST(stat(path, &whole) == 0);
    MUST(axpy_works() && stat(path, &now) == 0 && now.st_ino == whole.st_ino); /* believed */
    for (long cut = 0; cut < 4; cut++) { /* cut within the header, the key, the binary; then one byte is changed */
        const long keep[] = {10, 200, (long)whole.st_size - 7};
        FILE *file = fopen(path, "r+b");
        MUST(file);
        if (cut < 3) {
            CHECK(ftruncate(fileno(file), keep[cut]) == 0);
        } else {
            CHECK(fseek(file, -100, SEEK_END) == 0);
            int c = fgetc(file);
            CHECK(fseek(file, -100, SEEK_END) == 0 && fputc(c ^ 1, file) != EOF);
        }
        fclose(file);
        MUST(stat(path, &whole) == 0 && axpy_works());
        CHECK(files(path, sizeof path) == 1 && stat(path, &now) == 0 && now.st_ino != whole.st_ino);
        whole = now;
    }
}

static void a_folder_that_cannot_be_made(void)
{
    mtl_context *ctx = context();
    if (!ctx)
        return;
    mtl_context_free(ctx);
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    CHECK(axpy_works());
}

/* ---- errors ---- */

static void messages(void)
{
    mtl_context *ctx = context();
    mtl_tensor *t = NULL, *small = NULL;
    int device, count;
    char text[64];
    if (!ctx)
        return;
    CHECK(mtl_device_count(ctx, &count) == MTL_OK);
    CHECK(mtl_device_find(ctx, "cpu", &device) == MTL_OK && device == 0);
    CHECK(mtl_device_find(ctx, "opencl", &device) == MTL_OK && device == 1);
    CHECK(mtl_device_find(ctx, "opencl:1", &device) == MTL_OK && device == 1);
    CHECK(mtl_device_find(ctx, "opencl:0", &device) == MTL_ERR_ARG);
    CHECK(mtl_device_find(ctx, "opencl:1x", &device) == MTL_ERR_ARG);
    CHECK(mtl_device_find(ctx, "cuda", &device) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "device 'cuda', which should be 'cpu', 'opencl' or 'opencl:N'");
    snprintf(text, sizeof text, "opencl:%d", count);
    CHECK(mtl_device_find(ctx, text, &device) == MTL_ERR_UNSUPPORTED);
    CHECK_CONTAINS(mtl_message(ctx), "this machine has");
    CHECK(mtl_tensor_new_on(ctx, 1, MTL_F32, 1, (int64_t[]){INT64_C(1) << 44}, &t) == MTL_ERR_MEMORY);
    CHECK_CONTAINS(mtl_message(ctx), "out of memory on opencl:1 (");
    CHECK_CONTAINS(mtl_message(ctx), "a tensor of 67108864.0 MiB");
    t = floats(ctx, 1, 4);
    small = floats(ctx, 0, 4);
    mtl_tensor *sum = NULL;
    CHECK(mtl_add(t, small, &sum) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "one tensor is on device 'opencl:1 (");
    CHECK(mtl_tensor_fill(t, 1e10) == MTL_OK && mtl_cast(t, MTL_I32, &sum) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "cast: element 0 is 1e+10, which int32 does not hold");
    mtl_tensor_release(t);
    mtl_tensor_release(small);
    mtl_context_free(ctx);
}

/* What is asked for again comes out of the pool, and many writes in a row arrive. */
static void memory_is_reused(void)
{
    mtl_context *ctx = context();
    if (!ctx)
        return;
    uint64_t first = 0;
    for (int round = 0; round < 30; round++) {
        mtl_tensor *t = random_on(ctx, 1, (uint64_t)round, 5000), *want = random_on(ctx, 0, (uint64_t)round, 5000);
        agree(want, t, 0, "write");
        mtl_tensor_release(t);
        mtl_tensor_release(want);
        first = round == 0 ? mtl_memory_use(ctx).allocations : first;
    }
    CHECK(mtl_memory_use(ctx).allocations == first);
    mtl_context_free(ctx);
}

/* Writes that run ahead of kernels which still read what was written before, into memory that is given back and taken
   again: as a GPU, large ones by the second queue, small ones by the first. */
static void writes_keep_their_order(void)
{
    enum { ROUNDS = 200, LARGE = 100000, SMALL = 1000, READS = 6 };
    static float host[LARGE];
    mtl_context *ctx = context();
    if (!ctx)
        return;
    setenv("MTL_OPENCL_KERNELS", "gpu", 1); /* read by the first tensor, which opens the device */
    mtl_tensor *large = floats(ctx, 1, LARGE), *small = floats(ctx, 1, SMALL);
    unsetenv("MTL_OPENCL_KERNELS");
    double expected = 0;
    for (int i = 1; i <= ROUNDS; i++) {
        for (int which = 0; which < 2; which++) {
            mtl_tensor *x = NULL, *sum = which ? small : large;
            int64_t n = sum->count;
            CHECK(mtl_tensor_new_on(ctx, 1, MTL_F32, 1, &n, &x) == MTL_OK);
            for (int again = 1; again >= 0; again--) { /* the second write is the one that counts */
                for (int64_t k = 0; k < n; k++)
                    host[k] = (float)(i + 1000 * again);
                CHECK(mtl_tensor_write(x, host) == MTL_OK);
            }
            for (int read = 0; read < READS; read++)
                CHECK(mtl_kernels(sum)->axpy(1, x, sum) == MTL_OK);
            mtl_tensor_release(x);
        }
        expected += READS * i;
    }
    for (int which = 0; which < 2; which++) {
        int64_t wrong = 0, n = which ? SMALL : LARGE;
        CHECK(mtl_tensor_read(which ? small : large, host) == MTL_OK);
        for (int64_t k = 0; k < n; k++)
            wrong += host[k] != (float)expected;
        if (!CHECK(wrong == 0))
            printf("  %lld of %lld sums are wrong\n", (long long)wrong, (long long)n);
    }
    mtl_tensor_release(large);
    mtl_tensor_release(small);
    mtl_context_free(ctx);
}

static int told;
static void tell(const char *device)
{
    told++;
    CHECK(strstr(device, "opencl:1 (") != NULL);
}

/* Once for a device, and not for kernels that are kept. */
static void building_is_told(void)
{
    char empty[80];
    snprintf(empty, sizeof empty, "%s/empty", cache);
    CHECK(mkdir(empty, 0700) == 0 && setenv("XDG_CACHE_HOME", empty, 1) == 0);
    for (int kept = 0; kept < 2; kept++) {
        mtl_context *ctx = context();
        if (!ctx)
            return;
        told = 0;
        mtl_device_on_build(ctx, tell);
        mtl_tensor *x = floats(ctx, 1, 100), *y = random_on(ctx, 1, 1, 100);
        CHECK(mtl_kernels(x)->axpy(1, y, x) == MTL_OK && mtl_kernels(x)->scale(2, x) == MTL_OK);
        CHECK(mtl_kernels(x)->reduce(MTL_REDUCE_SUM, 1, 100, 1, y, x) == MTL_OK);
        CHECK(told == !kept);
        mtl_tensor_release(x);
        mtl_tensor_release(y);
        mtl_context_free(ctx);
    }
}

int main(void)
{
    snprintf(cache, sizeof cache, "/tmp/mtl-opencl-XXXXXX");
    if (!mkdtemp(cache))
        return 1;
    RUN(reductions);
    RUN(inner_products);
    RUN(sorts);
    RUN(moves);
    RUN(optimizers);
    RUN(messages);
    RUN(memory_is_reused);
    RUN(writes_keep_their_order);
    /* PoCL compiles kernels at their launch, and keeps them in a folder of its own. */
    const char *home = getenv("HOME");
    char pocl[256];
    snprintf(pocl, sizeof pocl, "%s/.cache/pocl", home ? home : "/tmp");
    setenv("POCL_CACHE_DIR", pocl, 0);
    RUN(damaged_programs_are_built_again);
    RUN(building_is_told);
    RUN(a_folder_that_cannot_be_made);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", cache);
    return system(command) == 0 ? TEST_RESULT : 1;
}

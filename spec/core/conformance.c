/* The conformance test: see conformance.h. */
#include "conformance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 3, SEEDS = 2 };

int64_t case_count(const case_input *input)
{
    int64_t n = 1;
    for (int i = 0; i < input->rank; i++)
        n *= input->shape[i];
    return n;
}

static double unit(uint64_t seed, int stream, int64_t i)
{
    uint32_t w[4];
    mtl_philox(seed, (uint64_t)stream, (uint64_t)i, w);
    return (w[0] >> 8) * 0x1p-24;
}

static void draw(const case_input *input, uint64_t seed, int stream, double *out)
{
    int64_t n = case_count(input);
    int32_t *order = malloc((size_t)(n ? n : 1) * sizeof *order);
    mtl_random_permutation(n, seed, (uint64_t)stream + 100, 0, order);
    for (int64_t i = 0; i < n; i++) {
        double u = unit(seed, stream, i);
        if (input->classes > 0)
            out[i] = input->missing && i % 5 == 2 ? -1.0 : floor(u * (double)input->classes);
        else if (input->gap > 0) /* distinct multiples of gap, shuffled, signs mixed */
            out[i] = (double)(float)(((double)order[i] + 0.5) * input->gap * (order[i] % 2 ? -1.0 : 1.0));
        else
            out[i] = (double)(float)(input->low + (input->high - input->low) * u);
    }
    free(order);
}

static mtl_tensor *moved(mtl_tensor *t, int device)
{
    mtl_tensor *there = NULL;
    if (t && mtl_tensor_to(t, device, &there) != MTL_OK)
        printf("  to %d: %s\n", device, mtl_message(mtl_tensor_context(t)));
    mtl_tensor_release(t);
    return there;
}

static mtl_tensor *upload(mtl_context *ctx, int device, const case_input *input, const double *values)
{
    int64_t n = case_count(input);
    mtl_tensor *t = NULL;
    bool integer = input->classes > 0;
    if (mtl_tensor_new(ctx, integer ? MTL_I32 : MTL_F32, input->rank, input->shape, &t) != MTL_OK)
        return NULL;
    for (int64_t i = 0; i < n; i++) {
        if (integer)
            ((int32_t *)mtl_tensor_data(t))[i] = (int32_t)values[i];
        else
            ((float *)mtl_tensor_data(t))[i] = (float)values[i];
    }
    t = moved(t, device);
    if (t && !integer && !input->constant)
        mtl_tensor_require_grad(t, true);
    return t;
}

static bool differs(const conformance_case *c, const char *what, int64_t i, double got, double want, double scale,
                    double absolute, double relative)
{
    if (isnan(got) && isnan(want))
        return false;
    if (fabs(got - want) <= absolute + relative * scale)
        return false;
    printf("  %s: %s element %lld is %.9g, which should be %.9g\n", c->name, what, (long long)i, got, want);
    return true;
}

/* sum over the output of seed * reference, as a function of one element of one input, differentiated by central
   differences with Richardson's extrapolation. */
static void numeric(const conformance_case *c, double **in, int which, int64_t i, int rows, const double *seeds,
                    int64_t count, double *work, double *result)
{
    double kept = in[which][i], h = 1e-3 * fmax(1.0, fabs(kept));
    if (c->input[which].gap > 0)
        h = c->input[which].gap / 8;
    double d[MAX_ROWS][2];
    memset(d, 0, sizeof d);
    for (int level = 0; level < 2; level++) {
        double step = level ? h / 2 : h;
        for (int side = -1; side <= 1; side += 2) {
            in[which][i] = kept + side * step;
            c->reference(c, in, work, count);
            for (int r = 0; r < rows; r++) {
                for (int64_t j = 0; j < count; j++)
                    d[r][level] += side * seeds[r * count + j] * work[j] / (2 * step);
            }
        }
    }
    in[which][i] = kept;
    for (int r = 0; r < rows; r++)
        result[r] = (4 * d[r][1] - d[r][0]) / 3;
}

static bool check_gradients(mtl_context *ctx, int device, const conformance_case *c, double **in, int rows,
                            uint64_t seed)
{
    mtl_tensor *t[CASE_MAX_INPUTS] = {0}, *y = NULL, *s[MAX_ROWS] = {0};
    mtl_root roots[MAX_ROWS];
    double tolerance = c->tolerance > 0 ? c->tolerance : 1e-4;
    bool good = false;
    for (int i = 0; i < c->n_inputs; i++)
        t[i] = upload(ctx, device, &c->input[i], in[i]);
    if (c->apply(ctx, c->arg, t, &y) != MTL_OK) {
        printf("  %s: %s\n", c->name, mtl_message(ctx));
        goto done;
    }
    int64_t count = mtl_tensor_count(y);
    double *seeds = malloc((size_t)(rows * count + 1) * sizeof *seeds);
    double *work = malloc((size_t)(count + 1) * sizeof *work);
    for (int r = 0; r < rows; r++) {
        mtl_tensor_new(ctx, MTL_F32, mtl_tensor_rank(y), mtl_tensor_shape(y), &s[r]);
        for (int64_t j = 0; j < count; j++) {
            float v = (float)(2 * unit(seed + 7, 50 + r, j) - 1);
            ((float *)mtl_tensor_data(s[r]))[j] = v;
            seeds[r * count + j] = v;
        }
        s[r] = moved(s[r], device);
        roots[r] = (mtl_root){.value = y, .seed = s[r], .scale = 1.0, .row = r};
    }
    good = mtl_backward(ctx, rows, roots, rows) == MTL_OK;
    if (!good)
        printf("  %s: backward: %s\n", c->name, mtl_message(ctx));
    for (int k = 0; good && k < c->n_inputs; k++) {
        if (c->input[k].classes > 0 || c->input[k].constant)
            continue;
        int64_t n = case_count(&c->input[k]);
        mtl_tensor *grad = mtl_tensor_grad(t[k]) ? moved(mtl_tensor_retain(mtl_tensor_grad(t[k])), 0) : NULL;
        double largest = 1e-2;
        double *want = malloc((size_t)(n * rows + 1) * sizeof *want), each[MAX_ROWS];
        for (int64_t i = 0; i < n; i++) {
            numeric(c, in, k, i, rows, seeds, count, work, each);
            for (int r = 0; r < rows; r++) {
                want[r * n + i] = each[r];
                largest = fmax(largest, fabs(each[r]));
            }
        }
        char what[64];
        snprintf(what, sizeof what, "gradient of input %d (T = %d)", k + 1, rows);
        if (n > 0 && (!grad || mtl_tensor_count(grad) != n * rows)) {
            printf("  %s: %s is missing or of a wrong size\n", c->name, what);
            good = false;
        }
        for (int64_t i = 0; good && i < n * rows; i++)
            good = !differs(c, what, i, ((float *)mtl_tensor_data(grad))[i], want[i], largest, 0.0, tolerance);
        mtl_tensor_release(grad);
        free(want);
    }
    free(seeds);
    free(work);
done:
    for (int r = 0; r < MAX_ROWS; r++)
        mtl_tensor_release(s[r]);
    for (int i = 0; i < c->n_inputs; i++)
        mtl_tensor_release(t[i]);
    mtl_tensor_release(y);
    return good;
}

static bool check_output(mtl_context *ctx, int device, const conformance_case *c, double **in)
{
    mtl_tensor *t[CASE_MAX_INPUTS] = {0}, *y = NULL;
    double length = c->reduction > 0 ? (double)c->reduction : 1.0, largest = 0;
    bool good = false;
    for (int i = 0; i < c->n_inputs; i++)
        t[i] = upload(ctx, device, &c->input[i], in[i]);
    if (c->apply(ctx, c->arg, t, &y) != MTL_OK) {
        printf("  %s: %s\n", c->name, mtl_message(ctx));
    } else {
        int64_t n = mtl_tensor_count(y);
        double *want = calloc((size_t)n + 1, sizeof *want);
        y = moved(y, 0);
        good = y;
        c->reference(c, in, want, n);
        for (int64_t i = 0; i < n; i++)
            largest = fmax(largest, isfinite(want[i]) ? fabs(want[i]) : 0.0);
        for (int64_t i = 0; good && i < n; i++) {
            double got = mtl_tensor_dtype(y) == MTL_F32 ? (double)((float *)mtl_tensor_data(y))[i]
                                                        : (double)((int32_t *)mtl_tensor_data(y))[i];
            double scale = c->reduction > 1 ? fmax(fabs(want[i]), largest) : fabs(want[i]);
            good = !differs(c, "output", i, got, want[i], scale, 1e-6 * sqrt(length), 1e-5);
        }
        free(want);
    }
    for (int i = 0; i < c->n_inputs; i++)
        mtl_tensor_release(t[i]);
    mtl_tensor_release(y);
    return good;
}

static bool on_device(mtl_context *ctx, int device, const conformance_case *c)
{
    bool good = true;
    for (uint64_t seed = 1; good && seed <= SEEDS; seed++) {
        double *in[CASE_MAX_INPUTS] = {0};
        for (int i = 0; i < c->n_inputs; i++) {
            in[i] = malloc((size_t)(case_count(&c->input[i]) + 1) * sizeof **in);
            draw(&c->input[i], seed, i, in[i]);
        }
        good = check_output(ctx, device, c, in);
        if (good && !c->no_gradient)
            good = check_gradients(ctx, device, c, in, 1, seed) && check_gradients(ctx, device, c, in, 3, seed);
        for (int i = 0; i < c->n_inputs; i++)
            free(in[i]);
    }
    if (good && mtl_memory_use(ctx).bytes != 0) {
        printf("  %s: %zu bytes of tensors leaked\n", c->name, mtl_memory_use(ctx).bytes);
        good = false;
    }
    if (!good && device > 0)
        printf("  %s: on device %d\n", c->name, device);
    return good;
}

/* One for all cases: programs of OpenCL are built once. */
static mtl_context *shared;
static void free_shared(void)
{
    mtl_context_free(shared);
}

bool conformance(const conformance_case *c)
{
    static int devices = 1;
    const char *opencl = getenv("MTL_TEST_OPENCL");
    if (!shared) {
        if (mtl_context_new(2, &shared) != MTL_OK)
            return false;
        atexit(free_shared);
        bool none = opencl && strcmp(opencl, "none") == 0;
        mtl_status status = none ? MTL_OK : mtl_device_count(shared, &devices);
        if (status != MTL_OK && opencl && strcmp(opencl, "required") == 0) {
            printf("  MTL_TEST_OPENCL=required, but: %s\n", mtl_message(shared));
            devices = 0;
        }
    }
    bool good = devices > 0;
    for (int device = 0; device < devices; device++)
        good = on_device(shared, device, c) && good;
    return good;
}

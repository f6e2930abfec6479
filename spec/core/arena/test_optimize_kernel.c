/* The optimizers' kernel: PyTorch's formulas in double as the reference, PyTorch itself, and the same bits for any
   number of threads. */
#include <stdlib.h>

#include "fixture.h"
#include "mtl/mtl.h"
#include "tensor/backend.h"
#include "test.h"

enum { P, G, M, V, BUFFERS };

/* One step on n elements, plainly. */
static void reference(const mtl_optim_step *o, int64_t n, double *p, const double *grad, double *m, double *v)
{
    double norm = 0, scale = 1;
    for (int64_t i = 0; i < n; i++)
        norm += grad[i] * grad[i];
    norm = sqrt(norm);
    if (o->clip > 0 && norm > o->clip)
        scale = o->clip / (norm + 1e-6);
    for (int64_t i = 0; i < n; i++) {
        double g = grad[i] * scale;
        if (o->kind == MTL_OPTIM_ADAMW)
            p[i] -= o->lr * o->weight_decay * p[i];
        else
            g += o->weight_decay * p[i];
        if (o->kind != MTL_OPTIM_SGD) {
            m[i] = o->beta1 * m[i] + (1 - o->beta1) * g;
            v[i] = o->beta2 * v[i] + (1 - o->beta2) * g * g;
            double mean = m[i] / (1 - pow(o->beta1, (double)o->step));
            double square = v[i] / (1 - pow(o->beta2, (double)o->step));
            p[i] -= o->lr * mean / (sqrt(square) + o->eps);
        } else if (o->momentum != 0) {
            m[i] = o->step == 1 ? g : o->momentum * m[i] + (1 - o->dampening) * g;
            p[i] -= o->lr * (o->nesterov ? g + o->momentum * m[i] : m[i]);
        } else {
            p[i] -= o->lr * g;
        }
    }
}

/* Norms of what is drawn are about 32. */
static const mtl_optim_step cases[] = {
    {.kind = MTL_OPTIM_SGD, .lr = 0.1},
    {.kind = MTL_OPTIM_SGD, .lr = 0.1, .weight_decay = 0.01, .clip = 10},
    {.kind = MTL_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .dampening = 0.4, .weight_decay = 0.01},
    {.kind = MTL_OPTIM_SGD, .lr = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01, .clip = 0.5},
    {.kind = MTL_OPTIM_ADAM, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
    {.kind = MTL_OPTIM_ADAM, .lr = 0.01, .beta1 = 0.8, .beta2 = 0.9, .eps = 1e-3, .weight_decay = 0.1, .clip = 20},
    {.kind = MTL_OPTIM_ADAMW, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1, .clip = 1e6},
    {.kind = MTL_OPTIM_ADAM, .lr = 0.01, .beta1 = 0, .beta2 = 0, .eps = 1e-8},
};

/* Buffers of `count` elements: parameters and gradients drawn, moments 0. */
static bool make(mtl_context *ctx, int64_t count, mtl_tensor **t)
{
    for (int k = 0; k < BUFFERS; k++) {
        if (mtl_tensor_new(ctx, MTL_F32, 1, &count, &t[k]) != MTL_OK || mtl_tensor_fill(t[k], 0) != MTL_OK)
            return false;
    }
    return mtl_random_normal(t[P], 1, 2, 0, 0, 1) == MTL_OK && mtl_random_normal(t[G], 1, 3, 0, 0, 1) == MTL_OK;
}

static mtl_status step(const mtl_optim_step *o, int64_t offset, int64_t n, mtl_tensor **t)
{
    bool moment = o->kind != MTL_OPTIM_SGD || o->momentum != 0;
    mtl_tensor *squares = NULL;
    mtl_status status;
    if (o->clip > 0) { /* of two parts */
        MTL_TRY(mtl_tensor_like(t[G], MTL_I32, 1, (int64_t[]){2}, &squares));
        MTL_TRY_GOTO(MTL_KERNEL(t[G], sum_squares, t[G], offset, n / 3, false, squares));
        MTL_TRY_GOTO(MTL_KERNEL(t[G], sum_squares, t[G], offset + n / 3, n - n / 3, true, squares));
    }
    status = MTL_KERNEL(t[P], optimize, o, offset, n, squares, t[P], t[G], moment ? t[M] : NULL,
                        o->kind == MTL_OPTIM_SGD ? NULL : t[V]);
done:
    mtl_tensor_release(squares);
    return status;
}

static void it_is_the_formula(void)
{
    enum { OFFSET = 16, N = 1003, END = 32, COUNT = OFFSET + N + END, STEPS = 5 };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        mtl_context *ctx;
        mtl_tensor *t[BUFFERS] = {NULL};
        static double want[BUFFERS][COUNT], before[COUNT];
        MUST(mtl_context_new(2, &ctx) == MTL_OK && make(ctx, COUNT, t));
        for (int64_t i = 0; i < COUNT; i++) {
            want[P][i] = before[i] = mtl_f32(t[P])[i];
            want[M][i] = want[V][i] = 0;
        }
        for (int s = 1; s <= STEPS; s++) {
            mtl_optim_step o = cases[c];
            o.step = s;
            MUST(mtl_random_normal(t[G], 1, 3, (uint64_t)s << 32, 0, 1) == MTL_OK);
            mtl_f32(t[G])[OFFSET] = 0;
            for (int64_t i = 0; i < COUNT; i++)
                want[G][i] = mtl_f32(t[G])[i];
            MUST(step(&o, OFFSET, N, t) == MTL_OK);
            reference(&o, N, want[P] + OFFSET, want[G] + OFFSET, want[M] + OFFSET, want[V] + OFFSET);
        }
        for (int64_t i = 0; i < COUNT; i++) {
            bool inside = i >= OFFSET && i < OFFSET + N;
            CHECK_NEAR(mtl_f32(t[P])[i], inside ? want[P][i] : before[i], inside ? 2e-6 * (1 + fabs(want[P][i])) : 0);
            CHECK_NEAR(mtl_f32(t[M])[i], want[M][i], inside ? 2e-6 : 0);
            CHECK_NEAR(mtl_f32(t[V])[i], want[V][i], inside ? 4e-6 * (1 + want[V][i]) : 0);
        }
        for (int k = 0; k < BUFFERS; k++)
            mtl_tensor_release(t[k]);
        mtl_context_free(ctx);
    }
}

static double setting(const fixture *f, const char *key)
{
    double value = fixture_number(f, key);
    return isnan(value) ? 0 : value;
}

static void it_agrees_with_pytorch(void)
{
    fixture f;
    MUST(fixture_open(&f, "optimizers"));
    while (fixture_next(&f)) {
        const char *kind = fixture_text(&f, "op");
        mtl_optim_step o = {.lr = setting(&f, "lr"),
                            .momentum = setting(&f, "momentum"),
                            .dampening = setting(&f, "dampening"),
                            .nesterov = setting(&f, "nesterov") != 0,
                            .beta1 = fixture_item(&f, "betas", 0),
                            .beta2 = fixture_item(&f, "betas", 1),
                            .eps = setting(&f, "eps"),
                            .weight_decay = setting(&f, "weight_decay")};
        o.kind = strcmp(kind, "sgd") == 0    ? MTL_OPTIM_SGD
                 : strcmp(kind, "adam") == 0 ? MTL_OPTIM_ADAM
                                             : MTL_OPTIM_ADAMW;
        mtl_tensor *start = fixture_tensor(&f, "start"), *grads = fixture_tensor(&f, "grads");
        mtl_tensor *t[BUFFERS] = {NULL}, *steps = NULL;
        MUST(start && grads);
        int64_t n = mtl_tensor_count(start), count = mtl_tensor_count(grads) / n;
        MUST(make(f.ctx, n, t) && mtl_tensor_copy(t[P], start) == MTL_OK);
        MUST(mtl_tensor_new(f.ctx, MTL_F32, 2, mtl_tensor_shape(grads), &steps) == MTL_OK);
        for (int64_t s = 0; s < count; s++) {
            o.step = s + 1;
            memcpy(mtl_f32(t[G]), mtl_f32(grads) + s * n, (size_t)n * sizeof(float));
            MUST(step(&o, 0, n, t) == MTL_OK);
            memcpy(mtl_f32(steps) + s * n, mtl_f32(t[P]), (size_t)n * sizeof(float));
        }
        CHECK(fixture_equals(&f, "steps", steps, 2e-6));
        if (o.kind != MTL_OPTIM_SGD)
            CHECK(fixture_equals(&f, "exp_avg", t[M], 1e-6) && fixture_equals(&f, "exp_avg_sq", t[V], 1e-6));
        else if (o.momentum != 0)
            CHECK(fixture_equals(&f, "momentum_buffer", t[M], 2e-6));
        for (int k = 0; k < BUFFERS; k++)
            mtl_tensor_release(t[k]);
        mtl_tensor_release(start);
        mtl_tensor_release(grads);
        mtl_tensor_release(steps);
    }
    fixture_close(&f);
}

static void threads_change_nothing(void)
{
    enum { N = 100003 };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        static float kept[N];
        for (int threads = 1; threads <= 3; threads++) {
            mtl_context *ctx;
            mtl_tensor *t[BUFFERS] = {NULL};
            MUST(mtl_context_new(threads, &ctx) == MTL_OK && make(ctx, N, t));
            for (int s = 1; s <= 3; s++) {
                mtl_optim_step o = cases[c];
                o.step = s;
                MUST(step(&o, 0, N, t) == MTL_OK);
            }
            if (threads == 1)
                memcpy(kept, mtl_f32(t[P]), sizeof kept);
            CHECK(memcmp(kept, mtl_f32(t[P]), sizeof kept) == 0);
            for (int k = 0; k < BUFFERS; k++)
                mtl_tensor_release(t[k]);
            mtl_context_free(ctx);
        }
    }
}

int main(void)
{
    RUN(it_is_the_formula);
    RUN(it_agrees_with_pytorch);
    RUN(threads_change_nothing);
    return TEST_RESULT;
}

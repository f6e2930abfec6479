/* upsample, adaptive_avg_pool2d, pad: against their definitions, against PyTorch, the same bits for any number of
   threads, and their errors. */
#include <math.h>

#include "conformance.h"
#include "fixture.h"
#include "op/make.h"
#include "same_bits.h"
#include "test.h"

enum { NEAREST, BILINEAR, POOL, CONSTANT, REFLECT, REPLICATE };
enum { KIND, HEIGHT, WIDTH, LEFT = 1, RIGHT, TOP, BOTTOM }; /* places in arg */
#define VALUE 1.5

static mtl_status call(int kind, const double *arg, mtl_tensor *x, mtl_tensor **out)
{
    int64_t a = (int64_t)arg[HEIGHT], b = (int64_t)arg[WIDTH];
    switch (kind) {
    case NEAREST:
    case BILINEAR:
        return mtl_upsample(x, a, b, kind == NEAREST ? MTL_UPSAMPLE_NEAREST : MTL_UPSAMPLE_BILINEAR, out);
    case POOL:
        return mtl_adaptive_avg_pool2d(x, a, b, out);
    default:
        return mtl_pad(x, (int64_t[]){a, b, (int64_t)arg[TOP], (int64_t)arg[BOTTOM]}, (mtl_pad_mode)(kind - CONSTANT),
                       VALUE, out);
    }
}

static mtl_status apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return call((int)arg[KIND], arg, in[0], out);
}

/* How much input pixel i counts for output pixel o, along one dimension. */
static double weight(int kind, int64_t in, int64_t out, int64_t before, int64_t o, int64_t i)
{
    double ratio = (double)in / (double)out, place = fmax(((double)o + 0.5) * ratio - 0.5, 0);
    int64_t at = o - before, first = o * in / out, last = ((o + 1) * in - 1) / out;
    switch (kind) {
    case NEAREST:
        return i == first;
    case BILINEAR:
        if (place > (double)(in - 1))
            return i == in - 1;
        return fmax(0, 1 - fabs(place - (double)i));
    case POOL:
        return i >= first && i <= last ? 1.0 / (double)(last - first + 1) : 0;
    case REFLECT:
        at = at < 0 ? -at : at >= in ? 2 * in - 2 - at : at;
        break;
    case REPLICATE:
        at = at < 0 ? 0 : at >= in ? in - 1 : at;
        break;
    }
    return i == at;
}

static void reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const int64_t *x = c->input[0].shape + c->input[0].rank - 2;
    int kind = (int)c->arg[KIND];
    bool pads = kind >= CONSTANT;
    int64_t left = pads ? (int64_t)c->arg[LEFT] : 0, top = pads ? (int64_t)c->arg[TOP] : 0;
    int64_t high = pads ? x[0] + top + (int64_t)c->arg[BOTTOM] : (int64_t)c->arg[HEIGHT];
    int64_t wide = pads ? x[1] + left + (int64_t)c->arg[RIGHT] : (int64_t)c->arg[WIDTH];
    for (int64_t e = 0; e < count; e++) {
        int64_t ox = e % wide, oy = e / wide % high;
        const double *plane = in[0] + e / wide / high * x[0] * x[1];
        bool outside = oy < top || oy >= top + x[0] || ox < left || ox >= left + x[1];
        out[e] = kind == CONSTANT && outside ? VALUE : 0;
        for (int64_t i = 0; i < x[0] * x[1]; i++)
            out[e] +=
                plane[i] * weight(kind, x[0], high, top, oy, i / x[1]) * weight(kind, x[1], wide, left, ox, i % x[1]);
    }
}

static void all_are_their_definitions(void)
{
    static const int64_t shapes[][4] = {{2, 3, 4, 5}, {1, 2, 7, 3}, {2, 1, 1, 6}, {1, 1, 1, 1}, {1, 2, 5, 4}};
    static const double sizes[][2] = {{8, 10}, {3, 2}, {1, 1}, {5, 9}, {4, 5}, {13, 3}};
    static const double paddings[][4] = {{0, 0, 0, 0}, {1, 2, 0, 0}, {0, 1, 3, 2}, {2, 2, 1, 1}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int64_t *x = shapes[s];
        conformance_case c = {.name = "resize",
                              .n_inputs = 1,
                              .input = {{.rank = 4, .shape = {x[0], x[1], x[2], x[3]}, .low = -1, .high = 1}},
                              .apply = apply,
                              .reference = reference,
                              .reduction = x[2] * x[3]};
        for (int i = 0; i < 3 * 6; i++) {
            c.arg[KIND] = i / 6;
            memcpy(c.arg + HEIGHT, sizes[i % 6], sizeof sizes[0]);
            if (!CHECK(conformance(&c)))
                printf("  shape %zu, kind %d, size %d\n", s, i / 6, i % 6);
        }
        for (int i = 0; i < 3 * 4; i++) {
            const double *p = paddings[i % 4];
            c.arg[KIND] = CONSTANT + i / 4;
            memcpy(c.arg + LEFT, p, sizeof paddings[0]);
            bool too_far = fmax(p[0], p[1]) >= (double)x[3] || fmax(p[2], p[3]) >= (double)x[2];
            if (c.arg[KIND] == REFLECT && too_far)
                continue;
            if (!CHECK(conformance(&c)))
                printf("  shape %zu, kind %d, padding %d\n", s, CONSTANT + i / 4, i % 4);
        }
    }
}

static void padding_takes_any_rank(void)
{
    conformance_case c = {.name = "pad",
                          .n_inputs = 1,
                          .input = {{.rank = 2, .shape = {3, 4}, .low = -1, .high = 1}},
                          .arg = {REFLECT, 1, 3, 2, 0},
                          .apply = apply,
                          .reference = reference};
    CHECK(conformance(&c));
    c.input[0] = (case_input){.rank = 5, .shape = {2, 1, 2, 2, 3}, .low = -1, .high = 1};
    c.arg[KIND] = REPLICATE;
    CHECK(conformance(&c));
}

static void all_agree_with_pytorch(void)
{
    static const char *const modes[] = {"nearest", "bilinear", "", "constant", "reflect", "replicate"};
    fixture f;
    MUST(fixture_open(&f, "resize"));
    while (fixture_next(&f)) {
        mtl_tensor *x = fixture_tensor(&f, "x"), *dy = fixture_tensor(&f, "dy"), *y = NULL;
        double arg[5];
        int kind = 0;
        while (strcmp(modes[kind], fixture_text(&f, "mode")) != 0)
            kind++;
        for (int i = 0; i < (kind >= CONSTANT ? 4 : 2); i++)
            arg[1 + i] = fixture_item(&f, kind >= CONSTANT ? "padding" : "size", i);
        MUST(x && dy);
        mtl_tensor_require_grad(x, true);
        MUST(call(kind, arg, x, &y) == MTL_OK);
        MUST(mtl_backward(f.ctx, 1, &(mtl_root){.value = y, .seed = dy, .scale = 1}, 1) == MTL_OK);
        CHECK(fixture_equals(&f, "y", y, 1e-5));
        CHECK(fixture_equals(&f, "dx", mtl_tensor_grad(x), 1e-5));
        mtl_tensor_release(x);
        mtl_tensor_release(dy);
        mtl_tensor_release(y);
    }
    fixture_close(&f);
}

/* What is not looked at leaves no trace: a NaN beside the pixel, with weight 0. */
static void a_nan_stays_where_it_is(void)
{
    mtl_context *ctx;
    mtl_tensor *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(1, 1, 1, 3), (float[]){1, NAN, 3});
    MUST(mtl_upsample(x, 2, 3, MTL_UPSAMPLE_BILINEAR, &y) == MTL_OK);
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(at(y, i), i % 3 == 1 ? NAN : i % 3 + 1, 0);
    mtl_tensor_release(x);
    mtl_tensor_release(y);
    finish(ctx);
}

static mtl_status bits_up(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_upsample(in[0], 50, 61, MTL_UPSAMPLE_BILINEAR, out);
}
static mtl_status bits_pool(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_adaptive_avg_pool2d(in[0], 7, 3, out);
}
static mtl_status bits_pad(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_pad(in[0], (int64_t[]){3, 2, 1, 5}, MTL_PAD_REFLECT, 0, out);
}

static void threads_do_not_change_bits(void)
{
    mtl_status (*calls[])(mtl_tensor **, mtl_tensor **) = {bits_up, bits_pool, bits_pad};
    for (int i = 0; i < 3; i++) {
        bits_case c = {.name = "resize", .n = 1, .rank = {4}, .shape = {{9, 7, 24, 25}}, .rows = 2, .apply = calls[i]};
        CHECK(same_bits(&c));
    }
}

static void memory_may_end_anywhere(void)
{
    bool done = false;
    for (size_t cap = 0; !done && cap < 1 << 20; cap += 64) {
        mtl_context *ctx;
        MUST(mtl_context_new(1, &ctx) == MTL_OK);
        mtl_tensor *x = bits_draw(ctx, 4, (int64_t[]){2, 2, 24, 25}, 1), *y = NULL;
        mtl_tensor_require_grad(x, true);
        mtl_set_memory_limit(ctx, mtl_memory_use(ctx).bytes + cap);
        mtl_status status = bits_up(&x, &y);
        if (status == MTL_OK)
            status = backward_sum(ctx, y);
        CHECK(status == MTL_OK || status == MTL_ERR_MEMORY);
        done = status == MTL_OK;
        mtl_set_memory_limit(ctx, 0);
        mtl_tensor_release(y);
        mtl_tensor_release(x);
        finish(ctx);
    }
    CHECK(done);
}

static void errors_name_the_sizes(void)
{
    mtl_context *ctx;
    mtl_tensor *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(1, 2, 3, 4), NULL), *none = make(ctx, MTL_F32, SHAPE(2, 1, 0, 4), NULL);
    mtl_tensor *flat = make(ctx, MTL_F32, SHAPE(5), NULL), *whole = make(ctx, MTL_I32, SHAPE(1, 1, 2, 2), NULL);
    CHECK(mtl_upsample(flat, 2, 2, MTL_UPSAMPLE_NEAREST, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "upsample: input [5], which should be [batch, channels, height, width]");
    CHECK(mtl_pad(flat, (int64_t[4]){0}, MTL_PAD_CONSTANT, 0, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "pad: input [5], which should be [..., height, width]");
    CHECK(mtl_upsample(whole, 2, 2, MTL_UPSAMPLE_NEAREST, &y) == MTL_ERR_DTYPE);
    CHECK(mtl_adaptive_avg_pool2d(none, 1, 1, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "adaptive_avg_pool2d: input [2, 1, 0, 4]");
    CHECK(mtl_adaptive_avg_pool2d(x, 0, 1, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "images of 0 x 1");
    CHECK(mtl_upsample(x, INT64_MAX, 1, MTL_UPSAMPLE_NEAREST, &y) == MTL_ERR_ARG);
    CHECK(mtl_upsample(x, INT32_MAX, INT32_MAX, MTL_UPSAMPLE_NEAREST, &y) != MTL_OK);
    CHECK(mtl_pad(x, (int64_t[]){0, 0, 3, 0}, MTL_PAD_REFLECT, 0, &y) == MTL_ERR_ARG);
    CHECK_TEXT(mtl_message(ctx), "pad: top is 3, which should be less than the size 3 that is reflected");
    CHECK(mtl_pad(x, (int64_t[]){0, -1, 0, 0}, MTL_PAD_CONSTANT, 0, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "pad: right is -1, which should be 0 to");
    CHECK(mtl_pad(x, (int64_t[]){INT64_MAX, 0, 0, 0}, MTL_PAD_CONSTANT, 0, &y) == MTL_ERR_ARG);
    CHECK(y == NULL);
    mtl_tensor_release(x);
    mtl_tensor_release(none);
    mtl_tensor_release(flat);
    mtl_tensor_release(whole);
    finish(ctx);
}

int main(void)
{
    RUN(all_are_their_definitions);
    RUN(padding_takes_any_rank);
    RUN(all_agree_with_pytorch);
    RUN(a_nan_stays_where_it_is);
    RUN(threads_do_not_change_bits);
    RUN(memory_may_end_anywhere);
    RUN(errors_name_the_sizes);
    return TEST_RESULT;
}

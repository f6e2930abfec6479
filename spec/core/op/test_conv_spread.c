/* conv2d with dilation and groups, and conv_transpose2d: against their definitions, against PyTorch, the same bits for
   any number of threads, no memory, and their errors. */
#include <math.h>

#include "conformance.h"
#include "fixture.h"
#include "op/make.h"
#include "same_bits.h"
#include "test.h"

typedef struct {
    int64_t x[4], w[4];
    mtl_window window;
    mtl_spread spread;
    bool bias;
} geometry;

static mtl_status (*const kinds[])(mtl_tensor *, mtl_tensor *, mtl_tensor *, const mtl_window *, const mtl_spread *,
                                   mtl_tensor **) = {mtl_conv2d_spread, mtl_conv_transpose2d};

/* what the references and the calls go by; a case is told by its number in arg[0] */
static const geometry straight[] = {
    /* dilation: by columns; along lines of whole vectors, with dx turned about; with strides */
    {{2, 3, 9, 7}, {4, 3, 3, 3}, {3, 3, 1, 1, 1, 1}, {2, 2, 1, 0, 0}, true},
    {{2, 2, 9, 12}, {5, 2, 3, 3}, {3, 3, 1, 1, 2, 2}, {2, 2, 1, 0, 0}, true},
    {{1, 2, 8, 16}, {3, 2, 2, 3}, {2, 3, 1, 1, 3, 4}, {3, 4, 1, 0, 0}, false},
    {{2, 2, 11, 10}, {3, 2, 3, 2}, {3, 2, 2, 3, 1, 2}, {2, 3, 1, 0, 0}, true},
    {{1, 1, 1, 9}, {2, 1, 1, 3}, {1, 3, 1, 2, 0, 0}, {5, 3, 1, 0, 0}, true},
    /* groups: by columns, along lines, 1 x 1, with strides and dilation */
    {{2, 4, 5, 6}, {6, 2, 3, 3}, {3, 3, 1, 1, 1, 1}, {1, 1, 2, 0, 0}, true},
    {{3, 6, 4, 8}, {9, 2, 3, 3}, {3, 3, 1, 1, 1, 1}, {1, 1, 3, 0, 0}, true},
    {{2, 6, 5, 5}, {4, 3, 1, 1}, {1, 1, 1, 1, 0, 0}, {1, 1, 2, 0, 0}, true},
    {{2, 4, 9, 8}, {4, 2, 3, 2}, {3, 2, 2, 2, 1, 1}, {2, 1, 2, 0, 0}, false},
    /* a group for each channel: with and without several outputs, strides, dilation, wide lines, strides past the
       window, more taps than are taken at once, one pixel */
    {{2, 5, 6, 7}, {5, 1, 3, 3}, {3, 3, 1, 1, 1, 1}, {1, 1, 5, 0, 0}, true},
    {{3, 3, 7, 6}, {6, 1, 3, 2}, {3, 2, 1, 1, 0, 1}, {1, 1, 3, 0, 0}, true},
    {{2, 4, 9, 11}, {4, 1, 3, 3}, {3, 3, 2, 2, 1, 1}, {1, 1, 4, 0, 0}, true},
    {{2, 2, 12, 13}, {4, 1, 3, 3}, {3, 3, 2, 3, 2, 1}, {2, 2, 2, 0, 0}, false},
    {{1, 2, 6, 37}, {2, 1, 1, 5}, {1, 5, 1, 1, 0, 2}, {1, 1, 2, 0, 0}, true},
    {{1, 2, 7, 9}, {2, 1, 1, 2}, {1, 2, 3, 4, 1, 1}, {1, 1, 2, 0, 0}, true},
    {{1, 3, 1, 1}, {3, 1, 1, 1}, {1, 1, 1, 1, 0, 0}, {1, 1, 3, 0, 0}, true},
};
static const geometry transposed[] = {
    {{2, 3, 4, 5}, {3, 2, 3, 3}, {3, 3, 1, 1, 0, 0}, {1, 1, 1, 0, 0}, true},
    {{2, 2, 4, 4}, {2, 3, 4, 4}, {4, 4, 2, 2, 1, 1}, {1, 1, 1, 0, 0}, true},
    {{2, 2, 3, 5}, {2, 3, 3, 2}, {3, 2, 2, 3, 1, 0}, {1, 1, 1, 1, 2}, true},
    {{1, 4, 3, 4}, {4, 2, 2, 2}, {2, 2, 2, 2, 0, 0}, {1, 1, 2, 0, 0}, false},
    {{2, 4, 4, 3}, {4, 1, 3, 3}, {3, 3, 2, 1, 1, 1}, {1, 1, 4, 1, 0}, true},
    {{1, 2, 4, 8}, {2, 2, 3, 3}, {3, 3, 1, 1, 2, 2}, {2, 2, 1, 0, 0}, true},
    {{1, 2, 3, 8}, {2, 2, 2, 3}, {2, 3, 1, 1, 1, 1}, {3, 2, 1, 2, 1}, true}, /* output_padding by dilation */
    {{2, 1, 5, 8}, {1, 3, 3, 3}, {3, 3, 1, 1, 1, 1}, {1, 1, 1, 0, 0}, true},
    {{2, 3, 1, 1}, {3, 2, 4, 4}, {4, 4, 1, 1, 0, 0}, {1, 1, 1, 0, 0}, false},
    {{2, 2, 3, 3}, {2, 2, 1, 1}, {1, 1, 2, 2, 0, 0}, {1, 1, 1, 0, 0}, true},
    {{2, 2, 3, 5}, {2, 3, 1, 1}, {1, 1, 1, 1, 0, 0}, {2, 3, 1, 1, 2}, true}, /* rows and columns that nothing meets */
};

static mtl_status apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    const geometry *g = arg[1] != 0 ? &transposed[(int)arg[0]] : &straight[(int)arg[0]];
    (void)ctx;
    return kinds[(int)arg[1]](in[0], in[1], g->bias ? in[2] : NULL, &g->window, &g->spread, out);
}

/* How many windows of a kernel fit. */
static int64_t fits(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    return (size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
}

static void straight_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const geometry *g = &straight[(int)c->arg[0]];
    const mtl_window *win = &g->window;
    const mtl_spread *s = &g->spread;
    int64_t out_h = fits(g->x[2], win->kernel_h, win->stride_h, win->pad_h, s->dilation_h);
    int64_t out_w = fits(g->x[3], win->kernel_w, win->stride_w, win->pad_w, s->dilation_w);
    for (int64_t e = 0; e < count; e++) {
        int64_t ox = e % out_w, oy = e / out_w % out_h, o = e / out_w / out_h % g->w[0],
                b = e / out_w / out_h / g->w[0];
        int64_t first = o / (g->w[0] / s->groups) * g->w[1];
        out[e] = g->bias ? in[2][o] : 0.0;
        for (int64_t k = 0; k < g->w[1] * g->w[2] * g->w[3]; k++) {
            int64_t channel = first + k / g->w[3] / g->w[2];
            int64_t i = oy * win->stride_h - win->pad_h + k / g->w[3] % g->w[2] * s->dilation_h;
            int64_t j = ox * win->stride_w - win->pad_w + k % g->w[3] * s->dilation_w;
            if (i >= 0 && i < g->x[2] && j >= 0 && j < g->x[3])
                out[e] += in[0][((b * g->x[1] + channel) * g->x[2] + i) * g->x[3] + j] *
                          in[1][o * g->w[1] * g->w[2] * g->w[3] + k];
        }
    }
}

/* Each input pixel is added, times the kernel, to where its window lies in the output. */
static void transposed_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    const geometry *g = &transposed[(int)c->arg[0]];
    const mtl_window *win = &g->window;
    const mtl_spread *s = &g->spread;
    int64_t size = g->w[2] * g->w[3], channels = g->w[1] * s->groups, per_group = g->x[1] / s->groups;
    int64_t high = (g->x[2] - 1) * win->stride_h - 2 * win->pad_h + s->dilation_h * (g->w[2] - 1) + s->extra_h + 1;
    int64_t wide = (g->x[3] - 1) * win->stride_w - 2 * win->pad_w + s->dilation_w * (g->w[3] - 1) + s->extra_w + 1;
    for (int64_t e = 0; e < count; e++)
        out[e] = g->bias ? in[2][e / high / wide % channels] : 0.0;
    for (int64_t e = 0; e < g->x[0] * g->x[1] * g->x[2] * g->x[3]; e++) {
        int64_t x = e % g->x[3], y = e / g->x[3] % g->x[2], from = e / g->x[3] / g->x[2] % g->x[1];
        int64_t b = e / g->x[3] / g->x[2] / g->x[1];
        for (int64_t k = 0; k < g->w[1] * size; k++) {
            int64_t to = from / per_group * g->w[1] + k / size;
            int64_t i = y * win->stride_h - win->pad_h + k % size / g->w[3] * s->dilation_h;
            int64_t j = x * win->stride_w - win->pad_w + k % g->w[3] * s->dilation_w;
            if (i >= 0 && i < high && j >= 0 && j < wide)
                out[((b * channels + to) * high + i) * wide + j] += in[0][e] * in[1][from * g->w[1] * size + k];
        }
    }
}

static void check_all(const char *name, int kind, const geometry *all, int n,
                      void (*reference)(const conformance_case *, double *const *, double *, int64_t))
{
    for (int i = 0; i < n; i++) {
        const geometry *g = &all[i];
        int64_t channels = kind ? g->w[1] * g->spread.groups : g->w[0];
        conformance_case c = {
            .name = name,
            .n_inputs = g->bias ? 3 : 2,
            .input = {{.rank = 4, .shape = {g->x[0], g->x[1], g->x[2], g->x[3]}, .low = -1, .high = 1},
                      {.rank = 4, .shape = {g->w[0], g->w[1], g->w[2], g->w[3]}, .low = -1, .high = 1},
                      {.rank = 1, .shape = {channels}, .low = -1, .high = 1}},
            .arg = {i, kind},
            .apply = apply,
            .reference = reference,
            .reduction = g->w[0] * g->w[1] * g->w[2] * g->w[3]};
        if (!CHECK(conformance(&c)))
            printf("  case %d\n", i);
    }
}

static void conv2d_is_its_definition(void)
{
    check_all("conv2d", 0, straight, (int)(sizeof straight / sizeof *straight), straight_reference);
}

static void conv_transpose2d_is_its_definition(void)
{
    check_all("conv_transpose2d", 1, transposed, (int)(sizeof transposed / sizeof *transposed), transposed_reference);
}

static void both_agree_with_pytorch(void)
{
    fixture f;
    MUST(fixture_open(&f, "conv_spread"));
    while (fixture_next(&f)) {
        bool with_bias = fixture_number(&f, "bias") != 0, back = strcmp(fixture_text(&f, "op"), "conv2d") != 0;
        mtl_tensor *in[] = {fixture_tensor(&f, "x"), fixture_tensor(&f, "weight"),
                            with_bias ? fixture_tensor(&f, "bias") : NULL};
        mtl_tensor *dy = fixture_tensor(&f, "dy"), *y = NULL;
        mtl_window w;
        mtl_spread s = {.groups = (int64_t)fixture_number(&f, "groups")};
        int64_t *const pairs[5][2] = {{&w.kernel_h, &w.kernel_w},
                                      {&w.stride_h, &w.stride_w},
                                      {&w.pad_h, &w.pad_w},
                                      {&s.dilation_h, &s.dilation_w},
                                      {&s.extra_h, &s.extra_w}};
        static const char *const names[] = {"kernel", "stride", "padding", "dilation", "output_padding"};
        for (int i = 0; i < 10; i++)
            *pairs[i / 2][i % 2] = (int64_t)fixture_item(&f, names[i / 2], i % 2);
        MUST(in[0] && in[1] && dy && (in[2] || !with_bias));
        for (int i = 0; i < 2 + with_bias; i++)
            mtl_tensor_require_grad(in[i], true);
        MUST(kinds[back](in[0], in[1], in[2], &w, &s, &y) == MTL_OK);
        MUST(mtl_backward(f.ctx, 1, &(mtl_root){.value = y, .seed = dy, .scale = 1}, 1) == MTL_OK);
        CHECK(fixture_equals(&f, "y", y, 1e-5));
        CHECK(fixture_equals(&f, "dx", mtl_tensor_grad(in[0]), 1e-5));
        CHECK(fixture_equals(&f, "dweight", mtl_tensor_grad(in[1]), 1e-5));
        CHECK(!with_bias || fixture_equals(&f, "dbias", mtl_tensor_grad(in[2]), 1e-5));
        for (int i = 0; i < 3; i++)
            mtl_tensor_release(in[i]);
        mtl_tensor_release(dy);
        mtl_tensor_release(y);
    }
    fixture_close(&f);
}

static mtl_status dilated(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_conv2d_spread(in[0], in[1], in[2], &(mtl_window){3, 3, 1, 1, 2, 2}, &(mtl_spread){2, 2, 1, 0, 0}, out);
}

static mtl_status grouped(mtl_tensor **in, mtl_tensor **out)
{
    int64_t groups = mtl_tensor_shape(in[0])[1] / mtl_tensor_shape(in[1])[1];
    return mtl_conv2d_spread(in[0], in[1], in[2], &(mtl_window){3, 3, 2, 2, 1, 1}, &(mtl_spread){1, 1, groups, 0, 0},
                             out);
}

static mtl_status back(mtl_tensor **in, mtl_tensor **out)
{
    return mtl_conv_transpose2d(in[0], in[1], in[2], &(mtl_window){4, 4, 2, 2, 1, 1}, &(mtl_spread){1, 1, 1, 0, 0},
                                out);
}

static void threads_do_not_change_bits(void)
{
    bits_case cases[] = {
        {.name = "dilated", .shape = {{9, 6, 16, 16}, {7, 6, 3, 3}, {7}}, .rows = 2, .apply = dilated},
        {.name = "grouped", .shape = {{9, 12, 21, 22}, {9, 4, 3, 3}, {9}}, .rows = 2, .apply = grouped},
        {.name = "depthwise", .shape = {{9, 13, 21, 22}, {26, 1, 3, 3}, {26}}, .rows = 2, .apply = grouped},
        {.name = "transposed", .shape = {{9, 12, 9, 10}, {12, 5, 4, 4}, {5}}, .rows = 2, .apply = back},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].n = 3;
        cases[i].rank[0] = cases[i].rank[1] = 4;
        cases[i].rank[2] = 1;
        CHECK(same_bits(&cases[i]));
    }
}

/* With a cap at any place, nothing is left behind. */
static void memory_may_end_anywhere(void)
{
    static const int64_t x[4] = {3, 4, 9, 9}, w[4] = {4, 1, 4, 4};
    mtl_status (*const calls[])(mtl_tensor **, mtl_tensor **) = {back, grouped};
    for (size_t which = 0; which < 2; which++) {
        bool done = false;
        for (size_t cap = 0; !done && cap < 1 << 20; cap += 64) {
            mtl_context *ctx;
            MUST(mtl_context_new(1, &ctx) == MTL_OK);
            mtl_tensor *in[3] = {bits_draw(ctx, 4, x, 1), bits_draw(ctx, 4, which ? (int64_t[]){4, 1, 3, 3} : w, 2),
                                 bits_draw(ctx, 1, (int64_t[]){which ? 4 : 1}, 3)};
            mtl_tensor *y = NULL;
            for (int i = 0; i < 3; i++)
                mtl_tensor_require_grad(in[i], true);
            mtl_set_memory_limit(ctx, mtl_memory_use(ctx).bytes + cap);
            mtl_status status = calls[which](in, &y);
            if (status == MTL_OK)
                status = backward_sum(ctx, y);
            CHECK(status == MTL_OK || status == MTL_ERR_MEMORY);
            done = status == MTL_OK;
            mtl_set_memory_limit(ctx, 0);
            mtl_tensor_release(y);
            for (int i = 0; i < 3; i++)
                mtl_tensor_release(in[i]);
            finish(ctx);
        }
        CHECK(done);
    }
}

static void errors_say_what_would_fit(void)
{
    mtl_context *ctx;
    mtl_tensor *y = NULL;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(2, 6, 8, 8), NULL), *w = make(ctx, MTL_F32, SHAPE(4, 2, 3, 3), NULL);
    mtl_tensor *bias = make(ctx, MTL_F32, SHAPE(3), NULL);
    const mtl_window three = {3, 3, 1, 1, 0, 0};
    CHECK(mtl_conv2d_spread(x, w, NULL, &three, &(mtl_spread){1, 1, 4, 0, 0}, &y) == MTL_ERR_ARG);
    CHECK_TEXT(mtl_message(ctx), "conv2d: 4 groups of the 6 channels of input [2, 6, 8, 8]; they should be alike");
    CHECK(mtl_conv2d_spread(x, w, NULL, &three, &(mtl_spread){1, 1, 2, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx),
               "conv2d: input [2, 6, 8, 8] has 3 channels in each group, the weight [4, 2, 3, 3] takes 2");
    CHECK(mtl_conv2d_spread(x, w, NULL, &three, &(mtl_spread){1, 1, 3, 0, 0}, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "3 groups of the 4 output channels of the weight [4, 2, 3, 3]");
    CHECK(mtl_conv2d_spread(x, w, NULL, &three, &(mtl_spread){0, 1, 1, 0, 0}, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "dilation 0 x 1, groups 1");
    CHECK(mtl_conv2d_spread(x, w, NULL, &three, &(mtl_spread){4, 1, 3, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "a window of 9 x 3 on images of 8 x 8");
    CHECK(mtl_conv2d_spread(x, w, NULL, &three, &(mtl_spread){INT64_MAX, 1, 3, 0, 0}, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "dilation of 9223372036854775807, which should be at most 1073741824");
    CHECK(mtl_conv2d_spread(x, w, NULL, &three, &(mtl_spread){1 << 30, 1 << 30, 3, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK(mtl_conv2d_spread(x, w, NULL, &(mtl_window){3, 3, 1 << 30, 1 << 30, 1 << 30, 1 << 30},
                            &(mtl_spread){1, 1, 3, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "are too large");

    CHECK(mtl_conv_transpose2d(x, w, NULL, &three, &(mtl_spread){1, 1, 1, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "conv_transpose2d: the weight has shape [4, 2, 3, 3], which should be "
                                 "[6, out / groups, 3, 3] for input [2, 6, 8, 8]");
    mtl_tensor_release(w);
    w = make(ctx, MTL_F32, SHAPE(6, 2, 3, 3), NULL);
    CHECK(mtl_conv_transpose2d(x, w, NULL, &three, &(mtl_spread){1, 1, 1, 1, 0}, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx),
                   "output_padding 1 x 0, which should be 0 or more and less than stride or dilation");
    CHECK(mtl_conv_transpose2d(x, w, NULL, &three, &(mtl_spread){1, 1, 4, 0, 0}, &y) == MTL_ERR_ARG);
    CHECK(mtl_conv_transpose2d(x, w, bias, &three, &(mtl_spread){1, 1, 3, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK_TEXT(mtl_message(ctx), "conv_transpose2d: the bias has shape [3], which should be [6]");
    CHECK(mtl_conv_transpose2d(x, w, NULL, &(mtl_window){3, 3, 1, 1, 5, 0}, &(mtl_spread){1, 1, 1, 0, 0}, &y) ==
          MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "nothing is left between the padding 5 x 0");
    CHECK(mtl_conv_transpose2d(x, w, NULL, &(mtl_window){3, 3, 1 << 30, 1 << 30, 0, 0}, &(mtl_spread){1, 1, 1, 0, 0},
                               &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "are too large");
    CHECK(mtl_conv_transpose2d(bias, w, NULL, &three, &(mtl_spread){1, 1, 1, 0, 0}, &y) == MTL_ERR_SHAPE);
    CHECK(y == NULL);
    mtl_tensor_release(x);
    mtl_tensor_release(w);
    mtl_tensor_release(bias);
    finish(ctx);
}

int main(void)
{
    RUN(conv2d_is_its_definition);
    RUN(conv_transpose2d_is_its_definition);
    RUN(both_agree_with_pytorch);
    RUN(threads_do_not_change_bits);
    RUN(memory_may_end_anywhere);
    RUN(errors_say_what_would_fit);
    return TEST_RESULT;
}

/* Element-wise operators against plain doubles: formulas, broadcasting both ways, special values, messages. */
#include "conformance.h"
#include "make.h"

/* ---- one input ---- */

#define ONE(name, formula)                                                                                             \
    static double ref_##name(double x, const double *a)                                                                \
    {                                                                                                                  \
        (void)a;                                                                                                       \
        return formula;                                                                                                \
    }
ONE(neg, -x)
ONE(abs, fabs(x))
ONE(exp, exp(x))
ONE(log, log(x))
ONE(sqrt, sqrt(x))
ONE(square, x *x)
ONE(sign, (x > 0) - (x < 0))
ONE(relu, fmax(x, 0))
ONE(leaky, x > 0 ? x : a[1] * x)
ONE(gelu, x / 2 * (1 + erf(x / sqrt(2))))
ONE(gelu_tanh, x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))))
ONE(elu, x > 0 ? x : a[1] * expm1(x))
ONE(softplus, (fmax(a[1] * x, 0) + log1p(exp(-fabs(a[1] * x)))) / a[1])
ONE(silu, x / (1 + exp(-x)))
ONE(sigmoid, 1 / (1 + exp(-x)))
ONE(tanh, tanh(x))
ONE(clamp, fmin(fmax(x, a[1]), a[2]))
ONE(scale, a[1] * x + a[2])

static mtl_status leaky(mtl_tensor *x, const double *a, mtl_tensor **y)
{
    return mtl_leaky_relu(x, a[1], y);
}
static mtl_status elu(mtl_tensor *x, const double *a, mtl_tensor **y)
{
    return mtl_elu(x, a[1], y);
}
static mtl_status softplus(mtl_tensor *x, const double *a, mtl_tensor **y)
{
    return mtl_softplus(x, a[1], y);
}
static mtl_status clamp(mtl_tensor *x, const double *a, mtl_tensor **y)
{
    return mtl_clamp(x, a[1], a[2], y);
}
static mtl_status scale(mtl_tensor *x, const double *a, mtl_tensor **y)
{
    return mtl_scale(x, a[1], a[2], y);
}

static const struct unary {
    const char *name;
    mtl_status (*plain)(mtl_tensor *, mtl_tensor **);
    mtl_status (*set)(mtl_tensor *, const double *, mtl_tensor **);
    double (*reference)(double, const double *);
    double low, high, gap, arg[2];
} unaries[] = {
    {"neg", mtl_neg, NULL, ref_neg, -3, 3, 0, {0}},
    {"abs", mtl_abs, NULL, ref_abs, 0, 0, 0.1, {0}},
    {"exp", mtl_exp, NULL, ref_exp, -4, 4, 0, {0}},
    {"log", mtl_log, NULL, ref_log, 0.05, 5, 0, {0}},
    {"sqrt", mtl_sqrt, NULL, ref_sqrt, 0.05, 5, 0, {0}},
    {"square", mtl_square, NULL, ref_square, -3, 3, 0, {0}},
    {"sign", mtl_sign, NULL, ref_sign, 0, 0, 0.1, {0}},
    {"relu", mtl_relu, NULL, ref_relu, 0, 0, 0.1, {0}},
    {"leaky_relu", NULL, leaky, ref_leaky, 0, 0, 0.1, {0.2}},
    {"gelu", mtl_gelu, NULL, ref_gelu, -5, 5, 0, {0}},
    {"gelu_tanh", mtl_gelu_tanh, NULL, ref_gelu_tanh, -5, 5, 0, {0}},
    {"elu", NULL, elu, ref_elu, 0, 0, 0.1, {1}},
    {"elu of 0.3", NULL, elu, ref_elu, 0, 0, 0.1, {0.3}},
    {"softplus", NULL, softplus, ref_softplus, -30, 30, 0, {1}},
    {"softplus of 4", NULL, softplus, ref_softplus, -3, 3, 0, {4}},
    {"silu", mtl_silu, NULL, ref_silu, -8, 8, 0, {0}},
    {"sigmoid", mtl_sigmoid, NULL, ref_sigmoid, -8, 8, 0, {0}},
    {"tanh", mtl_tanh, NULL, ref_tanh, -4, 4, 0, {0}},
    {"clamp", NULL, clamp, ref_clamp, 0, 0, 0.25, {-2, 1}},
    {"scale", NULL, scale, ref_scale, -3, 3, 0, {-1.5, 0.25}},
    {"scale by 1", NULL, scale, ref_scale, -3, 3, 0, {1, 2}},
};

static mtl_status unary_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    const struct unary *u = &unaries[(int)arg[0]];
    (void)ctx;
    return u->plain ? u->plain(in[0], out) : u->set(in[0], arg, out);
}

static void unary_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = unaries[(int)c->arg[0]].reference(in[0][i], c->arg);
}

static void unary_formulas(void)
{
    static const struct {
        int rank;
        int64_t shape[MTL_MAX_RANK];
    } shapes[] = {{0, {0}}, {1, {37}}, {2, {5, 1}}, {8, {2, 1, 2, 1, 3, 1, 2, 1}}, {2, {0, 4}}};
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const struct unary *u = &unaries[i];
            conformance_case c = {.name = u->name, .n_inputs = 1, .apply = unary_apply, .reference = unary_reference};
            c.arg[0] = (double)i;
            c.arg[1] = u->arg[0];
            c.arg[2] = u->arg[1];
            c.input[0] = (case_input){.rank = shapes[s].rank, .low = u->low, .high = u->high, .gap = u->gap};
            memcpy(c.input[0].shape, shapes[s].shape, sizeof shapes[s].shape);
            CHECK(conformance(&c));
        }
    }
}

/* ---- two and three inputs ---- */

typedef struct {
    int rank[2];
    int64_t shape[2][MTL_MAX_RANK];
} pair;
static const pair pairs[] = {
    {{2, 2}, {{4, 5}, {4, 5}}},
    {{0, 0}, {{0}, {0}}},
    {{2, 0}, {{4, 5}, {0}}},
    {{0, 2}, {{0}, {3, 4}}},
    {{2, 1}, {{6, 5}, {5}}},
    {{1, 2}, {{5}, {6, 5}}},
    {{2, 2}, {{6, 1}, {1, 5}}},
    {{4, 3}, {{2, 3, 2, 2}, {3, 1, 1}}},
    {{3, 3}, {{2, 1, 4}, {1, 3, 1}}},
    {{8, 8}, {{2, 1, 2, 1, 2, 1, 2, 1}, {1, 2, 1, 2, 1, 2, 1, 2}}},
    {{2, 1}, {{0, 3}, {3}}},
    {{2, 2}, {{0, 3}, {1, 1}}},
    {{8, 1}, {{1, 1, 2, 1, 3, 1, 2, 2}, {2}}},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

/* Shape of the broadcast, and the element of input `which` at element i of it. */
static int out_shape(const conformance_case *c, int first, int n, int64_t *shape)
{
    int rank = 0;
    for (int k = first; k < n; k++)
        rank = c->input[k].rank > rank ? c->input[k].rank : rank;
    for (int d = 0; d < rank; d++) {
        shape[d] = 1;
        for (int k = first; k < n; k++) {
            int own = d - rank + c->input[k].rank;
            if (own >= 0 && c->input[k].shape[own] != 1)
                shape[d] = c->input[k].shape[own];
        }
    }
    return rank;
}

static double pick(const conformance_case *c, int which, double *const *in, int rank, const int64_t *shape, int64_t i)
{
    int64_t place = 0, step = 1;
    const case_input *input = &c->input[which];
    for (int d = rank - 1; d >= 0; d--) {
        int own = d - rank + input->rank;
        if (own >= 0) {
            place += input->shape[own] == 1 ? 0 : i % shape[d] * step;
            step *= input->shape[own];
        }
        i /= shape[d];
    }
    return in[which][place];
}

#define TWO(name, formula)                                                                                             \
    static double ref_##name(double a, double b)                                                                       \
    {                                                                                                                  \
        return formula;                                                                                                \
    }
TWO(add, a + b)
TWO(sub, a - b)
TWO(mul, a *b)
TWO(div, a / b)
TWO(eq, a == b)
TWO(ne, a != b)
TWO(lt, a < b)
TWO(le, a <= b)
TWO(gt, a > b)
TWO(ge, a >= b)

/* gaps of 0.5 and 1: the two inputs never meet */
static const struct binary {
    const char *name;
    mtl_status (*apply)(mtl_tensor *, mtl_tensor *, mtl_tensor **);
    double (*reference)(double, double);
    case_input a, b;
    bool no_gradient;
} binaries[] = {
    {"add", mtl_add, ref_add, {.low = -2, .high = 2}, {.low = -2, .high = 2}, false},
    {"sub", mtl_sub, ref_sub, {.low = -2, .high = 2}, {.low = -2, .high = 2}, false},
    {"mul", mtl_mul, ref_mul, {.low = -2, .high = 2}, {.low = -2, .high = 2}, false},
    {"div", mtl_div, ref_div, {.low = -2, .high = 2}, {.low = 0.5, .high = 2}, false},
    {"pow", mtl_pow, pow, {.low = 0.5, .high = 2}, {.low = -2, .high = 2}, false},
    {"pow 2", mtl_pow, pow, {.low = 0.5, .high = 2}, {.low = 2, .high = 2}, false},
    {"pow 3", mtl_pow, pow, {.low = 0.5, .high = 2}, {.low = 3, .high = 3}, false},
    {"pow -1", mtl_pow, pow, {.low = 0.5, .high = 2}, {.low = -1, .high = -1}, false},
    {"pow 0.5", mtl_pow, pow, {.low = 0.5, .high = 2}, {.low = 0.5, .high = 0.5}, false},
    {"pow 0", mtl_pow, pow, {.low = 0.5, .high = 2}, {.low = 0, .high = 0}, false},
    {"minimum", mtl_minimum, fmin, {.gap = 0.5}, {.gap = 1}, false},
    {"maximum", mtl_maximum, fmax, {.gap = 0.5}, {.gap = 1}, false},
    {"eq", mtl_eq, ref_eq, {.classes = 3}, {.low = 1, .high = 1}, true},
    {"ne", mtl_ne, ref_ne, {.classes = 3}, {.classes = 3}, true},
    {"lt", mtl_lt, ref_lt, {.low = 1, .high = 1}, {.classes = 3}, true},
    {"le", mtl_le, ref_le, {.classes = 3}, {.classes = 3}, true},
    {"gt", mtl_gt, ref_gt, {.classes = 3}, {.classes = 3}, true},
    {"ge", mtl_ge, ref_ge, {.classes = 3}, {.classes = 3}, true},
};

static mtl_status binary_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx;
    return binaries[(int)arg[0]].apply(in[0], in[1], out);
}

static void binary_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t shape[MTL_MAX_RANK];
    int rank = out_shape(c, 0, 2, shape);
    for (int64_t i = 0; i < count; i++)
        out[i] = binaries[(int)c->arg[0]].reference(pick(c, 0, in, rank, shape, i), pick(c, 1, in, rank, shape, i));
}

static void take_shapes(conformance_case *c, int first, const pair *p)
{
    for (int k = 0; k < 2; k++) {
        c->input[first + k].rank = p->rank[k];
        memcpy(c->input[first + k].shape, p->shape[k], sizeof p->shape[k]);
    }
}

static void binary_formulas(void)
{
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++) {
        for (int s = 0; s < PAIRS; s++) {
            const struct binary *b = &binaries[i];
            conformance_case c = {.name = b->name, .n_inputs = 2, .apply = binary_apply, .reference = binary_reference};
            c.arg[0] = (double)i;
            c.input[0] = b->a;
            c.input[1] = b->b;
            c.no_gradient = b->no_gradient;
            take_shapes(&c, 0, &pairs[s]);
            CHECK(conformance(&c));
        }
    }
}

static mtl_status where_apply(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)
{
    (void)ctx, (void)arg;
    return mtl_where(in[0], in[1], in[2], out);
}

static void where_reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    int64_t shape[MTL_MAX_RANK];
    int rank = out_shape(c, 0, 3, shape);
    for (int64_t i = 0; i < count; i++)
        out[i] = pick(c, pick(c, 0, in, rank, shape, i) != 0 ? 1 : 2, in, rank, shape, i);
}

static void where_formulas(void)
{
    for (int s = 0; s < PAIRS; s++) {
        for (int like = -1; like < 2; like++) { /* the condition: rank 0, or the shape of a or b */
            for (int integer = 0; integer < 2; integer++) {
                conformance_case c = {
                    .name = "where", .n_inputs = 3, .apply = where_apply, .reference = where_reference};
                c.input[1] = c.input[2] = (case_input){.low = -2, .high = 2};
                take_shapes(&c, 1, &pairs[s]);
                if (like >= 0)
                    c.input[0] = c.input[1 + like];
                c.input[0].constant = true;
                c.input[0].classes = integer ? 2 : 0;
                CHECK(conformance(&c));
            }
        }
    }
}

/* ---- special values ---- */

static void special_values(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, NAN, INFINITY, -INFINITY, 0, -0.0f, 100, -200, 1e-40f, -1);
    static const struct {
        mtl_status (*apply)(mtl_tensor *, mtl_tensor **);
        float want[9];
    } rows[] = {
        {mtl_exp, {NAN, INFINITY, 0, 1, 1, INFINITY, 0, 1, 0.36787944f}},
        {mtl_log, {NAN, INFINITY, NAN, -INFINITY, -INFINITY, 4.6051702f, NAN, -92.103403f, NAN}},
        {mtl_sqrt, {NAN, INFINITY, NAN, 0, 0, 10, NAN, 9.99997303e-21f, NAN}},
        {mtl_relu, {NAN, INFINITY, 0, 0, 0, 100, 0, 1e-40f, 0}},
        {mtl_sigmoid, {NAN, 1, 0, 0.5f, 0.5f, 1, 0, 0.5f, 0.26894142f}},
        {mtl_tanh, {NAN, 1, -1, 0, 0, 1, -1, 1e-40f, -0.76159416f}},
        {mtl_gelu, {NAN, INFINITY, NAN, 0, 0, 100, 0, 5e-41f, -0.15865525f}},
        {mtl_abs, {NAN, INFINITY, INFINITY, 0, 0, 100, 200, 1e-40f, 1}},
        {mtl_isnan, {1, 0, 0, 0, 0, 0, 0, 0, 0}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        MUST(rows[r].apply(x, &y) == MTL_OK);
        for (int i = 0; i < 9; i++)
            CHECK_NEAR(at(y, i), rows[r].want[i], 1e-6 * fabs(rows[r].want[i]));
        mtl_tensor_release(y);
    }
    MUST(mtl_clamp(x, -1, 2, &y) == MTL_OK);
    CHECK(isnan(at(y, 0)) && at(y, 1) == 2 && at(y, 2) == -1 && at(y, 6) == -1);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    finish(ctx);
}

/* The vectorised functions over their range, against doubles. */
static void accuracy(void)
{
    mtl_context *ctx = NULL;
    enum { N = 40001 };
    mtl_context_new(1, &ctx);
    static float v[N];
    for (int f = 0; f < 5; f++) {
        mtl_tensor *y = NULL;
        double worst = 0;
        for (int i = 0; i < N; i++)
            v[i] = f == 1 ? (float)exp((i - N / 2) * 0.004) : (float)((i - N / 2) * 0.004);
        mtl_tensor *x = make(ctx, MTL_F32, SHAPE(N), v);
        MUST((f == 0   ? mtl_exp(x, &y)
              : f == 1 ? mtl_log(x, &y)
              : f == 2 ? mtl_tanh(x, &y)
              : f == 3 ? mtl_sigmoid(x, &y)
                       : mtl_gelu(x, &y)) == MTL_OK);
        for (int i = 0; i < N; i++) {
            double w = f == 0   ? exp(v[i])
                       : f == 1 ? log(v[i])
                       : f == 2 ? tanh(v[i])
                       : f == 3 ? 1 / (1 + exp(-(double)v[i]))
                                : v[i] / 2 * (1 + erf(v[i] / sqrt(2)));
            double error = fabs(at(y, i) - w) / (fabs(w) + (f == 4 ? 1 : 1e-30));
            worst = isinf((float)w) ? worst : fmax(worst, error);
        }
        CHECK_NEAR(worst, 0, 4e-7);
        mtl_tensor_release(x);
        mtl_tensor_release(y);
    }
    finish(ctx);
}

static void comparisons_with_nan(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *a = FLOATS(ctx, NAN, 1, NAN, 2), *b = FLOATS(ctx, 1, NAN, NAN, 1);
    static const struct {
        mtl_status (*apply)(mtl_tensor *, mtl_tensor *, mtl_tensor **);
        float want[4];
    } rows[] = {{mtl_eq, {0, 0, 0, 0}},
                {mtl_ne, {1, 1, 1, 1}},
                {mtl_lt, {0, 0, 0, 0}},
                {mtl_ge, {0, 0, 0, 1}},
                {mtl_minimum, {NAN, NAN, NAN, 1}},
                {mtl_maximum, {NAN, NAN, NAN, 2}}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        MUST(rows[r].apply(a, b, &y) == MTL_OK);
        for (int i = 0; i < 4; i++)
            CHECK_NEAR(at(y, i), rows[r].want[i], 0);
        mtl_tensor_release(y);
    }
    mtl_tensor_release(a);
    mtl_tensor_release(b);
    finish(ctx);
}

/* where: what was not picked leaves no NaN; ties halve; relu' and abs' are 0 at 0; a comparison is a constant */
static void gradients_at_corners(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL, *cond = NULL, *root = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *a = FLOATS(ctx, 1, -1, 4, 0), *b = FLOATS(ctx, 1, 5, 4, 2);
    mtl_tensor_require_grad(a, true);
    mtl_tensor_require_grad(b, true);
    MUST(mtl_gt(a, b, &cond) == MTL_OK && !mtl_tensor_requires_grad(cond));
    mtl_tensor_release(cond);
    MUST(mtl_maximum(a, b, &y) == MTL_OK && backward_sum(ctx, y) == MTL_OK);
    CHECK(at(mtl_tensor_grad(a), 0) == 0.5f && at(mtl_tensor_grad(b), 0) == 0.5f && at(mtl_tensor_grad(b), 1) == 1);
    mtl_tensor_release(y);
    mtl_tensor_zero_grad(a);
    MUST(mtl_abs(a, &y) == MTL_OK && backward_sum(ctx, y) == MTL_OK);
    CHECK(at(mtl_tensor_grad(a), 1) == -1 && at(mtl_tensor_grad(a), 3) == 0);
    mtl_tensor_release(y);
    mtl_tensor_zero_grad(a);
    MUST(mtl_relu(a, &y) == MTL_OK && backward_sum(ctx, y) == MTL_OK);
    CHECK(at(mtl_tensor_grad(a), 0) == 1 && at(mtl_tensor_grad(a), 1) == 0 && at(mtl_tensor_grad(a), 3) == 0);
    mtl_tensor_release(y);
    /* where(a > 0, log a, 0): log has NaN and -inf where it is not picked */
    mtl_tensor_zero_grad(a);
    mtl_tensor *zero = FLOATS(ctx, 0), *gone = FLOATS(ctx, NAN, NAN, NAN, NAN);
    MUST(mtl_gt(a, zero, &cond) == MTL_OK && mtl_where(cond, a, gone, &y) == MTL_OK);
    CHECK(at(y, 0) == 1 && isnan(at(y, 1)));
    MUST(mtl_where(cond, y, zero, &root) == MTL_OK && backward_sum(ctx, root) == MTL_OK);
    CHECK(at(root, 1) == 0 && at(mtl_tensor_grad(a), 0) == 1 && at(mtl_tensor_grad(a), 1) == 0);
    mtl_tensor_release(y);
    mtl_tensor_release(root);
    mtl_tensor_release(cond);
    mtl_tensor_release(zero);
    mtl_tensor_release(gone);
    mtl_tensor_release(a);
    mtl_tensor_release(b);
    finish(ctx);
}

static void powers(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, -2, 0, -0.0f, INFINITY, -INFINITY, NAN);
    float exponents[] = {0, 1, 2, 3, -1, 0.5f, -2, 1.5f};
    for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) {
        mtl_tensor *b = make(ctx, MTL_F32, 0, NULL, &exponents[e]);
        MUST(mtl_pow(x, b, &y) == MTL_OK);
        for (int i = 0; i < 6; i++)
            CHECK_NEAR(at(y, i), powf(at(x, i), exponents[e]), 1e-6);
        mtl_tensor_release(y);
        mtl_tensor_release(b);
    }
    mtl_tensor_release(x);
    finish(ctx);
}

static void casts(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL, *z = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = FLOATS(ctx, 1.9f, -0.9f, 255.9f, 7);
    MUST(mtl_cast(x, MTL_I32, &y) == MTL_OK);
    CHECK(mtl_tensor_dtype(y) == MTL_I32 && at(y, 0) == 1 && at(y, 1) == 0 && at(y, 2) == 255);
    MUST(mtl_cast(y, MTL_F32, &z) == MTL_OK);
    CHECK(at(z, 2) == 255);
    mtl_tensor_release(y);
    mtl_tensor_release(z);
    MUST(mtl_cast(x, MTL_U8, &y) == MTL_OK && mtl_cast(y, MTL_F32, &z) == MTL_OK);
    CHECK(at(y, 2) == 255 && at(z, 0) == 1);
    mtl_tensor_release(y);
    mtl_tensor_release(z);
    MUST(mtl_cast(x, MTL_F32, &y) == MTL_OK);
    CHECK(y == x);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    float bad[] = {NAN, INFINITY, 2147483648.0f, -2147483904.0f};
    for (int i = 0; i < 4; i++) {
        x = FLOATS(ctx, 1, bad[i]);
        CHECK(mtl_cast(x, MTL_I32, &y) == MTL_ERR_ARG);
        CHECK_CONTAINS(mtl_message(ctx), "cast: element 1 is");
        mtl_tensor_release(x);
    }
    x = FLOATS(ctx, -2147483648.0f, 2147483520.0f);
    MUST(mtl_cast(x, MTL_I32, &y) == MTL_OK);
    CHECK(((int32_t *)mtl_tensor_data(y))[0] == INT32_MIN && ((int32_t *)mtl_tensor_data(y))[1] == 2147483520);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    x = INTS(ctx, 256);
    CHECK(mtl_cast(x, MTL_U8, &y) == MTL_ERR_ARG);
    mtl_tensor_release(x);
    finish(ctx);
}

static void messages(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *a = make(ctx, MTL_F32, SHAPE(3, 4), NULL), *b = make(ctx, MTL_F32, SHAPE(5), NULL), *i = INTS(ctx, 1);
    CHECK(mtl_add(a, b, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "add: shapes [3, 4] and [5] do not broadcast");
    CHECK(mtl_where(a, b, a, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "where: shapes [3, 4], [5] and [3, 4] do not broadcast");
    CHECK(mtl_mul(a, i, &y) == MTL_ERR_DTYPE);
    CHECK_CONTAINS(mtl_message(ctx), "mul: tensor 2 is int32, which should be float32");
    CHECK(mtl_exp(i, &y) == MTL_ERR_DTYPE);
    CHECK(mtl_clamp(a, 2, 1, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "clamp: low is 2, which should be at most high, 1");
    CHECK(y == NULL);
    mtl_tensor_release(a);
    mtl_tensor_release(b);
    mtl_tensor_release(i);
    finish(ctx);
}

/* Large enough for several blocks: the same bits from 1 thread and from 3. */
static void threads(void)
{
    enum { B = 700, C = 101 };
    mtl_tensor *kept[2][3] = {{0}};
    mtl_context *ctx[2] = {0};
    for (int k = 0; k < 2; k++) {
        mtl_tensor *y = NULL, *z = NULL;
        mtl_context_new(k ? 3 : 1, &ctx[k]);
        mtl_tensor *x = make(ctx[k], MTL_F32, SHAPE(B, C), NULL), *bias = make(ctx[k], MTL_F32, SHAPE(C), NULL);
        mtl_random_normal(x, 1, 2, 0, 0, 1);
        mtl_random_normal(bias, 1, 3, 0, 0, 1);
        mtl_tensor_require_grad(x, true);
        mtl_tensor_require_grad(bias, true);
        MUST(mtl_mul(x, bias, &y) == MTL_OK && mtl_gelu(y, &z) == MTL_OK && backward_sum(ctx[k], z) == MTL_OK);
        kept[k][0] = z;
        kept[k][1] = mtl_tensor_retain(mtl_tensor_grad(x));
        kept[k][2] = mtl_tensor_retain(mtl_tensor_grad(bias));
        mtl_tensor_release(y);
        mtl_tensor_release(x);
        mtl_tensor_release(bias);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(memcmp(mtl_tensor_data(kept[0][i]), mtl_tensor_data(kept[1][i]), mtl_tensor_bytes(kept[0][i])) == 0);
        mtl_tensor_release(kept[0][i]);
        mtl_tensor_release(kept[1][i]);
    }
    finish(ctx[0]);
    finish(ctx[1]);
}

int main(void)
{
    RUN(unary_formulas);
    RUN(binary_formulas);
    RUN(where_formulas);
    RUN(special_values);
    RUN(accuracy);
    RUN(comparisons_with_nan);
    RUN(gradients_at_corners);
    RUN(powers);
    RUN(casts);
    RUN(messages);
    RUN(threads);
    return TEST_RESULT;
}

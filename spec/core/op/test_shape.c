/* Operators that move elements: reshape to one_hot. References are plain index arithmetic. */
#include "conformance.h"
#include "make.h"

/* Each case is a function from an element of the output to an element of input `which`, or -1 for 0. */
typedef struct {
    const char *name;
    int n_inputs;
    case_input input[CASE_MAX_INPUTS];
    mtl_status (*apply)(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out);
    int64_t (*from)(int64_t i, double *const *in, int *which);
    double arg[8];
} move;

static int64_t (*current)(int64_t i, double *const *in, int *which);

static void reference(const conformance_case *c, double *const *in, double *out, int64_t count)
{
    (void)c;
    for (int64_t i = 0; i < count; i++) {
        int which = 0;
        int64_t place = current(i, in, &which);
        out[i] = in[which][place];
    }
}

#define APPLY(name, call)                                                                                              \
    static mtl_status name(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out)                     \
    {                                                                                                                  \
        (void)ctx, (void)arg;                                                                                          \
        return call;                                                                                                   \
    }
#define FROM(name, place)                                                                                              \
    static int64_t name(int64_t i, double *const *in, int *which)                                                      \
    {                                                                                                                  \
        (void)in, (void)which;                                                                                         \
        return place;                                                                                                  \
    }
FROM(same, i)

APPLY(reshape, mtl_reshape(in[0], SHAPE(3, -1, 2), out))
APPLY(to_scalar, mtl_reshape(in[0], 0, NULL, out))
APPLY(to_high, mtl_reshape(in[0], SHAPE(1, 2, 1, 3, 1, 1, 2, 2), out))
APPLY(slice_first, mtl_slice(in[0], 0, 1, 3, out)) /* of [4, 3, 5] */
APPLY(slice_middle, mtl_slice(in[0], 1, 1, 3, out))
APPLY(slice_last, mtl_slice(in[0], -1, 2, 5, out))
APPLY(slice_empty, mtl_slice(in[0], 1, 2, 2, out))
APPLY(slice_all, mtl_slice(in[0], 2, 0, 5, out))
APPLY(select_first, mtl_select(in[0], 0, 2, out))
APPLY(select_middle, mtl_select(in[0], 1, 2, out))
APPLY(select_last, mtl_select(in[0], 2, 4, out))
FROM(from_slice_first, i + 15)
FROM(from_slice_middle, i / 10 * 15 + i % 10 + 5)
FROM(from_slice_last, i / 3 * 5 + i % 3 + 2)
FROM(from_select_first, 30 + i)
FROM(from_select_middle, i / 5 * 15 + 10 + i % 5)
FROM(from_select_last, i * 5 + 4)

APPLY(turn, mtl_transpose(in[0], 0, 1, out))        /* of [70, 37] */
APPLY(turn_last, mtl_transpose(in[0], -1, -2, out)) /* of [4, 3, 5] */
APPLY(turn_ends, mtl_transpose(in[0], 0, 2, out))
APPLY(turn_first, mtl_transpose(in[0], 0, 1, out))
APPLY(turn_none, mtl_transpose(in[0], 1, 1, out))
APPLY(rotate, mtl_permute(in[0], 3, (int[]){2, 0, 1}, out))
APPLY(permute_high, mtl_permute(in[0], 8, (int[]){7, 0, 5, 2, 3, 4, 1, 6}, out)) /* of [2, 3, 1, 2, 1, 2, 2, 2] */
FROM(from_turn, i % 70 * 37 + i / 70)
FROM(from_turn_last, i / 15 * 15 + i % 3 * 5 + i / 3 % 5)
FROM(from_turn_ends, i % 4 * 15 + i / 4 % 3 * 5 + i / 12)
FROM(from_turn_first, i / 5 % 4 * 15 + i / 20 * 5 + i % 5)
FROM(from_rotate, i / 3 % 4 * 15 + i % 3 * 5 + i / 12)

static int64_t from_permute_high(int64_t i, double *const *in, int *which)
{
    static const int64_t stride[] = {48, 16, 16, 8, 8, 4, 2, 1}, size[] = {2, 3, 1, 2, 1, 2, 2, 2};
    static const int order[] = {7, 0, 5, 2, 3, 4, 1, 6};
    int64_t place = 0;
    (void)in, (void)which;
    for (int k = 7; k >= 0; k--) {
        place += i % size[order[k]] * stride[order[k]];
        i /= size[order[k]];
    }
    return place;
}

APPLY(expand_scalar, mtl_expand(in[0], SHAPE(3, 2), out))
APPLY(expand_row, mtl_expand(in[0], SHAPE(3, 5), out))       /* of [5] */
APPLY(expand_column, mtl_expand(in[0], SHAPE(2, 4, 5), out)) /* of [4, 1] */
APPLY(expand_middle, mtl_expand(in[0], SHAPE(2, 3, 4), out)) /* of [2, 1, 4] */
APPLY(expand_none, mtl_expand(in[0], SHAPE(0, 5), out))      /* of [5] */
FROM(from_scalar, 0 * i)
FROM(from_row, i % 5)
FROM(from_column, i / 5 % 4)
FROM(from_middle, i / 12 * 4 + i % 4)

APPLY(cat_rows, mtl_cat(3, in, 0, out))     /* of [2, 3], [0, 3], [1, 3] */
APPLY(cat_columns, mtl_cat(2, in, -1, out)) /* of [3, 2], [3, 4] */
APPLY(stack_first, mtl_stack(2, in, 0, out))
APPLY(stack_last, mtl_stack(2, in, -1, out))
APPLY(cat_many, mtl_cat(40, (mtl_tensor *[]){in[0], in[1], in[0], in[1], in[0], in[1], in[0], in[1], in[0], in[1],
                                             in[0], in[1], in[0], in[1], in[0], in[1], in[0], in[1], in[0], in[1],
                                             in[0], in[1], in[0], in[1], in[0], in[1], in[0], in[1], in[0], in[1],
                                             in[0], in[1], in[0], in[1], in[0], in[1], in[0], in[1], in[0], in[1]},
                        1, out)) /* of [3, 2], [3, 2] */
FROM(from_cat_rows, (*which = i < 6 ? 0 : 2, i < 6 ? i : i - 6))
FROM(from_cat_columns, (*which = i % 6 < 2 ? 0 : 1, *which ? i / 6 * 4 + i % 6 - 2 : i / 6 * 2 + i % 6))
FROM(from_stack_first, (*which = i >= 6, i % 6))
FROM(from_stack_last, (*which = i % 2, i / 2))
FROM(from_cat_many, (*which = i % 80 / 2 % 2, i / 80 * 2 + i % 2))

APPLY(take_first, mtl_take(in[0], 0, in[1], out)) /* of [4, 3, 5], 7 indices */
APPLY(take_middle, mtl_take(in[0], 1, in[1], out))
APPLY(take_last, mtl_take(in[0], 2, in[1], out))
APPLY(gather_first, mtl_gather(in[0], 0, in[1], out)) /* of [4, 3, 5] with [6, 3, 5] ... */
APPLY(gather_middle, mtl_gather(in[0], 1, in[1], out))
APPLY(gather_last, mtl_gather(in[0], -1, in[1], out))
FROM(from_take_first, (int64_t)in[1][i / 15] * 15 + i % 15)
FROM(from_take_middle, i / 35 * 15 + (int64_t)in[1][i / 5 % 7] * 5 + i % 5)
FROM(from_take_last, i / 7 * 5 + (int64_t)in[1][i % 7])
FROM(from_gather_first, (int64_t)in[1][i] * 15 + i % 15)
FROM(from_gather_middle, i / 10 * 15 + (int64_t)in[1][i] * 5 + i % 5)
FROM(from_gather_last, i / 2 * 5 + (int64_t)in[1][i])

#define F(r, ...)                                                                                                      \
    {                                                                                                                  \
        .rank = r, .shape = {__VA_ARGS__}, .low = -1, .high = 1                                                        \
    }
#define I(n, r, ...)                                                                                                   \
    {                                                                                                                  \
        .rank = r, .shape = {__VA_ARGS__}, .classes = n                                                                \
    }
#define CUBE F(3, 4, 3, 5)

static const move moves[] = {
    {"reshape", 1, {F(2, 4, 6)}, reshape, same, {0}},
    {"reshape to rank 0", 1, {F(2, 1, 1)}, to_scalar, same, {0}},
    {"reshape to rank 8", 1, {F(1, 24)}, to_high, same, {0}},
    {"reshape from rank 8", 1, {F(8, 2, 1, 2, 1, 3, 1, 1, 2)}, reshape, same, {0}},
    {"slice 0", 1, {CUBE}, slice_first, from_slice_first, {0}},
    {"slice 1", 1, {CUBE}, slice_middle, from_slice_middle, {0}},
    {"slice -1", 1, {CUBE}, slice_last, from_slice_last, {0}},
    {"slice of nothing", 1, {CUBE}, slice_empty, same, {0}},
    {"slice of all", 1, {CUBE}, slice_all, same, {0}},
    {"select 0", 1, {CUBE}, select_first, from_select_first, {0}},
    {"select 1", 1, {CUBE}, select_middle, from_select_middle, {0}},
    {"select 2", 1, {CUBE}, select_last, from_select_last, {0}},
    {"transpose", 1, {F(2, 70, 37)}, turn, from_turn, {0}},
    {"transpose -1 -2", 1, {CUBE}, turn_last, from_turn_last, {0}},
    {"transpose 0 2", 1, {CUBE}, turn_ends, from_turn_ends, {0}},
    {"transpose 0 1", 1, {CUBE}, turn_first, from_turn_first, {0}},
    {"transpose 1 1", 1, {CUBE}, turn_none, same, {0}},
    {"transpose of nothing", 1, {F(2, 0, 3)}, turn, same, {0}},
    {"permute", 1, {CUBE}, rotate, from_rotate, {0}},
    {"permute of rank 8", 1, {F(8, 2, 3, 1, 2, 1, 2, 2, 2)}, permute_high, from_permute_high, {0}},
    {"expand rank 0", 1, {F(0, 0)}, expand_scalar, from_scalar, {0}},
    {"expand a row", 1, {F(1, 5)}, expand_row, from_row, {0}},
    {"expand a column", 1, {F(2, 4, 1)}, expand_column, from_column, {0}},
    {"expand the middle", 1, {F(3, 2, 1, 4)}, expand_middle, from_middle, {0}},
    {"expand to nothing", 1, {F(1, 5)}, expand_none, from_row, {0}},
    {"cat 0", 3, {F(2, 2, 3), F(2, 0, 3), F(2, 1, 3)}, cat_rows, from_cat_rows, {0}},
    {"cat -1", 2, {F(2, 3, 2), F(2, 3, 4)}, cat_columns, from_cat_columns, {0}},
    {"cat of 40", 2, {F(2, 3, 2), F(2, 3, 2)}, cat_many, from_cat_many, {0}},
    {"stack 0", 2, {F(2, 3, 2), F(2, 3, 2)}, stack_first, from_stack_first, {0}},
    {"stack -1", 2, {F(2, 3, 2), F(2, 3, 2)}, stack_last, from_stack_last, {0}},
    {"take 0", 2, {CUBE, I(4, 1, 7)}, take_first, from_take_first, {0}},
    {"take 1", 2, {CUBE, I(3, 1, 7)}, take_middle, from_take_middle, {0}},
    {"take 2", 2, {CUBE, I(5, 1, 7)}, take_last, from_take_last, {0}},
    {"take nothing", 2, {CUBE, I(5, 1, 0)}, take_last, from_take_last, {0}},
    {"gather 0", 2, {CUBE, I(4, 3, 6, 3, 5)}, gather_first, from_gather_first, {0}},
    {"gather 1", 2, {CUBE, I(3, 3, 4, 2, 5)}, gather_middle, from_gather_middle, {0}},
    {"gather -1", 2, {CUBE, I(5, 3, 4, 3, 2)}, gather_last, from_gather_last, {0}},
};

static void every_move(void)
{
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
        conformance_case c = {.name = moves[i].name, .n_inputs = moves[i].n_inputs, .reference = reference};
        c.apply = moves[i].apply;
        memcpy(c.input, moves[i].input, sizeof c.input);
        current = moves[i].from;
        CHECK(conformance(&c));
    }
}

/* ---- what conformance does not see ---- */

static void shared_storage(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(3, 2), (float[]){0, 1, 2, 3, 4, 5});
    MUST(mtl_slice(x, 0, 1, 3, &y) == MTL_OK && mtl_tensor_fill(y, 7) == MTL_OK);
    CHECK(at(x, 1) == 1 && at(x, 2) == 7 && at(x, 5) == 7);
    mtl_tensor_release(y);
    MUST(mtl_reshape(x, SHAPE(6), &y) == MTL_OK && mtl_tensor_fill(y, 8) == MTL_OK && at(x, 0) == 8);
    mtl_tensor_release(y);
    MUST(mtl_select(x, 0, 0, &y) == MTL_OK && mtl_tensor_fill(y, 9) == MTL_OK && at(x, 0) == 8);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    finish(ctx);
}

static void other_dtypes(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(2, &ctx);
    enum { M = 150, N = 210 }; /* several blocks */
    static uint8_t pixels[M * N];
    for (int i = 0; i < M * N; i++)
        pixels[i] = (uint8_t)(i * 31);
    mtl_tensor *x = make(ctx, MTL_U8, SHAPE(M, N), pixels), *index = INTS(ctx, 2, 2, 0);
    int wrong = 0;
    MUST(mtl_transpose(x, 0, 1, &y) == MTL_OK && mtl_tensor_dtype(y) == MTL_U8);
    for (int i = 0; i < M * N; i++)
        wrong += ((uint8_t *)mtl_tensor_data(y))[i] != pixels[i % M * N + i / M];
    CHECK(wrong == 0);
    mtl_tensor_release(y);
    MUST(mtl_take(x, 1, index, &y) == MTL_OK && is(y, SHAPE(M, 3)));
    CHECK(at(y, 3) == pixels[N + 2] && at(y, 5) == pixels[N]);
    mtl_tensor_release(y);
    MUST(mtl_cat(2, (mtl_tensor *[]){x, x}, 1, &y) == MTL_OK);
    CHECK(at(y, N + 5) == pixels[5] && at(y, 2 * N + 1) == pixels[N + 1]);
    mtl_tensor_release(y);
    MUST(mtl_expand(index, SHAPE(2, 3), &y) == MTL_OK);
    CHECK(mtl_tensor_dtype(y) == MTL_I32 && at(y, 3) == 2 && at(y, 5) == 0);
    mtl_tensor_release(y);
    MUST(mtl_gather(index, 0, index, &y) == MTL_OK);
    CHECK(at(y, 0) == 0 && at(y, 2) == 2);
    mtl_tensor_release(y);
    mtl_tensor_release(x);
    mtl_tensor_release(index);
    finish(ctx);
}

static void one_hot(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = make(ctx, MTL_I32, SHAPE(2, 2), (int32_t[]){2, 0, -1, 1});
    static const float want[] = {0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0};
    MUST(mtl_one_hot(x, 3, &y) == MTL_OK && is(y, SHAPE(2, 2, 3)));
    for (int i = 0; i < 12; i++)
        CHECK(at(y, i) == want[i]);
    mtl_tensor_release(y);
    CHECK(mtl_one_hot(x, 2, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "one_hot: index 2 (element 0 of the indices), which should be -1 to 1");
    mtl_tensor_release(x);
    finish(ctx);
}

static void messages(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *y = NULL;
    mtl_context_new(1, &ctx);
    mtl_tensor *x = make(ctx, MTL_F32, SHAPE(2, 3), NULL), *z = make(ctx, MTL_F32, SHAPE(2, 4), NULL);
    mtl_tensor *index = INTS(ctx, 0, 3), *bytes = make(ctx, MTL_U8, SHAPE(2, 3), NULL);
    CHECK(mtl_reshape(x, SHAPE(4, -1), &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "reshape: shape [2, 3] (6 elements) to [4, -1]");
    CHECK(mtl_reshape(x, SHAPE(-1, -1), &y) == MTL_ERR_SHAPE && mtl_reshape(x, SHAPE(0, -1), &y) == MTL_ERR_SHAPE);
    CHECK(mtl_reshape(x, SHAPE(INT64_MAX, 4), &y) == MTL_ERR_SHAPE && mtl_reshape(x, SHAPE(-6), &y) == MTL_ERR_SHAPE);
    CHECK(mtl_slice(x, 1, 2, 4, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "slice: from 2 to 4 of dimension 2 of a tensor of shape [2, 3]");
    CHECK(mtl_select(x, 0, 2, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "select: element 3 of dimension 1 of a tensor of shape [2, 3]");
    CHECK(mtl_permute(x, 2, (int[]){1, 1}, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "permute: each of the 2 dimensions of shape [2, 3] should be named once");
    CHECK(mtl_expand(x, SHAPE(2, 4), &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "expand: shape [2, 3] does not broadcast to [2, 4]");
    CHECK(mtl_cat(2, (mtl_tensor *[]){x, z}, 0, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "cat: tensor 2 has shape [2, 4] and the first [2, 3]");
    CHECK(mtl_cat(2, (mtl_tensor *[]){x, bytes}, 0, &y) == MTL_ERR_DTYPE);
    CHECK(mtl_stack(2, (mtl_tensor *[]){x, z}, 0, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "stack: tensor 2 has shape [2, 4] and the first [2, 3]");
    CHECK(mtl_take(x, 1, index, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "take: index 3 (element 1 of the indices), which should be 0 to 2");
    CHECK(mtl_take(x, 1, x, &y) == MTL_ERR_SHAPE && mtl_gather(x, 1, z, &y) == MTL_ERR_DTYPE);
    CHECK(mtl_gather(x, 0, index, &y) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "gather: indices of shape [2] for a tensor of shape [2, 3]");
    CHECK(mtl_transpose(x, 0, 2, &y) == MTL_ERR_ARG && y == NULL);
    mtl_tensor_release(x);
    mtl_tensor_release(z);
    mtl_tensor_release(index);
    mtl_tensor_release(bytes);
    finish(ctx);
}

int main(void)
{
    RUN(every_move);
    RUN(shared_storage);
    RUN(other_dtypes);
    RUN(one_hot);
    RUN(messages);
    return TEST_RESULT;
}

/* matmul: op(a) op(b) over the last two dimensions. What is recorded is either one product (leading dimensions of `a`
   folded into its lines) or `batch` of them; vectors and leading dimensions that broadcast come through other
   operators. */
#include <string.h>

#include "op/broadcast.h"

enum { A, B };
enum { TRANS_A, TRANS_B, M, N, K, BATCH };

/* Gradient i: d = op(dy) op(other), or op(other) op(dy), whose sizes and transposes g says. Strides are set here. */
static mtl_status gradient(mtl_grad_call *call, int i, mtl_gemm g, bool dy_first, const mtl_tensor *other)
{
    const int64_t *at = call->node->integer;
    int64_t size = g.m * g.n, dy_size = at[M] * at[N], calls = 1;
    mtl_tensor *d, *dy = call->dy, *to;
    MTL_TRY(mtl_grad_out(call, i, &d));
    if (d->count == 0) /* also: no batch, and then nothing to read */
        return MTL_OK;
    g.alpha = 1;
    g.ldc = g.n;
    g.batch = at[BATCH];
    g.stride_c = size;
    *(dy_first ? &g.stride_a : &g.stride_b) = dy_size;
    *(dy_first ? &g.stride_b : &g.stride_a) = g.batch > 1 ? g.k * (dy_first ? g.n : g.m) : 0;
    if (g.batch > 1)
        calls = call->rows;
    else if (dy_first && !g.trans_a) /* all cotangents are one large product */
        g.m *= call->rows;
    else
        g.batch = call->rows;
    for (int64_t r = 0; r < calls; r++) {
        int64_t each = at[BATCH] * size, dy_each = at[BATCH] * dy_size;
        mtl_status status;
        if (calls > 1) {
            MTL_TRY(mtl_tensor_alias(call->dy, 1, &dy_each, r * dy_each, &dy));
            status = mtl_tensor_alias(d, 1, &each, r * each, &to);
            if (status == MTL_OK) {
                status = MTL_KERNEL(d, gemm, &g, dy_first ? dy : other, dy_first ? other : dy, NULL, to);
                mtl_tensor_release(to);
            }
            mtl_tensor_release(dy);
        } else {
            status = MTL_KERNEL(d, gemm, &g, dy_first ? dy : other, dy_first ? other : dy, NULL, d);
        }
        MTL_TRY(status);
    }
    return MTL_OK;
}

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    const int64_t *at = node->integer;
    const mtl_tensor *a = node->saved[A], *b = node->saved[B];
    int64_t m = at[M], n = at[N], k = at[K], lda = at[TRANS_A] ? m : k, ldb = at[TRANS_B] ? k : n;
    if (node->needs[A]) {
        mtl_gemm plain = {.trans_b = !at[TRANS_B], .m = m, .n = k, .k = n, .lda = n, .ldb = ldb};
        mtl_gemm turned = {.trans_a = at[TRANS_B], .trans_b = true, .m = k, .n = m, .k = n, .lda = ldb, .ldb = n};
        MTL_TRY(gradient(call, A, at[TRANS_A] ? turned : plain, !at[TRANS_A], b));
    }
    if (node->needs[B]) {
        mtl_gemm plain = {.trans_a = !at[TRANS_A], .m = k, .n = n, .k = m, .lda = lda, .ldb = n};
        mtl_gemm turned = {.trans_a = true, .trans_b = at[TRANS_A], .m = n, .n = k, .k = m, .lda = n, .ldb = lda};
        MTL_TRY(gradient(call, B, at[TRANS_B] ? turned : plain, at[TRANS_B], a));
    }
    return MTL_OK;
}

const mtl_op mtl_op_matmul = {"matmul", backward};

static int64_t leading(const mtl_tensor *t) /* products of the dimensions before the last two */
{
    int64_t n = 1;
    for (int i = 0; i < t->rank - 2; i++)
        n *= t->shape[i];
    return n;
}

/* Both of rank 2 or more, and their leading dimensions are equal or b has none to speak of. */
static mtl_status multiply(mtl_tensor *a, mtl_tensor *b, bool trans_a, bool trans_b, const mtl_dims *dims,
                           mtl_tensor **out)
{
    const int64_t *tail_a = a->shape + a->rank - 2, *tail_b = b->shape + b->rank - 2;
    int64_t m = tail_a[trans_a], k = tail_a[!trans_a], n = tail_b[!trans_b], batch = leading(a);
    mtl_tensor *y = NULL;
    mtl_node *node;
    MTL_TRY(mtl_tensor_like(a, MTL_F32, dims->rank, dims->size, &y));
    if (leading(b) == 1 && !trans_a) {
        m *= batch;
        batch = 1;
    }
    mtl_gemm g = {.trans_a = trans_a, .trans_b = trans_b, .m = m, .n = n, .k = k, .batch = batch, .alpha = 1};
    g.lda = trans_a ? m : k;
    g.ldb = trans_b ? k : n;
    g.ldc = n;
    g.stride_a = m * k;
    g.stride_b = k * n;
    g.stride_c = m * n;
    mtl_status status = MTL_KERNEL(a, gemm, &g, a, b, NULL, y);
    mtl_tensor *need[] = {mtl_tensor_requires_grad(b) ? a : NULL, mtl_tensor_requires_grad(a) ? b : NULL};
    MTL_TRY(mtl_finish(status, &mtl_op_matmul, 2, (mtl_tensor *[]){a, b}, 2, need, y, &node, out));
    if (node)
        memcpy(node->integer, (int64_t[]){trans_a, trans_b, m, n, k, batch}, 6 * sizeof(int64_t));
    return MTL_OK;
}

/* Itself, or repeated so that the leading dimensions are those of `to`; the last two stay. */
static mtl_status spread(mtl_tensor *x, const mtl_dims *to, mtl_tensor **out)
{
    mtl_dims d = *to;
    memcpy(d.size + d.rank - 2, x->shape + x->rank - 2, 2 * sizeof *d.size);
    if (x->rank == d.rank && memcmp(x->shape, d.size, (size_t)d.rank * sizeof *d.size) == 0) {
        *out = mtl_tensor_retain(x);
        return MTL_OK;
    }
    return mtl_expand(x, d.rank, d.size, out);
}

static mtl_status refuse(const mtl_tensor *a, const mtl_tensor *b, bool trans_a, bool trans_b, const char *why)
{
    char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    return mtl_fail(a->ctx, MTL_ERR_SHAPE, "matmul: %s%s times %s%s; %s",
                    mtl_shape_text(a->rank, a->shape, text, sizeof text), trans_a ? " transposed" : "",
                    mtl_shape_text(b->rank, b->shape, other, sizeof other), trans_b ? " transposed" : "", why);
}

mtl_status mtl_matmul(mtl_tensor *a, mtl_tensor *b, bool trans_a, bool trans_b, mtl_tensor **out)
{
    mtl_tensor *left = NULL, *right = NULL, *wide_left = NULL, *wide_right = NULL, *y = NULL;
    mtl_dims dims = {0};
    mtl_status status;
    bool row = a->rank == 1, column = b->rank == 1; /* a vector is one row, or one column; transposing it is nothing */
    trans_a &= !row;
    trans_b &= !column;
    MTL_TRY(mtl_check_floats("matmul", 2, (mtl_tensor *[]){a, b}));
    if (a->rank == 0 || b->rank == 0)
        return refuse(a, b, trans_a, trans_b, "a tensor of one number has no rows; multiply with *");
    MTL_TRY_GOTO(row ? mtl_reshape(a, 2, (int64_t[]){1, a->count}, &left) : (left = mtl_tensor_retain(a), MTL_OK));
    MTL_TRY_GOTO(column ? mtl_reshape(b, 2, (int64_t[]){b->count, 1}, &right) : (right = mtl_tensor_retain(b), MTL_OK));
    const int64_t *tail_a = left->shape + left->rank - 2, *tail_b = right->shape + right->rank - 2;
    if (tail_a[!trans_a] != tail_b[trans_b]) {
        status = refuse(a, b, trans_a, trans_b, "the columns of the first should be as many as the rows of the second");
        goto done;
    }
    dims.rank = left->rank > right->rank ? left->rank : right->rank;
    for (int i = 0; i < dims.rank - 2; i++) {
        int at_a = i - (dims.rank - left->rank), at_b = i - (dims.rank - right->rank);
        int64_t size_a = at_a < 0 ? 1 : left->shape[at_a], size_b = at_b < 0 ? 1 : right->shape[at_b];
        dims.size[i] = size_a == 1 ? size_b : size_a;
        if (size_b != 1 && size_b != dims.size[i]) {
            status = refuse(a, b, trans_a, trans_b, "leading sizes, from the right, should be equal or 1");
            goto done;
        }
    }
    dims.size[dims.rank - 2] = tail_a[trans_a];
    dims.size[dims.rank - 1] = tail_b[!trans_b];
    if (leading(right) == 1 && !trans_a && left->rank == dims.rank) {
        wide_left = mtl_tensor_retain(left);
        wide_right = mtl_tensor_retain(right);
    } else {
        MTL_TRY_GOTO(spread(left, &dims, &wide_left));
        MTL_TRY_GOTO(spread(right, &dims, &wide_right));
    }
    MTL_TRY_GOTO(multiply(wide_left, wide_right, trans_a, trans_b, &dims, &y));
    if (row || column) {
        int rank = dims.rank - row - column;
        if (row && !column)
            dims.size[dims.rank - 2] = dims.size[dims.rank - 1];
        MTL_TRY_GOTO(mtl_reshape(y, rank, dims.size, out));
    } else {
        *out = mtl_tensor_retain(y);
    }
done:
    mtl_tensor_release(left);
    mtl_tensor_release(right);
    mtl_tensor_release(wide_left);
    mtl_tensor_release(wide_right);
    mtl_tensor_release(y);
    return status;
}

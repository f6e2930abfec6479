/* Shapes: views where the bytes stay in order, strided copies elsewhere. Any dtype. */
#include <inttypes.h>
#include <string.h>

#include "op/broadcast.h"

static mtl_status reshape_backward(mtl_grad_call *call)
{
    return mtl_grad_reshaped(call, 0, call->dy);
}

const mtl_op mtl_op_reshape = {"reshape", reshape_backward};

mtl_status mtl_reshape(mtl_tensor *x, int rank, const int64_t *shape, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    int64_t known = 1, full[MTL_MAX_RANK];
    int open = -1, n_open = 0;
    bool fits = rank >= 0 && rank <= MTL_MAX_RANK;
    char from[MTL_SHAPE_TEXT], to[MTL_SHAPE_TEXT];
    for (int i = 0; fits && i < rank; i++) {
        full[i] = shape[i];
        if (shape[i] == -1) {
            open = i;
            n_open++;
        } else {
            fits = shape[i] >= 0 && !mtl_mul_overflows(known, shape[i], &known);
        }
    }
    if (fits && n_open == 1) {
        fits = known > 0 && x->count % known == 0;
        full[open] = fits ? x->count / known : 0;
    } else {
        fits = fits && n_open == 0 && known == x->count;
    }
    if (!fits)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "reshape: shape %s (%" PRId64 " elements) to %s; the number of elements should stay, one size "
                        "may be -1",
                        mtl_shape_text(x->rank, x->shape, from, sizeof from), x->count,
                        mtl_shape_text(rank < 0 || rank > MTL_MAX_RANK ? 0 : rank, shape, to, sizeof to));
    MTL_TRY(mtl_tensor_alias(x, rank, full, 0, &y));
    return mtl_finish(MTL_OK, &mtl_op_reshape, 1, &x, 0, NULL, y, &node, out);
}

/* ---- a range of one dimension ---- */

enum { DIM, BEGIN, COUNT };

static mtl_status range_backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    const mtl_edge *edge = &node->edges[0];
    mtl_fold f = mtl_fold_at(edge->rank, edge->shape, (int)node->integer[DIM]);
    int64_t lines = call->rows * f.outer, begin = node->integer[BEGIN] * f.inner, run = node->integer[COUNT] * f.inner;
    mtl_broadcast plan = {.rank = 2, .shape = {lines, run}, .stride = {{run, 1}, {f.n * f.inner, 1}}};
    mtl_tensor *dx = NULL, *part = NULL;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    MTL_TRY(MTL_KERNEL(dx, fill, dx, 0.0));
    if (call->dy->count == 0)
        return MTL_OK;
    MTL_TRY(mtl_tensor_alias(dx, 1, &(int64_t){dx->count - begin}, begin, &part));
    mtl_status status = MTL_KERNEL(dx, copy_strided, &plan, call->dy, part);
    mtl_tensor_release(part);
    return status;
}

const mtl_op mtl_op_slice = {"slice", range_backward};
const mtl_op mtl_op_select = {"select", range_backward};

static mtl_status range(const mtl_op *op, mtl_tensor *x, int dim, int64_t begin, int64_t count, bool drop, bool share,
                        mtl_tensor **out)
{
    mtl_tensor *y = NULL, *part = NULL;
    mtl_node *node;
    mtl_status status = MTL_OK;
    int64_t shape[MTL_MAX_RANK];
    int rank = 0;
    mtl_fold f = mtl_fold_at(x->rank, x->shape, dim);
    int64_t first = begin * f.inner, run = count * f.inner;
    for (int i = 0; i < x->rank; i++) {
        if (i != dim || !drop)
            shape[rank++] = i == dim ? count : x->shape[i];
    }
    if (share) {
        MTL_TRY(mtl_tensor_alias(x, rank, shape, first, &y));
    } else {
        MTL_TRY(mtl_tensor_like(x, x->dtype, rank, shape, &y));
        if (y->count > 0) {
            mtl_broadcast plan = {.rank = 2, .shape = {f.outer, run}, .stride = {{f.n * f.inner, 1}, {run, 1}}};
            status = mtl_tensor_alias(x, 1, &(int64_t){x->count - first}, first, &part);
            if (status == MTL_OK)
                status = MTL_KERNEL(x, copy_strided, &plan, part, y);
            mtl_tensor_release(part);
        }
    }
    MTL_TRY(mtl_finish(status, op, 1, &x, 0, NULL, y, &node, out));
    if (node) {
        node->integer[DIM] = dim;
        node->integer[BEGIN] = begin;
        node->integer[COUNT] = count;
    }
    return MTL_OK;
}

mtl_status mtl_slice(mtl_tensor *x, int dim, int64_t begin, int64_t end, mtl_tensor **out)
{
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_dim("slice", x, dim, &dim));
    if (begin < 0 || end < begin || end > x->shape[dim])
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "slice: from %" PRId64 " to %" PRId64 " of dimension %d of a tensor of shape %s", begin, end,
                        dim + 1, mtl_shape_text(x->rank, x->shape, text, sizeof text));
    return range(&mtl_op_slice, x, dim, begin, end - begin, false, dim == 0, out);
}

mtl_status mtl_select(mtl_tensor *x, int dim, int64_t index, mtl_tensor **out)
{
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_dim("select", x, dim, &dim));
    if (index < 0 || index >= x->shape[dim])
        return mtl_fail(x->ctx, MTL_ERR_ARG, "select: element %" PRId64 " of dimension %d of a tensor of shape %s",
                        index + 1, dim + 1, mtl_shape_text(x->rank, x->shape, text, sizeof text));
    return range(&mtl_op_select, x, dim, index, 1, true, false, out);
}

/* ---- the order of dimensions ---- */

/* y = x with its dimensions in the order `order`; y is contiguous */
static mtl_status permuted(const mtl_dims *x_dims, const int *order, const mtl_tensor *x, mtl_tensor *y)
{
    mtl_broadcast plan = {.rank = x_dims->rank};
    int64_t stride[MTL_MAX_RANK + 1], step = 1;
    for (int i = x_dims->rank; i-- > 0;) {
        stride[i] = step;
        step *= x_dims->size[i];
    }
    step = 1;
    for (int i = x_dims->rank; i-- > 0;) {
        plan.shape[i] = x_dims->size[order[i]];
        plan.stride[0][i] = stride[order[i]];
        plan.stride[1][i] = step;
        step *= plan.shape[i];
    }
    mtl_broadcast_merge(&plan, 2);
    return MTL_KERNEL(x, copy_strided, &plan, x, y);
}

static mtl_status permute_backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    mtl_dims d = mtl_dims_rows(call->rows, node->rank, node->rank, node->shape);
    int inverse[MTL_MAX_RANK + 1] = {0};
    mtl_tensor *dx = NULL;
    for (int i = 0; i < node->rank; i++)
        inverse[1 + node->integer[i]] = 1 + i;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return permuted(&d, inverse, call->dy, dx);
}

const mtl_op mtl_op_permute = {"permute", permute_backward};
const mtl_op mtl_op_transpose = {"transpose", permute_backward};

static mtl_status permute(const mtl_op *op, mtl_tensor *x, const int *order, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    mtl_dims d = mtl_dims_of(x->rank, x->shape);
    int64_t shape[MTL_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        shape[i] = x->shape[order[i]];
    MTL_TRY(mtl_tensor_like(x, x->dtype, x->rank, shape, &y));
    mtl_status status = permuted(&d, order, x, y);
    MTL_TRY(mtl_finish(status, op, 1, &x, 0, NULL, y, &node, out));
    for (int i = 0; node && i < x->rank; i++)
        node->integer[i] = order[i];
    return MTL_OK;
}

mtl_status mtl_transpose(mtl_tensor *x, int dim0, int dim1, mtl_tensor **out)
{
    int order[MTL_MAX_RANK];
    MTL_TRY(mtl_check_dim("transpose", x, dim0, &dim0));
    MTL_TRY(mtl_check_dim("transpose", x, dim1, &dim1));
    for (int i = 0; i < x->rank; i++)
        order[i] = i == dim0 ? dim1 : i == dim1 ? dim0 : i;
    return permute(&mtl_op_transpose, x, order, out);
}

mtl_status mtl_permute(mtl_tensor *x, int n, const int *dims, mtl_tensor **out)
{
    int order[MTL_MAX_RANK];
    unsigned seen = 0;
    char text[MTL_SHAPE_TEXT];
    for (int i = 0; n == x->rank && i < n; i++) {
        MTL_TRY(mtl_check_dim("permute", x, dims[i], &order[i]));
        seen |= 1u << order[i];
    }
    if (n != x->rank || seen != (1u << n) - 1)
        return mtl_fail(x->ctx, MTL_ERR_ARG, "permute: each of the %d dimensions of shape %s should be named once",
                        x->rank, mtl_shape_text(x->rank, x->shape, text, sizeof text));
    return permute(&mtl_op_permute, x, order, out);
}

/* ---- repetition ---- */

static mtl_status expand_backward(mtl_grad_call *call)
{
    return mtl_grad_sum(call, 0, call->dy);
}

const mtl_op mtl_op_expand = {"expand", expand_backward};

mtl_status mtl_expand(mtl_tensor *x, int rank, const int64_t *shape, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    char from[MTL_SHAPE_TEXT], to[MTL_SHAPE_TEXT];
    bool fits = rank >= x->rank && rank <= MTL_MAX_RANK;
    for (int i = 0; fits && i < x->rank; i++)
        fits = x->shape[i] == 1 || x->shape[i] == shape[i + rank - x->rank];
    if (!fits)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "expand: shape %s does not broadcast to %s",
                        mtl_shape_text(x->rank, x->shape, from, sizeof from),
                        mtl_shape_text(rank < 0 || rank > MTL_MAX_RANK ? 0 : rank, shape, to, sizeof to));
    MTL_TRY(mtl_tensor_like(x, x->dtype, rank, shape, &y));
    mtl_dims x_dims = mtl_dims_of(x->rank, x->shape), y_dims = mtl_dims_of(rank, shape);
    mtl_status status = mtl_repeat(&x_dims, &y_dims, x, y);
    return mtl_finish(status, &mtl_op_expand, 1, &x, 0, NULL, y, &node, out);
}

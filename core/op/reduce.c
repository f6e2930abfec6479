/* Reductions along one dimension or all of them. */
#include "op/broadcast.h"

enum { DIM };

static mtl_status reduce(const mtl_op *op, int kind, mtl_tensor *x, int dim, bool keep, mtl_tensor **out)
{
    bool index = kind == MTL_REDUCE_ARGMAX || kind == MTL_REDUCE_ARGMIN;
    bool needs_values = kind != MTL_REDUCE_SUM && kind != MTL_REDUCE_MEAN;
    mtl_tensor *y = NULL;
    mtl_node *node;
    mtl_dims d = {0};
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_floats(op->name, 1, &x));
    if (dim != MTL_ALL)
        MTL_TRY(mtl_check_dim(op->name, x, dim, &dim));
    for (int i = 0; i < x->rank; i++) {
        bool gone = dim == MTL_ALL || i == dim;
        if (!gone || keep)
            d.size[d.rank++] = gone ? 1 : x->shape[i];
    }
    mtl_fold f = mtl_fold_at(x->rank, x->shape, dim);
    if (needs_values && f.n == 0 && f.outer * f.inner > 0)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: a tensor of shape %s has nothing to choose from there", op->name,
                        mtl_shape_text(x->rank, x->shape, text, sizeof text));
    if (index && f.n > INT32_MAX)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: %lld elements are more than an int32 index counts", op->name,
                        (long long)f.n);
    MTL_TRY(mtl_tensor_like(x, index ? MTL_I32 : MTL_F32, d.rank, d.size, &y));
    mtl_status status = MTL_KERNEL(x, reduce, kind, f.outer, f.n, f.inner, x, y);
    if (index && status == MTL_OK) { /* a constant */
        *out = y;
        return MTL_OK;
    }
    MTL_TRY(mtl_finish(status, op, 1, &x, needs_values ? 2 : 0, (mtl_tensor *[]){x, y}, y, &node, out));
    if (node)
        node->integer[DIM] = dim;
    return MTL_OK;
}

/* [rows, outer, n, inner] of the input, and the same with n = 1 */
static mtl_fold dims_of(const mtl_grad_call *call, mtl_dims *full, mtl_dims *reduced)
{
    const mtl_edge *edge = &call->node->edges[0];
    mtl_fold f = mtl_fold_at(edge->rank, edge->shape, (int)call->node->integer[DIM]);
    *full = (mtl_dims){4, {call->rows, f.outer, f.n, f.inner}};
    *reduced = (mtl_dims){4, {call->rows, f.outer, 1, f.inner}};
    return f;
}

static mtl_status sum_backward(mtl_grad_call *call)
{
    mtl_dims full, reduced;
    mtl_tensor *dx = NULL;
    dims_of(call, &full, &reduced);
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return mtl_repeat(&reduced, &full, call->dy, dx);
}

static mtl_status mean_backward(mtl_grad_call *call)
{
    mtl_dims full, reduced;
    mtl_tensor *dx = NULL, *share = NULL;
    mtl_status status;
    mtl_fold f = dims_of(call, &full, &reduced);
    MTL_TRY_GOTO(mtl_grad_out(call, 0, &dx));
    MTL_TRY_GOTO(mtl_tensor_like(call->dy, MTL_F32, 1, &call->dy->count, &share));
    MTL_TRY_GOTO(MTL_KERNEL(dx, unary, MTL_UNARY_scale, 1.0 / (double)f.n, 0.0, call->dy, share));
    status = mtl_repeat(&reduced, &full, share, dx);
done:
    mtl_tensor_release(share);
    return status;
}

/* dx = dy * mask / (number of equals), where mask marks the elements that equal the extreme */
static mtl_status extreme_backward(mtl_grad_call *call)
{
    mtl_dims full, reduced;
    const mtl_tensor *x = call->node->saved[0], *y = call->node->saved[1];
    mtl_tensor *dx = NULL, *mask = NULL, *equals = NULL, *share = NULL;
    mtl_status status;
    mtl_fold f = dims_of(call, &full, &reduced);
    mtl_dims one = full, one_reduced = reduced;
    one.size[0] = one_reduced.size[0] = 1;
    mtl_broadcast beside = mtl_broadcast_plan(&one, 2, (mtl_dims[]){one, one_reduced});
    mtl_broadcast rows = mtl_broadcast_plan(&full, 2, (mtl_dims[]){reduced, one});
    MTL_TRY_GOTO(mtl_grad_out(call, 0, &dx));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 1, &x->count, &mask));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 1, &x->count, &share));
    MTL_TRY_GOTO(mtl_tensor_like(y, MTL_F32, 1, &y->count, &equals));
    MTL_TRY_GOTO(MTL_KERNEL(x, binary, MTL_BINARY_eq, &beside, x, y, mask));
    MTL_TRY_GOTO(MTL_KERNEL(x, reduce, MTL_REDUCE_SUM, f.outer, f.n, f.inner, mask, equals));
    MTL_TRY_GOTO(MTL_KERNEL(x, binary, MTL_BINARY_div, &beside, mask, equals, share));
    status = MTL_KERNEL(x, binary, MTL_BINARY_mul, &rows, call->dy, share, dx);
done:
    mtl_tensor_release(mask);
    mtl_tensor_release(equals);
    mtl_tensor_release(share);
    return status;
}

#define REDUCTION(name, kind, rule)                                                                                    \
    const mtl_op mtl_op_##name = {#name, rule};                                                                        \
    mtl_status mtl_##name(mtl_tensor *x, int dim, bool keep, mtl_tensor **out)                                         \
    {                                                                                                                  \
        return reduce(&mtl_op_##name, kind, x, dim, keep, out);                                                        \
    }

REDUCTION(sum, MTL_REDUCE_SUM, sum_backward)
REDUCTION(mean, MTL_REDUCE_MEAN, mean_backward)
REDUCTION(amax, MTL_REDUCE_MAX, extreme_backward)
REDUCTION(amin, MTL_REDUCE_MIN, extreme_backward)
REDUCTION(argmax, MTL_REDUCE_ARGMAX, NULL)
REDUCTION(argmin, MTL_REDUCE_ARGMIN, NULL)

static mtl_status sum_to_backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    const mtl_edge *edge = &node->edges[0];
    mtl_dims from = mtl_dims_rows(call->rows, edge->rank, node->rank, node->shape);
    mtl_dims to = mtl_dims_rows(call->rows, edge->rank, edge->rank, edge->shape);
    mtl_tensor *dx = NULL;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return mtl_repeat(&from, &to, call->dy, dx);
}

const mtl_op mtl_op_sum_to = {"sum_to", sum_to_backward};

mtl_status mtl_sum_to(mtl_tensor *x, int rank, const int64_t *shape, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    char from[MTL_SHAPE_TEXT], to[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_floats("sum_to", 1, &x));
    bool fits = rank >= 0 && rank <= x->rank;
    for (int i = 0; fits && i < rank; i++)
        fits = shape[i] == 1 || shape[i] == x->shape[i + x->rank - rank];
    if (!fits)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "sum_to: shape %s does not broadcast to %s, the shape of the tensor",
                        mtl_shape_text(rank > MTL_MAX_RANK ? MTL_MAX_RANK : rank, shape, to, sizeof to),
                        mtl_shape_text(x->rank, x->shape, from, sizeof from));
    MTL_TRY(mtl_tensor_like(x, MTL_F32, rank, shape, &y));
    mtl_dims all = mtl_dims_rows(1, x->rank, x->rank, x->shape), kept = mtl_dims_rows(1, x->rank, rank, shape);
    mtl_status status = mtl_sum_dims(&all, &kept, x, y);
    return mtl_finish(status, &mtl_op_sum_to, 1, &x, 0, NULL, y, &node, out);
}

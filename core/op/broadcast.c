/* Checks, broadcasting, and sums that undo it. */
#include "op/broadcast.h"

#include <string.h>

mtl_dims mtl_dims_of(int rank, const int64_t *shape)
{
    mtl_dims d = {.rank = rank};
    if (rank > 0)
        memcpy(d.size, shape, (size_t)rank * sizeof *shape);
    return d;
}

mtl_dims mtl_dims_rows(int64_t rows, int rank, int shape_rank, const int64_t *shape)
{
    mtl_dims d = {.rank = rank + 1, .size = {rows}};
    for (int i = 0; i < rank; i++)
        d.size[1 + i] = i < rank - shape_rank ? 1 : shape[i - (rank - shape_rank)];
    return d;
}

bool mtl_dims_same(const mtl_dims *a, const mtl_dims *b)
{
    return a->rank == b->rank && memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size) == 0;
}

mtl_status mtl_check_device(const char *who, int n, mtl_tensor *const *in)
{
    for (int i = 1; i < n; i++) {
        if (in[i] && in[0] && in[i]->storage->device != in[0]->storage->device)
            return mtl_fail(in[0]->ctx, MTL_ERR_ARG,
                            "%s: one tensor is on device '%s' and another on '%s'; move one of them with to()", who,
                            mtl_kernels(in[0])->name, mtl_kernels(in[i])->name);
    }
    return MTL_OK;
}

mtl_status mtl_check_floats(const char *who, int n, mtl_tensor *const *in)
{
    for (int i = 0; i < n; i++) {
        if (in[i] && in[i]->dtype != MTL_F32)
            return mtl_fail(in[i]->ctx, MTL_ERR_DTYPE, "%s: tensor %d is %s, which should be float32; cast it first",
                            who, i + 1, mtl_dtype_name(in[i]->dtype));
    }
    return mtl_check_device(who, n, in);
}

mtl_status mtl_check_dim(const char *who, const mtl_tensor *x, int dim, int *at)
{
    char text[MTL_SHAPE_TEXT];
    if (dim < -x->rank || dim >= x->rank)
        return mtl_fail(x->ctx, MTL_ERR_ARG, "%s: dimension %d of a tensor of shape %s, which has %d", who,
                        dim < 0 ? dim : dim + 1, mtl_shape_text(x->rank, x->shape, text, sizeof text), x->rank);
    *at = dim < 0 ? dim + x->rank : dim;
    return MTL_OK;
}

mtl_fold mtl_fold_at(int rank, const int64_t *shape, int dim)
{
    mtl_fold f = {1, 1, 1};
    for (int i = 0; i < rank; i++)
        *(dim == MTL_ALL || i == dim ? &f.n : i < dim ? &f.outer : &f.inner) *= shape[i];
    return f;
}

/* "[3, 4] and [5]" */
static const char *shapes_text(int n, mtl_tensor *const *in, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < n && used + 8 < size; i++) {
        if (i > 0)
            used += strlen(strcpy(text + used, i == n - 1 ? " and " : ", "));
        mtl_shape_text(in[i]->rank, in[i]->shape, text + used, size - used);
        used += strlen(text + used);
    }
    return text;
}

mtl_status mtl_broadcast_shape(const char *who, int n, mtl_tensor *const *in, mtl_dims *out)
{
    char text[3 * MTL_SHAPE_TEXT];
    mtl_dims d = {0};
    for (int i = 0; i < n; i++)
        d.rank = in[i]->rank > d.rank ? in[i]->rank : d.rank;
    for (int k = 0; k < d.rank; k++) {
        int64_t size = 1;
        for (int i = 0; i < n; i++) {
            int at = k - (d.rank - in[i]->rank);
            int64_t own = at < 0 ? 1 : in[i]->shape[at];
            if (own != 1 && size != 1 && own != size)
                return mtl_fail(in[0]->ctx, MTL_ERR_SHAPE,
                                "%s: shapes %s do not broadcast: sizes, from the right, should be equal or 1", who,
                                shapes_text(n, in, text, sizeof text));
            size = own == 1 ? size : own;
        }
        d.size[k] = size;
    }
    *out = d;
    return MTL_OK;
}

void mtl_broadcast_merge(mtl_broadcast *plan, int n)
{
    int to = -1;
    for (int k = 0; k < plan->rank; k++) {
        if (plan->shape[k] == 1)
            continue;
        bool even = to >= 0;
        for (int i = 0; i < n; i++)
            even = even && plan->stride[i][to] == plan->stride[i][k] * plan->shape[k];
        if (even)
            plan->shape[to] *= plan->shape[k];
        else
            plan->shape[++to] = plan->shape[k];
        for (int i = 0; i < n; i++)
            plan->stride[i][to] = plan->stride[i][k];
    }
    plan->rank = to + 1;
}

mtl_broadcast mtl_broadcast_plan(const mtl_dims *out, int n, const mtl_dims *in)
{
    mtl_broadcast plan = {.rank = out->rank};
    memcpy(plan.shape, out->size, sizeof plan.shape);
    for (int i = 0; i < n; i++) {
        int64_t stride = 1;
        for (int k = out->rank; k-- > 0;) {
            int at = k - (out->rank - in[i].rank);
            int64_t own = at < 0 ? 1 : in[i].size[at];
            plan.stride[i][k] = own == 1 ? 0 : stride;
            stride *= own;
        }
    }
    mtl_broadcast_merge(&plan, n);
    return plan;
}

mtl_status mtl_repeat(const mtl_dims *from, const mtl_dims *to, const mtl_tensor *x, mtl_tensor *y)
{
    mtl_broadcast plan = mtl_broadcast_plan(to, 2, (mtl_dims[]){*from, *to});
    return MTL_KERNEL(x, copy_strided, &plan, x, y);
}

/* [..., kept, summed, kept ...]: sums the last run of summed dimensions that is left, into y when it is the only one.
 */
mtl_status mtl_sum_dims(const mtl_dims *from, const mtl_dims *to, mtl_tensor *x, mtl_tensor *y)
{
    mtl_dims now = *from;
    mtl_tensor *held = NULL, *next = NULL;
    mtl_status status = MTL_OK;
    mtl_fold f = {1, 1, 1};
    for (int end = now.rank;;) {
        f.outer = f.n = 1;
        while (end > 0 && now.size[end - 1] == to->size[end - 1])
            f.inner *= now.size[--end];
        while (end > 0 && (now.size[end - 1] != to->size[end - 1] || now.size[end - 1] == 1)) {
            f.n *= now.size[--end];
            now.size[end] = to->size[end];
        }
        bool last = true;
        for (int k = 0; k < end; k++) {
            f.outer *= now.size[k];
            last = last && now.size[k] == to->size[k];
        }
        if (last) {
            status = MTL_KERNEL(x, reduce, MTL_REDUCE_SUM, f.outer, f.n, f.inner, held ? held : x, y);
            break;
        }
        int64_t count = f.outer * f.inner;
        MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 1, &count, &next));
        MTL_TRY_GOTO(MTL_KERNEL(x, reduce, MTL_REDUCE_SUM, f.outer, f.n, f.inner, held ? held : x, next));
        mtl_tensor_release(held);
        held = next;
        next = NULL;
    }
done:
    mtl_tensor_release(held);
    mtl_tensor_release(next);
    return status;
}

mtl_status mtl_grad_reshaped(mtl_grad_call *call, int i, mtl_tensor *dx)
{
    const mtl_edge *edge = &call->node->edges[i];
    mtl_dims d = mtl_dims_rows(call->rows, edge->rank, edge->rank, edge->shape);
    mtl_tensor *view = NULL;
    if (d.rank > MTL_MAX_RANK) { /* as the sweep does: the last two dimensions are merged */
        d.rank--;
        d.size[d.rank - 1] *= d.size[d.rank];
    }
    MTL_TRY(mtl_tensor_alias(dx, d.rank, d.size, 0, &view));
    mtl_status status = mtl_grad_give(call, i, view);
    mtl_tensor_release(view);
    return status;
}

mtl_status mtl_grad_sum(mtl_grad_call *call, int i, mtl_tensor *dx)
{
    const mtl_node *node = call->node;
    const mtl_edge *edge = &node->edges[i];
    mtl_tensor *sum = NULL;
    mtl_dims from = mtl_dims_rows(call->rows, node->rank, node->rank, node->shape);
    mtl_dims to = mtl_dims_rows(call->rows, node->rank, edge->rank, edge->shape);
    if (mtl_dims_same(&from, &to))
        return edge->rank == node->rank ? mtl_grad_give(call, i, dx) : mtl_grad_reshaped(call, i, dx);
    MTL_TRY(mtl_grad_out(call, i, &sum));
    return mtl_sum_dims(&from, &to, dx, sum);
}

mtl_status mtl_finish(mtl_status status, const mtl_op *op, int n, mtl_tensor *const *in, int n_saved,
                      mtl_tensor *const *saved, mtl_tensor *y, mtl_node **node, mtl_tensor **out)
{
    *node = NULL;
    if (status == MTL_OK)
        status = mtl_record(op, n, in, n_saved, saved, y, node);
    if (status == MTL_OK)
        *out = y;
    else
        mtl_tensor_release(y);
    return status;
}

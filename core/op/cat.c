/* cat joins along a dimension, stack along a new one. Any dtype, the same for all. */
#include <stdlib.h>
#include <string.h>

#include "op/broadcast.h"

enum { DIM };

static mtl_status cat_backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    int dim = (int)node->integer[DIM];
    mtl_fold all = mtl_fold_at(node->rank, node->shape, dim);
    int64_t first = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        int64_t run = node->edges[i].shape[dim] * all.inner, lines = call->rows * all.outer;
        mtl_tensor *dx = NULL, *part = NULL;
        if (node->needs[i]) {
            mtl_broadcast plan = {.rank = 2, .shape = {lines, run}, .stride = {{all.n * all.inner, 1}, {run, 1}}};
            MTL_TRY(mtl_grad_out(call, i, &dx));
            if (dx->count > 0) {
                MTL_TRY(mtl_tensor_alias(call->dy, 1, &(int64_t){call->dy->count - first}, first, &part));
                mtl_status status = MTL_KERNEL(dx, copy_strided, &plan, part, dx);
                mtl_tensor_release(part);
                MTL_TRY(status);
            }
        }
        first += run;
    }
    return MTL_OK;
}

const mtl_op mtl_op_cat = {"cat", cat_backward};

static mtl_status join(int n, mtl_tensor *const *x, int dim, mtl_tensor *y)
{
    mtl_fold all = mtl_fold_at(y->rank, y->shape, dim);
    int64_t first = 0;
    for (int i = 0; i < n; i++) {
        int64_t run = x[i]->shape[dim] * all.inner;
        mtl_broadcast plan = {.rank = 2, .shape = {all.outer, run}, .stride = {{run, 1}, {all.n * all.inner, 1}}};
        mtl_tensor *part = NULL;
        if (x[i]->count == 0)
            continue;
        MTL_TRY(mtl_tensor_alias(y, 1, &(int64_t){y->count - first}, first, &part));
        mtl_status status = MTL_KERNEL(y, copy_strided, &plan, x[i], part);
        mtl_tensor_release(part);
        MTL_TRY(status);
        first += run;
    }
    return MTL_OK;
}

/* The tape counts up to MTL_MAX_INPUTS inputs: more are joined in groups, and the groups again. */
static mtl_status cat_many(int n, mtl_tensor *const *x, int dim, mtl_tensor **out)
{
    int n_groups = (n + MTL_MAX_INPUTS - 1) / MTL_MAX_INPUTS;
    mtl_tensor **groups = calloc((size_t)n_groups, sizeof *groups);
    mtl_status status;
    if (!groups)
        return mtl_fail(x[0]->ctx, MTL_ERR_MEMORY, "no host memory left");
    for (int g = 0; g < n_groups; g++) {
        int from = g * MTL_MAX_INPUTS, size = n - from < MTL_MAX_INPUTS ? n - from : MTL_MAX_INPUTS;
        MTL_TRY_GOTO(mtl_cat(size, x + from, dim, &groups[g]));
    }
    status = mtl_cat(n_groups, groups, dim, out);
done:
    for (int g = 0; g < n_groups; g++)
        mtl_tensor_release(groups[g]);
    free(groups);
    return status;
}

mtl_status mtl_cat(int n, mtl_tensor *const *x, int dim, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    int64_t shape[MTL_MAX_RANK];
    char first[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_dim("cat", x[0], dim, &dim));
    MTL_TRY(mtl_check_device("cat", n, x));
    memcpy(shape, x[0]->shape, sizeof shape);
    for (int i = 1; i < n; i++) {
        bool fits = x[i]->rank == x[0]->rank;
        for (int k = 0; fits && k < x[0]->rank; k++)
            fits = k == dim || x[i]->shape[k] == shape[k];
        if (!fits)
            return mtl_fail(x[0]->ctx, MTL_ERR_SHAPE,
                            "cat: tensor %d has shape %s and the first %s; they should be equal but for dimension %d",
                            i + 1, mtl_shape_text(x[i]->rank, x[i]->shape, other, sizeof other),
                            mtl_shape_text(x[0]->rank, x[0]->shape, first, sizeof first), dim + 1);
        if (x[i]->dtype != x[0]->dtype)
            return mtl_fail(x[0]->ctx, MTL_ERR_DTYPE, "cat: tensor %d is %s and the first %s; cast one of them", i + 1,
                            mtl_dtype_name(x[i]->dtype), mtl_dtype_name(x[0]->dtype));
        shape[dim] += x[i]->shape[dim];
    }
    if (n > MTL_MAX_INPUTS)
        return cat_many(n, x, dim, out);
    MTL_TRY(mtl_tensor_like(x[0], x[0]->dtype, x[0]->rank, shape, &y));
    mtl_status status = join(n, x, dim, y);
    MTL_TRY(mtl_finish(status, &mtl_op_cat, n, x, 0, NULL, y, &node, out));
    if (node)
        node->integer[DIM] = dim;
    return MTL_OK;
}

mtl_status mtl_stack(int n, mtl_tensor *const *x, int dim, mtl_tensor **out)
{
    char first[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    int64_t shape[MTL_MAX_RANK];
    int rank = x[0]->rank + 1;
    mtl_status status = MTL_OK;
    if (rank > MTL_MAX_RANK || dim < -rank || dim >= rank)
        return mtl_fail(x[0]->ctx, MTL_ERR_ARG, "stack: a new dimension %d beside those of shape %s",
                        dim < 0 ? dim : dim + 1, mtl_shape_text(rank - 1, x[0]->shape, first, sizeof first));
    dim = dim < 0 ? dim + rank : dim;
    for (int k = 0; k < rank; k++)
        shape[k] = k == dim ? 1 : x[0]->shape[k > dim ? k - 1 : k];
    mtl_tensor **views = calloc((size_t)n, sizeof *views);
    if (!views)
        return mtl_fail(x[0]->ctx, MTL_ERR_MEMORY, "no host memory left");
    for (int i = 0; i < n; i++) {
        if (!mtl_same_shape(x[i], x[0])) {
            status = mtl_fail(x[0]->ctx, MTL_ERR_SHAPE,
                              "stack: tensor %d has shape %s and the first %s; they should be equal", i + 1,
                              mtl_shape_text(x[i]->rank, x[i]->shape, other, sizeof other),
                              mtl_shape_text(rank - 1, x[0]->shape, first, sizeof first));
            goto done;
        }
        MTL_TRY_GOTO(mtl_reshape(x[i], rank, shape, &views[i]));
    }
    status = mtl_cat(n, views, dim, out);
done:
    for (int i = 0; i < n; i++)
        mtl_tensor_release(views[i]);
    free(views);
    return status;
}

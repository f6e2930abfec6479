/* Picking by integer indices: take, gather, embedding, one_hot. Indices are checked here; the kernels trust them. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op/index.h"

enum { DIM };

mtl_status mtl_check_index(const char *who, const mtl_tensor *index, int64_t low, int64_t n)
{
    mtl_status status = MTL_OK;
    int32_t *copy = NULL;
    const int32_t *i32 = mtl_tensor_data(index);
    const mtl_survey *known = mtl_known_survey(index);
    if (index->dtype != MTL_I32)
        return mtl_fail(index->ctx, MTL_ERR_DTYPE, "%s: the indices are %s, which should be int32", who,
                        mtl_dtype_name(index->dtype));
    if (known && known->least >= (double)low && known->greatest < (double)n)
        return MTL_OK;
    if (!i32) {
        copy = malloc(mtl_tensor_bytes(index) + 1);
        if (!copy)
            return mtl_fail(index->ctx, MTL_ERR_MEMORY, "no host memory left");
        i32 = copy;
        MTL_TRY_GOTO(mtl_tensor_read(index, copy));
    }
    for (int64_t i = 0; i < index->count; i++) {
        if (i32[i] < low || i32[i] >= n) {
            status = mtl_fail(index->ctx, MTL_ERR_ARG,
                              "%s: index %" PRId32 " (element %" PRId64 " of the indices), which should be %" PRId64
                              " to %" PRId64,
                              who, i32[i], i, low, n - 1);
            break;
        }
    }
done:
    free(copy);
    return status;
}

static mtl_status take_backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    const mtl_tensor *index = node->saved[0];
    mtl_fold f = mtl_fold_at(node->edges[0].rank, node->edges[0].shape, (int)node->integer[DIM]);
    mtl_tensor *dx = NULL;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, take_grad, call->rows * f.outer, f.n, index->count, f.inner, call->dy, index, dx);
}

const mtl_op mtl_op_take = {"take", take_backward};

mtl_status mtl_take(mtl_tensor *x, int dim, mtl_tensor *index, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    int64_t shape[MTL_MAX_RANK];
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_dim("take", x, dim, &dim));
    MTL_TRY(mtl_check_device("take", 2, (mtl_tensor *[]){x, index}));
    if (index->rank != 1)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "take: the indices have shape %s, which should be one dimension",
                        mtl_shape_text(index->rank, index->shape, text, sizeof text));
    MTL_TRY(mtl_check_index("take", index, 0, x->shape[dim]));
    memcpy(shape, x->shape, sizeof shape);
    shape[dim] = index->count;
    MTL_TRY(mtl_tensor_like(x, x->dtype, x->rank, shape, &y));
    mtl_fold f = mtl_fold_at(x->rank, x->shape, dim);
    mtl_status status = MTL_KERNEL(x, take, f.outer, f.n, index->count, f.inner, x, index, y);
    MTL_TRY(mtl_finish(status, &mtl_op_take, 1, &x, 1, &index, y, &node, out));
    if (node)
        node->integer[DIM] = dim;
    return MTL_OK;
}

static mtl_status gather_backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    int dim = (int)node->integer[DIM];
    mtl_fold f = mtl_fold_at(node->edges[0].rank, node->edges[0].shape, dim);
    mtl_tensor *dx = NULL;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, gather_grad, call->rows, f.outer, f.n, node->shape[dim], f.inner, call->dy, node->saved[0],
                      dx);
}

const mtl_op mtl_op_gather = {"gather", gather_backward};

mtl_status mtl_gather(mtl_tensor *x, int dim, mtl_tensor *index, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_dim("gather", x, dim, &dim));
    MTL_TRY(mtl_check_device("gather", 2, (mtl_tensor *[]){x, index}));
    bool fits = index->rank == x->rank;
    for (int i = 0; fits && i < x->rank; i++)
        fits = i == dim || index->shape[i] == x->shape[i];
    if (!fits)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "gather: indices of shape %s for a tensor of shape %s; they should be equal but for dimension "
                        "%d",
                        mtl_shape_text(index->rank, index->shape, other, sizeof other),
                        mtl_shape_text(x->rank, x->shape, text, sizeof text), dim + 1);
    MTL_TRY(mtl_check_index("gather", index, 0, x->shape[dim]));
    MTL_TRY(mtl_tensor_like(x, x->dtype, index->rank, index->shape, &y));
    mtl_fold f = mtl_fold_at(x->rank, x->shape, dim);
    mtl_status status = MTL_KERNEL(x, gather, f.outer, f.n, index->shape[dim], f.inner, x, index, y);
    MTL_TRY(mtl_finish(status, &mtl_op_gather, 1, &x, 1, &index, y, &node, out));
    if (node)
        node->integer[DIM] = dim;
    return MTL_OK;
}

enum { ROWS, WIDTH, PADDING };

static mtl_status table_grad(const mtl_node *node, const void *with, int64_t rows, mtl_tensor *dy, mtl_tensor *dx)
{
    const mtl_tensor *index = node->saved[0];
    int64_t n = node->integer[ROWS], width = node->integer[WIDTH], padding = node->integer[PADDING];
    (void)with;
    MTL_TRY(MTL_KERNEL(dx, take_grad, rows, n, index->count, width, dy, index, dx));
    for (int64_t r = 0; r < rows && padding >= 0; r++) {
        mtl_tensor *row = NULL;
        MTL_TRY(mtl_tensor_alias(dx, 1, &width, (r * n + padding) * width, &row));
        mtl_status status = MTL_KERNEL(row, fill, row, 0.0);
        mtl_tensor_release(row);
        MTL_TRY(status);
    }
    return MTL_OK;
}

static mtl_status embedding_backward(mtl_grad_call *call)
{
    return mtl_grad_parts(call, 0, call->dy, table_grad, NULL);
}

const mtl_op mtl_op_embedding = {"embedding", embedding_backward};

/* The indices as int32; floats (columns of a table, say) have to be whole numbers. */
static mtl_status whole(mtl_tensor *index, mtl_tensor **out)
{
    mtl_status status = MTL_OK;
    if (index->dtype != MTL_F32)
        return mtl_cast(index, MTL_I32, out);
    float *host = malloc(mtl_tensor_bytes(index) + 1);
    if (!host)
        return mtl_fail(index->ctx, MTL_ERR_MEMORY, "no host memory left");
    MTL_TRY_GOTO(mtl_tensor_read(index, host));
    for (int64_t i = 0; i < index->count; i++) {
        if (host[i] != floorf(host[i]) || !(fabsf(host[i]) < 0x1p31f)) {
            status =
                mtl_fail(index->ctx, MTL_ERR_ARG,
                         "embedding: index %g (element %" PRId64 " of the indices), which should be a whole number",
                         (double)host[i], i);
            goto done;
        }
    }
    status = mtl_cast(index, MTL_I32, out);
done:
    free(host);
    return status;
}

mtl_status mtl_embedding(mtl_tensor *weight, mtl_tensor *index, int64_t padding, mtl_tensor **out)
{
    mtl_tensor *at = NULL, *y = NULL;
    mtl_node *node;
    mtl_status status;
    int64_t shape[MTL_MAX_RANK];
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_floats("embedding", 1, &weight));
    MTL_TRY(mtl_check_device("embedding", 2, (mtl_tensor *[]){weight, index}));
    if (weight->rank != 2)
        return mtl_fail(weight->ctx, MTL_ERR_SHAPE,
                        "embedding: the weight has shape %s, which should be [embeddings, features]",
                        mtl_shape_text(weight->rank, weight->shape, text, sizeof text));
    if (index->rank >= MTL_MAX_RANK)
        return mtl_fail(weight->ctx, MTL_ERR_SHAPE, "embedding: indices of shape %s have no room for the features",
                        mtl_shape_text(index->rank, index->shape, text, sizeof text));
    if (padding >= weight->shape[0])
        return mtl_fail(weight->ctx, MTL_ERR_ARG,
                        "embedding: the padding index is %" PRId64 ", which should be 0 to %" PRId64, padding,
                        weight->shape[0] - 1);
    MTL_TRY_GOTO(whole(index, &at));
    MTL_TRY_GOTO(mtl_check_index("embedding", at, 0, weight->shape[0]));
    memcpy(shape, index->shape, sizeof shape);
    shape[index->rank] = weight->shape[1];
    MTL_TRY_GOTO(mtl_tensor_like(weight, MTL_F32, index->rank + 1, shape, &y));
    status = MTL_KERNEL(weight, take, 1, weight->shape[0], at->count, weight->shape[1], weight, at, y);
    MTL_TRY_GOTO(mtl_finish(status, &mtl_op_embedding, 1, &weight, 1, &at, y, &node, out));
    if (node) {
        node->integer[ROWS] = weight->shape[0];
        node->integer[WIDTH] = weight->shape[1];
        node->integer[PADDING] = padding;
    }
done:
    mtl_tensor_release(at);
    return status;
}

const mtl_op mtl_op_one_hot = {"one_hot", NULL};

/* x[..., 1] == (0, 1, ..., classes - 1); a missing label, -1, is a row of zeros */
mtl_status mtl_one_hot(mtl_tensor *x, int64_t classes, mtl_tensor **out)
{
    mtl_tensor *column = NULL, *numbers = NULL;
    int64_t shape[MTL_MAX_RANK];
    mtl_status status;
    char text[MTL_SHAPE_TEXT];
    if (classes < 1 || classes > 1 << 24)
        return mtl_fail(x->ctx, MTL_ERR_ARG, "one_hot: %" PRId64 " classes, which should be 1 to %d", classes, 1 << 24);
    if (x->rank >= MTL_MAX_RANK)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "one_hot: shape %s has no room for one more dimension",
                        mtl_shape_text(x->rank, x->shape, text, sizeof text));
    MTL_TRY(mtl_check_index("one_hot", x, -1, classes));
    memcpy(shape, x->shape, sizeof shape);
    shape[x->rank] = 1;
    int32_t *host = malloc((size_t)classes * sizeof *host);
    if (!host)
        return mtl_fail(x->ctx, MTL_ERR_MEMORY, "no host memory left");
    for (int64_t i = 0; i < classes; i++)
        host[i] = (int32_t)i;
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_I32, 1, &classes, &numbers));
    MTL_TRY_GOTO(MTL_KERNEL(numbers, write, numbers, host));
    MTL_TRY_GOTO(mtl_tensor_alias(x, x->rank + 1, shape, 0, &column));
    status = mtl_eq(column, numbers, out);
done:
    free(host);
    mtl_tensor_release(column);
    mtl_tensor_release(numbers);
    return status;
}

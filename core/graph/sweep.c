/* The backward sweep: one pass over the tape, newest node first, that carries the cotangents of all rows together.
   A node's cotangent holds only the rows that reach it, so a head costs one row however many tasks there are. */
#include <stdlib.h>
#include <string.h>

#include "arena/arena.h"
#include "tensor/backend.h"

typedef struct {
    mtl_node **nodes;
    size_t count, room;
} node_list;

static mtl_status push(mtl_context *ctx, node_list *list, mtl_node *node)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        mtl_node **grown = realloc(list->nodes, room * sizeof *grown);
        if (!grown)
            return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
        list->nodes = grown;
        list->room = room;
    }
    list->nodes[list->count++] = node;
    return MTL_OK;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = (*(mtl_node *const *)a)->id, y = (*(mtl_node *const *)b)->id;
    return (x < y) - (x > y);
}

/* All nodes behind the roots down to `stop` (NULL: to the leaves), newest first; `stop` is not among them. A node's
   inputs always have smaller ids. */
static mtl_status collect(mtl_context *ctx, int n, const mtl_root *roots, mtl_node *stop, node_list *list)
{
    uint64_t mark = ++ctx->next_node;
    if (stop)
        stop->visited = mark;
    for (int i = 0; i < n; i++) {
        mtl_node *node = roots[i].value->node;
        if (node && node->visited != mark) {
            node->visited = mark;
            MTL_TRY(push(ctx, list, node));
        }
    }
    for (size_t next = 0; next < list->count; next++) {
        mtl_node *node = list->nodes[next];
        if (node->used)
            return mtl_fail(ctx, MTL_ERR_STATE,
                            "backward: the graph of '%s' was used by an earlier backward pass; compute it again",
                            node->op->name);
        for (int i = 0; i < node->n_inputs; i++) {
            mtl_node *from = node->edges[i].node;
            if (from && from->visited != mark) {
                from->visited = mark;
                MTL_TRY(push(ctx, list, from));
            }
        }
    }
    if (list->count > 1) /* none where the roots are leaves */
        qsort(list->nodes, list->count, sizeof *list->nodes, newest_first);
    return MTL_OK;
}

static mtl_status rows_like(mtl_context *ctx, int device, int64_t rows, int rank, const int64_t *shape,
                            mtl_tensor **out)
{
    int64_t full[MTL_MAX_RANK + 1] = {rows};
    if (rank == MTL_MAX_RANK) { /* a leading task axis would be one too many: the last two are merged */
        memcpy(full + 1, shape, (size_t)(rank - 1) * sizeof *shape);
        full[rank - 1] *= shape[rank - 1];
        return mtl_tensor_new_on(ctx, device, MTL_F32, rank, full, out);
    }
    memcpy(full + 1, shape, (size_t)rank * sizeof *shape);
    return mtl_tensor_new_on(ctx, device, MTL_F32, rank + 1, full, out);
}

/* Row r of `t` ([n_rows, ...]) as a tensor of its own. */
static mtl_status row_view(const mtl_tensor *t, int64_t n_rows, int64_t r, mtl_tensor **out)
{
    int64_t each = t->count / n_rows;
    return mtl_tensor_alias(t, 1, &each, r * each, out);
}

/* dst[dst_row] += or = src[src_row] */
static mtl_status move_row(mtl_tensor *dst, int64_t dst_rows, int64_t dst_row, const mtl_tensor *src, int64_t src_rows,
                           int64_t src_row, bool add)
{
    mtl_tensor *to = NULL, *from = NULL;
    mtl_status status;
    MTL_TRY_GOTO(row_view(dst, dst_rows, dst_row, &to));
    MTL_TRY_GOTO(row_view(src, src_rows, src_row, &from));
    status = add ? MTL_KERNEL(to, axpy, 1.0, from, to) : MTL_KERNEL(to, copy, to, from);
done:
    mtl_tensor_release(to);
    mtl_tensor_release(from);
    return status;
}

/* Adds cotangent `dx` with rows `rows` to what waits in *pending (owned; may be shared with its giver). */
static mtl_status gather_pending(mtl_tensor **pending, uint64_t *pending_rows, uint64_t rows, mtl_tensor *dx)
{
    mtl_tensor *merged = NULL;
    mtl_status status = MTL_OK;
    if (!*pending) {
        *pending = mtl_tensor_retain(dx);
        *pending_rows = rows;
        return MTL_OK;
    }
    if (*pending_rows == rows && (*pending)->refs == 1 && (*pending)->storage->refs == 1)
        return MTL_KERNEL(dx, axpy, 1.0, dx, *pending);

    uint64_t all = rows | *pending_rows;
    int64_t n = __builtin_popcountll(all), n_old = __builtin_popcountll(*pending_rows);
    int64_t n_new = __builtin_popcountll(rows), at_old = 0, at_new = 0, at = 0;
    int64_t each = dx->count / n_new;
    MTL_TRY(rows_like(dx->ctx, mtl_tensor_device(dx), n, 1, &each, &merged));
    for (int bit = 0; bit < MTL_MAX_TASKS; bit++) {
        uint64_t row = UINT64_C(1) << bit;
        if (!(all & row))
            continue;
        bool old = *pending_rows & row;
        if (old)
            MTL_TRY_GOTO(move_row(merged, n, at, *pending, n_old, at_old++, false));
        if (rows & row)
            MTL_TRY_GOTO(move_row(merged, n, at, dx, n_new, at_new++, old));
        at++;
    }
    mtl_tensor_release(*pending);
    *pending = merged;
    *pending_rows = all;
    return MTL_OK;
done:
    mtl_tensor_release(merged);
    return status;
}

/* Adds to the gradient of a leaf that is no slot: [rows, ...shape], or its own shape with one row. */
static mtl_status leaf_add(mtl_tensor *leaf, int rows, uint64_t row_mask, mtl_tensor *dx)
{
    mtl_tensor *grad = leaf->grad;
    int64_t given = 0, n = __builtin_popcountll(row_mask);
    if (grad && grad->count != leaf->count * rows)
        return mtl_fail(leaf->ctx, MTL_ERR_STATE,
                        "backward: the leaf keeps a gradient of another number of rows; call zero_grad() first");
    if (!grad) {
        MTL_TRY(rows == 1 ? mtl_tensor_like(leaf, MTL_F32, leaf->rank, leaf->shape, &grad)
                          : rows_like(leaf->ctx, mtl_tensor_device(leaf), rows, leaf->rank, leaf->shape, &grad));
        leaf->grad = grad;
        MTL_TRY(MTL_KERNEL(grad, fill, grad, 0.0));
    }
    grad->storage->version++;
    for (int r = 0; r < rows; r++) {
        if (row_mask >> r & 1)
            MTL_TRY(move_row(grad, rows, r, dx, n, given++, true));
    }
    return MTL_OK;
}

static mtl_status deliver(mtl_edge *edge, int rows, uint64_t row_mask, mtl_tensor *dx)
{
    if (edge->node)
        return gather_pending(&edge->node->pending, &edge->node->pending_rows, row_mask, dx);
    if (edge->leaf->slot)
        return mtl_slot_add(edge->leaf->slot, rows == 1, row_mask, dx);
    return leaf_add(edge->leaf, rows, row_mask, dx);
}

mtl_status mtl_grad_out(mtl_grad_call *call, int i, mtl_tensor **dx)
{
    mtl_edge *edge = &call->node->edges[i];
    if (edge->leaf && edge->leaf->slot) {
        MTL_TRY(mtl_slot_direct(edge->leaf->slot, call->single, call->row_mask, &call->dx[i]));
        if (call->dx[i]) {
            call->direct[i] = true;
            *dx = call->dx[i];
            return MTL_OK;
        }
    }
    MTL_TRY(rows_like(call->ctx, call->node->device, call->rows, edge->rank, edge->shape, &call->dx[i]));
    *dx = call->dx[i];
    return MTL_OK;
}

enum { LARGE = 1 << 15 }; /* numbers: a smaller parameter is not what memory goes to, and one call is faster */

bool mtl_grad_by_row(const mtl_grad_call *call, int i)
{
    const mtl_tensor *leaf = call->node->edges[i].leaf;
    return leaf && leaf->slot && __builtin_popcountll(leaf->slot->tasks) > 1 && call->rows > 1 && leaf->count >= LARGE;
}

/* Row r of the cotangents, which is the sweep's row `task`. */
static mtl_status one_part(mtl_grad_call *call, int i, mtl_tensor *from, int64_t r, int task, mtl_grad_part *part,
                           const void *with)
{
    mtl_edge *edge = &call->node->edges[i];
    mtl_tensor *row = NULL, *d = NULL;
    mtl_status status;
    MTL_TRY_GOTO(row_view(from, call->rows, r, &row));
    MTL_TRY_GOTO(mtl_slot_row(edge->leaf->slot, task, &d));
    bool there = d; /* the arena's own */
    if (!there)
        MTL_TRY_GOTO(rows_like(call->ctx, call->node->device, 1, edge->rank, edge->shape, &d));
    status = part(call->node, with, 1, row, d);
    if (there && status != MTL_OK)
        edge->leaf->slot->has_rows &= ~(UINT64_C(1) << task);
    if (!there && status == MTL_OK)
        status = mtl_slot_add(edge->leaf->slot, false, UINT64_C(1) << task, d);
done:
    mtl_tensor_release(row);
    mtl_tensor_release(d);
    return status;
}

mtl_status mtl_grad_parts(mtl_grad_call *call, int i, mtl_tensor *from, mtl_grad_part *part, const void *with)
{
    mtl_tensor *d;
    int64_t r = 0;
    if (!mtl_grad_by_row(call, i)) {
        MTL_TRY(mtl_grad_out(call, i, &d));
        return part(call->node, with, call->rows, from, d);
    }
    for (int task = 0; task < MTL_MAX_TASKS; task++) {
        if (call->row_mask >> task & 1)
            MTL_TRY(one_part(call, i, from, r++, task, part, with));
    }
    return MTL_OK;
}

mtl_status mtl_grad_give(mtl_grad_call *call, int i, mtl_tensor *dx)
{
    call->dx[i] = mtl_tensor_retain(dx);
    return MTL_OK;
}

static mtl_status seed(const mtl_root *root, int rows)
{
    mtl_tensor *value = root->value, *dx = NULL;
    mtl_status status;
    mtl_edge edge = {.node = value->node, .leaf = value->node ? NULL : value};
    if (!value->node && !value->wants_grad)
        return MTL_OK;
    MTL_TRY(rows_like(value->ctx, mtl_tensor_device(value), 1, value->rank, value->shape, &dx));
    if (root->seed) {
        MTL_TRY_GOTO(MTL_KERNEL(dx, fill, dx, 0.0));
        MTL_TRY_GOTO(MTL_KERNEL(dx, axpy, root->scale, root->seed, dx));
    } else {
        MTL_TRY_GOTO(MTL_KERNEL(dx, fill, dx, root->scale));
    }
    status = deliver(&edge, rows, UINT64_C(1) << root->row, dx);
done:
    mtl_tensor_release(dx);
    return status;
}

static mtl_status check_roots(mtl_context *ctx, int n, const mtl_root *roots, int rows)
{
    bool any = false;
    if (rows < 1 || rows > MTL_MAX_TASKS)
        return mtl_fail(ctx, MTL_ERR_ARG, "backward: %d rows, which should be 1 to %d", rows, MTL_MAX_TASKS);
    for (int i = 0; i < n; i++) {
        const mtl_tensor *value = roots[i].value, *s = roots[i].seed;
        char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
        any |= mtl_tensor_requires_grad(value);
        if (roots[i].row < 0 || roots[i].row >= rows)
            return mtl_fail(ctx, MTL_ERR_ARG, "backward: root %d wants row %d of %d", i + 1, roots[i].row + 1, rows);
        if (!s && value->count != 1)
            return mtl_fail(ctx, MTL_ERR_SHAPE,
                            "backward: the value has shape %s; a gradient starts from one number (or give a seed)",
                            mtl_shape_text(value->rank, value->shape, text, sizeof text));
        if (s && (!mtl_same_shape(s, value) || s->dtype != MTL_F32))
            return mtl_fail(ctx, MTL_ERR_SHAPE, "backward: seed of shape %s for a value of shape %s",
                            mtl_shape_text(s->rank, s->shape, text, sizeof text),
                            mtl_shape_text(value->rank, value->shape, other, sizeof other));
    }
    if (!any)
        return mtl_fail(ctx, MTL_ERR_STATE, "backward: nothing behind the value requires a gradient");
    return MTL_OK;
}

static mtl_status run_rule(mtl_node *node, int rows)
{
    mtl_context *ctx = node->ctx;
    mtl_status status = MTL_OK;
    mtl_grad_call call = {.ctx = ctx,
                          .node = node,
                          .dy = node->pending,
                          .rows = __builtin_popcountll(node->pending_rows),
                          .row_mask = node->pending_rows,
                          .single = rows == 1};
    for (int i = 0; i < node->n_saved; i++) {
        if (node->saved[i] && node->saved[i]->storage->version != node->saved_version[i])
            return mtl_fail(ctx, MTL_ERR_STATE,
                            "backward: a tensor that '%s' needs was changed after it was used; compute the loss again",
                            node->op->name);
    }
    status = node->op->backward(&call);
    for (int i = 0; i < node->n_inputs; i++) {
        if (status != MTL_OK && call.direct[i])
            node->edges[i].leaf->slot->has_grad = false; /* not written, or not whole */
        if (status == MTL_OK && call.dx[i] && !call.direct[i] && node->needs[i])
            status = deliver(&node->edges[i], rows, node->pending_rows, call.dx[i]);
        mtl_tensor_release(call.dx[i]);
    }
    mtl_tensor_release(node->pending);
    node->pending = NULL;
    mtl_node_drop_saved(node);
    return status;
}

/* The cotangents that wait at `stop`, as a tensor [rows, ...shape of `at`]; rows that none reached are 0. */
static mtl_status take_pending(mtl_node *stop, const mtl_tensor *at, int rows, mtl_tensor **out)
{
    mtl_tensor *all = NULL;
    int64_t given = 0, n = stop ? __builtin_popcountll(stop->pending_rows) : 0;
    mtl_status status;
    MTL_TRY_GOTO(rows_like(at->ctx, mtl_tensor_device(at), rows, at->rank, at->shape, &all));
    MTL_TRY_GOTO(MTL_KERNEL(all, fill, all, 0.0));
    for (int r = 0; r < rows && stop && stop->pending; r++) {
        if (stop->pending_rows >> r & 1)
            MTL_TRY_GOTO(move_row(all, rows, r, stop->pending, n, given++, false));
    }
    *out = mtl_tensor_retain(all);
done:
    mtl_tensor_release(all);
    return status;
}

/* The pass, from the roots down to the tensor `at`, or to the leaves (NULL). */
static mtl_status sweep(mtl_context *ctx, int n, const mtl_root *roots, int rows, mtl_tensor *at, mtl_tensor **at_grad)
{
    node_list list = {0};
    mtl_node *stop = at ? at->node : NULL;
    mtl_status status;
    bool failed_early = true;
    bool was = mtl_set_recording(ctx, false);
    MTL_TRY_GOTO(check_roots(ctx, n, roots, rows));
    MTL_TRY_GOTO(collect(ctx, n, roots, stop, &list));
    failed_early = false;
    for (size_t i = 0; i < list.count; i++)
        list.nodes[i]->used = true;
    for (int i = 0; i < n; i++)
        MTL_TRY_GOTO(seed(&roots[i], rows));
    for (size_t i = 0; i < list.count; i++) {
        if (list.nodes[i]->pending)
            MTL_TRY_GOTO(run_rule(list.nodes[i], rows));
    }
    if (at)
        MTL_TRY_GOTO(take_pending(stop, at, rows, at_grad));
done:
    if (stop) {
        mtl_tensor_release(stop->pending);
        stop->pending = NULL;
    }
    /* Oldest first: what a node's edges keep alive has gone through already. */
    for (size_t i = list.count; i-- > 0;) {
        mtl_node *node = list.nodes[i];
        if (failed_early) /* the graph is as it was */
            continue;
        mtl_node_drop_saved(node);
        mtl_tensor_release(node->pending);
        node->pending = NULL;
        for (int e = 0; e < node->n_inputs; e++) {
            mtl_node *from = node->edges[e].node;
            mtl_tensor_release(node->edges[e].leaf);
            node->edges[e].leaf = NULL;
            node->edges[e].node = NULL;
            if (from)
                mtl_node_release(from);
        }
    }
    free(list.nodes);
    mtl_set_recording(ctx, was);
    return status;
}

mtl_status mtl_backward(mtl_context *ctx, int n, const mtl_root *roots, int rows)
{
    return sweep(ctx, n, roots, rows, NULL, NULL);
}

mtl_status mtl_backward_to(mtl_context *ctx, int n, const mtl_root *roots, int rows, mtl_tensor *at, mtl_tensor **grad)
{
    return sweep(ctx, n, roots, rows, at, grad);
}

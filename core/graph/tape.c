/* The tape: operators record nodes; a node is counted by its output and by the nodes made from it. */
#include <stdlib.h>
#include <string.h>

#include "arena/arena.h"
#include "tensor/backend.h"

bool mtl_set_recording(mtl_context *ctx, bool on)
{
    bool was = ctx->recording;
    ctx->recording = on;
    return was;
}

bool mtl_recording(const mtl_context *ctx)
{
    return ctx->recording;
}

bool mtl_tensor_requires_grad(const mtl_tensor *t)
{
    return t->wants_grad || t->node;
}

mtl_status mtl_tensor_require_grad(mtl_tensor *t, bool wanted)
{
    if (t->node)
        return mtl_fail(t->ctx, MTL_ERR_STATE, "requires_grad: '%s' made this tensor; only a leaf can be marked",
                        t->node->op->name);
    if (t->dtype != MTL_F32)
        return mtl_fail(t->ctx, MTL_ERR_DTYPE, "requires_grad: the tensor is %s, which should be float32",
                        mtl_dtype_name(t->dtype));
    if (t->slot)
        mtl_slot_freeze(t->slot, !wanted);
    else
        t->wants_grad = wanted;
    return MTL_OK;
}

bool mtl_must_record(mtl_context *ctx, int n, mtl_tensor *const *inputs)
{
    if (!ctx->recording)
        return false;
    for (int i = 0; i < n; i++) {
        if (inputs[i] && mtl_tensor_requires_grad(inputs[i]))
            return true;
    }
    return false;
}

static mtl_status save(mtl_node *node, int n, mtl_tensor *const *saved)
{
    for (int i = 0; i < n; i++) {
        mtl_tensor *t = saved[i];
        node->n_saved = i + 1;
        if (!t)
            continue;
        /* an alias, not the tensor: y saved by its own node would otherwise hold itself */
        MTL_TRY(mtl_tensor_alias(t, t->rank, t->shape, 0, &node->saved[i]));
        t->storage->saved++;
        node->saved_version[i] = t->storage->version;
    }
    return MTL_OK;
}

mtl_status mtl_record(const mtl_op *op, int n, mtl_tensor *const *inputs, int n_saved, mtl_tensor *const *saved,
                      mtl_tensor *y, mtl_node **out)
{
    mtl_context *ctx = y->ctx;
    *out = NULL;
    if (!mtl_must_record(ctx, n, inputs))
        return MTL_OK;
    if (!op->backward)
        return mtl_fail(ctx, MTL_ERR_UNSUPPORTED,
                        "%s: it has no gradient, and an input requires one; use detach() or mtl.no_grad", op->name);
    mtl_node *node = calloc(1, sizeof *node + (size_t)n * sizeof *node->edges);
    if (!node)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    *node = (mtl_node){.refs = 1, .id = ctx->next_node++, .op = op, .ctx = ctx, .n_inputs = n, .rank = y->rank};
    node->edges = (mtl_edge *)(node + 1);
    node->device = mtl_tensor_device(y);
    memcpy(node->shape, y->shape, sizeof y->shape);
    for (int i = 0; i < n; i++) {
        mtl_tensor *x = inputs[i];
        if (!x)
            continue;
        mtl_edge *edge = &node->edges[i];
        edge->rank = x->rank;
        memcpy(edge->shape, x->shape, sizeof x->shape);
        node->needs[i] = mtl_tensor_requires_grad(x);
        if (x->node) {
            edge->node = x->node;
            x->node->refs++;
        } else if (x->wants_grad) {
            edge->leaf = mtl_tensor_retain(x);
        }
    }
    mtl_status status = save(node, n_saved, saved);
    if (status != MTL_OK) {
        mtl_node_release(node);
        return status;
    }
    y->node = node;
    *out = node;
    return MTL_OK;
}

void mtl_node_drop_saved(mtl_node *node)
{
    for (int i = 0; i < node->n_saved; i++) {
        if (!node->saved[i])
            continue;
        node->saved[i]->storage->saved--;
        mtl_tensor_release(node->saved[i]);
        node->saved[i] = NULL;
    }
}

/* Without recursion: a graph may be a chain of a million nodes. Nodes whose count reaches zero wait on a list that is
   threaded through `next_dead`. */
void mtl_node_release(mtl_node *node)
{
    mtl_node *dead = NULL;
    if (--node->refs == 0) {
        node->next_dead = NULL;
        dead = node;
    }
    while (dead) {
        mtl_node *n = dead;
        dead = n->next_dead;
        for (int i = 0; i < n->n_inputs; i++) {
            mtl_node *from = n->edges[i].node;
            mtl_tensor_release(n->edges[i].leaf); /* a leaf has no node: this goes no deeper */
            if (from && --from->refs == 0) {
                from->next_dead = dead;
                dead = from;
            }
        }
        mtl_node_drop_saved(n);
        mtl_tensor_release(n->pending);
        free(n);
    }
}

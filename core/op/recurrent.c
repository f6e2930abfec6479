/* LSTM and GRU over whole sequences: one operator each, so that the gradient is one pass back over the steps. */
#include <inttypes.h>
#include <string.h>

#include "op/broadcast.h"

enum { X, WEIGHT, BIAS };
enum { SAVED_WEIGHT, GATES, CELL, Y };

static mtl_recurrent kept(const mtl_node *node)
{
    mtl_recurrent r;
    memcpy(&r, node->integer, sizeof r);
    return r;
}

/* out[b, t] = y of the step before t, 0 before the first */
static mtl_status shifted(const mtl_recurrent *r, const mtl_tensor *y, mtl_tensor *out)
{
    int64_t n = r->hidden, line = r->length * n, run = line - n;
    mtl_tensor *from = NULL, *to = NULL;
    mtl_status status;
    mtl_broadcast plan = {.rank = 2, .shape = {r->batch, run}, .stride = {{line, 1}, {line, 1}}};
    MTL_TRY(MTL_KERNEL(out, fill, out, 0.0));
    if (r->batch == 0 || run <= 0)
        return MTL_OK;
    MTL_TRY_GOTO(mtl_tensor_alias(y, 1, &(int64_t){y->count - n}, r->reverse ? n : 0, &from));
    MTL_TRY_GOTO(mtl_tensor_alias(out, 1, &(int64_t){y->count - n}, r->reverse ? 0 : n, &to));
    status = MTL_KERNEL(out, copy_strided, &plan, from, to);
done:
    mtl_tensor_release(from);
    mtl_tensor_release(to);
    return status;
}

static mtl_status weight_grad(const mtl_node *node, const void *before, int64_t rows, mtl_tensor *dsum, mtl_tensor *d)
{
    mtl_recurrent r = kept(node);
    int64_t sums = (r.gru ? 3 : 4) * r.hidden, lines = r.batch * r.length;
    mtl_gemm g = {.trans_a = true, .m = sums, .n = r.hidden, .k = lines, .batch = rows, .alpha = 1};
    g.lda = sums;
    g.ldb = g.ldc = r.hidden;
    g.stride_a = lines * sums;
    g.stride_c = sums * r.hidden;
    return MTL_KERNEL(d, gemm, &g, dsum, before, NULL, d);
}

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    mtl_recurrent r = kept(node);
    mtl_tensor *const *saved = node->saved, *dx = NULL, *dsum = NULL, *before = NULL, *d;
    mtl_status status = MTL_OK;
    int64_t sums = (r.gru ? 3 : 4) * r.hidden, lines = r.batch * r.length;
    int64_t shape[] = {call->rows, lines, sums};
    if (node->needs[X]) {
        MTL_TRY(mtl_grad_out(call, X, &dx));
        mtl_tensor_retain(dx);
    } else {
        MTL_TRY(mtl_tensor_like(call->dy, MTL_F32, 3, shape, &dx));
    }
    if (r.gru)
        MTL_TRY_GOTO(mtl_tensor_like(call->dy, MTL_F32, 3, shape, &dsum));
    else /* what the input and the states add to the sums has one gradient */
        dsum = mtl_tensor_retain(dx);
    MTL_TRY_GOTO(MTL_KERNEL(dx, recurrent_grad, &r, call->rows, saved[SAVED_WEIGHT], saved[GATES], saved[CELL],
                            saved[Y], call->dy, dx, dsum));
    if (node->needs[WEIGHT]) {
        MTL_TRY_GOTO(mtl_tensor_like(saved[Y], MTL_F32, saved[Y]->rank, saved[Y]->shape, &before));
        MTL_TRY_GOTO(shifted(&r, saved[Y], before));
        MTL_TRY_GOTO(mtl_grad_parts(call, WEIGHT, dsum, weight_grad, before));
    }
    if (node->needs[BIAS]) {
        MTL_TRY_GOTO(mtl_grad_out(call, BIAS, &d));
        MTL_TRY_GOTO(MTL_KERNEL(d, reduce, MTL_REDUCE_SUM, call->rows, lines, sums, dsum, d));
    }
done:
    mtl_tensor_release(dx);
    mtl_tensor_release(dsum);
    mtl_tensor_release(before);
    return status;
}

const mtl_op mtl_op_lstm = {.name = "lstm", .backward = backward};
const mtl_op mtl_op_gru = {.name = "gru", .backward = backward};

static mtl_status check(const char *who, int gates, mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias)
{
    char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    mtl_shape_text(x->rank, x->shape, text, sizeof text);
    mtl_shape_text(weight->rank, weight->shape, other, sizeof other);
    MTL_TRY(mtl_check_floats(who, 3, (mtl_tensor *[]){x, weight, bias}));
    if (weight->rank != 2 || weight->shape[1] < 1 || weight->shape[0] % gates != 0 ||
        weight->shape[0] / gates != weight->shape[1])
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: the weight has shape %s, which should be [%d hidden, hidden]", who,
                        other, gates);
    if (x->rank != 3 || x->shape[2] != weight->shape[0])
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: x has shape %s, which should be [batch, length, %" PRId64 "]", who,
                        text, weight->shape[0]);
    if (bias && (bias->rank != 1 || bias->count != weight->shape[0]))
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "%s: the bias has shape %s, which should be [%" PRId64 "]", who,
                        mtl_shape_text(bias->rank, bias->shape, text, sizeof text), weight->shape[0]);
    return MTL_OK;
}

static mtl_status apply(const mtl_op *op, bool gru, mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, bool reverse,
                        mtl_tensor **out)
{
    mtl_tensor *gates = NULL, *cell = NULL, *y = NULL;
    mtl_node *node;
    mtl_status status;
    MTL_TRY(check(op->name, gru ? 3 : 4, x, weight, bias));
    mtl_recurrent r = {gru, reverse, x->shape[0], x->shape[1], weight->shape[1]};
    _Static_assert(sizeof r <= sizeof node->integer, "the sizes fit a node");
    int64_t shape[] = {r.batch, r.length, r.hidden}, all[] = {r.batch, r.length, 4 * r.hidden};
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 3, all, &gates));
    if (!gru)
        MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 3, shape, &cell));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 3, shape, &y));
    status = MTL_KERNEL(x, recurrent, &r, x, weight, bias, gates, cell, y);
    status = mtl_finish(status, op, 3, (mtl_tensor *[]){x, weight, bias}, 4, (mtl_tensor *[]){weight, gates, cell, y},
                        y, &node, out);
    if (status == MTL_OK && node)
        memcpy(node->integer, &r, sizeof r);
done:
    mtl_tensor_release(gates);
    mtl_tensor_release(cell);
    return status;
}

mtl_status mtl_lstm(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, bool reverse, mtl_tensor **out)
{
    return apply(&mtl_op_lstm, false, x, weight, bias, reverse, out);
}

mtl_status mtl_gru(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, bool reverse, mtl_tensor **out)
{
    return apply(&mtl_op_gru, true, x, weight, bias, reverse, out);
}

/* linear: x weight' + bias over the last dimension. */
#include <inttypes.h>

#include "op/broadcast.h"

enum { X, WEIGHT, BIAS };
enum { LINES, IN, OUT };

static mtl_status weight_grad(const mtl_node *node, const void *with, int64_t rows, mtl_tensor *dy, mtl_tensor *d)
{
    int64_t lines = node->integer[LINES], in = node->integer[IN], out = node->integer[OUT];
    mtl_gemm g = {.trans_a = true, .m = out, .n = in, .k = lines, .lda = out, .ldb = in, .ldc = in, .alpha = 1};
    (void)with;
    g.batch = rows;
    g.stride_a = lines * out;
    g.stride_c = out * in;
    return MTL_KERNEL(d, gemm, &g, dy, node->saved[X], NULL, d);
}

static mtl_status backward(mtl_grad_call *call)
{
    const mtl_node *node = call->node;
    mtl_tensor *const *saved = node->saved, *d;
    int64_t lines = node->integer[LINES], in = node->integer[IN], out = node->integer[OUT];
    if (node->needs[X]) { /* all cotangents are one large product */
        mtl_gemm g = {
            .m = call->rows * lines, .n = in, .k = out, .lda = out, .ldb = in, .ldc = in, .batch = 1, .alpha = 1};
        MTL_TRY(mtl_grad_out(call, X, &d));
        MTL_TRY(MTL_KERNEL(d, gemm, &g, call->dy, saved[WEIGHT], NULL, d));
    }
    if (node->needs[WEIGHT])
        MTL_TRY(mtl_grad_parts(call, WEIGHT, call->dy, weight_grad, NULL));
    if (node->needs[BIAS]) {
        MTL_TRY(mtl_grad_out(call, BIAS, &d));
        MTL_TRY(MTL_KERNEL(d, reduce, MTL_REDUCE_SUM, call->rows, lines, out, call->dy, d));
    }
    return MTL_OK;
}

const mtl_op mtl_op_linear = {"linear", backward};

static mtl_status check(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias)
{
    char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    mtl_shape_text(x->rank, x->shape, text, sizeof text);
    mtl_shape_text(weight->rank, weight->shape, other, sizeof other);
    MTL_TRY(mtl_check_floats("linear", 3, (mtl_tensor *[]){x, weight, bias}));
    if (weight->rank != 2)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "linear: the weight has shape %s, which should be [out, in]", other);
    if (x->rank < 1 || x->shape[x->rank - 1] != weight->shape[1])
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "linear: input %s and weight %s; the input's last size should be the weight's second, %" PRId64,
                        text, other, weight->shape[1]);
    if (bias && (bias->rank != 1 || bias->count != weight->shape[0]))
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "linear: the bias has shape %s, which should be [%" PRId64 "], as the weight %s",
                        mtl_shape_text(bias->rank, bias->shape, text, sizeof text), weight->shape[0], other);
    return MTL_OK;
}

mtl_status mtl_linear(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, mtl_tensor **result)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    MTL_TRY(check(x, weight, bias));
    int64_t out = weight->shape[0], in = weight->shape[1], lines = 1, shape[MTL_MAX_RANK];
    for (int i = 0; i < x->rank - 1; i++)
        lines *= shape[i] = x->shape[i];
    shape[x->rank - 1] = out;
    MTL_TRY(mtl_tensor_like(x, MTL_F32, x->rank, shape, &y));
    mtl_gemm g = {
        .trans_b = true, .m = lines, .n = out, .k = in, .lda = in, .ldb = in, .ldc = out, .batch = 1, .alpha = 1};
    mtl_status status = MTL_KERNEL(x, gemm, &g, x, weight, bias, y);
    mtl_tensor *need[] = {mtl_tensor_requires_grad(weight) ? x : NULL, mtl_tensor_requires_grad(x) ? weight : NULL};
    MTL_TRY(mtl_finish(status, &mtl_op_linear, 3, (mtl_tensor *[]){x, weight, bias}, 2, need, y, &node, result));
    if (node) {
        node->integer[LINES] = lines;
        node->integer[IN] = in;
        node->integer[OUT] = out;
    }
    return MTL_OK;
}

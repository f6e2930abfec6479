/* Cross-entropy of logits and class indices: the mean over the targets that are not left out. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op/broadcast.h"

enum { OUTER, CLASSES, INNER, IGNORE };
enum { P, TARGET, CLASS_WEIGHT, LOSS };

static mtl_status backward(mtl_grad_call *call)
{
    mtl_node *node = call->node;
    const int64_t *at = node->integer;
    mtl_tensor *dx, **saved = node->saved;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, cross_entropy_grad, call->rows, at[OUTER], at[CLASSES], at[INNER], (int32_t)at[IGNORE],
                      node->number[0], saved[P], saved[TARGET], saved[CLASS_WEIGHT], saved[LOSS], call->dy, dx);
}

const mtl_op mtl_op_cross_entropy = {.name = "cross_entropy", .backward = backward};

static mtl_status check(mtl_tensor *x, mtl_tensor *target, mtl_tensor *class_weight, double smoothing)
{
    mtl_context *ctx = x->ctx;
    char text[MTL_SHAPE_TEXT], other[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_floats("cross_entropy", 2, (mtl_tensor *[]){x, class_weight}));
    if (target->dtype != MTL_I32)
        return mtl_fail(ctx, MTL_ERR_DTYPE, "cross_entropy: the targets are %s, which should be int32",
                        mtl_dtype_name(target->dtype));
    if (x->rank < 2 || x->shape[1] < 1)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "cross_entropy: logits of shape %s, which should be [batch, classes, ...]",
                        mtl_shape_text(x->rank, x->shape, text, sizeof text));
    if (target->rank != x->rank - 1 || target->shape[0] != x->shape[0] ||
        memcmp(target->shape + 1, x->shape + 2, (size_t)(x->rank - 2) * sizeof *x->shape) != 0)
        return mtl_fail(ctx, MTL_ERR_SHAPE,
                        "cross_entropy: targets of shape %s for logits of shape %s, whose dimension 2 is the classes",
                        mtl_shape_text(target->rank, target->shape, other, sizeof other),
                        mtl_shape_text(x->rank, x->shape, text, sizeof text));
    if (class_weight && (class_weight->rank != 1 || class_weight->count != x->shape[1]))
        return mtl_fail(ctx, MTL_ERR_SHAPE, "cross_entropy: class weights of shape %s, which should be [%" PRId64 "]",
                        mtl_shape_text(class_weight->rank, class_weight->shape, other, sizeof other), x->shape[1]);
    if (!(smoothing >= 0 && smoothing <= 1))
        return mtl_fail(ctx, MTL_ERR_ARG, "cross_entropy: smoothing is %g, which should be in [0, 1]", smoothing);
    return mtl_check_device("cross_entropy", 3, (mtl_tensor *[]){x, target, class_weight});
}

/* The message names the target at `place`, wherever it lies. */
static mtl_status refuse(const mtl_tensor *target, int64_t place, int64_t classes)
{
    mtl_tensor *one = NULL;
    int32_t value = 0;
    MTL_TRY(mtl_tensor_alias(target, 0, NULL, place, &one));
    mtl_status status = mtl_tensor_read(one, &value);
    mtl_tensor_release(one);
    MTL_TRY(status);
    return mtl_fail(target->ctx, MTL_ERR_ARG,
                    "cross_entropy: target %" PRId32 " at place %" PRId64 ", which should be a class in 0 .. %" PRId64
                    ", or -1 where there is none",
                    value, place + 1, classes - 1);
}

/* The sum of what the remaining targets weigh, from the values on the CPU. */
static mtl_status count_here(mtl_tensor *target, mtl_tensor *class_weight, int64_t classes, int32_t ignore,
                             double *remains)
{
    mtl_tensor *y = NULL, *w = NULL;
    mtl_status status = mtl_tensor_host(target, &y);
    if (status == MTL_OK && class_weight)
        status = mtl_tensor_host(class_weight, &w);
    *remains = 0;
    for (int64_t i = 0; status == MTL_OK && i < target->count; i++) {
        int32_t class = mtl_i32(y)[i];
        if (class == ignore || class == -1)
            continue;
        if (class < 0 || class >= classes)
            status = refuse(y, i, classes);
        else
            *remains += w ? (double)mtl_f32(w)[class] : 1.0;
    }
    mtl_tensor_release(y);
    mtl_tensor_release(w);
    return status;
}

/* What remains of a target: counted on the CPU where its values are known there, so that no device is waited for; else
   as the kernel left it in `loss`: NaN where one is out of range, which is looked for now that the host has waited. */
static mtl_status count(mtl_tensor *target, mtl_tensor *class_weight, int64_t classes, int32_t ignore,
                        const mtl_tensor *loss, double *remains)
{
    if (mtl_tensor_device(target) != 0 && mtl_host_is_known(target) &&
        (!class_weight || mtl_host_is_known(class_weight)))
        return count_here(target, class_weight, classes, ignore, remains);
    float host[2];
    MTL_TRY(mtl_tensor_read(loss, host));
    *remains = host[1];
    return isnan(host[1]) ? count_here(target, class_weight, classes, ignore, remains) : MTL_OK;
}

mtl_status mtl_cross_entropy(mtl_tensor *x, mtl_tensor *target, mtl_tensor *class_weight, double smoothing,
                             int32_t ignore, double *remains, mtl_tensor **out)
{
    mtl_tensor *p = NULL, *loss = NULL, *y = NULL;
    mtl_node *node;
    mtl_status status;
    int64_t two = 2, inner = 1, bad = -1;
    MTL_TRY(check(x, target, class_weight, smoothing));
    for (int i = 2; i < x->rank; i++)
        inner *= x->shape[i];
    if (mtl_must_record(x->ctx, 1, &x))
        MTL_TRY(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &p));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 1, &two, &loss));
    MTL_TRY_GOTO(MTL_KERNEL(x, cross_entropy, x->shape[0], x->shape[1], inner, ignore, smoothing, x, target,
                            class_weight, p, loss, &bad));
    if (bad >= 0)
        MTL_TRY_GOTO(refuse(target, bad, x->shape[1]));
    if (remains)
        MTL_TRY_GOTO(count(target, class_weight, x->shape[1], ignore, loss, remains));
    MTL_TRY_GOTO(mtl_tensor_alias(loss, 0, NULL, 0, &y));
    MTL_TRY_GOTO(
        mtl_record(&mtl_op_cross_entropy, 1, &x, 4, (mtl_tensor *[]){p, target, class_weight, loss}, y, &node));
    if (node) {
        node->integer[OUTER] = x->shape[0];
        node->integer[CLASSES] = x->shape[1];
        node->integer[INNER] = inner;
        node->integer[IGNORE] = ignore;
        node->number[0] = smoothing;
    }
    *out = y;
    y = NULL;
done:
    mtl_tensor_release(p);
    mtl_tensor_release(loss);
    mtl_tensor_release(y);
    return status;
}

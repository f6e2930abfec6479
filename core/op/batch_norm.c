/* Batch norm: over the batch and everything behind the channels. */
#include <inttypes.h>

#include "op/broadcast.h"

enum { TRAINING, BATCH, CHANNELS, INNER };
enum { X, WEIGHT, BIAS, MEAN, INV }; /* inputs and what is saved; the bias needs no saving */

static mtl_status backward(mtl_grad_call *call)
{
    mtl_node *node = call->node;
    const int64_t *at = node->integer;
    mtl_tensor **saved = node->saved, *d[3] = {NULL, NULL, NULL};
    for (int i = X; i <= BIAS; i++) {
        if (node->needs[i])
            MTL_TRY(mtl_grad_out(call, i, &d[i]));
    }
    return MTL_KERNEL(saved[X], norm_grad, at[TRAINING], call->rows, at[BATCH], at[CHANNELS], at[INNER], saved[X],
                      saved[MEAN], saved[INV], saved[WEIGHT], call->dy, d[X], d[WEIGHT], d[BIAS]);
}

const mtl_op mtl_op_batch_norm = {.name = "batch_norm", .backward = backward};

static mtl_status check_vector(const mtl_tensor *x, const mtl_tensor *t, const char *what)
{
    char text[MTL_SHAPE_TEXT];
    if (!t)
        return MTL_OK;
    if (t->rank != 1 || t->count != x->shape[1])
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "batch_norm: %s has shape %s, which should be [%" PRId64 "], the channels", what,
                        mtl_shape_text(t->rank, t->shape, text, sizeof text), x->shape[1]);
    return MTL_OK;
}

static mtl_status check(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, mtl_tensor *running_mean,
                        mtl_tensor *running_var, bool training)
{
    char text[MTL_SHAPE_TEXT];
    mtl_shape_text(x->rank, x->shape, text, sizeof text);
    MTL_TRY(mtl_check_floats("batch_norm", 5, (mtl_tensor *[]){x, weight, bias, running_mean, running_var}));
    if (x->rank < 2)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "batch_norm: x of shape %s, which should be [batch, channels, ...]",
                        text);
    MTL_TRY(check_vector(x, weight, "weight"));
    MTL_TRY(check_vector(x, bias, "bias"));
    MTL_TRY(check_vector(x, running_mean, "running_mean"));
    MTL_TRY(check_vector(x, running_var, "running_var"));
    if (!weight != !bias || !running_mean != !running_var)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "batch_norm: weight and bias come together, and running_mean and running_var");
    if (!training && !running_mean)
        return mtl_fail(x->ctx, MTL_ERR_ARG, "batch_norm: outside of training it needs running statistics");
    if (training && x->count <= x->shape[1])
        return mtl_fail(x->ctx, MTL_ERR_SHAPE,
                        "batch_norm: training needs more than one value a channel, but x has shape %s "
                        "(where the last batch of an epoch is one row, choose another batch size)",
                        text);
    return MTL_OK;
}

mtl_status mtl_batch_norm(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, mtl_tensor *running_mean,
                          mtl_tensor *running_var, bool training, double momentum, double eps, mtl_tensor **out)
{
    mtl_tensor *mean = NULL, *inv = NULL, *y = NULL;
    mtl_node *node;
    mtl_status status;
    MTL_TRY(check(x, weight, bias, running_mean, running_var, training));
    int64_t batch = x->shape[0], channels = x->shape[1], inner = 1;
    for (int i = 2; i < x->rank; i++)
        inner *= x->shape[i];
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 1, &channels, &mean));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 1, &channels, &inv));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &y));
    if (training && running_mean) {
        MTL_TRY_GOTO(mtl_tensor_writable(running_mean, "batch_norm"));
        MTL_TRY_GOTO(mtl_tensor_writable(running_var, "batch_norm"));
    }
    MTL_TRY_GOTO(MTL_KERNEL(x, norm_stats, training, batch, channels, inner, momentum, eps, x, running_mean,
                            running_var, mean, inv));
    MTL_TRY_GOTO(MTL_KERNEL(x, norm_apply, batch, channels, inner, x, mean, inv, weight, bias, y));
    MTL_TRY_GOTO(mtl_record(&mtl_op_batch_norm, 3, (mtl_tensor *[]){x, weight, bias}, 5,
                            (mtl_tensor *[]){x, weight, NULL, mean, inv}, y, &node));
    if (node) {
        node->integer[TRAINING] = training;
        node->integer[BATCH] = batch;
        node->integer[CHANNELS] = channels;
        node->integer[INNER] = inner;
    }
    *out = y;
    y = NULL;
done:
    mtl_tensor_release(mean);
    mtl_tensor_release(inv);
    mtl_tensor_release(y);
    return status;
}

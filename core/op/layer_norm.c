/* layer_norm, group_norm: each line of x has statistics of its own. x is seen as [batch, groups, each, inner]; a line
   is [each, inner], and weight and bias are [groups, each]. */
#include <inttypes.h>
#include <string.h>

#include "op/broadcast.h"

enum { BATCH, GROUPS, EACH, INNER };
enum { X, WEIGHT, BIAS, MEAN, INV }; /* inputs and what is saved; the bias needs no saving */

static mtl_status backward(mtl_grad_call *call)
{
    mtl_node *node = call->node;
    mtl_tensor **saved = node->saved, *d[3] = {NULL, NULL, NULL};
    for (int i = X; i <= BIAS; i++) {
        if (node->needs[i])
            MTL_TRY(mtl_grad_out(call, i, &d[i]));
    }
    return MTL_KERNEL(saved[X], line_norm_grad, call->rows, node->integer, saved[X], saved[MEAN], saved[INV],
                      saved[WEIGHT], call->dy, d[X], d[WEIGHT], d[BIAS]);
}

const mtl_op mtl_op_layer_norm = {.name = "layer_norm", .backward = backward};
const mtl_op mtl_op_group_norm = {.name = "group_norm", .backward = backward};

static mtl_status apply(const mtl_op *op, const int64_t *extent, double eps, mtl_tensor *x, mtl_tensor *weight,
                        mtl_tensor *bias, mtl_tensor **out)
{
    int64_t lines = extent[BATCH] * extent[GROUPS];
    mtl_tensor *mean = NULL, *inv = NULL, *y = NULL;
    mtl_node *node;
    mtl_status status;
    if (!(eps >= 0))
        return mtl_fail(x->ctx, MTL_ERR_ARG, "%s: eps is %g, which should be 0 or more", op->name, eps);
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 1, &lines, &mean));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, 1, &lines, &inv));
    MTL_TRY_GOTO(mtl_tensor_like(x, MTL_F32, x->rank, x->shape, &y));
    MTL_TRY_GOTO(MTL_KERNEL(x, line_norm, extent, eps, x, weight, bias, mean, inv, y));
    MTL_TRY_GOTO(mtl_record(op, 3, (mtl_tensor *[]){x, weight, bias}, 5, (mtl_tensor *[]){x, weight, NULL, mean, inv},
                            y, &node));
    if (node)
        memcpy(node->integer, extent, 4 * sizeof *extent);
    *out = y;
    y = NULL;
done:
    mtl_tensor_release(mean);
    mtl_tensor_release(inv);
    mtl_tensor_release(y);
    return status;
}

/* `t` (NULL: absent) has the given shape. */
static mtl_status check_shape(const char *who, const char *what, const mtl_tensor *t, int rank, const int64_t *shape)
{
    char text[MTL_SHAPE_TEXT], wanted[MTL_SHAPE_TEXT];
    if (!t || (t->rank == rank && memcmp(t->shape, shape, (size_t)rank * sizeof *shape) == 0))
        return MTL_OK;
    return mtl_fail(t->ctx, MTL_ERR_SHAPE, "%s: %s has shape %s, which should be %s", who, what,
                    mtl_shape_text(t->rank, t->shape, text, sizeof text),
                    mtl_shape_text(rank, shape, wanted, sizeof wanted));
}

mtl_status mtl_layer_norm(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, int dims, double eps, mtl_tensor **out)
{
    int64_t extent[4] = {1, 1, 1, 1};
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_floats("layer_norm", 3, (mtl_tensor *[]){x, weight, bias}));
    if (dims < 1 || dims > x->rank)
        return mtl_fail(x->ctx, MTL_ERR_ARG, "layer_norm: the last %d dimensions of x, whose shape is %s", dims,
                        mtl_shape_text(x->rank, x->shape, text, sizeof text));
    MTL_TRY(check_shape("layer_norm", "weight", weight, dims, x->shape + x->rank - dims));
    MTL_TRY(check_shape("layer_norm", "bias", bias, dims, x->shape + x->rank - dims));
    for (int i = 0; i < x->rank; i++)
        extent[i < x->rank - dims ? BATCH : EACH] *= x->shape[i];
    return apply(&mtl_op_layer_norm, extent, eps, x, weight, bias, out);
}

mtl_status mtl_group_norm(mtl_tensor *x, int64_t groups, mtl_tensor *weight, mtl_tensor *bias, double eps,
                          mtl_tensor **out)
{
    char text[MTL_SHAPE_TEXT];
    MTL_TRY(mtl_check_floats("group_norm", 3, (mtl_tensor *[]){x, weight, bias}));
    if (x->rank < 2)
        return mtl_fail(x->ctx, MTL_ERR_SHAPE, "group_norm: x of shape %s, which should be [batch, channels, ...]",
                        mtl_shape_text(x->rank, x->shape, text, sizeof text));
    if (groups < 1 || groups > x->shape[1] || x->shape[1] % groups != 0)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "group_norm: %" PRId64 " groups, which should divide the channels of x, %" PRId64, groups,
                        x->shape[1]);
    MTL_TRY(check_shape("group_norm", "weight", weight, 1, x->shape + 1));
    MTL_TRY(check_shape("group_norm", "bias", bias, 1, x->shape + 1));
    int64_t extent[4] = {x->shape[0], groups, x->shape[1] / groups, 1};
    for (int i = 2; i < x->rank; i++)
        extent[INNER] *= x->shape[i];
    return apply(&mtl_op_group_norm, extent, eps, x, weight, bias, out);
}

/* max_pool2d and avg_pool2d over [B, C, H, W]. */
#include <inttypes.h>

#include "op/window.h"

static mtl_status max_backward(mtl_grad_call *call)
{
    mtl_conv c = mtl_window_kept(call->node);
    mtl_tensor *dx;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, max_pool2d_grad, &c, call->rows, call->node->saved[0], call->dy, dx);
}

static mtl_status avg_backward(mtl_grad_call *call)
{
    mtl_conv c = mtl_window_kept(call->node);
    mtl_tensor *dx;
    MTL_TRY(mtl_grad_out(call, 0, &dx));
    return MTL_KERNEL(dx, avg_pool2d_grad, &c, call->rows, call->dy, dx);
}

const mtl_op mtl_op_max_pool2d = {"max_pool2d", max_backward};
const mtl_op mtl_op_avg_pool2d = {"avg_pool2d", avg_backward};

static mtl_status check(const mtl_op *op, mtl_tensor *x, const mtl_window *w, mtl_conv *c)
{
    MTL_TRY(mtl_check_floats(op->name, 1, &x));
    MTL_TRY(mtl_window_over(op->name, x, w, &mtl_dense, c));
    if (2 * w->pad_h > w->kernel_h || 2 * w->pad_w > w->kernel_w)
        return mtl_fail(x->ctx, MTL_ERR_ARG,
                        "%s: padding %" PRId64 " x %" PRId64 " for a window of %" PRId64 " x %" PRId64
                        "; it should be at most half of the window",
                        op->name, w->pad_h, w->pad_w, w->kernel_h, w->kernel_w);
    return MTL_OK;
}

mtl_status mtl_max_pool2d(mtl_tensor *x, const mtl_window *w, mtl_tensor **out)
{
    mtl_tensor *y = NULL, *index = NULL;
    mtl_node *node;
    mtl_conv c;
    MTL_TRY(check(&mtl_op_max_pool2d, x, w, &c));
    const int64_t shape[] = {c.batch, c.in_channels, c.out_h, c.out_w};
    MTL_TRY(mtl_tensor_like(x, MTL_I32, 4, shape, &index));
    mtl_status status = mtl_tensor_like(x, MTL_F32, 4, shape, &y);
    if (status == MTL_OK)
        status = MTL_KERNEL(x, max_pool2d, &c, x, y, index);
    status = mtl_finish(status, &mtl_op_max_pool2d, 1, &x, 1, &index, y, &node, out);
    mtl_tensor_release(index);
    if (status == MTL_OK && node)
        mtl_window_keep(node, &c);
    return status;
}

mtl_status mtl_avg_pool2d(mtl_tensor *x, const mtl_window *w, mtl_tensor **out)
{
    mtl_tensor *y = NULL;
    mtl_node *node;
    mtl_conv c;
    MTL_TRY(check(&mtl_op_avg_pool2d, x, w, &c));
    MTL_TRY(mtl_tensor_like(x, MTL_F32, 4, (int64_t[]){c.batch, c.in_channels, c.out_h, c.out_w}, &y));
    mtl_status status = MTL_KERNEL(x, avg_pool2d, &c, x, y);
    MTL_TRY(mtl_finish(status, &mtl_op_avg_pool2d, 1, &x, 0, NULL, y, &node, out));
    if (node)
        mtl_window_keep(node, &c);
    return MTL_OK;
}

/* The geometry that convolution and pooling share: images [B, C, H, W] and a window that slides over them. */
#ifndef MTL_OP_WINDOW_H
#define MTL_OP_WINDOW_H

#include "op/broadcast.h"

extern const mtl_spread mtl_dense; /* dilation 1, one group */

/* Checks image and window and fills all of *c but out_channels, which becomes the input's. */
mtl_status mtl_window_over(const char *who, const mtl_tensor *x, const mtl_window *w, const mtl_spread *s, mtl_conv *c);
/* Its two parts: x has four dimensions and the numbers are in range; such a window fits images of these sizes. */
mtl_status mtl_window_check(const char *who, const mtl_tensor *x, const mtl_window *w, const mtl_spread *s);
mtl_status mtl_window_fit(const char *who, mtl_context *ctx, const int64_t *image, const mtl_window *w,
                          const mtl_spread *s, mtl_conv *c);

/* A node's integer[0 .. 15], and back. */
void mtl_window_keep(mtl_node *node, const mtl_conv *c);
mtl_conv mtl_window_kept(const mtl_node *node);

#endif

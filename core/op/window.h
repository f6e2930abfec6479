/* The geometry that convolution and pooling share: images [B, C, H, W] and a window that slides over them. */
#ifndef MTL_OP_WINDOW_H
#define MTL_OP_WINDOW_H

#include "op/broadcast.h"

/* Checks image and window and fills all of *c but out_channels, which becomes the input's. */
mtl_status mtl_window_over(const char *who, const mtl_tensor *x, const mtl_window *w, mtl_conv *c);

/* A node's integer[0 .. 12], and back. */
void mtl_window_keep(mtl_node *node, const mtl_conv *c);
mtl_conv mtl_window_kept(const mtl_node *node);

#endif

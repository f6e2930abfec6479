/* Windows that slide over [C, H, W] samples: shared by convolution and pooling. */
#ifndef MTL_LAYER_WINDOW_H
#define MTL_LAYER_WINDOW_H

#include "layer/layer.h"

/* From the options at these places; a stride that was not given and has no default is the kernel's (pooling). */
mtl_window mtl_layer_window(const mtl_layer *layer, int kernel, int stride, int padding);
/* Output shape; the channels stay. Fails where the window, its elements `dilation` apart, is larger than the padded
   sample. */
mtl_status mtl_layer_window_shape(mtl_layer *layer, const mtl_window *w, const int64_t *dilation, const mtl_shape *in,
                                  mtl_shape *out);
/* A sample of three dimensions; anything else fails. */
mtl_status mtl_layer_image(mtl_layer *layer, const mtl_shape *in);

#endif

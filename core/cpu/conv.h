/* What the ways to convolve share. An image has its border of zeros around it; a weight's patch is channels kh kw; the
   corner of an element of the patch is where the first output pixel meets it in the image. With groups, a plan is that
   of one of them. */
#ifndef MTL_CPU_CONV_H
#define MTL_CPU_CONV_H

#include "cpu/cpu.h"
#include "cpu/vec.h"

/* Output pixels that are neighbours in the image as well, where a line has a multiple of them. */
enum { PIECE = LANES < 8 ? LANES : 8, PIECES = LANES / PIECE };

typedef struct {
    mtl_conv c;                   /* its channels are those of one group */
    int64_t patch, pixels;        /* channels kh kw; oh ow */
    int64_t image, output;        /* elements of one image of x, and of y, with all groups */
    int64_t high, wide, bordered; /* of an image with its border; its elements, and slack for a vector */
    bool border;
    bool plain;            /* 1 x 1, each pixel once: the image is its own columns */
    bool slides;           /* no columns are needed: see slide.c */
    int64_t strip, strips; /* else: pixels that are worked on at once, of each image */
    int64_t pitch;         /* floats from a line of dw to the next: the patch of all channels */
} plan;

/* Where the windows lie, for slide.c: the corners of the patch, and the first pixel of each piece. */
#define mtl_slide_places MTL_CPU(slide_places)
int64_t mtl_slide_places(const plan *p, int32_t *places); /* how many; written where places is not NULL */

/* The weight [O, patch] as the forward kernel reads it: as many floats as it has itself, rounded up. */
#define mtl_slide_weight MTL_CPU(slide_weight)
int64_t mtl_slide_weight(const plan *p, const float *weight, float *packed);

/* Pixels [first, end) of y of one image; first a multiple of 2 LANES */
#define mtl_slide_forward MTL_CPU(slide_forward)
void mtl_slide_forward(const plan *p, const int32_t *places, const float *packed, const float *bias, const float *image,
                       int64_t first, int64_t end, float *y);

/* part [lines, patch], p->pitch apart, += dw of `images` images, `step` apart; lines: cotangents times output channels;
   dy: the first cotangent of the first image */
#define mtl_slide_sums MTL_CPU(slide_sums)
void mtl_slide_sums(const plan *p, const int32_t *places, int64_t lines, int64_t images, const float *image,
                    int64_t step, const float *dy, float *part);

/* Windows of 3 x 3 in fewer multiplications (winograd.c), where there are enough channels: y of a plan's group; and of
   a convolution without groups the dw of `rows` cotangents. `like` is any tensor of the device. */
#define mtl_winograd_pays MTL_CPU(winograd_pays)
#define mtl_winograd      MTL_CPU(winograd)
#define mtl_winograd_sums MTL_CPU(winograd_sums)
bool mtl_winograd_pays(const plan *p);
mtl_status mtl_winograd(const plan *p, const mtl_tensor *like, const float *x, const float *weight, const float *bias,
                        float *y);
mtl_status mtl_winograd_sums(const plan *p, int64_t rows, const mtl_tensor *like, const float *x, const float *dy,
                             float *dw);

/* Gradients where dy is mostly zeros (sparse.c), and windows are narrow: whether that pays, as some of dy's planes
   show; dx of a plan's group; and its dw as slide_sums gives it, of so many images at once, which may be read some
   floats past their end, with so many floats of room. */
#define mtl_sparse_pays   MTL_CPU(sparse_pays)
#define mtl_sparse_input  MTL_CPU(sparse_input)
#define mtl_sparse_images MTL_CPU(sparse_images)
#define mtl_sparse_room   MTL_CPU(sparse_room)
#define mtl_sparse_sums   MTL_CPU(sparse_sums)
bool mtl_sparse_pays(const plan *p, int64_t rows, const float *dy, bool dx);
mtl_status mtl_sparse_input(const plan *p, int64_t rows, const mtl_tensor *like, const float *weight, const float *dy,
                            float *dx);
int64_t mtl_sparse_images(const plan *p);
int64_t mtl_sparse_room(const plan *p, int64_t images);
void mtl_sparse_sums(const plan *p, int64_t rows, int64_t images, const float *image, int64_t step, const float *dy,
                     float *room, float *part);

/* Groups of one input channel each: depthwise.c, and the two kernels for them. */
static inline bool mtl_is_depthwise(const mtl_conv *c)
{
    return c->groups > 1 && c->groups == c->in_channels;
}
#define mtl_depthwise      MTL_CPU(depthwise)
#define mtl_depthwise_grad MTL_CPU(depthwise_grad)
mtl_status mtl_depthwise(const mtl_conv *c, const mtl_tensor *x, const float *weight, const float *bias, mtl_tensor *y);
mtl_status mtl_depthwise_grad(const mtl_conv *c, int64_t rows, const mtl_tensor *x, const mtl_tensor *w,
                              const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db);
#endif

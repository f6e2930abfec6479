/* Transforms of one image or dense target in plain memory, in any thread. */
#ifndef MTL_IO_TRANSFORM_H
#define MTL_IO_TRANSFORM_H

#include "io/source.h"

/* [channels, height, width] on its way: float, but int32 for labels. Its memory is used again for the next. */
typedef struct {
    mtl_role role;
    int64_t channels, height, width;
    float low, high;              /* the range of an image's values */
    mtl_room data, spare, places; /* data: the elements */
} mtl_picture;

/* What the random numbers of a row follow from: all its fields have the same. */
typedef struct {
    bool training;
    uint64_t seed, epoch;
    int64_t place; /* in the epoch */
} mtl_draw;

/* MTL_ERR_ARG or MTL_ERR_SHAPE where its settings make no sense. `who` names it in messages. */
mtl_status mtl_transform_check(mtl_context *ctx, const char *who, const mtl_transform *t);
/* Transform number `index` of the loader's. false: there is no memory. */
bool mtl_transform_apply(const mtl_transform *t, int index, const mtl_draw *draw, mtl_picture *p);

#endif

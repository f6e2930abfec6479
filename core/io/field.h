/* A field of a loader: how a row of its source becomes a row of a batch. */
#ifndef MTL_IO_FIELD_H
#define MTL_IO_FIELD_H

#include "io/transform.h"

typedef struct {
    mtl_source *source; /* retained */
    const uint8_t
        *memory; /* the source's rows, of `count` elements in `stride` bytes; NULL: they are read one by one */
    int64_t count;
    size_t stride;
    int32_t *rows; /* NULL: all, in order */
    int64_t n_rows;
    mtl_role role;
    double scale, shift;
    bool has_missing;
    double missing;
    float *table; /* what 0 to 255 become: floats of uint8, classes of labels; NULL: it has none */
    int n_transforms;
    const mtl_transform *transforms; /* the loader's; none where no transform touches the field */
    bool any_size;                   /* rows of the source may differ in height and width */
    int64_t moved[2];                /* height and width where the first crop or scale finds them; -1: there is none */
    mtl_dtype dtype;                 /* of what comes out */
    int rank;                        /* of a row that comes out */
    int64_t shape[MTL_MAX_RANK];
    size_t bytes;
} mtl_row_field;

/* A thread's own memory. */
typedef struct {
    mtl_row row;
    mtl_picture picture;
} mtl_scratch;

/* `who` is "loader: field 2". On failure: nothing is left to close. */
mtl_status mtl_field_open(mtl_context *ctx, const char *who, const mtl_field *from, int n_transforms,
                          const mtl_transform *transforms, mtl_row_field *field);
void mtl_field_close(mtl_row_field *field); /* fine on one that is all zero */
/* Begins to bring row `i` into the cache, where it lies in memory: rows of an epoch lie anywhere. */
void mtl_field_fetch(const mtl_row_field *field, int64_t i);
/* Row `i` of the field to `to`, in any thread. false: `message` (MTL_MESSAGE) says why. */
bool mtl_field_make(const mtl_row_field *field, int64_t i, const mtl_draw *draw, mtl_scratch *scratch, void *to,
                    char *message);
void mtl_scratch_free(mtl_scratch *scratch);

#endif

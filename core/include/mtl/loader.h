/* Batches of a data set, made ahead by threads of the loader's own: rows from memory or from files that are read while
   training, through transforms that keep images and dense targets together. */
#ifndef MTL_LOADER_H
#define MTL_LOADER_H

#include "mtl/io.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- where rows come from ---- */

/* Counted, immutable, and used by several loaders. All rows have the dtype and the shape of row 0; a file of another
   shape is an error that names it when it is read (but see MTL_RESIZE). Paths are copied, and used as they are given.
 */
typedef struct mtl_source mtl_source;

mtl_status mtl_source_tensor(mtl_tensor *rows, mtl_source **out); /* [n, ...] on the CPU; retained */
mtl_status mtl_source_png(mtl_context *ctx, int64_t n, const char *const *paths, mtl_png_mode mode, mtl_source **out);
/* Row i is array[i] of one file, read when it is asked for (in Fortran order: all of it now, into memory). */
mtl_status mtl_source_npy(mtl_context *ctx, const char *path, mtl_source **out);
mtl_status mtl_source_npy_files(mtl_context *ctx, int64_t n, const char *const *paths, mtl_source **out);
/* The rows of all of them, one source after the other; of one dtype and rank. Retained. */
mtl_status mtl_source_join(mtl_context *ctx, int n, mtl_source *const *sources, mtl_source **out);
mtl_source *mtl_source_retain(mtl_source *source); /* returns source */
void mtl_source_release(mtl_source *source);       /* NULL is fine */

int64_t mtl_source_rows(const mtl_source *source);
int mtl_source_rank(const mtl_source *source);             /* of a row */
const int64_t *mtl_source_shape(const mtl_source *source); /* of row 0 */
mtl_dtype mtl_source_dtype(const mtl_source *source);
const char *mtl_source_name(const mtl_source *source, int64_t row); /* its file; NULL: it is in memory */
/* These rows as they are, [n, ...]. */
mtl_status mtl_source_take(mtl_source *source, int64_t n, const int32_t *rows, mtl_tensor **out);

/* ---- what happens to them ---- */

typedef enum {
    MTL_ROLE_PLAIN,  /* no transform touches it */
    MTL_ROLE_IMAGE,  /* [channels, height, width], uint8 or float32 */
    MTL_ROLE_LABELS, /* [height, width], int32 or uint8, which becomes int32; -1 is missing */
    MTL_ROLE_DEPTH,  /* [height, width] or [1, height, width]; becomes float32; NaN is missing */
    MTL_ROLE_NORMALS /* [3, height, width], uint8 or float32: x, y, z of unit vectors; NaN is missing */
} mtl_role;

typedef struct {
    mtl_source *source;
    const int32_t *rows; /* row i of the field is row rows[i] of the source; NULL: all of them, in order. Copied */
    int64_t n_rows;
    mtl_role role;
    double scale, shift; /* uint8 becomes float32, x * scale + shift, and so does any depth; other floats stay */
    bool has_missing;    /* dense targets: where the source says `missing` there is no target (normals: in all three */
    double missing;      /*   channels) */
    /* Labels: what the values 0 to 255 become (-1: missing); others stay. NULL: all do. Copied. */
    const int32_t *classes;
} mtl_field;

typedef enum {
    /* To height x width. Images bilinear (PyTorch's interpolate with align_corners = false, not antialiased), dense
       targets nearest by the pixels' centres (its "nearest-exact"). Before a resize that no crop or scale stands
       before, rows may have any height and width. */
    MTL_RESIZE,
    /* height x width at a random place of the image with `padding` around it; not training: its centre. */
    MTL_RANDOM_CROP,
    /* Left and right, or top and bottom (vertical), change places with probability p. Normals turn with the image: x,
       or y, changes its sign. */
    MTL_RANDOM_FLIP,
    /* A zoom by a factor uniform in low .. high about a random place, the size kept: above 1 a part of the image is
       seen larger; below 1 all of it, smaller, somewhere in padding. Sampled as by a resize. Depth is divided by the
       factor. */
    MTL_RANDOM_SCALE,
    /* Brightness, contrast and saturation, in this order, each by a factor uniform in 1 - x .. 1 + x (not below 0), as
       torchvision's ColorJitter computes them. Values stay in the range of the field's pixels: 0 .. 1 for floats, of
       uint8 what 0 and 255 become. Images only. Saturation is of three channels; the alpha of two or four stays. */
    MTL_COLOR_JITTER,
    /* (x - mean) / std of each channel of images. */
    MTL_NORMALIZE
} mtl_transform_kind;

/* Padding, and what a zoom leaves empty, is 0 in images and missing in dense targets. Normals are made unit vectors
   again after each resize and scale. */
typedef struct {
    mtl_transform_kind kind;
    int64_t height, width;                   /* resize, random_crop: 1 .. 65536 */
    int64_t padding;                         /* random_crop: 0 .. 65536 */
    double p;                                /* random_flip */
    bool vertical;                           /* random_flip */
    double low, high;                        /* random_scale: 1/1024 .. 1024 */
    double brightness, contrast, saturation; /* color_jitter: 0 or more */
    int channels;                            /* normalize */
    const double *mean, *std;                /* normalize: a number a channel, std above 0. Copied */
} mtl_transform;

/* ---- the loader ---- */

typedef struct {
    int n;
    const mtl_field *fields; /* with as many rows each */
    int64_t batch;           /* rows; the last batch may be smaller */
    int n_transforms;
    const mtl_transform *transforms; /* in the order given, on all fields but plain ones */
    mtl_tensor *weights; /* float32 [rows] on the CPU, copied, or NULL. An epoch of training is then as many draws as
                            rows, with replacement, each row in proportion to its weight */
    int threads;         /* that read, 1 .. 64; 0: 1 where all is in memory, else 2. The results are the same */
} mtl_loader_options;

typedef struct mtl_loader mtl_loader;

mtl_status mtl_loader_new(mtl_context *ctx, const mtl_loader_options *options, mtl_loader **out);
void mtl_loader_free(mtl_loader *loader);
int64_t mtl_loader_rows(const mtl_loader *loader);
int64_t mtl_loader_batches(const mtl_loader *loader); /* an epoch */

/* Starts at batch `first` (0: the beginning) of an epoch. training: rows come in the permutation of (seed,
   "data/order", epoch << 32), or are drawn by weight with numbers from there, and random transforms act, by numbers of
   (seed, "data/augment", epoch, place in the epoch). Else the rows come in order, and nothing is random. What was made
   ahead of an earlier start is dropped. */
mtl_status mtl_loader_start(mtl_loader *loader, bool training, uint64_t seed, uint64_t epoch, int64_t first);
/* The next batch: n tensors [rows, ...], retained for the caller, or NULLs and *rows = 0 at the end of the epoch. A row
   that cannot be read is an error that names its file; it stays until the next start. */
mtl_status mtl_loader_next(mtl_loader *loader, mtl_tensor **batch, int64_t *rows);

#ifdef __cplusplus
}
#endif
#endif

/* Tensors: contiguous, row-major, reference counted, on one device. reshape and a slice of the leading dimension share
   storage; every other operator makes a new tensor. A rank-0 tensor holds one element. */
#ifndef MTL_TENSOR_H
#define MTL_TENSOR_H

#include "mtl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { MTL_F32, MTL_I32, MTL_U8 } mtl_dtype;
size_t mtl_dtype_size(mtl_dtype dtype);
const char *mtl_dtype_name(mtl_dtype dtype); /* "float32", "int32", "uint8" */

typedef struct mtl_tensor mtl_tensor;

/* Uninitialised tensor on the CPU (device 0), or on `device`. Shapes are checked: no negative size, no overflow. */
mtl_status mtl_tensor_new(mtl_context *ctx, mtl_dtype dtype, int rank, const int64_t *shape, mtl_tensor **out);
mtl_status mtl_tensor_new_on(mtl_context *ctx, int device, mtl_dtype dtype, int rank, const int64_t *shape,
                             mtl_tensor **out);
mtl_tensor *mtl_tensor_retain(mtl_tensor *t); /* returns t */
void mtl_tensor_release(mtl_tensor *t);       /* NULL is fine; frees the graph behind t too, without recursion */

mtl_context *mtl_tensor_context(const mtl_tensor *t);
mtl_dtype mtl_tensor_dtype(const mtl_tensor *t);
int mtl_tensor_rank(const mtl_tensor *t);
const int64_t *mtl_tensor_shape(const mtl_tensor *t);
int64_t mtl_tensor_count(const mtl_tensor *t); /* elements */
size_t mtl_tensor_bytes(const mtl_tensor *t);
int mtl_tensor_device(const mtl_tensor *t);
/* Host pointer to the elements, or NULL when the tensor is on another device. */
void *mtl_tensor_data(const mtl_tensor *t);
/* "[256, 1, 28, 28]", written to buf; returns buf. */
const char *mtl_shape_text(int rank, const int64_t *shape, char *buf, size_t size);
#define MTL_SHAPE_TEXT 200 /* a buffer of this size always suffices */

/* Copies all elements to or from host memory of mtl_tensor_bytes(t). Writing is refused on a tensor saved by a live
 * graph. */
mtl_status mtl_tensor_read(const mtl_tensor *t, void *host);
mtl_status mtl_tensor_write(mtl_tensor *t, const void *host);
mtl_status mtl_tensor_to(mtl_tensor *t, int device, mtl_tensor **out); /* itself (retained) when it is there already */
mtl_status mtl_tensor_fill(mtl_tensor *t, double value); /* in place; integers: a value in their range, toward zero */
mtl_status mtl_tensor_copy(mtl_tensor *dst, const mtl_tensor *src); /* in place; same shape and dtype */
/* In place, float32, not recorded: dst += alpha src, of one shape; t *= factor. */
mtl_status mtl_tensor_add(mtl_tensor *dst, double alpha, const mtl_tensor *src);
mtl_status mtl_tensor_scale(mtl_tensor *t, double factor);

/* What the values are. A survey is made once: it is remembered until the tensor is written, and copies on other devices
   (mtl_tensor_to) know it, and keep the tensor that they are copies of (all of its storage). Away from the CPU, a
   survey that is not known yet reads the whole tensor, and keeps the copy. */
typedef struct {
    int64_t missing;        /* NaN; of integers those below 0 */
    int64_t zeros;          /* elements that are 0 */
    double least, greatest; /* of what is no NaN; where there is none: INFINITY, -INFINITY */
} mtl_survey;
mtl_status mtl_tensor_survey(mtl_tensor *t, mtl_survey *out);
const mtl_survey *mtl_known_survey(const mtl_tensor *t); /* NULL: it is not known */
/* The values on the CPU, to be read, not written: where a surveyed tensor was moved from there and neither was written
   since, those of that one, so that the device is not waited for (mtl_host_is_known says so); else a copy, which reads
   the device. On the CPU the tensor itself, retained. Owned by the caller. */
mtl_status mtl_tensor_host(mtl_tensor *t, mtl_tensor **out);
bool mtl_host_is_known(const mtl_tensor *t);

/* Numbers that are read later. mtl_later_new copies the elements of float32 tensors of one device, one tensor after the
   other, to a place where they stay as they are now; it waits for nothing. mtl_later_get waits for the device, once for
   all that was put there before; *numbers are mtl_later_count(l) of them, and l's. */
typedef struct mtl_later mtl_later;
mtl_status mtl_later_new(mtl_context *ctx, int n, mtl_tensor *const *tensors, mtl_later **out);
int64_t mtl_later_count(const mtl_later *l);
mtl_status mtl_later_get(mtl_later *l, const float **numbers);
void mtl_later_free(mtl_later *l); /* NULL is fine */

/* The same storage without history: no gradient flows through it. */
mtl_status mtl_tensor_detach(mtl_tensor *t, mtl_tensor **out);

/* ---- gradients (the tape) ---- */

/* Marks a float tensor as a leaf whose gradient is wanted. Refused for a tensor that an operator produced. A parameter
   of an arena is frozen, or no longer. */
mtl_status mtl_tensor_require_grad(mtl_tensor *t, bool wanted);
bool mtl_tensor_requires_grad(const mtl_tensor *t); /* a leaf that wants one, or the result of such a leaf */
mtl_tensor *mtl_tensor_grad(const mtl_tensor *t);   /* borrowed; NULL where none; for a slot: a view of the arena */
void mtl_tensor_zero_grad(mtl_tensor *t);

/* Recording is on by default; returns the former setting. */
bool mtl_set_recording(mtl_context *ctx, bool on);
bool mtl_recording(const mtl_context *ctx);

/* One root of a backward pass: adds `scale` * d(value)/d(leaf) to row `row` of the leaves' gradients.
   `seed` is the cotangent, of value's shape; NULL: ones (value must then hold one element). */
typedef struct {
    mtl_tensor *value;
    mtl_tensor *seed; /* or NULL */
    double scale;
    int row; /* 0 .. rows-1 */
} mtl_root;

/* One sweep that carries `rows` cotangents together (1 .. MTL_MAX_TASKS). It accumulates into the leaves:
   with rows = 1 a leaf's gradient has the leaf's shape, with more [rows, ...shape].
   Slots of an arena take their gradient in the arena: with rows = 1 its gradient, with more the task gradients
   (rows of J) for slots that several tasks reach, and the gradient itself for slots that one task reaches.
   The graph is consumed: a second sweep over it is MTL_ERR_STATE. A sweep that fails on its way (out of memory) leaves
   gradients that lack a part: zero them before the next. */
mtl_status mtl_backward(mtl_context *ctx, int n, const mtl_root *roots, int rows);
/* The same down to the tensor `at`, which the roots were computed from, and no further: *grad is d(roots)/d(at), [rows,
   ...shape of at] (at of MTL_MAX_RANK dimensions: its last two are one), 0 where no root depends on it. The graph that
   made `at` stays whole, for a sweep from `at` with a seed. What goes around `at` is swept to its leaves. */
mtl_status mtl_backward_to(mtl_context *ctx, int n, const mtl_root *roots, int rows, mtl_tensor *at, mtl_tensor **grad);

#ifdef __cplusplus
}
#endif
#endif

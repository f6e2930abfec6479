/* What the operators of element-wise work, reductions and shapes share: checks with messages, and shapes with room for
   the leading axis of the cotangents' rows. */
#ifndef MTL_OP_BROADCAST_H
#define MTL_OP_BROADCAST_H

#include "mtl/op.h"
#include "tensor/backend.h"

#define MTL_OP(name) extern const mtl_op mtl_op_##name;
#include "op/ops.def"
#undef MTL_OP

/* Sizes of a tensor, or of its cotangents: then size[0] is their number. */
typedef struct {
    int rank;
    int64_t size[MTL_MAX_RANK + 1];
} mtl_dims;

mtl_dims mtl_dims_of(int rank, const int64_t *shape);
/* [rows, 1, ..., shape...] with `rank` dimensions after the first. */
mtl_dims mtl_dims_rows(int64_t rows, int rank, int shape_rank, const int64_t *shape);
bool mtl_dims_same(const mtl_dims *a, const mtl_dims *b);

/* All inputs float32 and on one device; on one device. NULLs are skipped. */
mtl_status mtl_check_floats(const char *who, int n, mtl_tensor *const *in);
mtl_status mtl_check_device(const char *who, int n, mtl_tensor *const *in);
/* 0 <= *at < rank from a dimension that may count from the end. */
mtl_status mtl_check_dim(const char *who, const mtl_tensor *x, int dim, int *at);

/* x seen as [outer, n, inner] around `dim`; MTL_ALL: [1, count, 1]. */
typedef struct {
    int64_t outer, n, inner;
} mtl_fold;
mtl_fold mtl_fold_at(int rank, const int64_t *shape, int dim);

/* The shape that the inputs broadcast to. */
mtl_status mtl_broadcast_shape(const char *who, int n, mtl_tensor *const *in, mtl_dims *out);
/* Strides of up to three inputs that broadcast to `out`, right-aligned, with neighbouring dimensions merged. */
mtl_broadcast mtl_broadcast_plan(const mtl_dims *out, int n, const mtl_dims *in);
/* Merges neighbouring dimensions that every input walks evenly, and drops those of size 1. */
void mtl_broadcast_merge(mtl_broadcast *plan, int n);

/* y = x repeated: `from` broadcasts to `to`. */
mtl_status mtl_repeat(const mtl_dims *from, const mtl_dims *to, const mtl_tensor *x, mtl_tensor *y);
/* y = x summed: the adjoint of the above, from `from` down to `to`, of the same rank. */
mtl_status mtl_sum_dims(const mtl_dims *from, const mtl_dims *to, mtl_tensor *x, mtl_tensor *y);
/* Hands `dx` of shape [rows, ...y] to input i, summed down to its shape where that is smaller. */
mtl_status mtl_grad_sum(mtl_grad_call *call, int i, mtl_tensor *dx);
/* Hands the same elements over in the shape of input i. */
mtl_status mtl_grad_reshaped(mtl_grad_call *call, int i, mtl_tensor *dx);

/* Ends an operator: records y, fills *node, and on success hands y over; releases it otherwise. */
mtl_status mtl_finish(mtl_status status, const mtl_op *op, int n, mtl_tensor *const *in, int n_saved,
                      mtl_tensor *const *saved, mtl_tensor *y, mtl_node **node, mtl_tensor **out);

#endif

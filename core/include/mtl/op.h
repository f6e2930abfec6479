/* Operators. Each makes a new tensor (*out, owned by the caller) and records its gradient rule where an input requires
   a gradient. Arguments here count from 0 (the Lua binding translates); a negative dimension counts from the end.
   Floats in, floats out, unless a comment says otherwise; shapes broadcast as in NumPy where it says "broadcast". */
#ifndef MTL_OP_H
#define MTL_OP_H

#include "mtl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- element-wise (op/unary.def, op/binary.def hold formulas and gradients) ---- */
mtl_status mtl_neg(mtl_tensor *x, mtl_tensor **out);
mtl_status mtl_abs(mtl_tensor *x, mtl_tensor **out); /* gradient 0 at 0 */
mtl_status mtl_exp(mtl_tensor *x, mtl_tensor **out);
mtl_status mtl_log(mtl_tensor *x, mtl_tensor **out);
mtl_status mtl_sqrt(mtl_tensor *x, mtl_tensor **out);
mtl_status mtl_square(mtl_tensor *x, mtl_tensor **out);
mtl_status mtl_sign(mtl_tensor *x, mtl_tensor **out); /* gradient 0 */
mtl_status mtl_relu(mtl_tensor *x, mtl_tensor **out);
mtl_status mtl_leaky_relu(mtl_tensor *x, double slope, mtl_tensor **out);
mtl_status mtl_gelu(mtl_tensor *x, mtl_tensor **out);      /* exact: x/2 (1 + erf(x/sqrt 2)) */
mtl_status mtl_gelu_tanh(mtl_tensor *x, mtl_tensor **out); /* the tanh approximation */
mtl_status mtl_sigmoid(mtl_tensor *x, mtl_tensor **out);
mtl_status mtl_tanh(mtl_tensor *x, mtl_tensor **out);
mtl_status mtl_clamp(mtl_tensor *x, double low, double high, mtl_tensor **out);     /* gradient 1 on [low, high] */
mtl_status mtl_isnan(mtl_tensor *x, mtl_tensor **out);                              /* 1 or 0; no gradient */
mtl_status mtl_scale(mtl_tensor *x, double factor, double shift, mtl_tensor **out); /* factor x + shift */

/* broadcast */
mtl_status mtl_add(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_sub(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_mul(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_div(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_pow(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_minimum(mtl_tensor *a, mtl_tensor *b,
                       mtl_tensor **out); /* ties: the gradient is halved, as in PyTorch */
mtl_status mtl_maximum(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
/* broadcast comparisons: float 1 or 0, no gradient; any dtype (compared as floats; int32 up to 2^24 exactly) */
mtl_status mtl_eq(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_ne(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_lt(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_le(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_gt(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
mtl_status mtl_ge(mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);
/* cond != 0 ? a : b, all broadcast; gradient to a and b. An unselected NaN leaves no trace, forward or backward. */
mtl_status mtl_where(mtl_tensor *cond, mtl_tensor *a, mtl_tensor *b, mtl_tensor **out);

mtl_status mtl_cast(mtl_tensor *x, mtl_dtype dtype,
                    mtl_tensor **out); /* to int: toward zero, range checked; no gradient
                                          unless float to float, where it is x itself */

/* ---- reductions. dim: or MTL_ALL for all of them; keep: the dimension stays with size 1 ---- */
#define MTL_ALL (-1000)
mtl_status mtl_sum(mtl_tensor *x, int dim, bool keep, mtl_tensor **out);
mtl_status mtl_mean(mtl_tensor *x, int dim, bool keep, mtl_tensor **out);
mtl_status mtl_amax(mtl_tensor *x, int dim, bool keep, mtl_tensor **out); /* ties share the gradient evenly */
mtl_status mtl_amin(mtl_tensor *x, int dim, bool keep, mtl_tensor **out);
mtl_status mtl_argmax(mtl_tensor *x, int dim, bool keep, mtl_tensor **out); /* int32, the first of equals */
mtl_status mtl_argmin(mtl_tensor *x, int dim, bool keep, mtl_tensor **out);
/* Sums a tensor down to `shape`, the adjoint of broadcasting from it. */
mtl_status mtl_sum_to(mtl_tensor *x, int rank, const int64_t *shape, mtl_tensor **out);
/* Stable; NaN last when ascending, first when descending. values carries a gradient; indices int32 (either may be
 * NULL). */
mtl_status mtl_sort(mtl_tensor *x, int dim, bool descending, mtl_tensor **values, mtl_tensor **indices);

/* ---- shape ---- */
mtl_status mtl_reshape(mtl_tensor *x, int rank, const int64_t *shape,
                       mtl_tensor **out); /* one size may be -1; shares storage */
mtl_status mtl_slice(mtl_tensor *x, int dim, int64_t begin, int64_t end, mtl_tensor **out); /* dim 0 shares storage */
mtl_status mtl_select(mtl_tensor *x, int dim, int64_t index, mtl_tensor **out);             /* dim removed */
mtl_status mtl_transpose(mtl_tensor *x, int dim0, int dim1, mtl_tensor **out);
mtl_status mtl_permute(mtl_tensor *x, int n, const int *dims, mtl_tensor **out);
mtl_status mtl_expand(mtl_tensor *x, int rank, const int64_t *shape, mtl_tensor **out); /* broadcast to shape, copied */
mtl_status mtl_cat(int n, mtl_tensor *const *x, int dim, mtl_tensor **out);             /* n >= 1; dtypes equal */
mtl_status mtl_stack(int n, mtl_tensor *const *x, int dim, mtl_tensor **out);
/* out[..., j, ...] = x[..., index[j], ...] along dim; index int32 [m], 0 <= index < n */
mtl_status mtl_take(mtl_tensor *x, int dim, mtl_tensor *index, mtl_tensor **out);
/* torch.gather: index int32 of x's rank, equal to x outside of dim */
mtl_status mtl_gather(mtl_tensor *x, int dim, mtl_tensor *index, mtl_tensor **out);
/* int32 [...] to float [..., classes]; a missing label, -1, is a row of zeros */
mtl_status mtl_one_hot(mtl_tensor *x, int64_t classes, mtl_tensor **out);

/* ---- products ---- */
/* op(a) op(b), each of rank >= 2: the last two dimensions multiply, those before broadcast; rank 1 as in PyTorch. */
mtl_status mtl_matmul(mtl_tensor *a, mtl_tensor *b, bool trans_a, bool trans_b, mtl_tensor **out);
/* x [..., in], weight [out, in], bias [out] or NULL: x weight' + bias, [..., out] */
mtl_status mtl_linear(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, mtl_tensor **out);

/* ---- convolution and pooling: x [B, C, H, W] ---- */
typedef struct {
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
} mtl_window;
mtl_status mtl_conv2d(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w, mtl_tensor **out);
mtl_status mtl_max_pool2d(mtl_tensor *x, const mtl_window *w, mtl_tensor **out);
mtl_status mtl_avg_pool2d(mtl_tensor *x, const mtl_window *w, mtl_tensor **out); /* padding counts as zeros */

/* ---- normalisation and noise ---- */
/* x [B, C] or [B, C, ...]; weight, bias [C] or both NULL. Training: this batch's statistics, and running statistics
   (state, may be NULL) move by `momentum` (with the unbiased variance, as in PyTorch). Else: the running ones. */
mtl_status mtl_batch_norm(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, mtl_tensor *running_mean,
                          mtl_tensor *running_var, bool training, double momentum, double eps, mtl_tensor **out);
/* Zeroes each element with probability p and scales the rest by 1/(1-p). The mask is a function of (seed, stream,
   first): element i is kept where word i%4 of Philox counter first + i/4 is at least p 2^32. */
mtl_status mtl_dropout(mtl_tensor *x, double p, uint64_t seed, uint64_t stream, uint64_t first, mtl_tensor **out);

/* ---- softmax and losses ---- */
mtl_status mtl_softmax(mtl_tensor *x, int dim, mtl_tensor **out);
mtl_status mtl_log_softmax(mtl_tensor *x, int dim, mtl_tensor **out);
/* x [B, C] or [B, C, ...] logits; target int32 [B, ...], class indices from 0; -1 and `ignore` are left out. The mean
   over what remains (weighted by class_weight [C] where given), rank 0. smoothing in [0, 1] as in PyTorch. *remains
   (may be NULL) receives the sum of weights of what remains: 0 means that the value is 0 and no gradient flows. A
   target outside of [0, C): MTL_ERR_ARG that names it. */
mtl_status mtl_cross_entropy(mtl_tensor *x, mtl_tensor *target, mtl_tensor *class_weight, double smoothing,
                             int32_t ignore, double *remains, mtl_tensor **out);
/* Element-wise max(x,0) - x y + log(1 + exp(-|x|)) with pos_weight p (1: none): [.] of x's shape. Gradient to x only.
 */
mtl_status mtl_bce_logits(mtl_tensor *x, mtl_tensor *y, double pos_weight, mtl_tensor **out);

#ifdef __cplusplus
}
#endif
#endif

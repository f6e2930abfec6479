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
/* x > 0 ? x : alpha (exp(x) - 1); log(1 + exp(beta x)) / beta; x sigmoid(x) */
mtl_status mtl_elu(mtl_tensor *x, double alpha, mtl_tensor **out);
mtl_status mtl_softplus(mtl_tensor *x, double beta, mtl_tensor **out);
mtl_status mtl_silu(mtl_tensor *x, mtl_tensor **out);
/* x > 0 ? x : weight x; weight [1], or [C] for x [B, C, ...] */
mtl_status mtl_prelu(mtl_tensor *x, mtl_tensor *weight, mtl_tensor **out);
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
/* The k greatest, or least, along dim, in order: as the first of mtl_sort. Either result may be NULL. */
mtl_status mtl_topk(mtl_tensor *x, int dim, int64_t k, bool largest, mtl_tensor **values, mtl_tensor **indices);
mtl_status mtl_cumsum(mtl_tensor *x, int dim, mtl_tensor **out);
/* Squared deviations from the mean, divided by n - correction (1 in PyTorch); its root */
mtl_status mtl_var(mtl_tensor *x, int dim, bool keep, int correction, mtl_tensor **out);
mtl_status mtl_std(mtl_tensor *x, int dim, bool keep, int correction, mtl_tensor **out);

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
/* Rows of weight [n, d] at index [...], int32 or floats that are whole: [..., d]. `padding`: a row that gets no
   gradient, or -1. */
mtl_status mtl_embedding(mtl_tensor *weight, mtl_tensor *index, int64_t padding, mtl_tensor **out);
/* x with src added at index along dim, as torch.scatter_add: index int32 of src's shape, equal to x outside of dim */
mtl_status mtl_scatter_add(mtl_tensor *x, int dim, mtl_tensor *index, mtl_tensor *src, mtl_tensor **out);
/* How often each of 0, 1, ... occurs in int32 x: int32 [n], n at least `least` */
mtl_status mtl_bincount(mtl_tensor *x, int64_t least, mtl_tensor **out);
/* int32 [...] to float [..., classes]; a missing label, -1, is a row of zeros */
mtl_status mtl_one_hot(mtl_tensor *x, int64_t classes, mtl_tensor **out);

/* ---- products ---- */
/* op(a) op(b), each of rank >= 2: the last two dimensions multiply, those before broadcast; rank 1 as in PyTorch. */
mtl_status mtl_matmul(mtl_tensor *a, mtl_tensor *b, bool trans_a, bool trans_b, mtl_tensor **out);
/* x [..., in], weight [out, in], bias [out] or NULL: x weight' + bias, [..., out] */
mtl_status mtl_linear(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, mtl_tensor **out);

/* ---- sequences, from zeros: gates are in PyTorch's order; reverse: from the last step to the first ---- */
/* x [B, L, 4 H] (the input's products and bias), weight [4 H, H], bias [4 H] or NULL: the hidden states [B, L, H] */
mtl_status mtl_lstm(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, bool reverse, mtl_tensor **out);
/* x [B, L, 3 H], weight [3 H, H], bias [3 H] or NULL */
mtl_status mtl_gru(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, bool reverse, mtl_tensor **out);

/* ---- convolution and pooling: x [B, C, H, W] ---- */
typedef struct {
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
} mtl_window;
/* How far apart a kernel's elements are, and in how many groups the channels are: group i of the input's channels makes
   group i of the output's. extra: rows and columns more of a transposed convolution (PyTorch's output_padding). */
typedef struct {
    int64_t dilation_h, dilation_w, groups, extra_h, extra_w;
} mtl_spread;
/* weight [O, C, kh, kw], bias [O] or NULL; with a spread, weight [O, C/groups, kh, kw] */
mtl_status mtl_conv2d(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w, mtl_tensor **out);
mtl_status mtl_conv2d_spread(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w,
                             const mtl_spread *s, mtl_tensor **out);
/* The transposed convolution: what conv2d of this window is the gradient of. weight [C, O/groups, kh, kw], bias [O] or
   NULL; [B, O, oh, ow] with oh = (H - 1) stride - 2 pad + dilation (kh - 1) + extra + 1 */
mtl_status mtl_conv_transpose2d(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w,
                                const mtl_spread *s, mtl_tensor **out);
mtl_status mtl_max_pool2d(mtl_tensor *x, const mtl_window *w, mtl_tensor **out);
mtl_status mtl_avg_pool2d(mtl_tensor *x, const mtl_window *w, mtl_tensor **out); /* padding counts as zeros */
/* [B, C, out_h, out_w]: means of windows from floor(i H / out_h) to ceil((i + 1) H / out_h) */
mtl_status mtl_adaptive_avg_pool2d(mtl_tensor *x, int64_t out_h, int64_t out_w, mtl_tensor **out);
/* [B, C, out_h, out_w]; bilinear: between the centres of pixels (align_corners false) */
typedef enum { MTL_UPSAMPLE_NEAREST, MTL_UPSAMPLE_BILINEAR } mtl_upsample_mode;
mtl_status mtl_upsample(mtl_tensor *x, int64_t out_h, int64_t out_w, mtl_upsample_mode mode, mtl_tensor **out);
/* x [..., H, W] with columns left and right of it and rows above and below: padding = {left, right, top, bottom}.
   value: of MTL_PAD_CONSTANT. Reflection leaves out the edge itself. */
typedef enum { MTL_PAD_CONSTANT, MTL_PAD_REFLECT, MTL_PAD_REPLICATE } mtl_pad_mode;
mtl_status mtl_pad(mtl_tensor *x, const int64_t *padding, mtl_pad_mode mode, double value, mtl_tensor **out);

/* ---- normalisation and noise ---- */
/* x [B, C] or [B, C, ...]; weight, bias [C] or both NULL. Training: this batch's statistics, and running statistics
   (state, may be NULL) move by `momentum` (with the unbiased variance, as in PyTorch). Else: the running ones. */
mtl_status mtl_batch_norm(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, mtl_tensor *running_mean,
                          mtl_tensor *running_var, bool training, double momentum, double eps, mtl_tensor **out);
/* Over the last `dims` dimensions; weight, bias (each may be NULL) have their shape. */
mtl_status mtl_layer_norm(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, int dims, double eps, mtl_tensor **out);
/* x [B, C, ...]: over the channels of each group and everything behind them; weight, bias [C], each may be NULL */
mtl_status mtl_group_norm(mtl_tensor *x, int64_t groups, mtl_tensor *weight, mtl_tensor *bias, double eps,
                          mtl_tensor **out);
/* Zeroes each element with probability p and scales the rest by 1/(1-p). The mask is a function of (seed, stream,
   first): element i is kept where word i%4 of Philox counter first + i/4 is at least p 2^32. */
mtl_status mtl_dropout(mtl_tensor *x, double p, uint64_t seed, uint64_t stream, uint64_t first, mtl_tensor **out);

/* ---- softmax and losses ---- */
mtl_status mtl_softmax(mtl_tensor *x, int dim, mtl_tensor **out);
mtl_status mtl_log_softmax(mtl_tensor *x, int dim, mtl_tensor **out);
/* x [B, C] or [B, C, ...] logits; target int32 [B, ...], class indices from 0; -1 and `ignore` are left out. The mean
   over what remains (weighted by class_weight [C] where given), rank 0. smoothing in [0, 1] as in PyTorch. *remains
   (may be NULL) receives the sum of weights of what remains: 0 means that the value is 0 and no gradient flows. A
   target outside of [0, C): MTL_ERR_ARG that names it; on a device of OpenCL, without `remains`, NaN instead, in the
   loss and in all its gradients, since only a wait for the device could tell. There, *remains waits for the device
   unless the values of target and class_weight are known on the CPU (mtl_host_is_known). */
mtl_status mtl_cross_entropy(mtl_tensor *x, mtl_tensor *target, mtl_tensor *class_weight, double smoothing,
                             int32_t ignore, double *remains, mtl_tensor **out);
/* Element-wise max(x,0) - x y + log(1 + exp(-|x|)) with pos_weight p (1: none): [.] of x's shape. Gradient to x only.
 */
mtl_status mtl_bce_logits(mtl_tensor *x, mtl_tensor *y, double pos_weight, mtl_tensor **out);

#ifdef __cplusplus
}
#endif
#endif

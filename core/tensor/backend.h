/* Inside of tensors and devices: the structs, the tape's nodes, and the table of kernels that a backend fills.
   Only core/ includes this. Kernels take checked, contiguous tensors of one device and write whole results. */
#ifndef MTL_TENSOR_BACKEND_H
#define MTL_TENSOR_BACKEND_H

#include "base/context.h"
#include "mtl/device.h"
#include "mtl/tensor.h"

typedef struct mtl_device mtl_device;
typedef struct mtl_node mtl_node;
typedef struct mtl_slot mtl_slot;
typedef struct mtl_known mtl_known; /* a survey that was made (tensor/survey.c) */
typedef struct mtl_notes mtl_notes; /* numbers that wait to be read */

typedef struct mtl_storage {
    int refs;
    int saved;        /* live nodes that need these bytes for their gradient rule */
    uint64_t version; /* counts in-place writes; a node that saved an older one refuses to go backward */
    mtl_device *device;
    size_t bytes;
    void *data; /* host pointer on the CPU, a buffer handle elsewhere */
} mtl_storage;

struct mtl_tensor {
    int refs;
    mtl_context *ctx;
    mtl_dtype dtype;
    int rank;
    bool wants_grad; /* a leaf that collects a gradient */
    int64_t shape[MTL_MAX_RANK];
    int64_t count;
    mtl_storage *storage;
    size_t offset;    /* bytes into the storage */
    mtl_node *node;   /* what produced it; owned. NULL: a leaf */
    mtl_tensor *grad; /* of a leaf that is no slot */
    mtl_slot *slot;   /* of a parameter in an arena: its gradient lives there */
    mtl_known *known; /* owned; NULL: its values were never surveyed */
};

static inline float *mtl_f32(const mtl_tensor *t)
{
    return (float *)((char *)t->storage->data + t->offset);
}
static inline int32_t *mtl_i32(const mtl_tensor *t)
{
    return (int32_t *)((char *)t->storage->data + t->offset);
}
static inline uint8_t *mtl_u8(const mtl_tensor *t)
{
    return (uint8_t *)t->storage->data + t->offset;
}

/* Shares storage (no copy, no history); `offset` in elements from t's first. Not recorded: operators record themselves.
 */
mtl_status mtl_tensor_alias(const mtl_tensor *t, int rank, const int64_t *shape, int64_t offset, mtl_tensor **out);
/* New tensor on the device of `like`. */
mtl_status mtl_tensor_like(const mtl_tensor *like, mtl_dtype dtype, int rank, const int64_t *shape, mtl_tensor **out);
/* MTL_ERR_STATE where a live node saved these bytes; else counts the write. */
mtl_status mtl_tensor_writable(mtl_tensor *t, const char *who);
bool mtl_same_shape(const mtl_tensor *a, const mtl_tensor *b);
/* What is known of the values of `from` is known of those of `to`, its copy or a view of all of it. */
mtl_status mtl_survey_move(mtl_tensor *to, const mtl_tensor *from);
void mtl_known_free(mtl_known *known);    /* NULL is fine */
void mtl_notes_release(mtl_notes *notes); /* NULL is fine */

/* ---- the tape ---- */

#define MTL_MAX_INPUTS 16 /* of a node; concatenations of more are made of several */
#define MTL_MAX_SAVED  8

typedef struct mtl_grad_call mtl_grad_call;

/* An operator as the tape knows it. One object an operator, in its file; the registry op/ops.def lists them all. */
typedef struct mtl_op {
    const char *name;
    /* The gradient rule, for all cotangents in one call: dy is [rows, ...y]. For each input i with node->needs[i] the
       rule asks mtl_grad_out(call, i, &dx) for a tensor [rows, ...input i] and writes all of it. NULL: no gradient; the
       operator then refuses to be recorded (mtl_record says so). */
    mtl_status (*backward)(mtl_grad_call *call);
} mtl_op;

/* Where the gradient of an input goes: on to the node that made it, or into a leaf. Values that no rule saved are not
 * held. */
typedef struct {
    mtl_node *node;   /* counted */
    mtl_tensor *leaf; /* counted */
    int rank;
    int64_t shape[MTL_MAX_RANK];
} mtl_edge;

struct mtl_node {
    int refs; /* the output tensor, and the nodes that lead here */
    uint64_t id;
    const mtl_op *op;
    mtl_context *ctx;
    int device;
    int n_inputs, n_saved;
    mtl_edge *edges; /* n_inputs of them, right behind the node */
    bool needs[MTL_MAX_INPUTS];
    mtl_tensor *saved[MTL_MAX_SAVED]; /* owned aliases without history (NULL allowed) */
    uint64_t saved_version[MTL_MAX_SAVED];
    int rank;
    int64_t shape[MTL_MAX_RANK]; /* of the output */
    double number[8];            /* settings of the operator, as it likes */
    int64_t integer[16];
    bool used; /* gone through by a backward pass */
    struct mtl_node *next_dead;
    /* the running sweep's */
    uint64_t visited;
    uint64_t pending_rows;
    mtl_tensor *pending; /* cotangent so far, [popcount(pending_rows), ...output] */
};

struct mtl_grad_call {
    mtl_context *ctx;
    mtl_node *node;
    mtl_tensor *dy; /* [rows, ...output]; for reading only */
    int64_t rows;
    uint64_t row_mask;              /* which rows of the sweep these are */
    bool single;                    /* the sweep has one row: slots take it as their gradient */
    mtl_tensor *dx[MTL_MAX_INPUTS]; /* owned by the sweep */
    bool direct[MTL_MAX_INPUTS];    /* dx is the arena itself: nothing is left to add */
};

/* Where the gradient of input i goes: a new tensor, or the arena itself when nothing is there yet. Borrowed by the
   rule, which overwrites every element. */
mtl_status mtl_grad_out(mtl_grad_call *call, int i, mtl_tensor **dx);
/* For the gradient of a parameter, which part() computes from cotangents `from` [rows, ...]: into d [rows, ...input i],
   all of which it writes. Usually in one call; for a large parameter that several tasks share row by row, straight into
   the arena, which needs no room for a gradient a task beside it. `with`: handed on to part(). */
typedef mtl_status mtl_grad_part(const mtl_node *node, const void *with, int64_t rows, mtl_tensor *from, mtl_tensor *d);
mtl_status mtl_grad_parts(mtl_grad_call *call, int i, mtl_tensor *from, mtl_grad_part *part, const void *with);
bool mtl_grad_by_row(const mtl_grad_call *call, int i); /* whether it will go row by row */
/* For rules that have a finished tensor [rows, ...input i]: hands it over (a reference is taken). */
mtl_status mtl_grad_give(mtl_grad_call *call, int i, mtl_tensor *dx);

/* True when an operator over these inputs has to be recorded: recording is on and one of them requires a gradient. */
bool mtl_must_record(mtl_context *ctx, int n, mtl_tensor *const *inputs);
/* Makes y the output of `op` over `inputs` (NULLs allowed: absent inputs). `saved` (NULLs allowed) may hold y itself.
   Returns the node for the operator to fill number[] and integer[] in. When nothing is to be recorded *node is NULL. */
mtl_status mtl_record(const mtl_op *op, int n, mtl_tensor *const *inputs, int n_saved, mtl_tensor *const *saved,
                      mtl_tensor *y, mtl_node **node);
void mtl_node_release(mtl_node *node);
void mtl_node_drop_saved(mtl_node *node);

/* ---- devices ---- */

typedef enum {
#define MTL_UNARY(name, forward, gradient) MTL_UNARY_##name,
#include "op/unary.def"
#undef MTL_UNARY
    MTL_UNARY_COUNT
} mtl_unary_kind;

typedef enum {
#define MTL_BINARY(name, forward, grad_a, grad_b) MTL_BINARY_##name,
#include "op/binary.def"
#undef MTL_BINARY
    MTL_BINARY_COUNT
} mtl_binary_kind;

typedef enum {
    MTL_REDUCE_SUM,
    MTL_REDUCE_MEAN,
    MTL_REDUCE_MAX,
    MTL_REDUCE_MIN,
    MTL_REDUCE_ARGMAX,
    MTL_REDUCE_ARGMIN
} mtl_reduce_kind;

/* Shapes of a broadcast operator after merging of dimensions: strides in elements, 0 where an input repeats. */
typedef struct {
    int rank;
    int64_t shape[MTL_MAX_RANK + 1];
    int64_t stride[3][MTL_MAX_RANK + 1];
} mtl_broadcast;

/* C = alpha * op(A) op(B) + beta * C, for each of `batch` triples; strides in elements between the batches (0: shared).
   op(A) is m x k, op(B) k x n; lda, ldb, ldc are row lengths in memory. */
typedef struct {
    bool trans_a, trans_b;
    int64_t m, n, k, lda, ldb, ldc;
    int64_t batch, stride_a, stride_b, stride_c;
    float alpha, beta;
} mtl_gemm;

typedef struct {
    int64_t batch, in_channels, height, width, out_channels, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    int64_t out_h, out_w;
    int64_t dilation_h, dilation_w, groups; /* all at least 1, and 1 for pooling */
} mtl_conv;

/* Pooling and convolution share the geometry; out_channels equals in_channels for pooling. */

typedef enum {
    MTL_RESIZE_NEAREST,
    MTL_RESIZE_BILINEAR, /* between the centres of pixels: PyTorch's align_corners = false */
    MTL_RESIZE_MEAN,     /* of pixels floor(i in / out) to ceil((i + 1) in / out) */
    MTL_RESIZE_CONSTANT, /* paddings: `value`, the image mirrored at its outer pixels, the outer pixels themselves */
    MTL_RESIZE_REFLECT,
    MTL_RESIZE_REPLICATE
} mtl_resize_kind;

typedef struct {
    int64_t kind, planes, height, width, out_h, out_w, top, left; /* top, left: of paddings */
    double value;
} mtl_resize;

/* Steps over [batch, length, ...] from zeros: LSTM, or GRU; reverse: from the last to the first. */
typedef struct {
    bool gru, reverse;
    int64_t batch, length, hidden;
} mtl_recurrent;

typedef struct {
    int kind; /* MTL_OPTIM_SGD, _ADAM, _ADAMW */
    bool nesterov;
    double lr, momentum, dampening, beta1, beta2, eps, weight_decay;
    int64_t step; /* 1 at the first step of this group */
    double clip;  /* the gradient is multiplied first by what brings its norm down to this; 0: it is not */
} mtl_optim_step;

/* The kernels. All tensors of a call are on the device; results never alias inputs unless it says so. */
typedef struct mtl_backend {
    const char *name;
    /* memory */
    void *(*alloc)(mtl_device *device, size_t bytes); /* NULL: none left */
    void (*free)(mtl_device *device, void *data);
    mtl_status (*write)(mtl_tensor *t, const void *host);
    mtl_status (*read)(const mtl_tensor *t, void *host);
    mtl_status (*copy)(mtl_tensor *dst, const mtl_tensor *src); /* same bytes */
    mtl_status (*fill)(mtl_tensor *t, double value);
    void (*shutdown)(mtl_device *device);

    /* element-wise, float32; dy and dx have `rows` times the elements of x and y */
    mtl_status (*unary)(int kind, double a, double b, const mtl_tensor *x, mtl_tensor *y);
    mtl_status (*unary_grad)(int kind, double a, double b, const mtl_tensor *x, const mtl_tensor *y,
                             const mtl_tensor *dy, mtl_tensor *dx);
    mtl_status (*binary)(int kind, const mtl_broadcast *shape, const mtl_tensor *a, const mtl_tensor *b, mtl_tensor *y);
    /* dx = dy * d/da (which = 0) or d/db (1); dy and dx lie as `shape` does, a and b at its strides [0] and [1] */
    mtl_status (*binary_grad)(int kind, int which, const mtl_broadcast *shape, const mtl_tensor *a, const mtl_tensor *b,
                              const mtl_tensor *dy, mtl_tensor *dx);
    /* y = cond != 0 ? a : b, all broadcast; cond float32, strides [0] cond, [1] a, [2] b */
    mtl_status (*where)(const mtl_broadcast *shape, const mtl_tensor *cond, const mtl_tensor *a, const mtl_tensor *b,
                        mtl_tensor *y);
    mtl_status (*cast)(const mtl_tensor *x, mtl_tensor *y);               /* between dtypes, same count */
    mtl_status (*axpy)(double alpha, const mtl_tensor *x, mtl_tensor *y); /* y += alpha x, same count */
    mtl_status (*scale)(double factor, mtl_tensor *y);                    /* y *= factor, in place */

    /* x seen as [outer, n, inner]; y [outer, inner]. ARGMAX and ARGMIN write int32 (the first of equals). */
    mtl_status (*reduce)(int kind, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y);
    /* x seen as [outer, n, inner]: y[j] = the sum of x[0 .. j], or of x[j .. n - 1] */
    mtl_status (*cumsum)(bool reverse, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y);
    /* x seen as [outer, n, inner], sorted along n, stable; values and int32 indices */
    mtl_status (*sort)(bool descending, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x,
                       mtl_tensor *values, mtl_tensor *indices);

    /* data movement, elements of 1 or 4 bytes: y at strides [1] of `shape` = x at strides [0] */
    mtl_status (*copy_strided)(const mtl_broadcast *shape, const mtl_tensor *x, mtl_tensor *y);
    /* y [outer, n_index, inner] = x [outer, n, inner] at index[n_index]; float32, int32 or uint8 */
    mtl_status (*take)(int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *x,
                       const mtl_tensor *index, mtl_tensor *y);
    /* x [rows, ...]: y[r, index..] += ; the adjoint of take; y is cleared first */
    mtl_status (*take_grad)(int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *dy,
                            const mtl_tensor *index, mtl_tensor *dx);
    /* torch.gather along n: y[o,j,i] = x[o, index[o,j,i], i]; and its adjoint for `rows` cotangents */
    mtl_status (*gather)(int64_t outer, int64_t n, int64_t n_index, int64_t inner, const mtl_tensor *x,
                         const mtl_tensor *index, mtl_tensor *y);
    mtl_status (*gather_grad)(int64_t rows, int64_t outer, int64_t n, int64_t n_index, int64_t inner,
                              const mtl_tensor *dy, const mtl_tensor *index, mtl_tensor *dx);

    /* products; `bias` (NULL, or [n]) is added to every row, with beta 0 */
    mtl_status (*gemm)(const mtl_gemm *g, const mtl_tensor *a, const mtl_tensor *b, const mtl_tensor *bias,
                       mtl_tensor *c);

    /* convolution: x [B,C,H,W], w [O,C/groups,kh,kw], bias [O] or NULL; dy [rows,B,O,oh,ow]; any of dx, dw, db may be
       NULL. A transposed convolution is made of these too: then out_h and out_w may be less than would fit. */
    mtl_status (*conv2d)(const mtl_conv *c, const mtl_tensor *x, const mtl_tensor *w, const mtl_tensor *bias,
                         mtl_tensor *y);
    mtl_status (*conv2d_grad)(const mtl_conv *c, int64_t rows, const mtl_tensor *x, const mtl_tensor *w,
                              const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db);
    /* pooling: index [B,C,oh,ow] int32 is the place in the image h*W+w of each maximum */
    mtl_status (*max_pool2d)(const mtl_conv *c, const mtl_tensor *x, mtl_tensor *y, mtl_tensor *index);
    mtl_status (*max_pool2d_grad)(const mtl_conv *c, int64_t rows, const mtl_tensor *index, const mtl_tensor *dy,
                                  mtl_tensor *dx);
    mtl_status (*avg_pool2d)(const mtl_conv *c, const mtl_tensor *x, mtl_tensor *y); /* padding counts, as in PyTorch */
    mtl_status (*avg_pool2d_grad)(const mtl_conv *c, int64_t rows, const mtl_tensor *dy, mtl_tensor *dx);
    /* planes of another size; dy and dx have `rows` times the elements of y and x */
    mtl_status (*resize)(const mtl_resize *r, const mtl_tensor *x, mtl_tensor *y);
    mtl_status (*resize_grad)(const mtl_resize *r, int64_t rows, const mtl_tensor *dy, mtl_tensor *dx);

    /* softmax over n of [outer, n, inner]; log: log-softmax. The gradient needs only y. */
    mtl_status (*softmax)(bool log, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *x, mtl_tensor *y);
    mtl_status (*softmax_grad)(bool log, int64_t rows, int64_t outer, int64_t n, int64_t inner, const mtl_tensor *y,
                               const mtl_tensor *dy, mtl_tensor *dx);
    /* cross-entropy over [outer, classes, inner] with int32 targets [outer, inner]; target -1 or `ignore` is left out.
       Writes the softmax of x to p (NULL: not wanted), and loss[0] = sum(w L)/sum(w) (0 when nothing remains),
       loss[1] = sum(w). class_weight [classes] or NULL; smoothing as in PyTorch. *bad receives the place of the first
       target out of range, or -1. A device that cannot tell without waiting leaves it -1 and makes loss[0] and loss[1]
       NaN then. */
    mtl_status (*cross_entropy)(int64_t outer, int64_t classes, int64_t inner, int32_t ignore, double smoothing,
                                const mtl_tensor *x, const mtl_tensor *target, const mtl_tensor *class_weight,
                                mtl_tensor *p, mtl_tensor *loss, int64_t *bad);
    /* dx[r] = dy[r] * dloss/dx; dy [rows], p and loss as written above */
    mtl_status (*cross_entropy_grad)(int64_t rows, int64_t outer, int64_t classes, int64_t inner, int32_t ignore,
                                     double smoothing, const mtl_tensor *p, const mtl_tensor *target,
                                     const mtl_tensor *class_weight, const mtl_tensor *loss, const mtl_tensor *dy,
                                     mtl_tensor *dx);

    /* element-wise max(x,0) - x t + log(1 + exp(-|x|)) with pos_weight p; dy and dx have `rows` times the elements */
    mtl_status (*bce_logits)(double pos_weight, const mtl_tensor *x, const mtl_tensor *target, mtl_tensor *y);
    mtl_status (*bce_logits_grad)(double pos_weight, int64_t rows, const mtl_tensor *x, const mtl_tensor *target,
                                  const mtl_tensor *dy, mtl_tensor *dx);

    /* batch norm over [B, C, inner]. mean and inv (1/std) [C]. training: of this batch, double sums, and the running
       statistics (both NULL: none) move by `momentum`, with the unbiased variance. Else: the running ones. */
    mtl_status (*norm_stats)(bool training, int64_t batch, int64_t channels, int64_t inner, double momentum, double eps,
                             const mtl_tensor *x, mtl_tensor *running_mean, mtl_tensor *running_var, mtl_tensor *mean,
                             mtl_tensor *inv);
    /* y = (x-mean)*inv*w + b; w and b NULL: 1 and 0 */
    mtl_status (*norm_apply)(int64_t batch, int64_t channels, int64_t inner, const mtl_tensor *x,
                             const mtl_tensor *mean, const mtl_tensor *inv, const mtl_tensor *w, const mtl_tensor *b,
                             mtl_tensor *y);
    /* training: the statistics depend on x too; else they are constants. Any of dx, dw, db may be NULL. */
    mtl_status (*norm_grad)(bool training, int64_t rows, int64_t batch, int64_t channels, int64_t inner,
                            const mtl_tensor *x, const mtl_tensor *mean, const mtl_tensor *inv, const mtl_tensor *w,
                            const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db);

    /* Layer and group norm. extent: x as [batch, groups, each, inner]; a line [each, inner] has its own mean and inv
       (1/std), which are [batch, groups]; w and b [groups, each], NULL: 1 and 0. Any of dx, dw, db may be NULL. */
    mtl_status (*line_norm)(const int64_t *extent, double eps, const mtl_tensor *x, const mtl_tensor *w,
                            const mtl_tensor *b, mtl_tensor *mean, mtl_tensor *inv, mtl_tensor *y);
    mtl_status (*line_norm_grad)(int64_t rows, const int64_t *extent, const mtl_tensor *x, const mtl_tensor *mean,
                                 const mtl_tensor *inv, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx,
                                 mtl_tensor *dw, mtl_tensor *db);

    /* y [B, L, H] of x [B, L, sums], weight [sums, H], bias [sums] or NULL; sums 4 H, or 3 H for GRU. Keeps gates
       [B, L, 4 H] (LSTM: i, f, g, o; GRU: r, z, the hidden part of n, n) and cell [B, L, H] (LSTM; NULL for GRU). */
    mtl_status (*recurrent)(const mtl_recurrent *r, const mtl_tensor *x, const mtl_tensor *weight,
                            const mtl_tensor *bias, mtl_tensor *gates, mtl_tensor *cell, mtl_tensor *y);
    /* dx, and dsum, that of the hidden states' products; [rows, B, L, sums]; for LSTM they are one tensor */
    mtl_status (*recurrent_grad)(const mtl_recurrent *r, int64_t rows, const mtl_tensor *weight,
                                 const mtl_tensor *gates, const mtl_tensor *cell, const mtl_tensor *y,
                                 const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dsum);

    /* dropout mask: 0 or 1/(1-p), element i from word i%4 of Philox (seed, stream, first + i/4) */
    mtl_status (*dropout_mask)(double p, uint64_t seed, uint64_t stream, uint64_t first, mtl_tensor *mask);

    /* optimizers on n elements at `offset` of the flat buffers; m and v NULL where the rule has none, squares where
       clip is 0 */
    mtl_status (*optimize)(const mtl_optim_step *o, int64_t offset, int64_t n, const mtl_tensor *squares,
                           mtl_tensor *param, const mtl_tensor *grad, mtl_tensor *m, mtl_tensor *v);
    /* Of n elements at `offset` of x, the sum of squares, in fixed order and double precision (two floats where a
       device has none): it stays on the device, 8 bytes in a form of the backend's own. more: added to what is there.
     */
    mtl_status (*sum_squares)(const mtl_tensor *x, int64_t offset, int64_t n, bool more, mtl_tensor *squares);
    /* y times what brings a norm, the root of `squares`, down to `most`, as torch.nn.utils.clip_grad_norm_ does */
    mtl_status (*clip)(double most, const mtl_tensor *squares, mtl_tensor *y);
    /* sums[i*M+j] = <row i of x, row j of y>, x [N, line], y [M, line], over columns offset .. offset + n; the same
       way. y may be x; then it is symmetric. */
    mtl_status (*gram)(const mtl_tensor *x, const mtl_tensor *y, int64_t offset, int64_t n, double *sums);
} mtl_backend;

struct mtl_device {
    mtl_context *ctx;
    int index; /* in the context */
    const mtl_backend *kernels;
    struct mtl_pool *pool; /* the caching allocator's */
    mtl_notes *notes;      /* the block that is being filled (tensor/later.c); NULL: none yet */
    void *own;             /* the backend's */
};

/* The context's device, opened where it is not yet. */
mtl_status mtl_device_open(mtl_context *ctx, int index, mtl_device **out);
void mtl_device_free(mtl_device *device);

static inline const mtl_backend *mtl_kernels(const mtl_tensor *t)
{
    return t->storage->device->kernels;
}

/* A kernel of t's device, or an error that names operator and device. */
#define MTL_KERNEL(t, kernel, ...)                                                                                     \
    (mtl_kernels(t)->kernel ? mtl_kernels(t)->kernel(__VA_ARGS__)                                                      \
                            : mtl_fail((t)->ctx, MTL_ERR_UNSUPPORTED, "%s: the device '%s' has no such kernel",        \
                                       #kernel, mtl_kernels(t)->name))

#endif

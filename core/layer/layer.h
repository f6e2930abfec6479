/* Inside of layers. A layer is one file: its options, the shape it gives (declaring slots and state on the way), and
   its forward pass composed of operators; no layer writes a gradient. One line in layers.def makes it known. */
#ifndef MTL_LAYER_LAYER_H
#define MTL_LAYER_LAYER_H

#include <cjson/cJSON.h>

#include "arena/arena.h"
#include "base/context.h"
#include "mtl/model.h"
#include "mtl/op.h"
#include "mtl/random.h"

enum { MTL_LAYER_OPTIONS = 12, MTL_LAYER_SLOTS = 32, MTL_LAYER_DEPTH = 64 };

typedef struct mtl_layer mtl_layer;

/* What one forward pass knows. */
typedef struct {
    bool training, again; /* again: as the training pass before it, and no state moves */
    uint64_t seed;
    uint64_t pass;  /* number of this training pass: dropout's counter */
    uint64_t tasks; /* outputs that are wanted */
} mtl_pass;

typedef struct {
    const char *name;
    const mtl_option *options; /* ends with a NULL name; layer->number[i] holds option i */
    /* Output shape for n inputs, without the batch. Infers widths; declares slots and state (mtl_layer_slot,
     * ..._state). */
    mtl_status (*shape)(mtl_layer *layer, int n, const mtl_shape *in, mtl_shape *out);
    mtl_status (*forward)(mtl_layer *layer, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out);
    int min_inputs, max_inputs; /* 0: one */
    const char *const *choices; /* the names of a CHOICE option; layer->number holds which. Ends with NULL */
} mtl_layer_type;

struct mtl_layer {
    mtl_model *model;
    const mtl_layer_type *type;
    char *path; /* "trunk.2"; empty for a whole model of one layer */
    uint64_t tasks;
    bool frozen;
    double number[MTL_LAYER_OPTIONS];
    int64_t pair[MTL_LAYER_OPTIONS][2]; /* of PAIR and COUNTS options: height, width */
    bool given[MTL_LAYER_OPTIONS];
    int n_children;
    mtl_layer **children;
    int n_slots, n_states;
    mtl_tensor *slots[MTL_LAYER_SLOTS]; /* borrowed from the arena; set by freeze */
    mtl_tensor *states[MTL_LAYER_SLOTS];
    int slot_request[MTL_LAYER_SLOTS];
    uint64_t stream; /* of its path, for dropout */
    mtl_shape out;   /* set by freeze */
};

/* Declares parameter number layer->n_slots++ with values uniform in [low, high) (equal: constant), named path.name. */
mtl_status mtl_layer_slot(mtl_layer *layer, const char *name, int rank, const int64_t *shape, double low, double high);
/* The same with normal values about 0 of this deviation; `zero`: 1 + the row that holds zeros, or 0. */
mtl_status mtl_layer_slot_normal(mtl_layer *layer, const char *name, int rank, const int64_t *shape, double deviation,
                                 int64_t zero);
/* Declares state number layer->n_states++, filled with `value`. */
mtl_status mtl_layer_state(mtl_layer *layer, const char *name, int64_t size, double value);

/* "trunk.2 (conv2d): ..." in the context's message. */
mtl_status mtl_layer_fail(mtl_layer *layer, mtl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sizes of a sample: none negative, room for the batch, few enough elements that sums and doubles of them are exact. */
mtl_status mtl_shape_check(mtl_context *ctx, const mtl_shape *s);
const char *mtl_layer_shape_text(const mtl_shape *s, char *buf); /* buf: MTL_SHAPE_TEXT */

/* Dropout number `which` of this layer, on its random stream; outside of training x itself. */
mtl_status mtl_layer_drop(mtl_layer *layer, const mtl_pass *pass, int which, double p, mtl_tensor *x, mtl_tensor **out);

/* Containers: shape and forward of one child. */
mtl_status mtl_layer_shape(mtl_layer *layer, int n, const mtl_shape *in, mtl_shape *out);
mtl_status mtl_layer_forward(mtl_layer *layer, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out);

/* In layer.c: from JSON, and away. */
mtl_status mtl_layer_new(mtl_model *model, const cJSON *json, const char *path, int depth, mtl_layer **out);
void mtl_layer_free(mtl_layer *layer);

#endif

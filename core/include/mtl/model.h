/* Models. A model is data: a JSON text that names layers and their options, made into layers, then frozen: one pass
   over shapes infers widths left null, finds which tasks reach which parameter, and allocates the arena.

   A layer is {"type": "linear", "in_features": null, "out_features": 50, ...}; `children` holds a container's layers.
   The whole is a graph, or any one layer (then it has one input "input" and one output "output"):
   {"type": "graph", "inputs": ["input"],
    "nodes": [{"name": "trunk", "inputs": ["input"], "module": {...}}, {"name": "heads.left", "inputs": ["trunk"],
   ...}], "outputs": [{"name": "left", "node": "heads.left"}, ...]} An output is a task: bit t of a mask stands for
   outputs[t]. Parameters are named as PyTorch names them: trunk.0.weight. */
#ifndef MTL_MODEL_H
#define MTL_MODEL_H

#include "mtl/arena.h"
#include "mtl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mtl_model mtl_model;

typedef struct {
    int rank;
    int64_t size[MTL_MAX_RANK]; /* without the batch */
} mtl_shape;

/* Makes the layers; options are checked by name, type and range. Not frozen yet. */
mtl_status mtl_model_new(mtl_context *ctx, const char *json, mtl_model **out);
void mtl_model_free(mtl_model *model);

int mtl_model_inputs(const mtl_model *model);
const char *mtl_model_input(const mtl_model *model, int i);
int mtl_model_outputs(const mtl_model *model);
const char *mtl_model_output(const mtl_model *model, int i);

/* Allocates the parameters on `device` and draws them from `seed`. inputs: a shape for each input, without the batch.
   Fails with the layer's path where shapes do not fit. Once only. */
mtl_status mtl_model_freeze(mtl_model *model, int device, uint64_t seed, const mtl_shape *inputs);
bool mtl_model_frozen(const mtl_model *model);
mtl_status mtl_model_output_shape(const mtl_model *model, int i, mtl_shape *out); /* after freeze */

typedef enum {
    MTL_EVALUATE,
    MTL_TRAIN,
    MTL_TRAIN_AGAIN /* as the training pass before it: its dropout masks, its batch statistics; no state moves */
} mtl_pass_kind;

/* outputs[t] for every task t of the mask (owned by the caller), NULL for the others; what no task of the mask needs is
   not computed. inputs: [batch, ...]. Training: dropout acts, batch norm uses this batch's statistics (not in frozen
   layers). */
mtl_status mtl_model_forward(mtl_model *model, mtl_tensor *const *inputs, uint64_t tasks, mtl_pass_kind kind,
                             mtl_tensor **outputs);

/* The same, and the representation that these tasks share, the caller's: the one tensor that all of them are computed
   from, with nothing shared after it. MTL_ERR_STATE where they share no one (has_representation says so). */
mtl_status mtl_model_forward_through(mtl_model *model, mtl_tensor *const *inputs, uint64_t tasks, mtl_pass_kind kind,
                                     mtl_tensor **outputs, mtl_tensor **through);
bool mtl_model_has_representation(const mtl_model *model, uint64_t tasks); /* before freeze too */

mtl_arena *mtl_model_arena(const mtl_model *model); /* NULL before freeze */
/* Freezes the slots below `prefix`, and makes batch norm below it use its running statistics. *n: slots matched. */
mtl_status mtl_model_set_frozen(mtl_model *model, const char *prefix, bool frozen, int *n);

/* State that is no parameter: batch norm's running statistics. Borrowed. */
int mtl_model_states(const mtl_model *model);
const char *mtl_model_state_name(const mtl_model *model, int i);
mtl_tensor *mtl_model_state(const mtl_model *model, int i);

/* How many training passes were made: dropout's counter. Part of a checkpoint. */
uint64_t mtl_model_passes(const mtl_model *model);
void mtl_model_set_passes(mtl_model *model, uint64_t passes);

/* One line a layer, for people, in the order of computation. Strings are borrowed. */
typedef struct {
    const char *path, *type;
    mtl_shape out;
    int64_t parameters;
    uint64_t tasks;
} mtl_layer_info;
int mtl_model_layers(const mtl_model *model); /* containers not counted */
void mtl_model_layer(const mtl_model *model, int i, mtl_layer_info *info);

/* ---- what layers there are, for constructors and manuals ---- */

typedef enum {
    MTL_OPTION_SIZE,   /* a whole number >= 1 */
    MTL_OPTION_COUNT,  /* a whole number >= 0 */
    MTL_OPTION_WIDTH,  /* a size, or null: inferred at freeze */
    MTL_OPTION_PAIR,   /* one size, or two: [height, width] */
    MTL_OPTION_COUNTS, /* a pair whose numbers may be 0 */
    MTL_OPTION_NUMBER, /* any number in [low, high] */
    MTL_OPTION_BOOL,
    MTL_OPTION_CHOICE, /* one of the names that mtl_layer_type_choices lists; where not given, the first */
    MTL_OPTION_LAYERS  /* the children of a container */
} mtl_option_kind;

typedef struct {
    const char *name;
    mtl_option_kind kind;
    bool positional; /* an argument of the constructor, in this order; the others are given by name */
    bool required;
    double value;     /* default; for PAIR: of both; NAN: stands for another option (its own comment says which) */
    double low, high; /* of NUMBER */
} mtl_option;

/* Layer types in order of their names' registry; NULL past the last. *options ends with a NULL name. */
const char *mtl_layer_type_name(int i, const mtl_option **options);
/* The names that the type's CHOICE option takes (a type has one at most), ended by NULL; NULL where it has none. */
const char *const *mtl_layer_type_choices(int i);

#ifdef __cplusplus
}
#endif
#endif

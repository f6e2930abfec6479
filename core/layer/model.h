/* Inside of a model: a graph of nodes, each a layer; what freeze collects and makes. */
#ifndef MTL_LAYER_MODEL_H
#define MTL_LAYER_MODEL_H

#include "layer/layer.h"

enum { MTL_NODE_INPUTS = 16 };

typedef struct {
    char *name;
    mtl_layer *layer;
    int n_inputs;
    int inputs[MTL_NODE_INPUTS]; /* >= 0: a node before this one; < 0: input -1-i of the model */
    uint64_t tasks;              /* outputs that need it */
} mtl_graph_node;

struct mtl_model {
    mtl_context *ctx;
    int n_inputs, n_nodes, n_outputs;
    char **inputs, **outputs;
    int output_node[MTL_MAX_TASKS];
    mtl_graph_node *nodes;
    mtl_arena *arena;
    uint64_t seed, passes;
    int n_requests, n_states, n_layers;
    mtl_slot_request *requests;
    char **state_names;
    mtl_tensor **states;
    mtl_layer **layers; /* in the order of computation, containers not counted; borrowed */
    int device;
};

mtl_status mtl_model_request(mtl_model *model, const char *name, uint64_t tasks, mtl_slot_request **out, int *index);
mtl_status mtl_model_add_state(mtl_model *model, const char *name, int64_t size, double value, mtl_tensor **out);
mtl_status mtl_model_add_layer(mtl_model *model, mtl_layer *layer);

#endif

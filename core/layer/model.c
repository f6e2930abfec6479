/* Models: a graph of named nodes from JSON; freeze gives it shapes, task masks and an arena. */
#include "layer/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mtl_status no_memory(mtl_context *ctx)
{
    return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
}

/* Makes room for one more element of a list that is grown one by one, in powers of two. */
static mtl_status grow(mtl_context *ctx, void *list, int count, size_t size)
{
    void **at = list;
    if (count & (count - 1)) /* not 0, 1, 2, 4 ...: there is room */
        return MTL_OK;
    void *larger = realloc(*at, (size_t)(count ? 2 * count : 1) * size);
    if (!larger)
        return no_memory(ctx);
    *at = larger;
    return MTL_OK;
}

mtl_status mtl_model_request(mtl_model *m, const char *name, uint64_t tasks, mtl_slot_request **out, int *index)
{
    MTL_TRY(grow(m->ctx, &m->requests, m->n_requests, sizeof *m->requests));
    char *kept = strdup(name);
    if (!kept)
        return no_memory(m->ctx);
    *index = m->n_requests++;
    *out = &m->requests[*index];
    **out = (mtl_slot_request){.name = kept, .tasks = tasks};
    return MTL_OK;
}

mtl_status mtl_model_add_state(mtl_model *m, const char *name, int64_t size, double value, mtl_tensor **out)
{
    MTL_TRY(grow(m->ctx, &m->states, m->n_states, sizeof *m->states));
    MTL_TRY(grow(m->ctx, &m->state_names, m->n_states, sizeof *m->state_names));
    char *kept = strdup(name);
    if (!kept)
        return no_memory(m->ctx);
    m->state_names[m->n_states] = kept;
    m->states[m->n_states++] = NULL;
    MTL_TRY(mtl_tensor_new_on(m->ctx, m->device, MTL_F32, 1, &size, &m->states[m->n_states - 1]));
    *out = m->states[m->n_states - 1];
    return mtl_tensor_fill(*out, value);
}

mtl_status mtl_model_add_layer(mtl_model *m, mtl_layer *layer)
{
    MTL_TRY(grow(m->ctx, &m->layers, m->n_layers, sizeof *m->layers));
    m->layers[m->n_layers++] = layer;
    return MTL_OK;
}

/* ---- from JSON ---- */

static int find(char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return -1;
}

static mtl_status add_name(mtl_model *m, char ***names, int *n, const char *name, const char *what)
{
    if (find(*names, *n, name) >= 0)
        return mtl_fail(m->ctx, MTL_ERR_ARG, "graph: two %ss are named '%.100s'", what, name);
    MTL_TRY(grow(m->ctx, names, *n, sizeof **names));
    if (!((*names)[*n] = strdup(name)))
        return no_memory(m->ctx);
    ++*n;
    return MTL_OK;
}

/* A node by name: its number; an input: -1 - its number; neither: INT_MIN. */
static int source(const mtl_model *m, const char *name)
{
    for (int i = 0; i < m->n_nodes; i++) {
        if (strcmp(m->nodes[i].name, name) == 0)
            return i;
    }
    int input = find(m->inputs, m->n_inputs, name);
    return input >= 0 ? -1 - input : INT32_MIN;
}

static mtl_status add_node(mtl_model *m, const char *name, const cJSON *inputs, const cJSON *module)
{
    if (source(m, name) != INT32_MIN)
        return mtl_fail(m->ctx, MTL_ERR_ARG, "graph: two nodes or inputs are named '%.100s'", name);
    MTL_TRY(grow(m->ctx, &m->nodes, m->n_nodes, sizeof *m->nodes));
    mtl_graph_node *node = &m->nodes[m->n_nodes];
    *node = (mtl_graph_node){0};
    int wanted = inputs ? cJSON_GetArraySize(inputs) : 1;
    if (wanted < 1 || wanted > MTL_NODE_INPUTS)
        return mtl_fail(m->ctx, MTL_ERR_ARG, "%.100s: a node has 1 to %d inputs, not %d", name, MTL_NODE_INPUTS,
                        wanted);
    for (int i = 0; i < wanted; i++) {
        const char *from = inputs ? cJSON_GetStringValue(cJSON_GetArrayItem(inputs, i)) : m->inputs[0];
        node->inputs[i] = from ? source(m, from) : INT32_MIN;
        if (node->inputs[i] == INT32_MIN)
            return mtl_fail(m->ctx, MTL_ERR_ARG, "%.100s: its input '%.100s' is no input and no node before it", name,
                            from ? from : "?");
    }
    node->n_inputs = wanted;
    MTL_TRY(mtl_layer_new(m, module, name, 0, &node->layer));
    if (!(node->name = strdup(name))) {
        mtl_layer_free(node->layer);
        return no_memory(m->ctx);
    }
    m->n_nodes++;
    return MTL_OK;
}

static mtl_status add_output(mtl_model *m, const char *name, const char *node)
{
    if (m->n_outputs == MTL_MAX_TASKS)
        return mtl_fail(m->ctx, MTL_ERR_ARG, "graph: more than %d outputs", MTL_MAX_TASKS);
    int from = node ? source(m, node) : INT32_MIN;
    if (!name || from < 0)
        return mtl_fail(m->ctx, MTL_ERR_ARG, "graph: output '%.100s' names node '%.100s', which is not there",
                        name ? name : "?", node ? node : "?");
    m->output_node[m->n_outputs] = from;
    return add_name(m, &m->outputs, &m->n_outputs, name, "output");
}

static mtl_status read_graph(mtl_model *m, const cJSON *json)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "inputs"))
    {
        if (!cJSON_IsString(item))
            return mtl_fail(m->ctx, MTL_ERR_ARG, "graph: an input's name should be a text");
        MTL_TRY(add_name(m, &m->inputs, &m->n_inputs, item->valuestring, "input"));
    }
    if (m->n_inputs == 0)
        MTL_TRY(add_name(m, &m->inputs, &m->n_inputs, "input", "input"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "nodes"))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
        if (!name || !*name)
            return mtl_fail(m->ctx, MTL_ERR_ARG, "graph: node %d has no name", m->n_nodes + 1);
        MTL_TRY(add_node(m, name, cJSON_GetObjectItemCaseSensitive(item, "inputs"),
                         cJSON_GetObjectItemCaseSensitive(item, "module")));
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "outputs"))
        MTL_TRY(add_output(m, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name")),
                           cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "node"))));
    if (m->n_outputs == 0)
        return mtl_fail(m->ctx, MTL_ERR_ARG, "graph: it has no outputs");
    return MTL_OK;
}

/* One layer is a graph of one nameless node. */
static mtl_status read_layer(mtl_model *m, const cJSON *json)
{
    MTL_TRY(add_name(m, &m->inputs, &m->n_inputs, "input", "input"));
    MTL_TRY(add_node(m, "", NULL, json));
    return add_output(m, "output", "");
}

/* Which outputs need each node. */
static void find_tasks(mtl_model *m)
{
    for (int t = 0; t < m->n_outputs; t++)
        m->nodes[m->output_node[t]].tasks |= UINT64_C(1) << t;
    for (int i = m->n_nodes - 1; i >= 0; i--) { /* nodes stand after what they read */
        for (int j = 0; j < m->nodes[i].n_inputs; j++) {
            if (m->nodes[i].inputs[j] >= 0)
                m->nodes[m->nodes[i].inputs[j]].tasks |= m->nodes[i].tasks;
        }
    }
}

mtl_status mtl_model_new(mtl_context *ctx, const char *text, mtl_model **out)
{
    mtl_status status = MTL_OK;
    cJSON *json = cJSON_Parse(text);
    mtl_model *m = calloc(1, sizeof *m);
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "type"));
    if (!m) {
        status = no_memory(ctx);
        goto done;
    }
    m->ctx = ctx;
    if (!type) {
        status = mtl_fail(ctx, MTL_ERR_ARG, "model: its text is no JSON object with a \"type\"");
        goto done;
    }
    MTL_TRY_GOTO(strcmp(type, "graph") == 0 ? read_graph(m, json) : read_layer(m, json));
    find_tasks(m);
    *out = m;
    m = NULL;
done:
    mtl_model_free(m);
    cJSON_Delete(json);
    return status;
}

static void free_names(char **names, int n)
{
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

void mtl_model_free(mtl_model *m)
{
    if (!m)
        return;
    for (int i = 0; i < m->n_nodes; i++) {
        mtl_layer_free(m->nodes[i].layer);
        free(m->nodes[i].name);
    }
    for (int i = 0; i < m->n_requests; i++)
        free((char *)m->requests[i].name);
    for (int i = 0; i < m->n_states; i++)
        mtl_tensor_release(m->states[i]);
    free_names(m->state_names, m->n_states);
    free_names(m->inputs, m->n_inputs);
    free_names(m->outputs, m->n_outputs);
    mtl_arena_free(m->arena);
    free(m->nodes);
    free(m->requests);
    free(m->states);
    free(m->layers);
    free(m);
}

int mtl_model_inputs(const mtl_model *m)
{
    return m->n_inputs;
}

const char *mtl_model_input(const mtl_model *m, int i)
{
    return m->inputs[i];
}

int mtl_model_outputs(const mtl_model *m)
{
    return m->n_outputs;
}

const char *mtl_model_output(const mtl_model *m, int i)
{
    return m->outputs[i];
}

/* ---- freeze ---- */

static mtl_status bind(mtl_model *m, mtl_layer *layer)
{
    for (int i = 0; i < layer->n_slots; i++)
        layer->slots[i] = mtl_slot_param(m->arena, m->requests[layer->slot_request[i]].order);
    for (int i = 0; i < layer->n_children; i++)
        MTL_TRY(bind(m, layer->children[i]));
    return MTL_OK;
}

static mtl_status infer(mtl_model *m, const mtl_shape *inputs)
{
    mtl_status status = MTL_OK;
    mtl_shape *made = calloc((size_t)m->n_nodes + 1, sizeof *made);
    if (!made)
        return no_memory(m->ctx);
    for (int i = 0; i < m->n_nodes; i++) {
        mtl_graph_node *node = &m->nodes[i];
        mtl_shape in[MTL_NODE_INPUTS];
        if (node->tasks == 0) {
            status = mtl_fail(m->ctx, MTL_ERR_ARG, "graph: no output needs node '%.100s'", node->name);
            goto done;
        }
        for (int j = 0; j < node->n_inputs; j++)
            in[j] = node->inputs[j] >= 0 ? made[node->inputs[j]] : inputs[-1 - node->inputs[j]];
        node->layer->tasks = node->tasks;
        MTL_TRY_GOTO(mtl_layer_shape(node->layer, node->n_inputs, in, &made[i]));
    }
done:
    free(made);
    return status;
}

mtl_status mtl_model_freeze(mtl_model *m, int device, uint64_t seed, const mtl_shape *inputs)
{
    if (m->arena || m->n_requests || m->n_layers || m->n_states)
        return mtl_fail(m->ctx, MTL_ERR_STATE, "freeze: the model %s; make a new one",
                        m->arena ? "is frozen already" : "failed to freeze before");
    for (int i = 0; i < m->n_inputs; i++) {
        char where[128];
        snprintf(where, sizeof where, "freeze: input '%.100s'", m->inputs[i]);
        mtl_status status = mtl_shape_check(m->ctx, &inputs[i]);
        if (status != MTL_OK)
            return mtl_fail_in(m->ctx, status, where);
    }
    m->device = device;
    m->seed = seed;
    MTL_TRY(infer(m, inputs));
    MTL_TRY(mtl_arena_new(m->ctx, device, m->n_outputs, seed, m->n_requests, m->requests, &m->arena));
    for (int i = 0; i < m->n_nodes; i++)
        MTL_TRY(bind(m, m->nodes[i].layer));
    return MTL_OK;
}

bool mtl_model_frozen(const mtl_model *m)
{
    return m->arena != NULL;
}

static mtl_status must_be_frozen(const mtl_model *m, const char *who)
{
    return m->arena ? MTL_OK : mtl_fail(m->ctx, MTL_ERR_STATE, "%s: freeze the model first", who);
}

mtl_status mtl_model_output_shape(const mtl_model *m, int i, mtl_shape *out)
{
    MTL_TRY(must_be_frozen(m, "output_shape"));
    *out = m->nodes[m->output_node[i]].layer->out;
    return MTL_OK;
}

/* ---- forward ---- */

/* The node whose output is all that the tasks of a mask share: every task of it goes through that node, and nothing
   else that two of them reach is read by what one of them reaches alone. -1: there is none. */
static int representation(const mtl_model *m, uint64_t tasks)
{
    int last = -1;
    for (int i = 0; i < m->n_nodes; i++)
        last = __builtin_popcountll(m->nodes[i].tasks & tasks) > 1 ? i : last;
    if (last < 0 || (m->nodes[last].tasks & tasks) != tasks)
        return -1;
    for (int i = 0; i < m->n_nodes; i++) {
        const mtl_graph_node *node = &m->nodes[i];
        for (int j = 0; j < node->n_inputs && __builtin_popcountll(node->tasks & tasks) == 1; j++) {
            int from = node->inputs[j];
            if (from >= 0 && from != last && __builtin_popcountll(m->nodes[from].tasks & tasks) > 1)
                return -1;
        }
    }
    for (int t = 0; t < m->n_outputs; t++) {
        const mtl_graph_node *node = &m->nodes[m->output_node[t]];
        if (tasks >> t & 1 && m->output_node[t] != last && __builtin_popcountll(node->tasks & tasks) > 1)
            return -1;
    }
    return last;
}

bool mtl_model_has_representation(const mtl_model *m, uint64_t tasks)
{
    return representation(m, tasks) >= 0;
}

mtl_status mtl_model_forward(mtl_model *m, mtl_tensor *const *inputs, uint64_t tasks, mtl_pass_kind kind,
                             mtl_tensor **outputs)
{
    return mtl_model_forward_through(m, inputs, tasks, kind, outputs, NULL);
}

mtl_status mtl_model_forward_through(mtl_model *m, mtl_tensor *const *inputs, uint64_t tasks, mtl_pass_kind kind,
                                     mtl_tensor **outputs, mtl_tensor **through)
{
    int shared = through ? representation(m, tasks) : -1;
    mtl_status status = MTL_OK;
    mtl_pass pass = {.training = kind != MTL_EVALUATE,
                     .again = kind == MTL_TRAIN_AGAIN,
                     .seed = m->seed,
                     .pass = m->passes - (kind == MTL_TRAIN_AGAIN && m->passes > 0),
                     .tasks = tasks};
    MTL_TRY(must_be_frozen(m, "forward"));
    if (through && shared < 0)
        return mtl_fail(m->ctx, MTL_ERR_STATE, "forward: these tasks share no one representation");
    mtl_tensor **made = calloc((size_t)m->n_nodes + 1, sizeof *made);
    if (!made)
        return no_memory(m->ctx);
    for (int i = 0; i < m->n_nodes; i++) {
        mtl_graph_node *node = &m->nodes[i];
        mtl_tensor *in[MTL_NODE_INPUTS];
        if (!(node->tasks & tasks))
            continue;
        for (int j = 0; j < node->n_inputs; j++) {
            int input = -1 - node->inputs[j];
            in[j] = input < 0 ? made[node->inputs[j]] : inputs[input];
            if (input >= 0 && (!in[j] || mtl_tensor_rank(in[j]) < 1)) {
                status =
                    mtl_fail(m->ctx, MTL_ERR_ARG, "forward: input '%.100s' is missing, or no batch", m->inputs[input]);
                goto done;
            }
        }
        MTL_TRY_GOTO(mtl_layer_forward(node->layer, &pass, node->n_inputs, in, &made[i]));
    }
    m->passes += kind == MTL_TRAIN;
    for (int t = 0; t < m->n_outputs; t++)
        outputs[t] = tasks >> t & 1 ? mtl_tensor_retain(made[m->output_node[t]]) : NULL;
    if (through)
        *through = mtl_tensor_retain(made[shared]);
done:
    for (int i = 0; i < m->n_nodes; i++)
        mtl_tensor_release(made[i]);
    free(made);
    return status;
}

mtl_arena *mtl_model_arena(const mtl_model *m)
{
    return m->arena;
}

mtl_status mtl_model_set_frozen(mtl_model *m, const char *prefix, bool frozen, int *n)
{
    MTL_TRY(must_be_frozen(m, "set_frozen"));
    for (int i = 0; i < m->n_layers; i++) {
        if (mtl_path_covers(prefix, m->layers[i]->path))
            m->layers[i]->frozen = frozen;
    }
    return mtl_arena_set_frozen(m->arena, prefix, frozen, n);
}

int mtl_model_states(const mtl_model *m)
{
    return m->n_states;
}

const char *mtl_model_state_name(const mtl_model *m, int i)
{
    return m->state_names[i];
}

mtl_tensor *mtl_model_state(const mtl_model *m, int i)
{
    return m->states[i];
}

uint64_t mtl_model_passes(const mtl_model *m)
{
    return m->passes;
}

void mtl_model_set_passes(mtl_model *m, uint64_t passes)
{
    m->passes = passes;
}

int mtl_model_layers(const mtl_model *m)
{
    return m->n_layers;
}

void mtl_model_layer(const mtl_model *m, int i, mtl_layer_info *info)
{
    const mtl_layer *layer = m->layers[i];
    *info = (mtl_layer_info){.path = layer->path, .type = layer->type->name, .out = layer->out, .tasks = layer->tasks};
    for (int s = 0; s < layer->n_slots; s++)
        info->parameters += mtl_tensor_count(layer->slots[s]);
}

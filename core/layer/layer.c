/* What all layers share: options from JSON by their table, names, errors with the path, the registry. */
#include "layer/layer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer/model.h"

#define MTL_LAYER(name) extern const mtl_layer_type mtl_layer_##name;
#include "layer/layers.def"
#undef MTL_LAYER

static const mtl_layer_type *const types[] = {
#define MTL_LAYER(name) &mtl_layer_##name,
#include "layer/layers.def"
#undef MTL_LAYER
    NULL};

/* Doubles count exactly up to here. */
#define MOST 0x1p53
enum { MOST_PATH = 200 };

const char *mtl_layer_type_name(int i, const mtl_option **options)
{
    if (i < 0 || i >= (int)(sizeof types / sizeof *types) - 1)
        return NULL;
    *options = types[i]->options;
    return types[i]->name;
}

const char *const *mtl_layer_type_choices(int i)
{
    return i < 0 || i >= (int)(sizeof types / sizeof *types) - 1 ? NULL : types[i]->choices;
}

static const mtl_layer_type *find(const char *name)
{
    for (int i = 0; types[i]; i++) {
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    }
    return NULL;
}

const char *mtl_layer_shape_text(const mtl_shape *s, char *buf)
{
    return mtl_shape_text(s->rank, s->size, buf, MTL_SHAPE_TEXT);
}

/* Puts the place before a message that is there. */
static mtl_status in_place(mtl_layer *layer, mtl_status status)
{
    char where[300];
    if (status == MTL_OK)
        return status;
    snprintf(where, sizeof where, "%.200s%s(%s)", layer->path, layer->path[0] ? " " : "", layer->type->name);
    return mtl_fail_in(layer->model->ctx, status, where);
}

mtl_status mtl_layer_fail(mtl_layer *layer, mtl_status status, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mtl_fail(layer->model->ctx, status, "%s", text);
    return in_place(layer, status);
}

mtl_status mtl_shape_check(mtl_context *ctx, const mtl_shape *s)
{
    int64_t n = 1;
    char text[MTL_SHAPE_TEXT];
    if (s->rank < 0 || s->rank >= MTL_MAX_RANK)
        return mtl_fail(ctx, MTL_ERR_SHAPE, "a sample of %d dimensions, which should be 0 to %d", s->rank,
                        MTL_MAX_RANK - 1);
    for (int i = 0; i < s->rank; i++) {
        if (s->size[i] < 0 || mtl_mul_overflows(n, s->size[i] ? s->size[i] : 1, &n) || n > (int64_t)MOST)
            return mtl_fail(ctx, MTL_ERR_SHAPE, "a sample of shape %s %s", mtl_layer_shape_text(s, text),
                            s->size[i] < 0 ? "has a negative size" : "is larger than any memory");
    }
    return MTL_OK;
}

static mtl_status whole(mtl_layer *layer, const mtl_option *option, const cJSON *value, int64_t *out)
{
    double least = option->kind == MTL_OPTION_COUNT || option->kind == MTL_OPTION_COUNTS ? 0 : 1;
    double v = value->valuedouble;
    if (!cJSON_IsNumber(value))
        return mtl_layer_fail(layer, MTL_ERR_ARG, "%s should be a whole number of at least %g", option->name, least);
    if (!(v >= least && v <= MOST && v == floor(v)))
        return mtl_layer_fail(layer, MTL_ERR_ARG, "%s is %g, which should be a whole number of at least %g",
                              option->name, v, least);
    *out = (int64_t)v;
    return MTL_OK;
}

static mtl_status read_pair(mtl_layer *layer, int i, const cJSON *value)
{
    const mtl_option *option = &layer->type->options[i];
    int64_t *pair = layer->pair[i];
    if (!cJSON_IsArray(value)) {
        MTL_TRY(whole(layer, option, value, &pair[0]));
        pair[1] = pair[0];
        return MTL_OK;
    }
    if (cJSON_GetArraySize(value) != 2)
        return mtl_layer_fail(layer, MTL_ERR_ARG, "%s has %d numbers, which should be one, or height and width",
                              option->name, cJSON_GetArraySize(value));
    MTL_TRY(whole(layer, option, cJSON_GetArrayItem(value, 0), &pair[0]));
    return whole(layer, option, cJSON_GetArrayItem(value, 1), &pair[1]);
}

static mtl_status read_choice(mtl_layer *layer, int i, const cJSON *value)
{
    const char *const *choices = layer->type->choices, *name = cJSON_GetStringValue(value);
    char all[200] = "";
    for (int c = 0; choices[c]; c++) {
        if (name && strcmp(choices[c], name) == 0) {
            layer->number[i] = c;
            return MTL_OK;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s'%s'", c ? ", " : "", choices[c]);
    }
    return mtl_layer_fail(layer, MTL_ERR_ARG, "%s is %s%.60s%s, which should be one of %s",
                          layer->type->options[i].name, name ? "'" : "", name ? name : "no text", name ? "'" : "", all);
}

static mtl_status read_option(mtl_layer *layer, int i, const cJSON *value, int depth)
{
    const mtl_option *option = &layer->type->options[i];
    int64_t n = 0;
    if (layer->given[i])
        return mtl_layer_fail(layer, MTL_ERR_ARG, "%s is given twice", option->name);
    layer->given[i] = true;
    switch (option->kind) {
    case MTL_OPTION_SIZE:
    case MTL_OPTION_COUNT:
    case MTL_OPTION_WIDTH:
        MTL_TRY(whole(layer, option, value, &n));
        layer->number[i] = (double)n;
        return MTL_OK;
    case MTL_OPTION_PAIR:
    case MTL_OPTION_COUNTS:
        return read_pair(layer, i, value);
    case MTL_OPTION_NUMBER:
        if (!cJSON_IsNumber(value) || !(value->valuedouble >= option->low && value->valuedouble <= option->high))
            return mtl_layer_fail(layer, MTL_ERR_ARG, "%s should be a number from %g to %g", option->name, option->low,
                                  option->high);
        layer->number[i] = value->valuedouble;
        return MTL_OK;
    case MTL_OPTION_BOOL:
        if (!cJSON_IsBool(value))
            return mtl_layer_fail(layer, MTL_ERR_ARG, "%s should be true or false", option->name);
        layer->number[i] = cJSON_IsTrue(value);
        return MTL_OK;
    case MTL_OPTION_CHOICE:
        return read_choice(layer, i, value);
    case MTL_OPTION_LAYERS:
        break;
    }
    int count = cJSON_GetArraySize(value);
    if (!cJSON_IsArray(value) || count < 0)
        return mtl_layer_fail(layer, MTL_ERR_ARG, "%s should be a list of layers", option->name);
    layer->children = calloc((size_t)count + 1, sizeof *layer->children);
    if (!layer->children)
        return mtl_fail(layer->model->ctx, MTL_ERR_MEMORY, "no host memory left");
    const cJSON *child;
    cJSON_ArrayForEach(child, value)
    {
        char path[256];
        snprintf(path, sizeof path, "%.200s%s%d", layer->path, layer->path[0] ? "." : "", layer->n_children);
        MTL_TRY(mtl_layer_new(layer->model, child, path, depth + 1, &layer->children[layer->n_children]));
        layer->n_children++;
    }
    return MTL_OK;
}

static mtl_status read_options(mtl_layer *layer, const cJSON *json, int depth)
{
    const mtl_option *options = layer->type->options;
    const cJSON *item;
    for (int i = 0; options && options[i].name; i++) {
        layer->number[i] = options[i].kind == MTL_OPTION_CHOICE ? 0 : options[i].value;
        layer->pair[i][0] = layer->pair[i][1] = isnan(options[i].value) ? -1 : (int64_t)options[i].value;
    }
    cJSON_ArrayForEach(item, json)
    {
        int i = 0;
        if (strcmp(item->string, "type") == 0)
            continue;
        while (options && options[i].name && strcmp(options[i].name, item->string) != 0)
            i++;
        if (!options || !options[i].name)
            return mtl_layer_fail(layer, MTL_ERR_ARG, "it has no option '%.100s'", item->string);
        if (!cJSON_IsNull(item))
            MTL_TRY(read_option(layer, i, item, depth));
    }
    for (int i = 0; options && options[i].name; i++) {
        if (options[i].required && !layer->given[i])
            return mtl_layer_fail(layer, MTL_ERR_ARG, "%s is missing", options[i].name);
    }
    return MTL_OK;
}

mtl_status mtl_layer_new(mtl_model *model, const cJSON *json, const char *path, int depth, mtl_layer **out)
{
    mtl_context *ctx = model->ctx;
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(json, "type");
    if (!cJSON_IsString(type))
        return mtl_fail(ctx, MTL_ERR_ARG, "%s: a layer should be an object with a \"type\"", path[0] ? path : "model");
    const mtl_layer_type *found = find(type->valuestring);
    if (!found)
        return mtl_fail(ctx, MTL_ERR_ARG, "%s: there is no layer '%.100s'", path[0] ? path : "model",
                        type->valuestring);
    if (strlen(path) > MOST_PATH) /* else names made of it could be cut, and then be equal */
        return mtl_fail(ctx, MTL_ERR_ARG, "%.60s...: a layer's path is longer than %d characters", path, MOST_PATH);
    if (depth > MTL_LAYER_DEPTH)
        return mtl_fail(ctx, MTL_ERR_ARG, "%s: layers are nested deeper than %d", path, MTL_LAYER_DEPTH);
    mtl_layer *layer = calloc(1, sizeof *layer);
    if (!layer || !(layer->path = strdup(path))) {
        free(layer);
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    }
    layer->model = model;
    layer->type = found;
    layer->stream = mtl_stream(path);
    mtl_status status = read_options(layer, json, depth);
    if (status == MTL_OK)
        *out = layer;
    else
        mtl_layer_free(layer);
    return status;
}

void mtl_layer_free(mtl_layer *layer)
{
    if (!layer)
        return;
    for (int i = 0; i < layer->n_children; i++)
        mtl_layer_free(layer->children[i]);
    free(layer->children);
    free(layer->path);
    free(layer);
}

static mtl_status request(mtl_layer *layer, const char *name, int rank, const int64_t *shape, mtl_slot_request **out)
{
    char full[320];
    snprintf(full, sizeof full, "%.240s%s%s", layer->path, layer->path[0] ? "." : "", name);
    MTL_TRY(mtl_model_request(layer->model, full, layer->tasks, out, &layer->slot_request[layer->n_slots]));
    layer->n_slots++;
    (*out)->rank = rank;
    memcpy((*out)->shape, shape, (size_t)rank * sizeof *shape);
    return MTL_OK;
}

mtl_status mtl_layer_slot(mtl_layer *layer, const char *name, int rank, const int64_t *shape, double low, double high)
{
    mtl_slot_request *r;
    MTL_TRY(request(layer, name, rank, shape, &r));
    r->low = low;
    r->high = high;
    return MTL_OK;
}

mtl_status mtl_layer_slot_normal(mtl_layer *layer, const char *name, int rank, const int64_t *shape, double deviation,
                                 int64_t zero)
{
    mtl_slot_request *r;
    MTL_TRY(request(layer, name, rank, shape, &r));
    r->normal = deviation;
    r->zero = zero;
    return MTL_OK;
}

mtl_status mtl_layer_state(mtl_layer *layer, const char *name, int64_t size, double value)
{
    char full[320];
    snprintf(full, sizeof full, "%.240s%s%s", layer->path, layer->path[0] ? "." : "", name);
    MTL_TRY(mtl_model_add_state(layer->model, full, size, value, &layer->states[layer->n_states]));
    layer->n_states++;
    return MTL_OK;
}

mtl_status mtl_layer_shape(mtl_layer *layer, int n, const mtl_shape *in, mtl_shape *out)
{
    int least = layer->type->min_inputs ? layer->type->min_inputs : 1;
    int most = layer->type->max_inputs ? layer->type->max_inputs : 1;
    if (n < least || n > most)
        return mtl_layer_fail(layer, MTL_ERR_SHAPE, "it has %d inputs, which should be %d%s", n, least,
                              most > least ? " or more" : "");
    MTL_TRY(layer->type->shape(layer, n, in, out));
    MTL_TRY(in_place(layer, mtl_shape_check(layer->model->ctx, out)));
    layer->out = *out;
    return layer->n_children || !strcmp(layer->type->name, "sequential") ? MTL_OK
                                                                         : mtl_model_add_layer(layer->model, layer);
}

mtl_status mtl_layer_forward(mtl_layer *layer, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_status status = layer->type->forward(layer, pass, n, in, out);
    return layer->n_children ? status : in_place(layer, status);
}

/* Models and arenas: boxes that own one each; parameters and states come out as tensors that outlive them. */
#include <math.h>
#include <string.h>

#include "lmtl.h"

#define MODEL "mtl.model"
#define ARENA "mtl.arena"

static mtl_model *model_at(lua_State *L, int arg)
{
    mtl_model **box = luaL_checkudata(L, arg, MODEL);
    luaL_argcheck(L, *box, arg, "this model was closed");
    return *box;
}

mtl_arena *lmtl_arena_of(lua_State *L, int arg)
{
    mtl_arena **box = luaL_testudata(L, arg, ARENA);
    mtl_arena *arena = box ? *box : mtl_model_arena(model_at(L, arg));
    if (!arena)
        luaL_error(L, "this model has no parameters yet: call freeze first");
    return arena;
}

static int model_gc(lua_State *L)
{
    mtl_model **box = luaL_checkudata(L, 1, MODEL);
    mtl_model_free(*box);
    *box = NULL;
    return 0;
}

static int arena_gc(lua_State *L)
{
    mtl_arena **box = luaL_checkudata(L, 1, ARENA);
    mtl_arena_free(*box);
    *box = NULL;
    return 0;
}

/* core.model(json) */
static int l_model(lua_State *L)
{
    const char *json = luaL_checkstring(L, 1);
    mtl_model **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, MODEL);
    lmtl_check(L, mtl_model_new(lmtl_context(), json, box));
    return 1;
}

static int m_inputs(lua_State *L)
{
    mtl_model *m = model_at(L, 1);
    lua_newtable(L);
    for (int i = 0; i < mtl_model_inputs(m); i++) {
        lua_pushstring(L, mtl_model_input(m, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int m_outputs(lua_State *L)
{
    mtl_model *m = model_at(L, 1);
    lua_newtable(L);
    for (int i = 0; i < mtl_model_outputs(m); i++) {
        lua_pushstring(L, mtl_model_output(m, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* model:freeze { inputs = { { 1, 28, 28 }, ... }, seed = 1, device = "cpu" }: shapes without the batch */
static int m_freeze(lua_State *L)
{
    static const char *const keys[] = {"inputs", "seed", "device", NULL};
    mtl_model *m = model_at(L, 1);
    lua_settop(L, 2);
    lmtl_check_keys(L, "freeze", 2, keys);
    uint64_t seed = (uint64_t)lmtl_integer_field(L, "freeze", 2, "seed", 1);
    lua_pushliteral(L, "device");
    lua_rawget(L, 2);
    int device = lmtl_device(L, 3), n = mtl_model_inputs(m);
    lua_pushliteral(L, "inputs");
    if (lua_rawget(L, 2) != LUA_TTABLE || (int)lua_rawlen(L, 4) != n)
        return luaL_error(L, "freeze: inputs should be %d shapes, one for each input of the model", n);
    mtl_shape *shapes = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *shapes, 0);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, 4, i + 1);
        shapes[i].rank = lmtl_sizes_table(L, "freeze", lua_gettop(L), shapes[i].size);
        lua_pop(L, 1);
    }
    lmtl_check(L, mtl_model_freeze(m, device, seed, shapes));
    lua_settop(L, 1);
    return 1;
}

static void push_model_shape(lua_State *L, const mtl_shape *shape)
{
    lmtl_push_shape(L, shape->rank, shape->size);
}

static int m_output_shape(lua_State *L)
{
    mtl_model *m = model_at(L, 1);
    mtl_shape shape;
    int i = (int)lmtl_index(L, "output_shape", luaL_checkinteger(L, 2), mtl_model_outputs(m));
    lmtl_check(L, mtl_model_output_shape(m, i, &shape));
    push_model_shape(L, &shape);
    return 1;
}

/* model:forward(inputs [, mask [, training [, through]]]) -> outputs by index, nil for those outside of the mask
   (default: all); through: and the representation that these tasks share.
   training "again": as the training pass before it, with its dropout masks, and no state moves.
   inputs: tensors in the order of model:inputs(), or by name; one that no task of the mask reads may be nil. */
static int m_forward(lua_State *L)
{
    mtl_tensor *outputs[MTL_MAX_TASKS] = {NULL}, **boxes[MTL_MAX_TASKS] = {NULL};
    mtl_model *m = model_at(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 5);
    mtl_tensor **through = lua_toboolean(L, 5) ? lmtl_new_tensor(L) : NULL, *representation = NULL;
    uint64_t mask = (uint64_t)luaL_optinteger(L, 3, -1);
    bool again = lua_type(L, 4) == LUA_TSTRING && strcmp(lua_tostring(L, 4), "again") == 0;
    mtl_pass_kind kind = again ? MTL_TRAIN_AGAIN : lua_toboolean(L, 4) ? MTL_TRAIN : MTL_EVALUATE;
    int n_in = mtl_model_inputs(m), n_out = mtl_model_outputs(m);
    if (n_out < MTL_MAX_TASKS)
        mask &= (UINT64_C(1) << n_out) - 1;
    lmtl_list *inputs = lmtl_new_list(L, n_in);
    lua_createtable(L, n_out, 0);
    for (int i = 0; i < n_out; i++) {
        if (!(mask >> i & 1))
            continue;
        boxes[i] = lmtl_new_tensor(L);
        lua_rawseti(L, -2, i + 1);
    }
    for (int i = 0; i < n_in; i++) {
        if (lua_rawgeti(L, 2, i + 1) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushstring(L, mtl_model_input(m, i));
            lua_rawget(L, 2);
        }
        if (lua_isnil(L, -1)) /* an input that no task of the mask reads may be missing */
            lua_pop(L, 1);
        else
            lmtl_list_set(L, inputs, i, "forward: input");
    }
    mtl_status status =
        mtl_model_forward_through(m, inputs->tensor, mask, kind, outputs, through ? &representation : NULL);
    lmtl_list_clear(inputs);
    lmtl_check(L, status);
    for (int i = 0; i < n_out; i++) {
        if (boxes[i])
            *boxes[i] = outputs[i];
    }
    lmtl_weigh(L);
    if (!through)
        return 1;
    *through = representation;
    lua_pushvalue(L, 6);
    return 2;
}

/* model:has_representation(mask): whether these tasks share one tensor that all of them are computed from */
static int m_has_representation(lua_State *L)
{
    lua_pushboolean(L, mtl_model_has_representation(model_at(L, 1), (uint64_t)luaL_checkinteger(L, 2)));
    return 1;
}

/* model:parameters() -> { { name =, tensor =, tasks = }, ... } */
static int m_parameters(lua_State *L)
{
    mtl_arena *a = lmtl_arena_of(L, 1);
    lua_newtable(L);
    for (int i = 0; i < mtl_arena_slots(a); i++) {
        lua_createtable(L, 0, 3);
        lua_pushstring(L, mtl_slot_name(a, i));
        lua_setfield(L, -2, "name");
        lua_pushinteger(L, (lua_Integer)mtl_slot_tasks(a, i));
        lua_setfield(L, -2, "tasks");
        mtl_tensor **box = lmtl_new_tensor(L);
        *box = mtl_tensor_retain(mtl_slot_param(a, i));
        lua_setfield(L, -2, "tensor");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* model:states() -> { { name =, tensor = }, ... } */
static int m_states(lua_State *L)
{
    mtl_model *m = model_at(L, 1);
    lua_newtable(L);
    for (int i = 0; i < mtl_model_states(m); i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, mtl_model_state_name(m, i));
        lua_setfield(L, -2, "name");
        mtl_tensor **box = lmtl_new_tensor(L);
        *box = mtl_tensor_retain(mtl_model_state(m, i));
        lua_setfield(L, -2, "tensor");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int m_params(lua_State *L)
{
    mtl_tensor **box = lmtl_new_tensor(L);
    return lmtl_borrowed(L, box, mtl_arena_params(lmtl_arena_of(L, 1)));
}

/* model:rows(): task gradients of the sweeps with more than one row since zero_grad, [tasks, shared elements] */
static int m_rows(lua_State *L)
{
    mtl_tensor **box = lmtl_new_tensor(L);
    mtl_tensor *rows;
    lmtl_check(L, mtl_arena_rows(lmtl_arena_of(L, 1), &rows));
    return lmtl_borrowed(L, box, rows);
}

/* model:passes([n]) -> how many training passes were made; n sets it */
static int m_passes(lua_State *L)
{
    mtl_model *m = model_at(L, 1);
    if (!lua_isnoneornil(L, 2))
        mtl_model_set_passes(m, (uint64_t)luaL_checkinteger(L, 2));
    lua_pushinteger(L, (lua_Integer)mtl_model_passes(m));
    return 1;
}

/* model:set_frozen(prefix, bool) -> slots that matched */
static int m_set_frozen(lua_State *L)
{
    int n = 0;
    const char *prefix = luaL_checkstring(L, 2);
    bool frozen = lua_toboolean(L, 3);
    lmtl_check(L, mtl_model_set_frozen(model_at(L, 1), prefix, frozen, &n));
    lua_pushinteger(L, n);
    return 1;
}

static int m_layers(lua_State *L)
{
    mtl_model *m = model_at(L, 1);
    lua_newtable(L);
    for (int i = 0; i < mtl_model_layers(m); i++) {
        mtl_layer_info info;
        mtl_model_layer(m, i, &info);
        lua_createtable(L, 0, 5);
        lua_pushstring(L, info.path);
        lua_setfield(L, -2, "path");
        lua_pushstring(L, info.type);
        lua_setfield(L, -2, "type");
        push_model_shape(L, &info.out);
        lua_setfield(L, -2, "out");
        lua_pushinteger(L, info.parameters);
        lua_setfield(L, -2, "parameters");
        lua_pushinteger(L, (lua_Integer)info.tasks);
        lua_setfield(L, -2, "tasks");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int m_zero_grad(lua_State *L)
{
    lmtl_check(L, mtl_arena_zero_grad(lmtl_arena_of(L, 1)));
    return 0;
}

static int m_count(lua_State *L)
{
    lua_pushinteger(L, mtl_arena_count(lmtl_arena_of(L, 1)));
    return 1;
}

static int m_shared(lua_State *L)
{
    lua_pushinteger(L, mtl_arena_shared(lmtl_arena_of(L, 1)));
    return 1;
}

static int m_grad_norm(lua_State *L)
{
    double norm = 0.0;
    lmtl_check(L, mtl_arena_grad_norm(lmtl_arena_of(L, 1), (uint64_t)luaL_optinteger(L, 2, -1), &norm));
    lua_pushnumber(L, norm);
    return 1;
}

/* core.arena({ { name =, shape = { ... }, value = 0 }, ... } [, device]): parameters without layers */
static int l_arena(lua_State *L)
{
    typedef struct {
        int64_t sizes[MTL_MAX_RANK];
    } shape;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    int device = lmtl_device(L, 2), n = (int)lua_rawlen(L, 1);
    const char **names = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *names, 0);
    int *ranks = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *ranks, 0);
    shape *shapes = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *shapes, 0);
    const int64_t **sizes = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *sizes, 0);
    double *values = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *values, 0);
    mtl_arena **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, ARENA);
    lua_newtable(L); /* anchors the names */
    int anchor = lua_gettop(L);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, 1, i + 1);
        luaL_checktype(L, -1, LUA_TTABLE);
        int at = lua_gettop(L);
        values[i] = lmtl_number_field(L, "arena", at, "value", 0.0);
        lua_pushliteral(L, "shape");
        lua_rawget(L, at);
        ranks[i] = lmtl_sizes_table(L, "arena", at + 1, shapes[i].sizes);
        sizes[i] = shapes[i].sizes;
        lua_pushliteral(L, "name");
        if (lua_rawget(L, at) != LUA_TSTRING)
            return luaL_error(L, "arena: parameter %d has no name", i + 1);
        names[i] = lua_tostring(L, -1);
        lua_rawseti(L, anchor, i + 1);
        lua_settop(L, anchor);
    }
    lmtl_check(L, mtl_arena_make(lmtl_context(), device, n, names, ranks, sizes, values, box));
    lua_pop(L, 1);
    return 1;
}

/* A default as Lua shows it: a boolean, a whole number, a number, a choice's name, or nil. */
static void push_default(lua_State *L, const mtl_option *o, const char *const *choices)
{
    if (o->kind == MTL_OPTION_CHOICE)
        lua_pushstring(L, choices[0]);
    else if (o->required || isnan(o->value) || o->kind == MTL_OPTION_LAYERS)
        lua_pushnil(L);
    else if (o->kind == MTL_OPTION_BOOL)
        lua_pushboolean(L, o->value != 0.0);
    else if (o->kind == MTL_OPTION_NUMBER)
        lua_pushnumber(L, o->value);
    else
        lua_pushinteger(L, (lua_Integer)o->value);
}

static void push_option(lua_State *L, const mtl_option *o, const char *const *choices)
{
    static const char *const kinds[] = {
        [MTL_OPTION_SIZE] = "size", [MTL_OPTION_COUNT] = "count",   [MTL_OPTION_WIDTH] = "width",
        [MTL_OPTION_PAIR] = "pair", [MTL_OPTION_COUNTS] = "counts", [MTL_OPTION_NUMBER] = "number",
        [MTL_OPTION_BOOL] = "bool", [MTL_OPTION_CHOICE] = "choice", [MTL_OPTION_LAYERS] = "layers"};
    lua_createtable(L, 0, 8);
    lua_pushstring(L, o->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, kinds[o->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushboolean(L, o->positional);
    lua_setfield(L, -2, "positional");
    lua_pushboolean(L, o->required);
    lua_setfield(L, -2, "required");
    push_default(L, o, choices);
    lua_setfield(L, -2, "default");
    if (o->kind == MTL_OPTION_CHOICE) {
        lua_newtable(L);
        for (int i = 0; choices[i]; i++) {
            lua_pushstring(L, choices[i]);
            lua_rawseti(L, -2, i + 1);
        }
        lua_setfield(L, -2, "choices");
    }
    if (o->kind == MTL_OPTION_NUMBER) {
        lua_pushnumber(L, o->low);
        lua_setfield(L, -2, "low");
        lua_pushnumber(L, o->high);
        lua_setfield(L, -2, "high");
    }
}

/* core.layer_types() -> { { name =, options = { { name =, kind =, ... }, ... } }, ... } */
static int l_layer_types(lua_State *L)
{
    const mtl_option *options;
    const char *name;
    lua_newtable(L);
    for (int i = 0; (name = mtl_layer_type_name(i, &options)); i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, name);
        lua_setfield(L, -2, "name");
        lua_newtable(L);
        for (int j = 0; options[j].name; j++) {
            push_option(L, &options[j], mtl_layer_type_choices(i));
            lua_rawseti(L, -2, j + 1);
        }
        lua_setfield(L, -2, "options");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static const luaL_Reg model_methods[] = {{"inputs", m_inputs},
                                         {"outputs", m_outputs},
                                         {"freeze", m_freeze},
                                         {"forward", m_forward},
                                         {"output_shape", m_output_shape},
                                         {"states", m_states},
                                         {"passes", m_passes},
                                         {"set_frozen", m_set_frozen},
                                         {"layers", m_layers},
                                         {"has_representation", m_has_representation},
                                         {NULL, NULL}};

static const luaL_Reg arena_methods[] = {{"parameters", m_parameters}, {"params", m_params}, {"rows", m_rows},
                                         {"zero_grad", m_zero_grad},   {"count", m_count},   {"shared", m_shared},
                                         {"grad_norm", m_grad_norm},   {NULL, NULL}};

void lmtl_open_model(lua_State *L)
{
    static const luaL_Reg model_meta[] = {{"__gc", model_gc}, {NULL, NULL}};
    static const luaL_Reg arena_meta[] = {{"__gc", arena_gc}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"model", l_model}, {"arena", l_arena}, {"layer_types", l_layer_types}, {NULL, NULL}};
    lmtl_type(L, ARENA, arena_meta, arena_methods);
    lmtl_type(L, MODEL, model_meta, model_methods);
    luaL_getmetatable(L, MODEL);
    lua_getfield(L, -1, "__index");
    luaL_setfuncs(L, arena_methods, 0); /* a model is an arena with layers */
    lua_pop(L, 2);
    luaL_setfuncs(L, functions, 0);
}

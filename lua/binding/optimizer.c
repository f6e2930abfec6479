/* Optimizers over the arena of a model (which the box keeps alive). */
#include <string.h>

#include "lmtl.h"

#define OPTIMIZER "mtl.optimizer"

typedef struct {
    mtl_optimizer *optimizer;
    mtl_optim_settings settings;
} box;

static box *check(lua_State *L, int arg)
{
    box *b = luaL_checkudata(L, arg, OPTIMIZER);
    luaL_argcheck(L, b->optimizer, arg, "this optimizer was closed");
    return b;
}

static int optimizer_gc(lua_State *L)
{
    box *b = luaL_checkudata(L, 1, OPTIMIZER);
    mtl_optimizer_free(b->optimizer);
    b->optimizer = NULL;
    return 0;
}

/* The settings of the table at `index` over those in *s; another kind starts from its defaults. */
static void read_settings(lua_State *L, int index, mtl_optim_settings *s)
{
    static const char *const keys[] = {"kind",     "lr",    "weight_decay", "momentum", "dampening",
                                       "nesterov", "beta1", "beta2",        "eps",      NULL};
    static const char *const kinds[] = {"sgd", "adam", "adamw", NULL};
    static const mtl_optim_kind kind_of[] = {MTL_OPTIM_SGD, MTL_OPTIM_ADAM, MTL_OPTIM_ADAMW};
    lmtl_check_keys(L, "optimizer", index, keys);
    lua_pushliteral(L, "kind");
    if (lua_rawget(L, index) != LUA_TNIL) {
        mtl_optim_kind kind = kind_of[luaL_checkoption(L, lua_gettop(L), NULL, kinds)];
        if (kind != s->kind)
            *s = mtl_optim_defaults(kind);
    }
    lua_pop(L, 1);
    s->lr = lmtl_number_field(L, "optimizer", index, "lr", s->lr);
    s->weight_decay = lmtl_number_field(L, "optimizer", index, "weight_decay", s->weight_decay);
    s->momentum = lmtl_number_field(L, "optimizer", index, "momentum", s->momentum);
    s->dampening = lmtl_number_field(L, "optimizer", index, "dampening", s->dampening);
    s->beta1 = lmtl_number_field(L, "optimizer", index, "beta1", s->beta1);
    s->beta2 = lmtl_number_field(L, "optimizer", index, "beta2", s->beta2);
    s->eps = lmtl_number_field(L, "optimizer", index, "eps", s->eps);
    s->nesterov = lmtl_bool_field(L, index, "nesterov", s->nesterov);
}

/* core.optimizer(model | arena, { kind = "sgd", lr = ... }) */
static int l_optimizer(lua_State *L)
{
    lmtl_arena_of(L, 1);
    lua_settop(L, 2);
    box *b = lua_newuserdatauv(L, sizeof *b, 1);
    memset(b, 0, sizeof *b);
    luaL_setmetatable(L, OPTIMIZER);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    b->settings = mtl_optim_defaults(MTL_OPTIM_SGD);
    read_settings(L, 2, &b->settings);
    lmtl_check(L, mtl_optimizer_new(lmtl_arena_of(L, 1), &b->settings, &b->optimizer));
    return 1;
}

/* opt:step([mask [, clip]]); the norm is read by arena:grad_norm */
static int o_step(lua_State *L)
{
    double clip = luaL_optnumber(L, 3, 0.0);
    uint64_t mask = (uint64_t)luaL_optinteger(L, 2, -1);
    lmtl_check(L, mtl_optimizer_step(check(L, 1)->optimizer, mask, clip));
    return 0;
}

static int o_set(lua_State *L)
{
    lua_settop(L, 2);
    box *b = check(L, 1);
    mtl_optim_settings settings = b->settings;
    read_settings(L, 2, &settings);
    lmtl_check(L, mtl_optimizer_set(b->optimizer, &settings));
    b->settings = settings;
    lua_settop(L, 1);
    return 1;
}

/* opt:moments() -> first, second: flat tensors, nil where the kind has none */
static int o_moments(lua_State *L)
{
    lua_settop(L, 1);
    for (int i = 0; i < 2; i++) {
        mtl_tensor **tensor = lmtl_new_tensor(L);
        lmtl_borrowed(L, tensor, mtl_optimizer_moment(check(L, 1)->optimizer, i));
    }
    return 2;
}

/* opt:counts([counts]) -> step counts, one for each task mask */
static int o_counts(lua_State *L)
{
    mtl_optimizer *o = check(L, 1)->optimizer;
    int n = mtl_optimizer_groups(o);
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        if ((int)lua_rawlen(L, 2) != n)
            return luaL_error(L, "counts: %d numbers, which should be %d", (int)lua_rawlen(L, 2), n);
        for (int i = 0; i < n; i++) {
            lua_rawgeti(L, 2, i + 1);
            int whole;
            lua_Integer count = lua_tointegerx(L, -1, &whole);
            if (!whole || count < 0)
                return luaL_error(L, "counts: number %d should be a whole number of steps", i + 1);
            mtl_optimizer_set_count(o, i, count);
            lua_pop(L, 1);
        }
    }
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushinteger(L, mtl_optimizer_count(o, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

void lmtl_open_optimizer(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", optimizer_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"step", o_step}, {"set", o_set}, {"moments", o_moments}, {"counts", o_counts}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"optimizer", l_optimizer}, {NULL, NULL}};
    lmtl_type(L, OPTIMIZER, meta, methods);
    luaL_setfuncs(L, functions, 0);
}

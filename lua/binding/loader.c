/* Batches of a data set in memory. */
#include "lmtl.h"

#define LOADER "mtl.loader"
enum { MAX_FIELDS = 256 };

typedef struct {
    mtl_loader *loader;
    int fields;
} box;

static box *check(lua_State *L, int arg)
{
    box *b = luaL_checkudata(L, arg, LOADER);
    luaL_argcheck(L, b->loader, arg, "this loader was closed");
    return b;
}

static int loader_gc(lua_State *L)
{
    box *b = luaL_checkudata(L, 1, LOADER);
    mtl_loader_free(b->loader);
    b->loader = NULL;
    return 0;
}

/* core.loader({ { tensor =, scale = 1, shift = 0 }, ... }, batch) */
static int l_loader(lua_State *L)
{
    static const char *const keys[] = {"tensor", "scale", "shift", NULL};
    mtl_field fields[MAX_FIELDS];
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    lua_Integer batch = luaL_checkinteger(L, 2);
    lua_Unsigned n = lua_rawlen(L, 1);
    if (n < 1 || n > MAX_FIELDS)
        return luaL_error(L, "loader: %I fields, which should be 1 to %d", (lua_Integer)n, (int)MAX_FIELDS);
    box *b = lua_newuserdatauv(L, sizeof *b, 0);
    b->loader = NULL;
    b->fields = (int)n;
    luaL_setmetatable(L, LOADER);
    lmtl_list *list = lmtl_new_list(L, (int64_t)n);
    for (int i = 0; i < (int)n; i++) {
        lua_rawgeti(L, 1, i + 1);
        lmtl_check_keys(L, "loader", 5, keys);
        fields[i].scale = lmtl_number_field(L, "loader", 5, "scale", 1.0);
        fields[i].shift = lmtl_number_field(L, "loader", 5, "shift", 0.0);
        lua_getfield(L, 5, "tensor");
        lmtl_list_set(L, list, i, "loader: tensor of field");
        lua_settop(L, 4);
        fields[i].tensor = list->tensor[i];
    }
    mtl_status status = mtl_loader_new(lmtl_context(), (int)n, fields, batch, &b->loader);
    lmtl_list_clear(list);
    lmtl_check(L, status);
    lua_settop(L, 3);
    return 1;
}

/* loader:start(shuffle, seed, epoch [, first batch = 0]) */
static int o_start(lua_State *L)
{
    bool shuffle = lua_toboolean(L, 2);
    uint64_t seed = (uint64_t)luaL_optinteger(L, 3, 0), epoch = (uint64_t)luaL_optinteger(L, 4, 0);
    lua_Integer first = luaL_optinteger(L, 5, 0);
    lmtl_check(L, mtl_loader_start(check(L, 1)->loader, shuffle, seed, epoch, first));
    return 0;
}

/* loader:next() -> tensors, rows; nil at the end of the epoch */
static int o_next(lua_State *L)
{
    mtl_tensor *batch[MAX_FIELDS] = {NULL}, **boxes[MAX_FIELDS];
    int64_t rows = 0;
    int n = check(L, 1)->fields;
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        boxes[i] = lmtl_new_tensor(L);
        lua_rawseti(L, -2, i + 1);
    }
    lmtl_check(L, mtl_loader_next(check(L, 1)->loader, batch, &rows));
    for (int i = 0; i < n; i++)
        *boxes[i] = batch[i];
    if (rows == 0) {
        lua_pushnil(L);
        return 1;
    }
    lmtl_weigh(L);
    lua_pushinteger(L, rows);
    return 2;
}

static int o_rows(lua_State *L)
{
    lua_pushinteger(L, mtl_loader_rows(check(L, 1)->loader));
    return 1;
}

static int o_batches(lua_State *L)
{
    lua_pushinteger(L, mtl_loader_batches(check(L, 1)->loader));
    return 1;
}

void lmtl_open_loader(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", loader_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"start", o_start}, {"next", o_next}, {"rows", o_rows}, {"batches", o_batches}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"loader", l_loader}, {NULL, NULL}};
    lmtl_type(L, LOADER, meta, methods);
    luaL_setfuncs(L, functions, 0);
}

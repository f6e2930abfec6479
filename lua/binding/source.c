/* Sources: where a loader's rows come from. Paths are used as given: mtl.path checks them before they come here. */
#include "lmtl.h"

#define SOURCE "mtl.source"

mtl_source **lmtl_new_source(lua_State *L)
{
    mtl_source **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, SOURCE);
    return box;
}

mtl_source *lmtl_source(lua_State *L, int arg)
{
    mtl_source **box = luaL_checkudata(L, arg, SOURCE);
    luaL_argcheck(L, *box, arg, "this source was closed");
    return *box;
}

mtl_source *lmtl_test_source(lua_State *L, int index)
{
    mtl_source **box = luaL_testudata(L, index, SOURCE);
    return box ? *box : NULL;
}

static int source_gc(lua_State *L)
{
    mtl_source **box = luaL_checkudata(L, 1, SOURCE);
    mtl_source *source = *box;
    *box = NULL;
    mtl_source_release(source);
    return 0;
}

/* The texts of the list at 1, which keeps them; pushes the box of their array. */
static const char **texts(lua_State *L, const char *who, lua_Unsigned *n)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    *n = lua_rawlen(L, 1);
    const char **list = lua_newuserdatauv(L, (*n + 1) * sizeof *list, 0);
    for (lua_Unsigned i = 0; i < *n; i++) {
        if (lua_rawgeti(L, 1, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "%s: path %I is %s, which should be text", who, (lua_Integer)i + 1, luaL_typename(L, -1));
        list[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    return list;
}

/* core.png_source(paths [, { mode = "any" }]) */
static int l_png_source(lua_State *L)
{
    static const char *const keys[] = {"mode", NULL};
    static const char *const names[] = {"any", "gray", "rgb", "rgba", "index", "gray16", NULL};
    static const mtl_png_mode modes[] = {MTL_PNG_ANY,  MTL_PNG_GRAY,  MTL_PNG_RGB,
                                         MTL_PNG_RGBA, MTL_PNG_INDEX, MTL_PNG_GRAY16};
    lua_Unsigned n;
    int mode = 0;
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        lmtl_check_keys(L, "png_source", 2, keys);
        lua_getfield(L, 2, "mode");
        mode = luaL_checkoption(L, 3, "any", names);
        lua_settop(L, 2);
    }
    const char **paths = texts(L, "png_source", &n);
    mtl_source **box = lmtl_new_source(L);
    lmtl_check(L, mtl_source_png(lmtl_context(), (int64_t)n, paths, modes[mode], box));
    return 1;
}

/* core.npy_source(path): row i is array[i] */
static int l_npy_source(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mtl_source **box = lmtl_new_source(L);
    lmtl_check(L, mtl_source_npy(lmtl_context(), path, box));
    return 1;
}

/* core.npy_files_source(paths): a file a row */
static int l_npy_files_source(lua_State *L)
{
    lua_Unsigned n;
    lua_settop(L, 1);
    const char **paths = texts(L, "npy_files_source", &n);
    mtl_source **box = lmtl_new_source(L);
    lmtl_check(L, mtl_source_npy_files(lmtl_context(), (int64_t)n, paths, box));
    return 1;
}

/* core.tensor_source(tensor): row i is tensor[i] */
static int l_tensor_source(lua_State *L)
{
    mtl_tensor *t = lmtl_tensor(L, 1);
    mtl_source **box = lmtl_new_source(L);
    lmtl_check(L, mtl_source_tensor(t, box));
    return 1;
}

/* core.join_sources(sources): the rows of all, one after the other */
static int l_join_sources(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_Unsigned n = lua_rawlen(L, 1);
    if (n > 65536)
        return luaL_error(L, "join_sources: %I sources, which should be 1 to 65536", (lua_Integer)n);
    mtl_source **box = lmtl_new_source(L);
    mtl_source **list = lua_newuserdatauv(L, (n + 1) * sizeof *list, 0);
    for (lua_Unsigned i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        list[i] = lmtl_test_source(L, -1);
        if (!list[i])
            return luaL_error(L, "join_sources: source %I is %s, which should be a source", (lua_Integer)i + 1,
                              luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    lmtl_check(L, mtl_source_join(lmtl_context(), (int)n, list, box));
    lua_settop(L, 2);
    return 1;
}

static int s_len(lua_State *L)
{
    lua_pushinteger(L, mtl_source_rows(lmtl_source(L, 1)));
    return 1;
}

/* source:shape() -> of a row */
static int s_shape(lua_State *L)
{
    const mtl_source *s = lmtl_source(L, 1);
    lmtl_push_shape(L, mtl_source_rank(s), mtl_source_shape(s));
    return 1;
}

static int s_dtype(lua_State *L)
{
    lua_pushstring(L, mtl_dtype_name(mtl_source_dtype(lmtl_source(L, 1))));
    return 1;
}

/* source:name(row) -> the path of its file; nil: it is in memory. Rows count from 1. */
static int s_name(lua_State *L)
{
    const mtl_source *s = lmtl_source(L, 1);
    lua_pushstring(L, mtl_source_name(s, lmtl_index(L, "name", luaL_checkinteger(L, 2), mtl_source_rows(s))));
    return 1;
}

/* source:take(rows) -> these rows as they are; rows: int32, from 0 */
static int s_take(lua_State *L)
{
    lua_settop(L, 2);
    mtl_tensor **box = lmtl_new_tensor(L);
    mtl_source *s = lmtl_source(L, 1);
    const mtl_tensor *rows = lmtl_tensor(L, 2);
    if (mtl_tensor_dtype(rows) != MTL_I32 || mtl_tensor_rank(rows) != 1 || !mtl_tensor_data(rows))
        return luaL_error(L, "take: rows are %s of %d dimensions, which should be int32 [n]",
                          mtl_dtype_name(mtl_tensor_dtype(rows)), mtl_tensor_rank(rows));
    return lmtl_result(L, mtl_source_take(s, mtl_tensor_count(rows), mtl_tensor_data(rows), box));
}

void lmtl_open_source(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", source_gc}, {"__len", s_len}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"shape", s_shape}, {"dtype", s_dtype}, {"name", s_name}, {"take", s_take}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"png_source", l_png_source},       {"npy_source", l_npy_source},     {"npy_files_source", l_npy_files_source},
        {"tensor_source", l_tensor_source}, {"join_sources", l_join_sources}, {NULL, NULL}};
    lmtl_type(L, SOURCE, meta, methods);
    luaL_setfuncs(L, functions, 0);
}

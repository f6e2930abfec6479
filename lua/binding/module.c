/* luaopen_mtl_core: the context, errors, and the types of boxes. */
#include <string.h>

#include "lmtl.h"

static mtl_context *context;
static mtl_status last_status = MTL_OK;

mtl_context *lmtl_context(void)
{
    return context;
}

void lmtl_check(lua_State *L, mtl_status status)
{
    if (status == MTL_OK)
        return;
    last_status = status;
    luaL_error(L, "%s", mtl_message(context));
}

/* core.last_status() -> "memory", "io", ... and the message: the last failure of a call of libmtl; nil: none yet. */
static int l_last_status(lua_State *L)
{
    static const char *const names[] = {NULL,          "arg",    "shape", "dtype",  "state",
                                        "unsupported", "format", "io",    "memory", "device"};
    lua_pushstring(L, names[last_status]);
    lua_pushstring(L, mtl_message(context));
    return 2;
}

void lmtl_type(lua_State *L, const char *name, const luaL_Reg *meta, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, meta, 0);
    if (methods) {
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

/* core.type(v) -> "mtl.tensor", "mtl.model", ... or nil for what is not mtl's. */
static int l_type(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_type(L, 1) != LUA_TUSERDATA || luaL_getmetafield(L, 1, "__name") != LUA_TSTRING ||
        strncmp(lua_tostring(L, -1), "mtl.", 4) != 0)
        lua_pushnil(L);
    return 1;
}

static const luaL_Reg functions[] = {{"type", l_type}, {"last_status", l_last_status}, {NULL, NULL}};

int luaopen_mtl_core(lua_State *L)
{
    if (!context && mtl_context_new(0, &context) != MTL_OK)
        return luaL_error(L, "mtl: no memory left");
    luaL_newlib(L, functions);
    lua_pushliteral(L, MTL_VERSION);
    lua_setfield(L, -2, "VERSION");
    lua_pushliteral(L, MTL_DATA_DIR); /* where `cmake --install` puts recipes and data sets */
    lua_setfield(L, -2, "DATA_DIR");
    lmtl_open_memory(L);
    lmtl_open_tensor(L);
    lmtl_open_grad(L);
    lmtl_open_later(L);
    lmtl_open_model(L);
    lmtl_open_optimizer(L);
    lmtl_open_task(L);
    lmtl_open_loader(L);
    lmtl_open_io(L);
    lmtl_open_bundle(L);
    lmtl_open_json(L);
    lmtl_open_metrics(L);
    lmtl_open_random(L);
    lmtl_open_system(L);
    lmtl_open_process(L);
    lmtl_open_prompt(L);
    lmtl_open_wall(L);
    lmtl_open_interrupt(L);
    lmtl_open_box(L);
    return 1;
}

/* The multi-task part of libmtl: mixing task gradients. */
#include "lmtl.h"

/* core.mix(model, mask, weights): the gradient as the weighted sum of task gradients; see mtl/task.h */
static int l_mix(lua_State *L)
{
    double weight[MTL_MAX_TASKS];
    mtl_arena *arena = lmtl_arena_of(L, 1);
    uint64_t active = (uint64_t)luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_Unsigned n = lua_rawlen(L, 3);
    if (n > MTL_MAX_TASKS)
        return luaL_error(L, "mix: %I weights, which should be one a task", (lua_Integer)n);
    for (int i = 0; i < (int)n; i++) {
        if (lua_rawgeti(L, 3, i + 1) != LUA_TNUMBER)
            return luaL_error(L, "mix: weight %d is %s, which should be a number", i + 1, luaL_tolstring(L, -1, NULL));
        weight[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lmtl_check(L, mtl_mix(arena, active, (int)n, weight));
    return 0;
}

void lmtl_open_task(lua_State *L)
{
    static const luaL_Reg functions[] = {{"mix", l_mix}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

/* The multi-task part of libmtl: Gramian and mix of the task gradients. */
#include "lmtl.h"

/* Numbers of a list, one a task; how many. */
static int numbers(lua_State *L, int arg, double *to)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_Unsigned n = lua_rawlen(L, arg);
    if (n > MTL_MAX_TASKS)
        return luaL_error(L, "mix: %I weights, which should be one a task", (lua_Integer)n);
    for (int i = 0; i < (int)n; i++) {
        if (lua_rawgeti(L, arg, i + 1) != LUA_TNUMBER)
            return luaL_error(L, "mix: weight %d is %s, which should be a number", i + 1, luaL_tolstring(L, -1, NULL));
        to[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    return (int)n;
}

/* core.mix(model, mask, weights [, weights of heads [, max_norm]]): the gradient as the weighted sum of task gradients;
   see mtl/task.h */
static int l_mix(lua_State *L)
{
    double weight[MTL_MAX_TASKS], own[MTL_MAX_TASKS];
    mtl_arena *arena = lmtl_arena_of(L, 1);
    uint64_t active = (uint64_t)luaL_checkinteger(L, 2);
    int n = numbers(L, 3, weight);
    bool apart = !lua_isnoneornil(L, 4);
    if (apart && numbers(L, 4, own) != n)
        return luaL_error(L, "mix: %d weights, but another number of heads", n);
    lmtl_check(L, mtl_mix(arena, active, n, weight, apart ? own : NULL, luaL_optnumber(L, 5, 0)));
    return 0;
}

/* core.gram(model [, prefix]) -> { { <g1, g1>, <g1, g2>, ... }, ... }: the Gramian over the shared slots */
static int l_gram(lua_State *L)
{
    mtl_arena *arena = lmtl_arena_of(L, 1);
    const char *prefix = luaL_optstring(L, 2, "");
    int n = mtl_arena_tasks(arena);
    double *gram = lua_newuserdatauv(L, (size_t)(n * n + 1) * sizeof *gram, 0);
    lmtl_check(L, mtl_gram(arena, prefix, gram));
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_createtable(L, n, 0);
        for (int j = 0; j < n; j++) {
            lua_pushnumber(L, gram[i * n + j]);
            lua_rawseti(L, -2, j + 1);
        }
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

void lmtl_open_task(lua_State *L)
{
    static const luaL_Reg functions[] = {{"mix", l_mix}, {"gram", l_gram}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

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

/* Weights by slices { { w, ... }, ... } and the slice of each slot, from 1, become arrays (userdata). */
static const double *sliced(lua_State *L, int weights, int slices, int slots, int n, const int **slice)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, weights);
    double *all = lua_newuserdatauv(L, ((size_t)count * MTL_MAX_TASKS + 1) * sizeof *all, 0);
    int *of = lua_newuserdatauv(L, ((size_t)slots + 1) * sizeof *of, 0);
    if (count < 1 || (int)lua_rawlen(L, slices) != slots)
        luaL_error(L, "mix: %I slices for %d slots", (lua_Integer)lua_rawlen(L, slices), slots);
    for (lua_Integer k = 0; k < count; k++) {
        lua_rawgeti(L, weights, k + 1);
        if (numbers(L, lua_gettop(L), all + k * n) != n)
            luaL_error(L, "mix: slice %I has not %d weights", k + 1, n);
        lua_pop(L, 1);
    }
    for (int i = 0; i < slots; i++) {
        lua_rawgeti(L, slices, i + 1);
        of[i] = (int)lmtl_index(L, "mix: slice", lua_tointeger(L, -1), count);
        lua_pop(L, 1);
    }
    *slice = of;
    return all;
}

/* core.mix(model, mask, weights, weights of heads [, max_norm [, slices]]): the gradient as the weighted sum of task
   gradients; see mtl/task.h. slices: for each slot, in the order of model:parameters(), which list of `weights` is its
   own, from 1; then `weights` is a list of lists. */
static int l_mix(lua_State *L)
{
    double weight[MTL_MAX_TASKS], own[MTL_MAX_TASKS];
    const double *weights = weight;
    const int *slice = NULL;
    mtl_arena *arena = lmtl_arena_of(L, 1);
    uint64_t active = (uint64_t)luaL_checkinteger(L, 2);
    lua_settop(L, 6);
    int n = numbers(L, 4, own);
    if (!lua_isnil(L, 6))
        weights = sliced(L, 3, 6, mtl_arena_slots(arena), n, &slice);
    else if (numbers(L, 3, weight) != n)
        return luaL_error(L, "mix: %d weights, but another number of heads", n);
    lmtl_check(L, mtl_mix(arena, active, n, weights, slice, own, luaL_optnumber(L, 5, 0)));
    return 0;
}

static int push_matrix(lua_State *L, const double *x, int rows, int columns)
{
    lua_createtable(L, rows, 0);
    for (int i = 0; i < rows; i++) {
        lua_createtable(L, columns, 0);
        for (int j = 0; j < columns; j++) {
            lua_pushnumber(L, x[i * columns + j]);
            lua_rawseti(L, -2, j + 1);
        }
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* core.gram(model [, prefix]) -> { { <g1, g1>, <g1, g2>, ... }, ... }: the Gramian over the shared slots */
static int l_gram(lua_State *L)
{
    mtl_arena *arena = lmtl_arena_of(L, 1);
    const char *prefix = luaL_optstring(L, 2, "");
    int n = mtl_arena_tasks(arena);
    double *gram = lua_newuserdatauv(L, (size_t)(n * n + 1) * sizeof *gram, 0);
    lmtl_check(L, mtl_gram(arena, prefix, gram));
    return push_matrix(L, gram, n, n);
}

/* core.products(x, y) -> { { <x1, y1>, <x1, y2>, ... }, ... }: of all pairs of rows of two tensors, or of one with
   itself */
static int l_products(lua_State *L)
{
    mtl_tensor *x = lmtl_tensor(L, 1), *y = lmtl_tensor(L, 2);
    int rows[2];
    for (int i = 0; i < 2; i++) {
        const mtl_tensor *t = i ? y : x;
        if (mtl_tensor_rank(t) == 0 || mtl_tensor_shape(t)[0] > 1 << 12)
            return luaL_error(L, "products: a tensor without rows, or with more than %d", 1 << 12);
        rows[i] = (int)mtl_tensor_shape(t)[0];
    }
    double *products = lua_newuserdatauv(L, ((size_t)rows[0] * (size_t)rows[1] + 1) * sizeof *products, 0);
    lmtl_check(L, mtl_products(x, y, products));
    return push_matrix(L, products, rows[0], rows[1]);
}

void lmtl_open_task(lua_State *L)
{
    static const luaL_Reg functions[] = {{"mix", l_mix}, {"gram", l_gram}, {"products", l_products}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

/* Gradients: leaves, the backward pass, and switching the tape off. */
#include "lmtl.h"

/* t:requires_grad() -> boolean; t:requires_grad(bool) -> t */
static int t_requires_grad(lua_State *L)
{
    mtl_tensor *t = lmtl_tensor(L, 1);
    if (lua_isnone(L, 2)) {
        lua_pushboolean(L, mtl_tensor_requires_grad(t));
        return 1;
    }
    lmtl_check(L, mtl_tensor_require_grad(t, lua_toboolean(L, 2)));
    lua_settop(L, 1);
    return 1;
}

/* t:backward([seed]) */
static int t_backward(lua_State *L)
{
    mtl_root root = {.value = lmtl_tensor(L, 1), .scale = 1.0};
    if (!lua_isnoneornil(L, 2))
        root.seed = lmtl_tensor(L, 2);
    lmtl_check(L, mtl_backward(lmtl_context(), 1, &root, 1));
    return 0;
}

static int t_grad(lua_State *L)
{
    mtl_tensor **box = lmtl_new_tensor(L);
    return lmtl_borrowed(L, box, mtl_tensor_grad(lmtl_tensor(L, 1)));
}

static int t_zero_grad(lua_State *L)
{
    mtl_tensor_zero_grad(lmtl_tensor(L, 1));
    return 0;
}

/* core.backward({ { value =, scale = 1, seed = nil, row = 1 }, ... } [, rows = 1 [, at]]); at: a tensor that the values
   were computed from; the pass goes no further and returns its gradients, [rows, ...] */
static int l_backward(lua_State *L)
{
    static const char *const keys[] = {"value", "scale", "seed", "row", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 3);
    lua_Integer rows = luaL_optinteger(L, 2, 1), n = (lua_Integer)lua_rawlen(L, 1);
    if (n < 1 || n > 1 << 16)
        return luaL_error(L, "backward: %I roots, which should be one or more", n);
    if (rows < 1 || rows > MTL_MAX_TASKS)
        return luaL_error(L, "backward: %I rows, which should be 1 to %d", rows, MTL_MAX_TASKS);
    mtl_root *roots = lua_newuserdatauv(L, (size_t)n * sizeof *roots, 0);
    lmtl_list *values = lmtl_new_list(L, n), *seeds = lmtl_new_list(L, n);
    for (lua_Integer i = 0; i < n; i++) {
        lua_rawgeti(L, 1, i + 1);
        int table = lua_gettop(L);
        lmtl_check_keys(L, "backward", table, keys);
        lua_Integer row = lmtl_integer_field(L, "backward", table, "row", 1);
        if (row < 1 || row > rows)
            return luaL_error(L, "backward: root %I wants row %I of %I", i + 1, row, rows);
        roots[i] = (mtl_root){.row = (int)row - 1, .scale = lmtl_number_field(L, "backward", table, "scale", 1.0)};
        lua_getfield(L, table, "value");
        lmtl_list_set(L, values, i, "backward: value of root");
        if (lua_getfield(L, table, "seed") != LUA_TNIL)
            lmtl_list_set(L, seeds, i, "backward: seed of root");
        lua_settop(L, table - 1);
        roots[i].value = values->tensor[i];
        roots[i].seed = seeds->tensor[i];
    }
    mtl_tensor *at = lua_isnil(L, 3) ? NULL : lmtl_tensor(L, 3), **grad = lmtl_new_tensor(L);
    mtl_status status = at ? mtl_backward_to(lmtl_context(), (int)n, roots, (int)rows, at, grad)
                           : mtl_backward(lmtl_context(), (int)n, roots, (int)rows);
    lmtl_list_clear(values);
    lmtl_list_clear(seeds);
    lmtl_check(L, status);
    return at ? lmtl_result(L, status) : 0;
}

/* core.recording([on]) -> the former setting */
static int l_recording(lua_State *L)
{
    bool was = mtl_recording(lmtl_context());
    if (!lua_isnoneornil(L, 1))
        mtl_set_recording(lmtl_context(), lua_toboolean(L, 1));
    lua_pushboolean(L, was);
    return 1;
}

/* core.no_grad(f, ...) -> what f returns; the tape is off while it runs, and back as it was also after an error */
static int l_no_grad(lua_State *L)
{
    luaL_checkany(L, 1);
    bool was = mtl_set_recording(lmtl_context(), false);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    mtl_set_recording(lmtl_context(), was);
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

const luaL_Reg lmtl_grad_methods[] = {{"requires_grad", t_requires_grad},
                                      {"backward", t_backward},
                                      {"grad", t_grad},
                                      {"zero_grad", t_zero_grad},
                                      {NULL, NULL}};

void lmtl_open_grad(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"backward", l_backward}, {"recording", l_recording}, {"no_grad", l_no_grad}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

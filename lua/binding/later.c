/* Numbers of tensors that need not be read at once. */
#include "lmtl.h"

#define LATER "mtl.later"

typedef struct {
    mtl_later *later;
} box;

static int later_gc(lua_State *L)
{
    box *b = luaL_checkudata(L, 1, LATER);
    mtl_later_free(b->later);
    b->later = NULL;
    return 0;
}

/* Appends to the list on top of the stack, which has `at` numbers; how many it has then. */
static int push_numbers(lua_State *L, int at, const float *numbers, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        lua_pushnumber(L, (lua_Number)numbers[i]);
        lua_rawseti(L, -2, ++at);
    }
    return at;
}

/* later() -> the list of numbers; waits for the device */
static int later_call(lua_State *L)
{
    box *b = luaL_checkudata(L, 1, LATER);
    const float *numbers;
    lmtl_check(L, mtl_later_get(b->later, &numbers));
    lua_createtable(L, (int)mtl_later_count(b->later), 0);
    push_numbers(L, 0, numbers, mtl_later_count(b->later));
    return 1;
}

/* core.later(tensor, ...) -> what the tensors hold now, one after the other, float32: a list of numbers on the CPU,
   where nothing waits; elsewhere a function that gives the list, so that whoever does not need it yet does not wait */
static int l_later(lua_State *L)
{
    int n = lua_gettop(L);
    bool on_cpu = n > 0;
    for (int i = 1; i <= n; i++) {
        mtl_tensor *t = lmtl_tensor(L, i);
        on_cpu = on_cpu && mtl_tensor_data(t) && mtl_tensor_dtype(t) == MTL_F32;
    }
    if (on_cpu) {
        lua_createtable(L, n, 0);
        for (int i = 1, at = 0; i <= n; i++)
            at = push_numbers(L, at, mtl_tensor_data(lmtl_tensor(L, i)), mtl_tensor_count(lmtl_tensor(L, i)));
        return 1;
    }
    box *b = lua_newuserdatauv(L, sizeof *b, 0);
    b->later = NULL;
    luaL_setmetatable(L, LATER);
    mtl_tensor **list = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *list, 0);
    for (int i = 0; i < n; i++)
        list[i] = lmtl_tensor(L, i + 1);
    lmtl_check(L, mtl_later_new(lmtl_context(), n, list, &b->later));
    lua_pop(L, 1);
    return 1;
}

/* core.waits() -> how often the host has waited for a device of OpenCL */
static int l_waits(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)mtl_device_waits(lmtl_context()));
    return 1;
}

void lmtl_open_later(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", later_gc}, {"__call", later_call}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"later", l_later}, {"waits", l_waits}, {NULL, NULL}};
    lmtl_type(L, LATER, meta, NULL);
    luaL_setfuncs(L, functions, 0);
}

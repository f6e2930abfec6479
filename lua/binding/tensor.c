/* Tensor boxes: what they are, what is in them, and how their bytes go in and out. */
#include <string.h>

#include "lmtl.h"

mtl_tensor **lmtl_new_tensor(lua_State *L)
{
    mtl_tensor **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, LMTL_TENSOR);
    return box;
}

mtl_tensor *lmtl_tensor(lua_State *L, int arg)
{
    mtl_tensor **box = luaL_checkudata(L, arg, LMTL_TENSOR);
    if (!*box)
        luaL_argerror(L, arg, "this tensor was closed");
    return *box;
}

mtl_tensor *lmtl_test_tensor(lua_State *L, int index)
{
    mtl_tensor **box = luaL_testudata(L, index, LMTL_TENSOR);
    return box ? *box : NULL;
}

int lmtl_borrowed(lua_State *L, mtl_tensor **box, mtl_tensor *t)
{
    if (t) {
        *box = mtl_tensor_retain(t);
    } else {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
    return 1;
}

int lmtl_result(lua_State *L, mtl_status status)
{
    lmtl_check(L, status);
    lmtl_weigh(L);
    return 1;
}

mtl_tensor *lmtl_push_host(lua_State *L, int arg)
{
    arg = lua_absindex(L, arg);
    mtl_tensor **box = lmtl_new_tensor(L);
    lmtl_check(L, mtl_tensor_to(lmtl_tensor(L, arg), 0, box));
    return *box;
}

static int list_gc(lua_State *L)
{
    lmtl_list_clear(luaL_checkudata(L, 1, "mtl.list"));
    return 0;
}

lmtl_list *lmtl_new_list(lua_State *L, int64_t count)
{
    lmtl_list *list = lua_newuserdatauv(L, sizeof *list + (size_t)count * sizeof list->tensor[0], 0);
    list->count = count;
    memset(list->tensor, 0, (size_t)count * sizeof list->tensor[0]);
    luaL_setmetatable(L, "mtl.list");
    return list;
}

void lmtl_list_set(lua_State *L, lmtl_list *list, int64_t i, const char *what)
{
    mtl_tensor *t = lmtl_test_tensor(L, -1);
    if (!t)
        luaL_error(L, "%s %I is %s, which should be a tensor", what, (lua_Integer)(i + 1), luaL_typename(L, -1));
    list->tensor[i] = mtl_tensor_retain(t);
    lua_pop(L, 1);
}

void lmtl_list_clear(lmtl_list *list)
{
    for (int64_t i = 0; i < list->count; i++) {
        mtl_tensor_release(list->tensor[i]);
        list->tensor[i] = NULL;
    }
}

int lmtl_device(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index))
        return 0;
    if (lua_isinteger(L, index))
        return (int)lua_tointeger(L, index);
    int device;
    lmtl_check(L, mtl_device_find(lmtl_context(), luaL_checkstring(L, index), &device));
    return device;
}

static int t_gc(lua_State *L)
{
    mtl_tensor **box = luaL_checkudata(L, 1, LMTL_TENSOR);
    mtl_tensor *t = *box;
    *box = NULL;
    mtl_tensor_release(t);
    return 0;
}

/* t:shape() -> table; t:shape(dim) -> size */
static int t_shape(lua_State *L)
{
    mtl_tensor *t = lmtl_tensor(L, 1);
    if (!lua_isnoneornil(L, 2))
        lua_pushinteger(L, mtl_tensor_shape(t)[lmtl_dim(L, "shape", 2, t, 0)]);
    else
        lmtl_push_shape(L, mtl_tensor_rank(t), mtl_tensor_shape(t));
    return 1;
}

static int t_rank(lua_State *L)
{
    lua_pushinteger(L, mtl_tensor_rank(lmtl_tensor(L, 1)));
    return 1;
}

static int t_count(lua_State *L)
{
    lua_pushinteger(L, mtl_tensor_count(lmtl_tensor(L, 1)));
    return 1;
}

static int t_dtype(lua_State *L)
{
    lua_pushstring(L, mtl_dtype_name(mtl_tensor_dtype(lmtl_tensor(L, 1))));
    return 1;
}

static int t_device(lua_State *L)
{
    char name[16];
    mtl_device_name(mtl_tensor_device(lmtl_tensor(L, 1)), name, sizeof name);
    lua_pushstring(L, name);
    return 1;
}

static int t_to(lua_State *L)
{
    lua_settop(L, 2);
    int device = lmtl_device(L, 2);
    mtl_tensor **box = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_tensor_to(lmtl_tensor(L, 1), device, box));
}

static int t_len(lua_State *L)
{
    mtl_tensor *t = lmtl_tensor(L, 1);
    if (mtl_tensor_rank(t) == 0)
        return luaL_error(L, "#: a tensor of shape [] has no first dimension");
    lua_pushinteger(L, mtl_tensor_shape(t)[0]);
    return 1;
}

static void push_element(lua_State *L, const mtl_tensor *host, int64_t i)
{
    const void *data = mtl_tensor_data(host);
    switch (mtl_tensor_dtype(host)) {
    case MTL_F32:
        lua_pushnumber(L, (lua_Number)((const float *)data)[i]);
        break;
    case MTL_I32:
        lua_pushinteger(L, ((const int32_t *)data)[i]);
        break;
    case MTL_U8:
        lua_pushinteger(L, ((const uint8_t *)data)[i]);
        break;
    }
}

static int t_item(lua_State *L)
{
    lua_settop(L, 1);
    mtl_tensor *t = lmtl_push_host(L, 1);
    char text[MTL_SHAPE_TEXT];
    if (mtl_tensor_count(t) != 1)
        return luaL_error(L, "item: a tensor of shape %s, which should hold one element",
                          mtl_shape_text(mtl_tensor_rank(t), mtl_tensor_shape(t), text, sizeof text));
    push_element(L, t, 0);
    return 1;
}

static void push_nested(lua_State *L, const mtl_tensor *host, int dim, int64_t *at)
{
    if (dim == mtl_tensor_rank(host)) {
        push_element(L, host, (*at)++);
        return;
    }
    int64_t size = mtl_tensor_shape(host)[dim];
    lua_createtable(L, size < 1 << 20 ? (int)size : 0, 0);
    for (int64_t i = 0; i < size; i++) {
        push_nested(L, host, dim + 1, at);
        lua_rawseti(L, -2, i + 1);
    }
}

static int t_totable(lua_State *L)
{
    int64_t at = 0;
    lua_settop(L, 1);
    luaL_checkstack(L, MTL_MAX_RANK + 4, NULL);
    push_nested(L, lmtl_push_host(L, 1), 0, &at);
    return 1;
}

/* t:survey() -> how many elements are missing (NaN; below 0 for integers), how many are 0, the least and the greatest
   number; remembered until the tensor is written */
static int t_survey(lua_State *L)
{
    mtl_survey s;
    lmtl_check(L, mtl_tensor_survey(lmtl_tensor(L, 1), &s));
    lua_pushinteger(L, s.missing);
    lua_pushinteger(L, s.zeros);
    lua_pushnumber(L, s.least);
    lua_pushnumber(L, s.greatest);
    return 4;
}

/* t:host() -> its values on the CPU, for reading: what it was moved from, where that was surveyed; else a copy */
static int t_host(lua_State *L)
{
    mtl_tensor **host = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_tensor_host(lmtl_tensor(L, 1), host));
}

static int t_bytes(lua_State *L)
{
    luaL_Buffer b;
    lua_settop(L, 1);
    mtl_tensor *t = lmtl_push_host(L, 1);
    size_t bytes = mtl_tensor_bytes(t);
    char *to = luaL_buffinitsize(L, &b, bytes);
    lmtl_check(L, mtl_tensor_read(t, to));
    luaL_pushresultsize(&b, bytes);
    return 1;
}

static int t_detach(lua_State *L)
{
    lua_settop(L, 1);
    mtl_tensor **box = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_tensor_detach(lmtl_tensor(L, 1), box));
}

/* t:clone(): the same values in memory of its own, without history. */
static int t_clone(lua_State *L)
{
    lua_settop(L, 1);
    mtl_tensor **box = lmtl_new_tensor(L);
    mtl_tensor *t = lmtl_tensor(L, 1);
    lmtl_check(L, mtl_tensor_new_on(mtl_tensor_context(t), mtl_tensor_device(t), mtl_tensor_dtype(t),
                                    mtl_tensor_rank(t), mtl_tensor_shape(t), box));
    return lmtl_result(L, mtl_tensor_copy(*box, t));
}

static int t_fill(lua_State *L)
{
    lmtl_check(L, mtl_tensor_fill(lmtl_tensor(L, 1), luaL_checknumber(L, 2)));
    lua_settop(L, 1);
    return 1;
}

static int t_copy(lua_State *L)
{
    lmtl_check(L, mtl_tensor_copy(lmtl_tensor(L, 1), lmtl_tensor(L, 2)));
    lua_settop(L, 1);
    return 1;
}

/* t:add_(other [, alpha = 1]): t += alpha other, in place */
static int t_add(lua_State *L)
{
    lmtl_check(L, mtl_tensor_add(lmtl_tensor(L, 1), luaL_optnumber(L, 3, 1), lmtl_tensor(L, 2)));
    lua_settop(L, 1);
    return 1;
}

/* t:mul_(number), in place */
static int t_mul(lua_State *L)
{
    lmtl_check(L, mtl_tensor_scale(lmtl_tensor(L, 1), luaL_checknumber(L, 2)));
    lua_settop(L, 1);
    return 1;
}

/* t[i]: row i, a view. One past the end is nil, so that ipairs stops there; a name is a method (the first upvalue). */
static int t_index(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TNUMBER) {
        lua_settop(L, 2);
        lua_rawget(L, lua_upvalueindex(1));
        return 1;
    }
    lua_Integer i = luaL_checkinteger(L, 2);
    lua_settop(L, 2);
    mtl_tensor **slice = lmtl_new_tensor(L), **row = lmtl_new_tensor(L);
    mtl_tensor *t = lmtl_tensor(L, 1);
    const int64_t *shape = mtl_tensor_shape(t);
    if (mtl_tensor_rank(t) == 0)
        return luaL_error(L, "t[%I]: a tensor of shape [] has no first dimension; item() gives its number", i);
    if (i == shape[0] + 1) {
        lua_pushnil(L);
        return 1;
    }
    int64_t at = lmtl_index(L, "t[i]", i, shape[0]);
    lmtl_check(L, mtl_slice(t, 0, at, at + 1, slice)); /* both share storage */
    return lmtl_result(L, mtl_reshape(*slice, mtl_tensor_rank(t) - 1, shape + 1, row));
}

static int t_newindex(lua_State *L)
{
    return luaL_error(L, "a tensor is written with t[i]:fill_(number) or t[i]:copy_(tensor)");
}

static const luaL_Reg methods[] = {{"shape", t_shape},     {"rank", t_rank},   {"count", t_count}, {"dtype", t_dtype},
                                   {"device", t_device},   {"to", t_to},       {"item", t_item},   {"bytes", t_bytes},
                                   {"totable", t_totable}, {"clone", t_clone}, {"fill_", t_fill},  {"copy_", t_copy},
                                   {"detach", t_detach},   {"add_", t_add},    {"mul_", t_mul},    {"survey", t_survey},
                                   {"host", t_host},       {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", t_gc}, {"__close", t_gc}, {"__newindex", t_newindex}, {"__len", t_len}, {"__tostring", lmtl_tensor_text},
    {NULL, NULL}};

void lmtl_open_tensor(lua_State *L)
{
    static const luaL_Reg list_meta[] = {{"__gc", list_gc}, {NULL, NULL}};
    luaL_setfuncs(L, lmtl_make_functions, 0);
    luaL_setfuncs(L, lmtl_math_functions, 0);
    luaL_setfuncs(L, lmtl_shape_functions, 0);
    luaL_setfuncs(L, lmtl_layer_functions, 0);
    lmtl_type(L, "mtl.list", list_meta, NULL);
    lmtl_type(L, LMTL_TENSOR, meta, NULL);
    luaL_getmetatable(L, LMTL_TENSOR);
    luaL_setfuncs(L, lmtl_tensor_operators, 0);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    luaL_setfuncs(L, lmtl_math_functions, 0);
    luaL_setfuncs(L, lmtl_shape_functions, 0);
    luaL_setfuncs(L, lmtl_layer_functions, 0);
    luaL_setfuncs(L, lmtl_grad_methods, 0);
    lua_pushcclosure(L, t_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

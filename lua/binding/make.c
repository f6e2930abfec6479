/* Constructors of tensors: from tables, constants, ranges and bytes. */
#include <math.h>
#include <string.h>

#include "lmtl.h"

/* Shape of nested tables, from their first elements. */
static int nested_shape(lua_State *L, int index, int64_t *shape)
{
    int rank = 0;
    lua_pushvalue(L, index);
    while (lua_istable(L, -1)) {
        if (rank == MTL_MAX_RANK)
            luaL_error(L, "tensor: tables nested deeper than %d", MTL_MAX_RANK);
        shape[rank++] = (int64_t)lua_rawlen(L, -1);
        lua_rawgeti(L, -1, 1);
        lua_remove(L, -2);
    }
    lua_pop(L, 1);
    return rank;
}

static void put_number(lua_State *L, mtl_tensor *t, int64_t i)
{
    void *data = mtl_tensor_data(t);
    int is_number;
    lua_Number value = lua_tonumberx(L, -1, &is_number);
    mtl_dtype dtype = mtl_tensor_dtype(t);
    if (!is_number || lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "tensor: element %I is %s, which should be a number (or tables of one size)",
                   (lua_Integer)(i + 1), lua_isnil(L, -1) ? "missing" : luaL_typename(L, -1));
    if (dtype == MTL_F32) {
        ((float *)data)[i] = (float)value;
        return;
    }
    lua_Number low = dtype == MTL_U8 ? 0 : INT32_MIN, high = dtype == MTL_U8 ? UINT8_MAX : INT32_MAX;
    if (!(value >= low && value <= high) || value != floor(value))
        luaL_error(L, "tensor: element %I is %f, which should be a whole number from %f to %f for %s",
                   (lua_Integer)(i + 1), value, low, high, mtl_dtype_name(dtype));
    if (dtype == MTL_I32)
        ((int32_t *)data)[i] = (int32_t)value;
    else
        ((uint8_t *)data)[i] = (uint8_t)value;
}

static void put_nested(lua_State *L, mtl_tensor *t, int dim, int64_t *at)
{
    char text[MTL_SHAPE_TEXT];
    if (dim == mtl_tensor_rank(t)) {
        put_number(L, t, (*at)++);
        return;
    }
    int64_t size = mtl_tensor_shape(t)[dim];
    if (!lua_istable(L, -1) || (int64_t)lua_rawlen(L, -1) != size)
        luaL_error(L,
                   "tensor: tables of unequal sizes: after element %I one has %I elements, which should be %I for %s",
                   (lua_Integer)*at, lua_istable(L, -1) ? (lua_Integer)lua_rawlen(L, -1) : (lua_Integer)0,
                   (lua_Integer)size, mtl_shape_text(mtl_tensor_rank(t), mtl_tensor_shape(t), text, sizeof text));
    for (int64_t i = 0; i < size; i++) {
        lua_rawgeti(L, -1, i + 1);
        put_nested(L, t, dim + 1, at);
        lua_pop(L, 1);
    }
}

/* core.tensor(nested [, dtype]) */
static int l_tensor(lua_State *L)
{
    int64_t shape[MTL_MAX_RANK], at = 0;
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    mtl_dtype dtype = lmtl_dtype(L, "tensor", luaL_optstring(L, 2, "float32"));
    int rank = nested_shape(L, 1, shape);
    mtl_tensor **box = lmtl_new_tensor(L);
    lmtl_check(L, mtl_tensor_new(lmtl_context(), dtype, rank, shape, box));
    luaL_checkstack(L, MTL_MAX_RANK + 4, NULL);
    lua_pushvalue(L, 1);
    put_nested(L, *box, 0, &at);
    lua_pop(L, 1);
    return lmtl_result(L, MTL_OK);
}

/* Sizes and an optional dtype after them, from argument `first` on. */
static int filled(lua_State *L, const char *who, int first, double value)
{
    int64_t shape[MTL_MAX_RANK];
    int last = lua_gettop(L);
    mtl_dtype dtype = MTL_F32;
    if (last >= first && lua_type(L, last) == LUA_TSTRING)
        dtype = lmtl_dtype(L, who, lua_tostring(L, last--));
    int rank = lmtl_sizes(L, who, first, last, shape);
    mtl_tensor **box = lmtl_new_tensor(L);
    lmtl_check(L, mtl_tensor_new(lmtl_context(), dtype, rank, shape, box));
    return lmtl_result(L, mtl_tensor_fill(*box, value));
}

static int l_zeros(lua_State *L)
{
    return filled(L, "zeros", 1, 0.0);
}

static int l_ones(lua_State *L)
{
    return filled(L, "ones", 1, 1.0);
}

/* core.full(shape, value [, dtype]) */
static int l_full(lua_State *L)
{
    double value = luaL_checknumber(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_remove(L, 2);
    return filled(L, "full", 1, value);
}

/* core.arange(n [, dtype]): 0 .. n-1; core.arange(first, end [, step] [, dtype]): up to but without the end, as in
 * PyTorch. */
static int l_arange(lua_State *L)
{
    int n = lua_gettop(L);
    mtl_dtype dtype = MTL_F32;
    if (n > 1 && lua_type(L, n) == LUA_TSTRING)
        dtype = lmtl_dtype(L, "arange", lua_tostring(L, n--));
    lua_settop(L, n);
    double from = n > 1 ? luaL_checknumber(L, 1) : 0.0, to = luaL_checknumber(L, n > 1 ? 2 : 1);
    double step = luaL_optnumber(L, 3, 1.0), steps = ceil((to - from) / step);
    if (step == 0.0 || !isfinite(steps) || steps > 1e12)
        return luaL_error(L, "arange: from %f to %f in steps of %f", from, to, step);
    int64_t count = steps > 0 ? (int64_t)steps : 0;
    mtl_tensor **box = lmtl_new_tensor(L);
    lmtl_check(L, mtl_tensor_new(lmtl_context(), dtype, 1, &count, box));
    for (int64_t i = 0; i < count; i++) {
        lua_pushnumber(L, from + (double)i * step);
        put_number(L, *box, i);
        lua_pop(L, 1);
    }
    return lmtl_result(L, MTL_OK);
}

/* core.from_string(dtype, shape, bytes): elements as they lie in memory (little-endian on all machines that mtl knows).
 */
static int l_from_string(lua_State *L)
{
    int64_t shape[MTL_MAX_RANK];
    size_t size;
    mtl_dtype dtype = lmtl_dtype(L, "from_string", luaL_checkstring(L, 1));
    int rank = lmtl_sizes_table(L, "from_string", 2, shape);
    const char *bytes = luaL_checklstring(L, 3, &size);
    mtl_tensor **box = lmtl_new_tensor(L);
    lmtl_check(L, mtl_tensor_new(lmtl_context(), dtype, rank, shape, box));
    if (size != mtl_tensor_bytes(*box))
        return luaL_error(L, "from_string: %I bytes, which should be %I", (lua_Integer)size,
                          (lua_Integer)mtl_tensor_bytes(*box));
    return lmtl_result(L, mtl_tensor_write(*box, bytes));
}

const luaL_Reg lmtl_make_functions[] = {{"tensor", l_tensor}, {"zeros", l_zeros},   {"ones", l_ones},
                                        {"full", l_full},     {"arange", l_arange}, {"from_string", l_from_string},
                                        {NULL, NULL}};

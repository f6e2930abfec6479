/* Arguments from Lua: sizes, dimensions and indices that count from 1, names, and tables of options. */
#include <math.h>
#include <string.h>

#include "lmtl.h"

static int64_t size_at(lua_State *L, const char *who, int index, int place)
{
    int whole;
    lua_Integer size = lua_tointegerx(L, index, &whole);
    if (!whole || lua_type(L, index) != LUA_TNUMBER)
        luaL_error(L, "%s: size %d is %s, which should be a whole number", who, place, luaL_tolstring(L, index, NULL));
    return size;
}

int lmtl_sizes_table(lua_State *L, const char *who, int index, int64_t *sizes)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Unsigned rank = lua_rawlen(L, index);
    if (rank > MTL_MAX_RANK)
        luaL_error(L, "%s: a shape of %I dimensions, which should be 0 to %d", who, (lua_Integer)rank, MTL_MAX_RANK);
    for (int i = 0; i < (int)rank; i++) {
        lua_rawgeti(L, index, i + 1);
        sizes[i] = size_at(L, who, -1, i + 1);
        lua_pop(L, 1);
    }
    return (int)rank;
}

int lmtl_sizes(lua_State *L, const char *who, int first, int last, int64_t *sizes)
{
    if (first == last && lua_istable(L, first))
        return lmtl_sizes_table(L, who, first, sizes);
    int rank = last - first + 1;
    if (rank > MTL_MAX_RANK)
        luaL_error(L, "%s: a shape of %d dimensions, which should be 0 to %d", who, rank, MTL_MAX_RANK);
    for (int i = 0; i < rank; i++)
        sizes[i] = size_at(L, who, first + i, i + 1);
    return rank < 0 ? 0 : rank;
}

void lmtl_push_shape(lua_State *L, int rank, const int64_t *shape)
{
    lua_createtable(L, rank, 0);
    for (int i = 0; i < rank; i++) {
        lua_pushinteger(L, shape[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

int lmtl_dim_of(lua_State *L, const char *who, lua_Integer dim, int rank, const mtl_tensor *t)
{
    char text[MTL_SHAPE_TEXT];
    if (dim >= 1 && dim <= rank)
        return (int)dim - 1;
    if (dim <= -1 && dim >= -rank)
        return (int)dim + rank;
    return luaL_error(L, "%s: dimension %I of a tensor of shape %s", who, dim,
                      mtl_shape_text(mtl_tensor_rank(t), mtl_tensor_shape(t), text, sizeof text));
}

int lmtl_dim(lua_State *L, const char *who, int arg, const mtl_tensor *t, lua_Integer if_none)
{
    return lmtl_dim_of(L, who, luaL_optinteger(L, arg, if_none), mtl_tensor_rank(t), t);
}

int64_t lmtl_index(lua_State *L, const char *who, lua_Integer index, int64_t size)
{
    if (index >= 1 && index <= size)
        return index - 1;
    if (index <= -1 && index >= -size)
        return index + size;
    return luaL_error(L, "%s: index %I of a dimension of size %I (indices count from 1)", who, index,
                      (lua_Integer)size);
}

mtl_dtype lmtl_dtype(lua_State *L, const char *who, const char *name)
{
    static const mtl_dtype all[] = {MTL_F32, MTL_I32, MTL_U8};
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, mtl_dtype_name(all[i])) == 0)
            return all[i];
    }
    luaL_error(L, "%s: dtype '%s', which should be float32, int32 or uint8", who, name);
    return MTL_F32;
}

uint64_t lmtl_stream(lua_State *L, int arg)
{
    return lua_type(L, arg) == LUA_TSTRING ? mtl_stream(lua_tostring(L, arg)) : (uint64_t)luaL_checkinteger(L, arg);
}

void lmtl_check_keys(lua_State *L, const char *who, int index, const char *const *keys)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        const char *const *key = keys;
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING) {
            while (*key && strcmp(*key, lua_tostring(L, -1)) != 0)
                key++;
            if (*key)
                continue;
        }
        luaL_checkstack(L, 64, who);
        const char *unknown = luaL_tolstring(L, -1, NULL);
        lua_pushfstring(L, "%s: unknown option '%s'; there are", who, unknown);
        for (key = keys; *key; key++)
            lua_pushfstring(L, "%s%s %s", lua_tostring(L, -1), key == keys ? "" : ",", *key);
        luaL_error(L, "%s", lua_tostring(L, -1));
    }
}

static void bad_field(lua_State *L, const char *who, const char *key, const char *want)
{
    luaL_error(L, "%s: %s is %s, which should be %s", who, key, luaL_tolstring(L, -1, NULL), want);
}

double lmtl_number_field(lua_State *L, const char *who, int index, const char *key, double if_none)
{
    lua_pushstring(L, key);
    if (lua_rawget(L, index) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TNUMBER)
            bad_field(L, who, key, "a number");
        if_none = lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
    return if_none;
}

lua_Integer lmtl_integer_field(lua_State *L, const char *who, int index, const char *key, lua_Integer if_none)
{
    lua_pushstring(L, key);
    if (lua_rawget(L, index) != LUA_TNIL) {
        int whole;
        lua_Integer value = lua_tointegerx(L, -1, &whole);
        if (!whole || lua_type(L, -1) != LUA_TNUMBER)
            bad_field(L, who, key, "a whole number");
        if_none = value;
    }
    lua_pop(L, 1);
    return if_none;
}

bool lmtl_bool_field(lua_State *L, int index, const char *key, bool if_none)
{
    lua_pushstring(L, key);
    if (lua_rawget(L, index) != LUA_TNIL)
        if_none = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return if_none;
}

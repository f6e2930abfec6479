/* Shapes, parts and joins of tensors; sorting and picking. */
#include <string.h>

#include "lmtl.h"

static int l_reshape(lua_State *L)
{
    int64_t shape[MTL_MAX_RANK];
    int rank = lmtl_sizes(L, "reshape", 2, lua_gettop(L), shape);
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_reshape(lmtl_tensor(L, 1), rank, shape, out));
}

/* x:expand(shape): repeats it to the shape */
static int l_expand(lua_State *L)
{
    int64_t shape[MTL_MAX_RANK];
    int rank = lmtl_sizes(L, "expand", 2, lua_gettop(L), shape);
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_expand(lmtl_tensor(L, 1), rank, shape, out));
}

/* x:slice(dim, first [, last]): both ends belong to it, negative from the end, as in string.sub; first = last + 1:
 * empty */
static int l_slice(lua_State *L)
{
    char text[MTL_SHAPE_TEXT];
    lua_settop(L, 4);
    lua_Integer dim = luaL_checkinteger(L, 2), first = luaL_checkinteger(L, 3), last = luaL_optinteger(L, 4, -1);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    int d = lmtl_dim_of(L, "slice", dim, mtl_tensor_rank(x), x);
    int64_t size = mtl_tensor_shape(x)[d];
    int64_t begin = first < 0 ? first + size : first - 1, end = last < 0 ? last + size + 1 : last;
    if (begin < 0 || end < begin || end > size)
        return luaL_error(L, "slice: %I to %I of dimension %I of a tensor of shape %s", first, last, dim,
                          mtl_shape_text(mtl_tensor_rank(x), mtl_tensor_shape(x), text, sizeof text));
    return lmtl_result(L, mtl_slice(x, d, begin, end, out));
}

static int l_select(lua_State *L)
{
    lua_settop(L, 3);
    lua_Integer dim = luaL_checkinteger(L, 2), index = luaL_checkinteger(L, 3);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    int d = lmtl_dim_of(L, "select", dim, mtl_tensor_rank(x), x);
    return lmtl_result(L, mtl_select(x, d, lmtl_index(L, "select", index, mtl_tensor_shape(x)[d]), out));
}

/* x:transpose([dim, dim]): the last two unless told */
static int l_transpose(lua_State *L)
{
    lua_settop(L, 3);
    lua_Integer a = luaL_optinteger(L, 2, -2), b = luaL_optinteger(L, 3, -1);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    int rank = mtl_tensor_rank(x);
    int da = lmtl_dim_of(L, "transpose", a, rank, x), db = lmtl_dim_of(L, "transpose", b, rank, x);
    return lmtl_result(L, mtl_transpose(x, da, db, out));
}

static int l_permute(lua_State *L)
{
    int64_t given[MTL_MAX_RANK];
    int dims[MTL_MAX_RANK];
    int n = lmtl_sizes(L, "permute", 2, lua_gettop(L), given);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    for (int i = 0; i < n; i++)
        dims[i] = lmtl_dim_of(L, "permute", given[i], mtl_tensor_rank(x), x);
    return lmtl_result(L, mtl_permute(x, n, dims, out));
}

/* Tensors of a list (argument 1), or arguments up to the first that is none; then a dimension (1 unless told). */
static int join(lua_State *L, const char *who, mtl_status (*f)(int, mtl_tensor *const *, int, mtl_tensor **), int more)
{
    if (!lua_istable(L, 1)) {
        int n = 0;
        while (n < lua_gettop(L) && luaL_testudata(L, n + 1, LMTL_TENSOR))
            n++;
        lua_createtable(L, n, 0);
        for (int i = 1; i <= n; i++) {
            lua_pushvalue(L, i);
            lua_rawseti(L, -2, i);
        }
        lua_replace(L, 1);
        for (int i = 2; i <= n; i++)
            lua_remove(L, 2);
    }
    lua_settop(L, 2);
    lua_Integer dim = luaL_optinteger(L, 2, 1);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
    if (n < 1 || n > 1 << 20)
        return luaL_error(L, "%s: %I tensors, which should be one or more", who, n);
    lmtl_list *list = lmtl_new_list(L, n);
    mtl_tensor **out = lmtl_new_tensor(L);
    for (lua_Integer i = 0; i < n; i++) {
        lua_rawgeti(L, 1, i + 1);
        lmtl_list_set(L, list, i, who);
    }
    int d = lmtl_dim_of(L, who, dim, mtl_tensor_rank(list->tensor[0]) + more, list->tensor[0]);
    mtl_status status = f((int)n, list->tensor, d, out);
    lmtl_list_clear(list);
    return lmtl_result(L, status);
}

static int l_cat(lua_State *L)
{
    return join(L, "cat", mtl_cat, 0);
}

static int l_stack(lua_State *L)
{
    return join(L, "stack", mtl_stack, 1);
}

static int pick(lua_State *L, const char *who, mtl_status (*f)(mtl_tensor *, int, mtl_tensor *, mtl_tensor **))
{
    lua_settop(L, 3);
    lua_Integer dim = luaL_checkinteger(L, 2);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *index = lmtl_tensor(L, 3);
    return lmtl_result(L, f(x, lmtl_dim_of(L, who, dim, mtl_tensor_rank(x), x), index, out));
}

/* x:take(dim, index), x:gather(dim, index): index holds int32 positions from 0 */
static int l_take(lua_State *L)
{
    return pick(L, "take", mtl_take);
}

static int l_gather(lua_State *L)
{
    return pick(L, "gather", mtl_gather);
}

static int l_one_hot(lua_State *L)
{
    lua_settop(L, 2);
    lua_Integer classes = luaL_checkinteger(L, 2);
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_one_hot(lmtl_tensor(L, 1), classes, out));
}

/* x:sort([dim [, descending]]) -> values, indices (from 0); the last dimension unless told */
static int l_sort(lua_State *L)
{
    lua_settop(L, 3);
    lua_Integer dim = luaL_optinteger(L, 2, -1);
    bool descending = lua_toboolean(L, 3);
    mtl_tensor **values = lmtl_new_tensor(L), **indices = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    lmtl_result(L, mtl_sort(x, lmtl_dim_of(L, "sort", dim, mtl_tensor_rank(x), x), descending, values, indices));
    return 2;
}

/* x:topk(k [, dim [, largest = true]]) -> values, indices (from 0), the greatest, or least, first */
static int l_topk(lua_State *L)
{
    lua_settop(L, 4);
    lua_Integer k = luaL_checkinteger(L, 2), dim = luaL_optinteger(L, 3, -1);
    bool largest = lua_isnil(L, 4) || lua_toboolean(L, 4);
    mtl_tensor **values = lmtl_new_tensor(L), **indices = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    int d = lmtl_dim_of(L, "topk", dim, mtl_tensor_rank(x), x);
    lmtl_result(L, mtl_topk(x, d, k, largest, values, indices));
    return 2;
}

/* index:embedding(weight [, padding]): rows of the weight at int32 positions from 0, as in PyTorch */
static int l_embedding(lua_State *L)
{
    lua_settop(L, 3);
    lua_Integer padding = luaL_optinteger(L, 3, -1);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *index = lmtl_tensor(L, 1), *weight = lmtl_tensor(L, 2);
    return lmtl_result(L, mtl_embedding(weight, index, padding, out));
}

/* x:scatter_add(dim, index, src) */
static int l_scatter_add(lua_State *L)
{
    lua_settop(L, 4);
    lua_Integer dim = luaL_checkinteger(L, 2);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *index = lmtl_tensor(L, 3), *src = lmtl_tensor(L, 4);
    int d = lmtl_dim_of(L, "scatter_add", dim, mtl_tensor_rank(x), x);
    return lmtl_result(L, mtl_scatter_add(x, d, index, src, out));
}

/* x:bincount([least]): how often 0, 1, ... occur; at least so many counts */
static int l_bincount(lua_State *L)
{
    lua_settop(L, 2);
    lua_Integer least = luaL_optinteger(L, 2, 0);
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_bincount(lmtl_tensor(L, 1), least, out));
}

#define F(name)                                                                                                        \
    {                                                                                                                  \
#name, l_##name                                                                                                \
    }

const luaL_Reg lmtl_shape_functions[] = {
    F(reshape), F(expand),  F(slice), F(select), F(transpose), F(permute),     F(cat),      F(stack),    F(take),
    F(gather),  F(one_hot), F(sort),  F(topk),   F(embedding), F(scatter_add), F(bincount), {NULL, NULL}};

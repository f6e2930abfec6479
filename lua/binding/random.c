/* Random numbers by (seed, stream, counter), and rand, randn, which draw from a counter of the process. */
#include "lmtl.h"

/* What manual_seed sets: the numbers that rand and randn draw are those of stream "rand" from `next_counter` on. */
static uint64_t next_seed = 1, next_counter;

static int l_stream(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)mtl_stream(luaL_checkstring(L, 1)));
    return 1;
}

/* core.philox(seed, stream, counter) -> four integers below 2^32 */
static int l_philox(lua_State *L)
{
    uint32_t words[4];
    mtl_philox((uint64_t)luaL_checkinteger(L, 1), lmtl_stream(L, 2), (uint64_t)luaL_checkinteger(L, 3), words);
    for (int i = 0; i < 4; i++)
        lua_pushinteger(L, words[i]);
    return 4;
}

/* core.permutation(n, seed, stream, first) -> int32 tensor */
static int l_permutation(lua_State *L)
{
    lua_Integer n = luaL_checkinteger(L, 1);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 2), stream = lmtl_stream(L, 3);
    uint64_t first = (uint64_t)luaL_optinteger(L, 4, 0);
    int64_t count = n;
    if (n < 0 || n > INT32_MAX)
        return luaL_error(L, "permutation: of %I, which should be 0 to %d", n, INT32_MAX);
    mtl_tensor **box = lmtl_new_tensor(L);
    lmtl_check(L, mtl_tensor_new(lmtl_context(), MTL_I32, 1, &count, box));
    mtl_random_permutation(count, seed, stream, first, mtl_tensor_data(*box));
    return lmtl_result(L, MTL_OK);
}

typedef mtl_status (*fill)(mtl_tensor *, uint64_t, uint64_t, uint64_t, double, double);

/* (t, seed, stream, first [, a [, b]]) -> t */
static int call_fill(lua_State *L, fill f)
{
    lua_settop(L, 6);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 2), stream = lmtl_stream(L, 3);
    uint64_t first = (uint64_t)luaL_optinteger(L, 4, 0);
    double a = luaL_optnumber(L, 5, 0.0), b = luaL_optnumber(L, 6, 1.0);
    lmtl_check(L, f(lmtl_tensor(L, 1), seed, stream, first, a, b));
    lua_settop(L, 1);
    return 1;
}

static int l_uniform(lua_State *L)
{
    return call_fill(L, mtl_random_uniform);
}

static int l_normal(lua_State *L)
{
    return call_fill(L, mtl_random_normal);
}

static int drawn(lua_State *L, const char *who, fill f)
{
    int64_t shape[MTL_MAX_RANK];
    int rank = lmtl_sizes(L, who, 1, lua_gettop(L), shape);
    mtl_tensor **box = lmtl_new_tensor(L);
    lmtl_check(L, mtl_tensor_new(lmtl_context(), MTL_F32, rank, shape, box));
    lmtl_check(L, f(*box, next_seed, mtl_stream("rand"), next_counter, 0.0, 1.0));
    next_counter += ((uint64_t)mtl_tensor_count(*box) + 3) / 4;
    return lmtl_result(L, MTL_OK);
}

static int l_rand(lua_State *L)
{
    return drawn(L, "rand", mtl_random_uniform);
}

static int l_randn(lua_State *L)
{
    return drawn(L, "randn", mtl_random_normal);
}

/* core.manual_seed([seed [, counter = 0]]) -> seed, counter, as rand and randn will use them next */
static int l_manual_seed(lua_State *L)
{
    if (!lua_isnoneornil(L, 1)) {
        uint64_t seed = (uint64_t)luaL_checkinteger(L, 1), counter = (uint64_t)luaL_optinteger(L, 2, 0);
        next_seed = seed;
        next_counter = counter;
    }
    lua_pushinteger(L, (lua_Integer)next_seed);
    lua_pushinteger(L, (lua_Integer)next_counter);
    return 2;
}

void lmtl_open_random(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"stream", l_stream}, {"philox", l_philox}, {"uniform_", l_uniform},        {"normal_", l_normal},
        {"rand", l_rand},     {"randn", l_randn},   {"permutation", l_permutation}, {"manual_seed", l_manual_seed},
        {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

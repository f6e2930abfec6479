/* Arithmetic, functions, comparisons, reductions and norms: as functions of core, as methods, and as Lua's operators.
 */
#include <limits.h>
#include <math.h>

#include "lmtl.h"

typedef mtl_status (*unary)(mtl_tensor *, mtl_tensor **);
typedef mtl_status (*binary)(mtl_tensor *, mtl_tensor *, mtl_tensor **);
typedef mtl_status (*reduction)(mtl_tensor *, int, bool, mtl_tensor **);

static int call_unary(lua_State *L, unary f)
{
    lua_settop(L, 1);
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, f(lmtl_tensor(L, 1), out));
}

/* A number among the operands becomes a tensor of rank 0 on the device of the other. */
static void lift(lua_State *L, int arg, int other)
{
    if (lua_type(L, arg) != LUA_TNUMBER)
        return;
    double value = lua_tonumber(L, arg);
    mtl_tensor **box = lmtl_new_tensor(L);
    mtl_tensor *like = lmtl_tensor(L, other);
    lmtl_check(L, mtl_tensor_new_on(lmtl_context(), mtl_tensor_device(like), MTL_F32, 0, NULL, box));
    lmtl_check(L, mtl_tensor_fill(*box, value));
    lua_replace(L, arg);
}

static int call_binary(lua_State *L, binary f)
{
    lua_settop(L, 2);
    lift(L, 1, 2);
    lift(L, 2, 1);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *a = lmtl_tensor(L, 1), *b = lmtl_tensor(L, 2);
    return lmtl_result(L, f(a, b, out));
}

/* factor x + shift, x being the argument that is no number */
static int call_scale(lua_State *L, int arg, double factor, double shift)
{
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_scale(lmtl_tensor(L, arg), factor, shift, out));
}

static int call_reduction(lua_State *L, const char *who, reduction f)
{
    lua_settop(L, 3);
    bool keep = lua_toboolean(L, 3);
    lua_Integer dim = luaL_optinteger(L, 2, 0);
    bool all = lua_isnil(L, 2);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    return lmtl_result(L, f(x, all ? MTL_ALL : lmtl_dim_of(L, who, dim, mtl_tensor_rank(x), x), keep, out));
}

#define UNARY(name)                                                                                                    \
    static int l_##name(lua_State *L)                                                                                  \
    {                                                                                                                  \
        return call_unary(L, mtl_##name);                                                                              \
    }
#define BINARY(name)                                                                                                   \
    static int l_##name(lua_State *L)                                                                                  \
    {                                                                                                                  \
        return call_binary(L, mtl_##name);                                                                             \
    }
#define REDUCTION(name, f)                                                                                             \
    static int l_##name(lua_State *L)                                                                                  \
    {                                                                                                                  \
        return call_reduction(L, #name, f);                                                                            \
    }

UNARY(neg)
UNARY(abs)
UNARY(exp)
UNARY(log)
UNARY(sqrt)
UNARY(square)
UNARY(sign)
UNARY(relu)
UNARY(silu)
UNARY(sigmoid)
UNARY(tanh)
UNARY(isnan)
BINARY(div)
BINARY(minimum)
BINARY(maximum)
BINARY(eq)
BINARY(ne)
BINARY(lt)
BINARY(le)
BINARY(gt)
BINARY(ge)
REDUCTION(sum, mtl_sum)
REDUCTION(mean, mtl_mean)
REDUCTION(max, mtl_amax)
REDUCTION(min, mtl_amin)
REDUCTION(argmax, mtl_argmax)
REDUCTION(argmin, mtl_argmin)

static bool number(lua_State *L, int arg)
{
    return lua_type(L, arg) == LUA_TNUMBER;
}

static int l_add(lua_State *L)
{
    lua_settop(L, 2);
    if (number(L, 1))
        return call_scale(L, 2, 1.0, lua_tonumber(L, 1));
    return number(L, 2) ? call_scale(L, 1, 1.0, lua_tonumber(L, 2)) : call_binary(L, mtl_add);
}

static int l_sub(lua_State *L)
{
    lua_settop(L, 2);
    if (number(L, 1))
        return call_scale(L, 2, -1.0, lua_tonumber(L, 1));
    return number(L, 2) ? call_scale(L, 1, 1.0, -lua_tonumber(L, 2)) : call_binary(L, mtl_sub);
}

static int l_mul(lua_State *L)
{
    lua_settop(L, 2);
    if (number(L, 1))
        return call_scale(L, 2, lua_tonumber(L, 1), 0.0);
    return number(L, 2) ? call_scale(L, 1, lua_tonumber(L, 2), 0.0) : call_binary(L, mtl_mul);
}

static int l_pow(lua_State *L)
{
    lua_settop(L, 2);
    return number(L, 2) && lua_tonumber(L, 2) == 2.0 ? call_unary(L, mtl_square) : call_binary(L, mtl_pow);
}

static int call_setting(lua_State *L, mtl_status (*f)(mtl_tensor *, double, mtl_tensor **), double if_none)
{
    lua_settop(L, 2);
    double setting = luaL_optnumber(L, 2, if_none);
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, f(lmtl_tensor(L, 1), setting, out));
}

/* x:leaky_relu([slope]) */
static int l_leaky_relu(lua_State *L)
{
    return call_setting(L, mtl_leaky_relu, 0.01);
}

/* x:elu([alpha]) */
static int l_elu(lua_State *L)
{
    return call_setting(L, mtl_elu, 1.0);
}

/* x:softplus([beta]) */
static int l_softplus(lua_State *L)
{
    return call_setting(L, mtl_softplus, 1.0);
}

/* x:prelu(weight): of shape { 1 } or { channels } */
static int l_prelu(lua_State *L)
{
    return call_binary(L, mtl_prelu);
}

/* x:gelu(["none" | "tanh"]) */
static int l_gelu(lua_State *L)
{
    static const char *const kinds[] = {"none", "tanh", NULL};
    return call_unary(L, luaL_checkoption(L, 2, "none", kinds) ? mtl_gelu_tanh : mtl_gelu);
}

/* x:clamp(low, high): nil is no bound */
static int l_clamp(lua_State *L)
{
    lua_settop(L, 3);
    double low = luaL_optnumber(L, 2, -HUGE_VAL), high = luaL_optnumber(L, 3, HUGE_VAL);
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_clamp(lmtl_tensor(L, 1), low, high, out));
}

static int l_cast(lua_State *L)
{
    lua_settop(L, 2);
    mtl_dtype dtype = lmtl_dtype(L, "cast", luaL_checkstring(L, 2));
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_cast(lmtl_tensor(L, 1), dtype, out));
}

/* cond:where(a, b): a where cond is not 0, else b; each a tensor or a number */
static int l_where(lua_State *L)
{
    lua_settop(L, 3);
    lift(L, 2, 1);
    lift(L, 3, 1);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *cond = lmtl_tensor(L, 1), *a = lmtl_tensor(L, 2), *b = lmtl_tensor(L, 3);
    return lmtl_result(L, mtl_where(cond, a, b, out));
}

/* Along one dimension, the last unless told. */
static int call_along(lua_State *L, const char *who, mtl_status (*f)(mtl_tensor *, int, mtl_tensor **))
{
    lua_settop(L, 2);
    lua_Integer dim = luaL_optinteger(L, 2, -1);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    return lmtl_result(L, f(x, lmtl_dim_of(L, who, dim, mtl_tensor_rank(x), x), out));
}

/* x:var([dim [, keep [, correction = 1]]]) */
static int call_var(lua_State *L, const char *who, mtl_status (*f)(mtl_tensor *, int, bool, int, mtl_tensor **))
{
    lua_settop(L, 4);
    bool keep = lua_toboolean(L, 3), all = lua_isnil(L, 2);
    lua_Integer dim = luaL_optinteger(L, 2, 0), correction = luaL_optinteger(L, 4, 1);
    if (correction < 0 || correction > INT_MAX)
        return luaL_error(L, "%s: the correction is %I, which should be 0 or more, as 1", who, correction);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    int d = all ? MTL_ALL : lmtl_dim_of(L, who, dim, mtl_tensor_rank(x), x);
    return lmtl_result(L, f(x, d, keep, (int)correction, out));
}

static int l_var(lua_State *L)
{
    return call_var(L, "var", mtl_var);
}

static int l_std(lua_State *L)
{
    return call_var(L, "std", mtl_std);
}

/* x:cumsum([dim]): the last dimension unless told */
static int l_cumsum(lua_State *L)
{
    return call_along(L, "cumsum", mtl_cumsum);
}

/* A tensor argument or nil. */
static mtl_tensor *optional(lua_State *L, int arg)
{
    return lua_isnil(L, arg) ? NULL : lmtl_tensor(L, arg);
}

/* x:layer_norm([dims [, weight [, bias [, eps]]]]): over the last `dims` dimensions, 1 unless told */
static int l_layer_norm(lua_State *L)
{
    lua_settop(L, 5);
    lua_Integer dims = luaL_optinteger(L, 2, 1);
    double eps = luaL_optnumber(L, 5, 1e-5);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *weight = optional(L, 3), *bias = optional(L, 4);
    dims = dims < 0 ? 0 : dims > 999 ? 999 : dims; /* no tensor has so many: the message says it */
    return lmtl_result(L, mtl_layer_norm(x, weight, bias, (int)dims, eps, out));
}

/* x:group_norm(groups [, weight [, bias [, eps]]]) */
static int l_group_norm(lua_State *L)
{
    lua_settop(L, 5);
    lua_Integer groups = luaL_checkinteger(L, 2);
    double eps = luaL_optnumber(L, 5, 1e-5);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *weight = optional(L, 3), *bias = optional(L, 4);
    return lmtl_result(L, mtl_group_norm(x, groups, weight, bias, eps, out));
}

static int l_softmax(lua_State *L)
{
    return call_along(L, "softmax", mtl_softmax);
}

static int l_log_softmax(lua_State *L)
{
    return call_along(L, "log_softmax", mtl_log_softmax);
}

#define F(name)                                                                                                        \
    {                                                                                                                  \
#name, l_##name                                                                                                \
    }

const luaL_Reg lmtl_math_functions[] = {
    F(neg),     F(abs),   F(exp),    F(log),      F(sqrt),       F(square),      F(sign),       F(relu),
    F(sigmoid), F(tanh),  F(elu),    F(softplus), F(silu),       F(prelu),       F(leaky_relu), F(gelu),
    F(clamp),   F(isnan), F(add),    F(sub),      F(mul),        F(div),         F(pow),        F(minimum),
    F(maximum), F(eq),    F(ne),     F(lt),       F(le),         F(gt),          F(ge),         F(where),
    F(cast),    F(var),   F(std),    F(cumsum),   F(layer_norm), F(group_norm),  F(sum),        F(mean),
    F(max),     F(min),   F(argmax), F(argmin),   F(softmax),    F(log_softmax), {NULL, NULL}};

const luaL_Reg lmtl_tensor_operators[] = {{"__add", l_add}, {"__sub", l_sub}, {"__mul", l_mul}, {"__div", l_div},
                                          {"__pow", l_pow}, {"__unm", l_neg}, {NULL, NULL}};

/* Products, convolution, pooling, normalisation, noise and losses. */
#include "lmtl.h"

/* A tensor argument or nil. */
static mtl_tensor *optional(lua_State *L, int arg)
{
    return lua_isnoneornil(L, arg) ? NULL : lmtl_tensor(L, arg);
}

/* a:matmul(b [, trans_a [, trans_b]]) */
static int l_matmul(lua_State *L)
{
    lua_settop(L, 4);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *a = lmtl_tensor(L, 1), *b = lmtl_tensor(L, 2);
    return lmtl_result(L, mtl_matmul(a, b, lua_toboolean(L, 3), lua_toboolean(L, 4), out));
}

/* x:linear(weight [, bias]) */
static int l_linear(lua_State *L)
{
    lua_settop(L, 3);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *weight = lmtl_tensor(L, 2), *bias = optional(L, 3);
    return lmtl_result(L, mtl_linear(x, weight, bias, out));
}

/* Field `key` of the options at `index`: a number, or { height, width }. Left as it is where nil. */
static void pair(lua_State *L, const char *who, int index, const char *key, int64_t *h, int64_t *w)
{
    int64_t sizes[MTL_MAX_RANK];
    lua_pushstring(L, key);
    int type = lua_rawget(L, index);
    if (type == LUA_TTABLE) {
        if (lmtl_sizes_table(L, who, lua_gettop(L), sizes) != 2)
            luaL_error(L, "%s: %s should be one number or { height, width }", who, key);
        *h = sizes[0];
        *w = sizes[1];
    } else if (type != LUA_TNIL) {
        if (!lua_isinteger(L, -1))
            luaL_error(L, "%s: %s is %s, which should be a whole number or { height, width }", who, key,
                       luaL_tolstring(L, -1, NULL));
        *h = *w = lua_tointeger(L, -1);
    }
    lua_pop(L, 1);
}

/* x:conv2d(weight [, bias [, { stride =, padding = }]]) */
static int l_conv2d(lua_State *L)
{
    static const char *const keys[] = {"stride", "padding", NULL};
    mtl_window window = {.stride_h = 1, .stride_w = 1};
    char text[MTL_SHAPE_TEXT];
    lua_settop(L, 4);
    if (!lua_isnil(L, 4)) {
        lmtl_check_keys(L, "conv2d", 4, keys);
        pair(L, "conv2d", 4, "stride", &window.stride_h, &window.stride_w);
        pair(L, "conv2d", 4, "padding", &window.pad_h, &window.pad_w);
    }
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *weight = lmtl_tensor(L, 2), *bias = optional(L, 3);
    if (mtl_tensor_rank(weight) != 4)
        return luaL_error(L, "conv2d: weight of shape %s, which should be [out, in, height, width]",
                          mtl_shape_text(mtl_tensor_rank(weight), mtl_tensor_shape(weight), text, sizeof text));
    window.kernel_h = mtl_tensor_shape(weight)[2];
    window.kernel_w = mtl_tensor_shape(weight)[3];
    return lmtl_result(L, mtl_conv2d(x, weight, bias, &window, out));
}

/* x:max_pool2d(kernel | { kernel =, stride = (kernel), padding = 0 }) */
static int pool(lua_State *L, const char *who, mtl_status (*f)(mtl_tensor *, const mtl_window *, mtl_tensor **))
{
    static const char *const keys[] = {"kernel", "stride", "padding", NULL};
    mtl_window window = {0};
    lua_settop(L, 2);
    if (lua_istable(L, 2)) {
        lmtl_check_keys(L, who, 2, keys);
        pair(L, who, 2, "kernel", &window.kernel_h, &window.kernel_w);
        window.stride_h = window.kernel_h;
        window.stride_w = window.kernel_w;
        pair(L, who, 2, "stride", &window.stride_h, &window.stride_w);
        pair(L, who, 2, "padding", &window.pad_h, &window.pad_w);
    } else {
        window.kernel_h = window.kernel_w = window.stride_h = window.stride_w = luaL_checkinteger(L, 2);
    }
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, f(lmtl_tensor(L, 1), &window, out));
}

static int l_max_pool2d(lua_State *L)
{
    return pool(L, "max_pool2d", mtl_max_pool2d);
}

static int l_avg_pool2d(lua_State *L)
{
    return pool(L, "avg_pool2d", mtl_avg_pool2d);
}

/* core.batch_norm(x, weight, bias, running_mean, running_var, training [, momentum [, eps]]) */
static int l_batch_norm(lua_State *L)
{
    lua_settop(L, 8);
    bool training = lua_toboolean(L, 6);
    double momentum = luaL_optnumber(L, 7, 0.1), eps = luaL_optnumber(L, 8, 1e-5);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *weight = optional(L, 2), *bias = optional(L, 3), *mean = optional(L, 4);
    mtl_tensor *var = optional(L, 5);
    return lmtl_result(L, mtl_batch_norm(x, weight, bias, mean, var, training, momentum, eps, out));
}

/* x:dropout(p, seed, stream, first) */
static int l_dropout(lua_State *L)
{
    lua_settop(L, 5);
    double p = luaL_checknumber(L, 2);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 3), stream = lmtl_stream(L, 4);
    uint64_t first = (uint64_t)luaL_optinteger(L, 5, 0);
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_dropout(lmtl_tensor(L, 1), p, seed, stream, first, out));
}

/* x:cross_entropy(target [, { weight =, smoothing =, ignore = }]) -> loss, remains */
static int l_cross_entropy(lua_State *L)
{
    static const char *const keys[] = {"weight", "smoothing", "ignore", NULL};
    double smoothing = 0.0, remains = 0.0;
    lua_Integer ignore = -1;
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_pushnil(L);
    } else {
        lmtl_check_keys(L, "cross_entropy", 3, keys);
        smoothing = lmtl_number_field(L, "cross_entropy", 3, "smoothing", 0.0);
        ignore = lmtl_integer_field(L, "cross_entropy", 3, "ignore", -1);
        lua_pushliteral(L, "weight");
        lua_rawget(L, 3);
    }
    if (ignore < INT32_MIN || ignore > INT32_MAX)
        return luaL_error(L, "cross_entropy: ignore is %I, which should be a class index", ignore);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *target = lmtl_tensor(L, 2), *weight = optional(L, 4);
    lmtl_result(L, mtl_cross_entropy(x, target, weight, smoothing, (int32_t)ignore, &remains, out));
    lua_pushnumber(L, remains);
    return 2;
}

/* x:bce_logits(y [, pos_weight]) */
static int l_bce_logits(lua_State *L)
{
    lua_settop(L, 3);
    double pos_weight = luaL_optnumber(L, 3, 1.0);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *y = lmtl_tensor(L, 2);
    return lmtl_result(L, mtl_bce_logits(x, y, pos_weight, out));
}

#define F(name)                                                                                                        \
    {                                                                                                                  \
#name, l_##name                                                                                                \
    }

const luaL_Reg lmtl_layer_functions[] = {F(matmul),     F(linear),        F(conv2d),     F(max_pool2d), F(avg_pool2d),
                                         F(batch_norm), F(cross_entropy), F(bce_logits), F(dropout),    {NULL, NULL}};

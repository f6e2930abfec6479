/* Products, convolution, pooling, normalisation, noise and losses. */
#include <string.h>

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

typedef mtl_status convolution(mtl_tensor *x, mtl_tensor *weight, mtl_tensor *bias, const mtl_window *w,
                               const mtl_spread *s, mtl_tensor **out);

static int convolve(lua_State *L, const char *who, const char *want, const char *const *keys, convolution *f)
{
    mtl_window window = {.stride_h = 1, .stride_w = 1};
    mtl_spread spread = {.dilation_h = 1, .dilation_w = 1, .groups = 1};
    char text[MTL_SHAPE_TEXT];
    lua_settop(L, 4);
    if (!lua_isnil(L, 4)) {
        lmtl_check_keys(L, who, 4, keys);
        pair(L, who, 4, "stride", &window.stride_h, &window.stride_w);
        pair(L, who, 4, "padding", &window.pad_h, &window.pad_w);
        pair(L, who, 4, "dilation", &spread.dilation_h, &spread.dilation_w);
        spread.groups = lmtl_integer_field(L, who, 4, "groups", 1);
        pair(L, who, 4, "output_padding", &spread.extra_h, &spread.extra_w);
    }
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1), *weight = lmtl_tensor(L, 2), *bias = optional(L, 3);
    if (mtl_tensor_rank(weight) != 4)
        return luaL_error(L, "%s: weight of shape %s, which should be [%s, height, width]", who,
                          mtl_shape_text(mtl_tensor_rank(weight), mtl_tensor_shape(weight), text, sizeof text), want);
    window.kernel_h = mtl_tensor_shape(weight)[2];
    window.kernel_w = mtl_tensor_shape(weight)[3];
    return lmtl_result(L, f(x, weight, bias, &window, &spread, out));
}

/* x:conv2d(weight [, bias [, { stride =, padding =, dilation =, groups = }]]) */
static int l_conv2d(lua_State *L)
{
    static const char *const keys[] = {"stride", "padding", "dilation", "groups", NULL};
    return convolve(L, "conv2d", "out, in / groups", keys, mtl_conv2d_spread);
}

/* x:conv_transpose2d(weight [, bias [, { stride =, padding =, output_padding =, dilation =, groups = }]]) */
static int l_conv_transpose2d(lua_State *L)
{
    static const char *const keys[] = {"stride", "padding", "output_padding", "dilation", "groups", NULL};
    return convolve(L, "conv_transpose2d", "in, out / groups", keys, mtl_conv_transpose2d);
}

/* Field `key` of the options at `index`: one of the names (ended by NULL), of which the first is the default. */
static int choice(lua_State *L, const char *who, int index, const char *key, const char *const *names)
{
    int which = 0;
    lua_pushstring(L, key);
    if (lua_rawget(L, index) != LUA_TNIL) {
        const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        while (names[which] && strcmp(names[which], name) != 0)
            which++;
        if (!names[which]) {
            lua_pushfstring(L, "%s: %s is %s, which should be one of", who, key, luaL_tolstring(L, -1, NULL));
            for (int i = 0; names[i]; i++)
                lua_pushfstring(L, "%s%s '%s'", lua_tostring(L, -1), i ? "," : "", names[i]);
            luaL_error(L, "%s", lua_tostring(L, -1));
        }
    }
    lua_pop(L, 1);
    return which;
}

/* x:upsample { scale_factor = n | { height, width } or size = n | { height, width }, mode = "nearest" } */
static int l_upsample(lua_State *L)
{
    static const char *const keys[] = {"scale_factor", "size", "mode", NULL};
    static const char *const modes[] = {"nearest", "bilinear", NULL}; /* as mtl_upsample_mode counts */
    int64_t factor[2] = {0, 0}, size[2] = {0, 0};
    lua_settop(L, 2);
    lmtl_check_keys(L, "upsample", 2, keys);
    pair(L, "upsample", 2, "scale_factor", &factor[0], &factor[1]);
    pair(L, "upsample", 2, "size", &size[0], &size[1]);
    int mode = choice(L, "upsample", 2, "mode", modes);
    mtl_tensor **out = lmtl_new_tensor(L);
    mtl_tensor *x = lmtl_tensor(L, 1);
    if ((factor[0] == 0) == (size[0] == 0))
        return luaL_error(L, "upsample: either scale_factor or size should be given, above 0");
    for (int d = 0; factor[0] != 0 && mtl_tensor_rank(x) == 4 && d < 2; d++) {
        if (factor[d] < 1 || factor[d] > INT32_MAX)
            return luaL_error(L, "upsample: scale_factor is %I, which should be 1 to %d", (lua_Integer)factor[d],
                              INT32_MAX);
        size[d] = mtl_tensor_shape(x)[2 + d] > INT32_MAX ? -1 : factor[d] * mtl_tensor_shape(x)[2 + d];
    }
    return lmtl_result(L, mtl_upsample(x, size[0], size[1], (mtl_upsample_mode)mode, out));
}

/* x:adaptive_avg_pool2d(size): one number, or { height, width } */
static int l_adaptive_avg_pool2d(lua_State *L)
{
    int64_t size[MTL_MAX_RANK];
    lua_settop(L, 2);
    int n = lmtl_sizes(L, "adaptive_avg_pool2d", 2, 2, size);
    if (n != 1 + lua_istable(L, 2))
        return luaL_error(L, "adaptive_avg_pool2d: the size should be one number or { height, width }");
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_adaptive_avg_pool2d(lmtl_tensor(L, 1), size[0], size[n - 1], out));
}

/* x:pad({ left, right, top, bottom } [, { mode = "constant", value = 0 }]) */
static int l_pad(lua_State *L)
{
    static const char *const keys[] = {"mode", "value", NULL};
    static const char *const modes[] = {"constant", "reflect", "replicate", NULL}; /* as mtl_pad_mode counts */
    int64_t padding[MTL_MAX_RANK];
    int mode = 0;
    double value = 0.0;
    lua_settop(L, 3);
    if (!lua_istable(L, 2) || lmtl_sizes_table(L, "pad", 2, padding) != 4)
        return luaL_error(L, "pad: the padding should be { left, right, top, bottom }");
    if (!lua_isnil(L, 3)) {
        lmtl_check_keys(L, "pad", 3, keys);
        mode = choice(L, "pad", 3, "mode", modes);
        value = lmtl_number_field(L, "pad", 3, "value", 0.0);
    }
    mtl_tensor **out = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_pad(lmtl_tensor(L, 1), padding, (mtl_pad_mode)mode, value, out));
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

const luaL_Reg lmtl_layer_functions[] = {
    F(matmul),   F(linear), F(conv2d),     F(conv_transpose2d), F(max_pool2d), F(avg_pool2d), F(adaptive_avg_pool2d),
    F(upsample), F(pad),    F(batch_norm), F(cross_entropy),    F(bce_logits), F(dropout),    {NULL, NULL}};

/* Batches of tensors and sources, transformed. */
#include <string.h>

#include "lmtl.h"

#define LOADER "mtl.loader"
enum { MAX_FIELDS = 256, MAX_TRANSFORMS = 64 };

typedef struct {
    mtl_loader *loader;
    int fields;
} box;

static box *check(lua_State *L, int arg)
{
    box *b = luaL_checkudata(L, arg, LOADER);
    luaL_argcheck(L, b->loader, arg, "this loader was closed");
    return b;
}

static int loader_gc(lua_State *L)
{
    box *b = luaL_checkudata(L, 1, LOADER);
    mtl_loader_free(b->loader);
    b->loader = NULL;
    return 0;
}

/* ---- transforms ---- */

/* The list of numbers `key` of the table at `index`, kept in a box that is pushed. */
static const double *numbers(lua_State *L, const char *who, int index, const char *key, int *n)
{
    if (lua_getfield(L, index, key) != LUA_TTABLE)
        luaL_error(L, "%s: %s is %s, which should be a list of numbers, one a channel", who, key, luaL_typename(L, -1));
    lua_Unsigned count = lua_rawlen(L, -1);
    if (count > 1 << 20)
        luaL_error(L, "%s: %s has %I numbers, which should be one a channel", who, key, (lua_Integer)count);
    double *list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
    for (lua_Unsigned i = 0; i < count; i++) {
        if (lua_rawgeti(L, -2, (lua_Integer)i + 1) != LUA_TNUMBER)
            luaL_error(L, "%s: %s[%I] is %s, which should be a number", who, key, (lua_Integer)i + 1,
                       luaL_typename(L, -1));
        list[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_remove(L, -2);
    *n = (int)count;
    return list;
}

typedef struct {
    const char *name;
    mtl_transform_kind kind;
    const char *keys[5];
} transform_type;

static const transform_type transform_types[] = {
    {"resize", MTL_RESIZE, {"type", "height", "width"}},
    {"random_crop", MTL_RANDOM_CROP, {"type", "height", "width", "padding"}},
    {"random_flip", MTL_RANDOM_FLIP, {"type", "p", "vertical"}},
    {"random_scale", MTL_RANDOM_SCALE, {"type", "low", "high"}},
    {"color_jitter", MTL_COLOR_JITTER, {"type", "brightness", "contrast", "saturation"}},
    {"normalize", MTL_NORMALIZE, {"type", "mean", "std"}},
};

/* The transform at `index`; its numbers stay on the stack. */
static mtl_transform transform_at(lua_State *L, int place, int index)
{
    enum { TYPES = sizeof transform_types / sizeof *transform_types };
    const transform_type *type = NULL;
    int n_std = 0;
    if (!lua_istable(L, index) || lua_getfield(L, index, "type") != LUA_TSTRING)
        luaL_error(L, "loader: transform %d should be a table with a type", place);
    for (int i = 0; i < TYPES; i++)
        type = strcmp(lua_tostring(L, -1), transform_types[i].name) == 0 ? &transform_types[i] : type;
    if (!type)
        luaL_error(L, "loader: transform %d has type '%s', which is none", place, lua_tostring(L, -1));
    const char *who = lua_pushfstring(L, "loader: transform %d (%s)", place, type->name);
    lmtl_check_keys(L, who, index, type->keys);
    mtl_transform t = {.kind = type->kind,
                       .height = lmtl_integer_field(L, who, index, "height", 0),
                       .width = lmtl_integer_field(L, who, index, "width", 0),
                       .padding = lmtl_integer_field(L, who, index, "padding", 0),
                       .p = lmtl_number_field(L, who, index, "p", 0.5),
                       .vertical = lmtl_bool_field(L, index, "vertical", false),
                       .low = lmtl_number_field(L, who, index, "low", 1.0),
                       .high = lmtl_number_field(L, who, index, "high", 1.0),
                       .brightness = lmtl_number_field(L, who, index, "brightness", 0.0),
                       .contrast = lmtl_number_field(L, who, index, "contrast", 0.0),
                       .saturation = lmtl_number_field(L, who, index, "saturation", 0.0)};
    if (t.kind != MTL_NORMALIZE)
        return t;
    t.mean = numbers(L, who, index, "mean", &t.channels);
    t.std = numbers(L, who, index, "std", &n_std);
    if (n_std != t.channels)
        luaL_error(L, "%s: %d means and %d stds, which should be one each a channel", who, t.channels, n_std);
    return t;
}

/* ---- fields ---- */

/* The tensor under `key` of the table at `index`, retained in the list; NULL: nil. */
static mtl_tensor *tensor_of(lua_State *L, int index, const char *key, lmtl_list *list, int i, const char *what)
{
    mtl_tensor *t = NULL;
    if (lua_getfield(L, index, key) != LUA_TNIL) {
        t = lmtl_test_tensor(L, -1);
        if (!t)
            luaL_error(L, "loader: %s is %s, which should be a tensor", what, luaL_typename(L, -1));
        list->tensor[i] = mtl_tensor_retain(t);
    }
    lua_pop(L, 1);
    return t;
}

/* The field at the top of the stack, popped. Its source is kept in the table at `kept`, its rows and classes, i-th of
   n, in the list. */
static void read_field(lua_State *L, int i, int n, int kept, lmtl_list *list, mtl_field *f)
{
    static const char *const keys[] = {"tensor", "source",  "rows",    "role", "scale",
                                       "shift",  "missing", "classes", NULL};
    static const char *const roles[] = {"image", "labels", "depth", "normals"};
    const char *who = "loader";
    int at = lua_gettop(L);
    lmtl_check_keys(L, who, at, keys);
    mtl_source **own = lmtl_new_source(L);
    lua_rawseti(L, kept, i + 1);
    if (lua_getfield(L, at, "source") != LUA_TNIL) {
        mtl_source *source = lmtl_test_source(L, -1);
        if (!source)
            luaL_error(L, "loader: source of field %d is %s, which should be a source", i + 1, luaL_typename(L, -1));
        *own = mtl_source_retain(source);
    } else {
        lua_getfield(L, at, "tensor");
        mtl_tensor *t = lmtl_test_tensor(L, -1);
        if (!t)
            luaL_error(L, "loader: tensor of field %d is %s, which should be a tensor", i + 1, luaL_typename(L, -1));
        lmtl_check(L, mtl_source_tensor(t, own));
    }
    lua_settop(L, at);
    *f = (mtl_field){.source = *own};
    if (lua_getfield(L, at, "role") != LUA_TNIL) {
        for (int r = 0; r < 4; r++) {
            if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), roles[r]) == 0)
                f->role = (mtl_role)(MTL_ROLE_IMAGE + r);
        }
        if (f->role == MTL_ROLE_PLAIN)
            luaL_error(L, "loader: role of field %d is %s, which should be image, labels, depth or normals", i + 1,
                       luaL_tolstring(L, -1, NULL));
    }
    f->scale = lmtl_number_field(L, who, at, "scale", f->role == MTL_ROLE_IMAGE ? 1 / 255.0 : 1.0);
    f->shift = lmtl_number_field(L, who, at, "shift", 0.0);
    f->missing = lmtl_number_field(L, who, at, "missing", 0.0);
    f->has_missing = lua_getfield(L, at, "missing") != LUA_TNIL;
    lua_settop(L, at);
    const char *what = lua_pushfstring(L, "rows of field %d", i + 1);
    const mtl_tensor *t = tensor_of(L, at, "rows", list, i, what);
    if (t && (mtl_tensor_dtype(t) != MTL_I32 || mtl_tensor_rank(t) != 1 || !mtl_tensor_data(t)))
        luaL_error(L, "loader: %s are %s of %d dimensions, which should be int32 [n]", what,
                   mtl_dtype_name(mtl_tensor_dtype(t)), mtl_tensor_rank(t));
    f->rows = t ? mtl_tensor_data(t) : NULL;
    f->n_rows = t ? mtl_tensor_count(t) : 0;
    what = lua_pushfstring(L, "classes of field %d", i + 1);
    t = tensor_of(L, at, "classes", list, n + 1 + i, what);
    if (t && (mtl_tensor_dtype(t) != MTL_I32 || mtl_tensor_count(t) != 256 || !mtl_tensor_data(t)))
        luaL_error(L, "loader: %s are %I of %s, which should be 256 of int32", what, (lua_Integer)mtl_tensor_count(t),
                   mtl_dtype_name(mtl_tensor_dtype(t)));
    f->classes = t ? mtl_tensor_data(t) : NULL;
    lua_settop(L, at - 1);
}

/* core.loader(fields, batch [, { transforms = {...}, weights = tensor, threads = n }]); fields: a list of
   { tensor = t | source = s, rows = int32 tensor, role = "image", scale = 1, shift = 0, missing = n,
   classes = int32 tensor [256] } */
static int l_loader(lua_State *L)
{
    static const char *const keys[] = {"transforms", "weights", "threads", NULL};
    mtl_field fields[MAX_FIELDS];
    mtl_transform transforms[MAX_TRANSFORMS];
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 3);
    mtl_loader_options o = {.fields = fields, .transforms = transforms, .batch = luaL_checkinteger(L, 2)};
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    lmtl_check_keys(L, "loader", 3, keys);
    lua_Unsigned n = lua_rawlen(L, 1);
    if (n < 1 || n > MAX_FIELDS)
        return luaL_error(L, "loader: %I fields, which should be 1 to %d", (lua_Integer)n, (int)MAX_FIELDS);
    o.n = (int)n;
    box *b = lua_newuserdatauv(L, sizeof *b, 0); /* 4 */
    b->loader = NULL;
    b->fields = (int)n;
    luaL_setmetatable(L, LOADER);
    lua_createtable(L, (int)n, 0);                          /* 5: sources */
    lmtl_list *list = lmtl_new_list(L, 2 * (int64_t)n + 1); /* 6: rows, the weights, classes */
    for (int i = 0; i < (int)n; i++) {
        lua_rawgeti(L, 1, i + 1);
        read_field(L, i, (int)n, 5, list, &fields[i]);
    }
    o.weights = tensor_of(L, 3, "weights", list, (int)n, "weights");
    lua_Integer threads = lmtl_integer_field(L, "loader", 3, "threads", 0);
    o.threads = threads < 0 ? -1 : threads > INT16_MAX ? INT16_MAX : (int)threads;
    if (lua_getfield(L, 3, "transforms") != LUA_TNIL) { /* 7 */
        luaL_checktype(L, 7, LUA_TTABLE);
        n = lua_rawlen(L, 7);
        if (n > MAX_TRANSFORMS)
            return luaL_error(L, "loader: %I transforms, which should be at most %d", (lua_Integer)n,
                              (int)MAX_TRANSFORMS);
        luaL_checkstack(L, 6 * (int)n + 20, "loader");
        for (o.n_transforms = 0; o.n_transforms < (int)n; o.n_transforms++) {
            lua_rawgeti(L, 7, o.n_transforms + 1);
            transforms[o.n_transforms] = transform_at(L, o.n_transforms + 1, lua_gettop(L));
        }
    }
    mtl_status status = mtl_loader_new(lmtl_context(), &o, &b->loader);
    lmtl_list_clear(list);
    lmtl_check(L, status);
    lua_settop(L, 4);
    return 1;
}

/* loader:start(training, seed, epoch [, first batch = 0]) */
static int o_start(lua_State *L)
{
    bool training = lua_toboolean(L, 2);
    uint64_t seed = (uint64_t)luaL_optinteger(L, 3, 0), epoch = (uint64_t)luaL_optinteger(L, 4, 0);
    lua_Integer first = luaL_optinteger(L, 5, 0);
    lmtl_check(L, mtl_loader_start(check(L, 1)->loader, training, seed, epoch, first));
    return 0;
}

/* Surveys the tensors at the places (from 1) that the table `places` has as its values, and those of integers. */
static void survey(lua_State *L, int places, int n, mtl_tensor *const *batch)
{
    mtl_survey s;
    for (int i = 0; i < n; i++) {
        if (mtl_tensor_dtype(batch[i]) == MTL_I32)
            lmtl_check(L, mtl_tensor_survey(batch[i], &s));
    }
    for (lua_pushnil(L); lua_next(L, places); lua_pop(L, 1))
        lmtl_check(L, mtl_tensor_survey(batch[lmtl_index(L, "next: place", lua_tointeger(L, -1), n)], &s));
}

/* loader:next([device [, places]]) -> tensors (on the device, else on the CPU), rows; nil at the end of the epoch. What
   moves to a device is surveyed before, where its place is in the table `places` or it holds integers: indices. */
static int o_next(lua_State *L)
{
    mtl_tensor *batch[MAX_FIELDS] = {NULL}, **boxes[MAX_FIELDS];
    int64_t rows = 0;
    int n = check(L, 1)->fields, device = lmtl_device(L, 2);
    lua_settop(L, 3);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        boxes[i] = lmtl_new_tensor(L);
        lua_rawseti(L, -2, i + 1);
    }
    lmtl_check(L, mtl_loader_next(check(L, 1)->loader, batch, &rows));
    for (int i = 0; i < n; i++)
        *boxes[i] = batch[i];
    if (rows > 0 && device > 0 && lua_istable(L, 3))
        survey(L, 3, n, batch);
    for (int i = 0; rows > 0 && device > 0 && i < n; i++) {
        mtl_tensor *there;
        lmtl_check(L, mtl_tensor_to(batch[i], device, &there));
        mtl_tensor_release(batch[i]);
        *boxes[i] = there;
    }
    if (rows == 0) {
        lua_pushnil(L);
        return 1;
    }
    lmtl_weigh(L);
    lua_pushinteger(L, rows);
    return 2;
}

static int o_rows(lua_State *L)
{
    lua_pushinteger(L, mtl_loader_rows(check(L, 1)->loader));
    return 1;
}

static int o_batches(lua_State *L)
{
    lua_pushinteger(L, mtl_loader_batches(check(L, 1)->loader));
    return 1;
}

void lmtl_open_loader(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", loader_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"start", o_start}, {"next", o_next}, {"rows", o_rows}, {"batches", o_batches}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"loader", l_loader}, {NULL, NULL}};
    lmtl_type(L, LOADER, meta, methods);
    luaL_setfuncs(L, functions, 0);
    lmtl_open_source(L);
}

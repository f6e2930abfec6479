/* Files to tensors and back. Paths are used as given: mtl.path checks what a recipe may name, before it comes here. */
#include <stdlib.h>
#include <string.h>

#include "lmtl.h"

#define CSV         "mtl.csv"
#define SAFETENSORS "mtl.safetensors"
#define NPZ         "mtl.npz"

/* core.png_read(path [, mode]) */
static int l_png_read(lua_State *L)
{
    static const char *const names[] = {"any", "gray", "rgb", "rgba", "index", "gray16", NULL};
    const char *path = luaL_checkstring(L, 1);
    mtl_png_mode mode = (mtl_png_mode)luaL_checkoption(L, 2, "any", names);
    mtl_tensor **box = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_png_read(lmtl_context(), path, mode, box));
}

/* core.png_write(path, image [, bits]): uint8, or with 16 bits gray of int32 */
static int l_png_write(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mtl_tensor *image = lmtl_tensor(L, 2);
    lua_Integer bits = luaL_optinteger(L, 3, 8);
    const char *dtype = mtl_dtype_name(mtl_tensor_dtype(image)), *want = bits == 16 ? "int32" : "uint8";
    luaL_argcheck(L, bits == 8 || bits == 16, 3, "8 or 16 bits");
    if (strcmp(dtype, want) != 0)
        return luaL_error(L, "cannot write %s: the image is %s, which should be %s for %d bits", path, dtype, want,
                          (int)bits);
    lmtl_check(L, mtl_png_write(path, image));
    return 0;
}

/* core.png_encode(image) -> the bytes of a PNG file of a uint8 image */
static int l_png_encode(lua_State *L)
{
    mtl_tensor *image = lmtl_tensor(L, 1);
    size_t size = 0;
    uint8_t **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, "mtl.malloc"); /* system.c */
    lmtl_check(L, mtl_png_encode(image, box, &size));
    lua_pushlstring(L, (const char *)*box, size);
    free(*box);
    *box = NULL;
    return 1;
}

static int l_npy_read(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mtl_tensor **box = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_npy_read(lmtl_context(), path, box));
}

static int l_npy_write(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lmtl_check(L, mtl_npy_write(path, lmtl_tensor(L, 2)));
    return 0;
}

static int npz_gc(lua_State *L)
{
    mtl_npz **box = luaL_checkudata(L, 1, NPZ);
    mtl_npz_free(*box);
    *box = NULL;
    return 0;
}

/* core.npz_read(path) -> { name = tensor } */
static int l_npz_read(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mtl_npz **npz = lua_newuserdatauv(L, sizeof *npz, 0);
    *npz = NULL;
    luaL_setmetatable(L, NPZ);
    lmtl_check(L, mtl_npz_open(lmtl_context(), path, npz));
    lua_newtable(L);
    for (int64_t i = 0; i < mtl_npz_count(*npz); i++) {
        mtl_tensor **box = lmtl_new_tensor(L);
        lmtl_result(L, mtl_npz_tensor(*npz, i, box));
        lua_setfield(L, -2, mtl_npz_name(*npz, i));
    }
    return 1;
}

static int l_idx_read(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mtl_tensor **box = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_idx_read(lmtl_context(), path, box));
}

/* ---- CSV ---- */

static mtl_csv *csv_at(lua_State *L, int arg)
{
    mtl_csv **box = luaL_checkudata(L, arg, CSV);
    luaL_argcheck(L, *box, arg, "this table was closed");
    return *box;
}

static int csv_gc(lua_State *L)
{
    mtl_csv **box = luaL_checkudata(L, 1, CSV);
    mtl_csv_free(*box);
    *box = NULL;
    return 0;
}

/* core.csv_read(path [, { separator = ",", decimal = ".", missing = nil, names_only = false }]) */
static int l_csv_read(lua_State *L)
{
    static const char *const keys[] = {"separator", "decimal", "missing", "names_only", NULL};
    const char *path = luaL_checkstring(L, 1), *separator, *decimal;
    mtl_csv_options o = {0};
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    lmtl_check_keys(L, "csv", 2, keys);
    lua_getfield(L, 2, "separator");
    separator = luaL_optstring(L, 3, ",");
    lua_getfield(L, 2, "decimal");
    decimal = luaL_optstring(L, 4, ".");
    lua_getfield(L, 2, "missing");
    o.missing = luaL_optstring(L, 5, NULL);
    o.names_only = lmtl_bool_field(L, 2, "names_only", false);
    if (strlen(separator) != 1)
        return luaL_error(L, "csv: separator '%s', which should be one character", separator);
    if (strlen(decimal) != 1)
        return luaL_error(L, "csv: decimal '%s', which should be '.' or ','", decimal);
    o.separator = separator[0];
    o.decimal = decimal[0];
    mtl_csv **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, CSV);
    lmtl_check(L, mtl_csv_read(lmtl_context(), path, &o, box));
    return 1;
}

/* core.csv_number(text, decimal): the number that a field is, or nil */
static int l_csv_number(lua_State *L)
{
    size_t n;
    double value;
    const char *text = luaL_checklstring(L, 1, &n), *decimal = luaL_checkstring(L, 2);
    if (mtl_csv_number(text, n, decimal[0], &value))
        lua_pushnumber(L, value);
    else
        lua_pushnil(L);
    return 1;
}

static int column(lua_State *L, mtl_csv *csv)
{
    const char *name = luaL_checkstring(L, 2);
    int i = mtl_csv_find(csv, name);
    if (i >= 0)
        return i;
    lua_settop(L, 2);
    lua_pushfstring(L, "csv: no column '%s'; there are", name);
    for (i = 0; i < mtl_csv_columns(csv) && i < 50; i++) {
        lua_pushfstring(L, "%s%s '%s'", lua_tostring(L, 3), i ? "," : "", mtl_csv_name(csv, i));
        lua_replace(L, 3);
    }
    return luaL_error(L, "%s%s", lua_tostring(L, 3), i < mtl_csv_columns(csv) ? ", ..." : "");
}

static int csv_rows(lua_State *L)
{
    lua_pushinteger(L, mtl_csv_rows(csv_at(L, 1)));
    return 1;
}

static int csv_separator(lua_State *L)
{
    char separator = mtl_csv_separator(csv_at(L, 1));
    lua_pushlstring(L, &separator, 1);
    return 1;
}

static int csv_decimal(lua_State *L)
{
    char decimal = mtl_csv_decimal(csv_at(L, 1));
    lua_pushlstring(L, &decimal, 1);
    return 1;
}

static int csv_names(lua_State *L)
{
    mtl_csv *csv = csv_at(L, 1);
    lua_newtable(L);
    for (int i = 0; i < mtl_csv_columns(csv); i++) {
        lua_pushstring(L, mtl_csv_name(csv, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int csv_numeric(lua_State *L)
{
    mtl_csv *csv = csv_at(L, 1);
    lua_pushboolean(L, mtl_csv_numeric(csv, column(L, csv)));
    return 1;
}

static int csv_numbers(lua_State *L)
{
    mtl_csv *csv = csv_at(L, 1);
    int i = column(L, csv);
    mtl_tensor **box = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_csv_numbers(csv, i, box));
}

/* csv:line(row), both from 1: where a row begins in its file */
static int csv_line(lua_State *L)
{
    int64_t line = mtl_csv_line(csv_at(L, 1), luaL_checkinteger(L, 2) - 1);
    luaL_argcheck(L, line > 0, 2, "no such row");
    lua_pushinteger(L, line);
    return 1;
}

/* csv:texts(name) -> every field as it stands in the file, by row from 1 */
static int csv_texts(lua_State *L)
{
    mtl_csv *csv = csv_at(L, 1);
    const char *text = NULL;
    lmtl_check(L, mtl_csv_texts(csv, column(L, csv), &text));
    lua_newtable(L);
    for (int64_t row = 1; row <= mtl_csv_rows(csv); row++) {
        lua_pushstring(L, text);
        lua_rawseti(L, -2, row);
        text += strlen(text) + 1;
    }
    return 1;
}

/* csv:codes(name) -> int32 tensor, levels */
static int csv_codes(lua_State *L)
{
    mtl_csv *csv = csv_at(L, 1);
    int i = column(L, csv);
    mtl_tensor **box = lmtl_new_tensor(L);
    lmtl_result(L, mtl_csv_codes(csv, i, box));
    lua_newtable(L);
    for (int64_t level = 0; level < mtl_csv_levels(csv, i); level++) {
        lua_pushstring(L, mtl_csv_level(csv, i, level));
        lua_rawseti(L, -2, level + 1);
    }
    return 2;
}

/* ---- safetensors ---- */

static mtl_safetensors *file_at(lua_State *L, int arg)
{
    mtl_safetensors **box = luaL_checkudata(L, arg, SAFETENSORS);
    luaL_argcheck(L, *box, arg, "this file was closed");
    return *box;
}

static int file_gc(lua_State *L)
{
    mtl_safetensors **box = luaL_checkudata(L, 1, SAFETENSORS);
    mtl_safetensors_free(*box);
    *box = NULL;
    return 0;
}

static int l_safetensors_read(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mtl_safetensors **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, SAFETENSORS);
    lmtl_check(L, mtl_safetensors_read(lmtl_context(), path, box));
    return 1;
}

static int file_names(lua_State *L)
{
    mtl_safetensors *file = file_at(L, 1);
    lua_newtable(L);
    for (int64_t i = 0; i < mtl_safetensors_count(file); i++) {
        lua_pushstring(L, mtl_safetensors_name(file, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int file_tensor(lua_State *L)
{
    const char *name = luaL_checkstring(L, 2);
    mtl_tensor **box = lmtl_new_tensor(L);
    return lmtl_result(L, mtl_safetensors_tensor(file_at(L, 1), name, box));
}

static int file_meta(lua_State *L)
{
    lua_pushstring(L, mtl_safetensors_meta(file_at(L, 1), luaL_checkstring(L, 2)));
    return 1;
}

/* The text at place `i` of the pair on top of the stack, which stays; anchored in the table at 4. */
static const char *text_of_pair(lua_State *L, int i, const char *what)
{
    if (!lua_istable(L, -1) || lua_rawgeti(L, -1, i) != LUA_TSTRING)
        luaL_error(L, "safetensors_write: %s", what);
    const char *text = lua_tostring(L, -1);
    lua_rawseti(L, 4, (lua_Integer)lua_rawlen(L, 4) + 1);
    return text;
}

/* core.safetensors_write(path, { { name, tensor }, ... } [, { { key, text }, ... }]) */
static int l_safetensors_write(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_newtable(L);
    lua_Unsigned n = lua_rawlen(L, 2), n_meta = lua_rawlen(L, 3);
    const char **names = lua_newuserdatauv(L, (n + 1) * sizeof *names, 0);
    const char **metadata = lua_newuserdatauv(L, (2 * n_meta + 1) * sizeof *metadata, 0);
    lmtl_list *list = lmtl_new_list(L, (int64_t)n);
    for (lua_Unsigned i = 0; i < n; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        names[i] = text_of_pair(L, 1, "tensors should be pairs { name, tensor }");
        lua_rawgeti(L, -1, 2);
        lmtl_list_set(L, list, (int64_t)i, "safetensors_write: tensor");
        lua_pop(L, 1);
    }
    for (lua_Unsigned i = 0; i < n_meta; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i + 1);
        metadata[2 * i] = text_of_pair(L, 1, "metadata should be pairs { key, text }");
        metadata[2 * i + 1] = text_of_pair(L, 2, "metadata should be pairs { key, text }");
        lua_pop(L, 1);
    }
    mtl_status status =
        mtl_safetensors_write(lmtl_context(), path, (int64_t)n, names, list->tensor, (int64_t)n_meta, metadata);
    lmtl_list_clear(list);
    lmtl_check(L, status);
    return 0;
}

/* core.file_read(path [, most]) -> the text of a regular file of at most `most` bytes (default: 64 MiB) */
static int l_file_read(lua_State *L)
{
    size_t size;
    const char *path = luaL_checkstring(L, 1);
    lua_Integer most = luaL_optinteger(L, 2, 64 << 20);
    luaL_argcheck(L, most >= 0, 2, "it should be 0 or more");
    char **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, "mtl.malloc");
    lmtl_check(L, mtl_file_read(lmtl_context(), path, (size_t)most, box, &size));
    lua_pushlstring(L, *box, size);
    return 1;
}

/* core.refuse_links(): see mtl_refuse_links */
static int l_refuse_links(lua_State *L)
{
    (void)L;
    mtl_refuse_links();
    return 0;
}

/* core.file_write(path, text): whole or not at all */
static int l_file_write(lua_State *L)
{
    size_t size;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &size);
    lmtl_check(L, mtl_file_write(lmtl_context(), path, text, size));
    return 0;
}

void lmtl_open_io(lua_State *L)
{
    static const luaL_Reg csv_meta[] = {{"__gc", csv_gc}, {NULL, NULL}};
    static const luaL_Reg csv_methods[] = {{"rows", csv_rows},           {"names", csv_names},
                                           {"separator", csv_separator}, {"decimal", csv_decimal},
                                           {"numeric", csv_numeric},     {"numbers", csv_numbers},
                                           {"line", csv_line},           {"texts", csv_texts},
                                           {"codes", csv_codes},         {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", file_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"names", file_names}, {"tensor", file_tensor}, {"meta", file_meta}, {NULL, NULL}};
    static const luaL_Reg npz_meta[] = {{"__gc", npz_gc}, {NULL, NULL}};
    static const luaL_Reg no_methods[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {{"png_read", l_png_read},
                                         {"png_write", l_png_write},
                                         {"png_encode", l_png_encode},
                                         {"npy_read", l_npy_read},
                                         {"npy_write", l_npy_write},
                                         {"npz_read", l_npz_read},
                                         {"idx_read", l_idx_read},
                                         {"csv_read", l_csv_read},
                                         {"csv_number", l_csv_number},
                                         {"safetensors_read", l_safetensors_read},
                                         {"safetensors_write", l_safetensors_write},
                                         {"file_write", l_file_write},
                                         {"file_read", l_file_read},
                                         {"refuse_links", l_refuse_links},
                                         {NULL, NULL}};
    lmtl_type(L, CSV, csv_meta, csv_methods);
    lmtl_type(L, SAFETENSORS, meta, methods);
    lmtl_type(L, NPZ, npz_meta, no_methods);
    luaL_setfuncs(L, functions, 0);
}

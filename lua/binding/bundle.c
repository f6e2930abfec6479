/* Bundles, checksums, signatures. Paths are used as given; nothing here is within reach of a recipe. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lmtl.h"
#include "mtl/bundle.h"

#define BUNDLE "mtl.bundle"

static mtl_bundle *to_bundle(lua_State *L)
{
    return *(mtl_bundle **)luaL_checkudata(L, 1, BUNDLE);
}

/* core.bundle_open(path) -> bundle */
static int l_bundle_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mtl_bundle **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, BUNDLE);
    lmtl_check(L, mtl_bundle_open(lmtl_context(), path, box));
    return 1;
}

static int bundle_gc(lua_State *L)
{
    mtl_bundle **box = luaL_checkudata(L, 1, BUNDLE);
    mtl_bundle_free(*box);
    *box = NULL;
    return 0;
}

/* bundle:files() -> { { name =, bytes = }, ... }; the functions below take places in this list */
static int bundle_files(lua_State *L)
{
    mtl_bundle *b = to_bundle(L);
    int64_t n = mtl_bundle_count(b);
    lua_createtable(L, (int)n, 0);
    for (int64_t i = 0; i < n; i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, mtl_bundle_name(b, i));
        lua_setfield(L, -2, "name");
        lua_pushinteger(L, (lua_Integer)mtl_bundle_size(b, i));
        lua_setfield(L, -2, "bytes");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* bundle:read(i) -> text */
static int bundle_read(lua_State *L)
{
    mtl_bundle *b = to_bundle(L);
    lua_Integer i = luaL_checkinteger(L, 2) - 1;
    luaL_Buffer buffer;
    size_t size = (size_t)mtl_bundle_size(b, i);
    char *data = luaL_buffinitsize(L, &buffer, size);
    lmtl_check(L, mtl_bundle_read(b, i, data));
    luaL_pushresultsize(&buffer, size);
    return 1;
}

/* bundle:extract(i [, path]) -> SHA-256; writes the file to a path that must not exist yet */
static int bundle_extract(lua_State *L)
{
    char sha256[MTL_SHA256_HEX];
    mtl_bundle *b = to_bundle(L);
    lua_Integer i = luaL_checkinteger(L, 2) - 1;
    lmtl_check(L, mtl_bundle_extract(b, i, luaL_optstring(L, 3, NULL), sha256));
    lua_pushstring(L, sha256);
    return 1;
}

/* core.bundle_write(path, { { name =, text = } or { name =, file = }, ... }) */
static int l_bundle_write(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 2);
    luaL_argcheck(L, n >= 1 && n <= MTL_BUNDLE_ENTRIES, 2, "too many files, or none");
    mtl_bundle_file *files = lua_newuserdatauv(L, (size_t)n * sizeof *files, 0);
    for (lua_Integer i = 0; i < n; i++) { /* the texts stay in the table */
        lua_rawgeti(L, 2, i + 1);
        luaL_checktype(L, -1, LUA_TTABLE);
        lua_getfield(L, -1, "name");
        lua_getfield(L, -2, "file");
        lua_getfield(L, -3, "text");
        files[i].name = luaL_checkstring(L, -3);
        files[i].file = lua_tostring(L, -2);
        files[i].data = lua_tolstring(L, -1, &files[i].size);
        if (!files[i].file && !files[i].data)
            return luaL_error(L, "bundle_write: '%s' has neither text nor file", files[i].name);
        lua_pop(L, 4);
    }
    lmtl_check(L, mtl_bundle_write(lmtl_context(), path, n, files));
    return 0;
}

/* core.sha256(text) -> 64 digits */
static int l_sha256(lua_State *L)
{
    char sha256[MTL_SHA256_HEX];
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    lmtl_check(L, mtl_sha256(lmtl_context(), text, size, sha256));
    lua_pushstring(L, sha256);
    return 1;
}

/* core.sha256_file(path) -> 64 digits, bytes */
static int l_sha256_file(lua_State *L)
{
    char sha256[MTL_SHA256_HEX];
    uint64_t size;
    lmtl_check(L, mtl_sha256_file(lmtl_context(), luaL_checkstring(L, 1), sha256, &size));
    lua_pushstring(L, sha256);
    lua_pushinteger(L, (lua_Integer)size);
    return 2;
}

static const unsigned char *bytes(lua_State *L, int arg, size_t want)
{
    size_t size;
    const char *text = luaL_checklstring(L, arg, &size);
    luaL_argcheck(L, size == want, arg, "of another length");
    return (const unsigned char *)text;
}

/* core.new_key() -> secret key, 32 bytes */
static int l_new_key(lua_State *L)
{
    unsigned char secret[MTL_KEY_BYTES];
    lmtl_check(L, mtl_sign_new_key(lmtl_context(), secret));
    lua_pushlstring(L, (char *)secret, sizeof secret);
    return 1;
}

/* core.public_key(secret) -> 32 bytes */
static int l_public_key(lua_State *L)
{
    unsigned char key[MTL_KEY_BYTES];
    lmtl_check(L, mtl_sign_public_key(lmtl_context(), bytes(L, 1, MTL_KEY_BYTES), key));
    lua_pushlstring(L, (char *)key, sizeof key);
    return 1;
}

/* core.sign_text(secret, text) -> signature, 64 bytes */
static int l_sign(lua_State *L)
{
    unsigned char signature[MTL_SIGNATURE_BYTES];
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    lmtl_check(L, mtl_sign_bytes(lmtl_context(), bytes(L, 1, MTL_KEY_BYTES), text, size, signature));
    lua_pushlstring(L, (char *)signature, sizeof signature);
    return 1;
}

/* core.sign_check(key, text, signature) -> boolean */
static int l_sign_check(lua_State *L)
{
    bool good;
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    lmtl_check(L, mtl_sign_check(lmtl_context(), bytes(L, 1, MTL_KEY_BYTES), text, size,
                                 bytes(L, 3, MTL_SIGNATURE_BYTES), &good));
    lua_pushboolean(L, good);
    return 1;
}

/* core.file_create(path, text, private): a file that was not there; `private`: for its owner only */
static int l_file_create(lua_State *L)
{
    size_t size;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &size);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, lua_toboolean(L, 3) ? 0600 : 0666);
    if (fd < 0)
        return luaL_error(L, "cannot make %s: %s", path, strerror(errno));
    bool whole = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    int error = errno;
    if (close(fd) == 0 && whole)
        return 0;
    unlink(path);
    return luaL_error(L, "cannot write %s: %s", path, strerror(error));
}

void lmtl_open_bundle(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", bundle_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"files", bundle_files}, {"read", bundle_read}, {"extract", bundle_extract}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"bundle_open", l_bundle_open}, {"bundle_write", l_bundle_write},
                                         {"sha256", l_sha256},           {"sha256_file", l_sha256_file},
                                         {"new_key", l_new_key},         {"public_key", l_public_key},
                                         {"sign_text", l_sign},          {"sign_check", l_sign_check},
                                         {"file_create", l_file_create}, {NULL, NULL}};
    lmtl_type(L, BUNDLE, meta, methods);
    luaL_setfuncs(L, functions, 0);
}

/* JSON: read by cJSON, written here so that the same table always gives the same bytes (keys sorted, numbers exact). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "lmtl.h"

#define ARRAY "mtl.array" /* metatable of tables that are arrays even when they are empty */
enum { MAX_DEPTH = 100 };

typedef struct {
    lmtl_buffer *out;
    bool pretty;
    int depth;
} writer;

static void put(lua_State *L, writer *w, const char *text)
{
    lmtl_add(L, w->out, text, strlen(text));
}

static void put_line(lua_State *L, writer *w)
{
    if (!w->pretty)
        return;
    put(L, w, "\n");
    for (int i = 0; i < w->depth; i++)
        put(L, w, "  ");
}

/* Length of the UTF-8 sequence at s, 0 where it is none. */
static size_t utf8(const unsigned char *s, size_t left)
{
    size_t n = 1 + (s[0] >= 0xC0) + (s[0] >= 0xE0) + (s[0] >= 0xF0);
    if ((s[0] >= 0x80 && s[0] < 0xC2) || s[0] > 0xF4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) ||
        (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

/* Bytes that are no UTF-8 become U+FFFD: what is written is always valid JSON. */
static void put_string(lua_State *L, writer *w, const char *text, size_t size)
{
    put(L, w, "\"");
    for (size_t i = 0; i < size;) {
        unsigned char c = (unsigned char)text[i];
        size_t n = utf8((const unsigned char *)text + i, size - i);
        char escape[8];
        if (n == 0) {
            put(L, w, "\xEF\xBF\xBD");
            n = 1;
        } else if (c == '"' || c == '\\') {
            snprintf(escape, sizeof escape, "\\%c", c);
            put(L, w, escape);
        } else if (c == '\n') {
            put(L, w, "\\n");
        } else if (c == '\t') {
            put(L, w, "\\t");
        } else if (c < 0x20 || c == 0x7F) {
            snprintf(escape, sizeof escape, "\\u%04x", c);
            put(L, w, escape);
        } else {
            lmtl_add(L, w->out, text + i, n);
        }
        i += n;
    }
    put(L, w, "\"");
}

/* The fewest digits that read back as the same number. */
static void put_number(lua_State *L, writer *w, double value)
{
    char text[40];
    if (!isfinite(value)) {
        put(L, w, "null");
        return;
    }
    if (value == floor(value) && fabs(value) < 1e15) {
        snprintf(text, sizeof text, "%.0f", value == 0.0 ? 0.0 : value);
    } else {
        for (int digits = 6; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value)
                break;
        }
    }
    put(L, w, text);
}

static void put_value(lua_State *L, writer *w);

static void put_array(lua_State *L, writer *w, lua_Integer n)
{
    put(L, w, "[");
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1)
            put(L, w, w->pretty ? ", " : ",");
        lua_rawgeti(L, -1, i);
        put_value(L, w);
        lua_pop(L, 1);
    }
    put(L, w, "]");
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The table on top, `n` keys, all of them texts. The keys are anchored: a finaliser could take them out of the table.
 */
static void put_object(lua_State *L, writer *w, size_t n)
{
    size_t i = 0;
    const char **keys = lua_newuserdatauv(L, (n + 1) * sizeof *keys, 0);
    lua_createtable(L, (int)n, 0);
    lua_pushnil(L);
    while (i < n && lua_next(L, -4)) {
        lua_pop(L, 1);
        keys[i++] = lua_tostring(L, -1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)i);
    }
    if (i == n)
        lua_pop(L, 1);
    n = i;
    qsort(keys, n, sizeof *keys, by_bytes);
    put(L, w, "{");
    w->depth++;
    for (i = 0; i < n; i++) {
        if (i > 0)
            put(L, w, ",");
        put_line(L, w);
        put_string(L, w, keys[i], strlen(keys[i]));
        put(L, w, w->pretty ? ": " : ":");
        lua_pushstring(L, keys[i]);
        lua_rawget(L, -4);
        put_value(L, w);
        lua_pop(L, 1);
    }
    w->depth--;
    if (n > 0)
        put_line(L, w);
    put(L, w, "}");
    lua_pop(L, 2);
}

static bool is_array(lua_State *L)
{
    if (!lua_getmetatable(L, -1))
        return false;
    luaL_getmetatable(L, ARRAY);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static void put_table(lua_State *L, writer *w)
{
    size_t texts = 0;
    lua_Integer others = 0, n = (lua_Integer)lua_rawlen(L, -1);
    if (++w->depth > MAX_DEPTH)
        luaL_error(L, "json: tables nested deeper than %d (does one hold itself?)", (int)MAX_DEPTH);
    w->depth--;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        size_t size;
        if (lua_type(L, -1) != LUA_TSTRING) {
            others++;
            continue;
        }
        if (strlen(lua_tolstring(L, -1, &size)) != size)
            luaL_error(L, "json: a key with a zero byte in it");
        texts++;
    }
    if (others != n || (others > 0 && texts > 0))
        luaL_error(L, "json: a table whose keys are neither 1 .. n nor all texts");
    if (n > 0 || (texts == 0 && is_array(L))) {
        w->depth++;
        put_array(L, w, n);
        w->depth--;
    } else {
        put_object(L, w, texts);
    }
}

static void put_value(lua_State *L, writer *w)
{
    char text[32];
    size_t size;
    luaL_checkstack(L, 8, "json");
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        put(L, w, "null");
        break;
    case LUA_TBOOLEAN:
        put(L, w, lua_toboolean(L, -1) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, -1)) {
            snprintf(text, sizeof text, "%" PRId64, (int64_t)lua_tointeger(L, -1));
            put(L, w, text);
        } else {
            put_number(L, w, lua_tonumber(L, -1));
        }
        break;
    case LUA_TSTRING: {
        const char *s = lua_tolstring(L, -1, &size);
        put_string(L, w, s, size);
        break;
    }
    case LUA_TTABLE:
        put_table(L, w);
        break;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, -1)) {
            put(L, w, "null");
            break;
        } /* fallthrough */
    default:
        luaL_error(L, "json: a %s cannot be written", luaL_typename(L, -1));
    }
}

/* core.json_encode(value [, pretty]) -> text. Not finite: null. Empty tables are {} unless core.array made them. */
static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    writer w = {.pretty = lua_toboolean(L, 2)};
    lua_settop(L, 1);
    w.out = lmtl_new_buffer(L);
    lua_pushvalue(L, 1);
    put_value(L, &w);
    lua_pushlstring(L, w.out->data, w.out->used);
    return 1;
}

/* ---- reading ---- */

static int tree_gc(lua_State *L)
{
    cJSON **box = luaL_checkudata(L, 1, "mtl.json");
    cJSON_Delete(*box);
    *box = NULL;
    return 0;
}

static void push_tree(lua_State *L, const cJSON *item)
{
    luaL_checkstack(L, 4, "json");
    if (cJSON_IsBool(item)) {
        lua_pushboolean(L, cJSON_IsTrue(item));
    } else if (cJSON_IsNumber(item)) {
        double value = item->valuedouble;
        if (value == floor(value) && fabs(value) < 0x1p53)
            lua_pushinteger(L, (lua_Integer)value);
        else
            lua_pushnumber(L, value);
    } else if (cJSON_IsString(item)) {
        lua_pushstring(L, item->valuestring);
    } else if (cJSON_IsArray(item)) {
        lua_Integer i = 0;
        lua_newtable(L);
        if (!item->child)
            luaL_setmetatable(L, ARRAY);
        for (const cJSON *child = item->child; child; child = child->next) {
            push_tree(L, child);
            lua_rawseti(L, -2, ++i);
        }
    } else if (cJSON_IsObject(item)) {
        lua_newtable(L);
        for (const cJSON *child = item->child; child; child = child->next) {
            lua_pushstring(L, child->string);
            push_tree(L, child);
            lua_rawset(L, -3);
        }
    } else {
        lua_pushlightuserdata(L, NULL);
    }
}

/* core.json_decode(text) -> value. null is core.null; whole numbers below 2^53 are integers. */
static int l_decode(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size), *end = NULL;
    cJSON **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, "mtl.json");
    *box = cJSON_ParseWithLengthOpts(text, size + 1, &end, true); /* with Lua's closing zero: nothing may follow */
    if (!*box)
        return luaL_error(L, "json: not valid at byte %I of %I", end ? (lua_Integer)(end - text) + 1 : (lua_Integer)0,
                          (lua_Integer)size);
    push_tree(L, *box);
    cJSON_Delete(*box);
    *box = NULL;
    return 1;
}

/* core.array([t]) -> t, marked: an array also when it is empty */
static int l_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1))
        lua_newtable(L);
    else
        luaL_checktype(L, 1, LUA_TTABLE);
    luaL_setmetatable(L, ARRAY);
    return 1;
}

void lmtl_open_json(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", tree_gc}, {NULL, NULL}}, none[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"json_encode", l_encode}, {"json_decode", l_decode}, {"array", l_array}, {NULL, NULL}};
    lmtl_type(L, "mtl.json", meta, NULL);
    lmtl_type(L, ARRAY, none, NULL);
    luaL_setfuncs(L, functions, 0);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}

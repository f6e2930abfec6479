/* Memory: when to collect, texts under construction, and Lua states whose memory is capped. */
#include <stdlib.h>
#include <string.h>

#include "lmtl.h"

#define MiB ((size_t)1 << 20)

/* ---- the collector and tensors ----
   Lua sees a box of 8 bytes, not the tensor in it. So tensors have a pause of their own: when what lives has doubled
   since the last collection (and grown by 64 MiB and the Lua heap's size, so that small or large heaps cost little),
   Lua collects. Near the cap on tensor memory it collects earlier. */

static size_t collect_at = 64 * MiB, limit;

static void plan(lua_State *L, size_t live)
{
    size_t heap = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024;
    size_t growth = live > 64 * MiB + heap ? live : 64 * MiB + heap;
    collect_at = live + growth;
    if (limit && collect_at > limit / 4 * 3)
        collect_at = live + limit / 16 > limit / 4 * 3 ? live + limit / 16 : limit / 4 * 3;
}

void lmtl_weigh(lua_State *L)
{
    if (mtl_memory_use(lmtl_context()).bytes < collect_at || !lua_gc(L, LUA_GCISRUNNING))
        return;
    lua_gc(L, LUA_GCCOLLECT);
    plan(L, mtl_memory_use(lmtl_context()).bytes);
}

static int l_memory(lua_State *L)
{
    mtl_memory use = mtl_memory_use(lmtl_context());
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)use.bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushinteger(L, (lua_Integer)use.cached);
    lua_setfield(L, -2, "cached");
    lua_pushinteger(L, (lua_Integer)use.allocations);
    lua_setfield(L, -2, "allocations");
    return 1;
}

static int l_memory_limit(lua_State *L)
{
    lua_Integer bytes = luaL_checkinteger(L, 1);
    luaL_argcheck(L, bytes >= 0, 1, "bytes, which should be 0 (no limit) or more");
    limit = (size_t)bytes;
    mtl_set_memory_limit(lmtl_context(), limit);
    plan(L, mtl_memory_use(lmtl_context()).bytes);
    return 0;
}

/* ---- texts under construction ---- */

static int buffer_gc(lua_State *L)
{
    lmtl_buffer *buffer = lua_touserdata(L, 1);
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
    return 0;
}

lmtl_buffer *lmtl_new_buffer(lua_State *L)
{
    lmtl_buffer *buffer = lua_newuserdatauv(L, sizeof *buffer, 0);
    memset(buffer, 0, sizeof *buffer);
    luaL_setmetatable(L, "mtl.buffer");
    return buffer;
}

void lmtl_add(lua_State *L, lmtl_buffer *buffer, const char *data, size_t size)
{
    if (size > buffer->room - buffer->used) {
        size_t room = 2 * buffer->room + size + 256;
        char *grown = realloc(buffer->data, room);
        if (!grown)
            luaL_error(L, "not enough memory for a text of %I bytes", (lua_Integer)room);
        buffer->data = grown;
        buffer->room = room;
    }
    memcpy(buffer->data + buffer->used, data, size);
    buffer->used += size;
}

/* ---- states with a cap ---- */

typedef struct {
    size_t used, limit;
} heap;

static void *allocate(void *ud, void *old, size_t old_size, size_t size)
{
    heap *h = ud;
    size_t had = old ? old_size : 0; /* without a block, old_size is the kind of object */
    if (size == 0) {
        free(old);
        h->used -= had;
        return NULL;
    }
    if (h->limit && size > had && (h->used > h->limit || size - had > h->limit - h->used))
        return NULL; /* Lua collects, tries again, and raises "not enough memory" */
    void *block = realloc(old, size);
    if (block)
        h->used += size - had;
    return block;
}

/* The counter lives as long as the process: lua_close frees through it to the end. */
lua_State *lmtl_new_state(void)
{
    static heap counter;
    return lua_newstate(allocate, &counter);
}

/* core.lua_memory_limit([bytes]) -> bytes in use. 0: no limit. Only in the program mtl; nil in another host. */
static int l_lua_memory_limit(lua_State *L)
{
    void *ud;
    lua_Integer bytes = luaL_optinteger(L, 1, -1);
    lua_settop(L, 0);
    lua_pushnil(L);
    if (lua_getallocf(L, &ud) != allocate)
        return 1;
    heap *h = ud;
    if (bytes >= 0)
        h->limit = (size_t)bytes;
    lua_pushinteger(L, (lua_Integer)h->used);
    return 1;
}

static const luaL_Reg functions[] = {
    {"memory", l_memory}, {"memory_limit", l_memory_limit}, {"lua_memory_limit", l_lua_memory_limit}, {NULL, NULL}};

void lmtl_open_memory(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", buffer_gc}, {NULL, NULL}};
    lmtl_type(L, "mtl.buffer", meta, NULL);
    luaL_setfuncs(L, functions, 0);
}

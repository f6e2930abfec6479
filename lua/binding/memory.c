/* Memory: the program's Lua state, whose heap and tensors are capped together; when to collect; texts under
   construction. */
#include <stdlib.h>
#include <string.h>

#include "lmtl.h"

#define MiB ((size_t)1 << 20)

/* ---- the heap of the program's own Lua state ---- */

static size_t heap;  /* bytes in use; 0 in another host */
static size_t limit; /* of tensors and the heap together; 0: none */

static bool over(size_t more)
{
    mtl_memory use = mtl_memory_use(lmtl_context());
    if (heap + use.bytes + use.cached + more <= limit)
        return false;
    if (use.cached > 0)
        mtl_trim_memory(lmtl_context());
    return heap + use.bytes + more > limit;
}

static void *allocate(void *ud, void *old, size_t old_size, size_t size)
{
    size_t had = old ? old_size : 0; /* without a block, old_size is the kind of object */
    (void)ud;
    if (size == 0) {
        free(old);
        heap -= had;
        return NULL;
    }
    if (limit && size > had && lmtl_context() && over(size - had))
        return NULL; /* Lua collects, tries again, and raises "not enough memory" */
    void *block = realloc(old, size);
    if (block)
        heap += size - had;
    return block;
}

lua_State *lmtl_new_state(void)
{
    return lua_newstate(allocate, NULL);
}

/* ---- the collector and tensors ----
   Lua sees a box of 8 bytes, not the tensor in it. So tensors have a pause of their own: when what lives has doubled
   since the last collection (and grown by 64 MiB and the Lua heap's size, so that small or large heaps cost little),
   Lua collects. Near the cap it collects earlier. */

static size_t collect_at = 64 * MiB;

static void plan(lua_State *L, size_t live)
{
    size_t size = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024;
    size_t growth = live > 64 * MiB + size ? live : 64 * MiB + size, room = limit > heap ? limit - heap : 0;
    collect_at = live + growth;
    if (limit && collect_at > room / 4 * 3)
        collect_at = live + room / 16 > room / 4 * 3 ? live + room / 16 : room / 4 * 3;
}

void lmtl_weigh(lua_State *L)
{
    if (mtl_memory_use(lmtl_context()).bytes < collect_at || !lua_gc(L, LUA_GCISRUNNING))
        return;
    lua_gc(L, LUA_GCCOLLECT);
    plan(L, mtl_memory_use(lmtl_context()).bytes);
}

/* core.memory() -> { bytes =, cached =, allocations = (of tensors), lua = bytes of the program's Lua, limit = } */
static int l_memory(lua_State *L)
{
    mtl_memory use = mtl_memory_use(lmtl_context());
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, (lua_Integer)use.bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushinteger(L, (lua_Integer)use.cached);
    lua_setfield(L, -2, "cached");
    lua_pushinteger(L, (lua_Integer)use.allocations);
    lua_setfield(L, -2, "allocations");
    lua_pushinteger(L, (lua_Integer)heap);
    lua_setfield(L, -2, "lua");
    lua_pushinteger(L, (lua_Integer)limit);
    lua_setfield(L, -2, "limit");
    return 1;
}

/* core.memory_limit(bytes): a cap for tensors and, in the program mtl, Lua together; 0: none */
static int l_memory_limit(lua_State *L)
{
    lua_Integer bytes = luaL_checkinteger(L, 1);
    luaL_argcheck(L, bytes >= 0, 1, "bytes, which should be 0 (no limit) or more");
    limit = (size_t)bytes;
    mtl_set_memory_limit(lmtl_context(), limit);
    mtl_count_memory(lmtl_context(), &heap);
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

static const luaL_Reg functions[] = {{"memory", l_memory}, {"memory_limit", l_memory_limit}, {NULL, NULL}};

void lmtl_open_memory(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", buffer_gc}, {NULL, NULL}};
    lmtl_type(L, "mtl.buffer", meta, NULL);
    luaL_setfuncs(L, functions, 0);
}

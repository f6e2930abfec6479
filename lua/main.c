/* The program mtl: a Lua state with mtl.core and the embedded mtl modules, and the command line, which is Lua
 * (mtl.cli). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lualib.h>

#include "embedded.h"
#include "lmtl.h"

/* The loader of an embedded module: which one is the upvalue. require hands the name on. */
static int load_embedded(lua_State *L)
{
    const lmtl_embedded *module = &lmtl_embedded_modules[lua_tointeger(L, lua_upvalueindex(1))];
    if (luaL_loadbufferx(L, module->text, module->size, module->chunk, "t") != LUA_OK)
        return lua_error(L);
    lua_pushstring(L, module->name);
    lua_pushstring(L, module->chunk);
    lua_call(L, 2, 1);
    return 1;
}

static int run(lua_State *L)
{
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_mtl_core);
    lua_setfield(L, -2, "mtl.core");
    for (int i = 0; lmtl_embedded_modules[i].name; i++) {
        lua_pushinteger(L, i);
        lua_pushcclosure(L, load_embedded, 1);
        lua_setfield(L, -2, lmtl_embedded_modules[i].name);
    }
    lua_getglobal(L, "require");
    lua_pushliteral(L, "mtl.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_createtable(L, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_call(L, 1, 1);
    return 1;
}

/* What was raised, as text: made while errors are still caught. */
static int as_text(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    return 1;
}

#define SPIN "10000" /* turns, of some tens of nanoseconds */

/* Libraries with threads read what they are told before main: so the program says it and starts again. OpenMP's threads
   spin while they wait for one another: for long, unless they are told otherwise, which beside other work made a step
   three to five times slower; not at all is slower where the machine is free (docs/performance.md). Whoever set a
   variable of OpenMP's has chosen. OpenBLAS starts threads as it is loaded, which mtl does not use and which no wall
   (binding/wall.c) would hold. */
static void tell_libraries(char **argv)
{
    static const char *const chosen[] = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"};
    const char *blas = getenv("OPENBLAS_NUM_THREADS");
    bool open = true, told = blas && strcmp(blas, "1") == 0;
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++)
        open = open && !getenv(chosen[i]);
    if (open)
        told = setenv("GOMP_SPINCOUNT", SPIN, 1) != 0;
    if (!told && setenv("OPENBLAS_NUM_THREADS", "1", 1) == 0)
        execv("/proc/self/exe", argv); /* where there is no /proc, go on as it is */
}

int main(int argc, char **argv)
{
    tell_libraries(argv);
    lua_State *L = lmtl_new_state();
    if (!L) {
        fputs("mtl: not enough memory\n", stderr);
        return 2;
    }
    lua_pushcfunction(L, as_text);
    lua_pushcfunction(L, run);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    int status = lua_pcall(L, 2, 1, 1);
    int result = (int)lua_tointeger(L, -1);
    if (status != LUA_OK) {
        fprintf(stderr, "mtl: %s\n", lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error without a text");
        result = lmtl_interrupted() ? 128 + lmtl_interrupted() : 1;
    }
    lua_close(L);
    return result;
}

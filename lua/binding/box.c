/* Lua's own functions as a recipe gets them: what catches errors does not catch being stopped (interrupt.c), and what
   may take long in C says so. They do what those of lbaselib.c and lcorolib.c do, from which some of this is taken. */
#include "lmtl.h"

/* ---- errors ---- */

static int finish(lua_State *L, int status, lua_KContext extra)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)extra;
    lmtl_in_c(false); /* the error may have left such a function */
    if (lmtl_stopping())
        return lua_error(L);
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
}

static int box_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    return finish(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish), 0);
}

static int box_xpcall(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2); /* f, handler, true, f, arguments */
    return finish(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish), 2);
}

/* ---- coroutines ---- */

static lua_State *coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

/* Moves the error on top of co here; raised where code is being stopped. */
static void take_error(lua_State *L, lua_State *co)
{
    lmtl_in_c(false);
    lua_xmove(co, L, 1);
    if (lmtl_stopping())
        lua_error(L);
}

/* Resumes co with the n arguments on top of L. The number of results on top of L, or -1 and an error there. */
static int resume(lua_State *L, lua_State *co, int n)
{
    int count;
    if (!lua_checkstack(co, n)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, n);
    lmtl_enter(co);
    int status = lua_resume(co, L, n, &count);
    lmtl_enter(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        take_error(L, co);
        return -1;
    }
    if (!lua_checkstack(L, count + 1)) {
        lua_pop(co, count);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, count);
    return count;
}

static int box_resume(lua_State *L)
{
    int count = resume(L, coroutine(L), lua_gettop(L) - 1);
    lua_pushboolean(L, count >= 0);
    lua_insert(L, count < 0 ? -2 : -(count + 1));
    return count < 0 ? 2 : count + 1;
}

/* Closes what is to be closed in co. Whether that went well; else an error is on top of L. */
static bool close_of(lua_State *L, lua_State *co)
{
    lmtl_enter(co);
    int status = lua_resetthread(co);
    lmtl_enter(L);
    if (status != LUA_OK)
        take_error(L, co);
    return status == LUA_OK;
}

static int wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int count = resume(L, co, lua_gettop(L));
    if (count >= 0)
        return count;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) { /* it ended by an error */
        lua_pushvalue(L, -1);
        lua_xmove(L, co, 1); /* which __close is told */
        if (!close_of(L, co))
            lua_remove(L, -2);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int box_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

static int box_close(lua_State *L)
{
    lua_State *co = coroutine(L);
    lua_Debug ar;
    int status = lua_status(co);
    if (co == L || (status == LUA_OK && lua_getstack(co, 0, &ar)))
        return luaL_error(L, "cannot close a %s coroutine", co == L ? "running" : "normal");
    if (close_of(L, co)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

/* ---- functions that may take long ---- */

/* An iterator of Lua's own, which has upvalues. */
static int each(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lmtl_in_c(true);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    lmtl_in_c(false);
    return lua_gettop(L);
}

static int guarded(lua_State *L)
{
    lua_CFunction f = lua_tocfunction(L, lua_upvalueindex(1));
    lmtl_in_c(true);
    int n = f(L); /* in this frame: its messages speak of the caller's arguments */
    lmtl_in_c(false);
    if (lua_toboolean(L, lua_upvalueindex(2)) && lua_isfunction(L, -1))
        lua_pushcclosure(L, each, 1);
    return n;
}

/* core.box.guard(f, iterates): a function of C without upvalues; iterates: it returns a function that works. */
static int box_guard(lua_State *L)
{
    luaL_argcheck(L, lua_iscfunction(L, 1) && !lua_getupvalue(L, 1, 1), 1, "a function of Lua's own library");
    lua_settop(L, 2);
    lua_pushcclosure(L, guarded, 2);
    return 1;
}

void lmtl_open_box(lua_State *L)
{
    static const luaL_Reg functions[] = {{"pcall", box_pcall}, {"xpcall", box_xpcall}, {"resume", box_resume},
                                         {"wrap", box_wrap},   {"close", box_close},   {"guard", box_guard},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "box");
}

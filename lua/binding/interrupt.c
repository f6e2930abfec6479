/* ^C at the prompt: calls that it interrupts, coroutines too. Only `mtl repl` calls these; `mtl run` has
   core.catch_signals.

   The handler gives the thread that runs a hook, which raises "interrupted" at its next instruction of Lua, and at
   every one after that until the call is left: a pcall in the code that runs catches it in vain. A hook belongs to one
   Lua thread, so coroutines are resumed by a function of this file, which keeps `running` up to date. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "lmtl.h"

volatile sig_atomic_t lmtl_pressed;
static lua_State *volatile running;     /* what a signal should interrupt; NULL while a line is read */
static volatile sig_atomic_t deferring; /* the code that runs asks for itself, at places that lose nothing */
static volatile sig_atomic_t hooked;
static struct timespec last;

enum { AGAIN_MS = 700 }; /* ^C that follow one another faster than this are one */

static void raise_interrupt(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    luaL_error(L, "interrupted");
}

static void hook(lua_State *L)
{
    lua_sethook(L, raise_interrupt, LUA_MASKCOUNT, 1);
    hooked = 1;
}

static bool too_soon(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long ms = (long)(now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000;
    if (lmtl_pressed && ms < AGAIN_MS)
        return true;
    last = now;
    return false;
}

/* The first ^C waits for code that defers it, a further one does not; one more, where the hook does not help (a pattern
   that never ends, a long product), ends the program. */
static void on_interrupt(int number)
{
    static const char leaving[] = "\033[?25h\n"; /* a drawing may have hidden the cursor */
    (void)number;
    if (!running) {
        lmtl_pressed = 1;
    } else if (!too_soon()) {
        if (hooked) {
            if (isatty(STDOUT_FILENO))
                (void)!write(STDOUT_FILENO, leaving, sizeof leaving - 1);
            _exit(130);
        }
        if (!deferring || lmtl_pressed)
            hook(running);
        lmtl_pressed = 1;
    }
}

void lmtl_catch_interrupt(struct sigaction *before)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_interrupt; /* no SA_RESTART: reading a line ends */
    lmtl_pressed = hooked = deferring = 0;
    sigaction(SIGINT, &action, before);
}

bool lmtl_deferred(void)
{
    return running && deferring && lmtl_pressed;
}

/* core.interruptible(f, ...) -> true and what f returns, or false, the error, and whether ^C was pressed */
static int l_interruptible(lua_State *L)
{
    struct sigaction before;
    luaL_checkany(L, 1);
    lua_State *outer = running;
    lmtl_catch_interrupt(&before);
    running = L;
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    running = outer;
    lua_sethook(L, NULL, 0, 0);
    sigaction(SIGINT, &before, NULL);
    lua_pushboolean(L, status == LUA_OK);
    lua_insert(L, 1);
    if (status != LUA_OK)
        lua_pushboolean(L, lmtl_pressed);
    return lua_gettop(L);
}

/* core.defer_interrupt(on) -> whether ^C was pressed since the call began. on: from here on, ^C raises nothing, and
   this is to be asked now and then. */
static int l_defer_interrupt(lua_State *L)
{
    deferring = lua_toboolean(L, 1);
    lua_pushboolean(L, lmtl_pressed);
    return 1;
}

static int resume(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTHREAD);
    lua_State *outer = running, *co = lua_tothread(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    if (outer)
        running = co;
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    running = outer;
    if (lua_gethook(co) == raise_interrupt)
        lua_sethook(co, NULL, 0, 0);
    if (outer && hooked)
        hook(outer);
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* core.resume_interruptible(coroutine.resume) -> the same function, and ^C reaches the coroutine */
static int l_resume_interruptible(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushcclosure(L, resume, 1);
    return 1;
}

void lmtl_open_interrupt(lua_State *L)
{
    static const luaL_Reg functions[] = {{"interruptible", l_interruptible},
                                         {"defer_interrupt", l_defer_interrupt},
                                         {"resume_interruptible", l_resume_interruptible},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

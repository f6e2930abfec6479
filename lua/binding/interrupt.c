/* Signals, and how they stop code that does not want to stop. A signal sets a hook on the coroutine that runs; the hook
   raises an error in code that is not mtl's own, and goes on to raise it: what catches errors in a recipe (box.c)
   raises it again. A function of C never meets a hook: where one of Lua's own takes long (a pattern), the program ends.
 */
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "lmtl.h"

enum { TICKS = 2 }; /* half seconds that a recipe has to come to the end of a step */

static lua_State *volatile current;
static volatile sig_atomic_t interrupt;       /* the signal that asks to stop; 0: none */
static volatile sig_atomic_t saves;           /* the first signal is left to core.interrupted */
static volatile sig_atomic_t at_prompt;       /* ^C goes back to the prompt, from mtl's own code too */
static volatile sig_atomic_t stopping, ticks; /* whether the hook has raised its error */
static volatile sig_atomic_t in_c, calls, calls_before;

void lmtl_in_c(bool begins)
{
    in_c = begins;
    calls = begins ? (calls + 1) & 0xffff : calls;
}

bool lmtl_stopping(void)
{
    return stopping;
}

int lmtl_interrupted(void)
{
    return interrupt;
}

static void stop(lua_State *L, lua_Debug *ar)
{
    if (!interrupt) { /* left from an earlier ^C */
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    lua_getinfo(L, "S", ar);
    if (strncmp(ar->source, "@mtl/", 5) == 0 && (stopping || !at_prompt))
        return;
    stopping = 1;
    luaL_where(L, 0);
    lua_pushliteral(L, "interrupted");
    lua_concat(L, 2);
    lua_error(L);
}

static void arm(void)
{
    if (current)
        lua_sethook(current, stop, LUA_MASKCOUNT, 1);
}

void lmtl_enter(lua_State *L)
{
    current = L;
    if (stopping || ticks >= TICKS)
        arm();
}

static void end_now(int number)
{
    static const char show_cursor[] = "\033[?25h"; /* a progress bar hides it */
    if (isatty(1))
        (void)!write(1, show_cursor, sizeof show_cursor - 1);
    _exit(128 + number);
}

static void on_alarm(int number)
{
    (void)number;
    if (ticks > 0 && in_c && calls == calls_before)
        end_now(interrupt);
    calls_before = calls;
    if (ticks < TICKS)
        ticks++;
    if (ticks == TICKS)
        arm();
}

static void on_signal(int number)
{
    static const struct itimerval half = {{0, 500000}, {0, 500000}};
    if (!saves || (interrupt && number == SIGINT))
        end_now(number);
    interrupt = number;
    calls_before = calls;
    setitimer(ITIMER_REAL, &half, NULL);
}

static void on_prompt(int number)
{
    if (interrupt) /* the first one did not help */
        end_now(number);
    interrupt = number;
    arm();
}

static void handle(int number, void (*handler)(int), int flags, struct sigaction *before)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_flags = flags;
    action.sa_handler = handler;
    sigaction(number, &action, before);
}

/* core.catch_signals([saves = true]): the first ^C or SIGTERM is kept for core.interrupted; where that is not asked
   within a second, code of a recipe's is stopped. A second ^C ends the program with status 130. With false there is
   nothing to save yet: the first one ends it. A file too large, and with true a closed pipe, become errors of the
   write. */
static int l_catch_signals(lua_State *L)
{
    saves = lua_isnone(L, 1) || lua_toboolean(L, 1);
    handle(SIGALRM, on_alarm, SA_RESTART, NULL);
    handle(SIGINT, on_signal, SA_RESTART, NULL);
    handle(SIGTERM, on_signal, SA_RESTART, NULL);
    handle(SIGXFSZ, SIG_IGN, 0, NULL);
    if (saves)
        handle(SIGPIPE, SIG_IGN, 0, NULL);
    return 0;
}

/* core.interrupted() -> the signal that asks to stop, or nil; whether a recipe's code was stopped for it */
static int l_interrupted(lua_State *L)
{
    if (!interrupt)
        return 0;
    lua_pushinteger(L, interrupt);
    lua_pushboolean(L, stopping);
    return 2;
}

/* core.interruptible(f, ...) -> true and what f returns, or false, the error, and whether ^C was pressed */
static int l_interruptible(lua_State *L)
{
    struct sigaction before;
    luaL_checkany(L, 1);
    lua_State *outer = current;
    current = L;
    interrupt = stopping = 0;
    at_prompt = 1;
    handle(SIGINT, on_prompt, 0, &before); /* no SA_RESTART: reading a line ends */
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    sigaction(SIGINT, &before, NULL);
    bool pressed = interrupt;
    interrupt = stopping = at_prompt = in_c = 0;
    current = outer;
    lua_sethook(L, NULL, 0, 0); /* ^C may have come too late for the code that ran */
    lua_pushboolean(L, status == LUA_OK);
    lua_insert(L, 1);
    if (status != LUA_OK)
        lua_pushboolean(L, pressed);
    return lua_gettop(L);
}

void lmtl_open_interrupt(lua_State *L)
{
    static const luaL_Reg functions[] = {{"catch_signals", l_catch_signals},
                                         {"interrupted", l_interrupted},
                                         {"interruptible", l_interruptible},
                                         {NULL, NULL}};
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    current = lua_tothread(L, -1);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}

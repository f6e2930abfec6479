/* Signals, and how they stop code that does not want to stop: one handler, one hook. The hook is set on the coroutine
   that runs (whoever resumes another one says so: box.c) and raises "interrupted" at its next instruction of Lua, and
   at every one after that, so that a pcall catches it in vain. In a program, code of mtl's own is left alone, which
   saves what there is to save; at the prompt there is nothing to save, and all of a call is left. A function of C never
   meets a hook: where one takes long (a pattern), the program ends. */
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "lmtl.h"

enum { TICKS = 2 };      /* half seconds that a recipe has to come to the end of a step */
enum { AGAIN_MS = 700 }; /* at the prompt, ^C that follow one another faster than this are one */

/* What a signal does. At the prompt, while a line is read: it is kept. While what was typed runs: the code is stopped,
   or asks for itself where it defers that; a further one stops it, and one more ends the program. */
enum { ENDS, SAVES, READS, RUNS };

static lua_State *volatile current;
static volatile sig_atomic_t mode = ENDS;
static volatile sig_atomic_t interrupt; /* the signal that asks to stop; 0: none */
static volatile sig_atomic_t deferring; /* the code that runs asks, at places that lose nothing */
static volatile sig_atomic_t armed;     /* the hook is set on what runs */
static volatile sig_atomic_t stopping;  /* and has raised its error */
static volatile sig_atomic_t ticks;
static volatile sig_atomic_t in_c, calls, calls_before;
static struct timespec last;

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

/* ---- the hook ---- */

static void stop(lua_State *L, lua_Debug *ar)
{
    if (!armed) { /* left from an earlier ^C */
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    lua_getinfo(L, "S", ar);
    if (mode != RUNS && strncmp(ar->source, "@mtl/", 5) == 0)
        return;
    stopping = 1;
    in_c = 0; /* a function of C that called this code is left, too */
    luaL_where(L, 0);
    lua_pushliteral(L, "interrupted");
    lua_concat(L, 2);
    lua_error(L);
}

static void arm(void)
{
    armed = 1;
    if (current)
        lua_sethook(current, stop, LUA_MASKCOUNT, 1);
}

void lmtl_enter(lua_State *L)
{
    current = L;
    if (armed)
        arm();
}

/* ---- signals ---- */

static void end_now(int number)
{
    static const char show_cursor[] = "\033[?25h"; /* a drawing may have hidden it */
    if (isatty(1))
        (void)!write(1, show_cursor, sizeof show_cursor - 1);
    _exit(128 + number);
}

static void on_alarm(int number)
{
    (void)number;
    if (ticks == TICKS && in_c && calls == calls_before) /* the hook was set half a second ago: Lua is not reached */
        end_now(interrupt);
    calls_before = calls;
    if (ticks < TICKS)
        ticks++;
    if (ticks == TICKS)
        arm();
}

static bool too_soon(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long ms = (long)(now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000;
    if (interrupt && ms < AGAIN_MS)
        return true;
    last = now;
    return false;
}

static void on_signal(int number)
{
    static const struct itimerval half = {{0, 500000}, {0, 500000}};
    bool at_prompt = number == SIGINT && (mode == READS || mode == RUNS);
    if (at_prompt && mode == RUNS) {
        if (too_soon())
            return;
        if (armed)
            end_now(number);
        if (!deferring || interrupt)
            arm();
    } else if (!at_prompt && (mode != SAVES || (interrupt && number == SIGINT))) {
        end_now(number);
    }
    interrupt = number;
    calls_before = calls;
    if (mode == SAVES)
        setitimer(ITIMER_REAL, &half, NULL);
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
    mode = lua_isnone(L, 1) || lua_toboolean(L, 1) ? SAVES : ENDS;
    handle(SIGALRM, on_alarm, SA_RESTART, NULL);
    handle(SIGINT, on_signal, SA_RESTART, NULL);
    handle(SIGTERM, on_signal, SA_RESTART, NULL);
    handle(SIGXFSZ, SIG_IGN, 0, NULL);
    if (mode == SAVES)
        handle(SIGPIPE, SIG_IGN, 0, NULL);
    return 0;
}

/* core.interrupted() -> the signal that asks to stop, or nil; whether code was stopped for it */
static int l_interrupted(lua_State *L)
{
    in_c = 0; /* an error may have left such a function */
    if (!interrupt)
        return 0;
    lua_pushinteger(L, interrupt);
    lua_pushboolean(L, stopping);
    return 2;
}

/* ---- at the prompt ---- */

/* How ^C was caught before. */
typedef struct {
    struct sigaction action;
    int mode;
} catcher;

static void forget(void)
{
    interrupt = armed = stopping = deferring = in_c = 0;
}

static void enter_mode(int next, catcher *before)
{
    forget();
    before->mode = mode;
    mode = next;
    handle(SIGINT, on_signal, 0, &before->action); /* no SA_RESTART: reading a line ends */
}

static void leave_mode(const catcher *before)
{
    sigaction(SIGINT, &before->action, NULL);
    mode = before->mode;
    forget();
}

void lmtl_reading(bool begins)
{
    static catcher before;
    if (begins)
        enter_mode(READS, &before);
    else
        leave_mode(&before);
}

/* core.interruptible(f, ...) -> true and what f returns, or false, the error, and whether ^C was pressed */
static int l_interruptible(lua_State *L)
{
    catcher before;
    luaL_checkany(L, 1);
    lua_State *caller = current;
    enter_mode(RUNS, &before);
    current = L;
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    bool pressed = interrupt;
    leave_mode(&before);
    current = caller;
    lua_sethook(L, NULL, 0, 0); /* ^C may have come too late for the code that ran */
    lua_pushboolean(L, status == LUA_OK);
    lua_insert(L, 1);
    if (status != LUA_OK)
        lua_pushboolean(L, pressed);
    return lua_gettop(L);
}

/* core.defer_interrupt(on) -> whether ^C was pressed since the call began. on: from here on the first ^C at the prompt
   raises nothing, and this (or core.interrupted) is to be asked now and then. */
static int l_defer_interrupt(lua_State *L)
{
    deferring = lua_toboolean(L, 1);
    lua_pushboolean(L, interrupt);
    return 1;
}

void lmtl_open_interrupt(lua_State *L)
{
    static const luaL_Reg functions[] = {{"catch_signals", l_catch_signals},
                                         {"interrupted", l_interrupted},
                                         {"interruptible", l_interruptible},
                                         {"defer_interrupt", l_defer_interrupt},
                                         {NULL, NULL}};
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    current = lua_tothread(L, -1);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}

/* Child processes: this very program run anew, several at a time. Only for the program's own commands: nothing here is
   within reach of a recipe. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lmtl.h"

extern char **environ;

/* Input is empty, output and errors go to one file; signals are as in a fresh process. */
static int start(pid_t *pid, char **argv, const char *log)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    int error = posix_spawn_file_actions_init(&files);
    if (error)
        return error;
    if ((error = posix_spawnattr_init(&how)) == 0) {
        sigset_t ignored; /* core.catch_signals ignores these, and exec would keep that */
        sigemptyset(&ignored);
        sigaddset(&ignored, SIGPIPE);
        sigaddset(&ignored, SIGXFSZ);
        error = posix_spawnattr_setsigdefault(&how, &ignored);
        if (!error)
            error = posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF);
        if (!error)
            error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        if (!error)
            error = posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (!error)
            error = posix_spawn_file_actions_adddup2(&files, 1, 2);
        if (!error) /* the program as it runs, even where its file was replaced since */
            error = posix_spawn(pid, "/proc/self/exe", &files, &how, argv, environ);
        posix_spawnattr_destroy(&how);
    }
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* Who started this process, where core.spawn did. */
#define PARENT "MTL_PARENT"

/* core.spawn({ "mtl", "run", ... }, log) -> pid. The first word is only a name: what runs is this program. */
static int l_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *log = luaL_checkstring(L, 2);
    lua_Unsigned n = lua_rawlen(L, 1);
    luaL_argcheck(L, n >= 1 && n <= 10000, 1, "it should hold 1 to 10000 words");
    char **argv = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *argv, 0);
    for (lua_Unsigned i = 0; i < n; i++) {
        if (lua_rawgeti(L, 1, (lua_Integer)i + 1) != LUA_TSTRING)
            return luaL_error(L, "spawn: word %d is not a text", (int)i + 1);
        argv[i] = (char *)lua_tostring(L, -1); /* the table keeps it */
        lua_pop(L, 1);
    }
    argv[n] = NULL;
    pid_t pid;
    char self[24];
    snprintf(self, sizeof self, "%ld", (long)getpid());
    int error = setenv(PARENT, self, 1) != 0 ? errno : start(&pid, argv, log);
    unsetenv(PARENT); /* it is for this child alone */
    if (error)
        return luaL_error(L, "spawn: %s (output to %s): %s", argv[0], log, strerror(error));
    lua_pushinteger(L, pid);
    return 1;
}

/* core.wait_any(seconds) -> pid, exit status (128 + n: ended by signal n) of a child that has ended; nil where none
   does within that time, or a signal came. */
static int l_wait_any(lua_State *L)
{
    int naps = (int)(100 * luaL_checknumber(L, 1));
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0) {
            lua_pushinteger(L, pid);
            lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
            return 2;
        }
        if (pid < 0 && errno != EINTR)
            return luaL_error(L, "wait_any: %s", strerror(errno));
        if (naps-- <= 0 || nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL) != 0)
            return 0;
    }
}

/* core.terminate(pid): asks a child to save what it has and stop */
static int l_terminate(lua_State *L)
{
    lua_Integer pid = luaL_checkinteger(L, 1);
    luaL_argcheck(L, pid > 1, 1, "it should be a child's pid");
    if (kill((pid_t)pid, SIGTERM) != 0 && errno != ESRCH)
        return luaL_error(L, "terminate: %s", strerror(errno));
    return 0;
}

/* core.follow_parent(): where core.spawn started this process, it is asked to stop as by core.terminate when the
   process that did so ends, however that is; its work would have nobody to wait for it. */
static int l_follow_parent(lua_State *L)
{
    (void)L;
    const char *parent = getenv(PARENT);
    if (parent) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        bool orphan = strtol(parent, NULL, 10) != (long)getppid(); /* it ended before that */
        unsetenv(PARENT);
        if (orphan)
            raise(SIGTERM);
    }
    return 0;
}

/* core.program() -> where the file of this program lies, or lay before it was replaced; nil where the system does not
 * say */
static int l_program(lua_State *L)
{
    static const char gone[] = " (deleted)"; /* what Linux appends then */
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    size_t tail = sizeof gone - 1;
    if (n > (ssize_t)tail && memcmp(path + n - tail, gone, tail) == 0)
        n -= (ssize_t)tail;
    if (n > 0 && n < (ssize_t)sizeof path)
        lua_pushlstring(L, path, (size_t)n);
    else
        lua_pushnil(L);
    return 1;
}

/* core.lock(folder) -> false where another process holds it, else true. This process and those that core.spawn starts
   hold it till the last of them ends. A file system that knows no locks locks nothing. */
static int l_lock(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return luaL_error(L, "lock: %s: %s", path, strerror(errno));
    bool held = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (held)
        close(fd);
    lua_pushboolean(L, !held);
    return 1;
}

void lmtl_open_process(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spawn", l_spawn}, {"wait_any", l_wait_any},           {"terminate", l_terminate},
        {"lock", l_lock},   {"follow_parent", l_follow_parent}, {"program", l_program},
        {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

/* What the operating system offers beyond Lua's os and io: folders, links, time, the terminal, the machine. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <lualib.h>

#include "lmtl.h"

static int fail(lua_State *L, const char *who, const char *path)
{
    return luaL_error(L, "%s: %s: %s", who, path, strerror(errno));
}

static int l_clock(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    return 1;
}

static int l_cores(lua_State *L)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    lua_pushinteger(L, n > 0 ? n : 1);
    return 1;
}

static int l_isatty(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

static struct winsize terminal(lua_State *L)
{
    struct winsize size;
    if (ioctl((int)luaL_optinteger(L, 1, 2), TIOCGWINSZ, &size) != 0)
        memset(&size, 0, sizeof size);
    return size;
}

static int push_extent(lua_State *L, int n)
{
    if (n > 0)
        lua_pushinteger(L, n);
    else
        lua_pushnil(L);
    return 1;
}

/* core.columns([fd = 2]) -> width of the terminal, nil where it is none */
static int l_columns(lua_State *L)
{
    return push_extent(L, terminal(L).ws_col);
}

/* core.rows([fd = 2]) -> height of the terminal, nil where it is none */
static int l_rows(lua_State *L)
{
    return push_extent(L, terminal(L).ws_row);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int cannot_make(lua_State *L, const char *path)
{
    if (errno == EEXIST) /* a file stands where a folder should */
        errno = ENOTDIR;
    return fail(L, "mkdir", path);
}

/* core.mkdir(path) -> true where it is new, false where it was there; parents are made too */
static int l_mkdir(lua_State *L)
{
    size_t size;
    const char *path = luaL_checklstring(L, 1, &size);
    char *part = memcpy(lua_newuserdatauv(L, size + 1, 0), path, size + 1);
    for (size_t i = 1; i < size; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && !is_folder(part))
            return cannot_make(L, part);
        part[i] = '/';
    }
    bool made = mkdir(path, 0777) == 0;
    if (!made && !is_folder(path))
        return cannot_make(L, path);
    lua_pushboolean(L, made);
    return 1;
}

/* core.realpath(path) -> the absolute path without links, or nil, message */
static int l_realpath(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    char **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, "mtl.malloc");
    *box = realpath(path, NULL);
    if (!*box) {
        int error = errno;
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", path, strerror(error));
        return 2;
    }
    lua_pushstring(L, *box);
    return 1;
}

static int malloc_gc(lua_State *L)
{
    char **box = luaL_checkudata(L, 1, "mtl.malloc");
    free(*box);
    *box = NULL;
    return 0;
}

/* core.stat(path) -> { type = "file" | "folder" | "other", size =, mtime = }, or nil, message */
static int l_stat(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat st;
    if (stat(path, &st) != 0) {
        int error = errno;
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", path, strerror(error));
        return 2;
    }
    lua_createtable(L, 0, 3);
    lua_pushstring(L, S_ISREG(st.st_mode) ? "file" : S_ISDIR(st.st_mode) ? "folder" : "other");
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, st.st_size);
    lua_setfield(L, -2, "size");
    lua_pushnumber(L, (double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec);
    lua_setfield(L, -2, "mtime");
    return 1;
}

/* core.is_link(path): a symbolic link, whether or not it leads anywhere */
static int l_is_link(lua_State *L)
{
    struct stat st;
    lua_pushboolean(L, lstat(luaL_checkstring(L, 1), &st) == 0 && S_ISLNK(st.st_mode));
    return 1;
}

static int folder_gc(lua_State *L)
{
    DIR **box = luaL_checkudata(L, 1, "mtl.folder");
    if (*box)
        closedir(*box);
    *box = NULL;
    return 0;
}

/* core.listdir(path) -> names without . and .., sorted by bytes */
static int l_listdir(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    DIR **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, "mtl.folder");
    if (!(*box = opendir(path)))
        return fail(L, "listdir", path);
    lua_newtable(L);
    for (lua_Integer n = 0;;) {
        errno = 0;
        struct dirent *entry = readdir(*box);
        if (!entry && errno)
            return fail(L, "listdir", path);
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, 3, ++n);
    }
    lua_pushvalue(L, lua_upvalueindex(1)); /* table.sort */
    lua_pushvalue(L, 3);
    lua_call(L, 1, 0);
    return 1;
}

static int l_truncate(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    if (truncate(path, (off_t)luaL_checkinteger(L, 2)) != 0)
        return fail(L, "truncate", path);
    return 0;
}

/* core.fsync(path): what was written to the file is on the disk */
static int l_fsync(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(L, "fsync", path);
    int status = fsync(fd), error = errno;
    close(fd);
    errno = error;
    return status == 0 ? 0 : fail(L, "fsync", path);
}

/* core.remove(path) -> true, or false where there is nothing; a file or an empty folder */
static int l_remove(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat st;
    bool removed = (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path)) == 0;
    if (!removed && errno != ENOENT)
        return fail(L, "remove", path);
    lua_pushboolean(L, removed);
    return 1;
}

static int l_rename(lua_State *L)
{
    const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
    if (rename(from, to) != 0)
        return fail(L, "rename", from);
    return 0;
}

/* ---- the machine ---- */

static int l_uname(lua_State *L)
{
    struct utsname name;
    if (uname(&name) != 0)
        return fail(L, "uname", "this machine");
    lua_pushfstring(L, "%s %s %s", name.sysname, name.release, name.machine);
    return 1;
}

/* core.cpu_model() -> "Intel(R) Xeon(R) ...", or nil where the system does not say */
static int l_cpu_model(lua_State *L)
{
    char line[512] = "", *value = NULL;
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && !value && fgets(line, sizeof line, file)) {
        if (strncmp(line, "model name", 10) == 0 && (value = strchr(line, ':')))
            value += strspn(value, ": \t");
    }
    if (file)
        fclose(file);
    if (value)
        value[strcspn(value, "\n")] = '\0';
    lua_pushstring(L, value);
    return 1;
}

static int l_getpid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

/* core.threads([n]) -> threads that operators use */
static int l_threads(lua_State *L)
{
    if (!lua_isnoneornil(L, 1)) {
        lua_Integer n = luaL_checkinteger(L, 1);
        lmtl_check(L, mtl_set_threads(lmtl_context(), n < 0 || n > 1 << 20 ? -1 : (int)n));
    }
    lua_pushinteger(L, mtl_threads(lmtl_context()));
    return 1;
}

static int l_isa(lua_State *L)
{
    lua_pushstring(L, mtl_cpu_isa(lmtl_context()));
    return 1;
}

static int l_blas(lua_State *L)
{
    lua_pushstring(L, mtl_blas_name());
    return 1;
}

static void put_text(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

/* core.devices() -> { { name =, memory = (bytes), gpu =, platform =, version =, driver = }, ... }, those of OpenCL; and
   why there are none */
static int l_devices(lua_State *L)
{
    int count;
    mtl_status status = mtl_device_count(lmtl_context(), &count);
    if (status != MTL_OK && status != MTL_ERR_UNSUPPORTED)
        lmtl_check(L, status);
    lua_createtable(L, count, 0);
    for (int i = 1; i < count; i++) {
        mtl_device_info info;
        lmtl_check(L, mtl_device_describe(lmtl_context(), i, &info));
        lua_createtable(L, 0, 6);
        put_text(L, "name", info.name);
        put_text(L, "platform", info.platform);
        put_text(L, "version", info.version);
        put_text(L, "driver", info.driver);
        lua_pushinteger(L, (lua_Integer)info.memory);
        lua_setfield(L, -2, "memory");
        lua_pushboolean(L, info.gpu);
        lua_setfield(L, -2, "gpu");
        lua_rawseti(L, -2, i);
    }
    if (status == MTL_OK)
        return 1;
    lua_pushstring(L, mtl_message(lmtl_context()));
    return 2;
}

static void tell_of_build(const char *device)
{
    fprintf(stderr, "compiling kernels for %s, once: this may take a minute\n", device);
}

/* core.tell_of_builds(): a line on stderr when a device compiles its kernels for the first time */
static int l_tell_of_builds(lua_State *L)
{
    (void)L;
    mtl_device_on_build(lmtl_context(), tell_of_build);
    return 0;
}

void lmtl_open_system(lua_State *L)
{
    static const luaL_Reg malloc_meta[] = {{"__gc", malloc_gc}, {NULL, NULL}};
    static const luaL_Reg folder_meta[] = {{"__gc", folder_gc}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"clock", l_clock},
                                         {"cores", l_cores},
                                         {"isatty", l_isatty},
                                         {"columns", l_columns},
                                         {"rows", l_rows},
                                         {"mkdir", l_mkdir},
                                         {"realpath", l_realpath},
                                         {"stat", l_stat},
                                         {"is_link", l_is_link},
                                         {"truncate", l_truncate},
                                         {"fsync", l_fsync},
                                         {"remove", l_remove},
                                         {"rename", l_rename},
                                         {"uname", l_uname},
                                         {"cpu_model", l_cpu_model},
                                         {"devices", l_devices},
                                         {"getpid", l_getpid},
                                         {"threads", l_threads},
                                         {"isa", l_isa},
                                         {"blas", l_blas},
                                         {"tell_of_builds", l_tell_of_builds},
                                         {NULL, NULL}};
    lmtl_type(L, "mtl.malloc", malloc_meta, NULL);
    lmtl_type(L, "mtl.folder", folder_meta, NULL);
    luaL_setfuncs(L, functions, 0);
    lua_getglobal(L, LUA_TABLIBNAME);
    lua_getfield(L, -1, "sort");
    lua_remove(L, -2);
    lua_pushcclosure(L, l_listdir, 1);
    lua_setfield(L, -2, "listdir");
}

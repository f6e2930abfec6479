/* The second wall around recipes, the kernel's: files may be changed in a few places only (Landlock), and there are no
   connections and no new programs (seccomp). It holds for this thread, those that it starts and for child processes,
   and nothing takes it down again. What a kernel or the headers lack is left out, and said. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lmtl.h"

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/landlock.h>) && defined(SYS_landlock_restrict_self)
#include <linux/landlock.h>
#define HAVE_LANDLOCK
#endif
#if __has_include(<linux/seccomp.h>) && defined(SYS_seccomp) && (defined(__x86_64__) || defined(__aarch64__))
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#define HAVE_SECCOMP
#endif
#endif

/* ---- files ---- */

#ifdef HAVE_LANDLOCK
/* What later kernels know and older headers do not name. */
#define REFER    (UINT64_C(1) << 13)
#define TRUNCATE (UINT64_C(1) << 14)
#define DEVICES                                                                                                        \
    (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |                     \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM) /* nobody needs these */
#define CHANGES                                                                                                        \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                  \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | REFER | TRUNCATE)
#define SIGNALS   (UINT64_C(1) << 1)                         /* to processes beyond the wall */
#define OF_A_FILE (LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE) /* the rest needs a folder */

/* Version of the kernel's Landlock; 0: it has none. */
static int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

static uint64_t known(int version, uint64_t access)
{
    return access & ~((version < 2 ? REFER : 0) | (version < 3 ? TRUNCATE : 0));
}

/* Files below `path` may be changed, or its empty folders removed. A path that is not there is left out. */
static bool allow(int rules, const char *path, bool change, int version)
{
    struct stat info;
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
    bool done = fstat(rule.parent_fd, &info) == 0;
    rule.allowed_access =
        !change ? LANDLOCK_ACCESS_FS_REMOVE_DIR : known(version, S_ISDIR(info.st_mode) ? CHANGES : OF_A_FILE);
    done = done && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    close(rule.parent_fd);
    return done;
}
#endif

/* Changes of files only below the paths of the first argument. NULL, or why not. */
static const char *wall_files(lua_State *L)
{
#ifdef HAVE_LANDLOCK
    int version = landlock_version();
    if (!version)
        return "this kernel has no Landlock";
    struct {
        uint64_t files, net, scoped;
    } handled = {.files = known(version, CHANGES | DEVICES), .scoped = version < 6 ? 0 : SIGNALS};
    size_t size = version < 6 ? sizeof handled.files : sizeof handled;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0);
    if (rules < 0)
        return "the kernel refuses Landlock";
    bool done = true;
    for (int list = 1; list <= 2; list++) {
        for (lua_Integer i = 1; done && lua_rawgeti(L, list, i) == LUA_TSTRING; i++) {
            done = allow(rules, lua_tostring(L, -1), list == 1, version);
            lua_pop(L, 1);
        }
    }
    done = done && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return done ? NULL : "the kernel refuses Landlock";
#else
    (void)L;
    return "this mtl was built without Landlock";
#endif
}

/* ---- calls of the kernel ---- */

#ifdef HAVE_SECCOMP
#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* Connections, other processes' memory, and what would lead around this wall. */
static const int refused[] = {
    SYS_socket,
    SYS_socketpair,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_open_by_handle_at,
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup,
    SYS_io_uring_register,
    SYS_io_uring_enter,
#endif
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
};
static const int programs[] = {SYS_execve, SYS_execveat};

enum { CALLS = sizeof refused / sizeof *refused, PROGRAMS = sizeof programs / sizeof *programs };
#endif

/* No connections for any thread of this process and, unless `exec`, no new programs. NULL, or why not. */
static const char *wall_calls(bool exec)
{
#ifdef HAVE_SECCOMP
    struct sock_filter code[CALLS + PROGRAMS + 8];
    int n = 0, calls = CALLS + (exec ? 0 : PROGRAMS);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__ /* the same calls under other numbers (x32) */
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, (unsigned char)calls + 1, 0);
#endif
    for (int i = 0; i < calls; i++) {
        unsigned number = (unsigned)(i < CALLS ? refused[i] : programs[i - CALLS]);
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, (unsigned char)(calls - i), 0);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES);
    struct sock_fprog filter = {(unsigned short)n, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0)
        return NULL;
    return errno == ENOSYS || errno == EINVAL ? "this kernel has no seccomp filters" : "the kernel refuses seccomp";
#else
    (void)exec;
    return "this mtl was built without seccomp";
#endif
}

/* core.wall({ paths below which files may be changed }, { folders below which empty ones may be removed }, exec) -> why
   files are not walled, or nil; the same of connections and new programs (exec = true: these are left; nil: nothing
   is changed there). Before any thread is started. */
static int l_wall(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    lua_pushstring(L, wall_files(L));
    lua_pushstring(L, lua_isnil(L, 3) ? NULL : wall_calls(lua_toboolean(L, 3)));
    return 2;
}

void lmtl_open_wall(lua_State *L)
{
    static const luaL_Reg functions[] = {{"wall", l_wall}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

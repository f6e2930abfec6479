/* A prompt on a terminal (libedit): lines with editing, history and completion. Only `mtl repl` calls it. */
#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "lmtl.h"

#define PROMPT     "mtl.prompt"
#define MOST_LINES 2000

typedef struct {
    EditLine *edit;
    History *history;
    lua_State *L; /* who reads a line; the function that completes it stands in the registry, at this box's address */
    char *file;
    char text[32];
} prompt;

static int prompt_gc(lua_State *L)
{
    prompt *p = luaL_checkudata(L, 1, PROMPT);
    if (p->edit)
        el_end(p->edit);
    if (p->history)
        history_end(p->history);
    free(p->file);
    memset(p, 0, sizeof *p);
    return 0;
}

static char *show(EditLine *edit)
{
    prompt *p = NULL;
    el_get(edit, EL_CLIENTDATA, &p);
    return p->text;
}

/* After a change of the window's size (or a stop) what stood on the screen may have been wrapped anew: to the line's
   first row, and all of it once more. */
static void redraw(EditLine *edit)
{
    const LineInfo *line = el_line(edit);
    struct winsize size;
    prompt *p = NULL;
    el_get(edit, EL_CLIENTDATA, &p);
    int column = (int)strlen(p->text);
    for (const char *c = line->buffer; c < line->cursor; c++)
        column += ((unsigned char)*c & 0xC0) != 0x80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && column >= size.ws_col)
        printf("\033[%dA", column / size.ws_col);
    printf("\r\033[J");
    fflush(stdout);
    el_set(edit, EL_REFRESH);
}

/* One character for libedit. ^C ends the line (as an end of the file), other signals do not. */
static int next_character(EditLine *edit, wchar_t *out)
{
    mbstate_t state;
    memset(&state, 0, sizeof state);
    for (int tries = 0; tries < MB_LEN_MAX;) {
        char byte;
        if (lmtl_interrupted()) /* while a line was completed */
            return 0;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && errno == EINTR && !lmtl_interrupted()) {
            redraw(edit);
            continue;
        }
        if (n <= 0)
            return (int)n;
        size_t used = mbrtowc(out, &byte, 1, &state);
        if (used == 0 || used == 1)
            return 1;
        if (used == (size_t)-1) { /* no character of this locale: what comes next may be one */
            memset(&state, 0, sizeof state);
            tries = 0;
        } else {
            tries++;
        }
    }
    return 0;
}

/* ---- Tab ---- */

/* complete(what stands before the cursor) -> what to insert, and lines to show; called in a protected mode */
static int ask(lua_State *L)
{
    prompt *p = lua_touserdata(L, 1);
    const LineInfo *line = el_line(p->edit);
    lua_settop(L, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, p);
    lua_pushlstring(L, line->buffer, (size_t)(line->cursor - line->buffer));
    lua_call(L, 1, 2);
    luaL_checkstring(L, 1);
    luaL_optstring(L, 2, NULL);
    return 2;
}

static unsigned char complete(EditLine *edit, int key)
{
    prompt *p = NULL;
    unsigned char result = CC_REFRESH_BEEP;
    el_get(edit, EL_CLIENTDATA, &p);
    lua_State *L = p->L;
    int top = lua_gettop(L);
    (void)key;
    if (!lua_checkstack(L, 4))
        return CC_REFRESH_BEEP;
    lua_pushcfunction(L, ask);
    lua_pushlightuserdata(L, p);
    if (lua_pcall(L, 1, 2, 0) == LUA_OK) {
        const char *insert = lua_tostring(L, -2), *lines = lua_tostring(L, -1);
        if (*insert && el_insertstr(edit, insert) == 0)
            result = CC_REFRESH;
        if (lines) {
            printf("\n%s\n", lines);
            fflush(stdout);
            result = CC_REDISPLAY;
        }
    }
    lua_settop(L, top);
    return result;
}

/* ---- the history's file: several prompts may be open, so each adds its lines to what is there ---- */

/* To be closed, which ends the lock. NULL: the lines stay in this prompt only. */
static FILE *open_history(const char *path)
{
    mode_t mask = umask(0077);
    FILE *file = fopen(path, "a");
    umask(mask);
    if (file && (flock(fileno(file), LOCK_EX) != 0 || fseek(file, 0, SEEK_END) != 0)) {
        fclose(file);
        return NULL;
    }
    return file;
}

static void load_history(prompt *p)
{
    HistEvent event;
    FILE *file = open_history(p->file); /* from here on nobody else adds lines */
    if (history(p->history, &event, H_LOAD, p->file) > 2 * MOST_LINES && file)
        history(p->history, &event, H_SAVE, p->file); /* the last MOST_LINES of them */
    if (file)
        fclose(file);
}

static void append_history(const char *path, const char *line)
{
    HistEvent event;
    FILE *file = open_history(path);
    History *one = history_init();
    if (file && one) {
        history(one, &event, H_SETSIZE, 1);
        history(one, &event, H_ENTER, line);
        history(one, &event, H_SAVE_FP, file);
    }
    if (one)
        history_end(one);
    if (file)
        fclose(file);
}

/* core.prompt([history_file]): the file's folder must be there */
static int l_prompt(lua_State *L)
{
    const char *file = luaL_optstring(L, 1, NULL);
    HistEvent event;
    prompt *p = lua_newuserdatauv(L, sizeof *p, 0);
    memset(p, 0, sizeof *p);
    luaL_setmetatable(L, PROMPT);
    setlocale(LC_CTYPE, ""); /* so that libedit knows how wide a character is */
    p->edit = el_init("mtl", stdin, stdout, stderr);
    p->history = history_init();
    p->file = file ? strdup(file) : NULL;
    if (!p->edit || !p->history || (file && !p->file))
        return luaL_error(L, "prompt: this terminal cannot be used, or there is no memory");
    history(p->history, &event, H_SETSIZE, MOST_LINES);
    history(p->history, &event, H_SETUNIQUE, 1);
    if (file)
        load_history(p);
    el_set(p->edit, EL_CLIENTDATA, p);
    el_set(p->edit, EL_PROMPT, show);
    el_set(p->edit, EL_EDITOR, "emacs");
    el_set(p->edit, EL_SIGNAL, 1); /* stopping, going on, and a change of the window's size */
    el_set(p->edit, EL_HIST, history, p->history);
    el_set(p->edit, EL_GETCFN, next_character);
    el_set(p->edit, EL_ADDFN, "mtl-complete", "Complete a name", complete);
    el_set(p->edit, EL_BIND, "^I", "mtl-complete", NULL);
    el_set(p->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(p->edit, NULL); /* ~/.editrc */
    return 1;
}

/* prompt:read(text, complete) -> a line without its end; false: ^C was pressed; nil: the end. complete(before) is
   called for Tab: see `ask` */
static int p_read(lua_State *L)
{
    prompt *p = luaL_checkudata(L, 1, PROMPT);
    int count = 0;
    luaL_argcheck(L, p->edit, 1, "this prompt was closed");
    snprintf(p->text, sizeof p->text, "%s", luaL_checkstring(L, 2));
    luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_settop(L, 3);
    lua_rawsetp(L, LUA_REGISTRYINDEX, p);
    p->L = L;
    lmtl_reading(true);
    const char *line = el_gets(p->edit, &count);
    bool cut = lmtl_interrupted();
    lmtl_reading(false);
    if (cut)
        lua_pushboolean(L, 0);
    else if (!line || count <= 0)
        lua_pushnil(L);
    else
        lua_pushlstring(L, line, (size_t)(line[count - 1] == '\n' ? count - 1 : count));
    return 1;
}

/* prompt:add(line): to the history, and to the end of its file */
static int p_add(lua_State *L)
{
    prompt *p = luaL_checkudata(L, 1, PROMPT);
    HistEvent event;
    luaL_argcheck(L, p->history, 1, "this prompt was closed");
    history(p->history, &event, H_ENTER, luaL_checkstring(L, 2));
    if (p->file)
        append_history(p->file, luaL_checkstring(L, 2));
    return 0;
}

/* core.private_folder(path) -> whether it is there: new ones are for their owner alone */
static int l_private_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        lua_pushboolean(L, 0);
    else
        lua_pushboolean(L, stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid());
    return 1;
}

void lmtl_open_prompt(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", prompt_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"read", p_read}, {"add", p_add}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"prompt", l_prompt}, {"private_folder", l_private_folder}, {NULL, NULL}};
    lmtl_type(L, PROMPT, meta, methods);
    luaL_setfuncs(L, functions, 0);
}

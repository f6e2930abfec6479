/* Curves out of a long metrics.jsonl: every line is read once, and what a curve holds is thinned while it grows. A
   curve is a row of buckets, each a power of two of steps wide; it keeps the first, last, lowest and highest value of
   each (which is all that a drawn line shows: Jugel et al., M4, VLDB 2014) and the mean. When there would be too many
   buckets, neighbours are merged. So no peak is lost, and memory does not grow with the file. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lmtl.h"

#define READER "mtl.metrics"
enum {
    MOST_NODES = 200000, /* different places of values in the lines of one file */
    MOST_GROUPS = 4096,
    MOST_DEPTH = 16,
    MOST_TEXTS = 100000
};

/* A place in the lines: a key of an object or an index of an array. Places are shared by lines of all groups. */
typedef struct node {
    char *key; /* as the file has it, with its escapes; NULL: an index */
    size_t size;
    struct node *parent, *child, *last_child, *next; /* children in the order in which they were met */
    struct node *guess;                              /* the child that is expected next */
    lmtl_curve **curves;                             /* by group */
    int groups;
} node;

/* Lines of one kind; of those with a list of tasks, only such with the same list. */
typedef struct {
    char *kind, *tasks;
} group;

typedef struct {
    node *node;
    double value;
} found;

typedef struct {
    FILE *file;
    char *line, **texts;
    size_t room;
    node root;
    group *groups;
    int n_groups, n_texts, texts_room;
    int64_t nodes, lines, n_found, found_room;
    found *found; /* numbers of the line that is being read */
    const char *at, *end, *wrong;
    const char *kind, *tasks; /* slices of the line */
    size_t kind_size, tasks_size;
    double step;
} reader;

static bool fail(reader *r, const char *wrong)
{
    if (!r->wrong)
        r->wrong = wrong;
    return false;
}

static const char no_memory[] = "no memory left";

/* ---- places ---- */

static node *new_child(reader *r, node *parent, const char *key, size_t size)
{
    if (++r->nodes > MOST_NODES) {
        fail(r, "too many different keys");
        return NULL;
    }
    node *n = calloc(1, sizeof *n);
    if (n && key) {
        n->key = malloc(size + 1);
        if (!n->key) {
            free(n);
            n = NULL;
        } else {
            memcpy(n->key, key, size);
            n->key[size] = '\0';
            n->size = size;
        }
    }
    if (!n) {
        fail(r, no_memory);
        return NULL;
    }
    n->parent = parent;
    if (parent->last_child)
        parent->last_child->next = n;
    else
        parent->child = n;
    parent->last_child = n;
    return n;
}

static bool is(const node *n, const char *key, size_t size)
{
    return n->key && n->size == size && memcmp(n->key, key, size) == 0;
}

/* The child of that key: mostly the one after that which was asked for before. */
static node *child_of(reader *r, node *parent, const char *key, size_t size)
{
    node *n = parent->guess;
    for (; n; n = n->next) {
        if (is(n, key, size))
            break;
    }
    for (node *m = n ? NULL : parent->child; m && m != parent->guess; m = m->next) {
        if (is(m, key, size)) {
            n = m;
            break;
        }
    }
    if (!n)
        n = new_child(r, parent, key, size);
    if (n)
        parent->guess = n->next ? n->next : parent->child;
    return n;
}

/* ---- one line ---- */

static void space(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

static bool expect(reader *r, char c)
{
    space(r);
    if (r->at >= r->end || *r->at != c)
        return fail(r, "not valid JSON");
    r->at++;
    return true;
}

/* A text; `text` is what stands between the quotes. */
static bool read_text(reader *r, const char **text, size_t *size)
{
    if (!expect(r, '"'))
        return false;
    const char *start = r->at;
    while (r->at < r->end && *r->at != '"') {
        if ((unsigned char)*r->at < 0x20)
            return fail(r, "not valid JSON");
        r->at += *r->at == '\\' && r->at + 1 < r->end ? 2 : 1;
    }
    if (r->at >= r->end)
        return fail(r, "not valid JSON");
    *text = start;
    *size = (size_t)(r->at++ - start);
    return true;
}

static bool digit(const reader *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

/* Digits of a number so far; those past 19 only move the point. */
static void digits(reader *r, uint64_t *whole, int *point, bool fraction)
{
    for (; digit(r); r->at++) {
        if (*whole < UINT64_C(1000000000000000000)) {
            *whole = *whole * 10 + (uint64_t)(*r->at - '0');
            *point -= fraction;
        } else {
            *point += !fraction;
        }
    }
}

/* Within a few units of the last place of a double; strtod would take most of the time. */
static bool read_number(reader *r, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t whole = 0;
    int point = 0;
    bool negative = r->at < r->end && *r->at == '-';
    r->at += negative;
    if (!digit(r))
        return fail(r, "not valid JSON");
    digits(r, &whole, &point, false);
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if (!digit(r))
            return fail(r, "not valid JSON");
        digits(r, &whole, &point, true);
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        bool minus = r->at < r->end && *r->at == '-';
        r->at += minus || (r->at < r->end && *r->at == '+');
        if (!digit(r))
            return fail(r, "not valid JSON");
        int e = 0;
        for (; digit(r); r->at++)
            e = e < 100000 ? e * 10 + (*r->at - '0') : e;
        point += minus ? -e : e;
    }
    double value = (double)whole;
    if (point < 0 && point >= -22)
        value /= powers[-point];
    else if (point > 0 && point <= 22)
        value *= powers[point];
    else if (point != 0 && whole != 0)
        value = (double)(value * powl(10.0L, point));
    *out = negative ? -value : value;
    return true;
}

static bool keep(reader *r, node *at, double value)
{
    if (r->n_found == r->found_room) {
        int64_t room = r->found_room ? 2 * r->found_room : 256;
        found *more = realloc(r->found, (size_t)room * sizeof *more);
        if (!more)
            return fail(r, no_memory);
        r->found = more;
        r->found_room = room;
    }
    r->found[r->n_found++] = (found){at, value};
    return true;
}

static bool word(reader *r, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0)
        return fail(r, "not valid JSON");
    r->at += n;
    return true;
}

static bool read_value(reader *r, node *at, int depth);

static bool read_array(reader *r, node *at, int depth)
{
    r->at++;
    space(r);
    if (r->at < r->end && *r->at == ']') {
        r->at++;
        return true;
    }
    for (node *child = at->child;; child = child->next) {
        while (child && child->key) /* lines of other kinds have an object here */
            child = child->next;
        if (!child && !(child = new_child(r, at, NULL, 0)))
            return false;
        if (!read_value(r, child, depth + 1))
            return false;
        space(r);
        if (r->at < r->end && *r->at == ']') {
            r->at++;
            return true;
        }
        if (!expect(r, ','))
            return false;
    }
}

static bool read_object(reader *r, node *at, int depth)
{
    r->at++;
    space(r);
    if (r->at < r->end && *r->at == '}') {
        r->at++;
        return true;
    }
    for (;;) {
        const char *key;
        size_t size;
        if (!read_text(r, &key, &size) || !expect(r, ':'))
            return false;
        node *child = child_of(r, at, key, size);
        space(r);
        const char *start = r->at;
        int64_t before = r->n_found;
        if (!child || !read_value(r, child, depth + 1))
            return false;
        if (depth == 0 && size == 4 && memcmp(key, "kind", 4) == 0 && *start == '"')
            r->kind = start + 1, r->kind_size = (size_t)(r->at - start) - 2;
        else if (depth == 0 && size == 5 && memcmp(key, "tasks", 5) == 0 && *start == '[')
            r->tasks = start, r->tasks_size = (size_t)(r->at - start);
        else if (depth == 0 && size == 4 && memcmp(key, "step", 4) == 0 && r->n_found == before + 1)
            r->step = r->found[--r->n_found].value;
        space(r);
        if (r->at < r->end && *r->at == '}') {
            r->at++;
            return true;
        }
        if (!expect(r, ','))
            return false;
    }
}

static bool read_value(reader *r, node *at, int depth)
{
    const char *text;
    size_t size;
    double value;
    if (depth > MOST_DEPTH)
        return fail(r, "nested too deeply");
    space(r);
    switch (r->at < r->end ? *r->at : '\0') {
    case '{':
        at->guess = at->child;
        return read_object(r, at, depth);
    case '[':
        return read_array(r, at, depth);
    case '"':
        return read_text(r, &text, &size);
    case 't':
        return word(r, "true");
    case 'f':
        return word(r, "false");
    case 'n':
        return word(r, "null") && keep(r, at, NAN);
    default:
        return read_number(r, &value) && keep(r, at, value);
    }
}

/* ---- where a line's numbers go ---- */

static char *copy(const char *text, size_t size)
{
    char *to = malloc(size + 1);
    if (to) {
        memcpy(to, text, size);
        to[size] = '\0';
    }
    return to;
}

static bool same(const char *kept, const char *text, size_t size)
{
    return strlen(kept) == size && memcmp(kept, text, size) == 0;
}

static int group_of(reader *r)
{
    const char *tasks = r->tasks ? r->tasks : "";
    size_t size = r->tasks ? r->tasks_size : 0;
    for (int g = r->n_groups - 1; g >= 0; g--) {
        if (same(r->groups[g].kind, r->kind, r->kind_size) && same(r->groups[g].tasks, tasks, size))
            return g;
    }
    if (r->n_groups == MOST_GROUPS) {
        fail(r, "too many different lists of tasks");
        return -1;
    }
    group *more = realloc(r->groups, (size_t)(r->n_groups + 1) * sizeof *more);
    if (more) {
        r->groups = more;
        more[r->n_groups] = (group){copy(r->kind, r->kind_size), copy(tasks, size)};
        if (more[r->n_groups++].kind && more[r->n_groups - 1].tasks)
            return r->n_groups - 1;
    }
    fail(r, no_memory);
    return -1;
}

static lmtl_curve *curve_of(node *n, int g)
{
    if (g >= n->groups) {
        lmtl_curve **more = realloc(n->curves, ((size_t)g + 1) * sizeof(lmtl_curve *));
        if (!more)
            return NULL;
        memset(more + n->groups, 0, (size_t)(g + 1 - n->groups) * sizeof(lmtl_curve *));
        n->curves = more;
        n->groups = g + 1;
    }
    if (!n->curves[g])
        n->curves[g] = lmtl_curve_new();
    return n->curves[g];
}

static bool kind_is(const reader *r, const char *kind)
{
    return same(kind, r->kind, r->kind_size);
}

/* Stages, tests and ends are few: they are handed on as they are. */
static bool keep_text(reader *r, size_t size)
{
    if (r->n_texts == MOST_TEXTS)
        return fail(r, "too many stages and tests");
    if (r->n_texts == r->texts_room) {
        int room = r->texts_room ? 2 * r->texts_room : 16;
        char **more = realloc(r->texts, (size_t)room * sizeof *more);
        if (!more)
            return fail(r, no_memory);
        r->texts = more;
        r->texts_room = room;
    }
    if (!(r->texts[r->n_texts] = copy(r->line, size)))
        return fail(r, no_memory);
    r->n_texts++;
    return true;
}

static bool read_line(reader *r, size_t size)
{
    r->at = r->line;
    r->end = r->line + size;
    r->n_found = 0;
    r->kind = r->tasks = NULL;
    r->step = -1;
    space(r);
    if (r->at >= r->end || *r->at != '{')
        return fail(r, "not a JSON object");
    r->root.guess = r->root.child;
    if (!read_object(r, &r->root, 0))
        return false;
    space(r);
    if (r->at != r->end)
        return fail(r, "something follows the JSON object");
    if (!r->kind)
        return fail(r, "it has no 'kind'");
    if (kind_is(r, "stage") || kind_is(r, "test") || kind_is(r, "diverged"))
        return keep_text(r, size);
    if (!kind_is(r, "step") && !kind_is(r, "valid") && !kind_is(r, "diagnose"))
        return true;
    if (!(r->step >= 0 && r->step <= 0x1p53 && r->step == floor(r->step)))
        return fail(r, "its 'step' is not a whole number of at least 0");
    int g = group_of(r);
    for (int64_t i = 0; g >= 0 && i < r->n_found; i++) {
        lmtl_curve *c = curve_of(r->found[i].node, g);
        if (!c || !lmtl_curve_add(c, (int64_t)r->step, r->found[i].value))
            return fail(r, no_memory);
    }
    return g >= 0;
}

/* All lines but one that was not written to its end. */
static bool read_file(reader *r)
{
    ssize_t n;
    while ((n = getline(&r->line, &r->room, r->file)) > 0) {
        if (r->line[n - 1] != '\n')
            break;
        r->lines++;
        if (!read_line(r, (size_t)n - 1))
            return false;
    }
    return !ferror(r->file) || fail(r, "it cannot be read");
}

/* ---- to Lua ---- */

static bool holds(const node *n, int g)
{
    if (g < n->groups && n->curves[g])
        return true;
    for (const node *child = n->child; child; child = child->next) {
        if (holds(child, g))
            return true;
    }
    return false;
}

static void push_text(lua_State *L, const char *raw, size_t size)
{
    lua_getfield(L, lua_upvalueindex(1), "json_decode");
    lua_pushliteral(L, "\"");
    lua_pushlstring(L, raw, size);
    lua_pushliteral(L, "\"");
    lua_concat(L, 3);
    lua_call(L, 1, 1);
}

/* The curves of a group as a table of the form that its lines have. */
static void push_node(lua_State *L, const node *n, int g)
{
    luaL_checkstack(L, 8, "metrics");
    if (g < n->groups && n->curves[g]) {
        lmtl_curve_push(L, n->curves[g]);
        return;
    }
    lua_newtable(L);
    lua_Integer i = 0;
    for (const node *child = n->child; child; child = child->next) {
        i += !child->key;
        if (!holds(child, g))
            continue;
        if (child->key)
            push_text(L, child->key, child->size);
        else
            lua_pushinteger(L, i);
        push_node(L, child, g);
        lua_rawset(L, -3);
    }
}

static void free_node(node *n)
{
    for (node *child = n->child, *next; child; child = next) {
        next = child->next;
        free_node(child);
        free(child);
    }
    for (int g = 0; g < n->groups; g++)
        lmtl_curve_free(n->curves[g]);
    free(n->curves);
    free(n->key);
}

static int reader_gc(lua_State *L)
{
    reader *r = luaL_checkudata(L, 1, READER);
    if (r->file)
        fclose(r->file);
    free_node(&r->root);
    for (int i = 0; i < r->n_texts; i++)
        free(r->texts[i]);
    for (int g = 0; g < r->n_groups; g++) {
        free(r->groups[g].kind);
        free(r->groups[g].tasks);
    }
    free(r->texts);
    free(r->groups);
    free(r->found);
    free(r->line);
    memset(r, 0, sizeof *r);
    return 0;
}

/* core.metrics_read(path) -> { { kind = "step", tasks = (a list, where the lines have one), curves = { loss = curve,
   tasks = { left = { loss = curve, ... }, ... }, ... } }, ... }, for "step", "valid" and "diagnose"; and the lines
   "stage", "test" and "diverged" as texts. The last line may be cut off; any other damage is an error that names the
   line. */
static int l_metrics_read(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    reader *r = lua_newuserdatauv(L, sizeof *r, 0);
    memset(r, 0, sizeof *r);
    luaL_setmetatable(L, READER);
    if (!(r->file = fopen(path, "re")))
        return luaL_error(L, "%s: %s", path, strerror(errno));
    if (!read_file(r))
        return luaL_error(L, "%s is damaged: line %I: %s (at byte %I of it)", path, (lua_Integer)r->lines, r->wrong,
                          r->at ? (lua_Integer)(r->at - r->line) + 1 : (lua_Integer)0);
    lua_createtable(L, r->n_groups, 0);
    for (int g = 0; g < r->n_groups; g++) {
        lua_createtable(L, 0, 3);
        push_text(L, r->groups[g].kind, strlen(r->groups[g].kind));
        lua_setfield(L, -2, "kind");
        if (*r->groups[g].tasks) {
            lua_getfield(L, lua_upvalueindex(1), "json_decode");
            lua_pushstring(L, r->groups[g].tasks);
            lua_call(L, 1, 1);
            lua_setfield(L, -2, "tasks");
        }
        push_node(L, &r->root, g);
        lua_setfield(L, -2, "curves");
        lua_rawseti(L, 3, g + 1);
    }
    lua_createtable(L, r->n_texts, 0);
    for (int i = 0; i < r->n_texts; i++) {
        lua_pushstring(L, r->texts[i]);
        lua_rawseti(L, 4, i + 1);
    }
    lua_pushcfunction(L, reader_gc);
    lua_pushvalue(L, 2);
    lua_call(L, 1, 0);
    return 2;
}

void lmtl_open_metrics(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", reader_gc}, {NULL, NULL}};
    lmtl_type(L, READER, meta, NULL);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, l_metrics_read, 1);
    lua_setfield(L, -2, "metrics_read");
}

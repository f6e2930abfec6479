/* A curve of unknown length, thinned while it grows: a row of buckets, each a power of two of steps wide, that keeps
   the first, last, lowest and highest value of each (all that a drawn line shows: Jugel et al., M4, VLDB 2014) and the
   mean. Where there would be too many buckets, neighbours are merged. So no peak is lost, and memory does not grow. */
#include <math.h>
#include <stdlib.h>

#include "lmtl.h"

enum { MOST_BUCKETS = 1024 }; /* at least half of them are in use before a curve is thinned again */

typedef struct {
    int64_t step;
    double value;
} point;

typedef struct {
    point first, last, low, high; /* of the finite values */
    double sum;
    int64_t count; /* finite values */
    int64_t gap;   /* step of a value that was not finite, -1: none */
} bucket;

struct lmtl_curve {
    bucket *buckets;
    int64_t used, room;
    int shift; /* a bucket is 1 << shift steps wide */
};

static void put(bucket *b, point p)
{
    if (b->count == 0 || p.step < b->first.step)
        b->first = p;
    if (b->count == 0 || p.step >= b->last.step)
        b->last = p;
    if (b->count == 0 || p.value < b->low.value)
        b->low = p;
    if (b->count == 0 || p.value > b->high.value)
        b->high = p;
}

static void merge(bucket *into, const bucket *b)
{
    if (b->count > 0) {
        put(into, b->first);
        into->count += b->count; /* from here on, `put` compares */
        put(into, b->low);
        put(into, b->high);
        put(into, b->last);
        into->sum += b->sum;
    }
    if (b->gap >= 0)
        into->gap = b->gap;
}

static const bucket empty = {.gap = -1};

static void halve(lmtl_curve *c)
{
    for (int64_t i = 0; i < c->used; i++) {
        bucket b = c->buckets[i];
        if (i % 2 == 0)
            c->buckets[i / 2] = b;
        else
            merge(&c->buckets[i / 2], &b);
    }
    c->used = (c->used + 1) / 2;
    c->shift++;
}

static bool grow(lmtl_curve *c, int64_t n)
{
    if (n > c->room) {
        int64_t room = n > 2 * c->room ? n : 2 * c->room;
        bucket *more = realloc(c->buckets, (size_t)room * sizeof *more);
        if (!more)
            return false;
        c->buckets = more;
        c->room = room;
    }
    while (c->used < n)
        c->buckets[c->used++] = empty;
    return true;
}

lmtl_curve *lmtl_curve_new(void)
{
    return calloc(1, sizeof(lmtl_curve));
}

void lmtl_curve_free(lmtl_curve *c)
{
    if (c)
        free(c->buckets);
    free(c);
}

bool lmtl_curve_add(lmtl_curve *c, int64_t step, double value)
{
    while (step >> c->shift >= MOST_BUCKETS)
        halve(c);
    if (!grow(c, (step >> c->shift) + 1))
        return false;
    bucket *b = &c->buckets[step >> c->shift];
    if (!isfinite(value)) {
        b->gap = step;
        return true;
    }
    put(b, (point){step, value});
    b->sum += value;
    b->count++;
    return true;
}

static void push_pair(lua_State *L, int list, lua_Integer i, double x, double y)
{
    lua_pushnumber(L, x);
    lua_rawseti(L, list, 2 * i + 1);
    lua_pushnumber(L, y);
    lua_rawseti(L, list, 2 * i + 2);
}

/* { points = { step, value, step, value, ... }, means = { ... }, n =, width = }: at most four points a bucket, in the
   order of their steps; NaN is where a value was not finite, and no bucket has another. */
void lmtl_curve_push(lua_State *L, const lmtl_curve *c)
{
    luaL_checkstack(L, 8, "curves");
    lua_createtable(L, 0, 4);
    lua_createtable(L, (int)c->used * 4, 0);
    lua_createtable(L, (int)c->used * 2, 0);
    int means = lua_gettop(L), points = means - 1;
    lua_Integer n = 0, m = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < c->used; i++) {
        const bucket *b = &c->buckets[i];
        if (b->count == 0 && b->gap >= 0)
            push_pair(L, points, n++, (double)b->gap, NAN);
        if (b->count == 0)
            continue;
        bool low_first = b->low.step <= b->high.step;
        const point order[] = {b->first, low_first ? b->low : b->high, low_first ? b->high : b->low, b->last};
        for (int k = 0; k < 4; k++) {
            if (k == 0 || order[k].step > order[k - 1].step)
                push_pair(L, points, n++, (double)order[k].step, order[k].value);
        }
        push_pair(L, means, m++, 0.5 * ((double)b->first.step + (double)b->last.step), b->sum / (double)b->count);
        count += b->count;
    }
    lua_setfield(L, -3, "means");
    lua_setfield(L, -2, "points");
    lua_pushinteger(L, count);
    lua_setfield(L, -2, "n");
    lua_pushinteger(L, (lua_Integer)1 << c->shift);
    lua_setfield(L, -2, "width");
}

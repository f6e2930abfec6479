/* Tensors for people, as NumPy prints arrays: rows in brackets, each number with the digits that tell it from its
   neighbours (at most 8 behind the point), in columns, long dimensions folded; then dtype, shape and device. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lmtl.h"

enum { ALL_UP_TO = 1000, EDGE = 3, LINE = 75, DIGITS = 8 };

typedef struct {
    const mtl_tensor *t; /* on the host */
    lmtl_buffer *out;
    bool fold, floats, exponents;
    int left, right; /* columns up to the point, and behind it; with exponents: digits behind the point */
} printer;

static double element(const mtl_tensor *t, int64_t i)
{
    const void *data = mtl_tensor_data(t);
    switch (mtl_tensor_dtype(t)) {
    case MTL_F32:
        return (double)((const float *)data)[i];
    case MTL_I32:
        return ((const int32_t *)data)[i];
    default:
        return ((const uint8_t *)data)[i];
    }
}

/* Digits behind the point of the shortest text that is read as `value` again, "1.5e+00": 1. */
static int digits_of(double value)
{
    char text[32];
    for (int n = 0; n < DIGITS; n++) {
        snprintf(text, sizeof text, "%.*e", n, value);
        if (strtof(text, NULL) == (float)value)
            return n;
    }
    return DIGITS;
}

/* With exponents `right` digits, else those that the number needs: "1.", "2.5". */
static int number(const printer *p, double value, char *text, size_t size)
{
    if (isnan(value))
        return snprintf(text, size, "nan");
    if (isinf(value))
        return snprintf(text, size, value < 0 ? "-inf" : "inf");
    if (!p->floats)
        return snprintf(text, size, "%.0f", value);
    if (p->exponents)
        return snprintf(text, size, mtl_tensor_rank(p->t) > 0 ? "%#.*e" : "%.*e", p->right, value);
    int behind = value == 0 ? 0 : digits_of(value) - (int)floor(log10(fabs(value)));
    int n = snprintf(text, size, "%#.*f", behind < 0 ? 0 : behind > DIGITS ? DIGITS : behind, value);
    while (text[n - 1] == '0')
        text[--n] = '\0';
    return n;
}

/* Calls `each` for the elements that are shown; returns their number. */
static int64_t shown(printer *p, int dim, int64_t at, void (*each)(printer *, double, void *), void *arg)
{
    if (dim == mtl_tensor_rank(p->t)) {
        each(p, element(p->t, at), arg);
        return 1;
    }
    int64_t size = mtl_tensor_shape(p->t)[dim], n = 0;
    for (int64_t i = 0; i < size; i++) {
        if (p->fold && size > 2 * EDGE && i == EDGE)
            i = size - EDGE;
        n += shown(p, dim + 1, at * size + i, each, arg);
    }
    return n;
}

typedef struct {
    double smallest, greatest; /* absolute values, 0 left out */
    int digits;
} span;

static void measure(printer *p, double value, void *arg)
{
    span *s = arg;
    double size = fabs(value);
    (void)p;
    if (!isfinite(value) || size == 0.0)
        return;
    int digits = digits_of(value);
    s->digits = digits > s->digits ? digits : s->digits;
    s->smallest = size < s->smallest ? size : s->smallest;
    s->greatest = size > s->greatest ? size : s->greatest;
}

static int before_point(const char *text)
{
    return (int)strcspn(text, ".");
}

static void widen(printer *p, double value, void *arg)
{
    char text[400];
    int n = number(p, value, text, sizeof text), left = before_point(text);
    (void)arg;
    if (!isfinite(value))
        return;
    p->left = left > p->left ? left : p->left;
    if (!p->exponents && n - left > p->right)
        p->right = n - left;
}

/* Columns of a number: of one with exponents also point, digits and "e+00". */
static int width_of(const printer *p)
{
    return p->left + (p->exponents ? 1 + p->right + 4 : p->right);
}

/* nan and inf end where the columns do. */
static void widen_words(printer *p, double value, void *arg)
{
    char text[400];
    (void)arg;
    int more = isfinite(value) ? 0 : number(p, value, text, sizeof text) - width_of(p);
    p->left += more > 0 ? more : 0;
}

static void put(lua_State *L, printer *p, const char *text)
{
    lmtl_add(L, p->out, text, strlen(text));
}

static void trim(printer *p)
{
    while (p->out->used > 0 && p->out->data[p->out->used - 1] == ' ')
        p->out->used--;
}

static void line(lua_State *L, printer *p, int indent, int more)
{
    trim(p);
    for (int i = 0; i < more; i++)
        put(L, p, "\n");
    for (int i = 0; i < indent; i++)
        put(L, p, " ");
}

static void put_number(lua_State *L, printer *p, double value)
{
    char text[400];
    int n = number(p, value, text, sizeof text), width = width_of(p);
    bool point = isfinite(value) && p->floats;
    int before = point ? p->left - before_point(text) : width - n;
    for (int i = 0; i < before; i++)
        put(L, p, " ");
    put(L, p, text);
    for (int i = before + n; i < width; i++)
        put(L, p, " ");
}

static void rows(lua_State *L, printer *p, int dim, int64_t at)
{
    int rank = mtl_tensor_rank(p->t);
    if (dim == rank) {
        put_number(L, p, element(p->t, at));
        return;
    }
    int64_t size = mtl_tensor_shape(p->t)[dim];
    bool last = dim == rank - 1;
    int column = rank;
    put(L, p, "[");
    for (int64_t i = 0; i < size; i++) {
        bool gap = p->fold && size > 2 * EDGE && i == EDGE;
        int width = gap ? 3 : width_of(p);
        column += i > 0;
        if (i > 0 && (!last || column + width > LINE - rank)) {
            line(L, p, dim + 1, last ? 1 : rank - dim - 1);
            column = rank;
        } else if (i > 0) {
            put(L, p, " ");
        }
        column += width;
        if (gap) {
            put(L, p, "...");
            i = size - EDGE - 1;
        } else {
            rows(L, p, dim + 1, at * size + i);
        }
    }
    put(L, p, "]");
}

int lmtl_tensor_text(lua_State *L)
{
    char shape[MTL_SHAPE_TEXT], device[32], text[MTL_SHAPE_TEXT + 120];
    mtl_tensor **self = luaL_checkudata(L, 1, LMTL_TENSOR);
    lua_settop(L, 1);
    if (!*self) {
        lua_pushliteral(L, "tensor (closed)");
        return 1;
    }
    bool wants = mtl_tensor_requires_grad(*self);
    printer p = {.floats = mtl_tensor_dtype(*self) == MTL_F32};
    span s = {.smallest = HUGE_VAL};
    p.t = lmtl_push_host(L, 1);
    p.out = lmtl_new_buffer(L);
    p.fold = mtl_tensor_count(p.t) > ALL_UP_TO;
    if (p.floats) {
        shown(&p, 0, 0, measure, &s);
        p.exponents = s.greatest >= 1e6 || (s.greatest > 0 && (s.smallest < 1e-4 || s.greatest / s.smallest > 1000));
        p.right = p.exponents ? s.digits : 0;
    }
    shown(&p, 0, 0, widen, NULL);
    shown(&p, 0, 0, widen_words, NULL);
    rows(L, &p, 0, 0);
    if (mtl_tensor_rank(p.t) == 0)
        trim(&p);
    if (mtl_tensor_rank(p.t) == 0 && p.out->data[p.out->used - 1] == '.')
        put(L, &p, "0");
    bool one_line = !memchr(p.out->data, '\n', p.out->used);
    mtl_device_name(mtl_tensor_device(*self), device, sizeof device);
    snprintf(text, sizeof text, "%s%s%s%s, %s%s", one_line ? "  " : "\n", mtl_dtype_name(mtl_tensor_dtype(p.t)),
             mtl_tensor_rank(p.t) ? " " : "",
             mtl_tensor_rank(p.t) ? mtl_shape_text(mtl_tensor_rank(p.t), mtl_tensor_shape(p.t), shape, sizeof shape)
                                  : "",
             device, wants ? ", requires grad" : "");
    put(L, &p, text);
    lua_pushlstring(L, p.out->data, p.out->used);
    return 1;
}

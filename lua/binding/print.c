/* Tensors for people: rows in brackets, numbers in columns, long dimensions folded, then dtype, shape and device. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lmtl.h"

enum { ALL_UP_TO = 400, EDGE = 3, LINE = 100 };

typedef struct {
    const mtl_tensor *t; /* on the host */
    lmtl_buffer *out;
    bool fold;
    int width, style; /* style: 'i' whole numbers, 'f' four decimals, 'e' with exponents */
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

static int number(const printer *p, double value, char *text, size_t size)
{
    if (isnan(value))
        return snprintf(text, size, "nan");
    if (isinf(value))
        return snprintf(text, size, value < 0 ? "-inf" : "inf");
    return snprintf(text, size, p->style == 'i' ? "%.0f" : p->style == 'f' ? "%.4f" : "%.4e", value);
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
    bool whole;
    double smallest, greatest; /* absolute values, 0 left out */
} span;

static void measure(printer *p, double value, void *arg)
{
    span *s = arg;
    double size = fabs(value);
    (void)p;
    if (!isfinite(value) || size == 0.0)
        return;
    s->whole = s->whole && value == floor(value);
    s->smallest = size < s->smallest ? size : s->smallest;
    s->greatest = size > s->greatest ? size : s->greatest;
}

static void widen(printer *p, double value, void *arg)
{
    char text[400];
    int n = number(p, value, text, sizeof text);
    (void)arg;
    p->width = n > p->width ? n : p->width;
}

static void put(lua_State *L, printer *p, const char *text)
{
    lmtl_add(L, p->out, text, strlen(text));
}

static void line(lua_State *L, printer *p, int indent, int more)
{
    for (int i = 0; i < more; i++)
        put(L, p, "\n");
    for (int i = 0; i < indent; i++)
        put(L, p, " ");
}

static void rows(lua_State *L, printer *p, int dim, int64_t at)
{
    int rank = mtl_tensor_rank(p->t);
    char text[400];
    if (dim == rank) {
        int n = number(p, element(p->t, at), text, sizeof text);
        for (int i = n; i < p->width; i++)
            put(L, p, " ");
        put(L, p, text);
        return;
    }
    int64_t size = mtl_tensor_shape(p->t)[dim];
    int per_line = (LINE - dim) / (p->width + 2), in_line = 0;
    bool last = dim == rank - 1;
    put(L, p, "[");
    for (int64_t i = 0; i < size; i++) {
        bool gap = p->fold && size > 2 * EDGE && i == EDGE;
        if (i > 0)
            put(L, p, last && in_line < per_line ? ", " : ",");
        if (i > 0 && (!last || in_line >= per_line)) {
            line(L, p, dim + 1, last ? 1 : rank - dim - 1);
            in_line = 0;
        }
        in_line++;
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
    printer p = {.style = 'i'};
    span s = {.whole = true, .smallest = HUGE_VAL};
    p.t = lmtl_push_host(L, 1);
    p.out = lmtl_new_buffer(L);
    p.fold = mtl_tensor_count(p.t) > ALL_UP_TO;
    shown(&p, 0, 0, measure, &s);
    if (mtl_tensor_dtype(p.t) == MTL_F32) {
        bool wide = s.greatest >= 1e6 || (s.greatest > 0 && (s.smallest < 1e-4 || s.greatest / s.smallest > 1e6));
        p.style = s.whole && s.greatest < 1e8 ? 'i' : wide ? 'e' : 'f';
    }
    shown(&p, 0, 0, widen, NULL);
    rows(L, &p, 0, 0);
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

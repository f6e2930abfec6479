/* The Lua binding of libmtl: the module mtl.core. What every file of it shares.
   A box (userdata) gets its metatable while it is empty and is filled after that, so __gc is always safe. Functions
   make their boxes before they read tensor arguments: making one may collect garbage, and a finaliser may close a
   tensor. Dimensions, indices and slices count from 1 in Lua and are translated here and nowhere else. */
#ifndef LMTL_H
#define LMTL_H

#include <lauxlib.h>
#include <lua.h>

#include "mtl/mtl.h"

LUAMOD_API int luaopen_mtl_core(lua_State *L);

/* ---- module.c ---- */
mtl_context *lmtl_context(void); /* the process's one context, made when the module is first opened, freed never */
/* Raises the kept message where a call failed. */
void lmtl_check(lua_State *L, mtl_status status);
/* Makes a type: the metatable holds `meta` (with __gc), methods are found by __index; the metatable is locked. */
void lmtl_type(lua_State *L, const char *name, const luaL_Reg *meta, const luaL_Reg *methods);

/* ---- memory.c ---- */
/* Called after a tensor came into a box: collects garbage when live tensors have grown enough since the last time. */
void lmtl_weigh(lua_State *L);
/* Growable bytes in a box, for texts that are built while the stack moves. */
typedef struct {
    char *data;
    size_t used, room;
} lmtl_buffer;
lmtl_buffer *lmtl_new_buffer(lua_State *L);
void lmtl_add(lua_State *L, lmtl_buffer *buffer, const char *data, size_t size);
/* A Lua state whose memory is counted and can be capped (core.memory_limit). NULL without memory. */
lua_State *lmtl_new_state(void);

/* ---- tensor.c ---- */
#define LMTL_TENSOR "mtl.tensor"
mtl_tensor **lmtl_new_tensor(lua_State *L);            /* pushes an empty box */
mtl_tensor *lmtl_tensor(lua_State *L, int arg);        /* an argument that must be a tensor */
mtl_tensor *lmtl_test_tensor(lua_State *L, int index); /* NULL: it is something else, or closed */
int lmtl_borrowed(lua_State *L, mtl_tensor **box,
                  mtl_tensor *t);                  /* retains t into the box on top, nil for NULL; returns 1 */
int lmtl_result(lua_State *L, mtl_status status);  /* checks and weighs; the box is on top of the stack; returns 1 */
mtl_tensor *lmtl_push_host(lua_State *L, int arg); /* pushes the tensor as it is on the CPU */
int lmtl_device(lua_State *L, int index);          /* "cpu", "opencl", "opencl:N", or its number; nil: the CPU */
/* A list of tensors, retained, in a box: safe while more arguments are read. Cleared after use, or by the collector. */
typedef struct {
    int64_t count;
    mtl_tensor *tensor[];
} lmtl_list;
lmtl_list *lmtl_new_list(lua_State *L, int64_t count);
void lmtl_list_set(lua_State *L, lmtl_list *list, int64_t i,
                   const char *what); /* the tensor on top of the stack; popped */
void lmtl_list_clear(lmtl_list *list);

/* ---- interrupt.c ---- */
/* The coroutine that runs: signals stop this one. Whoever resumes another one says so, and says when it is back. */
void lmtl_enter(lua_State *L);
/* Whether code is being stopped: whoever caught an error raises it again. */
bool lmtl_stopping(void);
int lmtl_interrupted(void); /* the signal that asked the program to stop; 0: none */
/* Says when a function of C that may take long begins, and when it is over. */
void lmtl_in_c(bool begins);
/* Says when reading a line begins, during which ^C is only kept (lmtl_interrupted), and when it is over: forgotten. */
void lmtl_reading(bool begins);

/* ---- source.c ---- */
mtl_source **lmtl_new_source(lua_State *L); /* pushes an empty box */
mtl_source *lmtl_source(lua_State *L, int arg);
mtl_source *lmtl_test_source(lua_State *L, int index); /* NULL: it is something else, or closed */

/* ---- curve.c: values by step, of which only what a drawing shows is kept ---- */
typedef struct lmtl_curve lmtl_curve;
lmtl_curve *lmtl_curve_new(void); /* NULL without memory */
void lmtl_curve_free(lmtl_curve *curve);
/* step: at least 0. A value that is not finite is a gap. false without memory. */
bool lmtl_curve_add(lmtl_curve *curve, int64_t step, double value);
/* Pushes { points = { step, value, step, value, ... }, means = { ... }, n =, width = }: at most four points and one
   mean a bucket of `width` steps, in the order of their steps; NaN is where a bucket has no finite value. */
void lmtl_curve_push(lua_State *L, const lmtl_curve *curve);

/* ---- args.c: one translation of shapes, dimensions and indices ---- */
/* Sizes from arguments first .. last: numbers, or one table. Returns the rank. */
int lmtl_sizes(lua_State *L, const char *who, int first, int last, int64_t *sizes);
int lmtl_sizes_table(lua_State *L, const char *who, int index, int64_t *sizes);
void lmtl_push_shape(lua_State *L, int rank, const int64_t *shape);
/* Dimension of a tensor of `rank` dimensions, from 0; shape is for the message. */
int lmtl_dim_of(lua_State *L, const char *who, lua_Integer dim, int rank, const mtl_tensor *t);
int lmtl_dim(lua_State *L, const char *who, int arg, const mtl_tensor *t, lua_Integer if_none);
int64_t lmtl_index(lua_State *L, const char *who, lua_Integer index, int64_t size);
mtl_dtype lmtl_dtype(lua_State *L, const char *who, const char *name);
uint64_t lmtl_stream(lua_State *L, int arg); /* a stream's name or number */
/* A Lua function's table argument: only keys of the list (ended by NULL) are allowed. */
void lmtl_check_keys(lua_State *L, const char *who, int index, const char *const *keys);
/* Field `key` of the table at `index`; the default where it is nil. */
double lmtl_number_field(lua_State *L, const char *who, int index, const char *key, double if_none);
lua_Integer lmtl_integer_field(lua_State *L, const char *who, int index, const char *key, lua_Integer if_none);
bool lmtl_bool_field(lua_State *L, int index, const char *key, bool if_none);

/* ---- one opener a file: adds its functions to the table on top of the stack ---- */
void lmtl_open_tensor(lua_State *L);
void lmtl_open_ops(lua_State *L);
void lmtl_open_grad(lua_State *L);
void lmtl_open_later(lua_State *L);
void lmtl_open_model(lua_State *L);
void lmtl_open_optimizer(lua_State *L);
void lmtl_open_task(lua_State *L);
void lmtl_open_loader(lua_State *L);
void lmtl_open_source(lua_State *L); /* by lmtl_open_loader */
void lmtl_open_io(lua_State *L);
void lmtl_open_bundle(lua_State *L);
void lmtl_open_json(lua_State *L);
void lmtl_open_metrics(lua_State *L);
void lmtl_open_random(lua_State *L);
void lmtl_open_system(lua_State *L);
void lmtl_open_process(lua_State *L);
void lmtl_open_memory(lua_State *L);
void lmtl_open_prompt(lua_State *L);
void lmtl_open_wall(lua_State *L);
void lmtl_open_interrupt(lua_State *L);
void lmtl_open_box(lua_State *L);
extern const luaL_Reg lmtl_make_functions[];   /* make.c: constructors */
extern const luaL_Reg lmtl_math_functions[];   /* math.c: functions of core and methods of tensors, the same */
extern const luaL_Reg lmtl_shape_functions[];  /* shape.c */
extern const luaL_Reg lmtl_layer_functions[];  /* layers.c */
extern const luaL_Reg lmtl_grad_methods[];     /* grad.c */
extern const luaL_Reg lmtl_tensor_operators[]; /* math.c: metamethods */
int lmtl_tensor_text(lua_State *L);            /* print.c: __tostring */

/* The arena of a model or of an arena box, and the box's type is checked. model.c */
mtl_arena *lmtl_arena_of(lua_State *L, int arg);

#endif

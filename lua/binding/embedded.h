/* The Lua modules that the program carries: scripts/embed.lua makes the C file that defines them. */
#ifndef LMTL_EMBEDDED_H
#define LMTL_EMBEDDED_H

#include <stddef.h>

typedef struct {
    const char *name;  /* "mtl.nn.linear" */
    const char *chunk; /* "@mtl/nn/linear.lua", for error messages */
    const char *text;
    size_t size;
} lmtl_embedded;

extern const lmtl_embedded lmtl_embedded_modules[]; /* ends with a NULL name */

#endif

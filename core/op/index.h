/* What the operators that pick, and those that add, by integer indices share. In take.c. */
#ifndef MTL_OP_INDEX_H
#define MTL_OP_INDEX_H

#include "op/broadcast.h"

/* Every element of `index` int32 and from `low` to n - 1; the message counts places from 0, as the indices do. */
mtl_status mtl_check_index(const char *who, const mtl_tensor *index, int64_t low, int64_t n);

#endif

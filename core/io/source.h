/* Reading rows of a source, in any thread: nothing here touches a context, a tensor or a count. */
#ifndef MTL_IO_SOURCE_H
#define MTL_IO_SOURCE_H

#include "io/png.h"
#include "mtl/loader.h"

/* Memory that grows and is used again; owned by one thread. */
typedef struct {
    void *data;
    size_t size;
} mtl_room;
/* Room for `count` elements of `each` bytes; what was in it is lost. false: there is no memory. */
bool mtl_room_make(mtl_room *room, int64_t count, size_t each);

typedef struct {
    int64_t shape[MTL_MAX_RANK]; /* of the source's rank */
    const void *data;            /* the source's own, or in `room` */
    mtl_room room;
} mtl_row;

/* Row `row`. any_size: its last two sizes may differ from row 0's. false: `message` (MTL_MESSAGE) says why. */
bool mtl_source_read(const mtl_source *source, int64_t row, bool any_size, mtl_row *to, char *message);
bool mtl_source_in_memory(const mtl_source *source);
/* All rows, one after the other, where they are so in memory; else NULL. */
const uint8_t *mtl_source_memory(const mtl_source *source);

#endif

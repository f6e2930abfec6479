/* Inside of a csv: columns as they were read, and what csv_levels.c adds. Only csv*.c includes this. */
#ifndef MTL_IO_CSV_H
#define MTL_IO_CSV_H

#include "io/io.h"

typedef struct {
    const char *name; /* in the csv's names */
    mtl_text text;    /* every field, unquoted, each with a NUL behind it */
    bool lost;        /* there are numbers, so the text was let go: mtl_csv_reload brings it back */
    float *numbers;   /* NaN: missing. NULL once a field was no number */
    int64_t bad_line; /* of that field, */
    char *bad;        /* the field, cut to MTL_SHOWN bytes, */
    bool bad_large;   /* and whether it is a number all the same, which float32 cannot hold */
    int32_t *codes;   /* NULL until they are asked for */
    const char **levels;
    int64_t n_levels;
} mtl_csv_column;

/* The line that a row begins at, which is not the one behind that of the row before: of the first, behind empty lines
   and behind quotes that span lines. */
typedef struct {
    int64_t row, line;
} mtl_csv_jump;

struct mtl_csv {
    mtl_context *ctx;
    char *path;
    char *missing; /* or NULL */
    char separator, decimal;
    bool names_only;
    mtl_text names;
    int n_columns;
    mtl_csv_column *columns;
    mtl_text jumps;     /* mtl_csv_jump, by row */
    int64_t rows, room; /* `room`: rows that the numbers have memory for */
};

/* Reads the file again for the text of a column that was let go. */
mtl_status mtl_csv_reload(mtl_csv *csv, int column);

/* Empty (blanks aside) or the text for missing values. */
bool mtl_csv_missing(const mtl_csv *csv, const char *field, size_t n);

#endif

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

struct mtl_csv {
    mtl_context *ctx;
    char *path;
    char *missing; /* or NULL */
    char separator, decimal;
    bool names_only;
    mtl_text names;
    int n_columns;
    mtl_csv_column *columns;
    int64_t rows, room; /* `room`: rows that the numbers have memory for */
};

/* Reads the file again for the text of a column that was let go. */
mtl_status mtl_csv_reload(mtl_csv *csv, int column);

/* Empty (blanks aside) or the text for missing values. */
bool mtl_csv_missing(const mtl_csv *csv, const char *field, size_t n);
/* A decimal number, "-1.5e3" where `decimal` is '.', blanks around it allowed, that float32 can hold; the locale plays
   no part. */
bool mtl_csv_number(const char *field, size_t n, char decimal, double *value);

#endif

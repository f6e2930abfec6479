/* Files to tensors and back. Every reader treats its bytes as hostile: sizes are checked before they are multiplied or
   allocated, and a bad file is an error that names the file and the offset (or the line), and changes nothing.
   Paths are used as they are given: whether a caller may read them is checked by the caller. */
#ifndef MTL_IO_H
#define MTL_IO_H

#include "mtl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* PNG of any colour type and depth, interlaced or not. A mode says what it becomes; background, gamma and profiles
   change no pixel. 16 bits are rounded to 8 and a transparent colour is alpha, but in the last two modes, which give
   what the file holds: they refuse colours without a palette (gray16: with one, too) and leave alpha out. */
typedef enum {
    MTL_PNG_ANY,   /* uint8 [channels, height, width]: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA, as in the file */
    MTL_PNG_GRAY,  /* uint8 [1, height, width]; of colours 0.299 R + 0.587 G + 0.114 B; alpha is left out */
    MTL_PNG_RGB,   /* uint8 [3, height, width]; alpha is left out */
    MTL_PNG_RGBA,  /* uint8 [4, height, width]; 255 where there is no alpha */
    MTL_PNG_INDEX, /* int32 [height, width]: places in the palette, or values of gray, for labels */
    MTL_PNG_GRAY16 /* float32 [1, height, width]: values of gray, 0 to 65535 of 16 bits, 0 to 255 of 8, for depth */
} mtl_png_mode;
mtl_status mtl_png_read(mtl_context *ctx, const char *path, mtl_png_mode mode, mtl_tensor **out);
/* What mtl_png_read would give, from the header. */
mtl_status mtl_png_shape(mtl_context *ctx, const char *path, mtl_png_mode mode, int64_t shape[3], int *rank,
                         mtl_dtype *dtype);
/* Writes [channels, height, width] uint8, channels 1 to 4, or 16-bit gray of int32 [1, height, width], 0 to 65535.
   Written to a temporary name and renamed. */
mtl_status mtl_png_write(const char *path, const mtl_tensor *image);
/* The bytes of that file, in memory: the caller frees them. */
mtl_status mtl_png_encode(const mtl_tensor *image, uint8_t **bytes, size_t *size);

/* NPY, NumPy's arrays, versions 1 to 3, in C or Fortran order, of either byte order: float16, float32, float64 become
   float32; bool and uint8 become uint8; other integers int32. A number that does not fit is an error. */
mtl_status mtl_npy_read(mtl_context *ctx, const char *path, mtl_tensor **out);
/* float32, int32, uint8 as they are. Written to a temporary name and renamed. */
mtl_status mtl_npy_write(const char *path, const mtl_tensor *array);

/* NPZ: a zip archive of NPY, stored or deflated. An array is unpacked when it is asked for. */
typedef struct mtl_npz mtl_npz;
mtl_status mtl_npz_open(mtl_context *ctx, const char *path, mtl_npz **out);
void mtl_npz_free(mtl_npz *npz);
int64_t mtl_npz_count(const mtl_npz *npz);
const char *mtl_npz_name(const mtl_npz *npz, int64_t i); /* without ".npy" */
mtl_status mtl_npz_tensor(mtl_npz *npz, int64_t i, mtl_tensor **out);

/* IDX (the format of MNIST), plain or gzipped (found by content): uint8 stays, int8/int16/int32 become int32,
   float32/float64 become float32. */
mtl_status mtl_idx_read(mtl_context *ctx, const char *path, mtl_tensor **out);

/* CSV (RFC 4180: quotes, doubled quotes, line ends within quotes; CRLF or LF), plain or gzipped, with a header line.
   A column is numeric when every field is a number or `missing` (or empty); else it is text. */
typedef struct mtl_csv mtl_csv;
typedef struct {
    char separator;      /* 0: ',' */
    char decimal;        /* '.' or ','; 0: '.' */
    const char *missing; /* text that stands for a missing value beside the empty field, or NULL */
    bool names_only;     /* the header alone, where names may be repeated; there are no rows then */
} mtl_csv_options;
/* options: NULL means zeros. MTL_ERR_FORMAT names file and line. */
mtl_status mtl_csv_read(mtl_context *ctx, const char *path, const mtl_csv_options *options, mtl_csv **out);
void mtl_csv_free(mtl_csv *csv);
int64_t mtl_csv_rows(const mtl_csv *csv); /* header not counted */
int mtl_csv_columns(const mtl_csv *csv);
char mtl_csv_separator(const mtl_csv *csv);
char mtl_csv_decimal(const mtl_csv *csv);                 /* '.' or ',' */
const char *mtl_csv_name(const mtl_csv *csv, int column); /* columns count from 0 */
int mtl_csv_find(const mtl_csv *csv, const char *name);   /* -1: no such column */
bool mtl_csv_numeric(const mtl_csv *csv, int column);
/* Every field of a column as it stands in the file, unquoted: one behind the other, each with a NUL behind it; borrowed
   from the csv. MTL_ERR_FORMAT: a long file had to be read again, and changed. */
mtl_status mtl_csv_texts(mtl_csv *csv, int column, const char **out);
/* The line of the file, from 1, where a row begins (rows count from 0); -1: there is no such row. */
int64_t mtl_csv_line(const mtl_csv *csv, int64_t row);
/* Whether a field is a number of a table's: decimal digits with '.' or ',' as `decimal` says and perhaps an exponent,
   as -1.5e3, blanks around it allowed, that float32 can hold. The locale plays no part. value: set if it is. */
bool mtl_csv_number(const char *field, size_t n, char decimal, double *value);
/* Numbers of a numeric column, [rows] float32; missing is NaN. MTL_ERR_FORMAT, naming line and text, on a text column.
 */
mtl_status mtl_csv_numbers(mtl_csv *csv, int column, mtl_tensor **out);
/* Codes of any column, [rows] int32: index into its levels; missing is -1. Levels are sorted: by value where all are
   numbers, else by bytes. The level texts are borrowed from the csv; -1 and NULL: there are none, or no memory. */
mtl_status mtl_csv_codes(mtl_csv *csv, int column, mtl_tensor **out);
int64_t mtl_csv_levels(mtl_csv *csv, int column);
const char *mtl_csv_level(mtl_csv *csv, int column, int64_t level);

/* safetensors: a JSON header (tensors by name, and a metadata map of texts) and their bytes. Read: F32, I32, U8; F64
   and I64 are converted after a range check. The file is checked whole before any tensor is made. */
typedef struct mtl_safetensors mtl_safetensors;
mtl_status mtl_safetensors_read(mtl_context *ctx, const char *path, mtl_safetensors **out);
void mtl_safetensors_free(mtl_safetensors *file);
int64_t mtl_safetensors_count(const mtl_safetensors *file);
const char *mtl_safetensors_name(const mtl_safetensors *file, int64_t i);
/* Retained for the caller. MTL_ERR_ARG with the nearest names when there is none. */
mtl_status mtl_safetensors_tensor(mtl_safetensors *file, const char *name, mtl_tensor **out);
const char *mtl_safetensors_meta(const mtl_safetensors *file, const char *key); /* NULL: none */

/* Writes to a temporary name in the same folder, syncs, renames, and syncs the folder: the file at `path` is the old or
   the new one, whole. metadata: key, value, key, value ... of `n_meta` pairs. */
mtl_status mtl_safetensors_write(mtl_context *ctx, const char *path, int64_t n, const char *const *names,
                                 mtl_tensor *const *tensors, int64_t n_meta, const char *const *metadata);

/* Writes `bytes` the same careful way (temporary name, sync, rename): for run.json, summary.json and the like. */
mtl_status mtl_file_write(mtl_context *ctx, const char *path, const void *data, size_t bytes);

/* All bytes of a regular file of at most `most` bytes. data: malloc'd, the caller's to free; NUL-terminated. */
mtl_status mtl_file_read(mtl_context *ctx, const char *path, size_t most, char **data, size_t *bytes);

/* From now on, in all of the process, no file is read at a path with a symbolic link in it: for programs that resolve
   links and check where a path leads. Who puts a link there after the check gains nothing. */
void mtl_refuse_links(void);

#ifdef __cplusplus
}
#endif
#endif

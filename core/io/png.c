/* PNG by libpng. libpng leaves by longjmp: everything it could strand lives in a job, which its caller frees. */
#include <png.h>

#include <inttypes.h>
#include <stdlib.h>

#include "io/io.h"

typedef struct {
    mtl_context *ctx;
    const char *path;
    mtl_status status; /* the first failure: its message is kept already */
    char warning[128]; /* libpng's last: it often says more than the error that follows */
    png_structp png;
    png_infop info;
    mtl_input in;
    mtl_output out;
    mtl_tensor *image;
    uint8_t *pixels; /* channels next to each other, as libpng wants them */
    png_bytep *rows;
} job;

static void PNGAPI on_error(png_structp png, png_const_charp message)
{
    job *j = png_get_error_ptr(png);
    if (j->status == MTL_OK && j->in.file)
        j->status = mtl_fail(j->ctx, MTL_ERR_FORMAT, "%s: damaged before byte %" PRIu64 ": %s%s%s", j->path,
                             j->in.offset, message, *j->warning ? "; " : "", j->warning);
    else if (j->status == MTL_OK)
        j->status = mtl_fail(j->ctx, MTL_ERR_ARG, "cannot write %s: %s", j->path, message);
    longjmp(png_jmpbuf(png), 1);
}

static void PNGAPI on_warning(png_structp png, png_const_charp message)
{
    job *j = png_get_error_ptr(png);
    snprintf(j->warning, sizeof j->warning, "%s", message);
}

static void PNGAPI on_read(png_structp png, png_bytep data, size_t bytes)
{
    job *j = png_get_io_ptr(png);
    j->status = mtl_input_need(&j->in, data, bytes);
    if (j->status != MTL_OK)
        png_error(png, "");
}

static void PNGAPI on_write(png_structp png, png_bytep data, size_t bytes)
{
    job *j = png_get_io_ptr(png);
    j->status = mtl_output_write(&j->out, data, bytes);
    if (j->status != MTL_OK)
        png_error(png, "");
}

static void PNGAPI on_flush(png_structp png)
{
    (void)png;
}

/* Rows of `pixels`, or of the image itself where it has one channel. */
static mtl_status make_rows(job *j, size_t channels, size_t height, size_t width)
{
    uint8_t *first = mtl_tensor_data(j->image);
    if (channels > 1 || !first)
        first = j->pixels = malloc(channels * height * width);
    j->rows = malloc(height * sizeof *j->rows);
    if (!first || !j->rows)
        return mtl_fail(j->ctx, MTL_ERR_MEMORY, "%s: no host memory left", j->path);
    for (size_t y = 0; y < height; y++)
        j->rows[y] = first + y * width * channels;
    return MTL_OK;
}

static mtl_status decode(job *j)
{
    if (setjmp(png_jmpbuf(j->png)))
        return j->status;
    png_set_read_fn(j->png, j, on_read);
    png_set_user_limits(j->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    /* Profiles and texts are skipped unread: they change no pixel here. */
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(j->png, j->info);
    png_uint_32 width = png_get_image_width(j->png, j->info), height = png_get_image_height(j->png, j->info);
    uint64_t raw;
    if (__builtin_mul_overflow((uint64_t)height, (uint64_t)png_get_rowbytes(j->png, j->info), &raw) ||
        raw / MTL_DEFLATE_MOST > j->in.size)
        return mtl_fail(j->ctx, MTL_ERR_FORMAT,
                        "%s: the header says %u x %u pixels, which %" PRIu64 " bytes cannot hold", j->path,
                        (unsigned)width, (unsigned)height, j->in.size);
    png_set_expand(j->png); /* palettes, gray of less than 8 bits, a transparent colour */
    png_set_scale_16(j->png);
    png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    int64_t shape[3] = {png_get_channels(j->png, j->info), height, width};
    MTL_TRY(mtl_tensor_new(j->ctx, MTL_U8, 3, shape, &j->image));
    MTL_TRY(make_rows(j, (size_t)shape[0], height, width));
    png_read_image(j->png, j->rows);
    png_read_end(j->png, NULL);
    return MTL_OK;
}

mtl_status mtl_png_read(mtl_context *ctx, const char *path, mtl_tensor **out)
{
    mtl_status status;
    job j = {.ctx = ctx, .path = path};
    MTL_TRY_GOTO(mtl_input_open(ctx, path, false, &j.in));
    j.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning);
    j.info = j.png ? png_create_info_struct(j.png) : NULL;
    if (!j.info) {
        status = mtl_fail(ctx, MTL_ERR_MEMORY, "%s: no host memory left", path);
        goto done;
    }
    MTL_TRY_GOTO(decode(&j));
    if (j.pixels) {
        const int64_t *shape = mtl_tensor_shape(j.image);
        int64_t plane = shape[1] * shape[2];
        uint8_t *to = mtl_tensor_data(j.image);
        for (int64_t c = 0; c < shape[0]; c++) {
            for (int64_t i = 0; i < plane; i++)
                to[c * plane + i] = j.pixels[i * shape[0] + c];
        }
    }
    *out = j.image;
    j.image = NULL;
done:
    png_destroy_read_struct(&j.png, &j.info, NULL);
    mtl_input_close(&j.in);
    mtl_tensor_release(j.image);
    free(j.pixels);
    free(j.rows);
    return status;
}

static mtl_status encode(job *j)
{
    static const int colours[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                  PNG_COLOR_TYPE_RGB_ALPHA};
    const int64_t *shape = mtl_tensor_shape(j->image);
    if (setjmp(png_jmpbuf(j->png)))
        return j->status;
    png_set_write_fn(j->png, j, on_write, on_flush);
    png_set_user_limits(j->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(j->png, j->info, (png_uint_32)shape[2], (png_uint_32)shape[1], 8, colours[shape[0] - 1],
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(j->png, j->info);
    png_write_image(j->png, j->rows);
    png_write_end(j->png, NULL);
    return MTL_OK;
}

/* The image's elements in the order of rows. */
static mtl_status interleave(job *j)
{
    const int64_t *shape = mtl_tensor_shape(j->image);
    int64_t plane = shape[1] * shape[2];
    uint8_t *from = mtl_tensor_data(j->image), *copy = NULL;
    MTL_TRY(make_rows(j, (size_t)shape[0], (size_t)shape[1], (size_t)shape[2]));
    if (!j->pixels)
        return MTL_OK;
    if (!from) {
        from = copy = malloc(mtl_tensor_bytes(j->image));
        if (!copy)
            return mtl_fail(j->ctx, MTL_ERR_MEMORY, "%s: no host memory left", j->path);
        mtl_status status = mtl_tensor_read(j->image, copy);
        if (status != MTL_OK) {
            free(copy);
            return status;
        }
    }
    for (int64_t c = 0; c < shape[0]; c++) {
        for (int64_t i = 0; i < plane; i++)
            j->pixels[i * shape[0] + c] = from[c * plane + i];
    }
    free(copy);
    return MTL_OK;
}

mtl_status mtl_png_write(const char *path, const mtl_tensor *image)
{
    mtl_context *ctx = mtl_tensor_context(image);
    const int64_t *shape = mtl_tensor_shape(image);
    mtl_status status;
    job j = {.ctx = ctx, .path = path, .image = (mtl_tensor *)image, .out.fd = -1};
    if (mtl_tensor_dtype(image) != MTL_U8)
        return mtl_fail(ctx, MTL_ERR_DTYPE, "cannot write %s: the image is %s, which should be uint8", path,
                        mtl_dtype_name(mtl_tensor_dtype(image)));
    if (mtl_tensor_rank(image) != 3 || shape[0] < 1 || shape[0] > 4 || shape[1] < 1 || shape[2] < 1 ||
        shape[1] > PNG_UINT_31_MAX || shape[2] > PNG_UINT_31_MAX) {
        char text[MTL_SHAPE_TEXT];
        return mtl_fail(
            ctx, MTL_ERR_SHAPE,
            "cannot write %s: the image is %s, which should be [channels, height, width] with 1 to 4 channels", path,
            mtl_shape_text(mtl_tensor_rank(image), shape, text, sizeof text));
    }
    MTL_TRY_GOTO(interleave(&j));
    j.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning);
    j.info = j.png ? png_create_info_struct(j.png) : NULL;
    if (!j.info) {
        status = mtl_fail(ctx, MTL_ERR_MEMORY, "%s: no host memory left", path);
        goto done;
    }
    MTL_TRY_GOTO(mtl_output_open(ctx, path, &j.out));
    status = mtl_output_close(&j.out, encode(&j));
done:
    png_destroy_write_struct(&j.png, &j.info);
    free(j.pixels);
    free(j.rows);
    return status;
}

/* PNG out, by libpng. libpng leaves by longjmp: everything it could strand lives in a job, which its caller frees. */
#include <inttypes.h>
#include <png.h>
#include <stdlib.h>

#include "io/io.h"

typedef struct {
    mtl_context *ctx;
    const char *path;
    mtl_status status; /* the first failure: its message is kept already */
    const int64_t *shape;
    int depth;
    png_structp png;
    png_infop info;
    mtl_output out;
    uint8_t *pixels; /* samples in the order of the file */
    uint8_t *bytes;  /* of the file, where it is made in memory */
    size_t used, room;
} job;

static void PNGAPI on_error(png_structp png, png_const_charp message)
{
    job *j = png_get_error_ptr(png);
    if (j->status == MTL_OK)
        j->status = mtl_fail(j->ctx, MTL_ERR_ARG, "cannot write %s: %s", j->path, message);
    longjmp(png_jmpbuf(png), 1);
}

static void PNGAPI on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void PNGAPI on_write(png_structp png, png_bytep data, size_t bytes)
{
    job *j = png_get_io_ptr(png);
    j->status = mtl_output_write(&j->out, data, bytes);
    if (j->status != MTL_OK)
        png_error(png, "");
}

static void PNGAPI on_memory(png_structp png, png_bytep data, size_t bytes)
{
    job *j = png_get_io_ptr(png);
    if (bytes > j->room - j->used) {
        size_t room = 2 * j->room + bytes;
        uint8_t *more = realloc(j->bytes, room);
        if (!more) {
            j->status = mtl_fail(j->ctx, MTL_ERR_MEMORY, "%s: no host memory left", j->path);
            png_error(png, "");
        }
        j->bytes = more;
        j->room = room;
    }
    memcpy(j->bytes + j->used, data, bytes);
    j->used += bytes;
}

static void PNGAPI on_flush(png_structp png)
{
    (void)png;
}

static mtl_status encode(job *j, png_rw_ptr write)
{
    static const int colours[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                  PNG_COLOR_TYPE_RGB_ALPHA};
    size_t row = (size_t)(j->shape[0] * j->shape[2] * j->depth / 8);
    if (setjmp(png_jmpbuf(j->png)))
        return j->status;
    png_set_write_fn(j->png, j, write, on_flush);
    png_set_user_limits(j->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(j->png, j->info, (png_uint_32)j->shape[2], (png_uint_32)j->shape[1], j->depth,
                 colours[j->shape[0] - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(j->png, j->info);
    for (int64_t y = 0; y < j->shape[1]; y++)
        png_write_row(j->png, j->pixels + (size_t)y * row);
    png_write_end(j->png, NULL);
    return MTL_OK;
}

/* The image's elements as samples. */
static mtl_status make_samples(job *j, const mtl_tensor *image)
{
    size_t channels = (size_t)j->shape[0], plane = (size_t)(j->shape[1] * j->shape[2]);
    mtl_status status = MTL_OK;
    void *host = mtl_tensor_data(image), *copy = NULL;
    j->pixels = malloc(channels * plane * (size_t)j->depth / 8);
    if (!host)
        host = copy = malloc(mtl_tensor_bytes(image));
    if (!j->pixels || !host) {
        status = mtl_fail(j->ctx, MTL_ERR_MEMORY, "%s: no host memory left", j->path);
        goto done;
    }
    if (copy)
        MTL_TRY_GOTO(mtl_tensor_read(image, copy));
    if (j->depth == 16) {
        for (size_t i = 0; i < plane; i++) {
            int32_t value = ((const int32_t *)host)[i];
            if (value < 0 || value > 65535)
                MTL_TRY_GOTO(mtl_fail(j->ctx, MTL_ERR_ARG,
                                      "cannot write %s: the value %" PRId32 ", which should be 0 to 65535", j->path,
                                      value));
            j->pixels[2 * i] = (uint8_t)(value >> 8);
            j->pixels[2 * i + 1] = (uint8_t)value;
        }
    } else {
        for (size_t c = 0; c < channels; c++) {
            for (size_t i = 0; i < plane; i++)
                j->pixels[i * channels + c] = ((const uint8_t *)host)[c * plane + i];
        }
    }
done:
    free(copy);
    return status;
}

/* All but where the bytes go. */
static mtl_status prepare(job *j, const mtl_tensor *image)
{
    j->ctx = mtl_tensor_context(image);
    const int64_t *shape = j->shape = mtl_tensor_shape(image);
    j->depth = mtl_tensor_dtype(image) == MTL_U8 ? 8 : 16;
    if (mtl_tensor_dtype(image) == MTL_F32)
        return mtl_fail(j->ctx, MTL_ERR_DTYPE, "cannot write %s: the image is float32, which should be uint8 or int32",
                        j->path);
    if (mtl_tensor_rank(image) != 3 || shape[0] < 1 || shape[0] > (j->depth == 8 ? 4 : 1) || shape[1] < 1 ||
        shape[2] < 1 || shape[1] > PNG_UINT_31_MAX || shape[2] > PNG_UINT_31_MAX) {
        char text[MTL_SHAPE_TEXT];
        return mtl_fail(
            j->ctx, MTL_ERR_SHAPE,
            "cannot write %s: the image is %s, which should be [channels, height, width] with 1%s channel%s", j->path,
            mtl_shape_text(mtl_tensor_rank(image), shape, text, sizeof text), j->depth == 8 ? " to 4" : "",
            j->depth == 8 ? "s" : ", as 16 bits are gray");
    }
    MTL_TRY(make_samples(j, image));
    j->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, j, on_error, on_warning);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    return j->info ? MTL_OK : mtl_fail(j->ctx, MTL_ERR_MEMORY, "%s: no host memory left", j->path);
}

mtl_status mtl_png_write(const char *path, const mtl_tensor *image)
{
    mtl_status status;
    job j = {.path = path, .out.fd = -1};
    MTL_TRY_GOTO(prepare(&j, image));
    MTL_TRY_GOTO(mtl_output_open(j.ctx, path, &j.out));
    status = mtl_output_close(&j.out, encode(&j, on_write));
done:
    png_destroy_write_struct(&j.png, &j.info);
    free(j.pixels);
    return status;
}

mtl_status mtl_png_encode(const mtl_tensor *image, uint8_t **bytes, size_t *size)
{
    mtl_status status;
    job j = {.path = "a PNG image", .out.fd = -1};
    MTL_TRY_GOTO(prepare(&j, image));
    MTL_TRY_GOTO(encode(&j, on_memory));
    *bytes = j.bytes;
    *size = j.used;
    j.bytes = NULL;
done:
    png_destroy_write_struct(&j.png, &j.info);
    free(j.pixels);
    free(j.bytes);
    return status;
}

/* PNG in, by libpng, in any thread. libpng leaves by longjmp: everything it could strand lives in a job, which its
   caller ends. */
#include "io/png.h"

#include <errno.h>
#include <inttypes.h>
#include <png.h>
#include <stdlib.h>
#include <unistd.h>

enum { AHEAD = 1 << 15 }; /* bytes that one read asks for: a small image comes whole */

typedef struct {
    const char *path;
    char *message;     /* MTL_MESSAGE bytes */
    mtl_status status; /* the first failure: its message is kept already */
    char warning[128]; /* libpng's last: it often says more than the error that follows */
    mtl_png_mode mode;
    mtl_png_info *out;
    png_structp png;
    png_infop info;
    int fd;
    uint64_t size, offset; /* of the file; bytes that libpng took */
    size_t channels;       /* of what libpng gives: samples of `bytes` bytes */
    size_t bytes;
    uint8_t *pixels; /* of what libpng gives, where it is not what the mode gives */
    png_bytep *rows;
    size_t at, end; /* of what is read ahead */
    uint8_t ahead[AHEAD];
} job;

static void PNGAPI on_error(png_structp png, png_const_charp message)
{
    job *j = png_get_error_ptr(png);
    if (j->status == MTL_OK)
        j->status = mtl_say(j->message, MTL_ERR_FORMAT, "%s: damaged before byte %" PRIu64 ": %s%s%s", j->path,
                            j->offset, message, *j->warning ? "; " : "", j->warning);
    longjmp(png_jmpbuf(png), 1);
}

static void PNGAPI on_warning(png_structp png, png_const_charp message)
{
    job *j = png_get_error_ptr(png);
    snprintf(j->warning, sizeof j->warning, "%s", message);
}

static mtl_status take(job *j, uint8_t *to, size_t n)
{
    for (size_t done = 0, step; done < n; done += step) {
        if (j->at == j->end) {
            ssize_t got = read(j->fd, j->ahead, sizeof j->ahead);
            if (got < 0)
                return mtl_say(j->message, MTL_ERR_IO, "cannot read %s: %s", j->path, strerror(errno));
            if (got == 0)
                return mtl_say(j->message, MTL_ERR_FORMAT,
                               "%s: ends at byte %" PRIu64 ", where %zu bytes from byte %" PRIu64 " on should be",
                               j->path, j->offset + done, n, j->offset);
            j->at = 0;
            j->end = (size_t)got;
        }
        step = n - done < j->end - j->at ? n - done : j->end - j->at;
        memcpy(to + done, j->ahead + j->at, step);
        j->at += step;
    }
    j->offset += n;
    return MTL_OK;
}

static void PNGAPI on_read(png_structp png, png_bytep to, size_t n)
{
    job *j = png_get_io_ptr(png);
    j->status = take(j, to, n);
    if (j->status != MTL_OK)
        png_error(png, "");
}

static bool as_stored(mtl_png_mode mode)
{
    return mode == MTL_PNG_INDEX || mode == MTL_PNG_GRAY16;
}

/* Fills in what libpng gives, and what the mode gives. */
static mtl_status header(job *j)
{
    static const int64_t channels[] = {
        [MTL_PNG_GRAY] = 1, [MTL_PNG_RGB] = 3, [MTL_PNG_RGBA] = 4, [MTL_PNG_INDEX] = 1, [MTL_PNG_GRAY16] = 1};
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
        raw / MTL_DEFLATE_MOST > j->size || (uint64_t)height * width > PTRDIFF_MAX / 16)
        return mtl_say(j->message, MTL_ERR_FORMAT,
                       "%s: the header says %u x %u pixels, which %" PRIu64 " bytes cannot hold", j->path,
                       (unsigned)width, (unsigned)height, j->size);
    int colour = png_get_color_type(j->png, j->info);
    if (as_stored(j->mode)) {
        bool palette = colour == PNG_COLOR_TYPE_PALETTE;
        if (palette ? j->mode == MTL_PNG_GRAY16 : (colour & PNG_COLOR_MASK_COLOR) != 0)
            return mtl_say(j->message, MTL_ERR_FORMAT, "%s: it has %s, where mode %s should find %s", j->path,
                           palette ? "a palette" : "colours", j->mode == MTL_PNG_INDEX ? "index" : "gray16",
                           j->mode == MTL_PNG_INDEX ? "a palette or gray" : "gray");
        png_set_packing(j->png);
    } else {
        png_set_expand(j->png); /* palettes, gray of less than 8 bits, a transparent colour */
        png_set_scale_16(j->png);
    }
    png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    j->channels = png_get_channels(j->png, j->info);
    j->bytes = png_get_bit_depth(j->png, j->info) == 16 ? 2 : 1;
    int64_t planes = j->mode == MTL_PNG_ANY ? (int64_t)j->channels : channels[j->mode];
    *j->out = (mtl_png_info){3, {planes, height, width}, MTL_U8};
    if (j->mode == MTL_PNG_GRAY16)
        j->out->dtype = MTL_F32;
    if (j->mode == MTL_PNG_INDEX)
        *j->out = (mtl_png_info){2, {height, width}, MTL_I32};
    return MTL_OK;
}

/* Opens a file and reads as far as its pixels. end() afterwards, either way. */
static mtl_status begin(job *j)
{
    MTL_TRY(mtl_file_open(j->path, &j->fd, &j->size, j->message));
    j->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, j, on_error, on_warning);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    return j->info ? header(j) : mtl_say(j->message, MTL_ERR_MEMORY, "%s: no host memory left", j->path);
}

static void end(job *j)
{
    png_destroy_read_struct(&j->png, &j->info, NULL);
    if (j->fd >= 0)
        close(j->fd);
    free(j->pixels);
    free(j->rows);
}

static mtl_status decode(job *j)
{
    if (setjmp(png_jmpbuf(j->png)))
        return j->status;
    png_read_image(j->png, j->rows);
    png_read_end(j->png, NULL);
    return MTL_OK;
}

/* One plane of the mode's from pixels of n channels, of which a palette or expanded gray has 1 to 4. */
static void plane(const job *j, int channel, size_t count, uint8_t *to)
{
    const uint8_t *from = j->pixels;
    size_t n = j->channels, alpha = n == 2 ? 1 : 3;
    if (j->mode == MTL_PNG_RGBA && channel == 3 && n % 2 == 1) {
        memset(to, 255, count);
    } else if (j->mode == MTL_PNG_GRAY && n > 2) {
        for (size_t i = 0; i < count; i++, from += n) /* weights of ITU-R BT.601 in 16 bits */
            to[i] = (uint8_t)((from[0] * 19595 + from[1] * 38470 + from[2] * 7471 + 0x8000) >> 16);
    } else {
        if (j->mode == MTL_PNG_ANY || (n > 2 && channel < 3))
            from += channel;
        else if (channel == 3)
            from += alpha;
        for (size_t i = 0; i < count; i++)
            to[i] = from[i * n];
    }
}

/* Samples as the file has them, the first of each pixel. */
static void samples(const job *j, size_t count, void *to)
{
    const uint8_t *from = j->pixels;
    size_t step = j->channels * j->bytes;
    for (size_t i = 0; i < count; i++, from += step) {
        int32_t value = j->bytes == 2 ? from[0] << 8 | from[1] : from[0];
        if (j->mode == MTL_PNG_INDEX)
            ((int32_t *)to)[i] = value;
        else
            ((float *)to)[i] = (float)value;
    }
}

static mtl_status read_pixels(job *j, void *to)
{
    const int64_t *size = j->out->shape + j->out->rank - 2;
    size_t height = (size_t)size[0], width = (size_t)size[1], row = width * j->channels * j->bytes;
    bool direct = j->channels == 1 && j->out->dtype == MTL_U8 && j->out->shape[0] == 1;
    if (!direct)
        j->pixels = malloc(height * row);
    j->rows = malloc(height * sizeof *j->rows);
    uint8_t *first = direct ? to : j->pixels;
    if (!first || !j->rows)
        return mtl_say(j->message, MTL_ERR_MEMORY, "%s: no host memory left", j->path);
    for (size_t y = 0; y < height; y++)
        j->rows[y] = first + y * row;
    MTL_TRY(decode(j));
    if (as_stored(j->mode)) {
        samples(j, height * width, to);
    } else if (!direct) {
        for (int c = 0; c < j->out->shape[0]; c++)
            plane(j, c, height * width, (uint8_t *)to + (size_t)c * height * width);
    }
    return MTL_OK;
}

/* Set one by one: the bytes read ahead need no clearing. */
static void set(job *j, const char *path, mtl_png_mode mode, mtl_png_info *out, char *message)
{
    memset(j, 0, offsetof(job, ahead));
    j->path = path;
    j->message = message;
    j->mode = mode;
    j->out = out;
    j->fd = -1;
}

bool mtl_png_peek(const char *path, mtl_png_mode mode, mtl_png_info *info, char *message)
{
    job j;
    set(&j, path, mode, info, message);
    mtl_status status = begin(&j);
    end(&j);
    return status == MTL_OK;
}

static size_t bytes_of(const mtl_png_info *info)
{
    size_t bytes = mtl_dtype_size(info->dtype);
    for (int i = 0; i < info->rank; i++)
        bytes *= (size_t)info->shape[i];
    return bytes;
}

static mtl_status check_info(const char *path, const mtl_png_info *expect, const mtl_png_info *info, char *message)
{
    char is[MTL_SHAPE_TEXT], should[MTL_SHAPE_TEXT];
    if (!expect || (expect->rank == info->rank && expect->dtype == info->dtype &&
                    memcmp(expect->shape, info->shape, (size_t)info->rank * sizeof *info->shape) == 0))
        return MTL_OK;
    return mtl_say(message, MTL_ERR_SHAPE, "%s: it is %s, which should be %s", path,
                   mtl_shape_text(info->rank, info->shape, is, sizeof is),
                   mtl_shape_text(expect->rank, expect->shape, should, sizeof should));
}

bool mtl_png_load(const char *path, mtl_png_mode mode, const mtl_png_info *expect, void *to, size_t room,
                  mtl_png_info *info, char *message)
{
    job j;
    mtl_status status;
    set(&j, path, mode, info, message);
    MTL_TRY_GOTO(begin(&j));
    MTL_TRY_GOTO(check_info(path, expect, info, message));
    if (bytes_of(info) > room)
        status = mtl_say(message, MTL_ERR_SHAPE, "%s: %zu bytes of pixels, and there is room for %zu", path,
                         bytes_of(info), room);
    else
        status = read_pixels(&j, to);
done:
    end(&j);
    return status == MTL_OK;
}

mtl_status mtl_png_shape(mtl_context *ctx, const char *path, mtl_png_mode mode, int64_t shape[3], int *rank,
                         mtl_dtype *dtype)
{
    char message[MTL_MESSAGE];
    mtl_png_info info;
    job j;
    set(&j, path, mode, &info, message);
    mtl_status status = begin(&j);
    end(&j);
    if (status != MTL_OK)
        return mtl_fail(ctx, status, "%s", message);
    memcpy(shape, info.shape, sizeof info.shape);
    *rank = info.rank;
    *dtype = info.dtype;
    return MTL_OK;
}

mtl_status mtl_png_read(mtl_context *ctx, const char *path, mtl_png_mode mode, mtl_tensor **out)
{
    char message[MTL_MESSAGE] = "";
    mtl_png_info info;
    mtl_status status;
    mtl_tensor *t = NULL;
    job j;
    set(&j, path, mode, &info, message);
    MTL_TRY_GOTO(begin(&j));
    MTL_TRY_GOTO(mtl_tensor_new(ctx, info.dtype, info.rank, info.shape, &t));
    MTL_TRY_GOTO(read_pixels(&j, mtl_tensor_data(t)));
    *out = t;
    t = NULL;
done:
    end(&j);
    mtl_tensor_release(t);
    return status == MTL_OK || !*message ? status : mtl_fail(ctx, status, "%s", message);
}

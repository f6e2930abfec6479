/* Files in and out. Only regular files are read; a file that is written appears whole or not at all. */
#define _GNU_SOURCE
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static mtl_status refuse(mtl_context *ctx, const char *verb, const char *path, int error)
{
    return mtl_fail(ctx, MTL_ERR_IO, "cannot %s %s: %s", verb, path, strerror(error));
}

#define NOT_REGULAR "it is a %s, which should be a regular file"

static const char *kind(mode_t mode)
{
    return S_ISDIR(mode) ? "folder" : S_ISFIFO(mode) ? "pipe" : S_ISSOCK(mode) ? "socket" : "device";
}

mtl_status mtl_say(char message[MTL_MESSAGE], mtl_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, MTL_MESSAGE, format, args);
    va_end(args);
    return status;
}

static volatile bool refuse_links;

void mtl_refuse_links(void)
{
    refuse_links = true;
}

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

/* As open, but a link at any part of the path is an error. */
static int open_straight(const char *path, int flags)
{
    char part[NAME_MAX + 1];
    int at = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0) {
        path += strspn(path, "/");
        size_t n = strcspn(path, "/");
        bool last = path[n + strspn(path + n, "/")] == '\0';
        int next = -1;
        if (n < sizeof part) {
            memcpy(part, path, n);
            part[n] = '\0';
            next = openat(at, n ? part : ".", O_NOFOLLOW | (last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC));
        } else {
            errno = ENAMETOOLONG;
        }
        int error = errno;
        close(at);
        errno = error;
        if (last)
            return next;
        at = next;
        path += n;
    }
    return at;
}

mtl_status mtl_file_open(const char *path, int *fd, uint64_t *size, char message[MTL_MESSAGE])
{
    struct stat info;
    /* O_NONBLOCK: opening a pipe without a writer returns at once, and is refused. */
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int made = refuse_links ? open_straight(path, flags) : open(path, flags);
    if (made < 0)
        return mtl_say(message, MTL_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    bool known = fstat(made, &info) == 0;
    if (known && S_ISREG(info.st_mode)) {
        *fd = made;
        *size = (uint64_t)info.st_size;
        return MTL_OK;
    }
    mtl_status status = known ? mtl_say(message, MTL_ERR_IO, "cannot read %s: " NOT_REGULAR, path, kind(info.st_mode))
                              : mtl_say(message, MTL_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    close(made);
    return status;
}

mtl_status mtl_input_open(mtl_context *ctx, const char *path, bool gzip, mtl_input *in)
{
    char message[MTL_MESSAGE];
    unsigned char magic[2];
    mtl_input made = {.ctx = ctx, .path = path};
    int fd = -1;
    mtl_status status = mtl_file_open(path, &fd, &made.size, message);
    if (status != MTL_OK)
        return mtl_fail(ctx, status, "%s", message);
    errno = ENOMEM; /* zlib does not always say */
    if (gzip && pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
        made.gz = gzdopen(fd, "rb");
        if (made.gz)
            gzbuffer(made.gz, 1 << 17);
    } else {
        made.file = fdopen(fd, "rb");
    }
    if (!made.gz && !made.file) {
        status = refuse(ctx, "open", path, errno);
        close(fd);
        return status;
    }
    *in = made;
    return MTL_OK;
}

void mtl_input_close(mtl_input *in)
{
    if (in->gz)
        gzclose_r(in->gz);
    if (in->file)
        fclose(in->file);
    in->gz = NULL;
    in->file = NULL;
}

static mtl_status read_packed(mtl_input *in, char *data, size_t bytes, size_t *got)
{
    size_t done = 0;
    while (done < bytes) {
        unsigned step = bytes - done < (1u << 30) ? (unsigned)(bytes - done) : 1u << 30;
        int n = gzread(in->gz, data + done, step), error = Z_OK;
        const char *why = n < (int)step ? gzerror(in->gz, &error) : NULL;
        if (error == Z_ERRNO)
            return refuse(in->ctx, "read", in->path, errno);
        if (n < 0 || error == Z_BUF_ERROR)
            return mtl_fail(in->ctx, error == Z_MEM_ERROR ? MTL_ERR_MEMORY : MTL_ERR_FORMAT,
                            "%s: the gzip data break after %" PRIu64 " unpacked bytes: %s", in->path,
                            in->offset + done + (n > 0 ? (uint64_t)n : 0),
                            error == Z_BUF_ERROR ? "unexpected end of file" : why);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return MTL_OK;
}

mtl_status mtl_input_read(mtl_input *in, void *data, size_t bytes, size_t *got)
{
    size_t done = 0;
    if (in->gz) {
        MTL_TRY(read_packed(in, data, bytes, &done));
    } else {
        done = fread(data, 1, bytes, in->file);
        if (done < bytes && ferror(in->file))
            return refuse(in->ctx, "read", in->path, errno);
    }
    in->offset += done;
    *got = done;
    return MTL_OK;
}

mtl_status mtl_input_need(mtl_input *in, void *data, size_t bytes)
{
    size_t got = 0;
    uint64_t from = in->offset;
    MTL_TRY(mtl_input_read(in, data, bytes, &got));
    if (got < bytes)
        return mtl_fail(in->ctx, MTL_ERR_FORMAT,
                        "%s: ends at byte %" PRIu64 ", where %zu bytes from byte %" PRIu64 " on should be", in->path,
                        in->offset, bytes, from);
    return MTL_OK;
}

mtl_status mtl_input_end(mtl_input *in)
{
    char one;
    size_t got = 0;
    uint64_t end = in->offset;
    MTL_TRY(mtl_input_read(in, &one, 1, &got));
    if (got > 0)
        return mtl_fail(in->ctx, MTL_ERR_FORMAT, "%s: bytes follow at byte %" PRIu64 ", where the data end", in->path,
                        end);
    return MTL_OK;
}

uint64_t mtl_input_most(const mtl_input *in)
{
    return in->gz && in->size < UINT64_MAX / MTL_DEFLATE_MOST ? in->size * MTL_DEFLATE_MOST : in->size;
}

/* Length of the folder's part of a path, with the slash. */
static int folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) + 1 : 0;
}

mtl_status mtl_output_open(mtl_context *ctx, const char *path, mtl_output *out)
{
    struct stat info;
    size_t size = strlen(path) + 64;
    mtl_output made = {ctx, path, NULL, -1};
    /* A rename would put a file in the place of a device. */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return mtl_fail(ctx, MTL_ERR_IO, "cannot write %s: " NOT_REGULAR, path, kind(info.st_mode));
    made.temporary = malloc(size);
    if (!made.temporary)
        return mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    for (int i = 0; i < 100 && made.fd < 0; i++) { /* one that a dead process left has a number of its own */
        snprintf(made.temporary, size, "%.*s.mtl-%ld-%d.tmp", folder_of(path), path, (long)getpid(), i);
        made.fd = open(made.temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (made.fd < 0 && errno != EEXIST)
            break;
    }
    if (made.fd < 0) {
        mtl_status status = refuse(ctx, "write", path, errno);
        free(made.temporary);
        return status;
    }
    *out = made;
    return MTL_OK;
}

mtl_status mtl_output_write(mtl_output *out, const void *data, size_t bytes)
{
    const char *from = data;
    while (bytes > 0) {
        ssize_t n = write(out->fd, from, bytes < (1u << 30) ? bytes : 1u << 30);
        if (n < 0 && errno != EINTR)
            return refuse(out->ctx, "write", out->path, errno);
        if (n > 0) {
            from += n;
            bytes -= (size_t)n;
        }
    }
    return MTL_OK;
}

/* The rename lasts once the folder is on the disk. Some file systems cannot sync a folder (EINVAL). */
static mtl_status sync_folder(mtl_output *out)
{
    int n = folder_of(out->path);
    snprintf(out->temporary, (size_t)n + 2, "%.*s%s", n, out->path, n ? "" : ".");
    int fd = open(out->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || (fsync(fd) != 0 && errno != EINVAL) ? errno : 0;
    if (fd >= 0)
        close(fd);
    /* A folder that may be written but not listed cannot be opened: the file is there all the same. */
    return error && error != EACCES ? refuse(out->ctx, "sync the folder of", out->path, error) : MTL_OK;
}

mtl_status mtl_output_close(mtl_output *out, mtl_status status)
{
    if (status == MTL_OK && fsync(out->fd) != 0)
        status = refuse(out->ctx, "write", out->path, errno);
    if (close(out->fd) != 0 && status == MTL_OK)
        status = refuse(out->ctx, "write", out->path, errno);
    if (status == MTL_OK && rename(out->temporary, out->path) != 0)
        status = refuse(out->ctx, "write", out->path, errno);
    if (status == MTL_OK)
        status = sync_folder(out);
    else
        unlink(out->temporary);
    free(out->temporary);
    return status;
}

mtl_status mtl_file_read(mtl_context *ctx, const char *path, size_t most, char **data, size_t *bytes)
{
    mtl_input in = {0};
    mtl_status status = mtl_input_open(ctx, path, false, &in);
    char *made = NULL;
    if (status == MTL_OK && in.size > most)
        status =
            mtl_fail(ctx, MTL_ERR_FORMAT, "%s: %" PRIu64 " bytes, which should be at most %zu", path, in.size, most);
    if (status == MTL_OK && !(made = malloc((size_t)in.size + 1)))
        status = mtl_fail(ctx, MTL_ERR_MEMORY, "no host memory left");
    if (status == MTL_OK)
        status = mtl_input_read(&in, made, (size_t)in.size, bytes);
    mtl_input_close(&in);
    if (status != MTL_OK) {
        free(made);
        return status;
    }
    made[*bytes] = '\0';
    *data = made;
    return MTL_OK;
}

mtl_status mtl_file_write(mtl_context *ctx, const char *path, const void *data, size_t bytes)
{
    mtl_output out;
    MTL_TRY(mtl_output_open(ctx, path, &out));
    return mtl_output_close(&out, mtl_output_write(&out, data, bytes));
}

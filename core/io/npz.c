/* NPZ: NumPy's archives of arrays, by libzip. A name's size is believed only as far as deflate could have packed it and
   as the array's own header says the same; all names together take no more than the file has. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>
#include <zip.h>

#include "io/npy.h"

typedef struct {
    char *name;     /* without ".npy" */
    uint64_t place; /* in the archive */
    uint64_t size;  /* unpacked */
} entry;

struct mtl_npz {
    mtl_context *ctx;
    char *path;
    zip_t *zip;
    int64_t count;
    entry *entries;
};

static mtl_status refuse(mtl_npz *npz, const char *name, const char *why)
{
    char shown[MTL_SHOWN];
    return mtl_fail(npz->ctx, MTL_ERR_FORMAT, "%s: '%s' %s", npz->path, mtl_shown(name, shown), why);
}

static mtl_status no_memory(mtl_npz *npz)
{
    return mtl_fail(npz->ctx, MTL_ERR_MEMORY, "%s: no host memory left", npz->path);
}

/* One entry's line of the directory; `left`: packed bytes that the file can still hold. */
static mtl_status take_entry(mtl_npz *npz, uint64_t place, uint64_t *left)
{
    const zip_uint64_t wanted =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t stat;
    entry *e = &npz->entries[npz->count];
    if (zip_stat_index(npz->zip, place, ZIP_FL_ENC_RAW, &stat) != 0 || (stat.valid & wanted) != wanted)
        return mtl_fail(npz->ctx, MTL_ERR_FORMAT, "%s: entry %" PRIu64 ": %s", npz->path, place,
                        zip_strerror(npz->zip));
    size_t n = strlen(stat.name);
    if (n < 4 || strcmp(stat.name + n - 4, ".npy") != 0)
        return refuse(npz, stat.name, "is no array (a name that ends with .npy)");
    if (!mtl_utf8(stat.name, n))
        return refuse(npz, stat.name, "is no UTF-8 text");
    if (stat.encryption_method != ZIP_EM_NONE)
        return refuse(npz, stat.name, "is encrypted");
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE)
        return refuse(npz, stat.name, "is packed in a way that is not read; NumPy stores or deflates");
    if (stat.comp_size > *left)
        return refuse(npz, stat.name, "goes past the end of the file, or shares its bytes with others");
    if (stat.comp_method == ZIP_CM_STORE ? stat.size != stat.comp_size : stat.size / MTL_DEFLATE_MOST > stat.comp_size)
        return mtl_fail(npz->ctx, MTL_ERR_FORMAT,
                        "%s: entry %" PRIu64 " says that %" PRIu64 " bytes unpack to %" PRIu64 ", which they cannot",
                        npz->path, place, (uint64_t)stat.comp_size, (uint64_t)stat.size);
    *left -= stat.comp_size;
    e->name = strndup(stat.name, n - 4);
    e->place = place;
    e->size = stat.size;
    npz->count += e->name != NULL;
    return e->name ? MTL_OK : no_memory(npz);
}

static mtl_status read_directory(mtl_npz *npz, uint64_t size)
{
    zip_int64_t n = zip_get_num_entries(npz->zip, 0);
    const char **names = malloc(((size_t)n + 1) * sizeof *names);
    npz->entries = calloc((size_t)n + 1, sizeof *npz->entries);
    mtl_status status = names && npz->entries ? MTL_OK : no_memory(npz);
    for (zip_int64_t i = 0; status == MTL_OK && i < n; i++) {
        status = take_entry(npz, (uint64_t)i, &size);
        names[i] = npz->entries[i].name;
    }
    const char *twice = status == MTL_OK ? mtl_repeated(names, (size_t)n) : NULL;
    if (twice)
        status = refuse(npz, twice, "is there twice");
    free(names);
    return status;
}

mtl_status mtl_npz_open(mtl_context *ctx, const char *path, mtl_npz **out)
{
    char message[MTL_MESSAGE];
    int fd = -1, error = 0;
    uint64_t size = 0;
    mtl_status status = mtl_file_open(path, &fd, &size, message);
    if (status != MTL_OK)
        return mtl_fail(ctx, status, "%s", message);
    mtl_npz *npz = calloc(1, sizeof *npz);
    if (npz) {
        npz->ctx = ctx;
        npz->path = strdup(path);
    }
    if (!npz || !npz->path) {
        status = mtl_fail(ctx, MTL_ERR_MEMORY, "%s: no host memory left", path);
        goto done;
    }
    npz->zip = zip_fdopen(fd, ZIP_CHECKCONS, &error);
    if (!npz->zip) {
        zip_error_t why;
        zip_error_init_with_code(&why, error);
        status = mtl_fail(ctx, MTL_ERR_FORMAT, "%s: no zip archive that could be read: %s", path,
                          error == ZIP_ER_EXISTS ? "a name is there twice" : zip_error_strerror(&why));
        zip_error_fini(&why);
        goto done;
    }
    fd = -1; /* the archive's now */
    MTL_TRY_GOTO(read_directory(npz, size));
    *out = npz;
    npz = NULL;
done:
    if (fd >= 0)
        close(fd);
    mtl_npz_free(npz);
    return status;
}

void mtl_npz_free(mtl_npz *npz)
{
    if (!npz)
        return;
    for (int64_t i = 0; i < npz->count; i++)
        free(npz->entries[i].name);
    if (npz->zip)
        zip_discard(npz->zip);
    free(npz->entries);
    free(npz->path);
    free(npz);
}

int64_t mtl_npz_count(const mtl_npz *npz)
{
    return npz->count;
}

const char *mtl_npz_name(const mtl_npz *npz, int64_t i)
{
    return i >= 0 && i < npz->count ? npz->entries[i].name : NULL;
}

static mtl_status need(mtl_npy_stream *stream, void *to, size_t n, char *message)
{
    for (size_t done = 0; done < n;) {
        zip_int64_t got = zip_fread(stream->file, (char *)to + done, n - done);
        if (got <= 0)
            return mtl_say(message, MTL_ERR_FORMAT, "%s: damaged after %" PRIu64 " unpacked bytes: %s", stream->path,
                           stream->at + done, got < 0 ? zip_file_strerror(stream->file) : "unexpected end");
        done += (size_t)got;
    }
    stream->at += n;
    return MTL_OK;
}

/* The end of an entry: its checksum is compared there. */
static mtl_status check_end(mtl_npy_stream *stream, char *message)
{
    char one;
    zip_int64_t got = zip_fread(stream->file, &one, 1);
    return got == 0 ? MTL_OK
                    : mtl_say(message, MTL_ERR_FORMAT, "%s: %s", stream->path,
                              got < 0 ? zip_file_strerror(stream->file) : "bytes follow where the data end");
}

mtl_status mtl_npz_tensor(mtl_npz *npz, int64_t i, mtl_tensor **out)
{
    char message[MTL_MESSAGE] = "", place[MTL_MESSAGE], shown[MTL_SHOWN];
    mtl_npy_info info;
    mtl_tensor *t = NULL;
    mtl_status status;
    if (i < 0 || i >= npz->count)
        return mtl_fail(npz->ctx, MTL_ERR_ARG, "%s: array %" PRId64 " of %" PRId64, npz->path, i, npz->count);
    snprintf(place, sizeof place, "%s: '%s'", npz->path, mtl_shown(npz->entries[i].name, shown));
    mtl_npy_stream stream = {.path = place, .need = need, .size = npz->entries[i].size, .fd = -1};
    stream.file = zip_fopen_index(npz->zip, npz->entries[i].place, 0);
    if (!stream.file)
        return mtl_fail(npz->ctx, MTL_ERR_FORMAT, "%s: %s", place, zip_strerror(npz->zip));
    MTL_TRY_GOTO(mtl_npy_header(&stream, &info, message));
    MTL_TRY_GOTO(mtl_tensor_new(npz->ctx, info.dtype, info.rank, info.shape, &t));
    MTL_TRY_GOTO(mtl_npy_rows(&stream, &info, info.rank > 0 ? info.shape[0] : 1, mtl_tensor_data(t), message));
    MTL_TRY_GOTO(check_end(&stream, message));
    *out = t;
    t = NULL;
done:
    zip_fclose(stream.file);
    mtl_tensor_release(t);
    return status == MTL_OK || !*message ? status : mtl_fail(npz->ctx, status, "%s", message);
}

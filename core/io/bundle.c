/* Bundles are read and written by libzip; what may stand in them is checked here. Offsets and sizes are believed only
   as far as the file's own size goes, and libzip compares the directory with the files' own headers (ZIP_CHECKCONS). */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "io/bundle.h"
#include "io/io.h"

typedef struct {
    char *name;
    uint64_t size;
} entry;

struct mtl_bundle {
    mtl_context *ctx;
    char *path;
    zip_t *zip;
    int64_t count;
    entry *entries;
};

static mtl_status refuse(mtl_bundle *b, const char *name, const char *why)
{
    char shown[MTL_SHOWN];
    return mtl_fail(b->ctx, MTL_ERR_FORMAT, "%s: '%s' %s", b->path, mtl_shown(name, shown), why);
}

static mtl_status no_memory(mtl_context *ctx, const char *path)
{
    return mtl_fail(ctx, MTL_ERR_MEMORY, "%s: no host memory left", path);
}

const char *mtl_bundle_name_wrong(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > MTL_BUNDLE_NAME_MOST || !mtl_utf8(name, n))
        return "is no name of a file";
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || strchr("\\:*?\"<>|", name[i]))
            return "is no name of a file: it has a character that some file system does not take";
    }
    if (name[0] == '/')
        return "is an absolute path, which a bundle does not hold";
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t length = strcspn(part, "/");
        if (length == 2 && memcmp(part, "..", 2) == 0)
            return "climbs out of the bundle by '..'";
        if (length == 0 || (length == 1 && *part == '.'))
            return "is no plain path: it has an empty part or '.'";
        if (part[length - 1] == '.' || part[length - 1] == ' ')
            return "is no plain path: a part of it ends with '.' or a blank";
    }
    return NULL;
}

/* One line of the directory; `left`: bytes that the file can still hold. */
static mtl_status take_entry(mtl_bundle *b, uint64_t place, uint64_t *left)
{
    const zip_uint64_t wanted =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t stat;
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    if (zip_stat_index(b->zip, place, ZIP_FL_ENC_RAW, &stat) != 0 || (stat.valid & wanted) != wanted ||
        zip_file_get_external_attributes(b->zip, place, 0, &system, &attributes) != 0)
        return mtl_fail(b->ctx, MTL_ERR_FORMAT, "%s: entry %" PRIu64 ": %s", b->path, place, zip_strerror(b->zip));
    const char *wrong = mtl_bundle_name_wrong(stat.name);
    uint32_t mode = attributes >> 16;
    if (wrong)
        return refuse(b, stat.name, wrong);
    if (system == ZIP_OPSYS_UNIX && S_ISLNK(mode))
        return refuse(b, stat.name, "is a link, and a bundle holds regular files only");
    if (system != ZIP_OPSYS_UNIX || mode != MTL_BUNDLE_MODE)
        return refuse(b, stat.name, "is no regular file as mtl pack writes them");
    if (stat.encryption_method != ZIP_EM_NONE)
        return refuse(b, stat.name, "is encrypted");
    if (stat.comp_method != ZIP_CM_STORE || stat.size != stat.comp_size)
        return refuse(b, stat.name, "is compressed, and a bundle's files are stored as they are");
    if (stat.size > *left)
        return refuse(b, stat.name, "goes past the end of the file, or shares its bytes with others");
    *left -= stat.size;
    entry *e = &b->entries[b->count];
    e->name = strdup(stat.name);
    e->size = stat.size;
    b->count += e->name != NULL;
    return e->name ? MTL_OK : no_memory(b->ctx, b->path);
}

/* Names that differ by case only are one file on some file systems. */
static mtl_status refuse_twice(mtl_bundle *b)
{
    char **folded = calloc((size_t)b->count + 1, sizeof *folded);
    mtl_status status = folded ? MTL_OK : no_memory(b->ctx, b->path);
    for (int64_t i = 0; status == MTL_OK && i < b->count; i++) {
        folded[i] = strdup(b->entries[i].name);
        if (!folded[i])
            status = no_memory(b->ctx, b->path);
        for (char *c = folded[i]; c && *c; c++)
            *c = (char)tolower((unsigned char)*c);
    }
    const char *twice = status == MTL_OK ? mtl_repeated((const char **)folded, (size_t)b->count) : NULL;
    if (twice)
        status = refuse(b, twice, "is there twice");
    for (int64_t i = 0; folded && i < b->count; i++)
        free(folded[i]);
    free(folded);
    return status;
}

static mtl_status read_directory(mtl_bundle *b, uint64_t size)
{
    zip_int64_t n = zip_get_num_entries(b->zip, 0);
    if (n < 1 || n > MTL_BUNDLE_ENTRIES)
        return mtl_fail(b->ctx, MTL_ERR_FORMAT, "%s: it has %" PRId64 " files, and a bundle has 1 to %d", b->path,
                        (int64_t)n, MTL_BUNDLE_ENTRIES);
    b->entries = calloc((size_t)n, sizeof *b->entries);
    if (!b->entries)
        return no_memory(b->ctx, b->path);
    for (zip_int64_t i = 0; i < n; i++)
        MTL_TRY(take_entry(b, (uint64_t)i, &size));
    return refuse_twice(b);
}

mtl_status mtl_bundle_open(mtl_context *ctx, const char *path, mtl_bundle **out)
{
    char message[MTL_MESSAGE];
    int fd = -1, error = 0;
    uint64_t size = 0;
    mtl_status status = mtl_file_open(path, &fd, &size, message);
    if (status != MTL_OK)
        return mtl_fail(ctx, status, "%s", message);
    mtl_bundle *b = calloc(1, sizeof *b);
    if (b) {
        b->ctx = ctx;
        b->path = strdup(path);
    }
    if (!b || !b->path) {
        status = no_memory(ctx, path);
        goto done;
    }
    b->zip = zip_fdopen(fd, ZIP_CHECKCONS, &error);
    if (!b->zip) {
        zip_error_t why;
        zip_error_init_with_code(&why, error);
        status = mtl_fail(ctx, MTL_ERR_FORMAT, "%s: no bundle, or a damaged one: %s", path,
                          error == ZIP_ER_EXISTS ? "a name is there twice" : zip_error_strerror(&why));
        zip_error_fini(&why);
        goto done;
    }
    fd = -1; /* the archive's now */
    MTL_TRY_GOTO(read_directory(b, size));
    *out = b;
    b = NULL;
done:
    if (fd >= 0)
        close(fd);
    mtl_bundle_free(b);
    return status;
}

void mtl_bundle_free(mtl_bundle *b)
{
    if (!b)
        return;
    for (int64_t i = 0; i < b->count; i++)
        free(b->entries[i].name);
    if (b->zip)
        zip_discard(b->zip);
    free(b->entries);
    free(b->path);
    free(b);
}

int64_t mtl_bundle_count(const mtl_bundle *b)
{
    return b->count;
}

const char *mtl_bundle_name(const mtl_bundle *b, int64_t i)
{
    return i >= 0 && i < b->count ? b->entries[i].name : NULL;
}

uint64_t mtl_bundle_size(const mtl_bundle *b, int64_t i)
{
    return i >= 0 && i < b->count ? b->entries[i].size : 0;
}

/* Opens a file of the bundle; its places in the archive and in `entries` are the same. */
static mtl_status open_entry(mtl_bundle *b, int64_t i, zip_file_t **out)
{
    if (i < 0 || i >= b->count)
        return mtl_fail(b->ctx, MTL_ERR_ARG, "%s: file %" PRId64 " of %" PRId64, b->path, i, b->count);
    *out = zip_fopen_index(b->zip, (zip_uint64_t)i, 0);
    return *out ? MTL_OK : refuse(b, b->entries[i].name, zip_strerror(b->zip));
}

/* Up to `size` bytes; fewer only at the end, where libzip compares the file's own checksum. */
static mtl_status read_some(mtl_bundle *b, int64_t i, zip_file_t *file, void *data, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        zip_int64_t n = zip_fread(file, (char *)data + *got, size - *got);
        if (n < 0)
            return refuse(b, b->entries[i].name, zip_error_strerror(zip_file_get_error(file)));
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return MTL_OK;
}

static mtl_status wrong_size(mtl_bundle *b, int64_t i)
{
    return refuse(b, b->entries[i].name, "is damaged: it has another size than the directory says");
}

mtl_status mtl_bundle_read(mtl_bundle *b, int64_t i, void *data)
{
    zip_file_t *file = NULL;
    size_t got = 0, more = 0;
    char one;
    MTL_TRY(open_entry(b, i, &file));
    mtl_status status = read_some(b, i, file, data, (size_t)b->entries[i].size, &got);
    if (status == MTL_OK)
        status = read_some(b, i, file, &one, 1, &more);
    if (status == MTL_OK && (got != b->entries[i].size || more > 0))
        status = wrong_size(b, i);
    zip_fclose(file);
    return status;
}

mtl_status mtl_bundle_extract(mtl_bundle *b, int64_t i, const char *to, char sha256[MTL_SHA256_HEX])
{
    unsigned char buffer[1 << 15];
    mtl_output out = {.ctx = b->ctx, .path = to, .fd = -1};
    zip_file_t *file = NULL;
    uint64_t total = 0;
    size_t got = 0;
    mtl_hash hash;
    mtl_status status = mtl_hash_start(b->ctx, &hash);
    if (status == MTL_OK)
        status = open_entry(b, i, &file);
    if (status == MTL_OK && to) {
        out.fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (out.fd < 0)
            status = mtl_fail(b->ctx, MTL_ERR_IO, "cannot write %s: %s", to, strerror(errno));
    }
    if (status != MTL_OK)
        goto done;
    do {
        MTL_TRY_GOTO(read_some(b, i, file, buffer, sizeof buffer, &got));
        crypto_hash_sha256_update(&hash, buffer, got);
        total += got;
        if (to)
            MTL_TRY_GOTO(mtl_output_write(&out, buffer, got));
    } while (got == sizeof buffer && total <= b->entries[i].size);
    if (total != b->entries[i].size)
        status = wrong_size(b, i);
    else
        mtl_hash_end(&hash, sha256);
done:
    if (out.fd >= 0 && close(out.fd) != 0 && status == MTL_OK)
        status = mtl_fail(b->ctx, MTL_ERR_IO, "cannot write %s: %s", to, strerror(errno));
    if (out.fd >= 0 && status != MTL_OK)
        unlink(to);
    if (file)
        zip_fclose(file);
    return status;
}

static mtl_status add_file(mtl_context *ctx, const char *path, zip_t *zip, const mtl_bundle_file *f)
{
    const char *wrong = mtl_bundle_name_wrong(f->name);
    char shown[MTL_SHOWN];
    if (wrong)
        return mtl_fail(ctx, MTL_ERR_ARG, "cannot write %s: '%s' %s", path, mtl_shown(f->name, shown), wrong);
    zip_source_t *source = f->file ? zip_source_file(zip, f->file, 0, -1) : zip_source_buffer(zip, f->data, f->size, 0);
    if (!source)
        return no_memory(ctx, path);
    zip_int64_t place = zip_file_add(zip, f->name, source, ZIP_FL_ENC_UTF_8);
    if (place < 0)
        zip_source_free(source);
    if (place < 0 || zip_set_file_compression(zip, (zip_uint64_t)place, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip, (zip_uint64_t)place, MTL_BUNDLE_TIME, MTL_BUNDLE_DATE, 0) != 0 ||
        zip_file_set_external_attributes(zip, (zip_uint64_t)place, 0, ZIP_OPSYS_UNIX, MTL_BUNDLE_MODE << 16) != 0)
        return mtl_fail(ctx, MTL_ERR_ARG, "cannot write %s: '%s': %s", path, mtl_shown(f->name, shown),
                        zip_strerror(zip));
    return MTL_OK;
}

mtl_status mtl_bundle_write(mtl_context *ctx, const char *path, int64_t n, const mtl_bundle_file *files)
{
    struct stat info;
    int error = 0;
    if (n < 1 || n > MTL_BUNDLE_ENTRIES)
        return mtl_fail(ctx, MTL_ERR_ARG, "cannot write %s: %" PRId64 " files, and a bundle has 1 to %d", path, n,
                        MTL_BUNDLE_ENTRIES);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return mtl_fail(ctx, MTL_ERR_IO, "cannot write %s: it is no regular file", path);
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &error);
    if (!zip) {
        zip_error_t why;
        zip_error_init_with_code(&why, error);
        mtl_status status = mtl_fail(ctx, MTL_ERR_IO, "cannot write %s: %s", path, zip_error_strerror(&why));
        zip_error_fini(&why);
        return status;
    }
    mtl_status status = MTL_OK;
    for (int64_t i = 0; status == MTL_OK && i < n; i++)
        status = add_file(ctx, path, zip, &files[i]);
    if (status == MTL_OK && zip_close(zip) == 0) /* a temporary file beside it, renamed */
        return MTL_OK;
    if (status == MTL_OK)
        status = mtl_fail(ctx, MTL_ERR_IO, "cannot write %s: %s", path, zip_strerror(zip));
    zip_discard(zip);
    return status;
}

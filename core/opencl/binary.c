/* The disk cache of compiled programs. A file is
     "MTLCL1\n\0", key length, binary length, FNV-1a of the binary (8 bytes each), the key, the binary
   where the key is device, driver, platform, options and the whole source. It is named by the key's hash and believed
   only when the key is the same to the byte and length and hash of the binary are right. It is written under a name of
   its own and renamed, so that processes that fill the cache at once do not see each other's halves. */
#include "opencl/binary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char MAGIC[8] = "MTLCL1\n";
enum { LONGEST = 1024 };

typedef struct {
    char magic[8];
    uint64_t key, binary, hash;
} header;

static uint64_t hash_of(const void *data, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    return hash;
}

static char *key_of(const mtl_cl_device *d, const char *options, const char *common, const char *text)
{
    size_t size = strlen(d->identity) + strlen(options) + strlen(common) + strlen(text) + 2;
    char *key = malloc(size);
    if (key)
        snprintf(key, size, "%s%s\n%s%s", d->identity, options, common, text);
    return key;
}

/* Makes the folder (only the last two of its names) where `make` says so. */
static bool folder(char *out, bool make)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n;
    if (cache && cache[0] == '/')
        n = snprintf(out, LONGEST, "%s/mtl", cache);
    else if (home && home[0] == '/')
        n = snprintf(out, LONGEST, "%s/.cache/mtl", home);
    else
        return false;
    if (n < 0 || n + 64 > LONGEST)
        return false;
    if (make) {
        char *last = strrchr(out, '/');
        *last = 0;
        mkdir(out, 0700);
        *last = '/';
        mkdir(out, 0700);
    }
    strcat(out, "/opencl");
    return !make || mkdir(out, 0700) == 0 || errno == EEXIST;
}

static bool path_of(const char *key, bool make, char *out)
{
    if (!folder(out, make))
        return false;
    size_t used = strlen(out);
    snprintf(out + used, LONGEST - used, "/%016llx.bin", (unsigned long long)hash_of(key, strlen(key)));
    return true;
}

/* The binary of a file that is whole and has this key; NULL otherwise. */
static unsigned char *read_binary(const char *path, const char *key, size_t *size)
{
    enum { LARGEST = 256 << 20 };
    header h;
    struct stat info;
    unsigned char *binary = NULL;
    char *found = NULL;
    bool good = false;
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    if (fread(&h, sizeof h, 1, file) != 1 || memcmp(h.magic, MAGIC, sizeof MAGIC) != 0 || h.key != strlen(key) ||
        h.binary == 0 || h.binary > LARGEST || fstat(fileno(file), &info) != 0 ||
        (uint64_t)info.st_size != sizeof h + h.key + h.binary)
        goto done;
    found = malloc(h.key);
    binary = malloc(h.binary);
    good = found && binary && fread(found, 1, h.key, file) == h.key && memcmp(found, key, h.key) == 0 &&
           fread(binary, 1, h.binary, file) == h.binary && hash_of(binary, h.binary) == h.hash;
done:
    fclose(file);
    free(found);
    if (!good) {
        free(binary);
        return NULL;
    }
    *size = h.binary;
    return binary;
}

cl_program mtl_cl_binary_load(mtl_cl_device *d, const char *options, const char *common, const char *text)
{
    char path[LONGEST];
    size_t size;
    cl_int error = CL_SUCCESS, status = CL_SUCCESS;
    cl_program program = NULL;
    unsigned char *binary = NULL;
    char *key = key_of(d, options, common, text);
    if (key && path_of(key, false, path))
        binary = read_binary(path, key, &size);
    if (binary)
        program = d->cl->clCreateProgramWithBinary(d->context, 1, &d->id, &size, (const unsigned char *[]){binary},
                                                   &status, &error);
    if (program && (error != CL_SUCCESS || status != CL_SUCCESS ||
                    d->cl->clBuildProgram(program, 1, &d->id, options, NULL, NULL) != CL_SUCCESS)) {
        d->cl->clReleaseProgram(program);
        program = NULL;
    }
    free(key);
    free(binary);
    return program;
}

static bool write_file(const char *path, const header *h, const char *key, const unsigned char *binary)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool good = fwrite(h, sizeof *h, 1, file) == 1 && fwrite(key, 1, h->key, file) == h->key &&
                fwrite(binary, 1, h->binary, file) == h->binary;
    return fclose(file) == 0 && good;
}

void mtl_cl_binary_save(mtl_cl_device *d, const char *options, const char *common, const char *text, cl_program program)
{
    char path[LONGEST], own[LONGEST + 32];
    size_t size = 0;
    unsigned char *binary = NULL;
    char *key = key_of(d, options, common, text);
    if (key && path_of(key, true, path) &&
        d->cl->clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) == CL_SUCCESS && size > 0)
        binary = malloc(size);
    if (binary && d->cl->clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS) {
        header h = {.key = strlen(key), .binary = size, .hash = hash_of(binary, size)};
        memcpy(h.magic, MAGIC, sizeof MAGIC);
        snprintf(own, sizeof own, "%s.%ld", path, (long)getpid());
        if (!write_file(own, &h, key, binary) || rename(own, path) != 0)
            remove(own);
    }
    free(key);
    free(binary);
}

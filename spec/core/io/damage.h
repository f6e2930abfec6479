/* What the tests of readers share: files in a folder of their own, and damaged ones. A damaged file is read, or refused
   with a message that names it; either way nothing is left in memory. */
#ifndef SPEC_DAMAGE_H
#define SPEC_DAMAGE_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "mtl/mtl.h"
#include "test.h"

static mtl_context *ctx;
static char test_folder[64];

static inline void test_clean(void)
{
    DIR *folder = opendir(test_folder);
    char path[400];
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(path, sizeof path, "%s/%s", test_folder, entry->d_name);
        unlink(path);
    }
    if (folder)
        closedir(folder);
    rmdir(test_folder);
    mtl_context_free(ctx);
}

static inline bool test_begin(void)
{
    strcpy(test_folder, "/tmp/mtl-spec-XXXXXX");
    return mtl_context_new(1, &ctx) == MTL_OK && mkdtemp(test_folder) && atexit(test_clean) == 0;
}

/* Files in the folder, hidden ones too: a writer leaves nothing but its file. */
static inline int test_files(void)
{
    int n = -2; /* . and .. */
    DIR *folder = opendir(test_folder);
    while (folder && readdir(folder))
        n++;
    closedir(folder);
    return n;
}

/* A path in the folder; good until the fourth call from here. */
static inline const char *place(const char *name)
{
    static char paths[4][400];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder, name);
    return path;
}

static inline const char *put(const char *name, const void *bytes, size_t n)
{
    const char *path = place(name);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, n, file) == n);
    if (file)
        fclose(file);
    return path;
}

static inline const char *put_text(const char *name, const char *text)
{
    return put(name, text, strlen(text));
}

/* The bytes of a file; free them. */
static inline unsigned char *get(const char *path, size_t *n)
{
    size_t room = 1 << 20;
    unsigned char *bytes = malloc(room);
    FILE *file = fopen(path, "rb");
    *n = file ? fread(bytes, 1, room, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

typedef mtl_status (*reader)(const char *path); /* reads, looks at all of it, frees */

static inline void try_damaged(reader read, const unsigned char *bytes, size_t n, mtl_status *status)
{
    const char *path = put("damaged", bytes, n);
    *status = read(path);
    if (*status != MTL_OK)
        CHECK_CONTAINS(mtl_message(ctx), "damaged");
    CHECK(mtl_memory_use(ctx).bytes == 0);
}

/* Every beginning of the file; those of at least `whole` bytes must be refused (n: none). */
static inline void truncate_everywhere(reader read, const unsigned char *bytes, size_t n, size_t whole)
{
    mtl_status status;
    for (size_t cut = 0; cut < n; cut++) {
        try_damaged(read, bytes, cut, &status);
        if (cut >= whole && !CHECK(status != MTL_OK))
            printf("    the first %zu of %zu bytes were taken\n", cut, n);
    }
}

/* Bytes that are drawn get values that are drawn, one to four at a time. */
static inline void flip_bytes(reader read, const unsigned char *bytes, size_t n, int times)
{
    unsigned char *damaged = malloc(n);
    mtl_status status;
    uint32_t w[4];
    for (int i = 0; i < times; i++) {
        memcpy(damaged, bytes, n);
        mtl_philox(7, 7, (uint64_t)i, w);
        for (uint32_t k = 0; k <= w[3] % 4; k++)
            damaged[(w[0] + k * w[2]) % n] = (unsigned char)(w[1] >> 8 * k);
        try_damaged(read, damaged, n, &status);
    }
    free(damaged);
}

/* Each byte in turn gets the values that lie at the ends of things. */
static inline void flip_each(reader read, const unsigned char *bytes, size_t n)
{
    static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '"', '9'};
    unsigned char *damaged = malloc(n);
    mtl_status status;
    memcpy(damaged, bytes, n);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof values; k++) {
            damaged[i] = values[k];
            try_damaged(read, damaged, n, &status);
        }
        damaged[i] = bytes[i];
    }
    free(damaged);
}

#endif

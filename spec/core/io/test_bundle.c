/* Bundles: what is written is what is read, always the same bytes; checksums and signatures by published examples. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "mtl/bundle.h"
#include "mtl/io.h"
#include "test.h"

static mtl_context *ctx;
static char folder[] = "/tmp/mtl-bundle-XXXXXX";
static char path[256], other[256];

static const char *in_folder(char *buffer, const char *name)
{
    snprintf(buffer, sizeof path, "%s/%s", folder, name);
    return buffer;
}

static char *slurp(const char *name, size_t *size)
{
    FILE *f = fopen(name, "rb");
    char *data = malloc(1 << 16);
    *size = f ? fread(data, 1, 1 << 16, f) : 0;
    if (f)
        fclose(f);
    return data;
}

static void hex(const unsigned char *bytes, size_t n, char *text)
{
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void unhex(const char *text, unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned value = 0;
        sscanf(text + 2 * i, "%2x", &value);
        bytes[i] = (unsigned char)value;
    }
}

/* FIPS 180-4's examples "abc" and the empty text. */
static void sums(void)
{
    char sum[MTL_SHA256_HEX];
    uint64_t size = 0;
    CHECK(mtl_sha256(ctx, "abc", 3, sum) == MTL_OK);
    CHECK(strcmp(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0);
    CHECK(mtl_sha256(ctx, "", 0, sum) == MTL_OK);
    CHECK(strcmp(sum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") == 0);
    CHECK(mtl_file_write(ctx, in_folder(path, "abc"), "abc", 3) == MTL_OK);
    CHECK(mtl_sha256_file(ctx, path, sum, &size) == MTL_OK && size == 3);
    CHECK(strcmp(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0);
    CHECK(mtl_sha256_file(ctx, in_folder(path, "nowhere"), sum, &size) == MTL_ERR_IO);
    CHECK(mtl_sha256_file(ctx, folder, sum, &size) == MTL_ERR_IO);
}

/* RFC 8032, section 7.1, test 2. */
static void signatures(void)
{
    unsigned char secret[MTL_KEY_BYTES], key[MTL_KEY_BYTES], signature[MTL_SIGNATURE_BYTES], fresh[2][MTL_KEY_BYTES];
    char text[2 * MTL_SIGNATURE_BYTES + 1];
    bool good = false;
    unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", secret, sizeof secret);
    CHECK(mtl_sign_public_key(ctx, secret, key) == MTL_OK);
    hex(key, sizeof key, text);
    CHECK(strcmp(text, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c") == 0);
    CHECK(mtl_sign_bytes(ctx, secret, "\x72", 1, signature) == MTL_OK);
    hex(signature, sizeof signature, text);
    CHECK(strcmp(text, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                       "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00") == 0);
    CHECK(mtl_sign_check(ctx, key, "\x72", 1, signature, &good) == MTL_OK && good);
    CHECK(mtl_sign_check(ctx, key, "\x73", 1, signature, &good) == MTL_OK && !good);
    signature[0] ^= 1;
    CHECK(mtl_sign_check(ctx, key, "\x72", 1, signature, &good) == MTL_OK && !good);
    CHECK(mtl_sign_new_key(ctx, fresh[0]) == MTL_OK && mtl_sign_new_key(ctx, fresh[1]) == MTL_OK);
    CHECK(memcmp(fresh[0], fresh[1], sizeof fresh[0]) != 0);
}

static const mtl_bundle_file files[] = {{.name = "manifest.json", .data = "{}", .size = 2},
                                        {.name = "recipe/a/b.lua", .data = "return 1\n", .size = 9},
                                        {.name = "recipe/empty", .data = "", .size = 0}};

static void write_and_read(void)
{
    size_t size = 0, again = 0;
    mtl_bundle *b = NULL;
    char sum[MTL_SHA256_HEX], text[16] = "";
    in_folder(path, "one.mtl");
    CHECK(mtl_bundle_write(ctx, path, 3, files) == MTL_OK);
    CHECK(mtl_bundle_open(ctx, path, &b) == MTL_OK);
    CHECK(mtl_bundle_count(b) == 3);
    CHECK(strcmp(mtl_bundle_name(b, 1), "recipe/a/b.lua") == 0 && mtl_bundle_size(b, 1) == 9);
    CHECK(mtl_bundle_name(b, 3) == NULL && mtl_bundle_size(b, -1) == 0);
    CHECK(mtl_bundle_read(b, 1, text) == MTL_OK && memcmp(text, "return 1\n", 9) == 0);
    CHECK(mtl_bundle_extract(b, 0, NULL, sum) == MTL_OK);
    CHECK(strcmp(sum, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a") == 0);
    CHECK(mtl_bundle_extract(b, 2, in_folder(other, "empty"), sum) == MTL_OK && access(other, F_OK) == 0);
    CHECK(mtl_bundle_extract(b, 2, other, sum) == MTL_ERR_IO); /* it exists */
    CHECK(mtl_bundle_read(b, 3, text) == MTL_ERR_ARG);
    mtl_bundle_free(b);

    char *first = slurp(path, &size);
    setenv("TZ", "Asia/Tokyo", 1);
    sleep(1); /* no time of now goes into it */
    CHECK(mtl_bundle_write(ctx, in_folder(other, "two.mtl"), 3, files) == MTL_OK);
    char *second = slurp(other, &again);
    CHECK(size > 0 && size == again && memcmp(first, second, size) == 0);
    free(first);
    free(second);
}

static void refused_names(void)
{
    static const char *const bad[] = {"",     "/a",    "../a", "a/../b", "a//b", "a/",      "./a",      "a/.",
                                      "a\\b", "c:a.x", "a\nb", "a\x7f",  "\xff", "a/b. /c", "a\x1b[2J", "a."};
    in_folder(path, "never.mtl");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mtl_bundle_file file = {.name = bad[i], .data = "x", .size = 1};
        CHECK(mtl_bundle_write(ctx, path, 1, &file) == MTL_ERR_ARG);
        CHECK(access(path, F_OK) != 0);
    }
    mtl_bundle_file missing = {.name = "a", .file = "/nowhere/at/all"};
    CHECK(mtl_bundle_write(ctx, path, 1, &missing) != MTL_OK && access(path, F_OK) != 0);
    CHECK(mtl_bundle_write(ctx, path, 0, NULL) == MTL_ERR_ARG);
    CHECK(mtl_bundle_write(ctx, folder, 3, files) == MTL_ERR_IO);
}

/* Every prefix, and every bit flipped: refused, or what was packed. */
static void damage(void)
{
    size_t size = 0;
    int opened = 0;
    in_folder(path, "one.mtl");
    char *good = slurp(path, &size), *bytes = malloc(size), text[16], sum[MTL_SHA256_HEX], want[3][MTL_SHA256_HEX];
    for (int i = 0; i < 3; i++)
        CHECK(mtl_sha256(ctx, files[i].data, files[i].size, want[i]) == MTL_OK);
    in_folder(other, "damaged.mtl");
    for (size_t cut = 0; cut < size; cut++) {
        mtl_bundle *b = NULL;
        CHECK(mtl_file_write(ctx, other, good, cut) == MTL_OK);
        CHECK(mtl_bundle_open(ctx, other, &b) == MTL_ERR_FORMAT);
        CHECK(strstr(mtl_message(ctx), "damaged.mtl") != NULL);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        mtl_bundle *b = NULL;
        memcpy(bytes, good, size);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        FILE *f = fopen(other, "wb"); /* no sync: there are many */
        CHECK(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
        if (mtl_bundle_open(ctx, other, &b) != MTL_OK)
            continue;
        for (int64_t i = 0; i < mtl_bundle_count(b) && i < 3; i++) {
            if (strcmp(mtl_bundle_name(b, i), files[i].name) != 0 || mtl_bundle_size(b, i) > sizeof text)
                continue; /* another name: the manifest does not list it */
            bool same = mtl_bundle_extract(b, i, NULL, sum) == MTL_OK && strcmp(sum, want[i]) == 0;
            bool refused = mtl_bundle_read(b, i, text) != MTL_OK;
            CHECK(same != refused);
        }
        opened++;
        mtl_bundle_free(b);
    }
    printf("%d of %zu flipped bits are seen only when files are read, or matter to nothing\n", opened, size * 8);
    free(bytes);
    free(good);
}

int main(void)
{
    CHECK(mtl_context_new(1, &ctx) == MTL_OK && mkdtemp(folder));
    RUN(sums);
    RUN(signatures);
    RUN(write_and_read);
    RUN(refused_names);
    RUN(damage);
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    mtl_context_free(ctx);
    return TEST_RESULT;
}

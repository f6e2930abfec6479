/* Bundles: recipes packed to share. A bundle is a zip archive of regular files in a narrow form, so that there is
   little in it that could be hostile, and the same files give the same bytes: entries are stored and never compressed
   (nothing unpacks to more than the file has), their times, owners and rights are fixed, names are relative paths in
   plain UTF-8. What the files mean is the caller's business (mtl.bundle). Checksums are SHA-256, signatures Ed25519
   (RFC 8032). */
#ifndef MTL_BUNDLE_H
#define MTL_BUNDLE_H

#include "mtl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MTL_SHA256_HEX       65 /* 64 digits and the end */
#define MTL_KEY_BYTES        32 /* of either key: the secret one is Ed25519's seed */
#define MTL_SIGNATURE_BYTES  64
#define MTL_BUNDLE_ENTRIES   65535 /* most files in a bundle */
#define MTL_BUNDLE_NAME_MOST 255   /* most bytes of a name */

/* ---- reading ---- */

typedef struct mtl_bundle mtl_bundle;
/* Reads and checks the directory: every name (no absolute path, no "..", no two that a file system may take for one),
   kind (regular files), size and place. MTL_ERR_FORMAT names the file and the entry. Nothing is unpacked yet. */
mtl_status mtl_bundle_open(mtl_context *ctx, const char *path, mtl_bundle **out);
void mtl_bundle_free(mtl_bundle *bundle);
int64_t mtl_bundle_count(const mtl_bundle *bundle);
const char *mtl_bundle_name(const mtl_bundle *bundle, int64_t i);
uint64_t mtl_bundle_size(const mtl_bundle *bundle, int64_t i); /* bytes */
/* Reads a file whole into `data`, which has room for its size. */
mtl_status mtl_bundle_read(mtl_bundle *bundle, int64_t i, void *data);
/* Reads a file for its checksum and writes it to `to`, which must not exist yet; NULL: writes nothing. On failure there
   is nothing at `to`. */
mtl_status mtl_bundle_extract(mtl_bundle *bundle, int64_t i, const char *to, char sha256[MTL_SHA256_HEX]);

/* ---- writing ---- */

typedef struct {
    const char *name;
    const char *file; /* what is packed: this file, or, where it is NULL, the bytes of `data` */
    const void *data;
    size_t size;
} mtl_bundle_file;
/* Writes a bundle, in the order given. The file at `path` is the old or the new one, whole. */
mtl_status mtl_bundle_write(mtl_context *ctx, const char *path, int64_t n, const mtl_bundle_file *files);

/* ---- checksums and signatures ---- */

mtl_status mtl_sha256(mtl_context *ctx, const void *data, size_t size, char sha256[MTL_SHA256_HEX]);
/* Of a regular file; `size`: its bytes. */
mtl_status mtl_sha256_file(mtl_context *ctx, const char *path, char sha256[MTL_SHA256_HEX], uint64_t *size);

/* A new secret key, from the system's random numbers. */
mtl_status mtl_sign_new_key(mtl_context *ctx, unsigned char secret[MTL_KEY_BYTES]);
mtl_status mtl_sign_public_key(mtl_context *ctx, const unsigned char secret[MTL_KEY_BYTES],
                               unsigned char key[MTL_KEY_BYTES]);
mtl_status mtl_sign_bytes(mtl_context *ctx, const unsigned char secret[MTL_KEY_BYTES], const void *data, size_t size,
                          unsigned char signature[MTL_SIGNATURE_BYTES]);
/* `good`: whether the key's owner signed these bytes. */
mtl_status mtl_sign_check(mtl_context *ctx, const unsigned char key[MTL_KEY_BYTES], const void *data, size_t size,
                          const unsigned char signature[MTL_SIGNATURE_BYTES], bool *good);

#ifdef __cplusplus
}
#endif
#endif

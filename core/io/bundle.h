/* Inside of bundles: sums of bytes as they are read. */
#ifndef MTL_IO_BUNDLE_H
#define MTL_IO_BUNDLE_H

#include <sodium.h>

#include "mtl/bundle.h"

typedef crypto_hash_sha256_state mtl_hash;
mtl_status mtl_hash_start(mtl_context *ctx, mtl_hash *hash); /* update is libsodium's */
void mtl_hash_end(mtl_hash *hash, char sha256[MTL_SHA256_HEX]);

/* Every file of a bundle has this mode, of Unix, and this time: 1980-01-01 12:00, near the first that zip can say. */
#define MTL_BUNDLE_MODE 0100644u
#define MTL_BUNDLE_TIME (12u << 11)
#define MTL_BUNDLE_DATE (1u << 5 | 1u)

/* What is wrong with a file's name in a bundle, or NULL. */
const char *mtl_bundle_name_wrong(const char *name);

#endif

/* SHA-256 and Ed25519, by libsodium. */
#include "io/bundle.h"
#include "io/io.h"

_Static_assert(MTL_KEY_BYTES == crypto_sign_SEEDBYTES && MTL_KEY_BYTES == crypto_sign_PUBLICKEYBYTES &&
                   MTL_SIGNATURE_BYTES == crypto_sign_BYTES && MTL_SHA256_HEX == 2 * crypto_hash_sha256_BYTES + 1,
               "sizes of libsodium");

static mtl_status start(mtl_context *ctx)
{
    return sodium_init() >= 0 ? MTL_OK
                              : mtl_fail(ctx, MTL_ERR_UNSUPPORTED, "libsodium finds no random numbers on this system");
}

mtl_status mtl_hash_start(mtl_context *ctx, mtl_hash *hash)
{
    MTL_TRY(start(ctx));
    crypto_hash_sha256_init(hash);
    return MTL_OK;
}

void mtl_hash_end(mtl_hash *hash, char sha256[MTL_SHA256_HEX])
{
    unsigned char sum[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(hash, sum);
    sodium_bin2hex(sha256, MTL_SHA256_HEX, sum, sizeof sum);
}

mtl_status mtl_sha256(mtl_context *ctx, const void *data, size_t size, char sha256[MTL_SHA256_HEX])
{
    mtl_hash hash;
    MTL_TRY(mtl_hash_start(ctx, &hash));
    crypto_hash_sha256_update(&hash, data, size);
    mtl_hash_end(&hash, sha256);
    return MTL_OK;
}

mtl_status mtl_sha256_file(mtl_context *ctx, const char *path, char sha256[MTL_SHA256_HEX], uint64_t *size)
{
    unsigned char buffer[1 << 15];
    mtl_hash hash;
    mtl_input in;
    size_t got = 0;
    MTL_TRY(mtl_hash_start(ctx, &hash));
    MTL_TRY(mtl_input_open(ctx, path, false, &in));
    mtl_status status;
    do {
        MTL_TRY_GOTO(mtl_input_read(&in, buffer, sizeof buffer, &got));
        crypto_hash_sha256_update(&hash, buffer, got);
    } while (got == sizeof buffer);
    mtl_hash_end(&hash, sha256);
    *size = in.offset;
done:
    mtl_input_close(&in);
    return status;
}

mtl_status mtl_sign_new_key(mtl_context *ctx, unsigned char secret[MTL_KEY_BYTES])
{
    MTL_TRY(start(ctx));
    randombytes_buf(secret, MTL_KEY_BYTES);
    return MTL_OK;
}

mtl_status mtl_sign_public_key(mtl_context *ctx, const unsigned char secret[MTL_KEY_BYTES],
                               unsigned char key[MTL_KEY_BYTES])
{
    unsigned char both[crypto_sign_SECRETKEYBYTES];
    MTL_TRY(start(ctx));
    crypto_sign_seed_keypair(key, both, secret);
    sodium_memzero(both, sizeof both);
    return MTL_OK;
}

mtl_status mtl_sign_bytes(mtl_context *ctx, const unsigned char secret[MTL_KEY_BYTES], const void *data, size_t size,
                          unsigned char signature[MTL_SIGNATURE_BYTES])
{
    unsigned char both[crypto_sign_SECRETKEYBYTES], key[MTL_KEY_BYTES];
    MTL_TRY(start(ctx));
    crypto_sign_seed_keypair(key, both, secret);
    crypto_sign_detached(signature, NULL, data, size, both);
    sodium_memzero(both, sizeof both);
    return MTL_OK;
}

mtl_status mtl_sign_check(mtl_context *ctx, const unsigned char key[MTL_KEY_BYTES], const void *data, size_t size,
                          const unsigned char signature[MTL_SIGNATURE_BYTES], bool *good)
{
    MTL_TRY(start(ctx));
    *good = crypto_sign_verify_detached(signature, data, size, key) == 0;
    return MTL_OK;
}

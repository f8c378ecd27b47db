/* SPDX-License-Identifier: MIT */
#include "node/tunnel_keys.h"

#include "node/secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define IDENTITY       "identity.key"
#define HANDSHAKE      "handshake.key"
#define HANDSHAKE_SIZE (8 + NOISE_KEY_BYTES)

static enum error path_of(const char *data_dir, const char *name,
                          char out[SECRET_NAME_MAX], struct text *why)
{
    int n = snprintf(out, SECRET_NAME_MAX, "%s/%s", data_dir, name);

    if (n > 0 && n < SECRET_NAME_MAX)
        return OK;
    text_addf(why, "the path of %s is too long", name);
    return ERR_TOO_LARGE;
}

static enum error load_identity(const char *data_dir, struct tunnel_config *out,
                                struct text *why)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    char path[SECRET_NAME_MAX];
    struct text missing;
    enum error err = path_of(data_dir, IDENTITY, path, why);

    if (err != OK)
        return err;
    text_init(&missing, 1024);
    err = secret_read(AT_FDCWD, path, seed, sizeof(seed), &missing);
    if (err == ERR_NOT_FOUND) {
        randombytes_buf(seed, sizeof(seed));
        err = secret_create(AT_FDCWD, path, seed, sizeof(seed), why);
    } else if (err != OK) {
        text_add(why, text_get(&missing));
    }
    if (err == OK)
        crypto_sign_seed_keypair(out->identity, out->identity_secret, seed);
    sodium_memzero(seed, sizeof(seed));
    text_deinit(&missing);
    return err;
}

static void write_handshake(uint8_t file[HANDSHAKE_SIZE],
                            const uint8_t secret[NOISE_KEY_BYTES],
                            uint64_t made)
{
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)(made >> (56 - 8 * i));
    memcpy(file + 8, secret, NOISE_KEY_BYTES);
}

static void read_handshake(const uint8_t file[HANDSHAKE_SIZE],
                           struct tunnel_config *out)
{
    out->handshake_made = 0;
    for (int i = 0; i < 8; i++)
        out->handshake_made = out->handshake_made << 8 | file[i];
    memcpy(out->handshake_secret, file + 8, NOISE_KEY_BYTES);
}

static enum error load_handshake(const char *data_dir, uint64_t wall,
                                 struct tunnel_config *out, struct text *why)
{
    uint8_t file[HANDSHAKE_SIZE];
    char path[SECRET_NAME_MAX];
    struct text missing;
    enum error err = path_of(data_dir, HANDSHAKE, path, why);

    if (err != OK)
        return err;
    text_init(&missing, 1024);
    err = secret_read(AT_FDCWD, path, file, sizeof(file), &missing);
    if (err == ERR_NOT_FOUND) {
        uint8_t secret[NOISE_KEY_BYTES];

        randombytes_buf(secret, sizeof(secret));
        write_handshake(file, secret, wall);
        sodium_memzero(secret, sizeof(secret));
        err = secret_create(AT_FDCWD, path, file, sizeof(file), why);
    } else if (err != OK) {
        text_add(why, text_get(&missing));
    }
    if (err == OK)
        read_handshake(file, out);
    sodium_memzero(file, sizeof(file));
    text_deinit(&missing);
    return err;
}

enum error tunnel_keys_load(const char *data_dir, uint64_t wall,
                            struct tunnel_config *out, struct text *why)
{
    enum error err = load_identity(data_dir, out, why);

    return err == OK ? load_handshake(data_dir, wall, out, why) : err;
}

enum error tunnel_keys_renew(const char *data_dir,
                             const uint8_t secret[NOISE_KEY_BYTES],
                             uint64_t made, struct text *why)
{
    uint8_t file[HANDSHAKE_SIZE];
    char path[SECRET_NAME_MAX];
    enum error err = path_of(data_dir, HANDSHAKE, path, why);

    if (err != OK)
        return err;
    write_handshake(file, secret, made);
    err = secret_replace(AT_FDCWD, path, file, sizeof(file), why);
    sodium_memzero(file, sizeof(file));
    return err;
}

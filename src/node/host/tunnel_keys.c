/* SPDX-License-Identifier: MIT */
#include "node/host/tunnel_keys.h"

#include "node/os/secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define IDENTITY  "identity.key"
#define HANDSHAKE "handshake.key"
#define PREVIOUS  "handshake.previous"
#define KEY_SIZE  (8 + NOISE_KEY_BYTES) /* of the last two */

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

/* A time and a secret. */
static enum error write_key(const char *data_dir, const char *name,
                            uint64_t wall,
                            const uint8_t secret[NOISE_KEY_BYTES],
                            struct text *why)
{
    uint8_t file[KEY_SIZE];
    char path[SECRET_NAME_MAX];
    enum error err = path_of(data_dir, name, path, why);

    if (err != OK)
        return err;
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)(wall >> (56 - 8 * i));
    memcpy(file + 8, secret, NOISE_KEY_BYTES);
    err = secret_replace(AT_FDCWD, path, file, sizeof(file), why);
    sodium_memzero(file, sizeof(file));
    return err;
}

/* ERR_NOT_FOUND leaves `why` alone. */
static enum error read_key(const char *data_dir, const char *name,
                           uint64_t *wall, uint8_t secret[NOISE_KEY_BYTES],
                           struct text *why)
{
    uint8_t file[KEY_SIZE];
    char path[SECRET_NAME_MAX];
    struct text missing;
    enum error err = path_of(data_dir, name, path, why);

    if (err != OK)
        return err;
    text_init(&missing, 1024);
    err = secret_read(AT_FDCWD, path, file, sizeof(file), &missing);
    if (err == OK) {
        *wall = 0;
        for (int i = 0; i < 8; i++)
            *wall = *wall << 8 | file[i];
        memcpy(secret, file + 8, NOISE_KEY_BYTES);
    } else if (err != ERR_NOT_FOUND) {
        text_add(why, text_get(&missing));
    }
    sodium_memzero(file, sizeof(file));
    text_deinit(&missing);
    return err;
}

static enum error load_handshake(const char *data_dir, uint64_t wall,
                                 struct tunnel_config *out, struct text *why)
{
    uint8_t secret[NOISE_KEY_BYTES];
    enum error err = read_key(data_dir, HANDSHAKE, &wall, secret, why);

    if (err == ERR_NOT_FOUND) {
        randombytes_buf(secret, sizeof(secret));
        err = write_key(data_dir, HANDSHAKE, wall, secret, why);
    }
    if (err == OK) {
        out->handshake_made = wall;
        memcpy(out->handshake_secret, secret, sizeof(secret));
    }
    sodium_memzero(secret, sizeof(secret));
    return err;
}

static enum error load_previous(const char *data_dir, struct tunnel_config *out,
                                struct text *why)
{
    enum error err = read_key(data_dir, PREVIOUS, &out->previous_replaced,
                              out->previous_secret, why);

    if (err == ERR_NOT_FOUND) {
        out->previous_replaced = 0;
        return OK;
    }
    if (err == OK && memcmp(out->previous_secret, out->handshake_secret,
                            NOISE_KEY_BYTES) == 0) {
        out->previous_replaced = 0;
        err = tunnel_keys_retire(data_dir, why);
    }
    return err;
}

enum error tunnel_keys_load(const char *data_dir, uint64_t wall,
                            struct tunnel_config *out, struct text *why)
{
    enum error err = load_identity(data_dir, out, why);

    if (err == OK)
        err = load_handshake(data_dir, wall, out, why);
    return err == OK ? load_previous(data_dir, out, why) : err;
}

enum error tunnel_keys_renew(const char *data_dir,
                             const uint8_t secret[NOISE_KEY_BYTES],
                             const uint8_t previous[NOISE_KEY_BYTES],
                             uint64_t wall, struct text *why)
{
    enum error err = write_key(data_dir, PREVIOUS, wall, previous, why);

    return err == OK ? write_key(data_dir, HANDSHAKE, wall, secret, why) : err;
}

enum error tunnel_keys_retire(const char *data_dir, struct text *why)
{
    char path[SECRET_NAME_MAX];
    enum error err = path_of(data_dir, PREVIOUS, path, why);

    return err == OK ? secret_remove(AT_FDCWD, path, why) : err;
}

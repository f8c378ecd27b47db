/* SPDX-License-Identifier: MIT
 *
 * Key files: read, checked, made where they are missing. One that is there and
 * cannot be right is never replaced: it may be a mistake that can be undone.
 * Nothing secret stays on the stack.
 */
#include "node/host/tunnel_keys.h"

#include "node/os/secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define IDENTITY   "identity.key"
#define HANDSHAKE  "handshake.key"
#define PREVIOUS   "handshake.previous"
#define KEY_BYTES  32
#define FILE_BYTES (8 + KEY_BYTES) /* of the last two */

_Static_assert(KEY_BYTES == crypto_sign_SEEDBYTES, "a file ends with its key");
_Static_assert(KEY_BYTES == NOISE_KEY_BYTES, "a file ends with its key");

static enum error path_of(const char *data_dir, const char *name,
                          char out[SECRET_NAME_MAX], struct text *why)
{
    int n = snprintf(out, SECRET_NAME_MAX, "%s/%s", data_dir, name);

    if (n > 0 && n < SECRET_NAME_MAX)
        return OK;
    text_addf(why, "the path of %s is too long", name);
    return ERR_TOO_LARGE;
}

/* What the file is for, as far as whoever lost it has to know. */
static const char *remedy(const char *name)
{
    if (strcmp(name, IDENTITY) == 0)
        return "restore it from a backup, or remove it: then warren makes a "
               "new one, and is a new relay that nobody knows yet";
    if (strcmp(name, HANDSHAKE) == 0)
        return "remove it: warren makes a new one, and others learn it from "
               "the next descriptor";
    return "remove it: only who has not heard of the present key yet misses "
           "the one before";
}

/* Random bytes are nearly all different. A file of zeros, as a file system
 * leaves after a crash, or of one pattern is a key that anybody can guess. */
static bool is_random(const uint8_t *key, size_t len)
{
    unsigned different = 0;

    for (size_t i = 0; i < len; i++)
        different += memchr(key, key[i], i) == NULL;
    return different >= len / 4;
}

/* Reads a file of `len` bytes whose end is a key. ERR_NOT_FOUND leaves `why`
 * alone; ERR_CORRUPT comes with a remedy. */
static enum error read_file(const char *data_dir, const char *name,
                            uint8_t *file, size_t len, struct text *why)
{
    char path[SECRET_NAME_MAX];
    enum error err = path_of(data_dir, name, path, why);
    size_t before = why->len;

    if (err != OK)
        return err;
    err = secret_read(AT_FDCWD, path, file, len, why);
    if (err == ERR_NOT_FOUND)
        text_cut(why, before);
    if (err == OK && !is_random(file + len - KEY_BYTES, KEY_BYTES)) {
        text_addf(why,
                  "%s holds no key, but the same few bytes again and "
                  "again",
                  path);
        sodium_memzero(file, len);
        err = ERR_CORRUPT;
    }
    if (err == ERR_CORRUPT)
        text_addf(why, "; %s", remedy(name));
    return err;
}

static enum error load_identity(const char *data_dir, struct member_config *out,
                                struct text *why)
{
    uint8_t seed[KEY_BYTES];
    char path[SECRET_NAME_MAX];
    enum error err = read_file(data_dir, IDENTITY, seed, sizeof(seed), why);

    if (err == ERR_NOT_FOUND) {
        randombytes_buf(seed, sizeof(seed));
        err = path_of(data_dir, IDENTITY, path, why);
        if (err == OK)
            err = secret_create(AT_FDCWD, path, seed, sizeof(seed), why);
    }
    if (err == OK)
        crypto_sign_seed_keypair(out->identity, out->identity_secret, seed);
    sodium_memzero(seed, sizeof(seed));
    return err;
}

/* A time and a secret. */
static enum error write_key(const char *data_dir, const char *name,
                            uint64_t wall,
                            const uint8_t secret[NOISE_KEY_BYTES],
                            struct text *why)
{
    uint8_t file[FILE_BYTES];
    char path[SECRET_NAME_MAX];
    enum error err = path_of(data_dir, name, path, why);

    if (err != OK)
        return err;
    bytes_put_number(file, 8, wall);
    memcpy(file + 8, secret, NOISE_KEY_BYTES);
    err = secret_replace(AT_FDCWD, path, file, sizeof(file), why);
    sodium_memzero(file, sizeof(file));
    return err;
}

static enum error read_key(const char *data_dir, const char *name,
                           uint64_t *wall, uint8_t secret[NOISE_KEY_BYTES],
                           struct text *why)
{
    uint8_t file[FILE_BYTES];
    enum error err = read_file(data_dir, name, file, sizeof(file), why);

    if (err == OK) {
        *wall = bytes_get_number(file, 8);
        memcpy(secret, file + 8, NOISE_KEY_BYTES);
    }
    sodium_memzero(file, sizeof(file));
    return err;
}

static enum error load_handshake(const char *data_dir, uint64_t wall,
                                 struct member_config *out, struct text *why)
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

static enum error load_previous(const char *data_dir, struct member_config *out,
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
                            struct member_config *out, struct text *why)
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

enum error tunnel_keys_date(const char *data_dir, uint64_t wall,
                            struct text *why)
{
    uint8_t secret[NOISE_KEY_BYTES];
    uint64_t before;
    enum error err = read_key(data_dir, HANDSHAKE, &before, secret, why);

    if (err == OK)
        err = write_key(data_dir, HANDSHAKE, wall, secret, why);
    else if (err == ERR_NOT_FOUND)
        text_addf(why, "%s is gone", HANDSHAKE);
    sodium_memzero(secret, sizeof(secret));
    return err;
}

enum error tunnel_keys_retire(const char *data_dir, struct text *why)
{
    char path[SECRET_NAME_MAX];
    enum error err = path_of(data_dir, PREVIOUS, path, why);

    return err == OK ? secret_remove(AT_FDCWD, path, why) : err;
}

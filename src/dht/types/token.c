/* SPDX-License-Identifier: MIT
 *
 * Write tokens (BEP 5): SipHash-2-4 of address and target under a key that
 * only we have. There are two keys, the present one and the one before it; a
 * token is made with the first and taken with either, so that none has to be
 * stored.
 */
#include "dht/types/token.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static_assert(crypto_shorthash_KEYBYTES == 16, "SipHash key");
static_assert(crypto_shorthash_BYTES == DHT_TOKEN_BYTES, "SipHash output");

static void new_key(struct token_keys *keys, const struct random_source *random,
                    int which)
{
    random->fill(random->ctx, keys->key[which], sizeof(keys->key[which]));
}

void token_keys_init(struct token_keys *keys,
                     const struct random_source *random, uint64_t now)
{
    new_key(keys, random, 0);
    new_key(keys, random, 1);
    keys->rotated_at = now;
}

void token_keys_deinit(struct token_keys *keys)
{
    sodium_memzero(keys, sizeof(*keys));
}

void token_tick(struct token_keys *keys, const struct random_source *random,
                uint64_t now)
{
    uint64_t age = time_since(keys->rotated_at, now);

    if (age < TOKEN_ROTATION)
        return;
    if (age < 2 * TOKEN_ROTATION)
        memcpy(keys->key[1], keys->key[0], sizeof(keys->key[1]));
    else
        new_key(keys, random, 1);
    new_key(keys, random, 0);
    keys->rotated_at = now;
}

static void make(const uint8_t key[16], const struct endpoint *source,
                 const struct id *target, uint8_t out[DHT_TOKEN_BYTES])
{
    uint8_t input[16 + ID_BYTES];

    memcpy(input, source->addr, 16);
    memcpy(input + 16, target->b, ID_BYTES);
    crypto_shorthash(out, input, sizeof(input), key);
}

void token_make(const struct token_keys *keys, const struct endpoint *source,
                const struct id *target, uint8_t out[DHT_TOKEN_BYTES])
{
    make(keys->key[0], source, target, out);
}

bool token_check(const struct token_keys *keys, const struct endpoint *source,
                 const struct id *target, struct bytes token)
{
    uint8_t now[DHT_TOKEN_BYTES], before[DHT_TOKEN_BYTES];
    int is_now, is_before;

    if (token.len != DHT_TOKEN_BYTES)
        return false;
    make(keys->key[0], source, target, now);
    make(keys->key[1], source, target, before);
    is_now = sodium_memcmp(now, token.p, sizeof(now)) == 0;
    is_before = sodium_memcmp(before, token.p, sizeof(before)) == 0;
    return (is_now | is_before) != 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Answers with the key of now, and when the message is not made for it with the
 * one before: who asks may hold a descriptor from before the rotation.
 */
#include "tunnel/crypto/responder.h"

#include "tunnel/crypto/prologue.h"

#include "base/timestamp.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void key_init(struct responder_key *k,
                     const uint8_t secret[NOISE_KEY_BYTES])
{
    memcpy(k->secret, secret, NOISE_KEY_BYTES);
    noise_public_key(secret, k->public_key);
}

void responder_init(struct responder *r, const char *network,
                    const uint8_t identity[32],
                    const uint8_t secret[NOISE_KEY_BYTES],
                    const struct random_source *random)
{
    *r = (struct responder){.random = *random, .previous_until = TIME_NEVER};
    snprintf(r->network, sizeof(r->network), "%s", network);
    memcpy(r->identity, identity, sizeof(r->identity));
    key_init(&r->key, secret);
}

void responder_deinit(struct responder *r)
{
    sodium_memzero(r, sizeof(*r));
}

void responder_rotate(struct responder *r,
                      const uint8_t secret[NOISE_KEY_BYTES], uint64_t until)
{
    responder_set_previous(r, r->key.secret, until);
    key_init(&r->key, secret);
}

void responder_set_previous(struct responder *r,
                            const uint8_t secret[NOISE_KEY_BYTES],
                            uint64_t until)
{
    key_init(&r->previous, secret);
    r->has_previous = true;
    r->previous_until = until;
}

bool responder_tick(struct responder *r, uint64_t now)
{
    if (now < r->previous_until)
        return false;
    sodium_memzero(&r->previous, sizeof(r->previous));
    r->has_previous = false;
    r->previous_until = TIME_NEVER;
    return true;
}

static enum error read_first(const struct responder *r, const char *purpose,
                             const struct responder_key *key,
                             struct bytes first, uint8_t *payload,
                             struct noise *n)
{
    prologue_init_noise(n, purpose, r->network, r->identity, key->public_key);
    return noise_read_first(n, key->secret, first, payload);
}

enum error responder_answer(const struct responder *r, const char *purpose,
                            struct bytes first, uint8_t *payload,
                            uint8_t second[NOISE_OVERHEAD],
                            struct noise_keys *keys)
{
    uint8_t ephemeral[NOISE_KEY_BYTES];
    struct noise n;
    enum error e;

    e = read_first(r, purpose, &r->key, first, payload, &n);
    if (e == ERR_SIGNATURE && r->has_previous)
        e = read_first(r, purpose, &r->previous, first, payload, &n);
    if (e != OK)
        goto out;
    r->random.fill(r->random.ctx, ephemeral, sizeof(ephemeral));
    e = noise_write_second(&n, ephemeral, bytes_of(NULL, 0), second);
    if (e == OK)
        noise_split(&n, keys);
    sodium_memzero(ephemeral, sizeof(ephemeral));
out:
    noise_deinit(&n);
    return e;
}

/* SPDX-License-Identifier: MIT
 *
 * Write tokens (BEP 5): 8 bytes that we give to an address with the answer to
 * a get, and that it must show to announce or put under the same target.
 * SipHash-2-4 of address and target under a key that changes every 5 minutes;
 * the key before it is still accepted, so a token lives 5 to 10 minutes.
 * Nothing is kept per asker.
 */
#ifndef WARREN_DHT_TYPES_TOKEN_H
#define WARREN_DHT_TYPES_TOKEN_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/id.h"
#include "base/random_source.h"
#include "base/timestamp.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_ROTATION (5 * TIME_MIN)

struct token_keys {
    uint8_t key[2][16]; /* now, before */
    uint64_t rotated_at;
};

void token_keys_init(struct token_keys *keys,
                     const struct random_source *random, uint64_t now);
void token_keys_deinit(struct token_keys *keys);

/* Changes the key when it is time. Call before the two below; no timer needs
 * to run for it. */
void token_tick(struct token_keys *keys, const struct random_source *random,
                uint64_t now);

/* For the address of `source`, whatever its port. */
void token_make(const struct token_keys *keys, const struct endpoint *source,
                const struct id *target, uint8_t out[DHT_TOKEN_BYTES]);

/* Of any length; in constant time. */
bool token_check(const struct token_keys *keys, const struct endpoint *source,
                 const struct id *target, struct bytes token);

#endif

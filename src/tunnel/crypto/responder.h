/* SPDX-License-Identifier: MIT
 *
 * The answering half of every handshake: this node's identity, its handshake
 * key and the one before it, which is taken for a while after a rotation, so
 * that a descriptor may be a little old.
 */
#ifndef WARREN_TUNNEL_CRYPTO_RESPONDER_H
#define WARREN_TUNNEL_CRYPTO_RESPONDER_H

#include "base/random_source.h"
#include "tunnel/crypto/noise.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stdint.h>

struct responder_key {
    uint8_t secret[NOISE_KEY_BYTES];
    uint8_t public_key[NOISE_KEY_BYTES];
};

/* Holds secrets: responder_deinit. */
struct responder {
    char network[DHT_NETWORK_MAX + 1];
    uint8_t identity[32]; /* public */
    struct responder_key key, previous;
    bool has_previous;
    uint64_t previous_until; /* ns; TIME_NEVER while there is none */
    struct random_source random;
};

void responder_init(struct responder *r, const char *network,
                    const uint8_t identity[32],
                    const uint8_t secret[NOISE_KEY_BYTES],
                    const struct random_source *random);
void responder_deinit(struct responder *r);

/* A new key; the one before is taken until `until`. */
void responder_rotate(struct responder *r,
                      const uint8_t secret[NOISE_KEY_BYTES], uint64_t until);
/* The key before, as an earlier run left it. */
void responder_set_previous(struct responder *r,
                            const uint8_t secret[NOISE_KEY_BYTES],
                            uint64_t until);
/* Wipes the key before when it is due (previous_until); true when it did. */
bool responder_tick(struct responder *r, uint64_t now);

/* Reads the initiator's message of a handshake for `purpose`, writes ours to
 * `second` (NOISE_OVERHEAD bytes) and gives the keys, which the caller wipes.
 * `payload` gets first.len - NOISE_OVERHEAD bytes. ERR_WRONG_LENGTH,
 * ERR_SIGNATURE. */
enum error responder_answer(const struct responder *r, const char *purpose,
                            struct bytes first, uint8_t *payload,
                            uint8_t second[NOISE_OVERHEAD],
                            struct noise_keys *keys);

#endif

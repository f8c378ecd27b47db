/* SPDX-License-Identifier: MIT
 *
 * Noise_NK_25519_ChaChaPoly_BLAKE2b (The Noise Protocol Framework, revision
 * 34, sections 5 and 7.5): the one handshake of links, hops and services.
 *
 *     <- s                  the initiator knows the responder's static key
 *     -> e, es
 *     <- e, ee
 *
 * The initiator stays anonymous. The prologue binds what both sides must
 * agree on. Payloads of the first message are not forward secret and may be
 * replayed: only what is harmless then belongs there.
 */
#ifndef WARREN_TUNNEL_CRYPTO_NOISE_H
#define WARREN_TUNNEL_CRYPTO_NOISE_H

#include "tunnel/crypto/aead.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdint.h>

#define NOISE_KEY_BYTES  32 /* X25519 keys, ChaCha20-Poly1305 keys */
#define NOISE_HASH_BYTES 64 /* BLAKE2b */
#define NOISE_TAG_BYTES  AEAD_TAG_BYTES
/* What a message is longer than its payload. */
#define NOISE_OVERHEAD (NOISE_KEY_BYTES + NOISE_TAG_BYTES)

/* A handshake under way, on either side. Holds secrets: noise_deinit. */
struct noise {
    uint8_t h[NOISE_HASH_BYTES];
    uint8_t ck[NOISE_HASH_BYTES];
    uint8_t k[NOISE_KEY_BYTES];
    uint8_t e_secret[NOISE_KEY_BYTES];
    uint8_t e_remote[NOISE_KEY_BYTES];
};

/* What a finished handshake gives. Holds secrets: wipe it after use. */
struct noise_keys {
    uint8_t to_responder[NOISE_KEY_BYTES];
    uint8_t to_initiator[NOISE_KEY_BYTES];
    uint8_t transcript[NOISE_HASH_BYTES]; /* names this handshake; public */
};

void noise_init(struct noise *n, struct bytes prologue,
                const uint8_t responder_static[NOISE_KEY_BYTES]);
void noise_deinit(struct noise *n);

/* The initiator's message into `out`, payload.len + NOISE_OVERHEAD bytes.
 * `ephemeral` is 32 fresh random bytes. ERR_RANGE: the responder's key is one
 * that no honest party has (a point of low order). */
enum error noise_write_first(struct noise *n,
                             const uint8_t ephemeral[NOISE_KEY_BYTES],
                             struct bytes payload, uint8_t *out);
/* The responder reads it; `payload` gets message.len - NOISE_OVERHEAD bytes.
 * ERR_WRONG_LENGTH, ERR_SIGNATURE (not authentic). */
enum error noise_read_first(struct noise *n,
                            const uint8_t static_secret[NOISE_KEY_BYTES],
                            struct bytes message, uint8_t *payload);

/* The responder's answer, and the initiator reading it; as above. */
enum error noise_write_second(struct noise *n,
                              const uint8_t ephemeral[NOISE_KEY_BYTES],
                              struct bytes payload, uint8_t *out);
enum error noise_read_second(struct noise *n, struct bytes message,
                             uint8_t *payload);

/* After the second message, on both sides. */
void noise_split(const struct noise *n, struct noise_keys *out);

/* The public key that belongs to a secret one. */
void noise_public_key(const uint8_t secret[NOISE_KEY_BYTES],
                      uint8_t public_key[NOISE_KEY_BYTES]);

#endif

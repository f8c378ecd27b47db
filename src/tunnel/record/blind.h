/* SPDX-License-Identifier: MIT
 *
 * Blinded keys: for each period another Ed25519 key, which the owner of the
 * service's key can sign with, and which only those who know the address can
 * connect to it. The construction is that of rend-spec-v3, appendix A.2 (key
 * blinding by a factor), with two differences:
 *
 *   the prefix of nonces is bound to the factor, because the same bytes signed
 *   under two blinded keys with one nonce give the long-term key away;
 *   a key with a torsion part is refused, because it would be a second name of
 *   the same service.
 *
 *   h  = clamp(BLAKE2b-256("warren blind" 00 | [network, A, s, p, 86400]))
 *   a' = h a mod l     A' = h A
 *   RH'= SHA-512("warren blind nonce" 00 | RH | h)[0..32]
 *
 * The array is msgpack, `s` the access secret (bin of 0 or 32 bytes) and p the
 * period. A blinded key signs items of the DHT and nothing else.
 */
#ifndef WARREN_TUNNEL_RECORD_BLIND_H
#define WARREN_TUNNEL_RECORD_BLIND_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define BLIND_KEY_BYTES       32
#define BLIND_SIGNATURE_BYTES 64

/* All that one has to know to reach a service with a key of its own. */
struct service_name {
    uint8_t key[BLIND_KEY_BYTES]; /* A, checked: blind_check_key */
    bool has_access;              /* only for those who know this, too: */
    uint8_t access[BLIND_KEY_BYTES];
};

/* The long-term key, expanded (RFC 8032, 5.1.5). Secret. */
struct service_secret {
    uint8_t scalar[32]; /* a, clamped and reduced */
    uint8_t prefix[32]; /* RH */
    uint8_t key[BLIND_KEY_BYTES];
};

/* The key of one period. Secret, but for `key`. */
struct blinded_key {
    uint8_t scalar[32];
    uint8_t prefix[32];
    uint8_t key[BLIND_KEY_BYTES];
};

/* From the 32 bytes that the key file holds. */
void blind_expand(const uint8_t seed[32], struct service_secret *out);

/* ERR_RANGE: not canonical, of small order, or with a torsion part. Costs a
 * multiplication; once for each address that is read. */
enum error blind_check_key(const uint8_t key[BLIND_KEY_BYTES]);

/* h, for one network, service and period. As secret as the address. */
void blind_factor(const char *network, const struct service_name *name,
                  uint32_t period, uint8_t factor[32]);

/* By a factor that need not be clamped yet. ERR_RANGE: no honest key. */
enum error blind_public(const uint8_t key[BLIND_KEY_BYTES],
                        const uint8_t factor[32],
                        uint8_t blinded[BLIND_KEY_BYTES]);
void blind_secret(const struct service_secret *secret, const uint8_t factor[32],
                  struct blinded_key *out);

/* A signature that crypto_sign_verify_detached takes under `key->key`, which
 * it is checked with before it leaves: a wrong one would give the key away.
 * ERR_SIGNATURE: this machine computes wrongly; nothing is written. */
enum error blind_sign(const struct blinded_key *key, struct bytes message,
                      uint8_t signature[BLIND_SIGNATURE_BYTES]);

/* What proves that one knows the address (and the access secret): it keys the
 * descriptor and enters the prologue of introductions.
 * BLAKE2b-256(["warren credential", network, A, s]) */
void blind_credential(const char *network, const struct service_name *name,
                      uint8_t credential[32]);

#endif

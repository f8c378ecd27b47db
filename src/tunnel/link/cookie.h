/* SPDX-License-Identifier: MIT
 *
 * Proof, before any public-key work, that the sender of an INIT knows whom it
 * talks to (mac1) and, under load, that it can receive at its source address
 * (mac2, made with a cookie). The construction is WireGuard's, section 5.4.4
 * and 5.4.7, with the responder's identity key in the place of its static
 * key and BLAKE2b in the place of BLAKE2s.
 *
 *     mac1   = BLAKE2b-128(BLAKE2b-256("warren mac1", identity), maced bytes)
 *     mac2   = BLAKE2b-128(cookie, maced bytes)
 *     cookie = BLAKE2b-128(secret of the responder, compact source address)
 *     RETRY carries XChaCha20-Poly1305(BLAKE2b-256("warren cookie", identity),
 *                                      nonce, mac1 as associated data, cookie)
 *
 * Who sends ASK knows no identity: it gets its cookie in the clear (COOKIE), of
 * a jar of its own, and shows no more than that it can receive.
 */
#ifndef WARREN_TUNNEL_LINK_COOKIE_H
#define WARREN_TUNNEL_LINK_COOKIE_H

#include "base/endpoint.h"
#include "base/error.h"
#include "tunnel/link/link_message.h"

#include <stdbool.h>
#include <stdint.h>

#define COOKIE_LIFETIME (120 * UINT64_C(1000000000)) /* ns, of the secret */

/* At the responder. Secret. */
struct cookie_jar {
    uint8_t secret[32];
    uint8_t previous[32]; /* still taken, so that no cookie dies young */
    uint64_t rotated_at;
};

/* `fresh` is 32 random bytes, used when the secret is as old as its lifetime.
 */
void cookie_jar_init(struct cookie_jar *jar, const uint8_t fresh[32],
                     uint64_t now);
bool cookie_jar_is_due(const struct cookie_jar *jar, uint64_t now);
void cookie_jar_rotate(struct cookie_jar *jar, const uint8_t fresh[32],
                       uint64_t now);
void cookie_jar_deinit(struct cookie_jar *jar);

/* True when mac1 of a read INIT is right for a responder of this identity. */
bool cookie_mac1_is_right(const struct link_message *init,
                          const uint8_t identity[32]);

/* True when mac2 was made with a cookie of ours for this source. */
bool cookie_mac2_is_right(const struct cookie_jar *jar,
                          const struct link_message *init,
                          const struct endpoint *source);

/* The cookie of a source, and whether this is it: one of now or before. */
void cookie_make(const struct cookie_jar *jar, const struct endpoint *source,
                 uint8_t out[LINK_COOKIE_BYTES]);
bool cookie_is_right(const struct cookie_jar *jar,
                     const uint8_t cookie[LINK_COOKIE_BYTES],
                     const struct endpoint *source);

/* The sealed cookie for RETRY. `nonce` is random. */
void cookie_seal(const struct cookie_jar *jar, const struct endpoint *source,
                 const uint8_t identity[32], const uint8_t mac1[LINK_MAC_BYTES],
                 const uint8_t nonce[LINK_NONCE_BYTES],
                 uint8_t sealed[LINK_SEALED_BYTES]);

/* The initiator opens it. ERR_SIGNATURE: not from the responder, or not for
 * the INIT that mac1 belongs to. */
enum error cookie_open(const struct link_message *retry,
                       const uint8_t identity[32],
                       const uint8_t mac1[LINK_MAC_BYTES],
                       uint8_t cookie[LINK_COOKIE_BYTES]);

/* Fills in the MACs of a written INIT; `cookie` NULL leaves mac2 zero. */
void cookie_set_macs(uint8_t *datagram, const struct link_message *init,
                     const uint8_t identity[32], const uint8_t *cookie);

#endif

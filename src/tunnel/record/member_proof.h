/* SPDX-License-Identifier: MIT
 *
 * Who opens a channel proves that a member is theirs with
 *
 *   mac = BLAKE2b-128(key: X25519(m_i, M_r), "warren member" 00 | M_i | M_r |
 *                     e 32)
 *
 * where e is the initiator's key of this very handshake.
 */
#ifndef WARREN_TUNNEL_RECORD_MEMBER_PROOF_H
#define WARREN_TUNNEL_RECORD_MEMBER_PROOF_H

#include "base/error.h"
#include "tunnel/crypto/noise.h"

#include <stdint.h>

#define MEMBER_MAC_BYTES 16

/* The opener, who is M_i, makes it; ERR_RANGE: the other is of low order. */
enum error member_prove(const uint8_t secret[NOISE_KEY_BYTES],
                        const uint8_t own[NOISE_KEY_BYTES],
                        const uint8_t other[NOISE_KEY_BYTES],
                        const uint8_t e[NOISE_KEY_BYTES],
                        uint8_t mac[MEMBER_MAC_BYTES]);
/* The responder, who is M_r, checks that `other` made it. ERR_RANGE as above,
 * ERR_SIGNATURE. */
enum error member_check(const uint8_t secret[NOISE_KEY_BYTES],
                        const uint8_t own[NOISE_KEY_BYTES],
                        const uint8_t other[NOISE_KEY_BYTES],
                        const uint8_t e[NOISE_KEY_BYTES],
                        const uint8_t mac[MEMBER_MAC_BYTES]);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The keys that a service has at its introduction points, made from its secret
 * and from what the database keeps of a point: a salt and the relay. Deleting
 * the salt destroys the keys; a restarted service has them again.
 *
 *   keys = BLAKE2b-512(key: secret, "warren point" 00 | salt 16 | relay 32)
 *   auth seed = keys[0..32], Ed25519      service key = keys[32..64], X25519
 *   auth id = BLAKE2b-128(auth public key)
 *
 * A relay cannot tell from them whose they are, nor which two belong together.
 *
 * A registration of a string has one secret, too, and M from it:
 *
 *   m = BLAKE2b-256(key: secret, "warren member key" 00)
 */
#ifndef WARREN_TUNNEL_RECORD_SERVICE_KEY_H
#define WARREN_TUNNEL_RECORD_SERVICE_KEY_H

#include "tunnel/crypto/noise.h"

#include <stdint.h>

#define AUTH_ID_BYTES 16
#define POINT_SALT    16

/* Secret. */
struct point_keys {
    uint8_t auth_secret[64]; /* as libsodium has it; public half behind */
    uint8_t auth_key[32];
    uint8_t auth_id[AUTH_ID_BYTES];
    uint8_t service_secret[NOISE_KEY_BYTES];
    uint8_t service_key[NOISE_KEY_BYTES];
};

/* `secret` is of the key file; `relay` the identity of the point's relay. */
void service_key_point(const uint8_t secret[32], const uint8_t salt[POINT_SALT],
                       const uint8_t relay[32], struct point_keys *out);

/* What an introduction names the point by. */
void service_key_auth_id(const uint8_t auth_key[32],
                         uint8_t auth_id[AUTH_ID_BYTES]);

/* The secret of a service whose key file holds a seed (blind_expand):
 * BLAKE2b-256(key: seed, "warren service secret" 00). */
void service_key_secret(const uint8_t seed[32], uint8_t secret[32]);

/* m and M of a registration. */
void service_key_member(const uint8_t secret[32],
                        uint8_t member_secret[NOISE_KEY_BYTES],
                        uint8_t member[NOISE_KEY_BYTES]);

#endif

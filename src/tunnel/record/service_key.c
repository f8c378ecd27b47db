/* SPDX-License-Identifier: MIT
 *
 * Derivations only; what is kept where is the service's to know.
 */
#include "tunnel/record/service_key.h"

#include "tunnel/record/labelled_hash.h"

#include <sodium.h>

void service_key_auth_id(const uint8_t auth_key[32],
                         uint8_t auth_id[AUTH_ID_BYTES])
{
    crypto_generichash(auth_id, AUTH_ID_BYTES, auth_key, 32, NULL, 0);
}

void service_key_point(const uint8_t secret[32], const uint8_t salt[POINT_SALT],
                       const uint8_t relay[32], struct point_keys *out)
{
    struct bytes parts[] = {bytes_of(salt, POINT_SALT), bytes_of(relay, 32)};
    uint8_t keys[64];

    labelled_hash(keys, sizeof(keys), secret, "warren point", parts, 2);
    crypto_sign_seed_keypair(out->auth_key, out->auth_secret, keys);
    service_key_auth_id(out->auth_key, out->auth_id);
    memcpy(out->service_secret, keys + 32, sizeof(out->service_secret));
    noise_public_key(out->service_secret, out->service_key);
    sodium_memzero(keys, sizeof(keys));
}

void service_key_secret(const uint8_t seed[32], uint8_t secret[32])
{
    labelled_hash(secret, 32, seed, "warren service secret", NULL, 0);
}

void service_key_member(const uint8_t secret[32],
                        uint8_t member_secret[NOISE_KEY_BYTES],
                        uint8_t member[NOISE_KEY_BYTES])
{
    labelled_hash(member_secret, NOISE_KEY_BYTES, secret, "warren member key",
                  NULL, 0);
    noise_public_key(member_secret, member);
}

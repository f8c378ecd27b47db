/* SPDX-License-Identifier: MIT
 *
 * One MAC, which both sides make.
 */
#include "tunnel/record/member_proof.h"

#include "tunnel/record/labelled_hash.h"

#include <sodium.h>

/* `parts` are M_i, M_r and e: the same on both sides. */
static enum error member_mac(const uint8_t secret[NOISE_KEY_BYTES],
                             const uint8_t peer[NOISE_KEY_BYTES],
                             const struct bytes parts[3],
                             uint8_t mac[MEMBER_MAC_BYTES])
{
    uint8_t shared[crypto_scalarmult_BYTES];
    enum error e = ERR_RANGE;

    if (crypto_scalarmult(shared, secret, peer) == 0) {
        labelled_hash(mac, MEMBER_MAC_BYTES, shared, "warren member", parts, 3);
        e = OK;
    }
    sodium_memzero(shared, sizeof(shared));
    return e;
}

enum error member_prove(const uint8_t secret[NOISE_KEY_BYTES],
                        const uint8_t own[NOISE_KEY_BYTES],
                        const uint8_t other[NOISE_KEY_BYTES],
                        const uint8_t e[NOISE_KEY_BYTES],
                        uint8_t mac[MEMBER_MAC_BYTES])
{
    struct bytes parts[] = {bytes_of(own, NOISE_KEY_BYTES),
                            bytes_of(other, NOISE_KEY_BYTES),
                            bytes_of(e, NOISE_KEY_BYTES)};

    return member_mac(secret, other, parts, mac);
}

enum error member_check(const uint8_t secret[NOISE_KEY_BYTES],
                        const uint8_t own[NOISE_KEY_BYTES],
                        const uint8_t other[NOISE_KEY_BYTES],
                        const uint8_t e[NOISE_KEY_BYTES],
                        const uint8_t mac[MEMBER_MAC_BYTES])
{
    struct bytes parts[] = {bytes_of(other, NOISE_KEY_BYTES),
                            bytes_of(own, NOISE_KEY_BYTES),
                            bytes_of(e, NOISE_KEY_BYTES)};
    uint8_t want[MEMBER_MAC_BYTES];
    enum error err = member_mac(secret, other, parts, want);

    if (err == OK && sodium_memcmp(want, mac, sizeof(want)) != 0)
        err = ERR_SIGNATURE;
    sodium_memzero(want, sizeof(want));
    return err;
}

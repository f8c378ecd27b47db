/* SPDX-License-Identifier: MIT
 *
 * The baseline of what is sealed: libsodium's own ChaCha20-Poly1305.
 */
#ifndef WARREN_BENCH_PLAIN_SEAL_H
#define WARREN_BENCH_PLAIN_SEAL_H

#include "tunnel/crypto/aead.h"

#include <sodium.h>
#include <string.h>

static inline void plain_seal(uint64_t counter, struct bytes associated,
                              uint8_t *text, size_t len)
{
    static const uint8_t key[AEAD_KEY_BYTES];
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0};

    memcpy(nonce + 4, &counter, sizeof(counter));
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(
        text, text + len, NULL, text, len, associated.p, associated.len, NULL,
        nonce, key);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Fast random bytes for padding, which is sent with every relayed cell:
 * ChaCha20 under a random key, made in blocks and never reused. Not for keys.
 */
#ifndef WARREN_TUNNEL_CRYPTO_KEYSTREAM_H
#define WARREN_TUNNEL_CRYPTO_KEYSTREAM_H

#include <stddef.h>
#include <stdint.h>

#define KEYSTREAM_BLOCK 1024

struct keystream {
    uint8_t key[32];
    uint64_t block;
    size_t used; /* of `bytes` */
    uint8_t bytes[KEYSTREAM_BLOCK];
};

/* `key` is fresh randomness, owned by nobody else. */
void keystream_init(struct keystream *k, const uint8_t key[32]);
void keystream_deinit(struct keystream *k);

void keystream_fill(struct keystream *k, uint8_t *out, size_t len);

#endif

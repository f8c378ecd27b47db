/* SPDX-License-Identifier: MIT
 *
 * A block is made ahead and handed out in parts. The block's number is the
 * nonce, so that none comes twice under the key.
 */
#include "tunnel/crypto/keystream.h"

#include <sodium.h>
#include <string.h>

void keystream_init(struct keystream *k, const uint8_t key[32])
{
    memcpy(k->key, key, sizeof(k->key));
    k->block = 0;
    k->used = KEYSTREAM_BLOCK;
}

void keystream_deinit(struct keystream *k)
{
    sodium_memzero(k, sizeof(*k));
}

static void refill(struct keystream *k)
{
    uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

    memcpy(nonce, &k->block, sizeof(nonce));
    crypto_stream_chacha20(k->bytes, sizeof(k->bytes), nonce, k->key);
    k->block++;
    k->used = 0;
}

void keystream_fill(struct keystream *k, uint8_t *out, size_t len)
{
    size_t n;

    for (; len > 0; len -= n, out += n) {
        if (k->used == KEYSTREAM_BLOCK)
            refill(k);
        n = KEYSTREAM_BLOCK - k->used;
        if (n > len)
            n = len;
        memcpy(out, k->bytes + k->used, n);
        k->used += n;
    }
}

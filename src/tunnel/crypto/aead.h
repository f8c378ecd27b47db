/* SPDX-License-Identifier: MIT
 *
 * ChaCha20-Poly1305 (RFC 8439, section 2.8), the one AEAD of the tunnel, with
 * a 64-bit counter as Noise's nonce: 4 zero bytes, then the counter in little
 * endian.
 *
 * The primitives are libsodium's, put together here. Its own AEAD asks for the
 * block of the Poly1305 key by itself, and computes what is over at the end of
 * a text block by block; its ChaCha20 takes 8 blocks in hardly more time than
 * one. One stretch of key stream for all of it seals a cell in a sixth less
 * time (bench_circuit compares them).
 */
#ifndef WARREN_TUNNEL_CRYPTO_AEAD_H
#define WARREN_TUNNEL_CRYPTO_AEAD_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdint.h>

#define AEAD_KEY_BYTES 32
#define AEAD_TAG_BYTES 16

/* `len` bytes are sealed in place and the tag put behind them. */
void aead_seal(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
               struct bytes associated, uint8_t *text, size_t len);

/* Opens in place what seal made of `len` bytes. ERR_SIGNATURE: not authentic,
 * and `text` is as before. */
enum error aead_open(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                     struct bytes associated, uint8_t *text, size_t len);
/* The same from `sealed`, which has `len` bytes and the tag, into `text`. */
enum error aead_open_copy(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                          struct bytes associated, const uint8_t *sealed,
                          uint8_t *text, size_t len);

#endif

/* SPDX-License-Identifier: MIT
 *
 * One stretch of key stream does all: its block 0 is the key of the tag, the
 * blocks behind it are laid over the text by cipher. What is longer than a
 * cell's layer goes on with libsodium from there. Opening computes the tag
 * first and touches the text only when it is right.
 */
#include "tunnel/crypto/aead.h"

#include <sodium.h>
#include <string.h>

#define BLOCK     64
#define STRETCH   (24 * BLOCK) /* block 0 and a cell's layer */
#define AT_A_TIME (8 * BLOCK)  /* cost little more than one */
#define FEW       (4 * BLOCK)

/* In little endian, as RFC 8439 has its numbers. */
static void put_number(uint8_t out[8], uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static void nonce_of(uint64_t counter,
                     uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES])
{
    memset(nonce, 0, 4);
    put_number(nonce + 4, counter);
}

static size_t first_part(size_t len)
{
    return len < STRETCH - BLOCK ? len : STRETCH - BLOCK;
}

/* Block 0, which holds the key of the tag, and the key stream for the first
 * part of the text. */
static void stretch(uint8_t stream[STRETCH], size_t len, const uint8_t *nonce,
                    const uint8_t *key)
{
    size_t need = BLOCK + first_part(len);

    need = need <= FEW ? FEW : (need + AT_A_TIME - 1) / AT_A_TIME * AT_A_TIME;
    crypto_stream_chacha20_ietf(stream, need, nonce, key);
}

/* Whole blocks are what the compiler knows to do in a few steps. */
static void xor_block(uint8_t *restrict text, const uint8_t *restrict stream)
{
    for (size_t i = 0; i < BLOCK; i++)
        text[i] ^= stream[i];
}

static void cipher(const uint8_t stream[STRETCH], const uint8_t *nonce,
                   const uint8_t *key, uint8_t *text, size_t len)
{
    size_t part = first_part(len), i = 0;

    for (stream += BLOCK; i + BLOCK <= part; i += BLOCK)
        xor_block(text + i, stream + i);
    for (; i < part; i++)
        text[i] ^= stream[i];
    if (len > part)
        crypto_stream_chacha20_ietf_xor_ic(text + part, text + part, len - part,
                                           nonce, STRETCH / BLOCK, key);
}

static void tag_part(crypto_onetimeauth_poly1305_state *state, struct bytes b)
{
    static const uint8_t zero[AEAD_TAG_BYTES];

    crypto_onetimeauth_poly1305_update(state, b.p, b.len);
    crypto_onetimeauth_poly1305_update(state, zero, -b.len % AEAD_TAG_BYTES);
}

static void compute_tag(const uint8_t stream[STRETCH], struct bytes associated,
                        struct bytes text, uint8_t tag[AEAD_TAG_BYTES])
{
    crypto_onetimeauth_poly1305_state state;
    uint8_t lengths[16];

    put_number(lengths, associated.len);
    put_number(lengths + 8, text.len);
    crypto_onetimeauth_poly1305_init(&state, stream);
    tag_part(&state, associated);
    tag_part(&state, text);
    crypto_onetimeauth_poly1305_update(&state, lengths, sizeof(lengths));
    crypto_onetimeauth_poly1305_final(&state, tag); /* wipes the state */
}

void aead_seal(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
               struct bytes associated, uint8_t *text, size_t len)
{
    uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES], stream[STRETCH];

    nonce_of(counter, nonce);
    stretch(stream, len, nonce, key);
    cipher(stream, nonce, key, text, len);
    compute_tag(stream, associated, bytes_of(text, len), text + len);
    sodium_memzero(stream, sizeof(stream));
}

enum error aead_open_copy(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                          struct bytes associated, const uint8_t *sealed,
                          uint8_t *text, size_t len)
{
    uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES], stream[STRETCH];
    uint8_t tag[AEAD_TAG_BYTES];
    enum error e = ERR_SIGNATURE;

    nonce_of(counter, nonce);
    stretch(stream, len, nonce, key);
    compute_tag(stream, associated, bytes_of(sealed, len), tag);
    if (crypto_verify_16(tag, sealed + len) == 0) {
        if (text != sealed && len > 0)
            memcpy(text, sealed, len);
        cipher(stream, nonce, key, text, len);
        e = OK;
    }
    sodium_memzero(stream, sizeof(stream));
    return e;
}

enum error aead_open(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                     struct bytes associated, uint8_t *text, size_t len)
{
    return aead_open_copy(key, counter, associated, text, text, len);
}

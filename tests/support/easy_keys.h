/* SPDX-License-Identifier: MIT
 *
 * For harnesses that build circuits in each run: the functions that take nearly
 * all of the time there, with the same shape and without the work. The
 * program's own definitions go before those of a library.
 *
 * A public key is its secret one with some bits turned, which whoever has two
 * of them agrees on; a signature is a hash; a cipher turns the same bits of
 * every word, and its tag is a sum. All can be forged by whoever means to,
 * which no input does by chance.
 */
#ifndef WARREN_TESTS_EASY_KEYS_H
#define WARREN_TESTS_EASY_KEYS_H

#include "tunnel/crypto/aead.h"

#include <sodium.h>

#include <stdint.h>
#include <string.h>

#define EASY_TURN 0xa5

int crypto_scalarmult_base(unsigned char *q, const unsigned char *n)
{
    for (int i = 0; i < 32; i++)
        q[i] = n[i] ^ EASY_TURN;
    return 0;
}

/* -1 for a point that every secret makes the same of, as the library has it:
 * here that of all zeros, and one's own. */
int crypto_scalarmult(unsigned char *q, const unsigned char *n,
                      const unsigned char *p)
{
    uint8_t bits = 0, point = 0;

    for (int i = 0; i < 32; i++) {
        point |= p[i];
        q[i] = n[i] ^ EASY_TURN ^ p[i];
        bits |= q[i];
    }
    return bits == 0 || point == 0 ? -1 : 0;
}

int crypto_sign_seed_keypair(unsigned char *pk, unsigned char *sk,
                             const unsigned char *seed)
{
    crypto_generichash(pk, 32, seed, 32, NULL, 0);
    memcpy(sk, seed, 32);
    memcpy(sk + 32, pk, 32);
    return 0;
}

static void easy_sign(unsigned char sig[64], const unsigned char *m,
                      unsigned long long len, const unsigned char *pk)
{
    crypto_generichash(sig, 64, m, len, pk, 32);
}

int crypto_sign_detached(unsigned char *sig, unsigned long long *sig_len,
                         const unsigned char *m, unsigned long long len,
                         const unsigned char *sk)
{
    easy_sign(sig, m, len, sk + 32);
    if (sig_len != NULL)
        *sig_len = 64;
    return 0;
}

int crypto_sign_verify_detached(const unsigned char *sig,
                                const unsigned char *m, unsigned long long len,
                                const unsigned char *pk)
{
    unsigned char right[64];

    easy_sign(right, m, len, pk);
    return memcmp(right, sig, sizeof(right)) == 0 ? 0 : -1;
}

/* ---- In place of tunnel/crypto/aead.c -------------------------------------
 */

static uint64_t easy_sum(uint64_t sum, const uint8_t *p, size_t len)
{
    uint64_t word;

    for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 29;
    }
    for (; len > 0; len--)
        sum = (sum ^ *p++) * UINT64_C(0x100000001b3);
    return sum;
}

static void easy_tag(const uint8_t *key, uint64_t counter, struct bytes extra,
                     struct bytes text, uint8_t tag[AEAD_TAG_BYTES])
{
    uint64_t sum[2];

    sum[0] = easy_sum(counter, key, AEAD_KEY_BYTES);
    sum[0] = easy_sum(sum[0], extra.p, extra.len);
    sum[0] = easy_sum(sum[0], text.p, text.len);
    sum[1] = ~sum[0];
    memcpy(tag, sum, AEAD_TAG_BYTES);
}

static void easy_cipher(const uint8_t *key, uint8_t *text, size_t len)
{
    uint64_t word, turned;

    memcpy(&turned, key, sizeof(turned));
    for (; len >= sizeof(word); text += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        word ^= turned;
        memcpy(text, &word, sizeof(word));
    }
    for (; len > 0; len--)
        *text++ ^= key[0];
}

void aead_seal(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
               struct bytes associated, uint8_t *text, size_t len)
{
    easy_cipher(key, text, len);
    easy_tag(key, counter, associated, bytes_of(text, len), text + len);
}

enum error aead_open_copy(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                          struct bytes associated, const uint8_t *sealed,
                          uint8_t *text, size_t len)
{
    uint8_t tag[AEAD_TAG_BYTES];

    easy_tag(key, counter, associated, bytes_of(sealed, len), tag);
    if (memcmp(tag, sealed + len, sizeof(tag)) != 0)
        return ERR_SIGNATURE;
    if (text != sealed && len > 0)
        memcpy(text, sealed, len);
    easy_cipher(key, text, len);
    return OK;
}

enum error aead_open(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                     struct bytes associated, uint8_t *text, size_t len)
{
    return aead_open_copy(key, counter, associated, text, text, len);
}

#endif

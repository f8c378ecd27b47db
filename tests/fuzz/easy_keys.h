/* SPDX-License-Identifier: MIT
 *
 * For harnesses that build circuits in each run: the functions of libsodium
 * that take nearly all of the time there, with the same shape and without the
 * work. The program's own definitions go before those of the library.
 *
 * A public key is its secret one with some bits turned, which whoever has two
 * of them agrees on; a signature is a hash. Both can be forged by whoever means
 * to, which no input does by chance.
 */
#ifndef WARREN_TESTS_EASY_KEYS_H
#define WARREN_TESTS_EASY_KEYS_H

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

#endif

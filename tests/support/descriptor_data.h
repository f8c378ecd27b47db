/* SPDX-License-Identifier: MIT
 *
 * Descriptors for tests: identity n has the seed 000...n, a public address of
 * its own /16, and is a relay. A wall time to go with them.
 */
#ifndef WARREN_TESTS_DESCRIPTOR_DATA_H
#define WARREN_TESTS_DESCRIPTOR_DATA_H

#include "dht_data.h"

#include "tunnel/directory/descriptor.h"

#include <sodium.h>

#define TEST_NETWORK "test"
#define TEST_WALL    INT64_C(1800000000)

static inline void test_identity(unsigned n, uint8_t key[32],
                                 uint8_t secret[64])
{
    uint8_t seed[32] = {0};

    seed[30] = (uint8_t)(n >> 8);
    seed[31] = (uint8_t)n;
    crypto_sign_seed_keypair(key, secret, seed);
}

/* 12.0.0.1:1000, 12.1.0.1:1000, ..., 13.0.0.1:1000 */
static inline struct endpoint test_relay_ep(unsigned n)
{
    return test_ep4((uint8_t)(12 + n / 256), (uint8_t)n, 0, 1, 1000);
}

static inline struct descriptor test_descriptor(unsigned n)
{
    struct descriptor d = {.issued = TEST_WALL,
                           .expires = TEST_WALL + DESCRIPTOR_LIFETIME,
                           .roles = ROLE_RELAY,
                           .address_count = 1,
                           .addresses = {test_relay_ep(n)}};
    uint8_t secret[64];

    test_identity(n, d.identity, secret);
    memcpy(d.handshake_key, d.identity, 32);
    d.handshake_key[0] ^= 0x55;
    return d;
}

/* Signed by identity n. */
static inline size_t test_descriptor_text(const struct descriptor *d,
                                          unsigned n,
                                          uint8_t out[DESCRIPTOR_MAX])
{
    uint8_t key[32], secret[64];

    test_identity(n, key, secret);
    return descriptor_write(d, TEST_NETWORK, secret, out);
}

/* All that is to be checked of a descriptor. */
static inline enum error test_descriptor_accept(struct bytes text,
                                                const char *network,
                                                uint64_t wall,
                                                struct descriptor *out)
{
    struct descriptor d;
    enum error e = descriptor_read(text, network, &d);

    if (e == OK)
        e = descriptor_check_time(&d, wall);
    if (e == OK)
        e = descriptor_verify(text, &d);
    if (e == OK)
        *out = d;
    return e;
}

#endif

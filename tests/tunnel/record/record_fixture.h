/* SPDX-License-Identifier: MIT
 *
 * Services to test with: their keys are one byte repeated.
 */
#ifndef WARREN_TESTS_RECORD_FIXTURE_H
#define WARREN_TESTS_RECORD_FIXTURE_H

#include "testing.h"

#include "tunnel/record/blind.h"

#include <sodium.h>

#define NETWORK "test"

static inline struct service_secret fixture_secret(uint8_t byte)
{
    struct service_secret secret;
    uint8_t seed[32];

    memset(seed, byte, sizeof(seed));
    blind_expand(seed, &secret);
    return secret;
}

static inline struct service_name fixture_name(uint8_t byte)
{
    struct service_secret secret = fixture_secret(byte);
    struct service_name name = {0};

    memcpy(name.key, secret.key, sizeof(name.key));
    return name;
}

/* The seven points but for the neutral one whose order divides 8. */
static const char *const torsion_points[] = {
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
};

/* The nth number past the prime that still fits: never canonical. */
static inline void fixture_not_canonical(unsigned n, uint8_t out[32])
{
    memset(out, 0xff, 32);
    out[0] = (uint8_t)(0xed + n % 19);
    out[31] = n < 19 ? 0x7f : 0xff;
}

#endif

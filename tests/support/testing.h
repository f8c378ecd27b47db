/* SPDX-License-Identifier: MIT
 *
 * What the test programs share: seeded random bytes, hex, and texts. A test
 * that uses random input calls test_seed first; the seed is printed, and is
 * taken from WARREN_TEST_SEED when that is set, to repeat a failure.
 */
#ifndef WARREN_TESTS_TESTING_H
#define WARREN_TESTS_TESTING_H

#include "base/bytes.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* xorshift64* (Vigna 2016): small, fast, and the same everywhere. */
struct test_random {
    uint64_t state; /* never 0 */
};

static inline struct test_random test_seed(uint64_t seed)
{
    const char *text = getenv("WARREN_TEST_SEED");

    if (text != NULL)
        seed = strtoull(text, NULL, 10);
    printf("WARREN_TEST_SEED=%" PRIu64 "\n", seed);
    return (struct test_random){seed == 0 ? 1 : seed};
}

static inline uint64_t test_random_next(struct test_random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0..limit-1. */
static inline uint32_t test_random_below(struct test_random *r, uint32_t limit)
{
    return (uint32_t)((test_random_next(r) >> 32) * limit >> 32);
}

static inline void test_random_fill(struct test_random *r, void *out,
                                    size_t len)
{
    uint8_t *p = out;

    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(test_random_next(r) >> 56);
}

/* Hex digits, blanks between bytes allowed, to bytes; returns the count. */
static inline size_t test_unhex(const char *hex, uint8_t *out, size_t cap)
{
    size_t n = 0;
    unsigned byte;

    for (; *hex != '\0'; hex += 2) {
        while (*hex == ' ')
            hex++;
        if (*hex == '\0')
            break;
        if (n == cap || sscanf(hex, "%2x", &byte) != 1)
            abort();
        out[n++] = (uint8_t)byte;
    }
    return n;
}

/* Bytes that the test owns for good: up to 2 KB of hex in one of a ring of
 * eight buffers. */
static inline struct bytes test_hex(const char *hex)
{
    static uint8_t ring[8][2048];
    static unsigned next;
    uint8_t *p = ring[next++ % 8];

    return bytes_of(p, test_unhex(hex, p, sizeof(ring[0])));
}

/* A string literal with its NULs, as bytes. */
#define TEST_BYTES(literal) bytes_of(literal, sizeof(literal) - 1)

/* Copies to the end of a heap block of that size, so that the sanitizer sees
 * a read of one byte more. The caller frees. */
static inline uint8_t *test_exact_copy(struct bytes b)
{
    uint8_t *p = malloc(b.len == 0 ? 1 : b.len);

    assert(p != NULL);
    if (b.len > 0)
        memcpy(p, b.p, b.len);
    return p;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * What the tests of the DHT's tables share: a seeded random source, short
 * ways to write endpoints and ids.
 */
#ifndef WARREN_TESTS_DHT_DATA_H
#define WARREN_TESTS_DHT_DATA_H

#include "testing.h"

#include "base/endpoint.h"
#include "base/id.h"
#include "base/random_source.h"

static inline void test_source_fill(void *ctx, void *buf, size_t len)
{
    test_random_fill(ctx, buf, len);
}

static inline struct random_source test_source(struct test_random *r)
{
    return (struct random_source){r, test_source_fill};
}

static inline struct endpoint test_ep(const char *text)
{
    struct endpoint ep;

    if (endpoint_parse(text, &ep) != OK)
        abort();
    return ep;
}

/* The nth after `first`, counted up at one byte of the address. */
static inline struct endpoint test_nth_ep(const char *first, unsigned byte,
                                          unsigned n)
{
    struct endpoint ep = test_ep(first);

    ep.addr[byte] = (uint8_t)(ep.addr[byte] + n);
    ep.addr[byte - 1] = (uint8_t)(ep.addr[byte - 1] + (n >> 8));
    return ep;
}

static inline struct endpoint test_ep4(uint8_t a, uint8_t b, uint8_t c,
                                       uint8_t d, uint16_t port)
{
    return (struct endpoint){
        .addr = {a, b, c, d}, .port = port, .family = FAMILY_IPV4};
}

/* The hex digits, then zeros. */
static inline struct id test_id(const char *hex)
{
    struct id id = {{0}};

    test_unhex(hex, id.b, sizeof(id.b));
    return id;
}

static inline struct id test_random_id(struct test_random *r)
{
    struct id id;

    test_random_fill(r, id.b, sizeof(id.b));
    return id;
}

/* Shares exactly `bits` bits with `id`; the rest is random. */
static inline struct id test_near_id(struct test_random *r, const struct id *id,
                                     int bits)
{
    struct id out = test_random_id(r);

    for (int i = 0; i < bits; i++)
        id_set_bit(&out, i, id_bit(id, i));
    if (bits < ID_BITS)
        id_set_bit(&out, bits, !id_bit(id, bits));
    return out;
}

#endif

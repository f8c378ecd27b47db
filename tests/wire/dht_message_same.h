/* SPDX-License-Identifier: MIT
 *
 * Whether two messages say the same, for the tests of their readers and
 * writers.
 */
#ifndef WARREN_TESTS_DHT_MESSAGE_SAME_H
#define WARREN_TESTS_DHT_MESSAGE_SAME_H

#include "wire/krpc/dht_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline void expect_same_bytes(struct bytes a, struct bytes b)
{
    assert_int_equal(a.len, b.len);
    assert_true(bytes_equal(a, b));
}

static inline void expect_same_item(const struct dht_message *a,
                                    const struct dht_message *b)
{
    if (a->has & DHT_HAS_KEY)
        assert_memory_equal(a->key, b->key, DHT_KEY_BYTES);
    if (a->has & DHT_HAS_SIGNATURE)
        assert_memory_equal(a->signature, b->signature, DHT_SIGNATURE_BYTES);
    if (a->has & DHT_HAS_VALUE)
        expect_same_bytes(value_bytes(&a->value), value_bytes(&b->value));
    if (a->has & DHT_HAS_PEER_BLOOM)
        assert_memory_equal(a->peer_bloom, b->peer_bloom, DHT_BLOOM_BYTES);
    if (a->has & DHT_HAS_SEED_BLOOM)
        assert_memory_equal(a->seed_bloom, b->seed_bloom, DHT_BLOOM_BYTES);
    assert_true(a->seq == b->seq && a->cas == b->cas);
    expect_same_bytes(a->salt, b->salt);
    expect_same_bytes(a->padding, b->padding);
}

static inline void expect_same_message(const struct dht_message *a,
                                       const struct dht_message *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->method, b->method);
    assert_int_equal(a->has, b->has);
    assert_int_equal(a->read_only, b->read_only);
    assert_int_equal(a->implied_port, b->implied_port);
    assert_int_equal(a->seed, b->seed);
    assert_int_equal(a->no_seed, b->no_seed);
    assert_int_equal(a->scrape, b->scrape);
    assert_memory_equal(a->want, b->want, sizeof(a->want));
    assert_int_equal(a->port, b->port);
    assert_int_equal(a->interval, b->interval);
    assert_int_equal(a->num, b->num);
    assert_int_equal(a->error_code, b->error_code);
    assert_true(id_equal(&a->id, &b->id));
    assert_true(id_equal(&a->target, &b->target));
    assert_true(endpoint_equal(&a->ip, &b->ip));
    expect_same_bytes(a->transaction, b->transaction);
    expect_same_bytes(a->version, b->version);
    expect_same_bytes(a->network, b->network);
    expect_same_bytes(a->token, b->token);
    expect_same_bytes(a->nodes, b->nodes);
    expect_same_bytes(a->nodes6, b->nodes6);
    expect_same_bytes(a->samples, b->samples);
    expect_same_bytes(a->error_text, b->error_text);
    assert_int_equal(a->value_count, b->value_count);
    for (size_t i = 0; i < a->value_count; i++)
        assert_true(endpoint_equal(&a->values[i], &b->values[i]));
    expect_same_item(a, b);
}

#endif

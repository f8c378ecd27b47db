/* SPDX-License-Identifier: MIT
 *
 * An engine that one other node asks.
 */
#ifndef WARREN_TESTS_ANSWER_FIXTURE_H
#define WARREN_TESTS_ANSWER_FIXTURE_H

#include "dht_harness.h"

struct fixture {
    struct harness h;
    struct endpoint ep;
    struct id id, target;
    struct test_random random;
};

static inline void init(struct fixture *f)
{
    harness_init(&f->h);
    f->ep = test_ep("127.0.0.9:7000");
    f->id = test_id("99");
    f->target = test_id("0011aabb");
    f->random = (struct test_random){5};
}

static inline void start(struct fixture *f)
{
    init(f);
    harness_start(&f->h);
}

static inline void befriend(struct fixture *f, unsigned n, enum family family)
{
    for (unsigned i = 0; i < n; i++) {
        struct id id = test_random_id(&f->random);
        char text[ENDPOINT_TEXT_SIZE];
        struct endpoint ep;

        snprintf(text, sizeof(text),
                 family == FAMILY_IPV4 ? "127.0.7.%u:9" : "[fd00::%u]:9",
                 i + 1);
        ep = test_ep(text);
        harness_befriend(&f->h, &ep, &id);
    }
}

static inline struct sent *ask(struct fixture *f, enum dht_method method)
{
    struct dht_message m;

    harness_query(&m, method, &f->id, method == DHT_PING ? NULL : &f->target);
    return harness_ask(&f->h, &f->ep, &m);
}

static inline void assert_response(const struct fixture *f,
                                   const struct sent *s)
{
    assert_non_null(s);
    assert_int_equal(s->m.kind, DHT_RESPONSE);
    assert_true(s->m.has & DHT_HAS_ID);
    assert_true(id_equal(&s->m.id, &f->h.config.id[s->to.family]));
    /* BEP 42: the asker learns its address. */
    assert_true(s->m.has & DHT_HAS_IP);
    assert_true(endpoint_equal(&s->m.ip, &s->to));
}

static inline void assert_error(const struct sent *s, uint32_t code)
{
    assert_non_null(s);
    assert_int_equal(s->m.kind, DHT_ERROR);
    assert_int_equal(s->m.error_code, code);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * A routing table with a clock and short ways to make things happen to it.
 */
#ifndef WARREN_TESTS_TABLE_FIXTURE_H
#define WARREN_TESTS_TABLE_FIXTURE_H

#include "dht_data.h"

#include "dht/table/table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define START (100 * TIME_HOUR)
#define STALE (CONTACT_FRESH + TIME_S)

struct fixture {
    struct test_random r;
    struct random_source random;
    struct table t;
    uint64_t now;
};

static inline void init_family(struct fixture *f, enum family family,
                               bool testing)
{
    struct id self;

    f->r = test_seed(5);
    f->random = test_source(&f->r);
    f->now = START;
    self = test_random_id(&f->r);
    table_init(&f->t, family, &self, testing ? NODE_ID_ANY : NODE_ID_STRICT,
               15 * TIME_MIN, f->now);
}

static inline void init(struct fixture *f, bool testing)
{
    init_family(f, FAMILY_IPV4, testing);
}

static inline void deinit(struct fixture *f)
{
    table_check(&f->t);
    table_deinit(&f->t);
}

/* An address in a /24 of its own; private, so that any id goes. */
static inline struct endpoint nth_ep(unsigned n)
{
    return test_ep4(10, (uint8_t)(n >> 8), (uint8_t)n, 1, 6881);
}

/* The same in the table's family; private too, in a /32 of its own. */
static inline struct endpoint nth_ep_of(const struct fixture *f, unsigned n)
{
    struct endpoint ep = nth_ep(n);

    if (f->t.family == FAMILY_IPV6) {
        ep.family = FAMILY_IPV6;
        ep.addr[0] = 0xfd;
        ep.addr[15] = 1;
    }
    return ep;
}

static inline enum table_change answered(struct fixture *f, const struct id *id,
                                         const struct endpoint *ep)
{
    return table_answered(&f->t, id, ep, 10 * TIME_MS, f->now);
}

/* Nodes that share `bits` bits with us answer, from nth_ep(first) on. */
static inline void add_many(struct fixture *f, struct id *ids, unsigned first,
                            unsigned count, int bits)
{
    for (unsigned i = 0; i < count; i++) {
        struct endpoint ep = nth_ep(first + i);

        ids[i] = test_near_id(&f->r, &f->t.self, bits);
        assert_int_equal(answered(f, &ids[i], &ep), TABLE_ADDED);
    }
}

/* Two buckets: 8 far nodes (no common bit) and 1 near one. */
static inline void init_full(struct fixture *f, bool testing,
                             struct id far[DHT_K])
{
    struct id near;

    init(f, testing);
    add_many(f, far, 0, DHT_K, 0);
    add_many(f, &near, 100, 1, 1);
    assert_int_equal(f->t.bucket_count, 2);
}

static inline void unanswered(struct fixture *f, const struct id *id,
                              const struct endpoint *ep, int times)
{
    for (int i = 0; i < times; i++)
        table_failed(&f->t, id, ep, f->now);
}

static inline bool is_live(const struct fixture *f, const struct id *id)
{
    struct contact c;

    return table_find(&f->t, id, &c);
}

static inline void assert_same(const struct contact *a, const struct contact *b)
{
    assert_true(id_equal(&a->id, &b->id) && endpoint_equal(&a->ep, &b->ep));
    assert_memory_equal(&a->state, &b->state, sizeof(a->state));
}

/* The live contact with this id, which there must be. */
static inline struct contact live(const struct fixture *f, const struct id *id)
{
    struct contact c;

    assert_true(table_find(&f->t, id, &c));
    return c;
}

#endif

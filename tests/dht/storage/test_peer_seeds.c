/* SPDX-License-Identifier: MIT
 *
 * Who of the stored peers has all of it, and how that is told (BEP 33).
 */
#include "dht_data.h"

#include "base/timestamp.h"
#include "dht/storage/peer_swarm.h"
#include "dht/types/bloom.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LIFETIME (30 * TIME_MIN)

struct fixture {
    struct test_random r;
    struct random_source random;
    struct peer_store_config config;
    struct peer_store s;
    struct id hash;
    uint64_t now;
};

static void init(struct fixture *f, uint64_t now)
{
    f->r = test_seed(31);
    f->random = test_source(&f->r);
    f->config = (struct peer_store_config){1000, 10000, 1000, 200, LIFETIME};
    f->now = now;
    f->hash = test_random_id(&f->r);
    peer_store_init(&f->s, &f->config, NULL, &f->random, now);
}

/* Those with an even number are seeds; every third has IPv6. */
static struct endpoint nth(unsigned n)
{
    struct endpoint ep = test_ep("[2001:db8:1::]:1");

    if (n % 3 != 0)
        return test_ep4(9, (uint8_t)(n >> 8), (uint8_t)n, 1, 1);
    ep.addr[5] = (uint8_t)(n >> 8);
    ep.addr[6] = (uint8_t)n;
    return ep;
}

static void put(struct fixture *f, unsigned n, bool seed)
{
    struct endpoint ep = nth(n);

    assert_int_equal(peer_store_put(&f->s, &f->hash, &ep, seed, f->now), OK);
}

/* All peers of the hash, or those that are no seeds. */
static size_t sample(struct fixture *f, bool no_seeds, struct endpoint *out,
                     size_t max)
{
    size_t n = peer_store_sample(&f->s, &f->hash, FAMILY_IPV4, no_seeds,
                                 &f->random, out, max, f->now);

    return n + peer_store_sample(&f->s, &f->hash, FAMILY_IPV6, no_seeds,
                                 &f->random, out + n, max - n, f->now);
}

/* Asserts that of the first `count` the even ones are the seeds. */
static void check(struct fixture *f, unsigned count)
{
    uint8_t seeds[DHT_BLOOM_BYTES] = {0}, others[DHT_BLOOM_BYTES] = {0};
    uint8_t expected[2][DHT_BLOOM_BYTES] = {{0}};
    struct endpoint out[1000];

    assert_true(peer_store_scrape(&f->s, &f->hash, seeds, others, f->now));
    for (unsigned i = 0; i < count; i++) {
        struct endpoint ep = nth(i);

        bloom_insert(expected[i % 2], &ep);
    }
    assert_memory_equal(seeds, expected[0], sizeof(seeds));
    assert_memory_equal(others, expected[1], sizeof(others));
    assert_int_equal(sample(f, false, out, 1000), count);
    assert_int_equal(sample(f, true, out, 1000), count / 2);
    for (unsigned i = 0; i < count / 2; i++) {
        bool odd = false;

        for (unsigned n = 1; n < count; n += 2) {
            struct endpoint ep = nth(n);

            odd |= endpoint_equal(&ep, &out[i]);
        }
        assert_true(odd);
    }
}

static void test_peer_seeds_are_told_apart(void **state)
{
    uint8_t seeds[DHT_BLOOM_BYTES] = {0}, others[DHT_BLOOM_BYTES] = {0};
    struct endpoint one;
    struct fixture f;

    (void)state;
    init(&f, TIME_HOUR);
    assert_false(peer_store_scrape(&f.s, &f.hash, seeds, others, f.now));
    for (unsigned i = 0; i < 300; i++)
        put(&f, i, i % 2 == 0);
    check(&f, 300);
    /* As many as are wanted, though there are seeds between. */
    assert_int_equal(sample(&f, true, &one, 1), 1);
    peer_store_deinit(&f.s);
}

/* What was said last counts. */
static void test_peer_seeds_change(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, TIME_HOUR);
    for (unsigned i = 0; i < 100; i++)
        put(&f, i, i % 2 != 0);
    f.now += TIME_MIN;
    for (unsigned i = 0; i < 100; i++)
        put(&f, i, i % 2 == 0);
    check(&f, 100);
    assert_int_equal(f.s.peers, 100);
    peer_store_deinit(&f.s);
}

/* Wherever the count of steps stands, and whatever their length is changed
 * to. */
static void test_peer_seeds_age_as_others(void **state)
{
    const uint64_t unit = LIFETIME / PEER_STEPS + 1;
    const uint64_t starts[] = {TIME_HOUR,     unit * 0x7ffe, unit * 0x7fff,
                               unit * 0x8000, unit * 0xfffe, unit * 0x10000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        uint8_t seeds[DHT_BLOOM_BYTES] = {0}, others[DHT_BLOOM_BYTES] = {0};
        struct fixture f;

        init(&f, starts[i]);
        for (unsigned n = 0; n < 60; n++)
            put(&f, n, n % 2 == 0);
        f.now += 20 * TIME_MIN;
        check(&f, 60);
        f.config.lifetime = 50 * TIME_MIN;
        peer_store_configure(&f.s, &f.config);
        check(&f, 60);
        f.now += 29 * TIME_MIN;
        check(&f, 60);
        f.now += 2 * TIME_MIN;
        assert_false(peer_store_scrape(&f.s, &f.hash, seeds, others, f.now));
        peer_store_expire(&f.s, f.now);
        peer_store_deinit(&f.s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peer_seeds_are_told_apart),
        cmocka_unit_test(test_peer_seeds_change),
        cmocka_unit_test(test_peer_seeds_age_as_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

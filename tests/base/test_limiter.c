/* SPDX-License-Identifier: MIT */
#include "dht_data.h"
#include "fail_alloc.h"

#include "base/limiter.h"
#include "base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct limiter_config config(void)
{
    return (struct limiter_config){.rate = 1000000,
                                   .burst = 1000000,
                                   .source_rate = 10,
                                   .source_burst = 20,
                                   .max_sources = 1000};
}

static void init(struct limiter *l, const struct limiter_config *c)
{
    struct test_random r = test_seed(1);
    struct random_source random = test_source(&r);

    limiter_init(l, c, &random);
}

static unsigned allowed(struct limiter *l, const struct endpoint *ep,
                        unsigned tries, uint64_t now)
{
    unsigned count = 0;

    for (unsigned i = 0; i < tries; i++)
        count += limiter_allow(l, ep, now);
    return count;
}

static void test_token_bucket_counts_burst_and_rate(void **state)
{
    static const struct {
        unsigned rate, burst;
    } cases[] = {{1, 1}, {1, 5}, {10, 1}, {10, 20}, {1000, 3}, {7, 100}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct token_rate rate = token_rate_of(cases[i].rate, cases[i].burst);
        struct token_bucket b = {0};
        uint64_t now = TIME_HOUR;
        unsigned n = 0;

        while (token_bucket_take(&b, &rate, now))
            n++;
        assert_int_equal(n, cases[i].burst);
        assert_false(token_bucket_take(&b, &rate, now + rate.interval - 1));
        assert_true(token_bucket_take(&b, &rate, now + rate.interval));
        assert_false(token_bucket_take(&b, &rate, now + rate.interval));
        /* Filled up, and not above. */
        now += 1000 * TIME_S;
        for (n = 0; token_bucket_take(&b, &rate, now);)
            n++;
        assert_int_equal(n, cases[i].burst);
    }
}

static void test_token_bucket_survives_time_zero(void **state)
{
    struct token_rate rate = token_rate_of(1, 3);
    struct token_bucket b = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(token_bucket_take(&b, &rate, 0));
    assert_false(token_bucket_take(&b, &rate, 0));
}

static void test_limiter_limits_each_source(void **state)
{
    struct endpoint a = test_ep("192.0.2.1:1");
    struct endpoint b = test_ep("192.0.2.2:1");
    struct limiter_config c = config();
    struct limiter l;

    (void)state;
    init(&l, &c);
    assert_int_equal(allowed(&l, &a, 100, TIME_S), 20);
    a.port = 2;
    assert_int_equal(allowed(&l, &a, 100, TIME_S), 0);
    assert_int_equal(allowed(&l, &b, 100, TIME_S), 20);
    assert_int_equal(allowed(&l, &a, 100, 2 * TIME_S), 10);
    assert_int_equal(limiter_sources(&l, 2 * TIME_S), 2);
    assert_int_equal(limiter_sources(&l, TIME_HOUR), 0);
    limiter_deinit(&l);
}

static void test_limiter_takes_a_64_as_one_source(void **state)
{
    struct endpoint a = test_ep("[2001:db8:0:1::1]:1");
    struct endpoint same = test_ep("[2001:db8:0:1:ffff::2]:1");
    struct endpoint other = test_ep("[2001:db8:0:2::1]:1");
    struct endpoint zeros = test_ep("[2001:db8::1]:1");
    struct endpoint looks_like_it = test_ep4(0x20, 0x01, 0x0d, 0xb8, 1);
    struct limiter_config c = config();
    struct limiter l;

    (void)state;
    init(&l, &c);
    assert_int_equal(allowed(&l, &a, 100, TIME_S), 20);
    assert_int_equal(allowed(&l, &same, 100, TIME_S), 0);
    assert_int_equal(allowed(&l, &other, 100, TIME_S), 20);
    assert_int_equal(allowed(&l, &zeros, 100, TIME_S), 20);
    assert_int_equal(allowed(&l, &looks_like_it, 100, TIME_S), 20);
    limiter_deinit(&l);
}

/* Counts up the last bytes of an address, 64 hosts each time. */
static unsigned allowed_of_many(struct limiter *l, const char *first,
                                unsigned byte, uint64_t now)
{
    struct endpoint ep = test_ep(first);
    unsigned count = 0;

    for (uint8_t i = 0; i < 64; i++) {
        ep.addr[byte] = i;
        count += allowed(l, &ep, 100, now);
    }
    return count;
}

static void
test_limiter_limits_what_many_addresses_of_one_source_may(void **state)
{
    struct endpoint honest = test_ep("9.1.1.1:1");
    static const struct {
        const char *first;
        unsigned byte, hosts;
    } cases[] = {
        {"[2a00:1:2:300::]:1", 7, 2},  /* a line */
        {"[2a00:1:3::]:1", 6, 4},      /* a site */
        {"[2a01:1:2::]:1", 5, 16},     /* a network */
        {"8.1.1.0:1", 3, 4},           /* an IPv4 site */
        {"8.2.0.1:1", 2, 16},          /* an IPv4 network */
        {"8.0.0.1:1", 1, 64},          /* 64 networks */
        {"10.1.1.1:1", 3, 64},         /* our own network */
        {"[fd00:1:2:300::]:1", 7, 64}, /* the same */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct limiter_config c = config();
        struct limiter l;

        init(&l, &c);
        assert_int_equal(
            allowed_of_many(&l, cases[i].first, cases[i].byte, TIME_S),
            20 * cases[i].hosts);
        assert_int_equal(
            allowed_of_many(&l, cases[i].first, cases[i].byte, 2 * TIME_S),
            10 * cases[i].hosts);
        assert_int_equal(allowed(&l, &honest, 100, 2 * TIME_S), 20);
        limiter_deinit(&l);
    }
}

/* A network may do what half of all may, its hosts as much as one. */
static void test_limiter_leaves_half_to_other_networks(void **state)
{
    struct endpoint honest = test_ep("9.1.1.1:1");
    struct limiter_config c = config();
    struct limiter l;

    (void)state;
    c.rate = c.burst = 100;
    init(&l, &c);
    assert_int_equal(allowed_of_many(&l, "8.2.0.1:1", 2, TIME_S), 50);
    assert_int_equal(allowed(&l, &honest, 100, TIME_S), 20);
    limiter_deinit(&l);
}

/* A flood from made-up addresses takes from strangers only. */
static void test_limiter_keeps_something_for_the_known(void **state)
{
    struct endpoint friend = test_ep("9.1.1.1:1"), new = test_ep("9.2.1.1:1");
    struct limiter_config c = config();
    struct limiter l;
    unsigned count = 0;

    (void)state;
    c.rate = c.burst = 100;
    init(&l, &c);
    for (uint8_t i = 0; i < 200; i++) {
        struct endpoint ep = test_ep4(8, i, 0, 0, 1);

        count += limiter_allow(&l, &ep, TIME_S);
    }
    assert_int_equal(count, 100);
    assert_false(limiter_allow(&l, &new, TIME_S));
    count = 0;
    for (int i = 0; i < 100; i++)
        count += limiter_allow_known(&l, &friend, TIME_S);
    assert_int_equal(count, 20); /* its own limit holds */
    limiter_deinit(&l);
}

/* In a second, after a long rest. */
static unsigned rate_now(struct limiter *l, uint64_t *now)
{
    unsigned count = 0;

    *now += TIME_HOUR;
    for (unsigned i = 0; i < 10000; i++) {
        struct endpoint ep =
            test_ep4((uint8_t)(11 + i % 80), (uint8_t)(i / 80), 1, 1, 1);

        *now += TIME_S / 10000;
        count += limiter_allow(l, &ep, *now);
    }
    return count;
}

static void test_limiter_follows_the_load(void **state)
{
    struct limiter_config c = config();
    uint64_t now = TIME_S;
    struct limiter l;
    unsigned busy;

    (void)state;
    c.rate = 6400;
    c.burst = 10;
    init(&l, &c);
    assert_in_range(rate_now(&l, &now), 6300, 6500);
    for (int i = 0; i < 4; i++)
        limiter_load(&l, LIMITER_LOAD_MAX);
    busy = rate_now(&l, &now);
    assert_in_range(busy, 6400 * 81 / 256 - 50, 6400 * 81 / 256 + 50);
    limiter_load(&l, LIMITER_LOAD_MAX * 5 / 8); /* as it should be */
    assert_in_range(rate_now(&l, &now), busy - 5, busy + 5);
    for (int i = 0; i < 100; i++)
        limiter_load(&l, LIMITER_LOAD_MAX);
    assert_in_range(rate_now(&l, &now), 95, 115);
    for (int i = 0; i < 100; i++)
        limiter_load(&l, 0);
    assert_in_range(rate_now(&l, &now), 6300, 6500);
    limiter_deinit(&l);
}

static void test_limiter_limits_all_together(void **state)
{
    struct limiter_config c = config();
    struct limiter l;
    unsigned count = 0;

    (void)state;
    c.rate = 100;
    c.burst = 50;
    init(&l, &c);
    for (uint8_t i = 0; i < 200; i++) {
        struct endpoint ep = test_ep4(10, 0, 0, i, 1);

        count += limiter_allow(&l, &ep, TIME_S);
    }
    assert_int_equal(count, 50);
    for (uint8_t i = 0; i < 200; i++) {
        struct endpoint ep = test_ep4(10, 0, 1, i, 1);

        count += limiter_allow(&l, &ep, 2 * TIME_S);
    }
    assert_int_equal(count, 100); /* one second fills it up again */
    limiter_deinit(&l);
}

/* One who is refused takes nothing from the others. */
static void test_limiter_refusal_costs_the_others_nothing(void **state)
{
    struct endpoint loud = test_ep("192.0.2.1:1");
    struct endpoint quiet = test_ep("192.0.2.2:1");
    struct limiter_config c = config();
    struct limiter l;

    (void)state;
    c.rate = c.burst = 30;
    init(&l, &c);
    assert_int_equal(allowed(&l, &loud, 1000, TIME_S), 20);
    assert_int_equal(allowed(&l, &quiet, 10, TIME_S), 10);
    limiter_deinit(&l);
}

static void test_limiter_keeps_to_its_cap(void **state)
{
    static const unsigned caps[] = {1, 2, 7, 8, 9, 31, 32, 33, 100, 1000};
    struct limiter_config c = config();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        size_t slot = 16;
        struct limiter l;

        c.max_sources = caps[i];
        init(&l, &c);
        assert_int_equal(limiter_memory(&l), 0);
        for (unsigned n = 0; n < 5000; n++) {
            struct endpoint ep =
                test_ep4(10, 1, (uint8_t)(n >> 8), (uint8_t)n, 1);

            assert_true(limiter_allow(&l, &ep, TIME_S));
        }
        assert_in_range(limiter_sources(&l, TIME_S), 1, caps[i]);
        assert_true(limiter_sources(&l, TIME_S) * 2 > caps[i]);
        assert_in_range(limiter_memory(&l), slot, caps[i] * slot);
        limiter_deinit(&l);
    }
}

/* Sources come and go: those whose bucket is full again make room, and the
 * table stays small. */
static void test_limiter_reuses_idle_sources(void **state)
{
    struct limiter_config c = config();
    uint64_t now = TIME_S;
    struct limiter l;

    (void)state;
    c.max_sources = 100000;
    init(&l, &c);
    for (unsigned n = 0; n < 20000; n++) {
        struct endpoint ep = test_ep4(10, 1, (uint8_t)(n >> 8), (uint8_t)n, 1);

        now += 10 * TIME_MS;
        assert_true(limiter_allow(&l, &ep, now));
    }
    assert_in_range(limiter_memory(&l), 1, 16 * 128);
    limiter_deinit(&l);
}

/* A table that never fills up decides as one bucket per source would. */
static void test_limiter_agrees_with_a_model(void **state)
{
    enum { SOURCES = 300 };
    struct token_bucket model[SOURCES] = {{0}};
    struct test_random r = test_seed(7);
    struct limiter_config c = config();
    struct token_rate rate = token_rate_of(c.source_rate, c.source_burst);
    uint64_t now = 1;
    struct limiter l;

    (void)state;
    c.max_sources = 4096;
    init(&l, &c);
    for (int i = 0; i < 100000; i++) {
        unsigned n = test_random_below(&r, SOURCES);
        struct endpoint ep = test_ep4(10, 2, (uint8_t)(n >> 8), (uint8_t)n, 1);

        now += test_random_below(&r, 500000);
        assert_int_equal(limiter_allow(&l, &ep, now),
                         token_bucket_take(&model[n], &rate, now));
    }
    limiter_deinit(&l);
}

static void test_limiter_works_without_memory(void **state)
{
    struct limiter_config c = config();

    (void)state;
    for (unsigned n = 1;; n++) {
        struct limiter l;

        init(&l, &c);
        fail_alloc_at(n);
        for (unsigned i = 0; i < 300; i++) {
            struct endpoint ep =
                test_ep4(10, 3, (uint8_t)(i >> 8), (uint8_t)i, 1);

            assert_true(limiter_allow(&l, &ep, TIME_S));
        }
        limiter_deinit(&l);
        if (!fail_alloc_end())
            break;
        assert_true(n < 100);
    }
}

static void test_limiter_takes_new_limits(void **state)
{
    struct endpoint a = test_ep("192.0.2.1:1");
    struct limiter_config c = config();
    struct limiter l;

    (void)state;
    init(&l, &c);
    assert_int_equal(allowed(&l, &a, 100, TIME_S), 20);
    c.source_burst = 5;
    limiter_configure(&l, &c);
    assert_int_equal(allowed(&l, &a, 100, TIME_S), 5);
    limiter_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_bucket_counts_burst_and_rate),
        cmocka_unit_test(test_token_bucket_survives_time_zero),
        cmocka_unit_test(test_limiter_limits_each_source),
        cmocka_unit_test(test_limiter_takes_a_64_as_one_source),
        cmocka_unit_test(
            test_limiter_limits_what_many_addresses_of_one_source_may),
        cmocka_unit_test(test_limiter_leaves_half_to_other_networks),
        cmocka_unit_test(test_limiter_keeps_something_for_the_known),
        cmocka_unit_test(test_limiter_follows_the_load),
        cmocka_unit_test(test_limiter_limits_all_together),
        cmocka_unit_test(test_limiter_refusal_costs_the_others_nothing),
        cmocka_unit_test(test_limiter_keeps_to_its_cap),
        cmocka_unit_test(test_limiter_reuses_idle_sources),
        cmocka_unit_test(test_limiter_agrees_with_a_model),
        cmocka_unit_test(test_limiter_works_without_memory),
        cmocka_unit_test(test_limiter_takes_new_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

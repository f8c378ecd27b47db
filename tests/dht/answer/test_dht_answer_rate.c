/* SPDX-License-Identifier: MIT
 *
 * How much is answered, to one source and over all.
 */
#include "answer_fixture.h"

static unsigned answered(struct fixture *f, unsigned queries)
{
    unsigned n = 0;

    for (unsigned i = 0; i < queries; i++)
        n += ask(f, DHT_PING) != NULL;
    return n;
}

static void test_dht_answer_source_rate(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.h.config.source_rate = 10;
    f.h.config.source_burst = 50;
    harness_start(&f.h);
    assert_int_equal(answered(&f, 200), 50);
    assert_int_equal(dht_stats(f.h.d)->dropped[ERR_RATE_LIMITED], 150);
    f.h.now += TIME_S;
    assert_int_equal(answered(&f, 100), 10);
    /* Another port is the same source, another address is not. */
    f.ep.port++;
    assert_int_equal(answered(&f, 10), 0);
    f.ep.addr[3]++;
    assert_int_equal(answered(&f, 10), 10);
    harness_end(&f.h);
}

static void test_dht_answer_overall_rate(void **state)
{
    struct fixture f;
    unsigned n = 0;

    (void)state;
    init(&f);
    f.h.config.query_rate = 100;
    f.h.config.query_burst = 300;
    harness_start(&f.h);
    for (uint8_t i = 1; i < 200; i++) {
        f.ep.addr[3] = i;
        n += answered(&f, 5);
    }
    assert_int_equal(n, 300);
    harness_end(&f.h);
}

/* A flood from made-up sources fills no memory and makes us send little. */
static void test_dht_answer_flood_of_sources(void **state)
{
    struct dht_status status;
    struct fixture f;

    (void)state;
    init(&f);
    f.h.config.max_sources = 64;
    f.h.config.query_rate = f.h.config.query_burst = 1000000;
    harness_start(&f.h);
    for (unsigned i = 0; i < 3000; i++) {
        struct dht_message m;

        f.ep = test_ep4(10, 0, (uint8_t)(i >> 8), (uint8_t)i, 5);
        f.id = test_random_id(&f.random);
        harness_query(&m, DHT_PING, &f.id, NULL);
        assert_int_equal(harness_give(&f.h, &f.ep, &m), OK);
    }
    dht_status(f.h.d, f.h.now, &status);
    assert_true(status.sources <= 64);
    assert_true(status.cached[FAMILY_IPV4] <= DHT_K);
    assert_true(status.memory < 16384);
    harness_forget(&f.h);
    harness_run(&f.h, f.h.now + TIME_MIN);
    assert_true(harness_waiting(&f.h) <= 20);
    harness_end(&f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_answer_source_rate),
        cmocka_unit_test(test_dht_answer_overall_rate),
        cmocka_unit_test(test_dht_answer_flood_of_sources),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * How often, and what for: the numbers that come out against those that
 * should.
 */
#include "sim/part/dht/demand.h"

#include "../../sim_test.h"
#include "base/timestamp.h"

#include <string.h>

#define DRAWS 100000

/* Mean and variance of a Poisson distribution are the same. */
static void test_demand_arrivals_poisson(void **state)
{
    struct sim_rng r;
    uint64_t sum = 0, squares = 0;

    (void)state;
    sim_rng_init(&r, test_seed(), 0);
    for (int i = 0; i < DRAWS; i++) {
        unsigned n = demand_arrivals(&r, 2, 7200, TIME_S); /* 4 a second */

        sum += n;
        squares += (uint64_t)n * n;
    }
    assert_in_range(sum, DRAWS * 3.97, DRAWS * 4.03);
    assert_in_range(squares, DRAWS * 19.7, DRAWS * 20.3); /* 4 + 16 */
    assert_int_equal(demand_arrivals(&r, 0, 1000, TIME_HOUR), 0);
    assert_int_equal(demand_arrivals(&r, 1, 0, TIME_HOUR), 0);
}

static void count_draws(enum scenario_popularity how, double exponent,
                        unsigned count[10])
{
    struct popularity p;
    struct sim_rng r;

    sim_rng_init(&r, test_seed(), 1);
    memset(count, 0, 10 * sizeof(*count));
    assert_int_equal(popularity_init(&p, how, exponent, 10), OK);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t key = popularity_draw(&p, &r);

        assert_true(key < 10);
        count[key]++;
    }
    popularity_deinit(&p);
}

static void test_demand_uniform(void **state)
{
    unsigned count[10];

    (void)state;
    count_draws(POPULAR_UNIFORM, 1, count);
    for (int i = 0; i < 10; i++)
        assert_in_range(count[i], 9700, 10300);
}

/* Exponent 1: the harmonic number of 10 is 7381/2520. */
static void test_demand_zipf(void **state)
{
    unsigned count[10];

    (void)state;
    count_draws(POPULAR_ZIPF, 1, count);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t expected = DRAWS * 2520ULL / 7381 / (i + 1);

        assert_in_range(count[i], expected * 94 / 100, expected * 106 / 100);
    }
    count_draws(POPULAR_ZIPF, 2, count);
    assert_in_range(count[0], 3.9 * count[1], 4.1 * count[1]);
    assert_in_range(count[0], 8.6 * count[2], 9.4 * count[2]);
    count_draws(POPULAR_ZIPF, 0, count);
    for (int i = 0; i < 10; i++)
        assert_in_range(count[i], 9700, 10300);
}

static void test_demand_keys(void **state)
{
    struct id a, b;

    (void)state;
    demand_key(1, 0, &a);
    demand_key(1, 0, &b);
    assert_true(id_equal(&a, &b));
    demand_key(1, 1, &b);
    assert_false(id_equal(&a, &b));
    demand_key(2, 0, &b);
    assert_false(id_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_demand_arrivals_poisson),
        cmocka_unit_test(test_demand_uniform),
        cmocka_unit_test(test_demand_zipf),
        cmocka_unit_test(test_demand_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

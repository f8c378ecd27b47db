/* SPDX-License-Identifier: MIT
 *
 * Draws against what is known of each distribution: mean, quantiles, ends.
 */
#include "sim/chance/spread.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define DRAWS 100000
#define UNIT  UINT64_C(1000000)

static uint64_t drawn[DRAWS];

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Draws many and sorts them; returns their mean. */
static double draw_many(const struct spread *s)
{
    struct sim_rng r;
    double sum = 0;

    sim_rng_init(&r, 7, 0);
    for (int i = 0; i < DRAWS; i++) {
        drawn[i] = spread_draw(s, &r);
        assert_true(drawn[i] >= spread_least(s));
        sum += (double)drawn[i];
    }
    qsort(drawn, DRAWS, sizeof(drawn[0]), compare);
    return sum / DRAWS;
}

static void assert_near(double value, double truth, double tolerance)
{
    if (!(fabs(value - truth) <= tolerance * truth))
        fail_msg("%g, not %g", value, truth);
}

/* That the draws' quantiles are those of the function. */
static void assert_quantiles(const struct spread *s)
{
    for (double p = 0.05; p < 0.99; p += 0.05)
        assert_near((double)drawn[(int)(p * DRAWS)],
                    (double)spread_quantile(s, p), 0.03);
}

static void test_spread_exponential(void **state)
{
    struct spread s = {.kind = SPREAD_EXPONENTIAL, .a = UNIT};

    (void)state;
    assert_near(draw_many(&s), 1e6, 0.01);
    assert_near((double)spread_quantile(&s, 0.5), 1e6 * log(2), 1e-5);
    assert_near((double)spread_quantile(&s, 0.99), 1e6 * log(100), 1e-5);
    assert_quantiles(&s);
}

static void test_spread_weibull(void **state)
{
    struct spread s = {.kind = SPREAD_WEIBULL, .a = UNIT, .shape = 0.59};

    (void)state;
    assert_near(draw_many(&s), 1e6 * tgamma(1 + 1 / 0.59), 0.03);
    assert_near((double)spread_quantile(&s, 0.5), 1e6 * pow(log(2), 1 / 0.59),
                1e-5);
    assert_quantiles(&s);
    s.shape = 1; /* is exponential */
    assert_near(draw_many(&s), 1e6, 0.01);
}

static void test_spread_pareto(void **state)
{
    struct spread s = {.kind = SPREAD_PARETO, .a = UNIT, .shape = 3};

    (void)state;
    assert_near(draw_many(&s), 1.5e6, 0.02);
    assert_near((double)spread_quantile(&s, 0.5), 1e6 * pow(2, 1.0 / 3), 1e-5);
    assert_true(drawn[0] >= UNIT);
    assert_near((double)drawn[0], 1e6, 0.001);
    assert_int_equal(spread_least(&s), UNIT);
    assert_quantiles(&s);
}

static void test_spread_lognormal(void **state)
{
    struct spread s = {.kind = SPREAD_LOGNORMAL, .a = UNIT, .shape = 0.5};

    (void)state;
    assert_near(draw_many(&s), 1e6 * exp(0.125), 0.01);
    assert_int_equal(spread_quantile(&s, 0.5), UNIT);
    /* Its logarithm at one standard deviation. */
    assert_near((double)spread_quantile(&s, 0.5 * erfc(-1 / sqrt(2))),
                1e6 * exp(0.5), 1e-5);
    assert_quantiles(&s);
}

static void test_spread_uniform_reaches_both_ends(void **state)
{
    struct spread s = {.kind = SPREAD_UNIFORM, .a = 3, .b = 6};
    unsigned seen[7] = {0};

    (void)state;
    assert_near(draw_many(&s), 4.5, 0.01);
    for (int i = 0; i < DRAWS; i++) {
        assert_in_range(drawn[i], 3, 6);
        seen[drawn[i]]++;
    }
    for (int i = 3; i <= 6; i++)
        assert_near(seen[i], DRAWS / 4.0, 0.03);
    s = (struct spread){.kind = SPREAD_UNIFORM, .b = UINT64_MAX};
    assert_near(draw_many(&s), 9223372036854775808.0, 0.01);
    s = (struct spread){.kind = SPREAD_UNIFORM, .a = 5, .b = 5};
    assert_int_equal(spread_quantile(&s, 0.7), 5);
}

static void test_spread_fixed_and_forever_take_no_number(void **state)
{
    struct spread forever = {0};
    struct spread fixed = {.kind = SPREAD_FIXED, .a = 42};
    struct sim_rng r, same;

    (void)state;
    sim_rng_init(&r, 1, 1);
    same = r;
    assert_int_equal(spread_draw(&forever, &r), UINT64_MAX);
    assert_int_equal(spread_least(&forever), UINT64_MAX);
    assert_int_equal(spread_draw(&fixed, &r), 42);
    assert_int_equal(spread_least(&fixed), 42);
    assert_int_equal(sim_rng_next(&r), sim_rng_next(&same));
}

static void test_spread_is_cut_at_what_fits(void **state)
{
    struct spread s = {
        .kind = SPREAD_PARETO, .a = UINT64_MAX / 2, .shape = 0.1};

    (void)state;
    assert_int_equal(spread_quantile(&s, 0.99), UINT64_MAX);
    s = (struct spread){.kind = SPREAD_LOGNORMAL, .a = UNIT, .shape = 1000};
    assert_int_equal(spread_quantile(&s, 0.999), UINT64_MAX);
    assert_int_equal(spread_quantile(&s, 0.001), 0);
    s = (struct spread){.kind = SPREAD_EXPONENTIAL, .a = 0};
    assert_int_equal(spread_quantile(&s, 0.999), 0);
}

/* Of every kind one sum, the same on every machine. */
static void test_spread_draws_are_the_same_everywhere(void **state)
{
    const struct spread all[] = {
        {.kind = SPREAD_UNIFORM, .a = 1, .b = UNIT},
        {.kind = SPREAD_EXPONENTIAL, .a = UINT64_C(3600000000000)},
        {.kind = SPREAD_WEIBULL, .a = UINT64_C(3600000000000), .shape = 0.5},
        {.kind = SPREAD_PARETO, .a = UINT64_C(3600000000000), .shape = 1.5},
        {.kind = SPREAD_LOGNORMAL, .a = UINT64_C(36000000000), .shape = 0.7},
    };
    uint64_t sum = 0;
    struct sim_rng r;

    (void)state;
    sim_rng_init(&r, 11, 3);
    for (int n = 0; n < 1000; n++)
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
            sum = sum * 31 + spread_draw(&all[i], &r);
    assert_int_equal(sum, UINT64_C(0xb05d2731e87ceb39));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spread_exponential),
        cmocka_unit_test(test_spread_weibull),
        cmocka_unit_test(test_spread_pareto),
        cmocka_unit_test(test_spread_lognormal),
        cmocka_unit_test(test_spread_uniform_reaches_both_ends),
        cmocka_unit_test(test_spread_fixed_and_forever_take_no_number),
        cmocka_unit_test(test_spread_is_cut_at_what_fits),
        cmocka_unit_test(test_spread_draws_are_the_same_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

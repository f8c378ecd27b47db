/* SPDX-License-Identifier: MIT */
#include "base/patience.h"

#include "base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define UNKNOWN (700 * TIME_MS)

static void test_patience_unknown(void **state)
{
    const struct patience p = {0};

    (void)state;
    assert_int_equal(patience_overdue(&p, UNKNOWN), UNKNOWN);
}

static void test_patience_learns(void **state)
{
    struct patience p = {.late = 3};

    (void)state;
    patience_learn(&p, 100 * TIME_MS);
    assert_int_equal(p.late, 0);
    assert_int_equal(p.mean, 100 * TIME_MS);
    assert_int_equal(patience_overdue(&p, UNKNOWN), 150 * TIME_MS);
    /* Those that take the same time are not waited for much longer. */
    for (unsigned i = 0; i < 30; i++)
        patience_learn(&p, 100 * TIME_MS);
    assert_in_range(patience_overdue(&p, UNKNOWN), 100 * TIME_MS,
                    101 * TIME_MS);
    /* One that took long moves it an eighth. */
    patience_learn(&p, 900 * TIME_MS);
    assert_in_range(p.mean, 199 * TIME_MS, 201 * TIME_MS);
    assert_in_range(patience_overdue(&p, UNKNOWN), 299 * TIME_MS,
                    301 * TIME_MS);
}

/* Times that it was said until `end`. */
static unsigned said_until(uint64_t pause, uint64_t end)
{
    struct asking a;
    unsigned said = 1;
    uint64_t now = TIME_S;

    asking_begin(&a, pause, now);
    while (a.again_at <= now + end - (now - a.since)) {
        now = a.again_at;
        asking_again(&a, now);
        said++;
        assert_int_equal(a.repeats, said - 1);
        assert_int_equal(a.said_at, now);
    }
    return said;
}

static void test_asking_bounds(void **state)
{
    struct asking a;

    (void)state;
    asking_begin(&a, 0, TIME_S);
    assert_int_equal(a.again_at, TIME_S + ASKING_PAUSE_MIN);
    asking_begin(&a, TIME_HOUR, TIME_S);
    assert_int_equal(a.again_at, TIME_S + ASKING_PAUSE_MAX);
    asking_again(&a, a.again_at);
    assert_int_equal(a.again_at, TIME_S + 2 * ASKING_PAUSE_MAX);
}

/* As often as answers take, and no flood when it is far too often. */
static void test_asking_is_no_flood(void **state)
{
    (void)state;
    assert_int_equal(said_until(TIME_S, 8 * TIME_S), 9);
    assert_int_equal(said_until(100 * TIME_MS, 800 * TIME_MS), 9);
    assert_in_range(said_until(100 * TIME_MS, 8 * TIME_S), 25, 30);
    assert_in_range(said_until(0, 8 * TIME_S), 32, 37);
    assert_in_range(said_until(0, TIME_MIN), 60, 75); /* each 2 s in the end */
}

static void test_asking_learns_what_is_sure(void **state)
{
    struct patience p = {0};
    struct asking a;

    (void)state;
    asking_begin(&a, 100 * TIME_MS, TIME_S);
    asking_learn(&a, &p, TIME_S + 80 * TIME_MS);
    assert_int_equal(p.mean, 80 * TIME_MS);
    asking_again(&a, a.again_at);
    asking_learn(&a, &p, TIME_S + 110 * TIME_MS);
    assert_int_equal(p.mean, 80 * TIME_MS);
}

static void test_asking_guesses(void **state)
{
    struct patience p = {0};
    struct asking a;

    (void)state;
    /* Nothing is known: the first one. */
    asking_begin(&a, 100 * TIME_MS, TIME_S);
    asking_again(&a, TIME_S + 100 * TIME_MS);
    asking_guess(&a, &p, TIME_S + 160 * TIME_MS);
    assert_int_equal(p.mean, 160 * TIME_MS);
    /* The last one, unless that is too fast to be true. */
    p = (struct patience){.mean = 80 * TIME_MS};
    asking_guess(&a, &p, TIME_S + 180 * TIME_MS);
    assert_int_equal(p.mean, 80 * TIME_MS);
    asking_guess(&a, &p, TIME_S + 120 * TIME_MS);
    assert_int_equal(p.mean, (7 * 80 + 120) * TIME_MS / 8);
    /* The network may be slower than was learned. */
    p = (struct patience){.mean = 80 * TIME_MS, .late = 1};
    asking_guess(&a, &p, TIME_S + 160 * TIME_MS);
    assert_int_equal(p.mean, 90 * TIME_MS);
    assert_int_equal(p.late, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience_unknown),
        cmocka_unit_test(test_patience_learns),
        cmocka_unit_test(test_asking_bounds),
        cmocka_unit_test(test_asking_is_no_flood),
        cmocka_unit_test(test_asking_learns_what_is_sure),
        cmocka_unit_test(test_asking_guesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "node/os/clock_watch.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DAY 86400

static void test_clock_watch_first_run(void **state)
{
    struct clock_watch w;

    (void)state;
    clock_watch_init(&w, 0);
    assert_int_equal(clock_watch_note(&w, 1000, 0), 0);
    assert_int_equal(w.latest, 1000);
}

static void test_clock_watch_day_back(void **state)
{
    struct clock_watch w;

    (void)state;
    clock_watch_init(&w, 10 * DAY);
    assert_int_equal(clock_watch_note(&w, 9 * DAY, 0), DAY);
    assert_int_equal(clock_watch_note(&w, 9 * DAY + 5, 5 * TIME_S), DAY - 5);
    assert_int_equal(w.latest, 10 * DAY);
    /* set right */
    assert_int_equal(clock_watch_note(&w, 10 * DAY + 10, 10 * TIME_S), 0);
    assert_int_equal(w.latest, 10 * DAY + 10);
}

static void test_clock_watch_tolerance(void **state)
{
    struct clock_watch w;

    (void)state;
    clock_watch_init(&w, 1000);
    assert_int_equal(clock_watch_note(&w, 1000 - CLOCK_WATCH_TOLERANCE, 0), 0);
    assert_int_equal(clock_watch_note(&w, 999 - CLOCK_WATCH_TOLERANCE, 0),
                     CLOCK_WATCH_TOLERANCE + 1);
}

/* The earlier time was the wrong one: nobody wants to hear of it for years. */
static void test_clock_watch_believes_in_the_end(void **state)
{
    struct clock_watch w;

    (void)state;
    clock_watch_init(&w, 1000 * DAY);
    assert_int_not_equal(clock_watch_note(&w, DAY, 0), 0);
    assert_int_not_equal(clock_watch_note(&w, DAY, CLOCK_WATCH_PATIENCE - 1),
                         0);
    assert_int_equal(clock_watch_note(&w, DAY, CLOCK_WATCH_PATIENCE), 0);
    assert_int_equal(w.latest, DAY);
}

/* Others know better: at once, not after an hour. */
static void test_clock_watch_believes_others(void **state)
{
    struct clock_watch w;

    (void)state;
    clock_watch_init(&w, 10000 * DAY);
    assert_int_not_equal(clock_watch_note(&w, DAY, 0), 0);
    clock_watch_believe(&w, DAY);
    assert_int_equal(clock_watch_note(&w, DAY, 1), 0);
    clock_watch_believe(&w, DAY - CLOCK_WATCH_TOLERANCE); /* that is nothing */
    assert_int_equal(w.latest, DAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_watch_first_run),
        cmocka_unit_test(test_clock_watch_day_back),
        cmocka_unit_test(test_clock_watch_tolerance),
        cmocka_unit_test(test_clock_watch_believes_in_the_end),
        cmocka_unit_test(test_clock_watch_believes_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "base/meter.h"
#include "base/timestamp.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START (1000 * TIME_S)

static void test_meter_of_a_steady_stream(void **state)
{
    struct meter m = {0};
    uint64_t now = START;

    (void)state;
    assert_int_equal(meter_rate(&m, now), 0);
    for (unsigned i = 0; i < 200; i++, now += TIME_S / 10) {
        if (i >= 100) /* 10 s */
            assert_in_range(meter_rate(&m, now), 990, 1010);
        meter_add(&m, 100, now);
    }
}

static void test_meter_forgets_after_a_pause(void **state)
{
    struct meter m = {0};

    (void)state;
    meter_add(&m, 5000, START);
    assert_int_equal(meter_rate(&m, START), 1000);
    assert_in_range(meter_rate(&m, START + 6 * TIME_S), 700, 1000);
    assert_int_equal(meter_rate(&m, START + 10 * TIME_S), 0);
    assert_int_equal(meter_rate(&m, START + 1000 * TIME_S), 0);
    meter_add(&m, 500, START + 1000 * TIME_S);
    assert_int_equal(meter_rate(&m, START + 1000 * TIME_S), 100);
}

static void test_meter_before_its_window(void **state)
{
    struct meter m = {0};

    (void)state;
    meter_add(&m, 500, START);
    assert_int_equal(meter_rate(&m, START - TIME_S), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meter_of_a_steady_stream),
        cmocka_unit_test(test_meter_forgets_after_a_pause),
        cmocka_unit_test(test_meter_before_its_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

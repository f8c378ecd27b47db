/* SPDX-License-Identifier: MIT */
#include "sim/report/interval.h"
#include "testing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NEAR(a, b, by) assert_true(fabs((a) - (b)) <= (by))

/* By hand: the deviations from 10 are -2, -1, 0, 1 and 2. */
static void test_interval_of_a_worked_example(void **state)
{
    const double values[] = {8, 9, 10, 11, 12};
    struct interval in = interval_of(values, 5);

    (void)state;
    /* s = sqrt(10 / 4), t(4) = 2.776: 2.776 * sqrt(2.5 / 5) */
    NEAR(in.mean, 10, 1e-12);
    NEAR(in.half, 1.962928424, 1e-8);
    assert_int_equal(in.count, 5);
}

static void test_interval_of_few(void **state)
{
    const double values[] = {3, 5};
    struct interval none = interval_of(values, 0), one = interval_of(values, 1),
                    two = interval_of(values, 2);

    (void)state;
    assert_int_equal(none.count, 0);
    NEAR(none.mean, 0, 0);
    NEAR(one.mean, 3, 0);
    NEAR(one.half, 0, 0);
    NEAR(two.half, 12.706, 1e-9);
}

static void test_interval_student_falls(void **state)
{
    (void)state;
    NEAR(interval_student(1), 12.706, 0);
    NEAR(interval_student(10), 2.228, 0);
    NEAR(interval_student(30), 2.042, 0);
    NEAR(interval_student(1000), 1.980, 0);
    for (size_t i = 2; i < 300; i++)
        assert_true(interval_student(i) <= interval_student(i - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval_of_a_worked_example),
        cmocka_unit_test(test_interval_of_few),
        cmocka_unit_test(test_interval_student_falls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

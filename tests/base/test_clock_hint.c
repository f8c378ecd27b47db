/* SPDX-License-Identifier: MIT */
#include "base/clock_hint.h"

#include "base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DAY   UINT64_C(86400)
#define TODAY (UINT64_C(20000) * DAY)
#define NOW   (1000 * TIME_S)

static void add(struct clock_hint *h, uint8_t who, uint64_t issued)
{
    uint8_t identity[32] = {who};

    clock_hint_add(h, identity, issued, NOW);
}

static void test_clock_hint_nobody(void **state)
{
    struct clock_hint h = {0};

    (void)state;
    assert_int_equal(clock_hint_behind(&h, 0, NOW), 0);
    assert_int_equal(clock_hint_behind(&h, UINT64_MAX, NOW), 0);
}

static void test_clock_hint_1970(void **state)
{
    struct clock_hint h = {0};

    (void)state;
    add(&h, 1, TODAY - 600);
    add(&h, 2, TODAY - 60);
    assert_int_equal(clock_hint_behind(&h, 50, NOW), TODAY - 60 - 50);
    /* Time goes on for them too. */
    assert_int_equal(clock_hint_behind(&h, 50, NOW + 30 * TIME_S),
                     TODAY - 30 - 50);
    assert_int_equal(clock_hint_behind(&h, TODAY, NOW), 0);
    /* Issued ten minutes ago is as good. */
    add(&h, 1, TODAY - 600);
    assert_int_equal(clock_hint_behind(&h, TODAY, NOW), 0);
}

static void test_clock_hint_ahead(void **state)
{
    struct clock_hint h = {0};

    (void)state;
    add(&h, 1, TODAY - 3600);
    add(&h, 2, TODAY - 60);
    add(&h, 3, TODAY - 7200);
    assert_int_equal(clock_hint_behind(&h, TODAY + 10 * DAY, NOW),
                     -(int64_t)(10 * DAY - CLOCK_HINT_AGE + 3600));
}

/* One whose own clock is behind does not make ours wrong. */
static void test_clock_hint_one_of_two_is_late(void **state)
{
    struct clock_hint h = {0};

    (void)state;
    add(&h, 1, TODAY - 5000);
    add(&h, 2, TODAY - 60);
    assert_int_equal(clock_hint_behind(&h, TODAY, NOW), 0);
    add(&h, 2, TODAY - 5000);
    assert_int_equal(clock_hint_behind(&h, TODAY, NOW),
                     -(int64_t)(5000 - CLOCK_HINT_AGE));
}

static void test_clock_hint_a_third_may_lie(void **state)
{
    struct clock_hint h = {0};

    (void)state;
    for (uint8_t i = 0; i < 9; i++)
        add(&h, i, i < 3 ? TODAY + 1000 * DAY : TODAY - 60);
    assert_int_equal(clock_hint_behind(&h, TODAY, NOW), 0);
    add(&h, 3, TODAY + 1000 * DAY); /* one more is one too many */
    assert_true(clock_hint_behind(&h, TODAY, NOW) > 0);
}

/* One that tells often is one witness, and new ones replace the oldest. */
static void test_clock_hint_witnesses(void **state)
{
    struct clock_hint h = {0};

    (void)state;
    for (uint8_t i = 0; i < CLOCK_HINT_WITNESSES; i++)
        add(&h, i, TODAY);
    for (unsigned i = 0; i < 100; i++)
        add(&h, 0, TODAY + 1000 * DAY);
    assert_int_equal(clock_hint_behind(&h, TODAY, NOW), 0);
    for (uint8_t i = 100; i < 100 + CLOCK_HINT_WITNESSES; i++)
        add(&h, i, TODAY + DAY);
    assert_int_equal(clock_hint_behind(&h, TODAY, NOW), DAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_hint_nobody),
        cmocka_unit_test(test_clock_hint_1970),
        cmocka_unit_test(test_clock_hint_ahead),
        cmocka_unit_test(test_clock_hint_one_of_two_is_late),
        cmocka_unit_test(test_clock_hint_a_third_may_lie),
        cmocka_unit_test(test_clock_hint_witnesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "tunnel/circuit/lost_relays.h"

#include "base/timestamp.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t *identity(unsigned n)
{
    static uint8_t list[32][32];

    memset(list[n], (int)n + 1, 32);
    return list[n];
}

static void test_lost_relays_are_forgotten(void **state)
{
    struct lost_relays l = {0};
    uint8_t list[LOST_MAX][32];
    uint64_t now = TIME_HOUR;

    (void)state;
    assert_int_equal(lost_relays_list(&l, now, list), 0);
    lost_relays_note(&l, identity(1), now);
    lost_relays_note(&l, identity(2), now + TIME_S);
    assert_true(lost_relays_has(&l, identity(1), now + LOST_LIFE - 1));
    assert_false(lost_relays_has(&l, identity(3), now));
    assert_int_equal(lost_relays_list(&l, now + TIME_S, list), 2);
    assert_false(lost_relays_has(&l, identity(1), now + LOST_LIFE));
    assert_int_equal(lost_relays_list(&l, now + LOST_LIFE, list), 1);
    assert_memory_equal(list[0], identity(2), 32);
}

/* Who says so again and again does not keep one away. */
static void test_lost_relays_said_again(void **state)
{
    struct lost_relays l = {0};
    uint64_t now = TIME_HOUR;

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        lost_relays_note(&l, identity(1), now + i * LOST_LIFE / 10);
    assert_false(lost_relays_has(&l, identity(1), now + LOST_LIFE));
}

static void test_lost_relays_since(void **state)
{
    struct lost_relays l = {0};
    uint64_t now = TIME_HOUR;

    (void)state;
    lost_relays_note(&l, identity(1), now);
    assert_true(lost_relays_since(&l, identity(1), now - 1, now + 1));
    assert_false(lost_relays_since(&l, identity(1), now + 1, now + 1));
    assert_false(lost_relays_since(&l, identity(2), now - 1, now + 1));
    assert_false(lost_relays_since(&l, identity(1), 0, now + LOST_LIFE));
}

/* The last one is said first, and any may be forgotten before its time. */
static void test_lost_relays_last_first(void **state)
{
    struct lost_relays l = {0};
    uint8_t list[LOST_MAX][32];
    uint64_t now = TIME_HOUR;

    (void)state;
    for (unsigned i = 0; i < 4; i++) /* two and two of one time */
        lost_relays_note(&l, identity(i), now + i / 2);
    assert_int_equal(lost_relays_list(&l, now + 2, list), 4);
    assert_memory_equal(list[0], identity(2), 32);
    assert_memory_equal(list[1], identity(3), 32);
    assert_memory_equal(list[2], identity(0), 32);
    lost_relays_forget(&l, identity(2));
    lost_relays_forget(&l, identity(5));
    assert_false(lost_relays_has(&l, identity(2), now + 2));
    assert_int_equal(lost_relays_list(&l, now + 2, list), 3);
    assert_memory_equal(list[0], identity(3), 32);
}

/* With more than are noted the others stay. */
static void test_lost_relays_are_few(void **state)
{
    struct lost_relays l = {0};
    uint8_t list[LOST_MAX][32];
    uint64_t now = TIME_HOUR;

    (void)state;
    for (unsigned i = 0; i < 2 * LOST_MAX; i++)
        lost_relays_note(&l, identity(i), now);
    assert_int_equal(lost_relays_list(&l, now, list), LOST_MAX);
    for (unsigned i = 0; i < 2 * LOST_MAX; i++)
        assert_int_equal(lost_relays_has(&l, identity(i), now), i < LOST_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_relays_are_forgotten),
        cmocka_unit_test(test_lost_relays_said_again),
        cmocka_unit_test(test_lost_relays_since),
        cmocka_unit_test(test_lost_relays_last_first),
        cmocka_unit_test(test_lost_relays_are_few),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

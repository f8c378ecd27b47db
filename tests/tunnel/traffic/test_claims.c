/* SPDX-License-Identifier: MIT */
#include "tunnel/traffic/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HOPS 3

static bool is_seven(const void *arg, uint32_t circuit)
{
    (void)arg;
    return circuit == 7;
}

static void test_claims_keep_keys_apart(void **state)
{
    struct claims cs;

    (void)state;
    claims_init(&cs);
    assert_true(claims_allow(&cs, 1, 5));
    assert_non_null(claims_take(&cs, 1, HOPS, 5, TIME_S));
    assert_true(claims_allow(&cs, 1, 5));
    assert_false(claims_allow(&cs, 1, 6));
    claims_drop(&cs, 1);
    assert_true(claims_allow(&cs, 1, 6));
    assert_int_equal(cs.count, 0);
    claims_deinit(&cs);
}

static void test_claims_grow(void **state)
{
    struct claims cs;

    (void)state;
    claims_init(&cs);
    for (uint32_t i = 1; i <= 100; i++)
        assert_non_null(claims_take(&cs, i, HOPS, i % 3, i));
    for (uint32_t i = 1; i <= 100; i++) {
        assert_int_equal(claims_find(&cs, i)->isolation, i % 3);
        assert_int_equal(claims_find(&cs, i)->used_at, i);
    }
    claims_deinit(&cs);
}

/* What rests longest, of other keys and as many hops, and is of no use. */
static void test_claims_spare(void **state)
{
    uint64_t now = 100 * TIME_S;
    struct claims cs;

    (void)state;
    claims_init(&cs);
    claims_take(&cs, 7, HOPS, 1, 10 * TIME_S);
    claims_take(&cs, 2, HOPS, 1, 20 * TIME_S);
    claims_take(&cs, 3, HOPS, 1, 30 * TIME_S)->users = 1;
    claims_take(&cs, 4, HOPS - 1, 1, TIME_S);
    claims_take(&cs, 5, HOPS, 9, TIME_S);
    assert_int_equal(claims_spare(&cs, HOPS, 9, is_seven, NULL, now), 2);
    assert_int_equal(claims_spare(&cs, HOPS, 9, NULL, NULL, now), 7);
    claims_take(&cs, 7, HOPS, 1, now - CLAIM_RESTS + 1);
    claims_take(&cs, 2, HOPS, 1, now);
    assert_int_equal(claims_spare(&cs, HOPS, 9, NULL, NULL, now), 0);
    claims_deinit(&cs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims_keep_keys_apart),
        cmocka_unit_test(test_claims_grow),
        cmocka_unit_test(test_claims_spare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "base/table/slot_table.h"

#include "fail_alloc.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void fill(void *ctx, void *buf, size_t len)
{
    test_random_fill(ctx, buf, len);
}

static void test_slot_table_against_a_model(void **state)
{
    struct test_random random = test_seed(41);
    struct random_source source = {.ctx = &random, .fill = fill};
    struct slot_table t;
    uint32_t given[100];
    int things[100];
    size_t n = 0;

    (void)state;
    slot_table_init(&t, COUNT_OF(given), &source);
    for (int i = 0; i < 20000; i++) {
        uint32_t index = 0;

        if (test_random_below(&random, 2) == 0) {
            enum error e = slot_table_add(&t, &things[n % 100], &index);

            if (n == COUNT_OF(given)) {
                assert_int_equal(e, ERR_FULL);
                continue;
            }
            assert_int_equal(e, OK);
            assert_int_not_equal(index, 0);
            for (size_t k = 0; k < n; k++)
                assert_int_not_equal(given[k], index);
            given[n] = index;
            assert_ptr_equal(slot_table_find(&t, index), &things[n]);
            n++;
        } else if (n > 0) {
            n--;
            slot_table_remove(&t, given[n]);
            assert_null(slot_table_find(&t, given[n]));
        }
        assert_int_equal(t.count, n);
        for (size_t k = 0; k < n; k++)
            assert_ptr_equal(slot_table_find(&t, given[k]), &things[k]);
    }
    slot_table_deinit(&t);
}

static void test_slot_table_finds_nothing_by_a_made_up_index(void **state)
{
    struct test_random random = test_seed(42);
    struct random_source source = {.ctx = &random, .fill = fill};
    static const uint32_t bad[] = {0, 1, 15, 16, UINT32_MAX, 1u << SLOT_BITS};
    struct slot_table t;
    uint32_t index, again;
    int thing, other;

    (void)state;
    slot_table_init(&t, 4, &source);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(slot_table_find(&t, bad[i]));
    assert_int_equal(slot_table_add(&t, &thing, &index), OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(slot_table_find(&t, bad[i]));
    for (int bit = 0; bit < 32; bit++)
        assert_null(slot_table_find(&t, index ^ UINT32_C(1) << bit));
    /* The slot is the same, the index is not. */
    slot_table_remove(&t, index);
    assert_int_equal(slot_table_add(&t, &other, &again), OK);
    assert_int_not_equal(index, again);
    assert_null(slot_table_find(&t, index));
    slot_table_deinit(&t);
}

static void test_slot_table_without_memory(void **state)
{
    struct test_random random = test_seed(43);
    struct random_source source = {.ctx = &random, .fill = fill};
    struct slot_table t;
    uint32_t index = 7;
    int thing;

    (void)state;
    slot_table_init(&t, 4, &source);
    fail_alloc_at(1);
    assert_int_equal(slot_table_add(&t, &thing, &index), ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
    assert_int_equal(index, 7);
    assert_int_equal(slot_table_add(&t, &thing, &index), OK);
    slot_table_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slot_table_against_a_model),
        cmocka_unit_test(test_slot_table_finds_nothing_by_a_made_up_index),
        cmocka_unit_test(test_slot_table_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

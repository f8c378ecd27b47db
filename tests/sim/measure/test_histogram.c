/* SPDX-License-Identifier: MIT */
#include "sim/measure/histogram.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_histogram_buckets_are_narrow(void **state)
{
    (void)state;
    for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
        uint64_t least = histogram_least(b), most = histogram_most(b);

        assert_int_equal(histogram_bucket(least), b);
        assert_int_equal(histogram_bucket(most), b);
        assert_true(most - least <= least / 32);
        if (b > 0)
            assert_true(histogram_most(b - 1) + 1 == least);
    }
    assert_true(histogram_most(63) == 63);
    assert_true(histogram_most(HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void test_histogram_ranks_as_a_sorted_list(void **state)
{
    struct test_random r = test_seed(11);
    struct histogram h = {0};
    static uint64_t list[3000];
    uint64_t rank;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        list[i] = test_random_next(&r) >> test_random_below(&r, 64);
        assert_true(histogram_add(&h, histogram_bucket(list[i]), 1));
    }
    qsort(list, COUNT_OF(list), sizeof(list[0]), compare);
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        size_t bucket = histogram_bucket(list[i]);

        rank = i + 1;
        assert_int_equal(histogram_rank(&h, &rank), bucket);
        assert_true(rank >= 1 && rank <= histogram_count(&h, bucket));
        assert_true(i + 1 == rank || histogram_bucket(list[i - rank]) < bucket);
    }
    rank = COUNT_OF(list) + 1;
    assert_int_equal(histogram_rank(&h, &rank), HISTOGRAM_BUCKETS);
    histogram_clear(&h);
    assert_int_equal(histogram_next(&h, 0), HISTOGRAM_BUCKETS);
    for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++)
        assert_true(histogram_count(&h, b) == 0);
    histogram_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram_buckets_are_narrow),
        cmocka_unit_test(test_histogram_ranks_as_a_sorted_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

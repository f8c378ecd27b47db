/* SPDX-License-Identifier: MIT */
#include "fail_alloc.h"
#include "measures_data.h"
#include "testing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct measures *begun(void)
{
    struct measures *m = measures_new(TIME_MIN);

    assert_non_null(m);
    measures_begin(m, 0);
    return m;
}

static void test_measures_rows_are_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < MEASURES; i++) {
        const struct measure_row *row = &measure_rows[i];

        assert_non_null(row->name);
        assert_true(strlen(row->title) > 0 && strlen(row->title) <= 40);
        assert_true(row->meaning[strlen(row->meaning) - 1] == '.');
        assert_true(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_") ==
                    strlen(row->name));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(row->name, measure_rows[j].name);
    }
}

static void test_measures_warm_up_is_not_counted(void **state)
{
    struct measures *m = measures_new(TIME_MIN);
    struct measure_summary s;

    (void)state;
    assert_non_null(m);
    measure_value(m, M_LOOKUP_HOPS, 3);
    measure_count(m, M_LOST, 1);
    assert_int_equal(measures_sample(m, 5), OK);
    assert_false(measure_is_used(m, M_LOOKUP_HOPS));
    assert_int_equal(measures_samples(m), 0);
    measures_begin(m, TIME_HOUR);
    measure_value(m, M_LOOKUP_HOPS, 4);
    assert_int_equal(measures_sample(m, TIME_HOUR + TIME_MIN), OK);
    assert_true(measures_time(m, 0) == TIME_MIN);
    measure_summarize(m, M_LOOKUP_HOPS, MEASURE_TOTAL, &s);
    assert_true(s.count == 1 && s.sum == 4 && s.median == 4);
    assert_true(measure_is_used(m, M_LOOKUP_HOPS));
    assert_false(measure_is_used(m, M_LOST));
    measures_free(m);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The value of that rank, but for a thirty-second. */
static void check_quantile(const uint64_t *sorted, size_t count,
                           unsigned percent, uint64_t got)
{
    uint64_t right = sorted[(count * percent + 99) / 100 - 1];

    assert_true(got <= right + right / 32 && got >= right - right / 32);
    assert_true(got >= sorted[0] && got <= sorted[count - 1]);
}

static void test_measures_quantiles_as_a_sorted_list(void **state)
{
    struct test_random r = test_seed(5);
    static uint64_t list[997];
    uint64_t sum = 0, value, count, all = 0;

    (void)state;
    for (size_t n = 1; n <= COUNT_OF(list); n += 1 + n / 3) {
        struct measures *m = begun();
        struct measure_summary s, sample;

        sum = all = 0;
        for (size_t i = 0; i < n; i++) {
            list[i] = test_random_next(&r) >> (16 + test_random_below(&r, 48));
            sum += list[i];
            measure_value(m, M_LOOKUP_TIME, list[i]);
        }
        assert_int_equal(measures_sample(m, TIME_MIN), OK);
        qsort(list, n, sizeof(list[0]), compare);
        measure_summarize(m, M_LOOKUP_TIME, MEASURE_TOTAL, &s);
        measure_summarize(m, M_LOOKUP_TIME, 0, &sample);
        assert_memory_equal(&s, &sample, sizeof(s));
        assert_true(s.count == n && s.sum == sum);
        assert_true(s.least == list[0] && s.most == list[n - 1]);
        check_quantile(list, n, 50, s.median);
        check_quantile(list, n, 90, s.p90);
        check_quantile(list, n, 99, s.p99);
        for (size_t i = 0; measure_bucket(m, M_LOOKUP_TIME, i, &value, &count);
             i++) {
            all += count;
            assert_true(list[all - 1] <= value);
            assert_true(all == n || list[all] > value);
        }
        assert_true(all == n);
        measures_free(m);
    }
}

static void test_measures_small_values_are_exact(void **state)
{
    struct measures *m = begun();
    struct measure_summary s;

    (void)state;
    for (uint64_t v = 1; v <= 100; v++)
        measure_value(m, M_LOOKUP_MESSAGES, v % 50);
    measure_summarize(m, M_LOOKUP_MESSAGES, MEASURE_TOTAL, &s);
    assert_true(s.median == 24 && s.p90 == 44 && s.p99 == 49);
    assert_true(s.least == 0 && s.most == 49);
    measures_free(m);
}

static void test_measures_level_is_the_last_of_a_sample(void **state)
{
    struct measures *m = begun();
    struct measure_summary s;

    (void)state;
    measure_level(m, M_NODES, 10);
    measure_level(m, M_NODES, 20);
    assert_int_equal(measures_sample(m, TIME_MIN), OK);
    assert_int_equal(measures_sample(m, 2 * TIME_MIN), OK);
    measure_level(m, M_NODES, 5);
    assert_int_equal(measures_sample(m, 3 * TIME_MIN), OK);
    measure_summarize(m, M_NODES, 0, &s);
    assert_true(s.count == 1 && s.sum == 20);
    measure_summarize(m, M_NODES, 1, &s);
    assert_true(s.count == 0 && s.sum == 0);
    measure_summarize(m, M_NODES, MEASURE_TOTAL, &s);
    assert_true(s.count == 2 && s.sum == 25 && s.least == 5 && s.most == 20);
    measure_summarize(m, M_NODES, 17, &s);
    assert_true(s.count == 0);
    measures_free(m);
}

static void test_measures_shares_curves_and_reasons(void **state)
{
    struct measures *m = begun();
    struct measure_summary s;
    uint64_t hits, count;

    (void)state;
    measure_share(m, M_LOOKUP_SUCCESS, 2, 3);
    measure_share(m, M_LOOKUP_SUCCESS, 1, 1);
    measure_summarize(m, M_LOOKUP_SUCCESS, MEASURE_TOTAL, &s);
    assert_true(s.hits == 3 && s.count == 4);
    measure_curve(m, M_PEER_FINDABLE, 7, 1, 2);
    measure_curve(m, M_PEER_FINDABLE, 7, 1, 1);
    measure_curve(m, M_PEER_FINDABLE, UINT64_MAX, 0, 1);
    measure_at(m, M_PEER_FINDABLE, 7, &hits, &count);
    assert_true(hits == 2 && count == 3);
    measure_at(m, M_PEER_FINDABLE, MEASURE_CURVE_MAX - 1, &hits, &count);
    assert_true(hits == 0 && count == 1);
    measure_at(m, M_PEER_FINDABLE, MEASURE_CURVE_MAX, &hits, &count);
    assert_true(hits == 0 && count == 0);
    measure_reason(m, M_CIRCUIT_FAILURES, 2);
    measure_reason(m, M_CIRCUIT_FAILURES, 2);
    measure_reason(m, M_CIRCUIT_FAILURES, 1000);
    measure_at(m, M_CIRCUIT_FAILURES, 2, &hits, &count);
    assert_true(count == 2);
    measure_at(m, M_CIRCUIT_FAILURES, MEASURE_REASONS_MAX - 1, &hits, &count);
    assert_true(count == 1);
    measure_summarize(m, M_CIRCUIT_FAILURES, MEASURE_TOTAL, &s);
    assert_true(s.count == 3);
    assert_string_equal(measure_reason_name(2), "timeout");
    assert_string_equal(measure_reason_name(1000), "unknown");
    measures_free(m);
}

static void check_same(const struct measures *a, const struct measures *b)
{
    struct text x, y;

    text_init(&x, 10000000);
    text_init(&y, 10000000);
    measures_write(a, &x);
    measures_write(b, &y);
    assert_string_equal(text_get(&x), text_get(&y));
    text_deinit(&x);
    text_deinit(&y);
}

/* Runs added up are what one run would have counted. */
static void test_measures_added_are_the_sum(void **state)
{
    struct measures *one = begun(), *sum = begun(), *all = begun();
    struct test_random r = test_seed(8), again;

    (void)state;
    for (unsigned sample = 1; sample <= 3; sample++) {
        again = r;
        for (int i = 0; i < 100; i++)
            count_something(sample == 2 ? one : sum, &r);
        for (int i = 0; i < 100; i++)
            count_something(all, &again);
        assert_int_equal(measures_sample(all, sample * TIME_MIN), OK);
        assert_int_equal(measures_sample(one, sample * TIME_MIN), OK);
        if (sample < 3)
            assert_int_equal(measures_sample(sum, sample * TIME_MIN), OK);
    }
    assert_int_equal(measures_sample(sum, 3 * TIME_MIN), OK);
    assert_int_equal(measures_add(sum, one), OK);
    check_same(sum, all);
    measures_free(one);
    measures_free(sum);
    measures_free(all);
}

/* The other way round, of runs of different lengths, in the same samples. */
static void test_measures_adding_commutes(void **state)
{
    struct measures *m[2][2];
    struct measure_summary a, b;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_random r = {77};

        for (int j = 0; j < 2; j++) {
            m[i][j] = measures_new(TIME_MIN);
            assert_non_null(m[i][j]);
            count_samples(m[i][j], &r, j == 0 ? 2 : 5, 60);
        }
    }
    measure_summarize(m[0][0], M_LOOKUP_TIME, 1, &a);
    measure_summarize(m[0][1], M_LOOKUP_TIME, 1, &b);
    assert_int_equal(measures_add(m[0][0], m[0][1]), OK);
    assert_int_equal(measures_add(m[1][1], m[1][0]), OK);
    check_same(m[0][0], m[1][1]);
    assert_int_equal(measures_samples(m[0][0]), 5);
    b.count += a.count;
    measure_summarize(m[0][0], M_LOOKUP_TIME, 1, &a);
    assert_true(a.count == b.count);
    for (int i = 0; i < 4; i++)
        measures_free(m[i / 2][i % 2]);
}

static void test_measures_units(void **state)
{
    (void)state;
    assert_true(fabs(measure_shown(M_LOOKUP_TIME, 1500000000) - 1.5) < 1e-12);
    assert_string_equal(measure_unit_name(M_LOOKUP_TIME), "s");
    assert_true(fabs(measure_shown(M_UPKEEP_BYTES, 2500000) - 2.5) < 1e-12);
    assert_string_equal(measure_unit_name(M_UPKEEP_BYTES), "bytes/s");
    assert_true(fabs(measure_shown(M_TABLE_NODES, 90500) - 90.5) < 1e-12);
    assert_string_equal(measure_unit_name(M_LOOKUP_HOPS), "");
}

/* Without memory a sample says so, and what is there can be read and freed. */
static void test_measures_out_of_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct test_random r = {3};
        struct measure_summary s;
        struct measures *m, *more = begun();
        enum error e = ERR_NO_MEMORY;

        measure_value(more, M_LOOKUP_TIME, 100);
        assert_int_equal(measures_sample(more, TIME_MIN), OK);
        fail_alloc_at(n);
        m = measures_new(TIME_MIN);
        if (m != NULL) {
            measures_begin(m, 0);
            for (int i = 0; i < 10; i++)
                count_something(m, &r);
            e = measures_sample(m, TIME_MIN);
            if (e == OK)
                e = measures_add(m, more);
        }
        if (!fail_alloc_end()) {
            assert_int_equal(e, OK);
            measures_free(m);
            measures_free(more);
            break;
        }
        assert_int_equal(e, ERR_NO_MEMORY);
        if (m != NULL)
            measure_summarize(m, M_LOOKUP_TIME, MEASURE_TOTAL, &s);
        measures_free(m);
        measures_free(more);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures_rows_are_complete),
        cmocka_unit_test(test_measures_warm_up_is_not_counted),
        cmocka_unit_test(test_measures_quantiles_as_a_sorted_list),
        cmocka_unit_test(test_measures_small_values_are_exact),
        cmocka_unit_test(test_measures_level_is_the_last_of_a_sample),
        cmocka_unit_test(test_measures_shares_curves_and_reasons),
        cmocka_unit_test(test_measures_added_are_the_sum),
        cmocka_unit_test(test_measures_adding_commutes),
        cmocka_unit_test(test_measures_units),
        cmocka_unit_test(test_measures_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

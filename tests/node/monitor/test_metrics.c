/* SPDX-License-Identifier: MIT */
#include "node/monitor/metrics.h"

#include "testing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct text page;
static struct metrics m;

static int setup(void **state)
{
    (void)state;
    text_init(&page, 4096);
    metrics_init(&m, &page);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&page);
    return 0;
}

static void test_metrics_family_and_samples(void **state)
{
    struct metric_label labels[] = {{"family", "ipv4"}, {"reason", "token"}};

    (void)state;
    metrics_gauge(&m, "warren_nodes", "Nodes.", 7);
    metrics_family(&m, "warren_dropped_total", METRIC_COUNTER,
                   "Dropped, by reason.");
    metrics_labelled(&m, "reason", "too_long", UINT64_MAX);
    metrics_sample(&m, labels, 2, 0);
    metrics_counter(&m, "warren_sent_total", "Sent.", 1);
    assert_string_equal(
        text_get(&page),
        "# HELP warren_nodes Nodes.\n# TYPE warren_nodes gauge\n"
        "warren_nodes 7\n"
        "# HELP warren_dropped_total Dropped, by reason.\n"
        "# TYPE warren_dropped_total counter\n"
        "warren_dropped_total{reason=\"too_long\"} 18446744073709551615\n"
        "warren_dropped_total{family=\"ipv4\",reason=\"token\"} 0\n"
        "# HELP warren_sent_total Sent.\n# TYPE warren_sent_total counter\n"
        "warren_sent_total 1\n");
}

static void test_metrics_label_values_are_escaped(void **state)
{
    static const struct {
        const char *value, *line;
    } cases[] = {
        {"", "x{l=\"\"} 1\n"},
        {"a b", "x{l=\"a b\"} 1\n"},
        {"a\"b", "x{l=\"a\\\"b\"} 1\n"},
        {"a\\b\\", "x{l=\"a\\\\b\\\\\"} 1\n"},
        {"\na\n", "x{l=\"\\na\\n\"} 1\n"},
        {"\xc3\xbc", "x{l=\"\xc3\xbc\"} 1\n"},
    };

    (void)state;
    metrics_family(&m, "x", METRIC_GAUGE, "X.");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        text_clear(&page);
        metrics_labelled(&m, "l", cases[i].value, 1);
        assert_string_equal(text_get(&page), cases[i].line);
    }
}

static void test_metrics_doubles(void **state)
{
    static const struct {
        double value;
        const char *line;
    } cases[] = {
        {0, "x 0\n"},
        {0.25, "x 0.25\n"},
        {-1e300, "x -1.0000000000000001e+300\n"},
        {(double)INFINITY, "x +Inf\n"},
        {-(double)INFINITY, "x -Inf\n"},
        {(double)NAN, "x NaN\n"},
    };

    (void)state;
    metrics_family(&m, "x", METRIC_GAUGE, "X.");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        text_clear(&page);
        metrics_double(&m, cases[i].value);
        assert_string_equal(text_get(&page), cases[i].line);
    }
}

struct numbers {
    uint64_t sent;
    uint64_t ended[3];
    bool ok;
    unsigned way[2];
    size_t memory;
};

static const char *ended_name(int i)
{
    static const char *const names[] = {"none", "age", "idle"};

    return names[i];
}

static void test_metrics_rows_of_a_struct(void **state)
{
    static const struct metric_row rows[] = {
        {"sent_total", "Sent.", METRIC_AT(struct numbers, sent)},
        {"ended_total", "Ended.",
         METRIC_EACH(struct numbers, ended, "reason", 1, ended_name)},
        {"ok", "Is it?", METRIC_AT(struct numbers, ok)},
        {"cells", "Cells.", METRIC_AT(struct numbers, way[0]), .label = "way",
         .value = "up"},
        {"cells", "", METRIC_AT(struct numbers, way[1]), .label = "way",
         .value = "down"},
        {"memory", "Bytes.", METRIC_AT(struct numbers, memory)},
    };
    struct numbers n = {.sent = UINT64_MAX,
                        .ended = {7, 8, 9},
                        .ok = true,
                        .way = {UINT32_MAX, 2},
                        .memory = 3};

    (void)state;
    METRICS_ROWS(&m, rows, &n);
    assert_string_equal(
        text_get(&page),
        "# HELP sent_total Sent.\n# TYPE sent_total counter\n"
        "sent_total 18446744073709551615\n"
        "# HELP ended_total Ended.\n# TYPE ended_total counter\n"
        "ended_total{reason=\"age\"} 8\nended_total{reason=\"idle\"} 9\n"
        "# HELP ok Is it?\n# TYPE ok gauge\nok 1\n"
        "# HELP cells Cells.\n# TYPE cells gauge\n"
        "cells{way=\"up\"} 4294967295\ncells{way=\"down\"} 2\n"
        "# HELP memory Bytes.\n# TYPE memory gauge\nmemory 3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metrics_family_and_samples, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_metrics_label_values_are_escaped,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics_doubles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics_rows_of_a_struct, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "report_data.h"
#include "sim/report/figure.h"
#include "sim/report/scale.h"
#include "sim/report/swept.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OUT_MAX 10000000

static struct made_up x;

static void test_report_numbers_for_people(void **state)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {{0, "0"},         {3, "3"},           {0.4567, "0.457"},
                 {1.2345, "1.23"}, {12.345, "12.3"},   {123.45, "123"},
                 {99.97, "100"},   {1234.5, "1234"},   {12345, "12,345"},
                 {-5, "-5"},       {0.55 * 100, "55"}, {1e6, "1,000,000"}};
    struct text t;

    (void)state;
    text_init(&t, 100);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        text_clear(&t);
        scale_print(cases[i].number, &t);
        assert_string_equal(text_get(&t), cases[i].text);
    }
    text_clear(&t);
    scale_print_interval(&(struct interval){3, 0.98765, 0.0123},
                         (struct scale){100, "%"}, &t);
    assert_string_equal(text_get(&t), "98.8 +-1.2");
    text_deinit(&t);
}

static void test_report_numbers_for_programs(void **state)
{
    struct text t;

    (void)state;
    text_init(&t, 200);
    figure_print_value(M_LOOKUP_TIME, 1500000000, &t);
    text_add(&t, " ");
    figure_print_value(M_LOOKUP_TIME, 7, &t);
    text_add(&t, " ");
    figure_print_value(M_LOOKUP_TIME, UINT64_MAX, &t);
    text_add(&t, " ");
    figure_print_value(M_LOOKUP_HOPS, 12, &t);
    text_add(&t, " ");
    figure_print_share(1, 3, &t);
    assert_string_equal(text_get(&t), "1.5 0.000000007 18446744073.709551615 "
                                      "12 0.333333333");
    text_deinit(&t);
}

static void test_report_swept_numbers(void **state)
{
    static const struct {
        const char *value;
        double number; /* negative: words */
    } cases[] = {{"5%", 0.05}, {"0.5%", 0.005}, {"1000", 1000},
                 {"10m", 600}, {"1.5h", 5400},  {"250ms", 0.25},
                 {"2k", 2048}, {"yes", -1},     {"exponential 1h", -1},
                 {"", -1},     {"5 %", -1},     {"1e5", -1},
                 {"-1", -1},   {"inf", -1}};
    double number;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        number = -1;
        assert_int_equal(swept_number(cases[i].value, UNIT_ONE, &number),
                         cases[i].number >= 0);
        assert_true(fabs(number - cases[i].number) < 1e-9);
    }
    assert_true(swept_number("10m", UNIT_BYTES, &number));
    assert_true(fabs(number - 10485760) < 1e-9);
}

static void test_report_points_are_runs_of_one_value(void **state)
{
    struct figure f = {.what = M_LOOKUP_SUCCESS, .kind = FIGURE_SHARE};
    double values[3];
    struct interval in, again;

    (void)state;
    made_up_init(&x, 2, 3, 4);
    assert_int_equal(report_points(&x.report), 2);
    assert_int_equal(report_point_end(&x.report, 0), 3);
    assert_int_equal(report_point_end(&x.report, 3), 6);
    for (size_t i = 0; i < 3; i++)
        assert_true(figure_value(x.measures[i], &f, MEASURE_TOTAL, &values[i]));
    in = report_interval(&x.report, 0, 3, &f);
    again = interval_of(values, 3);
    assert_true(fabs(in.mean - again.mean) < 1e-15);
    assert_true(fabs(in.half - again.half) < 1e-15);
    made_up_deinit(&x);
}

static void check_columns(const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        if (len > 80)
            fail_msg("%zu columns: %.*s", len, (int)len, text);
        assert_true(len == 0 || text[len - 1] != ' ');
        text += len + (text[len] == '\n');
    }
}

static void test_report_summary_is_within_80_columns(void **state)
{
    static const unsigned shapes[][2] = {{1, 1}, {1, 5}, {3, 5}, {12, 1}};
    struct text t;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        text_init(&t, OUT_MAX);
        made_up_init(&x, shapes[i][0], shapes[i][1], 30);
        x.report.sweep[0] = "a.key_that_is_much_longer_than_usual";
        report_summary(&x.report, &t);
        assert_false(t.truncated);
        check_columns(text_get(&t));
        assert_non_null(strstr(text_get(&t), "lookup"));
        assert_non_null(strstr(text_get(&t), "\nServices\n"));
        made_up_deinit(&x);
        text_deinit(&t);
    }
}

/* What nobody counted has no line, and a group without any no title. */
static void test_report_summary_is_of_what_was_measured(void **state)
{
    struct measures *m = measures_new(TIME_MIN);
    struct report_run run = {.seed = 7, .measures = m};
    struct report r = {
        .title = "t", .dht = "mainline", .run_count = 1, .runs = &run};
    struct text t;

    (void)state;
    assert_non_null(m);
    measures_begin(m, 0);
    measure_share(m, M_LOOKUP_SUCCESS, 3, 4);
    measure_share(m, M_ITEM_SUCCESS, 0, 0);
    text_init(&t, OUT_MAX);
    report_summary(&r, &t);
    assert_string_equal(text_get(&t),
                        "t\n1 run, seed 7, settings \n"
                        "DHT: mainline\n"
                        "1 run ended early: the figures are of what was done.\n"
                        "\nDHT\n"
                        "  lookups that succeed                  75 % of 4\n"
                        "  gets of items that succeed            none\n");
    measures_free(m);
    text_deinit(&t);
}

/* Lookups of which so many of ten succeed, each of so many hops and ms. */
static struct measures *ten_lookups(unsigned succeed, unsigned hops,
                                    unsigned ms)
{
    struct measures *m = measures_new(TIME_MIN);

    assert_non_null(m);
    measures_begin(m, 0);
    measure_share(m, M_LOOKUP_SUCCESS, succeed, 10);
    for (unsigned i = 0; i < 10; i++) {
        measure_value(m, M_LOOKUP_HOPS, hops);
        measure_value(m, M_LOOKUP_TIME, ms * TIME_MS);
    }
    measure_curve(m, M_PEER_FINDABLE, 5, succeed, 10);
    measure_curve(m, M_PEER_FINDABLE, 90, succeed / 2, 10);
    return m;
}

/* 4.303 * 0.1 / sqrt(3) is 0.248. */
static void test_report_summary_of_repetitions(void **state)
{
    struct report_run runs[3] = {
        {.seed = 4, .measures = ten_lookups(5, 3, 100), .complete = true},
        {.seed = 5, .measures = ten_lookups(6, 3, 200), .complete = true},
        {.seed = 6, .measures = ten_lookups(7, 4, 300), .complete = true}};
    struct report r = {
        .title = "x.ini", .hash = "0123456789abcdef", .run_count = 3};
    struct text t;

    (void)state;
    r.runs = runs;
    text_init(&t, OUT_MAX);
    report_summary(&r, &t);
    assert_string_equal(
        text_get(&t),
        "x.ini\n3 runs, seeds 4 to 6, settings 0123456789ab\n"
        "After +-: half of the 95 % interval of the mean of the "
        "repetitions.\n"
        "\nDHT\n"
        "  lookups that succeed                  60.0 +-24.8 % of 10 each\n"
        "  hops of a lookup                      3.33 +-1.43 mean, "
        "3.33 / 3.33 / 3.33\n"
        "  time of a lookup                      200 +-248 / 200 / 200 ms of "
        "10 each\n"
        "  announced peers that can be found     60.0 +-24.8 % after 5 min\n"
        "                                        26.7 +-14.3 % after 90 min\n"
        "\nDistributions: median / 90th / 99th percentile, after the "
        "mean of counts.\n");
    for (size_t i = 0; i < 3; i++)
        measures_free((struct measures *)(uintptr_t)runs[i].measures);
    text_deinit(&t);
}

static void test_report_summary_of_a_sweep(void **state)
{
    struct report_run runs[2] = {
        {.seed = 1, .measures = ten_lookups(9, 3, 100), .value = {"0%"}},
        {.seed = 1, .measures = ten_lookups(6, 4, 2500), .value = {"10%"}}};
    struct report r = {.title = "x.ini",
                       .hash = "0123456789abcdef",
                       .sweeps = 1,
                       .sweep = {"network.loss"},
                       .run_count = 2};
    struct text t;

    (void)state;
    r.runs = runs;
    runs[0].complete = runs[1].complete = true;
    text_init(&t, OUT_MAX);
    report_summary(&r, &t);
    assert_string_equal(
        text_get(&t),
        "x.ini\n2 runs of 2 points, seed 1, settings 0123456789ab\n"
        "\nDHT\n"
        "              lookups\n"
        "                 that\n"
        "              succeed          hops of a lookup "
        "     time of a lookup\n"
        "                       mean  median  90th  99th "
        " median   90th   99th\n"
        "network.loss        %                           "
        "      s      s      s\n"
        "0%                 90     3       3     3     3 "
        "  0.100  0.100  0.100\n"
        "10%                60     4       4     4     4 "
        "   2.50   2.50   2.50\n"
        "\n"
        "DHT\n"
        "                  announced\n"
        "                 peers that\n"
        "               can be found\n"
        "              5 min  90 min\n"
        "network.loss      %       %\n"
        "0%               90      40\n"
        "10%              60      30\n");
    for (size_t i = 0; i < 2; i++)
        measures_free((struct measures *)(uintptr_t)runs[i].measures);
    text_deinit(&t);
}

static int python(const char *script, const char *dir)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        execl("/usr/bin/python3", "python3", "-c", script, dir, (char *)NULL);
        _exit(127);
    }
    assert_true(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char read_back[] =
    "import csv, json, sys\n"
    "d = sys.argv[1] + '/'\n"
    "t = {n: list(csv.DictReader(open(d + n + '.csv', newline=''),\n"
    "                            strict=True))\n"
    "     for n in ('samples totals values curves reasons lookups').split()}\n"
    "for rows in t.values():\n"
    "    assert rows and all(None not in r and None not in r.values()\n"
    "                        for r in rows)\n"
    "j = json.load(open(d + 'report.json'))\n"
    "assert len(t['totals']) == len(j['runs']) == 6\n"
    "assert len(t['samples']) == 6 * 4\n"
    "assert {r['key, \"odd\"'] for r in t['values']} == {'0', '0.05', '0.1'}\n"
    "for row, run in zip(t['totals'], j['runs']):\n"
    "    total = run['total']\n"
    "    assert int(row['seed']) == run['seed']\n"
    "    assert float(row['key, \"odd\"']) == run['values']['key, \"odd\"']\n"
    "    assert float(row['lookup_time_p90']) == total['lookup_time']['p90']\n"
    "    assert float(row['lookup_success']) == \\\n"
    "        total['lookup_success']['share']\n"
    "    assert int(row['datagrams']) == total['datagrams'] == \\\n"
    "        sum(s['datagrams'] for s in run['samples'])\n"
    "    counts = [r for r in t['values'] if r['seed'] == row['seed']\n"
    "              and r['key, \"odd\"'] == row['key, \"odd\"']\n"
    "              and r['measure'] == 'lookup_time']\n"
    "    assert sum(int(r['count']) for r in counts) == \\\n"
    "        int(row['lookup_time_count'])\n"
    "    assert counts[-1]['share'] == '1'\n"
    "    assert counts[-1]['value'] == row['lookup_time_most']\n"
    "p = j['points']\n"
    "assert len(p) == 3 and p[0]['runs'] == 2\n"
    "i = p[1]['intervals']['lookup_hops_mean']\n"
    "assert i['low'] <= i['mean'] <= i['high']\n"
    "assert set(j['measures']) >= {'nodes', 'peer_findable', 'member_time'}\n";

static void write_json(const struct report *r, const char *dir)
{
    char path[200];
    struct text t;
    FILE *f;

    text_init(&t, OUT_MAX);
    report_json(r, &t);
    assert_false(t.truncated);
    snprintf(path, sizeof(path), "%s/report.json", dir);
    f = fopen(path, "we");
    assert_non_null(f);
    fputs(text_get(&t), f);
    assert_int_equal(fclose(f), 0);
    text_deinit(&t);
}

static void remove_dir(const char *dir)
{
    assert_int_equal(
        python("import shutil, sys\nshutil.rmtree(sys.argv[1])", dir), 0);
}

static void test_report_files_are_read_by_others(void **state)
{
    char dir[] = "/tmp/warren-report-XXXXXX", inner[64];
    struct text why;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(inner, sizeof(inner), "%s/new", dir);
    text_init(&why, 500);
    made_up_init(&x, 3, 2, 4);
    x.report.sweep[0] = "key, \"odd\"";
    assert_int_equal(report_csv(&x.report, inner, &why), OK);
    assert_int_equal(report_csv(&x.report, inner, &why), OK);
    write_json(&x.report, inner);
    assert_int_equal(python(read_back, inner), 0);
    snprintf(inner, sizeof(inner), "%s/new/totals.csv", dir);
    assert_int_equal(report_csv(&x.report, inner, &why), ERR_IO);
    assert_non_null(strstr(text_get(&why), "totals.csv"));
    made_up_deinit(&x);
    text_deinit(&why);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_numbers_for_people),
        cmocka_unit_test(test_report_numbers_for_programs),
        cmocka_unit_test(test_report_swept_numbers),
        cmocka_unit_test(test_report_points_are_runs_of_one_value),
        cmocka_unit_test(test_report_summary_is_within_80_columns),
        cmocka_unit_test(test_report_summary_is_of_what_was_measured),
        cmocka_unit_test(test_report_summary_of_repetitions),
        cmocka_unit_test(test_report_summary_of_a_sweep),
        cmocka_unit_test(test_report_files_are_read_by_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

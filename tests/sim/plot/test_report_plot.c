/* SPDX-License-Identifier: MIT */
#include "../report/report_data.h"
#include "sim/plot/report_plot.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static struct made_up x;
static char dir[] = "/tmp/warren-plot-XXXXXX";

static void path_of(const char *name, char path[400])
{
    snprintf(path, 400, "%s/%s", dir, name);
}

/* A file of `dir`; the caller frees. */
static uint8_t *read_file(const char *name, size_t *size)
{
    uint8_t *bytes = malloc((1 << 20) + 1);
    char path[400];
    FILE *f;

    assert_non_null(bytes);
    path_of(name, path);
    f = fopen(path, "re");
    if (f == NULL)
        fail_msg("there is no %s", name);
    *size = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

static bool is_there(const char *name)
{
    char path[400];

    path_of(name, path);
    return access(path, F_OK) == 0;
}

static void check_png(const char *name)
{
    size_t size;
    uint8_t *png = read_file(name, &size);

    assert_true(size > 1000 && memcmp(png, "\x89PNG", 4) == 0);
    free(png);
}

/* Without gnuplot the test is skipped. */
static void plot(const struct report *r)
{
    struct text why;
    enum error e;

    text_init(&why, 500);
    e = report_plot(r, dir, &why);
    if (e == ERR_NOT_FOUND) {
        printf("skipped: %s\n", text_get(&why));
        text_deinit(&why);
        made_up_deinit(&x);
        skip();
    }
    if (e != OK)
        fail_msg("%s", text_get(&why));
    text_deinit(&why);
}

/* Few measures: each picture takes a tenth of a second. */
static void count_few(struct measures *m, unsigned run)
{
    struct test_random r = {run + 1};

    measures_begin(m, 0);
    for (unsigned i = 1; i <= 3; i++) {
        for (unsigned n = 0; n < 30; n++) {
            measure_share(m, M_LOOKUP_SUCCESS, test_random_below(&r, 10) > run,
                          1);
            measure_value(m, M_LOOKUP_HOPS, 2 + test_random_below(&r, 4));
            measure_curve(m, M_PEER_FINDABLE, i, test_random_below(&r, 5) > run,
                          1);
        }
        measure_reason(m, M_CIRCUIT_FAILURES, i);
        assert(measures_sample(m, i * TIME_MIN) == OK);
    }
}

/* Two points of two runs. */
static void few_init(void)
{
    made_up_init(&x, 2, 2, 0);
    for (unsigned i = 0; i < 4; i++) {
        measures_free(x.measures[i]);
        x.measures[i] = measures_new(TIME_MIN);
        assert_non_null(x.measures[i]);
        count_few(x.measures[i], i / 2);
        x.runs[i].measures = x.measures[i];
    }
    x.report.title = "it's `id`.ini";
}

static void test_report_plot_draws_what_was_measured(void **state)
{
    static const char *const names[] = {"time_lookup_success.png",
                                        "sweep_lookup_success.png",
                                        "cdf_lookup_hops.png",
                                        "sweep_lookup_hops.png",
                                        "age_peer_findable.png",
                                        "reasons_circuit_failures.png",
                                        "sweep_circuit_failures.png",
                                        "lookup_0.png",
                                        "lookup_1.png"};
    uint8_t *scripts[COUNT_OF(names)], *pictures[COUNT_OF(names)], *again;
    size_t size[COUNT_OF(names)], length[COUNT_OF(names)], n;
    char script[100];

    (void)state;
    few_init();
    plot(&x.report);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        check_png(names[i]);
        pictures[i] = read_file(names[i], &size[i]);
        snprintf(script, sizeof(script), "%.*s.gp", (int)(strlen(names[i]) - 4),
                 names[i]);
        scripts[i] = read_file(script, &length[i]);
    }
    assert_false(is_there("cdf_lookup_time.gp"));
    assert_false(is_there("lookup_2.gp"));
    made_up_deinit(&x);
    /* The same again is the same bytes. */
    few_init();
    plot(&x.report);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        again = read_file(names[i], &n);
        assert_int_equal(n, size[i]);
        assert_memory_equal(again, pictures[i], n);
        free(again);
        snprintf(script, sizeof(script), "%.*s.gp", (int)(strlen(names[i]) - 4),
                 names[i]);
        again = read_file(script, &n);
        assert_int_equal(n, length[i]);
        assert_memory_equal(again, scripts[i], n);
        free(again);
        free(scripts[i]);
        free(pictures[i]);
    }
    made_up_deinit(&x);
}

/* Swept times of one distribution are an axis; of several ones they are not. */
static void test_report_plot_sweeps_a_distribution(void **state)
{
    static char mean[2][20] = {"exponential 10m", "exponential 1h"};
    const char *script = "sweep_lookup_success.gp";
    uint8_t *text;
    char path[400];
    size_t size;

    (void)state;
    path_of(script, path);
    few_init();
    x.report.sweep[0] = "nodes.session";
    for (unsigned i = 0; i < 4; i++)
        x.runs[i].value[0] = mean[i / 2];
    plot(&x.report);
    text = read_file(script, &size);
    text[size] = '\0';
    assert_non_null(strstr((char *)text, "nodes.session: exponential (min)"));
    free(text);
    unlink(path);
    memcpy(mean[1], "fixed 1h", sizeof("fixed 1h"));
    plot(&x.report);
    assert_false(is_there(script));
    made_up_deinit(&x);
}

static void test_report_plot_of_nothing_is_nothing(void **state)
{
    struct measures *m = measures_new(TIME_MIN);
    struct report_run run = {.measures = m};
    struct report r = {.title = "t", .run_count = 1, .runs = &run};
    struct text why;

    (void)state;
    text_init(&why, 200);
    assert_non_null(m);
    assert_int_equal(report_plot(&r, dir, &why), OK);
    measures_begin(m, 0);
    /* One value, one sample, one age: no curve can be drawn of them. */
    measure_value(m, M_ITEM_TIME, 5);
    measure_share(m, M_ITEM_SUCCESS, 1, 1);
    measure_curve(m, M_ITEM_FINDABLE, 0, 1, 1);
    assert_int_equal(measures_sample(m, TIME_MIN), OK);
    assert_int_equal(report_plot(&r, dir, &why), OK);
    assert_false(is_there("cdf_item_time.gp"));
    assert_false(is_there("time_item_success.gp"));
    assert_false(is_there("age_item_findable.gp"));
    r.run_count = 0;
    assert_int_equal(report_plot(&r, dir, &why), OK);
    measures_free(m);
    text_deinit(&why);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    char path[400];

    (void)state;
    while (d != NULL && (e = readdir(d)) != NULL) {
        path_of(e->d_name, path);
        unlink(path);
    }
    if (d != NULL)
        closedir(d);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_plot_draws_what_was_measured),
        cmocka_unit_test(test_report_plot_sweeps_a_distribution),
        cmocka_unit_test(test_report_plot_of_nothing_is_nothing),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

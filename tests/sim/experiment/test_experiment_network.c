/* SPDX-License-Identifier: MIT
 *
 * An experiment's network is what its scenario says.
 */
#include "sim/experiment/experiment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct scenario scenario;
static struct text why;

static int setup(void **state)
{
    (void)state;
    text_init(&why, 1000);
    scenario_init(&scenario);
    scenario.nodes.count = 40;
    scenario.nodes.arrival_time = 10 * TIME_S;
    scenario.run.warmup = 30 * TIME_S;
    scenario.run.duration = 30 * TIME_S;
    scenario.run.sample = 10 * TIME_S;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&why);
    return 0;
}

/* Runs it, and returns how many datagrams there were. */
static uint64_t run(void)
{
    struct experiment *x;
    uint64_t datagrams;
    bool done = false;

    assert_int_equal(experiment_new(&scenario, &x, &why), OK);
    while (!done)
        assert_int_equal(experiment_step(x, &done), OK);
    assert_int_equal(experiment_present(x), 40);
    datagrams = experiment_datagrams(x);
    experiment_free(x);
    return datagrams;
}

static void test_experiment_has_the_paths_of_its_scenario(void **state)
{
    uint64_t wide = run(), near, cut;

    (void)state;
    scenario.network.latency =
        (struct spread){.kind = SPREAD_FIXED, .a = 5 * TIME_MS};
    near = run();
    assert_int_not_equal(near, wide);
    assert_int_equal(run(), near);
    scenario.network.partitions.count = 1;
    scenario.network.partitions.at[0] =
        (struct scenario_partition){5 * TIME_S, 15 * TIME_S, 0.5};
    cut = run();
    assert_int_not_equal(cut, near);
    scenario.network.partitions.at[0].from = TIME_HOUR; /* when all is over */
    scenario.network.partitions.at[0].to = 2 * TIME_HOUR;
    assert_int_equal(run(), near);
}

static void test_experiment_says_which_file_is_missing(void **state)
{
    struct experiment *x;

    (void)state;
    snprintf(scenario.network.regions, SETTING_TEXT_SIZE, "/nowhere.csv");
    assert_int_equal(experiment_new(&scenario, &x, &why), ERR_IO);
    assert_string_equal(text_get(&why),
                        "/nowhere.csv: No such file or directory");
    text_clear(&why);
    scenario.network.regions[0] = '\0';
    snprintf(scenario.nodes.trace, SETTING_TEXT_SIZE, "/nothing.csv");
    assert_int_equal(experiment_new(&scenario, &x, &why), ERR_IO);
    assert_string_equal(text_get(&why),
                        "/nothing.csv: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_experiment_has_the_paths_of_its_scenario, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_experiment_says_which_file_is_missing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

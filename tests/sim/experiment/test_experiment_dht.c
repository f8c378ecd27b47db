/* SPDX-License-Identifier: MIT
 *
 * The parts that concern the DHT in whole experiments, with the population and
 * the measures that a scenario has.
 */
#include "sim/experiment/experiment.h"
#include "sim/measure/trace_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct scenario scenario;
static struct experiment *experiment;

static void end(void)
{
    experiment_free(experiment);
    experiment = NULL;
}

static int cleanup(void **state)
{
    (void)state;
    end();
    return 0;
}

/* 150 nodes, which come in the first five of ten minutes' warm-up; twenty are
 * measured. */
static void init(void)
{
    end();
    scenario_init(&scenario);
    scenario.nodes.count = 150;
    scenario.nodes.arrival_time = 5 * TIME_MIN;
    scenario.run.duration = 20 * TIME_MIN;
    scenario.lookups.rate = 10;
    scenario.lookups.keys = 8;
}

static const struct measures *run(void)
{
    struct text why;
    bool done = false;

    text_init(&why, 1000);
    assert_int_equal(experiment_new(&scenario, &experiment, &why), OK);
    text_deinit(&why);
    while (!done)
        assert_int_equal(experiment_step(experiment, &done), OK);
    return experiment_measures(experiment);
}

static unsigned percent(const struct measures *m, enum measure what)
{
    struct measure_summary s;

    measure_summarize(m, what, MEASURE_TOTAL, &s);
    assert_true(s.count > 0);
    return (unsigned)(s.hits * 100 / s.count);
}

static uint64_t count(const struct measures *m, enum measure what)
{
    struct measure_summary s;

    measure_summarize(m, what, MEASURE_TOTAL, &s);
    return s.count;
}

static uint64_t level(const struct measures *m, enum measure what)
{
    struct measure_summary s;

    measure_summarize(m, what, measures_samples(m) - 1, &s);
    return s.sum;
}

/* Nothing is wrong: all is found, and nothing is lost or stale. */
static void test_experiment_dht_calm(void **state)
{
    const struct measures *m;

    (void)state;
    init();
    m = run();
    assert_in_range(count(m, M_LOOKUP_SUCCESS), 400, 600); /* 10 a node, hour */
    assert_int_equal(percent(m, M_LOOKUP_SUCCESS), 100);
    assert_in_range(percent(m, M_CLOSEST_FOUND), 97, 100);
    assert_int_equal(percent(m, M_TABLE_STALE), 0);
    assert_int_equal(level(m, M_NODES), 150);
    /* Millionths a node and second: the budget is a fifth of a datagram. */
    assert_in_range(level(m, M_UPKEEP_DATAGRAMS), 20000, 200000);
    assert_true(level(m, M_UPKEEP_DATAGRAMS) < level(m, M_NODE_DATAGRAMS));
    assert_false(measure_is_used(m, M_LOOKUP_SEEN));
    end();
}

/* Nodes stay for half an hour on the mean, a third is behind NATs, and a tenth
 * of the datagrams is lost: keys are found all the same, and what that costs is
 * seen. */
static void test_experiment_dht_rough(void **state)
{
    const struct measures *m;

    (void)state;
    init();
    scenario.nodes.session =
        (struct spread){.kind = SPREAD_EXPONENTIAL, .a = 30 * TIME_MIN};
    scenario.nodes.offline = (struct spread){.kind = SPREAD_FIXED};
    scenario.nodes.cone_nat = 0.2;
    scenario.nodes.symmetric_nat = 0.1;
    scenario.network.loss = 0.1;
    m = run();
    assert_in_range(percent(m, M_LOOKUP_SUCCESS), 95, 100);
    assert_in_range(percent(m, M_CLOSEST_FOUND), 60, 99);
    assert_in_range(percent(m, M_TABLE_STALE), 3, 50);
    assert_true(measure_is_used(m, M_JOIN_TIME));
    assert_in_range(level(m, M_NODES), 145, 150);
    end();
}

/* Sixteen of a /16 around each of two keys, of eight: a quarter is lost. */
static void test_experiment_dht_crowd(void **state)
{
    const struct measures *m;

    (void)state;
    init();
    scenario.adversary.count = 32;
    memset(scenario.adversary.does, 0, sizeof(scenario.adversary.does));
    scenario.adversary.does[BEHAVE_CROWD] = true;
    scenario.adversary.networks.count = 1;
    scenario.adversary.networks.at[0] = (struct scenario_prefix){
        .ep = {.family = FAMILY_IPV4, .addr = {91, 7}}, .bits = 16};
    m = run();
    assert_in_range(percent(m, M_LOOKUP_SUCCESS), 68, 82);
    assert_in_range(percent(m, M_CLOSEST_FOUND), 55, 85);
    /* Elsewhere a few: those that come upon their way. */
    assert_in_range(percent(m, M_LOOKUP_SEEN), 15, 50);
    end();
}

/* All of it at once, and traces: the same with any number of threads. */
static void write_run(unsigned threads, struct text *out, size_t *steps)
{
    init();
    scenario.nodes.count = 80;
    scenario.run.threads = threads;
    scenario.run.duration = 5 * TIME_MIN;
    scenario.nodes.session =
        (struct spread){.kind = SPREAD_EXPONENTIAL, .a = 10 * TIME_MIN};
    scenario.nodes.offline = (struct spread){.kind = SPREAD_FIXED};
    scenario.nodes.dual = 0.3;
    scenario.lookups.traced = 20;
    scenario.items.count = 5;
    scenario.items.rate = 10;
    scenario.adversary.share = 0.2;
    memset(scenario.adversary.does, 1, sizeof(scenario.adversary.does));
    text_init(out, 1 << 20);
    measures_write(run(), out);
    *steps = experiment_traces(experiment)->count;
    end();
}

static void test_experiment_dht_threads(void **state)
{
    struct text one, three;
    size_t steps[2];

    (void)state;
    write_run(1, &one, &steps[0]);
    write_run(3, &three, &steps[1]);
    assert_true(one.len > 1000 && !one.truncated);
    assert_string_equal(one.buf, three.buf);
    assert_true(steps[0] > 100 && steps[0] == steps[1]);
    text_deinit(&one);
    text_deinit(&three);
}

/* The mainline DHT, and a half of its nodes in warren's too. */
static void test_experiment_dht_speaks_either_dialect(void **state)
{
    const struct measures *m;

    (void)state;
    init();
    scenario.nodes.dialect = DHT_DIALECT_MAINLINE;
    scenario.nodes.both = 0.5;
    scenario.items.count = 4;
    m = run();
    assert_in_range(percent(m, M_LOOKUP_SUCCESS), 99, 100);
    assert_in_range(percent(m, M_CLOSEST_FOUND), 90, 100);
}

/* A half does what old clients do. */
static void test_experiment_dht_lives_with_old_habits(void **state)
{
    const struct measures *m;

    (void)state;
    init();
    scenario.nodes.dialect = DHT_DIALECT_MAINLINE;
    scenario.items.count = 4;
    scenario.habits.share = 0.5;
    for (unsigned i = 0; i < SCENARIO_HABITS; i++)
        scenario.habits.has[i] = i != 5; /* but no_token */
    m = run();
    assert_in_range(percent(m, M_LOOKUP_SUCCESS), 97, 100);
    assert_in_range(percent(m, M_ITEM_SUCCESS), 90, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_experiment_dht_lives_with_old_habits),
        cmocka_unit_test(test_experiment_dht_speaks_either_dialect),
        cmocka_unit_test(test_experiment_dht_calm),
        cmocka_unit_test(test_experiment_dht_rough),
        cmocka_unit_test(test_experiment_dht_crowd),
        cmocka_unit_test(test_experiment_dht_threads),
    };

    return cmocka_run_group_tests(tests, NULL, cleanup);
}

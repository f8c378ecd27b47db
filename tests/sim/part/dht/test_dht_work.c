/* SPDX-License-Identifier: MIT
 *
 * Announces, lookups and items in small networks, where what should be measured
 * is known.
 */
#include "dht/types/node_id.h"
#include "lab.h"
#include "sim/part/dht/announces.h"
#include "sim/part/dht/demand.h"

#define M(what) lab.measures.of[what]

static void start(uint32_t nodes)
{
    lab_start(&lab);
    lab_add(&lab, &dht_work);
    lab_grow(&lab, nodes);
    lab_run(&lab, lab.rooms.begins - sim_now(lab.rooms.sim));
}

static void test_dht_work_nothing(void **state)
{
    void *part;

    (void)state;
    lab_init(&lab);
    lab_start(&lab);
    assert_int_equal(dht_work.make(&lab.rooms, &part), OK);
    assert_null(part);
    lab_end(&lab);
}

/* Each lookup finds, about so many as the rate says are made, and all that is
 * counted about one is counted as often. */
static void test_dht_work_lookups(void **state)
{
    (void)state;
    lab_init(&lab);
    lab.scenario.lookups.rate = 12;
    lab.scenario.lookups.keys = 20;
    start(100);
    lab_run(&lab, 30 * TIME_MIN);
    assert_in_range(M(M_LOOKUP_SUCCESS).of, 520, 680);
    assert_at_least(M(M_LOOKUP_SUCCESS).hits * 100,
                    M(M_LOOKUP_SUCCESS).of * 99);
    assert_int_equal(M(M_LOOKUP_MESSAGES).value_count, M(M_LOOKUP_SUCCESS).of);
    assert_int_equal(M(M_LOOKUP_TIMEOUTS).value_count, M(M_LOOKUP_SUCCESS).of);
    assert_int_equal(M(M_LOOKUP_TIME).value_count, M(M_LOOKUP_SUCCESS).of);
    assert_int_equal(M(M_LOOKUP_FIRST).value_count, M(M_LOOKUP_SUCCESS).hits);
    assert_int_equal(M(M_LOOKUP_HOPS).value_count, M(M_LOOKUP_SUCCESS).hits);
    /* Nothing is lost; an answer may be later than answers so far. */
    assert_at_most(M(M_LOOKUP_TIMEOUTS).sum, M(M_LOOKUP_MESSAGES).sum / 1000);
    assert_true(M(M_LOOKUP_FIRST).sum < M(M_LOOKUP_TIME).sum);
    assert_int_equal(M(M_LOOKUP_SEEN).of, 0); /* there is no adversary */
    assert_int_equal(M(M_CLOSEST_FOUND).of, 8 * M(M_LOOKUP_SUCCESS).of);
    assert_at_least(M(M_CLOSEST_FOUND).hits * 100, M(M_CLOSEST_FOUND).of * 95);
    lab_end(&lab);
}

/* Of ids by chance nobody has anything; of 12 nodes that all know each other
 * every lookup finds the 8 nearest that answer, which the read-only do not. */
static void test_dht_work_closest(void **state)
{
    (void)state;
    lab_init(&lab);
    lab.scenario.lookups.rate = 60;
    lab_start(&lab);
    lab_add(&lab, &dht_work);
    lab_grow(&lab, 12);
    for (int i = 0; i < 4; i++)
        lab_join(&lab, (struct population_member){.read_only = true});
    lab_run(&lab, 14 * TIME_MIN);
    assert_int_equal(M(M_LOOKUP_SUCCESS).of, 0);
    assert_at_least(M(M_CLOSEST_FOUND).of, 8 * 100);
    assert_int_equal(M(M_CLOSEST_FOUND).hits, M(M_CLOSEST_FOUND).of);
    lab_end(&lab);
}

/* With addresses of the Internet ids change after a while (BEP 42), and the
 * truth with them; those who leave are no part of it any more. */
static void test_dht_work_closest_moves(void **state)
{
    (void)state;
    lab_init(&lab);
    lab.config.addressing = SIM_ADDRESS_GLOBAL;
    lab.scenario.lookups.rate = 60;
    start(40);
    lab_run(&lab, 10 * TIME_MIN);
    assert_at_least(M(M_CLOSEST_FOUND).hits * 100, M(M_CLOSEST_FOUND).of * 98);
    for (uint32_t i = 1; i < 40; i += 2)
        lab_leave(&lab, &lab.population.members[i]);
    lab_run(&lab, 30 * TIME_MIN);
    memset(&M(M_CLOSEST_FOUND), 0, sizeof(M(M_CLOSEST_FOUND)));
    lab_run(&lab, 10 * TIME_MIN);
    assert_at_least(M(M_CLOSEST_FOUND).of, 8 * 100);
    assert_at_least(M(M_CLOSEST_FOUND).hits * 100, M(M_CLOSEST_FOUND).of * 98);
    lab_end(&lab);
}

/* Things are published in the last five minutes of the warm-up, at most in its
 * second half; if the first nodes take longer to arrive, before they are all
 * there. */
static void test_dht_work_when_published(void **state)
{
    uint64_t begins, start;

    (void)state;
    lab_init(&lab);
    lab_start(&lab);
    begins = lab.rooms.begins;
    start = begins - 5 * TIME_MIN;
    assert_true(dht_publish_due(&lab.rooms, 0, 2) == start + 150 * TIME_S);
    assert_true(dht_publish_due(&lab.rooms, 1, 2) == start + 225 * TIME_S);
    lab.scenario.nodes.arrival_time = TIME_HOUR;
    assert_true(dht_publish_due(&lab.rooms, 0, 2) == start + 150 * TIME_S);
    lab.scenario.nodes.arrival = ARRIVE_EVENLY;
    assert_true(dht_publish_due(&lab.rooms, 0, 2) == start + 55 * TIME_MIN);
    lab.scenario.run.warmup = 0;
    lab.scenario.nodes.arrival_time = 0;
    assert_true(dht_publish_due(&lab.rooms, 1, 2) == begins);
    lab_end(&lab);
}

static uint64_t findable(enum measure what, unsigned from, unsigned to,
                         uint64_t *of)
{
    uint64_t hits = 0;

    *of = 0;
    for (unsigned i = from; i < to; i++) {
        hits += M(what).curve_hits[i];
        *of += M(what).curve_of[i];
    }
    return hits;
}

/* Announced once: found for the 30 minutes that others keep it, not after. */
static void test_dht_work_announced_once(void **state)
{
    uint64_t young, old, of;

    (void)state;
    lab_init(&lab);
    lab.scenario.lookups.rate = 1;
    lab.scenario.lookups.keys = 20;
    lab.scenario.lookups.announcers = 2;
    lab.scenario.lookups.renew = false;
    lab.scenario.lookups.probe = 3 * TIME_MIN;
    start(60);
    lab_run(&lab, 50 * TIME_MIN);
    young = findable(M_PEER_FINDABLE, 0, 29, &of);
    assert_at_least(of, 40 * 8);
    assert_at_least(young * 100, of * 98);
    old = findable(M_PEER_FINDABLE, 31, 60, &of);
    assert_at_least(of, 40 * 4);
    assert_int_equal(old, 0);
    memset(&M(M_LOOKUP_SUCCESS), 0, sizeof(M(M_LOOKUP_SUCCESS)));
    lab_run(&lab, 10 * TIME_MIN);
    assert_int_equal(M(M_LOOKUP_SUCCESS).hits, 0);
    lab_end(&lab);
}

/* Who announced leaves, half of the network at a time: somebody else goes on
 * with it, and an hour later all keys are found. Requests of those who left are
 * not counted, nor waited for. */
static void test_dht_work_taken_over(void **state)
{
    (void)state;
    lab_init(&lab);
    lab.scenario.lookups.rate = 20;
    lab.scenario.lookups.keys = 10;
    lab.scenario.lookups.probe = TIME_MIN;
    start(80);
    for (uint32_t i = 1; i < 80; i++) {
        lab_leave(&lab, &lab.population.members[i]);
        if (i % 4 == 0)
            lab_come(&lab, &lab.population.members[i]);
        else
            lab_join(&lab, (struct population_member){.index = 0});
        lab_run(&lab, 10 * TIME_S);
    }
    assert_int_equal(M(M_PEER_FINDABLE).curve_of[0], 0); /* it is renewed */
    lab_run(&lab, 30 * TIME_MIN);
    memset(&M(M_LOOKUP_SUCCESS), 0, sizeof(M(M_LOOKUP_SUCCESS)));
    lab_run(&lab, 10 * TIME_MIN);
    assert_at_least(M(M_LOOKUP_SUCCESS).of, 150);
    assert_at_least(M(M_LOOKUP_SUCCESS).hits * 100,
                    M(M_LOOKUP_SUCCESS).of * 98);
    lab_end(&lab);
}

static void test_dht_work_traces(void **state)
{
    const struct trace_step *step;

    (void)state;
    lab_init(&lab);
    lab.scenario.lookups.rate = 20;
    lab.scenario.lookups.keys = 5;
    lab.scenario.lookups.traced = 3;
    start(60);
    lab_run(&lab, 10 * TIME_MIN);
    assert_at_least(lab.traces.count, 3 * 8);
    for (size_t i = 0; i < lab.traces.count; i++) {
        struct id key;
        bool known = false;

        step = &lab.traces.steps[i];
        assert_true(step->lookup < 3);
        assert_true(i == 0 || step->lookup - step[-1].lookup <= 1);
        assert_true(step->hop >= 1 && step->hop < 8);
        assert_in_range(step->took, TIME_MS, 2 * TIME_S);
        assert_true(step->asked_at < 10 * TIME_S && !step->hostile);
        for (uint32_t k = 0; k < 5; k++) {
            demand_key(lab.scenario.run.seed, k, &key);
            known |= id_equal(&key, &step->target);
        }
        assert_true(known);
    }
    assert_int_equal(lab.traces.steps[lab.traces.count - 1].lookup, 2);
    lab_end(&lab);
}

/* ---- Items --------------------------------------------------------------- */

static void test_dht_work_items(void **state)
{
    (void)state;
    lab_init(&lab);
    lab.scenario.items.count = 10;
    lab.scenario.items.rate = 10;
    start(60);
    lab_run(&lab, 20 * TIME_MIN);
    assert_in_range(M(M_ITEM_SUCCESS).of, 150, 250);
    assert_int_equal(M(M_ITEM_SUCCESS).hits, M(M_ITEM_SUCCESS).of);
    assert_int_equal(M(M_ITEM_TIME).value_count, M(M_ITEM_SUCCESS).of);
    /* Others put them again, under a higher seq, when their nodes leave. */
    for (uint32_t i = 1; i < 60; i += 2)
        lab_leave(&lab, &lab.population.members[i]);
    lab_run(&lab, 40 * TIME_MIN);
    memset(&M(M_ITEM_SUCCESS), 0, sizeof(M(M_ITEM_SUCCESS)));
    lab_run(&lab, 20 * TIME_MIN);
    assert_at_least(M(M_ITEM_SUCCESS).of, 60);
    assert_at_least(M(M_ITEM_SUCCESS).hits * 100, M(M_ITEM_SUCCESS).of * 98);
    lab_end(&lab);
}

/* Put once: kept for two hours. */
static void test_dht_work_items_once(void **state)
{
    uint64_t young, old, of;

    (void)state;
    lab_init(&lab);
    lab.scenario.items.count = 10;
    lab.scenario.items.rate = 0;
    lab.scenario.items.renew = false;
    lab.scenario.lookups.probe = 10 * TIME_MIN;
    start(40);
    lab_run(&lab, 150 * TIME_MIN);
    young = findable(M_ITEM_FINDABLE, 0, 119, &of);
    assert_at_least(of, 10 * 10);
    assert_at_least(young * 100, of * 98);
    old = findable(M_ITEM_FINDABLE, 121, 180, &of);
    assert_at_least(of, 10);
    assert_int_equal(old, 0);
    lab_end(&lab);
}

/* ---- The same again ------------------------------------------------------ */

static uint64_t run_once(uint64_t seed, unsigned threads, struct measures *out)
{
    struct sim_stats stats;

    lab_init(&lab);
    lab.config.threads = threads;
    lab.scenario.run.seed = seed;
    lab.scenario.lookups.rate = 20;
    lab.scenario.lookups.keys = 10;
    lab.scenario.lookups.popularity = POPULAR_ZIPF;
    lab.scenario.lookups.zipf = 1;
    lab.scenario.lookups.traced = 100;
    lab.scenario.items.count = 5;
    lab.scenario.items.rate = 5;
    start(50);
    lab_run(&lab, 5 * TIME_MIN);
    *out = lab.measures;
    sim_stats(lab.rooms.sim, &stats);
    lab_end(&lab);
    return stats.digest;
}

static void test_dht_work_repeats(void **state)
{
    static struct measures a, b, c;
    uint64_t digest = run_once(1, 1, &a);

    (void)state;
    assert_true(run_once(1, 3, &b) == digest);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_true(run_once(2, 1, &c) != digest);
    assert_memory_not_equal(&a, &c, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_work_nothing),
        cmocka_unit_test(test_dht_work_lookups),
        cmocka_unit_test(test_dht_work_closest),
        cmocka_unit_test(test_dht_work_closest_moves),
        cmocka_unit_test(test_dht_work_when_published),
        cmocka_unit_test(test_dht_work_announced_once),
        cmocka_unit_test(test_dht_work_taken_over),
        cmocka_unit_test(test_dht_work_traces),
        cmocka_unit_test(test_dht_work_items),
        cmocka_unit_test(test_dht_work_items_once),
        cmocka_unit_test(test_dht_work_repeats),
    };

    return cmocka_run_group_tests(tests, NULL, lab_cleanup);
}

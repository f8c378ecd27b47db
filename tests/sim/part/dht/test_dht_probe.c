/* SPDX-License-Identifier: MIT
 *
 * Levels against what all nodes of a small network say, which the probe does
 * not ask one by one.
 */
#include "lab.h"

#define M(what) lab.measures.of[what]

static void start(uint32_t nodes)
{
    lab_start(&lab);
    lab_add(&lab, &dht_probe);
    lab_add(&lab, &dht_work);
    lab_grow(&lab, nodes);
    lab_run(&lab, lab.rooms.begins - sim_now(lab.rooms.sim));
}

static void sum_all(uint64_t *datagrams, uint64_t *bytes)
{
    *datagrams = 0;
    *bytes = 0;
    for (uint32_t i = 0; i < lab.population.count; i++) {
        const struct sim_dht *n =
            sim_dht_of(lab.rooms.sim, lab.population.members[i].node);

        if (n != NULL) {
            *datagrams += dht_stats(n->dht)->sent;
            *bytes += dht_stats(n->dht)->sent_bytes;
        }
    }
}

/* All that is sent is sent for upkeep as long as nobody asks for anything. */
static void test_dht_probe_idle(void **state)
{
    uint64_t before[2], after[2];

    (void)state;
    lab_init(&lab);
    start(50);
    assert_null(lab.part[1]);
    sum_all(&before[0], &before[1]);
    lab.scenario.run.sample = 30 * TIME_MIN;
    lab_run(&lab, TIME_HOUR);
    sum_all(&after[0], &after[1]);
    assert_int_equal(M(M_NODES).level, 50);
    assert_int_equal(M(M_DATAGRAMS).count, after[0] - before[0]);
    assert_int_equal(M(M_BYTES).count, after[1] - before[1]);
    assert_int_equal(M(M_LOST).count, 0);
    assert_int_equal(M(M_JOIN_TIME).value_count, 0); /* all before */
    /* But for the one bootstrap node, which has a little more to do. */
    assert_in_range(M(M_UPKEEP_DATAGRAMS).level,
                    M(M_NODE_DATAGRAMS).level * 19 / 20,
                    M(M_NODE_DATAGRAMS).level);
    assert_in_range(M(M_UPKEEP_BYTES).level, M(M_NODE_BYTES).level * 19 / 20,
                    M(M_NODE_BYTES).level);
    lab_end(&lab);
}

/* The half hour's mean, to be compared with what was counted in it. */
static void test_dht_probe_rates(void **state)
{
    uint64_t count;

    (void)state;
    lab_init(&lab);
    lab.config.loss = 0.1;
    lab.scenario.run.sample = 15 * TIME_MIN;
    lab.scenario.run.warmup = 15 * TIME_MIN;
    start(50);
    lab_run(&lab, 15 * TIME_MIN);
    count = M(M_DATAGRAMS).count;
    assert_in_range(M(M_LOST).count, count * 9 / 100, count * 11 / 100);
    assert_in_range(M(M_NODE_DATAGRAMS).level, count * 1000000 / (50 * 900) - 1,
                    count * 1000000 / (50 * 900) + 1);
    lab_end(&lab);
}

/* Work makes more traffic, and upkeep costs what it cost without: less, as a
 * lookup keeps tables fresh, too. */
static void test_dht_probe_upkeep_beside_work(void **state)
{
    uint64_t idle, busy, all;

    (void)state;
    lab_init(&lab);
    lab.scenario.run.sample = 30 * TIME_MIN;
    start(50);
    lab_run(&lab, TIME_HOUR);
    idle = M(M_UPKEEP_DATAGRAMS).level;
    lab_init(&lab);
    lab.scenario.lookups.rate = 60;
    lab.scenario.lookups.keys = 10;
    lab.scenario.run.sample = 30 * TIME_MIN;
    start(50);
    lab_run(&lab, TIME_HOUR);
    busy = M(M_UPKEEP_DATAGRAMS).level;
    all = M(M_NODE_DATAGRAMS).level;
    print_message("  idle %lu, busy %lu, of all %lu\n", (unsigned long)idle,
                  (unsigned long)busy, (unsigned long)all);
    assert_true(all > 3 * idle);
    assert_in_range(busy, idle / 4, idle * 11 / 10);
    lab_end(&lab);
}

/* Nobody has left: no entry is stale. A third leaves: about a third is. Later
 * they are forgotten. */
static void test_dht_probe_tables(void **state)
{
    (void)state;
    lab_init(&lab);
    start(30);
    lab_run(&lab, 5 * TIME_MIN);
    assert_in_range(M(M_TABLE_NODES).level, 20000, 29000);
    assert_at_least(M(M_TABLE_STALE).of, 5 * 29 * 20);
    assert_int_equal(M(M_TABLE_STALE).hits, 0);
    memset(&M(M_TABLE_STALE), 0, sizeof(M(M_TABLE_STALE)));
    for (uint32_t i = 1; i <= 10; i++)
        lab_leave(&lab, &lab.population.members[i]);
    lab_run(&lab, TIME_MIN);
    assert_in_range(M(M_TABLE_STALE).hits, M(M_TABLE_STALE).of / 4,
                    M(M_TABLE_STALE).of / 2);
    lab_run(&lab, 2 * TIME_HOUR);
    memset(&M(M_TABLE_STALE), 0, sizeof(M(M_TABLE_STALE)));
    lab_run(&lab, TIME_MIN);
    assert_at_most(M(M_TABLE_STALE).hits, M(M_TABLE_STALE).of / 20);
    lab_end(&lab);
}

/* Each who comes while it is measured is counted once, with the time that its
 * first answer took. Who has left at once is not. */
static void test_dht_probe_join(void **state)
{
    struct population_member *m;

    (void)state;
    lab_init(&lab);
    start(30);
    for (int i = 0; i < 10; i++) {
        lab_join(&lab, (struct population_member){.index = 0});
        lab_run(&lab, 10 * TIME_S);
    }
    m = lab_join(&lab, (struct population_member){.index = 0});
    lab_leave(&lab, m);
    lab_run(&lab, TIME_MIN);
    assert_int_equal(M(M_JOIN_TIME).value_count, 10);
    for (int i = 0; i < 10; i++)
        assert_in_range(M(M_JOIN_TIME).values[i], 20 * TIME_MS, 3 * TIME_S);
    lab_end(&lab);
}

/* Those who take seats are newcomers, whose joining is upkeep, too: with a node
 * replaced every ten seconds upkeep costs more. */
static void test_dht_probe_upkeep_of_newcomers(void **state)
{
    uint64_t calm;

    (void)state;
    lab_init(&lab);
    lab.scenario.run.sample = 5 * TIME_MIN;
    start(50);
    lab_run(&lab, 25 * TIME_MIN);
    calm = M(M_UPKEEP_DATAGRAMS).level;
    for (uint32_t i = 0; i < 60; i++) {
        lab_leave(&lab, &lab.population.members[1 + i]);
        lab_join(&lab, (struct population_member){.index = 0});
        lab_run(&lab, 10 * TIME_S);
    }
    assert_int_equal(M(M_NODES).level, 50);
    assert_true(M(M_UPKEEP_DATAGRAMS).level > 2 * calm);
    lab_end(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_probe_idle),
        cmocka_unit_test(test_dht_probe_rates),
        cmocka_unit_test(test_dht_probe_upkeep_beside_work),
        cmocka_unit_test(test_dht_probe_tables),
        cmocka_unit_test(test_dht_probe_join),
        cmocka_unit_test(test_dht_probe_upkeep_of_newcomers),
    };

    return cmocka_run_group_tests(tests, NULL, lab_cleanup);
}

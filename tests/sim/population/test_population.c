/* SPDX-License-Identifier: MIT
 *
 * Who arrives, how long they stay, and who comes after them.
 */
#include "population_test.h"

#include "sim/population/population_internal.h"

/* What a listener has seen. */
static struct {
    unsigned came, left;
    uint64_t first, last; /* comings */
} seen;

static void on_came(void *ctx, struct population_member *m, uint64_t now)
{
    (void)ctx;
    assert_true(m->present && m->came == now);
    assert_true(sim_alive(crowd.sim, m->node));
    if (seen.came++ == 0)
        seen.first = now;
    seen.last = now;
}

static void on_leaves(void *ctx, struct population_member *m, uint64_t now)
{
    (void)ctx;
    assert_true(m->present && sim_alive(crowd.sim, m->node));
    seen.left++;
    assert_true(now > m->came);
}

static void begin_seen(void)
{
    memset(&seen, 0, sizeof(seen));
    crowd.listener =
        (struct population_listener){.came = on_came, .leaves = on_leaves};
    crowd_begin(&crowd);
}

static void test_population_arrives_at_once(void **state)
{
    (void)state;
    crowd_init(&crowd, 120);
    begin_seen();
    assert_int_equal(population_present(crowd.population), 120);
    assert_int_equal(population_count(crowd.population), 120);
    assert_int_equal(seen.came, 120);
    assert_int_equal(seen.last, crowd.begun);
    assert_true(crowd_at(&crowd, 0)->bootstrap);
    assert_false(crowd_at(&crowd, 1)->bootstrap);
    crowd_run(&crowd, 30 * TIME_S);
    for (uint32_t i = 0; i < 120; i++) {
        struct population_member *m = crowd_at(&crowd, i);

        assert_int_equal(m->index, i);
        assert_int_equal(m->session, 1);
        assert_ptr_equal(population_of_node(crowd.population, m->node), m);
        assert_true(sim_dht_of(crowd.sim, m->node)->joined_at != TIME_NEVER);
    }
    assert_null(population_of_node(crowd.population, 120));
    assert_null(population_of_node(crowd.population, 1u << 20));
}

static void test_population_arrives_evenly(void **state)
{
    (void)state;
    crowd_init(&crowd, 101);
    crowd.scenario.nodes.arrival = ARRIVE_EVENLY;
    crowd.scenario.nodes.arrival_time = 100 * TIME_S;
    begin_seen();
    for (unsigned i = 0; i <= 100; i += 10) {
        assert_int_equal(population_present(crowd.population), 1 + i);
        crowd_run(&crowd, 10 * TIME_S);
    }
    assert_int_equal(seen.last - seen.first, 100 * TIME_S);
    assert_int_equal(seen.came, 101);
}

static void test_population_arrives_by_chance(void **state)
{
    double apart = 0, squares = 0;

    (void)state;
    crowd_init(&crowd, 301);
    crowd.scenario.nodes.bootstraps = 1;
    crowd.scenario.nodes.arrival = ARRIVE_BY_CHANCE;
    crowd.scenario.nodes.arrival_time = 150 * TIME_S;
    begin_seen();
    crowd_run(&crowd, 200 * TIME_S);
    assert_int_equal(seen.came, 301);
    assert_in_range(seen.last - seen.first, 125 * TIME_S, 175 * TIME_S);
    for (uint32_t i = 2; i < 301; i++) {
        double gap = (double)(crowd_at(&crowd, i)->came -
                              crowd_at(&crowd, i - 1)->came) /
                     TIME_S;

        apart += gap;
        squares += gap * gap;
    }
    /* Of an exponential distribution the squares' mean is twice the mean's
     * square; of a regular one it would be once. */
    assert_in_range(1000 * (squares * 299) / (apart * apart), 1600, 2400);
}

/* The time that all were there for each end is the mean of exponential
 * sessions, also of those that have not ended. */
static void test_population_is_replaced_and_keeps_its_level(void **state)
{
    uint32_t n;

    (void)state;
    crowd_init(&crowd, 41);
    crowd.scenario.nodes.bootstraps = 1;
    crowd.scenario.nodes.session =
        (struct spread){.kind = SPREAD_EXPONENTIAL, .a = 60 * TIME_S};
    begin_seen();
    for (int i = 0; i < 60; i++) {
        crowd_run(&crowd, 10 * TIME_S);
        assert_int_equal(population_present(crowd.population), 41);
    }
    assert_in_range(seen.left, 340, 460);
    assert_in_range(40 * 600 / seen.left, 54, 67);
    n = population_count(crowd.population);
    assert_int_equal(n, 41 + seen.left);
    assert_int_equal(seen.came, n);
    assert_int_equal(sim_nodes(crowd.sim), n); /* each with a node of its own */
    for (uint32_t i = 0; i < n; i++) {
        struct population_member *m = crowd_at(&crowd, i);

        assert_int_equal(m->session, 1);
        assert_int_equal(m->present, sim_alive(crowd.sim, m->node));
    }
    assert_true(crowd_at(&crowd, 0)->present);
}

static void test_population_comes_back(void **state)
{
    unsigned sessions = 0, present = 0;

    (void)state;
    crowd_init(&crowd, 61);
    crowd.scenario.nodes.same_id = true;
    crowd.scenario.nodes.bootstraps = 1;
    crowd.scenario.nodes.session =
        (struct spread){.kind = SPREAD_EXPONENTIAL, .a = 60 * TIME_S};
    crowd.scenario.nodes.offline =
        (struct spread){.kind = SPREAD_FIXED, .a = 30 * TIME_S};
    begin_seen();
    crowd_run(&crowd, 200 * TIME_S);
    for (int i = 0; i < 60; i++) {
        crowd_run(&crowd, 5 * TIME_S);
        present += population_present(crowd.population);
    }
    /* Two thirds of the time. */
    assert_in_range(present / 60, 36, 46);
    assert_int_equal(population_count(crowd.population), 61);
    assert_int_equal(sim_nodes(crowd.sim), 61);
    for (uint32_t i = 0; i < 61; i++)
        sessions += crowd_at(&crowd, i)->session;
    assert_int_equal(sessions, seen.came);
}

static void test_population_who_is_away_for_ever_is_not_replaced(void **state)
{
    (void)state;
    crowd_init(&crowd, 50);
    crowd.scenario.nodes.session =
        (struct spread){.kind = SPREAD_FIXED, .a = 60 * TIME_S};
    crowd.scenario.nodes.offline = (struct spread){.kind = SPREAD_FOREVER};
    begin_seen();
    crowd_run(&crowd, 59 * TIME_S);
    assert_int_equal(population_present(crowd.population), 50);
    crowd_run(&crowd, 2 * TIME_S);
    assert_int_equal(population_present(crowd.population), 1);
    assert_int_equal(population_count(crowd.population), 50);
    assert_null(population_any(crowd.population, sim_rng(crowd.sim)));
}

/* Its bootstrap nodes are dead, so what it has stored is all that it has. */
static void test_population_returns_through_what_it_stored(void **state)
{
    struct population_member *m;
    struct dht_status before, after;
    struct endpoint at, again;

    (void)state;
    crowd_init(&crowd, 60);
    crowd.scenario.nodes.same_id = true;
    crowd_begin(&crowd);
    crowd_run(&crowd, 60 * TIME_S);
    m = crowd_at(&crowd, 17);
    sim_dht_status(crowd.sim, m->node, &before);
    sim_endpoint(crowd.sim, m->node, FAMILY_IPV4, &at);
    population_leave(crowd.population, member_at(crowd.population, 17),
                     sim_now(crowd.sim));
    assert_false(m->present);
    assert_int_equal(population_present(crowd.population), 59);
    sim_kill(crowd.sim, crowd_at(&crowd, 0)->node);
    crowd_run(&crowd, 10 * TIME_S);
    assert_int_equal(population_come(crowd.population,
                                     member_at(crowd.population, 17),
                                     sim_now(crowd.sim)),
                     OK);
    crowd_run(&crowd, 10 * TIME_S);
    sim_dht_status(crowd.sim, m->node, &after);
    sim_endpoint(crowd.sim, m->node, FAMILY_IPV4, &again);
    assert_true(endpoint_equal(&at, &again));
    assert_memory_equal(&before.id[0], &after.id[0], sizeof(struct id));
    assert_in_range(after.nodes[0], 10, 60);
    assert_int_equal(m->session, 2);
}

static uint64_t digest_of(uint64_t seed, unsigned threads)
{
    struct sim_stats stats;

    crowd_init(&crowd, 40);
    crowd.scenario.run.seed = seed;
    crowd.scenario.run.threads = threads;
    crowd.scenario.network.loss = 0.05;
    crowd.scenario.network.latency = (struct spread){
        .kind = SPREAD_LOGNORMAL, .a = 50 * TIME_MS, .shape = 0.5};
    crowd.scenario.network.uplink =
        (struct spread){.kind = SPREAD_UNIFORM, .a = 5000, .b = 50000};
    crowd.scenario.network.partitions.count = 1;
    crowd.scenario.network.partitions.at[0] =
        (struct scenario_partition){40 * TIME_S, 60 * TIME_S, 0.5};
    crowd.scenario.nodes.cone_nat = crowd.scenario.nodes.symmetric_nat = 0.2;
    crowd.scenario.nodes.dual = 0.3;
    crowd.scenario.nodes.arrival = ARRIVE_BY_CHANCE;
    crowd.scenario.nodes.arrival_time = 20 * TIME_S;
    crowd.scenario.nodes.read_only = 0.2;
    crowd.scenario.nodes.same_id = seed % 2 == 0;
    crowd.scenario.nodes.session =
        (struct spread){.kind = SPREAD_WEIBULL, .a = 60 * TIME_S, .shape = 0.6};
    crowd.scenario.nodes.offline =
        (struct spread){.kind = SPREAD_PARETO, .a = 10 * TIME_S, .shape = 1.5};
    crowd_begin(&crowd);
    crowd_run(&crowd, 90 * TIME_S);
    sim_stats(crowd.sim, &stats);
    return stats.digest;
}

static void test_population_of_one_seed_does_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        assert_int_equal(digest_of(seed, 1),
                         digest_of(seed, (unsigned)seed + 1));
    assert_int_not_equal(digest_of(1, 1), digest_of(3, 1));
}

static void test_population_of_a_full_network_takes_old_addresses(void **state)
{
    unsigned left;

    (void)state;
    crowd_init(&crowd, 11);
    crowd.max_nodes = 20;
    crowd.scenario.nodes.cone_nat = 0.5;
    crowd.scenario.nodes.session =
        (struct spread){.kind = SPREAD_EXPONENTIAL, .a = 10 * TIME_S};
    begin_seen();
    crowd_run(&crowd, 60 * TIME_S);
    left = seen.left;
    assert_in_range(left, 30, 100);
    assert_int_equal(sim_nodes(crowd.sim), 20);
    assert_int_equal(population_count(crowd.population), 11 + left);
    assert_int_equal(population_present(crowd.population), 11);
    for (uint32_t i = 0; i < 11 + left; i++) {
        struct population_member *m = crowd_at(&crowd, i);

        if (m->present)
            assert_ptr_equal(population_of_node(crowd.population, m->node), m);
    }
}

static void test_population_any_is_present_and_honest(void **state)
{
    unsigned picked[60] = {0};
    struct population_member *m;
    struct sim_rng r;

    (void)state;
    crowd_init(&crowd, 60);
    crowd.scenario.adversary.share = 0.5;
    crowd_begin(&crowd);
    population_leave(crowd.population, member_at(crowd.population, 5), 0);
    sim_rng_init(&r, 1, 1);
    for (int i = 0; i < 3000; i++) {
        m = population_any(crowd.population, &r);
        assert_true(m->present && !m->hostile && !m->bootstrap);
        picked[m->index]++;
    }
    for (uint32_t i = 0; i < 60; i++) {
        m = crowd_at(&crowd, i);
        if (m->present && !m->hostile && !m->bootstrap)
            assert_in_range(picked[i], 50, 160);
    }
}

/* The same place for all: every second time somebody is there. */
static bool at_one_place(void *ctx, unsigned again, struct endpoint *out)
{
    unsigned *asked = ctx;

    ++*asked;
    *out = (struct endpoint){.family = FAMILY_IPV4, .addr = {91, 7, 1, 1}};
    out->port = (uint16_t)(7000 + again);
    return *asked < 9;
}

static void test_population_adversary_chooses_places(void **state)
{
    unsigned asked = 0;
    struct endpoint ep;
    uint32_t chosen = 0;

    (void)state;
    crowd_init(&crowd, 10);
    crowd.scenario.adversary.count = 5;
    crowd.scenario.adversary.networks.count = 1;
    crowd.scenario.adversary.networks.at[0] = (struct scenario_prefix){
        .ep = {.family = FAMILY_IPV4, .addr = {91, 7}}, .bits = 16};
    crowd.listener.ctx = &asked;
    crowd.listener.place_hostile = at_one_place;
    crowd_begin(&crowd);
    crowd_run(&crowd, TIME_S);
    for (uint32_t i = 0; i < population_count(crowd.population); i++) {
        const struct population_member *m = crowd_at(&crowd, i);

        assert_true(sim_endpoint(crowd.sim, m->node, FAMILY_IPV4, &ep));
        chosen += ep.port >= 7000 && m->hostile;
        assert_int_equal(m->hostile, ep.addr[0] == 91 && ep.addr[1] == 7);
    }
    assert_int_equal(chosen, 3); /* after 1, 2 and 3 tries */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_population_arrives_at_once),
        cmocka_unit_test(test_population_arrives_evenly),
        cmocka_unit_test(test_population_arrives_by_chance),
        cmocka_unit_test(test_population_is_replaced_and_keeps_its_level),
        cmocka_unit_test(test_population_comes_back),
        cmocka_unit_test(test_population_who_is_away_for_ever_is_not_replaced),
        cmocka_unit_test(test_population_returns_through_what_it_stored),
        cmocka_unit_test(test_population_of_one_seed_does_the_same),
        cmocka_unit_test(test_population_of_a_full_network_takes_old_addresses),
        cmocka_unit_test(test_population_any_is_present_and_honest),
        cmocka_unit_test(test_population_adversary_chooses_places),
    };

    return cmocka_run_group_tests(tests, NULL, crowd_cleanup);
}

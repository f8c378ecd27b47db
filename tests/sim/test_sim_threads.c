/* SPDX-License-Identifier: MIT
 *
 * The same network at different numbers of threads does the same, to the bit.
 */
#include "sim/dht_net.h"
#include "sim_test.h"

#include <string.h>

#define NODES 60

/* What one run came to. */
struct outcome {
    struct sim_stats stats;
    struct sim_score score;
    uint64_t replaced, now;
    uint64_t sent[4 * NODES];
    uint8_t random[8]; /* the network's stream went the same way */
};

struct scene {
    struct sim *sim;
    struct sim_dht_net net;
    unsigned cuts;
};

/* Each half minute a third of the nodes is cut off, or all are joined. */
static void cut(void *ctx, uint64_t now)
{
    struct scene *sc = ctx;

    if (sc->cuts++ % 2 == 1)
        sim_heal(sc->sim);
    else
        for (uint32_t i = 0; i < sim_nodes(sc->sim); i += 3)
            sim_partition(sc->sim, i, 1);
    assert_int_equal(sim_at(sc->sim, now + 30 * TIME_S, cut, sc), OK);
}

/* Shorter links for the second half, and an uplink that is often full. */
static void change(void *ctx, uint64_t now)
{
    struct scene *sc = ctx;
    struct sim_config c;

    (void)now;
    sim_config_init(&c);
    c.loss = 0.02;
    c.duplicate = 0.1;
    c.reorder = 0.1;
    c.latency.base = 3 * TIME_MS;
    c.uplink = 4000;
    sim_reconfigure(sc->sim, &c);
}

static void start(struct scene *sc, uint32_t threads, uint64_t seed)
{
    struct sim_config c;

    sim_config_init(&c);
    c.seed = seed;
    c.threads = threads;
    c.addressing = SIM_ADDRESS_GLOBAL;
    c.loss = 0.05;
    c.duplicate = 0.05;
    c.reorder = 0.05;
    c.max_datagrams = 400;
    c.refuses = true;
    c.latency.base = 70 * TIME_MS; /* long windows: threads meet seldom */
    *sc = (struct scene){.cuts = 0};
    assert_int_equal(sim_new(&c, &sc->sim), OK);
    sim_dht_net_init(&sc->net, sc->sim);
    sc->net.bootstraps = 3;
    assert_int_equal(sim_dht_net_grow(&sc->net, NODES - 10, 50 * TIME_MS), OK);
    sc->net.place.nat = NAT_SYMMETRIC;
    assert_int_equal(sim_dht_net_grow(&sc->net, 5, 50 * TIME_MS), OK);
    sc->net.place.nat = NAT_CONE; /* newcomers, too */
    assert_int_equal(sim_dht_net_grow(&sc->net, 5, 50 * TIME_MS), OK);
    assert_int_equal(sim_dht_net_churn(&sc->net, 20), OK);
    assert_int_equal(sim_at(sc->sim, sim_now(sc->sim) + TIME_MIN, cut, sc), OK);
    assert_int_equal(
        sim_at(sc->sim, sim_now(sc->sim) + 2 * TIME_MIN, change, sc), OK);
}

static void run(uint32_t threads, uint64_t seed, struct outcome *out)
{
    struct endpoint peer = {0};
    struct scene sc;
    struct id target;

    memset(out, 0, sizeof(*out));
    start(&sc, threads, seed);
    for (int i = 0; i < 3; i++) {
        sim_run_for(sc.sim, TIME_MIN);
        sim_rng_fill(sim_rng(sc.sim), target.b, ID_BYTES);
        sim_dht_net_lookups(&sc.net, &target, &peer, 1, 16, &out->score);
    }
    sim_stats(sc.sim, &out->stats);
    out->stats.memory = 0;
    out->replaced = sc.net.replaced;
    out->now = sim_now(sc.sim);
    for (uint32_t i = 0; i < sim_nodes(sc.sim) && i < 4 * NODES; i++)
        out->sent[i] = sim_node_sent(sc.sim, i);
    sim_rng_fill(sim_rng(sc.sim), out->random, sizeof(out->random));
    sim_free(sc.sim);
    sim_dht_net_deinit(&sc.net);
}

static void test_sim_threads_do_the_same(void **state)
{
    static struct outcome one, more;
    uint64_t seed = test_seed();

    (void)state;
    run(1, seed, &one);
    for (int f = 0; f < SIM_FATES; f++)
        assert_int_not_equal(one.stats.fate[f], 0);
    assert_at_least(one.replaced, 40);
    for (uint32_t threads = 2; threads <= 3; threads++) {
        run(threads, seed, &more);
        assert_memory_equal(&one, &more, sizeof(one));
    }
    run(1, seed + 1, &more);
    assert_int_not_equal(one.stats.digest, more.stats.digest);
}

static void test_sim_threads_bounds(void **state)
{
    struct sim_config c;
    struct sim *s;

    (void)state;
    sim_config_init(&c);
    c.threads = 0;
    assert_int_equal(sim_new(&c, &s), ERR_RANGE);
    c.threads = SIM_THREADS_MAX + 1;
    assert_int_equal(sim_new(&c, &s), ERR_RANGE);
    c.threads = SIM_THREADS_MAX;
    assert_int_equal(sim_new(&c, &s), OK);
    sim_run_for(s, TIME_HOUR);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_threads_do_the_same),
        cmocka_unit_test(test_sim_threads_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

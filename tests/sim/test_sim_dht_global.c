/* SPDX-License-Identifier: MIT
 *
 * A network of global addresses, one a /24, in which the rules of the public
 * DHT hold: BEP 42 ids, addresses learnt by vote, subnets counted.
 */
#include "dht/types/node_id.h"
#include "sim_dht_test.h"

static void world_global(struct world *w)
{
    world_init(w);
    w->config.addressing = SIM_ADDRESS_GLOBAL;
    world_start(w);
}

/* Nodes start with random ids, learn their address and take a fitting id. */
static void test_sim_dht_global_ids_follow_addresses(void **state)
{
    struct world *w = &world;
    unsigned fits = 0;

    (void)state;
    world_global(w);
    world_grow(w, 60, 100 * TIME_MS);
    sim_run_for(w->sim, 30 * TIME_MIN);
    for (uint32_t i = 0; i < 60; i++) {
        struct dht_status st;
        struct endpoint ep;

        sim_dht_status(w->sim, w->net.members[i], &st);
        assert_true(sim_endpoint(w->sim, w->net.members[i], FAMILY_IPV4, &ep));
        if (st.external_known[0])
            assert_true(endpoint_same_addr(&st.external[0], &ep));
        fits += node_id_matches(&st.id[0], &ep);
        assert_at_most(sim_dht_of(w->sim, w->net.members[i])->id_changes, 2);
    }
    print_message("  %u of 60 ids fit\n", fits);
    assert_int_equal(fits, 60);
    world_end(w);
}

static void test_sim_dht_global_lookups(void **state)
{
    struct world *w = &world;
    struct sim_score score;

    (void)state;
    world_global(w);
    w->net.keepers = 20;
    world_grow(w, 200, 100 * TIME_MS);
    sim_run_for(w->sim, 10 * TIME_MIN);
    world_announce_many(w, 40);
    world_lookups(w, "global addresses", 300, 99, &score);
    world_end(w);
}

/* The fastest start there can be: everybody at once. */
static void test_sim_dht_global_fifty_at_once(void **state)
{
    struct world *w = &world;
    struct sim_score score;

    (void)state;
    world_global(w);
    w->net.keepers = 9;
    world_grow(w, 50, 0);
    sim_run_for(w->sim, TIME_MIN);
    world_announce_many(w, 10);
    world_lookups(w, "fifty at once", 100, 99, &score);
    print_message("  %.1f datagrams a node\n",
                  (double)sim_dht_net_sent(&w->net) / 50);
    world_end(w);
}

/* Under the rules of the public DHT an idle node is no busier. */
static void test_sim_dht_global_idle_budget(void **state)
{
    struct world *w = &world;
    uint64_t before;
    double mean;

    (void)state;
    world_global(w);
    world_grow(w, 300, 100 * TIME_MS);
    sim_run_for(w->sim, 20 * TIME_MIN);
    before = sim_dht_net_sent(&w->net);
    sim_run_for(w->sim, TIME_HOUR);
    mean = (double)(sim_dht_net_sent(&w->net) - before) / 300 / 3600;
    print_message("  %.3f messages a second\n", mean);
    assert_true(mean < 0.2);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_dht_global_ids_follow_addresses),
        cmocka_unit_test(test_sim_dht_global_lookups),
        cmocka_unit_test(test_sim_dht_global_fifty_at_once),
        cmocka_unit_test(test_sim_dht_global_idle_budget),
    };

    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}

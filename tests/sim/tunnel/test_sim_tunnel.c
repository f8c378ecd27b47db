/* SPDX-License-Identifier: MIT
 *
 * The tunnel community on the built-in DHT in the simulated network: members
 * find each other, circuits get built and carry data over bad links, relays
 * die, clocks are wrong.
 */
#include "../sim_tunnel_test.h"

#include <sodium.h>

static struct endpoint destination;

/* Sends one a tenth of a second; how many answers of `tries` come back. */
static unsigned answers(struct world *w, unsigned hops, unsigned tries)
{
    struct sim_tunnel *client = client_of(w);
    unsigned before = client->data;

    for (unsigned i = 0; i < tries; i++) {
        sim_tunnel_data(w->sim, client->node, hops, &destination,
                        bytes_of_text("are you there?"));
        sim_run_for(w->sim, 100 * TIME_MS);
    }
    sim_run_for(w->sim, 2 * TIME_S);
    return client->data - before;
}

static void test_sim_tunnel_finds_relays_and_sends(void **state)
{
    struct world *w = &world;
    struct sim_tunnel *client;
    struct member_status st;

    (void)state;
    world_global(w);
    world_start(w);
    community(w, 0);
    client = client_of(w);
    sim_tunnel_build(w->sim, client->node, 3);
    sim_run_for(w->sim, 2 * TIME_MIN);
    member_status(client->member, sim_now(w->sim),
                  SIM_WALL + sim_now(w->sim) / TIME_S, &st);
    assert_int_equal(st.exits, EXITS);
    print_message("  known %u, exits %u, circuits %u\n", st.known, st.exits,
                  st.ready);
    assert_true(member_ready(client->member) >= 1.0);
    assert_int_equal(answers(w, 3, 50), 50);
    world_end(w);
}

static void test_sim_tunnel_over_lossy_links(void **state)
{
    struct world *w = &world;

    (void)state;
    world_global(w);
    w->config.loss = 0.05;
    w->config.reorder = 0.1;
    w->config.duplicate = 0.02;
    world_start(w);
    community(w, 0);
    sim_tunnel_build(w->sim, client_of(w)->node, 3);
    sim_run_for(w->sim, 3 * TIME_MIN);
    assert_true(member_ready(client_of(w)->member) >= 0.5);
    /* Six crossings with 5 % loss each: 73 %. */
    assert_in_range(answers(w, 3, 200), 120, 175);
    world_end(w);
}

/* Half of the relays die at once; the circuits come back without help. */
static void test_sim_tunnel_survives_the_death_of_relays(void **state)
{
    struct world *w = &world;

    (void)state;
    world_global(w);
    world_start(w);
    community(w, 0);
    sim_tunnel_build(w->sim, client_of(w)->node, 3);
    sim_run_for(w->sim, 3 * TIME_MIN);
    assert_int_equal(answers(w, 3, 10), 10);
    for (uint32_t i = 1; i < RELAYS; i += 2)
        sim_kill(w->sim, w->net.members[i]);
    sim_run_for(w->sim, 2 * TIME_MIN);
    assert_int_equal(answers(w, 3, 20), 20);
    world_end(w);
}

/* The client's clock, or those of the relays and exits: one in three is right,
 * the others are early and late. */
static void test_sim_tunnel_clocks_off_by_an_hour(void **state)
{
    static const struct {
        int64_t client, others;
    } rows[] = {{-3600, 0}, {3600, 0}, {0, 3600}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world *w = &world;
        struct member_status st;

        world_global(w);
        world_start(w);
        community(w, rows[i].client);
        for (uint32_t k = 0; k < CLIENT; k++)
            resident_of(w, k)->clock_error =
                ((int64_t)(k % 3) - 1) * rows[i].others;
        sim_tunnel_build(w->sim, client_of(w)->node, 2);
        sim_run_for(w->sim, 3 * TIME_MIN);
        assert_int_equal(answers(w, 2, 10), 10);
        member_status(
            client_of(w)->member, sim_now(w->sim),
            (uint64_t)((int64_t)(SIM_WALL + sim_now(w->sim) / TIME_S) +
                       rows[i].client),
            &st);
        assert_int_equal(st.exits, EXITS);
        assert_int_equal(st.usable, st.known);
        world_end(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_finds_relays_and_sends),
        cmocka_unit_test(test_sim_tunnel_over_lossy_links),
        cmocka_unit_test(test_sim_tunnel_survives_the_death_of_relays),
        cmocka_unit_test(test_sim_tunnel_clocks_off_by_an_hour),
    };

    if (sodium_init() < 0)
        return 1;
    endpoint_parse("8.8.8.8:53", &destination);
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}

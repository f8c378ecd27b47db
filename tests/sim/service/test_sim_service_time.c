/* SPDX-License-Identifier: MIT
 *
 * Channels outlive their circuits: relays that cut each circuit after a minute,
 * and a network that loses, doubles and reorders what is sent.
 */
#include "service_world.h"

#define RELAYING 24
#define SERVER   RELAYING
#define EACH     (100 * TIME_MS)

static const uint8_t seed[32] = {34, 1};

static struct hearer *host, *client;

static void begin(struct world *w, unsigned hops)
{
    const struct service_options options = {.hops = hops};

    world_of(w, RELAYING, 2);
    host = listen_to(w, w->net.members[SERVER]);
    client = listen_to(w, w->net.members[SERVER + 1]);
    host->answers = true;
    serve(host, seed, &options, NULL);
    wait_until_verified(w, host);
    reach(client, status_of(host).key, hops);
    assert_answered(w, client, "the client", TIME_MIN);
}

static void check_one_peer(void)
{
    assert_int_equal(client->peers, 1);
    assert_int_equal(host->peers, 1);
    assert_int_equal(client->gone + host->gone, 0);
}

static void end(struct world *w)
{
    exitless_shape = NULL;
    world_end(w);
}

/* ---- Relays that cut ---------------------------------------------------- */

static int64_t short_lived(uint32_t i, struct member_config *c)
{
    (void)i;
    c->max_time = TIME_MIN;
    return 0;
}

static void test_sim_service_outlives_circuits(void **state)
{
    struct world *w = &world;
    const struct services_stats *stats;
    unsigned lost;

    (void)state;
    world_global(w);
    exitless_shape = short_lived;
    for (unsigned hops = 1; hops <= 3; hops += 2) {
        begin(w, hops);
        traffic_begin(client, host, EACH);
        sim_run_for(w->sim, 10 * TIME_MIN);
        stats = services_stats(services_of(client));
        print_message("  %u moved, %u resumed, longest gap %.2f s\n",
                      (unsigned)stats->moved, (unsigned)stats->resumed,
                      (double)traffic_gap() / 1e9);
        lost = traffic_end(w);
        assert_at_least(traffic.next, 5999);
        assert_int_equal(lost + traffic.refused + traffic.twice, 0);
        assert_at_least(stats->moved, 10);
        assert_int_equal(stats->resumed, 0);
        check_one_peer();
        world_end(w);
    }
    end(w);
}

/* ---- A bad network ------------------------------------------------------ */

static void test_sim_service_under_loss(void **state)
{
    struct world *w = &world;
    unsigned lost;

    (void)state;
    world_global(w);
    w->config.loss = 0.01;
    w->config.duplicate = 0.1;
    w->config.reorder = 0.1;
    w->config.reorder_delay = 200 * TIME_MS;
    begin(w, 3);
    /* ten in a hundred on each hop, of which there are eight each way */
    w->config.loss = 0.1;
    sim_reconfigure(w->sim, &w->config);
    traffic_begin(client, host, 5 * EACH);
    sim_run_for(w->sim, 20 * TIME_MIN); /* two moves */
    lost = traffic_end(w);
    print_message("  %u of %u lost\n", lost, traffic.next);
    assert_int_equal(traffic.twice, 0);
    assert_in_range(lost, traffic.next / 10, traffic.next / 100 * 97);
    check_one_peer();
    end(w);
}

static void test_sim_service_connects_under_loss(void **state)
{
    struct world *w = &world;

    (void)state;
    world_global(w);
    w->config.loss = 0.1;
    w->config.duplicate = 0.1;
    w->config.reorder = 0.1;
    w->config.reorder_delay = 200 * TIME_MS;
    begin(w, 3);
    sim_run_for(w->sim, TIME_MIN);
    check_one_peer();
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_outlives_circuits),
        cmocka_unit_test(test_sim_service_under_loss),
        cmocka_unit_test(test_sim_service_connects_under_loss),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}

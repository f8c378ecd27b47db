/* SPDX-License-Identifier: MIT
 *
 * Members that are not plain: hostile, with roles, behind NATs, of a trace; and
 * the network that a scenario describes.
 */
#include "population_test.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- Roles and the adversary ------------------------------------------- */

static struct {
    unsigned hostile, tunnel, hostile_tunnel;
    enum error fail;
} started;

static const struct dht_config *plain_config(void)
{
    return &crowd.scenario.engines[0].dht;
}

static enum error start_hostile(void *ctx, struct population_member *m)
{
    assert_ptr_equal(ctx, &started);
    assert_true(m->hostile && m->role == POPULATION_PLAIN);
    assert_false(sim_alive(crowd.sim, m->node));
    started.hostile++;
    if (started.fail != OK)
        return started.fail;
    return sim_dht_revive(crowd.sim, m->node, plain_config());
}

static enum error start_tunnel(void *ctx, struct population_member *m)
{
    assert_ptr_equal(ctx, &started);
    assert_true(m->role != POPULATION_PLAIN);
    assert_non_null(sim_dht_of(crowd.sim, m->node));
    started.tunnel++;
    started.hostile_tunnel += m->hostile;
    return OK;
}

static void listen_to_starts(void)
{
    memset(&started, 0, sizeof(started));
    crowd.listener =
        (struct population_listener){.ctx = &started,
                                     .start_hostile = start_hostile,
                                     .start_tunnel = start_tunnel};
}

static void test_population_starts_what_each_is(void **state)
{
    unsigned inside = 0;
    struct endpoint ep;

    (void)state;
    crowd_init(&crowd, 51);
    crowd.scenario.nodes.bootstraps = 1;
    crowd.scenario.tunnels.relays = 10;
    crowd.scenario.tunnels.clients = 20;
    crowd.scenario.adversary.share = 0.2;
    crowd.scenario.adversary.count = 5;
    crowd.scenario.adversary.relays = 3;
    crowd.scenario.adversary.networks.count = 1;
    crowd.scenario.adversary.networks.at[0].bits = 8;
    crowd.scenario.adversary.networks.at[0].ep.addr[0] = 91;
    listen_to_starts();
    crowd_begin(&crowd);
    assert_int_equal(population_present(crowd.population), 59);
    assert_int_equal(started.hostile, 4 + 5);
    assert_int_equal(started.tunnel, 30 + 3);
    assert_int_equal(started.hostile_tunnel, 2 + 4 + 3);
    for (uint32_t i = 0; i < 59; i++) {
        struct population_member *m = crowd_at(&crowd, i);

        assert_true(sim_endpoint(crowd.sim, m->node, FAMILY_IPV4, &ep));
        assert_int_equal(m->hostile, ep.addr[0] == 91);
        inside += m->hostile;
    }
    assert_int_equal(inside, 18);
}

static void test_population_hostile_nodes_stay(void **state)
{
    (void)state;
    crowd_init(&crowd, 21);
    crowd.scenario.nodes.bootstraps = 1;
    crowd.scenario.adversary.share = 0.5;
    crowd.scenario.nodes.session =
        (struct spread){.kind = SPREAD_FIXED, .a = 10 * TIME_S};
    crowd.scenario.nodes.offline = (struct spread){.kind = SPREAD_FOREVER};
    listen_to_starts();
    crowd_begin(&crowd);
    crowd_run(&crowd, 20 * TIME_S);
    assert_int_equal(population_present(crowd.population), 11);
    for (uint32_t i = 0; i < 21; i++)
        assert_int_equal(crowd_at(&crowd, i)->present,
                         crowd_at(&crowd, i)->hostile ||
                             crowd_at(&crowd, i)->bootstrap);
}

static void test_population_says_what_failed(void **state)
{
    (void)state;
    crowd_init(&crowd, 20);
    crowd.scenario.adversary.count = 1;
    crowd.scenario.nodes.arrival = ARRIVE_EVENLY;
    crowd.scenario.nodes.arrival_time = 20 * TIME_S;
    listen_to_starts();
    started.fail = ERR_FULL;
    crowd_begin(&crowd);
    assert_int_equal(population_error(crowd.population), OK);
    sim_run_for(crowd.sim, 30 * TIME_S);
    assert_int_equal(population_error(crowd.population), ERR_FULL);
    assert_int_equal(population_present(crowd.population), 20);
    crowd_init(&crowd, 20);
    crowd.scenario.tunnels.relays = 20;
    assert_int_equal(crowd_make(&crowd), ERR_RANGE);
    assert_non_null(strstr(text_get(&crowd.why), "want 20 nodes"));
}

/* ---- NAT --------------------------------------------------------------- */

/* How many of `of` nodes' tables a member is in. */
struct entries {
    struct endpoint ep;
    unsigned good;
};

static void look(void *ctx, const struct dht_node_info *info)
{
    struct entries *k = ctx;

    k->good += endpoint_same_addr(&info->ep, &k->ep) &&
               info->quality == DHT_GOOD;
}

static double tables_with(const struct population_member *m)
{
    struct entries k = {.good = 0};

    assert_true(sim_endpoint(crowd.sim, m->node, FAMILY_IPV4, &k.ep));
    for (uint32_t i = 0; i < population_count(crowd.population); i++)
        dht_nodes(sim_dht_of(crowd.sim, crowd_at(&crowd, i)->node)->dht,
                  sim_now(crowd.sim), look, &k);
    return k.good;
}

/* They find others, but others do not take them for nodes that can be asked:
 * their share of all tables is small. */
static void
test_population_behind_nats_finds_and_is_not_counted_on(void **state)
{
    double open = 0, hidden = 0;
    unsigned opens = 0, hiddens = 0, found = 0;
    struct sim_request r;
    struct id hash;

    (void)state;
    crowd_init(&crowd, 100);
    crowd.scenario.nodes.cone_nat = 0.3;
    crowd.scenario.nodes.symmetric_nat = 0.2;
    crowd_begin(&crowd);
    crowd_run(&crowd, 40 * TIME_MIN);
    memset(&hash, 0x5a, sizeof(hash));
    for (uint32_t i = 0; i < 100; i++) {
        struct population_member *m = crowd_at(&crowd, i);

        if (m->nat == NAT_NONE) {
            open += tables_with(m);
            opens++;
            continue;
        }
        hidden += tables_with(m);
        hiddens++;
        hash.b[0] = (uint8_t)i;
        assert_int_equal(sim_dht_announce(crowd.sim, m->node, &hash, 77, &r),
                         OK);
        sim_request_wait(crowd.sim, &r, sim_now(crowd.sim) + TIME_MIN);
        found += r.result.stored >= 4;
        sim_request_cancel(crowd.sim, &r);
    }
    assert_in_range(hiddens, 35, 65);
    assert_in_range(found, hiddens * 9 / 10, hiddens);
    print_message("  in the tables of %.1f, behind a NAT of %.1f\n",
                  open / opens, hidden / hiddens);
    assert_true(hidden / hiddens < open / opens / 3);
}

/* ---- Traces
 * ------------------------------------------------------------------ */

static void test_population_follows_a_trace(void **state)
{
    static const char text[] = "seconds,node,event\n"
                               "0,0,join\n"
                               "5,3,join\n"
                               "10,0,leave\n"
                               "12.5,0,join\n"
                               "20,3,leave\n";
    static const unsigned present[] = {2, 2, 3, 3, 2, 3, 3, 3, 2, 2};
    char file[] = "/tmp/warren_trace_XXXXXX";
    int fd = mkstemp(file);

    (void)state;
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    for (int same = 0; same < 2; same++) {
        crowd_init(&crowd, 5);
        crowd.scenario.nodes.same_id = same;
        snprintf(crowd.scenario.nodes.trace, SETTING_TEXT_SIZE, "%s", file);
        crowd_begin(&crowd);
        for (size_t i = 0; i < sizeof(present) / sizeof(present[0]); i++) {
            crowd_run(&crowd, i == 0 ? TIME_S : 2400 * TIME_MS);
            assert_int_equal(population_present(crowd.population), present[i]);
        }
        assert_int_equal(population_count(crowd.population), same ? 3 : 4);
    }
    crowd_init(&crowd, 4); /* of which three are no bootstrap nodes */
    snprintf(crowd.scenario.nodes.trace, SETTING_TEXT_SIZE, "%s", file);
    assert_int_equal(crowd_make(&crowd), ERR_SYNTAX);
    assert_non_null(strstr(text_get(&crowd.why),
                           ":3: the node is '3' but must be a number from 0 "
                           "to 2"));
    unlink(file);
}

/* ---- The network
 * ------------------------------------------------------------- */

static void test_population_network_is_the_scenarios(void **state)
{
    struct scenario_network *n = &crowd.scenario.network;
    struct sim_config config;
    struct path *path;

    (void)state;
    crowd_init(&crowd, 5);
    crowd.scenario.run.threads = 2;
    n->latency = (struct spread){.kind = SPREAD_FIXED, .a = 7 * TIME_MS};
    n->uplink = (struct spread){.kind = SPREAD_FIXED, .a = 5000};
    n->loss = 0.1;
    n->duplicate = 0.2;
    n->reorder = 0.3;
    n->reorder_delay = TIME_MS;
    n->partitions.count = 1;
    n->partitions.at[0] =
        (struct scenario_partition){TIME_MIN, 2 * TIME_MIN, 0.5};
    sim_config_init(&config);
    assert_int_equal(population_network(&crowd.scenario, TIME_HOUR, &config,
                                        &path, &crowd.why),
                     OK);
    assert_int_equal(config.seed, 7);
    assert_int_equal(config.threads, 2);
    assert_true(config.loss == 0.1 && config.duplicate == 0.2);
    assert_true(config.reorder == 0.3 && config.reorder_delay == TIME_MS);
    assert_ptr_equal(config.path, path);
    assert_int_equal(path_least(path), 7 * TIME_MS);
    assert_int_equal(path_uplink(path, 3), 5000);
    for (uint32_t i = 0, cut = 0; i < 50; i++) {
        assert_false(path_cuts(path, 0, i, TIME_HOUR + TIME_MIN - 1));
        cut += path_cuts(path, 0, i, TIME_HOUR + TIME_MIN);
        assert_true(i < 49 || (cut > 5 && cut < 45));
    }
    path_free(path);
    snprintf(n->regions, SETTING_TEXT_SIZE, "/nowhere.csv");
    assert_int_equal(
        population_network(&crowd.scenario, 0, &config, &path, &crowd.why),
        ERR_IO);
    assert_string_equal(text_get(&crowd.why),
                        "/nowhere.csv: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_population_starts_what_each_is),
        cmocka_unit_test(test_population_hostile_nodes_stay),
        cmocka_unit_test(test_population_says_what_failed),
        cmocka_unit_test(
            test_population_behind_nats_finds_and_is_not_counted_on),
        cmocka_unit_test(test_population_follows_a_trace),
        cmocka_unit_test(test_population_network_is_the_scenarios),
    };

    return cmocka_run_group_tests(tests, NULL, crowd_cleanup);
}

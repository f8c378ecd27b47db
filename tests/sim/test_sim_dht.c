/* SPDX-License-Identifier: MIT
 *
 * What a network of DHT nodes does by itself: joining, idling, lookups over
 * bad links, partitions, both families. Attacks are in test_sim_dht_hostile.c,
 * churn in test_sim_dht_churn.c.
 */
#include "sim_dht_test.h"

#include <string.h>

/* `tries` pairs by chance: how often one finds the other by its id. */
static unsigned found_by_id(struct world *w, unsigned tries)
{
    unsigned found = 0;

    for (unsigned i = 0; i < tries; i++) {
        uint32_t from = sim_dht_net_any(&w->net), to = from;
        struct dht_status sought;
        struct sim_request r;

        while (to == from)
            to = sim_dht_net_any(&w->net);
        sim_dht_status(w->sim, to, &sought);
        assert_int_equal(sim_dht_find_node(w->sim, from, &sought.id[0], &r),
                         OK);
        sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN);
        found += r.done && r.result.closest_count > 0 &&
                 id_equal(&r.result.closest[0].id, &sought.id[0]);
    }
    return found;
}

static unsigned joined_by(const struct world *w, uint64_t at)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < w->net.count; i++)
        n += sim_dht_of(w->sim, w->net.members[i])->joined_at <= at;
    return n;
}

/* Fifty at once, through one of them, complete in three seconds: everybody
 * knows somebody good, and can be found by everybody else. */
static void test_sim_dht_fifty_join_in_three_seconds(void **state)
{
    struct world *w = &world;
    uint64_t most = 0, start;

    (void)state;
    world_init(w);
    world_start(w);
    start = sim_now(w->sim);
    world_grow(w, 50, 0);
    sim_run_until(w->sim, start + 3 * TIME_S);
    assert_int_equal(joined_by(w, sim_now(w->sim)), 50);
    for (uint32_t i = 0; i < 50; i++) {
        struct dht_status st;

        sim_dht_status(w->sim, w->net.members[i], &st);
        assert_at_least(st.good[0], DHT_K);
        if (i > 0 && sim_node_sent(w->sim, w->net.members[i]) > most)
            most = sim_node_sent(w->sim, w->net.members[i]);
    }
    print_message("  sent: %.1f a node, %u the most but the bootstrap's %u\n",
                  (double)sim_dht_net_sent(&w->net) / 50, (unsigned)most,
                  (unsigned)sim_node_sent(w->sim, w->net.members[0]));
    assert_at_most(sim_dht_net_sent(&w->net) / 50, 220);
    assert_at_most(most, 300);
    assert_int_equal(found_by_id(w, 100), 100);
    world_end(w);
}

static void test_sim_dht_same_seed_same_run(void **state)
{
    struct world *w = &world;
    struct sim_stats a = {0}, b = {0};

    (void)state;
    for (int run = 0; run < 2; run++) {
        b = a;
        world_init(w);
        w->config.loss = 0.05;
        world_start(w);
        world_grow(w, 30, 10 * TIME_MS);
        world_announce_many(w, 3);
        sim_run_for(w->sim, 10 * TIME_MIN);
        sim_stats(w->sim, &a);
        world_end(w);
    }
    assert_memory_equal(&a, &b, sizeof(a));
}

static void test_sim_dht_idle_budget(void **state)
{
    struct world *w = &world;
    double mean, most = 0;

    (void)state;
    world_init(w);
    world_start(w);
    world_grow(w, 100, 100 * TIME_MS);
    sim_run_for(w->sim, 10 * TIME_MIN);
    for (int hour = 0; hour < 3; hour++) {
        uint64_t before = sim_dht_net_sent(&w->net), each[100];

        for (uint32_t i = 0; i < 100; i++)
            each[i] = sim_node_sent(w->sim, w->net.members[i]);
        sim_run_for(w->sim, TIME_HOUR);
        mean = (double)(sim_dht_net_sent(&w->net) - before) / 100 / 3600;
        for (uint32_t i = 0; i < 100; i++) {
            uint64_t sent = sim_node_sent(w->sim, w->net.members[i]) - each[i];

            most = (double)sent / 3600 > most ? (double)sent / 3600 : most;
        }
        print_message("  hour %d: %.3f messages a second, at most %.3f\n", hour,
                      mean, most);
        assert_true(mean < 0.2);
        assert_true(most < 0.4);
    }
    world_end(w);
}

static void test_sim_dht_lookups_over_bad_links(void **state)
{
    struct world *w = &world;
    struct sim_score score;

    (void)state;
    world_init(w);
    w->config.loss = 0.1;
    w->config.duplicate = 0.05;
    w->config.reorder = 0.05;
    world_start(w);
    w->net.keepers = 20;
    world_grow(w, 500, 50 * TIME_MS);
    sim_run_for(w->sim, TIME_MIN);
    world_announce_many(w, 60);
    world_lookups(w, "10 % loss", 600, 99, &score);
    assert_at_most(sim_score_median_hops(&score), 4); /* log2(500) / 2 */
    world_end(w);
}

/* Ten minutes apart, and half an hour (one renewal) together again. */
static void test_sim_dht_partition_heals(void **state)
{
    struct world *w = &world;
    struct sim_score score;

    (void)state;
    world_init(w);
    world_start(w);
    w->net.keepers = 20;
    world_grow(w, 100, 50 * TIME_MS);
    sim_run_for(w->sim, TIME_MIN);
    world_announce_many(w, 20);
    for (uint32_t i = 0; i < 100; i += 2)
        sim_partition(w->sim, w->net.members[i], 1);
    sim_run_for(w->sim, 10 * TIME_MIN);
    sim_heal(w->sim);
    sim_run_for(w->sim, 30 * TIME_MIN);
    world_lookups(w, "after the partition", 200, 99, &score);
    world_end(w);
}

static void test_sim_dht_bootstrap_down(void **state)
{
    struct world *w = &world;
    struct sim_score score;

    (void)state;
    world_init(w);
    world_start(w);
    w->net.keepers = 20;
    world_grow(w, 60, 50 * TIME_MS);
    sim_run_for(w->sim, TIME_MIN);
    sim_kill(w->sim, w->net.members[0]);
    for (uint32_t i = 1; i <= 20; i++)
        assert_at_least(world_announce(w, w->net.members[i], FAMILY_IPV4), 4);
    world_lookups(w, "no bootstrap", 200, 99, &score);
    sim_run_for(w->sim, 2 * TIME_HOUR);
    world_lookups(w, "two hours later", 200, 99, &score);
    world_end(w);
}

struct remembered {
    size_t count;
    struct dht_node_info nodes[20];
};

static void remember(void *ctx, const struct dht_node_info *info)
{
    struct remembered *r = ctx;

    if (r->count < 20)
        r->nodes[r->count++] = *info;
}

/* A node comes back with what it knew and no bootstrap address. */
static void test_sim_dht_warm_start(void **state)
{
    struct world *w = &world;
    struct remembered r = {0};
    struct sim_score score;
    uint32_t back;

    (void)state;
    world_init(w);
    world_start(w);
    world_grow(w, 60, 50 * TIME_MS);
    sim_run_for(w->sim, TIME_MIN);
    world_announce_many(w, 5);
    back = w->net.members[59];
    dht_nodes(sim_dht_of(w->sim, back)->dht, sim_now(w->sim), remember, &r);
    assert_at_least(r.count, DHT_K);
    sim_kill(w->sim, back);
    sim_kill(w->sim, w->net.members[0]);
    sim_run_for(w->sim, TIME_MIN);

    assert_int_equal(sim_dht_revive(w->sim, back, &w->net.config), OK);
    for (size_t i = 0; i < r.count; i++)
        dht_node_add(sim_dht_of(w->sim, back)->dht, &r.nodes[i].id,
                     &r.nodes[i].ep, sim_now(w->sim));
    sim_wake(w->sim, back);
    sim_run_for(w->sim, TIME_S);
    assert_true(sim_dht_of(w->sim, back)->joined_at <= sim_now(w->sim));
    sim_run_for(w->sim, 10 * TIME_S);
    w->net.bootstraps = 59; /* the only one to ask */
    world_lookups(w, "the node that is back", 20, 99, &score);
    world_end(w);
}

static bool knows(struct world *w, uint32_t node, uint32_t other)
{
    struct remembered r = {0};
    struct endpoint ep;

    dht_nodes(sim_dht_of(w->sim, node)->dht, sim_now(w->sim), remember, &r);
    assert_true(sim_endpoint(w->sim, other, FAMILY_IPV4, &ep));
    for (size_t i = 0; i < r.count; i++)
        if (endpoint_equal(&r.nodes[i].ep, &ep))
            return true;
    return false;
}

/* Read-only nodes (BEP 43) find others and are known by nobody. */
static void test_sim_dht_read_only(void **state)
{
    struct world *w = &world;
    struct sim_score score;

    (void)state;
    world_init(w);
    world_start(w);
    world_grow(w, 15, 50 * TIME_MS);
    w->net.config.read_only = true;
    world_grow(w, 10, 50 * TIME_MS);
    sim_run_for(w->sim, 10 * TIME_MIN);
    world_announce_many(w, 5);
    w->net.bootstraps = 15; /* lookups from the read-only ones */
    world_lookups(w, "read-only nodes", 50, 99, &score);
    sim_run_for(w->sim, 30 * TIME_MIN);
    for (uint32_t i = 0; i < 25; i++)
        for (uint32_t k = 15; k < 25; k++)
            assert_false(knows(w, w->net.members[i], w->net.members[k]));
    world_end(w);
}

/* A third each of IPv4, IPv6 and both. What those with both announce is found
 * by all, in whichever family they have. */
static void test_sim_dht_dual_stack(void **state)
{
    struct world *w = &world;
    static const struct sim_place places[3] = {
        {.family = {true, true}},
        {.family = {true, false}},
        {.family = {false, true}},
    };
    unsigned found = 0;

    (void)state;
    world_init(w);
    world_start(w);
    for (int i = 0; i < 90; i++) {
        w->net.place = places[i % 3];
        world_grow(w, 1, 50 * TIME_MS);
    }
    sim_run_for(w->sim, TIME_MIN);
    for (uint32_t i = 0; i < 30; i += 3)
        world_announce(w, w->net.members[i], FAMILY_IPV4);
    for (uint32_t i = 1; i < 90; i++) {
        uint32_t key = i % w->key_count, node = w->net.members[i];
        struct endpoint v6;
        struct sim_request r;
        bool has4 = i % 3 != 2, has6 = i % 3 != 1;

        assert_true(
            sim_endpoint(w->sim, w->net.members[3 * key], FAMILY_IPV6, &v6));
        v6.port = w->peers[key].port;
        assert_int_equal(sim_dht_get_peers(w->sim, node, &w->keys[key], &r),
                         OK);
        sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN);
        found += (!has4 || sim_request_has_peer(&r, &w->peers[key])) &&
                 (!has6 || sim_request_has_peer(&r, &v6));
    }
    print_message("  dual stack: %u of 89 found\n", found);
    assert_at_least(found, 88);
    world_end(w);
}

/* Items of BEP 44 live on with their publisher and expire without. */
static void test_sim_dht_items(void **state)
{
    struct world *w = &world;
    struct value value;
    struct dht_item item = {.value = &value};
    struct sim_request r;
    struct id target;

    (void)state;
    world_init(w);
    world_start(w);
    world_grow(w, 60, 50 * TIME_MS);
    sim_run_for(w->sim, TIME_MIN);
    assert_int_equal(value_from_bytes(bytes_of_text("hello"), &value), OK);
    dht_item_target(&item, &target);
    assert_int_equal(sim_dht_put(w->sim, w->net.members[7], &item, &r), OK);
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
    assert_at_least(r.result.stored, DHT_K / 2);

    sim_run_for(w->sim, 5 * TIME_HOUR);
    assert_int_equal(sim_dht_get_item(w->sim, w->net.members[50], &target, &r),
                     OK);
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
    assert_int_equal(r.items, 1);
    assert_true(bytes_equal(value_bytes(&r.item), value_bytes(&value)));

    sim_kill(w->sim, w->net.members[7]);
    sim_run_for(w->sim, 3 * TIME_HOUR);
    assert_int_equal(sim_dht_get_item(w->sim, w->net.members[50], &target, &r),
                     OK);
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
    assert_int_equal(r.items, 0);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_dht_fifty_join_in_three_seconds),
        cmocka_unit_test(test_sim_dht_same_seed_same_run),
        cmocka_unit_test(test_sim_dht_idle_budget),
        cmocka_unit_test(test_sim_dht_lookups_over_bad_links),
        cmocka_unit_test(test_sim_dht_partition_heals),
        cmocka_unit_test(test_sim_dht_bootstrap_down),
        cmocka_unit_test(test_sim_dht_warm_start),
        cmocka_unit_test(test_sim_dht_read_only),
        cmocka_unit_test(test_sim_dht_dual_stack),
        cmocka_unit_test(test_sim_dht_items),
    };

    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}

/* SPDX-License-Identifier: MIT
 *
 * Networks whose nodes speak bencode, and those in which some do.
 */
#include "sim/hostile.h"
#include "sim_dht_test.h"

static void start(struct world *w)
{
    world_init(w);
    w->config.addressing = SIM_ADDRESS_GLOBAL;
    w->config.dht = SIM_PLANE_MAINLINE;
    world_start(w);
    w->net.config.dialect = DHT_DIALECT_MAINLINE;
}

static void test_sim_mainline_finds_what_was_announced(void **state)
{
    struct world *w = &world;
    struct sim_score score;

    (void)state;
    start(w);
    world_grow(w, 100, 100 * TIME_MS);
    sim_run_for(w->sim, 5 * TIME_MIN);
    world_announce_many(w, 20);
    world_lookups(w, "in bencode", 100, 99, &score);
    world_end(w);
}

struct counted {
    const struct sim *sim;
    enum dht_dialect dialect;
    unsigned right, wrong;
};

static void count(void *ctx, const struct dht_node_info *node)
{
    struct counted *c = ctx;
    uint32_t who = sim_node_at(c->sim, &node->ep);

    if (sim_dht_on(c->sim, who, c->dialect) != NULL)
        c->right++;
    else
        c->wrong++;
}

static void check_table(const struct world *w, uint32_t node,
                        enum dht_dialect dialect)
{
    const struct sim_dht *n = sim_dht_on(w->sim, node, dialect);
    struct counted c = {.sim = w->sim, .dialect = dialect};

    assert_non_null(n);
    assert_int_not_equal(n->joined_at, TIME_NEVER);
    dht_nodes(n->dht, sim_now(w->sim), count, &c);
    assert_at_least(c.right, DHT_K);
    assert_int_equal(c.wrong, 0);
}

/* Every second node speaks both, on one port; every fourth our own alone. */
static void test_sim_mainline_beside_our_own(void **state)
{
    struct world *w = &world;
    struct sim_score score = {0};
    struct dht_config own;

    (void)state;
    start(w);
    own = w->net.config;
    own.dialect = DHT_DIALECT_WARREN;
    for (uint32_t i = 0; i < 80; i++) {
        uint32_t node;

        assert_int_equal(sim_dht_net_join(&w->net, &node), OK);
        if (i % 4 == 3)
            sim_kill(w->sim, node);
        if (i % 2 == 0 || i % 4 == 3) {
            assert_int_equal(sim_dht_revive(w->sim, node, &own), OK);
            sim_dht_bootstrap(w->sim, node, w->net.members[0]);
        }
        sim_run_for(w->sim, 100 * TIME_MS);
    }
    sim_run_for(w->sim, 5 * TIME_MIN);
    for (uint32_t i = 0; i < 80; i++) {
        uint32_t node = w->net.members[i];

        if (i % 4 == 3)
            assert_null(sim_dht_of(w->sim, node));
        else
            check_table(w, node, DHT_DIALECT_MAINLINE);
        if (i % 2 == 0 || i % 4 == 3)
            check_table(w, node, DHT_DIALECT_WARREN);
        else
            assert_null(sim_dht_on(w->sim, node, DHT_DIALECT_WARREN));
    }
    /* Of those who look, one in four knows nobody to ask. */
    world_announce_many(w, 10);
    sim_dht_net_lookups(&w->net, w->keys, w->peers, w->key_count, 200, &score);
    assert_in_range(score.found, 120, 180);
    world_end(w);
}

/* In each mode: who lies, who floods, who sends what is no message. */
static void test_sim_mainline_among_hostile_nodes(void **state)
{
    static const enum sim_hostile_mode modes[] = {
        SIM_HOSTILE_SELF, SIM_HOSTILE_MADE_UP, SIM_HOSTILE_GARBAGE,
        SIM_HOSTILE_SPOOF, SIM_HOSTILE_STORE};
    struct world *w = &world;

    (void)state;
    for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
        struct sim_hostile_config c = {.mode = modes[m],
                                       .dialect = DHT_DIALECT_MAINLINE,
                                       .interval = TIME_S};
        struct sim_score score;
        uint32_t node;

        start(w);
        w->net.keepers = 10;
        world_grow(w, 100, 100 * TIME_MS);
        sim_run_for(w->sim, 5 * TIME_MIN);
        c.victims = w->net.members;
        c.victim_count = w->net.count;
        for (unsigned i = 0; i < 5; i++) {
            struct endpoint ep;

            sim_address_make(SIM_ADDRESS_GLOBAL, FAMILY_IPV4, sim_nodes(w->sim),
                             &ep);
            world_allowed_id(w, &ep, &c.id);
            assert_int_equal(sim_hostile_add(w->sim, &w->net.place, &c, &node),
                             OK);
        }
        sim_run_for(w->sim, 5 * TIME_MIN);
        world_announce_many(w, 20);
        world_lookups(w, "among hostile nodes", 100, 95, &score);
        if (modes[m] <= SIM_HOSTILE_MADE_UP)
            assert_at_least(sim_hostile_asked(w->sim, node), 1);
        world_end(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_mainline_finds_what_was_announced),
        cmocka_unit_test(test_sim_mainline_beside_our_own),
        cmocka_unit_test(test_sim_mainline_among_hostile_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}

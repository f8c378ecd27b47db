/* SPDX-License-Identifier: MIT
 *
 * A network of 200 honest nodes on global addresses, and hostile ones among
 * them. Each test states the bound that it asserts.
 */
#include "sim/clique.h"
#include "sim/hostile.h"
#include "sim_dht_test.h"

#include <string.h>

#define HONEST 200

static void start_honest(struct world *w, uint32_t n)
{
    world_init(w);
    w->config.addressing = SIM_ADDRESS_GLOBAL;
    world_start(w);
    w->net.keepers = 20;
    world_grow(w, n, 100 * TIME_MS);
    sim_run_for(w->sim, 10 * TIME_MIN);
}

/* `n` liars, each with an address and a valid id of its own, which make
 * themselves known to somebody each ten seconds. */
static void add_liars(struct world *w, uint32_t n, enum sim_hostile_mode mode)
{
    for (uint32_t i = 0; i < n; i++) {
        struct sim_hostile_config c = {.mode = mode,
                                       .interval = 10 * TIME_S,
                                       .victims = w->net.members,
                                       .victim_count = w->net.count};
        struct endpoint ep;
        uint32_t node;

        sim_address_make(SIM_ADDRESS_GLOBAL, FAMILY_IPV4, sim_nodes(w->sim),
                         &ep);
        world_allowed_id(w, &ep, &c.id);
        assert_int_equal(sim_hostile_add(w->sim, &w->net.place, &c, &node), OK);
    }
}

/* Lookups that asked hostile nodes, who come last. */
static uint64_t asked_of_liars(const struct world *w)
{
    uint64_t sum = 0;

    for (uint32_t i = w->net.count; i < sim_nodes(w->sim); i++)
        sum += sim_hostile_asked(w->sim, i);
    return sum;
}

static void lookups_among_liars(enum sim_hostile_mode mode, uint32_t liars,
                                unsigned percent, const char *what)
{
    struct world *w = &world;
    struct sim_score score;
    uint64_t asked;

    start_honest(w, HONEST);
    add_liars(w, liars, mode);
    sim_run_for(w->sim, 20 * TIME_MIN);
    world_announce_many(w, 40);
    asked = asked_of_liars(w);
    world_lookups(w, what, 300, percent, &score);
    /* They did get their say. */
    asked = asked_of_liars(w) - asked;
    print_message("  asked of liars: %.1f a lookup\n", (double)asked / 300);
    assert_at_least(asked, 300 / 4);
    world_end(w);
}

/* One liar to ten honest nodes: 99 % of the lookups find. One to three: 95. */
static void test_sim_dht_hostile_naming_itself(void **state)
{
    (void)state;
    lookups_among_liars(SIM_HOSTILE_SELF, HONEST / 10, 99, "one in ten");
    lookups_among_liars(SIM_HOSTILE_SELF, HONEST / 3, 95, "one in three");
}

static void test_sim_dht_hostile_naming_nobody(void **state)
{
    (void)state;
    lookups_among_liars(SIM_HOSTILE_MADE_UP, HONEST / 10, 99, "one in ten");
    lookups_among_liars(SIM_HOSTILE_MADE_UP, HONEST / 3, 95, "one in three");
}

/* ---- Ids clustered at a target ----------------------------------------- */

#define CLIQUE 32

struct clique {
    uint32_t nodes[CLIQUE];
    struct id ids[CLIQUE];
};

/* Eight nodes in each of four /24s; each the best of its addresses, so the
 * eight of a subnet differ in port alone, or, without BEP 42's rule, with ids
 * that share 150 bits with the target. */
static void add_clique(struct world *w, struct clique *q,
                       const struct id *target, bool valid)
{
    struct sim_hostile_config c = {.interval = 2 * TIME_S,
                                   .victims = w->net.members,
                                   .victim_count = w->net.count};
    struct endpoint eps[CLIQUE];

    for (unsigned i = 0; i < CLIQUE; i++) {
        struct sim_block subnet = {
            .first = {.addr = {91, 7, (uint8_t)(i / 8)}}, .at = 3, .len = 1};

        sim_clique_best(w->sim, &subnet, target, &eps[i], &q->ids[i]);
        eps[i].port = (uint16_t)(SIM_PORT + i);
        if (!valid) {
            eps[i].addr[3] = (uint8_t)(10 + i);
            q->ids[i] = *target;
        }
        q->ids[i].b[18] = (uint8_t)i;
    }
    assert_int_equal(sim_clique_add(w->sim, c, eps, q->ids, CLIQUE, q->nodes),
                     OK);
}

static void lookups_of_surrounded_key(bool valid, const char *what)
{
    struct world *w = &world;
    static struct clique q;
    struct sim_score score;
    struct sim_request r;

    start_honest(w, HONEST);
    world_random_id(w, &w->keys[0]);
    w->key_count = 1;
    add_clique(w, &q, &w->keys[0], valid);
    sim_run_for(w->sim, 20 * TIME_MIN);
    assert_true(
        sim_endpoint(w->sim, w->net.members[1], FAMILY_IPV4, &w->peers[0]));
    w->peers[0].port = 1000;
    assert_int_equal(
        sim_dht_announce(w->sim, w->net.members[1], &w->keys[0], 1000, &r), OK);
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + 2 * TIME_MIN));
    world_lookups(w, what, 100, 95, &score);
    print_message("  %u stored it, the clique was asked %u times\n",
                  r.result.stored, (unsigned)asked_of_liars(w));
    if (valid)
        assert_at_least(asked_of_liars(w), 50); /* it did get in the way */
    else
        assert_at_most(asked_of_liars(w), 10); /* nobody takes it up */
    world_end(w);
}

/* 32 nodes that hold four /24s, with the best ids that BEP 42 allows there:
 * 95 % of the lookups still find. */
static void test_sim_dht_hostile_clustered_ids(void **state)
{
    (void)state;
    lookups_of_surrounded_key(true, "clustered, ids valid");
}

/* The same with ids right at the target, which their addresses forbid. */
static void test_sim_dht_hostile_forbidden_ids(void **state)
{
    (void)state;
    lookups_of_surrounded_key(false, "clustered, ids forbidden");
}

/* ---- A /48 of IPv6 ------------------------------------------------------ */

#define SITE_NODES 16

/* The nearest ids that BEP 42 allows in a /48: 18 bits are free. No two nodes
 * are in one /56. */
static void add_site(struct world *w, struct clique *q, const struct id *target)
{
    struct sim_hostile_config c = {.interval = 2 * TIME_S,
                                   .victims = w->net.members,
                                   .victim_count = w->net.count};
    struct endpoint eps[SITE_NODES];

    for (unsigned i = 0; i < SITE_NODES; i++) {
        struct sim_block line = {
            .first = {.family = FAMILY_IPV6, .port = SIM_PORT},
            .at = 7,
            .len = 1,
        };

        memcpy(line.first.addr, (uint8_t[]){0x2a, 0x91, 0, 7, 0, 7, (uint8_t)i},
               7);
        line.first.addr[15] = 1;
        sim_clique_best(w->sim, &line, target, &eps[i], &q->ids[i]);
        q->ids[i].b[18] = (uint8_t)i;
    }
    assert_int_equal(
        sim_clique_add(w->sim, c, eps, q->ids, SITE_NODES, q->nodes), OK);
}

/* Who has a /48, as a tunnel broker gives it to anybody, and puts 16 nodes
 * around a key: 95 % of the lookups in the IPv6 DHT still find. */
static void test_sim_dht_hostile_site_around_a_key(void **state)
{
    struct world *w = &world;
    static struct clique q;
    struct sim_score score;
    struct sim_request r;

    (void)state;
    world_init(w);
    w->config.addressing = SIM_ADDRESS_GLOBAL;
    world_start(w);
    w->net.keepers = 20;
    w->net.place.family[FAMILY_IPV4] = false;
    w->net.place.family[FAMILY_IPV6] = true;
    world_grow(w, HONEST, 100 * TIME_MS);
    sim_run_for(w->sim, 10 * TIME_MIN);
    world_random_id(w, &w->keys[0]);
    w->key_count = 1;
    add_site(w, &q, &w->keys[0]);
    sim_run_for(w->sim, 20 * TIME_MIN);
    assert_true(
        sim_endpoint(w->sim, w->net.members[1], FAMILY_IPV6, &w->peers[0]));
    w->peers[0].port = 1000;
    assert_int_equal(
        sim_dht_announce(w->sim, w->net.members[1], &w->keys[0], 1000, &r), OK);
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + 2 * TIME_MIN));
    world_lookups(w, "a /48 around it", 100, 95, &score);
    print_message("  %u stored it, the 16 were asked %u times\n",
                  r.result.stored, (unsigned)asked_of_liars(w));
    assert_at_least(asked_of_liars(w), 50); /* it did get in the way */
    world_end(w);
}

/* ---- Floods ------------------------------------------------------------ */

static size_t memory_of(struct world *w, uint32_t node)
{
    struct dht_status st;

    sim_dht_status(w->sim, node, &st);
    return st.memory;
}

static void flood(struct world *w, uint32_t *attackers, unsigned n,
                  enum sim_hostile_mode mode, uint64_t interval)
{
    for (unsigned i = 0; i < n; i++) {
        struct sim_hostile_config c = {.mode = mode,
                                       .interval = interval,
                                       .victims = w->net.members,
                                       .victim_count = 2};

        world_random_id(w, &c.id);
        assert_int_equal(
            sim_hostile_add(w->sim, &w->net.place, &c, &attackers[i]), OK);
    }
}

/* Ten minutes of every flood at once at two nodes, 700 datagrams a second in
 * all: each holds less than 2 MB, 99 % of the lookups that honest nodes make
 * find, and three hours later the memory is what it was but for some 4 KB: the
 * limiter has had to grow for their sources, and stays as large. */
static void test_sim_dht_hostile_floods(void **state)
{
    struct world *w = &world;
    struct sim_score score;
    uint32_t attackers[12];
    size_t before[2];

    (void)state;
    start_honest(w, 40);
    world_announce_many(w, 20);
    sim_run_for(w->sim, 2 * TIME_HOUR);
    for (int v = 0; v < 2; v++)
        before[v] = memory_of(w, w->net.members[v]);
    flood(w, attackers, 2, SIM_HOSTILE_GARBAGE, 10 * TIME_MS);
    flood(w, attackers + 2, 3, SIM_HOSTILE_SPOOF, 10 * TIME_MS);
    flood(w, attackers + 5, 4, SIM_HOSTILE_STORE, 20 * TIME_MS);
    for (int minute = 0; minute < 10; minute++) {
        sim_run_for(w->sim, TIME_MIN);
        for (int v = 0; v < 2; v++)
            assert_at_most(memory_of(w, w->net.members[v]), 2 * 1000 * 1000);
    }
    print_message("  memory: %zu before, %zu in the flood\n", before[0],
                  memory_of(w, w->net.members[0]));
    world_lookups(w, "in the flood", 100, 99, &score);
    for (unsigned i = 0; i < 9; i++)
        sim_kill(w->sim, attackers[i]);
    sim_run_for(w->sim, 3 * TIME_HOUR);
    for (int v = 0; v < 2; v++) {
        print_message("  memory: %zu after, %zu before\n",
                      memory_of(w, w->net.members[v]), before[v]);
        assert_at_most(memory_of(w, w->net.members[v]), before[v] + 6000);
    }
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_dht_hostile_naming_itself),
        cmocka_unit_test(test_sim_dht_hostile_naming_nobody),
        cmocka_unit_test(test_sim_dht_hostile_clustered_ids),
        cmocka_unit_test(test_sim_dht_hostile_forbidden_ids),
        cmocka_unit_test(test_sim_dht_hostile_site_around_a_key),
        cmocka_unit_test(test_sim_dht_hostile_floods),
    };

    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}

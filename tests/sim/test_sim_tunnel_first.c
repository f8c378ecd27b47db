/* SPDX-License-Identifier: MIT
 *
 * A client's first minutes in the simulated network: all that it knows then is
 * what the first node that it meets tells it.
 */
#include "sim_tunnel_test.h"

#include <sodium.h>

#define PARTY   4  /* relays of the one who is met first */
#define CLIENTS 10 /* with three guards each */

static void add_relays(struct world *w)
{
    struct member_config c;

    world_grow(w, RELAYS + EXITS, 200 * TIME_MS);
    sim_run_for(w->sim, 2 * TIME_MIN);
    for (uint32_t i = 0; i < RELAYS + EXITS; i++) {
        member_config_init(&c);
        c.become_exitnode = i >= RELAYS;
        assert_int_equal(sim_tunnel_add(w->sim, w->net.members[i], &c, 0), OK);
        sim_wake(w->sim, w->net.members[i]);
    }
    sim_run_for(w->sim, 2 * TIME_MIN);
}

/* The party's relays and the clients are on their own. */
static void isolate(struct world *w, bool alone)
{
    for (uint32_t i = 0; i < w->net.count; i++)
        if (i < PARTY || i > CLIENT - 1)
            sim_partition(w->sim, w->net.members[i], alone);
}

static void add_clients(struct world *w)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct member_config c;
        uint32_t node;

        assert_int_equal(sim_dht_net_join(&w->net, &node), OK);
        member_config_init(&c);
        c.max_relays_or_exits = 0;
        c.min_circuits = 1;
        sim_partition(w->sim, node, 1);
        assert_int_equal(sim_tunnel_add(w->sim, node, &c, 0), OK);
        assert_int_equal(sim_tunnel_build(w->sim, node, HOPS), OK);
    }
}

static bool is_of_party(const struct world *w, const struct known_relay *relay)
{
    for (uint32_t i = 0; i < PARTY; i++) {
        struct endpoint ep;

        if (sim_endpoint(w->sim, w->net.members[i], FAMILY_IPV4, &ep) &&
            endpoint_equal(&relay->d.addresses[0], &ep))
            return true;
    }
    return false;
}

struct view {
    unsigned guards, party_guards, known;
};

static struct view look(const struct world *w)
{
    struct view v = {0};

    for (uint32_t i = CLIENT; i < w->net.count; i++) {
        const struct sim_tunnel *n = sim_tunnel_of(w->sim, w->net.members[i]);
        const struct directory *d = member_directory(n->tunnel);

        for (unsigned k = 0; k < directory_count(d); k++) {
            const struct known_relay *relay = directory_at(d, k);

            v.known++;
            if (relay->record.guard_since == 0)
                continue;
            v.guards++;
            v.party_guards += is_of_party(w, relay);
        }
    }
    print_message("  each client knows %u relays; %u of %u guards are of the "
                  "party\n",
                  v.known / CLIENTS, v.party_guards, v.guards);
    return v;
}

/* The only bootstrap node lets its clients see its own four relays for 8
 * seconds. Afterwards it has no more guards than its relays have a right to: 4
 * of 20 that are no exits. */
static void test_sim_tunnel_first_met_is_no_guard_for_weeks(void **state)
{
    struct world *w = &world;
    struct view v;

    (void)state;
    world_global(w);
    world_start(w);
    add_relays(w);
    isolate(w, true);
    add_clients(w);
    sim_run_for(w->sim, 8 * TIME_S);
    v = look(w);
    assert_int_equal(v.party_guards, v.guards);
    isolate(w, false);
    sim_run_for(w->sim, 10 * TIME_MIN);
    v = look(w);
    assert_at_least(v.known, CLIENTS * (RELAYS + EXITS) * 9 / 10);
    assert_int_equal(v.guards, 3 * CLIENTS);
    /* 6 are fair; four standard deviations more. */
    assert_in_range(v.party_guards, 0, 15);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_first_met_is_no_guard_for_weeks),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}

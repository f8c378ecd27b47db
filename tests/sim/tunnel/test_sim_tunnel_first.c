/* SPDX-License-Identifier: MIT
 *
 * A client's first minutes in the simulated network: all that it knows then is
 * what the first node that it meets tells it, and what a party with many
 * addresses makes it know.
 */
#include "../sim_tunnel_test.h"

#include <sodium.h>

#define PARTY   4  /* relays of the one who is met first */
#define CLIENTS 10 /* with three guards each */
#define CROWD   40 /* relays of a party in one /16 */

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

static void add_clients(struct world *w, uint16_t group)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct member_config c;
        uint32_t node;

        assert_int_equal(sim_dht_net_join(&w->net, &node), OK);
        member_config_init(&c);
        c.max_relays_or_exits = 0;
        c.min_circuits = 1;
        sim_partition(w->sim, node, group);
        assert_int_equal(sim_tunnel_add(w->sim, node, &c, 0), OK);
        assert_int_equal(sim_tunnel_build(w->sim, node, HOPS), OK);
    }
}

static struct endpoint party[CROWD];
static unsigned party_count;

static bool is_of_party(const struct known_relay *relay)
{
    for (unsigned a = 0; a < relay->d.address_count; a++)
        for (unsigned i = 0; i < party_count; i++)
            if (endpoint_equal(&relay->d.addresses[a], &party[i]))
                return true;
    return false;
}

struct view {
    unsigned guards, party_guards, known, party;
};

static struct view look(const struct world *w, uint32_t first_client)
{
    struct view v = {0};

    for (uint32_t i = first_client; i < w->net.count; i++) {
        const struct sim_tunnel *n = sim_tunnel_of(w->sim, w->net.members[i]);
        const struct directory *d = member_directory(n->member);

        for (unsigned k = 0; k < directory_count(d); k++) {
            const struct known_relay *relay = directory_at(d, k);

            v.known++;
            v.party += is_of_party(relay);
            if (relay->record.guard_since == 0)
                continue;
            v.guards++;
            v.party_guards += is_of_party(relay);
        }
    }
    print_message("  each client knows %u relays, %u of the party; %u of %u "
                  "guards are of the party\n",
                  v.known / CLIENTS, v.party / CLIENTS, v.party_guards,
                  v.guards);
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
    party_count = PARTY;
    for (uint32_t i = 0; i < PARTY; i++)
        assert_true(
            sim_endpoint(w->sim, w->net.members[i], FAMILY_IPV4, &party[i]));
    isolate(w, true);
    add_clients(w, 1);
    sim_run_for(w->sim, 8 * TIME_S);
    v = look(w, CLIENT);
    assert_int_equal(v.party_guards, v.guards);
    isolate(w, false);
    sim_run_for(w->sim, 10 * TIME_MIN);
    v = look(w, CLIENT);
    assert_at_least(v.known, CLIENTS * (RELAYS + EXITS) * 9 / 10);
    assert_int_equal(v.guards, 3 * CLIENTS);
    /* 6 are fair; four standard deviations more. */
    assert_in_range(v.party_guards, 0, 15);
    world_end(w);
}

/* A relay at each of CROWD addresses of one /16, which says first that it lives
 * in another network. */
static void add_crowd(struct world *w)
{
    party_count = CROWD;
    for (uint32_t i = 0; i < CROWD; i++) {
        struct endpoint said[2] = {
            {.addr = {100, 200, 0, 1}, .port = SIM_PORT}};
        struct member_config c;
        uint32_t node;

        party[i] = (struct endpoint){.addr = {99, 99, (uint8_t)i, 1},
                                     .port = SIM_PORT};
        w->net.place.at[FAMILY_IPV4] = &party[i];
        assert_int_equal(sim_dht_net_join(&w->net, &node), OK);
        w->net.place.at[FAMILY_IPV4] = NULL;
        member_config_init(&c);
        assert_int_equal(sim_tunnel_add(w->sim, node, &c, 0), OK);
        said[0].addr[0] = (uint8_t)(100 + i);
        said[1] = party[i];
        member_set_addresses(sim_tunnel_of(w->sim, node)->member, said, 2, 0,
                             sim_now(w->sim));
        sim_wake(w->sim, node);
        sim_run_for(w->sim, 200 * TIME_MS);
    }
}

/* They are 40 of 64 relays and one of 25 networks. */
static void test_sim_tunnel_one_network_has_little_of_a_view(void **state)
{
    struct world *w = &world;
    struct view v;

    (void)state;
    world_global(w);
    world_start(w);
    add_relays(w);
    add_crowd(w);
    sim_run_for(w->sim, 5 * TIME_MIN);
    add_clients(w, 0);
    sim_run_for(w->sim, 10 * TIME_MIN);
    v = look(w, CLIENT + CROWD);
    assert_at_least(v.known - v.party, CLIENTS * (RELAYS + EXITS) * 9 / 10);
    assert_in_range(v.party, 0, CLIENTS * KNOWN_NETWORK_MIN);
    assert_int_equal(v.guards, 3 * CLIENTS);
    /* 1 or 2 are fair; four standard deviations more. */
    assert_in_range(v.party_guards, 0, 6);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_first_met_is_no_guard_for_weeks),
        cmocka_unit_test(test_sim_tunnel_one_network_has_little_of_a_view),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}

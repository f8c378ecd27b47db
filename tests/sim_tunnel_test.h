/* SPDX-License-Identifier: MIT
 *
 * A tunnel community on the built-in DHT in the simulated network: relays,
 * exits and a client, on global addresses.
 */
#ifndef WARREN_TESTS_SIM_TUNNEL_TEST_H
#define WARREN_TESTS_SIM_TUNNEL_TEST_H

#include "sim/tunnel_node.h"
#include "sim_dht_test.h"

#define RELAYS 20
#define EXITS  4
#define CLIENT (RELAYS + EXITS) /* index among the members */

/* The client keeps `min_circuits`, and its wall clock is off by so many
 * seconds. */
static inline void community_with(struct world *w, unsigned min_circuits,
                                  int64_t client_clock)
{
    struct tunnel_config c;

    world_grow(w, RELAYS + EXITS + 1, 200 * TIME_MS);
    sim_run_for(w->sim, 2 * TIME_MIN);
    for (uint32_t i = 0; i <= CLIENT; i++) {
        tunnel_config_init(&c);
        c.become_exitnode = i >= RELAYS && i < CLIENT;
        c.min_circuits = min_circuits;
        if (i == CLIENT)
            c.max_relays_or_exits = 0;
        assert_int_equal(sim_tunnel_add(w->sim, w->net.members[i], &c,
                                        i == CLIENT ? client_clock : 0),
                         OK);
        sim_wake(w->sim, w->net.members[i]);
    }
}

static inline void community(struct world *w, int64_t client_clock)
{
    community_with(w, 2, client_clock);
}

static inline struct sim_tunnel *member_of(const struct world *w, uint32_t i)
{
    return sim_tunnel_of(w->sim, w->net.members[i]);
}

static inline struct sim_tunnel *client_of(const struct world *w)
{
    return member_of(w, CLIENT);
}

static inline void world_global(struct world *w)
{
    world_init(w);
    w->config.addressing = SIM_ADDRESS_GLOBAL;
}

#endif

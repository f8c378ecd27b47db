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
#define HOPS   3

/* The client keeps `min_circuits`, and its wall clock is off by so many
 * seconds. */
static inline void community_with(struct world *w, unsigned min_circuits,
                                  int64_t client_clock)
{
    struct member_config c;

    world_grow(w, RELAYS + EXITS + 1, 200 * TIME_MS);
    sim_run_for(w->sim, 2 * TIME_MIN);
    for (uint32_t i = 0; i <= CLIENT; i++) {
        member_config_init(&c);
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

static inline struct sim_tunnel *resident_of(const struct world *w, uint32_t i)
{
    return sim_tunnel_of(w->sim, w->net.members[i]);
}

static inline struct sim_tunnel *client_of(const struct world *w)
{
    return resident_of(w, CLIENT);
}

static inline void world_global(struct world *w)
{
    world_init(w);
    w->config.addressing = SIM_ADDRESS_GLOBAL;
}

/* ---- Circuits of the client -------------------------------------------- */

struct tally {
    const struct world *w;
    const bool *marked; /* members */
    unsigned circuits;
    unsigned middles, marked_middles;
    unsigned exits, marked_exits;
};

static inline bool is_marked(const struct tally *t,
                             const struct link_target *hop)
{
    for (uint32_t i = 0; i < CLIENT; i++) {
        struct endpoint ep;

        if (sim_endpoint(t->w->sim, t->w->net.members[i], FAMILY_IPV4, &ep) &&
            endpoint_equal(&ep, &hop->ep))
            return t->marked[i];
    }
    fail_msg("a hop that is none of us");
    return false;
}

static inline void count_hops(void *ctx, const struct circuit *c)
{
    struct tally *t = ctx;

    if (c->state != CIRCUIT_READY)
        return;
    t->circuits++;
    for (unsigned i = 1; i + 1 < c->length; i++) {
        t->middles++;
        t->marked_middles += is_marked(t, &c->hop[i].target);
    }
    t->exits++;
    t->marked_exits += is_marked(t, &c->hop[c->length - 1].target);
}

/* Throws the circuits away, and waits for others. */
static inline void renew(struct world *w, uint64_t wait)
{
    struct sim_tunnel *client = client_of(w);
    uint32_t ids[16];
    unsigned n = member_active(client->member, HOPS, ids, 16);

    for (unsigned i = 0; i < n && i < 16; i++)
        member_close(client->member, ids[i], sim_now(w->sim));
    sim_wake(w->sim, client->node);
    sim_run_for(w->sim, wait);
}

/* Who is in the next circuits. */
static inline struct tally tally(struct world *w, const bool *marked,
                                 unsigned rounds)
{
    struct tally t = {.w = w, .marked = marked};

    for (unsigned i = 0; i < rounds; i++) {
        renew(w, 5 * TIME_S);
        member_circuits(client_of(w)->member, count_hops, &t);
    }
    return t;
}

/* What the client knows of a member; NULL: nothing. */
static inline const struct known_relay *known_of(const struct world *w,
                                                 uint32_t member)
{
    const struct directory *d = member_directory(client_of(w)->member);
    struct endpoint ep;

    assert_true(sim_endpoint(w->sim, w->net.members[member], FAMILY_IPV4, &ep));
    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *k = directory_at(d, i);

        if (endpoint_equal(&k->d.addresses[0], &ep))
            return k;
    }
    return NULL;
}

static inline bool is_guard(const struct world *w, uint32_t member)
{
    const struct known_relay *k = known_of(w, member);

    return k != NULL && k->record.guard_since != 0;
}

/* ---- Relays of one circuit ---------------------------------------------- */

struct hops {
    uint32_t circuit;
    unsigned length;
    struct endpoint ep[ONION_HOPS_MAX];
};

static inline void find_hops(void *ctx, const struct circuit *c)
{
    struct hops *h = ctx;

    if (c->id != h->circuit)
        return;
    h->length = c->length;
    for (unsigned i = 0; i < c->length; i++)
        h->ep[i] = c->hop[i].target.ep;
}

static inline bool is_relay_of(const struct hops *h, const struct endpoint *ep)
{
    for (unsigned k = 0; k + 1 < h->length; k++)
        if (endpoint_equal(ep, &h->ep[k]))
            return true;
    return false;
}

/* All of the client's circuit but its exit; how many. */
static inline unsigned
kill_relays_of(struct world *w, const struct member *client, uint32_t circuit)
{
    struct hops h = {.circuit = circuit};
    unsigned killed = 0;

    member_circuits(client, find_hops, &h);
    for (uint32_t i = 0; i < RELAYS; i++) {
        uint32_t node = w->net.members[i];
        struct endpoint ep;

        if (sim_tunnel_of(w->sim, node) != NULL &&
            sim_endpoint(w->sim, node, FAMILY_IPV4, &ep) &&
            is_relay_of(&h, &ep)) {
            sim_kill(w->sim, node);
            killed++;
        }
    }
    return killed;
}

#endif

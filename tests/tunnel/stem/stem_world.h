/* SPDX-License-Identifier: MIT
 *
 * Node 0 of a tunnel_net is a client with a directory of the others, guards,
 * vanguards and stems; the others are relays whose answers to messages of
 * services a test gives.
 */
#ifndef WARREN_TESTS_STEM_WORLD_H
#define WARREN_TESTS_STEM_WORLD_H

#define NET_NODES 24

#include "directory_data.h"
#include "tunnel_net.h"

#include "tunnel/directory/directory_internal.h"
#include "tunnel/link/cell.h"
#include "tunnel/stem/stem.h"

#define WORLD_RELAYS (NET_NODES - 1)

struct world {
    struct net *net;
    struct host h;
    struct guards guards;
    struct vanguards vanguards;
    struct stems *stems;
    unsigned relays;
    uint64_t began;
    /* What env.ready told last. */
    unsigned told;
    struct stem_kit *told_kit;
    enum path_result told_why;
    void (*on_ready)(struct world *w, struct stem_kit *kit);
    /* What relay `n` does with a message; NULL: refuses. */
    enum reason (*serve)(struct world *w, unsigned n, struct transit *relay,
                         const struct meeting_message *m);
    void *serve_ctx;
    /* What else is driven; NULL: nothing. */
    uint64_t (*next)(const struct world *w);
    void (*tick)(struct world *w);
};

static inline struct world *world_of(void *node)
{
    struct net_node *n = node;

    return n->net->tap_ctx;
}

/* ---- A client ------------------------------------------------------------ */

static inline void world_ready(void *ctx, struct circuit *c, uint64_t now)
{
    (void)ctx;
    route_ready(c, now);
}

static inline void world_closed(void *ctx, struct circuit *c, enum reason why,
                                unsigned hop, uint64_t now)
{
    (void)ctx;
    route_closed(c, why, hop, now);
}

static inline void world_refused(void *ctx, struct circuit *c, enum reason why,
                                 uint64_t now)
{
    (void)ctx;
    route_refused(c, why, now);
}

static inline bool world_message(void *ctx, struct circuit *c, unsigned hop,
                                 struct bytes text, uint64_t now)
{
    (void)ctx;
    return route_message(c, hop, text, now);
}

static inline void world_stem(void *ctx, struct stem_kit *kit,
                              enum path_result why, uint64_t now)
{
    struct world *w = ctx;

    w->told++;
    w->told_kit = kit;
    w->told_why = why;
    if (w->on_ready != NULL)
        w->on_ready(w, kit);
    (void)now;
}

static inline struct circuits *world_circuits(const struct world *w)
{
    return w->net->node[0].engine.circuits;
}

/* ---- Relays -------------------------------------------------------------- */

static inline enum reason world_asked(void *ctx, struct transit *relay,
                                      struct bytes text, uint64_t now)
{
    struct net_node *n = ctx;
    struct world *w = world_of(n);
    struct meeting_message m;

    (void)now;
    if (w->serve == NULL || meeting_message_read(text, &m) != OK)
        return REASON_PROTOCOL;
    return w->serve(w, (unsigned)(n - w->net->node), relay, &m);
}

/* Relay `n` says it to its client. */
static inline void world_say(struct world *w, unsigned n, struct transit *relay,
                             const struct meeting_message *m)
{
    struct transits *t = w->net->node[n].engine.transits;
    size_t cell = meeting_message_cell(m->type), len;
    uint8_t text[CELL_TEXT_MAX];

    assert_int_equal(meeting_message_write(m, text, sizeof(text), &len), OK);
    assert_int_equal(
        transit_answer_text(t, relay, bytes_of(text, len), cell, w->net->now),
        OK);
}

/* ---- All of it ----------------------------------------------------------- */

static inline void world_restart(struct world *w, unsigned n)
{
    struct net_node *node = &w->net->node[n];
    struct router_config c;
    struct router_env env = net_env(node);
    uint8_t secret[64];

    router_deinit(&node->engine);
    test_identity(n, node->identity, secret);
    c = net_config(node);
    c.circuit.max_circuits = c.circuit.max_service_circuits = 128;
    c.transit.max_relays_or_exits = 512;
    c.transit.create_rate = c.transit.create_burst = 1000;
    c.transit.create_source_rate = c.transit.create_source_burst = 1000;
    c.transit.extend_source_rate = c.transit.extend_source_burst = 1000;
    env.transit.service = world_asked;
    if (n == 0) {
        env.circuit.ready = world_ready;
        env.circuit.closed = world_closed;
        env.circuit.refused = world_refused;
        env.circuit.service = world_message;
    }
    assert_int_equal(router_init(&node->engine, &c, &env, w->net->now), OK);
}

static inline struct descriptor world_descriptor(const struct world *w,
                                                 unsigned n)
{
    struct descriptor d = test_descriptor(n);
    struct link_target t = net_target(&w->net->node[n]);

    memcpy(d.handshake_key, t.handshake_key, sizeof(d.handshake_key));
    d.addresses[0] = t.ep;
    d.roles = ROLE_RELAY | ROLE_MEETING;
    d.issued = (uint64_t)w->h.wall;
    d.expires = d.issued + DESCRIPTOR_LIFETIME_MAX;
    return d;
}

/* Relays 1..relays are known, of as many networks. */
static inline void world_init(struct world *w, uint64_t seed, unsigned relays)
{
    struct stems_env env = {.ctx = w, .ready = world_stem};

    assert_true(relays <= WORLD_RELAYS);
    *w = (struct world){.net = net_new(seed), .relays = relays};
    host_init(&w->h, seed);
    w->h.d->survey.complete = true;
    w->net->tap_ctx = w;
    w->net->now = w->began = w->h.now;
    for (unsigned n = 0; n < NET_NODES; n++) {
        world_restart(w, n);
        w->net->node[n].dead = n > relays;
    }
    for (unsigned n = 1; n <= relays; n++) {
        struct descriptor d = world_descriptor(w, n);

        assert_int_equal(host_add(&w->h, &d, n), OK);
    }
    env.random = test_source(&w->h.random);
    env.circuits = world_circuits(w);
    env.directory = w->h.d;
    env.guards = &w->guards;
    env.vanguards = &w->vanguards;
    assert_int_equal(stems_new(&env, &w->stems), OK);
}

static inline void world_deinit(struct world *w)
{
    stems_free(w->stems, w->net->now);
    routes_free(world_circuits(w));
    host_deinit(&w->h);
    net_free(w->net);
}

static inline uint64_t world_wall(const struct world *w)
{
    return (uint64_t)w->h.wall + (w->net->now - w->began) / TIME_S;
}

static inline uint64_t world_next(const struct world *w)
{
    uint64_t at = time_min(net_next(w->net), stems_next_deadline(w->stems));

    if (w->next != NULL)
        at = time_min(at, w->next(w));
    return at > w->net->now ? at : w->net->now;
}

static inline void world_run(struct world *w, uint64_t duration)
{
    uint64_t end = w->net->now + duration, at;
    unsigned spins = 0;

    while ((at = world_next(w)) <= end) {
        spins = at == w->net->now ? spins + 1 : 0;
        assert_true(spins < 1000);
        net_turn(w->net, at);
        if (stems_next_deadline(w->stems) <= at)
            stems_tick(w->stems, world_wall(w), at);
        if (w->next != NULL && w->next(w) <= at)
            w->tick(w);
    }
    w->net->now = end;
}

/* The relay that hop `i` (from 0) is; 0: none. */
static inline unsigned world_hop(const struct world *w, const struct circuit *c,
                                 unsigned i)
{
    for (unsigned n = 1; n <= w->relays; n++)
        if (memcmp(w->net->node[n].identity, c->hop[i].target.identity, 32) ==
            0)
            return n;
    return 0;
}

#endif

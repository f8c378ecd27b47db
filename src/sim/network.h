/* SPDX-License-Identifier: MIT
 *
 * The inside of struct sim, shared by sim.c (nodes), link.c (datagrams on
 * their way) and run.c (time).
 */
#ifndef WARREN_SIM_NETWORK_H
#define WARREN_SIM_NETWORK_H

#include "sim/pool.h"
#include "sim/sim.h"
#include "sim/wheel.h"

/* Nodes come in blocks that never move: their timers are linked. */
#define NODE_BLOCK 512

/* A refusal is a datagram that has come back to its sender. */
enum entry_kind { ENTRY_NODE, ENTRY_DATAGRAM, ENTRY_REFUSAL, ENTRY_CALL };

struct sim_node {
    struct sim_wheel_entry timer; /* first; one for all its engines, and never
                                     later than their next deadline */
    const struct sim_engine *vtable[SIM_PLANES];
    void *engine[SIM_PLANES]; /* NULL: not there */
    uint32_t index;
    uint32_t access; /* its part of every latency, ns */
    uint16_t x, y;   /* on a torus of 65,536 by 65,536 */
    uint16_t group;
    bool has[FAMILIES];
    struct endpoint at[FAMILIES];
    uint64_t uplink_free; /* when the uplink has sent what it was given */
    uint64_t sent;
    struct sim_rng rng;
};

struct sim_datagram {
    struct sim_wheel_entry entry; /* first */
    uint32_t from_node, to_node;
    struct endpoint from, to;
    uint16_t len;
    uint8_t data[];
};

struct sim_call {
    struct sim_wheel_entry entry; /* first */
    void (*fire)(void *ctx, uint64_t now);
    void *ctx;
    struct sim_call *next, *prev; /* all that wait */
};

struct sim {
    struct sim_config config;
    uint64_t loss, duplicate, reorder; /* thresholds */
    struct sim_rng rng;
    struct sim_wheel wheel;
    struct sim_pool pool;
    struct sim_address_map addresses;
    struct sim_node **blocks;
    uint32_t node_count;
    struct sim_call calls; /* list head */
    struct sim_tap tap;
    struct sim_stats stats;
    bool inside; /* an engine is running */
};

static inline struct sim_node *sim_node_of(const struct sim *s, uint32_t node)
{
    return &s->blocks[node / NODE_BLOCK][node % NODE_BLOCK];
}

/* Whether it has any engine. */
static inline bool sim_node_runs(const struct sim_node *n)
{
    return n->engine[SIM_PLANE_DHT] != NULL ||
           n->engine[SIM_PLANE_TUNNEL] != NULL;
}

/* The step at or after `at`. */
static inline uint64_t sim_tick_of(uint64_t at)
{
    return at / SIM_TICK + (at % SIM_TICK != 0);
}

void sim_datagram_free(struct sim *s, struct sim_datagram *g);

/* Nobody is there to get this datagram, which would have arrived at `arrival`:
 * its sender hears of it as long after that as it was on its way. */
void sim_refuse(struct sim *s, const struct sim_datagram *g, uint64_t arrival);

static inline void sim_see(struct sim *s, enum sim_fate fate,
                           uint32_t from_node, uint32_t to_node,
                           const struct endpoint *from,
                           const struct endpoint *to, struct bytes datagram)
{
    s->stats.fate[fate]++;
    if (s->tap.see != NULL)
        s->tap.see(s->tap.ctx, fate, from_node, to_node, from, to, datagram,
                   sim_now(s));
}

#endif

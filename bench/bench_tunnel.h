/* SPDX-License-Identifier: MIT
 *
 * Tunnel engines in one process, with nothing between them: what one sends is
 * delivered by tunnel_pump, at once and in order.
 */
#ifndef WARREN_BENCH_TUNNEL_H
#define WARREN_BENCH_TUNNEL_H

#include "base/timestamp.h"
#include "bench.h"
#include "engine_stub.h"
#include "sim/chance/rng.h"
#include "tunnel/link/link_table.h"
#include "tunnel/transit/transit_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct tunnel_world;

struct tunnel_node {
    struct tunnel_world *world;
    struct endpoint ep;
    uint8_t identity[32], secret[32];
    struct router engine;
};

struct tunnel_packet {
    struct tunnel_packet *next;
    struct endpoint from, to;
    size_t len;
    uint8_t bytes[CELL_MAX];
};

struct tunnel_world {
    struct sim_rng rng;
    uint64_t now;
    struct tunnel_node *node;
    unsigned nodes;
    struct tunnel_packet *first, **last, *spare;
    /* Datagrams for this node are handed over instead of delivered. */
    struct tunnel_node *watched;
    void (*watch)(struct tunnel_world *w, struct tunnel_packet *p);
    void *watch_ctx;
};

static inline void tunnel_send(void *ctx, const struct endpoint *to,
                               struct bytes d)
{
    struct tunnel_node *n = ctx;
    struct tunnel_world *w = n->world;
    struct tunnel_packet *p = w->spare;

    if (p == NULL)
        p = malloc(sizeof(*p));
    else
        w->spare = p->next;
    if (p == NULL)
        exit(1);
    p->next = NULL;
    p->from = n->ep;
    p->to = *to;
    p->len = d.len;
    memcpy(p->bytes, d.p, d.len);
    *w->last = p;
    w->last = &p->next;
}

static inline void tunnel_random(void *ctx, void *buf, size_t len)
{
    struct tunnel_node *n = ctx;

    sim_rng_fill(&n->world->rng, buf, len);
}

static inline void tunnel_start(struct tunnel_node *n)
{
    enum { PLENTY = 1000 * 1000 };
    struct router_config c = {
        .network = "bench",
        .link = {.max_links = 2048,
                 .max_half_open = 2048,
                 .handshake_rate = PLENTY,
                 .handshake_burst = PLENTY,
                 .handshake_source_rate = PLENTY,
                 .handshake_source_burst = PLENTY,
                 .proven_rate = PLENTY,
                 .max_sources = 64},
        .transit = {.testing_network = true,
                    .max_relays_or_exits = 20000,
                    .max_time = TIME_HOUR,
                    .max_time_inactive = TIME_HOUR,
                    .max_traffic = UINT64_MAX,
                    .create_rate = PLENTY,
                    .create_burst = PLENTY,
                    .create_source_rate = PLENTY,
                    .create_source_burst = PLENTY,
                    .extend_source_rate = PLENTY,
                    .extend_source_burst = PLENTY,
                    .max_sources = 64},
        .circuit = {.max_circuits = 20000, .max_service_circuits = 64},
    };
    struct router_env env = stub_engine_env(n);

    env.random = (struct random_source){.ctx = n, .fill = tunnel_random};
    env.send = tunnel_send;
    memcpy(c.identity, n->identity, 32);
    memcpy(c.handshake_secret, n->secret, 32);
    if (router_init(&n->engine, &c, &env, n->world->now) != OK)
        exit(1);
}

/* `nodes` engines at 127.0.0.1, ports from 10000 on; to be changed by the
 * caller before anything is sent. */
static inline void tunnel_world_init(struct tunnel_world *w, unsigned nodes,
                                     uint64_t seed)
{
    *w = (struct tunnel_world){.now = TIME_S, .nodes = nodes};
    sim_rng_init(&w->rng, seed, 0);
    w->last = &w->first;
    w->node = calloc(nodes, sizeof(*w->node));
    if (w->node == NULL)
        exit(1);
    for (unsigned i = 0; i < nodes; i++) {
        struct tunnel_node *n = &w->node[i];

        n->world = w;
        n->ep = (struct endpoint){.addr = {127, 0, 0, 1},
                                  .port = (uint16_t)(10000 + i)};
        sim_rng_fill(&w->rng, n->identity, 32);
        sim_rng_fill(&w->rng, n->secret, 32);
        tunnel_start(n);
    }
}

static inline void tunnel_world_deinit(struct tunnel_world *w)
{
    struct tunnel_packet *p;

    for (unsigned i = 0; i < w->nodes; i++)
        router_deinit(&w->node[i].engine);
    while ((p = w->spare) != NULL) {
        w->spare = p->next;
        free(p);
    }
    free(w->node);
}

static inline void tunnel_deliver(struct tunnel_world *w,
                                  struct tunnel_packet *p)
{
    for (unsigned i = 0; i < w->nodes; i++) {
        struct tunnel_node *n = &w->node[i];

        if (!endpoint_equal(&n->ep, &p->to))
            continue;
        if (n == w->watched)
            w->watch(w, p);
        else
            router_receive(&n->engine, &p->from, p->bytes, p->len, w->now);
        return;
    }
}

/* Delivers until nothing is under way. */
static inline void tunnel_pump(struct tunnel_world *w)
{
    struct tunnel_packet *p;

    while ((p = w->first) != NULL) {
        w->first = p->next;
        if (w->first == NULL)
            w->last = &w->first;
        tunnel_deliver(w, p);
        p->next = w->spare;
        w->spare = p;
    }
}

/* A circuit of node `client` through `length` nodes, the first of which is
 * `hop`; it is ready when this returns. */
static inline struct circuit *member_build(struct tunnel_world *w,
                                           unsigned client, unsigned hop,
                                           unsigned length)
{
    struct link_target target[ONION_HOPS_MAX];
    struct circuit *c;

    for (unsigned i = 0; i < length; i++) {
        const struct tunnel_node *n = &w->node[hop + i];

        target[i] = (struct link_target){.ep = n->ep};
        memcpy(target[i].identity, n->identity, 32);
        noise_public_key(n->secret, target[i].handshake_key);
    }
    if (circuit_new(w->node[client].engine.circuits, target, length, w->now,
                    &c) != OK)
        exit(1);
    tunnel_pump(w);
    if (c->state != CIRCUIT_READY) {
        fprintf(stderr, "a circuit was not built\n");
        exit(1);
    }
    return c;
}

#endif

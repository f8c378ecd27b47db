/* SPDX-License-Identifier: MIT
 *
 * A few tunnel engines and the datagrams between them, on virtual time, for
 * the tests of relays and circuits. A test may look at, drop, change or keep
 * what is under way. Each hop takes NET_DELAY.
 */
#ifndef WARREN_TESTS_TUNNEL_NET_H
#define WARREN_TESTS_TUNNEL_NET_H

#include "base/timestamp.h"
#include "engine_stub.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#ifndef NET_NODES
#define NET_NODES 8
#endif
#define NET_QUEUE 4096
#define NET_DELAY (5 * TIME_MS)

struct net;

struct net_packet {
    uint64_t at;
    struct endpoint from, to;
    size_t len;
    uint8_t bytes[CELL_MAX];
};

struct net_node {
    struct net *net;
    struct endpoint ep;
    uint8_t identity[32], secret[32];
    bool dead;
    struct router engine;
    /* As a client. */
    unsigned ready, closed, refused, answered;
    enum reason why;
    unsigned why_hop, answered_hop;
    unsigned spare; /* the node that replaces a hop; 0: none */
    unsigned stood; /* hops that stayed when one was replaced last */
    void (*on_ready)(struct net_node *n, struct circuit *c);
    void (*on_closed)(struct net_node *n, struct circuit *c);
    unsigned data_in;
    uint8_t data[64];
    struct endpoint data_from;
    unsigned texts, text_hop; /* of services */
    unsigned ends;            /* end cells */
    void (*on_end)(struct net_node *n, struct circuit *c, uint8_t *body,
                   size_t body_len);
    /* As a relay. */
    unsigned relays_closed;
    bool exit;        /* sends DATA back to its client */
    unsigned asked;   /* by texts of services, */
    enum reason deny; /* which it takes, or does not take because of this */
    uint8_t text[64]; /* the last one, of both sides */
};

struct net {
    struct test_random random;
    uint64_t now;
    struct net_node node[NET_NODES];
    struct net_packet *queue[NET_QUEUE]; /* oldest first */
    size_t count;
    /* A hook that sees each datagram when it is sent; false drops it. */
    bool (*tap)(struct net *net, struct net_packet *p);
    void *tap_ctx;
    /* Takes what arrives instead of its receiver, unless NULL. */
    void (*deliver)(struct net *net, struct net_packet *p);
    bool sink; /* what is sent is gone, and nothing is allocated for it */
    uint64_t sent;
};

static inline void net_send(void *ctx, const struct endpoint *to,
                            struct bytes d)
{
    struct net_node *n = ctx;
    struct net *net = n->net;
    struct net_packet *p;

    net->sent++;
    if (net->sink)
        return;
    assert_true(net->count < NET_QUEUE);
    assert_true(d.len <= CELL_MAX);
    p = malloc(sizeof(*p));
    assert_true(p != NULL);
    *p = (struct net_packet){
        .at = net->now + NET_DELAY, .from = n->ep, .to = *to, .len = d.len};
    memcpy(p->bytes, d.p, d.len);
    if (n->dead || (net->tap != NULL && !net->tap(net, p)))
        free(p);
    else
        net->queue[net->count++] = p;
}

static inline void net_random(void *ctx, void *buf, size_t len)
{
    struct net_node *n = ctx;

    test_random_fill(&n->net->random, buf, len);
}

static inline struct link_target net_target(const struct net_node *n)
{
    struct link_target t = {.ep = n->ep};

    memcpy(t.identity, n->identity, 32);
    noise_public_key(n->secret, t.handshake_key);
    return t;
}

static inline bool net_replace(void *ctx, const struct circuit *c,
                               unsigned stands, unsigned hop, enum reason why,
                               struct link_target *out)
{
    struct net_node *n = ctx;

    (void)why;
    n->stood = stands;
    if (n->spare == 0)
        return false;
    for (unsigned i = stands; i < c->length; i++)
        out[i - stands] = i + 1 == hop ? net_target(&n->net->node[n->spare])
                                       : c->hop[i].target;
    return true;
}

static inline void net_ready(void *ctx, struct circuit *c, uint64_t now)
{
    struct net_node *n = ctx;

    (void)now;
    n->ready++;
    if (n->on_ready != NULL)
        n->on_ready(n, c);
}

static inline void net_closed(void *ctx, struct circuit *c, enum reason why,
                              unsigned hop, uint64_t now)
{
    struct net_node *n = ctx;

    (void)now;
    n->closed++;
    n->why = why;
    n->why_hop = hop;
    if (n->on_closed != NULL)
        n->on_closed(n, c);
}

static inline void net_data(void *ctx, struct circuit *c,
                            const struct circuit_message *m, uint64_t now)
{
    struct net_node *n = ctx;

    (void)c, (void)now;
    n->data_in++;
    n->data_from = m->ep;
    memset(n->data, 0, sizeof(n->data));
    memcpy(n->data, m->payload.p,
           m->payload.len < sizeof(n->data) ? m->payload.len : sizeof(n->data));
}

static inline void net_refused(void *ctx, struct circuit *c, enum reason why,
                               uint64_t now)
{
    struct net_node *n = ctx;

    (void)c, (void)now;
    n->refused++;
    n->why = why;
}

static inline void net_answered(void *ctx, struct circuit *c, unsigned hop,
                                const struct circuit_message *m, uint64_t now)
{
    struct net_node *n = ctx;

    (void)c, (void)m, (void)now;
    n->answered++;
    n->answered_hop = hop;
}

static inline bool net_service(void *ctx, struct circuit *c, unsigned hop,
                               struct bytes text, uint64_t now)
{
    struct net_node *n = ctx;

    (void)c, (void)now;
    n->texts++;
    n->text_hop = hop;
    memcpy(n->text, text.p, sizeof(n->text));
    return n->deny == REASON_UNKNOWN;
}

static inline void net_end(void *ctx, struct circuit *c, uint8_t *body,
                           size_t body_len, uint64_t now)
{
    struct net_node *n = ctx;

    (void)now;
    n->ends++;
    if (n->on_end != NULL)
        n->on_end(n, c, body, body_len);
}

static inline bool net_may_extend(void *ctx, const struct endpoint *to)
{
    struct net_node *n = ctx;

    return !endpoint_same_addr(to, &n->ep) && to->addr[0] != 127;
}

/* An exit that sends everything back from where it was to go. */
static inline enum reason net_relay_data(void *ctx, struct transit *relay,
                                         const struct circuit_message *m,
                                         uint64_t now)
{
    struct net_node *n = ctx;
    struct circuit_message back = *m;

    if (!n->exit)
        return REASON_NO_EXIT;
    assert_int_equal(transit_answer(n->engine.transits, relay, &back, now), OK);
    return REASON_UNKNOWN;
}

static inline enum reason net_relay_service(void *ctx, struct transit *relay,
                                            struct bytes text, uint64_t now)
{
    struct net_node *n = ctx;

    (void)relay, (void)now;
    n->asked++;
    memcpy(n->text, text.p, sizeof(n->text));
    return n->deny;
}

static inline void net_relay_closed(void *ctx, struct transit *relay,
                                    uint64_t now)
{
    struct net_node *n = ctx;

    (void)relay, (void)now;
    n->relays_closed++;
}

static inline struct router_config net_config(const struct net_node *n)
{
    struct router_config c = {
        .network = "test",
        .link = {.max_links = 64,
                 .max_half_open = 16,
                 .handshake_rate = 50,
                 .handshake_burst = 50,
                 .handshake_source_rate = 10,
                 .handshake_source_burst = 20,
                 .proven_rate = 1000,
                 .max_sources = 64},
        .transit = {.max_relays_or_exits = 16,
                    .max_time = 10 * TIME_MIN,
                    .max_time_inactive = 5 * TIME_MIN,
                    .max_traffic = UINT64_MAX,
                    .create_rate = 100,
                    .create_burst = 100,
                    .create_source_rate = 100,
                    .create_source_burst = 100,
                    .extend_source_rate = 100,
                    .extend_source_burst = 100,
                    .max_sources = 64},
        .circuit = {.max_circuits = 16, .max_service_circuits = 16},
    };

    memcpy(c.identity, n->identity, 32);
    memcpy(c.handshake_secret, n->secret, 32);
    return c;
}

static inline struct router_env net_env(struct net_node *n)
{
    struct router_env env = stub_engine_env(n);

    env.random = (struct random_source){.ctx = n, .fill = net_random};
    env.send = net_send;
    env.transit.may_extend = net_may_extend;
    env.transit.data = net_relay_data;
    env.transit.service = net_relay_service;
    env.transit.closed = net_relay_closed;
    env.circuit.replace = net_replace;
    env.circuit.ready = net_ready;
    env.circuit.closed = net_closed;
    env.circuit.data = net_data;
    env.circuit.refused = net_refused;
    env.circuit.answered = net_answered;
    env.circuit.service = net_service;
    env.circuit.end = net_end;
    return env;
}

static inline void net_start(struct net_node *n, const struct router_config *c)
{
    struct router_env env = net_env(n);

    assert_int_equal(router_init(&n->engine, c, &env, n->net->now), OK);
}

static inline struct net *net_new_from(struct test_random random)
{
    struct net *net = calloc(1, sizeof(*net));

    assert_true(net != NULL);
    net->random = random;
    net->now = TIME_S;
    for (uint8_t i = 0; i < NET_NODES; i++) {
        struct net_node *n = &net->node[i];
        struct router_config c;

        n->net = net;
        n->ep = (struct endpoint){.addr = {11, i, 0, 1}, .port = 7881};
        n->exit = true;
        memset(n->identity, 10 + i, 32);
        memset(n->secret, 100 + i, 32);
        c = net_config(n);
        net_start(n, &c);
    }
    return net;
}

static inline struct net *net_new(uint64_t seed)
{
    return net_new_from(test_seed(seed));
}

static inline void net_free(struct net *net)
{
    for (int i = 0; i < NET_NODES; i++)
        router_deinit(&net->node[i].engine);
    for (size_t i = 0; i < net->count; i++)
        free(net->queue[i]);
    free(net);
}

static inline struct net_node *net_at(struct net *net,
                                      const struct endpoint *ep)
{
    for (int i = 0; i < NET_NODES; i++) {
        if (endpoint_equal(&net->node[i].ep, ep))
            return &net->node[i];
    }
    return NULL;
}

/* The oldest datagram arrives; its fate is the receiver's. */
static inline void net_deliver(struct net *net)
{
    struct net_packet *p = net->queue[0];
    struct net_node *to = net_at(net, &p->to);

    memmove(net->queue, net->queue + 1, --net->count * sizeof(net->queue[0]));
    if (net->deliver != NULL)
        net->deliver(net, p);
    else if (to != NULL && !to->dead)
        router_receive(&to->engine, &p->from, p->bytes, p->len, net->now);
    free(p);
}

static inline uint64_t net_next(const struct net *net)
{
    uint64_t at = net->count > 0 ? net->queue[0]->at : TIME_NEVER;

    for (int i = 0; i < NET_NODES; i++) {
        if (!net->node[i].dead)
            at = time_min(at, router_next_deadline(&net->node[i].engine));
    }
    return at;
}

/* What is due at `at`, or was before, is done. */
static inline void net_turn(struct net *net, uint64_t at)
{
    net->now = at > net->now ? at : net->now;
    for (int i = 0; i < NET_NODES; i++) {
        struct router *e = &net->node[i].engine;

        if (!net->node[i].dead && router_next_deadline(e) <= net->now)
            router_tick(e, net->now);
    }
    while (net->count > 0 && net->queue[0]->at <= net->now)
        net_deliver(net);
}

/* Runs for `duration` of virtual time. */
static inline void net_run(struct net *net, uint64_t duration)
{
    uint64_t end = net->now + duration, at;

    while ((at = net_next(net)) <= end)
        net_turn(net, at);
    net->now = end;
}

/* Node 0 starts a circuit through the nodes that are named, up to a 0. */
static inline struct circuit *net_build_from(struct net *net, unsigned from,
                                             const unsigned *hops)
{
    struct link_target target[ONION_HOPS_MAX];
    struct circuit *c = NULL;
    unsigned n = 0;

    for (; n < ONION_HOPS_MAX && hops[n] != 0; n++)
        target[n] = net_target(&net->node[hops[n]]);
    circuit_new(net->node[from].engine.circuits, target, n, net->now, &c);
    return c;
}

/* Node 0 does, and can. */
static inline struct circuit *net_build(struct net *net, const unsigned *hops)
{
    struct circuit *c = net_build_from(net, 0, hops);

    assert_non_null(c);
    return c;
}

static inline enum error net_send_data(struct net *net, struct circuit *c,
                                       const char *text)
{
    struct circuit_message m = {.type = CIRCUIT_DATA,
                                .ep = {.addr = {8, 8, 8, 8}, .port = 53},
                                .payload = bytes_of_text(text)};

    return circuit_send(net->node[0].engine.circuits, c, c->length, &m,
                        net->now);
}

#endif

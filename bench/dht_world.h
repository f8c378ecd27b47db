/* SPDX-License-Identifier: MIT
 *
 * An engine of the DHT that knows nodes and peers, and questions to ask it, in
 * either dialect.
 */
#ifndef WARREN_BENCH_DHT_WORLD_H
#define WARREN_BENCH_DHT_WORLD_H

#include "dht/dht.h"
#include "node/net/udp.h"
#include "sim/chance/rng.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES   400 /* made-up neighbours of the engine */
#define HASHES  16
#define PEERS   20 /* announced under each hash */
#define QUERIES 256

static struct sim_rng rng;

struct query {
    size_t len;
    uint8_t data[DHT_MESSAGE_MAX];
};

/* ---- An engine with neighbours and announced peers ---------------------- */

struct world {
    enum dht_dialect dialect;
    struct query queries[QUERIES];
    struct dht *dht;
    uint64_t now;
    struct udp *udp; /* answers go there, once it is not NULL */
    struct id ids[NODES];
    struct id hashes[HASHES];
    size_t queued;
    struct {
        struct endpoint from;
        size_t len;
        uint8_t data[DHT_MESSAGE_MAX];
    } queue[64];
    uint8_t last[DHT_MESSAGE_MAX]; /* the engine's last datagram */
    size_t last_len;
    uint64_t answers;
};

static inline void node_endpoint(unsigned i, struct endpoint *out)
{
    *out = (struct endpoint){
        .addr = {10, 1, (uint8_t)(i / 256), (uint8_t)(i % 256)}, .port = 6881};
}

/* A made-up neighbour answers a query of the engine: with eight others. */
static inline void neighbour(struct world *w, const struct endpoint *to,
                             struct bytes datagram)
{
    uint8_t nodes[8 * COMPACT_NODE4];
    unsigned self = (unsigned)to->addr[2] * 256 + to->addr[3];
    struct dht_message q, r;

    if (w->queued == 64 || self >= NODES ||
        dht_message_read(w->dialect, datagram, &q) != OK || q.kind != DHT_QUERY)
        return;
    for (unsigned i = 0; i < 8; i++) {
        unsigned other = sim_rng_below(&rng, NODES);
        struct endpoint ep;

        node_endpoint(other, &ep);
        memcpy(nodes + i * COMPACT_NODE4, w->ids[other].b, ID_BYTES);
        endpoint_write_compact(&ep, nodes + i * COMPACT_NODE4 + ID_BYTES);
    }
    dht_message_init(&r, DHT_RESPONSE);
    r.has = DHT_HAS_ID | DHT_HAS_NODES;
    r.id = w->ids[self];
    r.transaction = q.transaction;
    r.nodes = bytes_of(nodes, sizeof(nodes));
    w->queue[w->queued].from = *to;
    if (dht_message_write(w->dialect, &r, w->queue[w->queued].data,
                          DHT_MESSAGE_MAX, &w->queue[w->queued].len) == OK)
        w->queued++;
}

static inline void env_send(void *ctx, const struct endpoint *to,
                            struct bytes datagram)
{
    struct world *w = ctx;

    w->answers++;
    if (w->udp != NULL) {
        udp_send(w->udp, to, datagram);
    } else if (to->addr[0] == 10) {
        neighbour(w, to, datagram);
    } else {
        memcpy(w->last, datagram.p, datagram.len);
        w->last_len = datagram.len;
    }
}

static inline void env_random(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    sim_rng_fill(&rng, buf, len);
}

static inline void env_event(void *ctx, const struct dht_event *event)
{
    (void)ctx;
    (void)event;
}

static inline void settle(struct world *w)
{
    uint64_t until = w->now + 5 * TIME_MIN;

    for (; w->now < until; w->now += 10 * TIME_MS) {
        size_t n = w->queued;

        w->queued = 0;
        for (size_t i = 0; i < n; i++) {
            uint8_t copy[DHT_MESSAGE_MAX];
            struct endpoint from = w->queue[i].from;

            memcpy(copy, w->queue[i].data, w->queue[i].len);
            dht_receive(w->dht, &from, bytes_of(copy, w->queue[i].len), w->now);
        }
        if (dht_next_deadline(w->dht) <= w->now)
            dht_tick(w->dht, w->now);
    }
}

static inline size_t write_query(const struct world *w, struct dht_message *m,
                                 uint8_t *out)
{
    static const struct id client = {{1, 2, 3}};
    size_t len = 0;

    m->id = client;
    m->transaction = bytes_of("ab", 2);
    if (dht_message_write(w->dialect, m, out, DHT_MESSAGE_MAX, &len) != OK)
        exit(1);
    return len;
}

static inline void announce(struct world *w, const struct id *hash,
                            uint8_t client)
{
    struct endpoint from = {.addr = {192, 168, 0, client}, .port = 6881};
    uint8_t buf[DHT_MESSAGE_MAX];
    struct dht_message m, r;
    size_t len;

    dht_message_init(&m, DHT_QUERY);
    m.method = DHT_GET_PEERS;
    m.has = DHT_HAS_ID | DHT_HAS_TARGET;
    m.target = *hash;
    len = write_query(w, &m, buf);
    dht_receive(w->dht, &from, bytes_of(buf, len), w->now);
    if (dht_message_read(w->dialect, bytes_of(w->last, w->last_len), &r) != OK)
        exit(1);
    m.method = DHT_ANNOUNCE_PEER;
    m.has |= DHT_HAS_PORT | DHT_HAS_TOKEN;
    m.port = 6881;
    m.token = r.token;
    len = write_query(w, &m, buf);
    dht_receive(w->dht, &from, bytes_of(buf, len), w->now);
}

static inline void world_init(struct world *w, enum dht_dialect dialect)
{
    const struct dht_env env = {w, env_send, env_random, env_event};
    struct dht_config config;
    struct dht_status status;

    sim_rng_init(&rng, 1, 0);
    w->dialect = dialect;
    w->now = TIME_HOUR;
    dht_config_init(&config);
    config.dialect = dialect;
    config.testing_network = true;
    config.family[FAMILY_IPV6] = false;
    config.query_rate = config.source_rate = 500 * 1000 * 1000;
    config.query_burst = config.source_burst = 500 * 1000 * 1000;
    if (dht_new(&config, &env, w->now, &w->dht) != OK)
        exit(1);
    for (unsigned i = 0; i < NODES; i++)
        sim_rng_fill(&rng, w->ids[i].b, ID_BYTES);
    for (unsigned i = 0; i < 8; i++) {
        struct endpoint ep;

        node_endpoint(i, &ep);
        dht_bootstrap_add(w->dht, &ep, w->now);
    }
    settle(w);
    for (unsigned i = 0; i < HASHES; i++) {
        sim_rng_fill(&rng, w->hashes[i].b, ID_BYTES);
        for (uint8_t k = 1; k <= PEERS; k++)
            announce(w, &w->hashes[i], k);
    }
    dht_status(w->dht, w->now, &status);
    printf("the engine has %u good nodes, %u hashes, %u peers\n",
           status.good[0], status.hashes, status.peers);
}

/* ---- The questions ------------------------------------------------------ */

/* As long as those of a node, for answers as long as they come. */
static inline void make_queries(struct world *w, enum dht_method method)
{
    static const uint8_t zeros[130];

    for (unsigned i = 0; i < QUERIES; i++) {
        struct dht_message m;

        dht_message_init(&m, DHT_QUERY);
        m.method = method;
        m.has = method == DHT_PING ? DHT_HAS_ID : DHT_HAS_ID | DHT_HAS_TARGET;
        if (method == DHT_GET_PEERS) {
            m.target = w->hashes[i % HASHES];
            if (w->dialect == DHT_DIALECT_WARREN)
                m.padding = bytes_of(zeros, sizeof(zeros));
        } else if (method == DHT_FIND_NODE) {
            sim_rng_fill(&rng, m.target.b, ID_BYTES);
        }
        w->queries[i].len = write_query(w, &m, w->queries[i].data);
    }
}

#endif

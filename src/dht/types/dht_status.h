/* SPDX-License-Identifier: MIT
 *
 * Looking inside a DHT node: its routing tables, its state, its counters. The
 * functions are those of the interface (dht.h), and in inspect.c.
 */
#ifndef WARREN_DHT_TYPES_DHT_STATUS_H
#define WARREN_DHT_TYPES_DHT_STATUS_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dht;

enum dht_quality { DHT_GOOD, DHT_QUESTIONABLE, DHT_BAD }; /* BEP 5 */

struct dht_node_info {
    struct id id;
    struct endpoint ep;
    enum dht_quality quality;
    uint64_t last_seen; /* its last answer, ns of the engine's clock */
    uint64_t rtt;       /* smoothed, ns; 0 unknown */
    unsigned bucket;
};

/* Every live entry of the routing tables, bucket by bucket. */
void dht_nodes(const struct dht *d, uint64_t now,
               void (*visit)(void *ctx, const struct dht_node_info *),
               void *ctx);

/* What is known of where a publication is. */
enum dht_published {
    DHT_PUBLISHED_STARTING, /* no round has ended yet */
    DHT_PUBLISHED_STORED,   /* nodes took it; it was not looked up since */
    DHT_PUBLISHED_FOUND,    /* and a lookup found it at one of them */
    DHT_PUBLISHED_MISSING,  /* or did not: stored again, and looked up soon */
    DHT_PUBLISHED_FAILING,  /* no node took it in the last round */
    DHT_PUBLISHED_BEATEN,   /* others have a newer item: not renewed */
    DHT_PUBLISHED_STATES
};

/* "starting", "stored", "found", "missing", "failing", "superseded" */
const char *dht_published_name(enum dht_published state);

/* One of our own announcements or items. */
struct dht_publication_info {
    struct id target;
    bool is_item;
    uint16_t port;      /* of a peer; 0: the one that we send from */
    bool seed;          /* of a peer: it has all of it */
    const uint8_t *key; /* of a mutable item, else NULL */
    int64_t seq;        /* of a mutable item */
    int64_t beaten_by;  /* while it is beaten, the seq of the newer one */
    struct bytes salt;
    unsigned stored; /* nodes that took it in the last round */
    unsigned failed; /* rounds in a row that nobody accepted */
    enum dht_published state;
    bool running;     /* a round is under way */
    uint64_t checked; /* when it was last looked up; TIME_NEVER */
    uint64_t since;   /* when it was announced or put here, ns */
    uint64_t next;    /* round; TIME_NEVER while one runs */
};

/* The newest first. Views in what is visited are valid during the call. */
void dht_publications(const struct dht *d,
                      void (*visit)(void *ctx,
                                    const struct dht_publication_info *),
                      void *ctx);

struct dht_status {
    struct id id[FAMILIES];
    bool external_known[FAMILIES];
    struct endpoint external[FAMILIES]; /* by vote */
    unsigned nodes[FAMILIES];           /* live */
    unsigned good[FAMILIES];
    unsigned cached[FAMILIES];
    unsigned buckets[FAMILIES];
    double network_size[FAMILIES]; /* estimate; 0 unknown */
    unsigned lookups, pending, publications;
    unsigned published[DHT_PUBLISHED_STATES]; /* of the publications */
    unsigned hashes, peers, items, sources;
    size_t memory; /* bytes held by the engine, about */
};

void dht_status(const struct dht *d, uint64_t now, struct dht_status *out);

/* Counters since creation. Each has a row in node/monitor/node_metrics.c. */
struct dht_stats {
    uint64_t received, received_bytes, sent, sent_bytes;
    uint64_t answers_in, answers_out, errors_in, errors_out;
    uint64_t queries_in[DHT_METHODS], queries_out[DHT_METHODS];
    uint64_t timeouts, late_answers;
    uint64_t unsent;            /* queries that did not leave this machine */
    uint64_t dropped[ERR_END_]; /* datagrams, by reason */
    /* Answers of nodes, by what the table made of them (enum table_change). */
    uint64_t table_added, table_replaced, table_refused;
    uint64_t peers_stored, peers_evicted, items_stored, items_evicted;
    uint64_t refused_full; /* token withheld: the store was full */
    uint64_t distrusted;   /* nodes that named made-up nodes */
    uint64_t lookups_started, lookups_done, lookups_empty;
};

const struct dht_stats *dht_stats(const struct dht *d);

#endif

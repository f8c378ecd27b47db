/* SPDX-License-Identifier: MIT
 *
 * Looking inside a DHT node: its routing tables, its state, its counters.
 */
#ifndef WARREN_DHT_TYPES_DHT_STATUS_H
#define WARREN_DHT_TYPES_DHT_STATUS_H

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
    unsigned hashes, peers, items, sources;
    size_t memory; /* bytes held by the engine, about */
};

void dht_status(const struct dht *d, uint64_t now, struct dht_status *out);

/* Counters since creation. */
struct dht_stats {
    uint64_t received, received_bytes, sent, sent_bytes;
    uint64_t queries_in[DHT_METHODS], queries_out[DHT_METHODS];
    uint64_t answers_in, answers_out, errors_in, errors_out;
    uint64_t timeouts, late_answers;
    uint64_t dropped[ERR_END_]; /* datagrams, by reason */
    uint64_t table_added, table_replaced, table_refused;
    uint64_t peers_stored, peers_evicted, items_stored, items_evicted;
    uint64_t refused_full; /* token withheld: the store was full */
    uint64_t distrusted;   /* nodes that named made-up nodes */
    uint64_t lookups_started, lookups_done, lookups_empty;
};

const struct dht_stats *dht_stats(const struct dht *d);

#endif

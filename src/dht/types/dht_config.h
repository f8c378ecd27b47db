/* SPDX-License-Identifier: MIT
 *
 * What can be set about a DHT node. Durations are in nanoseconds.
 */
#ifndef WARREN_DHT_TYPES_DHT_CONFIG_H
#define WARREN_DHT_TYPES_DHT_CONFIG_H

#include "base/endpoint.h"
#include "base/id.h"
#include "dht/types/node_id.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stdint.h>

/* Every cap has a key of the same name in the configuration's [dht], which is
 * a row of node/config/config_keys.c. */
struct dht_config {
    /* What is looked at for each message comes first. */
    bool family[FAMILIES]; /* which of IPv4 and IPv6 is spoken */
    bool read_only;        /* BEP 43: ask, but do not serve */
    bool testing_network;  /* private addresses are fine, subnets are not
                              counted, BEP 42 is not enforced */
    char network[DHT_NETWORK_MAX + 1];
    enum dht_dialect dialect; /* fixed for the life of a node */
    uint64_t query_timeout;   /* ns; the long one, 10 s */
    bool has_id[FAMILIES];    /* else a random id is made */
    struct id id[FAMILIES];

    unsigned max_pending;      /* queries in flight */
    unsigned max_lookups;      /* lookups running */
    unsigned max_publications; /* own announcements and items */

    unsigned max_hashes; /* info-hashes with announced peers */
    unsigned max_peers;  /* announced peers, overall */
    unsigned max_peers_per_hash;
    unsigned max_peers_per_source; /* stored for one IP (v4) or /64 (v6) */
    unsigned max_items;            /* BEP 44 items, overall */
    unsigned max_items_per_source;
    uint64_t peer_lifetime; /* ns; 30 min */
    uint64_t item_lifetime; /* ns; 2 h */

    unsigned query_rate; /* queries answered a second, overall */
    unsigned query_burst;
    unsigned source_rate; /* the same for one IP or /64 */
    unsigned source_burst;
    unsigned max_sources; /* sources whose rate is remembered */

    uint64_t bucket_refresh; /* ns; 15 min */
};

static inline enum node_id_rule dht_config_ids(const struct dht_config *c)
{
    if (c->testing_network)
        return NODE_ID_ANY;
    return c->dialect == DHT_DIALECT_MAINLINE ? NODE_ID_LENIENT
                                              : NODE_ID_STRICT;
}

/* Fills in the defaults. They are in dht.c, as are the checks of caps. */
void dht_config_init(struct dht_config *config);

#endif

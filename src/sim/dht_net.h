/* SPDX-License-Identifier: MIT
 *
 * Scenarios over many DHT nodes: a network that grows through a few first
 * nodes, nodes that come and go, and lookups that are counted.
 */
#ifndef WARREN_SIM_DHT_NET_H
#define WARREN_SIM_DHT_NET_H

#include "sim/dht_node.h"

struct sim_dht_net {
    struct sim *sim;
    struct sim_place place;   /* of nodes to come */
    struct dht_config config; /* of nodes to come */
    uint32_t *members;        /* node indexes, all alive */
    uint32_t count, cap;
    uint32_t bootstraps;     /* the first members, known to newcomers */
    uint32_t keepers;        /* the members after them, which stay too */
    uint64_t churn_interval; /* 0: nobody comes or goes */
    uint64_t replaced;
    enum error error; /* the first failure of a replacement */
};

/* IPv4 nodes with the default configuration and one bootstrap node. */
void sim_dht_net_init(struct sim_dht_net *net, struct sim *s);
/* The nodes are the network's and stay. Churn must not go on after it. */
void sim_dht_net_deinit(struct sim_dht_net *net);

/* One more node, told of the bootstrap nodes. */
enum error sim_dht_net_join(struct sim_dht_net *net, uint32_t *out);

/* `n` more, one each `interval`; runs the time in between. */
enum error sim_dht_net_grow(struct sim_dht_net *net, uint32_t n,
                            uint64_t interval);

/* A member by chance; never one of those that stay. */
uint32_t sim_dht_net_any(struct sim_dht_net *net);

/* From now on `per_hour` of the members are replaced each hour, one by one;
 * 0 stops. ERR_NO_MEMORY. */
enum error sim_dht_net_churn(struct sim_dht_net *net, double per_hour);

/* How a series of lookups went. */
struct sim_score {
    unsigned tried, found;
    unsigned hops[16];        /* those that found, by dht_result.hops; the
                                 last one: that many or more */
    unsigned asked, timeouts; /* sums */
    uint64_t duration;        /* sum, ns */
};

/* `n` get_peers lookups, each from a member by chance for one of the hashes
 * by chance; found when the announced peer is among the answers. A few run at
 * a time, until all are done. Lookups of nodes that died meanwhile are not
 * counted. */
void sim_dht_net_lookups(struct sim_dht_net *net, const struct id *hashes,
                         const struct endpoint *peers, uint32_t hash_count,
                         unsigned n, struct sim_score *score);

unsigned sim_score_median_hops(const struct sim_score *score);

/* Datagrams that all nodes offered so far, those of the dead too. */
uint64_t sim_dht_net_sent(const struct sim_dht_net *net);

#endif

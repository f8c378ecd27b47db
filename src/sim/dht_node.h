/* SPDX-License-Identifier: MIT
 *
 * A DHT engine as a node of the simulated network, and requests whose results
 * are kept for whoever looks at them later. A node may have two, one of each
 * dialect.
 */
#ifndef WARREN_SIM_DHT_NODE_H
#define WARREN_SIM_DHT_NODE_H

#include "dht/dht.h"
#include "sim/sim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a node sent for the tables' upkeep: pings and find_nodes, and answers to
 * those of others. UDP payload alone. */
struct sim_upkeep {
    uint64_t datagrams, bytes;
};

/* Owned by the network and freed when the node dies. */
struct sim_dht {
    /* What each message touches comes first. */
    struct sim *sim;
    struct dht *dht;
    uint32_t node;
    enum dht_dialect dialect;
    bool answers_upkeep; /* what it is just receiving asks for some */
    /* Counted into while somebody looks; not owned. NULL: nobody does. */
    struct sim_upkeep *upkeep;
    /* For liars: whether a datagram is kept from the engine, which may have
     * been answered in its place. NULL: none is. */
    bool (*takes)(struct sim_dht *n, const struct endpoint *from,
                  struct bytes datagram);
    void *takes_arg;
    unsigned habits; /* of enum sim_habit; of the mainline DHT alone */
    uint64_t started_at;
    uint64_t joined_at; /* its table was first not empty; TIME_NEVER */
    struct id id[FAMILIES];
    unsigned id_changes;
    unsigned published, publish_failed; /* renewals, by how they ended */
};

static inline enum sim_plane sim_plane_of(enum dht_dialect dialect)
{
    return dialect == DHT_DIALECT_MAINLINE ? SIM_PLANE_MAINLINE : SIM_PLANE_DHT;
}

/* A node with a DHT engine at `place`; the families of `config` are those of
 * the place, and testing_network follows the addressing, whatever it says.
 * Errors of sim_node_add and dht_new. */
enum error sim_dht_add(struct sim *s, const struct sim_place *place,
                       const struct dht_config *config, uint32_t *out);

/* A new engine, with an empty table, for a node that was killed, or has one of
 * the other dialect. */
enum error sim_dht_revive(struct sim *s, uint32_t node,
                          const struct dht_config *config);

/* Its engine of the DHT that is looked at (sim_config.dht), which requests and
 * counts below are about. NULL for a node that is dead or has none. For a node
 * whose DHT engine was attached by somebody else the result is meaningless. */
struct sim_dht *sim_dht_of(const struct sim *s, uint32_t node);
/* Likewise of this dialect. */
struct sim_dht *sim_dht_on(const struct sim *s, uint32_t node,
                           enum dht_dialect dialect);

/* Tells a node, in each DHT that both have, the address of another, of every
 * family that both have. */
void sim_dht_bootstrap(struct sim *s, uint32_t node, uint32_t through);

/* What the node now has; all zero when it is dead. */
void sim_dht_status(const struct sim *s, uint32_t node, struct dht_status *out);

/* ---- Requests ---------------------------------------------------------- */

#define SIM_REQUEST_PEERS 64

struct sim_request {
    uint32_t node; /* who was asked to */
    dht_request id;
    uint64_t began;
    uint64_t first; /* when the first peer or item came; TIME_NEVER */
    bool done;
    struct dht_result result; /* once done */
    size_t peer_count;        /* at most SIM_REQUEST_PEERS are kept */
    struct endpoint peers[SIM_REQUEST_PEERS];
    unsigned items; /* how many came; the last one: */
    int64_t item_seq;
    struct value item;
    unsigned steps, timeouts, distrusted;
    /* May be set once it has begun: hears of each step, too. */
    void (*on_step)(void *arg, const struct dht_step *step);
    void *on_step_arg;
};

/* Each starts a request; `r` must stay until it is done, or the node dead.
 * ERR_NO_NODES when the node is dead, else what the engine says. */
enum error sim_dht_find_node(struct sim *s, uint32_t node,
                             const struct id *target, struct sim_request *r);
enum error sim_dht_get_peers(struct sim *s, uint32_t node,
                             const struct id *hash, struct sim_request *r);
enum error sim_dht_announce(struct sim *s, uint32_t node, const struct id *hash,
                            uint16_t port, struct sim_request *r);
enum error sim_dht_get_item(struct sim *s, uint32_t node,
                            const struct id *target, struct sim_request *r);
enum error sim_dht_put(struct sim *s, uint32_t node,
                       const struct dht_item *item, struct sim_request *r);

/* No effect when it is done or its node dead. */
void sim_request_cancel(struct sim *s, struct sim_request *r);

/* Runs until it is done, its node dead, or `limit`; returns whether done. */
bool sim_request_wait(struct sim *s, const struct sim_request *r,
                      uint64_t limit);

bool sim_request_has_peer(const struct sim_request *r,
                          const struct endpoint *peer);

#endif

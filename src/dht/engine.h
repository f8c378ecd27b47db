/* SPDX-License-Identifier: MIT
 *
 * The inside of struct dht and what its parts call of each other. Private to
 * src/dht.
 *
 * Callbacks may call back into the engine. So nothing is freed and no list is
 * cut while a public function runs: what has ended is marked, and swept by
 * the outermost engine_leave.
 */
#ifndef WARREN_DHT_ENGINE_H
#define WARREN_DHT_ENGINE_H

#include "base/limiter.h"
#include "base/random_source.h"
#include "dht/dht.h"
#include "dht/join/maintain.h"
#include "dht/join/vote.h"
#include "dht/query/rpc.h"
#include "dht/storage/item_store.h"
#include "dht/storage/peer_store.h"
#include "dht/table/size_estimate.h"
#include "dht/table/table.h"
#include "dht/types/node_id.h"
#include "dht/types/token.h"

#define ENGINE_VERSION "WR01" /* `v` of our messages */

struct lookup;
struct publication;

struct dht {
    struct dht_env env;
    struct dht_config config;
    struct random_source random; /* env.random */
    uint64_t now;                /* given to the call that runs */
    unsigned depth;              /* public calls that run, nested */
    uint64_t next_request;

    struct id self[FAMILIES];
    struct table table[FAMILIES];
    struct vote vote[FAMILIES];
    struct size_estimate size[FAMILIES];

    struct rpc rpc;
    struct lookup *lookups;
    unsigned lookup_count; /* requested ones, which max_lookups bounds */
    bool starved;          /* a lookup found max_pending reached */
    struct publication *publications;
    unsigned publication_count;
    uint64_t publish_at; /* earliest round that is due */
    struct maintain maintain;

    struct limiter limiter;
    struct token_keys tokens;
    struct peer_store peers;
    struct item_store items;
    struct dht_stats stats;
};

void engine_enter(struct dht *d, uint64_t now);
void engine_leave(struct dht *d);

void engine_send(struct dht *d, const struct endpoint *to,
                 const uint8_t *datagram, size_t len);
/* `base`, give or take `jitter`, both in ns. */
uint64_t engine_jitter(const struct dht *d, uint64_t base, uint64_t jitter);

/* A node has answered a query of ours, rightly. */
void engine_node_answered(struct dht *d, const struct id *id,
                          const struct endpoint *ep, uint64_t rtt);
void engine_node_failed(struct dht *d, const struct id *id,
                        const struct endpoint *ep);
/* It says that we are `claimed`; may give us a new id (BEP 42). */
void engine_vote(struct dht *d, const struct endpoint *voter,
                 const struct endpoint *claimed);

/* Acts upon a query; the reason when it does not. */
enum error answer_query(struct dht *d, const struct endpoint *from,
                        const struct dht_message *m, size_t query_len);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A Kademlia DHT node as a pure transition: it is given datagrams and the
 * time, and gives back datagrams, events and its next deadline. It knows no
 * socket, no clock and no file. Semantics are those of the mainline DHT
 * (BEP 5, 32, 42, 43, 44, 51); the messages are in wire/dht_message.h.
 *
 *     loop:  dht_receive(d, from, bytes, now)    for each datagram
 *            dht_tick(d, now)                    when dht_next_deadline is due
 *
 * Every call may send through env.send and report through env.event or the
 * handler of a request. Callbacks must not free the node; they may start and
 * cancel requests. Single-threaded.
 */
#ifndef WARREN_DHT_DHT_H
#define WARREN_DHT_DHT_H

#include "wire/bytes.h"
#include "wire/dht_message.h"
#include "wire/endpoint.h"
#include "wire/error.h"
#include "wire/id.h"
#include "wire/timestamp.h"
#include "wire/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHT_K           8 /* bucket size and replication, BEP 5 */
#define DHT_PARALLELISM 3 /* queries of a lookup in flight */
#define DHT_HASH_BYTES  20

/* ---- Creation ---------------------------------------------------------- */

enum dht_event_kind {
    /* Own id of a family changed: BEP 42 after the vote on our address. */
    DHT_EVENT_ID,
    /* A node answered and is in the routing table: worth remembering. */
    DHT_EVENT_NODE,
    /* The routing table went from empty to not empty or back (`joined`). */
    DHT_EVENT_JOINED,
    /* One of our own publications was renewed (or failed: `error`). */
    DHT_EVENT_PUBLISHED
};

struct dht_event {
    enum dht_event_kind kind;
    enum family family;
    struct id id;         /* ID, NODE; the target of PUBLISHED */
    struct endpoint from; /* ID: our external address; NODE: the node's */
    bool joined;
    unsigned stored;  /* PUBLISHED: nodes that accepted it */
    enum error error; /* PUBLISHED: OK or why nobody did */
};

/* What the world gives to the node. All are required. */
struct dht_env {
    void *ctx;
    /* `bytes` is valid during the call only. Loss is not reported. */
    void (*send)(void *ctx, const struct endpoint *to, struct bytes datagram);
    /* Unpredictable bytes; tests give predictable ones. */
    void (*random)(void *ctx, void *buf, size_t len);
    void (*event)(void *ctx, const struct dht_event *event);
};

/* Every cap has a key of the same name in the configuration's [dht]. */
struct dht_config {
    char network[DHT_NETWORK_MAX + 1];
    bool family[FAMILIES]; /* which of IPv4 and IPv6 is spoken */
    bool has_id[FAMILIES]; /* else a random id is made */
    struct id id[FAMILIES];
    bool read_only;       /* BEP 43: ask, but do not serve */
    bool testing_network; /* private addresses are fine, subnets are not
                             counted, BEP 42 is not enforced */

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
    uint64_t query_timeout;  /* ns; the long one, 10 s */
};

/* Fills in the defaults. */
void dht_config_init(struct dht_config *config);

struct dht;

/* `env` and `config` are copied. ERR_NO_MEMORY, ERR_RANGE (a cap of 0, no
 * family). */
enum error dht_new(const struct dht_config *config, const struct dht_env *env,
                   uint64_t now, struct dht **out);
/* Requests that run are forgotten; their handlers are not called. */
void dht_free(struct dht *d);

/* Takes new caps and rates; ids, families and network stay as they are. */
enum error dht_reconfigure(struct dht *d, const struct dht_config *config);

/* ---- Life -------------------------------------------------------------- */

/* OK when the datagram was one of the DHT's and had its effect; otherwise the
 * reason for which it was dropped, which is counted in the statistics. */
enum error dht_receive(struct dht *d, const struct endpoint *from,
                       struct bytes datagram, uint64_t now);
void dht_tick(struct dht *d, uint64_t now);
/* When dht_tick wants to be called; TIME_NEVER when nothing is due. */
uint64_t dht_next_deadline(const struct dht *d);

/* An address to join through when nothing else is known, asked with back-off
 * as long as the table is empty. Duplicates are ignored. ERR_FULL at 32. */
enum error dht_bootstrap_add(struct dht *d, const struct endpoint *ep,
                             uint64_t now);
/* Forgets all bootstrap addresses (the names are resolved anew). */
void dht_bootstrap_clear(struct dht *d);

/* A node from an earlier life. It enters the table once it has answered. */
void dht_node_add(struct dht *d, const struct id *id, const struct endpoint *ep,
                  uint64_t now);

/* ---- Requests ---------------------------------------------------------- */

/* Names a request that runs; 0 is none. Never reused in a node's life. */
typedef uint64_t dht_request;

/* What a lookup was told and by whom, for traces. */
enum dht_outcome {
    DHT_STEP_ANSWERED,
    DHT_STEP_TIMEOUT,
    DHT_STEP_ERROR,   /* a KRPC error */
    DHT_STEP_DISTRUST /* answered, but was caught naming made-up nodes */
};

struct dht_step {
    struct endpoint to;
    struct id id; /* zero while unknown (bootstrap) */
    unsigned hop; /* 1: known before the lookup began */
    enum dht_outcome outcome;
    uint64_t asked_at;
    uint64_t answered_at; /* TIME_NEVER when not */
    unsigned nodes;       /* nodes named in the answer, and of those */
    unsigned fresh;       /* the ones that the lookup did not know */
    unsigned values;      /* peers or items in the answer */
    int bits;             /* leading bits that its id shares with the target */
};

struct dht_result {
    enum error error; /* OK: ended as it should, also when nothing was found.
                         ERR_NO_NODES, ERR_TIMEOUT (nobody answered),
                         ERR_CANCELLED, for put also ERR_CAS, ERR_SEQ */
    unsigned asked, answered;
    unsigned hops;   /* hop that gave the first value, else the last */
    unsigned values; /* distinct peers or items */
    unsigned stored; /* announce, put: nodes that accepted */
    uint64_t duration;
    size_t closest_count;
    struct {
        struct id id;
        struct endpoint ep;
    } closest[DHT_K]; /* nearest that answered, ascending distance */
};

/* An item of BEP 44, as found or as published. Views are valid during the
 * call. Immutable items have mutable_item = false and only a value. */
struct dht_item {
    bool mutable_item;
    uint8_t key[32];
    uint8_t signature[64];
    int64_t seq;
    struct bytes salt; /* at most DHT_SALT_MAX */
    const struct value *value;
};

/* Any of these may be NULL. `done` is called exactly once, last, unless the
 * request is cancelled or the node freed. */
struct dht_handler {
    void *ctx;
    void (*peer)(void *ctx, const struct endpoint *peer,
                 const struct dht_step *found_by);
    /* Verified; for a mutable item each newer seq. */
    void (*item)(void *ctx, const struct dht_item *item,
                 const struct dht_step *found_by);
    void (*step)(void *ctx, const struct dht_step *step);
    void (*done)(void *ctx, const struct dht_result *result);
};

/* One query to one address. `done` gets closest[0] as the one who answered
 * and duration as the round trip. ERR_FULL, ERR_ADDRESS (family off). */
enum error dht_ping(struct dht *d, const struct endpoint *ep,
                    const struct dht_handler *handler, uint64_t now,
                    dht_request *out);

/* BEP 51. `samples` are DHT_HASH_BYTES each. */
struct dht_samples {
    struct bytes samples;
    uint32_t interval; /* seconds until asking again makes sense */
    uint32_t num;      /* hashes that the node has */
};
enum error dht_sample(struct dht *d, const struct endpoint *ep,
                      const struct id *target,
                      void (*samples)(void *ctx, const struct dht_samples *),
                      const struct dht_handler *handler, uint64_t now,
                      dht_request *out);

/* Iterative lookups over every family that is on, one after the other's
 * values merged into one result. All: ERR_FULL at max_lookups. With an empty
 * table `done` comes later with ERR_NO_NODES. */
enum error dht_find_node(struct dht *d, const struct id *target,
                         const struct dht_handler *handler, uint64_t now,
                         dht_request *out);
enum error dht_get_peers(struct dht *d, const struct id *info_hash,
                         const struct dht_handler *handler, uint64_t now,
                         dht_request *out);
/* `salt` and `key` NULL for an immutable item or a mutable one whose key is
 * learnt from the answer (SHA-1 of key and salt is the target). */
enum error dht_get_item(struct dht *d, const struct id *target,
                        struct bytes salt, const struct dht_handler *handler,
                        uint64_t now, dht_request *out);

/* No effect when it has ended. The handler is not called any more. */
void dht_cancel(struct dht *d, dht_request request);

/* ---- Publications: renewed with jitter until withdrawn ----------------- */

/* Announces a peer at our own address. With `implied_port` the port is the
 * one that we send from. A second call for the same hash replaces the first.
 * The handler hears of the first round; later ones are events. ERR_FULL. */
enum error dht_announce(struct dht *d, const struct id *info_hash,
                        uint16_t port, bool implied_port,
                        const struct dht_handler *handler, uint64_t now,
                        dht_request *out);
/* ERR_NOT_FOUND. Others forget it when it expires. */
enum error dht_withdraw(struct dht *d, const struct id *info_hash);

/* Publishes an item. A mutable one comes signed (dht_item_sign); one with a
 * higher seq replaces ours. With `cas` the first round is conditional.
 * ERR_FULL, ERR_SIGNATURE, ERR_TOO_LARGE, ERR_SEQ (lower than ours). */
enum error dht_put(struct dht *d, const struct dht_item *item,
                   const int64_t *cas, const struct dht_handler *handler,
                   uint64_t now, dht_request *out);
/* Stops renewing. ERR_NOT_FOUND. */
enum error dht_unput(struct dht *d, const struct id *target);

/* ---- Items: pure functions --------------------------------------------- */

/* SHA-1 of the bencoded value, or of key and salt. */
void dht_item_target(const struct dht_item *item, struct id *out);
/* Signs with a libsodium Ed25519 secret key (64 bytes); sets key, signature. */
void dht_item_sign(struct dht_item *item, const uint8_t secret[64]);
/* OK, ERR_SIGNATURE, ERR_TOO_LARGE (salt, value). */
enum error dht_item_verify(const struct dht_item *item);

/* ---- Looking inside ---------------------------------------------------- */

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

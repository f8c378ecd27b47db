/* SPDX-License-Identifier: MIT
 *
 * Requests of the interface: their names, and what they report.
 */
#ifndef WARREN_DHT_TYPES_DHT_REQUEST_H
#define WARREN_DHT_TYPES_DHT_REQUEST_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "dht/types/dht_item.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHT_K           8 /* bucket size and replication, BEP 5 */
#define DHT_PARALLELISM 3 /* queries of a lookup in flight */
#define DHT_HASH_BYTES  20

/* Names a request that runs; 0 is none. Never reused in a node's life. */
typedef uint64_t dht_request;

/* What a lookup was told and by whom, for traces. */
enum dht_outcome {
    DHT_STEP_ANSWERED,
    DHT_STEP_TIMEOUT,
    DHT_STEP_UNSENT,  /* the query did not leave this machine */
    DHT_STEP_ERROR,   /* a KRPC error */
    DHT_STEP_DISTRUST /* answered, but was caught naming made-up nodes */
};

struct dht_step {
    struct endpoint to;
    struct id id; /* zero while unknown (bootstrap) */
    unsigned hop; /* 1: known before the lookup began */
    enum dht_outcome outcome;
    bool early; /* TIMEOUT: the lookup ended before it had waited its time */
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
                         ERR_UNREACHABLE, ERR_FORBIDDEN, ERR_IO (no query
                         left this machine),
                         ERR_CANCELLED, for put also ERR_CAS, ERR_SEQ */
    unsigned asked, answered;
    unsigned hops;   /* of the one that gave the first value, else of the
                        nearest; 1: known before the lookup began */
    unsigned values; /* distinct peers or items */
    unsigned stored; /* announce, put: nodes that accepted */
    /* Of a scrape, BEP 33: nodes that gave filters, and what these, taken
     * together, say about how many hosts announce. */
    unsigned scraped;
    double seeds, downloaders;
    uint64_t duration;
    size_t closest_count;
    struct {
        struct id id;
        struct endpoint ep;
    } closest[DHT_K]; /* nearest that answered, ascending distance */
};

/* Any of these may be NULL. `done` is called exactly once, last, unless the
 * request is cancelled or the node freed. None is called before the function
 * that takes the handler has returned. */
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

/* What a node says to one find_node. Views are valid during the call. */
struct dht_answer {
    struct id id;
    struct endpoint from;
    uint64_t rtt;                 /* ns */
    struct bytes version;         /* `v`, at most 8 bytes; empty: it has none */
    struct bytes nodes[FAMILIES]; /* compact: id and endpoint, 26 or 38 bytes
                                     each, at most DHT_NODES_MAX */
};

/* BEP 51. `samples` are DHT_HASH_BYTES each. */
struct dht_samples {
    struct bytes samples;
    uint32_t interval; /* seconds until asking again makes sense */
    uint32_t num;      /* hashes that the node has */
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * A request that runs: an iterative lookup (Maymounkov and Mazieres, section
 * 2.3) in each family that is on, or, when `single`, one query to one
 * address. Freed by the sweep of engine_leave after it has ended.
 */
#ifndef WARREN_DHT_LOOKUP_LOOKUP_H
#define WARREN_DHT_LOOKUP_LOOKUP_H

#include "dht/dht.h"
#include "dht/lookup/lookup_side.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKUP_PEERS_MAX 512 /* different peers reported by one lookup */

struct publication;

/* What runs beside the requests of the API, which have handlers. */
enum lookup_purpose {
    LOOKUP_REQUEST,
    LOOKUP_PUBLISH, /* a round of a publication */
    LOOKUP_JOIN,    /* of our own id */
    LOOKUP_REFRESH  /* of a far bucket */
};

struct lookup {
    struct lookup *next;
    dht_request request;
    enum lookup_purpose purpose;
    enum dht_method method; /* of its queries */
    bool single;
    bool dead;     /* ended; waits for the sweep */
    bool due;      /* looked at by the next tick, whatever happens */
    bool own_due;  /* our own store was not looked at yet */
    bool complete; /* nothing better can be found */
    bool storing;  /* the second half of a publication's round */
    bool want_family[FAMILIES];
    enum family home; /* of LOOKUP_JOIN, LOOKUP_REFRESH */
    struct id target;
    struct bytes salt; /* of get; a view of salt_bytes */
    uint8_t salt_bytes[DHT_SALT_MAX];
    struct dht_handler handler;
    void (*samples)(void *ctx, const struct dht_samples *);
    struct publication *publication;
    enum error store_error; /* why a node did not store */
    uint64_t started_at;
    unsigned asked, answered, refused, hops, values, stored;
    unsigned store_pending;
    uint64_t single_rtt;
    bool has_item;
    int64_t seq;            /* highest found */
    struct endpoint *peers; /* found so far; owned */
    struct lookup_side side[FAMILIES];
};

struct lookup_params {
    enum lookup_purpose purpose;
    enum dht_method method;
    const struct id *target;
    const struct dht_handler *handler; /* may be NULL */
    bool family[FAMILIES];
    dht_request request; /* 0: a new one */
    struct publication *publication;
    struct bytes salt; /* of get; copied */
};

/* Starts a lookup from the routing table, or from whom maintain.h knows.
 * Nothing is reported before the next tick or datagram. ERR_NO_MEMORY. */
enum error lookup_start(struct dht *d, const struct lookup_params *p,
                        struct lookup **out);
/* One query to `ep`. */
enum error lookup_start_single(struct dht *d, const struct lookup_params *p,
                               const struct endpoint *ep, struct lookup **out);

/* lookup_end.c. Reports the result. */
void lookup_end(struct dht *d, struct lookup *l, enum error err);
/* Ends without a word. */
void lookup_drop(struct dht *d, struct lookup *l);

/* What became of the query to `c`, for the handler. */
struct dht_step lookup_step_of(const struct lookup *l,
                               const struct candidate *c,
                               enum dht_outcome outcome);
void lookup_report(const struct lookup *l, const struct dht_step *step);

/* From rpc.h, about candidate `slot` of the family that was asked: see
 * lookup_slot. */
void lookup_answered(struct dht *d, struct lookup *l, uint8_t slot,
                     const struct dht_message *m, uint64_t rtt);
void lookup_error(struct dht *d, struct lookup *l, uint8_t slot);
void lookup_slow(struct dht *d, struct lookup *l, uint8_t slot);
void lookup_failed(struct dht *d, struct lookup *l, uint8_t slot);

/* A query's candidate: its slot, and the family in the highest bit. */
#define LOOKUP_SLOT_IPV6 0x80
static inline uint8_t lookup_slot(enum family f, uint8_t slot)
{
    return (uint8_t)(slot | (f == FAMILY_IPV6 ? LOOKUP_SLOT_IPV6 : 0));
}
struct candidate *lookup_candidate(struct lookup *l, uint8_t slot);

/* Everything that waits for a tick, or for room for a query. */
void lookup_tick(struct dht *d);
void lookup_sweep(struct dht *d, bool all);
uint64_t lookup_next_deadline(const struct dht *d);
struct lookup *lookup_find(struct dht *d, dht_request request);
size_t lookup_memory(const struct dht *d);

/* lookup_found.c: what an answer brings. False when a callback has ended the
 * lookup. */
bool lookup_take_nodes(struct dht *d, struct lookup *l, enum family f,
                       uint8_t slot, const struct dht_message *m,
                       struct dht_step *step);
bool lookup_take_values(struct dht *d, struct lookup *l,
                        const struct dht_message *m, struct dht_step *step);

/* lookup_own.c: what we have ourselves. */
void lookup_take_own(struct dht *d, struct lookup *l);

#endif

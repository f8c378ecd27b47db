/* SPDX-License-Identifier: MIT
 *
 * Our queries in flight. A transaction is the slot of the query and six
 * unpredictable bytes, so an answer is found by index, and somebody who did
 * not see the query cannot make one up. It counts only from the address that
 * was asked and, when we know whom we ask, under that id.
 *
 * Two timeouts: the short one, learned from measured round trips, tells the
 * owner that it need not wait (`slow`); the answer still counts until the long
 * one, which ends the query and is a mark against the node in the routing
 * table. Where the long one is not longer, no query is ever slow.
 *
 *     sent --> [slow] --> answered | refused | failed
 *
 * Every query ends in exactly one of the three, unless its owner has left it
 * (queries_leave): then it goes on for the routing table's sake alone.
 */
#ifndef WARREN_DHT_QUERY_QUERY_H
#define WARREN_DHT_QUERY_QUERY_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/timestamp.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUERY_TRANSACTION_BYTES 8 /* slot, then QUERY_SECRET_BYTES */
#define QUERY_SECRET_BYTES      6

#define QUERY_SHORT_MIN     (50 * TIME_MS)
#define QUERY_SHORT_MAX     (2 * TIME_S)
#define QUERY_SHORT_INITIAL TIME_S

struct contacts;
struct dht_world;

/* What the owner of a query hears of it; all are required. `ctx` and `tag`
 * are the query's. They may send, and may leave queries. */
struct query_owner {
    /* `m` lasts for the call. */
    void (*answered)(void *ctx, uint8_t tag, const struct dht_message *m,
                     uint64_t rtt);
    /* ERR_CAS, ERR_SEQ, ERR_REMOTE. */
    void (*refused)(void *ctx, uint8_t tag, enum error why);
    /* At most once, and before the others. */
    void (*slow)(void *ctx, uint8_t tag);
    /* ERR_TIMEOUT; ERR_UNEXPECTED: answered under another id; others: it did
     * not leave this machine. */
    void (*failed)(void *ctx, uint8_t tag, enum error why);
};

struct query {
    struct endpoint to;
    struct id id;                    /* zero unless id_known */
    const struct query_owner *owner; /* NULL: nobody waits for it */
    void *ctx;                       /* the owner's */
    uint64_t sent_at;                /* 0: the slot is free */
    uint64_t deadline;               /* short, then long */
    uint64_t number;                 /* in the order of sending */
    uint32_t rtt_hint; /* microseconds, from the table; 0 unknown */
    uint8_t tag;       /* the owner's */
    uint8_t secret[QUERY_SECRET_BYTES];
    bool id_known;
    bool slow;    /* past its short timeout */
    bool excused; /* who leaves it unanswered need not be gone */
};

/* Grows up to config.max_pending, and has no memory while nothing is in flight;
 * free slots are taken lowest first, so that what is in use stays at the front.
 */
struct queries {
    struct dht_world *w;
    struct contacts *contacts;
    struct query *slots;
    size_t cap, used;
    size_t end;    /* slots from here on are free */
    size_t owned;  /* that an owner waits for */
    uint64_t last; /* number of the last one */
    /* RFC 6298 over all nodes, ns; srtt 0: nothing measured yet. */
    uint64_t srtt, rttvar;
    uint64_t next_at; /* earliest deadline */
};

/* Both are to outlive it. */
void queries_init(struct queries *qs, struct dht_world *w,
                  struct contacts *contacts);
void queries_deinit(struct queries *qs);

/* Completes `m` (transaction, our id, network, version, read-only) and sends
 * it. `q` says to whom, for whom; the rest of it is filled in. ERR_FULL. */
enum error query_send(struct queries *qs, struct dht_message *m,
                      struct query q);

/* An answer or error that came in: finds its query, tells the routing table
 * and the owner. ERR_UNEXPECTED when nobody waits for it. */
enum error queries_receive(struct queries *qs, const struct endpoint *from,
                           const struct dht_message *m);

/* What went to `to` did not leave this machine: all queries to there fail. */
void queries_send_failed(struct queries *qs, const struct endpoint *to,
                         enum error why);

void queries_tick(struct queries *qs);
/* The owner with this `ctx` has ended: it hears of no query any more. */
void queries_leave(struct queries *qs, const void *ctx);
/* No query can be sent. */
bool queries_are_full(const struct queries *qs);

/* The short timeout for a node whose round trip is `rtt` us, 0 unknown. */
uint64_t queries_short_timeout(const struct queries *qs, uint32_t rtt);

/* Asserts what must hold between calls; for tests. */
void queries_check(const struct queries *qs);

#endif

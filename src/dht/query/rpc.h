/* SPDX-License-Identifier: MIT
 *
 * Our queries in flight. A transaction is the slot of the query and six
 * unpredictable bytes, so an answer is found by index, and somebody who did
 * not see the query cannot make one up. It counts only from the address that
 * was asked and, when we know whom we ask, under that id.
 *
 * Two timeouts: the short one, learned from measured round trips, tells the
 * owner that it need not wait (query_slow); the answer still counts until the
 * long one, which ends the query (query_failed) and is a mark against the
 * node in the routing table.
 */
#ifndef WARREN_DHT_QUERY_RPC_H
#define WARREN_DHT_QUERY_RPC_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RPC_TRANSACTION_BYTES 8 /* slot, then RPC_SECRET_BYTES */
#define RPC_SECRET_BYTES      6

#define RPC_SHORT_MIN     (50 * TIME_MS)
#define RPC_SHORT_MAX     (2 * TIME_S)
#define RPC_SHORT_INITIAL TIME_S

struct dht;
struct lookup;

enum query_purpose {
    QUERY_CHORE, /* of the routing table; nobody waits for it */
    QUERY_LOOKUP,
    QUERY_STORE /* announce_peer and put of a publication's round */
};

struct query {
    struct endpoint to;
    struct id id;         /* zero unless id_known */
    struct lookup *owner; /* NULL: a chore, or the owner has ended */
    uint64_t sent_at;     /* 0: the slot is free */
    uint64_t deadline;    /* short, then long */
    uint32_t rtt_hint;    /* microseconds, from the table; 0 unknown */
    uint8_t candidate;    /* slot in the owner's list */
    uint8_t purpose;      /* enum query_purpose */
    uint8_t secret[RPC_SECRET_BYTES];
    bool id_known;
    bool slow; /* past its short timeout */
};

/* Grows up to config.max_pending; free slots are taken lowest first, so that
 * what is in use stays at the front. */
struct rpc {
    struct query *queries;
    size_t cap, used;
    size_t end;       /* slots from here on are free */
    uint64_t next_at; /* earliest deadline */
    /* RFC 6298 over all nodes, ns; srtt 0: nothing measured yet. */
    uint64_t srtt, rttvar;
};

void rpc_init(struct rpc *rpc);
void rpc_deinit(struct rpc *rpc);

/* Completes `m` (transaction, our id, network, version, read-only) and sends
 * it. `q` says to whom, for whom; the rest of it is filled in. ERR_FULL. */
enum error rpc_send(struct dht *d, struct dht_message *m, struct query q);

/* An answer or error that came in: finds its query, tells the routing table
 * and the owner. ERR_UNEXPECTED when nobody waits for it. */
enum error rpc_receive(struct dht *d, const struct endpoint *from,
                       const struct dht_message *m);

void rpc_tick(struct dht *d);
/* The owner has ended: its queries go on for the routing table's sake. */
void rpc_detach(struct dht *d, const struct lookup *owner);

/* The short timeout for a node whose round trip is `rtt` us, 0 unknown. */
uint64_t rpc_short_timeout(const struct rpc *rpc, uint32_t rtt);

#endif

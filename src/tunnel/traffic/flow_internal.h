/* SPDX-License-Identifier: MIT
 *
 * What the files flow*.c share; nobody else includes it.
 *
 *     bundle         all flows of one isolation key and number of hops
 *       lane         a circuit that they send over
 *       flow
 *         destination  and the lane that it is on
 *         datagram     that waits
 */
#ifndef WARREN_TUNNEL_TRAFFIC_FLOW_INTERNAL_H
#define WARREN_TUNNEL_TRAFFIC_FLOW_INTERNAL_H

#include "base/table/keyed_table.h"
#include "tunnel/member/member.h"
#include "tunnel/traffic/circuit_choice.h"
#include "tunnel/traffic/claims.h"
#include "tunnel/traffic/flow.h"

#include <sys/queue.h>

struct destination {
    struct keyed_entry entry; /* the newest is who was sent to last */
    uint32_t circuit;         /* 0: none yet */
    uint64_t sent_at;
    bool heard;          /* something came from there */
    unsigned waiting;    /* datagrams */
    uint8_t refusals;    /* exits that refuse it, */
    uint8_t (*by)[32];   /* FLOW_EXITS_MAX at most, or NULL; */
    uint64_t refused_at; /* the last of them */
    size_t key_len;
    uint8_t
        key[]; /* family, or 0 for a name; port (2 bytes); address or name */
};

struct datagram {
    TAILQ_ENTRY(datagram) link;
    struct destination *to;
    uint64_t since;
    size_t len;
    uint8_t data[];
};

struct lane {
    LIST_ENTRY(lane) link;
    uint32_t circuit;
    uint64_t silent_since; /* what was sent then had no answer; or TIME_NEVER */
    uint64_t asked_at;     /* or TIME_NEVER */
    unsigned asks;         /* without an answer */
    uint64_t quiet;        /* before it is asked */
    struct flow *last;     /* who has sent last, or NULL */
};

struct bundle {
    LIST_ENTRY(bundle) link;
    struct flows *flows;
    unsigned hops;
    uint64_t isolation;
    LIST_HEAD(, lane) lanes;
    TAILQ_HEAD(, flow) members;
    uint32_t opening; /* a circuit that is being built; 0: none */
    unsigned opened;  /* since the last pause */
    unsigned retries;
    unsigned waiting;  /* datagrams */
    uint64_t retry_at; /* TIME_NEVER: nothing waits */
};

struct flow {
    TAILQ_ENTRY(flow) link;
    struct bundle *bundle;
    flow_received_fn *received;
    void *arg;
    struct keyed_table destinations;
    TAILQ_HEAD(, datagram) queue;
    unsigned queued;
    size_t queued_bytes;
};

struct flows {
    struct chooser chooser;
    LIST_HEAD(, bundle) bundles;
    uint8_t secret[KEYED_TABLE_SECRET];
    struct flow_stats stats;
};

/* ---- flow_destination.c ------------------------------------------------- */

/* Of these the pointer: what is in the table. */
static inline struct destination *destination_of(struct keyed_entry *e)
{
    return (struct destination *)(void *)e;
}

void destinations_init(struct flow *f);
void destinations_deinit(struct flow *f);
/* Where a datagram goes to, remembered from now on. NULL: no memory. */
struct destination *destination_get(struct flow *f, const struct host_port *to);
/* NULL: nothing was sent to that address, or lately. */
struct destination *destination_find(const struct flow *f,
                                     const struct endpoint *ep);
/* The one sent to last over the circuit that is a name with this port. */
struct destination *destination_named(const struct flow *f, uint32_t circuit,
                                      uint16_t port);
uint16_t destination_port(const struct destination *d);
/* What comes from the one may come from the other. */
bool destinations_meet(const struct destination *a,
                       const struct destination *b);
/* Whether no exit is to be asked for it now; refusals are forgotten in time. */
bool destination_is_refused(struct destination *d, uint64_t now);
void destination_refuse(struct destination *d, const uint8_t exit[32],
                        uint64_t now);
/* As member_data. */
enum error destination_send(const struct destination *d, struct member *t,
                            uint32_t circuit, struct bytes data, uint64_t now);

/* ---- flow_lane.c -------------------------------------------------------- */

struct lane *lane_find(const struct bundle *b, uint32_t circuit);
void lane_free(struct lane *lane);
/* The lane for a destination of the flow, which is the one that it is on or is
 * a new one; `any`: its exit need not say that it sends there, and other flows
 * may send there over it, too. NULL: none. */
struct lane *lane_for(const struct flow *f, const struct destination *d,
                      bool any, uint64_t now);
/* One more circuit is being built, if one can be. */
void lane_open(struct bundle *b, const struct destination *d, bool any,
               uint64_t now);
void lane_sent(struct lane *lane, struct flow *f, uint64_t now);
/* The exit has said something; of `data` an application of it has. */
void lane_heard(struct lane *lane, bool data);
uint64_t lane_wakes_at(const struct lane *lane);
/* False when it is closed, and gone. */
bool lane_wake(struct bundle *b, struct lane *lane, uint64_t now);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What delivery.c and delivery_choice.c share; nobody else includes it.
 */
#ifndef WARREN_TUNNEL_TRAFFIC_DELIVERY_INTERNAL_H
#define WARREN_TUNNEL_TRAFFIC_DELIVERY_INTERNAL_H

#include "base/table/call.h"
#include "tunnel/member/member.h"
#include "tunnel/traffic/circuit_choice.h"
#include "tunnel/traffic/claims.h"
#include "tunnel/traffic/delivery.h"

/* Where a delivery stands, and what it waits for besides its end:
 *
 *     LOOKING  for a circuit: events of the member, or retry_at
 *     SENT     for the answer; after SILENCE the hops are asked
 *     ASKED    for the answer or the exit's PONG; after PONG_WAIT the circuit
 *              is broken
 *     PATIENT  for the answer: the circuit works
 *
 *     LOOKING -> SENT -> ASKED -> PATIENT
 *        ^________/________/________/   refused, or the circuit is lost
 */
enum delivery_state { LOOKING, SENT, ASKED, PATIENT };

struct delivery {
    struct call call;
    struct delivery_handler handler;
    struct host_port to;
    unsigned hops;
    uint64_t isolation;
    enum delivery_state state;
    uint32_t circuit; /* unless LOOKING */
    uint32_t opening; /* one that is built for this; 0: none */
    unsigned opened;  /* so many were */
    unsigned broken, refusals;
    uint8_t refused_by[DELIVERY_EXITS_MAX][32];
    enum reason why; /* of the last refusal */
    bool was_sent;
    uint64_t began_at, end_at;
    uint64_t around_until; /* exits that say that they send there are sought */
    uint64_t sent_at, asked_at;
    uint64_t retry_at; /* LOOKING: when it is looked without an event */
    unsigned retries;
    uint64_t tell_at; /* LOOKING: `waiting` is due; TIME_NEVER: not wanted */
    unsigned turn;    /* that it was seen in last */
    size_t len;
    uint8_t data[];
};

struct deliveries {
    struct chooser chooser;
    struct calls calls; /* struct delivery, oldest first */
    unsigned count;
    uint64_t ids;
    unsigned turn;
};

/* The delivery that stands on the list as `call`; NULL stays NULL. */
static inline struct delivery *delivery_of(struct call *call)
{
    return (struct delivery *)(void *)call;
}

/* ---- delivery_choice.c: which circuit, and which exit ------------------- */

/* A circuit to send over now, which is the key's from now on; 0: none. */
uint32_t delivery_choose(struct deliveries *ds, const struct delivery *d,
                         uint64_t now);
/* One more is being built, or is now. */
bool delivery_open(struct deliveries *ds, struct delivery *d, uint64_t now);
/* No exit is left that has not refused it. */
bool delivery_is_hopeless(struct deliveries *ds, struct delivery *d,
                          uint64_t now);

#endif

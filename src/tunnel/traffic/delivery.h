/* SPDX-License-Identifier: MIT
 *
 * A datagram brought to its destination through some exit, and the answer
 * brought back: which circuit it goes over, which exit sends it, and when to
 * try again is decided here, for all who send: the control socket, libwarren.
 * On top of a member, with bytes and the time only, as that one:
 *
 *     what the member tells (member_env.event)  ->  deliveries_event
 *     deliveries_next_deadline is due           ->  deliveries_tick
 *
 * A datagram goes over a circuit whose exit says that it sends to that port;
 * one is built when there is none. When no exit says so, any may do: what they
 * say is a hint. An exit that refuses makes room for another one.
 *
 * It is sent once over a circuit. Silence has two reasons, and a PING to the
 * hops tells them apart: when the exit answers that, the circuit works, and to
 * wait is all that is left to do; when it does not, the circuit is broken, is
 * closed, and the datagram goes over another one.
 *
 * Deliveries with different isolation keys never share a circuit; 0 is a key
 * like any other. Two to one destination share one only when there is no
 * other, and then the first answer is that of the first who sent.
 *
 * A command here calls nobody back; `waiting` and `done` come out of
 * deliveries_event and deliveries_tick, and may start and cancel deliveries
 * and call commands of the member.
 */
#ifndef WARREN_TUNNEL_TRAFFIC_DELIVERY_H
#define WARREN_TUNNEL_TRAFFIC_DELIVERY_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "tunnel/exit/host_port.h"
#include "tunnel/link/reason.h"

#include <stdbool.h>
#include <stdint.h>

struct claims;
struct deliveries;
struct member;
struct member_event;

#define DELIVERIES_MAX     1024 /* under way */
#define DELIVERY_EXITS_MAX 3    /* that may refuse before it is told */

struct delivery_request {
    struct host_port to;
    struct bytes data; /* copied */
    unsigned hops;     /* 1 to ONION_HOPS_MAX */
    uint64_t isolation;
    uint64_t timeout; /* ns, for all of it */
};

enum delivery_end {
    DELIVERY_ANSWERED,
    DELIVERY_REFUSED,    /* by each exit that was tried: the last one's `why` */
    DELIVERY_SILENT,     /* sent, and no answer in time */
    DELIVERY_NO_CIRCUIT, /* not one could be had in time, or all broke */
    DELIVERY_FAILED      /* it cannot be sent: `error` */
};

struct delivery_outcome {
    enum delivery_end end;
    enum reason why;
    enum error error;
    uint32_t circuit; /* that it went over last; 0: none that is left */
    unsigned hops;
    unsigned broken;   /* circuits that were lost on the way */
    unsigned refusals; /* exits that did not send it */
    /* SILENT: the exit has answered a PING since. That shows that the circuit
     * works, not that the datagram has reached the exit. */
    bool exit_answers;
    struct endpoint source; /* ANSWERED */
    struct bytes payload;   /* ANSWERED; valid during the call */
    uint64_t rtt;           /* ns; ANSWERED */
    uint64_t duration;      /* ns */
};

struct delivery_handler {
    void *arg;
    /* No circuit is there yet: soon, and then once a second. May be NULL. */
    void (*waiting)(void *arg);
    /* Once, and last. */
    void (*done)(void *arg, const struct delivery_outcome *outcome);
};

/* `t` and `claims` outlive them. ERR_NO_MEMORY. */
enum error deliveries_new(struct member *t, struct claims *claims,
                          const struct random_source *random,
                          struct deliveries **out);
/* What is under way is given up; nobody is called. */
void deliveries_free(struct deliveries *ds);

/* `id` names it until `done` is called, and is never 0. Errors: ERR_RANGE
 * (hops), ERR_FULL (DELIVERIES_MAX), ERR_NO_MEMORY, and those of member_data
 * that are the datagram's. */
enum error delivery_start(struct deliveries *ds,
                          const struct delivery_request *request,
                          const struct delivery_handler *handler, uint64_t now,
                          uint64_t *id);
/* Its handler is not called any more. Without effect when it has ended. */
void delivery_cancel(struct deliveries *ds, uint64_t id);

void deliveries_event(struct deliveries *ds, const struct member_event *event,
                      uint64_t now);
void deliveries_tick(struct deliveries *ds, uint64_t now);
uint64_t deliveries_next_deadline(const struct deliveries *ds);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Flows: datagrams of applications both ways, without an end of their own, as
 * an association of SOCKS has them. On top of a member, with bytes and the time
 * only:
 *
 *     what the member tells (member_env.event)  ->  flows_event
 *     flows_next_deadline is due                ->  flows_tick
 *
 * A flow sends over circuits of its isolation key (claims.h), over as few as
 * will do. What it sends to one destination stays on one circuit while that
 * lives, and goes on over another one then. Meanwhile, and while none is
 * there, datagrams wait: at most FLOW_QUEUE_MAX of FLOW_QUEUE_BYTES for
 * FLOW_QUEUE_TIME, and the oldest make room. As on the Internet, nobody hears
 * of what is lost.
 *
 * An exit that says that it sends to the port is looked for first, and after
 * FLOW_LOOK_AROUND any will do. One that refuses a destination (POLICY, FULL,
 * IO) is not asked for it again for FLOW_REFUSAL_TIME, and after FLOW_EXITS_MAX
 * of them nobody is; what was refused is lost. A refusal names no datagram: it
 * is taken for that of the one that was sent a round trip ago, or nearly, to
 * where nothing has come from yet.
 *
 * A circuit on which nothing comes back for what was sent is asked (PING), and
 * closed when its exit does not answer.
 *
 * Flows of one key may share a circuit, but not for what they send to the same
 * place within FLOW_APART, or to the same port where one of them sends to a
 * name: whose answers could nobody tell apart. When no other circuit is to be
 * had in FLOW_LOOK_AROUND, or FLOW_CIRCUITS serve the key already, they share
 * even so: that over which nobody has sent there for longest. An answer is for
 * whom of them has sent to its source last; where no one has by its address, to
 * that port of a name; and else for whom has sent over that circuit last.
 *
 * A command here calls nobody back. `received` comes out of flows_event, and
 * may call all functions of one flow and flow_open.
 */
#ifndef WARREN_TUNNEL_TRAFFIC_FLOW_H
#define WARREN_TUNNEL_TRAFFIC_FLOW_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/timestamp.h"
#include "tunnel/exit/host_port.h"

#include <stddef.h>
#include <stdint.h>

#define FLOWS_MAX         65536
#define FLOW_DESTINATIONS 1024 /* remembered, of one flow */
#define FLOW_QUEUE_MAX    64   /* as a relay holds of a circuit, at once */
#define FLOW_QUEUE_BYTES  ((size_t)64 * 1024)
#define FLOW_QUEUE_TIME   (30 * TIME_S)
#define FLOW_LOOK_AROUND  (2 * TIME_S)
#define FLOW_APART        (30 * TIME_S)
#define FLOW_CIRCUITS     8
#define FLOW_EXITS_MAX    3
#define FLOW_REFUSAL_TIME TIME_MIN

struct claims;
struct flow;
struct flows;
struct member;
struct member_event;

/* `payload` is valid during the call. */
typedef void flow_received_fn(void *arg, const struct endpoint *source,
                              struct bytes payload, uint64_t now);

/* `t` and `claims` outlive them. ERR_NO_MEMORY. */
enum error flows_new(struct member *t, struct claims *claims,
                     const struct random_source *random, struct flows **out);
/* All flows are closed. */
void flows_free(struct flows *fs);

/* ERR_RANGE (hops), ERR_FULL (FLOWS_MAX), ERR_NO_MEMORY. */
enum error flow_open(struct flows *fs, unsigned hops, uint64_t isolation,
                     flow_received_fn *received, void *arg, uint64_t now,
                     struct flow **out);
/* What waits is dropped. */
void flow_close(struct flow *f);

/* Sends it now or later. The errors are the datagram's: ERR_TOO_LARGE,
 * ERR_ADDRESS, ERR_SYNTAX, and ERR_NO_MEMORY; it is lost then. */
enum error flow_send(struct flow *f, const struct host_port *to,
                     struct bytes data, uint64_t now);

void flows_event(struct flows *fs, const struct member_event *event,
                 uint64_t now);
void flows_tick(struct flows *fs, uint64_t now);
uint64_t flows_next_deadline(const struct flows *fs);

/* ---- Looking inside ----------------------------------------------------- */

struct flow_stats {
    uint64_t sent, received; /* datagrams */
    uint64_t crowded;        /* made room in a queue, or found none */
    uint64_t late;           /* waited for too long */
    uint64_t refused;        /* by exits */
    uint64_t unsendable; /* a name or address that no exit takes, too long */
    uint64_t stray;      /* came for nobody who is still there */
    uint64_t moves;      /* of destinations, to another circuit */
    uint64_t silences;   /* circuits that were closed as they said nothing */
    unsigned flows, waiting; /* now; datagrams */
};
const struct flow_stats *flows_stats(const struct flows *fs);

#endif

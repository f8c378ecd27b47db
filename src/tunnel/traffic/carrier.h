/* SPDX-License-Identifier: MIT
 *
 * Streams of applications: to the Internet through exits, to services, and
 * from peers of ours. Which circuit leads to an exit that will do, and where a
 * stream goes on when that circuit ends, is decided here, for all who have
 * streams: SOCKS, libwarren, the ports of services. On top of a member, with
 * bytes and the time only:
 *
 *     what the member tells (member_env.event)      ->  carrier_event
 *     packets of peers (service_world.packet)       ->  carrier_peer_packet
 *     events of services (service_world.event)      ->  carrier_service_event
 *     carrier_next_deadline is due                  ->  carrier_tick
 *
 * A trunk is a connection of streams (stream.h): to one exit for one isolation
 * key and one number of hops, or to one peer. Over a trunk go all streams of
 * its key that its exit takes, so that they share its congestion control; keys
 * never share one, nor a circuit (claims.h).
 *
 *     carrier_open   LOOKING  for a trunk, or a circuit to make one of
 *                    ASKED    the request was sent; its bytes may follow
 *       answered     the stream is the holder's (stream_hand_over)
 *       failed       or it was refused, and by other exits, too
 *
 * When the circuit of a trunk ends, gets old or falls silent, another one is
 * built to the same exit, and the connection moves there: its streams go on,
 * in order and whole. They end when that exit is not reached for rest_time.
 *
 * Handlers may call all functions here and of the streams, but carrier_free.
 */
#ifndef WARREN_TUNNEL_TRAFFIC_CARRIER_H
#define WARREN_TUNNEL_TRAFFIC_CARRIER_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/random_source.h"
#include "stream/stream.h"
#include "stream/stream_request.h"
#include "tunnel/link/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define CARRIER_CALLS_MAX 4096 /* under way, not yet answered */
#define CARRIER_EXITS_MAX 3    /* that may refuse before the holder is told */

struct carrier;
struct carrier_call;
struct carrier_visit;
struct claims;
struct member;
struct member_event;
struct service_event;

struct carrier_config {
    struct stream_config stream;
    unsigned max_trunks; /* that we open; at the cap one without streams makes
                            way. Peers': stream.max_connections */
    unsigned max_visits; /* streams of peers that wait for carrier_take; at the
                            cap one of the peer that has most makes way */
};

void carrier_config_init(struct carrier_config *config);

/* Where to; the request is copied. */
struct carrier_target {
    struct stream_request request; /* PORT of a service or peer, else an exit */
    unsigned hops;                 /* of an exit's circuit */
    uint64_t isolation;            /* likewise */
    uint32_t service;              /* PORT: one that is reached, or */
    uint64_t peer;                 /* one of its peers */
    uint64_t timeout;              /* ns, until it is answered */
};

struct carrier_handler {
    /* The stream is there, and its request is on its way: carrier_early may be
     * used. May be NULL. */
    void (*asked)(void *arg, uint64_t now);
    /* The other end has done it. For CONNECT and PORT the stream is the
     * holder's: stream_hand_over is to be called in here, and stream_resume in
     * here or later; or stream_reset. For
     * names `st` is NULL. The last call. */
    void (*answered)(void *arg, struct stream *st,
                     const struct stream_answer *answer, uint64_t now);
    /* By each that was tried, or there was none (NO_RELAYS, TIMEOUT). The last
     * call. */
    void (*failed)(void *arg, enum reason why, uint64_t now);
};

/* Streams that peers of our services open. */
struct carrier_host {
    void *ctx;
    /* Somebody wants this port of the service: to be answered by carrier_take
     * or carrier_refuse, now or later. */
    void (*visited)(void *ctx, struct carrier_visit *v, uint32_t service,
                    uint64_t peer, uint16_t port, uint64_t now);
    /* It has gone before it was answered, or made way; no more is heard of
     * it. */
    void (*parted)(void *ctx, struct carrier_visit *v, uint64_t now);
};

/* `t` and `claims` outlive it. `host`: all NULL, nobody is let in.
 * ERR_NO_MEMORY. */
enum error carrier_new(const struct carrier_config *config, struct member *t,
                       struct claims *claims,
                       const struct random_source *random,
                       const struct carrier_host *host, struct carrier **out);
/* Streams end without a word, and nobody is called. */
void carrier_free(struct carrier *c);

/* ERR_RANGE (hops, no port), ERR_FULL (CARRIER_CALLS_MAX), ERR_NO_MEMORY. */
enum error carrier_open(struct carrier *c, const struct carrier_target *target,
                        const struct carrier_handler *handler, void *arg,
                        uint64_t now, struct carrier_call **out);
/* Bytes of the application that need not wait for the answer; how many were
 * taken. After it no other exit is tried. */
size_t carrier_early(struct carrier_call *call, struct bytes data,
                     uint64_t now);
/* Its handler is not called any more. */
void carrier_cancel(struct carrier_call *call, uint64_t now);

/* The visit is over, the stream the holder's: with handler NULL he hands it
 * over himself, before anything else happens. stream_resume has it told the
 * bytes that came already. */
struct stream *carrier_take(struct carrier_visit *v,
                            const struct stream_handler *handler, void *arg,
                            uint64_t now);
void carrier_refuse(struct carrier_visit *v, enum reason why, uint64_t now);
void carrier_visit_set(struct carrier_visit *v, void *holder);
void *carrier_visit_get(const struct carrier_visit *v);

/* ---- Driven by whoever has the member ----------------------------------- */

void carrier_event(struct carrier *c, const struct member_event *event,
                   uint64_t now);
void carrier_service_event(struct carrier *c, const struct service_event *event,
                           uint64_t now);
void carrier_peer_packet(struct carrier *c, uint64_t peer, bool to_acceptor,
                         struct bytes packet, uint64_t now);
/* Around packets that come in a batch: as streams_hold. */
void carrier_hold(struct carrier *c, uint64_t now);
void carrier_release(struct carrier *c);
void carrier_tick(struct carrier *c, uint64_t now);
uint64_t carrier_next_deadline(const struct carrier *c);

/* ---- Looking inside ----------------------------------------------------- */

struct carrier_stats {
    uint64_t asked, answered, refused[REASON_END_];
    uint64_t moves;    /* of trunks, to another circuit */
    uint64_t silences; /* circuits that were given up as they said nothing */
    unsigned calls, trunks, visits; /* now */
};
const struct carrier_stats *carrier_stats(const struct carrier *c);
const struct stream_stats *carrier_stream_stats(const struct carrier *c);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Where streams leave: the exit's end of the streams of circuits of others.
 *
 *     packets of a circuit -> struct streams -> request
 *       CONNECT  name? -> addresses -> policy -> limits -> world.connect
 *                connected: the answer is written, and world.join makes the
 *                socket and the stream each other's
 *       RESOLVE, REVERSE  -> names -> the answer, and the end
 *
 * A connection of the stream engine outlives the circuit that carried it: it
 * rests, and the client that knows its id goes on with it over another circuit
 * (stream.h). What is counted is counted for the circuit that it is on, and
 * for the source that this comes from; while it rests, for where it was last.
 *
 * Rules, each with its setting in struct outlet_config:
 *
 * - The policy decides about each address after resolution, as for datagrams,
 *   by lines of its own.
 * - A circuit has at most so many streams, and so many connects under way. A
 *   source has so many sockets, and all together: at that cap the one unused
 *   for longest of whoever has most makes way (base/table/shares.h).
 * - A circuit, a source and all have a rate of requests, a source has one of
 *   connects to one address.
 * - An exit is no port scanner: what does not answer, or refuses, is counted
 *   for the circuit and for its source, from the beginning until it answers
 *   after all. At the source's cap its circuits have an eighth each, so that
 *   others behind the same relay go on.
 * - A connect ends after connect_timeout. Addresses of a name are tried in
 *   turn, at most OUTLET_TRIES.
 *
 * What an application sends before it is connected waits in the stream engine,
 * within the windows.
 *
 * Reasons in answers (enum reason): PROTOCOL, those of names (exit.h), FULL,
 * RATE, UNREACHABLE (no route), REFUSED (nobody listens there), NO_EXIT (asked
 * for what there is not here), IO, LINK_LOST (a connect ended while there was
 * no circuit). A stream whose request is refused ends with its answer. One too
 * many for its circuit, or for memory, is reset with FULL before it is read.
 *
 * Codes of resets (`code` of stream.h) are of enum reason, too: LINK_LOST when
 * the socket broke, REQUESTED when the other end reset it, IDLE, FULL.
 */
#ifndef WARREN_TUNNEL_OUTLET_OUTLET_H
#define WARREN_TUNNEL_OUTLET_OUTLET_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "stream/stream.h"
#include "tunnel/exit/exit.h"
#include "tunnel/exit/policy.h"
#include "tunnel/link/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTLET_TRIES       3
#define OUTLET_CONNECTIONS 8 /* that begin on one circuit */

struct outlet_config {      /* nothing may be 0 */
    unsigned max_sockets;   /* over all, connects under way with them */
    unsigned max_source;    /* of circuits from one source, at its line */
    unsigned max_circuit;   /* streams of one circuit */
    unsigned max_connects;  /* under way, of one circuit */
    unsigned rate;          /* requests a second, over all */
    unsigned source_rate;   /* of one source's host */
    unsigned circuit_rate;  /* of a circuit, which may begin with */
    unsigned circuit_burst; /* so many */
    unsigned address_rate;  /* a minute, of one source to one address */
    unsigned max_silent;    /* addresses and ports that do not answer, of one
                               circuit in a minute */
    unsigned max_source_silent; /* the same of a source (its site) */
    uint64_t connect_timeout;   /* ns */
    uint64_t idle_timeout;      /* ns without a byte either way */
    struct stream_config stream;
};

void outlet_config_init(struct outlet_config *config);

/* The system's part. None may free the outlet or a circuit. */
struct outlet_world {
    void *ctx;
    /* A TCP connection, told by outlet_connected with this `id`, not before
     * this returns. Any error: it cannot be had. */
    enum error (*connect)(void *ctx, uint64_t id, const struct endpoint *to,
                          void **handle);
    /* It and the stream are each other's from here on: bytes, ends and resets
     * go through, either way, as fast as the slower of them takes them. The
     * stream is handed over (stream_hand_over), and resumed; with `ended` the
     * client has written its last before, and nothing tells it again.
     * outlet_parted tells the end, also before this returns. */
    void (*join)(void *ctx, void *handle, struct stream *st, bool ended,
                 uint64_t id);
    /* Gives it up. Is it joined, then the stream, if there still is one, is
     * reset with `code`, and outlet_parted is not called. */
    void (*close)(void *ctx, void *handle, uint32_t code);
    /* When a byte last went through what is joined, either way. */
    uint64_t (*used_at)(void *ctx, void *handle);
};

struct outlet_env {
    void *ctx;
    struct random_source random;
    struct outlet_world world;
    /* A packet to the client at the other end of the circuit. Calls nothing
     * here. */
    void (*send)(void *ctx, void *owner, struct bytes packet, uint64_t now);
    /* The exit's side of this circuit, for names; it stays while the circuit
     * does. NULL: it cannot be had. */
    struct exit_circuit *(*names)(void *ctx, void *owner, uint64_t now);
};

struct outlet;
struct outlet_circuit;

/* `exit` looks names up, with its caps and cache; `policy` is TCP's. Both stay
 * the caller's, and outlive it. ERR_NO_MEMORY. */
enum error outlet_new(const struct outlet_config *config,
                      const struct outlet_env *env, struct exit *exit,
                      struct policy *policy, struct outlet **out);
/* Connections end without a word, sockets are closed. The circuits are freed
 * before. */
void outlet_free(struct outlet *o);

/* A circuit that ends here, when its first packet comes; `owner` is for the
 * env's functions. ERR_NO_MEMORY, ERR_FULL. */
enum error outlet_circuit_new(struct outlet *o, void *owner,
                              const struct endpoint *neighbour,
                              struct outlet_circuit **out);
/* The circuit goes; its connections rest. */
void outlet_circuit_free(struct outlet *o, struct outlet_circuit *c,
                         uint64_t now);
/* A packet came on it. Why it was dropped. */
enum error outlet_receive(struct outlet *o, struct outlet_circuit *c,
                          struct bytes packet, uint64_t now);

/* What exit_env.found tells, of lookups of circuits that env.names gave. */
void outlet_found(struct outlet *o, uint64_t lookup,
                  const struct exit_answer *answer, uint64_t now);
/* What became of world.connect: OK, or the handle is gone: ERR_REMOTE (it was
 * refused), ERR_TIMEOUT, ERR_UNREACHABLE or any other. */
void outlet_connected(struct outlet *o, uint64_t id, enum error e,
                      uint64_t now);
/* What was joined has ended, both ways; its handle is gone. */
void outlet_parted(struct outlet *o, uint64_t id);

/* Around packets that come in a batch: as streams_hold. */
void outlet_hold(struct outlet *o, uint64_t now);
void outlet_release(struct outlet *o);
void outlet_tick(struct outlet *o, uint64_t now);
uint64_t outlet_next_deadline(const struct outlet *o);

struct outlet_stats {
    uint64_t requests, connects, connected;
    uint64_t refused[REASON_END_]; /* requests, and streams too many */
    uint64_t lookups, reversals;
    uint64_t displaced; /* sockets that made way */
    uint64_t idle;      /* streams that ended so */
    /* now */
    unsigned circuits, streams, sockets, connecting;
    struct stream_stats stream;
};
void outlet_get_stats(const struct outlet *o, struct outlet_stats *out);

#endif

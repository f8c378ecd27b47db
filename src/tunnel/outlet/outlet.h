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
 * for the source that this comes from.
 *
 * Rules, each with its setting in struct outlet_config:
 *
 * - The policy decides about each address after resolution, as for datagrams,
 *   by lines of its own (TCP); port 25 and others that are abused are refused
 *   by default.
 * - A circuit has at most so many streams and connects under way, a source and
 *   all of them together likewise; over all the longest unused of whoever has
 *   most makes way (base/table/shares.h).
 * - One source connects to one address only so often, and to so many ports of
 *   it and addresses in a minute: an exit is no port scanner.
 * - A connect ends after connect_timeout. Addresses of a name are tried in
 *   turn, at most OUTLET_TRIES.
 *
 * Reasons in answers (enum reason): PROTOCOL, RESOLVE, TIMEOUT, POLICY, FULL,
 * RATE, UNREACHABLE (no route), REFUSED (nobody listens there), NO_EXIT
 * (no TCP here), IO. A stream whose request is refused ends with its answer.
 *
 * Codes of resets (`code` of stream.h) are of enum reason, too: LINK_LOST when
 * the socket broke, REQUESTED when the other end reset it, IDLE, FULL.
 */
#ifndef WARREN_TUNNEL_OUTLET_OUTLET_H
#define WARREN_TUNNEL_OUTLET_OUTLET_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "stream/stream.h"
#include "tunnel/exit/exit.h"
#include "tunnel/exit/policy.h"
#include "tunnel/link/reason.h"

#include <stdint.h>

#define OUTLET_TRIES 3

struct outlet_config {        /* nothing may be 0 */
    unsigned max_sockets;     /* over all, connects under way with them */
    unsigned max_circuit;     /* streams of one circuit */
    unsigned max_source;      /* of circuits from one source, at its line */
    unsigned max_connects;    /* under way, of one circuit */
    unsigned connect_rate;    /* a second and source, over all addresses */
    unsigned address_rate;    /* a minute, of one source to one address */
    unsigned max_targets;     /* addresses and ports that did not answer, of
                                 one source in a minute */
    uint64_t connect_timeout; /* ns */
    uint64_t idle_timeout;    /* ns without a byte either way */
    struct stream_config stream;
};

void outlet_config_init(struct outlet_config *config);

/* The system's part. None may free the outlet. */
struct outlet_world {
    void *ctx;
    /* A TCP connection, told by outlet_connected with this `id`, not before
     * this returns. Any error: it cannot be had. */
    enum error (*connect)(void *ctx, uint64_t id, const struct endpoint *to,
                          void **handle);
    /* Gives it up before it was joined. */
    void (*close)(void *ctx, void *handle);
    /* It and the stream are each other's from here on: bytes, ends and resets
     * go through, either way, as fast as the slower of them takes them. The
     * stream is handed over (stream_hand_over); outlet_parted tells the end. */
    void (*join)(void *ctx, void *handle, struct stream *st, uint64_t id);
    /* The name of an address; told by outlet_reversed, also at once. NULL:
     * there is none to be had. */
    enum error (*reverse)(void *ctx, const struct endpoint *address,
                          uint32_t cookie);
};

struct outlet_env {
    void *ctx;
    struct random_source random;
    struct outlet_world world;
    /* A packet to the client at the other end of the circuit. */
    void (*send)(void *ctx, void *owner, struct bytes packet, uint64_t now);
    /* The exit's side of names of this circuit (exit_lookup); NULL: it has
     * none, and no names are resolved. */
    struct exit_circuit *(*names)(void *ctx, void *owner, uint64_t now);
};

struct outlet;
struct outlet_circuit;

/* `exit` resolves names, with its caps and cache; `policy` is TCP's. Both stay
 * the caller's, and outlive it. */
enum error outlet_new(const struct outlet_config *config,
                      const struct outlet_env *env, struct exit *exit,
                      struct policy *policy, struct outlet **out);
/* Connections end without a word, sockets are closed. */
void outlet_free(struct outlet *o);
/* Limits; what is over one stays until it ends. */
void outlet_configure(struct outlet *o, const struct outlet_config *config);

/* A circuit that ends here, when its first packet comes; `owner` is for
 * env.send. ERR_NO_MEMORY. */
enum error outlet_circuit_new(struct outlet *o, void *owner,
                              const struct endpoint *neighbour,
                              struct outlet_circuit **out);
/* The circuit goes; its connections rest. */
void outlet_circuit_free(struct outlet *o, struct outlet_circuit *c,
                         uint64_t now);
/* A packet came on it. Why it was dropped. */
enum error outlet_receive(struct outlet *o, struct outlet_circuit *c,
                          uint8_t *packet, size_t len, uint64_t now);

/* What became of world.connect: OK, or ERR_TIMEOUT, ERR_UNREACHABLE,
 * ERR_REFUSED..., and the handle is gone. `local`: the address that it goes
 * out from. */
void outlet_connected(struct outlet *o, uint64_t id, enum error e,
                      const struct endpoint *local, uint64_t now);
/* What was joined has ended, both ways. */
void outlet_parted(struct outlet *o, uint64_t id, uint64_t now);
/* `name` empty: there is none. */
void outlet_reversed(struct outlet *o, uint32_t cookie, struct bytes name,
                     uint64_t ttl, uint64_t now);

void outlet_tick(struct outlet *o, uint64_t now);
uint64_t outlet_next_deadline(const struct outlet *o);

struct outlet_stats {
    uint64_t requests, connects, connected;
    uint64_t refused[REASON_END_];
    uint64_t lookups, displaced;
    unsigned sockets, connecting, circuits; /* now */
    struct stream_stats stream;
};
void outlet_get_stats(const struct outlet *o, struct outlet_stats *out);

#endif

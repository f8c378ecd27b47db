/* SPDX-License-Identifier: MIT
 *
 * A member of the tunnel community as a pure transition: links, circuits of
 * others, circuits of our own in pools, an exit, and the directory of relays.
 * Bytes and the time go in; datagrams, events and a deadline come out. It
 * knows no socket, no clock, no file and no DHT: those are in struct
 * member_env.
 *
 *     loop:  member_receive(t, from, bytes, now, wall)  for each datagram
 *            member_tick(t, now, wall)      when member_next_deadline is due
 *
 * `now` is monotonic ns, `wall` seconds since 1970, which only signed times
 * are compared with. Single-threaded.
 *
 * Callbacks. `event` is called by member_receive, member_tick and member_free
 * alone, when they have done all else; what commands cause (member_close) is
 * told in the next turn, which is due at once. So it finds a member at rest.
 * The exceptions are DATA and PACKET, which are told in the middle of
 * member_receive: their circuit may be closed in there, and the payload stays.
 *
 *     function of struct member_env     may call
 *     event, exit_world, dht_provider,  commands, and what looks inside
 *       outlet_world
 *     exit_world.resolve, .reverse      member_exit_resolved too
 *     outlet_world.join                 member_outlet_parted too
 *     dht_provider                      its handler's functions too
 *     send, random, remember, forget,   nothing: they come in the middle of
 *       rotated, retired                whatever is done
 *
 * None may call member_receive, member_tick or member_free.
 */
#ifndef WARREN_TUNNEL_MEMBER_MEMBER_H
#define WARREN_TUNNEL_MEMBER_MEMBER_H

#include "tunnel/directory/dht_provider.h"
#include "tunnel/directory/directory.h"
#include "tunnel/exit/exit.h"
#include "tunnel/exit/policy.h"
#include "tunnel/link/puncture.h"
#include "tunnel/member/member_config.h"
#include "tunnel/member/speedtest.h"
#include "tunnel/outlet/outlet.h"
#include "tunnel/path/path.h"
#include "tunnel/router/router.h"
#include "tunnel/service/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum member_event_kind {
    MEMBER_CIRCUIT_READY,
    MEMBER_CIRCUIT_CLOSED, /* why, and at which hop (0: ended here) */
    MEMBER_DATA,           /* from `source` through the circuit */
    MEMBER_PACKET,         /* of streams, from the exit of the circuit */
    MEMBER_REFUSED,        /* the exit could not send: why */
    MEMBER_PONG,           /* hop, rtt */
    MEMBER_SPEEDTEST,      /* report; done when it is the last */
    MEMBER_LEARNED         /* relays, of which there was no word before */
};

struct member_event {
    enum member_event_kind kind;
    uint32_t circuit; /* 0 for LEARNED */
    unsigned length;  /* hops of the circuit */
    unsigned hop;
    enum reason why;
    uint64_t rtt;           /* ns */
    struct endpoint source; /* DATA */
    struct bytes payload;   /* DATA, PACKET, valid during the call */
    struct speedtest_report report;
    bool done;
};

/* What the world gives: all of it, but where a member says else. */
struct member_env {
    void *ctx;
    struct random_source random;
    /* `datagram` stays valid until the batch of the caller ends: a relayed
     * cell is sent from where it was received. */
    void (*send)(void *ctx, const struct endpoint *to, struct bytes datagram);
    /* As `send`, and no other joins it in a train (link.h); may be NULL. */
    void (*send_alone)(void *ctx, const struct endpoint *to,
                       struct bytes datagram);
    void (*event)(void *ctx, const struct member_event *event);
    struct exit_world exit; /* empty when this is none */
    /* Where streams leave, and their policy, as member_new's is that of
     * datagrams. NULL: none leave here. */
    struct outlet_world outlet;
    struct policy *tcp_policy;

    /* What is to be found again after a restart. */
    void (*remember)(void *ctx, const struct stored_relay *relay);
    void (*forget)(void *ctx, const uint8_t identity[32]);
    /* A new handshake key, and the one before, which is still taken until
     * `retired`: then it is to be gone everywhere. */
    void (*rotated)(void *ctx, const uint8_t secret[NOISE_KEY_BYTES],
                    const uint8_t previous[NOISE_KEY_BYTES], uint64_t wall);
    void (*retired)(void *ctx);

    const struct dht_provider *dht; /* outlives the member; may be NULL */
    struct service_world service;   /* of the services of this node */
};

struct member;

/* `policy` is the exit's, its own addresses are the relay's too; it stays the
 * caller's. NULL: this is no exit, and knows no more addresses of its own.
 * ERR_NO_MEMORY, ERR_RANGE (a cap of 0, min_circuits over max_circuits). */
enum error member_new(const struct member_config *config,
                      const struct member_env *env, struct policy *policy,
                      uint64_t now, uint64_t wall, struct member **out);
/* Tells neighbours and the world that circuits end, and wipes the keys. No
 * circuit begins meanwhile: member_open gives ERR_CANCELLED. */
void member_free(struct member *t, uint64_t now);

/* Takes min_circuits, the limits of circuits, what limits relays, and the
 * declared family, which is published with the next addresses. The rest stays
 * as it is. ERR_RANGE. */
enum error member_reconfigure(struct member *t,
                              const struct member_config *config, uint64_t now);

/* A relay of an earlier life, and an address to ask for a descriptor. */
enum error member_add_stored(struct member *t,
                             const struct stored_relay *stored, uint64_t wall,
                             uint64_t now);
enum error member_ask(struct member *t, const struct endpoint *ep,
                      uint64_t now);
/* A node of the DHT near a well-known key: directory_meet. */
void member_meet(struct member *t, const struct endpoint *node, uint64_t now);
/* Where we can be reached; a relay publishes it, but those that are `unproven`
 * (bit i: the i-th) only when others have reached them. Also what an exit does
 * not send to. */
void member_set_addresses(struct member *t, const struct endpoint *eps,
                          size_t count, unsigned unproven, uint64_t now);

/* What the machine can reach has changed: relays are reached, and circuits of
 * others extended, by addresses of these families only. Links in use are
 * checked at once. */
void member_network_changed(struct member *t, const bool family[FAMILIES],
                            uint64_t now);
/* As links_unreachable (link.h): a hint that may be made up. */
void member_unreachable(struct member *t, const struct endpoint *ep,
                        uint64_t now);
/* How busy the process is, of LIMITER_LOAD_MAX (base/limiter.h): how much is
 * done for strangers over all follows it. */
void member_set_load(struct member *t, unsigned load);

/* ---- Life --------------------------------------------------------------- */

/* OK, or the reason for dropping it, which is counted. The datagram may be
 * rewritten. */
enum error member_receive(struct member *t, const struct endpoint *from,
                          uint8_t *datagram, size_t len, uint64_t now,
                          uint64_t wall);
void member_exit_receive(struct member *t, uint32_t cookie,
                         const struct endpoint *from, struct bytes payload,
                         uint64_t now);
void member_exit_resolved(struct member *t, uint32_t cookie,
                          const struct exit_answer *answer, uint64_t now);
/* Around datagrams that come in a batch: packets of streams that leave here are
 * answered together. */
void member_batch_begin(struct member *t, uint64_t now);
void member_batch_end(struct member *t);
/* Of streams that leave here: as outlet.h says. */
void member_outlet_connected(struct member *t, uint64_t id, enum error e,
                             uint64_t now);
void member_outlet_parted(struct member *t, uint64_t id);
void member_tick(struct member *t, uint64_t now, uint64_t wall);
uint64_t member_next_deadline(const struct member *t);

/* ---- Circuits of our own ------------------------------------------------ */

/* Keeps between min_circuits and max_circuits data circuits of this many
 * hops. ERR_RANGE. */
enum error member_build(struct member *t, unsigned hops, uint64_t now);
enum error member_stop(struct member *t, unsigned hops);
/* The same for whoever needs them meanwhile: they are kept until member_stop
 * and as many releases as there were holds. ERR_RANGE. */
enum error member_hold(struct member *t, unsigned hops, uint64_t now);
void member_release(struct member *t, unsigned hops);
enum member_protocol { MEMBER_UDP, MEMBER_TCP };
/* What the exit of a circuit is to be like. */
struct member_wish {
    enum member_protocol protocol; /* datagrams, or streams */
    uint16_t port; /* it says that it sends there; 0: to any port, where one
                      does that */
    const uint8_t (*avoid)[32]; /* identities that are not wanted as hops */
    unsigned avoid_count;
    const uint8_t *exit; /* NULL, or this one (32 bytes) and no other */
};
/* Begins one more circuit, beside those that are kept, which retires as they
 * do. ERR_RANGE, ERR_NO_NODES (no such exit, or no way to it), ERR_FULL
 * (max_circuits; as many again to one exit), ERR_NO_MEMORY, ERR_CANCELLED (in
 * member_free). */
enum error member_open(struct member *t, unsigned hops,
                       const struct member_wish *wish, uint64_t now,
                       uint32_t *circuit);
/* Its exit is not replaced from here on: the circuit ends with it. */
enum error member_keep_exit(struct member *t, uint32_t circuit);
/* The exit of a circuit, and whether it says that it sends datagrams to `port`,
 * or connects streams; with 0, that it does so to any, and so resolves names.
 * False when there is no such circuit, or its exit is no longer known. */
bool member_exit_of(const struct member *t, uint32_t circuit,
                    uint8_t identity[32]);
bool member_sends_to(const struct member *t, uint32_t circuit, uint16_t port);
bool member_connects_to(const struct member *t, uint32_t circuit,
                        uint16_t port);
/* A circuit that is about to end by its age or traffic, or is not there. */
bool member_retires(const struct member *t, uint32_t circuit);
/* About how long a round trip to its exit takes, ns; 0: nobody knows. */
uint64_t member_rtt_of(const struct member *t, uint32_t circuit);
/* Whether circuits of this many hops are kept, for whomever. */
bool member_keeps(const struct member *t, unsigned hops);
/* Circuits that data can be sent over now; `hops` 0 is any. Returns how many
 * there are and puts up to `max` into `ids`. */
unsigned member_active(const struct member *t, unsigned hops, uint32_t *ids,
                       unsigned max);
/* Available circuits divided by min_circuits. */
double member_ready(const struct member *t);
/* Of a length that is kept (1 to ONION_HOPS_MAX): since when there is none
 * that data can be sent over, else TIME_NEVER; and whether the last attempt
 * to choose a path found one. */
uint64_t member_empty_since(const struct member *t, unsigned hops);
enum path_result member_path_of(const struct member *t, unsigned hops);

/* Sends a datagram through the circuit's exit. ERR_NOT_FOUND (no such circuit
 * that is ready), ERR_TOO_LARGE (PIECE_MESSAGE_MAX with its header),
 * ERR_ADDRESS, ERR_SYNTAX (a name). */
enum error member_data(struct member *t, uint32_t circuit,
                       const struct endpoint *to, struct bytes payload,
                       uint64_t now);
enum error member_data_name(struct member *t, uint32_t circuit,
                            struct bytes name, uint16_t port,
                            struct bytes payload, uint64_t now);
/* A packet of streams (stream/stream.h) to the circuit's exit; at most
 * CIRCUIT_PACKET_MAX bytes. ERR_NOT_FOUND. */
enum error member_packet(struct member *t, uint32_t circuit,
                         struct bytes packet, uint64_t now);
/* Asks every hop; an event for each PONG. ERR_NOT_FOUND. */
enum error member_ping(struct member *t, uint32_t circuit, uint64_t now);
/* Events with the figures so far, at most four a second, then the last.
 * ERR_NOT_FOUND, ERR_IN_USE. */
enum error member_speedtest(struct member *t, uint32_t circuit,
                            uint64_t duration, uint64_t now);
enum error member_close(struct member *t, uint32_t circuit, uint64_t now);

/* Of this node: called as commands are, told through member_env.service. */
struct services *member_services(const struct member *t);

/* ---- Looking inside ----------------------------------------------------- */

struct member_status {
    enum path_result path; /* of the last choice: what is missing */
    unsigned links, relays, circuits, ready;
    struct link_paths paths; /* what becomes of large cells on the links */
    unsigned known, usable, exits, guards;
    bool relaying, exiting, published;
    unsigned unproven;     /* addresses that wait until they are reached */
    uint8_t identity[32];  /* our own */
    uint64_t rate;         /* bytes a second relayed now */
    uint64_t step_timeout; /* ns, learned */
};

void member_status(const struct member *t, uint64_t now, uint64_t wall,
                   struct member_status *out);
/* See directory_twin. */
const struct directory_twin *member_twin(const struct member *t);
/* By how many seconds our clock is behind at least, as the descriptors of
 * others say; less than 0: ahead; 0: it may be right. `witnesses`: how many
 * relays have told. */
int64_t member_clock_behind(const struct member *t, uint64_t now, uint64_t wall,
                            unsigned *witnesses);
void member_circuits(const struct member *t,
                     void (*visit)(void *ctx, const struct circuit *c),
                     void *ctx);
const struct directory *member_directory(const struct member *t);
const struct router *member_router(const struct member *t);
const struct puncture_stats *member_punctures(const struct member *t);
/* What it does for services of others. */
const struct meeting *member_meeting(const struct member *t);
/* NULL when this is no exit. */
const struct exit *member_exit(const struct member *t);
/* NULL when no streams leave here. */
const struct outlet *member_outlet(const struct member *t);

#endif

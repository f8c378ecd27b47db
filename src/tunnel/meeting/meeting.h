/* SPDX-License-Identifier: MIT
 *
 * The relay's side of services, for whoever is at the other end of a circuit
 * that ends here: it introduces clients to services, keeps entries of members
 * of topics, joins two circuits at a rendezvous, and looks up in the DHT.
 *
 *     introduction.h  a service's circuit stays; INTRODUCEs go out on it
 *     rendezvous.h    a client's circuit waits with a cookie for another's JOIN
 *     topics.h        entries of members, and which relays have others
 *     errand.h        DHT_GET, DHT_PUT, RELAY_ASK
 *
 * Every request has an answer, may be said again as it is, and does then what
 * it did before. There are no timers but those that forget: whoever waits asks
 * again. Nothing is sent anywhere but on the circuit that asked, the one that
 * it is introduced to or joined with, and what the DHT and the directory send
 * themselves.
 *
 * A circuit is one of these for good: of a service (INTRO_ESTABLISH), one that
 * waits or is joined (RENDEZVOUS, JOIN), or one that asks (all others, of which
 * INTRODUCE may be said once). It is none when it has a next hop or sockets of
 * an exit.
 *
 * Places are kept for those who hold little, by the neighbour that the circuits
 * come from (base/table/shares.h).
 */
#ifndef WARREN_TUNNEL_MEETING_MEETING_H
#define WARREN_TUNNEL_MEETING_MEETING_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "tunnel/directory/dht_provider.h"
#include "tunnel/link/reason.h"
#include "tunnel/meeting/meeting_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transit;
struct meeting;
struct meeting_circuit; /* what is kept with a circuit: one pointer at it */

/* What the room asks of the node. None may call back in, but `tell`, and the
 * functions of `dht` with the handler that they are given. */
struct meeting_env {
    void *ctx;
    struct random_source random;
    /* Sends the text, which is a whole message, to the client of this circuit
     * in a cell of this size (CELL_SMALL, CELL_LARGE). */
    void (*answer)(void *ctx, struct transit *relay, struct bytes text,
                   size_t cell, uint64_t now);
    /* From now on end cells of one go out on the other. When one ends, the
     * other is told by whoever joined them. */
    enum error (*join)(void *ctx, struct transit *a, struct transit *b,
                       uint64_t now);
    /* Has meeting_told called once with what the relay at `ep` says of itself;
     * it may be called from within (directory_ask_for). */
    enum error (*tell)(void *ctx, const struct endpoint *ep, uint64_t wall,
                       uint64_t now);
    const struct dht_provider *dht; /* outlives the room; may be NULL */
};

struct meeting_config {
    char network[64];
    uint8_t identity[32];       /* ours: we name no others by it */
    bool testing_network;       /* sources are not counted */
    unsigned max_introductions; /* services' circuits */
    unsigned max_topics;
    unsigned max_entries; /* of one topic */
    unsigned max_cookies; /* that wait for a JOIN */
    unsigned max_lookups; /* at once, of all circuits */
    /* INTRODUCEs a second: all; to one service, and as many again with work. */
    unsigned introduce_rate, introduce_burst;
    unsigned service_rate, service_burst;
    unsigned lookup_rate, lookup_burst; /* a quarter to one host */
    /* Signatures checked a second, of INTRO_ESTABLISH and DHT_PUT; half of it
     * to one host. */
    unsigned verify_rate, verify_burst;
    unsigned max_sources; /* whose rates are remembered */
};

/* The defaults; network and identity are left to fill in. */
void meeting_config_init(struct meeting_config *config);

/* ERR_NO_MEMORY, ERR_RANGE (a cap or a rate of 0). */
enum error meeting_new(const struct meeting_config *config,
                       const struct meeting_env *env, struct meeting **out);
/* All circuits were freed. Announcements are withdrawn, lookups cancelled. */
void meeting_free(struct meeting *m);
/* New caps and rates; what is there stays. */
void meeting_configure(struct meeting *m, const struct meeting_config *config);

/* A message from the client of `relay`: any text whose type is 16 to 63.
 * `*state` is NULL at first and is set here. `busy`: the circuit has a next
 * hop, or sockets of an exit. `transcript` is the beginning of that of the
 * handshake that made this hop. REASON_UNKNOWN when it was taken; anything else
 * is to be told to the client, FAILED with attempt 0. */
enum reason meeting_message(struct meeting *m, struct meeting_circuit **state,
                            struct transit *relay, bool busy, struct bytes text,
                            const uint8_t transcript[MEETING_TRANSCRIPT_BYTES],
                            uint64_t wall, uint64_t now);

/* The circuit ends: whoever waits for its service is told, whom it was joined
 * with may wait anew. NULL is legal. */
void meeting_circuit_free(struct meeting *m, struct meeting_circuit *c,
                          uint64_t now);

/* What the relay at `ep` says of itself; empty: nothing. */
void meeting_told(struct meeting *m, const struct endpoint *ep,
                  struct bytes text, uint64_t wall, uint64_t now);

void meeting_tick(struct meeting *m, uint64_t wall, uint64_t now);
uint64_t meeting_next_deadline(const struct meeting *m);

/* What is there now, and counters since creation. */
struct meeting_stats {
    unsigned introductions, waiting, topics, entries, cookies, lookups;
    uint64_t established, replaced, made_way;
    uint64_t introduced, repeated;
    uint64_t acks[MEETING_STATUS_END_]; /* of INTRODUCE */
    uint64_t joined, join_refused, cookies_over;
    uint64_t members_told;
    uint64_t gets, puts, asks, lookups_failed;
    uint64_t refused[REASON_END_]; /* requests, by reason */
    uint64_t dropped;              /* not a message, or not a client's */
    size_t memory;
};
void meeting_stats(const struct meeting *m, struct meeting_stats *out);

#endif

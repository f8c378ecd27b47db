/* SPDX-License-Identifier: MIT
 *
 * Circuits of others that this node takes part in, each a struct transit: in
 * it the node is the relay, `relay` in these files. A relay removes a layer
 * from what the client sends and adds one to what comes back; it answers the
 * messages that are meant for it, and on EXTEND it makes one CREATE: with end
 * cells the only thing in these files that a circuit can make it send
 * elsewhere. What an exit or a service does with a message is theirs.
 *
 * CREATE and EXTEND may come more than once, because they or their answers
 * got lost. What comes again is answered as before, and changes nothing.
 *
 * Two circuits that end here can be joined, for a service: an end cell of one
 * (onion.h) goes back on the other, in the place where it was received. It is
 * charged to the bandwidth of the circuit on which it leaves, and counts for
 * the age of both. Messages for this hop are answered as before, but such a
 * circuit is neither extended nor does it carry data.
 *
 * A circuit belongs to the neighbour that it came from: a client, or a relay
 * behind which there are clients. Which of them it is only they know (the depth
 * is their word), so both are treated alike. When the table is full, and for a
 * neighbour outside of a testing network when it has three quarters of it, a
 * new circuit takes the place of
 *   - one of whoever holds most, unused for longest, by base/table/shares.h: a
 *     neighbour's own only when it was not used for TRANSIT_IDLE; so those
 *     behind one relay take turns, and nobody can hold what he does not use;
 *   - else one that has never carried anything in TRANSIT_UNUSED, if the
 *     newcomer's neighbour has less than a quarter of the table.
 * Its ends are told FULL. Nothing is closed while there is room.
 */
#ifndef WARREN_TUNNEL_TRANSIT_TRANSIT_H
#define WARREN_TUNNEL_TRANSIT_TRANSIT_H

#include "tunnel/circuit/circuit_end.h"
#include "tunnel/circuit/circuit_message.h"
#include "tunnel/circuit/circuit_shared.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/reason.h"
#include "tunnel/transit/transit_queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one circuit: each may make us send INITs to a stranger. */
#define TRANSIT_EXTENDS_MAX 16

/* ns. With these a neighbour that is full serves 75 newcomers a second for
 * each 1,000 places, more than one client can have it extend
 * (transit_config.extend_source_rate). */
#define TRANSIT_IDLE   (10 * UINT64_C(1000000000))
#define TRANSIT_UNUSED (60 * UINT64_C(1000000000))

struct meeting_circuit; /* tunnel/meeting */
struct transit_step;

/* At most 2 KB with all that hangs on it while nothing is under way. */
struct transit {
    struct circuit_end prev, next;
    struct onion_receiver in; /* from the client */
    struct onion_sender out;  /* to the client */
    struct transit_flow flow; /* its share of the bandwidth, both ways */
    struct endpoint source;   /* where it came from: who holds it */
    uint8_t depth;            /* 1 for the first hop */
    uint8_t attempt;          /* of the EXTEND that the next hop is from */
    uint8_t extends;          /* that were tried, up to TRANSIT_EXTENDS_MAX */
    bool extended;            /* the next hop has answered */
    uint8_t transcript[CIRCUIT_TRANSCRIPT]; /* of the client's handshake */
    bool carried;                           /* more than PINGs of the client */
    uint8_t failed;                  /* enum reason: why the last EXTEND did */
    struct transit_step *step;       /* under way or just done; else NULL */
    struct transit *joined;          /* where its end cells go; else NULL */
    struct meeting_circuit *meeting; /* what a service keeps with it: while it
                      does, this is neither extended nor carries data */
    uint64_t created_by;             /* the beginning of its CREATE's noise1 */
    uint64_t created_at, used_at;
    uint64_t bytes; /* relayed, both ways */
    void *above;    /* what the layer above keeps with it */
    size_t slot;    /* in struct transits */
};

/* What transits ask of the node. */
struct transit_env {
    void *ctx;
    /* May a circuit be extended to this address? Own and, outside of a
     * testing network, private addresses are not. */
    bool (*may_extend)(void *ctx, const struct endpoint *to);
    /* A DATA, PIECE, TEST or PACKET message from the client. REASON_UNKNOWN
     * when it was taken; anything else is told to the client. */
    enum reason (*data)(void *ctx, struct transit *relay,
                        const struct circuit_message *m, uint64_t now);
    /* A message of type 16 to 63 from the client, padded with zeros, and not
     * looked at further. REASON_UNKNOWN when it was taken, which may have
     * closed the transit; anything else is told to the client. */
    enum reason (*service)(void *ctx, struct transit *relay, struct bytes text,
                           uint64_t now);
    /* The transit is gone when this returns, and joined with none any more. No
     * other may be closed meanwhile. */
    void (*closed)(void *ctx, struct transit *relay, uint64_t now);
};

struct transit_config {
    bool testing_network;         /* hops may share an IP address */
    unsigned max_relays_or_exits; /* 0: takes part in none */
    uint64_t max_time;            /* ns */
    uint64_t max_time_inactive;   /* ns */
    uint64_t max_traffic;         /* bytes */
    unsigned create_rate;         /* CREATEs a second; EXTENDs likewise */
    unsigned create_burst;
    unsigned create_source_rate; /* from one neighbour's host */
    unsigned create_source_burst;
    unsigned extend_source_rate; /* less: or one client could have a relay use
                                    up what the next one takes from it */
    unsigned extend_source_burst;
    unsigned max_sources;
    struct transit_queue_config queue;
};

/* Counters since creation. */
struct transit_stats {
    uint64_t created, refused, extended;
    uint64_t repeated; /* CREATEs and EXTENDs that came again */
    uint64_t cells_forward, cells_backward, bytes;
    uint64_t joined, cells_joined;
    uint64_t dropped_layer;   /* not authentic, or seen before */
    uint64_t dropped_message; /* malformed, or not a client's to say */
    uint64_t dropped_no_next;
    uint64_t failed[REASON_END_]; /* extensions, by reason */
    uint64_t ended[REASON_END_];  /* circuits, by reason */
};

struct transits;

enum error transits_new(struct circuit_shared *shared,
                        const struct transit_config *config,
                        const struct transit_env *env, struct transits **out);
/* No callback is called and nothing is sent. */
void transits_free(struct transits *r);
void transits_configure(struct transits *r,
                        const struct transit_config *config);

/* Cells and news of links, as the router gives them out. A cell that is
 * dropped because of its layers is counted here, any other by the router: an
 * error is the reason. */
enum error transit_receive_create(struct transits *r, struct link *link,
                                  struct bytes text, uint64_t now);
enum error transit_receive_created(struct transits *r, struct circuit_end *next,
                                   struct bytes text, uint64_t now);
void transit_receive_destroy(struct transits *r, struct circuit_end *end,
                             enum reason why, uint64_t now);
void transit_receive_cell(struct transits *r, struct circuit_end *end,
                          uint8_t *datagram, size_t len, uint64_t now);
void transit_link_up(struct transits *r, struct circuit_end *next,
                     uint64_t now);
void transit_link_down(struct transits *r, struct circuit_end *end,
                       uint64_t now);

/* Sends a message of ours to the client: what an exit got for it. ERR_NO_SPACE
 * when it fits no cell. */
enum error transit_answer(struct transits *r, struct transit *relay,
                          const struct circuit_message *m, uint64_t now);

/* The same for a message of a service in a cell of this size, CELL_SMALL or
 * CELL_LARGE: each type has one. */
enum error transit_answer_text(struct transits *r, struct transit *relay,
                               struct bytes text, size_t cell_len,
                               uint64_t now);

/* False when it has a next hop, or is about to. */
bool transit_ends_here(const struct transit *relay);
/* Joins two circuits, until one ends: the other's client is told FAILED,
 * attempt 0, LINK_LOST, and it may be joined again. ERR_IN_USE when one of them
 * does not end here, or is joined, or they are one. */
enum error transit_join(struct transits *r, struct transit *a,
                        struct transit *b);

/* Ends it and tells both neighbours and the client. */
void transit_close(struct transits *r, struct transit *relay, enum reason why,
                   uint64_t now);

/* As limiter_load (base/limiter.h), for CREATE and EXTEND over all. */
void transits_set_load(struct transits *r, unsigned load);
void transits_tick(struct transits *r, uint64_t now);
uint64_t transits_next_deadline(const struct transits *r);
unsigned transits_count(const struct transits *r);
struct transit *transits_at(const struct transits *r, unsigned i);
const struct transit_stats *transits_stats(const struct transits *r);
/* Bytes of cells that are relayed a second now. */
uint64_t transits_rate(const struct transits *r, uint64_t now);
/* What waits for bandwidth, and what came of what waited. */
const struct transit_queue *transits_queue(const struct transits *r);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Circuits of our own. The client chooses every hop, makes a handshake with
 * each through the hops before it, and is sure of each by that handshake.
 *
 *     circuit_new -> BUILDING -> READY -> gone: circuit_env.closed
 *                        ^________/   a hop beyond the first is gone: the
 *                                     circuit is built anew from there; or
 *                                     it gets one more (circuit_extend)
 *
 * A circuit is for data, or for a service. That one ends when a hop fails: its
 * last one is somebody in particular. It can be joined with another at its last
 * hop (onion.h); what comes through that one is env.end's alone, and no message
 * of this plane.
 *
 * Whatever a hop says can make the client send on this circuit only. Nothing
 * in circuit_receive.c has a link in hand.
 */
#ifndef WARREN_TUNNEL_CIRCUIT_CIRCUIT_H
#define WARREN_TUNNEL_CIRCUIT_CIRCUIT_H

#include "base/patience.h"
#include "tunnel/circuit/circuit_end.h"
#include "tunnel/circuit/circuit_message.h"
#include "tunnel/circuit/circuit_shared.h"
#include "tunnel/circuit/lost_relays.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum circuit_state { CIRCUIT_BUILDING, CIRCUIT_READY };

enum circuit_use { CIRCUIT_FOR_DATA, CIRCUIT_FOR_SERVICE };

struct circuit_hop {
    struct link_target target;
    struct onion_sender out;
    struct onion_receiver in;
    uint8_t attempt;                        /* of the EXTEND that led to it */
    uint8_t transcript[CIRCUIT_TRANSCRIPT]; /* of the handshake with it */
    uint64_t ping_nonce, ping_at;           /* 0: none is under way */
    uint64_t rtt; /* of the last PONG, ns; 0 unknown */
};

struct circuit {
    struct circuit_end end; /* towards the first hop */
    uint32_t id;            /* for people and programs; never reused */
    enum circuit_state state;
    enum circuit_use use;
    bool joined;       /* its last hop may pass on end cells: the owner's to
                          set */
    unsigned length;   /* hops wanted */
    unsigned chosen;   /* of them by circuit_new: others may have named those
                          behind */
    unsigned built;    /* hops that have proved their key */
    unsigned replaced; /* hops since it was ready */
    unsigned replaced_ever; /* hops in all its life */
    bool closing;           /* env.closed runs */
    bool stuck;             /* the step could not even be begun */
    bool begun_anew; /* over another link, as the first was not known there */
    uint8_t attempt; /* of our last EXTEND */
    struct noise *handshake;          /* with hop built + 1 */
    uint8_t noise1[HOP_NOISE1_BYTES]; /* its first message, to be repeated */
    uint64_t created_at, used_at;
    struct asking step;  /* the CREATE or EXTEND that is under way, */
    uint64_t step_end;   /* and when it will have failed */
    uint64_t deadline;   /* its end, or the next repetition */
    uint64_t build_time; /* ns from the beginning to READY, the first time */
    uint64_t bytes_up, bytes_down; /* of cells */
    bool retiring;                 /* no new data: a successor is being built */
    struct circuit_hop hop[ONION_HOPS_MAX];
    size_t slot; /* in struct circuits */
    void *above; /* what the layer above keeps with it */
};

/* What circuits ask of the node, and tell it. */
struct circuit_env {
    void *ctx;
    /* Hop `hop` (from 1) failed because of `why`, and the first `stands` hops
     * stay: relays for all behind them, length - stands. False when there are
     * none. Never asked for a service's circuit. */
    bool (*replace)(void *ctx, const struct circuit *c, unsigned stands,
                    unsigned hop, enum reason why, struct link_target *out);
    /* Also when it was built anew, or got one more hop. */
    void (*ready)(void *ctx, struct circuit *c, uint64_t now);
    /* The circuit is gone when this returns. `hop` is the one (from 1) at
     * which it failed, 0 when it was ended here. */
    void (*closed)(void *ctx, struct circuit *c, enum reason why, unsigned hop,
                   uint64_t now);
    /* A DATA or PIECE message from the last hop of a circuit for data. */
    void (*data)(void *ctx, struct circuit *c, const struct circuit_message *m,
                 uint64_t now);
    /* The last hop could not do what the last DATA, or message of a service,
     * asked for; or (LINK_LOST) what it was joined with is gone. */
    void (*refused)(void *ctx, struct circuit *c, enum reason why,
                    uint64_t now);
    /* PONG or TESTED from hop `hop` (from 1). */
    void (*answered)(void *ctx, struct circuit *c, unsigned hop,
                     const struct circuit_message *m, uint64_t now);
    /* A message of type 16 to 63 from hop `hop` of a service's circuit, padded
     * with zeros, and not looked at further. False when it is not taken. */
    bool (*service)(void *ctx, struct circuit *c, unsigned hop,
                    struct bytes text, uint64_t now);
    /* The last hop of a joined circuit passed on an end cell, or made it up:
     * the end layer is at the beginning of `body`, which may be rewritten. */
    void (*end)(void *ctx, struct circuit *c, uint8_t *body, size_t body_len,
                uint64_t now);
};

struct circuit_config {
    unsigned max_circuits; /* for data, of all lengths together */
    unsigned max_service_circuits;
};

/* Counters since creation. */
struct circuit_stats {
    uint64_t started, ready, hops_replaced;
    uint64_t repeated; /* CREATEs and EXTENDs */
    uint64_t cells_up, cells_down;
    uint64_t dropped_layer;   /* not authentic, or seen before */
    uint64_t dropped_message; /* malformed, or not what this hop may say */
    uint64_t failed[ONION_HOPS_MAX][REASON_END_]; /* by hop and reason */
    uint64_t ended[REASON_END_];
};

struct circuits;

enum error circuits_new(struct circuit_shared *shared,
                        const struct circuit_config *config,
                        const struct circuit_env *env, struct circuits **out);
/* No callback is called and nothing is sent. */
void circuits_free(struct circuits *cs);

/* Starts to build through these hops. ERR_FULL, ERR_NO_MEMORY, ERR_RANGE (the
 * length, or a key of the first hop that is none), ERR_ADDRESS. No callback
 * is called. */
enum error circuit_new(struct circuits *cs, const struct link_target *hops,
                       unsigned length, uint64_t now, struct circuit **out);
enum error circuit_new_for_service(struct circuits *cs,
                                   const struct link_target *hops,
                                   unsigned length, uint64_t now,
                                   struct circuit **out);
/* Tells the hops, and ends with a call of env.closed; inside of that call for
 * the same circuit nothing happens. */
void circuit_close(struct circuits *cs, struct circuit *c, enum reason why,
                   uint64_t now);
/* NULL when there is none with this id, or it is just being closed. */
struct circuit *circuit_find(const struct circuits *cs, uint32_t id);

/* Sends a message to hop `hop` (from 1, at most c->built). ERR_NO_SPACE when
 * it fits no cell, ERR_NOT_FOUND when there is no such hop now. */
enum error circuit_send(struct circuits *cs, struct circuit *c, unsigned hop,
                        const struct circuit_message *m, uint64_t now);
/* The same for a message of a service in a cell of this size, CELL_SMALL or
 * CELL_LARGE: each type has one. */
enum error circuit_send_text(struct circuits *cs, struct circuit *c,
                             unsigned hop, struct bytes text, size_t cell_len,
                             uint64_t now);
/* Sends an end cell to whoever the last hop has joined this circuit with. The
 * sealed end layer (onion_end_add) is at CELL_BODY_OFFSET of `datagram`, which
 * has `len` bytes, CELL_SMALL or CELL_LARGE, and is rewritten. ERR_NOT_FOUND
 * when the circuit is not ready, or not joined. */
enum error circuit_send_end(struct circuits *cs, struct circuit *c,
                            uint8_t *datagram, size_t len, uint64_t now);
/* Gives a service's circuit one more hop: it is being built then, and ready
 * once more, or ends. ERR_RANGE (it has ONION_HOPS_MAX), ERR_NOT_FOUND (it is
 * not ready), ERR_IN_USE (joined). No callback is called. */
enum error circuit_extend(struct circuits *cs, struct circuit *c,
                          const struct link_target *target, uint64_t now);
/* Asks a hop for a PONG; env.answered hears of it, c->hop[].rtt is set. */
enum error circuit_ping(struct circuits *cs, struct circuit *c, unsigned hop,
                        uint64_t now);

/* Cells and news of the link, as the router gives them out. A cell that is
 * dropped because of its layers is counted here, any other by the router: an
 * error is the reason. */
enum error circuit_receive_created(struct circuits *cs, struct circuit_end *end,
                                   struct bytes text, uint64_t now);
void circuit_receive_destroy(struct circuits *cs, struct circuit_end *end,
                             enum reason why, uint64_t now);
void circuit_receive_cell(struct circuits *cs, struct circuit_end *end,
                          uint8_t *datagram, size_t len, uint64_t now);
void circuit_link_up(struct circuits *cs, struct circuit_end *end,
                     uint64_t now);
void circuit_link_down(struct circuits *cs, struct circuit_end *end,
                       uint64_t now);

void circuits_tick(struct circuits *cs, uint64_t now);
uint64_t circuits_next_deadline(const struct circuits *cs);

unsigned circuits_count(const struct circuits *cs);
struct circuit *circuits_at(const struct circuits *cs, unsigned i);
const struct circuit_stats *circuits_stats(const struct circuits *cs);
/* How long a step of building may take, learned from those before: for the hop
 * that is given the longest; ns. */
uint64_t circuits_step_timeout(const struct circuits *cs);
/* Hops of our own choice that circuits for services have lost a moment ago; who
 * chooses hops may forget some. */
struct lost_relays *circuits_lost(struct circuits *cs);
/* When the answer of a hop so far away is overdue, learned likewise; ns. */
uint64_t circuits_overdue(const struct circuits *cs, unsigned hops);

#endif

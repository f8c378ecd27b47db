/* SPDX-License-Identifier: MIT
 *
 * A channel: what two ends of a service say to each other over joined circuits
 * (the end plane; end_message.h has its messages). It outlives circuits. A
 * circuit that carries it is a leg (channel_leg.h): it has the keys and the
 * window of its own handshake. While no leg can be sent on there is a gap, and
 * what is sent waits.
 *
 *     opener                          responder
 *     channel_attach    --HELLO-->    channel_attach before: it says JOIN
 *     live              <--PONG--     live
 *     data              <--DATA-->    data
 *     renew: a new rendezvous point is made ready
 *     channel_move      --MOVE-->     move: it goes there
 *                       <--MOVED--    channel_moved
 *     channel_attach    --HELLO-->    channel_attach before
 *     the first cell that comes on the new leg makes each end use it
 *
 * Datagrams may be lost, or overtake each other; none comes twice. Whatever
 * comes in a cell can cause cells on this channel only.
 *
 * Every circuit that is attached is told over by leg_over, unless the holder
 * detaches it or frees the channel before.
 */
#ifndef WARREN_TUNNEL_CHANNEL_CHANNEL_H
#define WARREN_TUNNEL_CHANNEL_CHANNEL_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/timestamp.h"
#include "tunnel/circuit/piece.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/link/reason.h"
#include "tunnel/meeting/meeting_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_PAYLOAD_MAX  9600 /* bytes of a datagram, in pieces */
#define CHANNEL_QUEUE        64   /* datagrams that wait in a gap, and */
#define CHANNEL_QUEUE_BYTES  (64 * 1024)
#define CHANNEL_RESUME_BYTES 16
#define CHANNEL_LEGS         3
#define CHANNEL_GRACE        (60 * TIME_S) /* a longer gap ends it */
#define CHANNEL_MOVE_TIME    (10 * TIME_S) /* until a cell on the new leg */
#define CHANNEL_MOVE_AGAIN   (5 * TIME_S)  /* env.renew, when nothing came */
#define CHANNEL_MOVE_PAUSE   TIME_S        /* between two new cookies */
#define CHANNEL_DOUBT_FIRST  (2 * TIME_S)  /* between two doubts, at least */
#define CHANNEL_DOUBT_MAX    TIME_MIN
#define CHANNEL_CLOSE_TIME   (5 * TIME_S) /* CLOSE is said again for so long */

struct channel;
struct circuit;

/* Keys of a leg, from the point of view of this end. Wiped by whoever filled
 * it in. */
struct channel_keys {
    uint8_t out[NOISE_KEY_BYTES], in[NOISE_KEY_BYTES];
    uint8_t resume[CHANNEL_RESUME_BYTES]; /* names this leg in a RESUME */
};

/* Of the handshake "service"; `resume` is BLAKE2b-128 of "warren resume", keyed
 * with to_responder. */
void channel_keys_of(const struct noise_keys *keys, bool opener,
                     struct channel_keys *out);

/* Views, valid during the call. */
struct channel_move {
    const uint8_t *cookie; /* MEETING_COOKIE_BYTES */
    struct bytes noise1;   /* MEETING_NOISE1_BYTES: where, and with what keys */
};

/* What a channel asks of and tells its holder. Each may call the channel, and
 * free it, but `send`, which may do neither. */
struct channel_env {
    struct random_source random;
    uint64_t overdue; /* ns: when an answer is, before one has come */
    /* Puts the sealed end layer that is at CELL_BODY_OFFSET of `datagram` (len:
     * CELL_SMALL, CELL_LARGE) on the circuit. */
    void (*send)(void *holder, struct circuit *c, uint8_t *datagram, size_t len,
                 uint64_t now);
    /* The other end is live: its first cell came. Once. */
    void (*live)(void *holder, struct channel *ch, uint64_t now);
    void (*data)(void *holder, struct channel *ch, uint16_t port,
                 struct bytes payload, uint64_t now);
    /* A packet of streams, for this side of them; may be rewritten. */
    void (*packet)(void *holder, struct channel *ch, bool to_acceptor,
                   struct bytes packet, uint64_t now);
    /* Opener: the leg in use gets old (at `renew_at` of channel_attach): a new
     * one is to be made ready, and told by channel_move. Comes again each
     * CHANNEL_MOVE_AGAIN while that has not begun. */
    void (*renew)(void *holder, struct channel *ch, uint64_t now);
    /* Responder: the opener wants to be met at a new rendezvous point. Once for
     * a cookie. */
    void (*move)(void *holder, struct channel *ch,
                 const struct channel_move *move, uint64_t now);
    /* Opener: the responder does not come to the rendezvous point. */
    void (*move_refused)(void *holder, struct channel *ch, enum reason why,
                         uint64_t now);
    /* No leg is left that can be sent on: the opener resumes, the responder
     * waits. */
    void (*gap)(void *holder, struct channel *ch, uint64_t now);
    /* Opener: the leg in use has become silent, and there may soon be a gap: it
     * resumes already. The leg is still used, until another is attached; a cell
     * that comes on it ends the doubt. Not again within CHANNEL_DOUBT_FIRST,
     * doubled up to CHANNEL_DOUBT_MAX while doubts go on. */
    void (*doubt)(void *holder, struct channel *ch, uint64_t now);
    /* A leg is not used any more: its circuit can go. */
    void (*leg_over)(void *holder, struct channel *ch, struct circuit *c,
                     uint64_t now);
    /* It is over: either end closed it, a gap was too long (REASON_TIMEOUT), or
     * an opener was never heard of. Last. */
    void (*closed)(void *holder, struct channel *ch, enum reason why,
                   uint64_t now);
};

struct channel_stats {
    uint64_t sent, received, bytes_sent, bytes_received; /* datagrams */
    uint64_t dropped_layer;   /* not authentic, seen before, of no leg */
    uint64_t dropped_message; /* malformed, or not to be said by that end */
    uint64_t dropped_queue;   /* datagrams for which a gap had no room */
    uint64_t moves, gaps, doubts;
    uint64_t longest_gap; /* ns */
};

/* `opener`: this end asked for it. `budget`: of unfinished pieces, shared.
 * ERR_NO_MEMORY. */
enum error channel_new(const struct channel_env *env, void *holder, bool opener,
                       struct piece_budget *budget, struct channel **out);
/* Nobody is called, nothing is sent; keys are wiped. Circuits stay. */
void channel_free(struct channel *ch);

/* A leg: its circuit is joined. The opener may send on it at once when there is
 * no other, the responder once a cell came on it. With CHANNEL_LEGS there, the
 * oldest that is not in use makes room. */
void channel_attach(struct channel *ch, struct circuit *c,
                    const struct channel_keys *keys, uint64_t renew_at,
                    uint64_t now);
/* The circuit is gone, or not joined any more. */
void channel_detach(struct channel *ch, struct circuit *c, uint64_t now);
void channel_receive(struct channel *ch, struct circuit *c, uint8_t *body,
                     size_t body_len, uint64_t now);

/* ERR_TOO_LARGE; ERR_FULL, ERR_NO_MEMORY (in a gap); ERR_NOT_FOUND (it is
 * closed). */
enum error channel_send(struct channel *ch, uint16_t port, struct bytes payload,
                        uint64_t now);
/* A packet of streams, to that side of the other end: at most END_PACKET_MAX
 * bytes; lost in a gap, as they may be. */
void channel_packet(struct channel *ch, bool to_acceptor, struct bytes packet,
                    uint64_t now);
/* Opener: says MOVE until it is answered, a cell comes on a newer leg, or
 * CHANNEL_MOVE_TIME is over; takes the place of one before. ERR_NOT_FOUND in a
 * gap (then it is a RESUME, through the point), ERR_NO_MEMORY. */
enum error channel_move(struct channel *ch, const struct channel_move *move,
                        uint64_t now);
void channel_move_end(struct channel *ch);
/* Responder: the answer to the last MOVE, if that has this cookie.
 * REASON_UNKNOWN: it comes. */
void channel_moved(struct channel *ch,
                   const uint8_t cookie[MEETING_COOKIE_BYTES], enum reason why,
                   uint64_t now);
/* Says CLOSE on all legs, and for CHANNEL_CLOSE_TIME to whatever still comes;
 * env.closed is all that is told from here on. */
void channel_close(struct channel *ch, enum reason why, uint64_t now);

bool channel_is_live(const struct channel *ch);
/* CLOSE was said by this end: nothing is sent any more. */
bool channel_is_closing(const struct channel *ch);
/* No leg can be sent on; also before the first. */
bool channel_in_gap(const struct channel *ch);
/* The leg in use is in doubt. */
bool channel_in_doubt(const struct channel *ch);
bool channel_is_opener(const struct channel *ch);
/* Opener: the name by which a RESUME calls this channel, of its newest leg on
 * which a cell came, else of its newest: whether the other end has that is not
 * known. False while it had none. */
bool channel_resume_id(const struct channel *ch,
                       uint8_t id[CHANNEL_RESUME_BYTES]);
/* Responder: whether a RESUME may call it so: of one of the last legs. */
bool channel_resumes(const struct channel *ch,
                     const uint8_t id[CHANNEL_RESUME_BYTES]);
/* The circuit that is sent on; NULL in a gap. */
struct circuit *channel_circuit(const struct channel *ch);
const struct channel_stats *channel_stats(const struct channel *ch);
/* The learned round trip, ns; 0 unknown. */
uint64_t channel_rtt(const struct channel *ch);
/* When an answer of the other end is overdue, ns. */
uint64_t channel_overdue(const struct channel *ch);

void channel_tick(struct channel *ch, uint64_t now);
uint64_t channel_next_deadline(const struct channel *ch);

#endif

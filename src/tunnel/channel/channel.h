/* SPDX-License-Identifier: MIT
 *
 * A channel: what two ends of a service say to each other over joined circuits
 * (the end plane). It outlives circuits. A circuit that carries it is a leg: it
 * has the keys of its own handshake, and both ends send on the one before until
 * a cell comes on the new one. While it has no leg, what is sent waits.
 *
 *  1 HELLO  []                          the opener, first on the first leg
 *  2 DATA   port, payload (<= 1,232)
 *  3 PIECE  id, index, count, bytes     of a DATA message that is too long
 *  4 PING   nonce          5 PONG nonce
 *  6 MOVE   cookie, target, noise1      opener: meet me there as well
 *  7 MOVED  cookie, reason              responder: it comes (0), or why not;
 *                                       its noise2 comes with the JOIN
 *  8 CLOSE  reason
 *
 * Numbers from 64 on are for streams. A cell can cause cells on this channel
 * only.
 */
#ifndef WARREN_TUNNEL_CHANNEL_CHANNEL_H
#define WARREN_TUNNEL_CHANNEL_CHANNEL_H

#include "tunnel/circuit/circuit.h"
#include "tunnel/circuit/piece.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/link/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define CHANNEL_PAYLOAD_MAX  9600 /* bytes of a datagram, in pieces */
#define CHANNEL_QUEUE        64   /* datagrams that wait in a gap, and */
#define CHANNEL_QUEUE_BYTES  (64 * 1024)
#define CHANNEL_RESUME_BYTES 16

struct channel;

/* Keys of a leg: of the handshake "service", from the point of view of this
 * end. Wiped by whoever filled it in. */
struct channel_keys {
    uint8_t out[NOISE_KEY_BYTES], in[NOISE_KEY_BYTES];
    uint8_t resume[CHANNEL_RESUME_BYTES]; /* names this leg in a RESUME */
};

struct channel_move {
    uint8_t cookie[16];
    struct link_target target; /* the new rendezvous point */
    struct bytes noise1;
};

/* What a channel asks of and tells its holder. Each may close the channel
 * (channel_free) but from within `send`. */
struct channel_env {
    struct random_source random;
    /* Puts the sealed end layer in `datagram` (len: CELL_SMALL, CELL_LARGE) on
     * the circuit. */
    void (*send)(void *holder, struct circuit *c, uint8_t *datagram, size_t len,
                 uint64_t now);
    /* The other end is live: HELLO came (responder), or its first cell
     * (opener). Once. */
    void (*live)(void *holder, struct channel *ch, uint64_t now);
    void (*data)(void *holder, struct channel *ch, uint16_t port,
                 struct bytes payload, uint64_t now);
    /* Opener: the leg in use gets old (at `renew_at` of channel_attach): a new
     * one is to be made ready, and told by channel_move. */
    void (*renew)(void *holder, struct channel *ch, uint64_t now);
    /* Responder: the opener wants to be met at a new rendezvous point. */
    void (*move)(void *holder, struct channel *ch,
                 const struct channel_move *move, uint64_t now);
    /* Opener: the responder does not come to the rendezvous point. */
    void (*move_refused)(void *holder, struct channel *ch, enum reason why,
                         uint64_t now);
    /* No leg is left: the opener resumes, the responder waits. */
    void (*gap)(void *holder, struct channel *ch, uint64_t now);
    /* A leg is not used any more: its circuit can go. */
    void (*leg_over)(void *holder, struct channel *ch, struct circuit *c,
                     uint64_t now);
    /* It is over: the other end closed it, or a gap was too long. Last. */
    void (*closed)(void *holder, struct channel *ch, enum reason why,
                   uint64_t now);
};

struct channel_stats {
    uint64_t sent, received, bytes_sent, bytes_received; /* datagrams */
    uint64_t dropped_layer, dropped_message, dropped_queue;
    uint64_t moves, gaps;
    uint64_t longest_gap; /* ns */
};

/* `opener`: this end asked for it. `budget`: of unfinished pieces, shared.
 * ERR_NO_MEMORY. */
enum error channel_new(const struct channel_env *env, void *holder, bool opener,
                       struct piece_budget *budget, struct channel **out);
/* Nobody is called, nothing is sent; keys are wiped. Circuits stay. */
void channel_free(struct channel *ch);

/* A leg: its circuit is joined. The opener may send on it at once (and says
 * HELLO on the first), the responder once a cell came on it. ERR_FULL when
 * there are three. */
enum error channel_attach(struct channel *ch, struct circuit *c,
                          const struct channel_keys *keys, uint64_t renew_at,
                          uint64_t now);
/* The circuit is gone. */
void channel_detach(struct channel *ch, struct circuit *c, uint64_t now);
void channel_receive(struct channel *ch, struct circuit *c, uint8_t *body,
                     size_t body_len, uint64_t now);

/* ERR_TOO_LARGE; ERR_FULL (in a gap, the queue is). */
enum error channel_send(struct channel *ch, uint16_t port, struct bytes payload,
                        uint64_t now);
/* Opener: MOVE, repeated until the new leg is used or channel_move_end.
 * ERR_NOT_FOUND in a gap (then it is a RESUME, through the point). */
enum error channel_move(struct channel *ch, const struct channel_move *move,
                        uint64_t now);
void channel_move_end(struct channel *ch);
/* Responder: the answer to a MOVE; REASON_UNKNOWN: it comes. */
void channel_moved(struct channel *ch, const uint8_t cookie[16],
                   enum reason why, uint64_t now);
/* Says CLOSE on all legs. */
void channel_close(struct channel *ch, enum reason why, uint64_t now);

bool channel_is_live(const struct channel *ch);
bool channel_in_gap(const struct channel *ch);
bool channel_is_opener(const struct channel *ch);
/* The names by which a RESUME may call this channel: of its last leg. False
 * while it had none. */
bool channel_resume_id(const struct channel *ch,
                       uint8_t id[CHANNEL_RESUME_BYTES]);
/* The circuit that is sent on; NULL in a gap. */
struct circuit *channel_circuit(const struct channel *ch);
const struct channel_stats *channel_stats(const struct channel *ch);

void channel_tick(struct channel *ch, uint64_t now);
uint64_t channel_next_deadline(const struct channel *ch);

#endif

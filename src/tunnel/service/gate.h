/* SPDX-License-Identifier: MIT
 *
 * Who wants to be met: invitations that came through introduction points, or as
 * MOVE on a channel, are checked from cheap to dear, queued, and followed to
 * the rendezvous point by a circuit of ours.
 *
 *     invitation -> seen before? -> opens? -> greeting -> work -> room ->
 *     QUEUED -> a stem, and one more hop: the rendezvous point -> JOINING
 *     JOINING -> JOIN, said again until JOINED comes -> a peer, or one more leg
 *
 * The queue is ordered by effort, then by age. An invitation is taken once: one
 * that comes again gets the answer that it got, and no circuit. What was seen
 * is forgotten with a restart, and when there is more of it than is kept; so
 * the opener says when what he knows of us (our descriptor, our entry) was
 * issued, and when that was before this run, or not after what was forgotten,
 * he is told to say it again with a later time (MEETING_AGAIN), which a
 * replayed invitation cannot. A MOVE is met over the peer's own hops.
 */
#ifndef WARREN_TUNNEL_SERVICE_GATE_H
#define WARREN_TUNNEL_SERVICE_GATE_H

#include "tunnel/service/peer.h"

struct gate;
struct effort;

/* What an invitation was made for. */
struct gate_key {
    const uint8_t *secret, *key; /* 32 each; public: `key` */
    const uint8_t *auth_id;      /* of the point; NULL: MOVE */
};

struct gate_answer {
    enum meeting_status status;
    uint32_t effort; /* AGAIN: the time to say */
};

/* ERR_NO_MEMORY. */
enum error gate_new(struct service *service, uint64_t now, struct gate **out);
void gate_free(struct gate *g, uint64_t now);

/* The time to write into what is published now: wall seconds, never before this
 * run. */
uint32_t gate_issued(const struct gate *g);

/* An INTRODUCED at a point of ours. Counted by result. */
struct gate_answer gate_invited(struct gate *g, const struct gate_key *key,
                                const struct meeting_message *m, uint64_t now);
/* On the channel of this peer, which is answered there. */
void gate_move(struct gate *g, struct service_peer *peer,
               const struct channel_move *move, uint64_t now);
/* It is gone: of what is under way for it a new peer comes. */
void gate_forget_peer(struct gate *g, const struct service_peer *peer);

/* Stems of the service can be taken. */
void gate_stems(struct gate *g, uint64_t now);
void gate_tick(struct gate *g, uint64_t now);
uint64_t gate_deadline(const struct gate *g);
unsigned gate_queued(const struct gate *g);
/* What work is asked for: for descriptors, and NULL when none is. */
const struct effort *gate_effort(const struct gate *g);

#endif

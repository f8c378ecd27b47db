/* SPDX-License-Identifier: MIT
 *
 * What the files transit*.c share, but for transit_queue.c; nobody else
 * includes it.
 */
#ifndef WARREN_TUNNEL_TRANSIT_TRANSIT_TABLE_H
#define WARREN_TUNNEL_TRANSIT_TRANSIT_TABLE_H

#include "base/limiter.h"
#include "base/meter.h"
#include "base/table/shares.h"
#include "tunnel/transit/transit.h"

#define TRANSIT_TICK (1 * TIME_S) /* how exactly ages are kept */

/* How far a circuit has come, while it moves or may have to say again what it
 * has just said. Without a step it rests.
 *
 *     CREATE comes -> CREATED --client's first cell--> rests
 *     EXTEND comes -> LINK --link is up--> CREATE --CREATED comes--> EXTENDED
 *                     --cell of the client for a hop behind--> rests
 *
 * LINK or CREATE overdue, refused or cut off: FAILED is said, and the circuit
 * rests without a next hop. CREATED or EXTENDED overdue: it rests. */
enum transit_step_state {
    STEP_CREATED, /* CREATED was sent, the client has not shown that it came */
    STEP_LINK,    /* waits for a link to the next hop */
    STEP_CREATE,  /* CREATE was sent */
    STEP_EXTENDED /* EXTENDED was sent, nothing has gone beyond yet */
};

struct transit_step {
    uint64_t deadline;
    uint8_t state;                   /* enum transit_step_state */
    uint8_t repeats;                 /* of the CREATE */
    uint8_t noise[HOP_NOISE1_BYTES]; /* noise1 of the CREATE, or noise2 of the
                                        CREATED or EXTENDED */
};

struct transits {
    struct circuit_shared *shared;
    struct transit_config config;
    struct transit_env env;
    struct limiter create_limiter, extend_limiter;
    struct transit_queue queue;
    struct transit **relays;
    size_t count, cap;
    struct shares shares; /* of the places, by transit.source */
    uint64_t deadline;
    struct transit_stats stats;
    struct meter meter;
};

struct transit *transit_of(struct circuit_end *end);

/* It ends here for a service: it is not extended, and carries no data. */
static inline bool transit_is_bound(const struct transit *relay)
{
    return relay->joined != NULL || relay->meeting != NULL;
}

/* A token for one more from this link. Where circuits have come and gone, it
 * does not matter that strangers have taken all. */
bool transit_allow(struct limiter *limiter, const struct link *link,
                   uint64_t now);

/* From `source`. ERR_NO_MEMORY. */
enum error transit_add(struct transits *r, struct transit *relay,
                       const struct endpoint *source);
void transit_forget(struct transits *r, struct transit *relay, uint64_t now);

/* transit_extend.c */
void transit_extend(struct transits *r, struct transit *relay,
                    const struct circuit_message *m, uint64_t now);
/* The extension, or the next hop, is gone: the client is told why. */
/* The next hop was started again and knows no more of the link that goes down:
 * a CREATE that waits there is sent over another. False: none does. */
bool transit_extend_anew(struct transits *r, struct transit *relay,
                         uint64_t now);
void transit_extension_failed(struct transits *r, struct transit *relay,
                              enum reason why, uint64_t now);

/* `noise2` was sent in an answer of this kind. Without memory for it the
 * answer is not said again. */
void transit_step_answered(struct transit *relay, enum transit_step_state state,
                           const uint8_t noise2[NOISE_OVERHEAD], uint64_t now);
/* A cell of the client came, for us or for a hop behind: the answer that let
 * it send that has come. There is a step. */
void transit_step_heard(struct transit *relay, bool for_us);
void transit_step_overdue(struct transits *r, struct transit *relay,
                          uint64_t now);
void transit_step_forget(struct transit *relay);

#endif

/* SPDX-License-Identifier: MIT
 *
 * How much work a service asks for: nothing, until more want to be met than it
 * can meet. Then the effort doubles each minute in which somebody was refused
 * who had done what was asked for; it falls by a third when the queue stayed
 * short. It follows counts of what was refused, never what is claimed: or a few
 * high claims would make it too dear for the honest (OnionFlation, USENIX
 * Security 2025; tor's proposal 362 says so of tor's loop). While many claim
 * falsely it does not fall to nothing: they would fill the queue at once.
 */
#ifndef WARREN_TUNNEL_RECORD_EFFORT_H
#define WARREN_TUNNEL_RECORD_EFFORT_H

#include "base/limiter.h"
#include "base/random_source.h"
#include "tunnel/record/work.h"

#define EFFORT_FIRST    1024 /* half a second on average: less is no hurdle */
#define EFFORT_MAX      8192
#define EFFORT_MANY_BAD 60 /* false claims a turn */
#define EFFORT_TURN     (60 * UINT64_C(1000000000))
/* The turn in which somebody is refused, while nothing is asked for: one that
 * was restarted under a flood has forgotten what it asked for. */
#define EFFORT_TURN_FIRST (10 * UINT64_C(1000000000))
#define EFFORT_SEED_LIFE  3600 /* wall seconds; the last two count */
#define EFFORT_CHECKS     200  /* Argon2id a second */

struct effort {
    uint32_t asked;                   /* 0: no work */
    uint8_t seed[2][WORK_SEED_BYTES]; /* the newer one first */
    uint64_t seed_until;              /* wall seconds */
    bool has_previous;
    uint64_t turn_at;
    unsigned refused; /* in this turn: for want of room, with what is asked */
    unsigned bad;     /* in this turn: false work */
    bool crowded;     /* in this turn: the queue was over a quarter full */
    struct token_rate check_rate;
    struct token_bucket checks;
    uint32_t published; /* what the last descriptor said */
};

enum effort_verdict {
    EFFORT_NONE, /* no work was done, or less than is asked for */
    EFFORT_GOOD,
    EFFORT_BAD,  /* false: whoever sent it is to be cut off */
    EFFORT_LATER /* cannot be checked now */
};

void effort_init(struct effort *f, const struct random_source *random,
                 uint64_t wall, uint64_t now);
/* The work that comes with an invitation; the hint says for which seed. */
enum effort_verdict effort_check(struct effort *f, const uint8_t hint[4],
                                 struct work_task *task,
                                 const struct work_proof *proof, uint64_t now);
/* Somebody with at least what is asked for finds no room. */
void effort_refused(struct effort *f);
/* How full the queue is. */
void effort_queue(struct effort *f, unsigned queued, unsigned max);
/* True when the descriptor should say something else: by over 15 %, or a new
 * seed. */
bool effort_tick(struct effort *f, const struct random_source *random,
                 uint64_t wall, uint64_t now);
uint64_t effort_deadline(const struct effort *f);

#endif

/* SPDX-License-Identifier: MIT
 *
 * How long an answer may take, learned from those before, and when a question
 * is said again until it is answered.
 *
 * An answer is overdue after the mean of those before and four times their
 * spread, as with TCP (RFC 6298), but no later than after one and a half times
 * the mean: to say something again costs a small cell, and to wait a second.
 */
#ifndef WARREN_BASE_PATIENCE_H
#define WARREN_BASE_PATIENCE_H

#include <stdint.h>

/* What was learned; all 0: nothing. */
struct patience {
    uint64_t mean, spread; /* ns, of answers; 0 unknown */
    unsigned late;         /* that did not come, since the last that did */
};

/* When an answer is overdue; `unknown` when nothing was learned. ns. */
uint64_t patience_overdue(const struct patience *p, uint64_t unknown);
/* An answer came after so long. */
void patience_learn(struct patience *p, uint64_t sample);
/* A question that is said again: after `pause`, and then once for each eighth
 * of the time that it has been asked, so that a pause that is much too short
 * makes no flood: it is said no more than 8 times, and then 20 times more while
 * that time grows tenfold. */
#define ASKING_PAUSE_MIN (50 * UINT64_C(1000000)) /* ns: machines are busy */
#define ASKING_PAUSE_MAX (2 * UINT64_C(1000000000))

struct asking {
    uint64_t since, pause;
    uint64_t said_at; /* last */
    uint64_t again_at;
    unsigned repeats;
};

/* It is said now for the first time; `pause` is brought within the bounds. */
void asking_begin(struct asking *a, uint64_t pause, uint64_t now);
/* It is said again now. */
void asking_again(struct asking *a, uint64_t now);
/* It is answered now. Which time it was said is sure when it was only once, and
 * else nothing is learned (Karn's algorithm). */
void asking_learn(const struct asking *a, struct patience *p, uint64_t now);
/* Likewise, but guesses which time it was: for what is never to be taken for
 * faster than it is. */
void asking_guess(const struct asking *a, struct patience *p, uint64_t now);

#endif

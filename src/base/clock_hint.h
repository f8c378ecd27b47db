/* SPDX-License-Identifier: MIT
 *
 * What the descriptors that relays tell of themselves say about our clock. A
 * relay signs when its descriptor was issued, and tells none that is older than
 * CLOCK_HINT_AGE, so at the moment that it tells it the time is between the
 * two. Each relay is one witness; a third of them at least may be wrong, and
 * are left out.
 *
 * A clock that is behind shows sharply, when one of them was issued lately;
 * one that is ahead by more than CLOCK_HINT_AGE.
 */
#ifndef WARREN_BASE_CLOCK_HINT_H
#define WARREN_BASE_CLOCK_HINT_H

#include <stdint.h>

#define CLOCK_HINT_WITNESSES 16
#define CLOCK_HINT_AGE       (15 * 60) /* s: ten minutes, and some slack */

struct clock_hint {
    unsigned count;
    unsigned next; /* whose place goes to a new one, once all are taken */
    struct {
        uint8_t identity[32];
        uint64_t issued; /* wall seconds of theirs */
        uint64_t heard;  /* ns of the monotonic clock */
    } at[CLOCK_HINT_WITNESSES];
};

/* A relay has told a descriptor whose signature is right. */
void clock_hint_add(struct clock_hint *h, const uint8_t identity[32],
                    uint64_t issued, uint64_t now);

/* By how many seconds the clock, which says `wall`, is behind at least; less
 * than 0 when it is ahead, 0 when it may be right. */
int64_t clock_hint_behind(const struct clock_hint *h, uint64_t wall,
                          uint64_t now);

#endif

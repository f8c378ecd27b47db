/* SPDX-License-Identifier: MIT */
#include "base/patience.h"

#include "base/timestamp.h"

#define PART 8 /* of the time that something was asked, between two times */

uint64_t patience_overdue(const struct patience *p, uint64_t unknown)
{
    if (p->mean == 0)
        return unknown;
    return p->mean + time_min(4 * p->spread, p->mean / 2);
}

void patience_learn(struct patience *p, uint64_t sample)
{
    uint64_t off;

    p->late = 0;
    if (p->mean == 0) {
        p->mean = sample;
        p->spread = sample / 2;
        return;
    }
    off = sample > p->mean ? sample - p->mean : p->mean - sample;
    p->spread = (3 * p->spread + off) / 4;
    p->mean = (7 * p->mean + sample) / 8;
}

static void say(struct asking *a, uint64_t now)
{
    uint64_t part = time_since(a->since, now) / PART;
    uint64_t pause = part > a->pause ? part : a->pause;

    a->said_at = now;
    a->again_at = time_after(now, time_min(pause, ASKING_PAUSE_MAX));
}

void asking_begin(struct asking *a, uint64_t pause, uint64_t now)
{
    if (pause < ASKING_PAUSE_MIN)
        pause = ASKING_PAUSE_MIN;
    *a = (struct asking){.since = now,
                         .pause = time_min(pause, ASKING_PAUSE_MAX)};
    say(a, now);
}

void asking_again(struct asking *a, uint64_t now)
{
    a->repeats++;
    say(a, now);
}

void asking_learn(const struct asking *a, struct patience *p, uint64_t now)
{
    if (a->repeats == 0)
        patience_learn(p, time_since(a->since, now));
}

/* Nothing is answered in half of the usual time. Without a usual time, or when
 * answers were late, it is the first time that it was said, or a network that
 * is slower than the pause would be taken for a fast one. */
void asking_guess(const struct asking *a, struct patience *p, uint64_t now)
{
    uint64_t first = time_since(a->since, now);
    uint64_t last = time_since(a->said_at, now);

    if (p->mean == 0 || p->late > 0)
        last = first;
    else if (a->repeats > 0 && last < p->mean / 2)
        last = time_min(last + a->pause, first);
    patience_learn(p, last);
}

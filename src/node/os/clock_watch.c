/* SPDX-License-Identifier: MIT
 *
 * A clock is believed as long as it goes forward. One that is behind the latest
 * time that was believed is told of until it has caught up, or has gone on from
 * there for so long that it must be the one that is right.
 */
#include "node/os/clock_watch.h"

void clock_watch_init(struct clock_watch *w, int64_t latest)
{
    *w = (struct clock_watch){.latest = latest, .behind_since = TIME_NEVER};
}

void clock_watch_believe(struct clock_watch *w, int64_t wall)
{
    if (w->latest - wall > CLOCK_WATCH_TOLERANCE)
        w->latest = wall;
}

int64_t clock_watch_note(struct clock_watch *w, int64_t wall, uint64_t now)
{
    int64_t behind = w->latest - wall;

    if (behind > CLOCK_WATCH_TOLERANCE) {
        if (w->behind_since == TIME_NEVER)
            w->behind_since = now;
        if (time_since(w->behind_since, now) < CLOCK_WATCH_PATIENCE)
            return behind;
        w->latest = wall;
    }
    w->behind_since = TIME_NEVER;
    if (wall > w->latest)
        w->latest = wall;
    return 0;
}

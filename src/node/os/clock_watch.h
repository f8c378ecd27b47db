/* SPDX-License-Identifier: MIT
 *
 * Notices a wall clock that was set back, within a run and between runs.
 */
#ifndef WARREN_NODE_OS_CLOCK_WATCH_H
#define WARREN_NODE_OS_CLOCK_WATCH_H

#include "base/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_WATCH_TOLERANCE 120 /* s: corrections by NTP are smaller */
/* A clock that goes on from an earlier time for so long is believed. */
#define CLOCK_WATCH_PATIENCE TIME_HOUR

struct clock_watch {
    int64_t latest;        /* wall seconds; the latest time that was believed */
    uint64_t behind_since; /* TIME_NEVER while the clock is believed */
};

/* `latest` of the earlier run, 0 if there was none. */
void clock_watch_init(struct clock_watch *w, int64_t latest);

/* Others say that `wall` is right: what was seen before and is later was not.
 */
void clock_watch_believe(struct clock_watch *w, int64_t wall);

/* To be told the time now and then. Returns by how many seconds the clock has
 * gone back; 0 when all is well. */
int64_t clock_watch_note(struct clock_watch *w, int64_t wall, uint64_t now);

#endif

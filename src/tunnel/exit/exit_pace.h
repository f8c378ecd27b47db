/* SPDX-License-Identifier: MIT
 *
 * How long each name took the circuit that asked for it first. Nobody after it
 * has an answer sooner: the DNS servers behind an exit have caches, too, and a
 * quick answer would tell that somebody here has asked before.
 *
 * A name is remembered for EXIT_PACE_KEPT after it was asked for last, and at
 * the cap the one asked for least recently is forgotten. What took longer than
 * EXIT_PACE_MAX counts as that: an answer that was lost once must not slow a
 * name down for everybody.
 */
#ifndef WARREN_TUNNEL_EXIT_EXIT_PACE_H
#define WARREN_TUNNEL_EXIT_EXIT_PACE_H

#include "base/random_source.h"
#include "base/table/keyed_table.h"
#include "base/timestamp.h"
#include "tunnel/exit/name.h"

#include <stdint.h>

#define EXIT_PACE_KEPT TIME_HOUR
#define EXIT_PACE_MAX  (500 * TIME_MS)

struct exit_pace {
    struct keyed_table table;
    uint64_t sweep_at; /* never while it is empty */
};

/* `max` is at least 1. */
void exit_pace_init(struct exit_pace *p, unsigned max,
                    const struct random_source *random);
void exit_pace_deinit(struct exit_pace *p);

/* A name was answered after `took` (ns): how long it has to take. Out of
 * memory it is as long as it took. */
uint64_t exit_pace_of(struct exit_pace *p, const struct name *name,
                      uint64_t took, uint64_t now);

/* Drops what is over. Call at p->sweep_at. */
void exit_pace_tick(struct exit_pace *p, uint64_t now);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Guards: the few relays that first hops are chosen from, for weeks. Whoever
 * runs a relay sees a given client's circuits begin with a small probability
 * that is drawn once, and not anew with each circuit (Elahi et al., "Changing
 * of the guards", 2012; tor's proposal 271, of which this is a small one).
 *
 * They are drawn by capacity, but a network (an IPv4 /16, an IPv6 /32) counts
 * as one relay, however many it has: addresses in one network are cheap.
 *
 * They have an order. The first GUARDS_PRIMARY are the ones to use, the first
 * GUARDS_USED of those that do not fail at the moment share the circuits.
 * Further ones are added only while all before them fail, up to GUARDS_MAX,
 * and a primary one that works again is used again: whoever cuts a client off
 * from its guards for a while gains little. A guard goes when its time is up
 * (60 days, give or take 15), or when it has not been reached for a week in
 * which others were; at most one a day for its age, so that a clock that
 * jumps does not throw them all away.
 *
 * Those that are drawn before the client's view is complete
 * (directory_survey.c) are provisional: whoever was met first would have them
 * all. They are not stored, and when the view is complete, others are drawn in
 * their place, once.
 *
 * That a relay is a guard, and until when, is kept with it in the directory,
 * which has it stored.
 */
#ifndef WARREN_TUNNEL_PATH_GUARD_H
#define WARREN_TUNNEL_PATH_GUARD_H

#include "tunnel/directory/directory.h"

#include <stdbool.h>
#include <stdint.h>

#define GUARDS_USED      2
#define GUARDS_PRIMARY   3
#define GUARDS_MAX       8
#define GUARD_LIFETIME   (60 * 24 * 3600) /* wall seconds */
#define GUARD_JITTER     (15 * 24 * 3600)
#define GUARD_LOST       (7 * 24 * 3600)
#define GUARD_RETIRE_ONE (24 * TIME_HOUR) /* monotonic */

struct guard {
    uint8_t identity[32];
    uint64_t since, until; /* wall seconds */
    bool provisional;
};

struct guards {
    struct guard list[GUARDS_MAX]; /* in order of use */
    unsigned count;
    uint64_t retired_at; /* monotonic: the last one for its age; 0 never */
};

/* After directory_add_stored of all: finds the guards of an earlier life. */
void guards_init(struct guards *g, const struct directory *d);

/* Lets guards go whose time is up, and takes new ones. Before each choice, and
 * when some are to be drawn anew (guards_are_overdue). */
void guards_update(struct guards *g, struct directory *d,
                   const struct random_source *random, uint64_t wall,
                   uint64_t now);

/* Some are provisional, and the view is complete now. */
bool guards_are_overdue(const struct guards *g, const struct directory *d);

/* The guards to choose a first hop from, best first, into `out`; at most
 * GUARDS_MAX. All that do not fail, doubtful ones last; of those that are
 * alike the first GUARDS_USED are to be preferred. */
unsigned guards_list(const struct guards *g, const struct directory *d,
                     uint64_t wall, uint64_t now,
                     const struct known_relay *out[GUARDS_MAX]);

#endif

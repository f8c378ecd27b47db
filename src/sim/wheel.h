/* SPDX-License-Identifier: MIT
 *
 * What happens when: a hierarchical timing wheel (Varghese and Lauck, 1987)
 * of 64 slots a level. Adding, moving and removing are O(1); an entry steps
 * down a level as its time draws near. Entries of one tick come out in the
 * order in which they were added, so that a run is reproducible.
 *
 * Entries are embedded in what they stand for and never allocated here.
 */
#ifndef WARREN_SIM_WHEEL_H
#define WARREN_SIM_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_WHEEL_BITS   6
#define SIM_WHEEL_SLOTS  (1 << SIM_WHEEL_BITS)
#define SIM_WHEEL_LEVELS 9
/* Ticks that can be waited for; microseconds would last 285 years. */
#define SIM_WHEEL_HORIZON (UINT64_C(1) << 53)

struct sim_wheel_link {
    struct sim_wheel_link *next;
    struct sim_wheel_link *prev;
};

/* Zero-initialized: not in a wheel. */
struct sim_wheel_entry {
    struct sim_wheel_link link; /* first: a link is its entry */
    uint64_t tick;
    unsigned kind; /* the owner's */
};

struct sim_wheel {
    uint64_t now; /* tick of the last entry that came out, or the limit */
    size_t count;
    uint64_t occupied[SIM_WHEEL_LEVELS]; /* one bit a slot */
    struct sim_wheel_link slots[SIM_WHEEL_LEVELS * SIM_WHEEL_SLOTS];
};

void sim_wheel_init(struct sim_wheel *w, uint64_t now);

/* A tick in the past counts as now. `tick` < SIM_WHEEL_HORIZON. The entry
 * must not be in the wheel. */
void sim_wheel_add(struct sim_wheel *w, struct sim_wheel_entry *e,
                   uint64_t tick);

/* Legal for an entry that is in no wheel. */
void sim_wheel_remove(struct sim_wheel *w, struct sim_wheel_entry *e);

static inline bool sim_wheel_has(const struct sim_wheel_entry *e)
{
    return e->link.next != NULL;
}

/* Takes out the next entry that is due at `limit` or before, and moves `now`
 * to it. NULL when there is none: then `now` is `limit`. */
struct sim_wheel_entry *sim_wheel_pop(struct sim_wheel *w, uint64_t limit);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The parts of an experiment: what happens in a network beside its nodes' own
 * upkeep. A part works off what is due and counts what has ended when it is
 * harvested, once a second of virtual time, between two windows of the
 * network; engines may then be used directly.
 */
#ifndef WARREN_SIM_PART_PART_H
#define WARREN_SIM_PART_PART_H

#include "base/error.h"
#include "base/timestamp.h"
#include "sim/measure/measure.h"
#include "sim/population/population.h"
#include "sim/scenario/scenario.h"
#include "sim/sim.h"

#include <stdint.h>

#define PART_HARVEST TIME_S

/* What the parts share; outlives them. */
struct laboratory {
    const struct scenario *scenario;
    struct sim *sim;
    struct population *population;
    struct measures *measures;
    struct trace_log *traces; /* sim/measure/trace_log.h */
    uint64_t begins;          /* the end of the warm-up */
};

/* When the adversary begins; 0: it always has been there. */
static inline uint64_t part_enemy_begins(const struct laboratory *lab)
{
    uint64_t start = lab->scenario->adversary.start;

    return start == 0 ? 0 : time_after(lab->begins, start);
}

struct part_kind {
    const char *name;
    /* Before any node is there; it may listen to the population. *out NULL: the
     * scenario has no work for it. ERR_NO_MEMORY. */
    enum error (*make)(struct laboratory *lab, void **out);
    /* Once a second, and when the warm-up or a sample ends; before the end of
     * the warm-up too. */
    enum error (*harvest)(void *part, uint64_t now);
    /* Before each sample is taken: levels. NULL: it has none. */
    void (*sample)(void *part, uint64_t now);
    /* When the network is gone already: its engines may tell it something until
     * then. */
    void (*free)(void *part);
};

/* In sim/part/dht. */
extern const struct part_kind dht_work;  /* announces, lookups, items */
extern const struct part_kind dht_probe; /* tables, upkeep, the network */
extern const struct part_kind dht_enemy; /* hostile nodes of the DHT */
/* In this room. */
extern const struct part_kind tunnel_work;  /* circuits, datagrams, services */
extern const struct part_kind tunnel_enemy; /* hostile relays, what they see */

#endif

/* SPDX-License-Identifier: MIT
 *
 * Hostile nodes of the DHT. Each has an engine like anybody's, which joins,
 * keeps itself known and answers, so that others trust it; in front of it
 * stands what takes queries away and answers them as [adversary] does says:
 *
 *     drop      nothing is answered
 *     collude   whatever is looked for, the accomplices nearest to it are named
 *     made_up   likewise nodes that do not exist
 *     crowd     the node's id is as near as may be to a key; of that, and only
 *               that, nothing is kept or given, and accomplices are named
 *     observe   lookups that come by are counted
 *
 * Of drop, collude and made_up a node does one: where there are several, they
 * take turns. Under BEP 42 what is named must have an id that its address
 * allows, or who asked would notice: made-up nodes have one, too.
 */
#ifndef WARREN_SIM_PART_DHT_LIAR_H
#define WARREN_SIM_PART_DHT_LIAR_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "sim/chance/rng.h"
#include "sim/dht_node.h"
#include "sim/part/dht/id_index.h"

#include <stdbool.h>
#include <stdint.h>

enum liar_way { LIAR_HONEST, LIAR_DROP, LIAR_COLLUDE, LIAR_MADE_UP };

/* What all of them share. Read inside of engines, changed between windows. */
struct liar_ring {
    struct sim *sim;
    bool lies;                          /* from [adversary] start on */
    struct id_index friends[FAMILIES];  /* by node */
    struct id_index nobody[FAMILIES];   /* by place among: */
    struct endpoint *made_up[FAMILIES]; /* owned; NULL: none */
};

struct liar {
    const struct liar_ring *ring;
    enum liar_way way;
    bool crowds;
    struct id key; /* around which it crowds */
    uint64_t seen; /* lookups that came by */
    struct sim_rng rng;
};

/* ERR_NO_MEMORY. */
enum error liar_ring_init(struct liar_ring *ring, struct sim *sim,
                          size_t friends);
void liar_ring_deinit(struct liar_ring *ring);
/* Makes up nodes, at addresses where nobody is. ERR_NO_MEMORY. */
enum error liar_ring_make_up(struct liar_ring *ring, struct sim_rng *rng);

/* Puts the liar, which is to outlive it, in front of a node's engine. */
void liar_stand(struct liar *l, struct sim_dht *n);

#endif

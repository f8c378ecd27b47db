/* SPDX-License-Identifier: MIT
 *
 * What a DHT node that is away has on its disk: its ids, and nodes of its table
 * to join through. As small as it can be: half of a million may be away.
 */
#ifndef WARREN_SIM_POPULATION_STORED_H
#define WARREN_SIM_POPULATION_STORED_H

#include "base/id.h"
#include "dht/types/dht_config.h"
#include "sim/chance/rng.h"
#include "sim/sim.h"

#include <stdbool.h>
#include <stdint.h>

#define STORED_NODES 16

struct stored {
    struct id id[FAMILIES];
    bool has_id[FAMILIES];
    uint8_t count;
    struct stored_node {
        struct id id;
        uint32_t node;  /* of the network */
        uint8_t family; /* by which it was known */
    } nodes[];
};

/* Of a node with a DHT engine (sim_dht): its ids, and by chance as many of the
 * nodes in its table that have answered lately as there is room for. NULL: no
 * memory. free() it. */
struct stored *stored_save(struct sim *s, uint32_t node, struct sim_rng *r);

/* Before the engine is made: its ids. */
void stored_ids(const struct stored *st, struct dht_config *config);
/* After it: the nodes. */
void stored_restore(const struct stored *st, struct sim *s, uint32_t node);

#endif

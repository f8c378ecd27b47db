/* SPDX-License-Identifier: MIT
 *
 * Who really lies nearest to a target: of the nodes that are present, honest,
 * answer queries, and can be reached. What lookups found is measured against
 * it.
 *
 * Ids change when a node learns its address (BEP 42). All nodes are looked at
 * in turn, so that a change is known after DHT_TRUTH_ROUND harvests.
 */
#ifndef WARREN_SIM_PART_DHT_TRUTH_H
#define WARREN_SIM_PART_DHT_TRUTH_H

#include "dht/types/dht_request.h"
#include "sim/part/dht/id_index.h"
#include "sim/part/part.h"

#include <stddef.h>
#include <stdint.h>

#define DHT_TRUTH_ROUND 16

struct dht_truth {
    const struct laboratory *lab;
    struct id_index index[FAMILIES]; /* by the member's index */
    struct dht_truth_row *rows;      /* owned: one a member */
    uint32_t cap;
    uint32_t hand; /* where the next look begins */
    uint32_t
        askers; /* present, honest and no bootstrap nodes: they have work */
    enum error error;
};

/* Listens to the population. ERR_NO_MEMORY. */
enum error dht_truth_init(struct dht_truth *t, const struct laboratory *lab);
void dht_truth_deinit(struct dht_truth *t);
/* The first failure so far. */
enum error dht_truth_harvest(struct dht_truth *t);

/* How many of those that `asker` should have found nearest to `target` (`of`)
 * are in what it found. */
unsigned dht_truth_score(const struct dht_truth *t, uint32_t asker,
                         const struct id *target,
                         const struct dht_result *found, unsigned *of);

#endif

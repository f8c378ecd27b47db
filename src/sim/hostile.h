/* SPDX-License-Identifier: MIT
 *
 * Nodes that attack a DHT by a script: they answer lookups with lies, or
 * flood. They speak the real protocol through wire/dht_message.h.
 */
#ifndef WARREN_SIM_HOSTILE_H
#define WARREN_SIM_HOSTILE_H

#include "base/id.h"
#include "sim/sim.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stdint.h>

enum sim_hostile_mode {
    /* Answers every query with itself, under eight ids near the target. */
    SIM_HOSTILE_SELF,
    /* ... with sixteen nodes that do not exist, near the target. */
    SIM_HOSTILE_MADE_UP,
    /* ... with its accomplices, and takes announcements without keeping. */
    SIM_HOSTILE_CLIQUE,
    /* Sends datagrams that are no messages, or messages cut short. */
    SIM_HOSTILE_GARBAGE,
    /* Queries of all kinds from made-up source addresses. */
    SIM_HOSTILE_SPOOF,
    /* Fetches tokens and stores peers and items with them, without end. */
    SIM_HOSTILE_STORE
};

struct sim_hostile_config {
    enum sim_hostile_mode mode;
    enum dht_dialect dialect;
    struct id id; /* by which it calls itself */
    /* It sends by itself that often, to a victim by chance, so as to be
     * noticed or to flood; 0: it only answers. */
    uint64_t interval;
    const uint32_t *victims; /* not owned, may grow no more */
    uint32_t victim_count;
    const uint32_t *clique; /* accomplices: nodes of the network */
    const struct id *clique_ids;
    uint32_t clique_count;
};

/* Errors of sim_node_add. */
enum error sim_hostile_add(struct sim *s, const struct sim_place *place,
                           const struct sim_hostile_config *config,
                           uint32_t *out);

/* Lookups (get_peers, get) that asked this one so far. */
uint64_t sim_hostile_asked(const struct sim *s, uint32_t node);

#endif

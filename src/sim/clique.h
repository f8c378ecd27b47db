/* SPDX-License-Identifier: MIT
 *
 * Accomplices around one key (an eclipse attack): an attacker chooses, among
 * the addresses that he has, those whose ids (BEP 42) come nearest to it.
 */
#ifndef WARREN_SIM_CLIQUE_H
#define WARREN_SIM_CLIQUE_H

#include "base/id.h"
#include "sim/hostile.h"
#include "sim/sim.h"

#include <stdint.h>

/* Addresses of one owner: those that differ from `first` in `len` (0 to 2)
 * bytes from byte `at` on. */
struct sim_block {
    struct endpoint first;
    unsigned at, len;
};

/* The address of a block, and the id that BEP 42 allows there, that share most
 * bits with `target`; how many. The last bytes of the id are free: they are
 * the target's. */
int sim_clique_best(struct sim *s, const struct sim_block *block,
                    const struct id *target, struct endpoint *ep,
                    struct id *id);

/* `count` hostile nodes at these addresses and under these ids, which name each
 * other. `nodes` and `ids` are to outlive the network; what else is in `config`
 * is as it says. Errors of sim_hostile_add. */
enum error sim_clique_add(struct sim *s, struct sim_hostile_config config,
                          const struct endpoint *eps, const struct id *ids,
                          uint32_t count, uint32_t *nodes);

#endif

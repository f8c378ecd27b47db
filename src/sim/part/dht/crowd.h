/* SPDX-License-Identifier: MIT
 *
 * Who crowds where: the keys of [lookups] in turn, the most popular first, by
 * CROWD_A_KEY nodes each. Where addresses decide about ids (BEP 42) an attacker
 * who has networks takes the addresses in them whose ids come nearest, one a
 * subnet, as lookups count no more (Cholez et al., "Detection and Mitigation of
 * Localized Attacks in a Widely Deployed P2P Network", 2013, on what crowds
 * look like).
 */
#ifndef WARREN_SIM_PART_DHT_CROWD_H
#define WARREN_SIM_PART_DHT_CROWD_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "sim/scenario/scenario.h"
#include "sim/sim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than the 8 that a lookup ends with, as some may be missed. */
#define CROWD_A_KEY 16

/* Which key the `number`th of the crowd is at: one by chance from the seed,
 * where nothing is announced. */
void crowd_key(const struct scenario *scenario, uint32_t number,
               struct id *out);

/* The id that comes nearest to the key of those that `ep` may have. */
void crowd_id(struct sim *sim, const struct scenario *scenario, uint32_t number,
              const struct endpoint *ep, struct id *out);

struct crowd_place {
    struct endpoint ep; /* without a port */
    int bits;           /* that its best id shares with the key */
};

/* The best `max` places in the networks of the adversary for the key of the
 * `number`th, one a subnet (/24, /56), the best first; how many there are. */
size_t crowd_places(struct sim *sim, const struct scenario *scenario,
                    uint32_t number, size_t max, struct crowd_place *out);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What is asked for, and how often: arrivals by chance (Poisson), and things of
 * which some are asked for more than others. Zipf's law gives the r-th a weight
 * of r^-exponent (Breslau et al., "Web Caching and Zipf-like Distributions",
 * 1999).
 */
#ifndef WARREN_SIM_PART_DHT_DEMAND_H
#define WARREN_SIM_PART_DHT_DEMAND_H

#include "base/error.h"
#include "base/id.h"
#include "sim/chance/rng.h"
#include "sim/scenario/scenario.h"

#include <stdint.h>

/* How many of `nodes`, of whom each does something `rate` times an hour, do it
 * in `time` (ns). */
unsigned demand_arrivals(struct sim_rng *r, double rate, uint32_t nodes,
                         uint64_t time);

struct popularity {
    uint32_t count;
    uint64_t *below; /* owned: of 2^63, how much is the i-th's or before; NULL:
                        all are the same */
};

/* ERR_NO_MEMORY. */
enum error popularity_init(struct popularity *p, enum scenario_popularity how,
                           double exponent, uint32_t count);
void popularity_deinit(struct popularity *p);
/* Below p->count, which is not 0; the first is asked for most. */
uint32_t popularity_draw(const struct popularity *p, struct sim_rng *r);

/* The infohash of a key of [lookups], the most popular first. */
void demand_key(uint64_t seed, uint32_t key, struct id *out);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Mutable items (BEP 44) that nodes put and others get, as [items] says. An
 * item that is kept alive is put anew, under the next seq, by another node when
 * its node has left; one that is put once is looked for from time to time.
 */
#ifndef WARREN_SIM_PART_DHT_ITEMS_H
#define WARREN_SIM_PART_DHT_ITEMS_H

#include "sim/part/dht/errand.h"

#include <stdbool.h>
#include <stdint.h>

#define DHT_ITEMS_ROUND 16 /* as DHT_ANNOUNCES_ROUND */

struct dht_items {
    const struct laboratory *lab;
    struct errands *errands;
    struct sim_rng rng;
    uint32_t count;
    bool renew;
    uint64_t probe;             /* 0: nobody looks */
    struct dht_items_one *each; /* owned */
    uint32_t hand;
};

/* ERR_NO_MEMORY. */
enum error dht_items_init(struct dht_items *all, const struct laboratory *lab,
                          struct errands *errands);
void dht_items_deinit(struct dht_items *all);
/* `past` (ns) since the last time, in which `askers` nodes got some.
 * ERR_NO_MEMORY. */
enum error dht_items_harvest(struct dht_items *all, uint64_t now,
                             uint32_t askers, uint64_t past);
/* A request for ERRAND_PUT, ERRAND_GET or ERRAND_ITEM_PROBE is over. */
void dht_items_ended(struct dht_items *all, const struct errand *a, bool done);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Staying joined: the table is kept by single queries, a ping where it asks
 * for one, a find_node for an idle bucket, within what the purse has.
 */
#ifndef WARREN_DHT_JOIN_MAINTAIN_H
#define WARREN_DHT_JOIN_MAINTAIN_H

#include "base/endpoint.h"
#include "base/timestamp.h"
#include "dht/join/join.h"
#include "dht/join/purse.h"

#include <stdint.h>

/* How late the upkeep of an idle table may come, so that one wake-up serves
 * several reasons. */
#define MAINTAIN_COALESCE TIME_S

struct contacts;
struct lookups;
struct queries;
struct dht_world;

struct maintain {
    struct dht_world *w;
    struct contacts *contacts;
    struct queries *queries;
    struct lookups *lookups;
    struct purse purse;
    uint64_t upkeep_at;
    uint64_t alive_at[FAMILIES]; /* next look for a contact to keep good */
    struct join join[FAMILIES];
    struct ways_in ways_in;
};

/* The pointers are set; watches the contacts from now on. */
void maintain_init(struct maintain *m);
void maintain_deinit(struct maintain *m);
void maintain_tick(struct maintain *m);
uint64_t maintain_next_deadline(const struct maintain *m);

#endif

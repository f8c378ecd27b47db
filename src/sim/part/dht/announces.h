/* SPDX-License-Identifier: MIT
 *
 * What nodes announce: each key of [lookups] by so many nodes. Announcements
 * are spread over the last minutes of the warm-up. Those that are renewed are
 * taken over by another node when their node leaves, so that each key has its
 * announcers; those that are made once are not, and are looked for from time to
 * time, to see until when they are found.
 *
 * The keys are looked at in turn: what is due happens within
 * DHT_ANNOUNCES_ROUND harvests.
 */
#ifndef WARREN_SIM_PART_DHT_ANNOUNCES_H
#define WARREN_SIM_PART_DHT_ANNOUNCES_H

#include "sim/part/dht/errand.h"

#include <stdbool.h>
#include <stdint.h>

#define DHT_ANNOUNCES_ROUND 16
/* When things are first published, before the end of the warm-up, or of the
 * first arrivals where those take longer: at most so long, and at most half of
 * it. */
#define DHT_PUBLISH_BEFORE (5 * TIME_MIN)

struct dht_announces {
    const struct laboratory *lab;
    struct errands *errands;
    struct sim_rng rng;
    uint32_t keys, announcers;
    bool renew;
    uint64_t probe;            /* 0: nobody looks */
    struct dht_key *key;       /* owned */
    struct dht_announce *each; /* owned; those of a key are neighbours */
    uint32_t hand;             /* key that is looked at next */
};

/* ERR_NO_MEMORY. */
enum error dht_announces_init(struct dht_announces *all,
                              const struct laboratory *lab,
                              struct errands *errands);
void dht_announces_deinit(struct dht_announces *all);
/* ERR_NO_MEMORY. */
enum error dht_announces_harvest(struct dht_announces *all, uint64_t now);
/* A request for ERRAND_ANNOUNCE or ERRAND_PEER_PROBE is over. */
void dht_announces_ended(struct dht_announces *all, const struct errand *a,
                         bool done);

const struct id *dht_announces_key(const struct dht_announces *all,
                                   uint32_t key);
/* Whether anybody has announced it yet. */
bool dht_announces_any(const struct dht_announces *all, uint32_t key);
/* Whether one who did is among the peers that a request found. */
bool dht_announces_found(const struct dht_announces *all, uint32_t key,
                         const struct sim_request *r);

/* The i-th of `count` things is to be published for the first time. */
uint64_t dht_publish_due(const struct laboratory *lab, uint32_t i,
                         uint32_t count);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The inside of the peer store, for its own files only: the peers of one
 * info-hash, and how many each source has in all.
 *
 * A peer is a record of its compact form (6 or 18 bytes) and the 16-bit step
 * at which it was announced last. Steps wrap after 64 lifetimes; the store
 * sees to it that no peer gets that old.
 */
#ifndef WARREN_DHT_STORAGE_PEER_SWARM_H
#define WARREN_DHT_STORAGE_PEER_SWARM_H

#include "dht/storage/peer_store.h"

#include <string.h>

/* Steps in a lifetime. */
#define PEER_STEPS 1024

struct peer_records {
    uint8_t *at;
    uint16_t count, cap;
};

struct peer_swarm {
    struct peer_swarm *next; /* in its chain */
    struct id hash;
    struct peer_records of[FAMILIES];
};

static inline size_t record_len(enum family family)
{
    return family == FAMILY_IPV4 ? 8 : 20;
}

static inline uint8_t *record_at(const struct peer_records *r,
                                 enum family family, unsigned i)
{
    return r->at + i * record_len(family);
}

/* Bytes of an address that name its source. */
static inline size_t source_len(enum family family)
{
    return family == FAMILY_IPV4 ? 4 : 8;
}

/* ---- peer_swarm.c ------------------------------------------------------ */

/* What a record's step is compared with, worked out once a call. */
struct peer_clock {
    uint16_t step;  /* that `now` is in */
    uint16_t limit; /* steps that a peer lives */
};

struct peer_clock peer_clock_of(const struct peer_store *s, uint64_t now);

/* Steps since it was announced. */
static inline uint16_t record_age(const uint8_t *record, enum family family,
                                  struct peer_clock clock)
{
    uint16_t step;

    memcpy(&step, record + record_len(family) - sizeof(step), sizeof(step));
    return (uint16_t)(clock.step - step);
}

static inline bool record_is_expired(const uint8_t *record, enum family family,
                                     struct peer_clock clock)
{
    return record_age(record, family, clock) > clock.limit;
}

/* A peer of the swarm: which of which family; `found` when there is one. */
struct peer_at {
    bool found;
    uint8_t family;
    unsigned i;
};

struct peer_at peer_swarm_find(const struct peer_swarm *w,
                               const struct endpoint *peer);
/* The one announced longest ago; with `source` not NULL, of its address. */
struct peer_at peer_swarm_oldest(const struct peer_swarm *w,
                                 const struct endpoint *source,
                                 struct peer_clock clock);
void peer_swarm_renew(struct peer_swarm *w, struct peer_at at,
                      struct peer_clock clock);
/* ERR_NO_MEMORY. */
enum error peer_swarm_append(struct peer_store *s, struct peer_swarm *w,
                             const struct endpoint *peer,
                             struct peer_clock clock);
void peer_swarm_remove(struct peer_store *s, struct peer_swarm *w,
                       struct peer_at at);
/* Steps are of another length from now on. A peer may live two of the old ones
 * longer, and lives no shorter. */
void peer_swarm_restep(struct peer_swarm *w, struct peer_clock was,
                       uint64_t old_unit, struct peer_clock is, uint64_t unit);
/* Removes what has expired, and gives memory back. */
void peer_swarm_expire(struct peer_store *s, struct peer_swarm *w,
                       struct peer_clock clock);

static inline unsigned peer_swarm_count(const struct peer_swarm *w)
{
    return (unsigned)w->of[FAMILY_IPV4].count + w->of[FAMILY_IPV6].count;
}

/* ---- peer_store.c ------------------------------------------------------ */

/* NULL when nobody has announced it. */
struct peer_swarm *peer_store_find(const struct peer_store *s,
                                   const struct id *hash);
/* First thing of each call that is given the time: keeps steps from
 * wrapping. */
void peer_store_advance(struct peer_store *s, uint64_t now);

/* ---- peer_sources.c ---------------------------------------------------- */

/* Peers that the source of `addr` has in the store, or one more or less.
 * peer_sources_add: ERR_NO_MEMORY. */
unsigned peer_sources_count(const struct peer_store *s, enum family family,
                            const uint8_t *addr);
enum error peer_sources_add(struct peer_store *s, enum family family,
                            const uint8_t *addr);
void peer_sources_remove(struct peer_store *s, enum family family,
                         const uint8_t *addr);
/* Gives memory back when there are few peers left. */
void peer_sources_trim(struct peer_store *s);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The inside of the peer store, for its own files only: the peers of one
 * info-hash, and how many each source has in all.
 *
 * A peer is a record of its compact form (6 or 18 bytes) and 16 bits: whether
 * it is a seed (BEP 33), and the step at which it was announced last. Steps
 * wrap after 32 lifetimes; the store sees to it that no peer gets that old.
 */
#ifndef WARREN_DHT_STORAGE_PEER_SWARM_H
#define WARREN_DHT_STORAGE_PEER_SWARM_H

#include "base/source.h"
#include "dht/storage/peer_store.h"

#include <string.h>

/* Steps in a lifetime. */
#define PEER_STEPS 1024

#define RECORD_SEED ((uint16_t)0x8000)
#define RECORD_STEP ((uint16_t)0x7fff)

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

/* Who announced it. */
static inline struct endpoint record_source(const uint8_t *record,
                                            enum family family)
{
    struct endpoint ep = {.family = (uint8_t)family};

    memcpy(ep.addr, record, family == FAMILY_IPV4 ? 4 : 16);
    return ep;
}

/* ---- peer_swarm.c ------------------------------------------------------ */

/* What a record's step is compared with, worked out once a call. */
struct peer_clock {
    uint16_t step;  /* that `now` is in */
    uint16_t limit; /* steps that a peer lives */
};

struct peer_clock peer_clock_of(const struct peer_store *s, uint64_t now);

static inline uint16_t record_bits(const uint8_t *record, enum family family)
{
    uint16_t bits;

    memcpy(&bits, record + record_len(family) - sizeof(bits), sizeof(bits));
    return bits;
}

static inline bool record_is_seed(const uint8_t *record, enum family family)
{
    return (record_bits(record, family) & RECORD_SEED) != 0;
}

/* Steps since it was announced. */
static inline uint16_t record_age(const uint8_t *record, enum family family,
                                  struct peer_clock clock)
{
    return (uint16_t)(clock.step - record_bits(record, family)) & RECORD_STEP;
}

static inline bool record_is_expired(const uint8_t *record, enum family family,
                                     struct peer_clock clock)
{
    return record_age(record, family, clock) > clock.limit;
}

struct peer_at peer_swarm_find(const struct peer_swarm *w,
                               const struct endpoint *peer);
/* The one announced longest ago by the source of this level that `ep` is in. */
struct peer_at peer_swarm_oldest(const struct peer_swarm *w,
                                 const struct endpoint *ep,
                                 enum source_level level,
                                 struct peer_clock clock);
void peer_swarm_renew(struct peer_swarm *w, struct peer_at at, bool seed,
                      struct peer_clock clock);
/* ERR_NO_MEMORY. */
enum error peer_swarm_append(struct peer_store *s, struct peer_swarm *w,
                             const struct endpoint *peer, bool seed,
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
/* Removes all its peers, and the swarm. */
void peer_store_drop(struct peer_store *s, struct peer_swarm *w);

/* ---- peer_room.c ------------------------------------------------------- */

/* Whether there is room for a peer from `source` under `hash`, whose swarm is
 * `w` (NULL: a new hash), and at whose cost: `out` is empty when nobody has to
 * go. */
bool peer_room_find(struct peer_store *s, struct peer_swarm *w,
                    const struct id *hash, const struct endpoint *source,
                    uint64_t now, struct peer_out *out);
/* The same, without looking at a full hash: there somebody can go. */
bool peer_room_is_there(struct peer_store *s, const struct id *hash,
                        const struct endpoint *source, uint64_t now);

/* ---- peer_sources.c ---------------------------------------------------- */

/* Peers that the sources of `ep` have in the store, at each level: exact for
 * hosts, else an estimate. */
void peer_sources_count(const struct peer_store *s, const struct endpoint *ep,
                        unsigned counts[SOURCE_LEVELS]);
/* The largest of these as it weighs (source_weight), had each `more`. */
unsigned peer_sources_weight(const struct peer_store *s,
                             const struct endpoint *ep, unsigned more);
/* One more; ERR_NO_MEMORY. */
enum error peer_sources_add(struct peer_store *s, const struct endpoint *ep);
void peer_sources_remove(struct peer_store *s, const struct endpoint *ep);
/* Gives memory back when there are few peers left, or all of it. */
void peer_sources_trim(struct peer_store *s);
void peer_sources_clear(struct peer_store *s);

#endif

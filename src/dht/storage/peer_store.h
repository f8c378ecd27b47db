/* SPDX-License-Identifier: MIT
 *
 * What others have announced to us: peers (address and port) by info-hash
 * (BEP 5), and whether they have all of it (BEP 33). A peer takes 8 bytes
 * (IPv4) or 20 (IPv6), some slack, and its share of the counts of sources:
 * below 32 in all when hashes have several peers.
 *
 * Caps: a host stores max_per_source peers, and wider sources their allowance
 * of that (base/source.h). Who has as many gives up its own oldest of the same
 * hash, or is refused (ERR_FULL).
 * - With max_peers stored the heaviest makes way: a peer of who has most, and
 *   what is far before what is near; for a new hash beyond max_hashes a hash
 *   that only such announce (peer_room.c). It is heavier than the newcomer will
 *   be, or as heavy and not renewed for half of the lifetime.
 * - A hash with max_per_hash peers, or any when nobody is heavier, gives up one
 *   of its own that is as heavy as the newcomer, the oldest of these.
 * - Else the newcomer is refused.
 * peer_store_can_store says so before a token is given out, but for the hash
 * that is full.
 *
 * Hash functions are keyed.
 */
#ifndef WARREN_DHT_STORAGE_PEER_STORE_H
#define WARREN_DHT_STORAGE_PEER_STORE_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/random_source.h"
#include "dht/storage/store_home.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Larger values of max_per_source and max_per_hash are cut to these. */
#define PEER_STORE_SOURCE_MAX 4095
#define PEER_STORE_HASH_MAX   65535

struct peer_store_config { /* nothing may be 0 */
    unsigned max_hashes, max_peers, max_per_hash, max_per_source;
    uint64_t lifetime; /* ns; up to 1/500 longer, never shorter */
};

struct peer_swarm;

/* A peer of a swarm: which of which family; `found` when there is one. */
struct peer_at {
    bool found;
    uint8_t family;
    unsigned i;
};

/* Who makes way: a peer, or all of a hash; nobody when `swarm` is NULL. */
struct peer_out {
    struct peer_swarm *swarm;
    struct peer_at at;
    bool all;
};

/* How much each source has; see peer_sources.c. */
struct peer_counts {
    uint32_t *hosts;
    uint16_t *wide;
    unsigned cap, used; /* of hosts */
    unsigned row;       /* counters of `wide` in one row */
    unsigned wide_total;
};

struct peer_store {
    struct peer_store_config config;
    const struct store_home *home; /* may be NULL */
    uint64_t unit;                 /* ns in one step of a peer's age */
    uint64_t used_at;              /* last call that was given the time */
    uint64_t sweep_at;             /* next step of the sweep */
    uint64_t swept_at;    /* start of the last sweep that got through */
    uint64_t sweep_began; /* start of the one under way */
    unsigned sweep_chain; /* where it goes on */
    unsigned hashes, peers;
    unsigned chain_count; /* a power of two, 0 at first */
    struct peer_swarm **chains;
    struct peer_counts counts;
    unsigned hand;            /* where the look for the heaviest goes on */
    struct peer_out next_out; /* the heaviest, until the store changes */
    uint64_t look_at;         /* not before this for another */
    uint64_t evicted;         /* peers that made room for others, ever */
    size_t memory;            /* bytes allocated */
    uint8_t key[16];
};

/* `home` is to outlive the store; NULL: all is near. */
void peer_store_init(struct peer_store *s,
                     const struct peer_store_config *config,
                     const struct store_home *home,
                     const struct random_source *random, uint64_t now);
void peer_store_deinit(struct peer_store *s);

/* New caps and lifetime. What is above a new cap stays until it expires. */
void peer_store_configure(struct peer_store *s,
                          const struct peer_store_config *config);

/* Stores or renews `peer`, announced from its own address; `seed` is what it
 * says it is this time. ERR_FULL, ERR_NO_MEMORY. */
enum error peer_store_put(struct peer_store *s, const struct id *hash,
                          const struct endpoint *peer, bool seed, uint64_t now);

/* Whether a put from this source, whatever the port, would find room. */
bool peer_store_can_store(struct peer_store *s, const struct id *hash,
                          const struct endpoint *source, uint64_t now);

/* At most `max` different peers of one family, a random choice; with `no_seeds`
 * of those who are none. Returns how many. */
size_t peer_store_sample(struct peer_store *s, const struct id *hash,
                         enum family family, bool no_seeds,
                         const struct random_source *random,
                         struct endpoint *out, size_t max, uint64_t now);

/* Puts the addresses of all peers of a hash, of both families, into two Bloom
 * filters (bloom.h), which are empty at first. False when it has none. */
bool peer_store_scrape(struct peer_store *s, const struct id *hash,
                       uint8_t seeds[DHT_BLOOM_BYTES],
                       uint8_t others[DHT_BLOOM_BYTES], uint64_t now);

/* At most `max` different info-hashes that have peers, a random choice, as
 * ID_BYTES each into `out` (BEP 51). Returns how many. */
size_t peer_store_sample_hashes(struct peer_store *s,
                                const struct random_source *random,
                                uint8_t *out, size_t max, uint64_t now);

/* Frees what has expired, a bounded part of the store at a time. Call at
 * peer_store_next_deadline. Nothing expired is ever given out in between. */
void peer_store_expire(struct peer_store *s, uint64_t now);
uint64_t peer_store_next_deadline(const struct peer_store *s);

/* Counts: s->hashes, s->peers (until swept), s->evicted, s->memory. */

#endif

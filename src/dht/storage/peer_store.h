/* SPDX-License-Identifier: MIT
 *
 * What others have announced to us: peers (address and port) by info-hash
 * (BEP 5). A peer takes 8 bytes (IPv4) or 20 (IPv6), some slack, and its share
 * of a table of sources: below 32 in all when hashes have several peers.
 *
 * Caps: room is made only at the cost of the same hash, oldest out first, so
 * that a flood of one hash takes nothing from the others:
 * - a hash with max_per_hash peers gives up its oldest;
 * - with max_peers stored, or max_per_source of this source, the oldest peer
 *   of the hash (of the source in this hash) goes; when there is none, and for
 *   a new hash beyond max_hashes, the peer is refused (ERR_FULL).
 * peer_store_can_store says so before a token is given out.
 *
 * A source is an IPv4 address or an IPv6 /64. Hash functions are keyed.
 */
#ifndef WARREN_DHT_STORAGE_PEER_STORE_H
#define WARREN_DHT_STORAGE_PEER_STORE_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/random_source.h"

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

struct peer_store {
    struct peer_store_config config;
    uint64_t unit;        /* ns in one step of a peer's age */
    uint64_t used_at;     /* last call that was given the time */
    uint64_t sweep_at;    /* next step of the sweep */
    uint64_t swept_at;    /* start of the last sweep that got through */
    uint64_t sweep_began; /* start of the one under way */
    unsigned sweep_chain; /* where it goes on */
    unsigned hashes, peers;
    unsigned chain_count; /* a power of two, 0 at first */
    struct peer_swarm **chains;
    uint32_t *sources; /* a count per source; see peer_sources.c */
    unsigned source_cap, source_used;
    uint64_t evicted; /* peers that made room for others, ever */
    size_t memory;    /* bytes allocated */
    uint8_t key[16];
};

void peer_store_init(struct peer_store *s,
                     const struct peer_store_config *config,
                     const struct random_source *random, uint64_t now);
void peer_store_deinit(struct peer_store *s);

/* New caps and lifetime. What is above a new cap stays until it expires. */
void peer_store_configure(struct peer_store *s,
                          const struct peer_store_config *config);

/* Stores or renews `peer`, announced from its own address. ERR_FULL,
 * ERR_NO_MEMORY. */
enum error peer_store_put(struct peer_store *s, const struct id *hash,
                          const struct endpoint *peer, uint64_t now);

/* Whether a put from this source, whatever the port, would find room. */
bool peer_store_can_store(struct peer_store *s, const struct id *hash,
                          const struct endpoint *source, uint64_t now);

/* At most `max` different peers of one family, a random choice. Returns how
 * many. */
size_t peer_store_sample(struct peer_store *s, const struct id *hash,
                         enum family family, const struct random_source *random,
                         struct endpoint *out, size_t max, uint64_t now);

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

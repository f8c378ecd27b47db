/* SPDX-License-Identifier: MIT
 *
 * The peer store: info-hashes in chains, by a hash under a key of ours
 * (SipHash), so that nobody can fill one chain. What is in a swarm is
 * peer_swarm.c's, who has announced how much peer_sources.c's, and who makes
 * way for whom peer_room.c's.
 *
 * Time is counted in steps of 15 bits that a peer's record keeps. A sweep goes
 * over a part of the chains at a time and removes what has expired, at least
 * once before steps wrap.
 */
#include "dht/storage/peer_store.h"
#include "base/timestamp.h"
#include "dht/storage/peer_swarm.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHAINS 16
#define SWEEPS       16  /* in a lifetime */
#define SWEEP_CHAINS 256 /* in one call */
#define SWEEP_PAUSE  (50 * TIME_MS)
/* Lifetimes without a whole sweep after which one is made at once: steps wrap
 * after 32. */
#define OVERDUE_LIFETIME 2

static uint64_t sweep_interval(const struct peer_store *s)
{
    return s->config.lifetime / SWEEPS + 1;
}

static uint64_t unit_of(const struct peer_store_config *config)
{
    return config->lifetime / PEER_STEPS + 1;
}

static void set_config(struct peer_store *s,
                       const struct peer_store_config *config)
{
    assert(config->max_hashes > 0 && config->max_peers > 0);
    assert(config->max_per_hash > 0 && config->max_per_source > 0);
    assert(config->lifetime > 0);
    s->config = *config;
    if (s->config.max_per_source > PEER_STORE_SOURCE_MAX)
        s->config.max_per_source = PEER_STORE_SOURCE_MAX;
    if (s->config.max_per_hash > PEER_STORE_HASH_MAX)
        s->config.max_per_hash = PEER_STORE_HASH_MAX;
}

/* Ages are kept in steps of the lifetime, so that those of all peers are
 * written anew. */
void peer_store_configure(struct peer_store *s,
                          const struct peer_store_config *config)
{
    struct peer_clock was = peer_clock_of(s, s->used_at), is;
    uint64_t old_unit = s->unit;

    set_config(s, config);
    s->unit = unit_of(config);
    if (s->unit == old_unit)
        return;
    is = peer_clock_of(s, s->used_at);
    for (unsigned i = 0; i < s->chain_count; i++) {
        for (struct peer_swarm *w = s->chains[i]; w != NULL; w = w->next)
            peer_swarm_restep(w, was, old_unit, is, s->unit);
    }
    s->sweep_at =
        time_min(s->sweep_at, time_after(s->used_at, sweep_interval(s)));
}

void peer_store_init(struct peer_store *s,
                     const struct peer_store_config *config,
                     const struct store_home *home,
                     const struct random_source *random, uint64_t now)
{
    *s = (struct peer_store){
        .home = home, .unit = unit_of(config), .used_at = now, .swept_at = now};
    random->fill(random->ctx, s->key, sizeof(s->key));
    set_config(s, config);
}

/* ---- Chains ------------------------------------------------------------ */

static struct peer_swarm **chain_of(const struct peer_store *s,
                                    struct peer_swarm **chains, unsigned count,
                                    const struct id *hash)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint32_t place;

    crypto_shorthash(out, hash->b, ID_BYTES, s->key);
    memcpy(&place, out, sizeof(place));
    return &chains[place & (count - 1)];
}

struct peer_swarm *peer_store_find(const struct peer_store *s,
                                   const struct id *hash)
{
    struct peer_swarm *w;

    if (s->chain_count == 0)
        return NULL;
    w = *chain_of(s, s->chains, s->chain_count, hash);
    while (w != NULL && !id_equal(&w->hash, hash))
        w = w->next;
    return w;
}

static enum error resize_chains(struct peer_store *s, unsigned count)
{
    struct peer_swarm **chains = calloc(count, sizeof(struct peer_swarm *));

    if (chains == NULL)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < s->chain_count; i++) {
        for (struct peer_swarm *w = s->chains[i], *next; w != NULL; w = next) {
            struct peer_swarm **chain = chain_of(s, chains, count, &w->hash);

            next = w->next;
            w->next = *chain;
            *chain = w;
        }
    }
    free(s->chains);
    s->memory += count * sizeof(struct peer_swarm *);
    s->memory -= s->chain_count * sizeof(struct peer_swarm *);
    s->chains = chains;
    s->chain_count = count;
    s->sweep_chain = 0;
    return OK;
}

static struct peer_swarm *add_swarm(struct peer_store *s, const struct id *hash,
                                    uint64_t now)
{
    struct peer_swarm **chain, *w;

    /* A longer chain will do when there is no memory for more chains. */
    if (s->hashes >= s->chain_count &&
        resize_chains(s, s->chain_count == 0 ? FIRST_CHAINS
                                             : 2 * s->chain_count) != OK &&
        s->chain_count == 0)
        return NULL;
    w = malloc(sizeof(*w));
    if (w == NULL)
        return NULL;
    if (s->hashes == 0) {
        s->swept_at = now;
        s->sweep_at = time_after(now, sweep_interval(s));
    }
    chain = chain_of(s, s->chains, s->chain_count, hash);
    *w = (struct peer_swarm){.next = *chain, .hash = *hash};
    *chain = w;
    s->hashes++;
    s->memory += sizeof(*w);
    return w;
}

/* Takes an empty swarm out of its chain. */
static void drop_swarm(struct peer_store *s, struct peer_swarm **at)
{
    struct peer_swarm *w = *at;

    *at = w->next;
    for (unsigned f = 0; f < FAMILIES; f++) {
        s->memory -= w->of[f].cap * record_len(f);
        free(w->of[f].at);
    }
    free(w);
    s->memory -= sizeof(*w);
    s->hashes--;
    s->next_out.swarm = NULL;
}

void peer_store_drop(struct peer_store *s, struct peer_swarm *w)
{
    struct peer_swarm **at = chain_of(s, s->chains, s->chain_count, &w->hash);

    while (*at != w)
        at = &(*at)->next;
    for (uint8_t f = 0; f < FAMILIES; f++) {
        while (w->of[f].count > 0)
            peer_swarm_remove(s, w,
                              (struct peer_at){true, f, w->of[f].count - 1u});
    }
    drop_swarm(s, at);
}

static void clear(struct peer_store *s)
{
    for (unsigned i = 0; i < s->chain_count; i++) {
        while (s->chains[i] != NULL)
            drop_swarm(s, &s->chains[i]);
    }
    free(s->chains);
    s->chains = NULL;
    s->chain_count = 0;
    peer_sources_clear(s);
    s->sweep_chain = 0;
    s->peers = 0;
    s->memory = 0;
}

void peer_store_deinit(struct peer_store *s)
{
    clear(s);
    sodium_memzero(s->key, sizeof(s->key));
}

/* ---- Expiry ------------------------------------------------------------ */

static void sweep_chain(struct peer_store *s, unsigned chain, uint64_t now)
{
    struct peer_swarm **at = &s->chains[chain];

    while (*at != NULL) {
        peer_swarm_expire(s, *at, peer_clock_of(s, now));
        if (peer_swarm_count(*at) == 0)
            drop_swarm(s, at);
        else
            at = &(*at)->next;
    }
}

static void end_sweep(struct peer_store *s, uint64_t now)
{
    s->swept_at = s->sweep_began;
    s->sweep_chain = 0;
    s->sweep_at = time_after(now, sweep_interval(s));
    if (s->hashes == 0) {
        clear(s);
        return;
    }
    peer_sources_trim(s);
    if (s->chain_count > FIRST_CHAINS && s->hashes < s->chain_count / 8)
        resize_chains(s, s->chain_count / 4); /* or later */
}

/* Goes on for so many chains. */
static void sweep(struct peer_store *s, unsigned chains, uint64_t now)
{
    if (s->sweep_chain == 0)
        s->sweep_began = now;
    while (s->sweep_chain < s->chain_count && chains-- > 0)
        sweep_chain(s, s->sweep_chain++, now);
    if (s->sweep_chain >= s->chain_count)
        end_sweep(s, now);
    else
        s->sweep_at = time_after(now, SWEEP_PAUSE);
}

void peer_store_advance(struct peer_store *s, uint64_t now)
{
    uint64_t lifetime = s->config.lifetime + s->unit;

    if (time_since(s->used_at, now) > lifetime + s->unit) {
        clear(s);
    } else if (time_since(s->swept_at, now) > OVERDUE_LIFETIME * lifetime &&
               s->hashes > 0) {
        s->sweep_chain = 0;
        sweep(s, s->chain_count, now);
    }
    if (now > s->used_at)
        s->used_at = now;
}

void peer_store_expire(struct peer_store *s, uint64_t now)
{
    peer_store_advance(s, now);
    if (s->hashes > 0 && now >= s->sweep_at)
        sweep(s, SWEEP_CHAINS, now);
}

uint64_t peer_store_next_deadline(const struct peer_store *s)
{
    return s->hashes == 0 ? TIME_NEVER : s->sweep_at;
}

/* ---- Storing ----------------------------------------------------------- */

bool peer_store_can_store(struct peer_store *s, const struct id *hash,
                          const struct endpoint *source, uint64_t now)
{
    peer_store_advance(s, now);
    return peer_room_is_there(s, hash, source, now);
}

/* Peers of the swarm that have not expired. */
static unsigned count_alive(const struct peer_swarm *w, struct peer_clock clock)
{
    unsigned n = 0;

    for (unsigned f = 0; f < FAMILIES; f++) {
        for (unsigned i = 0; i < w->of[f].count; i++)
            n += !record_is_expired(record_at(&w->of[f], f, i), f, clock);
    }
    return n;
}

/* For the sake of one of `w`. A hash that has lost its last peer goes at once,
 * or it would go later as if it made room for a peer. */
static void evict(struct peer_store *s, const struct peer_out *out,
                  const struct peer_swarm *w, struct peer_clock clock)
{
    struct peer_at at = out->at;

    if (out->all) {
        s->evicted += count_alive(out->swarm, clock);
        peer_store_drop(s, out->swarm);
        return;
    }
    s->evicted += !record_is_expired(
        record_at(&out->swarm->of[at.family], at.family, at.i), at.family,
        clock);
    peer_swarm_remove(s, out->swarm, at);
    if (out->swarm != w && peer_swarm_count(out->swarm) == 0)
        peer_store_drop(s, out->swarm);
}

enum error peer_store_put(struct peer_store *s, const struct id *hash,
                          const struct endpoint *peer, bool seed, uint64_t now)
{
    struct peer_clock clock = peer_clock_of(s, now);
    struct peer_at known = {0};
    struct peer_swarm *w;
    struct peer_out out;

    peer_store_advance(s, now);
    w = peer_store_find(s, hash);
    if (w != NULL)
        known = peer_swarm_find(w, peer);
    if (known.found) {
        peer_swarm_renew(w, known, seed, clock);
        s->next_out.swarm = NULL;
        return OK;
    }
    if (!peer_room_find(s, w, hash, peer, now, &out))
        return ERR_FULL;
    if (out.swarm != NULL)
        evict(s, &out, w, clock);
    if (w == NULL)
        w = add_swarm(s, hash, now);
    if (w == NULL)
        return ERR_NO_MEMORY;
    /* Should this fail, an empty swarm goes with the next sweep. */
    return peer_swarm_append(s, w, peer, seed, clock);
}

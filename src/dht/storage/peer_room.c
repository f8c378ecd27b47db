/* SPDX-License-Identifier: MIT
 *
 * Who makes way in the peer store. A peer weighs what its source does
 * (peer_sources_weight), more when its hash is far from us (store_home.h).
 * A hash is held by all who announce it, and weighs what the lightest of its
 * peers does: as long as somebody who has little is on it, it stays.
 *
 * Nothing is kept in the order of weight. The heaviest is looked for among LOOK
 * peers, from where the last look ended, and stands until the store changes, or
 * for LOOK_PAUSE when it does not make way for who asks.
 */
#include "dht/storage/peer_swarm.h"

#include "base/timestamp.h"

#define LOOK        64  /* peers */
#define LOOK_CHAINS 256 /* or as many chains, when they are empty */
#define LOOK_SWARM  8   /* peers of one hash, evenly spread over it */
#define LOOK_PAUSE  (100 * TIME_MS)

/* ---- The heaviest ------------------------------------------------------- */

struct heavy {
    struct peer_out out;
    unsigned weight, age;
};

static struct heavy heavier(const struct heavy *a, const struct heavy *b)
{
    bool first = b->out.swarm == NULL ||
                 (a->out.swarm != NULL &&
                  (a->weight > b->weight ||
                   (a->weight == b->weight && a->age >= b->age)));

    return first ? *a : *b;
}

static struct heavy weigh(const struct peer_store *s, struct peer_swarm *w,
                          struct peer_at at, struct peer_clock clock)
{
    enum family f = at.family;
    const uint8_t *record = record_at(&w->of[f], f, at.i);
    struct endpoint source = record_source(record, f);
    struct heavy h = {.out = {.swarm = w, .at = at},
                      .weight = UINT32_MAX,
                      .age = record_age(record, f, clock)};

    if (!record_is_expired(record, f, clock))
        h.weight = peer_sources_weight(s, &source, 0)
                   << store_far(s->home, &w->hash, f);
    return h;
}

/* The nth of both families together. */
static struct peer_at nth(const struct peer_swarm *w, unsigned n)
{
    unsigned first = w->of[FAMILY_IPV4].count;

    if (n < first)
        return (struct peer_at){true, FAMILY_IPV4, n};
    return (struct peer_at){true, FAMILY_IPV6, n - first};
}

/* Of `looks` peers the heaviest, or all of the hash as its lightest. */
static struct heavy weigh_swarm(const struct peer_store *s,
                                struct peer_swarm *w, unsigned looks, bool all,
                                struct peer_clock clock)
{
    unsigned count = peer_swarm_count(w);
    struct heavy best = {.weight = 0};
    struct heavy hash = {.out = {.swarm = w, .all = true},
                         .weight = UINT32_MAX,
                         .age = UINT32_MAX};

    if (looks > count)
        looks = count;
    for (unsigned i = 0; i < looks; i++) {
        unsigned n =
            (unsigned)((s->hand + (uint64_t)i * count / looks) % count);
        struct heavy h = weigh(s, w, nth(w, n), clock);

        best = heavier(&best, &h);
        hash.weight = h.weight < hash.weight ? h.weight : hash.weight;
        hash.age = h.age < hash.age ? h.age : hash.age;
    }
    return all ? hash : best;
}

/* A peer, or a hash, anywhere in the store. */
static struct heavy look(struct peer_store *s, bool all,
                         struct peer_clock clock)
{
    unsigned chains = s->chain_count < LOOK_CHAINS ? s->chain_count
                                                   : LOOK_CHAINS;
    struct heavy best = {.weight = 0};
    unsigned left = LOOK;

    for (; chains > 0 && left > 0; chains--) {
        s->hand++;
        for (struct peer_swarm *w = s->chains[s->hand & (s->chain_count - 1)];
             w != NULL && left > 0; w = w->next) {
            unsigned count = peer_swarm_count(w);
            unsigned looks = count < LOOK_SWARM ? count : LOOK_SWARM;
            struct heavy h;

            if (looks > left)
                looks = left;
            h = weigh_swarm(s, w, looks, all, clock);
            best = heavier(&best, &h);
            left -= looks;
        }
    }
    return best;
}

/* ---- And the newcomer ---------------------------------------------------- */

struct newcomer {
    unsigned has, will_have; /* weights */
};

static struct newcomer weigh_newcomer(const struct peer_store *s,
                                      const struct id *hash,
                                      const struct endpoint *source)
{
    unsigned far = store_far(s->home, hash, (enum family)source->family);

    return (struct newcomer){peer_sources_weight(s, source, 0) << far,
                             peer_sources_weight(s, source, 1) << far};
}

/* As shares_yields does: who renews every 12 to 15 minutes has gone when half
 * of the lifetime has passed without. */
static bool yields(const struct heavy *h, const struct newcomer *new,
                   struct peer_clock clock)
{
    return h->out.swarm != NULL &&
           (h->weight > new->will_have ||
            (h->weight >= new->has && h->age > clock.limit / 2u));
}

/* The one that was found last, as it is now. */
static struct heavy next_out(const struct peer_store *s, bool all,
                             struct peer_clock clock)
{
    const struct peer_out *out = &s->next_out;

    if (out->swarm == NULL || out->all != all)
        return (struct heavy){.weight = 0};
    if (all)
        return weigh_swarm(s, out->swarm, LOOK_SWARM, true, clock);
    return weigh(s, out->swarm, out->at, clock);
}

static bool find_heaviest(struct peer_store *s, bool all, const struct id *hash,
                          const struct endpoint *source, uint64_t now,
                          struct peer_out *out)
{
    struct newcomer new = weigh_newcomer(s, hash, source);
    struct peer_clock clock = peer_clock_of(s, now);
    struct heavy h = next_out(s, all, clock);

    if (!yields(&h, &new, clock) &&
        (h.out.swarm == NULL || now >= s->look_at)) {
        h = look(s, all, clock);
        s->next_out = h.out;
        s->look_at = time_after(now, LOOK_PAUSE);
    }
    *out = h.out;
    return yields(&h, &new, clock);
}

/* Within a hash that is full: of who has as much as the newcomer or more, or
 * the newcomer's own. */
static bool find_in_swarm(const struct peer_store *s, struct peer_swarm *w,
                          const struct endpoint *source,
                          struct peer_clock clock, struct peer_out *out)
{
    unsigned far = store_far(s->home, &w->hash, (enum family)source->family);
    struct heavy h = weigh_swarm(s, w, LOOK, false, clock);

    *out = h.out;
    if (h.out.swarm != NULL && h.weight >= peer_sources_weight(s, source, 1)
                                               << far)
        return true;
    *out = (struct peer_out){
        .swarm = w, .at = peer_swarm_oldest(w, source, SOURCE_HOST, clock)};
    return out->at.found;
}

/* ---- Room ---------------------------------------------------------------- */

/* At which level the source has all that it may have, or SOURCE_LEVELS. */
static enum source_level full_level(const struct peer_store *s,
                                    const struct endpoint *source)
{
    const struct peer_store_config *c = &s->config;
    unsigned counts[SOURCE_LEVELS];
    int level = SOURCE_HOST;

    peer_sources_count(s, source, counts);
    while (level < SOURCE_LEVELS &&
           (!source_counts(source, level) ||
            counts[level] <
                source_allowance(level, c->max_per_source, c->max_peers)))
        level++;
    return level;
}

/* Whether it needs a hash to go, not a peer. */
static bool needs_hash(const struct peer_store *s, const struct peer_swarm *w)
{
    return w == NULL && s->hashes >= s->config.max_hashes;
}

static bool is_full(const struct peer_store *s, const struct peer_swarm *w)
{
    return s->peers >= s->config.max_peers || needs_hash(s, w);
}

static bool find_own(struct peer_swarm *w, const struct endpoint *source,
                     enum source_level level, struct peer_clock clock,
                     struct peer_out *out)
{
    *out = (struct peer_out){.swarm = NULL};
    if (w == NULL)
        return false;
    out->swarm = w;
    out->at = peer_swarm_oldest(w, source, level, clock);
    return out->at.found;
}

bool peer_room_find(struct peer_store *s, struct peer_swarm *w,
                    const struct id *hash, const struct endpoint *source,
                    uint64_t now, struct peer_out *out)
{
    struct peer_clock clock = peer_clock_of(s, now);
    enum source_level level = full_level(s, source);

    *out = (struct peer_out){.swarm = NULL};
    if (level < SOURCE_LEVELS)
        return find_own(w, source, level, clock, out);
    if (w != NULL && peer_swarm_count(w) >= s->config.max_per_hash)
        return find_in_swarm(s, w, source, clock, out);
    if (!is_full(s, w))
        return true;
    return find_heaviest(s, needs_hash(s, w), hash, source, now, out) ||
           (w != NULL && find_in_swarm(s, w, source, clock, out));
}

bool peer_room_is_there(struct peer_store *s, const struct id *hash,
                        const struct endpoint *source, uint64_t now)
{
    struct peer_swarm *w = peer_store_find(s, hash);
    enum source_level level = full_level(s, source);
    struct peer_out out;

    if (level < SOURCE_LEVELS)
        return find_own(w, source, level, peer_clock_of(s, now), &out);
    return w != NULL || !is_full(s, w) ||
           find_heaviest(s, needs_hash(s, w), hash, source, now, &out);
}

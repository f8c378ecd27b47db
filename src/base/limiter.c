/* SPDX-License-Identifier: MIT
 *
 * Token buckets by the generic cell rate algorithm (GCRA, ITU-T I.371, in its
 * virtual scheduling form), and a set-associative table of them: the hash of a
 * source chooses a group of slots, in any of which its bucket may lie. A slot
 * whose bucket is full again counts as unused. The table doubles while the
 * group of a new source has no unused slot; at the cap the bucket of the group
 * that is full soonest is forgotten.
 */
#include "base/limiter.h"
#include "base/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Slots that one source can be in: two cache lines. */
#define WAYS 8

/* The rate over all is not made less than this part of what is configured. */
#define LEAST_PART 64

struct limiter_slot {
    uint64_t hash; /* odd: a host's */
    struct token_bucket bucket;
};

struct token_rate token_rate_of(unsigned per_second, unsigned burst)
{
    struct token_rate rate;

    assert(per_second > 0 && burst > 0);
    rate.interval = TIME_S / per_second;
    if (rate.interval == 0)
        rate.interval = 1;
    rate.depth = rate.interval * (burst - 1);
    return rate;
}

bool token_bucket_has(const struct token_bucket *b,
                      const struct token_rate *rate, uint64_t now)
{
    return b->full_at <= now || b->full_at - now <= rate->depth;
}

bool token_bucket_take(struct token_bucket *b, const struct token_rate *rate,
                       uint64_t now)
{
    if (!token_bucket_has(b, rate, now))
        return false;
    b->full_at =
        time_after(b->full_at > now ? b->full_at : now, rate->interval);
    return true;
}

void limiter_init(struct limiter *l, const struct limiter_config *config,
                  const struct random_source *random)
{
    *l = (struct limiter){0};
    random->fill(random->ctx, l->key, sizeof(l->key));
    limiter_configure(l, config);
}

void limiter_deinit(struct limiter *l)
{
    free(l->slots);
    sodium_memzero(l, sizeof(*l));
}

void limiter_configure(struct limiter *l, const struct limiter_config *config)
{
    assert(config->max_sources > 0);
    free(l->slots);
    l->slots = NULL;
    l->groups = 0;
    l->all = l->known = (struct token_bucket){0};
    l->full_rate = token_rate_of(config->rate, config->burst);
    l->all_rate = l->full_rate;
    for (int level = 0; level < SOURCE_LEVELS; level++)
        l->source_rate[level] = token_rate_of(
            source_allowance(level, config->source_rate, config->rate),
            source_allowance(level, config->source_burst, config->burst));
    l->max_sources = config->max_sources;
    l->ways = config->max_sources < WAYS ? config->max_sources : WAYS;
}

void limiter_load(struct limiter *l, unsigned load)
{
    uint64_t interval = l->all_rate.interval;

    if (load > LIMITER_LOAD_MAX / 4 * 3)
        interval += interval / 3 + 1;
    else if (load < LIMITER_LOAD_MAX / 2)
        interval -= interval / 4;
    if (interval < l->full_rate.interval)
        interval = l->full_rate.interval;
    if (interval > l->full_rate.interval * LEAST_PART)
        interval = l->full_rate.interval * LEAST_PART;
    /* As many seconds of it may come at once as before. */
    l->all_rate.interval = interval;
}

/* Its lowest bit tells hosts from the rest. */
static uint64_t hash_source(const struct limiter *l,
                            const struct endpoint *source,
                            enum source_level level)
{
    return (source_hash(source, level, l->key) & ~UINT64_C(1)) |
           (level == SOURCE_HOST);
}

/* The upper half of the hash, scaled to the number of groups. */
static struct limiter_slot *group_of(struct limiter_slot *slots,
                                     unsigned groups, unsigned ways,
                                     uint64_t hash)
{
    return slots + (hash >> 32) * groups / (UINT64_C(1) << 32) * ways;
}

/* The slot of `hash` in its group, else the one whose bucket is full soonest
 * or has been for longest. */
static struct limiter_slot *find_slot(struct limiter_slot *group, unsigned ways,
                                      uint64_t hash)
{
    struct limiter_slot *oldest = group;

    for (unsigned i = 0; i < ways; i++) {
        if (group[i].hash == hash)
            return &group[i];
        if (group[i].bucket.full_at < oldest->bucket.full_at)
            oldest = &group[i];
    }
    return oldest;
}

static void rehash(const struct limiter *l, struct limiter_slot *to,
                   unsigned groups)
{
    for (unsigned i = 0; i < l->groups * l->ways; i++) {
        const struct limiter_slot *from = &l->slots[i];

        if (from->bucket.full_at != 0)
            *find_slot(group_of(to, groups, l->ways, from->hash), l->ways,
                       from->hash) = *from;
    }
}

/* Twice as many groups, or as many as the cap allows; what was in a slot finds
 * another. False at the cap and out of memory. */
static bool grow(struct limiter *l)
{
    unsigned most = l->max_sources / l->ways;
    unsigned groups = l->groups == 0 ? 1 : 2 * l->groups;
    struct limiter_slot *slots;

    if (groups > most)
        groups = most;
    if (groups == l->groups)
        return false;
    slots = calloc((size_t)groups * l->ways, sizeof(*slots));
    if (slots == NULL)
        return false;
    rehash(l, slots, groups);
    free(l->slots);
    l->slots = slots;
    l->groups = groups;
    return true;
}

/* The bucket of a source. One that is new gets a slot whose bucket is full
 * again; the table grows until there is one, or it can grow no more. NULL only
 * when there is no memory for the first source. */
static struct token_bucket *bucket_of(struct limiter *l, uint64_t hash,
                                      uint64_t now)
{
    struct limiter_slot *slot = NULL;

    do {
        if (l->groups > 0)
            slot = find_slot(group_of(l->slots, l->groups, l->ways, hash),
                             l->ways, hash);
    } while (
        (slot == NULL || (slot->hash != hash && slot->bucket.full_at > now)) &&
        grow(l));
    if (slot == NULL)
        return NULL;
    if (slot->hash != hash)
        *slot = (struct limiter_slot){.hash = hash};
    return &slot->bucket;
}

/* The narrow ones first: who is refused as a host takes nothing from those who
 * share a wider source with him. */
static bool take_of_source(struct limiter *l, const struct endpoint *source,
                           uint64_t now)
{
    for (int level = 0; level < SOURCE_LEVELS; level++) {
        struct token_bucket *bucket;

        if (!source_counts(source, level))
            continue;
        bucket = bucket_of(l, hash_source(l, source, level), now);
        if (bucket != NULL &&
            !token_bucket_take(bucket, &l->source_rate[level], now))
            return false;
    }
    return true;
}

static bool allow(struct limiter *l, const struct endpoint *source,
                  struct token_bucket *all, uint64_t now)
{
    return token_bucket_has(all, &l->all_rate, now) &&
           take_of_source(l, source, now) &&
           token_bucket_take(all, &l->all_rate, now);
}

bool limiter_allow(struct limiter *l, const struct endpoint *source,
                   uint64_t now)
{
    return allow(l, source, &l->all, now);
}

bool limiter_allow_known(struct limiter *l, const struct endpoint *source,
                         uint64_t now)
{
    bool from_all = token_bucket_has(&l->all, &l->all_rate, now);

    return allow(l, source, from_all ? &l->all : &l->known, now);
}

unsigned limiter_sources(const struct limiter *l, uint64_t now)
{
    unsigned count = 0;

    for (unsigned i = 0; i < l->groups * l->ways; i++)
        count += (l->slots[i].hash & 1) != 0 &&
                 l->slots[i].bucket.full_at > now;
    return count;
}

size_t limiter_memory(const struct limiter *l)
{
    return (size_t)l->groups * l->ways * sizeof(*l->slots);
}

/* All of it while there are few slots; then nobody knows which. */
void limiter_prefetch(const struct limiter *l)
{
    size_t bytes = (size_t)l->groups * l->ways * sizeof(struct limiter_slot);

    if (bytes <= 1024)
        bytes_prefetch(l->slots, bytes);
}

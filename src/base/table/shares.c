/* SPDX-License-Identifier: MIT
 *
 * The counts: a table of open addressing with linear probing, at most three
 * quarters full; what is removed is filled from behind (Knuth, TAOCP 3, 6.4,
 * algorithm R), so that there are no marks to clear away.
 */
#include "base/table/shares.h"

#include "base/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define FIRST_CAP 16 /* a power of two */

struct share {
    uint64_t hash;
    uint32_t count; /* 0: free */
};

void shares_init(struct shares *s, const struct random_source *random)
{
    *s = (struct shares){0};
    random->fill(random->ctx, s->key, sizeof(s->key));
}

void shares_deinit(struct shares *s)
{
    free(s->slots);
    sodium_memzero(s, sizeof(*s));
}

/* Its slot, or the free one where it would go. */
static struct share *find(struct share *slots, size_t cap, uint64_t hash)
{
    size_t i = hash & (cap - 1);

    while (slots[i].count != 0 && slots[i].hash != hash)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

/* Room for one more of each level. */
static enum error grow(struct shares *s)
{
    size_t cap = s->cap == 0 ? FIRST_CAP : 2 * s->cap;
    struct share *slots;

    if (4 * (s->used + SOURCE_LEVELS) <= 3 * s->cap)
        return OK;
    slots = calloc(cap, sizeof(*slots));
    if (slots == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < s->cap; i++) {
        if (s->slots[i].count != 0)
            *find(slots, cap, s->slots[i].hash) = s->slots[i];
    }
    free(s->slots);
    s->slots = slots;
    s->cap = cap;
    return OK;
}

enum error shares_add(struct shares *s, const struct endpoint *ep)
{
    enum error e = grow(s);

    if (e != OK)
        return e;
    for (int level = 0; level < SOURCE_LEVELS; level++) {
        struct share *share;
        uint64_t hash;

        if (!source_counts(ep, level))
            continue;
        hash = source_hash(ep, level, s->key);
        share = find(s->slots, s->cap, hash);
        s->used += share->count == 0;
        share->hash = hash;
        share->count++;
    }
    return OK;
}

/* Empties a slot and moves those up that were pushed behind it. */
static void empty(struct shares *s, struct share *share)
{
    size_t hole = (size_t)(share - s->slots), mask = s->cap - 1;

    for (size_t i = (hole + 1) & mask; s->slots[i].count != 0;
         i = (i + 1) & mask) {
        size_t home = s->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            s->slots[hole] = s->slots[i];
            hole = i;
        }
    }
    s->slots[hole].count = 0;
    s->used--;
}

void shares_remove(struct shares *s, const struct endpoint *ep)
{
    for (int level = 0; level < SOURCE_LEVELS; level++) {
        struct share *share;

        if (!source_counts(ep, level))
            continue;
        share = find(s->slots, s->cap, source_hash(ep, level, s->key));
        assert(share->count > 0);
        if (share->count > 1)
            share->count--;
        else
            empty(s, share);
    }
    if (s->used == 0) {
        free(s->slots);
        s->slots = NULL;
        s->cap = 0;
    }
}

unsigned shares_count(const struct shares *s, const struct endpoint *ep,
                      enum source_level level)
{
    if (s->cap == 0)
        return 0;
    while (!source_counts(ep, level))
        level--;
    return find(s->slots, s->cap, source_hash(ep, level, s->key))->count;
}

unsigned shares_weight(const struct shares *s, const struct endpoint *ep,
                       unsigned more)
{
    unsigned most = 0;

    for (int level = 0; level < SOURCE_LEVELS; level++) {
        unsigned weight;

        if (!source_counts(ep, level))
            continue;
        weight = source_weight(level, shares_count(s, ep, level) + more);
        if (weight > most)
            most = weight;
    }
    return most;
}

static unsigned weight_of(const struct shares *s, const struct holding *h,
                          unsigned more)
{
    return shares_weight(s, &h->source, more) << h->doubled;
}

/* What a newcomer weighs: now, and with the entry that is to be added. */
struct newcomer {
    unsigned has, will_have;
};

static struct newcomer weigh(const struct shares *s,
                             const struct holding *newcomer)
{
    return (struct newcomer){weight_of(s, newcomer, 0),
                             weight_of(s, newcomer, 1)};
}

static bool yields(const struct holding *entry, unsigned weight,
                   struct newcomer newcomer, uint64_t idle, uint64_t now)
{
    return weight > newcomer.will_have ||
           (weight >= newcomer.has && time_since(entry->used_at, now) >= idle);
}

bool shares_yields(const struct shares *s, const struct holding *entry,
                   const struct holding *newcomer, uint64_t idle, uint64_t now)
{
    return yields(entry, weight_of(s, entry, 0), weigh(s, newcomer), idle, now);
}

/* An entry that may have to go. */
struct candidate {
    size_t place;
    unsigned weight;
    uint64_t used_at;
};

/* What a look has found. */
struct looked {
    struct candidate at[SHARES_LOOK];
    size_t count;
};

/* Of the next SHARES_LOOK entries those that make way for the newcomer; NULL:
 * all of them. */
static void look(struct shares *s, const struct newcomer *newcomer,
                 size_t places, holding_fn *tell, const void *table,
                 uint64_t idle, uint64_t now, struct looked *out)
{
    size_t left = places < SHARES_LOOK ? places : SHARES_LOOK;

    out->count = 0;
    for (; left > 0; left--) {
        struct holding h = {.used_at = 0};
        unsigned weight;

        s->hand = s->hand + 1 < places ? s->hand + 1 : 0;
        if (!tell(table, s->hand, &h))
            continue;
        weight = weight_of(s, &h, 0);
        if (newcomer == NULL || yields(&h, weight, *newcomer, idle, now))
            out->at[out->count++] =
                (struct candidate){s->hand, weight, h.used_at};
    }
}

/* The one unused for longest: of the heaviest alone, or of those who weigh at
 * least half as much. */
static size_t choose(const struct looked *l, bool heaviest)
{
    struct candidate best = {.place = SIZE_MAX, .used_at = TIME_NEVER};
    unsigned most = 0, least;

    for (size_t i = 0; i < l->count; i++) {
        if (l->at[i].weight > most)
            most = l->at[i].weight;
    }
    least = heaviest ? most : most - most / 2;
    for (size_t i = 0; i < l->count; i++) {
        if (l->at[i].weight >= least &&
            (best.place == SIZE_MAX || l->at[i].used_at < best.used_at))
            best = l->at[i];
    }
    return best.place;
}

size_t shares_heaviest(struct shares *s, size_t places, holding_fn *tell,
                       const void *table)
{
    struct looked l;

    look(s, NULL, places, tell, table, 0, 0, &l);
    return choose(&l, true);
}

size_t shares_make_way(struct shares *s, const struct endpoint *newcomer,
                       size_t places, holding_fn *tell, const void *table,
                       uint64_t idle, uint64_t now)
{
    const struct holding new = {.source = *newcomer};
    struct newcomer weights = weigh(s, &new);
    struct looked l;

    look(s, &weights, places, tell, table, idle, now, &l);
    return choose(&l, false);
}

size_t shares_memory(const struct shares *s)
{
    return s->cap * sizeof(*s->slots);
}

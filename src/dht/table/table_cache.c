/* SPDX-License-Identifier: MIT
 *
 * The replacement cache of a bucket: candidates, the worst of which goes for
 * one that is better.
 */
#include "dht/table/table_bucket.h"

#include <assert.h>
#include <stdlib.h>

bool table_reserve(struct contact **at, uint8_t count, uint8_t *cap)
{
    uint8_t want = *cap == 0 ? 2 : (uint8_t)(2 * *cap);
    struct contact *grown;

    if (count < *cap)
        return true;
    assert(want <= DHT_K);
    grown = realloc(*at, want * sizeof(*grown));
    if (grown == NULL)
        return false;
    *at = grown;
    *cap = want;
    return true;
}

void table_ping_soon(struct table *t, uint64_t now)
{
    t->ping_at = time_min(t->ping_at, now);
}

struct contact *table_find_bad(const struct table_bucket *b)
{
    for (unsigned i = 0; i < b->live_count; i++) {
        if (b->live[i].fails >= CONTACT_BAD_FAILS)
            return &b->live[i];
    }
    return NULL;
}

void table_drop_candidate(struct table *t, struct table_bucket *b,
                          struct contact *c)
{
    *c = b->cache[--b->cache_count];
    t->cached--;
}

/* The candidate to give up for another: one that is not good, the longest
 * not seen. */
static struct contact *worst_candidate(const struct table_bucket *b,
                                       uint64_t now)
{
    uint32_t tick = contact_tick(now);
    struct contact *worst = NULL;
    uint64_t worst_rank = 0;

    for (unsigned i = 0; i < b->cache_count; i++) {
        struct contact *c = &b->cache[i];
        bool good = contact_quality(c, now) == DHT_GOOD;
        uint64_t rank = (uint64_t)!good << 32 |
                        contact_age(contact_seen(c, tick), tick);

        if (worst == NULL || rank > worst_rank) {
            worst = c;
            worst_rank = rank;
        }
    }
    return worst;
}

/* A place in the cache: an unused one, or that of somebody worse. */
static struct contact *candidate_place(struct table *t, struct table_bucket *b,
                                       bool answered, uint64_t now)
{
    if (b->cache_count == DHT_K) {
        struct contact *worst = worst_candidate(b, now);

        if (!answered && contact_quality(worst, now) == DHT_GOOD)
            return NULL;
        return worst;
    }
    if (!table_reserve(&b->cache, b->cache_count, &b->cache_cap))
        return NULL;
    t->cached++;
    return &b->cache[b->cache_count++];
}

struct contact *table_find_conflict(const struct table *t, struct contact *at,
                                    unsigned count, const struct contact *c)
{
    for (unsigned i = 0; i < count; i++) {
        if (contact_conflicts(&at[i], c->port, c->addr, t->testing))
            return &at[i];
    }
    return NULL;
}

/* The table is asked for a ping only where one could bring it in: by room, by
 * a split, by a bad contact; or where it is the first that may take the place
 * of a questionable one. */
bool table_add_candidate(struct table *t, struct table_bucket *b,
                         const struct contact *c, uint64_t now)
{
    bool answered = c->last_answer != 0;
    struct contact *place;

    if (table_find_conflict(t, b->live, b->live_count, c) != NULL)
        return false;
    place = table_find_conflict(t, b->cache, b->cache_count, c);
    if (place == NULL)
        place = candidate_place(t, b, answered, now);
    else if (!answered)
        return false;
    if (place == NULL)
        return false;
    *place = *c;
    if (b->cache_count == 1 || b->live_count < DHT_K ||
        b == &t->buckets[t->bucket_count - 1] || table_find_bad(b) != NULL)
        table_ping_soon(t, now);
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * The replacement cache of a bucket: candidates, the worst of which goes for
 * one that is better.
 */
#include "dht/table/table_bucket.h"

void table_ping_soon(struct table *t, struct table_bucket *b, uint64_t now)
{
    b->ping_at = 0;
    t->ping_at = time_min(t->ping_at, now);
}

bool table_gives_way(const struct table *t, unsigned i,
                     const struct endpoint *ep)
{
    return t->states[i].fails >= CONTACT_BAD_FAILS ||
           (t->ids == NODE_ID_LENIENT && table_is_at(t, i, ep));
}

unsigned table_find_bad(const struct table *t, const struct table_bucket *b)
{
    unsigned bad = TABLE_NOBODY;

    for (unsigned i = b->first; i < table_cache_of(b); i++) {
        if (t->states[i].fails < CONTACT_BAD_FAILS)
            continue;
        bad = i;
        if (t->ids != NODE_ID_LENIENT || t->states[i].misfit)
            break;
    }
    return bad;
}

/* The candidate to give up for another: one that is not good, whose id does not
 * fit where that counts, the longest not seen. */
static unsigned worst_candidate(const struct table *t,
                                const struct table_bucket *b, uint64_t now)
{
    uint32_t tick = contact_tick(now);
    unsigned worst = TABLE_NOBODY;
    uint64_t worst_rank = 0;

    for (unsigned i = table_cache_of(b); i < table_end_of(b); i++) {
        const struct contact_state *c = &t->states[i];
        bool good = contact_quality(c, now) == DHT_GOOD;
        uint64_t rank = (uint64_t)!good << 33 | (uint64_t)c->misfit << 32 |
                        contact_age(contact_seen(c, tick), tick);

        if (worst == TABLE_NOBODY || rank > worst_rank) {
            worst = i;
            worst_rank = rank;
        }
    }
    return worst;
}

/* A place in the cache: a new one, or that of somebody worse. */
static unsigned candidate_place(struct table *t, struct table_bucket *b,
                                const struct contact *c, uint64_t now)
{
    bool answered = c->state.last_answer != 0;
    unsigned worst;

    if (b->cache_count < DHT_K)
        return table_reserve(t) ? table_insert(t, b, false) : TABLE_NOBODY;
    worst = worst_candidate(t, b, now);
    if (!answered && (contact_quality(&t->states[worst], now) == DHT_GOOD ||
                      (c->state.misfit && !t->states[worst].misfit)))
        return TABLE_NOBODY;
    return worst;
}

unsigned table_find_conflict(const struct table *t, unsigned from, unsigned to,
                             const struct endpoint *ep)
{
    uint32_t tag = endpoint_tag(ep);

    for (unsigned i = from; i < to; i++) {
        if (t->addrs[i] == tag && table_conflicts(t, i, ep))
            return i;
    }
    return TABLE_NOBODY;
}

/* The table is asked for a ping only where one could bring it in: by room, by
 * a split, by a bad contact; or where it is the first that may take the place
 * of a questionable one. */
bool table_add_candidate(struct table *t, struct table_bucket *b,
                         const struct contact *c, uint64_t now)
{
    unsigned live = table_find_conflict(t, b->first, table_cache_of(b), &c->ep);
    unsigned place =
        table_find_conflict(t, table_cache_of(b), table_end_of(b), &c->ep);

    if (live != TABLE_NOBODY && !table_gives_way(t, live, &c->ep))
        return false;
    if (place == TABLE_NOBODY)
        place = candidate_place(t, b, c, now);
    else if (c->state.last_answer == 0)
        return false;
    if (place == TABLE_NOBODY)
        return false;
    table_write(t, place, c);
    if (b->cache_count == 1 || b->live_count < DHT_K ||
        b == &t->buckets[t->bucket_count - 1] ||
        table_find_bad(t, b) != TABLE_NOBODY)
        table_ping_soon(t, b, now);
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * What is to be done about a table: the next ping, the next refresh, who was
 * silent for longest. `ping_at` and `refresh_at` keep a table that has nothing
 * to do from being looked at, those of its buckets (table_bucket.h) a bucket.
 */
#include "dht/table/table_bucket.h"

#include <string.h>

static uint32_t ticks_of(uint64_t duration)
{
    return (uint32_t)(duration >> CONTACT_TICK_SHIFT);
}

/* When the tick that lies `ticks` ahead begins. */
static uint64_t ticks_ahead(uint64_t now, uint32_t ticks)
{
    return ((now >> CONTACT_TICK_SHIFT) + ticks) << CONTACT_TICK_SHIFT;
}

/* Ticks until `age` reaches `limit`. */
static uint32_t until(uint32_t age, uint32_t limit)
{
    return age >= limit ? 0 : limit - age;
}

/* Ticks from `tick` until `at`; 0 when that is over, or `at` is 0. */
static uint32_t wait_for(uint32_t at, uint32_t tick)
{
    uint32_t wait = at - tick;

    return at == 0 || wait > UINT32_MAX / 2 ? 0 : wait;
}

/* A full bucket that may split has room for a candidate when its contacts do
 * not all share as many bits with us as the candidate does. */
static bool fits_after_split(const struct table *t,
                             const struct table_bucket *b, unsigned candidate)
{
    int bits;

    if (b != &t->buckets[t->bucket_count - 1])
        return false;
    bits = id_common_bits(&t->self, &table_card(t, candidate)->id);
    for (unsigned i = b->first; i < table_cache_of(b); i++) {
        if (id_common_bits(&t->self, &table_card(t, i)->id) != bits)
            return true;
    }
    return false;
}

/* A candidate that was not asked of late: one whose id fits first, where that
 * counts, then a good one, then the one heard of last. `wait` becomes the ticks
 * until there is one. With `split` only those for which a split would make
 * room. */
static unsigned candidate_to_ping(const struct table *t,
                                  const struct table_bucket *b, bool split,
                                  uint64_t now, uint32_t *wait)
{
    uint32_t tick = contact_tick(now);
    unsigned best = TABLE_NOBODY;
    uint64_t best_rank = 0;

    *wait = UINT32_MAX;
    for (unsigned i = table_cache_of(b); i < table_end_of(b); i++) {
        const struct contact_state *c = &t->states[i];
        uint32_t left = until(contact_age(c->last_asked, tick),
                              ticks_of(TABLE_PING_CONTACT));
        bool good = contact_quality(c, now) == DHT_GOOD;
        uint64_t rank = (uint64_t)c->misfit << 33 | (uint64_t)!good << 32 |
                        contact_age(contact_seen(c, tick), tick);

        if (split && !fits_after_split(t, b, i))
            continue;
        if (left < *wait)
            *wait = left;
        if (left == 0 && (best == TABLE_NOBODY || rank < best_rank)) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}

/* Ticks until a contact may be pinged for being questionable. */
static uint32_t questionable_wait(const struct table_bucket *b,
                                  const struct contact_state *c, uint32_t tick)
{
    uint32_t wait =
        until(contact_age(c->last_asked, tick), ticks_of(TABLE_PING_CONTACT));
    uint32_t bucket =
        until(contact_age(b->pinged, tick), ticks_of(TABLE_PING_BUCKET));

    /* One that has begun to fail is followed up at once. */
    return c->fails > 0 || wait > bucket ? wait : bucket;
}

/* The least recently seen contact of a full bucket, once questionable. */
static unsigned live_to_ping(const struct table *t, struct table_bucket *b,
                             uint64_t now, uint32_t *wait)
{
    uint32_t tick = contact_tick(now);
    uint32_t oldest_age = 0;
    unsigned oldest = TABLE_NOBODY;

    for (unsigned i = b->first; i < table_cache_of(b); i++) {
        uint32_t age = contact_age(contact_seen(&t->states[i], tick), tick);

        if (oldest == TABLE_NOBODY || age > oldest_age) {
            oldest = i;
            oldest_age = age;
        }
    }
    *wait = until(oldest_age, CONTACT_FRESH_TICKS + 1);
    if (*wait > 0)
        return TABLE_NOBODY;
    *wait = questionable_wait(b, &t->states[oldest], tick);
    if (*wait > 0)
        return TABLE_NOBODY;
    b->pinged = tick;
    return oldest;
}

/* Whom to ping in this bucket; else TABLE_NOBODY, and the ticks until somebody
 * is. */
static unsigned bucket_ping(const struct table *t, struct table_bucket *b,
                            uint64_t now, uint32_t *wait)
{
    bool full = b->live_count == DHT_K && table_find_bad(t, b) == TABLE_NOBODY;
    unsigned i = candidate_to_ping(t, b, full, now, wait);
    uint32_t live_wait = UINT32_MAX;

    if (i == TABLE_NOBODY && full)
        i = live_to_ping(t, b, now, &live_wait);
    if (live_wait < *wait)
        *wait = live_wait;
    return i;
}

bool table_next_ping(struct table *t, uint64_t now, struct contact *out)
{
    uint32_t tick = contact_tick(now), next = UINT32_MAX;

    if (t->cached == 0 || now < t->ping_at || now < t->ping_floor)
        return false;
    /* Nearest to us first: those buckets have the most to lose. */
    for (unsigned i = t->bucket_count; i-- > 0;) {
        struct table_bucket *b = &t->buckets[i];
        uint32_t wait = wait_for(b->ping_at, tick);
        unsigned found = TABLE_NOBODY;

        if (b->cache_count == 0)
            continue;
        if (wait == 0)
            found = bucket_ping(t, b, now, &wait);
        if (found != TABLE_NOBODY) {
            t->states[found].last_asked = tick;
            t->ping_floor = time_after(now, TABLE_PING_ANY);
            *out = table_read(t, found);
            return true;
        }
        b->ping_at = tick + wait;
        if (wait < next)
            next = wait;
    }
    t->ping_at = next == UINT32_MAX ? TIME_NEVER : ticks_ahead(now, next);
    return false;
}

/* A random id in bucket `index`. */
static void random_target(const struct table *t, unsigned index,
                          const struct random_source *random, struct id *out)
{
    random->fill(random->ctx, out->b, ID_BYTES);
    for (unsigned i = 0; i < index; i++)
        id_set_bit(out, (int)i, id_bit(&t->self, (int)i));
    if (index + 1 < t->bucket_count)
        id_set_bit(out, (int)index, !id_bit(&t->self, (int)index));
}

bool table_refresh_due(struct table *t, const struct random_source *random,
                       uint64_t now, struct id *target)
{
    uint32_t tick = contact_tick(now);
    uint32_t soonest = UINT32_MAX;

    if (t->live == 0 || now < t->refresh_at)
        return false;
    for (unsigned i = 0; i < t->bucket_count; i++) {
        struct table_bucket *b = &t->buckets[i];
        uint32_t wait =
            until(contact_age(b->touched, tick), ticks_of(t->refresh));

        if (wait == 0) {
            b->touched = tick;
            random_target(t, i, random, target);
            return true;
        }
        if (wait < soonest)
            soonest = wait;
    }
    t->refresh_at = ticks_ahead(now, soonest);
    return false;
}

uint64_t table_next_deadline(const struct table *t)
{
    uint64_t ping = t->ping_at > t->ping_floor ? t->ping_at : t->ping_floor;

    if (t->cached == 0)
        ping = TIME_NEVER;
    return t->live == 0 ? ping : time_min(ping, t->refresh_at);
}

/* Ticks since a live contact was last heard of, as table_stalest counts. */
static uint32_t silence_of(const struct contact_state *c, uint32_t tick)
{
    uint32_t answered = contact_age(c->last_answer, tick);
    uint32_t heard = contact_age(c->last_heard, tick);

    return heard < answered && c->fails == 0 ? heard : answered;
}

/* The live contact of a bucket that was silent for longest; those of `b` are
 * never none. What it finds is noted in the bucket. */
static unsigned stalest_in(const struct table *t, struct table_bucket *b,
                           uint32_t tick, uint32_t *silence)
{
    unsigned stalest = b->first;

    *silence = silence_of(&t->states[stalest], tick);
    for (unsigned i = b->first + 1U; i < table_cache_of(b); i++) {
        uint32_t i_silence = silence_of(&t->states[i], tick);

        if (i_silence > *silence) {
            *silence = i_silence;
            stalest = i;
        }
    }
    b->heard = tick - *silence;
    return stalest;
}

/* The first bucket that may have the stalest contact; NULL: none has one. */
static struct table_bucket *stalest_bucket(const struct table *t, uint32_t tick)
{
    struct table_bucket *stalest = NULL;
    uint32_t most = 0;

    for (unsigned i = 0; i < t->bucket_count; i++) {
        struct table_bucket *b = &t->buckets[i];
        uint32_t silence = contact_age(b->heard, tick);

        if (b->live_count > 0 && silence > most) {
            stalest = b;
            most = silence;
        }
    }
    return stalest;
}

/* A bucket is only looked into while none is known to have a staler contact. */
bool table_stalest(const struct table *t, uint64_t now, struct contact *out,
                   uint32_t *ticks)
{
    uint32_t tick = contact_tick(now), noted;
    struct table_bucket *b;
    unsigned i;

    do {
        b = stalest_bucket(t, tick);
        if (b == NULL)
            return false;
        noted = contact_age(b->heard, tick);
        i = stalest_in(t, b, tick, ticks);
    } while (*ticks != noted);
    *out = table_read(t, i);
    return true;
}

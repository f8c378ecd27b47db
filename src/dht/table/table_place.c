/* SPDX-License-Identifier: MIT
 *
 * Who is live, and in which bucket. A contact comes in by table_place, after
 * table_clear_way has seen to it that neither its id nor its address is
 * somebody else's; a full last bucket splits. table_rehome makes the table anew
 * under another id.
 */
#include "dht/table/table_bucket.h"

#include <assert.h>
#include <stdlib.h>

struct table_bucket *table_add_bucket(struct table *t, uint32_t touched)
{
    struct table_bucket *b;

    if (t->bucket_count == t->bucket_cap) {
        unsigned cap = t->bucket_cap + 4u;

        b = realloc(t->buckets, cap * sizeof(*b));
        if (b == NULL)
            return NULL;
        t->buckets = b;
        t->bucket_cap = (uint16_t)cap;
    }
    assert(t->buckets != NULL);
    b = &t->buckets[t->bucket_count++];
    *b = (struct table_bucket){.touched = touched};
    return b;
}

/* ---- Splitting --------------------------------------------------------- */

/* Contacts on their way from one bucket into two. */
struct pile {
    struct contact at[DHT_K];
    uint8_t count;
};

static void take(const struct table *t, unsigned from, unsigned count,
                 struct pile *pile)
{
    for (unsigned i = 0; i < count; i++)
        pile->at[i] = table_read(t, from + i);
    pile->count = (uint8_t)count;
}

/* Moves those that share more than `bits` bits with us: their bucket is the one
 * after it. */
static void move_near(const struct table *t, unsigned bits, struct pile *from,
                      struct pile *to)
{
    to->count = 0;
    for (unsigned i = 0; i < from->count;) {
        if ((unsigned)id_common_bits(&t->self, &from->at[i].id) > bits) {
            to->at[to->count++] = from->at[i];
            from->at[i] = from->at[--from->count];
        } else {
            i++;
        }
    }
}

static void lay(struct table *t, struct table_bucket *b, unsigned first,
                const struct pile *live, const struct pile *cache)
{
    b->first = (uint16_t)first;
    b->live_count = live->count;
    b->cache_count = cache->count;
    for (unsigned i = 0; i < live->count; i++)
        table_write(t, first + i, &live->at[i]);
    for (unsigned i = 0; i < cache->count; i++)
        table_write(t, first + live->count + i, &cache->at[i]);
}

/* Splits the last bucket; false, and nothing moved, at the most buckets and
 * without memory. */
static bool split(struct table *t)
{
    struct pile live, cache, near_live, near_cache;
    struct table_bucket *far, *near;
    unsigned last = t->bucket_count - 1u;

    if (t->bucket_count == TABLE_MAX_BUCKETS)
        return false;
    near = table_add_bucket(t, t->buckets[last].touched);
    if (near == NULL)
        return false;
    far = &t->buckets[last];
    take(t, far->first, far->live_count, &live);
    take(t, table_cache_of(far), far->cache_count, &cache);
    move_near(t, last, &live, &near_live);
    move_near(t, last, &cache, &near_cache);
    far->ping_at = far->heard = 0;
    lay(t, near, far->first, &near_live, &near_cache);
    lay(t, far, table_end_of(near), &live, &cache);
    return true;
}

/* ---- Placing ----------------------------------------------------------- */

void table_remove_live(struct table *t, struct table_bucket *b, unsigned i,
                       uint64_t now)
{
    assert(table_is_live(b, i));
    table_erase(t, b, i);
    if (b->cache_count > 0)
        table_ping_soon(t, b, now);
}

/* False when the subnet of `c` has as many as it may; then `victim` is a bad
 * one of them, or TABLE_NOBODY. */
static bool subnet_has_room(const struct table *t, const struct table_bucket *b,
                            const struct contact *c, unsigned *victim)
{
    unsigned count = 0;

    *victim = TABLE_NOBODY;
    if (t->ids == NODE_ID_ANY)
        return true;
    for (unsigned i = b->first; i < table_cache_of(b); i++) {
        if (!table_same_subnet(t, i, &c->ep))
            continue;
        count++;
        if (t->states[i].fails >= CONTACT_BAD_FAILS)
            *victim = i;
    }
    if (count < TABLE_SUBNET_MAX)
        *victim = TABLE_NOBODY;
    return count < TABLE_SUBNET_MAX;
}

static void fill(struct table *t, struct table_bucket *b,
                 const struct contact *c, uint64_t now)
{
    table_write(t, table_insert(t, b, true), c);
    b->touched = contact_tick(now);
    b->ping_at = 0; /* a full bucket pings others than one with room */
    b->heard = 0;
}

/* At whose cost: of a bad one of its subnet, if that has as many as it may; in
 * a full bucket of any bad one; else by a split, after which it is placed
 * anew. Who finds no place becomes a candidate. */
enum error table_place(struct table *t, const struct contact *c, uint64_t now,
                       enum table_change *change)
{
    struct table_bucket *b = table_bucket_of(t, &c->id);
    unsigned victim;

    if (b == NULL)
        b = table_add_bucket(t, contact_tick(now));
    if (b == NULL)
        return ERR_NO_MEMORY;
    *change = TABLE_REFUSED;
    if (!subnet_has_room(t, b, c, &victim) && victim == TABLE_NOBODY)
        return OK;
    if (victim == TABLE_NOBODY && b->live_count == DHT_K)
        victim = table_find_bad(t, b);
    if (victim != TABLE_NOBODY) {
        table_remove_live(t, b, victim, now);
        fill(t, b, c, now);
        *change = TABLE_REPLACED;
    } else if (b->live_count < DHT_K) {
        if (!table_reserve(t))
            return ERR_NO_MEMORY;
        fill(t, b, c, now);
        *change = TABLE_ADDED;
    } else if (b == &t->buckets[t->bucket_count - 1] && split(t)) {
        return table_place(t, c, now, change);
    } else if (table_add_candidate(t, b, c, now)) {
        *change = TABLE_CACHED;
    }
    return OK;
}

/* Of the live ones in all buckets; `in` gets its bucket. */
static unsigned find_address(const struct table *t, const struct endpoint *ep,
                             struct table_bucket **in)
{
    for (unsigned i = 0; i < t->bucket_count; i++) {
        struct table_bucket *b = &t->buckets[i];
        unsigned found =
            table_find_conflict(t, b->first, table_cache_of(b), ep);

        if (found != TABLE_NOBODY) {
            *in = b;
            return found;
        }
    }
    return TABLE_NOBODY;
}

/* First whoever has its id, then whoever has its address. */
bool table_clear_way(struct table *t, const struct contact *c, bool *cleared,
                     uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, &c->id);
    unsigned old =
        b == NULL ? TABLE_NOBODY
                  : table_number_of(t, b->first, table_cache_of(b), &c->id);

    *cleared = false;
    for (int i = 0; i < 2; i++) {
        if (old != TABLE_NOBODY && !table_gives_way(t, old, &c->ep))
            return false;
        if (old != TABLE_NOBODY) {
            table_remove_live(t, b, old, now);
            *cleared = true;
        }
        old = find_address(t, &c->ep, &b);
    }
    return old == TABLE_NOBODY;
}

/* ---- A new id ---------------------------------------------------------- */

/* A contact of the table before. Live ones come first, so that no candidate
 * takes the place of one. */
static enum error adopt(struct table *t, const struct contact *c, bool live,
                        uint64_t now)
{
    enum table_change change;
    struct table_bucket *b;

    if (id_equal(&c->id, &t->self))
        return OK;
    if (live)
        return table_place(t, c, now, &change);
    b = table_bucket_of(t, &c->id);
    if (b == NULL)
        b = table_add_bucket(t, contact_tick(now));
    if (b == NULL)
        return ERR_NO_MEMORY;
    if (table_number_of(t, table_cache_of(b), table_end_of(b), &c->id) ==
        TABLE_NOBODY)
        table_add_candidate(t, b, c, now);
    return OK;
}

static enum error adopt_all(struct table *t, const struct table *old, bool live,
                            uint64_t now)
{
    for (unsigned i = 0; i < old->bucket_count; i++) {
        const struct table_bucket *b = &old->buckets[i];
        unsigned from = live ? b->first : table_cache_of(b);
        unsigned to = live ? table_cache_of(b) : table_end_of(b);

        for (unsigned j = from; j < to; j++) {
            const struct contact c = table_read(old, j);
            enum error e = adopt(t, &c, live, now);

            if (e != OK)
                return e;
        }
    }
    return OK;
}

enum error table_rehome(struct table *t, const struct id *self, uint64_t now)
{
    struct table fresh;
    enum error e;

    table_init(&fresh, (enum family)t->family, self, (enum node_id_rule)t->ids,
               t->refresh, now);
    e = adopt_all(&fresh, t, true, now);
    if (e == OK)
        e = adopt_all(&fresh, t, false, now);
    if (e != OK) {
        table_deinit(&fresh);
        return e;
    }
    fresh.ping_floor = t->ping_floor;
    table_deinit(t);
    *t = fresh;
    return OK;
}

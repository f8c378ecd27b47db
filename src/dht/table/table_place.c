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

/* Moves those that share more than `from` bits with us: their bucket is the
 * one after it. */
static void move_far(const struct table *t, unsigned from, struct contact *at,
                     uint8_t *count, struct contact *to, uint8_t *to_count)
{
    for (unsigned i = 0; i < *count;) {
        if ((unsigned)id_common_bits(&t->self, &at[i].id) > from) {
            to[(*to_count)++] = at[i];
            at[i] = at[--*count];
        } else {
            i++;
        }
    }
}

/* Room for as many as `from` has, should all move. */
static bool adopt_caps(const struct table_bucket *from, struct table_bucket *to)
{
    to->live = malloc(from->live_cap * sizeof(*to->live));
    if (to->live == NULL)
        return false;
    to->live_cap = from->live_cap;
    if (from->cache_count == 0)
        return true;
    to->cache = malloc(from->cache_cap * sizeof(*to->cache));
    to->cache_cap = from->cache_cap;
    return to->cache != NULL;
}

/* Splits the last bucket; false, and nothing moved, at the most buckets and
 * without memory. */
static bool split(struct table *t)
{
    unsigned last = t->bucket_count - 1u;
    struct table_bucket room = {0};
    struct table_bucket *from, *to = NULL;

    if (t->bucket_count == TABLE_MAX_BUCKETS)
        return false;
    if (adopt_caps(&t->buckets[last], &room))
        to = table_add_bucket(t, t->buckets[last].touched);
    if (to == NULL) {
        free(room.live);
        free(room.cache);
        return false;
    }
    from = &t->buckets[last];
    room.touched = from->touched;
    *to = room;
    move_far(t, last, from->live, &from->live_count, to->live, &to->live_count);
    move_far(t, last, from->cache, &from->cache_count, to->cache,
             &to->cache_count);
    return true;
}

void table_remove_live(struct table *t, struct table_bucket *b,
                       struct contact *c, uint64_t now)
{
    assert(b->live != NULL && b->live_count > 0);
    *c = b->live[--b->live_count];
    t->live--;
    if (b->cache_count > 0)
        table_ping_soon(t, now);
}

/* False when the subnet of `c` has as many as it may; then `victim` is a bad
 * one of them, or NULL. */
static bool subnet_has_room(const struct table *t, const struct table_bucket *b,
                            const struct contact *c, struct contact **victim)
{
    unsigned count = 0;

    *victim = NULL;
    if (t->testing)
        return true;
    for (unsigned i = 0; i < b->live_count; i++) {
        if (!table_same_subnet(t, &b->live[i], c))
            continue;
        count++;
        if (b->live[i].fails >= CONTACT_BAD_FAILS)
            *victim = &b->live[i];
    }
    if (count < TABLE_SUBNET_MAX)
        *victim = NULL;
    return count < TABLE_SUBNET_MAX;
}

static void fill(struct table *t, struct table_bucket *b,
                 const struct contact *c, uint64_t now)
{
    b->live[b->live_count++] = *c;
    b->touched = contact_tick(now);
    t->live++;
}

/* At whose cost: of a bad one of its subnet, if that has as many as it may; in
 * a full bucket of any bad one; else by a split, after which it is placed
 * anew. Who finds no place becomes a candidate. */
enum error table_place(struct table *t, const struct contact *c, uint64_t now,
                       enum table_change *change)
{
    struct table_bucket *b = table_bucket_of(t, &c->id);
    struct contact *victim;

    if (b == NULL)
        b = table_add_bucket(t, contact_tick(now));
    if (b == NULL)
        return ERR_NO_MEMORY;
    *change = TABLE_REFUSED;
    if (!subnet_has_room(t, b, c, &victim) && victim == NULL)
        return OK;
    if (victim == NULL && b->live_count == DHT_K)
        victim = table_find_bad(b);
    if (victim != NULL) {
        table_remove_live(t, b, victim, now);
        fill(t, b, c, now);
        *change = TABLE_REPLACED;
    } else if (b->live_count < DHT_K) {
        if (!table_reserve(&b->live, b->live_count, &b->live_cap))
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

static struct contact *find_address(const struct table *t,
                                    const struct contact *c,
                                    struct table_bucket **in)
{
    for (unsigned i = 0; i < t->bucket_count; i++) {
        struct table_bucket *b = &t->buckets[i];
        struct contact *found =
            table_find_conflict(t, b->live, b->live_count, c);

        if (found != NULL) {
            *in = b;
            return found;
        }
    }
    return NULL;
}

/* First whoever has its id, then whoever has its address. */
bool table_clear_way(struct table *t, const struct contact *c, bool *cleared,
                     uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, &c->id);
    struct contact *old =
        b == NULL ? NULL : contact_by_id(b->live, b->live_count, &c->id);

    *cleared = false;
    for (int i = 0; i < 2; i++) {
        if (old != NULL && old->fails < CONTACT_BAD_FAILS)
            return false;
        if (old != NULL) {
            table_remove_live(t, b, old, now);
            *cleared = true;
        }
        old = find_address(t, c, &b);
    }
    return old == NULL;
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
    if (contact_by_id(b->cache, b->cache_count, &c->id) == NULL)
        table_add_candidate(t, b, c, now);
    return OK;
}

static enum error adopt_all(struct table *t, const struct table *old, bool live,
                            uint64_t now)
{
    for (unsigned i = 0; i < old->bucket_count; i++) {
        const struct table_bucket *b = &old->buckets[i];
        unsigned count = live ? b->live_count : b->cache_count;
        const struct contact *at = live ? b->live : b->cache;

        for (unsigned j = 0; j < count; j++) {
            enum error e = adopt(t, &at[j], live, now);

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

    table_init(&fresh, t->family, self, t->testing, t->refresh, now);
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

/* SPDX-License-Identifier: MIT
 *
 * The inside of the routing table, for its own files only.
 */
#ifndef WARREN_DHT_TABLE_TABLE_BUCKET_H
#define WARREN_DHT_TABLE_TABLE_BUCKET_H

#include "dht/table/table.h"

/* Contacts are in no order. */
struct table_bucket {
    struct contact *live, *cache;
    uint32_t touched; /* tick of the last answer, change or lookup */
    uint32_t pinged;  /* tick of the last ping of a questionable contact */
    uint8_t live_count, live_cap;
    uint8_t cache_count, cache_cap; /* none above DHT_K */
};

/* The bucket that `id` belongs to; NULL in a table that has none yet. */
static inline struct table_bucket *table_bucket_of(const struct table *t,
                                                   const struct id *id)
{
    unsigned bits, last;

    if (t->bucket_count == 0)
        return NULL;
    bits = (unsigned)id_common_bits(&t->self, id);
    last = t->bucket_count - 1u;
    return &t->buckets[bits < last ? bits : last];
}

static inline struct contact *contact_by_id(struct contact *at, unsigned count,
                                            const struct id *id)
{
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(at[i].id.b, id->b, ID_BYTES) == 0)
            return &at[i];
    }
    return NULL;
}

/* What counts as the same address: IP, in testing mode IP and port. */
static inline bool contact_conflicts(const struct contact *c, uint16_t port,
                                     const uint8_t addr[16], bool testing)
{
    return memcmp(c->addr, addr, 16) == 0 && (!testing || c->port == port);
}

/* Its last sign of life. */
static inline uint32_t contact_seen(const struct contact *c, uint32_t tick)
{
    return contact_age(c->last_answer, tick) < contact_age(c->last_heard, tick)
               ? c->last_answer
               : c->last_heard;
}

static inline bool table_same_subnet(const struct table *t,
                                     const struct contact *a,
                                     const struct contact *b)
{
    size_t bits = t->family == FAMILY_IPV4 ? TABLE_SUBNET4 : TABLE_SUBNET6;

    return memcmp(a->addr, b->addr, bits / 8) == 0;
}

/* ---- table_cache.c ----------------------------------------------------- */

/* Room for one more of at most DHT_K; false without memory. */
bool table_reserve(struct contact **at, uint8_t count, uint8_t *cap);
/* table_next_ping may have something now. */
void table_ping_soon(struct table *t, uint64_t now);
/* A bad live contact, or NULL. */
struct contact *table_find_bad(const struct table_bucket *b);
/* The one of `count` contacts that has the address of `c`, or NULL. */
struct contact *table_find_conflict(const struct table *t, struct contact *at,
                                    unsigned count, const struct contact *c);
/* Takes a candidate that its bucket does not know by id. False when it has
 * no place. */
bool table_add_candidate(struct table *t, struct table_bucket *b,
                         const struct contact *c, uint64_t now);
void table_drop_candidate(struct table *t, struct table_bucket *b,
                          struct contact *c);

/* ---- table_place.c ----------------------------------------------------- */

/* Appends an empty bucket; NULL without memory. */
struct table_bucket *table_add_bucket(struct table *t, uint32_t touched);
void table_remove_live(struct table *t, struct table_bucket *b,
                       struct contact *c, uint64_t now);
/* Makes way for `c` where its id or address is somebody's who is bad. False
 * when that is somebody who is not. */
bool table_clear_way(struct table *t, const struct contact *c, bool *cleared,
                     uint64_t now);
/* Puts `c` where it belongs; its id and address are nobody else's. */
enum error table_place(struct table *t, const struct contact *c, uint64_t now,
                       enum table_change *change);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The inside of the routing table, for its own files only.
 *
 * All contacts of a table lie in one array, those of a bucket beside each other
 * and the live ones first; the last bucket, which splits, has its at the
 * beginning. So a table is as long as it has contacts, and what is looked at
 * together is read together. A contact is known by its number in the array,
 * which is in four parts:
 *
 *     tags     32 bits of the id, by which it is looked for
 *     addrs    32 bits of the address, likewise
 *     states   how it behaves (struct contact_state)
 *     cards    id, address and port (struct table_card)
 *
 * Numbers hold until a contact is put in or taken out.
 */
#ifndef WARREN_DHT_TABLE_TABLE_BUCKET_H
#define WARREN_DHT_TABLE_TABLE_BUCKET_H

#include "dht/table/table.h"

#include <string.h>

#define TABLE_NOBODY UINT32_MAX

/* Contacts are in no order. The last two ticks keep buckets with nothing to do
 * from being looked at. */
struct table_bucket {
    uint32_t touched; /* tick of the last answer, change or lookup */
    uint32_t pinged;  /* tick of the last ping of a questionable contact */
    uint32_t ping_at; /* not before this is a ping due; 0: now */
    uint32_t heard;   /* all live ones gave a sign of life at this tick or
                         later; 0: that is not known */
    uint16_t first;   /* of its contacts */
    uint8_t live_count, cache_count; /* none above DHT_K */
};

struct table_card {
    struct id id;
    uint16_t port;
    uint8_t addr[]; /* 4 or 16, as the family has */
};

/* ---- Contacts by number ------------------------------------------------ */

static inline size_t table_addr_len(const struct table *t)
{
    return t->family == FAMILY_IPV4 ? 4 : 16;
}

/* 28 or 40; it may have some bytes of padding. */
static inline size_t table_card_size(const struct table *t)
{
    return offsetof(struct table_card, addr) + table_addr_len(t) + 2;
}

static inline size_t table_contact_size(const struct table *t)
{
    return sizeof(*t->tags) + sizeof(*t->addrs) + sizeof(*t->states) +
           table_card_size(t);
}

static inline struct table_card *table_card(const struct table *t, unsigned i)
{
    return (struct table_card *)(void *)(t->cards + i * table_card_size(t));
}

static inline unsigned table_cache_of(const struct table_bucket *b)
{
    return b->first + b->live_count;
}

static inline unsigned table_end_of(const struct table_bucket *b)
{
    return table_cache_of(b) + b->cache_count;
}

static inline bool table_is_live(const struct table_bucket *b, unsigned i)
{
    return i < table_cache_of(b);
}

/* Of bytes that BEP 42 leaves to chance. */
static inline uint32_t table_tag(const struct id *id)
{
    uint32_t tag;

    memcpy(&tag, id->b + 12, sizeof(tag));
    return tag;
}

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

/* Of the contacts from `from` until before `to` the one with this id, or
 * TABLE_NOBODY. */
static inline unsigned table_number_of(const struct table *t, unsigned from,
                                       unsigned to, const struct id *id)
{
    uint32_t tag = table_tag(id);

    for (unsigned i = from; i < to; i++) {
        if (t->tags[i] == tag &&
            memcmp(table_card(t, i)->id.b, id->b, ID_BYTES) == 0)
            return i;
    }
    return TABLE_NOBODY;
}

/* By lengths that are constants, so that no memcmp is called. */
static inline bool table_same_addr(const struct table *t,
                                   const struct table_card *card,
                                   const struct endpoint *ep)
{
    return t->family == FAMILY_IPV4 ? memcmp(card->addr, ep->addr, 4) == 0
                                    : memcmp(card->addr, ep->addr, 16) == 0;
}

/* Exactly this address and port. */
static inline bool table_is_at(const struct table *t, unsigned i,
                               const struct endpoint *ep)
{
    const struct table_card *card = table_card(t, i);

    return card->port == ep->port && t->family == ep->family &&
           table_same_addr(t, card, ep);
}

/* What counts as the same address: IP, in testing mode IP and port. */
static inline bool table_conflicts(const struct table *t, unsigned i,
                                   const struct endpoint *ep)
{
    const struct table_card *card = table_card(t, i);

    return table_same_addr(t, card, ep) &&
           (t->ids != NODE_ID_ANY || card->port == ep->port);
}

static inline bool table_same_subnet(const struct table *t, unsigned i,
                                     const struct endpoint *ep)
{
    const uint8_t *addr = table_card(t, i)->addr;

    return t->family == FAMILY_IPV4
               ? memcmp(addr, ep->addr, TABLE_SUBNET4 / 8) == 0
               : memcmp(addr, ep->addr, TABLE_SUBNET6 / 8) == 0;
}

/* The last sign of life. */
static inline uint32_t contact_seen(const struct contact_state *c,
                                    uint32_t tick)
{
    return contact_age(c->last_answer, tick) < contact_age(c->last_heard, tick)
               ? c->last_answer
               : c->last_heard;
}

/* ---- table_contacts.c -------------------------------------------------- */

struct contact table_read(const struct table *t, unsigned i);
void table_write(struct table *t, unsigned i, const struct contact *c);
/* Memory for one more; false when there is none. */
bool table_reserve(struct table *t);
/* A place for one more in bucket `b`, as the last of its live ones or of its
 * candidates; to be written by the caller. There is memory for it. */
unsigned table_insert(struct table *t, struct table_bucket *b, bool live);
/* Takes one out of its bucket, where the last of its kind takes its place. */
void table_erase(struct table *t, struct table_bucket *b, unsigned i);

/* ---- table_cache.c ----------------------------------------------------- */

/* table_next_ping may have something in this bucket now. */
void table_ping_soon(struct table *t, struct table_bucket *b, uint64_t now);
/* Whether this live contact goes for another one that answers at `ep`. */
bool table_gives_way(const struct table *t, unsigned i,
                     const struct endpoint *ep);
/* A bad live contact, or TABLE_NOBODY. */
unsigned table_find_bad(const struct table *t, const struct table_bucket *b);
/* The one from `from` until before `to` that has this address, or
 * TABLE_NOBODY. */
unsigned table_find_conflict(const struct table *t, unsigned from, unsigned to,
                             const struct endpoint *ep);
/* Takes a candidate that its bucket does not know by id. False when it has
 * no place. */
bool table_add_candidate(struct table *t, struct table_bucket *b,
                         const struct contact *c, uint64_t now);

/* ---- table_place.c ----------------------------------------------------- */

/* Appends an empty bucket; NULL without memory. */
struct table_bucket *table_add_bucket(struct table *t, uint32_t touched);
void table_remove_live(struct table *t, struct table_bucket *b, unsigned i,
                       uint64_t now);
/* Makes way for `c` where its id or address is somebody's who is bad. False
 * when that is somebody who is not. */
bool table_clear_way(struct table *t, const struct contact *c, bool *cleared,
                     uint64_t now);
/* Puts `c` where it belongs; its id and address are nobody else's. */
enum error table_place(struct table *t, const struct contact *c, uint64_t now,
                       enum table_change *change);

#endif

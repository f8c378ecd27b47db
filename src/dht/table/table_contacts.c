/* SPDX-License-Identifier: MIT
 *
 * The array of a table's contacts: read and written by number, put in and taken
 * out. Both move what lies behind, which are the contacts of farther buckets.
 */
#include "dht/table/table_bucket.h"

#include <assert.h>
#include <stdlib.h>

#define CONTACTS_MORE 16 /* for which memory is asked at a time */

static_assert(offsetof(struct table_card, addr) == 22,
              "with an IPv4 address and two bytes of padding a card has 28");

struct contact table_read(const struct table *t, unsigned i)
{
    const struct table_card *card = table_card(t, i);
    struct contact c = {.id = card->id,
                        .ep = {.port = card->port, .family = t->family},
                        .state = t->states[i]};

    memcpy(c.ep.addr, card->addr, table_addr_len(t));
    return c;
}

void table_write(struct table *t, unsigned i, const struct contact *c)
{
    struct table_card *card = table_card(t, i);

    t->tags[i] = table_tag(&c->id);
    t->addrs[i] = endpoint_tag(&c->ep);
    t->states[i] = c->state;
    card->id = c->id;
    card->port = c->ep.port;
    memcpy(card->addr, c->ep.addr, table_addr_len(t));
}

/* Copies `count` contacts from `from` of one array to `to` of another, or of
 * the same. */
static void move(const struct table *source, unsigned from, struct table *t,
                 unsigned to, size_t count)
{
    size_t size = table_card_size(t);

    memmove(t->tags + to, source->tags + from, count * sizeof(*t->tags));
    memmove(t->addrs + to, source->addrs + from, count * sizeof(*t->addrs));
    memmove(t->states + to, source->states + from, count * sizeof(*t->states));
    memmove(t->cards + to * size, source->cards + from * size, count * size);
}

/* The four parts lie in one allocation, which begins with the tags. */
bool table_reserve(struct table *t)
{
    size_t count = (size_t)t->live + t->cached, cap = count + CONTACTS_MORE;
    struct table grown = *t;

    if (count < t->contact_cap)
        return true;
    grown.tags = malloc(cap * table_contact_size(t));
    if (grown.tags == NULL)
        return false;
    grown.addrs = grown.tags + cap;
    grown.states = (struct contact_state *)(void *)(grown.addrs + cap);
    grown.cards = (uint8_t *)(grown.states + cap);
    grown.contact_cap = (uint16_t)cap;
    if (count > 0)
        move(t, 0, &grown, 0, count);
    free(t->tags);
    *t = grown;
    return true;
}

/* Moves all from `from` on by `by` places, and counts the buckets with them
 * that lie behind `b`. */
static void shift(struct table *t, const struct table_bucket *b, unsigned from,
                  int by)
{
    size_t behind = (size_t)t->live + t->cached - from;

    move(t, from, t, (unsigned)((int)from + by), behind);
    for (struct table_bucket *far = t->buckets; far < b; far++)
        far->first = (uint16_t)(far->first + by);
}

static void count(struct table *t, struct table_bucket *b, bool live, int by)
{
    if (live) {
        b->live_count = (uint8_t)(b->live_count + by);
        t->live = (uint16_t)(t->live + by);
    } else {
        b->cache_count = (uint8_t)(b->cache_count + by);
        t->cached = (uint16_t)(t->cached + by);
    }
}

unsigned table_insert(struct table *t, struct table_bucket *b, bool live)
{
    unsigned at = live ? table_cache_of(b) : table_end_of(b);

    assert(t->live + t->cached < t->contact_cap);
    shift(t, b, at, 1);
    count(t, b, live, 1);
    return at;
}

void table_erase(struct table *t, struct table_bucket *b, unsigned i)
{
    bool live = table_is_live(b, i);
    unsigned last = (live ? table_cache_of(b) : table_end_of(b)) - 1;

    assert(i >= b->first && i <= last);
    if (i != last)
        move(t, last, t, i, 1);
    shift(t, b, last + 1, -1);
    count(t, b, live, -1);
}

void table_prefetch(const struct table *t)
{
    size_t count = (size_t)t->live + t->cached;

    bytes_prefetch(t->buckets, t->bucket_count * sizeof(*t->buckets));
    bytes_prefetch(t->tags, count * sizeof(*t->tags));
    bytes_prefetch(t->addrs, count * sizeof(*t->addrs));
}

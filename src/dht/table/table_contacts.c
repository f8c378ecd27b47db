/* SPDX-License-Identifier: MIT
 *
 * The array of a table's contacts: read and written by number, put in and taken
 * out. Both move what lies behind, which are the contacts of farther buckets.
 */
#include "dht/table/table_bucket.h"

#include <assert.h>
#include <stdlib.h>

#define CONTACTS_MORE 16 /* for which memory is asked at a time */

static_assert(offsetof(struct table_card, addr) == 26,
              "with an IPv4 address and two bytes of padding a card has 32");

struct contact table_read(const struct table *t, unsigned i)
{
    const struct table_card *card = table_card(t, i);
    struct contact c = {.id = card->id,
                        .ep = {.port = card->port, .family = t->family},
                        .rtt_us = card->rtt_us,
                        .state = t->states[i]};

    memcpy(c.ep.addr, card->addr, table_addr_len(t));
    return c;
}

void table_write(struct table *t, unsigned i, const struct contact *c)
{
    struct table_card *card = table_card(t, i);

    t->states[i] = c->state;
    t->states[i].tag = table_tag(&c->id) & 0xffffff;
    card->id = c->id;
    card->rtt_us = c->rtt_us;
    card->port = c->ep.port;
    memcpy(card->addr, c->ep.addr, table_addr_len(t));
}

/* Both parts lie in one allocation, the states first. */
bool table_reserve(struct table *t)
{
    size_t count = (size_t)t->live + t->cached;
    size_t cap = count + CONTACTS_MORE, size = table_card_size(t);
    struct contact_state *states;
    uint8_t *cards;

    if (count < t->contact_cap)
        return true;
    states = malloc(cap * (sizeof(*states) + size));
    if (states == NULL)
        return false;
    cards = (uint8_t *)(states + cap);
    if (count > 0) {
        memcpy(states, t->states, count * sizeof(*states));
        memcpy(cards, t->cards, count * size);
    }
    free(t->states);
    t->states = states;
    t->cards = cards;
    t->contact_cap = (uint16_t)cap;
    return true;
}

/* Moves all from `from` on by `by` places, and counts the buckets with them
 * that lie behind `b`. */
static void shift(struct table *t, const struct table_bucket *b, unsigned from,
                  int by)
{
    size_t count = (size_t)t->live + t->cached - from;
    size_t size = table_card_size(t);
    unsigned to = (unsigned)((int)from + by);

    memmove(t->states + to, t->states + from, count * sizeof(*t->states));
    memmove(t->cards + to * size, t->cards + from * size, count * size);
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

static void copy(struct table *t, unsigned from, unsigned to)
{
    size_t size = table_card_size(t);

    if (from == to)
        return;
    t->states[to] = t->states[from];
    memcpy(t->cards + to * size, t->cards + from * size, size);
}

void table_erase(struct table *t, struct table_bucket *b, unsigned i)
{
    bool live = table_is_live(b, i);
    unsigned last = (live ? table_cache_of(b) : table_end_of(b)) - 1;

    assert(i >= b->first && i <= last);
    copy(t, last, i);
    shift(t, b, last + 1, -1);
    count(t, b, live, -1);
}

void table_prefetch(const struct table *t)
{
    size_t count = (size_t)t->live + t->cached;

    bytes_prefetch(t->buckets, t->bucket_count * sizeof(*t->buckets));
    bytes_prefetch(t->states, count * sizeof(*t->states));
}

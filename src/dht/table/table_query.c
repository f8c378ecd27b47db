/* SPDX-License-Identifier: MIT
 *
 * What is nearest to a target: buckets are walked in the order of their
 * distance, and only the contacts of one bucket are sorted at a time. Reading
 * of the whole table, and its invariants, are here too.
 */
#include "dht/table/table_bucket.h"

#include "base/bytes.h"
#include "wire/krpc/dht_message.h"

#include <assert.h>
#include <string.h>

/* Buckets in order of distance from a target. Where target and our id differ
 * in bit i, bucket i is nearer to the target than all that share more bits
 * with us; where they agree, it is farther than those. So: upwards over the
 * buckets at which they differ, the last one, and down over the others. */
struct walk {
    const struct table *t;
    const struct id *target;
    uint64_t now;
    enum table_which which;
    unsigned step; /* of 2 * last + 1 */
};

/* Contacts of one bucket, nearest first, by the first 64 bits of their
 * distances. Not an array of structs: a struct that was just written in parts
 * would be moved as a whole, for which the processor has to wait. */
struct sorted {
    uint64_t distances[DHT_K];
    uint16_t numbers[DHT_K];
    unsigned count;
};

static const struct table_bucket *next_bucket(struct walk *w)
{
    const struct table *t = w->t;
    unsigned last;

    if (t->bucket_count == 0)
        return NULL;
    last = t->bucket_count - 1u;
    while (w->step <= 2 * last) {
        bool up = w->step < last;
        unsigned i = up ? w->step : 2 * last - w->step;
        unsigned diff = (unsigned)(t->self.b[i / 8] ^ w->target->b[i / 8]);

        w->step++;
        if (i == last || ((diff >> (7 - i % 8)) & 1) == up)
            return &t->buckets[i];
    }
    return NULL;
}

static uint64_t first_bits(const struct id *id)
{
    return bytes_get_number64(id->b);
}

/* Contact `number`, at `distance`, is nearer than the one at place `at`. */
static bool nearer(const struct walk *w, uint64_t distance, unsigned number,
                   const struct sorted *s, unsigned at)
{
    if (distance != s->distances[at])
        return distance < s->distances[at];
    return id_compare_distance(w->target, &table_card(w->t, number)->id,
                               &table_card(w->t, s->numbers[at])->id) < 0;
}

static void sort_in(const struct walk *w, uint64_t distance, unsigned number,
                    struct sorted *s)
{
    unsigned at = s->count++;

    for (; at > 0 && nearer(w, distance, number, s, at - 1); at--) {
        s->distances[at] = s->distances[at - 1];
        s->numbers[at] = s->numbers[at - 1];
    }
    s->distances[at] = distance;
    s->numbers[at] = (uint16_t)number;
}

/* The next bucket's contacts; false when there is none. */
static bool next_sorted(struct walk *w, struct sorted *s)
{
    const struct table_bucket *b = next_bucket(w);
    const uint64_t target = first_bits(w->target);

    s->count = 0;
    if (b == NULL)
        return false;
    for (unsigned i = b->first; i < table_cache_of(b); i++) {
        if (w->which == TABLE_ANY ||
            contact_quality(&w->t->states[i], w->now) == DHT_GOOD)
            sort_in(w, first_bits(&table_card(w->t, i)->id) ^ target, i, s);
    }
    return true;
}

size_t table_closest(const struct table *t, const struct id *target,
                     struct contact *out, size_t max, enum table_which which,
                     uint64_t now)
{
    struct walk w = {.t = t, .target = target, .now = now, .which = which};
    struct sorted sorted;
    size_t n = 0;

    while (n < max && next_sorted(&w, &sorted)) {
        for (unsigned i = 0; i < sorted.count && n < max; i++)
            out[n++] = table_read(t, sorted.numbers[i]);
    }
    return n;
}

/* The lengths are constants, so that no memcpy is called. */
static uint8_t *write_node(const struct table *t, const struct table_card *card,
                           uint8_t *to)
{
    memcpy(to, card->id.b, ID_BYTES);
    to += ID_BYTES;
    if (t->family == FAMILY_IPV4)
        memcpy(to, card->addr, 4);
    else
        memcpy(to, card->addr, 16);
    to += table_addr_len(t);
    *to++ = (uint8_t)(card->port >> 8);
    *to++ = (uint8_t)card->port;
    return to;
}

size_t table_write_closest(const struct table *t, const struct id *target,
                           uint8_t *out, size_t max, uint64_t now)
{
    struct walk w = {.t = t, .target = target, .now = now, .which = TABLE_GOOD};
    struct sorted sorted;
    uint8_t *to = out;
    size_t n = 0;

    while (n < max && next_sorted(&w, &sorted)) {
        for (unsigned i = 0; i < sorted.count && n < max; i++, n++)
            to = write_node(t, table_card(t, sorted.numbers[i]), to);
    }
    return (size_t)(to - out);
}

bool table_find(const struct table *t, const struct id *id, struct contact *out)
{
    const struct table_bucket *b = table_bucket_of(t, id);
    unsigned i;

    if (b == NULL)
        return false;
    i = table_number_of(t, b->first, table_cache_of(b), id);
    if (i == TABLE_NOBODY)
        return false;
    *out = table_read(t, i);
    return true;
}

bool table_has_room(const struct table *t, unsigned bucket)
{
    assert(bucket < t->bucket_count);
    return t->buckets[bucket].live_count < DHT_K;
}

void table_visit(const struct table *t,
                 void (*visit)(void *ctx, const struct contact *,
                               unsigned bucket),
                 void *ctx)
{
    for (unsigned i = 0; i < t->bucket_count; i++) {
        const struct table_bucket *b = &t->buckets[i];

        for (unsigned j = b->first; j < table_cache_of(b); j++) {
            const struct contact c = table_read(t, j);

            visit(ctx, &c, i);
        }
    }
}

void table_counts(const struct table *t, uint64_t now, struct table_counts *out)
{
    *out = (struct table_counts){
        .live = t->live,
        .cached = t->cached,
        .buckets = t->bucket_count,
        .memory = t->bucket_cap * sizeof(struct table_bucket) +
                  t->contact_cap * table_contact_size(t)};
    for (unsigned i = 0; i < t->bucket_count; i++) {
        const struct table_bucket *b = &t->buckets[i];

        for (unsigned j = b->first; j < table_cache_of(b); j++) {
            enum dht_quality q = contact_quality(&t->states[j], now);

            out->good += q == DHT_GOOD;
            out->bad += q == DHT_BAD;
        }
    }
}

/* ---- Invariants -------------------------------------------------------- */

static void check_contact(const struct table *t, const struct table_bucket *b,
                          unsigned i)
{
    const struct id *id = &table_card(t, i)->id;

    assert(!id_equal(id, &t->self));
    assert(t->tags[i] == table_tag(id));
    assert(table_bucket_of(t, id) == b);
    assert(table_number_of(t, b->first, table_end_of(b), id) == i);
}

static void check_live(const struct table *t, const struct table_bucket *b,
                       unsigned at)
{
    const struct contact c = table_read(t, at);
    unsigned same_address = 0, same_subnet = 0;

    assert(t->addrs[at] == endpoint_tag(&c.ep));
    assert(c.state.last_answer != 0 && c.state.fails < TABLE_DROP_FAILS);
    for (unsigned i = b->first; i < table_cache_of(b); i++)
        same_subnet += table_same_subnet(t, i, &c.ep);
    assert(t->ids == NODE_ID_ANY || same_subnet <= TABLE_SUBNET_MAX);
    for (unsigned i = 0; i < t->bucket_count; i++) {
        const struct table_bucket *other = &t->buckets[i];

        for (unsigned j = other->first; j < table_cache_of(other); j++)
            same_address += table_conflicts(t, j, &c.ep);
    }
    assert(same_address == 1);
}

void table_check(const struct table *t)
{
    unsigned live = 0, cached = 0;

    assert(t->bucket_count <= TABLE_MAX_BUCKETS);
    assert(t->bucket_count <= t->bucket_cap);
    assert(t->live + t->cached <= t->contact_cap);
    /* The last bucket's contacts come first. */
    for (unsigned i = t->bucket_count; i-- > 0;) {
        const struct table_bucket *b = &t->buckets[i];

        assert(b->first == live + cached);
        assert(b->live_count <= DHT_K && b->cache_count <= DHT_K);
        for (unsigned j = b->first; j < table_end_of(b); j++)
            check_contact(t, b, j);
        for (unsigned j = b->first; j < table_cache_of(b); j++)
            check_live(t, b, j);
        live += b->live_count;
        cached += b->cache_count;
    }
    assert(live == t->live && cached == t->cached);
}

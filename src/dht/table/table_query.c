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

struct found {
    uint64_t distance; /* its first 64 bits */
    const struct contact *c;
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

static bool nearer(const struct id *target, const struct found *a,
                   const struct found *b)
{
    if (a->distance != b->distance)
        return a->distance < b->distance;
    return id_compare_distance(target, &a->c->id, &b->c->id) < 0;
}

/* The next bucket's contacts, nearest first; false when there is none. */
static bool next_sorted(struct walk *w, struct found sorted[DHT_K],
                        unsigned *count)
{
    const struct table_bucket *b = next_bucket(w);
    uint64_t target = first_bits(w->target);

    *count = 0;
    if (b == NULL)
        return false;
    for (unsigned i = 0; i < b->live_count; i++) {
        struct found f = {.c = &b->live[i]};
        unsigned at = *count;

        if (w->which == TABLE_GOOD && contact_quality(f.c, w->now) != DHT_GOOD)
            continue;
        f.distance = first_bits(&f.c->id) ^ target;
        for (; at > 0 && nearer(w->target, &f, &sorted[at - 1]); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = f;
        (*count)++;
    }
    return true;
}

size_t table_closest(const struct table *t, const struct id *target,
                     struct contact *out, size_t max, enum table_which which,
                     uint64_t now)
{
    struct walk w = {.t = t, .target = target, .now = now, .which = which};
    struct found sorted[DHT_K];
    size_t n = 0;
    unsigned count;

    while (n < max && next_sorted(&w, sorted, &count)) {
        for (unsigned i = 0; i < count && n < max; i++)
            out[n++] = *sorted[i].c;
    }
    return n;
}

static uint8_t *write_node(const struct contact *c, uint8_t *to)
{
    size_t len = c->family == FAMILY_IPV4 ? 4 : 16;

    memcpy(to, c->id.b, ID_BYTES);
    to += ID_BYTES;
    memcpy(to, c->addr, len);
    to += len;
    *to++ = (uint8_t)(c->port >> 8);
    *to++ = (uint8_t)c->port;
    return to;
}

size_t table_write_closest(const struct table *t, const struct id *target,
                           uint8_t *out, size_t max, uint64_t now)
{
    struct walk w = {.t = t, .target = target, .now = now, .which = TABLE_GOOD};
    struct found sorted[DHT_K];
    uint8_t *to = out;
    size_t n = 0;
    unsigned count;

    while (n < max && next_sorted(&w, sorted, &count)) {
        for (unsigned i = 0; i < count && n < max; i++, n++)
            to = write_node(sorted[i].c, to);
    }
    return (size_t)(to - out);
}

const struct contact *table_find(const struct table *t, const struct id *id)
{
    const struct table_bucket *b = table_bucket_of(t, id);

    return b == NULL ? NULL : contact_by_id(b->live, b->live_count, id);
}

void table_visit(const struct table *t,
                 void (*visit)(void *ctx, const struct contact *,
                               unsigned bucket),
                 void *ctx)
{
    for (unsigned i = 0; i < t->bucket_count; i++) {
        for (unsigned j = 0; j < t->buckets[i].live_count; j++)
            visit(ctx, &t->buckets[i].live[j], i);
    }
}

void table_counts(const struct table *t, uint64_t now, struct table_counts *out)
{
    *out = (struct table_counts){.live = t->live,
                                 .cached = t->cached,
                                 .buckets = t->bucket_count,
                                 .memory = t->bucket_cap *
                                           sizeof(struct table_bucket)};
    for (unsigned i = 0; i < t->bucket_count; i++) {
        const struct table_bucket *b = &t->buckets[i];

        out->memory +=
            (size_t)(b->live_cap + b->cache_cap) * sizeof(struct contact);
        for (unsigned j = 0; j < b->live_count; j++) {
            enum dht_quality q = contact_quality(&b->live[j], now);

            out->good += q == DHT_GOOD;
            out->bad += q == DHT_BAD;
        }
    }
}

/* ---- Invariants -------------------------------------------------------- */

static void check_contact(const struct table *t, const struct table_bucket *b,
                          const struct contact *c)
{
    assert(c->family == t->family);
    assert(!id_equal(&c->id, &t->self));
    assert(table_bucket_of(t, &c->id) == b);
}

static void check_live(const struct table *t, const struct table_bucket *b,
                       unsigned at)
{
    const struct contact *c = &b->live[at];
    unsigned same_address = 0, same_subnet = 0;

    check_contact(t, b, c);
    assert(c->last_answer != 0 && c->fails < TABLE_DROP_FAILS);
    assert(contact_by_id(b->live, at, &c->id) == NULL);
    for (unsigned i = 0; i < b->live_count; i++)
        same_subnet += table_same_subnet(t, &b->live[i], c);
    assert(t->testing || same_subnet <= TABLE_SUBNET_MAX);
    for (unsigned i = 0; i < t->bucket_count; i++) {
        const struct table_bucket *other = &t->buckets[i];

        for (unsigned j = 0; j < other->live_count; j++)
            same_address += contact_conflicts(&other->live[j], c->port, c->addr,
                                              t->testing);
    }
    assert(same_address == 1);
}

void table_check(const struct table *t)
{
    unsigned live = 0, cached = 0;

    assert(t->bucket_count <= TABLE_MAX_BUCKETS);
    assert(t->bucket_count <= t->bucket_cap);
    for (unsigned i = 0; i < t->bucket_count; i++) {
        const struct table_bucket *b = &t->buckets[i];

        assert(b->live_count <= b->live_cap && b->live_cap <= DHT_K);
        assert(b->cache_count <= b->cache_cap && b->cache_cap <= DHT_K);
        for (unsigned j = 0; j < b->live_count; j++)
            check_live(t, b, j);
        for (unsigned j = 0; j < b->cache_count; j++) {
            const struct id *id = &b->cache[j].id;

            check_contact(t, b, &b->cache[j]);
            assert(contact_by_id(b->cache, j, id) == NULL);
            assert(contact_by_id(b->live, b->live_count, id) == NULL);
        }
        live += b->live_count;
        cached += b->cache_count;
    }
    assert(live == t->live && cached == t->cached);
}

/* SPDX-License-Identifier: MIT
 *
 * What happens to the nodes of a table: heard of, answered, failed. Where they
 * go is decided in table_place.c (live) and table_cache.c (candidates); whom to
 * ping or refresh in table_upkeep.c; what is nearest in table_query.c.
 */
#include "dht/table/table.h"
#include "dht/table/table_bucket.h"
#include "dht/types/node_id.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *t, enum family family, const struct id *self,
                bool testing, uint64_t refresh, uint64_t now)
{
    *t = (struct table){.self = *self, .family = family, .testing = testing};
    t->refresh = refresh;
    t->refresh_at = time_after(now, refresh);
    t->ping_at = now;
}

void table_deinit(struct table *t)
{
    for (unsigned i = 0; i < t->bucket_count; i++) {
        free(t->buckets[i].live);
        free(t->buckets[i].cache);
    }
    free(t->buckets);
    t->buckets = NULL;
    t->bucket_count = t->bucket_cap = 0;
    t->live = t->cached = 0;
}

void table_set_refresh(struct table *t, uint64_t refresh)
{
    t->refresh = refresh;
    t->refresh_at = 0;
}

static struct contact new_contact(const struct id *id,
                                  const struct endpoint *ep)
{
    struct contact c = {.id = *id, .port = ep->port, .family = ep->family};

    memcpy(c.addr, ep->addr, sizeof(c.addr));
    return c;
}

/* Whether it may enter at all (table.h, "who gets in"). */
static bool admissible(const struct table *t, const struct id *id,
                       const struct endpoint *ep)
{
    return ep->family == t->family && !id_equal(id, &t->self) &&
           (t->testing || node_id_matches(id, ep));
}

static void note_answer(struct contact *c, uint64_t rtt, uint64_t now)
{
    uint64_t us = rtt / TIME_US;

    if (us == 0)
        us = 1;
    if (us > UINT32_MAX)
        us = UINT32_MAX;
    /* Smoothed as in RFC 6298. */
    c->rtt_us = c->rtt_us == 0 ? (uint32_t)us
                               : (uint32_t)((7 * (uint64_t)c->rtt_us + us) / 8);
    if (c->rtt_us == 0)
        c->rtt_us = 1;
    c->fails = 0;
    c->last_answer = contact_tick(now);
}

/* A node that was not live has answered. */
static enum table_change promote(struct table *t, const struct id *id,
                                 const struct endpoint *ep, uint64_t rtt,
                                 uint64_t now)
{
    struct contact c = new_contact(id, ep);
    struct table_bucket *b = table_bucket_of(t, id);
    struct contact *known =
        b == NULL ? NULL : contact_by_id(b->cache, b->cache_count, id);
    enum table_change change = TABLE_REFUSED;
    bool cleared;

    if (known != NULL) {
        if (contact_is_at(known, ep))
            c = *known;
        table_drop_candidate(t, b, known);
    }
    note_answer(&c, rtt, now);
    if (!table_clear_way(t, &c, &cleared, now))
        return TABLE_REFUSED;
    if (table_place(t, &c, now, &change) == OK && cleared &&
        change == TABLE_ADDED)
        change = TABLE_REPLACED;
    return change;
}

enum table_change table_answered(struct table *t, const struct id *id,
                                 const struct endpoint *ep, uint64_t rtt,
                                 uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, id);
    struct contact *c = b == NULL ? NULL
                                  : contact_by_id(b->live, b->live_count, id);

    if (c != NULL && contact_is_at(c, ep)) {
        note_answer(c, rtt, now);
        b->touched = contact_tick(now);
        return TABLE_REFRESHED;
    }
    if (!admissible(t, id, ep))
        return TABLE_REFUSED;
    return promote(t, id, ep, rtt, now);
}

/* Of a node that is not live at `ep`. */
static void candidate_seen(struct table *t, struct table_bucket *b,
                           const struct id *id, const struct endpoint *ep,
                           uint64_t now)
{
    struct contact *c = b == NULL ? NULL
                                  : contact_by_id(b->cache, b->cache_count, id);
    struct contact fresh;

    if (c != NULL) {
        if (contact_is_at(c, ep))
            c->last_heard = contact_tick(now);
        return;
    }
    if (!admissible(t, id, ep))
        return;
    if (b == NULL)
        b = table_add_bucket(t, contact_tick(now));
    if (b == NULL)
        return;
    fresh = new_contact(id, ep);
    fresh.last_heard = contact_tick(now);
    table_add_candidate(t, b, &fresh, now);
}

/* It has shown up: by `itself`, or in what somebody else said. */
static void seen(struct table *t, const struct id *id,
                 const struct endpoint *ep, bool itself, uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, id);
    struct contact *c = b == NULL ? NULL
                                  : contact_by_id(b->live, b->live_count, id);

    if (c == NULL)
        candidate_seen(t, b, id, ep, now);
    else if (itself && contact_is_at(c, ep))
        c->last_heard = contact_tick(now);
}

void table_heard(struct table *t, const struct id *id,
                 const struct endpoint *ep, uint64_t now)
{
    seen(t, id, ep, true, now);
}

void table_named(struct table *t, const struct id *id,
                 const struct endpoint *ep, uint64_t now)
{
    seen(t, id, ep, false, now);
}

void table_failed(struct table *t, const struct id *id,
                  const struct endpoint *ep, uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, id);
    struct contact *c;

    if (b == NULL)
        return;
    c = contact_by_id(b->cache, b->cache_count, id);
    if (c != NULL && contact_is_at(c, ep))
        table_drop_candidate(t, b, c);
    c = contact_by_id(b->live, b->live_count, id);
    if (c == NULL || !contact_is_at(c, ep))
        return;
    c->fails++;
    if (c->fails >= TABLE_DROP_FAILS)
        table_remove_live(t, b, c, now);
    else if (b->cache_count > 0)
        table_ping_soon(t, now);
}

void table_touch_bucket(struct table *t, const struct id *target, uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, target);

    if (b != NULL)
        b->touched = contact_tick(now);
}

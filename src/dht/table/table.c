/* SPDX-License-Identifier: MIT
 *
 * What happens to the nodes of a table: heard of, answered, failed. Where they
 * go is decided in table_place.c (live) and table_cache.c (candidates); whom to
 * ping or refresh in table_upkeep.c; what is nearest in table_query.c.
 */
#include "dht/table/table.h"
#include "dht/table/table_bucket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *t, enum family family, const struct id *self,
                enum node_id_rule ids, uint64_t refresh, uint64_t now)
{
    *t = (struct table){
        .self = *self, .family = (uint8_t)family, .ids = (uint8_t)ids};
    t->refresh = refresh;
    t->refresh_at = time_after(now, refresh);
    t->ping_at = now;
}

void table_deinit(struct table *t)
{
    free(t->buckets);
    free(t->tags);
    t->buckets = NULL;
    t->tags = t->addrs = NULL;
    t->states = NULL;
    t->cards = NULL;
    t->bucket_count = t->bucket_cap = t->contact_cap = 0;
    t->live = t->cached = 0;
}

void table_set_refresh(struct table *t, uint64_t refresh)
{
    t->refresh = refresh;
    t->refresh_at = 0;
}

/* Whether it may enter at all (table.h, "who gets in"). */
static bool admissible(const struct table *t, const struct id *id,
                       const struct endpoint *ep)
{
    return ep->family == t->family && !id_equal(id, &t->self) &&
           node_id_may_be(t->ids, id, ep);
}

/* One of which nothing is known yet. Under the other rules all are alike. */
static struct contact new_contact(const struct table *t, const struct id *id,
                                  const struct endpoint *ep)
{
    struct contact c = {.id = *id, .ep = *ep};

    if (t->ids == NODE_ID_LENIENT)
        c.state.misfit = !node_id_goes_first(NODE_ID_LENIENT, id, ep);
    return c;
}

/* The round trip of a contact after one more, as in RFC 6298; `rtt_us` 0: it is
 * the first. */
static uint32_t smoothed(uint32_t rtt_us, uint64_t rtt)
{
    uint64_t us = rtt / TIME_US;

    if (us == 0)
        us = 1;
    if (us > CONTACT_RTT_MAX)
        us = CONTACT_RTT_MAX;
    return (uint32_t)(rtt_us == 0 ? us : (7 * rtt_us + us) / 8);
}

static void note_answer(struct contact_state *state, uint64_t rtt, uint64_t now)
{
    state->rtt_us = smoothed(state->rtt_us, rtt) & CONTACT_RTT_MAX;
    state->fails = 0;
    state->last_answer = contact_tick(now);
}

/* A node that was not live has answered; `known`: it is a candidate. */
static enum table_change promote(struct table *t, unsigned known,
                                 const struct id *id, const struct endpoint *ep,
                                 uint64_t rtt, uint64_t now)
{
    struct contact c = new_contact(t, id, ep);
    enum table_change change = TABLE_REFUSED;
    bool cleared;

    if (known != TABLE_NOBODY) {
        if (table_is_at(t, known, ep))
            c = table_read(t, known);
        table_erase(t, table_bucket_of(t, id), known);
    }
    note_answer(&c.state, rtt, now);
    if (!table_clear_way(t, &c, &cleared, now))
        return TABLE_REFUSED;
    if (table_place(t, &c, now, &change) == OK && cleared &&
        change == TABLE_ADDED)
        change = TABLE_REPLACED;
    return change;
}

/* The number of `id` in its bucket `b`, live or not; TABLE_NOBODY. */
static unsigned find(const struct table *t, const struct table_bucket *b,
                     const struct id *id)
{
    return b == NULL ? TABLE_NOBODY
                     : table_number_of(t, b->first, table_end_of(b), id);
}

enum table_change table_answered(struct table *t, const struct id *id,
                                 const struct endpoint *ep, uint64_t rtt,
                                 uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, id);
    unsigned i = find(t, b, id);
    bool live = i != TABLE_NOBODY && table_is_live(b, i);

    if (live && table_is_at(t, i, ep)) {
        note_answer(&t->states[i], rtt, now);
        b->touched = contact_tick(now);
        b->ping_at = 0; /* another one is the least recently seen */
        return TABLE_REFRESHED;
    }
    if (!admissible(t, id, ep))
        return TABLE_REFUSED;
    return promote(t, live ? TABLE_NOBODY : i, id, ep, rtt, now);
}

/* A node that its bucket `b`, which may be NULL, does not know. */
static void seen_first(struct table *t, struct table_bucket *b,
                       const struct id *id, const struct endpoint *ep,
                       uint64_t now)
{
    struct contact c;

    if (!admissible(t, id, ep))
        return;
    c = new_contact(t, id, ep);
    c.state.last_heard = contact_tick(now);
    if (b == NULL)
        b = table_add_bucket(t, contact_tick(now));
    if (b != NULL)
        table_add_candidate(t, b, &c, now);
}

/* It has shown up: by `itself`, or in what somebody else said. */
static void seen(struct table *t, const struct id *id,
                 const struct endpoint *ep, bool itself, uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, id);
    unsigned i = find(t, b, id);

    if (i == TABLE_NOBODY) {
        seen_first(t, b, id, ep, now);
    } else if ((itself || !table_is_live(b, i)) && table_is_at(t, i, ep)) {
        t->states[i].last_heard = contact_tick(now);
        b->ping_at = 0; /* likewise */
    }
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
    unsigned i = find(t, b, id);

    if (i == TABLE_NOBODY || !table_is_at(t, i, ep))
        return;
    if (!table_is_live(b, i)) {
        table_erase(t, b, i);
        return;
    }
    t->states[i].fails++;
    b->heard = 0; /* what it has asked of us does not count any more */
    if (t->states[i].fails >= TABLE_DROP_FAILS)
        table_remove_live(t, b, i, now);
    else if (b->cache_count > 0)
        table_ping_soon(t, b, now);
}

bool table_gone(struct table *t, const struct id *id, const struct endpoint *ep,
                uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, id);
    unsigned i = find(t, b, id);

    if (i == TABLE_NOBODY || !table_is_at(t, i, ep))
        return false;
    if (table_is_live(b, i)) {
        table_remove_live(t, b, i, now);
        return false;
    }
    table_erase(t, b, i);
    return true;
}

void table_touch_bucket(struct table *t, const struct id *target, uint64_t now)
{
    struct table_bucket *b = table_bucket_of(t, target);

    if (b != NULL)
        b->touched = contact_tick(now);
}

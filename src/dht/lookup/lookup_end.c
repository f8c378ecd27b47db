/* SPDX-License-Identifier: MIT
 *
 * How a lookup ends: what it found is put together, reported, and tells the
 * others that there is room for queries.
 */
#include "dht/lookup/lookup.h"

#include "dht/engine.h"
#include "dht/publish/publish.h"

#include <assert.h>

/* Those that we no longer wait for had no answer, as far as this lookup is
 * concerned. */
static void report_silent(const struct lookup *l)
{
    for (int f = 0; f < FAMILIES; f++) {
        const struct lookup_side *s = &l->side[f];

        for (size_t i = 0; i < s->count && l->handler.step != NULL; i++) {
            const struct candidate *c = &s->slots[s->order[i]];
            struct dht_step step = lookup_step_of(l, c, DHT_STEP_TIMEOUT);

            if (c->state == CANDIDATE_ASKED || c->state == CANDIDATE_SLOW)
                lookup_report(l, &step);
        }
    }
}

static void put_closest(const struct lookup *l, const struct candidate *c,
                        struct dht_result *r)
{
    size_t i = r->closest_count;

    while (i > 0 &&
           id_compare_distance(&l->target, &c->id, &r->closest[i - 1].id) < 0) {
        if (i < DHT_K)
            r->closest[i] = r->closest[i - 1];
        i--;
    }
    if (i == DHT_K)
        return;
    r->closest[i].id = c->id;
    r->closest[i].ep = c->ep;
    if (r->closest_count < DHT_K)
        r->closest_count++;
}

static void collect_closest(struct dht *d, struct lookup *l,
                            struct dht_result *r)
{
    for (int f = 0; f < FAMILIES; f++) {
        const struct lookup_side *s = &l->side[f];
        uint8_t slots[DHT_K];
        struct id ids[DHT_K];
        size_t n = lookup_side_closest(s, false, slots, DHT_K);

        for (size_t i = 0; i < n; i++) {
            const struct candidate *c = &s->slots[slots[i]];

            ids[i] = c->id;
            put_closest(l, c, r);
            if (l->values == 0 && r->closest_count > 0 &&
                id_equal(&r->closest[0].id, &c->id))
                l->hops = c->hop;
        }
        if (n > 0 && !l->single && l->purpose != LOOKUP_JOIN)
            size_estimate_add(&d->size[f], &l->target, ids, n);
    }
}

/* A single query's node counts even where a lookup would not count it. */
static void collect_single(const struct lookup *l, struct dht_result *r)
{
    r->duration = l->single_rtt;
    for (int f = 0; f < FAMILIES; f++) {
        const struct lookup_side *s = &l->side[f];

        if (s->count > 0 && s->slots[s->order[0]].state == CANDIDATE_ANSWERED)
            put_closest(l, &s->slots[s->order[0]], r);
    }
}

void lookup_drop(struct dht *d, struct lookup *l)
{
    assert(!l->dead);
    l->dead = true;
    d->lookup_count -= l->purpose == LOOKUP_REQUEST;
    rpc_detach(d, l);
    d->starved = true; /* others may have room for queries now */
}

void lookup_end(struct dht *d, struct lookup *l, enum error err)
{
    struct dht_result result = {.error = err};

    report_silent(l);
    if (l->dead)
        return;
    result.duration = time_since(l->started_at, d->now);
    if (l->single)
        collect_single(l, &result);
    else
        collect_closest(d, l, &result);
    result.asked = l->asked;
    result.answered = l->answered;
    result.hops = l->hops;
    result.values = l->values;
    result.stored = l->stored;
    d->stats.lookups_done++;
    d->stats.lookups_empty += l->answered == 0;
    lookup_drop(d, l);
    if (l->publication != NULL)
        publish_round_ended(d, l, err);
    if (l->purpose == LOOKUP_JOIN || l->purpose == LOOKUP_REFRESH)
        maintain_lookup_ended(d, l);
    if (l->handler.done != NULL)
        l->handler.done(l->handler.ctx, &result);
}

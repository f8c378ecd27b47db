/* SPDX-License-Identifier: MIT
 *
 * How a lookup ends: what it found is put together and reported, and others
 * hear that there is room for queries.
 */
#include "dht/lookup/lookup_parts.h"

#include "base/timestamp.h"
#include "dht/contacts/contacts.h"
#include "dht/query/query.h"
#include "dht/types/bloom.h"
#include "dht/world/world.h"

#include <assert.h>

/* ---- Steps --------------------------------------------------------------- */

struct dht_step lookup_step_of(const struct lookup *l,
                               const struct candidate *c,
                               enum dht_outcome outcome)
{
    struct dht_step step = {
        .to = c->ep,
        .id = c->id,
        .hop = c->hop,
        .outcome = outcome,
        .asked_at = c->asked_at,
        .answered_at = TIME_NEVER,
    };

    if (c->id_known)
        step.bits = id_common_bits(&c->id, &l->target);
    return step;
}

void lookup_report(const struct lookup *l, const struct dht_step *step)
{
    if (l->client->step != NULL)
        l->client->step(l->ctx, step);
}

/* Those that we no longer wait for had no answer, as far as this lookup is
 * concerned. */
static void report_silent(const struct lookup *l)
{
    for (int f = 0; f < FAMILIES; f++) {
        const struct lookup_side *s = &l->side[f];

        for (size_t i = 0; i < s->count; i++) {
            const struct candidate *c = &s->slots[s->order[i]];
            struct dht_step step = lookup_step_of(l, c, DHT_STEP_TIMEOUT);

            step.early = c->state == CANDIDATE_ASKED;
            if (c->state == CANDIDATE_ASKED || c->state == CANDIDATE_SLOW)
                lookup_report(l, &step);
        }
    }
}

/* ---- The result ---------------------------------------------------------- */

/* Sorts it in; beyond DHT_K the farthest falls off. */
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

/* Where no value was found the hops are those of the nearest. How dense the
 * nodes lie around a random target tells the size of the network. */
static void collect_closest(struct lookup *l, struct dht_result *r)
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
        if (n > 0 && l->random_target)
            size_estimate_add(&l->all->contacts->size[f], &l->target, ids, n);
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

/* Peers that no filter has are those of nodes that give none. */
static void collect_scrape(struct lookup *l, struct dht_result *r)
{
    struct lookup_scrape *s = l->scrape;

    for (unsigned i = 0; i < l->values; i++) {
        if (!bloom_has(s->seeds, &l->peers[i]))
            bloom_insert(s->others, &l->peers[i]);
    }
    r->scraped = s->nodes;
    r->seeds = bloom_estimate(s->seeds);
    r->downloaders = bloom_estimate(s->others);
}

void lookup_closest_tokens(struct lookup *l,
                           void (*visit)(void *ctx, const struct candidate *c),
                           void *ctx)
{
    for (int f = 0; f < FAMILIES; f++) {
        const struct lookup_side *s = &l->side[f];
        uint8_t slots[DHT_K];
        size_t n = lookup_side_closest(s, true, slots, DHT_K);

        for (size_t i = 0; i < n; i++)
            visit(ctx, &s->slots[slots[i]]);
    }
}

/* ---- The end ------------------------------------------------------------- */

void lookup_drop(struct lookup *l)
{
    assert(!l->dead);
    l->dead = true;
    queries_leave(l->all->queries, l);
    l->all->starved = true; /* others may have room for queries now */
}

void lookup_end(struct lookup *l, enum error err)
{
    struct dht_world *w = l->all->w;
    struct dht_result result = {.error = err};

    report_silent(l);
    result.duration = time_since(l->started_at, w->now);
    if (l->single)
        collect_single(l, &result);
    else
        collect_closest(l, &result);
    if (l->scrape != NULL)
        collect_scrape(l, &result);
    result.asked = l->asked;
    result.answered = l->answered;
    result.hops = l->hops;
    result.values = l->values;
    w->stats.lookups_done++;
    w->stats.lookups_empty += l->answered == 0;
    lookup_drop(l);
    if (l->client->ended != NULL)
        l->client->ended(l->ctx, l, &result);
}

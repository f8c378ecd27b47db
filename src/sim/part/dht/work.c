/* SPDX-License-Identifier: MIT
 *
 * What nodes of the DHT are given to do: lookups by chance of what is announced
 * (announces.h), or of ids by chance, and items (items.h).
 */
#include "sim/part/dht/announces.h"
#include "sim/part/dht/demand.h"
#include "sim/part/dht/errand.h"
#include "sim/part/dht/items.h"
#include "sim/part/dht/trace.h"
#include "sim/part/dht/truth.h"
#include "sim/part/part.h"

#include <stdlib.h>

#define STREAM UINT64_C(0x6c6f6f6b757073) /* "lookups" */

struct dht_work {
    struct laboratory *lab;
    struct sim_rng rng;
    struct errands errands;
    struct dht_truth truth;
    struct dht_announces announces;
    struct dht_items items;
    struct popularity popularity; /* of keys */
    uint64_t at;                  /* of the last harvest */
    unsigned tracing;             /* that keep their steps, under way */
    uint32_t traced;              /* whose steps were written down */
    enum error error;             /* of what has ended */
};

static void work_free(void *part)
{
    struct dht_work *w = part;

    dht_errands_deinit(&w->errands);
    popularity_deinit(&w->popularity);
    dht_items_deinit(&w->items);
    dht_announces_deinit(&w->announces);
    dht_truth_deinit(&w->truth);
    free(w);
}

/* Whether the scenario has anything for it to do. */
static bool is_wanted(const struct scenario *s)
{
    return s->lookups.rate > 0 || s->lookups.keys > 0 || s->items.count > 0;
}

static enum error work_make(struct laboratory *lab, void **out)
{
    const struct scenario_lookups *lookups = &lab->scenario->lookups;
    struct dht_work *w;
    enum error err;

    *out = NULL;
    if (!is_wanted(lab->scenario))
        return OK;
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return ERR_NO_MEMORY;
    w->lab = lab;
    sim_rng_init(&w->rng, lab->scenario->run.seed, STREAM);
    dht_errands_init(&w->errands, lab);
    err = dht_announces_init(&w->announces, lab, &w->errands);
    if (err == OK)
        err = dht_items_init(&w->items, lab, &w->errands);
    if (err == OK)
        err = popularity_init(&w->popularity, lookups->popularity,
                              lookups->zipf, lookups->keys);
    if (err == OK)
        err = dht_truth_init(&w->truth, lab); /* last: it is listened to */
    if (err == OK)
        *out = w;
    else
        work_free(w);
    return err;
}

/* ---- Lookups ------------------------------------------------------------- */

static bool has_keys(const struct dht_work *w)
{
    return w->announces.keys > 0;
}

/* False: nothing to look up, for this time. */
static bool choose(struct dht_work *w, uint32_t *key, struct id *target)
{
    *key = 0;
    if (!has_keys(w)) {
        sim_rng_fill(&w->rng, target->b, ID_BYTES);
        return true;
    }
    *key = popularity_draw(&w->popularity, &w->rng);
    *target = *dht_announces_key(&w->announces, *key);
    return dht_announces_any(&w->announces, *key);
}

static bool has_adversary(const struct scenario *s)
{
    return s->adversary.share > 0 || s->adversary.count > 0;
}

static enum error trace_if_wanted(struct dht_work *w, struct errand *a)
{
    bool keep = w->traced + w->tracing < w->lab->scenario->lookups.traced;
    enum error err = OK;

    if (keep || has_adversary(w->lab->scenario))
        err = dht_trace_start(a, keep);
    w->tracing += a->trace != NULL;
    return err;
}

/* Ids by chance are looked up like infohashes, not by find_node: so all that is
 * find_node is upkeep. */
static enum error look_up(struct dht_work *w)
{
    const struct population_member *m =
        population_any(w->lab->population, &w->rng);
    struct errand *a;
    struct id target;
    enum error err;
    uint32_t key;

    if (!choose(w, &key, &target) || m == NULL)
        return OK;
    a = errand_new(&w->errands, m, ERRAND_LOOKUP, key);
    if (a == NULL)
        return ERR_NO_MEMORY;
    a->target = target;
    err = sim_dht_get_peers(w->lab->sim, m->node, &target, &a->r);
    if (err != OK && has_keys(w))
        measure_share(w->lab->measures, M_LOOKUP_SUCCESS, 0, 1);
    if (errand_begun(&w->errands, a, err) != OK)
        return errand_failure(err);
    return trace_if_wanted(w, a);
}

static void count_costs(struct measures *m, const struct sim_request *r)
{
    measure_value(m, M_LOOKUP_MESSAGES, r->result.asked);
    measure_value(m, M_LOOKUP_TIMEOUTS, r->timeouts);
    measure_value(m, M_LOOKUP_TIME, r->result.duration);
}

static void count_lookup(struct dht_work *w, const struct errand *a)
{
    struct measures *m = w->lab->measures;
    const struct sim_request *r = &a->r;
    bool found = has_keys(w) && dht_announces_found(&w->announces, a->what, r);
    unsigned hits, of;

    count_costs(m, r);
    if (has_keys(w))
        measure_share(m, M_LOOKUP_SUCCESS, found, 1);
    if (found)
        measure_value(m, M_LOOKUP_FIRST, time_since(r->began, r->first));
    if (found || (!has_keys(w) && r->result.error == OK))
        measure_value(m, M_LOOKUP_HOPS, r->result.hops);
    hits = dht_truth_score(&w->truth, a->member, &a->target, &r->result, &of);
    measure_share(m, M_CLOSEST_FOUND, hits, of);
    if (has_adversary(w->lab->scenario))
        measure_share(m, M_LOOKUP_SEEN, a->seen, 1);
}

static void lookup_ended(struct dht_work *w, const struct errand *a, bool done)
{
    if (done)
        count_lookup(w, a);
    if (a->trace == NULL)
        return;
    w->tracing--;
    if (done) {
        enum error err = dht_trace_keep(w->lab, a, w->traced++);

        if (w->error == OK)
            w->error = err;
    }
}

/* ---- The part ------------------------------------------------------------ */

static void on_ended(void *ctx, struct errand *a, bool done)
{
    struct dht_work *w = ctx;

    switch (a->purpose) {
    case ERRAND_LOOKUP:
        lookup_ended(w, a, done);
        break;
    case ERRAND_ANNOUNCE:
    case ERRAND_PEER_PROBE:
        dht_announces_ended(&w->announces, a, done);
        break;
    case ERRAND_PUT:
    case ERRAND_GET:
    case ERRAND_ITEM_PROBE:
        dht_items_ended(&w->items, a, done);
        break;
    }
}

static enum error look_up_some(struct dht_work *w, uint64_t now)
{
    enum error err = OK;
    unsigned n;

    if (now <= w->lab->begins)
        return OK;
    n = demand_arrivals(&w->rng, w->lab->scenario->lookups.rate,
                        w->truth.askers, time_since(w->at, now));
    for (; n > 0 && err == OK; n--)
        err = look_up(w);
    return err;
}

static enum error work_harvest(void *part, uint64_t now)
{
    struct dht_work *w = part;
    enum error err = dht_truth_harvest(&w->truth);

    errands_harvest(&w->errands, on_ended, w);
    if (err == OK)
        err = w->error;
    if (err == OK)
        err = dht_announces_harvest(&w->announces, now);
    if (err == OK)
        err = dht_items_harvest(&w->items, now, w->truth.askers,
                                time_since(w->at, now));
    if (err == OK)
        err = look_up_some(w, now);
    w->at = now;
    return err;
}

const struct part_kind dht_work = {
    .name = "dht_work",
    .make = work_make,
    .harvest = work_harvest,
    .free = work_free,
};

/* SPDX-License-Identifier: MIT */
#include "sim/part/dht/items.h"

#include "sim/part/dht/announces.h"
#include "sim/part/dht/demand.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define STREAM UINT64_C(0x6974656d73) /* "items" */
#define AGAIN  (10 * TIME_S)

struct dht_items_one {
    uint8_t secret[64];
    struct id target;
    uint32_t member, session; /* who put it; of those that are `made` */
    bool made, busy, probing;
    int64_t seq;  /* of the newest that somebody took; 0: none yet */
    uint64_t due; /* earliest; while it is not made */
    uint64_t at;  /* when the newest was put */
    uint64_t probe_at;
};

/* Its key follows from the seed. */
static void make_item(struct dht_items *all, uint32_t i)
{
    struct dht_items_one *one = &all->each[i];
    struct dht_item item = {.mutable_item = true};
    uint8_t seed[32];

    sim_rng_fill(&all->rng, seed, sizeof(seed));
    crypto_sign_seed_keypair(item.key, one->secret, seed);
    dht_item_target(&item, &one->target);
    one->due = dht_publish_due(all->lab, i, all->count);
}

enum error dht_items_init(struct dht_items *all, const struct laboratory *lab,
                          struct errands *errands)
{
    const struct scenario_items *s = &lab->scenario->items;

    *all = (struct dht_items){
        .lab = lab,
        .errands = errands,
        .count = s->count,
        .renew = s->renew,
        .probe = s->renew ? 0 : lab->scenario->lookups.probe,
    };
    sim_rng_init(&all->rng, lab->scenario->run.seed, STREAM);
    if (s->count == 0)
        return OK;
    all->each = calloc(s->count, sizeof(*all->each));
    if (all->each == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < s->count; i++)
        make_item(all, i);
    return OK;
}

void dht_items_deinit(struct dht_items *all)
{
    free(all->each);
    all->each = NULL;
}

/* ---- What is due --------------------------------------------------------- */

/* NULL, and OK: there is nobody. */
static enum error begin(struct dht_items *all, enum errand_for purpose,
                        uint32_t which, struct errand **out)
{
    const struct population_member *m =
        population_any(all->lab->population, &all->rng);

    *out = NULL;
    if (m == NULL)
        return OK;
    *out = errand_new(all->errands, m, purpose, which);
    if (*out == NULL)
        return ERR_NO_MEMORY;
    (*out)->r.node = m->node;
    return OK;
}

static enum error put(struct dht_items *all, uint32_t which)
{
    struct dht_items_one *one = &all->each[which];
    struct dht_item item = {.mutable_item = true, .seq = one->seq + 1};
    struct value value;
    struct errand *a;
    enum error err = begin(all, ERRAND_PUT, which, &a);

    if (err != OK || a == NULL)
        return err;
    err = value_from_bytes(bytes_of(&item.seq, sizeof(item.seq)), &value);
    item.value = &value;
    if (err == OK) {
        dht_item_sign(&item, one->secret);
        err = sim_dht_put(all->lab->sim, a->r.node, &item, &a->r);
    }
    a->seq = item.seq;
    if (errand_begun(all->errands, a, err) == OK)
        one->busy = true;
    return errand_failure(err);
}

static enum error get(struct dht_items *all, enum errand_for purpose,
                      uint32_t which)
{
    struct dht_items_one *one = &all->each[which];
    struct errand *a;
    enum error err = begin(all, purpose, which, &a);

    if (err != OK || a == NULL)
        return err;
    err = sim_dht_get_item(all->lab->sim, a->r.node, &one->target, &a->r);
    a->seq = one->seq;
    if (errand_begun(all->errands, a, err) == OK &&
        purpose == ERRAND_ITEM_PROBE)
        one->probing = true;
    return errand_failure(err);
}

static bool is_orphan(const struct dht_items *all,
                      const struct dht_items_one *one)
{
    return all->renew && one->made &&
           population_still(all->lab->population, one->member, one->session) ==
               NULL;
}

static enum error look_at(struct dht_items *all, uint32_t which, uint64_t now)
{
    struct dht_items_one *one = &all->each[which];
    enum error err = OK;

    if (!one->busy && (one->made ? is_orphan(all, one) : now >= one->due))
        err = put(all, which);
    if (err != OK || all->probe == 0 || one->probing || !one->made ||
        now < all->lab->begins || now < one->probe_at)
        return err;
    one->probe_at = now + all->probe;
    return get(all, ERRAND_ITEM_PROBE, which);
}

static enum error look_at_some(struct dht_items *all, uint64_t now)
{
    uint32_t n = (all->count + DHT_ITEMS_ROUND - 1) / DHT_ITEMS_ROUND;
    enum error err = OK;

    for (; n > 0 && err == OK; n--) {
        err = look_at(all, all->hand, now);
        all->hand = all->hand + 1 < all->count ? all->hand + 1 : 0;
    }
    return err;
}

enum error dht_items_harvest(struct dht_items *all, uint64_t now,
                             uint32_t askers, uint64_t past)
{
    enum error err = look_at_some(all, now);
    unsigned n;

    if (all->count == 0 || now <= all->lab->begins || err != OK)
        return err;
    n = demand_arrivals(&all->rng, all->lab->scenario->items.rate, askers,
                        past);
    for (; n > 0 && err == OK; n--) {
        uint32_t which = sim_rng_below(&all->rng, all->count);

        if (all->each[which].made)
            err = get(all, ERRAND_GET, which);
    }
    return err;
}

/* ---- What came of it ----------------------------------------------------- */

static void was_put(struct dht_items *all, const struct errand *a, bool done)
{
    struct dht_items_one *one = &all->each[a->what];
    struct sim_dht *n = sim_dht_of(all->lab->sim, a->r.node);
    bool stored = done && a->r.result.stored > 0;

    one->busy = false;
    if (done && !all->renew) {
        dht_unput(n->dht, &one->target);
        sim_wake(all->lab->sim, a->r.node);
    }
    if (stored || (done && all->renew)) {
        one->made = true;
        one->member = a->member;
        one->session = a->session;
        one->seq = a->seq;
        one->at = a->r.began;
    } else if (!one->made) {
        one->due = sim_now(all->lab->sim) + AGAIN;
    }
}

static void was_got(struct dht_items *all, const struct errand *a)
{
    bool newest = a->r.items > 0 && a->r.item_seq >= a->seq;
    const struct dht_items_one *one = &all->each[a->what];
    struct measures *m = all->lab->measures;

    if (a->purpose == ERRAND_ITEM_PROBE) {
        measure_curve(m, M_ITEM_FINDABLE,
                      time_since(one->at, a->r.began) / TIME_MIN, newest, 1);
        return;
    }
    measure_share(m, M_ITEM_SUCCESS, newest, 1);
    if (newest)
        measure_value(m, M_ITEM_TIME, a->r.result.duration);
}

void dht_items_ended(struct dht_items *all, const struct errand *a, bool done)
{
    if (a->purpose == ERRAND_PUT) {
        was_put(all, a, done);
        return;
    }
    if (a->purpose == ERRAND_ITEM_PROBE)
        all->each[a->what].probing = false;
    if (done)
        was_got(all, a);
}

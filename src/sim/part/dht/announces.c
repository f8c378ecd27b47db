/* SPDX-License-Identifier: MIT
 *
 * Each announcement has a port of its own, by which its peer is known again.
 */
#include "sim/part/dht/announces.h"

#include "sim/part/dht/demand.h"

#include <stdlib.h>
#include <string.h>

#define STREAM UINT64_C(0x616e6e6f756e6365) /* "announce" */
#define PORTS  65535
#define AGAIN  (10 * TIME_S) /* after a try that nobody took */
#define TRIES  8             /* to find a node that does not announce it yet */

struct dht_key {
    struct id id;
    uint64_t probe_at; /* earliest */
    bool probing;
};

struct dht_announce {
    uint32_t member, session; /* who does it; of those `made` or `busy` */
    uint32_t node;            /* who has done it; of those `made` */
    bool made, busy;
    uint64_t due; /* earliest; while it is not made */
    uint64_t at;  /* when it was begun */
};

/* What is published while few are there yet is not where others look later. */
uint64_t dht_publish_due(const struct laboratory *lab, uint32_t i,
                         uint32_t count)
{
    const struct scenario *s = lab->scenario;
    uint64_t arrival =
        s->nodes.arrival == ARRIVE_AT_ONCE ? 0 : s->nodes.arrival_time;
    uint64_t start = lab->begins - s->run.warmup;
    uint64_t before = arrival > s->run.warmup ? arrival : s->run.warmup;
    uint64_t span = time_min(before / 2, DHT_PUBLISH_BEFORE);

    return start + before - span + span / count * i;
}

enum error dht_announces_init(struct dht_announces *all,
                              const struct laboratory *lab,
                              struct errands *errands)
{
    const struct scenario_lookups *s = &lab->scenario->lookups;
    uint32_t count = s->keys * s->announcers;

    *all = (struct dht_announces){
        .lab = lab,
        .errands = errands,
        .keys = s->keys,
        .announcers = s->announcers,
        .renew = s->renew,
        .probe = s->renew ? 0 : s->probe,
    };
    sim_rng_init(&all->rng, lab->scenario->run.seed, STREAM);
    if (count == 0)
        return OK;
    all->key = calloc(s->keys, sizeof(*all->key));
    all->each = calloc(count, sizeof(*all->each));
    if (all->key == NULL || all->each == NULL) {
        dht_announces_deinit(all);
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < s->keys; i++)
        demand_key(lab->scenario->run.seed, i, &all->key[i].id);
    for (uint32_t i = 0; i < count; i++)
        all->each[i].due = dht_publish_due(lab, i, count);
    return OK;
}

void dht_announces_deinit(struct dht_announces *all)
{
    free(all->key);
    free(all->each);
    all->key = NULL;
    all->each = NULL;
}

static uint16_t port_of(uint32_t announcement)
{
    return (uint16_t)(1 + announcement % PORTS);
}

/* ---- What is due --------------------------------------------------------- */

/* A node has one announcement of a key. */
static bool has_announced(const struct dht_announces *all, uint32_t key,
                          const struct population_member *m)
{
    for (uint32_t j = 0; j < all->announcers; j++) {
        const struct dht_announce *n = &all->each[key * all->announcers + j];

        if ((n->made || n->busy) && n->member == m->index)
            return true;
    }
    return false;
}

/* Who announces nothing of the key yet; NULL: nobody was found so soon. */
static const struct population_member *choose(struct dht_announces *all,
                                              uint32_t key)
{
    for (unsigned i = 0; i < TRIES; i++) {
        const struct population_member *m =
            population_any(all->lab->population, &all->rng);

        if (m == NULL || !has_announced(all, key, m))
            return m;
    }
    return NULL;
}

static enum error announce(struct dht_announces *all, uint32_t which)
{
    struct dht_announce *n = &all->each[which];
    const struct population_member *m = choose(all, which / all->announcers);
    struct errand *a;
    enum error err;

    if (m == NULL)
        return OK;
    a = errand_new(all->errands, m, ERRAND_ANNOUNCE, which);
    if (a == NULL)
        return ERR_NO_MEMORY;
    err = sim_dht_announce(all->lab->sim, m->node,
                           &all->key[which / all->announcers].id,
                           port_of(which), &a->r);
    if (errand_begun(all->errands, a, err) == OK) {
        n->busy = true;
        n->member = m->index;
        n->session = m->session;
    }
    return errand_failure(err);
}

/* Made and kept alive by somebody who is not there any more. */
static bool is_orphan(const struct dht_announces *all,
                      const struct dht_announce *n)
{
    return all->renew && n->made &&
           population_still(all->lab->population, n->member, n->session) ==
               NULL;
}

static enum error probe(struct dht_announces *all, uint32_t key)
{
    const struct population_member *m =
        population_any(all->lab->population, &all->rng);
    struct errand *a;
    enum error err;

    if (m == NULL)
        return OK;
    a = errand_new(all->errands, m, ERRAND_PEER_PROBE, key);
    if (a == NULL)
        return ERR_NO_MEMORY;
    err = sim_dht_get_peers(all->lab->sim, m->node, &all->key[key].id, &a->r);
    if (errand_begun(all->errands, a, err) == OK)
        all->key[key].probing = true;
    return errand_failure(err);
}

static enum error look_at(struct dht_announces *all, uint32_t key, uint64_t now)
{
    struct dht_key *k = &all->key[key];
    enum error err = OK;

    for (uint32_t j = 0; j < all->announcers && err == OK; j++) {
        uint32_t which = key * all->announcers + j;
        struct dht_announce *n = &all->each[which];

        if (!n->busy && (n->made ? is_orphan(all, n) : now >= n->due))
            err = announce(all, which);
    }
    if (err != OK || all->probe == 0 || k->probing || now < all->lab->begins ||
        now < k->probe_at || !dht_announces_any(all, key))
        return err;
    k->probe_at = now + all->probe;
    return probe(all, key);
}

enum error dht_announces_harvest(struct dht_announces *all, uint64_t now)
{
    uint32_t n = (all->keys + DHT_ANNOUNCES_ROUND - 1) / DHT_ANNOUNCES_ROUND;
    enum error err = OK;

    for (; n > 0 && err == OK; n--) {
        err = look_at(all, all->hand, now);
        all->hand = all->hand + 1 < all->keys ? all->hand + 1 : 0;
    }
    return err;
}

/* ---- What came of it ----------------------------------------------------- */

static void withdraw(struct dht_announces *all, const struct errand *a)
{
    struct sim_dht *n = sim_dht_of(all->lab->sim, a->r.node);

    dht_withdraw(n->dht, &all->key[a->what / all->announcers].id);
    sim_wake(all->lab->sim, a->r.node);
}

static void announced(struct dht_announces *all, const struct errand *a,
                      bool done)
{
    struct dht_announce *n = &all->each[a->what];
    bool stored = done && a->r.result.stored > 0;

    n->busy = false;
    if (done && !all->renew)
        withdraw(all, a);
    /* What is renewed is tried again by its node. */
    if (stored || (done && all->renew)) {
        n->made = true;
        n->node = a->r.node;
        n->at = a->r.began;
    } else if (!n->made) {
        n->due = sim_now(all->lab->sim) + AGAIN;
    }
}

static bool is_found(const struct dht_announces *all, uint32_t which,
                     const struct sim_request *r)
{
    const struct dht_announce *n = &all->each[which];
    struct endpoint ep;

    for (int f = 0; n->made && f < FAMILIES; f++) {
        if (!sim_endpoint(all->lab->sim, n->node, (enum family)f, &ep))
            continue;
        ep.port = port_of(which);
        if (sim_request_has_peer(r, &ep))
            return true;
    }
    return false;
}

static void probed(struct dht_announces *all, const struct errand *a, bool done)
{
    all->key[a->what].probing = false;
    for (uint32_t j = 0; done && j < all->announcers; j++) {
        uint32_t which = a->what * all->announcers + j;
        const struct dht_announce *n = &all->each[which];

        if (n->made && n->at < a->r.began)
            measure_curve(all->lab->measures, M_PEER_FINDABLE,
                          (a->r.began - n->at) / TIME_MIN,
                          is_found(all, which, &a->r), 1);
    }
}

void dht_announces_ended(struct dht_announces *all, const struct errand *a,
                         bool done)
{
    if (a->purpose == ERRAND_ANNOUNCE)
        announced(all, a, done);
    else
        probed(all, a, done);
}

/* ---- For lookups --------------------------------------------------------- */

const struct id *dht_announces_key(const struct dht_announces *all,
                                   uint32_t key)
{
    return &all->key[key].id;
}

bool dht_announces_any(const struct dht_announces *all, uint32_t key)
{
    for (uint32_t j = 0; j < all->announcers; j++)
        if (all->each[key * all->announcers + j].made)
            return true;
    return false;
}

bool dht_announces_found(const struct dht_announces *all, uint32_t key,
                         const struct sim_request *r)
{
    for (uint32_t j = 0; j < all->announcers; j++)
        if (is_found(all, key * all->announcers + j, r))
            return true;
    return false;
}

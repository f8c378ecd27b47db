/* SPDX-License-Identifier: MIT
 *
 * Finding a way in, and the rounds that follow: the first half of maintain.h.
 */
#include "dht/join/maintain.h"

#include "dht/engine.h"
#include "dht/lookup/lookup.h"

#include <stdlib.h>

#define RETRY_MIN   TIME_S
#define RETRY_MAX   (5 * TIME_MIN)
#define DOUBT_EVERY (10 * TIME_MIN)
#define ROUND_DELAY (200 * TIME_MS) /* doubled from round to round */

/* ---- Whom to begin with -------------------------------------------------- */

enum error dht_bootstrap_add(struct dht *d, const struct endpoint *ep,
                             uint64_t now)
{
    struct maintain *m = &d->maintain;

    if (!endpoint_is_usable(ep) || !d->config.family[ep->family])
        return ERR_ADDRESS;
    for (size_t i = 0; i < m->bootstrap_count; i++) {
        if (endpoint_equal(&m->bootstraps[i], ep))
            return OK;
    }
    if (m->bootstrap_count == MAINTAIN_BOOTSTRAPS)
        return ERR_FULL;
    if (m->bootstraps == NULL)
        m->bootstraps = calloc(MAINTAIN_BOOTSTRAPS, sizeof(*m->bootstraps));
    if (m->bootstraps == NULL)
        return ERR_NO_MEMORY;
    m->bootstraps[m->bootstrap_count++] = *ep;
    if (!m->join[ep->family].joined)
        m->join[ep->family].at = time_min(m->join[ep->family].at, now);
    return OK;
}

void dht_bootstrap_clear(struct dht *d)
{
    d->maintain.bootstrap_count = 0;
}

void dht_node_add(struct dht *d, const struct id *id, const struct endpoint *ep,
                  uint64_t now)
{
    struct maintain *m = &d->maintain;

    if (!endpoint_is_usable(ep) || !d->config.family[ep->family])
        return;
    table_named(&d->table[ep->family], id, ep, now);
    if (m->join[ep->family].joined)
        return;
    m->join[ep->family].at = time_min(m->join[ep->family].at, now);
    if (m->stored == NULL)
        m->stored = calloc(MAINTAIN_STORED, sizeof(*m->stored));
    if (m->stored == NULL || m->stored_count == MAINTAIN_STORED)
        return;
    m->stored[m->stored_count++] = (struct stored_node){*id, *ep};
}

static bool knows_stored(const struct dht *d, enum family f)
{
    for (size_t i = 0; i < d->maintain.stored_count; i++) {
        if (d->maintain.stored[i].ep.family == f)
            return true;
    }
    return false;
}

static bool knows_bootstrap(const struct dht *d, enum family f)
{
    for (size_t i = 0; i < d->maintain.bootstrap_count; i++) {
        if (d->maintain.bootstraps[i].family == f)
            return true;
    }
    return false;
}

void maintain_seed(struct dht *d, struct lookup *l, enum family f)
{
    const struct maintain *m = &d->maintain;
    struct lookup_side *s = &l->side[f];
    /* The first attempt to join, and requests meanwhile, leave the bootstrap
     * nodes in peace. */
    bool first = m->join[f].failed < (l->purpose == LOOKUP_JOIN ? 1 : 2);
    bool stored_only = first && knows_stored(d, f);

    for (size_t i = 0; i < m->stored_count; i++) {
        if (m->stored[i].ep.family == f)
            lookup_side_add(s, &m->stored[i].id, &m->stored[i].ep, 1,
                            LOOKUP_NOBODY, 0);
    }
    for (size_t i = 0; i < m->bootstrap_count && !stored_only; i++) {
        if (m->bootstraps[i].family == f)
            lookup_side_add(s, NULL, &m->bootstraps[i], 1, LOOKUP_NOBODY, 0);
    }
}

/* ---- Joining ------------------------------------------------------------- */

static struct lookup *running_join(struct dht *d, enum family f)
{
    for (struct lookup *l = d->lookups; l != NULL; l = l->next) {
        if (!l->dead && l->purpose == LOOKUP_JOIN && l->home == f)
            return l;
    }
    return NULL;
}

static void start(struct dht *d, enum family f, enum lookup_purpose purpose,
                  const struct id *target)
{
    struct lookup_params p = {
        .purpose = purpose,
        .method = DHT_FIND_NODE,
        .target = target,
    };
    struct lookup *l;

    /* Nodes of the other family are welcome as long as it has none. */
    for (int i = 0; i < FAMILIES; i++)
        p.family[i] = i == (int)f || !d->maintain.join[i].joined;
    if (lookup_start(d, &p, &l) != OK)
        return;
    l->home = f;
}

static uint64_t retry_after(const struct dht *d, unsigned failed)
{
    uint64_t delay = failed < 16 ? RETRY_MIN << failed : RETRY_MAX;

    delay = time_min(delay, RETRY_MAX);
    return engine_jitter(d, delay, delay / 4);
}

static void attempt(struct dht *d, enum family f)
{
    struct join *j = &d->maintain.join[f];
    struct lookup *old = running_join(d, f);

    j->at = TIME_NEVER;
    if (maintain_leaves_out(d, f))
        return;
    if (!knows_stored(d, f) && !knows_bootstrap(d, f) && d->table[f].live == 0)
        return;
    if (j->failed == 0)
        d->maintain.credit = MAINTAIN_JOIN_CREDIT;
    if (old != NULL)
        lookup_drop(d, old);
    start(d, f, LOOKUP_JOIN, &d->self[f]);
    j->at = time_after(d->now, retry_after(d, j->failed++));
}

static void tell_joined(struct dht *d, enum family f)
{
    struct dht_event event = {
        .kind = DHT_EVENT_JOINED,
        .family = f,
        .id = d->self[f],
        .joined = d->maintain.join[f].joined,
    };

    d->env.event(d->env.ctx, &event);
}

void maintain_contact(struct dht *d, enum family f)
{
    struct join *j = &d->maintain.join[f];

    maintain_candidate(d, f);
    if (j->joined)
        return;
    d->maintain.alive_at[f] = d->now;
    j->joined = true;
    /* One that was found, not finding, has its table to fill all the same:
     * the first node of a network is asked by all others at once. */
    if (j->failed == 0 && d->maintain.credit == 0)
        d->maintain.credit = MAINTAIN_JOIN_CREDIT;
    j->failed = 0;
    j->rounds = 0;
    j->live = 0;
    j->fill = -1;
    /* A lookup that runs becomes the first round when it ends. */
    j->at = running_join(d, f) == NULL ? d->now : TIME_NEVER;
    tell_joined(d, f);
}

void maintain_lost(struct dht *d, enum family f)
{
    struct join *j = &d->maintain.join[f];
    struct table_counts counts;

    if (!j->joined)
        return;
    table_counts(&d->table[f], d->now, &counts);
    if (counts.bad < counts.live)
        return;
    j->joined = false;
    j->failed = 0;
    j->at = time_after(d->now, retry_after(d, 0));
    tell_joined(d, f);
}

/* ---- The machine's network changes --------------------------------------- */

bool maintain_leaves_out(const struct dht *d, enum family f)
{
    enum family other = f == FAMILY_IPV4 ? FAMILY_IPV6 : FAMILY_IPV4;

    return d->maintain.join[f].cut && d->config.family[other] &&
           !d->maintain.join[other].cut;
}

static void cut(struct dht *d, enum family f)
{
    struct join *j = &d->maintain.join[f];

    j->cut = true;
    j->failed = 0;
    if (!j->joined)
        return;
    j->joined = false;
    j->at = time_after(d->now, retry_after(d, 0));
    tell_joined(d, f);
}

void maintain_again(struct dht *d, enum family f)
{
    struct join *j = &d->maintain.join[f];
    struct lookup *old = running_join(d, f);

    if (old != NULL && j->joined)
        lookup_drop(d, old);
    j->failed = 0;
    j->rounds = 0;
    j->at = d->now;
}

void maintain_doubt(struct dht *d, enum family f)
{
    struct join *j = &d->maintain.join[f];

    if (j->asked != 0 && time_since(j->asked, d->now) < DOUBT_EVERY)
        return;
    j->asked = d->now;
    vote_doubt(&d->vote[f], true);
    maintain_again(d, f);
    /* One round asks enough; who is told many things (some carriers' NATs)
     * must not pay for five each time. */
    j->rounds = MAINTAIN_EARLY_ROUNDS - 1;
}

void dht_network_changed(struct dht *d, const bool usable[FAMILIES],
                         const bool moved[FAMILIES], uint64_t now)
{
    engine_enter(d, now);
    for (int f = 0; f < FAMILIES; f++) {
        if (!d->config.family[f])
            continue;
        if (!usable[f]) {
            cut(d, (enum family)f);
            continue;
        }
        d->maintain.join[f].cut = false;
        vote_doubt(&d->vote[f], !moved[f]);
        maintain_again(d, (enum family)f);
    }
    engine_leave(d);
}

void maintain_new_id(struct dht *d, enum family f)
{
    struct join *j = &d->maintain.join[f];
    struct lookup *old = running_join(d, f);

    if (!j->joined) {
        /* Asked again at once: those who did not take us for a contact under
         * the old id will now. */
        j->at = d->now;
        return;
    }
    if (old != NULL)
        lookup_drop(d, old);
    j->rounds = 0;
    j->at = d->now;
}

static bool is_settling(const struct join *j)
{
    if (!j->joined)
        return j->at != TIME_NEVER;
    return j->rounds < MAINTAIN_EARLY_ROUNDS || j->fill >= 0;
}

/* After the first rounds nothing more is owed to joining. */
static void end_credit(struct dht *d)
{
    for (int f = 0; f < FAMILIES; f++) {
        if (is_settling(&d->maintain.join[f]))
            return;
    }
    d->maintain.credit = 0;
}

/* A random id in bucket `bucket`: that many bits are ours, the next is not. */
static struct id target_in(const struct dht *d, enum family f, int bucket)
{
    struct id target;

    d->env.random(d->env.ctx, target.b, sizeof(target.b));
    for (int i = 0; i < bucket; i++)
        id_set_bit(&target, i, id_bit(&d->self[f], i));
    id_set_bit(&target, bucket, !id_bit(&d->self[f], bucket));
    return target;
}

static void count_bucket(void *ctx, const struct contact *c, unsigned bucket)
{
    unsigned *count = ctx;

    (void)c;
    count[bucket]++;
}

static bool is_filling(const struct dht *d, enum family f)
{
    for (const struct lookup *l = d->lookups; l != NULL; l = l->next) {
        if (!l->dead && l->purpose == LOOKUP_REFRESH && l->home == f)
            return true;
    }
    return false;
}

/* One lookup after the other into the far buckets that have room. */
static void fill_buckets(struct dht *d, enum family f)
{
    struct join *j = &d->maintain.join[f];
    unsigned count[TABLE_MAX_BUCKETS] = {0};

    if (j->fill < 0 || is_filling(d, f))
        return;
    table_visit(&d->table[f], count_bucket, count);
    while (j->joined && d->maintain.credit > 0 &&
           j->fill + 1 < d->table[f].bucket_count) {
        int bucket = j->fill++;

        if (count[bucket] < DHT_K) {
            struct id target = target_in(d, f, bucket);

            start(d, f, LOOKUP_REFRESH, &target);
            return;
        }
    }
    j->fill = -1;
}

/* Rounds go on early as long as the table grows. */
static void round_ended(struct dht *d, enum family f)
{
    struct join *j = &d->maintain.join[f];
    uint64_t delay = d->config.bucket_refresh;
    uint64_t jitter = delay / 5;
    unsigned live = d->table[f].live;

    /* One that knows few may have come before those who could name others. */
    if (j->rounds >= 2 && live == j->live && live >= DHT_K)
        j->rounds = MAINTAIN_EARLY_ROUNDS;
    j->live = live;
    if (j->rounds < MAINTAIN_EARLY_ROUNDS) {
        delay = ROUND_DELAY << j->rounds++;
        jitter = delay / 4;
        j->fill = 0;
    }
    j->at = time_after(d->now, engine_jitter(d, delay, jitter));
}

/* Somebody is there who has nobody to name yet, or does not fit his address
 * (BEP 42) until he has learnt it. */
static uint64_t answered_retry(const struct dht *d, const struct join *j)
{
    uint64_t delay = ROUND_DELAY << (j->failed < 10 ? j->failed : 10);

    return engine_jitter(d, delay, delay / 4);
}

void maintain_lookup_ended(struct dht *d, const struct lookup *l)
{
    struct join *j = &d->maintain.join[l->home];

    if (l->purpose == LOOKUP_JOIN && j->joined)
        round_ended(d, l->home);
    else if (l->purpose == LOOKUP_JOIN && l->answered > 0)
        j->at = time_min(j->at, time_after(d->now, answered_retry(d, j)));
    fill_buckets(d, l->home);
    end_credit(d);
}

void join_tick(struct dht *d)
{
    for (int f = 0; f < FAMILIES; f++) {
        struct join *j = &d->maintain.join[f];

        if (j->at > d->now)
            continue;
        if (!j->joined) {
            attempt(d, (enum family)f);
        } else if (running_join(d, (enum family)f) == NULL) {
            j->at = TIME_NEVER;
            start(d, (enum family)f, LOOKUP_JOIN, &d->self[f]);
        } else {
            j->at = TIME_NEVER;
        }
    }
}

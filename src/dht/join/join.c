/* SPDX-License-Identifier: MIT
 *
 * Finding a way in, and the rounds that follow. A family is
 *
 *     alone    -- not `joined`, nobody to ask; `at` is never
 *     trying   -- not `joined`; an attempt at `at`, later with each failure
 *     settling -- `joined`; JOIN_EARLY_ROUNDS own lookups, each followed by one
 *                 into each far bucket that has room
 *     settled  -- `joined`; an own lookup each bucket_refresh
 *
 * Somebody's answer makes it join, wherever it was asked for; when all
 * contacts are bad it tries anew.
 */
#include "dht/join/join.h"

#include "dht/contacts/contacts.h"
#include "dht/join/maintain.h"
#include "dht/lookup/lookup.h"
#include "dht/world/world.h"

#include <stdlib.h>

#define RETRY_MIN   TIME_S
#define RETRY_MAX   (5 * TIME_MIN)
#define DOUBT_EVERY (10 * TIME_MIN)
#define ROUND_DELAY (200 * TIME_MS) /* doubled from round to round */

#define BOOTSTRAPS_MORE 4 /* for which room is made at a time */

/* ---- Whom to begin with -------------------------------------------------- */

static bool is_possible(const struct maintain *m, const struct endpoint *ep)
{
    return endpoint_is_usable(ep) && m->w->config.family[ep->family];
}

/* Somebody is known to whom an attempt can go; of no effect once joined. */
static void try_at(struct join *j, uint64_t at)
{
    if (!j->joined)
        j->at = time_min(j->at, at);
}

/* Makes room for one more. */
static enum error reserve_bootstrap(struct ways_in *ways)
{
    size_t count = ways->bootstrap_count;
    struct endpoint *grown;

    if (count % BOOTSTRAPS_MORE != 0)
        return OK;
    grown =
        realloc(ways->bootstraps, (count + BOOTSTRAPS_MORE) * sizeof(*grown));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    ways->bootstraps = grown;
    return OK;
}

enum error join_bootstrap_add(struct maintain *m, const struct endpoint *ep,
                              uint64_t now)
{
    struct ways_in *ways = &m->ways_in;

    if (!is_possible(m, ep))
        return ERR_ADDRESS;
    for (size_t i = 0; i < ways->bootstrap_count; i++) {
        if (endpoint_equal(&ways->bootstraps[i], ep))
            return OK;
    }
    if (ways->bootstrap_count == JOIN_BOOTSTRAPS)
        return ERR_FULL;
    if (reserve_bootstrap(ways) != OK)
        return ERR_NO_MEMORY;
    ways->bootstraps[ways->bootstrap_count++] = *ep;
    try_at(&m->join[ep->family], now);
    return OK;
}

void join_bootstrap_clear(struct maintain *m)
{
    m->ways_in.bootstrap_count = 0;
}

void join_node_add(struct maintain *m, const struct id *id,
                   const struct endpoint *ep, uint64_t now)
{
    struct ways_in *ways = &m->ways_in;

    if (!is_possible(m, ep))
        return;
    table_named(&m->contacts->table[ep->family], id, ep, now);
    if (m->join[ep->family].joined)
        return;
    try_at(&m->join[ep->family], now);
    if (ways->stored == NULL)
        ways->stored = calloc(JOIN_STORED, sizeof(*ways->stored));
    if (ways->stored == NULL || ways->stored_count == JOIN_STORED)
        return;
    ways->stored[ways->stored_count++] = (struct stored_node){*id, *ep};
}

static bool knows_stored(const struct ways_in *ways, enum family f)
{
    for (size_t i = 0; i < ways->stored_count; i++) {
        if (ways->stored[i].ep.family == f)
            return true;
    }
    return false;
}

static bool knows_bootstrap(const struct ways_in *ways, enum family f)
{
    for (size_t i = 0; i < ways->bootstrap_count; i++) {
        if (ways->bootstraps[i].family == f)
            return true;
    }
    return false;
}

bool join_seed(const struct maintain *m, struct lookup *l, enum family f,
               unsigned patience)
{
    const struct ways_in *ways = &m->ways_in;
    bool stored_only = m->join[f].failed < patience && knows_stored(ways, f);

    if (m->join[f].joined)
        return false;
    for (size_t i = 0; i < ways->stored_count; i++) {
        if (ways->stored[i].ep.family == f)
            lookup_add(l, f, &ways->stored[i].id, &ways->stored[i].ep);
    }
    for (size_t i = 0; i < ways->bootstrap_count && !stored_only; i++) {
        if (ways->bootstraps[i].family == f)
            lookup_add(l, f, NULL, &ways->bootstraps[i]);
    }
    return true;
}

/* ---- Lookups of its own -------------------------------------------------- */

static bool client_seed(void *ctx, struct lookup *l, enum family f)
{
    const struct join *j = ctx;

    return join_seed(j->m, l, f, 1);
}

static void client_asked(void *ctx)
{
    const struct join *j = ctx;

    purse_charge(&j->m->purse, j->m->w->now);
}

static void own_ended(void *ctx, struct lookup *l,
                      const struct dht_result *result);
static void far_ended(void *ctx, struct lookup *l,
                      const struct dht_result *result);

static const struct lookup_client own_client = {
    .seed = client_seed, .asked = client_asked, .ended = own_ended};
static const struct lookup_client far_client = {
    .seed = client_seed, .asked = client_asked, .ended = far_ended};

static struct lookup *start(struct join *j, const struct lookup_client *client,
                            const struct id *target)
{
    struct lookup_params p = {
        .client = client,
        .ctx = j,
        .method = DHT_FIND_NODE,
        .target = target,
        .random_target = client == &far_client,
    };
    struct lookup *l;

    /* Nodes of the other family are welcome as long as it has none. */
    for (int f = 0; f < FAMILIES; f++)
        p.family[f] = f == (int)j->family || !j->m->join[f].joined;
    return lookup_start(j->m->lookups, &p, &l) == OK ? l : NULL;
}

static void start_own(struct join *j)
{
    j->own = start(j, &own_client, &j->m->contacts->self[j->family]);
}

static void drop_own(struct join *j)
{
    if (j->own != NULL)
        lookup_drop(j->own);
    j->own = NULL;
}

/* ---- Joining ------------------------------------------------------------- */

static uint64_t retry_after(const struct join *j, unsigned failed)
{
    uint64_t delay = failed < 16 ? RETRY_MIN << failed : RETRY_MAX;

    delay = time_min(delay, RETRY_MAX);
    return world_jitter(j->m->w, delay, delay / 4);
}

/* From alone or trying: a lookup of its own id through whoever is known. */
static void attempt(struct join *j)
{
    struct maintain *m = j->m;
    enum family f = j->family;

    j->at = TIME_NEVER;
    if (contacts_leave_out(m->contacts, f))
        return;
    if (!knows_stored(&m->ways_in, f) && !knows_bootstrap(&m->ways_in, f) &&
        m->contacts->table[f].live == 0)
        return;
    if (j->failed == 0)
        m->purse.credit = PURSE_JOIN_CREDIT;
    drop_own(j);
    start_own(j);
    j->at = time_after(m->w->now, retry_after(j, j->failed++));
}

static void tell_joined(const struct join *j)
{
    const struct dht_event event = {
        .kind = DHT_EVENT_JOINED,
        .family = j->family,
        .id = j->m->contacts->self[j->family],
        .joined = j->joined,
    };

    world_tell(j->m->w, &event);
}

bool join_gained(struct join *j)
{
    struct maintain *m = j->m;

    if (j->joined)
        return false;
    j->joined = true;
    /* One that was found, not finding, has its table to fill all the same:
     * the first node of a network is asked by all others at once. */
    if (j->failed == 0 && m->purse.credit == 0)
        m->purse.credit = PURSE_JOIN_CREDIT;
    j->failed = 0;
    j->rounds = 0;
    j->live = 0;
    j->fill = -1;
    /* A lookup that runs becomes the first round when it ends. */
    j->at = j->own == NULL ? m->w->now : TIME_NEVER;
    tell_joined(j);
    return true;
}

void join_lost(struct join *j)
{
    struct maintain *m = j->m;
    struct table_counts counts;

    if (!j->joined)
        return;
    table_counts(&m->contacts->table[j->family], m->w->now, &counts);
    if (counts.bad < counts.live)
        return;
    j->joined = false;
    j->failed = 0;
    j->at = time_after(m->w->now, retry_after(j, 0));
    tell_joined(j);
}

void join_new_id(struct join *j)
{
    /* One that has not joined asks again at once: those who did not take us
     * for a contact under the old id will now. */
    if (j->joined) {
        drop_own(j);
        j->rounds = 0;
    }
    j->at = j->m->w->now;
}

/* Before anybody is in the table a single claim will do: nodes with ids that
 * do not fit their address are nobody's contact, so a network whose nodes all
 * wait for a quorum would wait for ever. So it does when the rounds after
 * joining are over and there are still fewer than make a quorum. A wrong
 * claim is corrected by the vote, and the rounds bound how often it changes.
 * An id that served in an earlier life is not given up that easily. */
bool join_believes_anybody(const struct join *j)
{
    const struct maintain *m = j->m;

    if (!j->joined)
        return !m->w->config.has_id[j->family] || j->failed > 1;
    return m->contacts->table[j->family].live < VOTE_QUORUM &&
           j->rounds == JOIN_EARLY_ROUNDS;
}

/* ---- The machine's network changes --------------------------------------- */

/* There is no way out: what was joined is lost, and tried as before a join. */
static void cut(struct join *j)
{
    j->m->contacts->cut[j->family] = true;
    j->failed = 0;
    if (!j->joined)
        return;
    j->joined = false;
    j->at = time_after(j->m->w->now, retry_after(j, 0));
    tell_joined(j);
}

/* Looks for our neighbours at once, as if the family had just joined. */
static void again(struct join *j)
{
    if (j->joined)
        drop_own(j);
    j->failed = 0;
    j->rounds = 0;
    j->at = j->m->w->now;
}

void join_doubt(struct join *j)
{
    uint64_t now = j->m->w->now;

    if (j->doubt_at != 0 && time_since(j->doubt_at, now) < DOUBT_EVERY)
        return;
    j->doubt_at = now;
    vote_doubt(&j->m->contacts->vote[j->family], true);
    again(j);
    /* One round asks enough; who is told many things (some carriers' NATs)
     * must not pay for five each time. */
    j->rounds = JOIN_EARLY_ROUNDS - 1;
}

void join_network_changed(struct maintain *m, const bool usable[FAMILIES],
                          const bool moved[FAMILIES])
{
    for (int f = 0; f < FAMILIES; f++) {
        if (!m->w->config.family[f])
            continue;
        if (!usable[f]) {
            cut(&m->join[f]);
            continue;
        }
        m->contacts->cut[f] = false;
        vote_doubt(&m->contacts->vote[f], !moved[f]);
        again(&m->join[f]);
    }
}

/* ---- The rounds after that ----------------------------------------------- */

static bool is_settling(const struct join *j)
{
    if (!j->joined)
        return j->at != TIME_NEVER;
    return j->rounds < JOIN_EARLY_ROUNDS || j->fill >= 0;
}

/* After the first rounds nothing more is owed to joining. */
static void end_credit(struct maintain *m)
{
    for (int f = 0; f < FAMILIES; f++) {
        if (is_settling(&m->join[f]))
            return;
    }
    m->purse.credit = 0;
}

/* A random id in bucket `bucket`: that many bits are ours, the next is not. */
static struct id target_in(const struct join *j, int bucket)
{
    const struct id *self = &j->m->contacts->self[j->family];
    const struct dht_env *env = &j->m->w->env;
    struct id target;

    env->random(env->ctx, target.b, sizeof(target.b));
    for (int i = 0; i < bucket; i++)
        id_set_bit(&target, i, id_bit(self, i));
    id_set_bit(&target, bucket, !id_bit(self, bucket));
    return target;
}

/* One lookup after the other into the far buckets that have room. */
static void fill_buckets(struct join *j)
{
    const struct table *table = &j->m->contacts->table[j->family];

    if (j->fill < 0 || j->far != NULL)
        return;
    while (j->joined && j->m->purse.credit > 0 &&
           j->fill + 1 < table->bucket_count) {
        int bucket = j->fill++;

        if (table_has_room(table, (unsigned)bucket)) {
            struct id target = target_in(j, bucket);

            j->far = start(j, &far_client, &target);
            return;
        }
    }
    j->fill = -1;
}

/* Rounds go on early as long as the table grows. */
static void round_ended(struct join *j)
{
    uint64_t delay = j->m->w->config.bucket_refresh;
    uint64_t jitter = delay / 5;
    unsigned live = j->m->contacts->table[j->family].live;

    /* One that knows few may have come before those who could name others. */
    if (j->rounds >= 2 && live == j->live && live >= DHT_K)
        j->rounds = JOIN_EARLY_ROUNDS;
    j->live = live;
    if (j->rounds < JOIN_EARLY_ROUNDS) {
        delay = ROUND_DELAY << j->rounds++;
        jitter = delay / 4;
        j->fill = 0;
    }
    j->at = time_after(j->m->w->now, world_jitter(j->m->w, delay, jitter));
}

/* Somebody is there who has nobody to name yet, or does not fit his address
 * (BEP 42) until he has learnt it. */
static uint64_t answered_retry(const struct join *j)
{
    uint64_t delay = ROUND_DELAY << (j->failed < 10 ? j->failed : 10);

    return world_jitter(j->m->w, delay, delay / 4);
}

static void own_ended(void *ctx, struct lookup *l,
                      const struct dht_result *result)
{
    struct join *j = ctx;

    (void)l;
    j->own = NULL;
    if (j->joined)
        round_ended(j);
    else if (result->answered > 0)
        j->at = time_min(j->at, time_after(j->m->w->now, answered_retry(j)));
    fill_buckets(j);
    end_credit(j->m);
}

static void far_ended(void *ctx, struct lookup *l,
                      const struct dht_result *result)
{
    struct join *j = ctx;

    (void)l;
    (void)result;
    j->far = NULL;
    fill_buckets(j);
    end_credit(j->m);
}

/* ---- Life ---------------------------------------------------------------- */

void join_init(struct maintain *m)
{
    for (int f = 0; f < FAMILIES; f++)
        m->join[f] = (struct join){
            .m = m, .family = (enum family)f, .at = TIME_NEVER, .fill = -1};
}

void join_tick(struct maintain *m)
{
    for (int f = 0; f < FAMILIES; f++) {
        struct join *j = &m->join[f];

        if (!m->w->config.family[f] || j->at > m->w->now)
            continue;
        if (!j->joined) {
            attempt(j);
            continue;
        }
        j->at = TIME_NEVER;
        if (j->own == NULL)
            start_own(j);
        if (j->own == NULL) /* there was no memory */
            j->at = time_after(m->w->now, RETRY_MAX);
    }
}

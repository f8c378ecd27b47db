/* SPDX-License-Identifier: MIT
 *
 * How lookups begin, go on and are swept. A lookup goes on (go_on) whenever
 * one of its queries is answered, refused, slow or failed, and at a tick when
 * it is `due`: it asks whom lookup_side names, and ends when both families
 * have nobody left. A lookup that finds no room for its query waits; it is fed
 * when others have ended.
 */
#include "dht/lookup/lookup.h"

#include "base/timestamp.h"
#include "dht/contacts/contacts.h"
#include "dht/lookup/lookup_parts.h"
#include "dht/query/query.h"
#include "dht/world/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A query's tag: the slot of its candidate, and the family in the highest
 * bit. */
#define TAG_IPV6 0x80

static uint8_t tag_of(struct place at)
{
    return (uint8_t)(at.slot | (at.family == FAMILY_IPV6 ? TAG_IPV6 : 0));
}

static struct place place_of(uint8_t tag)
{
    return (struct place){tag & TAG_IPV6 ? FAMILY_IPV6 : FAMILY_IPV4,
                          (uint8_t)(tag & ~TAG_IPV6)};
}

static const struct query_owner owner;

/* ---- Asking -------------------------------------------------------------- */

static void fill_query(const struct lookup *l, enum family f,
                       struct dht_message *m)
{
    enum family other = f == FAMILY_IPV4 ? FAMILY_IPV6 : FAMILY_IPV4;

    dht_message_init(m, DHT_QUERY);
    m->method = l->method;
    if (l->method == DHT_PING)
        return;
    m->target = l->target;
    m->has |= DHT_HAS_TARGET;
    m->scrape = l->scrape != NULL;
    m->no_seed = l->no_seed;
    /* The other family is asked for only until its own nodes know more. */
    if (!l->single && l->want_family[other] && l->side[other].count < DHT_K) {
        m->want[FAMILY_IPV4] = m->want[FAMILY_IPV6] = true;
        m->has |= DHT_HAS_WANT;
    }
}

static enum error ask(struct lookup *l, struct place at)
{
    const struct candidate *c = lookup_candidate(l, at);
    struct query q = {
        .to = c->ep,
        .id = c->id,
        .id_known = c->id_known,
        .owner = &owner,
        .ctx = l,
        .tag = tag_of(at),
        .rtt_hint = c->rtt,
    };
    struct dht_message m;
    enum error err;

    fill_query(l, at.family, &m);
    err = query_send(l->all->queries, &m, q);
    if (err != OK)
        return err;
    lookup_side_asked(&l->side[at.family], at.slot, l->all->w->now);
    l->asked++;
    if (l->client->asked != NULL)
        l->client->asked(l->ctx);
    return OK;
}

static void ask_more(struct lookup *l)
{
    for (int f = 0; f < FAMILIES && !l->complete; f++) {
        struct lookup_side *s = &l->side[f];
        uint8_t slot;

        while (s->in_flight < DHT_PARALLELISM &&
               (slot = lookup_side_next(s)) != LOOKUP_NOBODY) {
            if (ask(l, (struct place){(enum family)f, slot}) != OK) {
                l->all->starved = true;
                return;
            }
        }
    }
}

static bool is_done(const struct lookup *l)
{
    return l->complete || (lookup_side_done(&l->side[FAMILY_IPV4]) &&
                           lookup_side_done(&l->side[FAMILY_IPV6]));
}

/* Nothing is reported yet: the end is left to the next tick. */
static void begin(struct lookup *l)
{
    ask_more(l);
    l->own_due = !l->single && l->method != DHT_FIND_NODE;
    l->due = l->own_due || is_done(l);
}

static enum error outcome(const struct lookup *l)
{
    if (l->answered > 0 || l->values > 0)
        return OK;
    if (l->refused > 0)
        return ERR_REMOTE;
    if (l->asked > 0 && l->unsent == l->asked)
        return l->why_unsent;
    return l->asked > 0 ? ERR_TIMEOUT : ERR_NO_NODES;
}

/* Asks whom it can, and ends when there is nobody left. */
static void go_on(struct lookup *l)
{
    if (l->own_due)
        lookup_take_own(l);
    ask_more(l);
    if (is_done(l))
        lookup_end(l, outcome(l));
}

/* ---- Beginning ----------------------------------------------------------- */

static struct lookup *new_lookup(struct lookups *all,
                                 const struct lookup_params *p)
{
    const struct dht_config *config = &all->w->config;
    struct lookup *l = calloc(1, sizeof(*l));

    if (l != NULL && p->scrape)
        l->scrape = calloc(1, sizeof(*l->scrape));
    if (l == NULL || (p->scrape && l->scrape == NULL)) {
        free(l);
        return NULL;
    }
    assert(p->salt.len <= sizeof(l->salt_bytes));
    l->all = all;
    l->client = p->client;
    l->ctx = p->ctx;
    l->method = p->method;
    l->target = *p->target;
    l->keeps_tokens = p->keeps_tokens;
    l->random_target = p->random_target;
    l->no_seed = p->no_seed;
    l->started_at = all->w->now;
    if (p->salt.len > 0)
        memcpy(l->salt_bytes, p->salt.p, p->salt.len);
    l->salt = bytes_of(l->salt_bytes, p->salt.len);
    for (int f = 0; f < FAMILIES; f++) {
        l->want_family[f] = p->family[f] && config->family[f] &&
                            !contacts_leave_out(all->contacts, (enum family)f);
        lookup_side_init(&l->side[f], p->target, dht_config_ids(config));
    }
    l->next = all->first;
    all->first = l;
    all->w->stats.lookups_started++;
    return l;
}

void lookup_add(struct lookup *l, enum family f, const struct id *id,
                const struct endpoint *ep)
{
    lookup_side_add(&l->side[f], id, ep, 1, LOOKUP_NOBODY, 0);
}

static void seed(struct lookup *l, enum family f)
{
    struct table *table = &l->all->contacts->table[f];
    uint64_t now = l->all->w->now;
    struct contact near[2 * DHT_K];
    size_t n =
        table_closest(table, &l->target, near, 2 * DHT_K, TABLE_ANY, now);

    for (size_t i = 0; i < n; i++)
        lookup_side_add(&l->side[f], &near[i].id, &near[i].ep, 1, LOOKUP_NOBODY,
                        near[i].state.rtt_us);
    if (!l->client->seed(l->ctx, l, f))
        table_touch_bucket(table, &l->target, now);
}

enum error lookup_start(struct lookups *all, const struct lookup_params *p,
                        struct lookup **out)
{
    struct lookup *l = new_lookup(all, p);

    if (l == NULL)
        return ERR_NO_MEMORY;
    for (int f = 0; f < FAMILIES; f++) {
        if (l->want_family[f])
            seed(l, (enum family)f);
    }
    begin(l);
    *out = l;
    return OK;
}

enum error lookup_start_single(struct lookups *all,
                               const struct lookup_params *p,
                               const struct endpoint *ep, struct lookup **out)
{
    struct lookup *l = new_lookup(all, p);

    if (l == NULL)
        return ERR_NO_MEMORY;
    l->single = true;
    lookup_add(l, (enum family)ep->family, NULL, ep);
    begin(l);
    *out = l;
    return OK;
}

/* ---- What comes back ----------------------------------------------------- */

static void distrust(struct lookup *l, struct place at)
{
    lookup_side_distrust(&l->side[at.family], at.slot);
    l->all->w->stats.distrusted++;
}

/* On the mainline DHT many do not know what is not in BEP 5. */
static bool may_be_silent(const struct lookup *l)
{
    return l->all->w->config.dialect == DHT_DIALECT_MAINLINE &&
           l->method == DHT_GET;
}

/* The silence of a candidate may convict who named it. */
static void judge_namer(struct lookup *l, struct place at)
{
    struct place namer = at;
    struct dht_step step;

    if (may_be_silent(l))
        return;
    namer.slot = lookup_side_suspect(&l->side[at.family], at.slot);
    if (namer.slot == LOOKUP_NOBODY)
        return;
    distrust(l, namer);
    step = lookup_step_of(l, lookup_candidate(l, namer), DHT_STEP_DISTRUST);
    lookup_report(l, &step);
}

static void keep_token(const struct lookup *l, struct candidate *c,
                       const struct dht_message *m)
{
    if (!l->keeps_tokens || !(m->has & DHT_HAS_TOKEN))
        return;
    c->token = malloc(m->token.len + 1);
    if (c->token == NULL)
        return;
    memcpy(c->token, m->token.p, m->token.len);
    c->token_len = (uint8_t)m->token.len;
}

static void take_answer(struct lookup *l, struct place at,
                        const struct dht_message *m)
{
    struct dht_step step =
        lookup_step_of(l, lookup_candidate(l, at), DHT_STEP_ANSWERED);

    lookup_candidate(l, at)->pinned = true;
    step.answered_at = l->all->w->now;
    if (lookup_take_nodes(l, at, m, &step)) {
        lookup_take_values(l, m, &step);
        keep_token(l, lookup_candidate(l, at), m);
    } else {
        step.outcome = DHT_STEP_DISTRUST;
        distrust(l, at);
    }
    lookup_candidate(l, at)->pinned = false;
    lookup_report(l, &step);
}

static void on_answered(void *ctx, uint8_t tag, const struct dht_message *m,
                        uint64_t rtt)
{
    struct place at = place_of(tag);
    struct lookup *l = ctx;

    if (lookup_side_answered(&l->side[at.family], at.slot, &m->id)) {
        l->answered++;
        l->single_rtt = rtt;
        take_answer(l, at, m);
    }
    go_on(l);
}

static void end_candidate(struct lookup *l, struct place at,
                          enum dht_outcome outcome)
{
    struct lookup_side *s = &l->side[at.family];
    struct dht_step step;

    if (outcome == DHT_STEP_ERROR)
        lookup_side_refused(s, at.slot);
    else
        lookup_side_failed(s, at.slot);
    step = lookup_step_of(l, lookup_candidate(l, at), outcome);
    if (outcome == DHT_STEP_ERROR)
        step.answered_at = l->all->w->now;
    lookup_report(l, &step);
    /* Nobody has to answer for what stops here. */
    if (outcome == DHT_STEP_TIMEOUT)
        judge_namer(l, at);
    go_on(l);
}

static void on_refused(void *ctx, uint8_t tag, enum error why)
{
    struct lookup *l = ctx;

    (void)why;
    l->refused++;
    end_candidate(l, place_of(tag), DHT_STEP_ERROR);
}

static void on_failed(void *ctx, uint8_t tag, enum error why)
{
    struct lookup *l = ctx;

    if (why == ERR_TIMEOUT || why == ERR_UNEXPECTED) {
        end_candidate(l, place_of(tag), DHT_STEP_TIMEOUT);
        return;
    }
    l->unsent++;
    l->why_unsent = why;
    end_candidate(l, place_of(tag), DHT_STEP_UNSENT);
}

static void on_slow(void *ctx, uint8_t tag)
{
    struct place at = place_of(tag);
    struct lookup *l = ctx;

    lookup_side_slow(&l->side[at.family], at.slot);
    judge_namer(l, at);
    go_on(l);
}

static const struct query_owner owner = {on_answered, on_refused, on_slow,
                                         on_failed};

/* ---- All of them --------------------------------------------------------- */

void lookups_tick(struct lookups *all)
{
    for (struct lookup *l = all->first; l != NULL; l = l->next) {
        if (l->due && !l->dead) {
            l->due = false;
            go_on(l);
        }
    }
}

uint64_t lookups_next_deadline(const struct lookups *all)
{
    for (const struct lookup *l = all->first; l != NULL; l = l->next) {
        if (l->due && !l->dead)
            return 0;
    }
    return TIME_NEVER;
}

static void free_lookup(struct lookup *l)
{
    for (int f = 0; f < FAMILIES; f++)
        lookup_side_deinit(&l->side[f]);
    free(l->peers);
    free(l->scrape);
    free(l);
}

void lookups_deinit(struct lookups *all)
{
    while (all->first != NULL) {
        struct lookup *l = all->first;

        all->first = l->next;
        free_lookup(l);
    }
}

/* Those that found no room for a query try again, now that there is some. */
static void feed_starved(struct lookups *all)
{
    if (!all->starved || queries_are_full(all->queries))
        return;
    all->starved = false;
    for (struct lookup *l = all->first; l != NULL; l = l->next)
        ask_more(l);
}

void lookups_sweep(struct lookups *all)
{
    struct lookup **at = &all->first;

    while (*at != NULL) {
        struct lookup *l = *at;

        if (l->dead) {
            *at = l->next;
            free_lookup(l);
        } else {
            at = &l->next;
        }
    }
    feed_starved(all);
}

size_t lookups_memory(const struct lookups *all)
{
    size_t sum = 0;

    for (const struct lookup *l = all->first; l != NULL; l = l->next) {
        sum += sizeof(*l);
        sum += l->scrape != NULL ? sizeof(*l->scrape) : 0;
        for (int f = 0; f < FAMILIES; f++)
            sum += l->side[f].cap * sizeof(struct candidate);
    }
    return sum;
}

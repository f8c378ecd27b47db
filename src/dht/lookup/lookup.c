/* SPDX-License-Identifier: MIT */
#include "dht/lookup/lookup.h"

#include "dht/engine.h"
#include "dht/publish/publish.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct candidate *lookup_candidate(struct lookup *l, uint8_t slot)
{
    struct lookup_side *s = &l->side[(slot & LOOKUP_SLOT_IPV6) != 0];

    return &s->slots[slot & ~LOOKUP_SLOT_IPV6];
}

struct lookup *lookup_find(struct dht *d, dht_request request)
{
    for (struct lookup *l = d->lookups; l != NULL; l = l->next) {
        if (!l->dead && l->request == request)
            return l;
    }
    return NULL;
}

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
    /* The other family is asked for only until its own nodes know more. */
    if (!l->single && l->want_family[other] && l->side[other].count < DHT_K) {
        m->want[FAMILY_IPV4] = m->want[FAMILY_IPV6] = true;
        m->has |= DHT_HAS_WANT;
    }
}

static enum error ask(struct dht *d, struct lookup *l, enum family f,
                      uint8_t slot)
{
    struct lookup_side *s = &l->side[f];
    const struct candidate *c = &s->slots[slot];
    struct query q = {
        .to = c->ep,
        .id = c->id,
        .id_known = c->id_known,
        .owner = l,
        .candidate = lookup_slot(f, slot),
        .purpose = QUERY_LOOKUP,
        .rtt_hint = c->rtt,
    };
    struct dht_message m;
    enum error err;

    fill_query(l, f, &m);
    err = rpc_send(d, &m, q);
    if (err != OK)
        return err;
    lookup_side_asked(s, slot, d->now);
    l->asked++;
    if (l->purpose == LOOKUP_JOIN || l->purpose == LOOKUP_REFRESH)
        maintain_charge(d);
    return OK;
}

static void ask_more(struct dht *d, struct lookup *l)
{
    for (int f = 0; f < FAMILIES && !l->complete; f++) {
        struct lookup_side *s = &l->side[f];
        uint8_t slot;

        while (s->in_flight < DHT_PARALLELISM &&
               (slot = lookup_side_next(s)) != LOOKUP_NOBODY) {
            if (ask(d, l, (enum family)f, slot) != OK) {
                d->starved = true;
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

/* For callers that must not report: the end is left to the next tick. */
static void begin(struct dht *d, struct lookup *l)
{
    ask_more(d, l);
    l->own_due = !l->single && l->method != DHT_FIND_NODE;
    l->due = l->own_due || is_done(l);
}

static enum error outcome(const struct lookup *l)
{
    if (l->answered > 0 || l->values > 0)
        return OK;
    if (l->refused > 0)
        return ERR_REMOTE;
    return l->asked > 0 ? ERR_TIMEOUT : ERR_NO_NODES;
}

/* Asks whom it can, and ends when there is nobody left. */
static void go_on(struct dht *d, struct lookup *l)
{
    if (l->dead || l->storing)
        return;
    if (l->own_due)
        lookup_take_own(d, l);
    if (l->dead)
        return;
    ask_more(d, l);
    if (!is_done(l))
        return;
    if (l->publication != NULL)
        publish_store(d, l);
    else
        lookup_end(d, l, outcome(l));
}

/* ---- Beginning ----------------------------------------------------------- */

static struct lookup *new_lookup(struct dht *d, const struct lookup_params *p)
{
    struct lookup *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->request = p->request != 0 ? p->request : ++d->next_request;
    l->purpose = p->purpose;
    l->method = p->method;
    l->target = *p->target;
    if (p->handler != NULL)
        l->handler = *p->handler;
    l->started_at = d->now;
    l->publication = p->publication;
    if (p->salt.len > 0)
        memcpy(l->salt_bytes, p->salt.p, p->salt.len);
    l->salt = bytes_of(l->salt_bytes, p->salt.len);
    for (int f = 0; f < FAMILIES; f++) {
        l->want_family[f] = p->family[f] && d->config.family[f] &&
                            !maintain_leaves_out(d, (enum family)f);
        lookup_side_init(&l->side[f], p->target, d->config.testing_network);
    }
    l->next = d->lookups;
    d->lookups = l;
    d->lookup_count += l->purpose == LOOKUP_REQUEST;
    d->stats.lookups_started++;
    return l;
}

static void seed(struct dht *d, struct lookup *l, enum family f)
{
    struct contact near[2 * DHT_K];
    size_t n = table_closest(&d->table[f], &l->target, near, 2 * DHT_K,
                             TABLE_ANY, d->now);

    for (size_t i = 0; i < n; i++) {
        struct endpoint ep = contact_endpoint(&near[i]);

        lookup_side_add(&l->side[f], &near[i].id, &ep, 1, LOOKUP_NOBODY,
                        near[i].rtt_us);
    }
    if (!d->maintain.join[f].joined)
        maintain_seed(d, l, f);
    else
        table_touch_bucket(&d->table[f], &l->target, d->now);
}

enum error lookup_start(struct dht *d, const struct lookup_params *p,
                        struct lookup **out)
{
    struct lookup *l = new_lookup(d, p);

    if (l == NULL)
        return ERR_NO_MEMORY;
    for (int f = 0; f < FAMILIES; f++) {
        if (l->want_family[f])
            seed(d, l, (enum family)f);
    }
    begin(d, l);
    *out = l;
    return OK;
}

enum error lookup_start_single(struct dht *d, const struct lookup_params *p,
                               const struct endpoint *ep, struct lookup **out)
{
    struct lookup *l = new_lookup(d, p);

    if (l == NULL)
        return ERR_NO_MEMORY;
    l->single = true;
    lookup_side_add(&l->side[ep->family], NULL, ep, 1, LOOKUP_NOBODY, 0);
    begin(d, l);
    *out = l;
    return OK;
}

/* ---- What comes back ----------------------------------------------------- */

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
    if (!l->dead && l->handler.step != NULL)
        l->handler.step(l->handler.ctx, step);
}

static void distrust(struct dht *d, struct lookup *l, enum family f,
                     uint8_t slot)
{
    lookup_side_distrust(&l->side[f], slot);
    d->stats.distrusted++;
}

/* The silence of a candidate may convict who named it. */
static void judge_namer(struct dht *d, struct lookup *l, enum family f,
                        uint8_t slot)
{
    uint8_t namer = lookup_side_suspect(&l->side[f], slot);
    struct dht_step step;

    if (namer == LOOKUP_NOBODY)
        return;
    distrust(d, l, f, namer);
    step = lookup_step_of(l, &l->side[f].slots[namer], DHT_STEP_DISTRUST);
    lookup_report(l, &step);
}

static void keep_token(const struct lookup *l, struct candidate *c,
                       const struct dht_message *m)
{
    if (l->publication == NULL || !(m->has & DHT_HAS_TOKEN))
        return;
    c->token = malloc(m->token.len + 1);
    if (c->token == NULL)
        return;
    memcpy(c->token, m->token.p, m->token.len);
    c->token_len = (uint8_t)m->token.len;
}

static void take_answer(struct dht *d, struct lookup *l, enum family f,
                        uint8_t slot, const struct dht_message *m)
{
    struct dht_step step =
        lookup_step_of(l, &l->side[f].slots[slot], DHT_STEP_ANSWERED);

    l->side[f].slots[slot].pinned = true;
    step.answered_at = d->now;
    if (!lookup_take_nodes(d, l, f, slot, m, &step)) {
        step.outcome = DHT_STEP_DISTRUST;
        distrust(d, l, f, slot);
    } else if (lookup_take_values(d, l, m, &step)) {
        keep_token(l, &l->side[f].slots[slot], m);
    }
    l->side[f].slots[slot].pinned = false;
    lookup_report(l, &step);
}

void lookup_answered(struct dht *d, struct lookup *l, uint8_t slot,
                     const struct dht_message *m, uint64_t rtt)
{
    enum family f = slot & LOOKUP_SLOT_IPV6 ? FAMILY_IPV6 : FAMILY_IPV4;

    slot &= (uint8_t)~LOOKUP_SLOT_IPV6;
    if (lookup_side_answered(&l->side[f], slot, &m->id)) {
        l->answered++;
        l->single_rtt = rtt;
        take_answer(d, l, f, slot, m);
    }
    go_on(d, l);
}

static void end_candidate(struct dht *d, struct lookup *l, uint8_t slot,
                          enum dht_outcome outcome)
{
    enum family f = slot & LOOKUP_SLOT_IPV6 ? FAMILY_IPV6 : FAMILY_IPV4;
    struct dht_step step;

    slot &= (uint8_t)~LOOKUP_SLOT_IPV6;
    lookup_side_failed(&l->side[f], slot);
    step = lookup_step_of(l, &l->side[f].slots[slot], outcome);
    if (outcome == DHT_STEP_ERROR)
        step.answered_at = d->now;
    lookup_report(l, &step);
    judge_namer(d, l, f, slot);
    go_on(d, l);
}

void lookup_error(struct dht *d, struct lookup *l, uint8_t slot)
{
    l->refused++;
    end_candidate(d, l, slot, DHT_STEP_ERROR);
}

void lookup_failed(struct dht *d, struct lookup *l, uint8_t slot)
{
    end_candidate(d, l, slot, DHT_STEP_TIMEOUT);
}

void lookup_slow(struct dht *d, struct lookup *l, uint8_t slot)
{
    enum family f = slot & LOOKUP_SLOT_IPV6 ? FAMILY_IPV6 : FAMILY_IPV4;

    slot &= (uint8_t)~LOOKUP_SLOT_IPV6;
    lookup_side_slow(&l->side[f], slot);
    judge_namer(d, l, f, slot);
    go_on(d, l);
}

/* ---- All of them --------------------------------------------------------- */

void lookup_tick(struct dht *d)
{
    for (struct lookup *l = d->lookups; l != NULL; l = l->next) {
        if (l->due && !l->dead) {
            l->due = false;
            go_on(d, l);
        }
    }
}

uint64_t lookup_next_deadline(const struct dht *d)
{
    for (const struct lookup *l = d->lookups; l != NULL; l = l->next) {
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
    free(l);
}

static void feed_starved(struct dht *d)
{
    if (!d->starved || d->rpc.used >= d->config.max_pending)
        return;
    d->starved = false;
    for (struct lookup *l = d->lookups; l != NULL; l = l->next) {
        if (!l->dead && !l->storing)
            ask_more(d, l);
    }
}

void lookup_sweep(struct dht *d, bool all)
{
    struct lookup **at = &d->lookups;

    while (*at != NULL) {
        struct lookup *l = *at;

        if (all || l->dead) {
            *at = l->next;
            free_lookup(l);
        } else {
            at = &l->next;
        }
    }
    if (!all)
        feed_starved(d);
}

size_t lookup_memory(const struct dht *d)
{
    size_t sum = 0;

    for (const struct lookup *l = d->lookups; l != NULL; l = l->next) {
        sum += sizeof(*l);
        for (int f = 0; f < FAMILIES; f++)
            sum += l->side[f].cap * sizeof(struct candidate);
    }
    return sum;
}

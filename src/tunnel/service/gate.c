/* SPDX-License-Identifier: MIT
 *
 * The checks, in the order of what they cost. What passes them is followed by
 * visit.c.
 */
#include "tunnel/service/gate.h"

#include "base/table/keyed_table.h"
#include "tunnel/record/effort.h"
#include "tunnel/service/swarm.h"
#include "tunnel/service/visit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_MAX 16384 /* invitations that are known again */

/* Of those met at one rendezvous point a minute (the vanguards addon's
 * "rendguard"): somebody who names one relay again and again is up to
 * something. */
#define RENDEZVOUS_WINDOW (60 * TIME_S)
#define RENDEZVOUS_LOG    256
#define RENDEZVOUS_FEW    8

struct seen {
    struct keyed_entry entry; /* first */
    uint8_t e[NOISE_KEY_BYTES];
    uint8_t auth_id[AUTH_ID_BYTES]; /* of the point where it came */
    uint32_t greeting;
    uint8_t status;
    uint32_t effort;
};

struct met {
    uint8_t relay[8];
    uint64_t at;
};

struct gate {
    struct service *service;
    struct visits *visits;
    struct effort effort;
    struct keyed_table seen;
    struct met log[RENDEZVOUS_LOG]; /* a ring */
    unsigned log_next;
    /* Wall seconds: greetings that count. Those before the first may have been
     * taken already, by an earlier life or by what is forgotten; nobody can
     * have one after the last. */
    uint32_t valid_from, issued;
};

static struct bytes key_of(const struct keyed_entry *entry)
{
    const struct seen *seen = (const struct seen *)(const void *)entry;

    return bytes_of(seen->e, sizeof(seen->e));
}

enum error gate_new(struct service *service, uint64_t now, struct gate **out)
{
    struct services *s = service->all;
    uint8_t secret[KEYED_TABLE_SECRET];
    struct gate *g = calloc(1, sizeof(*g));
    enum error e = ERR_NO_MEMORY;

    if (g != NULL)
        e = visits_new(service, &g->visits);
    if (e != OK) {
        free(g);
        return e;
    }
    g->service = service;
    s->env.random.fill(s->env.random.ctx, secret, sizeof(secret));
    keyed_table_init(&g->seen, SEEN_MAX, key_of, secret);
    effort_init(&g->effort, &s->env.random, s->wall, now);
    g->valid_from = g->issued = (uint32_t)s->wall;
    *out = g;
    return OK;
}

void gate_free(struct gate *g, uint64_t now)
{
    if (g == NULL)
        return;
    visits_free(g->visits, now);
    while (g->seen.oldest != NULL) {
        struct keyed_entry *oldest = g->seen.oldest;

        keyed_table_remove(&g->seen, oldest);
        free(oldest);
    }
    sodium_memzero(g, sizeof(*g));
    free(g);
}

/* ---- Seen before -------------------------------------------------------- */

static struct seen *find_seen(struct gate *g, const uint8_t *noise1)
{
    return (struct seen *)(void *)keyed_table_find(
        &g->seen, bytes_of(noise1, NOISE_KEY_BYTES));
}

/* What is not known again any more is not taken again either. */
static void forget_oldest(struct gate *g)
{
    struct seen *oldest = (struct seen *)(void *)g->seen.oldest;

    if (oldest->greeting >= g->valid_from)
        g->valid_from = oldest->greeting + 1;
    keyed_table_remove(&g->seen, &oldest->entry);
    free(oldest);
}

/* NULL without memory: then it is not taken, or it would be twice. */
static struct seen *remember(struct gate *g, const struct gate_key *key,
                             const uint8_t *noise1, uint32_t greeting)
{
    struct seen *seen = calloc(1, sizeof(*seen));

    if (seen == NULL)
        return NULL;
    if (g->seen.count >= SEEN_MAX)
        forget_oldest(g);
    memcpy(seen->e, noise1, sizeof(seen->e));
    memcpy(seen->auth_id, key->auth_id, sizeof(seen->auth_id));
    seen->greeting = greeting;
    if (keyed_table_add(&g->seen, &seen->entry) == OK)
        return seen;
    free(seen);
    return NULL;
}

/* ---- The rendezvous point ----------------------------------------------- */

static bool is_crowded(const struct gate *g, const uint8_t relay[32],
                       uint64_t now)
{
    unsigned same = 0, all = 0;

    for (unsigned i = 0; i < RENDEZVOUS_LOG; i++) {
        const struct met *met = &g->log[i];

        if (met->at == 0 || time_since(met->at, now) >= RENDEZVOUS_WINDOW)
            continue;
        all++;
        same += memcmp(met->relay, relay, sizeof(met->relay)) == 0;
    }
    return same >= RENDEZVOUS_FEW && same >= all / 4;
}

static void log_met(struct gate *g, const uint8_t relay[32], uint64_t now)
{
    struct met *met = &g->log[g->log_next++ % RENDEZVOUS_LOG];

    memcpy(met->relay, relay, sizeof(met->relay));
    met->at = now;
}

/* Few relays are crowded by necessity in a network of few. */
static bool suits(const struct gate *g, const struct relay_target *t,
                  uint64_t now)
{
    const struct services *s = g->service->all;

    return !service_is_own_relay(s, t->identity) &&
           (s->config.testing_network || !is_crowded(g, t->identity, now));
}

/* ---- Work --------------------------------------------------------------- */

static enum effort_verdict verdict(struct gate *g, const struct gate_key *key,
                                   const struct meeting_message *m,
                                   uint32_t *effort, uint64_t now)
{
    struct work_task task = {.effort = m->work.effort};
    struct work_proof proof;

    *effort = 0;
    if (!m->has_work || key->auth_id == NULL)
        return EFFORT_NONE;
    memcpy(task.auth_id, key->auth_id, sizeof(task.auth_id));
    memcpy(task.e, m->noise.p, sizeof(task.e));
    proof.nonce = bytes_get_number(m->work.nonce, sizeof(m->work.nonce));
    memcpy(proof.digest, m->work.digest, sizeof(proof.digest));
    *effort = m->work.effort;
    return effort_check(&g->effort, m->work.hint, &task, &proof, now);
}

/* ---- One invitation ----------------------------------------------------- */

struct caller {
    struct noise noise;
    struct invitation i;
    struct visit_plan plan;
};

static enum introduction_result plan_visit(struct gate *g,
                                           const struct gate_key *key,
                                           struct caller *c, bool at_once,
                                           uint64_t now)
{
    struct services *s = g->service->all;
    struct visit_plan *plan = &c->plan;
    uint8_t ephemeral[NOISE_KEY_BYTES];
    enum error e;

    plan->rendezvous = c->i.rendezvous;
    memcpy(plan->cookie, c->i.cookie, sizeof(plan->cookie));
    plan->has_member = c->i.has_member;
    memcpy(plan->member, c->i.member, sizeof(plan->member));
    memcpy(plan->secret, key->secret, sizeof(plan->secret));
    memcpy(plan->own, key->key, sizeof(plan->own));
    s->env.random.fill(s->env.random.ctx, ephemeral, sizeof(ephemeral));
    e = invitation_answer(&c->noise, ephemeral, plan->peer != NULL,
                          plan->noise2, &plan->keys);
    sodium_memzero(ephemeral, sizeof(ephemeral));
    if (e != OK)
        return INTRODUCTION_FORGED;
    e = visit_add(g->visits, plan, at_once, now);
    if (e != OK)
        return INTRODUCTION_FULL;
    log_met(g, plan->rendezvous.identity, now);
    if (g->service->swarm != NULL && plan->has_member)
        swarm_visits(g->service->swarm, plan->member, now);
    return INTRODUCTION_ACCEPTED;
}

/* A member says who it is, and proves it; nobody else does. */
static bool is_proven(const struct gate *g, const struct gate_key *key,
                      const struct caller *c, const uint8_t *noise1)
{
    if (g->service->kind != SERVICE_STRING)
        return !c->i.has_member;
    return c->i.has_member && member_check(key->secret, key->key, c->i.member,
                                           noise1, c->i.mac) == OK;
}

/* Of the places for members a quarter is kept for those that we choose: who
 * comes may be anybody. */
static bool has_room(const struct gate *g, const struct caller *c)
{
    unsigned max = g->service->options.max_peers, come;

    if (c->plan.peer != NULL)
        return true;
    if (g->service->kind != SERVICE_STRING)
        return peer_may_come(g->service);
    max = max != 0 ? max : SERVICE_PEERS;
    come = peer_count_came(g->service);
    return peer_may_come(g->service) && come < max - max / 4;
}

static enum introduction_result
judge(struct gate *g, const struct gate_key *key, struct caller *c,
      const struct meeting_message *m, uint64_t now)
{
    enum effort_verdict v;

    if (c->i.flags & INVITATION_PROBE)
        return INTRODUCTION_PROBE;
    if (!suits(g, &c->i.rendezvous, now))
        return INTRODUCTION_REFUSED;
    if (c->i.resume)
        c->plan.peer = peer_of_resume(g->service, c->i.resume_id);
    v = verdict(g, key, m, &c->plan.effort, now);
    if (v == EFFORT_BAD)
        return INTRODUCTION_BAD_WORK;
    if (v != EFFORT_GOOD)
        c->plan.effort = 0;
    if (!has_room(g, c))
        return INTRODUCTION_FULL;
    return plan_visit(g, key, c, false, now);
}

uint32_t gate_issued(const struct gate *g)
{
    uint64_t wall = g->service->all->wall;

    return wall > g->valid_from ? (uint32_t)wall : g->valid_from;
}

static bool is_strange(const struct gate *g, uint32_t greeting)
{
    return greeting < g->valid_from ||
           (greeting > g->issued && greeting > gate_issued(g));
}

static struct gate_answer answer_of(const struct gate *g,
                                    enum introduction_result r)
{
    switch (r) {
    case INTRODUCTION_ACCEPTED:
    case INTRODUCTION_PROBE:
        return (struct gate_answer){.status = MEETING_TAKEN};
    case INTRODUCTION_STRANGE:
        return (struct gate_answer){MEETING_AGAIN, gate_issued(g)};
    case INTRODUCTION_FULL:
        return (struct gate_answer){MEETING_BUSY, g->effort.asked};
    case INTRODUCTION_REPLAYED:
    case INTRODUCTION_FORGED:
    case INTRODUCTION_REFUSED:
    case INTRODUCTION_BAD_WORK:
    case INTRODUCTION_RESULTS:
        break;
    }
    return (struct gate_answer){.status = MEETING_REFUSED};
}

static void count(struct gate *g, enum introduction_result r)
{
    g->service->introductions[r]++;
    g->service->all->stats.introductions[r]++;
}

/* What was forged is not remembered: it would push out what is to be. */
static enum introduction_result
admit(struct gate *g, const struct gate_key *key, struct caller *c,
      const struct meeting_message *m, uint64_t now)
{
    enum introduction_result r;
    struct gate_answer answer;
    struct seen *seen;

    if (!is_proven(g, key, c, m->noise.p))
        return INTRODUCTION_FORGED;
    if (is_strange(g, c->i.greeting))
        return INTRODUCTION_STRANGE;
    seen = remember(g, key, m->noise.p, c->i.greeting);
    if (seen == NULL)
        return INTRODUCTION_FULL;
    r = judge(g, key, c, m, now);
    answer = answer_of(g, r);
    seen->status = (uint8_t)answer.status;
    seen->effort = answer.effort;
    return r;
}

static enum introduction_result take(struct gate *g, const struct gate_key *key,
                                     const struct meeting_message *m,
                                     uint64_t now)
{
    struct services *s = g->service->all;
    struct invitation_to to = {.network = s->config.network,
                               .credential = g->service->credential,
                               .key = key->key,
                               .secret = key->secret};
    struct caller c = {0};
    enum introduction_result r;

    if (invitation_read(m->noise.p, &to, s->config.testing_network, &c.noise,
                        &c.i) != OK)
        return INTRODUCTION_FORGED;
    r = admit(g, key, &c, m, now);
    if (r == INTRODUCTION_FULL && c.plan.effort >= g->effort.asked)
        effort_refused(&g->effort);
    noise_deinit(&c.noise);
    sodium_memzero(&c, sizeof(c));
    return r;
}

/* What it got before. At another point it is refused, as what was made for
 * others is: or two relays could see that they are points of one service. */
static struct gate_answer answer_again(const struct seen *seen,
                                       const struct gate_key *key)
{
    if (memcmp(seen->auth_id, key->auth_id, sizeof(seen->auth_id)) != 0)
        return (struct gate_answer){.status = MEETING_REFUSED};
    return (struct gate_answer){seen->status, seen->effort};
}

struct gate_answer gate_invited(struct gate *g, const struct gate_key *key,
                                const struct meeting_message *m, uint64_t now)
{
    const struct seen *seen = find_seen(g, m->noise.p);
    enum introduction_result r;
    struct gate_answer answer;

    if (seen != NULL) {
        count(g, INTRODUCTION_REPLAYED);
        return answer_again(seen, key);
    }
    r = take(g, key, m, now);
    answer = answer_of(g, r);
    count(g, r);
    effort_queue(&g->effort, visits_queued(g->visits),
                 g->service->all->config.max_queue);
    visits_go_on(g->visits, now);
    return answer;
}

/* ---- MOVE --------------------------------------------------------------- */

static enum reason move(struct gate *g, struct service_peer *peer,
                        const uint8_t *noise1, uint64_t now)
{
    struct services *s = g->service->all;
    struct gate_key key = {.secret = peer->secret, .key = peer->own};
    struct invitation_to to = {.network = s->config.network,
                               .credential = g->service->credential,
                               .key = peer->own,
                               .secret = peer->secret};
    struct caller c = {.plan = {.peer = peer}};
    enum introduction_result r;

    if (invitation_read(noise1, &to, s->config.testing_network, &c.noise,
                        &c.i) != OK)
        return REASON_PROTOCOL;
    /* Who it is was proven when it came: it cannot be anybody else now. */
    c.i.has_member = peer->has_key;
    memcpy(c.i.member, peer->key, sizeof(c.i.member));
    r = service_is_own_relay(s, c.i.rendezvous.identity)
            ? INTRODUCTION_REFUSED
            : plan_visit(g, &key, &c, true, now);
    noise_deinit(&c.noise);
    sodium_memzero(&c, sizeof(c));
    if (r == INTRODUCTION_ACCEPTED)
        return REASON_UNKNOWN;
    return r == INTRODUCTION_FULL ? REASON_FULL : REASON_ADDRESS;
}

void gate_move(struct gate *g, struct service_peer *peer,
               const struct channel_move *m, uint64_t now)
{
    uint8_t cookie[MEETING_COOKIE_BYTES];
    struct channel *ch = peer->channel;

    memcpy(cookie, m->cookie, sizeof(cookie));
    channel_moved(ch, cookie, move(g, peer, m->noise1.p, now), now);
}

void gate_forget_peer(struct gate *g, const struct service_peer *peer)
{
    visits_forget_peer(g->visits, peer);
}

/* ---- Time --------------------------------------------------------------- */

void gate_stems(struct gate *g, uint64_t now)
{
    visits_go_on(g->visits, now);
}

void gate_tick(struct gate *g, uint64_t now)
{
    struct services *s = g->service->all;

    if (s->wall > g->issued)
        g->issued = (uint32_t)s->wall;
    visits_tick(g->visits, now);
    for (unsigned i = visits_missed(g->visits); i > 0; i--)
        effort_refused(&g->effort);
    if (effort_tick(&g->effort, &s->env.random, s->wall, now))
        service_effort_changed(g->service, now);
}

uint64_t gate_deadline(const struct gate *g)
{
    return time_min(visits_deadline(g->visits), effort_deadline(&g->effort));
}

unsigned gate_queued(const struct gate *g)
{
    return visits_queued(g->visits);
}

const struct effort *gate_effort(const struct gate *g)
{
    return &g->effort;
}

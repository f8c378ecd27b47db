/* SPDX-License-Identifier: MIT
 *
 * Points have fixed places: circuits name them.
 */
#include "tunnel/swarm/inquiry.h"

#include "base/limiter.h"
#include "base/source.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define OF_ORIGIN    (INQUIRY_POINTS / CROWD_SHARE)
#define ASK_TIME     (20 * TIME_S) /* of a circuit, in all */
#define SAY_REPEAT   (1 * TIME_S)  /* doubled each time */
#define RETRY        (5 * TIME_S)  /* likewise */
#define FAILURES     4 /* of a point, in a row: then it is forgotten */
#define POINT_FAST   (2 * TIME_S)
#define POINT_STEADY (30 * TIME_S)
#define ASK_RATE     2 /* circuits a second, */
#define ASK_BURST    32
#define LOOK_NOBODY  (5 * TIME_MIN) /* while there is no point at all */
#define LOOK_HASTE   (10 * TIME_S)

struct point_asked {
    struct inquiry *q; /* NULL: no point here */
    struct relay_target target;
    uint64_t origin;
    bool answered; /* once at least: it has the key */
    unsigned failures;
    uint32_t total; /* entries that it claims */
    uint64_t ask_at, pause;

    struct circuit *c; /* it is being asked */
    bool reached;
    unsigned said, heard, wanted;
    bool news; /* somebody new was among them */
    uint64_t repeat_at, repeat, end_at;
};

struct inquiry {
    struct inquiry_env env;
    uint32_t period;
    uint8_t topic[TOPIC_BYTES], entry_key[32];
    uint64_t wall;
    struct point_asked points[INQUIRY_POINTS];
    unsigned asking;
    bool starved; /* there was no stem */
    bool rest;
    uint64_t haste_since;
    struct token_rate rate;
    struct token_bucket tokens;
    uint64_t lookup; /* 0: none is under way */
    uint64_t look_at, look_pause;
    struct inquiry_status stats;
};

static const struct route_ops ask_ops;

/* ---- Life --------------------------------------------------------------- */

enum error inquiry_new(const struct inquiry_env *env, const uint8_t root[32],
                       uint32_t period, uint64_t wall, uint64_t now,
                       struct inquiry **out)
{
    struct inquiry *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return ERR_NO_MEMORY;
    q->env = *env;
    q->period = period;
    q->wall = wall;
    topic_of(root, period, q->topic);
    topic_entry_key(root, period, q->entry_key);
    q->rate = token_rate_of(ASK_RATE, ASK_BURST);
    q->haste_since = now;
    q->look_at = now;
    q->look_pause = INQUIRY_FAST;
    *out = q;
    return OK;
}

static void drop_circuit(struct point_asked *p, uint64_t now)
{
    struct circuit *c = p->c;

    if (c == NULL)
        return;
    p->c = NULL;
    p->reached = false;
    p->q->asking--;
    route_drop(p->q->env.circuits, c, now);
}

void inquiry_free(struct inquiry *q, uint64_t now)
{
    if (q == NULL)
        return;
    if (q->lookup != 0)
        finder_cancel(q->env.finder, q->lookup, now);
    for (unsigned i = 0; i < INQUIRY_POINTS; i++)
        if (q->points[i].q != NULL)
            drop_circuit(&q->points[i], now);
    sodium_memzero(q, sizeof(*q));
    free(q);
}

/* A quarter more or less. */
static uint64_t about(const struct inquiry *q, uint64_t pause)
{
    return pause - pause / 4 +
           pause / 2048 * random_below(&q->env.random, 1024);
}

static bool in_haste(const struct inquiry *q, uint64_t now)
{
    return !q->rest && time_since(q->haste_since, now) < INQUIRY_HASTE;
}

void inquiry_hurry(struct inquiry *q, uint64_t now)
{
    if (in_haste(q, now) || q->rest)
        return;
    q->haste_since = now;
    q->look_pause = INQUIRY_FAST;
    q->look_at = time_min(q->look_at, now);
    for (unsigned i = 0; i < INQUIRY_POINTS; i++) {
        struct point_asked *p = &q->points[i];

        if (p->q == NULL || p->failures > 0)
            continue;
        p->pause = POINT_FAST;
        p->ask_at = time_min(p->ask_at, time_after(now, about(q, TIME_S)));
    }
}

void inquiry_rest(struct inquiry *q, bool rest)
{
    q->rest = rest;
}

/* ---- Points ------------------------------------------------------------- */

static struct point_asked *find_point(struct inquiry *q,
                                      const uint8_t identity[32])
{
    for (unsigned i = 0; i < INQUIRY_POINTS; i++)
        if (q->points[i].q != NULL &&
            memcmp(q->points[i].target.identity, identity, 32) == 0)
            return &q->points[i];
    return NULL;
}

static bool same_network(const struct relay_target *a,
                         const struct relay_target *b)
{
    for (unsigned i = 0; i < a->endpoint_count; i++)
        for (unsigned j = 0; j < b->endpoint_count; j++)
            if (source_same(&a->endpoints[i], &b->endpoints[j], SOURCE_NETWORK))
                return true;
    return false;
}

static bool makes_way(const struct point_asked *p)
{
    return p->c == NULL && (p->failures > 0 || (p->answered && p->total == 0));
}

/* A place for it: an empty one, or one of somebody who is of no use. NULL: it
 * is not taken. */
static struct point_asked *
find_room(struct inquiry *q, const struct relay_target *t, uint64_t origin)
{
    struct point_asked *empty = NULL, *way = NULL;
    unsigned alike = 0;

    for (unsigned i = 0; i < INQUIRY_POINTS; i++) {
        struct point_asked *p = &q->points[i];

        if (p->q == NULL) {
            empty = empty != NULL ? empty : p;
            continue;
        }
        if (!q->env.testing_network && same_network(&p->target, t))
            return makes_way(p) ? p : NULL;
        alike += p->origin == origin;
        if (makes_way(p) && (way == NULL || p->failures > way->failures))
            way = p;
    }
    if (alike >= OF_ORIGIN)
        return NULL;
    return empty != NULL ? empty : way;
}

static bool is_usable(const struct inquiry *q, const struct relay_target *t)
{
    if (t->endpoint_count == 0 ||
        memcmp(t->identity, q->env.own_relay, sizeof(t->identity)) == 0)
        return false;
    for (unsigned i = 0; i < t->endpoint_count; i++)
        if (!q->env.testing_network && !endpoint_is_global(&t->endpoints[i]))
            return false;
    return true;
}

/* Who names a relay may lie about its key: so that a relay that is known
 * already has the one that is known, and one that never answered to it can be
 * named anew. */
static void know_point(struct inquiry *q, const struct relay_target *t,
                       uint64_t origin, uint64_t now)
{
    struct point_asked *p = find_point(q, t->identity);

    if (p != NULL && (p->answered || p->c != NULL || p->failures == 0))
        return;
    if (!is_usable(q, t))
        return;
    if (p == NULL)
        p = find_room(q, t, origin);
    if (p == NULL) {
        q->stats.refused++;
        return;
    }
    *p = (struct point_asked){.q = q,
                              .target = *t,
                              .origin = origin,
                              .ask_at = now,
                              .pause = POINT_FAST};
    q->env.known_target(q->env.ctx, t->identity, &p->target);
}

static uint64_t origin_of(const uint8_t identity[32])
{
    return bytes_get_number(identity, 8) | 1; /* never 0 */
}

/* ---- Lookups ------------------------------------------------------------ */

static void on_point(void *ctx, uint64_t request,
                     const struct link_target *point, uint64_t now)
{
    struct inquiry *q = ctx;
    struct relay_target t = {.endpoint_count = 1, .endpoints = {point->ep}};

    if (request != q->lookup)
        return;
    memcpy(t.identity, point->identity, sizeof(t.identity));
    memcpy(t.handshake_key, point->handshake_key, sizeof(t.handshake_key));
    know_point(q, &t, origin_of(t.identity), now);
}

static unsigned points_known(const struct inquiry *q)
{
    unsigned count = 0;

    for (unsigned i = 0; i < INQUIRY_POINTS; i++)
        count += q->points[i].q != NULL;
    return count;
}

static void look_later(struct inquiry *q, uint64_t now)
{
    uint64_t most = in_haste(q, now)       ? LOOK_HASTE
                    : points_known(q) == 0 ? LOOK_NOBODY
                                           : INQUIRY_LOOK_SLOW;

    q->look_pause = time_min(q->look_pause, most);
    q->look_at = time_after(now, about(q, q->look_pause));
    q->look_pause *= 2;
}

static void looked_up(void *ctx, uint64_t request, enum finder_end end,
                      unsigned stored, uint64_t now)
{
    struct inquiry *q = ctx;

    (void)end;
    (void)stored;
    if (request != q->lookup)
        return;
    q->lookup = 0;
    look_later(q, now);
}

static void look_up(struct inquiry *q, uint64_t now)
{
    const struct finder_handler handler = {
        .ctx = q, .point = on_point, .done = looked_up};
    struct id hashes[TOPIC_REPLICAS];

    for (unsigned r = 0; r < TOPIC_REPLICAS; r++)
        topic_hash(q->env.network, q->topic, r, &hashes[r]);
    q->stats.lookups++;
    if (finder_points(q->env.finder, q->env.kit, hashes, INQUIRY_FOUND,
                      &handler, now, &q->lookup) != OK) {
        q->lookup = 0;
        look_later(q, now);
    }
}

/* ---- Asking ------------------------------------------------------------- */

static void ask_later(struct point_asked *p, uint64_t now)
{
    const struct inquiry *q = p->q;
    uint64_t least = in_haste(q, now) ? POINT_FAST : POINT_STEADY;

    p->pause = p->news ? p->pause / 2 : p->pause * 2;
    if (p->pause < least)
        p->pause = least;
    p->pause = q->rest ? INQUIRY_SLOW : time_min(p->pause, INQUIRY_SLOW);
    p->ask_at = time_after(now, about(q, p->pause));
}

/* Nothing came of it, or not all. */
static void failed(struct point_asked *p, uint64_t now)
{
    struct inquiry *q = p->q;

    drop_circuit(p, now);
    q->stats.failed++;
    if (p->heard > 0) {
        ask_later(p, now);
        return;
    }
    p->ask_at = time_after(now, about(q, RETRY << p->failures));
    if (++p->failures >= FAILURES)
        *p = (struct point_asked){0};
}

static void say(struct point_asked *p, uint64_t now)
{
    const struct meeting_message m = {.type = MEETING_MEMBERS_ASK,
                                      .topic = p->q->topic};

    p->said++;
    p->repeat_at = time_after(now, p->repeat);
    route_send(p->q->env.circuits, p->c, &m, now);
}

static void ask_ready(void *holder, struct circuit *c, uint64_t now)
{
    struct point_asked *p = holder;

    (void)c;
    p->reached = true;
    p->repeat = SAY_REPEAT;
    say(p, now);
}

static void ask_closed(void *holder, struct circuit *c, enum reason why,
                       unsigned hop, uint64_t now)
{
    struct point_asked *p = holder;

    (void)c;
    (void)why;
    (void)hop;
    p->c = NULL;
    p->reached = false;
    p->q->asking--;
    failed(p, now);
}

static void ask_refused(void *holder, struct circuit *c, enum reason why,
                        uint64_t now)
{
    (void)c;
    (void)why;
    failed(holder, now);
}

/* ---- Answers ------------------------------------------------------------ */

static void take_entry(struct point_asked *p, const struct meeting_member *m,
                       uint64_t now)
{
    struct inquiry *q = p->q;
    struct crowd_place place = {
        .point = p->target, .period = q->period, .origin = p->origin};
    struct entry_place sealed_for;
    struct entry entry;

    memcpy(place.auth_id, m->auth_id, sizeof(place.auth_id));
    memcpy(sealed_for.auth_id, m->auth_id, sizeof(sealed_for.auth_id));
    memcpy(sealed_for.relay, p->target.identity, sizeof(sealed_for.relay));
    memcpy(sealed_for.topic, q->topic, sizeof(sealed_for.topic));
    if (entry_open(q->entry_key, &sealed_for,
                   bytes_of(m->entry, MEETING_ENTRY_BYTES), &entry) != OK) {
        q->stats.forged++;
        return;
    }
    if (entry_check_time(&entry, q->wall) != OK) {
        q->stats.stale++;
        return;
    }
    place.issued = entry.issued;
    p->news |= q->env.entry(q->env.ctx, entry.member, &place, now);
}

/* What is worth asking for, when each answer has a few of all at random. */
static unsigned answers_wanted(uint32_t total)
{
    uint32_t wanted = 1;

    if (total > MEETING_MEMBERS_MAX)
        wanted = (total + 3) / 4;
    return wanted < INQUIRY_MORE ? wanted : INQUIRY_MORE;
}

static void finish(struct point_asked *p, uint64_t now)
{
    drop_circuit(p, now);
    p->failures = 0;
    ask_later(p, now);
}

/* As many answers as there were questions. */
static bool ask_message(void *holder, struct circuit *c,
                        const struct meeting_message *m, uint64_t now)
{
    struct point_asked *p = holder;
    struct inquiry *q = p->q;

    (void)c;
    if (m->type != MEETING_MEMBERS || p->heard >= p->said)
        return false;
    p->heard++;
    p->answered = true;
    p->total = m->total;
    p->wanted = answers_wanted(m->total);
    for (unsigned i = 0; i < m->member_count; i++)
        take_entry(p, &m->members[i], now);
    for (unsigned i = 0; i < m->target_count; i++)
        know_point(q, &m->targets[i], p->origin, now);
    p->repeat = SAY_REPEAT;
    if (p->heard >= p->wanted)
        finish(p, now);
    else if (p->said == p->heard)
        say(p, now);
    return true;
}

static const struct route_ops ask_ops = {.ready = ask_ready,
                                         .closed = ask_closed,
                                         .message = ask_message,
                                         .refused = ask_refused};

/* ---- Whom to ask -------------------------------------------------------- */

static unsigned asked_of_origin(const struct inquiry *q, uint64_t origin)
{
    unsigned count = 0;

    for (unsigned i = 0; i < INQUIRY_POINTS; i++)
        count += q->points[i].c != NULL && q->points[i].origin == origin;
    return count;
}

static bool comes_first(const struct inquiry *q, const struct point_asked *a,
                        const struct point_asked *b)
{
    unsigned of_a = asked_of_origin(q, a->origin);
    unsigned of_b = asked_of_origin(q, b->origin);

    if (of_a != of_b)
        return of_a < of_b;
    if (a->answered != b->answered)
        return !a->answered;
    return a->ask_at < b->ask_at;
}

static struct point_asked *choose(struct inquiry *q, uint64_t now)
{
    struct point_asked *best = NULL;

    for (unsigned i = 0; i < INQUIRY_POINTS; i++) {
        struct point_asked *p = &q->points[i];

        if (p->q != NULL && p->c == NULL && now >= p->ask_at &&
            (best == NULL || comes_first(q, p, best)))
            best = p;
    }
    return best;
}

/* False when there is no stem. */
static bool ask(struct point_asked *p, uint64_t now)
{
    struct inquiry *q = p->q;
    struct link_target target;
    struct circuit *c =
        stem_take(q->env.kit, p->target.identity, NULL, 0, &ask_ops, p, now);

    if (c == NULL)
        return false;
    p->c = c;
    p->said = p->heard = p->wanted = 0;
    p->news = p->reached = false;
    p->end_at = time_after(now, ASK_TIME);
    q->asking++;
    q->stats.asked++;
    token_bucket_take(&q->tokens, &q->rate, now);
    if (!q->env.link_target(q->env.ctx, c->hop[c->length - 1].target.identity,
                            &p->target, &target) ||
        circuit_extend(q->env.circuits, c, &target, now) != OK)
        failed(p, now);
    return true;
}

void inquiry_stems(struct inquiry *q, uint64_t now)
{
    struct point_asked *p;

    q->starved = false;
    while (q->asking < INQUIRY_ASKS && !q->starved &&
           token_bucket_has(&q->tokens, &q->rate, now) &&
           (p = choose(q, now)) != NULL)
        q->starved = !ask(p, now);
}

/* ---- Time --------------------------------------------------------------- */

static void tick_asking(struct point_asked *p, uint64_t now)
{
    if (now >= p->end_at) {
        failed(p, now);
    } else if (p->reached && now >= p->repeat_at) {
        p->repeat *= 2;
        say(p, now);
    }
}

void inquiry_tick(struct inquiry *q, uint64_t wall, uint64_t now)
{
    q->wall = wall;
    if (q->lookup == 0 && now >= q->look_at)
        look_up(q, now);
    for (unsigned i = 0; i < INQUIRY_POINTS; i++)
        if (q->points[i].c != NULL)
            tick_asking(&q->points[i], now);
    if (!q->starved) /* else inquiry_stems is called */
        inquiry_stems(q, now);
}

static uint64_t deadline_of(const struct inquiry *q,
                            const struct point_asked *p)
{
    if (p->c != NULL)
        return p->reached ? time_min(p->end_at, p->repeat_at) : p->end_at;
    if (q->starved || q->asking >= INQUIRY_ASKS)
        return TIME_NEVER;
    return p->ask_at;
}

/* When there is a token again. */
static uint64_t tokens_at(const struct inquiry *q)
{
    return q->tokens.full_at > q->rate.depth ? q->tokens.full_at - q->rate.depth
                                             : 0;
}

uint64_t inquiry_deadline(const struct inquiry *q)
{
    uint64_t at = q->lookup == 0 ? q->look_at : TIME_NEVER;

    for (unsigned i = 0; i < INQUIRY_POINTS; i++) {
        const struct point_asked *p = &q->points[i];
        uint64_t due;

        if (p->q == NULL)
            continue;
        due = deadline_of(q, p);
        if (p->c == NULL && due < tokens_at(q))
            due = tokens_at(q);
        at = time_min(at, due);
    }
    return at;
}

void inquiry_status(const struct inquiry *q, struct inquiry_status *out)
{
    *out = q->stats;
    for (unsigned i = 0; i < INQUIRY_POINTS; i++) {
        const struct point_asked *p = &q->points[i];

        out->points += p->q != NULL;
        out->answered += p->q != NULL && p->answered;
        out->entries += p->q != NULL ? p->total : 0;
    }
}

/* SPDX-License-Identifier: MIT
 *
 * The queue, and the circuits to rendezvous points.
 *
 *     queue -> EXTENDING (stem, or the peer's hops) -> JOINING -> gone
 *        ^________/   not reached: over another stem
 *
 * One that takes longer than it should has a second one beside it, over another
 * way to the same place; whichever is joined first ends the other.
 */
#include "tunnel/service/visit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define GO_TIME    (12 * TIME_S)  /* from the queue to JOINED, or longer: */
#define ANSWER     (8 * TIME_S)   /* from JOIN to JOINED */
#define TRIES      3              /* stems, until one leads there */
#define PAUSE      (20 * TIME_MS) /* of the queue without stems or tokens */
#define PASSED_MAX 4 /* of the queue, for which no stem is on its way */
#define BESIDE     (10 * TIME_MS) /* at least, until there is a second one */

struct visit {
    TAILQ_ENTRY(visit) link;
    struct visits *all;
    struct visit_plan plan;
    struct visit *beside; /* the other one to the same place, or NULL */
    bool at_once;
    uint64_t since;      /* in the queue, or on the way */
    unsigned tries;      /* circuits that it had */
    uint64_t over_at;    /* whoever asked waits no longer; with the first try */
    uint64_t beside_at;  /* when there is to be a second one, or never */
    struct circuit *c;   /* on the way */
    struct asking asked; /* JOIN; again_at is TIME_NEVER before */
};

TAILQ_HEAD(visit_list, visit);

struct visits {
    struct service *service;
    struct visit_list queue, active; /* the next one first */
    unsigned queued, count;          /* active */
    unsigned missed;
    uint64_t again_at; /* there is no stem, or no room, before */
};

static const struct route_ops visit_ops;

static struct circuits *circuits_of(const struct visit *v)
{
    return v->all->service->all->env.circuits;
}

enum error visits_new(struct service *service, struct visits **out)
{
    struct visits *v = calloc(1, sizeof(*v));

    if (v == NULL)
        return ERR_NO_MEMORY;
    v->service = service;
    TAILQ_INIT(&v->queue);
    TAILQ_INIT(&v->active);
    *out = v;
    return OK;
}

static void wipe(struct visit *v)
{
    if (v->beside != NULL)
        v->beside->beside = NULL;
    sodium_memzero(v, sizeof(*v));
    free(v);
}

static void leave_queue(struct visits *all, struct visit *v)
{
    TAILQ_REMOVE(&all->queue, v, link);
    all->queued--;
}

/* Its circuit is gone, or somebody else's. */
static void end(struct visit *v)
{
    TAILQ_REMOVE(&v->all->active, v, link);
    v->all->count--;
    wipe(v);
}

static void fail(struct visit *v, uint64_t now)
{
    v->all->service->all->stats.joins_failed += v->beside == NULL;
    if (v->c != NULL)
        route_drop(circuits_of(v), v->c, now);
    end(v);
}

void visits_free(struct visits *v, uint64_t now)
{
    struct visit *next;

    if (v == NULL)
        return;
    while ((next = TAILQ_FIRST(&v->queue)) != NULL) {
        leave_queue(v, next);
        wipe(next);
    }
    while ((next = TAILQ_FIRST(&v->active)) != NULL)
        fail(next, now);
    free(v);
}

/* ---- The queue ---------------------------------------------------------- */

static void insert(struct visits *all, struct visit *v)
{
    struct visit *other;

    all->queued++;
    TAILQ_FOREACH(other, &all->queue, link)
    {
        if (other->plan.effort < v->plan.effort) {
            TAILQ_INSERT_BEFORE(other, v, link);
            return;
        }
    }
    TAILQ_INSERT_TAIL(&all->queue, v, link);
}

static uint64_t queued_until(const struct visit *v)
{
    return v->tries > 0 ? v->over_at : time_after(v->since, VISIT_WAIT);
}

static void give_up(struct visits *all, struct visit *v)
{
    all->missed += v->plan.effort > 0 && v->tries == 0;
    all->service->all->stats.joins_failed += v->beside == NULL;
    leave_queue(all, v);
    wipe(v);
}

static enum error make_room(struct visits *all, uint32_t effort)
{
    struct visit *last = TAILQ_LAST(&all->queue, visit_list);

    if (all->queued < all->service->all->config.max_queue)
        return OK;
    if (last == NULL || last->plan.effort >= effort)
        return ERR_FULL;
    give_up(all, last);
    return OK;
}

static bool set_out(struct visit *v, const struct circuit *but, uint64_t now);

enum error visit_add(struct visits *all, const struct visit_plan *plan,
                     bool at_once, uint64_t now)
{
    struct visit *v;
    enum error e = at_once ? OK : make_room(all, plan->effort);

    if (e == OK && at_once && all->count >= VISIT_ACTIVE)
        e = ERR_FULL;
    if (e != OK)
        return e;
    v = calloc(1, sizeof(*v));
    if (v == NULL)
        return ERR_NO_MEMORY;
    v->all = all;
    v->plan = *plan;
    v->at_once = at_once;
    v->since = now;
    insert(all, v);
    return !at_once || set_out(v, NULL, now) ? OK : ERR_UNREACHABLE;
}

void visits_forget_peer(struct visits *all, const struct service_peer *peer)
{
    struct visit *v;

    /* A new peer comes of it then: the other end is on its way. */
    TAILQ_FOREACH(v, &all->queue, link)
    if (v->plan.peer == peer)
        v->plan.peer = NULL;
    TAILQ_FOREACH(v, &all->active, link)
    if (v->plan.peer == peer)
        v->plan.peer = NULL;
}

unsigned visits_missed(struct visits *v)
{
    unsigned missed = v->missed;

    v->missed = 0;
    return missed;
}

unsigned visits_queued(const struct visits *v)
{
    return v->queued;
}

/* ---- To the rendezvous point -------------------------------------------- */

/* What is left to be built, and the JOIN. */
static uint64_t time_of(const struct visit *v)
{
    uint64_t time = circuits_overdue(circuits_of(v), v->c->length);

    for (unsigned i = v->c->built + 1; i <= v->c->length; i++)
        time += circuits_overdue(circuits_of(v), i);
    return time > BESIDE ? time : BESIDE;
}

static void on_the_way(struct visit *v, struct circuit *c, uint64_t now)
{
    leave_queue(v->all, v);
    TAILQ_INSERT_TAIL(&v->all->active, v, link);
    v->all->count++;
    v->c = c;
    v->since = now;
    v->asked.again_at = TIME_NEVER;
    if (v->tries++ == 0)
        v->over_at = time_after(now, GO_TIME);
    v->beside_at = TIME_NEVER;
    if (v->tries < TRIES && v->beside == NULL)
        v->beside_at = time_after(now, time_of(v));
}

/* Over the hops that this peer has had. */
static bool go_over_hops(struct visit *v, const struct link_target *its,
                         uint64_t now)
{
    struct services *s = v->all->service->all;
    unsigned count = v->all->service->options.hops;
    struct link_target hops[ONION_HOPS_MAX];
    struct circuit *c;

    memcpy(hops, its, count * sizeof(*hops));
    if (!service_link_target(s, hops[count - 1].identity, &v->plan.rendezvous,
                             &hops[count]) ||
        route_new(s->env.circuits, hops, count + 1, &visit_ops, v, now, &c) !=
            OK)
        return false;
    c->chosen = count;
    on_the_way(v, c, now);
    return true;
}

/* It stays in the queue when there is no stem yet. */
static void go_over_stem(struct visit *v, uint64_t now)
{
    struct service *service = v->all->service;
    struct services *s = service->all;
    struct link_target last;
    struct circuit *c = stem_take(service->kit, v->plan.rendezvous.identity,
                                  NULL, 0, &visit_ops, v, now);

    if (c == NULL)
        return;
    on_the_way(v, c, now);
    if (v->plan.peer != NULL)
        peer_keep_hops(v->plan.peer, c);
    if (!service_link_target(s, c->hop[c->length - 1].target.identity,
                             &v->plan.rendezvous, &last) ||
        circuit_extend(s->env.circuits, c, &last, now) != OK)
        fail(v, now);
}

/* `but`: NULL, or a way that another one takes. False: it is given up. */
static bool set_out(struct visit *v, const struct circuit *but, uint64_t now)
{
    struct service_peer *p = v->plan.peer;
    const struct link_target *hops = NULL;

    if (p != NULL)
        hops = peer_hops_to(p, v->plan.rendezvous.identity, but, now);
    if (hops == NULL && but != NULL && p != NULL && p->hop_sets == PEER_HOPS) {
        give_up(v->all, v);
        return false;
    }
    if (hops == NULL) {
        go_over_stem(v, now);
        return true;
    }
    if (go_over_hops(v, hops, now))
        return true;
    give_up(v->all, v);
    return false;
}

/* A stem for it is being built: it has its turn before the others. */
static bool is_served_soon(const struct visit *v, uint64_t now)
{
    return stem_is_coming(v->all->service->kit, v->plan.rendezvous.identity,
                          now);
}

/* One for which there is no stem waits, and does not hold up the others: where
 * it is to go may be a hop of all our ways. */
void visits_go_on(struct visits *all, uint64_t now)
{
    struct services *s = all->service->all;
    struct visit *v, *next;
    unsigned passed = 0;

    all->again_at = time_after(now, PAUSE);
    for (v = TAILQ_FIRST(&all->queue);
         v != NULL && all->count < VISIT_ACTIVE &&
         token_bucket_has(&s->joins, &s->join_rate, now);
         v = next) {
        unsigned queued = all->queued;

        next = TAILQ_NEXT(v, link);
        set_out(v, NULL, now);
        if (all->queued < queued)
            token_bucket_take(&s->joins, &s->join_rate, now);
        else if (is_served_soon(v, now) || ++passed > PASSED_MAX)
            return;
    }
}

/* ---- There -------------------------------------------------------------- */

static void say_join(struct visit *v, uint64_t now)
{
    struct meeting_message m = {
        .type = MEETING_JOIN,
        .cookie = v->plan.cookie,
        .noise = bytes_of(v->plan.noise2, sizeof(v->plan.noise2))};

    route_send(circuits_of(v), v->c, &m, now);
}

static void visit_ready(void *holder, struct circuit *c, uint64_t now)
{
    struct visit *v = holder;

    if (v->over_at < time_after(now, ANSWER))
        v->over_at = time_after(now, ANSWER);
    asking_begin(&v->asked, circuits_overdue(circuits_of(v), c->length), now);
    say_join(v, now);
}

static void become_peer(struct visit *v, uint64_t now)
{
    const struct visit_plan *plan = &v->plan;
    struct service_peer *p;

    if (peer_new(v->all->service, NULL, plan->has_member ? plan->member : NULL,
                 v->c, &plan->keys, now, &p) != OK) {
        v->all->service->all->stats.joins_failed++;
        return;
    }
    memcpy(p->secret, plan->secret, sizeof(p->secret));
    memcpy(p->own, plan->own, sizeof(p->own));
}

static void end_beside(struct visit *v, uint64_t now)
{
    struct visit *other = v->beside;

    if (other == NULL)
        return;
    if (other->c != NULL)
        fail(other, now); /* which counts nothing: this one is there */
    else
        give_up(v->all, other);
}

static bool visit_message(void *holder, struct circuit *c,
                          const struct meeting_message *m, uint64_t now)
{
    struct visit *v = holder;

    if (m->type != MEETING_JOINED || m->noise.len != 0 ||
        v->asked.again_at == TIME_NEVER)
        return false;
    c->joined = true;
    v->all->service->all->stats.joins++;
    end_beside(v, now);
    if (v->plan.peer != NULL)
        peer_add_leg(v->plan.peer, c, &v->plan.keys, now);
    else
        become_peer(v, now);
    end(v);
    return true;
}

/* Before all others, and over another stem. */
static void go_again(struct visit *v, uint64_t now)
{
    struct visits *all = v->all;

    TAILQ_REMOVE(&all->active, v, link);
    all->count--;
    TAILQ_INSERT_HEAD(&all->queue, v, link);
    all->queued++;
    v->since = now;
    all->again_at = now;
}

/* That it was not reached may be the fault of a hop of ours which is gone: then
 * another stem leads there. Hops that a peer had and that are gone are not
 * tried again; the rendezvous point behind them has no say in that. With many
 * under way each has one try: they may be named in order to fail. */
static void visit_closed(void *holder, struct circuit *c, enum reason why,
                         unsigned hop, uint64_t now)
{
    struct visit *v = holder;
    struct service_peer *p = v->plan.peer;

    (void)c;
    (void)why;
    v->c = NULL;
    if (p != NULL && hop > 0 && hop <= p->service->options.hops)
        p->hop_sets = 0;
    if (v->asked.again_at == TIME_NEVER && v->tries < TRIES &&
        now < v->over_at && v->all->count <= VISIT_ACTIVE / 2)
        go_again(v, now);
    else
        fail(v, now);
}

/* No such cookie there: the other end waits no more. */
static void visit_refused(void *holder, struct circuit *c, enum reason why,
                          uint64_t now)
{
    (void)c;
    (void)why;
    fail(holder, now);
}

static const struct route_ops visit_ops = {.ready = visit_ready,
                                           .message = visit_message,
                                           .closed = visit_closed,
                                           .refused = visit_refused};

/* ---- Time --------------------------------------------------------------- */

/* With many under way there is none, as with what is tried again; nor while
 * others wait for their turn. */
static void go_beside(struct visit *v, uint64_t now)
{
    struct visits *all = v->all;
    struct services *s = all->service->all;
    struct visit *other;

    v->beside_at = TIME_NEVER;
    if (all->queued > 0 || all->count > VISIT_ACTIVE / 2 || v->beside != NULL ||
        !token_bucket_take(&s->joins, &s->join_rate, now))
        return;
    other = calloc(1, sizeof(*other));
    if (other == NULL)
        return;
    *other = (struct visit){.all = all,
                            .plan = v->plan,
                            .since = now,
                            .tries = v->tries,
                            .over_at = v->over_at,
                            .beside = v};
    v->beside = other;
    TAILQ_INSERT_HEAD(&all->queue, other, link);
    all->queued++;
    set_out(other, v->c, now);
    if (v->beside != NULL && v->beside->c == NULL) /* there is no stem */
        give_up(all, v->beside);
    v->tries += v->beside != NULL;
}

static void tick_active(struct visit *v, uint64_t now)
{
    if (now >= v->over_at) {
        fail(v, now);
        return;
    }
    if (now >= v->beside_at)
        go_beside(v, now);
    if (now < v->asked.again_at)
        return;
    asking_again(&v->asked, now);
    say_join(v, now);
}

void visits_tick(struct visits *all, uint64_t now)
{
    struct visit *v, *next;

    for (v = TAILQ_FIRST(&all->active); v != NULL; v = next) {
        next = TAILQ_NEXT(v, link);
        tick_active(v, now);
    }
    for (v = TAILQ_FIRST(&all->queue); v != NULL; v = next) {
        next = TAILQ_NEXT(v, link);
        if (now >= queued_until(v))
            give_up(all, v);
    }
    if (now >= all->again_at)
        visits_go_on(all, now);
}

uint64_t visits_deadline(const struct visits *all)
{
    uint64_t at = TIME_NEVER;
    const struct visit *v;

    TAILQ_FOREACH(v, &all->active, link)
    {
        at = time_min(at, v->over_at);
        at = time_min(at, v->beside_at);
        at = time_min(at, v->asked.again_at);
    }
    TAILQ_FOREACH(v, &all->queue, link)
    at = time_min(at, queued_until(v));
    return all->queued > 0 ? time_min(at, all->again_at) : at;
}

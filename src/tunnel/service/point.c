/* SPDX-License-Identifier: MIT
 *
 * The points of one service, or of one topic.
 */
#include "tunnel/service/point.h"

#include "tunnel/path/path_weight.h"
#include "tunnel/service/gate.h"
#include "tunnel/service/swarm.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TRIES       3               /* of one relay, in a row; */
#define SILENT      2               /* each counts so when it does not answer */
#define RETRY       (500 * TIME_MS) /* doubled each time */
#define STEADY      (30 * TIME_S)   /* up for less is as good as not up */
#define REACH_TIME  (10 * TIME_S)
#define STEM_TIME   (10 * TIME_S) /* without one that leads to the relay */
#define SAY_TIME    (6 * TIME_S)
#define RENEW_PART  8  /* tenths of max_time */
#define RENEW_SPAN  16 /* parts of max_time over which it is spread */
#define CHECK_PAUSE (1 * TIME_S)
#define REST        (200 * TIME_MS) /* when no relay can be had */
#define POINTS_SETS (2 * SERVICE_POINTS_MAX)

struct point_set {
    struct service *service;
    uint8_t secret[32];
    unsigned wanted;
    bool stored;
    struct point_ops ops;
    void *holder;
    struct point *points[POINTS_SETS];
    unsigned count;
    uint64_t choose_at;
    uint64_t checked_at; /* 0: never */
    bool lost_hop;       /* to be looked at in the next tick */
    bool changed;        /* to be told in the next tick */
};

static const struct route_ops point_route;

/* A circuit has to find its point and the set: points are held by pointer. */
struct point_holder {
    struct point point; /* first */
    struct point_set *set;
};

static struct point_set *set_of(struct point *p)
{
    return ((struct point_holder *)(void *)p)->set;
}

static struct circuits *circuits_of(const struct point_set *set)
{
    return set->service->all->env.circuits;
}

/* ---- Life --------------------------------------------------------------- */

enum error points_new(struct service *service, const uint8_t secret[32],
                      unsigned wanted, bool stored, const struct point_ops *ops,
                      void *holder, struct point_set **out)
{
    struct point_set *set = calloc(1, sizeof(*set));

    if (set == NULL)
        return ERR_NO_MEMORY;
    set->service = service;
    memcpy(set->secret, secret, sizeof(set->secret));
    set->wanted = wanted;
    set->stored = stored;
    set->ops = *ops;
    set->holder = holder;
    *out = set;
    return OK;
}

static void drop_circuits(struct point *p, uint64_t now)
{
    struct circuits *cs = circuits_of(set_of(p));
    struct circuit *c = p->c, *next = p->next;

    p->c = p->next = NULL;
    p->reached = false;
    if (c != NULL)
        route_drop(cs, c, now);
    if (next != NULL)
        route_drop(cs, next, now);
}

static void forget_row(struct point_set *set, const struct point *p)
{
    struct services *s = set->service->all;

    if (set->stored && s->env.world.forget_point != NULL)
        s->env.world.forget_point(s->env.world.ctx, set->service->id,
                                  p->row.relay.identity);
}

static void remember_row(struct point_set *set, const struct point *p)
{
    struct services *s = set->service->all;

    if (set->stored && s->env.world.remember_point != NULL)
        s->env.world.remember_point(s->env.world.ctx, set->service->id,
                                    &p->row);
}

static void remove_at(struct point_set *set, unsigned i, uint64_t now)
{
    struct point *p = set->points[i];

    drop_circuits(p, now);
    set->changed |= p->up;
    set->points[i] = set->points[--set->count];
    sodium_memzero(p, sizeof(struct point_holder));
    free(p);
}

void points_free(struct point_set *set, bool forget, uint64_t now)
{
    if (set == NULL)
        return;
    while (set->count > 0) {
        if (forget)
            forget_row(set, set->points[0]);
        remove_at(set, 0, now);
    }
    sodium_memzero(set, sizeof(*set));
    free(set);
}

void points_want(struct point_set *set, unsigned wanted, uint64_t now)
{
    set->wanted = wanted;
    set->choose_at = now;
}

void points_expire(struct point_set *set, uint64_t now)
{
    for (unsigned i = 0; i < set->count; i++)
        set->points[i]->row.until = set->service->all->wall;
    set->choose_at = now;
}

/* ---- A new one ---------------------------------------------------------- */

static struct point *add(struct point_set *set,
                         const struct service_point_row *row, uint64_t now)
{
    struct point_holder *h = calloc(1, sizeof(*h));
    struct point *p;

    if (h == NULL || set->count == POINTS_SETS) {
        free(h);
        return NULL;
    }
    h->set = set;
    p = &h->point;
    p->row = *row;
    p->act_at = now;
    p->down_at = now;
    service_key_point(set->secret, row->salt, row->relay.identity, &p->keys);
    set->points[set->count++] = p;
    return p;
}

/* What the row says, or the directory where that knows more. */
static void find_target(struct point *p)
{
    const struct services *s = set_of(p)->service->all;
    const struct known_relay *known =
        directory_find(s->env.directory, p->row.relay.identity);
    struct relay_target *t = &p->target;

    if (known != NULL) {
        service_target_of(&known->d, &p->target);
        return;
    }
    memcpy(t->identity, p->row.relay.identity, sizeof(t->identity));
    memcpy(t->handshake_key, p->row.relay.handshake_key,
           sizeof(t->handshake_key));
    t->endpoints[0] = p->row.relay.ep;
    t->endpoint_count = 1;
}

void points_restore(struct point_set *set, const struct service_point_row *row,
                    uint64_t now)
{
    struct point *p;

    if (row->until <= set->service->all->wall || set->count >= set->wanted) {
        const struct point gone = {.row = *row};

        forget_row(set, &gone);
        return;
    }
    p = add(set, row, now);
    if (p != NULL)
        find_target(p);
}

static bool is_beside(const struct point_set *set, const struct descriptor *d)
{
    const struct services *s = set->service->all;

    for (unsigned i = 0; i < set->count; i++) {
        const struct known_relay *other = directory_find(
            s->env.directory, set->points[i]->row.relay.identity);

        if (memcmp(set->points[i]->row.relay.identity, d->identity, 32) == 0 ||
            (other != NULL &&
             path_conflict(&other->d, d, s->config.testing_network)))
            return true;
    }
    return false;
}

static bool suits(const struct point_set *set, const struct known_relay *relay,
                  bool avoid, uint64_t now)
{
    return known_is_usable(relay, set->service->all->wall) &&
           !known_is_failing(relay, now) &&
           (relay->d.roles & ROLE_MEETING) != 0 && !is_beside(set, &relay->d) &&
           !(avoid && set->ops.avoids(set->holder, relay->d.identity));
}

static const struct known_relay *draw_relay(const struct point_set *set,
                                            bool avoid, uint64_t now)
{
    const struct services *s = set->service->all;
    struct directory *d = s->env.directory;
    const struct known_relay *chosen;
    struct weighing w;

    if (!weighing_init(&w, directory_count(d)))
        return NULL;
    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *relay = directory_at(d, i);

        if (suits(set, relay, avoid, now))
            weighing_add(&w, relay, now);
    }
    chosen = weighing_choose(&w, &s->env.random);
    weighing_deinit(&w);
    return chosen;
}

static const struct known_relay *choose_relay(const struct point_set *set,
                                              uint64_t now)
{
    const struct known_relay *chosen = NULL;

    if (set->ops.avoids != NULL)
        chosen = draw_relay(set, true, now);
    return chosen != NULL ? chosen : draw_relay(set, false, now);
}

static void add_chosen(struct point_set *set, const struct known_relay *relay,
                       uint64_t now)
{
    const struct services *s = set->service->all;
    struct service_point_row row = {.since = s->wall,
                                    .period = set->ops.period};
    struct point *p;

    row.until =
        s->wall + POINT_LIFE - random_below(&s->env.random, POINT_LIFE / 4);
    memcpy(row.relay.identity, relay->d.identity, sizeof(row.relay.identity));
    memcpy(row.relay.handshake_key, relay->d.handshake_key,
           sizeof(row.relay.handshake_key));
    row.relay.ep = relay->d.addresses[0];
    s->env.random.fill(s->env.random.ctx, row.salt, sizeof(row.salt));
    p = add(set, &row, now);
    if (p != NULL)
        service_target_of(&relay->d, &p->target);
}

/* Those whose time is over do not count: each gets a successor. */
static unsigned lasting(const struct point_set *set)
{
    unsigned count = 0;

    for (unsigned i = 0; i < set->count; i++)
        count += set->points[i]->row.until > set->service->all->wall;
    return count;
}

static void choose(struct point_set *set, uint64_t now)
{
    set->choose_at = TIME_NEVER;
    while (lasting(set) < set->wanted && set->count < POINTS_SETS) {
        const struct known_relay *relay = choose_relay(set, now);

        if (relay == NULL) {
            set->choose_at = time_after(now, REST);
            return;
        }
        add_chosen(set, relay, now);
    }
}

/* ---- Reaching ----------------------------------------------------------- */

static bool reach(struct point_set *set, struct point *p, uint64_t now)
{
    struct services *s = set->service->all;
    struct link_target target;
    struct circuit *c = stem_take(set->service->kit, p->row.relay.identity,
                                  NULL, 0, &point_route, p, now);

    if (c == NULL)
        return false;
    p->c = c;
    p->waits = false;
    p->act_at = time_after(now, REACH_TIME);
    if (!service_link_target(s, c->hop[c->length - 1].target.identity,
                             &p->target, &target) ||
        circuit_extend(s->env.circuits, c, &target, now) != OK) {
        p->c = NULL;
        route_drop(s->env.circuits, c, now);
        p->act_at = now; /* another stem may do */
    }
    return true;
}

static struct circuit *newest(const struct point *p)
{
    return p->next != NULL ? p->next : p->c;
}

static void say_establish(struct point *p, uint64_t now)
{
    struct point_set *set = set_of(p);
    struct circuit *c = newest(p);
    uint8_t signature[crypto_sign_BYTES], text[MEETING_SIGNED_MAX];
    uint8_t entry[ENTRY_BYTES];
    struct meeting_message m = {.type = MEETING_INTRO_ESTABLISH,
                                .auth_key = p->keys.auth_key,
                                .signature = signature};
    size_t len;

    if (set->ops.entry != NULL) {
        set->ops.entry(set->holder, p, entry);
        m.topic = set->ops.topic;
        m.entry = entry;
    }
    len = meeting_signed_bytes(&m, c->hop[c->length - 1].transcript, text);
    crypto_sign_detached(signature, NULL, text, len, p->keys.auth_secret);
    route_send(circuits_of(set), c, &m, now);
}

static void point_ready(void *holder, struct circuit *c, uint64_t now)
{
    struct point *p = holder;

    if (c != newest(p))
        return;
    p->reached = true;
    asking_begin(&p->asked, circuits_overdue(circuits_of(set_of(p)), c->length),
                 now);
    p->act_at = p->asked.again_at;
    say_establish(p, now);
}

/* ---- Up and down -------------------------------------------------------- */

/* An entry is worth nothing when it is older than ENTRY_AGE. */
static uint64_t renew_at(const struct point_set *set, const struct circuit *c)
{
    const struct services *s = set->service->all;
    uint64_t most = set->ops.entry != NULL ? ENTRY_AGE / 2 * TIME_S
                                           : TIME_NEVER;
    uint64_t life = time_min(s->config.max_time, most);
    uint64_t span = life / RENEW_SPAN;
    uint64_t jitter = span * random_below(&s->env.random, 1024) / 1024;

    return time_after(c->created_at, life / 10 * RENEW_PART + jitter);
}

static void came_up(struct point *p, uint64_t now)
{
    struct point_set *set = set_of(p);
    struct circuit *old = p->next != NULL ? p->c : NULL;

    p->c = newest(p);
    p->next = NULL;
    p->act_at = renew_at(set, p->c);
    if (old != NULL)
        route_drop(circuits_of(set), old, now);
    if (p->up) {
        p->tries = 0;
    } else {
        p->up = true;
        p->up_at = now;
        set->changed = true;
    }
    remember_row(set, p);
}

/* Its circuit is gone, or was never had: `silent` when all hops up to the
 * relay stood. Who takes it and drops it again, or has it taken by another node
 * with our key and salt, would else have us back at once, for ever. */
static void went_down(struct point *p, bool silent, uint64_t now)
{
    p->reached = p->waits = false;
    if (p->up) {
        p->down_at = now;
        if (time_since(p->up_at, now) >= STEADY)
            p->tries = 0;
    }
    p->up = false; /* it is in the descriptor for as long as it is tried */
    p->act_at = p->tries == 0 ? now : time_after(now, RETRY << p->tries);
    p->tries += silent ? SILENT : 1;
    if (p->tries > TRIES)
        p->act_at = now;
}

static bool is_ours(struct point *p, unsigned hop)
{
    return hop > 0 && hop <= set_of(p)->service->options.hops;
}

/* A hop of ours is gone, and the relay has no part in that: it is reached over
 * others, and the sooner the better. */
static void lost_way(struct point *p, uint64_t now)
{
    set_of(p)->lost_hop = true;
    p->reached = p->up = false;
    p->down_at = p->act_at = now;
}

/* The attempt to replace its circuit failed: the old one serves on. */
static void renewal_failed(struct point *p, uint64_t now)
{
    p->act_at = time_after(now, RETRY << (p->tries < 4 ? ++p->tries : 4));
}

static void point_closed(void *holder, struct circuit *c, enum reason why,
                         unsigned hop, uint64_t now)
{
    struct point *p = holder;

    (void)why;
    if (c == p->next) {
        p->next = NULL;
        renewal_failed(p, now);
        return;
    }
    p->c = p->next; /* the one on its way is all that is left */
    p->next = NULL;
    if (p->c == NULL && p->up && is_ours(p, hop))
        lost_way(p, now);
    else if (p->c == NULL)
        went_down(p, !p->up && hop == c->length, now);
    else
        p->up = false;
}

static void fail_newest(struct point *p, uint64_t now)
{
    struct circuit *c = newest(p);
    struct circuits *cs = circuits_of(set_of(p));

    if (c == NULL)
        return;
    route_pass(c, NULL, NULL);
    point_closed(p, c, REASON_TIMEOUT, 0, now);
    route_drop(cs, c, now);
}

static void point_refused(void *holder, struct circuit *c, enum reason why,
                          uint64_t now)
{
    struct point *p = holder;

    (void)why;
    if (c == newest(p) && !(p->up && p->next == NULL))
        fail_newest(p, now);
}

/* ---- What the relay says ------------------------------------------------ */

static bool established(struct point *p, struct circuit *c,
                        enum meeting_status status, uint64_t now)
{
    if (status == MEETING_REPLACED) { /* ours: by `next` */
        if (c == p->c && p->next != NULL)
            return true;
        fail_newest(p, now);
        return true;
    }
    if (c != newest(p) || !p->reached)
        return false;
    if (status == MEETING_TAKEN)
        came_up(p, now);
    else
        fail_newest(p, now);
    return true;
}

static bool introduced(struct point *p, struct circuit *c,
                       const struct meeting_message *m, uint64_t now)
{
    struct point_set *set = set_of(p);
    struct service *service = set->service;
    struct gate_key key = {.auth_id = p->keys.auth_id,
                           .secret = p->keys.service_secret,
                           .key = p->keys.service_key};
    struct meeting_message result = {.type = MEETING_INTRO_RESULT,
                                     .handle = m->handle};
    struct gate_answer answer;

    if (memcmp(m->auth_id, p->keys.auth_id, sizeof(p->keys.auth_id)) != 0)
        return false;
    if (service->swarm != NULL)
        swarm_member_key(service->swarm, &key.secret, &key.key);
    answer = gate_invited(service->gate, &key, m, now);
    result.status = answer.status;
    result.effort = answer.effort;
    p->row.introductions += answer.status == MEETING_TAKEN;
    route_send(circuits_of(set), c, &result, now);
    return true;
}

static bool point_message(void *holder, struct circuit *c,
                          const struct meeting_message *m, uint64_t now)
{
    struct point *p = holder;

    if (m->type == MEETING_INTRO_ESTABLISHED)
        return established(p, c, m->status, now);
    if (m->type == MEETING_INTRODUCED && p->up)
        return introduced(p, c, m, now);
    return false;
}

static const struct route_ops point_route = {.ready = point_ready,
                                             .closed = point_closed,
                                             .message = point_message,
                                             .refused = point_refused};

/* ---- Time --------------------------------------------------------------- */

static void renew(struct point_set *set, struct point *p, uint64_t now)
{
    struct services *s = set->service->all;
    struct link_target target = p->c->hop[p->c->length - 1].target;

    p->reached = false;
    p->act_at = time_after(now, REACH_TIME);
    if (stem_again(s->stems, p->c, set->service->options.hops, &target,
                   &point_route, p, now, &p->next) != OK)
        renewal_failed(p, now);
}

static void repeat(struct point *p, uint64_t now)
{
    if (time_since(p->asked.since, now) >= SAY_TIME) {
        fail_newest(p, now);
        return;
    }
    asking_again(&p->asked, now);
    p->act_at = p->asked.again_at;
    say_establish(p, now);
}

/* Where there are stems and none came that leads to this relay, it is among the
 * few that all paths go through, or paths only seem to. */
static void reach_or_wait(struct point_set *set, struct point *p, uint64_t now)
{
    if (p->waits && stem_kit_ready(set->service->kit) > 0) {
        went_down(p, false, now);
    } else if (!reach(set, p, now)) {
        p->waits = true; /* points_stems */
        p->act_at = time_after(now, STEM_TIME);
    }
}

/* False when the relay is given up. */
static bool act(struct point_set *set, struct point *p, uint64_t now)
{
    if (p->c == NULL) {
        if (p->tries > TRIES)
            return false;
        reach_or_wait(set, p, now);
    } else if (p->up && p->next == NULL) {
        renew(set, p, now);
    } else if (p->reached) {
        repeat(p, now);
    } else {
        fail_newest(p, now);
    }
    return true;
}

static bool is_superfluous(const struct point_set *set, const struct point *p)
{
    return p->row.until <= set->service->all->wall &&
           points_up(set) > set->wanted;
}

static void say_something(struct point_set *set, const struct point *p,
                          uint64_t now)
{
    circuit_ping(circuits_of(set), p->c, p->c->length, now);
}

static const struct lost_relays *lost_of(const struct point_set *set)
{
    return circuits_lost(set->service->all->env.circuits);
}

static bool leads_through_lost(const struct point_set *set,
                               const struct circuit *c, uint64_t now)
{
    for (unsigned i = 0; i < c->chosen; i++)
        if (lost_relays_has(lost_of(set), c->hop[i].target.identity, now))
            return true;
    return false;
}

/* A hop that was lost on one circuit may be on those of points, too, where
 * those before it know nothing yet. */
static void check_lost(struct point_set *set, uint64_t now)
{
    if (!set->lost_hop)
        return;
    set->lost_hop = false;
    for (unsigned i = 0; i < set->count; i++) {
        const struct point *p = set->points[i];

        if (p->up && leads_through_lost(set, p->c, now))
            say_something(set, p, now);
    }
}

void points_lost_hop(struct point_set *set)
{
    set->lost_hop = true;
}

void points_tick(struct point_set *set, uint64_t now)
{
    check_lost(set, now);
    for (unsigned i = set->count; i-- > 0;) {
        struct point *p = set->points[i];

        if (is_superfluous(set, p) || (now >= p->act_at && !act(set, p, now))) {
            forget_row(set, p);
            remove_at(set, i, now);
            set->choose_at = now;
        }
    }
    if (lasting(set) < set->wanted && set->choose_at == TIME_NEVER)
        set->choose_at = now;
    if (now >= set->choose_at)
        choose(set, now);
    if (set->changed) {
        set->changed = false;
        set->ops.changed(set->holder, now);
    }
}

/* Those that wait for one. A relay to which no path leads, because it is among
 * the few that all paths go through, is given up like one that is silent. */
void points_stems(struct point_set *set, enum path_result why, uint64_t now)
{
    for (unsigned i = 0; i < set->count; i++) {
        struct point *p = set->points[i];

        if (p->c == NULL && p->waits && !reach(set, p, now) &&
            why != PATH_FOUND)
            went_down(p, false, now);
    }
}

void points_suspect(struct point_set *set, uint64_t now)
{
    for (unsigned i = 0; i < set->count; i++) {
        struct point *p = set->points[i];

        if (p->up && p->next == NULL)
            p->act_at = now;
    }
}

void points_check(struct point_set *set, uint64_t now)
{
    if (set->checked_at != 0 && time_since(set->checked_at, now) < CHECK_PAUSE)
        return;
    set->checked_at = now;
    for (unsigned i = 0; i < set->count; i++) {
        const struct point *p = set->points[i];

        if (p->up)
            say_something(set, p, now);
    }
}

uint64_t points_deadline(const struct point_set *set)
{
    bool soon = set->changed || set->lost_hop;
    uint64_t at = soon ? 0 : set->choose_at;

    for (unsigned i = 0; i < set->count; i++)
        at = time_min(at, set->points[i]->act_at);
    return at;
}

unsigned points_up(const struct point_set *set)
{
    unsigned up = 0;

    for (unsigned i = 0; i < set->count; i++)
        up += set->points[i]->up;
    return up;
}

const struct point *points_at(const struct point_set *set, unsigned i)
{
    return i < set->count ? set->points[i] : NULL;
}

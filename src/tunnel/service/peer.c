/* SPDX-License-Identifier: MIT
 *
 * Peers: channels with their circuits below and the application above.
 */
#include "tunnel/service/peer.h"

#include "tunnel/service/gate.h"
#include "tunnel/service/host.h"
#include "tunnel/service/remote.h"
#include "tunnel/service/swarm.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Relays cut circuits a tenth after max_time; that of the other end may be
 * older than ours by as much as stems get, a fifth of it (services.c). */
#define RENEW_PART    7  /* tenths of max_time */
#define RENEW_SPAN    16 /* parts of max_time over which it is spread */
#define TRIES_AT_ONCE 3  /* that fail, before there are pauses; */
#define TRIES_BESIDE  6  /* while others go on, and other points are wanted */
#define RETRY_MIN     (10 * TIME_MS)
#define POINTS_LATER  (1 * TIME_S)
#define RETRY_FIRST   (1 * TIME_S) /* there are too many attempts already */
#define RETRY_MAX     (4 * TIME_S)

/* Who waits for the other end to resume looks whether it can be reached at all:
 * after what an answer through the channel takes, and up to as much more by
 * chance. */
#define CHECK_LEAST (5 * TIME_MS)
#define CHECK_MOST  (1 * TIME_S)
#define CHECK_AGAIN (15 * TIME_S)

static const struct route_ops leg_ops;

/* ---- Told --------------------------------------------------------------- */

static void tell(struct service_peer *p, enum service_event_kind kind,
                 enum reason why)
{
    struct service_event event = {.kind = kind,
                                  .service = p->service->id,
                                  .peer = p->id,
                                  .opened = p->opened,
                                  .has_key = p->has_key,
                                  .why = why};

    memcpy(event.key, p->key, sizeof(event.key));
    news_add(p->service->all, &event);
}

/* ---- Life --------------------------------------------------------------- */

static void end_connects(struct service_peer *p, uint64_t now)
{
    for (unsigned i = 0; i < PEER_ATTEMPTS; i++) {
        if (p->attempts[i].connect != NULL)
            connect_free(p->attempts[i].connect, now);
        p->attempts[i].connect = NULL;
    }
    p->beside_at = TIME_NEVER;
}

static struct peer_attempt *free_attempt(struct service_peer *p)
{
    for (unsigned i = 0; i < PEER_ATTEMPTS; i++)
        if (p->attempts[i].connect == NULL)
            return &p->attempts[i];
    return NULL;
}

static bool is_connecting(const struct service_peer *p)
{
    for (unsigned i = 0; i < PEER_ATTEMPTS; i++)
        if (p->attempts[i].connect != NULL)
            return true;
    return false;
}

static void forget(struct service_peer *p, uint64_t now)
{
    struct services *s = p->service->all;

    end_connects(p, now);
    channel_free(p->channel);
    s->peers[p->slot] = s->peers[--s->peer_count];
    s->peers[p->slot]->slot = p->slot;
    sodium_memzero(p, sizeof(*p));
    free(p);
}

/* Those that carry it; the channel hears nothing of it any more. */
static void drop_legs(struct service_peer *p, uint64_t now)
{
    struct circuits *cs = p->service->all->env.circuits;

    for (unsigned i = circuits_count(cs); i-- > 0;)
        if (route_is(circuits_at(cs, i), &leg_ops, p))
            route_drop(cs, circuits_at(cs, i), now);
}

void peer_free(struct service_peer *peer, uint64_t now)
{
    drop_legs(peer, now);
    forget(peer, now);
}

void peer_close(struct service_peer *peer, enum reason why, uint64_t now)
{
    channel_close(peer->channel, why, now);
}

/* ---- What the channel wants --------------------------------------------- */

static void on_send(void *holder, struct circuit *c, uint8_t *datagram,
                    size_t len, uint64_t now)
{
    struct service_peer *p = holder;

    circuit_send_end(p->service->all->env.circuits, c, datagram, len, now);
}

static void on_live(void *holder, struct channel *ch, uint64_t now)
{
    struct service_peer *p = holder;

    (void)ch;
    if (p->service->swarm != NULL &&
        !swarm_peer_live(p->service->swarm, p, now))
        return; /* it is about to be closed */
    p->told = true;
    p->since = now;
    tell(p, SERVICE_EVENT_PEER, REASON_UNKNOWN);
    if (p->service->remote != NULL)
        remote_peer_live(p->service->remote, p, now);
}

static void on_data(void *holder, struct channel *ch, uint16_t port,
                    struct bytes payload, uint64_t now)
{
    struct service_peer *p = holder;
    struct services *s = p->service->all;
    struct service_event event = {.kind = SERVICE_EVENT_DATA,
                                  .service = p->service->id,
                                  .peer = p->id,
                                  .port = port,
                                  .payload = payload};

    (void)ch;
    (void)now;
    if (!p->told)
        return;
    if (s->news.count > 0) /* that it is there comes before what it says */
        services_tell(s);
    s->env.world.event(s->env.world.ctx, &event);
}

static void on_packet(void *holder, struct channel *ch, bool to_acceptor,
                      struct bytes packet, uint64_t now)
{
    struct service_peer *p = holder;
    struct services *s = p->service->all;

    (void)ch;
    if (!p->told || s->env.world.packet == NULL)
        return; /* it is said again */
    if (s->news.count > 0)
        services_tell(s);
    s->env.world.packet(s->env.world.ctx, p->id, to_acceptor, packet, now);
}

/* A quarter of the time for which it is lost: attempts that fail at once, as
 * long as the same relay is in the way, are no reason to wait for long. */
static uint64_t pause_of(const struct service_peer *p, uint64_t now)
{
    uint64_t lost = time_since(p->lost_at, now);

    if (p->tries < TRIES_AT_ONCE) /* at another point, over other relays */
        return 0;
    if (lost / 4 < RETRY_MIN)
        return RETRY_MIN;
    return time_min(lost / 4, RETRY_MAX);
}

/* The other end knows nothing of the channel that was to go on: its end is
 * told, and what was met is another peer. */
static void begin_anew(struct service_peer *p, const struct connect_result *r,
                       uint64_t now)
{
    struct service *service = p->service;
    struct connect_goal goal = p->goal;
    struct service_peer *fresh;
    bool has_key = p->has_key;
    uint8_t key[32];

    memcpy(key, p->key, sizeof(key));
    goal.resume = false;
    if (p->told)
        tell(p, SERVICE_EVENT_GONE, REASON_LINK_LOST);
    if (service->swarm != NULL)
        swarm_peer_gone(service->swarm, p, now);
    peer_free(p, now);
    if (peer_new(service, &goal, has_key ? key : NULL, r->circuit, &r->keys,
                 now, &fresh) == OK &&
        service->remote != NULL)
        remote_peer_is(service->remote, fresh);
    sodium_memzero(&goal, sizeof(goal));
}

/* Some were not there: others may be by now, before they are wanted. */
static void look_for_points(struct service_peer *p, uint64_t now)
{
    p->points_at = TIME_NEVER;
    if (p->service->remote != NULL)
        remote_points_fail(p->service->remote, now);
}

/* None that is known may be there any more. */
static void may_want_points(struct service_peer *p, uint64_t now)
{
    if (p->service->remote != NULL && channel_in_gap(p->channel) &&
        (p->tries >= TRIES_BESIDE || !is_connecting(p)))
        remote_points_fail(p->service->remote, now);
}

static void met(struct service_peer *p, const struct connect_result *r,
                uint64_t now)
{
    bool at_once = r->end == CONNECT_AGAIN && p->again < CONNECT_AGAIN_MAX;
    uint64_t pause;

    if (r->end == CONNECT_JOINED)
        end_connects(p, now);
    if (r->end == CONNECT_JOINED && p->resuming && !r->resumed) {
        begin_anew(p, r, now);
        return;
    }
    if (r->end == CONNECT_JOINED) {
        p->tries = p->again = 0;
        if (p->points_failed)
            p->points_at = time_after(now, POINTS_LATER);
        p->points_failed = false;
        p->service->resumed += p->resuming;
        p->service->all->stats.resumed += p->resuming;
        p->service->all->stats.moved += !p->resuming;
        p->resuming = false;
        peer_add_leg(p, r->circuit, &r->keys, now);
        return;
    }
    if (r->end == CONNECT_AGAIN)
        p->goal.greeting = r->greeting;
    p->again += at_once;
    p->tries += !at_once;
    p->points_failed |= r->end == CONNECT_NO_POINT || r->end == CONNECT_SILENT;
    may_want_points(p, now);
    pause = p->tries < TRIES_BESIDE ? 0 : pause_of(p, now);
    if (is_connecting(p)) { /* in its place */
        p->beside_at = time_after(now, pause);
        return;
    }
    channel_move_end(p->channel);
    p->retry_at = at_once ? now : time_after(now, pause_of(p, now));
}

static void met_again(void *arg, const struct connect_result *r, uint64_t now)
{
    struct peer_attempt *a = arg;

    a->connect = NULL;
    met(a->peer, r, now);
}

/* No leg is left, or the one in use seems to be gone. */
static bool is_lost(const struct service_peer *p)
{
    return channel_in_gap(p->channel) || channel_in_doubt(p->channel);
}

static struct stem_kit *kit_of(const struct service_peer *p)
{
    const struct service *service = p->service;

    return service->kit != NULL ? service->kit
                                : service->all->clients[service->options.hops];
}

static void next_point(const struct service_peer *p, unsigned attempt,
                       struct connect_goal *goal)
{
    if (p->service->remote != NULL)
        remote_next_point(p->service->remote, attempt, goal);
    if (p->service->swarm != NULL)
        swarm_next_point(p->service->swarm, p->key, attempt, goal);
}

/* Through the point when it is lost, else by MOVE. */
static void meet_again(struct service_peer *p, uint64_t now)
{
    bool lost = is_lost(p), found = p->resuming && !lost;

    p->retry_at = TIME_NEVER;
    if (is_connecting(p) || !p->opened)
        return;
    p->resuming = lost;
    if (p->tries == 0) {
        p->lost_at = now;
        p->turn = 0;
    }
    if (found) /* again, while it was to be resumed */
        return;
    p->goal.resume = lost && channel_resume_id(p->channel, p->goal.resume_id);
    if (lost)
        next_point(p, p->turn++, &p->goal);
    if (connect_new(p->service, kit_of(p), &p->goal, lost ? NULL : p->channel,
                    met_again, &p->attempts[0], now,
                    &p->attempts[0].connect) != OK)
        p->retry_at = time_after(now, RETRY_FIRST);
    else if (lost)
        p->beside_at = connect_second_at(p->service, now);
}

/* When those that are under way should be through; somebody comes to one of
 * them, or there is no use in waiting. */
static uint64_t overdue_at(const struct service_peer *p, uint64_t now)
{
    uint64_t at = now;

    for (unsigned i = 0; i < PEER_ATTEMPTS; i++) {
        const struct connect *c = p->attempts[i].connect;

        if (c != NULL && connect_is_taken(c) && connect_overdue_at(c) > at)
            at = connect_overdue_at(c);
    }
    return at;
}

/* Of those that hang, as at a relay that is gone, the oldest makes way. */
static struct peer_attempt *make_attempt(struct service_peer *p, uint64_t now)
{
    struct peer_attempt *oldest = free_attempt(p);

    if (oldest != NULL)
        return oldest;
    for (unsigned i = 0; i < PEER_ATTEMPTS; i++) {
        const struct connect *c = p->attempts[i].connect;

        if (!connect_has_asked(c) && connect_overdue_at(c) <= now &&
            (oldest == NULL ||
             connect_overdue_at(c) < connect_overdue_at(oldest->connect)))
            oldest = &p->attempts[i];
    }
    if (oldest != NULL)
        connect_free(oldest->connect, now);
    if (oldest != NULL)
        oldest->connect = NULL;
    return oldest;
}

static bool is_on_its_way_to(const struct service_peer *p,
                             const struct connect_goal *goal)
{
    for (unsigned i = 0; i < PEER_ATTEMPTS; i++) {
        const struct connect *c = p->attempts[i].connect;

        if (c != NULL && connect_is_on_its_way_to(c, goal->auth_id))
            return true;
    }
    return false;
}

/* One that no other attempt is still on its way to, if there is one. */
static void other_point(struct service_peer *p, struct connect_goal *goal)
{
    for (unsigned i = 0; i < SERVICE_INTROS_MAX; i++) {
        next_point(p, p->turn++, goal);
        if (!is_on_its_way_to(p, goal))
            return;
    }
}

/* The point of the first attempt may be gone, or a relay on the way, at either
 * end: also when it is said that somebody comes. */
static void meet_beside(struct service_peer *p, uint64_t now)
{
    struct connect_goal goal = p->goal;
    struct peer_attempt *a;

    p->beside_at = TIME_NEVER;
    if (!is_connecting(p) || !is_lost(p) || goal.has_work)
        return;
    if (overdue_at(p, now) > now) {
        p->beside_at = overdue_at(p, now);
        return;
    }
    a = make_attempt(p, now);
    if (a == NULL) {
        p->beside_at = connect_second_at(p->service, now);
        return;
    }
    other_point(p, &goal);
    if (connect_new(p->service, kit_of(p), &goal, NULL, met_again, a, now,
                    &a->connect) == OK)
        p->beside_at = connect_second_at(p->service, now);
    if (p->tries >= TRIES_BESIDE &&
        p->beside_at < time_after(now, pause_of(p, now)))
        p->beside_at = time_after(now, pause_of(p, now));
    sodium_memzero(&goal, sizeof(goal));
}

static void on_renew(void *holder, struct channel *ch, uint64_t now)
{
    (void)ch;
    meet_again(holder, now);
}

static uint64_t check_pause(const struct service_peer *p)
{
    const struct random_source *random = &p->service->all->env.random;
    uint64_t pause = time_min(channel_overdue(p->channel), CHECK_MOST);

    if (pause < CHECK_LEAST)
        pause = CHECK_LEAST;
    return pause + pause / 1024 * random_below(random, 1024);
}

static void check_points(struct service_peer *p, uint64_t now)
{
    p->check_at = TIME_NEVER;
    if (!channel_in_gap(p->channel))
        return;
    p->check_at = time_after(now, CHECK_AGAIN);
    if (p->service->host != NULL)
        host_check(p->service->host, now);
    if (p->service->swarm != NULL)
        swarm_check(p->service->swarm, now);
}

static void on_gap(void *holder, struct channel *ch, uint64_t now)
{
    struct service_peer *p = holder;

    (void)ch;
    if (!p->opened)
        p->check_at = time_after(now, check_pause(p));
    if (is_connecting(p) && !p->resuming) /* a MOVE leads nowhere now */
        end_connects(p, now);
    if (!p->resuming || p->retry_at == TIME_NEVER)
        meet_again(p, now);
}

/* A MOVE over it has no answer either. */
static void on_doubt(void *holder, struct channel *ch, uint64_t now)
{
    channel_move_end(ch);
    on_gap(holder, ch, now);
}

static void on_move(void *holder, struct channel *ch,
                    const struct channel_move *move, uint64_t now)
{
    struct service_peer *p = holder;

    (void)ch;
    gate_move(p->service->gate, p, move, now);
}

static void on_move_refused(void *holder, struct channel *ch, enum reason why,
                            uint64_t now)
{
    struct service_peer *p = holder;

    (void)ch;
    (void)why;
    if (p->attempts[0].connect != NULL) /* a MOVE is alone */
        connect_move_refused(p->attempts[0].connect, now);
}

static void on_leg_over(void *holder, struct channel *ch, struct circuit *c,
                        uint64_t now)
{
    struct service_peer *p = holder;

    (void)ch;
    route_drop(p->service->all->env.circuits, c, now);
}

static void on_closed(void *holder, struct channel *ch, enum reason why,
                      uint64_t now)
{
    struct service_peer *p = holder;
    struct service *service = p->service;

    (void)ch;
    if (p->told)
        tell(p, SERVICE_EVENT_GONE, why);
    if (service->gate != NULL)
        gate_forget_peer(service->gate, p);
    if (service->remote != NULL)
        remote_peer_gone(service->remote, p, now);
    if (service->swarm != NULL)
        swarm_peer_gone(service->swarm, p, now);
    forget(p, now);
}

/* ---- What circuits bring ------------------------------------------------ */

static void leg_closed(void *holder, struct circuit *c, enum reason why,
                       unsigned hop, uint64_t now)
{
    struct service_peer *p = holder;
    struct service *service = p->service;
    bool ours = !p->opened && hop > 0 && hop <= service->options.hops;

    (void)why;
    if (ours && service->host != NULL)
        host_lost_hop(service->host);
    if (ours && service->swarm != NULL)
        swarm_lost_hop(service->swarm);
    channel_detach(p->channel, c, now);
}

/* What it was joined with is gone. */
static void leg_refused(void *holder, struct circuit *c, enum reason why,
                        uint64_t now)
{
    struct service_peer *p = holder;
    struct circuits *cs = p->service->all->env.circuits;

    (void)why;
    route_pass(c, NULL, NULL);
    channel_detach(p->channel, c, now);
    route_drop(cs, c, now);
}

static bool leg_message(void *holder, struct circuit *c,
                        const struct meeting_message *m, uint64_t now)
{
    (void)holder;
    (void)c;
    (void)now;
    return m->type == MEETING_JOINED || m->type == MEETING_READY; /* again */
}

static void leg_end(void *holder, struct circuit *c, uint8_t *body,
                    size_t body_len, uint64_t now)
{
    struct service_peer *p = holder;

    channel_receive(p->channel, c, body, body_len, now);
}

static const struct route_ops leg_ops = {.closed = leg_closed,
                                         .refused = leg_refused,
                                         .message = leg_message,
                                         .end = leg_end};

/* ---- Beginning ---------------------------------------------------------- */

static uint64_t renew_at(const struct services *s, uint64_t now)
{
    uint64_t span = s->config.max_time / RENEW_SPAN;
    uint64_t jitter = span * random_below(&s->env.random, 1024) / 1024;

    return time_after(now, s->config.max_time / 10 * RENEW_PART + jitter);
}

static bool is_way_of(const struct service_peer *p, unsigned k,
                      const struct circuit *c)
{
    for (unsigned i = 0; i < p->service->options.hops; i++)
        if (memcmp(p->hops[k][i].identity, c->hop[i].target.identity,
                   sizeof(c->hop[i].target.identity)) != 0)
            return false;
    return true;
}

void peer_keep_hops(struct service_peer *p, const struct circuit *c)
{
    unsigned hops = p->service->options.hops;

    if (p->opened || p->hop_sets == PEER_HOPS || c->length < hops)
        return;
    for (unsigned k = 0; k < p->hop_sets; k++)
        if (is_way_of(p, k, c))
            return;
    for (unsigned i = 0; i < hops; i++)
        p->hops[p->hop_sets][i] = c->hop[i].target;
    p->hop_sets++;
}

static bool are_lost(const struct service_peer *p,
                     const struct link_target *hops, uint64_t now)
{
    const struct lost_relays *lost =
        circuits_lost(p->service->all->env.circuits);

    for (unsigned i = 0; i < p->service->options.hops; i++)
        if (lost_relays_has(lost, hops[i].identity, now))
            return true;
    return false;
}

static void forget_lost_hops(struct service_peer *p, uint64_t now)
{
    for (unsigned k = p->hop_sets; k-- > 0;)
        if (are_lost(p, p->hops[k], now))
            memmove(p->hops[k], p->hops[--p->hop_sets], sizeof(p->hops[k]));
}

/* No relay extends to itself, nor back to the one before it. */
const struct link_target *peer_hops_to(struct service_peer *peer,
                                       const uint8_t target[32],
                                       const struct circuit *but, uint64_t now)
{
    unsigned hops = peer->service->options.hops;

    forget_lost_hops(peer, now);
    for (unsigned k = 0; k < peer->hop_sets; k++) {
        bool leads = but == NULL || !is_way_of(peer, k, but);

        for (unsigned i = 1; i <= 2 && i <= hops; i++)
            leads &= memcmp(peer->hops[k][hops - i].identity, target, 32) != 0;
        if (leads)
            return peer->hops[k];
    }
    return NULL;
}

void peer_add_leg(struct service_peer *peer, struct circuit *circuit,
                  const struct channel_keys *keys, uint64_t now)
{
    struct services *s = peer->service->all;

    peer_keep_hops(peer, circuit);
    route_pass(circuit, &leg_ops, peer);
    channel_attach(peer->channel, circuit, keys, renew_at(s, now), now);
}

bool peer_may_come(const struct service *service)
{
    const struct services *s = service->all;
    unsigned max = service->options.max_peers;

    return !service->leaving && s->peer_count < s->config.max_peers &&
           peer_count_of(service) < (max != 0 ? max : SERVICE_PEERS);
}

static enum error add(struct services *s, struct service_peer *p)
{
    struct service_peer **peers;

    if (!news_reserve(s))
        return ERR_NO_MEMORY;
    peers =
        realloc(s->peers, (s->peer_count + 1) * sizeof(struct service_peer *));
    if (peers == NULL)
        return ERR_NO_MEMORY;
    s->peers = peers;
    p->slot = s->peer_count;
    peers[s->peer_count++] = p;
    p->id = s->next_peer++;
    return OK;
}

/* It is nearly twice as far as one circuit, the first question costs little,
 * and much waits for its answer. */
static struct channel_env channel_env_of(const struct service *service)
{
    const struct services *s = service->all;
    return (struct channel_env){
        .random = s->env.random,
        .overdue = circuits_overdue(s->env.circuits, service->options.hops + 1),
        .send = on_send,
        .live = on_live,
        .data = on_data,
        .packet = on_packet,
        .renew = on_renew,
        .move = on_move,
        .move_refused = on_move_refused,
        .gap = on_gap,
        .doubt = on_doubt,
        .leg_over = on_leg_over,
        .closed = on_closed};
}

enum error peer_new(struct service *service, const struct connect_goal *goal,
                    const uint8_t key[32], struct circuit *circuit,
                    const struct channel_keys *keys, uint64_t now,
                    struct service_peer **out)
{
    struct services *s = service->all;
    struct channel_env env = channel_env_of(service);
    struct service_peer *p = NULL;
    enum error e = peer_may_come(service) ? OK : ERR_FULL;

    if (e == OK)
        p = calloc(1, sizeof(*p));
    if (e == OK && p == NULL)
        e = ERR_NO_MEMORY;
    if (e == OK)
        e = channel_new(&env, p, goal != NULL, &s->budget, &p->channel);
    if (e == OK) {
        e = add(s, p);
        if (e != OK)
            channel_free(p->channel);
    }
    if (e != OK) {
        free(p);
        route_drop(s->env.circuits, circuit, now);
        return e;
    }
    p->service = service;
    p->opened = goal != NULL;
    p->has_key = key != NULL;
    p->since = now;
    p->retry_at = p->beside_at = p->check_at = p->points_at = TIME_NEVER;
    for (unsigned i = 0; i < PEER_ATTEMPTS; i++)
        p->attempts[i].peer = p;
    if (goal != NULL)
        p->goal = *goal;
    if (key != NULL)
        memcpy(p->key, key, sizeof(p->key));
    peer_add_leg(p, circuit, keys, now);
    *out = p;
    return OK;
}

/* ---- Looking for one ---------------------------------------------------- */

struct service_peer *peer_find(const struct services *s, uint64_t id)
{
    for (unsigned i = 0; i < s->peer_count; i++)
        if (s->peers[i]->id == id)
            return s->peers[i];
    return NULL;
}

struct service_peer *peer_of_key(const struct service *service,
                                 const uint8_t key[32])
{
    const struct services *s = service->all;

    for (unsigned i = 0; i < s->peer_count; i++)
        if (s->peers[i]->service == service && s->peers[i]->has_key &&
            memcmp(s->peers[i]->key, key, 32) == 0)
            return s->peers[i];
    return NULL;
}

struct service_peer *peer_of_resume(const struct service *service,
                                    const uint8_t id[CHANNEL_RESUME_BYTES])
{
    const struct services *s = service->all;

    for (unsigned i = 0; i < s->peer_count; i++)
        if (s->peers[i]->service == service && !s->peers[i]->opened &&
            channel_resumes(s->peers[i]->channel, id))
            return s->peers[i];
    return NULL;
}

unsigned peer_count_of(const struct service *service)
{
    const struct services *s = service->all;
    unsigned count = 0;

    for (unsigned i = 0; i < s->peer_count; i++)
        count += s->peers[i]->service == service;
    return count;
}

unsigned peer_count_came(const struct service *service)
{
    const struct services *s = service->all;
    unsigned count = 0;

    for (unsigned i = 0; i < s->peer_count; i++)
        count += s->peers[i]->service == service && !s->peers[i]->opened;
    return count;
}

/* ---- Time --------------------------------------------------------------- */

void peers_close_of(struct service *service, enum reason why, uint64_t now)
{
    struct services *s = service->all;

    for (unsigned i = s->peer_count; i-- > 0;) {
        struct service_peer *p = s->peers[i];

        if (p->service != service)
            continue;
        end_connects(p, now);
        p->retry_at = TIME_NEVER;
        if (p->told)
            tell(p, SERVICE_EVENT_GONE, why);
        p->told = false;
        channel_close(p->channel, why, now);
    }
}

void peers_free_of(struct service *service, uint64_t now)
{
    struct services *s = service->all;

    for (unsigned i = s->peer_count; i-- > 0;)
        if (s->peers[i]->service == service)
            peer_free(s->peers[i], now);
}

/* It was not gone, and the other end knows nothing of it yet. */
static void call_off(struct service_peer *p, uint64_t now)
{
    if (!is_connecting(p) || !p->resuming || is_lost(p))
        return;
    for (unsigned i = 0; i < PEER_ATTEMPTS; i++)
        if (p->attempts[i].connect != NULL &&
            connect_has_asked(p->attempts[i].connect))
            return;
    end_connects(p, now);
    p->resuming = false;
}

void peers_tick(struct services *s, uint64_t now)
{
    for (unsigned i = s->peer_count; i-- > 0;) {
        struct service_peer *p = i < s->peer_count ? s->peers[i] : NULL;

        if (p == NULL)
            continue;
        call_off(p, now);
        if (now >= p->retry_at)
            meet_again(p, now);
        if (now >= p->beside_at)
            meet_beside(p, now);
        if (now >= p->check_at)
            check_points(p, now);
        if (now >= p->points_at)
            look_for_points(p, now);
        if (now >= channel_next_deadline(p->channel))
            channel_tick(p->channel, now);
    }
}

uint64_t peers_deadline(const struct services *s)
{
    uint64_t at = TIME_NEVER;

    for (unsigned i = 0; i < s->peer_count; i++) {
        at = time_min(at, s->peers[i]->retry_at);
        at = time_min(at, s->peers[i]->beside_at);
        at = time_min(at, s->peers[i]->check_at);
        at = time_min(at, s->peers[i]->points_at);
        at = time_min(at, channel_next_deadline(s->peers[i]->channel));
    }
    return at;
}

/* SPDX-License-Identifier: MIT
 *
 * A service of somebody else, as its client sees it. The first descriptor that
 * is found is used at once, while the lookup goes on for a moment: one with a
 * higher seq replaces it, and when that does not name the point that is being
 * asked, another one is asked instead. Only that the service was withdrawn is
 * not believed before the lookup is over.
 */
#include "tunnel/service/remote.h"

#include "tunnel/record/blind.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define VIEWS        3             /* periods that it is looked for in */
#define WAIT_TIME    (15 * TIME_S) /* of a datagram for a channel */
#define ATTEMPTS_MAX 6             /* introductions for one connection */
#define FETCH_AGAIN  (30 * TIME_S) /* no two fetches within, */
#define FETCH_GAP    (2 * TIME_S)  /* or for a peer that is to be met again */

/* The highest seq taken so far, of a period. */
struct accepted {
    uint32_t period;
    int64_t seq; /* 0: none */
};

enum remote_state { IDLE, FETCHING, MEETING, CONNECTED };

struct waiting {
    STAILQ_ENTRY(waiting) link;
    uint16_t port;
    uint64_t until;
    size_t len;
    uint8_t data[];
};

struct view {
    struct service_view view;
    uint64_t request; /* 0: none is under way */
};

struct remote {
    struct service *service;
    struct service_name name;
    enum remote_state state;
    struct view views[VIEWS];
    unsigned view_count;
    bool found;     /* by this fetch */
    bool asked_all; /* the neighbouring periods too */
    bool expired;   /* a descriptor was found that is over */
    bool has_descriptor;
    bool points_fail; /* of this descriptor */
    struct service_descriptor descriptor;
    struct accepted accepted[VIEWS];
    uint64_t fetched_at;
    uint8_t order[SERVICE_INTROS_MAX];
    unsigned attempts, next_point, again;
    bool spent; /* all points of the descriptor have failed, the last so: */
    enum connect_end why;
    uint32_t effort, greeting; /* what it asked for; 0 */
    uint64_t started_at;
    struct connect *connect;
    struct service_peer *peer;
    bool anew; /* it is wanted again, when the peer that is closed is gone */
    STAILQ_HEAD(, waiting) queue;
    unsigned queued;
};

static struct services *services_of(const struct remote *r)
{
    return r->service->all;
}

static struct stem_kit *kit_of(const struct remote *r)
{
    return services_of(r)->clients[r->service->options.hops];
}

/* ---- Life --------------------------------------------------------------- */

enum error remote_new(struct service *service, const uint8_t key[32],
                      const uint8_t access[32], struct remote **out)
{
    struct remote *r = calloc(1, sizeof(*r));
    struct service_name open = {0};

    if (r == NULL)
        return ERR_NO_MEMORY;
    r->service = service;
    memcpy(r->name.key, key, sizeof(r->name.key));
    memcpy(open.key, key, sizeof(open.key));
    r->name.has_access = access != NULL;
    if (access != NULL)
        memcpy(r->name.access, access, sizeof(r->name.access));
    blind_credential(service->all->config.network, &open, service->credential);
    STAILQ_INIT(&r->queue);
    *out = r;
    return OK;
}

static void drop_queue(struct remote *r)
{
    struct waiting *w;

    while ((w = STAILQ_FIRST(&r->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&r->queue, link);
        free(w);
    }
    r->queued = 0;
}

static void cancel_views(struct remote *r, uint64_t now)
{
    for (unsigned i = 0; i < r->view_count; i++)
        if (r->views[i].request != 0)
            finder_cancel(services_of(r)->finder, r->views[i].request, now);
    r->view_count = 0;
}

void remote_free(struct remote *r, uint64_t now)
{
    if (r == NULL)
        return;
    cancel_views(r, now);
    if (r->connect != NULL)
        connect_free(r->connect, now);
    drop_queue(r);
    sodium_memzero(r, sizeof(*r));
    free(r);
}

bool remote_is(const struct remote *r, const uint8_t key[32],
               const uint8_t access[32])
{
    return memcmp(r->name.key, key, 32) == 0 &&
           r->name.has_access == (access != NULL) &&
           (access == NULL || sodium_memcmp(r->name.access, access, 32) == 0);
}

const uint8_t *remote_key(const struct remote *r)
{
    return r->name.key;
}

/* With a peer, which is to be met again, all stays as it is. */
static void give_up(struct remote *r, enum service_problem why, uint64_t now)
{
    cancel_views(r, now);
    if (r->peer != NULL) {
        r->state = CONNECTED;
        return;
    }
    r->state = IDLE;
    r->service->connect_failures++;
    services_of(r)->stats.connects_failed++;
    drop_queue(r);
    service_set_problem(r->service, why);
}

/* ---- The descriptor ----------------------------------------------------- */

static void meet(struct remote *r, uint64_t now);
static void all_failed(struct remote *r, uint64_t now);

static struct view *view_of(struct remote *r, uint64_t request)
{
    for (unsigned i = 0; i < r->view_count; i++)
        if (r->views[i].request == request)
            return &r->views[i];
    return NULL;
}

static bool open_item(const struct view *v, const struct finder_item *found,
                      struct service_descriptor *out)
{
    struct service_item item = {.seq = found->seq};

    memcpy(item.signature, found->signature, sizeof(item.signature));
    return value_from_bytes(found->value, &item.value) == OK &&
           service_descriptor_open(&v->view, found->salt.len > 0, &item, out) ==
               OK;
}

/* Of this period, or the place of the oldest. */
static struct accepted *accepted_of(struct remote *r, uint32_t period)
{
    struct accepted *oldest = &r->accepted[0];

    for (unsigned i = 0; i < VIEWS; i++) {
        if (r->accepted[i].period == period)
            return &r->accepted[i];
        if (r->accepted[i].period < oldest->period)
            oldest = &r->accepted[i];
    }
    return oldest;
}

/* Never one below what was taken before for its period, nor of an earlier
 * period while a later one is good. */
static bool is_newer(struct remote *r, const struct service_descriptor *d,
                     int64_t seq)
{
    const struct accepted *a = accepted_of(r, d->period);

    if (a->period == d->period && seq < a->seq)
        return false;
    return r->descriptor.period <= d->period || !r->has_descriptor ||
           service_descriptor_check_time(&r->descriptor,
                                         services_of(r)->wall) != OK;
}

static void shuffle(struct remote *r)
{
    const struct random_source *random = &services_of(r)->env.random;
    unsigned count = r->descriptor.intro_count;

    for (unsigned i = 0; i < count; i++)
        r->order[i] = (uint8_t)i;
    for (unsigned i = count; i > 1; i--) {
        unsigned j = random_below(random, i);
        uint8_t held = r->order[i - 1];

        r->order[i - 1] = r->order[j];
        r->order[j] = held;
    }
}

/* In random order, but the point that is in use, when it is among them, comes
 * first. False when it is not. */
static bool order_points(struct remote *r, const uint8_t used[16])
{
    r->next_point = 0;
    shuffle(r);
    for (unsigned i = 0; i < r->descriptor.intro_count; i++) {
        uint8_t at = r->order[i];

        if (memcmp(r->descriptor.intros[at].auth_id, used, 16) != 0)
            continue;
        r->order[i] = r->order[0];
        r->order[0] = at;
        return true;
    }
    return false;
}

static void meet_from_first(struct remote *r, uint64_t now)
{
    r->state = MEETING;
    r->next_point = 0;
    meet(r, now);
}

/* The first descriptor that was found, or a newer one. */
static void use(struct remote *r, const struct service_descriptor *d,
                uint64_t now)
{
    uint8_t used[16] = {0};

    if (r->state == MEETING || r->peer != NULL)
        memcpy(used, r->descriptor.intros[r->order[r->next_point]].auth_id,
               sizeof(used));
    r->descriptor = *d;
    r->spent = false;
    if (order_points(r, used) || r->peer != NULL)
        return;
    if (r->connect != NULL)
        connect_free(r->connect, now);
    r->connect = NULL;
    r->state = FETCHING;
    if (d->intro_count > 0)
        meet_from_first(r, now);
}

static bool on_item(void *ctx, uint64_t request, const struct finder_item *item,
                    uint64_t now)
{
    struct remote *r = ctx;
    const struct view *v = view_of(r, request);
    struct service_descriptor d;

    if (v == NULL || !open_item(v, item, &d))
        return false;
    if (service_descriptor_check_time(&d, services_of(r)->wall) != OK) {
        r->expired = true;
        return false;
    }
    if (!is_newer(r, &d, item->seq))
        return false;
    r->has_descriptor = r->found = true;
    r->points_fail = false;
    *accepted_of(r, d.period) =
        (struct accepted){.period = d.period, .seq = item->seq};
    r->fetched_at = now;
    use(r, &d, now);
    return true;
}

static bool fetch(struct remote *r, const struct periods *periods,
                  uint64_t now);

/* The lookup is over. */
static void has_found(struct remote *r, uint64_t now)
{
    cancel_views(r, now);
    if (r->peer != NULL) /* it is met again by remote_next_point */
        r->state = CONNECTED;
    else if (r->state == FETCHING && r->spent)
        all_failed(r, now);
    else if (r->state == FETCHING)
        meet_from_first(r, now);
}

static void fetched(struct remote *r, uint64_t now)
{
    struct periods periods;

    if (r->found) {
        has_found(r, now);
        return;
    }
    if (!r->asked_all) {
        r->asked_all = true;
        period_asked_then(services_of(r)->wall, &periods);
        if (periods.count > 0 && fetch(r, &periods, now))
            return;
    }
    services_of(r)->stats.lookups_failed++;
    give_up(r, r->expired ? SERVICE_EXPIRED : SERVICE_NOT_FOUND, now);
}

static void looked_up(void *ctx, uint64_t request, enum finder_end end,
                      unsigned stored, uint64_t now)
{
    struct remote *r = ctx;
    struct view *v = view_of(r, request);

    (void)stored;
    if (v == NULL)
        return;
    v->request = 0;
    if (end == FINDER_NO_CIRCUIT && !r->found) {
        cancel_views(r, now);
        give_up(r, SERVICE_NO_PATH, now);
        return;
    }
    for (unsigned i = 0; i < r->view_count && !r->found; i++)
        if (r->views[i].request != 0)
            return;
    fetched(r, now);
}

static bool fetch(struct remote *r, const struct periods *periods, uint64_t now)
{
    struct services *s = services_of(r);
    struct finder_handler handler = {
        .ctx = r, .item = on_item, .done = looked_up};

    r->view_count = 0;
    r->state = FETCHING;
    for (unsigned i = 0; i < periods->count; i++) {
        struct view *v = &r->views[r->view_count];

        if (service_view_init(s->config.network, &r->name, periods->at[i],
                              s->config.testing_network, &v->view) == OK &&
            finder_get(s->finder, kit_of(r), v->view.key, &handler, now,
                       &v->request) == OK)
            r->view_count++;
        s->stats.lookups++;
    }
    return r->view_count > 0;
}

static void begin_fetch(struct remote *r, uint64_t now)
{
    struct periods periods;

    cancel_views(r, now);
    r->found = r->asked_all = r->expired = false;
    if (r->peer == NULL)
        r->has_descriptor = false;
    period_asked(services_of(r)->wall, &periods);
    if (!fetch(r, &periods, now))
        give_up(r, SERVICE_TOO_MANY, now);
}

/* ---- Meeting ------------------------------------------------------------ */

static void make_goal(const struct remote *r, unsigned point,
                      struct connect_goal *goal)
{
    const struct service_descriptor *d = &r->descriptor;
    const struct service_intro *intro = &d->intros[r->order[point]];

    memcpy(goal->key, intro->service_key, sizeof(goal->key));
    memcpy(goal->auth_id, intro->auth_id, sizeof(goal->auth_id));
    goal->point = intro->relay;
    goal->has_work = d->has_work || r->effort > 0;
    memcpy(goal->work_seed, d->work_seed, sizeof(goal->work_seed));
    goal->effort = r->effort > d->work_effort ? r->effort : d->work_effort;
    goal->greeting = r->greeting > d->issued ? r->greeting : d->issued;
}

static void send_queue(struct remote *r, uint64_t now)
{
    struct waiting *w;

    STAILQ_FOREACH(w, &r->queue, link)
    channel_send(r->peer->channel, w->port, bytes_of(w->data, w->len), now);
    drop_queue(r);
}

static void connected(struct remote *r, const struct connect_result *result,
                      uint64_t now)
{
    struct connect_goal goal = {0};

    make_goal(r, r->next_point, &goal);
    if (peer_new(r->service, &goal, r->name.key, result->circuit, &result->keys,
                 now, &r->peer) != OK) {
        give_up(r, SERVICE_TOO_MANY, now);
        return;
    }
    r->state = CONNECTED;
    r->points_fail = false;
    services_of(r)->stats.connects++;
    r->service->connects++;
    send_queue(r, now);
}

static enum service_problem problem_of(enum connect_end end)
{
    if (end == CONNECT_NO_CIRCUIT)
        return SERVICE_NO_PATH;
    if (end == CONNECT_BUSY)
        return SERVICE_BUSY;
    if (end == CONNECT_WORK)
        return SERVICE_TOO_MUCH_WORK;
    if (end == CONNECT_NO_RENDEZVOUS || end == CONNECT_HANDSHAKE)
        return SERVICE_NO_RENDEZVOUS;
    return SERVICE_POINTS_FAIL;
}

static bool is_looking(const struct remote *r)
{
    for (unsigned i = 0; i < r->view_count; i++)
        if (r->views[i].request != 0)
            return true;
    return false;
}

/* It may have others by now. */
static void all_failed(struct remote *r, uint64_t now)
{
    if (is_looking(r)) { /* a newer descriptor may come yet */
        r->state = FETCHING;
        r->spent = true;
    } else if (time_since(r->fetched_at, now) >= FETCH_AGAIN ||
               r->attempts == 1 || r->fetched_at < r->started_at) {
        begin_fetch(r, now);
    } else {
        give_up(r, problem_of(r->why), now);
    }
}

/* It did not work at this point. */
static void try_next(struct remote *r, enum connect_end end, uint64_t now)
{
    r->attempts++;
    r->next_point++;
    r->points_fail = true;
    r->why = end;
    if (r->attempts >= ATTEMPTS_MAX) {
        give_up(r, problem_of(end), now);
        return;
    }
    if (r->next_point < r->descriptor.intro_count)
        meet(r, now);
    else
        all_failed(r, now);
}

static void met(void *arg, const struct connect_result *result, uint64_t now)
{
    struct remote *r = arg;

    r->connect = NULL;
    if (result->end == CONNECT_JOINED) {
        connected(r, result, now);
        return;
    }
    if (result->end == CONNECT_BUSY)
        r->effort = result->effort;
    if (result->end == CONNECT_AGAIN) {
        r->greeting = result->greeting;
        if (r->again++ < CONNECT_AGAIN_MAX) {
            meet(r, now);
            return;
        }
    }
    try_next(r, result->end, now);
}

static void meet(struct remote *r, uint64_t now)
{
    struct connect_goal goal = {0};

    if (r->descriptor.intro_count == 0) {
        r->has_descriptor = false;
        give_up(r, SERVICE_WITHDRAWN, now);
        return;
    }
    if (r->next_point == 0)
        shuffle(r);
    make_goal(r, r->next_point, &goal);
    if (connect_new(r->service, kit_of(r), &goal, NULL, met, r, now,
                    &r->connect) != OK)
        give_up(r, SERVICE_TOO_MANY, now);
}

static bool is_current(const struct remote *r, uint64_t now)
{
    return r->has_descriptor &&
           !(r->points_fail && time_since(r->fetched_at, now) >= FETCH_AGAIN) &&
           services_of(r)->wall < service_descriptor_expires(&r->descriptor);
}

static bool is_leaving(const struct remote *r)
{
    return r->peer != NULL && channel_is_closing(r->peer->channel);
}

enum error remote_connect(struct remote *r, uint64_t now)
{
    r->anew = is_leaving(r);
    if (r->state != IDLE)
        return OK;
    r->attempts = r->next_point = r->again = 0;
    r->effort = r->greeting = 0;
    r->started_at = now;
    service_set_problem(r->service, SERVICE_STARTING);
    if (is_current(r, now)) {
        r->state = MEETING;
        meet(r, now);
    } else {
        begin_fetch(r, now);
    }
    return r->state == IDLE ? ERR_FULL : OK;
}

void remote_next_point(struct remote *r, unsigned attempt,
                       struct connect_goal *goal)
{
    struct connect_goal next = *goal;

    if (!r->has_descriptor || r->descriptor.intro_count == 0)
        return;
    make_goal(r, (r->next_point + attempt) % r->descriptor.intro_count, &next);
    if (goal->greeting > next.greeting)
        next.greeting = goal->greeting;
    *goal = next;
}

void remote_points_fail(struct remote *r, uint64_t now)
{
    if (r->state == CONNECTED && time_since(r->fetched_at, now) >= FETCH_GAP)
        begin_fetch(r, now);
}

/* ---- Data --------------------------------------------------------------- */

static enum error enqueue(struct remote *r, uint16_t port, struct bytes payload,
                          uint64_t now)
{
    struct waiting *w;

    if (r->queued >= SERVICE_QUEUE)
        return ERR_FULL;
    w = malloc(sizeof(*w) + payload.len);
    if (w == NULL)
        return ERR_NO_MEMORY;
    w->port = port;
    w->until = time_after(now, WAIT_TIME);
    w->len = payload.len;
    if (payload.len > 0)
        memcpy(w->data, payload.p, payload.len);
    STAILQ_INSERT_TAIL(&r->queue, w, link);
    r->queued++;
    return OK;
}

enum error remote_send(struct remote *r, uint16_t port, struct bytes payload,
                       uint64_t now)
{
    enum error e;

    if (payload.len > CHANNEL_PAYLOAD_MAX)
        return ERR_TOO_LARGE;
    if (r->peer != NULL && !is_leaving(r))
        return channel_send(r->peer->channel, port, payload, now);
    e = enqueue(r, port, payload, now);
    return e == OK ? remote_connect(r, now) : e;
}

void remote_peer_live(struct remote *r, struct service_peer *peer, uint64_t now)
{
    (void)peer;
    (void)now;
    service_set_problem(r->service, SERVICE_FINE);
}

void remote_peer_is(struct remote *r, struct service_peer *peer)
{
    r->peer = peer;
    r->state = CONNECTED;
}

void remote_peer_gone(struct remote *r, struct service_peer *peer, uint64_t now)
{
    bool met = peer->told, anew = r->anew;

    cancel_views(r, now);
    r->peer = NULL;
    r->state = IDLE;
    r->anew = false;
    if (anew)
        remote_connect(r, now);
    else if (!met)
        give_up(r, SERVICE_NO_RENDEZVOUS, now);
}

void remote_tick(struct remote *r, uint64_t now)
{
    struct waiting *w;

    while ((w = STAILQ_FIRST(&r->queue)) != NULL && now >= w->until) {
        STAILQ_REMOVE_HEAD(&r->queue, link);
        r->queued--;
        free(w);
    }
}

uint64_t remote_deadline(const struct remote *r)
{
    const struct waiting *w = STAILQ_FIRST(&r->queue);

    return w == NULL ? TIME_NEVER : w->until;
}

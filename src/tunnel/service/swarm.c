/* SPDX-License-Identifier: MIT
 *
 * One string, put together.
 */
#include "tunnel/service/swarm.h"

#include "tunnel/service/gate.h"
#include "tunnel/swarm/crowd.h"
#include "tunnel/swarm/estimate.h"
#include "tunnel/swarm/inquiry.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE      (10 * TIME_MIN) /* a clock may have changed */
#define TRY_AGAIN   (1 * TIME_S)    /* nobody could be met now */
#define SWEEP       TIME_MIN
#define LONELY      TIME_MIN /* nobody was there for so long */
#define POINTS_TIME (30 * TIME_S)
#define PAIR_TIME   (30 * TIME_S) /* two may have opened at once within it */

/* A period that is alive: published in, or asked in. */
struct season {
    struct swarm *w;
    uint32_t period;
    uint8_t topic[TOPIC_BYTES], entry_key[32];
    struct point_set *points; /* NULL: not published in */
    struct inquiry *inquiry;  /* NULL: not asked in */
};

struct attempt {
    struct swarm *w;
    struct connect *connect; /* NULL: none */
    uint8_t key[NOISE_KEY_BYTES];
    struct connect_goal goal;
    unsigned again;
};

struct swarm {
    struct service *service;
    uint8_t root[32], secret[32];
    uint8_t member_secret[NOISE_KEY_BYTES], member[NOISE_KEY_BYTES];
    struct season *seasons[PERIODS_MAX]; /* the present one first */
    unsigned season_count;
    uint32_t lead, lead_in; /* and the period that it was drawn in */
    uint64_t settle_at;
    struct crowd crowd;
    struct attempt attempts[CROWD_MEETING];
    uint64_t meet_at, sweep_at;
    bool dooming;                  /* peers are to be closed */
    bool ever_up;                  /* a point of ours was */
    uint64_t began_at, company_at; /* somebody was there, last */
    enum path_result path;         /* of stems */
    uint64_t lookups;              /* counted in the services' */
};

static struct services *services_of(const struct swarm *w)
{
    return w->service->all;
}

/* ---- Points of ours ----------------------------------------------------- */

static void points_changed(void *holder, uint64_t now)
{
    (void)holder; /* each has its entry with it */
    (void)now;
}

static void seal_entry(void *holder, const struct point *p,
                       uint8_t out[ENTRY_BYTES])
{
    const struct season *season = holder;
    const struct swarm *w = season->w;
    const struct random_source *random = &services_of(w)->env.random;
    struct entry entry = {.issued = gate_issued(w->service->gate)};
    uint8_t nonce[ENTRY_NONCE_BYTES];
    struct entry_place place;

    memcpy(place.auth_id, p->keys.auth_id, sizeof(place.auth_id));
    memcpy(place.relay, p->row.relay.identity, sizeof(place.relay));
    memcpy(place.topic, season->topic, sizeof(place.topic));
    memcpy(entry.member, w->member, sizeof(entry.member));
    random->fill(random->ctx, nonce, sizeof(nonce));
    entry_seal(season->entry_key, &place, &entry, nonce, out);
}

/* One relay for two periods could tell that their topics are of one string. */
static bool is_avoided(void *holder, const uint8_t relay[32])
{
    const struct season *season = holder;
    const struct swarm *w = season->w;
    const struct point *p;

    for (unsigned i = 0; i < w->season_count; i++) {
        const struct season *other = w->seasons[i];

        if (other == season || other->points == NULL)
            continue;
        for (unsigned j = 0; (p = points_at(other->points, j)) != NULL; j++)
            if (memcmp(p->row.relay.identity, relay, 32) == 0)
                return true;
    }
    return false;
}

static enum error publish(struct season *season)
{
    struct swarm *w = season->w;
    const struct point_ops ops = {.changed = points_changed,
                                  .entry = seal_entry,
                                  .avoids = is_avoided,
                                  .topic = season->topic,
                                  .period = season->period};

    return points_new(w->service, w->secret, w->service->options.points, true,
                      &ops, season, &season->points);
}

/* ---- Points of others --------------------------------------------------- */

static void known_target(void *ctx, const uint8_t identity[32],
                         struct relay_target *out)
{
    const struct swarm *w = ctx;
    const struct known_relay *relay =
        directory_find(services_of(w)->env.directory, identity);

    if (relay != NULL)
        service_target_of(&relay->d, out);
}

static bool link_target(void *ctx, const uint8_t last[32],
                        const struct relay_target *t, struct link_target *out)
{
    const struct swarm *w = ctx;

    return service_link_target(services_of(w), last, t, out);
}

static bool on_entry(void *ctx, const uint8_t member[NOISE_KEY_BYTES],
                     const struct crowd_place *place, uint64_t now)
{
    struct swarm *w = ctx;
    bool is_new = crowd_see(&w->crowd, member, place, now);

    if (is_new) {
        w->company_at = now;
        w->meet_at = time_min(w->meet_at, now);
    }
    return is_new;
}

static enum error inquire(struct season *season, uint64_t now)
{
    struct swarm *w = season->w;
    const struct services *s = services_of(w);
    struct inquiry_env env = {
        .ctx = w,
        .random = s->env.random,
        .circuits = s->env.circuits,
        .finder = s->finder,
        .kit = w->service->kit,
        .testing_network = s->config.testing_network,
        .own_relay = directory_config_of(s->env.directory)->identity,
        .known_target = known_target,
        .link_target = link_target,
        .entry = on_entry};

    memcpy(env.network, s->config.network, sizeof(env.network));
    return inquiry_new(&env, w->root, season->period, s->wall, now,
                       &season->inquiry);
}

/* ---- Seasons ------------------------------------------------------------ */

static void season_free(struct season *season, bool forget, uint64_t now)
{
    points_free(season->points, forget, now);
    inquiry_free(season->inquiry, now);
    sodium_memzero(season, sizeof(*season));
    free(season);
}

static struct season *season_of(struct swarm *w, uint32_t period)
{
    for (unsigned i = 0; i < w->season_count; i++)
        if (w->seasons[i]->period == period)
            return w->seasons[i];
    return NULL;
}

static enum error need_season(struct swarm *w, uint32_t period,
                              struct season **out)
{
    struct season *season = season_of(w, period);

    if (season == NULL) {
        season = calloc(1, sizeof(*season));
        if (season == NULL || w->season_count == PERIODS_MAX) {
            free(season);
            return ERR_NO_MEMORY;
        }
        season->w = w;
        season->period = period;
        topic_of(w->root, period, season->topic);
        topic_entry_key(w->root, period, season->entry_key);
        w->seasons[w->season_count++] = season;
    }
    *out = season;
    return OK;
}

static void end_season(struct swarm *w, unsigned i, uint64_t now)
{
    season_free(w->seasons[i], true, now);
    w->seasons[i] = w->seasons[--w->season_count];
}

static void put_first(struct swarm *w, uint32_t period)
{
    for (unsigned i = 1; i < w->season_count; i++) {
        struct season *season = w->seasons[i];

        if (season->period != period)
            continue;
        w->seasons[i] = w->seasons[0];
        w->seasons[0] = season;
    }
}

/* In which periods others look for us, and in which we look for them. */
static void periods_now(const struct swarm *w, struct periods *published,
                        struct periods *asked)
{
    period_asked(services_of(w)->wall, asked);
    period_published(services_of(w)->wall, w->lead, published);
    published->change_at = time_min(published->change_at, asked->change_at);
    if (w->service->options.observer)
        published->count = 0;
}

static void drop_dead(struct swarm *w, const struct periods *published,
                      const struct periods *asked, uint64_t now)
{
    for (unsigned i = w->season_count; i-- > 0;) {
        struct season *season = w->seasons[i];

        if (!period_is_among(asked, season->period)) {
            inquiry_free(season->inquiry, now);
            season->inquiry = NULL;
        }
        if (!period_is_among(published, season->period)) {
            points_free(season->points, true, now);
            season->points = NULL;
        }
        if (season->inquiry == NULL && season->points == NULL)
            end_season(w, i, now);
    }
}

static enum error settle(struct swarm *w, uint64_t now)
{
    uint64_t wall = services_of(w)->wall;
    struct periods published, asked;
    struct season *season;
    enum error e = OK;

    if (w->lead_in != period_of(wall)) {
        w->lead = period_draw_lead(&services_of(w)->env.random);
        w->lead_in = period_of(wall);
    }
    periods_now(w, &published, &asked);
    w->settle_at = time_after(
        now, time_min(SETTLE, time_since(wall, published.change_at) * TIME_S));
    drop_dead(w, &published, &asked, now);
    for (unsigned i = 0; e == OK && i < published.count; i++) {
        e = need_season(w, published.at[i], &season);
        if (e == OK && season->points == NULL)
            e = publish(season);
        else if (e == OK)
            points_want(season->points, w->service->options.points, now);
    }
    for (unsigned i = 0; e == OK && i < asked.count; i++) {
        e = need_season(w, asked.at[i], &season);
        if (e == OK && season->inquiry == NULL)
            e = inquire(season, now);
    }
    put_first(w, period_of(wall));
    return e;
}

/* ---- Life --------------------------------------------------------------- */

static void restore(struct swarm *w, const struct service_memory *memory,
                    uint64_t now)
{
    const struct services *s = services_of(w);

    for (unsigned i = 0; memory != NULL && i < memory->point_count; i++) {
        const struct service_point_row *row = &memory->points[i];
        struct season *season = season_of(w, row->period);

        if (season != NULL && season->points != NULL)
            points_restore(season->points, row, now);
        else if (s->env.world.forget_point != NULL)
            s->env.world.forget_point(s->env.world.ctx, w->service->id,
                                      row->relay.identity);
    }
}

enum error swarm_new(struct service *service, struct bytes string,
                     const uint8_t secret[32],
                     const struct service_memory *memory, uint64_t now,
                     struct swarm **out)
{
    struct services *s = service->all;
    struct swarm *w = calloc(1, sizeof(*w));
    enum error e;

    if (w == NULL)
        return ERR_NO_MEMORY;
    w->service = service;
    w->began_at = w->company_at = now;
    w->meet_at = TIME_NEVER;
    w->sweep_at = time_after(now, SWEEP);
    w->path = PATH_FOUND;
    w->lead = period_draw_lead(&s->env.random);
    w->lead_in = period_of(s->wall);
    memcpy(w->secret, secret, sizeof(w->secret));
    service_key_member(secret, w->member_secret, w->member);
    crowd_init(&w->crowd, w->member, &s->env.random);
    e = topic_root(s->config.network, string, w->root);
    if (e == OK)
        e = settle(w, now);
    if (e != OK) {
        swarm_free(w, false, now);
        return e;
    }
    topic_credential(w->root, service->credential);
    restore(w, memory, now);
    *out = w;
    return OK;
}

void swarm_free(struct swarm *w, bool forget, uint64_t now)
{
    if (w == NULL)
        return;
    for (unsigned i = 0; i < CROWD_MEETING; i++)
        if (w->attempts[i].connect != NULL)
            connect_free(w->attempts[i].connect, now);
    for (unsigned i = 0; i < w->season_count; i++)
        season_free(w->seasons[i], forget, now);
    crowd_deinit(&w->crowd);
    sodium_memzero(w, sizeof(*w));
    free(w);
}

bool swarm_is(const struct swarm *w, struct bytes string)
{
    uint8_t root[32];

    return topic_root(services_of(w)->config.network, string, root) == OK &&
           sodium_memcmp(root, w->root, sizeof(root)) == 0;
}

void swarm_member_key(const struct swarm *w, const uint8_t **secret,
                      const uint8_t **key)
{
    *secret = w->member_secret;
    *key = w->member;
}

/* ---- Meeting ------------------------------------------------------------ */

static bool set_place(const struct crowd_member *m, unsigned i,
                      struct connect_goal *goal)
{
    const struct crowd_place *place;

    if (m == NULL || m->place_count == 0)
        return false;
    place = &m->places[i % m->place_count];
    goal->point = place->point;
    memcpy(goal->auth_id, place->auth_id, sizeof(goal->auth_id));
    if (place->issued > goal->greeting)
        goal->greeting = place->issued;
    return true;
}

void swarm_next_point(struct swarm *w, const uint8_t member[32],
                      unsigned attempt, struct connect_goal *goal)
{
    set_place(crowd_find(&w->crowd, member), attempt, goal);
}

static void met(void *arg, const struct connect_result *r, uint64_t now);

static bool begin(struct attempt *a, uint64_t now)
{
    struct service *service = a->w->service;

    return connect_new(service, service->kit, &a->goal, NULL, met, a, now,
                       &a->connect) == OK;
}

static void failed(struct attempt *a, uint64_t now)
{
    struct swarm *w = a->w;
    struct crowd_member *m = crowd_find(&w->crowd, a->key);

    w->service->connect_failures++;
    services_of(w)->stats.connects_failed++;
    if (m != NULL && m->state == CROWD_MEETS)
        crowd_failed(&w->crowd, m, now);
    w->meet_at = time_min(w->meet_at, now);
}

static void joined(struct attempt *a, const struct connect_result *r,
                   uint64_t now)
{
    struct service *service = a->w->service;
    struct service_peer *peer;

    if (peer_new(service, &a->goal, a->key, r->circuit, &r->keys, now, &peer) !=
        OK) {
        failed(a, now);
        return;
    }
    service->connects++;
    services_of(a->w)->stats.connects++;
}

static void met(void *arg, const struct connect_result *r, uint64_t now)
{
    struct attempt *a = arg;

    a->connect = NULL;
    if (r->end == CONNECT_JOINED) {
        joined(a, r, now);
        return;
    }
    if (r->end == CONNECT_AGAIN && a->again++ < CONNECT_AGAIN_MAX) {
        a->goal.greeting = r->greeting;
        if (begin(a, now))
            return;
    }
    failed(a, now);
}

static struct attempt *free_attempt(struct swarm *w)
{
    for (unsigned i = 0; i < CROWD_MEETING; i++)
        if (w->attempts[i].connect == NULL)
            return &w->attempts[i];
    return NULL;
}

static bool meet(struct swarm *w, struct crowd_member *m, uint64_t now)
{
    struct attempt *a = free_attempt(w);

    if (a == NULL)
        return false;
    *a = (struct attempt){
        .w = w,
        .goal = {.member = w->member, .member_secret = w->member_secret}};
    memcpy(a->key, m->key, sizeof(a->key));
    memcpy(a->goal.key, m->key, sizeof(a->goal.key));
    return set_place(m, m->failures, &a->goal) && begin(a, now);
}

static unsigned max_peers(const struct swarm *w)
{
    unsigned max = w->service->options.max_peers;

    return max != 0 ? max : SERVICE_PEERS;
}

/* Places for peers that neither a peer nor an attempt has. */
static unsigned room(const struct swarm *w)
{
    unsigned taken = peer_count_of(w->service);

    for (unsigned i = 0; i < CROWD_MEETING; i++)
        taken += w->attempts[i].connect != NULL;
    return taken < max_peers(w) ? max_peers(w) - taken : 0;
}

static void meet_others(struct swarm *w, uint64_t now)
{
    struct crowd_member *m;

    while (peer_may_come(w->service) &&
           (m = crowd_next(&w->crowd, max_peers(w), room(w), now)) != NULL) {
        if (meet(w, m, now))
            continue;
        crowd_put_back(m);
        break;
    }
    w->meet_at = crowd_next_at(&w->crowd);
    if (w->meet_at < time_after(now, TRY_AGAIN))
        w->meet_at = time_after(now, TRY_AGAIN);
}

/* ---- Peers -------------------------------------------------------------- */

static void doom(struct swarm *w, struct service_peer *peer)
{
    peer->doomed = true;
    w->dooming = true;
}

static void close_doomed(struct swarm *w, uint64_t now)
{
    struct services *s = services_of(w);

    w->dooming = false;
    for (unsigned i = s->peer_count; i-- > 0;)
        if (s->peers[i]->service == w->service && s->peers[i]->doomed)
            peer_close(s->peers[i], REASON_REQUESTED, now);
}

/* Another live channel with the same member. */
static struct service_peer *rival(const struct swarm *w,
                                  const struct service_peer *peer)
{
    const struct services *s = services_of(w);

    for (unsigned i = 0; i < s->peer_count; i++) {
        struct service_peer *other = s->peers[i];

        if (other != peer && other->service == w->service && other->told &&
            other->has_key && !other->doomed &&
            memcmp(other->key, peer->key, sizeof(peer->key)) == 0)
            return other;
    }
    return NULL;
}

/* What is under way to somebody who is there is not needed any more. */
static void stop_attempt(struct swarm *w, const uint8_t *key, uint64_t now)
{
    for (unsigned i = 0; i < CROWD_MEETING; i++) {
        struct attempt *a = &w->attempts[i];

        if (a->connect == NULL || memcmp(a->key, key, sizeof(a->key)) != 0)
            continue;
        connect_free(a->connect, now);
        a->connect = NULL;
    }
}

void swarm_visits(struct swarm *w, const uint8_t member[32], uint64_t now)
{
    struct crowd_member *m = crowd_find(&w->crowd, member);

    if (m == NULL || m->state == CROWD_PEER || crowd_opens(&w->crowd, member))
        return;
    stop_attempt(w, member, now);
    if (peer_of_key(w->service, member) == NULL)
        crowd_wait(&w->crowd, m, now);
}

/* Of a pair's two channels the one stays that the smaller M has opened. An
 * older one is of an earlier life: who has it would not open another. */
bool swarm_peer_live(struct swarm *w, struct service_peer *peer, uint64_t now)
{
    struct service_peer *other = rival(w, peer);

    w->company_at = now;
    if (other != NULL && other->opened != peer->opened &&
        other->opened == crowd_opens(&w->crowd, peer->key) &&
        time_since(other->since, now) < PAIR_TIME) {
        doom(w, peer);
        return false;
    }
    if (other != NULL)
        doom(w, other);
    stop_attempt(w, peer->key, now);
    crowd_came(&w->crowd, peer->key, now);
    return true;
}

void swarm_peer_gone(struct swarm *w, struct service_peer *peer, uint64_t now)
{
    struct crowd_member *m = crowd_find(&w->crowd, peer->key);

    if (!peer->has_key || rival(w, peer) != NULL)
        return;
    if (!peer->told && m != NULL && m->state == CROWD_MEETS)
        crowd_failed(&w->crowd, m, now);
    else
        crowd_left(&w->crowd, peer->key, now);
    w->meet_at = time_min(w->meet_at, now);
    for (unsigned i = 0; i < w->season_count; i++)
        if (peer->told && w->seasons[i]->inquiry != NULL)
            inquiry_hurry(w->seasons[i]->inquiry, now);
}

/* ---- Driven ------------------------------------------------------------- */

void swarm_stems(struct swarm *w, enum path_result why, uint64_t now)
{
    w->path = why;
    for (unsigned i = 0; i < w->season_count; i++)
        if (w->seasons[i]->points != NULL)
            points_stems(w->seasons[i]->points, why, now);
    for (unsigned i = 0; i < w->season_count && why == PATH_FOUND; i++)
        if (w->seasons[i]->inquiry != NULL)
            inquiry_stems(w->seasons[i]->inquiry, now);
}

void swarm_suspect(struct swarm *w, uint64_t now)
{
    for (unsigned i = 0; i < w->season_count; i++) {
        if (w->seasons[i]->points != NULL)
            points_suspect(w->seasons[i]->points, now);
        if (w->seasons[i]->inquiry != NULL)
            inquiry_hurry(w->seasons[i]->inquiry, now);
    }
}

void swarm_check(struct swarm *w, uint64_t now)
{
    for (unsigned i = 0; i < w->season_count; i++)
        if (w->seasons[i]->points != NULL)
            points_check(w->seasons[i]->points, now);
}

void swarm_lost_hop(struct swarm *w)
{
    for (unsigned i = 0; i < w->season_count; i++)
        if (w->seasons[i]->points != NULL)
            points_lost_hop(w->seasons[i]->points);
}

/* Of points of ours, those of the present period. */
static unsigned points_up_now(const struct swarm *w)
{
    if (w->season_count == 0 || w->seasons[0]->points == NULL)
        return 0;
    return points_up(w->seasons[0]->points);
}

static enum service_problem problem_of(const struct swarm *w, uint64_t now)
{
    bool fresh = time_since(w->began_at, now) < POINTS_TIME;

    if (!w->service->options.observer && points_up_now(w) == 0) {
        if (w->path != PATH_FOUND)
            return SERVICE_NO_PATH;
        return w->ever_up || !fresh ? SERVICE_NO_POINT : SERVICE_STARTING;
    }
    if (peer_count_of(w->service) > 0)
        return SERVICE_FINE;
    if (w->service->options.observer && w->crowd.count > 0)
        return SERVICE_FINE;
    /* Of a member points are up: it lacks no more than a circuit to spare. */
    if (w->service->options.observer && w->path != PATH_FOUND)
        return SERVICE_NO_PATH;
    if (time_since(w->company_at, now) >= LONELY)
        return SERVICE_ALONE;
    return w->crowd.count > 0 ? SERVICE_FINE : SERVICE_STARTING;
}

static void tick_seasons(struct swarm *w, uint64_t now)
{
    bool rest = !w->service->options.observer && room(w) == 0;

    for (unsigned i = 0; i < w->season_count; i++) {
        struct season *season = w->seasons[i];

        if (season->points != NULL)
            points_tick(season->points, now);
        if (season->inquiry == NULL)
            continue;
        inquiry_rest(season->inquiry, rest);
        inquiry_tick(season->inquiry, services_of(w)->wall, now);
    }
    w->ever_up |= points_up_now(w) > 0;
}

static void count_lookups(struct swarm *w)
{
    uint64_t lookups = 0;

    for (unsigned i = 0; i < w->season_count; i++) {
        struct inquiry_status q;

        if (w->seasons[i]->inquiry == NULL)
            continue;
        inquiry_status(w->seasons[i]->inquiry, &q);
        lookups += q.lookups;
    }
    if (lookups > w->lookups)
        services_of(w)->stats.lookups += lookups - w->lookups;
    w->lookups = lookups;
}

void swarm_tick(struct swarm *w, uint64_t now)
{
    if (w->dooming)
        close_doomed(w, now);
    if (now >= w->settle_at && settle(w, now) != OK)
        w->settle_at = time_after(now, TRY_AGAIN);
    if (now >= w->sweep_at) {
        crowd_tick(&w->crowd, now);
        w->sweep_at = time_after(now, SWEEP);
    }
    tick_seasons(w, now);
    if (peer_count_of(w->service) > 0)
        w->company_at = now;
    if (now >= w->meet_at && !w->service->options.observer)
        meet_others(w, now);
    count_lookups(w);
    service_set_problem(w->service, problem_of(w, now));
}

uint64_t swarm_deadline(const struct swarm *w)
{
    uint64_t at = time_min(w->settle_at, w->sweep_at);

    if (w->dooming)
        return 0;
    if (!w->service->options.observer)
        at = time_min(at, w->meet_at);
    for (unsigned i = 0; i < w->season_count; i++) {
        const struct season *season = w->seasons[i];

        if (season->points != NULL)
            at = time_min(at, points_deadline(season->points));
        if (season->inquiry != NULL)
            at = time_min(at, inquiry_deadline(season->inquiry));
    }
    return at;
}

/* ---- Looking inside ----------------------------------------------------- */

static void status_of_size(const struct swarm *w, struct service_status *out)
{
    const struct season *season = w->seasons[0];
    struct inquiry_status q = {0};
    struct crowd_counts counts;
    struct estimate_of of;
    struct estimate size;

    crowd_count(&w->crowd, season->period, &counts);
    if (season->inquiry != NULL)
        inquiry_status(season->inquiry, &q);
    of = (struct estimate_of){.seen = counts.seen,
                              .once = counts.once,
                              .twice = counts.twice,
                              .answered = q.answered,
                              .known = q.points};
    if (q.answered > 0)
        of.most = (double)q.entries / q.answered * q.points;
    estimate_size(&of, &size);
    out->others = q.points;
    out->entries_refused = q.forged + q.stale + w->crowd.refused;
    out->size = size.size + !w->service->options.observer;
    out->spread = size.spread;
}

void swarm_status(const struct swarm *w, struct service_status *out)
{
    memcpy(out->key, w->member, sizeof(out->key));
    out->points = points_up_now(w);
    out->points_wanted =
        w->service->options.observer ? 0 : w->service->options.points;
    out->published = out->points > 0;
    out->members = w->crowd.count;
    if (w->season_count > 0)
        status_of_size(w, out);
}

const struct point_set *swarm_points(const struct swarm *w, unsigned i)
{
    for (unsigned j = 0; j < w->season_count; j++)
        if (w->seasons[j]->points != NULL && i-- == 0)
            return w->seasons[j]->points;
    return NULL;
}

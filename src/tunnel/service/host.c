/* SPDX-License-Identifier: MIT
 *
 * A service with a key of ours, put together.
 */
#include "tunnel/service/host.h"

#include "tunnel/record/effort.h"
#include "tunnel/service/gate.h"
#include "tunnel/service/publish.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LEAVE_TIME (20 * TIME_S)

struct host {
    struct service *service;
    struct service_secret secret;
    struct point_set *points;
    struct publications *publications;
    bool withdrawn;
    uint64_t gone_at; /* withdrawn: whatever has been published by then */
    struct connect *probe;
    uint64_t probe_at, probed_at;
    bool reachable;
    unsigned probes_failed; /* in a row */
    enum path_result path;  /* of stems */
};

/* ---- What is published -------------------------------------------------- */

static void describe_point(const struct point *p, struct service_intro *out)
{
    out->relay = p->target;
    memcpy(out->auth_id, p->keys.auth_id, sizeof(out->auth_id));
    memcpy(out->service_key, p->keys.service_key, sizeof(out->service_key));
}

static void describe_work(const struct effort *effort,
                          struct service_descriptor *out)
{
    out->has_work = effort->asked > 0;
    if (!out->has_work)
        return;
    out->work_effort = effort->asked;
    out->work_expires = (uint32_t)effort->seed_until + EFFORT_SEED_LIFE;
    memcpy(out->work_seed, effort->seed[0], sizeof(out->work_seed));
}

static bool describe(void *holder, struct service_descriptor *out)
{
    struct host *h = holder;
    const struct point *p;

    out->lifetime = h->withdrawn ? SERVICE_LIFETIME_WITHDRAWN
                                 : SERVICE_LIFETIME;
    if (h->withdrawn)
        return true;
    for (unsigned i = 0; (p = points_at(h->points, i)) != NULL; i++)
        if (p->up && out->intro_count < SERVICE_INTROS_MAX)
            describe_point(p, &out->intros[out->intro_count++]);
    describe_work(gate_effort(h->service->gate), out);
    return out->intro_count > 0;
}

static void points_changed(void *holder, uint64_t now)
{
    struct host *h = holder;

    if (points_up(h->points) > 0)
        publications_changed(h->publications, now);
}

void host_changed(struct host *h, uint64_t now)
{
    /* Who may no longer find it knows the keys of its points still. */
    if (h->service->access_changed)
        points_expire(h->points, now);
    points_want(h->points, h->service->options.points, now);
    publications_changed(h->publications, now);
}

/* ---- Life --------------------------------------------------------------- */

static void set_credential(struct host *h)
{
    struct service_name name = {0};

    memcpy(name.key, h->secret.key, sizeof(name.key));
    blind_credential(h->service->all->config.network, &name,
                     h->service->credential);
}

static enum error make_points(struct host *h, const uint8_t seed[32],
                              const struct service_memory *memory, uint64_t now)
{
    static const struct point_ops ops = {.changed = points_changed};
    uint8_t secret[32];
    enum error e;

    service_key_secret(seed, secret);
    e = points_new(h->service, secret, h->service->options.points, true, &ops,
                   h, &h->points);
    sodium_memzero(secret, sizeof(secret));
    for (unsigned i = 0; e == OK && memory != NULL && i < memory->point_count;
         i++)
        points_restore(h->points, &memory->points[i], now);
    return e;
}

enum error host_new(struct service *service, const uint8_t seed[32],
                    const struct service_memory *memory, uint64_t now,
                    struct host **out)
{
    struct host *h = calloc(1, sizeof(*h));
    enum error e;

    if (h == NULL)
        return ERR_NO_MEMORY;
    h->service = service;
    h->probe_at = TIME_NEVER;
    h->gone_at = TIME_NEVER;
    blind_expand(seed, &h->secret);
    set_credential(h);
    e = publications_new(service, &h->secret, memory, describe, h, now,
                         &h->publications);
    if (e == OK)
        e = make_points(h, seed, memory, now);
    if (e != OK) {
        host_free(h, now);
        return e;
    }
    *out = h;
    return OK;
}

void host_free(struct host *h, uint64_t now)
{
    if (h == NULL)
        return;
    if (h->probe != NULL)
        connect_free(h->probe, now);
    publications_free(h->publications, now);
    points_free(h->points, h->withdrawn, now);
    sodium_memzero(h, sizeof(*h));
    free(h);
}

void host_withdraw(struct host *h, uint64_t now)
{
    h->withdrawn = true;
    h->gone_at = time_after(now, LEAVE_TIME);
    points_want(h->points, 0, now);
    publications_changed(h->publications, now);
}

bool host_is_gone(const struct host *h, uint64_t now)
{
    return h->withdrawn &&
           (now >= h->gone_at || publications_are_put(h->publications));
}

/* ---- The probe ---------------------------------------------------------- */

/* Who is flooded leads to us all the same: it says that we are busy. */
static void probed(void *arg, const struct connect_result *r, uint64_t now)
{
    struct host *h = arg;

    h->probe = NULL;
    h->probed_at = now;
    h->reachable = r->end == CONNECT_PROBED || r->end == CONNECT_BUSY;
    h->probes_failed = h->reachable ? 0 : h->probes_failed + 1;
    h->probe_at = time_after(now, h->reachable ? HOST_PROBE : HOST_PROBE / 10);
}

static const struct point *choose_point(const struct host *h)
{
    unsigned up = points_up(h->points), skip;
    const struct point *p;

    if (up == 0)
        return NULL;
    skip = random_below(&h->service->all->env.random, up);
    for (unsigned i = 0; (p = points_at(h->points, i)) != NULL; i++)
        if (p->up && skip-- == 0)
            return p;
    return NULL;
}

enum error host_probe(struct host *h, uint64_t now)
{
    const struct point *p = choose_point(h);
    struct connect_goal goal = {.probe = true,
                                .greeting = gate_issued(h->service->gate)};

    if (h->probe != NULL)
        return ERR_IN_USE;
    if (p == NULL)
        return ERR_NOT_FOUND;
    goal.point = p->target;
    memcpy(goal.key, p->keys.service_key, sizeof(goal.key));
    memcpy(goal.auth_id, p->keys.auth_id, sizeof(goal.auth_id));
    return connect_new(h->service, h->service->kit, &goal, NULL, probed, h, now,
                       &h->probe);
}

/* ---- Driven ------------------------------------------------------------- */

void host_stems(struct host *h, enum path_result why, uint64_t now)
{
    h->path = why;
    points_stems(h->points, why, now);
}

void host_lost_hop(struct host *h)
{
    points_lost_hop(h->points);
}

void host_check(struct host *h, uint64_t now)
{
    points_check(h->points, now);
}

void host_suspect(struct host *h, uint64_t now)
{
    points_suspect(h->points, now);
}

static enum service_problem problem_of(const struct host *h)
{
    struct publications_status p;

    publications_status(h->publications, &p);
    if (points_up(h->points) == 0)
        return h->path != PATH_FOUND ? SERVICE_NO_PATH
               : p.published         ? SERVICE_NO_POINT
                                     : SERVICE_STARTING;
    if (!p.published)
        return p.failing ? SERVICE_NOT_STORED : SERVICE_STARTING;
    if (!p.verified && p.failing)
        return SERVICE_NOT_VERIFIED;
    if (h->probes_failed > 1)
        return SERVICE_PROBE_FAILED;
    return SERVICE_FINE;
}

void host_tick(struct host *h, uint64_t now)
{
    points_tick(h->points, now);
    publications_tick(h->publications, now);
    if (h->withdrawn)
        return;
    if (h->probe_at == TIME_NEVER && h->probe == NULL &&
        problem_of(h) == SERVICE_FINE)
        h->probe_at = now;
    if (now >= h->probe_at) {
        h->probe_at = time_after(now, HOST_PROBE / 10);
        host_probe(h, now);
    }
    service_set_problem(h->service, problem_of(h));
}

uint64_t host_deadline(const struct host *h)
{
    uint64_t at = time_min(points_deadline(h->points),
                           publications_deadline(h->publications));

    at = time_min(at, h->gone_at);
    return h->withdrawn ? at : time_min(at, h->probe_at);
}

void host_status(const struct host *h, struct service_status *out)
{
    struct publications_status p;

    publications_status(h->publications, &p);
    memcpy(out->key, h->secret.key, sizeof(out->key));
    out->points = points_up(h->points);
    out->points_wanted = h->service->options.points;
    out->published = p.published;
    out->verified = p.verified;
    out->published_at = p.published_at;
    out->verified_at = p.verified_at;
    out->probed_at = h->probed_at;
    out->reachable = h->reachable;
}

const struct point_set *host_points(const struct host *h)
{
    return h->points;
}

const uint8_t *host_key(const struct host *h)
{
    return h->secret.key;
}

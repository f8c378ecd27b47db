/* SPDX-License-Identifier: MIT
 *
 * Clients connect to services by chance, at the rate of the scenario: to one
 * that has been there for TUNNEL_SETTLE, each with the same probability. When
 * the channel is there or cannot be had, it is closed again.
 */
#include "sim/part/tunnel_room.h"

#include <string.h>

#define TRIES 8 /* to find a service that is there */

/* ---- What the engine tells ----------------------------------------------- */

static struct tunnel_connect *find(struct tunnel_record *r, uint32_t service)
{
    for (unsigned i = 0; i < TUNNEL_CONNECTS; i++)
        if (r->connects[i].busy && r->connects[i].service == service)
            return &r->connects[i];
    return NULL;
}

static void on_service(struct sim_tunnel *n, const struct service_event *e)
{
    struct tunnel_record *r = n->on_service_arg;
    struct tunnel_connect *c = find(r, e->service);

    if (c == NULL || c->came_at != 0 || c->failed)
        return;
    if (e->kind == SERVICE_EVENT_PEER)
        c->came_at = sim_now(n->sim);
    else if (e->kind == SERVICE_EVENT_STATE)
        c->failed = e->problem > SERVICE_STARTING;
}

void tunnel_connects_begin(struct tunnel_record *r)
{
    r->n->on_service = on_service;
    r->n->on_service_arg = r;
}

/* ---- Beginning and ending ------------------------------------------------ */

static bool is_asked(const struct tunnel_record *r, uint32_t seat)
{
    for (unsigned i = 0; i < TUNNEL_CONNECTS; i++)
        if (r->connects[i].busy && r->connects[i].seat == seat)
            return true;
    return false;
}

/* UINT32_MAX: none was found. */
static uint32_t choose(struct tunnel_record *r, uint64_t now)
{
    const struct tunnel_seats *seats = &r->work->services;

    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t seat = sim_rng_below(&r->work->rng, seats->count);
        const struct tunnel_record *who = seats->who[seat];

        if (who != NULL && time_since(who->came, now) >= TUNNEL_SETTLE &&
            !is_asked(r, seat))
            return seat;
    }
    return UINT32_MAX;
}

static void connect_to(struct tunnel_record *r, struct tunnel_connect *c,
                       uint32_t seat, uint64_t now)
{
    struct services *services = member_services(r->n->member);
    unsigned hops = r->work->lab->scenario->services.hops;
    uint8_t key[32];

    tunnel_service_key(r->work, seat, key);
    *c = (struct tunnel_connect){.busy = true, .seat = seat, .begun_at = now};
    if (service_reach(services, key, NULL, hops, now, &c->service) != OK ||
        service_connect(services, c->service, now) != OK)
        c->failed = true;
    sim_wake(r->n->sim, r->node);
}

static void begin_one(struct tunnel_record *r, uint64_t now)
{
    for (unsigned i = 0; i < TUNNEL_CONNECTS; i++) {
        uint32_t seat;

        if (r->connects[i].busy)
            continue;
        seat = choose(r, now);
        if (seat != UINT32_MAX)
            connect_to(r, &r->connects[i], seat, now);
        return;
    }
}

/* How many a client begins in this second. */
static unsigned draw(struct tunnel_work *w)
{
    double a_second = w->lab->scenario->services.rate / 3600;
    unsigned whole = a_second > TUNNEL_CONNECTS ? TUNNEL_CONNECTS
                                                : (unsigned)a_second;

    return whole + sim_rng_chance(&w->rng, sim_rng_threshold(a_second - whole));
}

static bool is_over(const struct tunnel_connect *c, uint64_t now)
{
    return c->came_at != 0 || c->failed ||
           time_since(c->begun_at, now) >= TUNNEL_CONNECT;
}

static void end_one(struct tunnel_record *r, struct tunnel_connect *c,
                    uint64_t now)
{
    struct measures *m = r->work->lab->measures;

    measure_share(m, M_SERVICE_CONNECTED, c->came_at != 0, 1);
    if (c->came_at != 0)
        measure_value(m, M_SERVICE_TIME, c->came_at - c->begun_at);
    if (c->service != 0)
        service_leave(member_services(r->n->member), c->service, false, now);
    *c = (struct tunnel_connect){.busy = false};
    sim_wake(r->n->sim, r->node);
}

void tunnel_connects_harvest(struct tunnel_record *r, uint64_t now)
{
    for (unsigned i = 0; i < TUNNEL_CONNECTS; i++)
        if (r->connects[i].busy && is_over(&r->connects[i], now))
            end_one(r, &r->connects[i], now);
    if (r->work->services.count == 0)
        return;
    for (unsigned left = draw(r->work); left > 0; left--)
        begin_one(r, now);
}

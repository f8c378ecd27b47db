/* SPDX-License-Identifier: MIT
 *
 * A community without a single exit, in which nodes run services and reach
 * them: what each of them hears is kept, and whoever gets a datagram answers
 * with the same.
 */
#ifndef WARREN_TESTS_SIM_SERVICE_TEST_H
#define WARREN_TESTS_SIM_SERVICE_TEST_H

#include "sim_tunnel_test.h"

#include <string.h>

#define SERVICE_HEARERS 64
#define HEARD_PEERS     64

struct hearer {
    struct sim_tunnel *n;
    uint32_t service;
    bool answers;
    unsigned peers, gone, data, states;
    uint64_t peer[HEARD_PEERS];
    uint8_t key[HEARD_PEERS][32];
    uint64_t peer_at, data_at; /* of the last one */
    enum service_problem problem;
    enum reason why;
    uint8_t last[64];
    size_t last_len;
};

static struct hearer hearers[SERVICE_HEARERS];
static unsigned hearer_count;

static inline void hear(struct sim_tunnel *n, const struct service_event *e)
{
    struct hearer *h = n->on_service_arg;
    uint64_t now = sim_now(n->sim);

    switch (e->kind) {
    case SERVICE_EVENT_PEER:
        assert_in_range(h->peers, 0, HEARD_PEERS - 1);
        memcpy(h->key[h->peers], e->key, 32);
        h->peer[h->peers++] = e->peer;
        h->peer_at = now;
        break;
    case SERVICE_EVENT_DATA:
        h->data++;
        h->data_at = now;
        h->last_len = e->payload.len;
        memcpy(h->last, e->payload.p,
               e->payload.len < sizeof(h->last) ? e->payload.len
                                                : sizeof(h->last));
        if (h->answers)
            assert_int_equal(service_peer_send(member_services(n->member),
                                               e->peer, e->port, e->payload,
                                               now),
                             OK);
        break;
    case SERVICE_EVENT_GONE:
        h->gone++;
        h->why = e->why;
        break;
    case SERVICE_EVENT_STATE:
        h->states++;
        h->problem = e->problem;
        break;
    }
}

static inline struct hearer *listen_to(struct world *w, uint32_t node)
{
    struct sim_tunnel *n = sim_tunnel_of(w->sim, node);
    struct hearer *h = &hearers[hearer_count++];

    assert_in_range(hearer_count, 1, SERVICE_HEARERS);
    *h = (struct hearer){.n = n};
    n->on_service = hear;
    n->on_service_arg = h;
    return h;
}

static inline struct services *services_of(const struct hearer *h)
{
    return member_services(h->n->member);
}

/* Changes what member i is like, and how wrong its clock is; NULL: as usual. */
static int64_t (*exitless_shape)(uint32_t i, struct member_config *c);

/* Relays without exits, and `others` that relay nothing, after them. */
static inline void exitless(struct world *w, uint32_t relays, uint32_t others)
{
    struct member_config c;

    hearer_count = 0;
    world_grow(w, relays + others, 200 * TIME_MS);
    sim_run_for(w->sim, 2 * TIME_MIN);
    for (uint32_t i = 0; i < relays + others; i++) {
        int64_t clock = 0;

        member_config_init(&c);
        if (i >= relays)
            c.max_relays_or_exits = 0;
        if (exitless_shape != NULL)
            clock = exitless_shape(i, &c);
        assert_int_equal(sim_tunnel_add(w->sim, w->net.members[i], &c, clock),
                         OK);
        sim_wake(w->sim, w->net.members[i]);
    }
    sim_run_for(w->sim, 2 * TIME_MIN);
}

static inline void serve(struct hearer *h, const uint8_t seed[32],
                         const struct service_options *options,
                         const struct service_memory *memory)
{
    assert_int_equal(service_serve(services_of(h), seed, options, memory,
                                   sim_now(h->n->sim), &h->service),
                     OK);
    sim_wake(h->n->sim, h->n->node);
}

static inline void reach(struct hearer *h, const uint8_t key[32], unsigned hops)
{
    assert_int_equal(service_reach(services_of(h), key, NULL, hops,
                                   sim_now(h->n->sim), &h->service),
                     OK);
    sim_wake(h->n->sim, h->n->node);
}

static inline void say(struct hearer *h, const char *text)
{
    assert_int_equal(service_send(services_of(h), h->service, 7,
                                  bytes_of(text, strlen(text)),
                                  sim_now(h->n->sim)),
                     OK);
    sim_wake(h->n->sim, h->n->node);
}

static inline struct service_status status_of(const struct hearer *h)
{
    struct service_status status;

    assert_int_equal(service_get_status(services_of(h), h->service,
                                        sim_now(h->n->sim), &status),
                     OK);
    return status;
}

/* Until `done` says so, or this long. */
static inline bool run_until(struct world *w, bool (*done)(void), uint64_t max)
{
    uint64_t end = sim_now(w->sim) + max;

    while (!done() && sim_now(w->sim) < end)
        sim_run_for(w->sim, 100 * TIME_MS);
    return done();
}

#endif

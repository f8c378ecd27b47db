/* SPDX-License-Identifier: MIT
 *
 * A key service and its clients among relays, all of them to be looked into:
 * who is where on whose circuits, which relays are points or rendezvous, and
 * datagrams that are counted one by one on their way there and back.
 */
#ifndef WARREN_TESTS_SIM_SERVICE_WORLD_H
#define WARREN_TESTS_SIM_SERVICE_WORLD_H

#include "../sim_service_test.h"

#include "tunnel/router/router.h"
#include "tunnel/service/host.h"
#include "tunnel/service/peer.h"
#include "tunnel/service/point.h"
#include "tunnel/service/service_internal.h"

#include <sodium.h>

#define WORLD_MEMBERS 96 /* relays and others */

/* ---- Who is who --------------------------------------------------------- */

static uint8_t identities[WORLD_MEMBERS][32];
static unsigned identity_count;

/* After exitless() */
static inline void learn_identities(struct world *w)
{
    struct member_status status;

    identity_count = w->net.count;
    assert_in_range(identity_count, 1, WORLD_MEMBERS);
    for (unsigned i = 0; i < identity_count; i++) {
        struct sim_tunnel *n = sim_tunnel_of(w->sim, w->net.members[i]);

        if (n == NULL)
            continue;
        member_status(n->member, sim_now(w->sim), SIM_WALL, &status);
        memcpy(identities[i], status.identity, 32);
    }
}

/* Index among the members. */
static inline unsigned member_of(const uint8_t identity[32])
{
    for (unsigned i = 0; i < identity_count; i++)
        if (memcmp(identities[i], identity, 32) == 0)
            return i;
    fail_msg("a relay that is none of us");
    return 0;
}

static inline bool is_alive(const struct world *w, unsigned member)
{
    return sim_alive(w->sim, w->net.members[member]);
}

static inline void kill_member(struct world *w, unsigned member)
{
    if (is_alive(w, member))
        sim_kill(w->sim, w->net.members[member]);
}

/* ---- Inside of a node --------------------------------------------------- */

static inline struct circuits *circuits_of_node(const struct sim_tunnel *n)
{
    return member_router(n->member)->circuits;
}

static inline struct transits *transits_of_node(const struct sim_tunnel *n)
{
    return member_router(n->member)->transits;
}

static inline struct service *service_of(const struct hearer *h)
{
    struct service *s = service_find(services_of(h), h->service);

    assert_non_null(s);
    return s;
}

static inline unsigned last_hop_of(const struct circuit *c)
{
    return member_of(c->hop[c->length - 1].target.identity);
}

/* The circuit that the only peer of a service is sent through; NULL: a gap. */
static inline struct circuit *circuit_to_peer(const struct hearer *h)
{
    struct services *s = services_of(h);

    for (unsigned i = 0; i < s->peer_count; i++)
        if (s->peers[i]->service->id == h->service && s->peers[i]->told)
            return channel_circuit(s->peers[i]->channel);
    return NULL;
}

/* Members that are introduction points; returns how many. */
static inline unsigned points_of(const struct hearer *h, unsigned out[],
                                 unsigned max)
{
    struct service_point_status list[2 * SERVICE_POINTS_MAX];
    unsigned n = service_points(services_of(h), h->service, list,
                                2 * SERVICE_POINTS_MAX),
             count = 0;

    for (unsigned i = 0; i < n; i++)
        if (list[i].established && count < max)
            out[count++] = member_of(list[i].relay.identity);
    return count;
}

/* ---- Datagrams counted one by one --------------------------------------- */

#define TRAFFIC_MAX 65536

struct traffic {
    struct hearer *from, *to; /* `to` answers */
    uint64_t each;
    bool on;
    uint32_t next;              /* number of the next one */
    uint8_t state[TRAFFIC_MAX]; /* of each number */
    unsigned refused, twice;
    uint64_t last_at, longest; /* between two answers */
};

enum { NOT_SENT, SENT_ONE, THERE, BACK };

static struct traffic traffic;

static inline void note(struct sim_tunnel *n, const struct service_event *e)
{
    struct hearer *h = n->on_service_arg;
    uint64_t now = sim_now(n->sim), gap;
    uint32_t number;

    hear(n, e);
    if (e->kind != SERVICE_EVENT_DATA || e->payload.len != sizeof(number))
        return;
    memcpy(&number, e->payload.p, sizeof(number));
    assert_in_range(number, 0, TRAFFIC_MAX - 1);
    if (h == traffic.to) {
        traffic.twice += traffic.state[number] >= THERE;
        traffic.state[number] = THERE;
        return;
    }
    if (h != traffic.from)
        return;
    traffic.twice += traffic.state[number] == BACK;
    traffic.state[number] = BACK;
    gap = now - traffic.last_at;
    traffic.longest = gap > traffic.longest ? gap : traffic.longest;
    traffic.last_at = now;
}

static inline void traffic_fire(void *ctx, uint64_t now)
{
    struct sim *s = ctx;
    enum error e;

    if (!traffic.on)
        return;
    assert_in_range(traffic.next, 0, TRAFFIC_MAX - 1);
    e = service_send(services_of(traffic.from), traffic.from->service, 9,
                     bytes_of(&traffic.next, sizeof(traffic.next)), now);
    traffic.refused += e != OK;
    if (e == OK)
        traffic.state[traffic.next++] = SENT_ONE;
    sim_wake(s, traffic.from->n->node);
    assert_int_equal(sim_at(s, now + traffic.each, traffic_fire, s), OK);
}

/* From now on; when a channel is there. */
static inline void traffic_begin(struct hearer *from, struct hearer *to,
                                 uint64_t each)
{
    struct sim *s = from->n->sim;

    traffic = (struct traffic){.from = from,
                               .to = to,
                               .each = each,
                               .on = true,
                               .last_at = sim_now(s)};
    from->n->on_service = to->n->on_service = note;
    to->answers = true;
    traffic_fire(s, sim_now(s));
}

/* The longest gap since the last call. */
static inline uint64_t traffic_gap(void)
{
    uint64_t now = sim_now(traffic.from->n->sim), gap = now - traffic.last_at;

    gap = gap > traffic.longest ? gap : traffic.longest;
    traffic.longest = 0;
    return gap;
}

/* Ends, waits for the last ones, and counts those that did not come back. */
static inline unsigned traffic_end(struct world *w)
{
    unsigned lost = 0;

    traffic.on = false;
    sim_run_for(w->sim, 10 * TIME_S);
    for (uint32_t i = 0; i < traffic.next; i++)
        lost += traffic.state[i] != BACK;
    return lost;
}

/* ---- Whether it does what it should ------------------------------------- */

static struct hearer *watched;

static inline bool watched_is_verified(void)
{
    struct service_status s = status_of(watched);

    return s.published && s.verified && s.reachable &&
           s.points >= s.points_wanted;
}

static inline void print_hearer(const struct hearer *h)
{
    struct service_status s = status_of(h);

    print_message("  %s: points %u of %u, peers %u, published %d, verified "
                  "%d, reachable %d, connects %u, failures %u\n",
                  service_problem_name(s.problem), s.points, s.points_wanted,
                  s.peers, s.published, s.verified, s.reachable,
                  (unsigned)s.connects, (unsigned)s.connect_failures);
}

static inline void wait_until_verified(struct world *w, struct hearer *h)
{
    watched = h;
    if (!run_until(w, watched_is_verified, 4 * TIME_MIN)) {
        print_hearer(h);
        fail_msg("not reachable");
    }
}

/* It may have been told that it cannot be: then it is tried again. */
static inline void try_to_say(struct hearer *h, const char *text)
{
    service_send(services_of(h), h->service, 7, bytes_of(text, strlen(text)),
                 sim_now(h->n->sim));
    sim_wake(h->n->sim, h->n->node);
}

static inline bool watched_is_answered(void)
{
    return watched->data > 0;
}

/* How long it took until the service answered; TIME_NEVER: not in `max`. It is
 * said again each 2 s: a datagram waits 15 s for a channel. */
static inline uint64_t time_to_answer(struct world *w, struct hearer *h,
                                      const char *text, uint64_t max)
{
    uint64_t at = sim_now(w->sim);

    watched = h;
    h->data = 0;
    while (sim_now(w->sim) - at < max) {
        try_to_say(h, text);
        if (run_until(w, watched_is_answered, 2 * TIME_S))
            return h->data_at - at;
    }
    return TIME_NEVER;
}

static inline void assert_answered(struct world *w, struct hearer *h,
                                   const char *text, uint64_t max)
{
    uint64_t t = time_to_answer(w, h, text, max);

    if (t == TIME_NEVER) {
        print_hearer(h);
        fail_msg("%s: no answer", text);
    }
    print_message("  %s: answered after %.2f s\n", text, (double)t / 1e9);
}

/* `relays` relays without exits, a service and `clients` that know its
 * address. */
static inline void world_of(struct world *w, uint32_t relays, uint32_t others)
{
    world_start(w);
    exitless(w, relays, others);
    learn_identities(w);
}

#endif

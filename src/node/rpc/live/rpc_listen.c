/* SPDX-License-Identifier: MIT
 *
 * Streams that peers open to services of this node, for a client that listens:
 *
 *     stream.listen    "stream" {visit}   waits, VISIT_TIME by default
 *     stream.accept                       it is the client's (stream_call.h)
 *     stream.refuse                       or not
 *
 * How many wait is bounded by the carrier, which has one of the peer with most
 * make way: "parted" tells of it.
 */
#include "node/rpc/live/stream_call.h"

#include "base/timestamp.h"
#include "node/host/tunnel_host.h"
#include "node/os/clock.h"
#include "node/service/destination.h"
#include "node/service/service_host.h"
#include "node/traffic/traffic_host.h"

#include <event2/event.h>
#include <stdlib.h>

#define VISIT_TIME (30 * TIME_S)
#define PEERS_MAX  1024 /* of a service, to look for one */

struct listening {
    LIST_ENTRY(listening) link;
    struct rpc *rpc;
    struct control_call *call;
    uint32_t service;
    uint16_t port;
    uint64_t patience; /* ns that a visit waits */
};

struct visit {
    TAILQ_ENTRY(visit) link;
    struct listening *of;
    struct carrier_visit *v;
    struct event *timer;
    uint64_t number, peer;
};

static struct traffic_host *traffic(const struct rpc *rpc)
{
    return tunnel_host_traffic(rpc->node->tunnels);
}

/* ---- Visits ------------------------------------------------------------- */

static void visit_free(struct visit *v)
{
    TAILQ_REMOVE(&v->of->rpc->live->visits, v, link);
    event_free(v->timer);
    free(v);
}

static void tell_parted(const struct visit *v)
{
    struct mp_writer *w = control_notify(v->of->call, "parted");

    mp_write_map(w, 1);
    rpc_write_uint(w, "visit", v->number);
    control_notified(v->of->call);
}

static void on_overdue(evutil_socket_t fd, short what, void *arg)
{
    struct visit *v = arg;
    struct rpc *rpc = v->of->rpc;
    struct carrier_visit *visit = v->v;

    (void)fd;
    (void)what;
    tell_parted(v);
    visit_free(v);
    carrier_refuse(visit, REASON_TIMEOUT, clock_now());
    tunnel_host_rearm(rpc->node->tunnels);
}

/* NULL: there is no memory for it. */
static struct visit *visit_new(struct listening *l, struct carrier_visit *cv,
                               uint64_t peer)
{
    struct timeval patience = clock_timeval(l->patience);
    struct live *live = l->rpc->live;
    struct visit *v = calloc(1, sizeof(*v));

    if (v == NULL)
        return NULL;
    v->of = l;
    v->v = cv;
    v->peer = peer;
    v->timer = evtimer_new(l->rpc->node->base, on_overdue, v);
    if (v->timer == NULL || evtimer_add(v->timer, &patience) != 0) {
        if (v->timer != NULL)
            event_free(v->timer);
        free(v);
        return NULL;
    }
    v->number = ++live->last_visit;
    TAILQ_INSERT_TAIL(&live->visits, v, link);
    return v;
}

static void write_key(struct mp_writer *w, const struct rpc *rpc,
                      uint32_t service, uint64_t peer)
{
    struct services *engine = service_host_engine(rpc->node->services);
    struct service_peer_status *peers = calloc(PEERS_MAX, sizeof(*peers));
    unsigned count =
        peers == NULL ? 0 : service_peers(engine, service, peers, PEERS_MAX);
    const struct service_peer_status *found = NULL;

    for (unsigned i = 0; i < count && i < PEERS_MAX; i++)
        if (peers[i].id == peer && peers[i].has_key)
            found = &peers[i];
    if (found != NULL) {
        rpc_write_hex(w, "key", bytes_of(found->key, sizeof(found->key)));
    } else {
        mp_write_text(w, "key");
        mp_write_nil(w);
    }
    free(peers);
}

static void tell_visit(const struct visit *v)
{
    const struct listening *l = v->of;
    struct mp_writer *w = control_notify(l->call, "stream");
    char peer[SERVICE_PEER_TEXT];

    mp_write_map(w, 4);
    rpc_write_uint(w, "visit", v->number);
    rpc_write_text(w, "peer", service_peer_text(v->peer, peer));
    write_key(w, l->rpc, l->service, v->peer);
    rpc_write_uint(w, "port", l->port);
    control_notified(l->call);
}

static struct listening *find_listening(const struct rpc *rpc, uint32_t service,
                                        uint16_t port)
{
    struct listening *l;

    LIST_FOREACH(l, &rpc->live->listening, link)
    if (l->service == service && l->port == port)
        return l;
    return NULL;
}

static bool on_visited(void *arg, struct carrier_visit *cv, uint32_t service,
                       uint64_t peer, uint16_t port, uint64_t now)
{
    struct listening *l = find_listening(arg, service, port);
    struct visit *v = NULL;

    if (l == NULL)
        return false;
    if (control_takes_news(l->call))
        v = visit_new(l, cv, peer);
    if (v != NULL)
        tell_visit(v);
    else
        carrier_refuse(cv, REASON_FULL, now);
    return true;
}

static bool on_parted(void *arg, struct carrier_visit *cv, uint64_t now)
{
    struct rpc *rpc = arg;
    struct visit *v;

    (void)now;
    TAILQ_FOREACH(v, &rpc->live->visits, link)
    if (v->v == cv)
        break;
    if (v == NULL)
        return false;
    tell_parted(v);
    visit_free(v);
    return true;
}

void live_invite(struct rpc *rpc)
{
    const struct traffic_guest guest = {
        .arg = rpc, .visited = on_visited, .parted = on_parted};

    traffic_host_invite(traffic(rpc), &guest);
}

void live_uninvite(struct rpc *rpc)
{
    static const struct traffic_guest nobody;

    traffic_host_invite(traffic(rpc), &nobody);
}

/* ---- stream.listen ------------------------------------------------------ */

static void refuse_visits(const struct listening *l)
{
    struct visit *v = TAILQ_FIRST(&l->rpc->live->visits), *next;

    for (; v != NULL; v = next) {
        struct carrier_visit *cv = v->v;

        next = TAILQ_NEXT(v, link);
        if (v->of != l)
            continue;
        visit_free(v);
        carrier_refuse(cv, REASON_REFUSED, clock_now());
    }
}

static void on_cancel(void *arg)
{
    struct listening *l = arg;
    struct rpc *rpc = l->rpc;

    refuse_visits(l);
    LIST_REMOVE(l, link);
    free(l);
    tunnel_host_rearm(rpc->node->tunnels);
}

static void tell_listening(const struct listening *l)
{
    struct mp_writer *w = control_notify(l->call, "listening");

    mp_write_map(w, 2);
    rpc_write_service(l->rpc, w, "service", l->service);
    rpc_write_uint(w, "port", l->port);
    control_notified(l->call);
}

void rpc_stream_listen(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    uint32_t service = rpc_find_service(rpc, params->service);
    struct listening *l;

    if (service == 0) {
        control_fail(call, ERR_NOT_FOUND,
                     "there is no such service here: service must be the name "
                     "of one (`warren service list`), or the string or address "
                     "of one that is registered");
        return;
    }
    if (find_listening(rpc, service, params->port) != NULL) {
        control_fail(call, ERR_IN_USE,
                     "streams to this port of the service are listened for "
                     "already");
        return;
    }
    l = calloc(1, sizeof(*l));
    if (l == NULL) {
        control_fail(call, ERR_NO_MEMORY, NULL);
        return;
    }
    *l = (struct listening){.rpc = rpc,
                            .call = call,
                            .service = service,
                            .port = params->port,
                            .patience = (params->has & RPC_TIMEOUT) != 0
                                            ? params->timeout
                                            : VISIT_TIME};
    LIST_INSERT_HEAD(&rpc->live->listening, l, link);
    control_on_cancel(call, on_cancel, l);
    tell_listening(l);
}

void rpc_service_ended(struct rpc *rpc, uint32_t service)
{
    struct listening *l = LIST_FIRST(&rpc->live->listening), *next;

    for (; l != NULL; l = next) {
        struct control_call *call = l->call;

        next = LIST_NEXT(l, link);
        if (l->service != service)
            continue;
        on_cancel(l);
        control_fail(call, ERR_NOT_FOUND, "the service has ended");
    }
}

/* ---- stream.accept, stream.refuse --------------------------------------- */

/* NULL after `call` was answered. */
static struct visit *find_visit(struct rpc *rpc, struct control_call *call,
                                const struct rpc_params *params)
{
    struct visit *v;

    TAILQ_FOREACH(v, &rpc->live->visits, link)
    if (v->number == params->visit && control_same_client(v->of->call, call))
        return v;
    control_fail(call, ERR_NOT_FOUND,
                 "no such visit waits for you: it has gone, or nobody has "
                 "answered it in time");
    return NULL;
}

void rpc_stream_accept(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    struct visit *v = find_visit(rpc, call, params);
    struct carrier_visit *cv;
    struct stream_call *s;
    struct stream_news news = {.event = "accepted"};
    uint64_t now = clock_now();

    if (v == NULL)
        return;
    s = stream_call_new(rpc, call, params);
    if (s == NULL)
        return;
    news.stream = s->number;
    news.peer = v->peer;
    news.port = v->of->port;
    cv = v->v;
    visit_free(v);
    live_tell_stream(rpc, &news);
    stream_call_open(s, carrier_take(cv, NULL, NULL, now), now);
}

void rpc_stream_refuse(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    struct visit *v = find_visit(rpc, call, params);
    struct carrier_visit *cv;

    if (v == NULL)
        return;
    cv = v->v;
    visit_free(v);
    carrier_refuse(cv, REASON_REFUSED, clock_now());
    live_answer(call);
}

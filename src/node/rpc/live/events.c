/* SPDX-License-Identifier: MIT
 *
 * `events`: what happens at this node, for clients that want to know. A
 * subscriber hears the tunnels and the services as everybody does who listens
 * to them. Nothing waits here: an event that the client has no room for is
 * counted, and `lost` tells of it before the next one that fits.
 */
#include "node/host/tunnel_host.h"
#include "node/os/clock.h"
#include "node/rpc/live/live.h"
#include "node/service/destination.h"
#include "node/service/service_host.h"
#include "tunnel/member/member.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

enum kind {
    KIND_CIRCUITS = 1 << 0,
    KIND_DATA = 1 << 1,
    KIND_PEERS = 1 << 2,
    KIND_SERVICES = 1 << 3,
    KIND_STREAMS = 1 << 4
};

#define SOURCE_SIZE (SERVICE_PEER_TEXT + 6) /* with ":65535" */

static const struct {
    const char *name;
    enum kind bit;
} kinds[] = {
    {"circuits", KIND_CIRCUITS}, {"data", KIND_DATA},
    {"peers", KIND_PEERS},       {"services", KIND_SERVICES},
    {"streams", KIND_STREAMS},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct subscriber {
    TAILQ_ENTRY(subscriber) link;
    struct rpc *rpc;
    struct control_call *call;
    unsigned kinds;
    struct event *timer; /* NULL: it goes on until it is cancelled */
    uint64_t told, lost, lost_in_all; /* `lost`: not yet told */
    struct tunnel_listener tunnels;
    struct service_listener services;
};

/* ---- Telling ------------------------------------------------------------ */

static void tell_lost(struct subscriber *s)
{
    struct mp_writer *w;

    if (s->lost == 0)
        return;
    w = control_notify(s->call, "lost");
    mp_write_map(w, 1);
    rpc_write_uint(w, "count", s->lost);
    control_notified(s->call);
    s->lost = 0;
}

static void on_room(void *arg)
{
    tell_lost(arg);
}

/* NULL: there is no room for it. */
static struct mp_writer *begin(struct subscriber *s, const char *event)
{
    if (!control_takes_news(s->call)) {
        s->lost++;
        s->lost_in_all++;
        control_lost(s->call);
        control_on_room(s->call, on_room, s);
        return NULL;
    }
    tell_lost(s);
    s->told++;
    return control_notify(s->call, event);
}

static void write_nil(struct mp_writer *w, const char *key)
{
    mp_write_text(w, key);
    mp_write_nil(w);
}

static void write_bytes(struct mp_writer *w, const char *key, struct bytes data)
{
    mp_write_text(w, key);
    mp_write_bin(w, data);
}

static void write_circuit_id(struct mp_writer *w, uint32_t circuit)
{
    if (circuit == 0)
        write_nil(w, "circuit");
    else
        rpc_write_uint(w, "circuit", circuit);
}

static void write_why(struct mp_writer *w, enum reason why)
{
    rpc_write_text(w, "reason", reason_name(why));
    rpc_write_text(w, "text", reason_text(why));
}

/* ---- Of circuits -------------------------------------------------------- */

static void tell_circuit(struct subscriber *s, const struct member_event *e)
{
    bool closed = e->kind == MEMBER_CIRCUIT_CLOSED;
    struct mp_writer *w = begin(s, "circuit");

    if (w == NULL)
        return;
    mp_write_map(w, 6);
    rpc_write_text(w, "event", closed ? "closed" : "ready");
    rpc_write_uint(w, "circuit", e->circuit);
    rpc_write_uint(w, "hops", e->length);
    rpc_write_uint(w, "hop", closed ? e->hop : 0);
    if (closed) {
        write_why(w, e->why);
    } else {
        write_nil(w, "reason");
        write_nil(w, "text");
    }
    control_notified(s->call);
}

static void tell_data_in(struct subscriber *s, uint32_t circuit,
                         const char *source, struct bytes data)
{
    struct mp_writer *w = begin(s, "data");

    if (w == NULL)
        return;
    mp_write_map(w, 4);
    rpc_write_text(w, "direction", "in");
    write_circuit_id(w, circuit);
    rpc_write_text(w, "source", source);
    write_bytes(w, "data", data);
    control_notified(s->call);
}

static void tell_refused(struct subscriber *s, const struct member_event *e)
{
    struct mp_writer *w = begin(s, "refused");

    if (w == NULL)
        return;
    mp_write_map(w, 3);
    write_circuit_id(w, e->circuit);
    write_why(w, e->why);
    control_notified(s->call);
}

static void on_tunnel_event(void *arg, const struct member_event *e)
{
    struct subscriber *s = arg;
    char source[ENDPOINT_TEXT_SIZE];

    if (e->kind == MEMBER_CIRCUIT_READY || e->kind == MEMBER_CIRCUIT_CLOSED)
        tell_circuit(s, e);
    else if (e->kind == MEMBER_DATA)
        tell_data_in(s, e->circuit, endpoint_print(&e->source, source),
                     e->payload);
    else if (e->kind == MEMBER_REFUSED)
        tell_refused(s, e);
}

/* ---- Of services -------------------------------------------------------- */

static void write_peer(struct mp_writer *w, struct rpc *rpc,
                       const struct service_event *e)
{
    char peer[SERVICE_PEER_TEXT];

    rpc_write_text(w, "peer", service_peer_text(e->peer, peer));
    rpc_write_service(rpc, w, "service", e->service);
}

static void tell_peer(struct subscriber *s, const struct service_event *e)
{
    struct mp_writer *w = begin(s, "peer");

    if (w == NULL)
        return;
    mp_write_map(w, 4);
    write_peer(w, s->rpc, e);
    if (e->has_key)
        rpc_write_hex(w, "key", bytes_of(e->key, sizeof(e->key)));
    else
        write_nil(w, "key");
    rpc_write_bool(w, "opened", e->opened);
    control_notified(s->call);
}

static void tell_gone(struct subscriber *s, const struct service_event *e)
{
    struct mp_writer *w = begin(s, "gone");

    if (w == NULL)
        return;
    mp_write_map(w, 4);
    write_peer(w, s->rpc, e);
    write_why(w, e->why);
    control_notified(s->call);
}

static void tell_state(struct subscriber *s, const struct service_event *e)
{
    struct mp_writer *w = begin(s, "state");

    if (w == NULL)
        return;
    mp_write_map(w, 3);
    rpc_write_service(s->rpc, w, "service", e->service);
    rpc_write_text(w, "state", service_problem_name(e->problem));
    rpc_write_text(w, "text", service_problem_text(e->problem));
    control_notified(s->call);
}

static void tell_service_data(struct subscriber *s,
                              const struct service_event *e)
{
    char peer[SERVICE_PEER_TEXT], source[SOURCE_SIZE];

    snprintf(source, sizeof(source), "%s:%u", service_peer_text(e->peer, peer),
             e->port);
    tell_data_in(s, 0, source, e->payload);
}

static void on_service_event(void *arg, const struct service_event *e)
{
    struct subscriber *s = arg;

    if (e->kind == SERVICE_EVENT_DATA && (s->kinds & KIND_DATA) != 0)
        tell_service_data(s, e);
    else if (e->kind == SERVICE_EVENT_PEER && (s->kinds & KIND_PEERS) != 0)
        tell_peer(s, e);
    else if (e->kind == SERVICE_EVENT_GONE && (s->kinds & KIND_PEERS) != 0)
        tell_gone(s, e);
    else if (e->kind == SERVICE_EVENT_STATE && (s->kinds & KIND_SERVICES) != 0)
        tell_state(s, e);
}

/* ---- Of what clients do ------------------------------------------------- */

void rpc_tell_sent(struct rpc *rpc, uint32_t circuit, struct bytes to,
                   struct bytes data)
{
    struct subscriber *s;
    struct mp_writer *w;

    TAILQ_FOREACH(s, &rpc->live->subscribers, link)
    {
        if ((s->kinds & KIND_DATA) == 0 || (w = begin(s, "data")) == NULL)
            continue;
        mp_write_map(w, 4);
        rpc_write_text(w, "direction", "out");
        write_circuit_id(w, circuit);
        mp_write_text(w, "to");
        mp_write_text_n(w, to);
        write_bytes(w, "data", data);
        control_notified(s->call);
    }
}

static void write_stream(struct mp_writer *w, const struct stream_news *n)
{
    char peer[SERVICE_PEER_TEXT];

    mp_write_map(w, 2 + (n->to.len > 0 ? 1u : 0) + (n->peer != 0 ? 2u : 0) +
                        (n->counts ? 4u : 0));
    rpc_write_text(w, "event", n->event);
    rpc_write_uint(w, "stream", n->stream);
    if (n->to.len > 0) {
        mp_write_text(w, "to");
        mp_write_text_n(w, n->to);
    }
    if (n->peer != 0) {
        rpc_write_text(w, "peer", service_peer_text(n->peer, peer));
        rpc_write_uint(w, "port", n->port);
    }
    if (!n->counts)
        return;
    rpc_write_uint(w, "read", n->read);
    rpc_write_uint(w, "written", n->written);
    if (n->bad) {
        rpc_write_text(w, "reason", n->reason);
        rpc_write_text(w, "text", n->text);
    } else {
        write_nil(w, "reason");
        write_nil(w, "text");
    }
}

void live_tell_stream(struct rpc *rpc, const struct stream_news *news)
{
    struct subscriber *s;
    struct mp_writer *w;

    TAILQ_FOREACH(s, &rpc->live->subscribers, link)
    {
        if ((s->kinds & KIND_STREAMS) == 0 || (w = begin(s, "stream")) == NULL)
            continue;
        write_stream(w, news);
        control_notified(s->call);
    }
}

/* ---- Subscribing -------------------------------------------------------- */

static enum kind find_kind(struct bytes name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (bytes_is_text(name, kinds[i].name))
            return kinds[i].bit;
    return 0;
}

/* 0: one of them is none. */
static unsigned read_kinds(struct bytes text)
{
    unsigned found = 0;
    bool more = true;

    while (more) {
        size_t len = 0;
        unsigned bit;

        while (len < text.len && text.p[len] != ',')
            len++;
        bit = find_kind(bytes_of(text.p, len));
        if (bit == 0)
            return 0;
        found |= bit;
        more = len < text.len;
        if (more)
            text = bytes_of(text.p + len + 1, text.len - len - 1);
    }
    return found;
}

static void tell_subscribed(struct subscriber *s)
{
    struct mp_writer *w = control_notify(s->call, "subscribed");
    uint32_t count = 0;

    for (size_t i = 0; i < KINDS; i++)
        count += (s->kinds & kinds[i].bit) != 0;
    mp_write_map(w, 1);
    mp_write_text(w, "kinds");
    mp_write_array(w, count);
    for (size_t i = 0; i < KINDS; i++)
        if ((s->kinds & kinds[i].bit) != 0)
            mp_write_text(w, kinds[i].name);
    control_notified(s->call);
}

static void on_cancel(void *arg)
{
    struct subscriber *s = arg;

    tunnel_host_unlisten(s->rpc->node->tunnels, &s->tunnels);
    service_host_unlisten(s->rpc->node->services, &s->services);
    TAILQ_REMOVE(&s->rpc->live->subscribers, s, link);
    if (s->timer != NULL)
        event_free(s->timer);
    free(s);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct subscriber *s = arg;
    struct mp_writer *w;

    (void)fd;
    (void)what;
    tell_lost(s);
    w = control_reply(s->call);
    mp_write_map(w, 2);
    rpc_write_uint(w, "told", s->told);
    rpc_write_uint(w, "lost", s->lost_in_all);
    control_finish(s->call);
    on_cancel(s);
}

static bool start_timer(struct subscriber *s, uint64_t timeout)
{
    struct timeval tv = clock_timeval(timeout);

    s->timer = evtimer_new(s->rpc->node->base, on_time, s);
    return s->timer != NULL && evtimer_add(s->timer, &tv) == 0;
}

static void listen_to_tunnels(struct subscriber *s)
{
    s->tunnels = (struct tunnel_listener){.arg = s, .event = on_tunnel_event};
    if ((s->kinds & KIND_CIRCUITS) != 0)
        s->tunnels.kinds |= TUNNEL_HEARS(MEMBER_CIRCUIT_READY) |
                            TUNNEL_HEARS(MEMBER_CIRCUIT_CLOSED);
    if ((s->kinds & KIND_DATA) != 0)
        s->tunnels.kinds |= TUNNEL_HEARS(MEMBER_DATA) |
                            TUNNEL_HEARS(MEMBER_REFUSED);
    if (s->tunnels.kinds != 0)
        tunnel_host_listen(s->rpc->node->tunnels, &s->tunnels);
}

void rpc_events(struct rpc *rpc, struct control_call *call,
                const struct rpc_params *params)
{
    unsigned wanted =
        (params->has & RPC_KINDS) == 0 ? ~0u : read_kinds(params->kinds);
    struct subscriber *s;

    if (wanted == 0) {
        control_fail(call, ERR_SYNTAX,
                     "kinds must be some of circuits, data, peers, services "
                     "and streams, with commas between");
        return;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        control_fail(call, ERR_NO_MEMORY, NULL);
        return;
    }
    s->rpc = rpc;
    s->call = call;
    s->kinds = wanted;
    TAILQ_INSERT_TAIL(&rpc->live->subscribers, s, link);
    listen_to_tunnels(s);
    s->services =
        (struct service_listener){.arg = s, .event = on_service_event};
    service_host_listen(rpc->node->services, &s->services);
    if ((params->has & RPC_TIMEOUT) != 0 && !start_timer(s, params->timeout)) {
        on_cancel(s);
        control_fail(call, ERR_NO_MEMORY, NULL);
        return;
    }
    control_on_cancel(call, on_cancel, s);
    tell_subscribed(s);
}

/* SPDX-License-Identifier: MIT
 *
 * Circuits and datagrams of the program. Commands to the member call nobody
 * back (member.h), but they may make it ask the DHT, which does: hence
 * warren_enter and warren_leave.
 */
#include "lib/warren_internal.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "node/service/destination.h"
#include "tunnel/exit/host_port.h"
#include "tunnel/member/member.h"

#include <string.h>

static struct member *member(const struct warren *w)
{
    return tunnel_host_member(w->node->tunnels);
}

/* The member, for a command; `done` follows. */
static struct member *begin(struct warren *w)
{
    warren_enter(w);
    return member(w);
}

/* The result of a command, which may have changed the next deadline. */
static int done(struct warren *w, enum error e)
{
    tunnel_host_rearm(w->node->tunnels);
    warren_leave(w);
    return lib_error_of(e);
}

/* ---- Pools -------------------------------------------------------------- */

int warren_build_tunnels(struct warren *w, unsigned hops)
{
    if (w->ending)
        return WARREN_ERR_CANCELLED;
    return done(w, member_build(begin(w), hops, clock_now()));
}

int warren_stop_tunnels(struct warren *w, unsigned hops)
{
    warren_enter(w);
    return done(w, tunnel_host_stop(w->node->tunnels, hops));
}

unsigned warren_active_data_circuits(const struct warren *w, unsigned hops,
                                     uint32_t *circuits, unsigned max)
{
    return member_active(member(w), hops, circuits, max);
}

double warren_tunnels_ready(const struct warren *w)
{
    return member_ready(member(w));
}

int warren_close_circuit(struct warren *w, uint32_t circuit)
{
    return done(w, member_close(begin(w), circuit, clock_now()));
}

/* ---- Data --------------------------------------------------------------- */

static bool is_data(const char *type)
{
    return strcmp(type, "data") == 0;
}

int warren_tunnel_data(struct warren *w, uint32_t circuit,
                       const char *destination, const char *type,
                       const void *payload, size_t len)
{
    struct bytes data = bytes_of(payload, len);
    struct service_destination service;
    struct host_port to;
    struct member *t;
    enum error e;

    if (!is_data(type))
        return WARREN_ERR_UNSUPPORTED;
    if (service_destination_read(bytes_of_text(destination), &service))
        return warren_service_data(w, &service, data);
    e = host_port_parse(bytes_of_text(destination), &to);
    if (e != OK)
        return lib_error_of(e);
    t = begin(w);
    if (to.name.len == 0)
        e = member_data(t, circuit, &to.ep, data, clock_now());
    else
        e = member_data_name(t, circuit, bytes_of(to.name.text, to.name.len),
                             to.ep.port, data, clock_now());
    return done(w, e);
}

int warren_tunnel_data_to(struct warren *w, uint32_t circuit,
                          const struct sockaddr *destination, const char *type,
                          const void *payload, size_t len)
{
    struct endpoint to;
    enum error e = sockaddr_to_endpoint(destination, &to);

    if (!is_data(type))
        return WARREN_ERR_UNSUPPORTED;
    if (e != OK)
        return lib_error_of(e);
    e = member_data(begin(w), circuit, &to, bytes_of(payload, len),
                    clock_now());
    return done(w, e);
}

/* ---- Events ------------------------------------------------------------- */

static struct warren_reason reason_of_event(const struct member_event *event)
{
    return (struct warren_reason){.name = reason_name(event->why),
                                  .text = reason_text(event->why)};
}

static void on_data(const struct warren_options *o,
                    const struct member_event *event)
{
    struct sockaddr_storage source;
    socklen_t len = sockaddr_from_endpoint(&event->source, &source);

    o->data(o->arg, event->circuit, (struct sockaddr *)&source, len, "data",
            event->payload.p, event->payload.len);
}

void warren_on_tunnel_event(void *arg, const struct member_event *event)
{
    const struct warren *w = arg;
    const struct warren_options *o = &w->options;
    struct warren_reason why = reason_of_event(event);

    switch (event->kind) {
    case MEMBER_CIRCUIT_READY:
        if (o->opened != NULL)
            o->opened(o->arg, event->circuit, event->length);
        break;
    case MEMBER_CIRCUIT_CLOSED:
        if (o->closed != NULL)
            o->closed(o->arg, event->circuit, event->length, event->hop, &why);
        break;
    case MEMBER_DATA:
        if (o->data != NULL)
            on_data(o, event);
        break;
    case MEMBER_REFUSED:
        if (o->refused != NULL)
            o->refused(o->arg, event->circuit, &why);
        break;
    case MEMBER_PACKET:
    case MEMBER_PONG:
    case MEMBER_SPEEDTEST:
    case MEMBER_LEARNED:
        break; /* nothing that a program asks for */
    }
}

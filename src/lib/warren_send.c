/* SPDX-License-Identifier: MIT
 *
 * warren_tunnel_send: a delivery of the node, in the words of warren.h. Ends
 * of deliveries come out of the loop alone (delivery.h), and so do the
 * program's callbacks.
 */
#include "base/timestamp.h"
#include "lib/warren_internal.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "tunnel/traffic/delivery.h"

#define TIMEOUT (30 * TIME_S)

struct warren_send {
    struct call call; /* its id is the delivery's */
    struct warren *w;
    struct warren_send_handler handler;
};

static struct deliveries *deliveries(const struct warren *w)
{
    return tunnel_host_deliveries(w->node->tunnels);
}

static int error_of(const struct delivery_outcome *o)
{
    switch (o->end) {
    case DELIVERY_ANSWERED:
        return WARREN_OK;
    case DELIVERY_REFUSED:
        return WARREN_ERR_REFUSED;
    case DELIVERY_SILENT:
        return WARREN_ERR_TIMEOUT;
    case DELIVERY_NO_CIRCUIT:
        return WARREN_ERR_NO_NODES;
    case DELIVERY_FAILED:
        break;
    }
    return lib_error_of(o->error);
}

static void end(struct warren_send *s, int error,
                const struct warren_answer *answer)
{
    struct warren_send_handler handler = s->handler;

    call_end(&s->w->sends, &s->call);
    if (handler.done != NULL)
        handler.done(handler.arg, error, answer);
}

static void on_done(void *arg, const struct delivery_outcome *o)
{
    struct sockaddr_storage source;
    struct warren_answer a = {.circuit = o->circuit,
                              .broken = o->broken,
                              .refusals = o->refusals,
                              .exit_answers = o->exit_answers,
                              .rtt = o->rtt,
                              .duration = o->duration};

    if (o->refusals > 0) {
        a.why.name = reason_name(o->why);
        a.why.text = reason_text(o->why);
    }
    if (o->end == DELIVERY_ANSWERED) {
        a.source_len = sockaddr_from_endpoint(&o->source, &source);
        a.source = (struct sockaddr *)&source;
        a.payload = o->payload.p;
        a.len = o->payload.len;
    }
    end(arg, error_of(o), &a);
}

void warren_sends_end(struct warren *w)
{
    static const struct warren_answer nothing;
    struct call *call;

    while ((call = TAILQ_FIRST(&w->sends)) != NULL) {
        delivery_cancel(deliveries(w), call->id);
        end((struct warren_send *)(void *)call, WARREN_ERR_CANCELLED, &nothing);
    }
}

static enum error start(struct warren *w, struct warren_send *s,
                        const struct delivery_request *request)
{
    struct delivery_handler handler = {.arg = s, .done = on_done};
    enum error e;

    warren_enter(w);
    e = delivery_start(deliveries(w), request, &handler, clock_now(),
                       &s->call.id);
    tunnel_host_rearm(w->node->tunnels);
    warren_leave(w);
    return e;
}

int warren_tunnel_send(struct warren *w, const struct warren_sending *what,
                       const struct warren_send_handler *handler,
                       uint64_t *request)
{
    struct delivery_request r = {.data = bytes_of(what->payload, what->len),
                                 .hops = what->hops,
                                 .isolation = what->isolation,
                                 .timeout = what->timeout_ms * TIME_MS};
    enum error e = host_port_parse(bytes_of_text(what->destination), &r.to);
    struct warren_send *s;

    if (w->ending)
        return WARREN_ERR_CANCELLED;
    if (e != OK)
        return lib_error_of(e);
    if (r.timeout == 0)
        r.timeout = TIMEOUT;
    s = call_new(&w->sends, sizeof(*s));
    if (s == NULL)
        return WARREN_ERR_NO_MEMORY;
    s->w = w;
    if (handler != NULL)
        s->handler = *handler;
    e = start(w, s, &r);
    if (e == OK && request != NULL)
        *request = s->call.id;
    call_started(&w->sends, &s->call, e == OK);
    return lib_error_of(e);
}

void warren_tunnel_send_cancel(struct warren *w, uint64_t request)
{
    struct call *call = call_find(&w->sends, request);

    if (call == NULL)
        return;
    warren_enter(w);
    delivery_cancel(deliveries(w), request);
    call_end(&w->sends, call);
    warren_leave(w);
}

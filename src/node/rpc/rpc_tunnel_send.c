/* SPDX-License-Identifier: MIT
 *
 * `tunnel.send`: a datagram through an exit, and its answer. How it gets there
 * is decided by the delivery (tunnel/traffic/delivery.h); this says in words
 * how that ended.
 */
#include "node/rpc/tunnel_call.h"
#include "tunnel/traffic/delivery.h"

#include "base/timestamp.h"
#include "node/os/clock.h"

#include <stdlib.h>

#define WHY_LIMIT 512

struct sending {
    struct rpc *rpc;
    struct control_call *call;
    unsigned hops;
    uint64_t delivery;
};

static struct deliveries *deliveries(const struct rpc *rpc)
{
    return tunnel_host_deliveries(rpc->node->tunnels);
}

/* The names of an answer: its outcome, and the reason. */
static const char *const outcomes[][2] = {
    [DELIVERY_ANSWERED] = {"answered", NULL},
    [DELIVERY_REFUSED] = {"refused", NULL}, /* as the exit says */
    [DELIVERY_SILENT] = {"silent", "timeout"},
    [DELIVERY_NO_CIRCUIT] = {"no_circuit", "no_circuit"},
};

static const char *name_reason(const struct delivery_outcome *o)
{
    if (o->end == DELIVERY_REFUSED)
        return reason_name(o->why);
    if (o->end == DELIVERY_SILENT && o->exit_answers)
        return "silent";
    return outcomes[o->end][1];
}

/* Only what is known: that the exit answers now does not tell what became of
 * the datagram. */
static void say(const struct sending *s, const struct delivery_outcome *o,
                struct text *why)
{
    if (o->end == DELIVERY_REFUSED)
        text_add(why, reason_text(o->why));
    if (o->end == DELIVERY_SILENT && o->exit_answers)
        text_add(why, "the exit is there, the destination has not answered; "
                      "whether it got the datagram is not known");
    if (o->end == DELIVERY_SILENT && !o->exit_answers)
        text_add(why, "neither the destination nor the exit has answered");
    if (o->end != DELIVERY_NO_CIRCUIT)
        return;
    if (o->broken > 0)
        text_addf(why, "%u circuit%s broke on the way; ", o->broken,
                  text_plural(o->broken));
    rpc_tunnel_say_no_circuit(s->rpc, s->hops, why);
}

static void write_or_nil(struct mp_writer *w, const char *key, const char *text)
{
    mp_write_text(w, key);
    if (text != NULL)
        mp_write_text(w, text);
    else
        mp_write_nil(w);
}

static void write_answer(struct mp_writer *w, const struct delivery_outcome *o)
{
    bool answered = o->end == DELIVERY_ANSWERED;
    char source[ENDPOINT_TEXT_SIZE];

    write_or_nil(w, "source",
                 answered ? endpoint_print(&o->source, source) : NULL);
    mp_write_text(w, "data");
    if (answered)
        mp_write_bin(w, o->payload);
    else
        mp_write_nil(w);
    rpc_write_ms(w, "rtt", answered ? o->rtt : TIME_NEVER);
}

static void answer(const struct sending *s, const struct delivery_outcome *o)
{
    struct mp_writer *w = control_reply(s->call);
    struct text why;

    text_init(&why, WHY_LIMIT);
    say(s, o, &why);
    mp_write_map(w, 11);
    rpc_write_text(w, "outcome", outcomes[o->end][0]);
    write_or_nil(w, "reason", name_reason(o));
    write_or_nil(w, "text", why.len > 0 ? text_get(&why) : NULL);
    rpc_write_uint(w, "circuit", o->circuit);
    rpc_write_uint(w, "hops", o->hops);
    rpc_write_uint(w, "broken", o->broken);
    rpc_write_uint(w, "refusals", o->refusals);
    write_answer(w, o);
    rpc_write_ms(w, "duration", o->duration);
    text_deinit(&why);
    control_finish(s->call);
}

/* ---- The call ----------------------------------------------------------- */

static void on_done(void *arg, const struct delivery_outcome *outcome)
{
    struct sending *s = arg;

    if (outcome->end == DELIVERY_FAILED)
        control_fail(s->call, outcome->error, NULL);
    else
        answer(s, outcome);
    free(s);
}

static void on_waiting(void *arg)
{
    const struct sending *s = arg;

    rpc_tunnel_tell_waiting(s->rpc, s->call, s->hops);
}

static void on_cancel(void *arg)
{
    struct sending *s = arg;

    delivery_cancel(deliveries(s->rpc), s->delivery);
    free(s);
}

static enum error start(struct sending *s, const struct host_port *to,
                        const struct rpc_params *params)
{
    struct delivery_handler handler = {.arg = s,
                                       .waiting = params->stream ? on_waiting
                                                                 : NULL,
                                       .done = on_done};
    struct delivery_request request = {.to = *to,
                                       .data = params->data,
                                       .hops = params->hops,
                                       .timeout = params->timeout};
    enum error e = delivery_start(deliveries(s->rpc), &request, &handler,
                                  clock_now(), &s->delivery);

    tunnel_host_rearm(s->rpc->node->tunnels);
    if (e == OK)
        rpc_tell_sent(s->rpc, 0, params->to, params->data);
    return e;
}

void rpc_tunnel_send(struct rpc *rpc, struct control_call *call,
                     const struct rpc_params *params)
{
    struct host_port to;
    enum error e = host_port_parse(params->to, &to);
    struct sending *s;

    if (e != OK) {
        control_fail(call, ERR_SYNTAX, host_port_error_text(e));
        return;
    }
    e = ERR_NO_MEMORY;
    s = malloc(sizeof(*s));
    if (s != NULL) {
        *s = (struct sending){.rpc = rpc, .call = call, .hops = params->hops};
        e = start(s, &to, params);
    }
    if (e == OK) {
        control_on_cancel(call, on_cancel, s);
        return;
    }
    control_fail(call, e, NULL);
    free(s);
}

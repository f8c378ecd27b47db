/* SPDX-License-Identifier: MIT
 *
 * `tunnel.send`: a datagram through an exit, and its answer.
 *
 * It goes over a circuit whose exit says that it sends to that port; one is
 * built if there is none. When no exit says so, any may do: what they say is a
 * hint. An exit that refuses it makes room for another one.
 *
 * It is sent once over a circuit. Silence has two reasons, and a PING to the
 * hops tells them apart: when the exit answers that, it is the destination
 * that is silent, and to wait is all that is left to do; when it does not, the
 * circuit is broken, is closed, and the datagram goes over another one.
 */
#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/rpc/tunnel_call.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define WHY_LIMIT  512
#define ACTIVE_MAX 64 /* circuits to choose one from */
#define OPEN_MAX   8  /* circuits built for one datagram */

/* So long exits may still be found that say that they send there. */
#define LOOK_AROUND (2 * TIME_S)

/* Silence before the hops are asked, and the time that they have. */
#define SILENCE   TIME_S
#define PONG_WAIT (1500 * TIME_MS)

/* ---- Answers ----------------------------------------------------------- */

struct outcome {
    const char *what; /* "answered", "refused", "silent", "no_circuit" */
    const struct endpoint *source;
    struct bytes data;
    const char *reason; /* name; NULL when it was answered */
    const char *text;
};

static void write_or_nil(struct mp_writer *w, const char *key, const char *text)
{
    mp_write_text(w, key);
    if (text != NULL)
        mp_write_text(w, text);
    else
        mp_write_nil(w);
}

static void answer(struct tunnel_call *c, const struct outcome *o)
{
    const struct tunnel_sending *s = &c->sending;
    uint64_t now = clock_now();
    struct mp_writer *w = control_reply(c->call);
    char source[ENDPOINT_TEXT_SIZE];

    mp_write_map(w, 11);
    rpc_write_text(w, "outcome", o->what);
    write_or_nil(w, "reason", o->reason);
    write_or_nil(w, "text", o->text);
    rpc_write_uint(w, "circuit", c->circuit);
    rpc_write_uint(w, "hops", c->hops);
    rpc_write_uint(w, "broken", s->broken);
    rpc_write_uint(w, "refusals", s->refused);
    write_or_nil(w, "source",
                 o->source == NULL ? NULL : endpoint_print(o->source, source));
    mp_write_text(w, "data");
    if (o->source != NULL)
        mp_write_bin(w, o->data);
    else
        mp_write_nil(w);
    rpc_write_ms(w, "rtt",
                 o->source == NULL ? TIME_NEVER : time_since(s->sent_at, now));
    rpc_write_ms(w, "duration", time_since(c->began_at, now));
    control_finish(c->call);
    tunnel_call_free(c);
}

static void answer_refused(struct tunnel_call *c)
{
    enum reason why = c->sending.why;
    struct outcome o = {.what = "refused",
                        .reason = reason_name(why),
                        .text = reason_text(why)};

    answer(c, &o);
}

/* ---- Which circuit ------------------------------------------------------ */

static bool has_refused(const struct tunnel_call *c, uint32_t circuit)
{
    const struct tunnel_sending *s = &c->sending;
    uint8_t exit[32];

    if (!tunnel_exit_of(tunnel_call_engine(c), circuit, exit))
        return true;
    for (unsigned i = 0; i < s->refused; i++)
        if (memcmp(s->refused_by[i], exit, sizeof(exit)) == 0)
            return true;
    return false;
}

/* One of those that are there, for `port`, or any (0). */
static bool pick(struct tunnel_call *c, uint16_t port)
{
    const struct tunnel *t = tunnel_call_engine(c);
    uint32_t ids[ACTIVE_MAX];
    unsigned count = tunnel_active(t, c->hops, ids, ACTIVE_MAX), fit = 0;

    for (unsigned i = 0; i < count && i < ACTIVE_MAX; i++)
        if (!has_refused(c, ids[i]) &&
            (port == 0 || tunnel_sends_to(t, ids[i], port)))
            ids[fit++] = ids[i];
    c->circuit = fit == 0 ? 0 : ids[randombytes_uniform(fit)];
    return fit > 0;
}

/* One more is being built, or is now. */
static bool open_one(struct tunnel_call *c, uint16_t port, uint64_t now)
{
    struct tunnel_sending *s = &c->sending;
    struct tunnel_wish wish = {.port = port,
                               .avoid = (const uint8_t(*)[32])s->refused_by,
                               .avoid_count = s->refused};

    if (s->opening != 0)
        return true;
    if (s->opened == OPEN_MAX || tunnel_open(tunnel_call_engine(c), c->hops,
                                             &wish, now, &s->opening) != OK)
        return false;
    s->opened++;
    return true;
}

enum found { FOUND, WAIT, HOPELESS };

static enum found find_circuit(struct tunnel_call *c, uint64_t now)
{
    uint16_t port = c->sending.to.ep.port;

    if (pick(c, port))
        return FOUND;
    if (open_one(c, port, now) || time_since(c->began_at, now) < LOOK_AROUND)
        return WAIT;
    if (pick(c, 0))
        return FOUND;
    return c->sending.refused == 0 || open_one(c, 0, now) ? WAIT : HOPELESS;
}

/* ---- Sending ----------------------------------------------------------- */

static enum error send_it(struct tunnel_call *c, uint64_t now)
{
    struct tunnel *t = tunnel_call_engine(c);
    const struct tunnel_sending *s = &c->sending;
    struct bytes data = bytes_of(s->data, s->data_len);

    if (s->to.name.len > 0)
        return tunnel_data_name(t, c->circuit, bytes_of_text(s->to.name.text),
                                s->to.ep.port, data, now);
    return tunnel_data(t, c->circuit, &s->to.ep, data, now);
}

static void try_to_send(struct tunnel_call *c, uint64_t now)
{
    struct tunnel_sending *s = &c->sending;
    enum found found = FOUND;
    enum error err;

    if (c->circuit == 0)
        found = find_circuit(c, now);
    if (found == HOPELESS) {
        answer_refused(c);
        return;
    }
    if (found == WAIT) {
        tunnel_call_build(c);
        tunnel_call_tell_waiting(c, now);
        return;
    }
    err = send_it(c, now);
    if (err == ERR_NOT_FOUND) {
        c->circuit = 0;
        return;
    }
    if (err != OK) {
        tunnel_call_fail(c, err, NULL);
        return;
    }
    if (s->first_at == 0)
        s->first_at = now;
    s->sent_at = now;
    s->ping_at = 0;
    s->exit_lives = false;
}

/* The circuit in use is lost: another one, when there is time. */
static void give_up_circuit(struct tunnel_call *c)
{
    c->circuit = 0;
    c->sending.sent_at = 0;
    c->sending.broken++;
}

/* What makes no sense to one exit makes none to another. */
static void take_refusal(struct tunnel_call *c, enum reason why)
{
    struct tunnel_sending *s = &c->sending;

    s->why = why;
    tunnel_exit_of(tunnel_call_engine(c), c->circuit,
                   s->refused_by[s->refused++]);
    if (why == REASON_PROTOCOL || s->refused == SEND_EXITS_MAX) {
        answer_refused(c);
        return;
    }
    c->circuit = 0;
    s->sent_at = 0;
    try_to_send(c, clock_now());
}

static void send_wake(struct tunnel_call *c, uint64_t now)
{
    struct tunnel_sending *s = &c->sending;
    uint32_t broken = c->circuit;

    if (s->sent_at == 0) {
        try_to_send(c, now);
    } else if (s->ping_at == 0) {
        if (time_since(s->sent_at, now) < SILENCE)
            return;
        s->ping_at = now;
        tunnel_ping(tunnel_call_engine(c), c->circuit, now);
    } else if (!s->exit_lives && time_since(s->ping_at, now) >= PONG_WAIT) {
        give_up_circuit(c);
        tunnel_close(tunnel_call_engine(c), broken, now);
        try_to_send(c, now);
    }
}

static bool is_answer(const struct tunnel_call *c,
                      const struct tunnel_event *event)
{
    const struct tunnel_sending *s = &c->sending;

    if (s->to.name.len > 0)
        return event->source.port == s->to.ep.port;
    return endpoint_equal(&event->source, &s->to.ep);
}

static void event_of_circuit(struct tunnel_call *c,
                             const struct tunnel_event *event)
{
    struct outcome o = {.what = "answered"};

    if (event->kind == TUNNEL_DATA && is_answer(c, event)) {
        o.source = &event->source;
        o.data = event->payload;
        answer(c, &o);
    } else if (event->kind == TUNNEL_REFUSED) {
        take_refusal(c, event->why);
    } else if (event->kind == TUNNEL_PONG && event->hop == event->length) {
        c->sending.exit_lives = true;
    } else if (event->kind == TUNNEL_CIRCUIT_CLOSED) {
        give_up_circuit(c);
    } else if (event->kind == TUNNEL_CIRCUIT_READY) {
        c->sending.sent_at = 0; /* built anew, behind a hop that was lost */
    }
}

static void send_event(struct tunnel_call *c, const struct tunnel_event *event)
{
    if (event->circuit == c->sending.opening &&
        (event->kind == TUNNEL_CIRCUIT_READY ||
         event->kind == TUNNEL_CIRCUIT_CLOSED))
        c->sending.opening = 0;
    if (c->circuit != 0 && event->circuit == c->circuit)
        event_of_circuit(c, event);
    else if (c->circuit == 0 && event->kind == TUNNEL_CIRCUIT_READY)
        try_to_send(c, clock_now());
}

static void send_overdue(struct tunnel_call *c)
{
    const struct tunnel_sending *s = &c->sending;
    struct outcome o = {.what = "silent", .reason = "silent"};
    struct text why;

    if (s->refused > 0 && s->sent_at == 0) {
        answer_refused(c);
        return;
    }
    text_init(&why, WHY_LIMIT);
    if (s->first_at == 0 || s->sent_at == 0) {
        o.what = "no_circuit";
        o.reason = "no_circuit";
        if (s->broken > 0)
            text_addf(&why, "%u circuit%s broke on the way; ", s->broken,
                      text_plural(s->broken));
        text_addf(&why, "no circuit of %u hop%s can be had: ", c->hops,
                  text_plural(c->hops));
        tunnel_call_say_missing(c, &why);
    } else if (s->exit_lives) {
        text_add(&why, "the exit has sent it, but the destination does not "
                       "answer");
    } else {
        o.reason = "timeout";
        text_add(&why, "neither the destination nor the exit has answered");
    }
    o.text = text_get(&why);
    answer(c, &o);
    text_deinit(&why);
}

static const struct tunnel_call_kind send_kind = {
    .event = send_event, .wake = send_wake, .overdue = send_overdue};

void rpc_tunnel_send(struct rpc *rpc, struct control_call *call,
                     const struct rpc_params *params)
{
    struct host_port to;
    struct tunnel_call *c;

    if (host_port_parse(params->to, &to) != OK) {
        control_fail(call, ERR_SYNTAX,
                     "to must be \"HOST:PORT\": an address or a name, and a "
                     "port from 1 to 65535");
        return;
    }
    c = tunnel_call_new(rpc, call, params, &send_kind);
    if (c == NULL)
        return;
    c->sending.to = to;
    c->sending.data_len = params->data.len;
    c->sending.data = malloc(params->data.len + 1);
    if (c->sending.data == NULL) {
        tunnel_call_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    if (params->data.len > 0)
        memcpy(c->sending.data, params->data.p, params->data.len);
    try_to_send(c, clock_now());
}

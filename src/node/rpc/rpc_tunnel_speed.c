/* SPDX-License-Identifier: MIT
 *
 * `tunnel.speedtest`: waits for a circuit (c->circuit is 0 meanwhile), then has
 * the member measure it and passes on what that reports. A circuit on which
 * another test runs is as good as none.
 */
#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/rpc/tunnel_call.h"

#define WHY_LIMIT 512

/* How long the last answers may take after the last TEST was sent. */
#define SLACK (30 * TIME_S)

#define REPORT_PAIRS 13

static void write_report(struct mp_writer *w, const struct speedtest_report *r)
{
    rpc_write_ms(w, "elapsed", r->elapsed);
    rpc_write_uint(w, "sent", r->sent);
    rpc_write_uint(w, "answered", r->answered);
    rpc_write_uint(w, "lost", r->lost);
    rpc_write_uint(w, "lost_forward", r->lost_forward);
    rpc_write_uint(w, "lost_backward", r->lost_backward);
    rpc_write_uint(w, "refused", r->refused);
    rpc_write_uint(w, "up", r->up);
    rpc_write_uint(w, "down", r->down);
    rpc_write_ms(w, "rtt_min", r->rtt_min);
    rpc_write_ms(w, "rtt_mean", r->rtt_mean);
    rpc_write_ms(w, "rtt_max", r->rtt_max);
    rpc_write_ms(w, "jitter", r->jitter);
}

static void tell(struct tunnel_call *c, const struct speedtest_report *r)
{
    struct mp_writer *w;

    if (!c->stream)
        return;
    w = control_notify(c->call, "speedtest");
    mp_write_map(w, REPORT_PAIRS);
    write_report(w, r);
    control_notified(c->call);
}

static void finish(struct tunnel_call *c, const struct speedtest_report *r)
{
    struct mp_writer *w = control_reply(c->call);

    mp_write_map(w, REPORT_PAIRS + 2);
    rpc_write_uint(w, "circuit", c->circuit);
    rpc_write_uint(w, "hops", c->hops);
    write_report(w, r);
    control_finish(c->call);
    tunnel_call_free(c);
}

static void start(struct tunnel_call *c, uint64_t now)
{
    if (c->circuit != 0 || !tunnel_call_pick(c))
        return;
    if (member_speedtest(tunnel_call_member(c), c->circuit, c->duration, now) !=
        OK) {
        c->circuit = 0; /* another test runs on it: another time */
        return;
    }
    tunnel_call_extend(c, time_after(now, c->duration + SLACK));
}

static void speed_event(struct tunnel_call *c, const struct member_event *event)
{
    struct text why;

    /* Its own, or one on which another test has ended. */
    if (c->circuit == 0)
        start(c, clock_now());
    if (c->circuit == 0 || event->circuit != c->circuit)
        return;
    if (event->kind == MEMBER_CIRCUIT_CLOSED) {
        text_init(&why, WHY_LIMIT);
        text_addf(&why, "the circuit ended during the test");
        if (event->hop > 0)
            text_addf(&why, " at hop %u", event->hop);
        text_addf(&why, ": %s", reason_text(event->why));
        tunnel_call_fail(c, ERR_TIMEOUT, text_get(&why));
        text_deinit(&why);
    } else if (event->kind == MEMBER_SPEEDTEST && event->done) {
        finish(c, &event->report);
    } else if (event->kind == MEMBER_SPEEDTEST) {
        tell(c, &event->report);
    }
}

static void speed_wake(struct tunnel_call *c, uint64_t now)
{
    if (c->circuit == 0)
        start(c, now);
    if (c->circuit == 0 && c->stream)
        rpc_tunnel_tell_waiting(c->rpc, c->call, c->hops);
}

static void speed_overdue(struct tunnel_call *c)
{
    struct text why;

    if (c->circuit != 0) {
        tunnel_call_fail(c, ERR_TIMEOUT, "the test does not come to an end");
        return;
    }
    text_init(&why, WHY_LIMIT);
    rpc_tunnel_say_no_circuit(c->rpc, c->hops, &why);
    tunnel_call_fail(c, ERR_NO_NODES, text_get(&why));
    text_deinit(&why);
}

static const struct tunnel_call_kind speed_kind = {
    .event = speed_event, .wake = speed_wake, .overdue = speed_overdue};

void rpc_tunnel_speedtest(struct rpc *rpc, struct control_call *call,
                          const struct rpc_params *params)
{
    struct tunnel_call *c = tunnel_call_new(rpc, call, params, &speed_kind);

    if (c == NULL)
        return;
    c->duration = params->duration;
    tunnel_call_hold(c);
    speed_wake(c, clock_now());
    tunnel_host_rearm(rpc->node->tunnels);
}

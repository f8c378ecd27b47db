/* SPDX-License-Identifier: MIT
 *
 * Building, stopping, asking and closing circuits. `tunnel.build` and
 * `tunnel.ping` wait for what the circuits do, each as a kind of tunnel_call;
 * the other two are answered at once.
 */
#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/rpc/tunnel_call.h"

#define WHY_LIMIT  512
#define ACTIVE_MAX 64 /* numbers of circuits in an answer */

static struct member *member(const struct rpc *rpc)
{
    return tunnel_host_member(rpc->node->tunnels);
}

/* ---- build ------------------------------------------------------------- */

static void write_ids(struct mp_writer *w, unsigned active, const uint32_t *ids)
{
    mp_write_text(w, "circuits");
    mp_write_array(w, active < ACTIVE_MAX ? active : ACTIVE_MAX);
    for (unsigned i = 0; i < active && i < ACTIVE_MAX; i++)
        mp_write_uint(w, ids[i]);
}

static void answer_build(struct tunnel_call *c, unsigned active,
                         const uint32_t *ids)
{
    struct mp_writer *w = control_reply(c->call);

    mp_write_map(w, 5);
    rpc_write_uint(w, "hops", c->hops);
    rpc_write_uint(w, "active", active);
    mp_write_text(w, "ready");
    mp_write_double(w, member_ready(tunnel_call_member(c)));
    rpc_write_ms(w, "duration", time_since(c->began_at, clock_now()));
    write_ids(w, active, ids);
    control_finish(c->call);
    tunnel_call_free(c);
}

static bool build_is_done(struct tunnel_call *c)
{
    uint32_t ids[ACTIVE_MAX];
    unsigned active =
        member_active(tunnel_call_member(c), c->hops, ids, ACTIVE_MAX);

    if (active < c->count)
        return false;
    answer_build(c, active, ids);
    return true;
}

static void build_event(struct tunnel_call *c, const struct member_event *event)
{
    if (event->kind == MEMBER_CIRCUIT_READY)
        build_is_done(c);
}

static void build_wake(struct tunnel_call *c, uint64_t now)
{
    (void)now;
    if (!build_is_done(c) && c->stream)
        rpc_tunnel_tell_waiting(c->rpc, c->call, c->hops);
}

static void build_overdue(struct tunnel_call *c)
{
    struct text why;

    text_init(&why, WHY_LIMIT);
    text_addf(&why, "%u of %u circuit%s of %u hop%s are there: ",
              member_active(tunnel_call_member(c), c->hops, NULL, 0), c->count,
              text_plural(c->count), c->hops, text_plural(c->hops));
    rpc_tunnel_say_missing(c->rpc, c->hops, &why);
    text_add(&why, "; the node goes on trying");
    tunnel_call_fail(c, ERR_NO_NODES, text_get(&why));
    text_deinit(&why);
}

static const struct tunnel_call_kind build_kind = {
    .event = build_event, .wake = build_wake, .overdue = build_overdue};

void rpc_tunnel_build(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    unsigned min = rpc->node->config.tunnel.min_circuits;
    struct tunnel_call *c;
    struct text why;

    if (params->count > min) {
        text_init(&why, WHY_LIMIT);
        text_addf(
            &why,
            "this node keeps %u circuit%s of a length: raise min_circuits "
            "in [tunnel] to wait for %u",
            min, text_plural(min), params->count);
        control_fail(call, ERR_SYNTAX, text_get(&why));
        text_deinit(&why);
        return;
    }
    c = tunnel_call_new(rpc, call, params, &build_kind);
    if (c == NULL)
        return;
    c->count = params->count == 0 ? min : params->count;
    member_build(member(rpc), c->hops, clock_now());
    tunnel_host_rearm(rpc->node->tunnels);
    if (!build_is_done(c) && c->stream)
        rpc_tunnel_tell_waiting(rpc, call, c->hops);
}

void rpc_tunnel_stop(struct rpc *rpc, struct control_call *call,
                     const struct rpc_params *params)
{
    struct mp_writer *w;

    if (!member_keeps(member(rpc), params->hops)) {
        control_fail(call, ERR_NOT_FOUND,
                     "this node keeps no circuits of that length");
        return;
    }
    tunnel_host_stop(rpc->node->tunnels, params->hops);
    w = control_reply(call);
    mp_write_map(w, 2);
    rpc_write_uint(w, "hops", params->hops);
    rpc_write_uint(w, "active",
                   member_active(member(rpc), params->hops, NULL, 0));
    control_finish(call);
}

void rpc_tunnel_active(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    uint32_t ids[ACTIVE_MAX];
    unsigned active = member_active(member(rpc), params->hops, ids, ACTIVE_MAX);
    struct mp_writer *w = control_reply(call);

    mp_write_map(w, 3);
    rpc_write_uint(w, "hops", params->hops);
    mp_write_text(w, "ready");
    mp_write_double(w, member_ready(member(rpc)));
    write_ids(w, active, ids);
    control_finish(call);
}

/* ---- One circuit ------------------------------------------------------- */

struct search {
    uint32_t id;
    const struct circuit *found;
};

static void look_at(void *ctx, const struct circuit *c)
{
    struct search *s = ctx;

    if (c->id == s->id)
        s->found = c;
}

static const struct circuit *find(const struct member *t, uint32_t id)
{
    struct search s = {.id = id};

    member_circuits(t, look_at, &s);
    return s.found;
}

static void say_no_circuit(struct control_call *call)
{
    control_fail(call, ERR_NOT_FOUND,
                 "there is no such circuit: `warren circuits` lists them");
}

void rpc_tunnel_close(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    struct mp_writer *w;

    if (member_close(member(rpc), params->circuit, clock_now()) != OK) {
        say_no_circuit(call);
        return;
    }
    tunnel_host_rearm(rpc->node->tunnels);
    w = control_reply(call);
    mp_write_map(w, 1);
    rpc_write_uint(w, "circuit", params->circuit);
    control_finish(call);
}

/* ---- ping -------------------------------------------------------------- */

static void answer_ping(struct tunnel_call *c)
{
    const struct circuit *circuit = find(tunnel_call_member(c), c->circuit);
    struct mp_writer *w;

    if (circuit == NULL) {
        tunnel_call_fail(c, ERR_NOT_FOUND, "the circuit has ended meanwhile");
        return;
    }
    w = control_reply(c->call);
    mp_write_map(w, 2);
    rpc_write_uint(w, "circuit", c->circuit);
    mp_write_text(w, "hops");
    mp_write_array(w, circuit->length);
    for (unsigned i = 0; i < circuit->length; i++) {
        const struct link_target *hop = &circuit->hop[i].target;

        mp_write_map(w, 3);
        rpc_write_hex(w, "identity", bytes_of(hop->identity, 32));
        rpc_write_endpoint(w, "address", &hop->ep);
        rpc_write_ms(w, "rtt", c->rtt[i] == 0 ? TIME_NEVER : c->rtt[i]);
    }
    control_finish(c->call);
    tunnel_call_free(c);
}

static void ping_event(struct tunnel_call *c, const struct member_event *event)
{
    unsigned missing = 0;

    if (event->circuit != c->circuit)
        return;
    if (event->kind == MEMBER_CIRCUIT_CLOSED) {
        tunnel_call_fail(c, ERR_TIMEOUT, reason_text(event->why));
        return;
    }
    if (event->kind != MEMBER_PONG)
        return;
    c->rtt[event->hop - 1] = event->rtt == 0 ? 1 : event->rtt;
    for (unsigned i = 0; i < event->length; i++)
        missing += c->rtt[i] == 0;
    if (missing == 0)
        answer_ping(c);
}

static const struct tunnel_call_kind ping_kind = {.event = ping_event,
                                                  .overdue = answer_ping};

void rpc_tunnel_ping(struct rpc *rpc, struct control_call *call,
                     const struct rpc_params *params)
{
    const struct circuit *circuit = find(member(rpc), params->circuit);
    struct tunnel_call *c;

    if (circuit == NULL) {
        say_no_circuit(call);
        return;
    }
    if (circuit->state != CIRCUIT_READY) {
        control_fail(call, ERR_NO_NODES, "the circuit is still being built");
        return;
    }
    c = tunnel_call_new(rpc, call, params, &ping_kind);
    if (c != NULL)
        member_ping(member(rpc), c->circuit, clock_now());
}

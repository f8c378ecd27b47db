/* SPDX-License-Identifier: MIT
 *
 * Tables of relays (relay_page.c) and of our own circuits, which are visited
 * twice: msgpack wants to know how many come before the first.
 */
#include "base/timestamp.h"
#include "node/host/tunnel_host.h"
#include "node/os/clock.h"
#include "node/rpc/relay_page.h"
#include "node/rpc/rpc_internal.h"
#include "tunnel/member/member.h"

static const struct member *member(const struct rpc *rpc)
{
    return tunnel_host_member(rpc->node->tunnels);
}

static void write_rtt(struct mp_writer *w, uint64_t rtt)
{
    rpc_write_ms(w, "rtt", rtt == 0 ? TIME_NEVER : rtt);
}

/* ---- Peers ------------------------------------------------------------- */

void rpc_tunnel_peers(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    const uint8_t *after = (params->has & RPC_AFTER) != 0 ? params->after
                                                          : NULL;
    enum error err =
        relay_page_write(control_reply(call), member_directory(member(rpc)),
                         after, RELAY_PAGE_MAX, clock_wall(), clock_now());

    if (err == OK)
        control_finish(call);
    else
        control_fail(call, err, NULL);
}

/* ---- Circuits ---------------------------------------------------------- */

struct circuit_list {
    struct mp_writer *w;
    uint64_t now;
    uint32_t count;
};

static void count_circuit(void *ctx, const struct circuit *c)
{
    struct circuit_list *list = ctx;

    (void)c;
    list->count++;
}

static void write_path(struct mp_writer *w, const struct circuit *c)
{
    mp_write_text(w, "path");
    mp_write_array(w, c->length);
    for (unsigned i = 0; i < c->length; i++) {
        const struct circuit_hop *hop = &c->hop[i];

        mp_write_map(w, 3);
        rpc_write_hex(w, "identity", bytes_of(hop->target.identity, 32));
        rpc_write_endpoint(w, "address", &hop->target.ep);
        write_rtt(w, hop->rtt);
    }
}

static const char *state_of(const struct circuit *c)
{
    if (c->state != CIRCUIT_READY)
        return "building";
    return c->retiring ? "retiring" : "ready";
}

static void write_circuit(void *ctx, const struct circuit *c)
{
    struct circuit_list *list = ctx;
    struct mp_writer *w = list->w;

    mp_write_map(w, 11);
    rpc_write_uint(w, "id", c->id);
    rpc_write_uint(w, "hops", c->length);
    rpc_write_uint(w, "built", c->built);
    rpc_write_text(w, "state", state_of(c));
    rpc_write_uint(w, "age", time_since(c->created_at, list->now) / TIME_S);
    rpc_write_uint(w, "idle", time_since(c->used_at, list->now) / TIME_S);
    rpc_write_uint(w, "up", c->bytes_up);
    rpc_write_uint(w, "down", c->bytes_down);
    rpc_write_ms(w, "build_time",
                 c->build_time == 0 ? TIME_NEVER : c->build_time);
    write_rtt(w, c->hop[c->length - 1].rtt);
    write_path(w, c);
}

void rpc_tunnel_circuits(struct rpc *rpc, struct control_call *call,
                         const struct rpc_params *params)
{
    const struct member *t = member(rpc);
    struct circuit_list list = {.w = control_reply(call), .now = clock_now()};

    (void)params;
    member_circuits(t, count_circuit, &list);
    mp_write_map(list.w, 2);
    mp_write_text(list.w, "ready");
    mp_write_double(list.w, member_ready(t));
    mp_write_text(list.w, "circuits");
    mp_write_array(list.w, list.count);
    member_circuits(t, write_circuit, &list);
    control_finish(call);
}

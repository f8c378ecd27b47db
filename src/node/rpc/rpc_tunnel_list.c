/* SPDX-License-Identifier: MIT
 *
 * Tables of relays and circuits.
 */
#include "base/timestamp.h"
#include "node/host/tunnel_host.h"
#include "node/os/clock.h"
#include "node/rpc/rpc_internal.h"
#include "tunnel/member/tunnel.h"

#define PEERS_MAX 3000 /* that fit a frame */

static const struct tunnel *engine(const struct rpc *rpc)
{
    return tunnel_host_engine(rpc->node->tunnels);
}

static void write_rtt(struct mp_writer *w, uint64_t rtt)
{
    rpc_write_ms(w, "rtt", rtt == 0 ? TIME_NEVER : rtt);
}

/* ---- Peers ------------------------------------------------------------- */

static void write_roles(struct mp_writer *w, unsigned roles)
{
    static const struct {
        enum descriptor_role role;
        const char *name;
    } names[] = {{ROLE_RELAY, "relay"},
                 {ROLE_EXIT, "exit"},
                 {ROLE_SPEED_TEST, "speedtest"}};
    uint32_t count = 0;

    for (size_t i = 0; i < 3; i++)
        count += (roles & names[i].role) != 0;
    mp_write_text(w, "roles");
    mp_write_array(w, count);
    for (size_t i = 0; i < 3; i++) {
        if ((roles & names[i].role) != 0)
            mp_write_text(w, names[i].name);
    }
}

static void write_addresses(struct mp_writer *w, const struct descriptor *d)
{
    char text[ENDPOINT_TEXT_SIZE];

    mp_write_text(w, "addresses");
    mp_write_array(w, d->address_count);
    for (unsigned i = 0; i < d->address_count; i++)
        mp_write_text(w, endpoint_print(&d->addresses[i], text));
}

static void write_peer(struct mp_writer *w, const struct known_relay *k,
                       uint64_t wall, uint64_t now)
{
    mp_write_map(w, 11);
    rpc_write_hex(w, "identity", bytes_of(k->d.identity, 32));
    write_addresses(w, &k->d);
    write_roles(w, k->d.roles);
    mp_write_text(w, "exit_policy");
    mp_write_text_n(w, descriptor_exit_policy(&k->d));
    rpc_write_bool(w, "guard", k->record.guard_until != 0);
    rpc_write_bool(w, "usable", known_is_usable(k, wall));
    write_rtt(w, k->record.rtt);
    rpc_write_uint(w, "failures", known_failures(k, now));
    rpc_write_uint(w, "doubt", 100 * known_doubt(k, now) / DOUBT_WHOLE);
    rpc_write_uint(w, "capacity", k->record.capacity);
    rpc_write_uint(w, "last_seen", time_since(k->record.last_seen, wall));
}

void rpc_tunnel_peers(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    const struct directory *d = tunnel_directory(engine(rpc));
    unsigned known = directory_count(d);
    unsigned count = known < PEERS_MAX ? known : PEERS_MAX;
    uint64_t wall = clock_wall(), now = clock_now();
    struct mp_writer *w = control_reply(call);

    (void)params;
    mp_write_map(w, 2);
    rpc_write_uint(w, "known", known);
    mp_write_text(w, "peers");
    mp_write_array(w, count);
    for (unsigned i = 0; i < count; i++)
        write_peer(w, directory_at(d, i), wall, now);
    control_finish(call);
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
    const struct tunnel *t = engine(rpc);
    struct circuit_list list = {.w = control_reply(call), .now = clock_now()};

    (void)params;
    tunnel_circuits(t, count_circuit, &list);
    mp_write_map(list.w, 2);
    mp_write_text(list.w, "ready");
    mp_write_double(list.w, tunnel_ready(t));
    mp_write_text(list.w, "circuits");
    mp_write_array(list.w, list.count);
    tunnel_circuits(t, write_circuit, &list);
    control_finish(call);
}

/* SPDX-License-Identifier: MIT
 *
 * What the node is, in one map that is made when it is asked for. Nothing here
 * is counted: engines, sockets and store are asked.
 */
#include "base/timestamp.h"
#include "node/host/health.h"
#include "node/os/clock.h"
#include "node/os/process.h"
#include "node/rpc/rpc_internal.h"
#include "node/traffic/traffic_host.h"
#include "tunnel/member/member.h"
#include "tunnel/outlet/outlet.h"

#include <unistd.h>

static void write_problems(const struct health *h, struct mp_writer *w)
{
    mp_write_text(w, "problems");
    mp_write_array(w, (uint32_t)h->count);
    for (size_t i = 0; i < h->count; i++) {
        const struct health_problem *p = &h->problems[i];

        mp_write_map(w, 4);
        rpc_write_text(w, "level", health_level_name(p->level));
        rpc_write_text(w, "code", p->code);
        rpc_write_text(w, "what", p->what);
        rpc_write_text(w, "remedy", p->remedy);
    }
}

static void write_sockets(const struct node *n, struct mp_writer *w)
{
    unsigned count = udp_socket_count(n->udp);

    mp_write_text(w, "listen");
    mp_write_array(w, count);
    for (unsigned i = 0; i < count; i++) {
        struct endpoint ep = udp_local(n->udp, i);
        char text[ENDPOINT_TEXT_SIZE];

        mp_write_text(w, endpoint_print(&ep, text));
    }
}

/* Whether the kernel takes trains of datagrams, on all sockets. */
static void write_trains(const struct node *n, struct mp_writer *w)
{
    bool sends = true, receives = true;

    for (unsigned i = 0; i < udp_socket_count(n->udp); i++) {
        sends = sends && udp_sends_trains(n->udp, i);
        receives = receives && udp_receives_trains(n->udp, i);
    }
    mp_write_text(w, "trains");
    mp_write_map(w, 2);
    rpc_write_bool(w, "send", sends);
    rpc_write_bool(w, "receive", receives);
}

static void write_family(const struct dht_status *s, int f, struct mp_writer *w)
{
    mp_write_map(w, 7);
    rpc_write_id(w, "id", &s->id[f]);
    mp_write_text(w, "external");
    if (s->external_known[f]) {
        char text[ENDPOINT_TEXT_SIZE];

        mp_write_text(w, endpoint_print(&s->external[f], text));
    } else {
        mp_write_nil(w);
    }
    rpc_write_uint(w, "nodes", s->nodes[f]);
    rpc_write_uint(w, "good", s->good[f]);
    rpc_write_uint(w, "cached", s->cached[f]);
    rpc_write_uint(w, "buckets", s->buckets[f]);
    rpc_write_uint(w, "network_size", (uint64_t)s->network_size[f]);
}

/* The publications, by what is known of where they are. */
static void write_published(const struct dht_status *s, struct mp_writer *w)
{
    mp_write_text(w, "published");
    mp_write_map(w, DHT_PUBLISHED_STATES);
    for (int i = 0; i < DHT_PUBLISHED_STATES; i++)
        rpc_write_uint(w, dht_published_name((enum dht_published)i),
                       s->published[i]);
}

/* Of one of the two; nil when it is not enabled. */
static void write_dht(const char *key, const struct dht_host *host,
                      const bool on[FAMILIES], uint64_t now,
                      struct mp_writer *w)
{
    static const char *const names[FAMILIES] = {"ipv4", "ipv6"};
    struct dht_status s;

    mp_write_text(w, key);
    if (host == NULL) {
        mp_write_nil(w);
        return;
    }
    dht_status(dht_host_engine(host), now, &s);
    mp_write_map(w, 10u + on[FAMILY_IPV4] + on[FAMILY_IPV6]);
    for (int f = 0; f < FAMILIES; f++) {
        if (!on[f])
            continue;
        mp_write_text(w, names[f]);
        write_family(&s, f, w);
    }
    rpc_write_bool(w, "joined", dht_host_joined(host));
    rpc_write_uint(w, "restored", dht_host_restored(host));
    rpc_write_uint(w, "lookups", s.lookups);
    rpc_write_uint(w, "pending", s.pending);
    rpc_write_uint(w, "publications", s.publications);
    write_published(&s, w);
    rpc_write_uint(w, "hashes", s.hashes);
    rpc_write_uint(w, "peers", s.peers);
    rpc_write_uint(w, "items", s.items);
    rpc_write_uint(w, "memory", s.memory);
}

/* What was done for others since the start, and how much goes through now. */
static void write_relayed(const struct member *t, const struct member_status *s,
                          struct mp_writer *w)
{
    const struct transit_stats *transits =
        transits_stats(member_router(t)->transits);
    struct exit_stats exit = {0};

    if (member_exit(t) != NULL)
        exit_get_stats(member_exit(t), &exit);
    rpc_write_uint(w, "served", transits->created);
    rpc_write_uint(w, "relayed_cells",
                   transits->cells_forward + transits->cells_backward);
    rpc_write_uint(w, "relayed_bytes", transits->bytes);
    rpc_write_uint(w, "relayed_rate", s->rate);
    rpc_write_uint(w, "exit_sent_bytes", exit.sent_bytes);
    rpc_write_uint(w, "exit_received_bytes", exit.received_bytes);
}

static void write_tunnels(const struct node *n, uint64_t now,
                          struct mp_writer *w)
{
    const struct member *t = tunnel_host_member(n->tunnels);
    const struct config_endpoints *addresses =
        tunnel_host_addresses(n->tunnels);
    struct member_status s;

    member_status(t, now, clock_wall(), &s);
    mp_write_text(w, "tunnels");
    mp_write_map(w, 23);
    rpc_write_text(w, "dht_provider", tunnel_host_provider_name(n->tunnels));
    rpc_write_hex(w, "identity", bytes_of(s.identity, sizeof(s.identity)));
    rpc_write_bool(w, "relaying", s.relaying);
    rpc_write_bool(w, "exiting", s.exiting);
    rpc_write_bool(w, "published", s.published);
    mp_write_text(w, "addresses");
    mp_write_array(w, addresses->count);
    for (unsigned i = 0; i < addresses->count; i++) {
        char text[ENDPOINT_TEXT_SIZE];

        mp_write_text(w, endpoint_print(&addresses->at[i], text));
    }
    rpc_write_text(w, "path", path_result_name(s.path));
    rpc_write_uint(w, "links", s.links);
    rpc_write_uint(w, "links_in_parts", s.paths.parts);
    rpc_write_uint(w, "links_large_lost", s.paths.lost);
    rpc_write_uint(w, "relays", s.relays);
    rpc_write_uint(w, "circuits", s.circuits);
    rpc_write_uint(w, "ready", s.ready);
    rpc_write_uint(w, "known", s.known);
    rpc_write_uint(w, "usable", s.usable);
    rpc_write_uint(w, "exits", s.exits);
    rpc_write_uint(w, "guards", s.guards);
    write_relayed(t, &s, w);
}

/* Of circuits of others. */
static void write_outlet(const struct member *t, struct mp_writer *w)
{
    struct outlet_stats s = {0};

    if (member_outlet(t) != NULL)
        outlet_get_stats(member_outlet(t), &s);
    rpc_write_bool(w, "exit", member_outlet(t) != NULL);
    rpc_write_uint(w, "exit_now", s.streams);
    rpc_write_uint(w, "exit_connected", s.connected);
    rpc_write_uint(w, "exit_sent_bytes", s.stream.bytes_in);
    rpc_write_uint(w, "exit_received_bytes", s.stream.bytes_out);
}

static void write_proxy(const struct socks_server *s, struct mp_writer *w)
{
    rpc_write_bool(w, "proxy", s != NULL);
    rpc_write_uint(w, "proxy_clients", s == NULL ? 0 : socks_server_clients(s));
    rpc_write_uint(w, "proxy_opened",
                   s == NULL ? 0 : socks_server_counters(s)->opened);
    rpc_write_uint(w, "proxy_refused",
                   s == NULL ? 0 : socks_server_counters(s)->refused);
}

static void write_streams(const struct node *n, struct mp_writer *w)
{
    const struct traffic_host *traffic = tunnel_host_traffic(n->tunnels);
    const struct carrier *carrier = traffic_host_carrier(traffic);
    const struct stream_stats *own = carrier_stream_stats(carrier);

    mp_write_text(w, "streams");
    mp_write_map(w, 14);
    rpc_write_uint(w, "now", own->streams);
    rpc_write_uint(w, "opened", own->opened);
    rpc_write_uint(w, "sent_bytes", own->bytes_out);
    rpc_write_uint(w, "received_bytes", own->bytes_in);
    rpc_write_uint(w, "moves", carrier_stats(carrier)->moves);
    write_proxy(traffic_host_socks(traffic), w);
    write_outlet(tunnel_host_member(n->tunnels), w);
}

/* Rows that each DHT has of its own. */
static void write_rows(const struct store_health *s, enum store_dht dht,
                       struct mp_writer *w)
{
    rpc_write_uint(w, "nodes", s->nodes[dht]);
    rpc_write_uint(w, "announcements", s->announcements[dht]);
    rpc_write_uint(w, "items", s->items[dht]);
}

static void write_store(const struct node *n, struct mp_writer *w)
{
    struct store_health s;

    store_get_health(n->store, &s);
    mp_write_text(w, "store");
    mp_write_map(w, 6);
    rpc_write_bool(w, "ok", s.ok);
    write_rows(&s, STORE_DHT, w);
    rpc_write_uint(w, "queued", s.queued);
    mp_write_text(w, "mainline");
    mp_write_map(w, 3);
    write_rows(&s, STORE_MAINLINE, w);
}

void rpc_status(struct rpc *rpc, struct control_call *call,
                const struct rpc_params *params)
{
    const struct node *n = rpc->node;
    struct mp_writer *w = control_reply(call);
    uint64_t now = clock_now();
    struct health health;

    (void)params;
    health_check(n, now, &health);
    mp_write_map(w, 16);
    rpc_write_bool(w, "healthy",
                   health.count == 0 ||
                       health.problems[0].level != HEALTH_ERROR);
    write_problems(&health, w);
    rpc_write_text(w, "version", WARREN_VERSION);
    rpc_write_uint(w, "pid", (uint64_t)getpid());
    rpc_write_uint(w, "uptime", time_since(n->started_at, now) / TIME_S);
    rpc_write_text(w, "data_dir", n->config.data_dir);
    rpc_write_text(w, "network", n->config.dht.network);
    rpc_write_bool(w, "testing_network", n->config.dht.testing_network);
    rpc_write_uint(w, "memory", process_resident());
    write_sockets(n, w);
    write_trains(n, w);
    write_dht("dht", n->dht, n->config.dht.family, now, w);
    write_dht("mainline", n->mainline, n->config.mainline.family, now, w);
    write_tunnels(n, now, w);
    write_streams(n, w);
    write_store(n, w);
    control_finish(call);
}

/* ---- Routing table ----------------------------------------------------- */

static void count_node(void *ctx, const struct dht_node_info *node)
{
    uint32_t *count = ctx;

    (void)node;
    (*count)++;
}

struct node_list {
    struct mp_writer *w;
    uint64_t now;
};

static void write_node(void *ctx, const struct dht_node_info *node)
{
    static const char *const qualities[] = {"good", "questionable", "bad"};
    struct node_list *list = ctx;
    struct mp_writer *w = list->w;

    mp_write_map(w, 6);
    rpc_write_id(w, "id", &node->id);
    rpc_write_endpoint(w, "address", &node->ep);
    rpc_write_text(w, "quality", qualities[node->quality]);
    rpc_write_uint(w, "last_seen",
                   time_since(node->last_seen, list->now) / TIME_S);
    rpc_write_ms(w, "rtt", node->rtt == 0 ? TIME_NEVER : node->rtt);
    rpc_write_uint(w, "bucket", node->bucket);
}

void rpc_dht_nodes(struct rpc *rpc, struct control_call *call,
                   const struct rpc_params *params)
{
    const struct dht_host *host = rpc_dht_of(rpc, call, params);
    struct node_list list = {.now = clock_now()};
    const struct dht *dht;
    uint32_t count = 0;

    if (host == NULL)
        return;
    dht = dht_host_engine(host);
    list.w = control_reply(call);
    dht_nodes(dht, list.now, count_node, &count);
    mp_write_map(list.w, 1);
    mp_write_text(list.w, "nodes");
    mp_write_array(list.w, count);
    dht_nodes(dht, list.now, write_node, &list);
    control_finish(call);
}

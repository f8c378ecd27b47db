/* SPDX-License-Identifier: MIT */
#include "node/monitor/stream_metrics.h"

#include "node/host/tunnel_host.h"
#include "node/service/stream_ports.h"
#include "node/socks/socks_server.h"
#include "node/traffic/traffic_host.h"
#include "tunnel/member/member.h"
#include "tunnel/outlet/outlet.h"
#include "tunnel/traffic/carrier.h"

static const char *reason_label(int r)
{
    return reason_name((enum reason)r);
}

/* ---- Connections and streams of both sides ------------------------------ */

/* Of this node's applications and services, and of circuits of others. */
struct sides {
    struct stream_stats own, others;
};

#define WHOSE "whose"
#define EACH_SIDE(name, help, member)                                     \
    {name, help, METRIC_AT(struct sides, own.member), WHOSE, "own"},      \
    {                                                                     \
        name, "", METRIC_AT(struct sides, others.member), WHOSE, "others" \
    }

static const struct metric_row side_rows[] = {
    EACH_SIDE("warren_stream_connected_total",
              "Connections of streams that were opened here.", connected),
    EACH_SIDE("warren_stream_accepted_total",
              "Connections of streams that the other end opened.", accepted),
    EACH_SIDE("warren_stream_rejected_total",
              "Connections that were not taken, for want of memory or room.",
              refused),
    EACH_SIDE("warren_stream_moved_total",
              "Times that a connection went on over another path.", moved),
    EACH_SIDE("warren_stream_opened_total", "Streams, of both ends.", opened),
    EACH_SIDE("warren_stream_closed_total", "Of those, that are over.", closed),
    EACH_SIDE("warren_stream_resets_total",
              "Streams that the other end broke off.", resets),
    EACH_SIDE("warren_stream_packets_in_total", "Packets received.",
              packets_in),
    EACH_SIDE("warren_stream_packets_out_total", "Packets sent.", packets_out),
    EACH_SIDE("warren_stream_bytes_in_total", "Bytes of streams received.",
              bytes_in),
    EACH_SIDE("warren_stream_bytes_out_total", "Bytes of streams sent.",
              bytes_out),
    EACH_SIDE("warren_stream_lost_total", "Packets that were said again.",
              lost),
    EACH_SIDE("warren_stream_unknown_total", "Packets of no connection.",
              dropped_unknown),
    EACH_SIDE("warren_stream_invalid_total", "Packets that make no sense.",
              dropped_invalid),
    EACH_SIDE("warren_stream_connections", "Connections of streams.",
              connections),
    EACH_SIDE("warren_stream_streams", "Streams.", streams),
    EACH_SIDE("warren_stream_memory_bytes",
              "Memory of connections and of what is on its way.", memory),
};

static void add_ends(const struct stream_stats *s, const char *whose,
                     struct metrics *m)
{
    for (int e = 0; e <= STREAM_END_MEMORY; e++) {
        struct metric_label labels[] = {
            {WHOSE, whose}, {"reason", stream_end_name((enum stream_end)e)}};

        metrics_sample(m, labels, 2, s->ended[e]);
    }
}

static void add_sides(const struct sides *s, struct metrics *m)
{
    METRICS_ROWS(m, side_rows, s);
    metrics_family(m, "warren_stream_ended_total", METRIC_COUNTER,
                   "Connections of streams that have ended, by reason.");
    add_ends(&s->own, "own", m);
    add_ends(&s->others, "others", m);
}

/* ---- What each side does with them -------------------------------------- */

static const struct metric_row carrier_rows[] = {
    {"warren_stream_asked_total",
     "Streams and names that exits and services were to be asked for.",
     METRIC_AT(struct carrier_stats, asked)},
    {"warren_stream_answered_total", "Of those, answered.",
     METRIC_AT(struct carrier_stats, answered)},
    {"warren_stream_refused_total", "Of those, refused in the end, by reason.",
     METRIC_EACH(struct carrier_stats, refused, "reason", 0, reason_label)},
    {"warren_stream_circuit_changes_total",
     "Times that streams of this node changed to another circuit.",
     METRIC_AT(struct carrier_stats, moves)},
    {"warren_stream_silences_total",
     "Circuits that were given up as they said nothing.",
     METRIC_AT(struct carrier_stats, silences)},
    {"warren_stream_asking", "Streams and names not answered yet.",
     METRIC_AT(struct carrier_stats, calls)},
    {"warren_stream_trunks", "Exits and peers that streams of ours go to.",
     METRIC_AT(struct carrier_stats, trunks)},
    {"warren_stream_visits",
     "Streams of peers that services have not answered yet.",
     METRIC_AT(struct carrier_stats, visits)},
};

static const struct metric_row outlet_rows[] = {
    {"warren_exit_tcp_requests_total", "Requests of streams.",
     METRIC_AT(struct outlet_stats, requests)},
    {"warren_exit_tcp_refused_total", "Streams that were refused, by reason.",
     METRIC_EACH(struct outlet_stats, refused, "reason", 0, reason_label)},
    {"warren_exit_tcp_connects_total", "TCP connections begun.",
     METRIC_AT(struct outlet_stats, connects)},
    {"warren_exit_tcp_connected_total", "Those that were answered.",
     METRIC_AT(struct outlet_stats, connected)},
    {"warren_exit_tcp_lookups_total", "Names looked up for streams.",
     METRIC_AT(struct outlet_stats, lookups)},
    {"warren_exit_tcp_reversals_total", "Names asked for of addresses.",
     METRIC_AT(struct outlet_stats, reversals)},
    {"warren_exit_tcp_displaced_total",
     "TCP connections that made way for others.",
     METRIC_AT(struct outlet_stats, displaced)},
    {"warren_exit_tcp_idle_total", "Streams that were idle for too long.",
     METRIC_AT(struct outlet_stats, idle)},
    {"warren_exit_tcp_circuits", "Circuits with streams.",
     METRIC_AT(struct outlet_stats, circuits)},
    {"warren_exit_tcp_streams", "Streams.",
     METRIC_AT(struct outlet_stats, streams)},
    {"warren_exit_tcp_sockets", "Their TCP connections.",
     METRIC_AT(struct outlet_stats, sockets)},
    {"warren_exit_tcp_connecting", "Connects that wait for an answer.",
     METRIC_AT(struct outlet_stats, connecting)},
};

static const struct metric_row socks_rows[] = {
    {"warren_socks_clients_total", "Clients of the proxy that were accepted.",
     METRIC_AT(struct socks_counters, clients)},
    {"warren_socks_closed_total", "Clients that were closed, by reason.",
     METRIC_AT(struct socks_counters, crowded), "reason", "crowded"},
    {"warren_socks_closed_total", "",
     METRIC_AT(struct socks_counters, senseless), "reason", "senseless"},
    {"warren_socks_closed_total", "", METRIC_AT(struct socks_counters, late),
     "reason", "late"},
    {"warren_socks_opened_total", "Clients that got what they asked for.",
     METRIC_AT(struct socks_counters, opened)},
    {"warren_socks_refused_total", "Clients that did not.",
     METRIC_AT(struct socks_counters, refused)},
};

static const struct metric_row port_rows[] = {
    {"warren_services_streams_total",
     "Streams of peers that reached a server here.",
     METRIC_AT(struct stream_ports_counters, to_server)},
    {"warren_services_streams_refused_total",
     "Streams of peers that did not, by reason.",
     METRIC_AT(struct stream_ports_counters, no_port), "reason", "no_port"},
    {"warren_services_streams_refused_total", "",
     METRIC_AT(struct stream_ports_counters, refused), "reason", "refused"},
    {"warren_services_streams_refused_total", "",
     METRIC_AT(struct stream_ports_counters, unreachable), "reason",
     "unreachable"},
    {"warren_services_streams", "Connections to servers here.",
     METRIC_AT(struct stream_ports_counters, now)},
};

/* ---- All ---------------------------------------------------------------- */

#define OR_ZEROS(type, p) ((p) != NULL ? (p) : &(const struct type){0})

void stream_metrics_write(const struct stream_sources *from, struct metrics *m)
{
    struct sides sides = {0};

    if (from->own != NULL)
        sides.own = *from->own;
    if (from->outlet != NULL)
        sides.others = from->outlet->stream;
    add_sides(&sides, m);
    METRICS_ROWS(m, carrier_rows, OR_ZEROS(carrier_stats, from->carrier));
    METRICS_ROWS(m, outlet_rows, OR_ZEROS(outlet_stats, from->outlet));
    METRICS_ROWS(m, socks_rows, OR_ZEROS(socks_counters, from->socks));
    metrics_gauge(m, "warren_socks_clients", "Clients of the proxy.",
                  from->socks_clients);
    METRICS_ROWS(m, port_rows, OR_ZEROS(stream_ports_counters, from->ports));
}

static void take_traffic(const struct traffic_host *t,
                         struct stream_sources *from)
{
    const struct carrier *carrier = traffic_host_carrier(t);
    const struct socks_server *socks = traffic_host_socks(t);

    from->carrier = carrier_stats(carrier);
    from->own = carrier_stream_stats(carrier);
    from->ports = stream_ports_counters(traffic_host_ports(t));
    if (socks == NULL)
        return;
    from->socks = socks_server_counters(socks);
    from->socks_clients = socks_server_clients(socks);
}

void stream_metrics(const struct tunnel_host *h, struct metrics *m)
{
    const struct outlet *outlet = member_outlet(tunnel_host_member(h));
    struct stream_sources from = {0};
    struct outlet_stats stats;

    take_traffic(tunnel_host_traffic(h), &from);
    if (outlet != NULL) {
        outlet_get_stats(outlet, &stats);
        from.outlet = &stats;
    }
    stream_metrics_write(&from, m);
}

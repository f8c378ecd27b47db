/* SPDX-License-Identifier: MIT */
#include "node/monitor/proxy_metrics.h"

#include "node/dns/dns_server.h"
#include "node/host/tunnel_host.h"
#include "node/socks/socks_udp.h"
#include "node/traffic/traffic_host.h"
#include "tunnel/traffic/flow.h"

static const struct metric_row flow_rows[] = {
    {"warren_flow_sent_total", "Datagrams of associations that went out.",
     METRIC_AT(struct flow_stats, sent)},
    {"warren_flow_received_total", "Datagrams that came back for them.",
     METRIC_AT(struct flow_stats, received)},
    {"warren_flow_lost_total",
     "Datagrams of associations that were lost here, by reason.",
     METRIC_AT(struct flow_stats, crowded), "reason", "crowded"},
    {"warren_flow_lost_total", "", METRIC_AT(struct flow_stats, late), "reason",
     "late"},
    {"warren_flow_lost_total", "", METRIC_AT(struct flow_stats, refused),
     "reason", "refused"},
    {"warren_flow_lost_total", "", METRIC_AT(struct flow_stats, unsendable),
     "reason", "unsendable"},
    {"warren_flow_stray_total", "Answers for nobody who is still there.",
     METRIC_AT(struct flow_stats, stray)},
    {"warren_flow_moves_total",
     "Destinations that went on over another circuit.",
     METRIC_AT(struct flow_stats, moves)},
    {"warren_flow_silences_total",
     "Circuits of associations that were closed as they said nothing.",
     METRIC_AT(struct flow_stats, silences)},
    {"warren_flow_waiting", "Datagrams that wait for a circuit.",
     METRIC_AT(struct flow_stats, waiting)},
};

static const struct metric_row socks_rows[] = {
    {"warren_socks_associations_total", "UDP associations that were made.",
     METRIC_AT(struct socks_udp_counters, associations)},
    {"warren_socks_associations_crowded_total",
     "UDP associations refused: too many, over all or of one source.",
     METRIC_AT(struct socks_udp_counters, crowded)},
    {"warren_socks_datagrams_total", "Datagrams of clients, and to them.",
     METRIC_AT(struct socks_udp_counters, in), "way", "in"},
    {"warren_socks_datagrams_total", "",
     METRIC_AT(struct socks_udp_counters, out), "way", "out"},
    {"warren_socks_datagrams_dropped_total",
     "Datagrams of the proxy that were dropped, by reason.",
     METRIC_AT(struct socks_udp_counters, strange), "reason", "strange"},
    {"warren_socks_datagrams_dropped_total", "",
     METRIC_AT(struct socks_udp_counters, fragments), "reason", "fragment"},
    {"warren_socks_datagrams_dropped_total", "",
     METRIC_AT(struct socks_udp_counters, senseless), "reason", "senseless"},
    {"warren_socks_datagrams_dropped_total", "",
     METRIC_AT(struct socks_udp_counters, lost), "reason", "lost"},
};

static const struct metric_row dns_rows[] = {
    {"warren_dns_questions_total", "Questions to the resolver.",
     METRIC_AT(struct dns_server_counters, questions)},
    {"warren_dns_senseless_total", "What came there and is no question.",
     METRIC_AT(struct dns_server_counters, senseless)},
    {"warren_dns_cached_total", "Questions whose answer was known.",
     METRIC_AT(struct dns_server_counters, cached)},
    {"warren_dns_joined_total", "Questions that waited for an equal one.",
     METRIC_AT(struct dns_server_counters, joined)},
    {"warren_dns_lookups_total", "Lookups that exits were asked for.",
     METRIC_AT(struct dns_server_counters, lookups)},
    {"warren_dns_looked_up_total", "What became of them.",
     METRIC_AT(struct dns_server_counters, found), "result", "found"},
    {"warren_dns_looked_up_total", "",
     METRIC_AT(struct dns_server_counters, missing), "result", "missing"},
    {"warren_dns_looked_up_total", "",
     METRIC_AT(struct dns_server_counters, failed), "result", "failed"},
    {"warren_dns_crowded_total", "Questions that there was no room for.",
     METRIC_AT(struct dns_server_counters, crowded)},
};

#define OR_ZEROS(type, p) ((p) != NULL ? (p) : &(const struct type){0})

void proxy_metrics_write(const struct proxy_sources *from, struct metrics *m)
{
    METRICS_ROWS(m, flow_rows, OR_ZEROS(flow_stats, from->flows));
    METRICS_ROWS(m, socks_rows, OR_ZEROS(socks_udp_counters, from->socks));
    metrics_gauge(m, "warren_socks_associations", "UDP associations.",
                  from->associations);
    metrics_gauge(m, "warren_socks_private", "Proxies of programs.",
                  from->private_ones);
    METRICS_ROWS(m, dns_rows, OR_ZEROS(dns_server_counters, from->dns));
    metrics_gauge(m, "warren_dns_lookups", "Lookups under way.", from->lookups);
}

void proxy_metrics(const struct tunnel_host *h, struct metrics *m)
{
    const struct traffic_host *t = tunnel_host_traffic(h);
    const struct socks_server *socks = traffic_host_socks(t);
    const struct dns_server *dns = traffic_host_dns(t);
    struct proxy_sources from = {.flows = flows_stats(traffic_host_flows(t))};

    if (socks != NULL) {
        from.socks = socks_udp_counters(socks_server_udp(socks));
        from.associations = socks_udp_count(socks_server_udp(socks));
        from.private_ones = socks_server_private(socks);
    }
    if (dns != NULL) {
        from.dns = dns_server_counters(dns);
        from.lookups = dns_server_lookups(dns);
    }
    proxy_metrics_write(&from, m);
}

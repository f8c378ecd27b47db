/* SPDX-License-Identifier: MIT
 *
 * What /metrics says of datagrams of the proxy (its associations and flows),
 * and of the resolver.
 */
#ifndef WARREN_NODE_MONITOR_PROXY_METRICS_H
#define WARREN_NODE_MONITOR_PROXY_METRICS_H

#include "node/monitor/metrics.h"

struct dns_server_counters;
struct flow_stats;
struct socks_udp_counters;
struct tunnel_host;

/* What the numbers are read from; NULL: there is no such thing, all zeros. */
struct proxy_sources {
    const struct flow_stats *flows;
    const struct socks_udp_counters *socks;
    unsigned associations;
    unsigned private_ones;
    const struct dns_server_counters *dns;
    unsigned lookups;
};

void proxy_metrics_write(const struct proxy_sources *from, struct metrics *m);
/* Of this node. */
void proxy_metrics(const struct tunnel_host *h, struct metrics *m);

#endif

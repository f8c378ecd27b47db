/* SPDX-License-Identifier: MIT
 *
 * What /metrics says of streams: those of this node, those that leave here, the
 * proxy, and connections to servers of services.
 */
#ifndef WARREN_NODE_MONITOR_STREAM_METRICS_H
#define WARREN_NODE_MONITOR_STREAM_METRICS_H

#include "node/monitor/metrics.h"

struct carrier_stats;
struct outlet_stats;
struct socks_counters;
struct stream_ports_counters;
struct stream_stats;
struct tunnel_host;

/* What the numbers are read from; NULL: there is no such thing, all zeros. */
struct stream_sources {
    const struct carrier_stats *carrier;
    const struct stream_stats *own; /* the carrier's */
    const struct outlet_stats *outlet;
    const struct socks_counters *socks;
    unsigned socks_clients;
    const struct stream_ports_counters *ports;
};

void stream_metrics_write(const struct stream_sources *from, struct metrics *m);
/* Of this node. */
void stream_metrics(const struct tunnel_host *h, struct metrics *m);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What /metrics says of the tunnels.
 */
#ifndef WARREN_NODE_MONITOR_TUNNEL_METRICS_H
#define WARREN_NODE_MONITOR_TUNNEL_METRICS_H

#include "node/host/tunnel_host.h"
#include "node/monitor/metrics.h"

#include <stdint.h>

void tunnel_metrics(const struct tunnel_host *h, uint64_t now,
                    struct metrics *m);

#endif

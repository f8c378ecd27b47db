/* SPDX-License-Identifier: MIT
 *
 * What /metrics says of the tunnels.
 */
#ifndef WARREN_NODE_TUNNEL_METRICS_H
#define WARREN_NODE_TUNNEL_METRICS_H

#include "node/metrics.h"
#include "node/tunnel_host.h"

#include <stdint.h>

void tunnel_metrics(const struct tunnel_host *h, uint64_t now,
                    struct metrics *m);

#endif

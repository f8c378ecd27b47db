/* SPDX-License-Identifier: MIT
 *
 * The page of /metrics.
 */
#ifndef WARREN_NODE_MONITOR_NODE_METRICS_H
#define WARREN_NODE_MONITOR_NODE_METRICS_H

#include "node/control/control_server.h"
#include "node/host/node.h"
#include "node/monitor/http.h"
#include "node/monitor/metrics.h"

#include <stdint.h>

/* Of `n`, and of the daemon around it; `control` and `http` may be NULL. */
void node_metrics(const struct node *n, const struct control_server *control,
                  const struct http *http, uint64_t now, struct metrics *m);

#endif

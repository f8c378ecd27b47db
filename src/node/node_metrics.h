/* SPDX-License-Identifier: MIT
 *
 * The page of /metrics.
 */
#ifndef WARREN_NODE_NODE_METRICS_H
#define WARREN_NODE_NODE_METRICS_H

#include "node/control_server.h"
#include "node/http.h"
#include "node/metrics.h"
#include "node/node.h"

#include <stdint.h>

/* Of `n`, and of the daemon around it; `control` and `http` may be NULL. */
void node_metrics(const struct node *n, const struct control_server *control,
                  const struct http *http, uint64_t now, struct metrics *m);

#endif

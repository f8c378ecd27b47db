/* SPDX-License-Identifier: MIT
 *
 * What /metrics says of hidden services.
 */
#ifndef WARREN_NODE_MONITOR_SERVICE_METRICS_H
#define WARREN_NODE_MONITOR_SERVICE_METRICS_H

#include "node/monitor/metrics.h"
#include "node/service/service_host.h"

#include <stdint.h>

struct meeting;

/* Of services of others, as a relay. */
void meeting_metrics(const struct meeting *meeting, struct metrics *m);
void service_metrics(const struct service_host *h, uint64_t now,
                     struct metrics *m);

#endif

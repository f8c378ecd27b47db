/* SPDX-License-Identifier: MIT
 *
 * A service with a key of ours: introduction points, what is published of them
 * (publish.h), and the probe that shows whether strangers would reach it.
 */
#ifndef WARREN_TUNNEL_SERVICE_HOST_H
#define WARREN_TUNNEL_SERVICE_HOST_H

#include "tunnel/service/connect.h"
#include "tunnel/service/point.h"

#define HOST_PROBE (10 * 60 * UINT64_C(1000000000))

struct host;

/* ERR_NO_MEMORY. `seed` is copied. */
enum error host_new(struct service *service, const uint8_t seed[32],
                    const struct service_memory *memory, uint64_t now,
                    struct host **out);
void host_free(struct host *h, uint64_t now);
/* Its points go, and what is published says so; until host_is_gone. */
void host_withdraw(struct host *h, uint64_t now);
bool host_is_gone(const struct host *h, uint64_t now);

/* What is published is wrong: points, options or the effort have changed. */
void host_changed(struct host *h, uint64_t now);
void host_stems(struct host *h, enum path_result why, uint64_t now);
void host_suspect(struct host *h, uint64_t now);
void host_lost_hop(struct host *h);            /* points_lost_hop */
void host_check(struct host *h, uint64_t now); /* points_check */
/* ERR_IN_USE: one is under way. ERR_NOT_FOUND: no point to ask at. */
enum error host_probe(struct host *h, uint64_t now);
void host_tick(struct host *h, uint64_t now);
uint64_t host_deadline(const struct host *h);
void host_status(const struct host *h, struct service_status *out);
const struct point_set *host_points(const struct host *h);
const uint8_t *host_key(const struct host *h);

#endif

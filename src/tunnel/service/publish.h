/* SPDX-License-Identifier: MIT
 *
 * The descriptors of a service of ours in the DHT: one for each period that is
 * alive and each access secret, under a blinded key of its own, each in two
 * replicas. Each replica is put through the last hop of a circuit of its own,
 * again within the hour, and looked up through another circuit after that: what
 * was stored and what can be found are two things.
 *
 *     DUE -> seq + 1, sealed, two puts -> STORED -> looked up -> VERIFIED
 *      ^        fewer than 3 nodes took it: 1 s, doubled to 5 min
 *      '------- 48 to 60 minutes, or the points have changed
 */
#ifndef WARREN_TUNNEL_SERVICE_PUBLISH_H
#define WARREN_TUNNEL_SERVICE_PUBLISH_H

#include "tunnel/record/blind.h"
#include "tunnel/service/service_internal.h"

#define PUBLISH_EACH  (3600 * UINT64_C(1000000000)) /* less up to a fifth */
#define PUBLISH_NODES 3 /* that a replica is to be stored on */

struct publications;

/* Fills in what is to be published: points, work, lifetime. Period and access
 * are not its affair. False: there is nothing to publish yet. */
typedef bool publish_describe_fn(void *holder, struct service_descriptor *out);

/* `secret` stays the caller's. ERR_NO_MEMORY. */
enum error publications_new(struct service *service,
                            const struct service_secret *secret,
                            const struct service_memory *memory,
                            publish_describe_fn *describe, void *holder,
                            uint64_t now, struct publications **out);
void publications_free(struct publications *p, uint64_t now);
/* What is published is wrong. */
void publications_changed(struct publications *p, uint64_t now);
/* All that is stored is what publications_changed was called for. */
bool publications_are_put(const struct publications *p);

struct publications_status {
    bool published, verified; /* of the present period, without access or the
                                 first secret */
    uint64_t published_at, verified_at;
    bool failing; /* puts or lookups failed since */
};
void publications_status(const struct publications *p,
                         struct publications_status *out);

void publications_tick(struct publications *p, uint64_t now);
uint64_t publications_deadline(const struct publications *p);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A service of somebody else, reached by its address: its descriptor is fetched
 * and kept until it is over, its introduction points are asked in random order,
 * and what is sent meanwhile waits. There is one peer, the service.
 *
 *     IDLE -> FETCHING -> MEETING (one point after the other) -> CONNECTED
 *                ^            | all failed: fetched again, once in 30 s
 *                '------------'
 */
#ifndef WARREN_TUNNEL_SERVICE_REMOTE_H
#define WARREN_TUNNEL_SERVICE_REMOTE_H

#include "tunnel/service/peer.h"

struct remote;

enum error remote_new(struct service *service, const uint8_t key[32],
                      const uint8_t access[32], struct remote **out);
void remote_free(struct remote *r, uint64_t now);
bool remote_is(const struct remote *r, const uint8_t key[32],
               const uint8_t access[32]);

enum error remote_connect(struct remote *r, uint64_t now);
enum error remote_send(struct remote *r, uint16_t port, struct bytes payload,
                       uint64_t now);
/* Where to meet it again: the `attempt`-th of its points; the goal stays as it
 * is when none is known. */
void remote_next_point(struct remote *r, unsigned attempt,
                       struct connect_goal *goal);
/* Its peer could not be met again where that is known to be: it may have other
 * points by now. */
void remote_points_fail(struct remote *r, uint64_t now);
void remote_peer_live(struct remote *r, struct service_peer *peer,
                      uint64_t now);
/* The peer that it was has been met as another one. */
void remote_peer_is(struct remote *r, struct service_peer *peer);
void remote_peer_gone(struct remote *r, struct service_peer *peer,
                      uint64_t now);
void remote_tick(struct remote *r, uint64_t now);
uint64_t remote_deadline(const struct remote *r);
const uint8_t *remote_key(const struct remote *r);

#endif

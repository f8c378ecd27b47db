/* SPDX-License-Identifier: MIT
 *
 * A string, of which this node is a member among others that it finds: points
 * of ours under the topic of each period, where others find our entry; and the
 * points of others, where we find theirs (tunnel/swarm).
 *
 *     season (a period that is alive): topic, entry key
 *        points of ours (point.h), each with an entry sealed for it alone
 *        an inquiry among the points of the topic --> crowd: members seen
 *     crowd --> attempts (connect.h) --> peers, as many as there may be
 *
 * An observer has no points and no peers: it finds, and counts.
 *
 * Two members may each open a channel to the other. The one that the smaller
 * key opened stays, and of two of one side the newer one; a channel that is to
 * go is closed with the next tick, and the application is not told of it unless
 * it was before.
 */
#ifndef WARREN_TUNNEL_SERVICE_SWARM_H
#define WARREN_TUNNEL_SERVICE_SWARM_H

#include "tunnel/service/peer.h"
#include "tunnel/service/point.h"

struct swarm;

/* `secret` is of this registration. ERR_WRONG_LENGTH (the string),
 * ERR_NO_MEMORY. */
enum error swarm_new(struct service *service, struct bytes string,
                     const uint8_t secret[32],
                     const struct service_memory *memory, uint64_t now,
                     struct swarm **out);
void swarm_free(struct swarm *w, bool forget, uint64_t now);
bool swarm_is(const struct swarm *w, struct bytes string);

/* Our key as a member: what introductions are made to. */
void swarm_member_key(const struct swarm *w, const uint8_t **secret,
                      const uint8_t **key);
/* We are on the way to this member, who asked for it: what we have begun
 * ourselves waits, if that channel would not stay anyway. */
void swarm_visits(struct swarm *w, const uint8_t member[32], uint64_t now);
/* False: there is a better channel with the same member, and this one is about
 * to be closed. Before the application is told. */
bool swarm_peer_live(struct swarm *w, struct service_peer *peer, uint64_t now);
void swarm_peer_gone(struct swarm *w, struct service_peer *peer, uint64_t now);
/* Where a member can be met again; as remote_next_point. */
void swarm_next_point(struct swarm *w, const uint8_t member[32],
                      unsigned attempt, struct connect_goal *goal);

void swarm_stems(struct swarm *w, enum path_result why, uint64_t now);
void swarm_suspect(struct swarm *w, uint64_t now);
void swarm_lost_hop(struct swarm *w);            /* points_lost_hop */
void swarm_check(struct swarm *w, uint64_t now); /* points_check */
void swarm_tick(struct swarm *w, uint64_t now);
uint64_t swarm_deadline(const struct swarm *w);
void swarm_status(const struct swarm *w, struct service_status *out);
/* The i-th set of points of ours; NULL behind the last. */
const struct point_set *swarm_points(const struct swarm *w, unsigned i);

#endif

/* SPDX-License-Identifier: MIT
 *
 * On the way to those who want to be met: a queue, ordered by effort, then by
 * age, and a circuit for each whose turn it is. It takes a stem of the service
 * and one more hop, the rendezvous point; with a peer that is there already it
 * goes over that peer's own hops. What came of it is a peer, or one more leg.
 */
#ifndef WARREN_TUNNEL_SERVICE_VISIT_H
#define WARREN_TUNNEL_SERVICE_VISIT_H

#include "tunnel/channel/invitation.h"
#include "tunnel/service/peer.h"

#define VISIT_WAIT   (10 * UINT64_C(1000000000)) /* in the queue */
#define VISIT_ACTIVE 64                          /* circuits at once */

struct visits;

/* Whom to meet, and what to say there. */
struct visit_plan {
    uint32_t effort;
    struct relay_target rendezvous;
    uint8_t cookie[MEETING_COOKIE_BYTES];
    uint8_t noise2[MEETING_NOISE2_BYTES];
    struct channel_keys keys;
    struct service_peer *peer; /* whose leg it will be; NULL: a new one's */
    bool has_member;
    uint8_t member[32];
    uint8_t secret[32], own[32]; /* of ours, that were asked for */
};

enum error visits_new(struct service *service, struct visits **out);
void visits_free(struct visits *v, uint64_t now);

/* ERR_FULL: nobody in the queue has done less; ERR_NO_MEMORY. The plan is
 * copied. `at_once`: it does not queue; ERR_UNREACHABLE: no circuit of the
 * peer's can be built there. */
enum error visit_add(struct visits *v, const struct visit_plan *plan,
                     bool at_once, uint64_t now);
void visits_forget_peer(struct visits *v, const struct service_peer *peer);

void visits_go_on(struct visits *v, uint64_t now);
/* How many left the queue unserved since the last call, having done work. */
unsigned visits_missed(struct visits *v);
unsigned visits_queued(const struct visits *v);
void visits_tick(struct visits *v, uint64_t now);
uint64_t visits_deadline(const struct visits *v);

#endif

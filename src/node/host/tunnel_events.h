/* SPDX-License-Identifier: MIT
 *
 * Who listens to the events of the tunnels (struct tunnel_listener).
 */
#ifndef WARREN_NODE_HOST_TUNNEL_EVENTS_H
#define WARREN_NODE_HOST_TUNNEL_EVENTS_H

#include "node/host/tunnel_host.h"

/* A walk over the listeners; walks nest when a listener makes another event
 * happen. */
struct tunnel_walk {
    struct tunnel_walk *outer;
    struct tunnel_listener *next;
};

struct tunnel_events {
    struct tunnel_listener *first;
    struct tunnel_walk *walks;
};

void tunnel_events_listen(struct tunnel_events *e, struct tunnel_listener *l);
void tunnel_events_unlisten(struct tunnel_events *e, struct tunnel_listener *l);
void tunnel_events_tell(struct tunnel_events *e,
                        const struct member_event *event);

#endif

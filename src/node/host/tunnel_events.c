/* SPDX-License-Identifier: MIT
 *
 * A list of listeners that live in whoever listens. A listener may leave, or
 * have others leave, while an event is told: each telling has a walk on the
 * stack that says who is next, and who leaves moves it along.
 */
#include "node/host/tunnel_events.h"

#include "tunnel/member/member.h"

#include <stddef.h>

void tunnel_events_listen(struct tunnel_events *e, struct tunnel_listener *l)
{
    l->next = e->first;
    l->link = &e->first;
    if (l->next != NULL)
        l->next->link = &l->next;
    e->first = l;
}

void tunnel_events_unlisten(struct tunnel_events *e, struct tunnel_listener *l)
{
    if (l->link == NULL)
        return;
    for (struct tunnel_walk *w = e->walks; w != NULL; w = w->outer)
        if (w->next == l)
            w->next = l->next;
    *l->link = l->next;
    if (l->next != NULL)
        l->next->link = l->link;
    l->link = NULL;
}

static bool hears(const struct tunnel_listener *l,
                  const struct member_event *event)
{
    return (l->circuit == 0 || l->circuit == event->circuit) &&
           (l->kinds == 0 || (l->kinds & TUNNEL_HEARS(event->kind)) != 0);
}

void tunnel_events_tell(struct tunnel_events *e,
                        const struct member_event *event)
{
    struct tunnel_walk walk = {.outer = e->walks, .next = e->first};

    e->walks = &walk;
    while (walk.next != NULL) {
        struct tunnel_listener *l = walk.next;

        walk.next = l->next;
        if (hears(l, event))
            l->event(l->arg, event);
    }
    e->walks = walk.outer;
}

/* SPDX-License-Identifier: MIT
 *
 * Events on their way to the world, told when all else is done. Room is made
 * when a service or a peer is: no event is lost for want of memory.
 */
#include "tunnel/service/service_internal.h"

#include <assert.h>
#include <stdlib.h>

/* Of a peer between two turns: PEER and GONE. A service's state is told once:
 * the last one counts. */
#define NEWS_OF_PEER 2

static struct service_event *news_at(const struct news *n, unsigned i)
{
    return &n->events[(n->first + i) % n->room];
}

bool news_reserve(struct services *s)
{
    struct news *n = &s->news;
    unsigned room =
        n->count + NEWS_OF_PEER * (s->peer_count + 1) + s->count + 1;
    struct service_event *events;

    if (room <= n->room)
        return true;
    events = malloc(2 * (size_t)room * sizeof(*events));
    if (events == NULL)
        return false;
    for (unsigned i = 0; i < n->count; i++)
        events[i] = *news_at(n, i);
    free(n->events);
    *n = (struct news){.events = events, .count = n->count, .room = 2 * room};
    return true;
}

static bool replace_state(struct news *n, const struct service_event *event)
{
    for (unsigned i = 0; i < n->count; i++) {
        struct service_event *other = news_at(n, i);

        if (other->kind == SERVICE_EVENT_STATE &&
            other->service == event->service) {
            *other = *event;
            return true;
        }
    }
    return false;
}

void news_add(struct services *s, const struct service_event *event)
{
    struct news *n = &s->news;

    if (event->kind == SERVICE_EVENT_STATE && replace_state(n, event))
        return;
    assert(n->count < n->room);
    *news_at(n, n->count++) = *event;
}

void services_tell(struct services *s)
{
    struct news *n = &s->news;

    for (unsigned left = n->count; left > 0; left--) {
        struct service_event event = *news_at(n, 0);

        n->first = (n->first + 1) % n->room;
        n->count--;
        s->env.world.event(s->env.world.ctx, &event);
    }
}

void news_deinit(struct news *n)
{
    free(n->events);
}

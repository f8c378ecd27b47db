/* SPDX-License-Identifier: MIT
 *
 * Events on their way to the world. What happens inside of the engine is put
 * into one queue, and told when all is done: at the end of tunnel_receive,
 * tunnel_tick and tunnel_free. So whoever hears of it finds an engine at rest,
 * and no command calls anybody back. DATA alone is told at once, because its
 * payload lies where it was received.
 *
 * A callback that causes another event does not hear of it in the same turn:
 * the next deadline is now then, and others of the loop come between.
 *
 * Room is made when a circuit is: no event is lost for want of memory, and
 * none allocates.
 */
#include "tunnel/member/tunnel_internal.h"

#include <assert.h>
#include <stdlib.h>

/* Of a circuit between two turns: READY or a report, an answer, and its end. */
#define NEWS_OF_CIRCUIT 3

static struct tunnel_event *news_at(const struct tunnel_news *n, unsigned i)
{
    return &n->events[(n->first + i) % n->room];
}

bool tunnel_news_reserve(struct tunnel *t)
{
    struct tunnel_news *n = &t->news;
    unsigned circuits = circuits_count(t->engine.circuits) + 1;
    unsigned room = n->count + NEWS_OF_CIRCUIT * circuits + 1;
    struct tunnel_event *events;

    if (room <= n->room)
        return true;
    events = malloc(2 * (size_t)room * sizeof(*events));
    if (events == NULL)
        return false;
    for (unsigned i = 0; i < n->count; i++)
        events[i] = *news_at(n, i);
    free(n->events);
    *n = (struct tunnel_news){
        .events = events, .count = n->count, .room = 2 * room};
    return true;
}

void tunnel_tell(struct tunnel *t, const struct tunnel_event *event)
{
    assert(t->news.count < t->news.room);
    *news_at(&t->news, t->news.count++) = *event;
}

void tunnel_tell_data(struct tunnel *t, const struct tunnel_event *event)
{
    t->telling = true;
    t->env.event(t->env.ctx, event);
    t->telling = false;
}

void tunnel_tell_news(struct tunnel *t)
{
    struct tunnel_news *n = &t->news;

    for (unsigned left = n->count; left > 0; left--) {
        struct tunnel_event event = *news_at(n, 0);

        n->first = (n->first + 1) % n->room;
        n->count--;
        tunnel_tell_data(t, &event);
    }
}

void tunnel_news_deinit(struct tunnel_news *n)
{
    free(n->events);
}

/* SPDX-License-Identifier: MIT
 *
 * Events on their way to the world. What happens inside of the member is put
 * into one queue, and told when all is done: at the end of member_receive,
 * member_tick and member_free. So whoever hears of it finds a member at rest,
 * and no command calls anybody back. DATA alone is told at once, because its
 * payload lies where it was received.
 *
 * A callback that causes another event does not hear of it in the same turn:
 * the next deadline is now then, and others of the loop come between.
 *
 * Room is made when a circuit is: no event is lost for want of memory, and
 * none allocates.
 */
#include "tunnel/member/member_internal.h"

#include <assert.h>
#include <stdlib.h>

/* Of a circuit between two turns: READY or a report, an answer, and its end. */
#define NEWS_OF_CIRCUIT 3

static struct member_event *news_at(const struct member_news *n, unsigned i)
{
    return &n->events[(n->first + i) % n->room];
}

bool member_news_reserve(struct member *t)
{
    struct member_news *n = &t->news;
    unsigned circuits = circuits_count(t->router.circuits) + 1;
    unsigned room = n->count + NEWS_OF_CIRCUIT * circuits + 1;
    struct member_event *events;

    if (room <= n->room)
        return true;
    events = malloc(2 * (size_t)room * sizeof(*events));
    if (events == NULL)
        return false;
    for (unsigned i = 0; i < n->count; i++)
        events[i] = *news_at(n, i);
    free(n->events);
    *n = (struct member_news){
        .events = events, .count = n->count, .room = 2 * room};
    return true;
}

void member_tell(struct member *t, const struct member_event *event)
{
    assert(t->news.count < t->news.room);
    *news_at(&t->news, t->news.count++) = *event;
}

void member_tell_data(struct member *t, const struct member_event *event)
{
    t->telling = true;
    t->env.event(t->env.ctx, event);
    t->telling = false;
}

void member_tell_news(struct member *t)
{
    struct member_news *n = &t->news;

    for (unsigned left = n->count; left > 0; left--) {
        struct member_event event = *news_at(n, 0);

        n->first = (n->first + 1) % n->room;
        n->count--;
        member_tell_data(t, &event);
    }
}

void member_news_deinit(struct member_news *n)
{
    free(n->events);
}

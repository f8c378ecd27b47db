/* SPDX-License-Identifier: MIT */
#include "node/net/deadline.h"

#include "base/timestamp.h"
#include "node/os/clock.h"

#include <event2/event.h>

/* An engine bounds its work for one tick; others get their turn between. */
#define PAUSE TIME_MS

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct deadline *d = arg;

    (void)fd;
    (void)what;
    d->armed_for = TIME_NEVER;
    d->due(d->arg);
}

enum error deadline_init(struct deadline *d, struct event_base *base, void *arg,
                         void (*due)(void *arg))
{
    d->arg = arg;
    d->due = due;
    d->armed_for = TIME_NEVER;
    d->timer = evtimer_new(base, on_timer, d);
    return d->timer == NULL ? ERR_NO_MEMORY : OK;
}

void deadline_deinit(struct deadline *d)
{
    if (d->timer != NULL)
        event_free(d->timer);
    d->timer = NULL;
}

void deadline_arm(struct deadline *d, uint64_t at)
{
    uint64_t now, delay;
    struct timeval tv;

    if (at == d->armed_for)
        return;
    d->armed_for = at;
    if (at == TIME_NEVER) {
        evtimer_del(d->timer);
        return;
    }
    now = clock_now();
    delay = at > now + PAUSE ? at - now : PAUSE;
    /* Up to a whole microsecond: waking early would find nothing due. */
    delay += TIME_US - 1;
    tv.tv_sec = (time_t)(delay / TIME_S);
    tv.tv_usec = (suseconds_t)(delay % TIME_S / TIME_US);
    evtimer_add(d->timer, &tv);
}

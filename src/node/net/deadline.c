/* SPDX-License-Identifier: MIT
 *
 * A timer of the kernel's, read as a file by the event loop. The loop's own
 * timers will not do: they run on a clock that stands still while the machine
 * sleeps, so that each would be late by as much as was left of it.
 *
 * The kernel is asked only when the deadline becomes earlier. One that has
 * become later, which is what traffic does to most, is looked at again when
 * the old one has passed: so a busy node pays nothing for its deadlines.
 */
#include "node/net/deadline.h"

#include "base/timestamp.h"
#include "node/os/clock.h"

#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* An engine bounds its work for one tick; others get their turn between. */
#define PAUSE TIME_MS

static void set(struct deadline *d, uint64_t at)
{
    struct itimerspec when = {.it_value.tv_sec = (time_t)(at / TIME_S),
                              .it_value.tv_nsec = (long)(at % TIME_S)};

    if (at >= d->set_for)
        return;
    d->set_for = at;
    timerfd_settime(d->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct deadline *d = arg;
    uint64_t times, now = clock_now();

    (void)what;
    if (read(fd, &times, sizeof(times)) != sizeof(times))
        return; /* set anew since the loop saw it */
    d->set_for = TIME_NEVER;
    if (now < d->armed_for) {
        set(d, d->armed_for);
        return;
    }
    d->armed_for = TIME_NEVER;
    d->ran_at = now;
    d->due(d->arg);
}

enum error deadline_init(struct deadline *d, struct event_base *base, void *arg,
                         void (*due)(void *arg))
{
    *d = (struct deadline){
        .fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC),
        .set_for = TIME_NEVER,
        .armed_for = TIME_NEVER,
        .arg = arg,
        .due = due,
    };
    if (d->fd < 0)
        return ERR_NO_MEMORY;
    d->readable = event_new(base, d->fd, EV_READ | EV_PERSIST, on_timer, d);
    if (d->readable != NULL && event_add(d->readable, NULL) == 0)
        return OK;
    if (d->readable != NULL)
        event_free(d->readable);
    d->readable = NULL;
    close(d->fd);
    return ERR_NO_MEMORY;
}

void deadline_deinit(struct deadline *d)
{
    if (d->readable == NULL)
        return;
    event_free(d->readable);
    d->readable = NULL;
    close(d->fd);
}

void deadline_arm(struct deadline *d, uint64_t at)
{
    d->armed_for = at;
    if (at != TIME_NEVER)
        set(d, at > d->ran_at + PAUSE ? at : d->ran_at + PAUSE);
}

/* SPDX-License-Identifier: MIT
 *
 * A netlink socket on the loop. Messages say which link, address or route it
 * was, of which only one thing is read: whether it was a default route. On a
 * machine with many containers links come and go all the time, so messages
 * that come close together are one change, told when SETTLE has passed since
 * the first: an address is of use a moment after it was given.
 *
 * A suspended machine is known by its clocks: CLOCK_BOOTTIME (clock_now) has
 * gone on and CLOCK_MONOTONIC has not.
 */
#include "node/reach/netwatch.h"

#include "base/timestamp.h"
#include "node/os/clock.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SETTLE    (300 * TIME_MS)
#define SUSPENDED (3 * TIME_S) /* shorter ones make no difference */
#define READ_MAX  64           /* messages before others get their turn */

struct netwatch {
    struct netwatch_handler handler;
    struct log *log;
    int fd;
    struct event *readable, *settled;
    bool route;      /* among what has changed */
    uint64_t asleep; /* ns that this machine was suspended since it booted */
};

static uint64_t time_asleep(void)
{
    struct timespec awake = {0};

    clock_gettime(CLOCK_MONOTONIC, &awake);
    return time_since((uint64_t)awake.tv_sec * TIME_S + (uint64_t)awake.tv_nsec,
                      clock_now());
}

/* ---- Messages ----------------------------------------------------------- */

static void note(struct netwatch *w, bool route)
{
    static const struct timeval settle = {.tv_usec = SETTLE / TIME_US};

    w->route = w->route || route;
    if (!evtimer_pending(w->settled, NULL))
        evtimer_add(w->settled, &settle);
}

static void on_settled(evutil_socket_t fd, short what, void *arg)
{
    struct netwatch *w = arg;
    bool route = w->route;

    (void)fd;
    (void)what;
    w->route = false;
    w->handler.changed(w->handler.arg, route);
}

static void read_message(struct netwatch *w, const struct nlmsghdr *m)
{
    const struct rtmsg *route = NLMSG_DATA(m);

    switch (m->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
    case RTM_NEWADDR:
    case RTM_DELADDR:
        note(w, false);
        break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        /* Routers have a million others. */
        if (m->nlmsg_len >= NLMSG_LENGTH(sizeof(*route)) &&
            route->rtm_dst_len == 0 && !(route->rtm_flags & RTM_F_CLONED))
            note(w, true);
        break;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    _Alignas(struct nlmsghdr) uint8_t buf[8192];
    struct netwatch *w = arg;

    (void)what;
    for (unsigned i = 0; i < READ_MAX; i++) {
        const struct nlmsghdr *m = (const struct nlmsghdr *)buf;
        ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

        if (n < 0 && errno == ENOBUFS) {
            note(w, true); /* messages were lost, of whatever kind */
            continue;
        }
        if (n <= 0)
            return;
        for (unsigned left = (unsigned)n; NLMSG_OK(m, left);
             m = NLMSG_NEXT(m, left))
            read_message(w, m);
    }
}

void netwatch_tick(struct netwatch *w)
{
    uint64_t asleep = time_asleep();
    uint64_t since = time_since(w->asleep, asleep);

    if (since >= SUSPENDED) {
        /* The two clocks are read one after the other: rounded. */
        log_info(w->log, "this machine was suspended for %llu s",
                 (unsigned long long)((since + TIME_S / 2) / TIME_S));
        note(w, true);
    }
    w->asleep = asleep;
}

bool netwatch_listens(const struct netwatch *w)
{
    return w->fd >= 0;
}

/* ---- Life --------------------------------------------------------------- */

static int open_fd(void)
{
    const struct sockaddr_nl at = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

enum error netwatch_new(struct event_base *base,
                        const struct netwatch_handler *handler, struct log *log,
                        struct netwatch **out)
{
    struct netwatch *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return ERR_NO_MEMORY;
    w->handler = *handler;
    w->log = log;
    w->asleep = time_asleep();
    w->fd = open_fd();
    w->settled = evtimer_new(base, on_settled, w);
    if (w->settled == NULL)
        goto fail;
    if (w->fd < 0) {
        log_info(log,
                 "the kernel does not tell of changes of the network (%s): "
                 "they are looked for now and then",
                 strerror(errno));
        *out = w;
        return OK;
    }
    w->readable = event_new(base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
    if (w->readable == NULL || event_add(w->readable, NULL) < 0)
        goto fail;
    *out = w;
    return OK;
fail:
    netwatch_free(w);
    return ERR_NO_MEMORY;
}

void netwatch_free(struct netwatch *w)
{
    if (w == NULL)
        return;
    if (w->readable != NULL)
        event_free(w->readable);
    if (w->settled != NULL)
        event_free(w->settled);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}

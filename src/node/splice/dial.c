/* SPDX-License-Identifier: MIT */
#include "node/splice/dial.h"

#include "node/os/sockaddr.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

struct dial {
    int fd;
    struct event *writable;
    dial_done_fn *done;
    void *arg;
};

static enum error error_of(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
    case ENOENT: /* a Unix socket that is not there */
        return ERR_REMOTE;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return ERR_UNREACHABLE;
    case EACCES:
    case EPERM:
        return ERR_FORBIDDEN;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case EAGAIN: /* a Unix socket whose queue is full */
        return ERR_FULL;
    case ENOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_IO;
    }
}

static int outcome(int fd)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        return errno;
    return errnum;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct dial *d = arg;
    dial_done_fn *done = d->done;
    void *holder = d->arg;
    int errnum = outcome(fd);

    (void)what;
    if (errnum == 0)
        d->fd = -1; /* theirs */
    dial_free(d);
    if (errnum == 0)
        done(holder, OK, fd);
    else
        done(holder, error_of(errnum), -1);
}

/* A connection to nobody else than the address says, and no waiting for more
 * to send: what comes is sent. */
static int open_fd(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd >= 0 && family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static bool bind_to(int fd, const struct endpoint *from)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(from, &sa);
    int one = 1;

    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    return bind(fd, (struct sockaddr *)&sa, len) == 0;
}

static enum error begin(struct dial *d, const struct sockaddr *to,
                        socklen_t to_len, const struct endpoint *from)
{
    d->fd = open_fd(to->sa_family);
    if (d->fd < 0 || (from != NULL && !bind_to(d->fd, from)))
        return error_of(errno);
    if (connect(d->fd, to, to_len) != 0 && errno != EINPROGRESS)
        return error_of(errno);
    return OK;
}

enum error dial_new(struct event_base *base, const struct sockaddr *to,
                    socklen_t to_len, const struct endpoint *from,
                    dial_done_fn *done, void *arg, struct dial **out)
{
    struct dial *d = calloc(1, sizeof(*d));
    enum error e;

    if (d == NULL)
        return ERR_NO_MEMORY;
    d->done = done;
    d->arg = arg;
    e = begin(d, to, to_len, from);
    if (e == OK) {
        d->writable = event_new(base, d->fd, EV_WRITE, on_writable, d);
        if (d->writable == NULL || event_add(d->writable, NULL) != 0)
            e = ERR_NO_MEMORY;
    }
    if (e != OK) {
        dial_free(d);
        return e;
    }
    *out = d;
    return OK;
}

void dial_free(struct dial *d)
{
    if (d->writable != NULL)
        event_free(d->writable);
    if (d->fd >= 0)
        close(d->fd);
    free(d);
}

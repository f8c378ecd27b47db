/* SPDX-License-Identifier: MIT
 *
 * A socket is dialled, waits until it is joined, and is a splice then:
 *
 *     dial != NULL -> fd >= 0 -> splice != NULL
 */
#include "node/exit/exit_tcp.h"

#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "node/splice/dial.h"
#include "node/splice/splice.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

struct tcp_socket {
    LIST_ENTRY(tcp_socket) link;
    struct exit_tcp *host;
    uint64_t id;
    struct dial *dial;
    int fd;
    struct splice *splice;
};

struct exit_tcp {
    struct event_base *base;
    struct exit_tcp_handler handler;
    LIST_HEAD(, tcp_socket) sockets;
};

static void socket_free(struct tcp_socket *s)
{
    if (s->dial != NULL)
        dial_free(s->dial);
    if (s->fd >= 0)
        close(s->fd);
    LIST_REMOVE(s, link);
    free(s);
}

static void on_dialled(void *arg, enum error e, int fd)
{
    struct tcp_socket *s = arg;
    struct exit_tcp_handler handler = s->host->handler;
    uint64_t id = s->id;

    s->dial = NULL;
    s->fd = fd;
    if (e != OK)
        socket_free(s);
    handler.connected(handler.arg, id, e);
    handler.rearm(handler.arg);
}

static enum error on_connect(void *ctx, uint64_t id, const struct endpoint *to,
                             void **handle)
{
    struct exit_tcp *x = ctx;
    struct tcp_socket *s = calloc(1, sizeof(*s));
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(to, &sa);
    enum error e;

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->host = x;
    s->id = id;
    s->fd = -1;
    LIST_INSERT_HEAD(&x->sockets, s, link);
    e = dial_new(x->base, (struct sockaddr *)&sa, len,
                 x->handler.from(x->handler.arg, (enum family)to->family),
                 on_dialled, s, &s->dial);
    if (e != OK) {
        s->dial = NULL;
        socket_free(s);
        return e;
    }
    *handle = s;
    return OK;
}

/* The splice resets the stream. */
static void on_close(void *ctx, void *handle, uint32_t code)
{
    struct tcp_socket *s = handle;

    (void)ctx;
    if (s->splice != NULL)
        splice_free(s->splice, code, clock_now());
    socket_free(s);
}

static uint64_t on_used_at(void *ctx, void *handle)
{
    const struct tcp_socket *s = handle;

    (void)ctx;
    return s->splice == NULL ? 0 : splice_used_at(s->splice);
}

static void on_over(void *arg, enum error why)
{
    struct tcp_socket *s = arg;
    struct exit_tcp_handler handler = s->host->handler;
    uint64_t id = s->id;

    (void)why;
    s->splice = NULL;
    socket_free(s);
    handler.parted(handler.arg, id);
}

/* That the client has ended is told to whoever resumes the stream. */
static void on_join(void *ctx, void *handle, struct stream *st, bool ended,
                    uint64_t id)
{
    struct exit_tcp *x = ctx;
    struct tcp_socket *s = handle;
    struct splice_env env = {
        .base = x->base, .arg = x->handler.arg, .rearm = x->handler.rearm};
    int fd = s->fd;

    (void)ended;
    s->fd = -1;
    if (splice_new(&env, fd, st, bytes_of(NULL, 0), on_over, s, clock_now(),
                   &s->splice) == OK)
        return;
    socket_free(s);
    x->handler.parted(x->handler.arg, id);
}

void exit_tcp_world(struct exit_tcp *x, struct outlet_world *world)
{
    *world = (struct outlet_world){.ctx = x,
                                   .connect = on_connect,
                                   .join = on_join,
                                   .close = on_close,
                                   .used_at = on_used_at};
}

enum error exit_tcp_new(struct event_base *base,
                        const struct exit_tcp_handler *handler,
                        struct exit_tcp **out)
{
    struct exit_tcp *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return ERR_NO_MEMORY;
    x->base = base;
    x->handler = *handler;
    LIST_INIT(&x->sockets);
    *out = x;
    return OK;
}

void exit_tcp_free(struct exit_tcp *x)
{
    if (x == NULL)
        return;
    assert(LIST_EMPTY(&x->sockets));
    free(x);
}

/* SPDX-License-Identifier: MIT
 *
 * One socket for each circuit and family, opened by the member on the first
 * datagram. Receiving is in batches of one socket. Sending has two ways: the
 * first datagram to a destination goes at once, so that its sender hears of a
 * failure; what follows to the same one waits in a queue that all sockets share
 * and leaves in one system call, when another socket or destination comes or
 * the loop comes around.
 *
 * Names are asked of exit_names.c.
 */
#include "node/exit/exit_host.h"

#include "node/exit/exit_names.h"
#include "node/net/udp_queue.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 16 /* datagrams a system call */

struct socket {
    struct exit_host *host;
    int fd;
    uint32_t cookie;
    struct event *readable;
    uint32_t overflowed; /* answers, of those counted as lost */
    bool trains, has_sent;
    struct endpoint sent_to; /* with has_sent: the last, and it was taken */
};

struct exit_host {
    struct event_base *base;
    struct exit_host_handler handler;
    struct exit_names *names;
    bool bound[FAMILIES]; /* to from[], with port 0 */
    struct endpoint from[FAMILIES];
    uint8_t (
        *buffers)[EXIT_PAYLOAD_MAX]; /* BATCH of them, once there is a socket */
    struct udp_queue queue;          /* usable while there is a socket */
    unsigned sockets;
    struct socket *queued; /* whose datagrams wait; NULL: none */
    struct event *flush;   /* active while some wait */
    struct udp_counters counters;
    uint64_t dropped; /* of what waited */
    uint64_t lost[EXIT_LOST_REASONS];
};

/* ---- Receiving --------------------------------------------------------- */

struct batch {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_storage from[BATCH];
};

static int receive_some(const struct socket *s, struct batch *b)
{
    int r;

    for (unsigned i = 0; i < BATCH; i++) {
        b->parts[i] = (struct iovec){s->host->buffers[i], EXIT_PAYLOAD_MAX};
        b->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &b->from[i],
            .msg_namelen = sizeof(b->from[i]),
            .msg_iov = &b->parts[i],
            .msg_iovlen = 1,
        };
    }
    do
        r = recvmmsg(s->fd, b->messages, BATCH, MSG_DONTWAIT, NULL);
    while (r < 0 && errno == EINTR);
    return r;
}

/* The system counts what it had no room for since the socket was opened. */
static void count_overflow(struct socket *s)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof(info);

    if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
        return;
    s->host->lost[EXIT_LOST_SYSTEM] +=
        (uint32_t)(info[SK_MEMINFO_DROPS] - s->overflowed);
    s->overflowed = info[SK_MEMINFO_DROPS];
}

static void take(struct exit_host *x, uint32_t cookie, const struct batch *b,
                 unsigned i)
{
    struct endpoint from;

    if ((b->messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0)
        x->lost[EXIT_LOST_TOO_LONG]++;
    else if (sockaddr_to_endpoint((const struct sockaddr *)&b->from[i],
                                  &from) != OK)
        x->lost[EXIT_LOST_ADDRESS]++;
    else
        x->handler.received(x->handler.arg, cookie, &from,
                            bytes_of(x->buffers[i], b->messages[i].msg_len));
}

/* The socket may be closed by what it delivers: everything that is needed of
 * it is taken before. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct socket *s = arg;
    struct exit_host *x = s->host;
    uint32_t cookie = s->cookie;
    struct batch b;
    int n;

    (void)fd;
    (void)what;
    n = receive_some(s, &b);
    if (n == BATCH) /* it may have come to that */
        count_overflow(s);
    if (n > 0 && x->handler.batch_begin != NULL)
        x->handler.batch_begin(x->handler.arg, clock_now());
    for (int i = 0; i < n; i++)
        take(x, cookie, &b, (unsigned)i);
    if (n > 0)
        x->handler.batch_end(x->handler.arg);
}

/* ---- Sockets ----------------------------------------------------------- */

static int open_fd(const struct exit_host *x, enum family family)
{
    struct endpoint any = {.family = family};
    const struct endpoint *from = x->bound[family] ? &x->from[family] : &any;
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(from, &sa);
    int one = 1;
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if ((family == FAMILY_IPV6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
        bind(fd, (struct sockaddr *)&sa, len) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

enum error exit_host_open(void *ctx, enum family family, uint32_t cookie,
                          void **handle)
{
    struct exit_host *x = ctx;
    struct socket *s;

    if (x->buffers == NULL)
        x->buffers = calloc(BATCH, sizeof(*x->buffers));
    if (x->queue.slots == NULL && udp_queue_init(&x->queue, false) != OK)
        return ERR_NO_MEMORY;
    s = x->buffers == NULL ? NULL : calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NO_MEMORY;
    s->host = x;
    s->cookie = cookie;
    s->fd = open_fd(x, family);
    if (s->fd < 0) {
        free(s);
        return ERR_IO;
    }
    x->sockets++;
    s->trains = udp_queue_can_train(s->fd);
    s->readable =
        event_new(x->base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
    if (s->readable == NULL || event_add(s->readable, NULL) != 0) {
        exit_host_close(x, s);
        return ERR_NO_MEMORY;
    }
    *handle = s;
    return OK;
}

/* ---- Sending ----------------------------------------------------------- */

static enum error send_now(const struct socket *s, const struct endpoint *to,
                           struct bytes payload)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(to, &sa);
    ssize_t r;

    do
        r = sendto(s->fd, payload.p, payload.len, MSG_DONTWAIT,
                   (struct sockaddr *)&sa, len);
    while (r < 0 && errno == EINTR);
    if (r >= 0)
        return OK;
    switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
        return ERR_NO_SPACE;
    case EMSGSIZE:
        return ERR_TOO_LARGE;
    default:
        return ERR_IO;
    }
}

static void flush(struct exit_host *x)
{
    struct socket *s = x->queued;
    uint64_t expected = x->counters.sent + x->queue.count;

    if (s == NULL)
        return;
    x->queued = NULL;
    x->queue.trains = s->trains;
    udp_queue_flush(&x->queue, s->fd, &x->counters);
    s->trains = x->queue.trains;
    /* The next hears why. */
    s->has_sent = x->counters.sent == expected;
    x->dropped += expected - x->counters.sent;
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

/* What follows a datagram that the system took, to the same destination, goes
 * with others in one call. The first goes at once, so that its sender hears
 * of a failure and may try another address. */
enum error exit_host_send(void *ctx, void *handle, const struct endpoint *to,
                          struct bytes payload)
{
    struct exit_host *x = ctx;
    struct socket *s = handle;
    enum error err;

    if (x->queued != NULL && (x->queued != s || x->queue.count == UDP_QUEUE))
        flush(x);
    if (s->has_sent && payload.len <= UDP_DATAGRAM_MAX &&
        endpoint_equal(to, &s->sent_to)) {
        udp_queue_add(&x->queue, to, payload, false);
        x->queued = s;
        event_active(x->flush, EV_TIMEOUT, 0);
        return OK;
    }
    flush(x);
    err = send_now(s, to, payload);
    s->has_sent = err == OK;
    s->sent_to = *to;
    return err;
}

void exit_host_close(void *ctx, void *handle)
{
    struct exit_host *x = ctx;
    struct socket *s = handle;

    if (x->queued == s)
        flush(x);
    if (s->readable != NULL)
        event_free(s->readable);
    count_overflow(s);
    close(s->fd);
    free(s);
    if (--x->sockets == 0)
        udp_queue_deinit(&x->queue); /* its memory is the system's again */
}

/* ---- Names ------------------------------------------------------------- */

enum error exit_host_resolve(void *ctx, const char *name, uint32_t cookie)
{
    struct exit_host *x = ctx;

    return exit_names_ask(x->names, name, cookie);
}

enum error exit_host_reverse(void *ctx, const struct endpoint *address,
                             uint32_t cookie)
{
    struct exit_host *x = ctx;

    return exit_names_ask_reverse(x->names, address, cookie);
}

void exit_host_resolve_cancel(void *ctx, uint32_t cookie)
{
    struct exit_host *x = ctx;

    exit_names_cancel(x->names, cookie);
}

const struct endpoint *exit_host_from(const struct exit_host *x,
                                      enum family family)
{
    return x->bound[family] ? &x->from[family] : NULL;
}

uint64_t exit_host_dropped(const struct exit_host *x)
{
    return x->dropped;
}

const char *exit_lost_name(enum exit_lost reason)
{
    static const char *const names[EXIT_LOST_REASONS] = {
        [EXIT_LOST_TOO_LONG] = "too_long",
        [EXIT_LOST_ADDRESS] = "address",
        [EXIT_LOST_SYSTEM] = "system",
    };

    return names[reason];
}

const uint64_t *exit_host_lost(const struct exit_host *x)
{
    return x->lost;
}

unsigned exit_host_nameservers(const struct exit_host *x)
{
    return exit_names_servers(x->names);
}

void exit_host_tick(struct exit_host *x, uint64_t now)
{
    exit_names_tick(x->names, now);
}

void exit_host_names(const struct exit_host *x, struct exit_names_state *out)
{
    exit_names_state(x->names, out);
}

/* ---- Life -------------------------------------------------------------- */

void exit_host_configure(struct exit_host *x, const struct config *config)
{
    memset(x->bound, 0, sizeof(x->bound));
    for (unsigned i = config->listen.count; i-- > 0;) {
        struct endpoint ep = config->listen.at[i];

        if (endpoint_is_wildcard(&ep))
            continue;
        ep.port = 0;
        x->bound[ep.family] = true;
        x->from[ep.family] = ep;
    }
    exit_names_configure(x->names, &config->exit_nameservers,
                         config->dht.family);
}

enum error exit_host_new(struct event_base *base,
                         const struct exit_host_handler *handler,
                         const struct config *config, struct log *log,
                         struct exit_host **out)
{
    struct exit_host *x = calloc(1, sizeof(*x));
    struct exit_names_handler names = {.arg = handler->arg,
                                       .resolved = handler->resolved};

    if (x == NULL)
        return ERR_NO_MEMORY;
    x->base = base;
    x->handler = *handler;
    x->names = exit_names_new(base, &names, log);
    x->flush = event_new(base, -1, 0, on_flush, x);
    if (x->names == NULL || x->flush == NULL) {
        exit_host_free(x);
        return ERR_NO_MEMORY;
    }
    exit_host_configure(x, config);
    *out = x;
    return OK;
}

void exit_host_free(struct exit_host *x)
{
    if (x == NULL)
        return;
    exit_names_free(x->names);
    if (x->flush != NULL)
        event_free(x->flush);
    udp_queue_deinit(&x->queue);
    free(x->buffers);
    free(x);
}

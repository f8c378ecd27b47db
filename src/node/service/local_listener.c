/* SPDX-License-Identifier: MIT
 *
 * One socket and the source that it heard last. On loopback alone: who reaches
 * the socket reaches the service as this node.
 *
 * As in local_ports.c, what follows a datagram that the system took waits for
 * the end of this turn of the loop, and leaves with others in one call.
 */
#include "node/service/local_listener.h"

#include "node/net/udp_queue.h"
#include "node/os/bind.h"
#include "node/os/sockaddr.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH       16
#define PAYLOAD_MAX 16384 /* of more, as much as is too long */

struct local_listener {
    int fd;
    struct event *readable, *flush;
    local_heard_fn *heard;
    void *arg;
    struct endpoint source;
    bool has_source;
    bool took_last; /* the system did: the next may wait */
    bool telling;   /* the program's datagrams */
    bool gone;      /* freed meanwhile */
    struct udp_queue queue;
    struct udp_counters counters;
    struct sockaddr_storage from[BATCH];
    uint8_t buffers[BATCH][PAYLOAD_MAX];
};

/* ---- Receiving ---------------------------------------------------------- */

static int receive_some(struct local_listener *l, size_t len[BATCH])
{
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    int n;

    memset(messages, 0, sizeof(messages));
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){l->buffers[i], PAYLOAD_MAX};
        messages[i].msg_hdr.msg_name = &l->from[i];
        messages[i].msg_hdr.msg_namelen = sizeof(l->from[i]);
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    do
        n = recvmmsg(l->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    while (n < 0 && errno == EINTR);
    for (int i = 0; i < n; i++)
        len[i] = messages[i].msg_len;
    return n;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct local_listener *l = arg;
    size_t len[BATCH];
    int n = receive_some(l, len);

    (void)fd;
    (void)what;
    l->telling = true;
    for (int i = 0; i < n && !l->gone; i++) {
        l->has_source =
            sockaddr_to_endpoint((const struct sockaddr *)&l->from[i],
                                 &l->source) == OK;
        l->heard(l->arg, bytes_of(l->buffers[i], len[i]));
    }
    l->telling = false;
    if (l->gone)
        free(l);
}

/* ---- Sending ------------------------------------------------------------ */

static void flush(struct local_listener *l)
{
    uint64_t expected = l->counters.sent + l->queue.count;

    udp_queue_flush(&l->queue, l->fd, &l->counters);
    l->took_last = l->counters.sent == expected;
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

static enum error send_now(struct local_listener *l, struct bytes payload)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(&l->source, &sa);
    ssize_t r;

    flush(l);
    r = sendto(l->fd, payload.p, payload.len, MSG_DONTWAIT,
               (struct sockaddr *)&sa, len);
    l->took_last = r >= 0;
    if (r >= 0)
        return OK;
    return errno == EMSGSIZE ? ERR_TOO_LARGE : ERR_IO;
}

enum error local_listener_send(struct local_listener *l, struct bytes payload)
{
    if (!l->has_source)
        return ERR_NOT_FOUND;
    if (!l->took_last || payload.len > UDP_DATAGRAM_MAX)
        return send_now(l, payload);
    if (l->queue.count == UDP_QUEUE)
        flush(l);
    udp_queue_add(&l->queue, &l->source, payload, false);
    event_active(l->flush, EV_TIMEOUT, 0);
    return OK;
}

/* ---- Life --------------------------------------------------------------- */

enum error local_listener_new(struct event_base *base,
                              const struct endpoint *at, local_heard_fn *heard,
                              void *arg, struct local_listener **out,
                              struct endpoint *where, struct text *why)
{
    struct local_listener *l;
    enum error err;

    if (!endpoint_is_loopback(at)) {
        text_add(why, "--listen must be an address of loopback, like "
                      "127.0.0.1:5353: whoever reaches it speaks as this node");
        return ERR_FORBIDDEN;
    }
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        return ERR_NO_MEMORY;
    l->heard = heard;
    l->arg = arg;
    err = bind_socket(SOCK_DGRAM, at, "--listen", &l->fd, where, why);
    if (err != OK) {
        free(l);
        return err;
    }
    l->readable = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
    l->flush = event_new(base, -1, 0, on_flush, l);
    if (l->readable == NULL || l->flush == NULL ||
        udp_queue_init(&l->queue, udp_queue_can_train(l->fd)) != OK ||
        event_add(l->readable, NULL) != 0) {
        local_listener_free(l);
        return ERR_NO_MEMORY;
    }
    *out = l;
    return OK;
}

void local_listener_free(struct local_listener *l)
{
    if (l == NULL)
        return;
    if (l->queue.count > 0)
        flush(l);
    if (l->readable != NULL)
        event_free(l->readable);
    if (l->flush != NULL)
        event_free(l->flush);
    udp_queue_deinit(&l->queue);
    close(l->fd);
    l->gone = l->telling;
    if (!l->gone)
        free(l);
}

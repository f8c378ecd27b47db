/* SPDX-License-Identifier: MIT */
#include "node/udp_queue.h"

#include "node/sockaddr.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum error udp_queue_init(struct udp_queue *q)
{
    /* A block of this size is mapped and costs nothing until it is used. */
    q->slots = malloc(UDP_QUEUE * sizeof(*q->slots));
    q->count = 0;
    return q->slots == NULL ? ERR_NO_MEMORY : OK;
}

void udp_queue_deinit(struct udp_queue *q)
{
    free(q->slots);
    q->slots = NULL;
}

void udp_queue_add(struct udp_queue *q, const struct endpoint *to,
                   struct bytes datagram)
{
    struct udp_slot *slot = &q->slots[q->count];
    struct sockaddr_storage sa;

    assert(q->count < UDP_QUEUE && datagram.len <= UDP_DATAGRAM_MAX);
    sockaddr_from_endpoint(to, &sa);
    memcpy(&slot->to, &sa, sizeof(slot->to));
    slot->len = (uint16_t)datagram.len;
    if (datagram.len > 0)
        memcpy(slot->bytes, datagram.p, datagram.len);
    q->count++;
}

static enum udp_drop reason_of(int errnum)
{
    switch (errnum) {
    case EAGAIN:
        return UDP_SEND_WOULD_BLOCK;
    case ENOBUFS:
    case ENOMEM:
        return UDP_SEND_NO_BUFFERS;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
        return UDP_SEND_UNREACHABLE;
    case EPERM:
    case EACCES:
        return UDP_SEND_REFUSED;
    case EMSGSIZE:
        return UDP_SEND_TOO_LONG;
    default:
        return UDP_SEND_OTHER;
    }
}

/* True when the next datagram would fare no better. */
static bool is_full(enum udp_drop reason)
{
    return reason == UDP_SEND_WOULD_BLOCK || reason == UDP_SEND_NO_BUFFERS;
}

/* Offers up to UDP_BATCH datagrams from `first` on; what sendmmsg returns. */
static int send_some(struct udp_queue *q, unsigned first, int fd)
{
    struct mmsghdr messages[UDP_BATCH];
    struct iovec parts[UDP_BATCH];
    unsigned n = q->count - first;
    int r;

    if (n > UDP_BATCH)
        n = UDP_BATCH;
    memset(messages, 0, n * sizeof(messages[0]));
    for (unsigned i = 0; i < n; i++) {
        struct udp_slot *slot = &q->slots[first + i];
        struct msghdr *m = &messages[i].msg_hdr;

        parts[i] = (struct iovec){slot->bytes, slot->len};
        m->msg_name = &slot->to;
        m->msg_namelen = slot->to.in.sin_family == AF_INET
                             ? sizeof(slot->to.in)
                             : sizeof(slot->to.in6);
        m->msg_iov = &parts[i];
        m->msg_iovlen = 1;
    }
    do
        r = sendmmsg(fd, messages, n, 0);
    while (r < 0 && errno == EINTR);
    return r;
}

void udp_queue_flush(struct udp_queue *q, int fd, struct udp_counters *counters)
{
    unsigned done = 0;

    while (done < q->count) {
        int r = send_some(q, done, fd);
        enum udp_drop reason;

        counters->send_calls++;
        if (r > 0) {
            for (int i = 0; i < r; i++)
                counters->sent_bytes += q->slots[done + (unsigned)i].len;
            counters->sent += (unsigned)r;
            done += (unsigned)r;
            continue;
        }
        /* The first one was refused; those behind it may go elsewhere. */
        reason = reason_of(errno);
        if (is_full(reason)) {
            counters->dropped[reason] += q->count - done;
            break;
        }
        counters->dropped[reason]++;
        done++;
    }
    q->count = 0;
}

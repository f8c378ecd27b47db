/* SPDX-License-Identifier: MIT */
#include "node/net/udp_queue.h"

#include "node/os/sockaddr.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What one packet of the kernel can carry (UDP_MAX_SEGMENTS; the length of an
 * IPv4 packet), and how many destinations are looked through for a train. */
#define TRAIN_DATAGRAMS 64
#define TRAIN_BYTES     65000
#define TRAINS_OPEN     8

struct train {
    uint16_t first, last; /* slots */
    uint16_t count;
    uint16_t segment; /* bytes of each but the last */
    uint32_t bytes;
};

bool udp_queue_can_train(int fd)
{
    int none = 0;

    return setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof(none)) == 0;
}

enum error udp_queue_init(struct udp_queue *q, bool trains)
{
    /* Blocks of this size are mapped and cost nothing until they are used. */
    *q = (struct udp_queue){
        .slots = malloc(UDP_QUEUE * sizeof(*q->slots)),
        .bytes = malloc(UDP_QUEUE * sizeof(*q->bytes)),
        .trains = trains,
    };
    if (q->slots != NULL && q->bytes != NULL)
        return OK;
    udp_queue_deinit(q);
    return ERR_NO_MEMORY;
}

void udp_queue_deinit(struct udp_queue *q)
{
    free(q->slots);
    free(q->bytes);
    q->slots = NULL;
    q->bytes = NULL;
}

void udp_queue_add(struct udp_queue *q, const struct endpoint *to,
                   struct bytes datagram, bool borrowed)
{
    struct udp_slot *slot = &q->slots[q->count];
    struct sockaddr_storage sa;

    assert(q->count < UDP_QUEUE && datagram.len <= UDP_DATAGRAM_MAX);
    sockaddr_from_endpoint(to, &sa);
    memcpy(&slot->to, &sa, sizeof(slot->to));
    slot->len = (uint16_t)datagram.len;
    slot->next = 0; /* none: told by the count of its train */
    slot->p = borrowed ? datagram.p : q->bytes[q->count];
    if (!borrowed && datagram.len > 0)
        memcpy(q->bytes[q->count], datagram.p, datagram.len);
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

/* ---- Trains ---- */

static bool same_destination(const struct udp_slot *a, const struct udp_slot *b)
{
    return memcmp(a->to.bytes, b->to.bytes, sizeof(a->to.bytes)) == 0;
}

/* Only the last of a train may be shorter than the others. */
static bool may_join(const struct udp_queue *q, const struct train *t,
                     uint16_t len)
{
    return len > 0 && len <= t->segment && t->count < TRAIN_DATAGRAMS &&
           t->bytes + len <= TRAIN_BYTES && q->slots[t->last].len == t->segment;
}

/* The train that slot `i` may join; NULL when it begins one. */
static struct train *find_train(const struct udp_queue *q, struct train *trains,
                                unsigned count, unsigned i)
{
    unsigned oldest = count > TRAINS_OPEN ? count - TRAINS_OPEN : 0;

    while (q->trains && count-- > oldest) {
        struct train *t = &trains[count];

        if (same_destination(&q->slots[t->first], &q->slots[i]))
            return may_join(q, t, q->slots[i].len) ? t : NULL;
    }
    return NULL;
}

static unsigned make_trains(struct udp_queue *q, struct train *trains)
{
    unsigned count = 0;

    for (unsigned i = 0; i < q->count; i++) {
        struct train *t = find_train(q, trains, count, i);
        uint16_t len = q->slots[i].len;

        if (t == NULL) {
            trains[count++] =
                (struct train){(uint16_t)i, (uint16_t)i, 1, len, len};
            continue;
        }
        q->slots[t->last].next = (uint16_t)i;
        t->last = (uint16_t)i;
        t->count++;
        t->bytes += len;
    }
    return count;
}

/* ---- System calls ---- */

struct control {
    _Alignas(struct cmsghdr) uint8_t space[CMSG_SPACE(sizeof(uint16_t))];
};

static void set_segment(struct msghdr *m, struct control *control,
                        uint16_t segment)
{
    struct cmsghdr *c;

    m->msg_control = control->space;
    m->msg_controllen = sizeof(control->space);
    c = CMSG_FIRSTHDR(m);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(c), &segment, sizeof(segment));
}

/* What lies behind one another, as a relayed train was received, is one part.
 * Returns how many were needed. */
static unsigned set_parts(const struct udp_queue *q, const struct train *t,
                          struct iovec *parts)
{
    const struct udp_slot *slot = &q->slots[t->first];
    unsigned n = 0;

    for (unsigned i = 0; i < t->count; i++, slot = &q->slots[slot->next]) {
        if (n > 0 &&
            (const uint8_t *)parts[n - 1].iov_base + parts[n - 1].iov_len ==
                slot->p)
            parts[n - 1].iov_len += slot->len;
        else
            parts[n++] = (struct iovec){(void *)(uintptr_t)slot->p, slot->len};
    }
    return n;
}

/* Offers up to UDP_BATCH trains; what sendmmsg returns. */
static int send_some(struct udp_queue *q, const struct train *trains,
                     unsigned n, int fd)
{
    struct mmsghdr messages[UDP_BATCH];
    struct control controls[UDP_BATCH];
    struct iovec parts[UDP_QUEUE];
    unsigned used = 0;
    int r;

    if (n > UDP_BATCH)
        n = UDP_BATCH;
    memset(messages, 0, n * sizeof(messages[0]));
    for (unsigned i = 0; i < n; i++) {
        struct udp_slot *slot = &q->slots[trains[i].first];
        struct msghdr *m = &messages[i].msg_hdr;

        m->msg_name = &slot->to;
        m->msg_namelen = slot->to.in.sin_family == AF_INET
                             ? sizeof(slot->to.in)
                             : sizeof(slot->to.in6);
        m->msg_iov = &parts[used];
        m->msg_iovlen = set_parts(q, &trains[i], m->msg_iov);
        used += (unsigned)m->msg_iovlen;
        if (trains[i].count > 1)
            set_segment(m, &controls[i], trains[i].segment);
    }
    do
        r = sendmmsg(fd, messages, n, 0);
    while (r < 0 && errno == EINTR);
    return r;
}

static void count_sent(const struct train *trains, int n,
                       struct udp_counters *counters)
{
    for (int i = 0; i < n; i++) {
        counters->sent += trains[i].count;
        counters->sent_bytes += trains[i].bytes;
        if (trains[i].count > 1)
            counters->trains_sent++;
    }
}

static void send_trains(struct udp_queue *q, const struct train *trains,
                        unsigned count, int fd, struct udp_counters *counters);

/* The kernel may not like the train: the path's MTU is below the segment, or
 * the device makes no checksums. One by one they may leave. */
static void send_apart(struct udp_queue *q, const struct train *t, int fd,
                       struct udp_counters *counters)
{
    struct train single[TRAIN_DATAGRAMS];
    uint16_t i = t->first;

    counters->trains_refused++;
    for (unsigned n = 0; n < t->count; n++, i = q->slots[i].next)
        single[n] = (struct train){i, i, 1, q->slots[i].len, q->slots[i].len};
    send_trains(q, single, t->count, fd, counters);
}

static bool is_about_train(int errnum)
{
    return errnum == EINVAL || errnum == EIO || errnum == EMSGSIZE ||
           errnum == EOPNOTSUPP;
}

static void send_trains(struct udp_queue *q, const struct train *trains,
                        unsigned count, int fd, struct udp_counters *counters)
{
    while (count > 0) {
        int r = send_some(q, trains, count, fd), errnum = errno;
        unsigned done = r > 0 ? (unsigned)r : 1;
        enum udp_drop reason = reason_of(errnum);

        counters->send_calls++;
        if (r > 0) {
            count_sent(trains, r, counters);
        } else if (is_full(reason)) {
            counters->refusal = errnum;
            for (unsigned i = 0; i < count; i++)
                counters->dropped[reason] += trains[i].count;
            return;
        } else if (trains->count > 1 && is_about_train(errnum)) {
            q->trains = q->trains && errnum != EIO;
            send_apart(q, trains, fd, counters);
        } else {
            /* The first was refused; those behind it may go elsewhere. */
            counters->refusal = errnum;
            counters->dropped[reason] += trains->count;
        }
        trains += done;
        count -= done;
    }
}

void udp_queue_flush(struct udp_queue *q, int fd, struct udp_counters *counters)
{
    struct train trains[UDP_QUEUE];
    unsigned count = make_trains(q, trains);

    send_trains(q, trains, count, fd, counters);
    q->count = 0;
}

/* SPDX-License-Identifier: MIT
 *
 * A flush makes trains of what is queued, and offers them to the kernel, up to
 * UDP_BATCH in a call. When it refuses one, that one is first, and what the
 * error says decides what is done about it:
 *
 *     of what was sent before  again, as if nothing was
 *     a full buffer            the rest is dropped, it would fare no better
 *     a full queue             what goes the same way likewise
 *     our address is gone      again, from where the kernel chooses
 *     something about trains   its datagrams one by one
 *     anything else            it is dropped, those behind it go on
 */
#include "node/net/udp_queue.h"

#include "node/net/udp_error.h"
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
/* One after the other; then there will be no more. */
#define TRAINS_REFUSED_MAX 32
/* Of one train, whose error may be that of another before. */
#define STALE_TRIES 3

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
    slot->alone = slot->has_from = false;
    slot->p = borrowed ? datagram.p : q->bytes[q->count];
    if (!borrowed && datagram.len > 0)
        memcpy(q->bytes[q->count], datagram.p, datagram.len);
    q->count++;
}

void udp_queue_set_from(struct udp_queue *q, const uint8_t addr[16])
{
    struct udp_slot *slot = &q->slots[q->count - 1];

    slot->has_from = true;
    memcpy(slot->from, addr, sizeof(slot->from));
}

void udp_queue_set_alone(struct udp_queue *q)
{
    q->slots[q->count - 1].alone = true;
}

enum udp_drop udp_drop_of(int errnum)
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
    case EIO:
    case ENXIO:
    case ENODEV:
        return UDP_SEND_DEVICE;
    default:
        return UDP_SEND_OTHER;
    }
}

static bool is_full(enum udp_drop reason)
{
    return reason == UDP_SEND_WOULD_BLOCK || reason == UDP_SEND_NO_BUFFERS;
}

/* ---- Trains ---- */

static bool same_destination(const struct udp_slot *a, const struct udp_slot *b)
{
    return memcmp(a->to.bytes, b->to.bytes, sizeof(a->to.bytes)) == 0;
}

static bool same_from(const struct udp_slot *a, const struct udp_slot *b)
{
    return a->has_from == b->has_from &&
           (!a->has_from || memcmp(a->from, b->from, sizeof(a->from)) == 0);
}

/* Only the last of a train may be shorter than the others. */
static bool may_join(const struct udp_queue *q, const struct train *t,
                     const struct udp_slot *slot)
{
    const struct udp_slot *last = &q->slots[t->last];
    uint16_t len = slot->len;

    return len > 0 && len <= t->segment && t->count < TRAIN_DATAGRAMS &&
           t->bytes + len <= TRAIN_BYTES && last->len == t->segment &&
           !slot->alone && !last->alone && same_from(slot, last);
}

/* The train that slot `i` may join; NULL when it begins one. */
static struct train *find_train(const struct udp_queue *q, struct train *trains,
                                unsigned count, unsigned i)
{
    unsigned oldest = count > TRAINS_OPEN ? count - TRAINS_OPEN : 0;

    while (q->trains && count-- > oldest) {
        struct train *t = &trains[count];

        if (same_destination(&q->slots[t->first], &q->slots[i]))
            return may_join(q, t, &q->slots[i]) ? t : NULL;
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
    _Alignas(
        struct cmsghdr) uint8_t space[CMSG_SPACE(sizeof(uint16_t)) +
                                      CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void add_control(struct msghdr *m, struct control *control, int level,
                        int type, const void *data, size_t len)
{
    struct cmsghdr *c =
        (struct cmsghdr *)(void *)(control->space + m->msg_controllen);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    m->msg_control = control->space;
    m->msg_controllen += CMSG_SPACE(len);
}

static void add_from(struct msghdr *m, struct control *control,
                     const struct udp_slot *slot)
{
    struct in_pktinfo in = {0};
    struct in6_pktinfo in6 = {0};

    if (slot->to.in.sin_family == AF_INET) {
        memcpy(&in.ipi_spec_dst, slot->from, sizeof(in.ipi_spec_dst));
        add_control(m, control, IPPROTO_IP, IP_PKTINFO, &in, sizeof(in));
    } else {
        memcpy(&in6.ipi6_addr, slot->from, sizeof(in6.ipi6_addr));
        add_control(m, control, IPPROTO_IPV6, IPV6_PKTINFO, &in6, sizeof(in6));
    }
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
            add_control(m, &controls[i], IPPROTO_UDP, UDP_SEGMENT,
                        &trains[i].segment, sizeof(trains[i].segment));
        if (slot->has_from)
            add_from(m, &controls[i], slot);
    }
    do
        r = sendmmsg(fd, messages, n, 0);
    while (r < 0 && errno == EINTR);
    return r;
}

static void count_sent(struct udp_queue *q, const struct train *trains, int n,
                       struct udp_counters *counters)
{
    for (int i = 0; i < n; i++) {
        counters->sent += trains[i].count;
        counters->sent_bytes += trains[i].bytes;
        q->outcome.sent += trains[i].count;
        if (trains[i].count > 1) {
            counters->trains_sent++;
            q->trains_refused = 0;
        }
    }
    q->outcome.refused_last = 0;
}

static void note_refusal(struct udp_queue *q, const struct train *t, int errnum)
{
    const struct udp_slot *slot = &q->slots[t->first];
    struct udp_refusal *r = &q->refusals[q->refusal_count];
    struct sockaddr_storage sa = {0};

    if (q->refusal_count == UDP_REFUSALS)
        return;
    memcpy(&sa, &slot->to, sizeof(slot->to));
    if (sockaddr_to_endpoint((const struct sockaddr *)&sa, &r->to) != OK)
        return;
    r->errnum = errnum;
    q->refusal_count++;
}

static void count_dropped(struct udp_queue *q, const struct train *trains,
                          unsigned n, int errnum, struct udp_counters *counters)
{
    for (unsigned i = 0; i < n; i++) {
        counters->dropped[udp_drop_of(errnum)] += trains[i].count;
        if (errnum == EAGAIN)
            continue; /* that is our own haste */
        /* One that is too long says nothing of where it goes. */
        if (!is_full(udp_drop_of(errnum)) && errnum != EMSGSIZE)
            note_refusal(q, &trains[i], errnum);
        q->outcome.refused += trains[i].count;
        q->outcome.refused_last += trains[i].count;
    }
    q->outcome.errnum = errnum;
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

/* EINVAL may be the MTU of one path, or a kernel or a device that has it with
 * every train; ENOBUFS the length of this one, or a full queue. */
static bool is_about_train(const struct train *t, int errnum)
{
    return t->count > 1 &&
           (errnum == EINVAL || errnum == EIO || errnum == EMSGSIZE ||
            errnum == EOPNOTSUPP || errnum == ENOBUFS);
}

/* Whether to go on without trains, one of which was refused. */
static void doubt_trains(struct udp_queue *q, int errnum)
{
    bool before = q->trains;

    q->trains_refused++;
    if (errnum == EIO || q->trains_refused >= TRAINS_REFUSED_MAX)
        q->trains = false;
    q->outcome.trains_failed |= before && !q->trains;
}

/* The kernel knows the address that it should leave from no more. */
static bool is_about_from(const struct udp_queue *q, const struct train *t,
                          int errnum)
{
    return q->slots[t->first].has_from &&
           (errnum == EINVAL || errnum == EADDRNOTAVAIL ||
            errnum == ENETUNREACH || errnum == ENODEV);
}

static void let_kernel_choose(struct udp_queue *q, const struct train *t)
{
    uint16_t i = t->first;

    for (unsigned n = 0; n < t->count; n++, i = q->slots[i].next)
        q->slots[i].has_from = false;
    q->outcome.from_failed = true;
}

/* How many of them would fare no better than the first. Full is the socket's
 * buffer, or the queue of one device or of one destination: with IP_RECVERR
 * the kernel tells of each packet that a queue throws away. */
static unsigned count_hopeless(const struct udp_queue *q,
                               const struct train *trains, unsigned count,
                               int errnum)
{
    const struct udp_slot *first = &q->slots[trains[0].first];
    unsigned n = 1;

    if (errnum == EAGAIN)
        return count;
    if (!is_full(udp_drop_of(errnum)))
        return 1;
    while (n < count && same_destination(first, &q->slots[trains[n].first]))
        n++;
    return n;
}

/* Where a queue was full for its datagrams too, nothing was wrong with it. */
static void do_without_train(struct udp_queue *q, const struct train *t,
                             int errnum, int fd, struct udp_counters *counters)
{
    unsigned sent = q->outcome.sent;

    send_apart(q, t, fd, counters);
    if (errnum != ENOBUFS || q->outcome.sent > sent)
        doubt_trains(q, errnum);
}

/* What to do about the first of `count` trains, which was refused; how many
 * are done with. */
static unsigned refused(struct udp_queue *q, const struct train *trains,
                        unsigned count, int errnum, int fd,
                        struct udp_counters *counters)
{
    unsigned dropped = count_hopeless(q, trains, count, errnum);

    if (is_about_from(q, trains, errnum)) {
        let_kernel_choose(q, trains);
        return 0;
    }
    if (is_about_train(trains, errnum)) {
        do_without_train(q, trains, errnum, fd, counters);
        return 1;
    }
    count_dropped(q, trains, dropped, errnum, counters);
    return dropped;
}

static void send_trains(struct udp_queue *q, const struct train *trains,
                        unsigned count, int fd, struct udp_counters *counters)
{
    unsigned tries = 0; /* of the first */

    while (count > 0) {
        int r = send_some(q, trains, count, fd), errnum = errno;
        unsigned done = r > 0 ? (unsigned)r : 0;

        counters->send_calls++;
        if (r < 0 && udp_error_is_stale(errnum) && ++tries < STALE_TRIES) {
            q->outcome.stale = true;
            continue;
        }
        tries = 0;
        if (r > 0)
            count_sent(q, trains, r, counters);
        else
            done = refused(q, trains, count, errnum, fd, counters);
        trains += done;
        count -= done;
    }
}

void udp_queue_flush(struct udp_queue *q, int fd, struct udp_counters *counters)
{
    struct train trains[UDP_QUEUE];
    unsigned count = make_trains(q, trains);

    q->outcome = (struct udp_outcome){0};
    q->refusal_count = 0;
    send_trains(q, trains, count, fd, counters);
    q->count = 0;
}

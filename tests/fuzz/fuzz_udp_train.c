/* SPDX-License-Identifier: MIT
 *
 * The sockets under a kernel that the input plays: which messages come, how
 * long the datagrams of each are, whether they have the length and the address
 * that the kernel tells beside them, and what it refuses to send. Each train is
 * taken apart to where it was joined; what is sent arrives once, whole, and in
 * order for each destination, or is counted as dropped.
 */
#include "fuzz.h"

#include "node/net/udp.h"
#include "node/os/sockaddr.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS    4
#define SENDS    1024
#define HEAD     8 /* bytes of a datagram that are looked at */
#define LONGEST  65527
#define MESSAGES 64 /* of one run */

struct sent {
    struct endpoint to;
    size_t len;
    uint8_t head[HEAD];
};

static struct {
    const uint8_t *p;
    size_t left;
    struct udp *udp;
    unsigned messages; /* received so far */
    struct endpoint from;
    size_t len, segment, done; /* of the message that is being taken apart */
    struct {
        struct endpoint from;
        size_t len, segment;
        bool good;
    } batch[UDP_BATCH];
    unsigned count, current;  /* in the batch */
    unsigned datagrams;       /* received */
    struct sent sent[SENDS];  /* queued, in order */
    unsigned queued, refused; /* of all */
    unsigned next[PEERS];     /* from where on to look for those of a peer */
    unsigned arrived;
} w;

static uint8_t take(void)
{
    if (w.left == 0)
        return 0;
    w.left--;
    return *w.p++;
}

static size_t take_length(void)
{
    static const size_t usual[] = {1,    64,   280,   1232,  1472,
                                   1500, 1501, 16400, 65000, LONGEST};
    uint8_t n = take();

    if (n & 1)
        return usual[n / 2 % (sizeof(usual) / sizeof(usual[0]))];
    return ((size_t)n << 8 | take()) % (LONGEST + 1);
}

static struct endpoint peer(unsigned n)
{
    return (struct endpoint){.addr = {9, 9, 9, (uint8_t)(n % PEERS)},
                             .port = 1000};
}

/* ---- What the kernel gives ------------------------------------------------
 */

int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
                    struct timespec *timeout);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);

static void add_control(struct msghdr *m, int level, int type, const void *data,
                        size_t len)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)m->msg_control +
                                                   m->msg_controllen);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    m->msg_controllen += CMSG_SPACE(len);
}

/* The datagrams of a train are told apart by their beginnings. */
static void mark(uint8_t *p, size_t len, size_t segment)
{
    for (size_t at = 0; at < len; at += segment) {
        uint8_t head[HEAD] = {(uint8_t)w.messages,
                              (uint8_t)(at >> 16),
                              (uint8_t)(at >> 8),
                              (uint8_t)at,
                              1,
                              2,
                              3,
                              4};

        memcpy(p + at, head, len - at < HEAD ? len - at : HEAD);
    }
}

static void give_message(struct mmsghdr *m, unsigned i)
{
    struct msghdr *h = &m->msg_hdr;
    uint8_t how = take();
    size_t len = take_length(), segment = len;
    struct sockaddr_storage from;
    struct in_pktinfo at = {.ipi_spec_dst = {htonl(0x7f000001)}};

    w.batch[i].from = peer(how);
    h->msg_namelen = sockaddr_from_endpoint(&w.batch[i].from, &from);
    memcpy(h->msg_name, &from, h->msg_namelen);
    if ((how & 0x30) == 0x30)
        ((struct sockaddr *)h->msg_name)->sa_family = AF_UNIX;
    m->msg_len = (unsigned)len;
    h->msg_flags = (how & 0xc0) == 0xc0 ? MSG_TRUNC : 0;
    h->msg_controllen = 0;
    if (how & 8)
        add_control(h, IPPROTO_IP, IP_PKTINFO, &at, sizeof(at));
    if (how & 4) {
        int told = (int)take_length() - 1;

        add_control(h, IPPROTO_UDP, UDP_GRO, &told, sizeof(told));
        if (told > 0 && (size_t)told < len)
            segment = (size_t)told;
    }
    w.batch[i].len = len;
    w.batch[i].segment = segment;
    w.batch[i].good = (how & 0x30) != 0x30 && (how & 0xc0) != 0xc0;
    mark(h->msg_iov->iov_base, len, segment == 0 ? 1 : segment);
    assert(len <= h->msg_iov->iov_len);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
                    struct timespec *timeout)
{
    static const int errors[] = {EAGAIN, EINVAL, EIO, ECONNREFUSED};
    unsigned want;

    (void)fd, (void)timeout;
    if (flags & MSG_ERRQUEUE) { /* nobody is unreachable */
        errno = EAGAIN;
        return -1;
    }
    want = take() % (UDP_BATCH + 1);
    assert(n >= 1 && n <= UDP_BATCH);
    w.current = w.count = 0;
    while (w.count < n && w.count < want && w.messages < MESSAGES &&
           w.left > 0) {
        give_message(&m[w.count], w.count);
        w.count++;
        w.messages++;
    }
    if (w.count > 0)
        return (int)w.count;
    errno = errors[w.left > 0 ? take() % 4 : 0];
    return -1;
}

/* ---- What it takes --------------------------------------------------------
 */

/* It was queued for there, behind what has come there before. */
static void arrive(const struct endpoint *to, const uint8_t *p, size_t len)
{
    unsigned *i = &w.next[to->addr[3] % PEERS];

    for (; *i < w.queued && *i < SENDS; (*i)++) {
        const struct sent *s = &w.sent[*i];

        if (endpoint_equal(&s->to, to) && s->len == len &&
            memcmp(s->head, p, len < HEAD ? len : HEAD) == 0) {
            (*i)++;
            w.arrived++;
            return;
        }
    }
    assert(0);
}

static size_t gather(const struct msghdr *h, uint8_t *out, size_t cap)
{
    size_t len = 0;

    for (size_t i = 0; i < h->msg_iovlen; i++) {
        assert(h->msg_iov[i].iov_len <= cap - len);
        memcpy(out + len, h->msg_iov[i].iov_base, h->msg_iov[i].iov_len);
        len += h->msg_iov[i].iov_len;
    }
    return len;
}

static void take_train(struct mmsghdr *m)
{
    static uint8_t bytes[65536];
    struct msghdr *h = &m->msg_hdr;
    size_t len = gather(h, bytes, sizeof(bytes)), segment = len, done = 0;
    struct endpoint to;

    assert(sockaddr_to_endpoint(h->msg_name, &to) == OK);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL;
         c = CMSG_NXTHDR(h, c)) {
        uint16_t told;

        if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_SEGMENT)
            continue;
        memcpy(&told, CMSG_DATA(c), sizeof(told));
        segment = told;
        assert(segment > 0 && segment <= UDP_DATAGRAM_MAX &&
               len <= 64 * segment);
    }
    do {
        size_t n = len - done < segment ? len - done : segment;

        arrive(&to, bytes + done, n);
        done += n;
    } while (done < len);
}

int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
    static const int errors[] = {EAGAIN, ENOBUFS,  EINVAL,      EIO,
                                 EPERM,  EMSGSIZE, ENETUNREACH, EINTR};
    uint8_t how = take();
    unsigned good = how & 0x80 ? how % (n + 1) : n;

    (void)fd, (void)flags;
    assert(n >= 1 && n <= UDP_BATCH);
    for (unsigned i = 0; i < good; i++)
        take_train(&m[i]);
    errno = errors[how % 8];
    return good > 0 ? (int)good : -1;
}

/* ---- Above ----------------------------------------------------------------
 */

static void send_one(const struct endpoint *to, struct bytes d, bool alone)
{
    struct sent *s;
    enum error err;

    if (w.queued == SENDS)
        return;
    s = &w.sent[w.queued];
    *s = (struct sent){.to = *to, .len = d.len};
    memcpy(s->head, d.p, d.len < HEAD ? d.len : HEAD);
    w.queued += d.len <= UDP_DATAGRAM_MAX;
    err = alone ? udp_send_alone(w.udp, to, d) : udp_send(w.udp, to, d);
    assert(err == (d.len <= UDP_DATAGRAM_MAX ? OK : ERR_TOO_LARGE));
    w.refused += err != OK;
}

static void answer(const struct endpoint *from, uint8_t *datagram, size_t len)
{
    uint8_t copy[UDP_DATAGRAM_MAX + 8] = {take()}, how = take();
    struct endpoint other = peer(how >> 4);

    switch (how % 8) {
    case 0:
    case 1:
        send_one(from, bytes_of(datagram, len), false);
        break;
    case 2: /* passed on */
        send_one(&other, bytes_of(datagram, len), false);
        break;
    case 3: /* a part of it, to two */
        send_one(from, bytes_of(datagram + len / 2, len - len / 2), false);
        send_one(&other, bytes_of(datagram, len / 2), how & 8);
        break;
    case 4:
        send_one(&other, bytes_of(copy, take_length() % sizeof(copy)), false);
        break;
    case 5:
        send_one(from, bytes_of(copy, (size_t)how + 1), how & 8);
        break;
    default:
        break;
    }
}

/* Whether any datagram of it is short enough. */
static bool has_short(unsigned i)
{
    size_t segment = w.batch[i].segment;
    size_t last = segment == 0 ? 0 : w.batch[i].len % segment;

    return segment <= UDP_DATAGRAM_MAX ||
           (last > 0 && last <= UDP_DATAGRAM_MAX);
}

/* The next message that is not to be dropped as a whole. */
static void next_message(void)
{
    while (w.current < w.count &&
           !(w.batch[w.current].good && has_short(w.current)))
        w.current++;
    assert(w.current < w.count);
    w.from = w.batch[w.current].from;
    w.len = w.batch[w.current].len;
    w.segment = w.batch[w.current].segment;
    w.done = 0;
    w.current++;
}

static void receive(void *arg, const struct endpoint *from, uint8_t *datagram,
                    size_t len, unsigned socket)
{
    (void)arg, (void)socket;
    w.datagrams++;
    assert(len <= UDP_DATAGRAM_MAX && endpoint_is_usable(from));
    if (w.done == w.len)
        next_message();
    /* What is too long for us is left out, but for a train's last. */
    if (w.segment <= UDP_DATAGRAM_MAX) {
        size_t left = w.len - w.done;

        assert(endpoint_equal(from, &w.from));
        assert(len == (left < w.segment ? left : w.segment));
        if (len >= 4)
            assert(datagram[2] == (uint8_t)(w.done >> 8) &&
                   datagram[3] == (uint8_t)w.done);
        w.done += len;
    } else {
        assert(len == w.len % w.segment);
        w.done = w.len;
    }
    if (len > 0)
        answer(from, datagram, len);
}

static void check_counters(const struct udp_counters *c)
{
    uint64_t dropped = 0;

    for (int i = UDP_SEND_TOO_LONG; i < UDP_DROPS; i++)
        dropped += c->dropped[i];
    assert(c->received == w.datagrams);
    assert(c->sent == w.arrived);
    assert(c->sent + dropped == w.queued + w.refused);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct udp_config config;
    const struct udp_handlers handlers = {.receive = receive};
    struct endpoint any = {.port = 0}, to;
    static struct event_base *base;
    struct sockaddr_storage sa;
    struct text why;
    int fd;

    if (base == NULL)
        base = event_base_new();
    text_init(&why, 256);
    memset(&w, 0, sizeof(w));
    w.p = data;
    w.left = size;
    w.udp = udp_new(base, &config, &handlers, NULL);
    assert(w.udp != NULL && udp_listen(w.udp, &any, &why) == OK);

    /* A datagram that nobody takes keeps the socket readable. */
    to = udp_local(w.udp, 0);
    to.addr[0] = 127, to.addr[3] = 1;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert(fd >= 0);
    assert(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa,
                  sockaddr_from_endpoint(&to, &sa)) == 1);
    close(fd);
    for (unsigned i = 0; i < MESSAGES && w.left > 0; i++)
        event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
    udp_flush(w.udp);
    check_counters(udp_counters(w.udp));
    udp_free(w.udp);
    text_deinit(&why);
    return 0;
}

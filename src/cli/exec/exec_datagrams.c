/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_datagrams.h"

#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "node/socks/socks_datagram.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE        (2 * TIME_MIN)
#define TICK_S      10
#define BATCH       64 /* datagrams of one socket, a turn of the loop */
#define PENDING_MAX 16 /* datagrams that wait for the association */
#define KEY_SIZE    (2 * (ENDPOINT_COMPACT_MAX + 1))

#ifndef IPV6_ORIGDSTADDR
#define IPV6_ORIGDSTADDR 74
#endif

struct pending {
    uint8_t *data;
    size_t len;
};

struct flow {
    struct keyed_entry entry;
    struct exec_datagrams *all;
    uint8_t key[KEY_SIZE];
    struct endpoint program; /* its socket */
    struct endpoint named;   /* what stands for the name; else port 0 */
    struct exec_name *name;
    int control, fd; /* to the proxy; of the datagrams */
    struct event *readable, *writable, *answered;
    bool open;
    uint64_t used_at;
    size_t said_len, heard_len;
    uint8_t said[EXEC_SOCKS_SAID_MAX], heard[EXEC_SOCKS_HEARD_MAX];
    struct pending pending[PENDING_MAX];
    unsigned waiting;
};

static struct bytes key_of(const struct keyed_entry *e)
{
    return bytes_of(((const struct flow *)(const void *)e)->key, KEY_SIZE);
}

/* ---- The end of a flow -------------------------------------------------- */

static void flow_free(struct flow *f)
{
    struct event *const events[] = {f->readable, f->writable, f->answered};

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    for (unsigned i = 0; i < f->waiting; i++)
        free(f->pending[i].data);
    if (f->control >= 0)
        close(f->control);
    if (f->fd >= 0)
        close(f->fd);
    if (f->name != NULL)
        exec_name_let_go(f->name, clock_now());
    keyed_table_remove(&f->all->flows, &f->entry);
    free(f);
}

/* ---- To the program ----------------------------------------------------- */

static void give(struct flow *f, const struct socks_address *from,
                 struct bytes payload)
{
    const struct endpoint *source = f->name != NULL ? &f->named : &from->ep;
    struct exec_datagrams *d = f->all;
    int fd = d->raw[f->program.family];
    size_t len = exec_packet_write(source, &f->program, payload, d->packet);
    struct endpoint to = f->program;
    struct sockaddr_storage sa;
    socklen_t sa_len;

    to.port = 0; /* of a raw socket: the packet has it */
    sa_len = sockaddr_from_endpoint(&to, &sa);
    if (len > 0 && fd >= 0)
        (void)sendto(fd, d->packet, len, MSG_NOSIGNAL, (struct sockaddr *)&sa,
                     sa_len);
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
    struct flow *f = arg;
    struct exec_datagrams *d = f->all;
    struct socks_address from;
    struct bytes payload;

    (void)what;
    for (unsigned i = 0; i < BATCH; i++) {
        ssize_t r = recv(fd, d->buf, sizeof(d->buf), 0);

        if (r < 0)
            return; /* an error of the association shows at `control` */
        if (socks_datagram_read(bytes_of(d->buf, (size_t)r), &from, &payload) !=
            OK)
            continue;
        f->used_at = clock_now();
        keyed_table_touch(&d->flows, &f->entry);
        give(f, &from, payload);
    }
}

/* ---- The association ---------------------------------------------------- */

static bool begin(struct flow *f, const struct endpoint *relay)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(relay, &sa);

    if (connect(f->fd, (struct sockaddr *)&sa, len) != 0)
        return false;
    f->open = true;
    for (unsigned i = 0; i < f->waiting; i++) {
        (void)send(f->fd, f->pending[i].data, f->pending[i].len, MSG_NOSIGNAL);
        free(f->pending[i].data);
    }
    f->waiting = 0;
    return true;
}

/* After the answer only the end comes. */
static void on_answered(evutil_socket_t fd, short what, void *arg)
{
    struct flow *f = arg;
    struct endpoint relay;
    size_t used;
    enum error e;
    ssize_t r =
        recv(fd, f->heard + f->heard_len, sizeof(f->heard) - f->heard_len, 0);

    (void)what;
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (r <= 0 || f->open) {
        flow_free(f);
        return;
    }
    f->heard_len += (size_t)r;
    e = exec_socks_hear(bytes_of(f->heard, f->heard_len), &used, &relay);
    if (e != ERR_MISSING && (e != OK || !begin(f, &relay)))
        flow_free(f);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct flow *f = arg;
    ssize_t r = send(fd, f->said, f->said_len, MSG_NOSIGNAL);

    (void)what;
    if (r < 0 && errno != EAGAIN && errno != EINTR) {
        flow_free(f);
        return;
    }
    if (r > 0) {
        f->said_len -= (size_t)r;
        memmove(f->said, f->said + r, f->said_len);
    }
    if (f->said_len > 0)
        event_add(f->writable, NULL);
}

/* A socket for datagrams, whose port the proxy is told. */
static bool open_socket(struct flow *f, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (f->fd < 0 || bind(f->fd, (struct sockaddr *)&at, len) != 0 ||
        getsockname(f->fd, (struct sockaddr *)&at, &len) != 0)
        return false;
    *port = ntohs(at.sin_port);
    return true;
}

static bool call(struct flow *f)
{
    struct socks_address own = {.ep = {.family = FAMILY_IPV4}};
    const struct exec_proxy *proxy = f->all->proxy;
    struct event_base *base = f->all->base;
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(&proxy->at, &sa);

    f->control = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (f->control < 0 || !open_socket(f, &own.ep.port))
        return false;
    if (connect(f->control, (struct sockaddr *)&sa, len) != 0 &&
        errno != EINPROGRESS)
        return false;
    f->said_len = exec_socks_say(proxy, true, &own, f->said);
    f->readable = event_new(base, f->fd, EV_READ | EV_PERSIST, on_datagram, f);
    f->writable = event_new(base, f->control, EV_WRITE, on_writable, f);
    f->answered =
        event_new(base, f->control, EV_READ | EV_PERSIST, on_answered, f);
    return f->readable != NULL && f->writable != NULL && f->answered != NULL &&
           event_add(f->readable, NULL) == 0 &&
           event_add(f->writable, NULL) == 0 &&
           event_add(f->answered, NULL) == 0;
}

/* ---- From the program --------------------------------------------------- */

static void write_key(uint8_t key[KEY_SIZE], const struct endpoint *program,
                      const struct endpoint *named)
{
    memset(key, 0, KEY_SIZE);
    key[0] = 1;
    endpoint_write_compact(program, key + 1);
    if (named == NULL)
        return;
    key[KEY_SIZE / 2] = 1;
    endpoint_write_compact(named, key + KEY_SIZE / 2 + 1);
}

static struct flow *flow_new(struct exec_datagrams *d,
                             const uint8_t key[KEY_SIZE],
                             const struct endpoint *program,
                             const struct endpoint *to, struct exec_name *name)
{
    struct flow *f;

    if (d->flows.count == EXEC_FLOWS_MAX)
        flow_free((struct flow *)(void *)d->flows.oldest);
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return NULL;
    f->all = d;
    f->control = f->fd = -1;
    f->program = *program;
    memcpy(f->key, key, KEY_SIZE);
    if (keyed_table_add(&d->flows, &f->entry) != OK) {
        free(f);
        return NULL;
    }
    if (name != NULL) {
        exec_name_hold(name);
        f->name = name;
        f->named = *to;
    }
    if (call(f))
        return f;
    flow_free(f);
    return NULL;
}

static void wait_for_answer(struct flow *f, struct bytes datagram)
{
    struct pending *p = &f->pending[f->waiting];

    if (f->waiting == PENDING_MAX)
        return;
    p->data = malloc(datagram.len);
    if (p->data == NULL)
        return;
    memcpy(p->data, datagram.p, datagram.len);
    p->len = datagram.len;
    f->waiting++;
}

static void carry(struct exec_datagrams *d, const struct endpoint *program,
                  const struct endpoint *to, struct bytes payload)
{
    uint64_t now = clock_now();
    struct exec_name *name = NULL;
    struct socks_address target;
    uint8_t key[KEY_SIZE];
    struct flow *f;
    size_t len;

    if (!endpoint_is_usable(to) ||
        !exec_names_target(d->names, to, now, &name, &target))
        return;
    write_key(key, program, name != NULL ? to : NULL);
    f = (struct flow *)(void *)keyed_table_find(&d->flows,
                                                bytes_of(key, KEY_SIZE));
    if (f == NULL)
        f = flow_new(d, key, program, to, name);
    if (name != NULL)
        exec_name_let_go(name, now);
    if (f == NULL)
        return;
    f->used_at = now;
    keyed_table_touch(&d->flows, &f->entry);
    len = socks_datagram_write(&target, payload, d->packet, sizeof(d->packet));
    if (len > 0 && f->open)
        (void)send(f->fd, d->packet, len, MSG_NOSIGNAL);
    else if (len > 0)
        wait_for_answer(f, bytes_of(d->packet, len));
}

/* Where a datagram was sent to. */
static bool went_to(struct msghdr *m, struct endpoint *out)
{
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        struct sockaddr_storage sa = {0};
        size_t len = c->cmsg_len - CMSG_LEN(0);

        if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_ORIGDSTADDR) &&
            !(c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_ORIGDSTADDR))
            continue;
        memcpy(&sa, CMSG_DATA(c), len < sizeof(sa) ? len : sizeof(sa));
        return sockaddr_to_endpoint((struct sockaddr *)&sa, out) == OK;
    }
    return false;
}

static void on_sent(evutil_socket_t fd, short what, void *arg)
{
    struct exec_datagrams *d = arg;

    (void)what;
    for (unsigned i = 0; i < BATCH; i++) {
        _Alignas(struct cmsghdr) uint8_t control[256];
        struct sockaddr_storage sa;
        struct iovec io = {.iov_base = d->buf, .iov_len = sizeof(d->buf)};
        struct msghdr m = {.msg_name = &sa,
                           .msg_namelen = sizeof(sa),
                           .msg_iov = &io,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
        struct endpoint program, to;
        ssize_t r = recvmsg(fd, &m, 0);

        if (r < 0)
            return;
        if (sockaddr_to_endpoint((struct sockaddr *)&sa, &program) == OK &&
            went_to(&m, &to))
            carry(d, &program, &to, bytes_of(d->buf, (size_t)r));
    }
}

/* ---- Life --------------------------------------------------------------- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct exec_datagrams *d = arg;
    struct flow *f;

    (void)fd;
    (void)what;
    while ((f = (struct flow *)(void *)d->flows.oldest) != NULL &&
           time_since(f->used_at, clock_now()) >= IDLE)
        flow_free(f);
}

enum error
exec_datagrams_start(struct exec_datagrams *d, struct event_base *base,
                     const struct exec_proxy *proxy, struct exec_names *names,
                     const int udp[FAMILIES], const int raw[FAMILIES])
{
    const struct timeval tick = {.tv_sec = TICK_S};
    uint8_t secret[KEYED_TABLE_SECRET];

    randombytes_buf(secret, sizeof(secret));
    *d = (struct exec_datagrams){.base = base, .proxy = proxy, .names = names};
    keyed_table_init(&d->flows, EXEC_FLOWS_MAX, key_of, secret);
    d->tick = event_new(base, -1, EV_PERSIST, on_tick, d);
    if (d->tick == NULL || event_add(d->tick, &tick) != 0)
        return ERR_NO_MEMORY;
    for (int f = 0; f < FAMILIES; f++) {
        d->raw[f] = raw[f];
        if (udp[f] < 0)
            continue;
        d->readable[f] =
            event_new(base, udp[f], EV_READ | EV_PERSIST, on_sent, d);
        if (d->readable[f] == NULL || event_add(d->readable[f], NULL) != 0)
            return ERR_NO_MEMORY;
    }
    return OK;
}

void exec_datagrams_stop(struct exec_datagrams *d)
{
    while (d->flows.oldest != NULL)
        flow_free((struct flow *)(void *)d->flows.oldest);
    for (int f = 0; f < FAMILIES; f++)
        if (d->readable[f] != NULL)
            event_free(d->readable[f]);
    if (d->tick != NULL)
        event_free(d->tick);
}

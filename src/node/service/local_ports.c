/* SPDX-License-Identifier: MIT
 *
 * Sockets in a keyed table by peer and port, whose list by use says who rests.
 * A socket that the handler closes while it is read from is noticed by
 * `reading`.
 *
 * Of UDP, what follows a datagram that the system took waits for the end of
 * this turn of the loop, in a queue that all sockets share, and leaves with
 * others in one call; one that was refused has the next one sent at once, which
 * hears why.
 */
#include "node/service/local_ports.h"

#include "base/table/keyed_table.h"
#include "node/net/udp_queue.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BATCH       16 /* datagrams of one socket before others have a turn */
#define PAYLOAD_MAX 16384 /* of an answer: of more, as much as is too long */
#define KEY_BYTES   10

struct local_socket {
    struct keyed_entry entry; /* must be first */
    struct local_ports *ports;
    uint8_t key[KEY_BYTES]; /* peer, port */
    struct config_port target;
    struct event *readable;
    uint64_t used_at;
    int fd;
    bool took_last; /* the system did: the next may wait */
    bool trains;
};

struct local_ports {
    struct event_base *base;
    struct local_ports_handler handler;
    struct keyed_table table;
    unsigned max_sockets;
    uint64_t idle;
    struct local_socket *reading;    /* NULL once it is closed */
    uint8_t (*buffers)[PAYLOAD_MAX]; /* BATCH, once there is a socket */
    struct udp_queue queue;          /* likewise */
    struct local_socket *queued;     /* whose datagrams wait; NULL: none */
    struct event *flush;             /* active while some wait */
    struct udp_counters sent;
    struct local_counters counters;
};

static struct local_socket *socket_of(struct keyed_entry *e)
{
    return (struct local_socket *)(void *)e;
}

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct local_socket *s = (const void *)e;

    return bytes_of(s->key, sizeof(s->key));
}

static uint64_t peer_of(const struct local_socket *s)
{
    return bytes_get_number(s->key, 8);
}

const char *local_drop_name(enum local_drop why)
{
    static const char *const names[LOCAL_DROPS] = {
        [LOCAL_DROP_FULL] = "full",           [LOCAL_DROP_REFUSED] = "refused",
        [LOCAL_DROP_BUSY] = "busy",           [LOCAL_DROP_SYSTEM] = "system",
        [LOCAL_DROP_TOO_LARGE] = "too_large",
    };

    return names[why];
}

const char *local_drop_text(enum local_drop why)
{
    static const char *const texts[LOCAL_DROPS] = {
        [LOCAL_DROP_FULL] = "too many local sockets are in use",
        [LOCAL_DROP_REFUSED] = "nobody listens there",
        [LOCAL_DROP_BUSY] = "the server does not read as fast as it is sent to",
        [LOCAL_DROP_TOO_LARGE] = "the datagram is too long for it",
        [LOCAL_DROP_SYSTEM] = "the system does not let it be sent",
    };

    return texts[why];
}

/* ---- What waits --------------------------------------------------------- */

static enum error error_of(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
    case ENOENT:
    case ENOTCONN:
    case ECONNRESET:
        return ERR_UNREACHABLE;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
        return ERR_NO_SPACE;
    case EMSGSIZE:
        return ERR_TOO_LARGE;
    case EMFILE:
    case ENFILE:
        return ERR_FULL;
    default:
        return ERR_IO;
    }
}

static void count_drops(struct local_ports *p, enum error err, uint64_t n)
{
    enum local_drop why = LOCAL_DROP_SYSTEM;

    if (err == ERR_FULL)
        why = LOCAL_DROP_FULL;
    else if (err == ERR_UNREACHABLE)
        why = LOCAL_DROP_REFUSED;
    else if (err == ERR_NO_SPACE)
        why = LOCAL_DROP_BUSY;
    else if (err == ERR_TOO_LARGE)
        why = LOCAL_DROP_TOO_LARGE;
    p->counters.dropped[why] += n;
}

static void flush(struct local_ports *p)
{
    struct local_socket *s = p->queued;
    uint64_t before = p->sent.sent, queued = p->queue.count, sent;

    if (s == NULL)
        return;
    p->queued = NULL;
    p->queue.trains = s->trains;
    udp_queue_flush(&p->queue, s->fd, &p->sent);
    s->trains = p->queue.trains;
    sent = p->sent.sent - before;
    s->took_last = sent == queued;
    p->counters.to_server += sent;
    count_drops(p, error_of(p->queue.outcome.errnum), queued - sent);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

static void enqueue(struct local_socket *s, struct bytes payload)
{
    struct local_ports *p = s->ports;

    if (p->queued != s || p->queue.count == UDP_QUEUE)
        flush(p);
    udp_queue_add(&p->queue, &s->target.to, payload, false);
    p->queued = s;
    event_active(p->flush, EV_TIMEOUT, 0);
}

/* ---- Closing ------------------------------------------------------------ */

static void close_socket(struct local_socket *s)
{
    struct local_ports *p = s->ports;

    if (p->reading == s)
        p->reading = NULL;
    if (p->queued == s)
        flush(p);
    keyed_table_remove(&p->table, &s->entry);
    p->counters.sockets--;
    event_free(s->readable);
    close(s->fd);
    free(s);
}

void local_ports_close_peer(struct local_ports *p, uint64_t peer)
{
    const struct config_ports none = {.count = 0};

    local_ports_keep(p, peer, &none);
}

static bool same_target(const struct config_port *a,
                        const struct config_port *b)
{
    if (a->port != b->port || a->is_unix != b->is_unix)
        return false;
    return a->is_unix ? strcmp(a->path, b->path) == 0
                      : endpoint_equal(&a->to, &b->to);
}

static bool is_among(const struct config_port *port,
                     const struct config_ports *ports)
{
    for (unsigned i = 0; i < ports->count; i++)
        if (same_target(port, &ports->at[i]))
            return true;
    return false;
}

void local_ports_keep(struct local_ports *p, uint64_t peer,
                      const struct config_ports *ports)
{
    struct keyed_entry *e = p->table.oldest;

    while (e != NULL) {
        struct local_socket *s = socket_of(e);

        e = e->newer;
        if (peer_of(s) == peer && !is_among(&s->target, ports))
            close_socket(s);
    }
}

void local_ports_tick(struct local_ports *p, uint64_t now)
{
    while (p->table.oldest != NULL &&
           time_since(socket_of(p->table.oldest)->used_at, now) >= p->idle)
        close_socket(socket_of(p->table.oldest));
}

/* ---- Receiving ---------------------------------------------------------- */

/* Of UDP, that nobody listens is heard after the datagram has counted as sent;
 * of several, once. */
static void was_refused(struct local_socket *s)
{
    struct local_ports *p = s->ports;

    p->counters.dropped[LOCAL_DROP_REFUSED]++;
    if (p->handler.refused != NULL)
        p->handler.refused(p->handler.arg, peer_of(s), s->target.port);
}

static int receive_some(struct local_socket *s, size_t len[BATCH])
{
    struct local_ports *p = s->ports;
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    int n;

    memset(messages, 0, sizeof(messages));
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){p->buffers[i], PAYLOAD_MAX};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    do
        n = recvmmsg(s->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) { /* of one that was sent before */
        s->took_last = false;
        if (errno == ECONNREFUSED && !s->target.is_unix)
            was_refused(s);
    }
    for (int i = 0; i < n; i++)
        len[i] = messages[i].msg_len;
    return n;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct local_socket *s = arg;
    struct local_ports *p = s->ports;
    size_t len[BATCH];
    int n = receive_some(s, len);

    (void)fd;
    (void)what;
    if (n <= 0)
        return;
    s->used_at = clock_now();
    keyed_table_touch(&p->table, &s->entry);
    p->reading = s;
    for (int i = 0; i < n && p->reading == s; i++) {
        p->counters.from_server++;
        p->handler.received(p->handler.arg, peer_of(s), s->target.port,
                            bytes_of(p->buffers[i], len[i]));
    }
    p->reading = NULL;
    if (p->handler.batch_end != NULL)
        p->handler.batch_end(p->handler.arg);
}

/* ---- Opening ------------------------------------------------------------ */

/* A name of the kernel's choice, for the server to answer to. */
static int connect_unix(const char *path)
{
    struct sockaddr_un here = {.sun_family = AF_UNIX}, there = here;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int errnum;

    if (fd < 0)
        return -1;
    memcpy(there.sun_path, path, strlen(path) + 1);
    if (bind(fd, (struct sockaddr *)&here, sizeof(sa_family_t)) == 0 &&
        connect(fd, (struct sockaddr *)&there, sizeof(there)) == 0)
        return fd;
    errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

static int connect_udp(const struct endpoint *to)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(to, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int errnum;

    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) == 0)
        return fd;
    errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

/* False when nobody rests. */
static bool make_room(struct local_ports *p, uint64_t now)
{
    while (p->table.count >= p->max_sockets) {
        struct local_socket *oldest = socket_of(p->table.oldest);

        if (time_since(oldest->used_at, now) < LOCAL_REST)
            return false;
        close_socket(oldest);
    }
    return true;
}

/* Blocks of this size are mapped and cost nothing until they are used. */
static bool has_buffers(struct local_ports *p)
{
    if (p->buffers == NULL)
        p->buffers = malloc(BATCH * sizeof(*p->buffers));
    return p->buffers != NULL &&
           (p->queue.slots != NULL || udp_queue_init(&p->queue, false) == OK);
}

static enum error open_socket(struct local_ports *p,
                              const uint8_t key[KEY_BYTES],
                              const struct config_port *port, uint64_t now,
                              struct local_socket **out)
{
    struct local_socket *s;
    enum error err = ERR_NO_MEMORY;

    if (!make_room(p, now))
        return ERR_FULL;
    if (!has_buffers(p) || (s = calloc(1, sizeof(*s))) == NULL)
        return ERR_NO_MEMORY;
    s->ports = p;
    memcpy(s->key, key, KEY_BYTES);
    s->target = *port;
    s->used_at = now;
    s->fd = port->is_unix ? connect_unix(port->path) : connect_udp(&port->to);
    if (s->fd < 0) {
        err = error_of(errno);
        goto out;
    }
    s->trains = !port->is_unix && udp_queue_can_train(s->fd);
    s->readable =
        event_new(p->base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
    if (s->readable == NULL || event_add(s->readable, NULL) != 0)
        goto out;
    err = keyed_table_add(&p->table, &s->entry);
    if (err != OK)
        goto out;
    p->counters.sockets++;
    *out = s;
    return OK;
out:
    if (s->readable != NULL)
        event_free(s->readable);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
    return err;
}

/* ---- Sending ------------------------------------------------------------ */

/* Of UDP, that nobody listened is told to the datagram behind: that one is sent
 * again. */
static enum error send_now(struct local_socket *s, struct bytes payload)
{
    bool udp = !s->target.is_unix;
    ssize_t r;

    if (s->ports->queued == s)
        flush(s->ports);
    r = send(s->fd, payload.p, payload.len, MSG_DONTWAIT);
    if (r < 0 && errno == ECONNREFUSED && udp)
        was_refused(s);
    if (r < 0 && (errno == EINTR || (errno == ECONNREFUSED && udp)))
        r = send(s->fd, payload.p, payload.len, MSG_DONTWAIT);
    s->took_last = r >= 0 && udp;
    s->ports->counters.to_server += r >= 0;
    return r >= 0 ? OK : error_of(errno);
}

static enum error send_to(struct local_ports *p, uint64_t peer,
                          const struct config_port *port, struct bytes payload,
                          uint64_t now)
{
    uint8_t key[KEY_BYTES];
    struct keyed_entry *e;
    struct local_socket *s;
    enum error err = OK;

    bytes_put_number(key, 8, peer);
    bytes_put_number(key + 8, 2, port->port);
    e = keyed_table_find(&p->table, bytes_of(key, sizeof(key)));
    s = e == NULL ? NULL : socket_of(e);
    if (s != NULL && !same_target(&s->target, port)) {
        close_socket(s);
        s = NULL;
    }
    if (s == NULL)
        err = open_socket(p, key, port, now, &s);
    if (err != OK)
        return err;
    assert(s != NULL);
    s->used_at = now;
    keyed_table_touch(&p->table, &s->entry);
    if (s->took_last && payload.len <= UDP_DATAGRAM_MAX) {
        enqueue(s, payload);
        return OK;
    }
    err = send_now(s, payload);
    if (err == ERR_UNREACHABLE && port->is_unix)
        close_socket(s); /* a server that starts again has another one */
    return err;
}

enum error local_ports_send(struct local_ports *p, uint64_t peer,
                            const struct config_port *port,
                            struct bytes payload, uint64_t now)
{
    enum error err = send_to(p, peer, port, payload, now);

    if (err != OK)
        count_drops(p, err, 1);
    return err;
}

/* ---- Life --------------------------------------------------------------- */

const struct local_counters *local_ports_counters(const struct local_ports *p)
{
    return &p->counters;
}

void local_ports_configure(struct local_ports *p, unsigned max_sockets,
                           uint64_t idle)
{
    p->max_sockets = max_sockets;
    p->idle = idle;
}

enum error local_ports_new(struct event_base *base,
                           const struct local_ports_handler *handler,
                           unsigned max_sockets, uint64_t idle,
                           struct local_ports **out)
{
    struct local_ports *p = calloc(1, sizeof(*p));
    uint8_t secret[KEYED_TABLE_SECRET];

    if (p == NULL)
        return ERR_NO_MEMORY;
    p->base = base;
    p->handler = *handler;
    p->flush = event_new(base, -1, 0, on_flush, p);
    if (p->flush == NULL) {
        free(p);
        return ERR_NO_MEMORY;
    }
    randombytes_buf(secret, sizeof(secret));
    keyed_table_init(&p->table, SIZE_MAX, key_of, secret);
    local_ports_configure(p, max_sockets, idle);
    *out = p;
    return OK;
}

void local_ports_free(struct local_ports *p)
{
    if (p == NULL)
        return;
    while (p->table.oldest != NULL)
        close_socket(socket_of(p->table.oldest));
    event_free(p->flush);
    udp_queue_deinit(&p->queue);
    free(p->buffers);
    free(p);
}

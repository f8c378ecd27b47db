/* SPDX-License-Identifier: MIT
 *
 * The sockets: a batch is received (udp_batch.h), each datagram of it handed
 * up, what that sends is queued (udp_queue.h), and all queues are flushed at
 * the batch's end. What is sent at other times is flushed by an event that is
 * active as long as something waits.
 */
#include "node/net/udp.h"

#include "base/timestamp.h"
#include "node/net/udp_batch.h"
#include "node/net/udp_error.h"
#include "node/net/udp_local.h"
#include "node/net/udp_queue.h"
#include "node/os/bind.h"
#include "node/os/clock.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REST_AFTER 1 /* s without trains: their memory is given back */

#define STALE_TRIES 3
#define GONE_MAX    32 /* that wait to be told */

struct udp_socket {
    struct udp *udp;
    int fd;
    unsigned index;
    struct event *readable;
    struct endpoint local;
    struct udp_queue queue;
    struct udp_locals locals; /* of a socket with many addresses */
    unsigned ask;             /* messages of the next call */
    bool receives_trains;
    bool has_errors; /* of the network's, to be read */
};

struct udp {
    struct event_base *base;
    struct udp_config config;
    struct udp_handlers handlers;
    struct log *log;
    struct udp_counters counters;
    struct udp_traffic traffic[FAMILIES];
    bool said[FAMILIES][UDP_DROPS]; /* why sending fails */
    struct udp_socket sockets[UDP_SOCKETS_MAX];
    unsigned count;
    bool in_batch;
    uint64_t now; /* of the batch, or when the first was queued outside */
    const struct endpoint *asker; /* whose datagram is being handled, */
    unsigned asked;               /* and the socket that it came through */
    struct event *flush; /* active while something waits outside a batch */
    struct event *tell;  /* active while one of these waits to be told: */
    struct udp_refusal refusals[UDP_REFUSALS];
    unsigned refusal_count;
    struct endpoint gone[GONE_MAX];
    unsigned gone_count;
    uint64_t errors_since;   /* a second that has begun then, */
    unsigned errors;         /* what the network said in it, */
    struct event *ask_again; /* pending after one with too much */
    struct event *rest;      /* pending while trains come, and a while longer */
    struct udp_batch batch;
};

const char *udp_drop_name(enum udp_drop reason)
{
    static const char *const names[UDP_DROPS] = {
        [UDP_RECEIVED_TOO_LONG] = "received_too_long",
        [UDP_RECEIVE_ERROR] = "receive_error",
        [UDP_SEND_TOO_LONG] = "send_too_long",
        [UDP_SEND_NO_SOCKET] = "send_no_socket",
        [UDP_SEND_WOULD_BLOCK] = "send_would_block",
        [UDP_SEND_NO_BUFFERS] = "send_no_buffers",
        [UDP_SEND_UNREACHABLE] = "send_unreachable",
        [UDP_SEND_REFUSED] = "send_refused",
        [UDP_SEND_DEVICE] = "send_device",
        [UDP_SEND_OTHER] = "send_other",
    };

    assert(reason < UDP_DROPS);
    return names[reason];
}

/* ---- Receiving ---- */

static void deliver(struct udp_socket *s, const struct endpoint *from,
                    uint8_t *datagram, size_t len)
{
    struct udp *udp = s->udp;

    if (len > UDP_DATAGRAM_MAX) {
        udp->counters.dropped[UDP_RECEIVED_TOO_LONG]++;
        return;
    }
    udp->counters.received++;
    udp->counters.received_bytes += len;
    udp->traffic[from->family].received++;
    udp->handlers.receive(udp->handlers.arg, from, datagram, len, s->index);
}

/* A datagram or a train of them; how many. */
static unsigned deliver_message(struct udp_socket *s,
                                const struct udp_message *m)
{
    struct udp *udp = s->udp;
    size_t done = 0;
    unsigned n = 0;

    udp->counters.trains_received += m->segment < m->len;
    udp->traffic[m->from.family].received_at = udp->now;
    if (m->has_at && s->locals.peers != NULL)
        udp_locals_learn(&s->locals, &m->from, m->at, udp->now);
    udp->asker = &m->from;
    udp->asked = s->index;
    do {
        size_t left = m->len - done;
        size_t len = left < m->segment ? left : m->segment;

        deliver(s, &m->from, m->p + done, len);
        done += len;
        n++;
    } while (done < m->len);
    udp->asker = NULL;
    return n;
}

/* Once for each reason: what goes on is in the metrics. That there is no way
 * to somebody is not worth a line, and a full buffer is our own doing, as is a
 * full queue through which something leaves. Whether nothing leaves any more is
 * for whoever watches the node's health to say. */
static void say_failure(struct udp *udp, enum family family, int errnum)
{
    enum udp_drop reason = udp_drop_of(errnum);
    bool *said = &udp->said[family][reason];
    bool leaves = time_since(udp->traffic[family].sent_at, udp->now) < TIME_S;

    if (*said || reason == UDP_SEND_UNREACHABLE ||
        reason == UDP_SEND_WOULD_BLOCK || reason == UDP_SEND_TOO_LONG ||
        (reason == UDP_SEND_NO_BUFFERS && leaves))
        return;
    *said = true;
    udp->traffic[family].said_at = udp->now;
    log_warn(udp->log,
             "the system refuses to send over %s: %s%s; from now on this is "
             "counted only, in warren_udp_dropped_total as %s",
             family == FAMILY_IPV4 ? "IPv4" : "IPv6", strerror(errnum),
             reason == UDP_SEND_REFUSED ? " (a firewall of this machine?)" : "",
             udp_drop_name(reason));
}

/* Whose sender wants to hear of it; told out of the loop, as it may send. */
static void keep_refusals(struct udp *udp, const struct udp_queue *q)
{
    for (unsigned i = 0; i < q->refusal_count; i++) {
        if (udp->refusal_count < UDP_REFUSALS)
            udp->refusals[udp->refusal_count++] = q->refusals[i];
    }
    if (udp->refusal_count > 0 && udp->handlers.refused != NULL)
        event_active(udp->tell, EV_TIMEOUT, 0);
}

static enum error refusal_error(int errnum)
{
    enum udp_drop why = udp_drop_of(errnum);

    if (why == UDP_SEND_UNREACHABLE)
        return ERR_UNREACHABLE;
    return why == UDP_SEND_REFUSED ? ERR_FORBIDDEN : ERR_IO;
}

static void tell_gone(struct udp *udp)
{
    struct endpoint told[GONE_MAX];
    unsigned count = udp->gone_count;

    memcpy(told, udp->gone, count * sizeof(told[0]));
    udp->gone_count = 0;
    for (unsigned i = 0; i < count; i++)
        udp->handlers.gone(udp->handlers.arg, &told[i]);
}

static void on_tell(evutil_socket_t fd, short what, void *arg)
{
    struct udp *udp = arg;
    struct udp_refusal told[UDP_REFUSALS];
    unsigned count = udp->handlers.refused != NULL ? udp->refusal_count : 0;

    (void)fd;
    (void)what;
    tell_gone(udp);
    memcpy(told, udp->refusals, count * sizeof(told[0]));
    udp->refusal_count = 0;
    for (unsigned i = 0; i < count; i++)
        udp->handlers.refused(udp->handlers.arg, &told[i].to,
                              refusal_error(told[i].errnum));
}

static void note_outcome(struct udp_socket *s)
{
    const struct udp_outcome *o = &s->queue.outcome;
    enum family family = (enum family)s->local.family;
    struct udp_traffic *t = &s->udp->traffic[family];
    char at[ENDPOINT_TEXT_SIZE];

    s->has_errors |= o->stale;
    t->sent += o->sent;
    t->refused += o->refused;
    if (o->sent > 0) {
        t->sent_at = s->udp->now;
        t->refused_now = 0;
    }
    t->refused_now += o->refused_last;
    if (o->errnum != 0 && o->errnum != EAGAIN) {
        t->refused_at = s->udp->now;
        t->refusal = o->errnum;
        say_failure(s->udp, family, o->errnum);
    }
    if (o->trains_failed)
        log_info(s->udp->log,
                 "datagrams leave %s one by one from now on: the system or "
                 "the network card refuses trains of them",
                 endpoint_print(&s->local, at));
    if (o->from_failed)
        udp_locals_forget(&s->locals);
}

static void flush_socket(struct udp_socket *s)
{
    if (s->queue.count == 0)
        return;
    udp_queue_flush(&s->queue, s->fd, &s->udp->counters);
    note_outcome(s);
    keep_refusals(s->udp, &s->queue);
}

void udp_flush(struct udp *udp)
{
    for (unsigned i = 0; i < udp->count; i++)
        flush_socket(&udp->sockets[i]);
}

/* Handles what was received; how many datagrams it was. */
static unsigned handle(struct udp_socket *s)
{
    struct udp *udp = s->udp;
    struct udp_message m;
    enum udp_drop why;
    unsigned n = 0;

    udp->in_batch = true;
    udp->now = clock_now();
    if (udp->handlers.batch_begin != NULL)
        udp->handlers.batch_begin(udp->handlers.arg, udp->now);
    for (unsigned i = 0; i < udp->batch.count; i++) {
        if (udp_batch_message(&udp->batch, i, &m, &why)) {
            n += deliver_message(s, &m);
            /* A train's worth: the next node begins while we go on. */
            if (s->queue.count > UDP_BATCH)
                flush_socket(s);
        } else {
            udp->counters.dropped[why]++;
            n++;
        }
    }
    if (udp->handlers.batch_end != NULL)
        udp->handlers.batch_end(udp->handlers.arg);
    udp->in_batch = false;
    udp_flush(udp);
    return n;
}

/* Gives memory back once no trains come; looks again while they do. */
static void rest(struct udp *udp)
{
    static const struct timeval pause = {.tv_sec = REST_AFTER};

    if (!udp_batch_rest(&udp->batch))
        evtimer_add(udp->rest, &pause);
}

static void on_rest(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    rest(arg);
}

/* ---- What the network says of what was sent ---- */

static void ask_for_errors(struct udp *udp, bool on)
{
    for (unsigned i = 0; i < udp->count; i++)
        udp_errors_ask(udp->sockets[i].fd,
                       (enum family)udp->sockets[i].local.family, on);
}

static void on_ask_again(evutil_socket_t fd, short what, void *arg)
{
    struct udp *udp = arg;

    (void)fd;
    (void)what;
    udp->errors = 0;
    ask_for_errors(udp, true);
}

/* Each that comes may be made up, and has a call fail that has to be made
 * again: who sends many is not listened to. */
static void limit_errors(struct udp *udp, unsigned n)
{
    static const struct timeval pause = {.tv_sec = 1};
    uint64_t now = clock_now();

    if (time_since(udp->errors_since, now) > TIME_S) {
        udp->errors_since = now;
        udp->errors = 0;
    }
    udp->errors += n;
    if (udp->errors <= UDP_ERROR_RATE || evtimer_pending(udp->ask_again, NULL))
        return;
    udp->counters.errors_paused++;
    ask_for_errors(udp, false);
    evtimer_add(udp->ask_again, &pause);
}

static bool is_kept(const struct udp *udp, const struct endpoint *ep)
{
    for (unsigned i = 0; i < udp->gone_count; i++) {
        if (endpoint_equal(&udp->gone[i], ep))
            return true;
    }
    return false;
}

/* Until they are told, out of the loop: that may send. */
static void keep_gone(struct udp *udp, const struct endpoint *gone, unsigned n)
{
    udp->counters.gone += n;
    for (unsigned i = 0; i < n && udp->gone_count < GONE_MAX; i++) {
        if (!is_kept(udp, &gone[i]))
            udp->gone[udp->gone_count++] = gone[i];
    }
    if (udp->gone_count > 0)
        event_active(udp->tell, EV_TIMEOUT, 0);
}

/* No more than fit into the time of a wake; the kernel wakes us again. */
static void read_errors(struct udp_socket *s)
{
    struct endpoint gone[UDP_ERRORS];
    struct udp *udp = s->udp;
    unsigned total = 0, gone_count, n;

    s->has_errors = false;
    do {
        n = udp_errors_read(s->fd, gone, &gone_count);
        if (udp->handlers.gone != NULL)
            keep_gone(udp, gone, gone_count);
        total += n;
    } while (n == UDP_ERRORS && total < UDP_WAKE_MAX);
    udp->counters.network_errors += total;
    if (total > 0)
        limit_errors(udp, total);
}

/* ---- A wake ---- */

/* Errors that come of trains which the kernel makes, on some devices. */
static void receive_failed(struct udp_socket *s, int errnum)
{
    char at[ENDPOINT_TEXT_SIZE];
    int off = 0;

    if (errnum == EAGAIN || udp_error_is_stale(errnum))
        return;
    s->udp->counters.dropped[UDP_RECEIVE_ERROR]++;
    if (!s->receives_trains || (errnum != EIO && errnum != EINVAL))
        return;
    s->receives_trains = false;
    setsockopt(s->fd, IPPROTO_UDP, UDP_GRO, &off, sizeof(off));
    log_info(s->udp->log,
             "datagrams come to %s one by one from now on: receiving trains "
             "of them fails (%s)",
             endpoint_print(&s->local, at), strerror(errnum));
}

/* The error of what was sent before takes the place of one result. */
static bool receive_batch(struct udp_socket *s, unsigned ask)
{
    for (unsigned i = 0; i < STALE_TRIES; i++) {
        s->udp->counters.receive_calls++;
        if (udp_batch_receive(&s->udp->batch, s->fd, ask))
            return true;
        if (!udp_error_is_stale(errno))
            break;
        s->has_errors = true;
    }
    receive_failed(s, errno);
    return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct udp_socket *s = arg;
    struct udp *udp = s->udp;
    unsigned total = 0, asked, n;

    (void)fd;
    (void)what;
    if (s->has_errors)
        read_errors(s);
    do {
        asked = s->ask;
        if (!receive_batch(s, asked)) {
            if (total == 0) /* what has woken us, then? */
                read_errors(s);
            return;
        }
        n = handle(s);
        s->ask = udp_batch_end(&udp->batch, n);
        if (udp->batch.had_trains && !evtimer_pending(udp->rest, NULL))
            rest(udp);
        total += n;
    } while (udp->batch.count == asked && total < UDP_WAKE_MAX);
}

/* ---- Sending ---- */

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    udp_flush(arg);
}

/* Through socket `i`, whose family must be that of `to`. */
static enum error send_from(struct udp *udp, unsigned i,
                            const struct endpoint *to, struct bytes datagram,
                            bool alone)
{
    struct udp_socket *s = &udp->sockets[i];
    const uint8_t *from = NULL;
    /* What was received stays there until the flush behind the batch. */
    bool borrowed = udp->in_batch && udp_batch_has(&udp->batch, datagram.p);

    assert(i < udp->count && s->local.family == to->family);
    if (datagram.len > UDP_DATAGRAM_MAX) {
        udp->counters.dropped[UDP_SEND_TOO_LONG]++;
        return ERR_TOO_LARGE;
    }
    if (s->queue.count == UDP_QUEUE)
        flush_socket(s);
    if (!udp->in_batch && s->queue.count == 0)
        udp->now = clock_now();
    udp_queue_add(&s->queue, to, datagram, borrowed);
    if (s->locals.peers != NULL)
        from = udp_locals_find(&s->locals, to, udp->now);
    if (from != NULL)
        udp_queue_set_from(&s->queue, from);
    if (alone)
        udp_queue_set_alone(&s->queue);
    udp->counters.borrowed += borrowed;
    if (!udp->in_batch)
        event_active(udp->flush, EV_TIMEOUT, 0);
    return OK;
}

static enum error send_somehow(struct udp *udp, const struct endpoint *to,
                               struct bytes datagram, bool alone)
{
    if (udp->asker != NULL && endpoint_equal(to, udp->asker))
        return send_from(udp, udp->asked, to, datagram, alone);
    for (unsigned i = 0; i < udp->count; i++) {
        if (udp->sockets[i].local.family == to->family)
            return send_from(udp, i, to, datagram, alone);
    }
    udp->counters.dropped[UDP_SEND_NO_SOCKET]++;
    return ERR_UNSUPPORTED;
}

enum error udp_send(struct udp *udp, const struct endpoint *to,
                    struct bytes datagram)
{
    return send_somehow(udp, to, datagram, false);
}

enum error udp_send_alone(struct udp *udp, const struct endpoint *to,
                          struct bytes datagram)
{
    return send_somehow(udp, to, datagram, true);
}

/* ---- Life ---- */

struct udp *udp_new(struct event_base *base, const struct udp_config *config,
                    const struct udp_handlers *handlers, struct log *log)
{
    struct udp *udp = calloc(1, sizeof(*udp));

    if (udp == NULL)
        return NULL;
    udp->base = base;
    udp->config = *config;
    udp->handlers = *handlers;
    udp->log = log;
    udp->flush = event_new(base, -1, 0, on_flush, udp);
    udp->tell = event_new(base, -1, 0, on_tell, udp);
    udp->ask_again = evtimer_new(base, on_ask_again, udp);
    udp->rest = evtimer_new(base, on_rest, udp);
    if (udp_batch_init(&udp->batch) != OK || udp->flush == NULL ||
        udp->tell == NULL || udp->ask_again == NULL || udp->rest == NULL) {
        udp_free(udp);
        return NULL;
    }
    return udp;
}

static void close_socket(struct udp_socket *s)
{
    if (s->readable != NULL)
        event_free(s->readable);
    udp_queue_deinit(&s->queue);
    udp_locals_deinit(&s->locals);
    if (s->fd >= 0)
        close(s->fd);
}

static void close_from(struct udp *udp, unsigned first)
{
    while (udp->count > first)
        close_socket(&udp->sockets[--udp->count]);
}

void udp_free(struct udp *udp)
{
    if (udp == NULL)
        return;
    assert(!udp->in_batch);
    udp_flush(udp);
    close_from(udp, 0);
    if (udp->flush != NULL)
        event_free(udp->flush);
    if (udp->tell != NULL)
        event_free(udp->tell);
    if (udp->ask_again != NULL)
        event_free(udp->ask_again);
    if (udp->rest != NULL)
        event_free(udp->rest);
    udp_batch_deinit(&udp->batch);
    free(udp);
}

/* What the kernel grants; it counts its own overhead as as much again. */
static uint32_t set_buffer(int fd, int option, int forced, uint32_t want)
{
    int value = (int)want, got = 0;
    socklen_t len = sizeof(got);

    if (want > 0 &&
        setsockopt(fd, SOL_SOCKET, forced, &value, sizeof(value)) < 0)
        setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
    getsockopt(fd, SOL_SOCKET, option, &got, &len);
    return (uint32_t)got / 2;
}

static void set_buffers(struct udp *udp, int fd, const char *at)
{
    uint32_t want = udp->config.receive_buffer;
    uint32_t got = set_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, want);

    if (got < want)
        log_info(udp->log,
                 "receive buffer of %s: asked for %u KiB, the kernel grants "
                 "%u; raise net.core.rmem_max to lose less under load",
                 at, want / 1024, got / 1024);
    set_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, udp->config.send_buffer);
}

/* Done without when the kernel is too old. */
static bool can_receive_trains(int fd)
{
    int on = 1;

    return setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0;
}

/* ERR_NO_MEMORY. On a kernel that does not tell at which address a datagram
 * came, it goes on choosing the one to answer from. */
static enum error learn_locals(struct udp_socket *s)
{
    int on = 1;

    if (!endpoint_is_wildcard(&s->local))
        return OK;
    if (s->local.family == FAMILY_IPV4)
        setsockopt(s->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    else
        setsockopt(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    return udp_locals_init(&s->locals);
}

enum error udp_listen(struct udp *udp, const struct endpoint *at,
                      struct text *why)
{
    struct udp_socket *s = &udp->sockets[udp->count];
    char name[ENDPOINT_TEXT_SIZE];
    enum error err;

    if (udp->count == UDP_SOCKETS_MAX) {
        text_addf(why, "cannot listen on %s: %d sockets are the most",
                  endpoint_print(at, name), UDP_SOCKETS_MAX);
        return ERR_FULL;
    }
    *s = (struct udp_socket){.udp = udp, .index = udp->count, .ask = UDP_BATCH};
    err = bind_socket(SOCK_DGRAM, at, "--listen", &s->fd, &s->local, why);
    if (err != OK)
        return err;
    s->readable =
        event_new(udp->base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
    s->receives_trains = can_receive_trains(s->fd);
    if (udp_queue_init(&s->queue, udp_queue_can_train(s->fd)) != OK ||
        learn_locals(s) != OK || s->readable == NULL ||
        event_add(s->readable, NULL) < 0) {
        close_socket(s);
        text_add(why, error_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    if (udp->handlers.gone != NULL)
        udp_errors_ask(s->fd, (enum family)s->local.family, true);
    set_buffers(udp, s->fd, endpoint_print(&s->local, name));
    udp->count++;
    return OK;
}

enum error udp_listen_all(struct udp *udp, const struct endpoint *at,
                          size_t count, struct text *why)
{
    unsigned before = udp->count;
    size_t left_out = 0;
    enum error err = OK;

    for (size_t i = 0; i < count && err == OK; i++) {
        size_t len = why->len;

        err = udp_listen(udp, &at[i], why);
        if (err != ERR_UNSUPPORTED || at[i].family != FAMILY_IPV6 ||
            !endpoint_is_wildcard(&at[i]) || ++left_out == count)
            continue;
        log_warn(udp->log, "%s; going on without IPv6", text_get(why) + len);
        text_cut(why, len);
        err = OK;
    }
    if (err != OK)
        close_from(udp, before);
    return err;
}

/* ---- Looking inside ---- */

unsigned udp_socket_count(const struct udp *udp)
{
    return udp->count;
}

struct endpoint udp_local(const struct udp *udp, unsigned i)
{
    assert(i < udp->count);
    return udp->sockets[i].local;
}

uint32_t udp_receive_buffer(const struct udp *udp, unsigned i)
{
    assert(i < udp->count);
    return set_buffer(udp->sockets[i].fd, SO_RCVBUF, 0, 0);
}

bool udp_sends_trains(const struct udp *udp, unsigned i)
{
    assert(i < udp->count);
    return udp->sockets[i].queue.trains;
}

bool udp_receives_trains(const struct udp *udp, unsigned i)
{
    assert(i < udp->count);
    return udp->sockets[i].receives_trains;
}

uint64_t udp_kernel_drops(const struct udp *udp)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < udp->count; i++) {
        uint32_t info[SK_MEMINFO_VARS] = {0};
        socklen_t len = sizeof(info);

        /* A kernel older than 4.12 does not tell; then it stays 0. */
        if (getsockopt(udp->sockets[i].fd, SOL_SOCKET, SO_MEMINFO, info,
                       &len) == 0)
            sum += info[SK_MEMINFO_DROPS];
    }
    return sum;
}

void udp_addresses_changed(struct udp *udp)
{
    for (unsigned i = 0; i < udp->count; i++)
        udp_locals_forget(&udp->sockets[i].locals);
}

const struct udp_traffic *udp_traffic(const struct udp *udp, enum family family)
{
    return &udp->traffic[family];
}

const struct udp_counters *udp_counters(const struct udp *udp)
{
    return &udp->counters;
}

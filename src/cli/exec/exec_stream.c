/* SPDX-License-Identifier: MIT
 *
 * A stream is two halves, one for each direction. A half reads when nothing of
 * what it read before is left (`kept`), so that an idle stream has no buffer
 * and a slow one has one read's.
 */
#include "cli/exec/exec_stream.h"

#include "node/os/clock.h"
#include "node/os/sockaddr.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX ((size_t)64 * 1024)
#define READS    8   /* a turn of the loop */
#define ACCEPTS  64  /* likewise */
#define REST_MS  250 /* when there are no descriptors */

struct half {
    struct exec_stream *stream;
    int from, to;
    struct event *readable, *writable;
    uint8_t *kept;
    size_t len, at; /* of what is kept; what is written of it */
    bool ended;     /* `from` has sent its last byte, */
    bool shut;      /* and `to` was told */
};

struct exec_stream {
    LIST_ENTRY(exec_stream) link;
    struct exec_streams *streams;
    struct exec_name *name; /* NULL: to an address */
    int program, proxy;
    struct half out, back;
    bool open; /* the proxy has said so */
    size_t heard_len;
    uint8_t heard[EXEC_SOCKS_HEARD_MAX];
};

/* ---- The end ------------------------------------------------------------ */

static void set_accepting(struct exec_streams *s, bool on)
{
    for (int f = 0; f < FAMILIES; f++) {
        if (s->readable[f] != NULL && on)
            event_add(s->readable[f], NULL);
        else if (s->readable[f] != NULL)
            event_del(s->readable[f]);
    }
}

static void free_half(struct half *h)
{
    if (h->readable != NULL)
        event_free(h->readable);
    if (h->writable != NULL)
        event_free(h->writable);
    free(h->kept);
}

static void close_with(int fd, bool reset)
{
    struct linger now = {.l_onoff = reset};

    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

static void stream_free(struct exec_stream *c, bool reset)
{
    struct exec_streams *s = c->streams;

    free_half(&c->out);
    free_half(&c->back);
    close_with(c->program, reset);
    close_with(c->proxy, reset);
    if (c->name != NULL)
        exec_name_let_go(c->name, clock_now());
    LIST_REMOVE(c, link);
    free(c);
    if (s->count-- == EXEC_STREAMS_MAX)
        set_accepting(s, true);
}

/* ---- Halves ------------------------------------------------------------- */

/* All of it was read and written: false when the stream is gone. An end before
 * the answer waits for it, as the proxy gives up a client that leaves. */
static bool finish(struct half *h)
{
    struct exec_stream *c = h->stream;

    if (!h->ended || h->shut || h->len > 0 || !c->open)
        return true;
    h->shut = true;
    shutdown(h->to, SHUT_WR);
    if (!c->out.shut || !c->back.shut)
        return true;
    stream_free(c, false);
    return false;
}

/* How much `to` takes; SIZE_MAX when it is broken. */
static size_t write_some(const struct half *h, struct bytes data)
{
    ssize_t r = send(h->to, data.p, data.len, MSG_NOSIGNAL);

    if (r < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
        return 0;
    return r < 0 ? SIZE_MAX : (size_t)r;
}

/* What is left waits until `to` takes more. */
static bool keep(struct half *h, struct bytes data)
{
    h->kept = malloc(data.len);
    if (h->kept == NULL)
        return false;
    memcpy(h->kept, data.p, data.len);
    h->len = data.len;
    h->at = 0;
    event_del(h->readable);
    event_add(h->writable, NULL);
    return true;
}

/* False when the stream is gone. */
static bool forward(struct half *h, struct bytes data)
{
    size_t took = data.len == 0 ? 0 : write_some(h, data);

    if (took == data.len ||
        (took < data.len && keep(h, bytes_of(data.p + took, data.len - took))))
        return true;
    stream_free(h->stream, true);
    return false;
}

/* False when no more is to be read now. */
static bool read_some(struct half *h)
{
    uint8_t buf[READ_MAX];
    ssize_t r = recv(h->from, buf, sizeof(buf), 0);

    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (r < 0) {
        stream_free(h->stream, true);
        return false;
    }
    if (r == 0) {
        h->ended = true;
        event_del(h->readable);
        finish(h);
        return false;
    }
    return forward(h, bytes_of(buf, (size_t)r)) && h->len == 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    for (unsigned i = 0; i < READS; i++)
        if (!read_some(arg))
            break;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct half *h = arg;
    size_t took = write_some(h, bytes_of(h->kept + h->at, h->len - h->at));

    (void)fd;
    (void)what;
    if (took == SIZE_MAX) {
        stream_free(h->stream, true);
        return;
    }
    h->at += took;
    if (h->at < h->len) {
        event_add(h->writable, NULL);
        return;
    }
    free(h->kept);
    h->kept = NULL;
    h->len = 0;
    if (!h->ended)
        event_add(h->readable, NULL);
    finish(h);
}

/* ---- The proxy's answer ------------------------------------------------- */

/* What follows the answer is the destination's. */
static void begin(struct exec_stream *c, size_t used)
{
    struct half *h = &c->back;

    c->open = true;
    event_free(h->readable);
    h->readable = event_new(c->streams->base, h->from, EV_READ | EV_PERSIST,
                            on_readable, h);
    if (h->readable == NULL || event_add(h->readable, NULL) != 0) {
        stream_free(c, true);
        return;
    }
    if (forward(h, bytes_of(c->heard + used, c->heard_len - used)))
        finish(&c->out);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
    struct half *h = arg;
    struct exec_stream *c = h->stream;
    struct endpoint at;
    size_t used;
    enum error e;
    ssize_t r =
        recv(fd, c->heard + c->heard_len, sizeof(c->heard) - c->heard_len, 0);

    (void)what;
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->heard_len += r > 0 ? (size_t)r : 0;
    e = exec_socks_hear(bytes_of(c->heard, c->heard_len), &used, &at);
    if (r > 0 && e == ERR_MISSING)
        return;
    if (r > 0 && e == OK)
        begin(c, used);
    else
        stream_free(c, true);
}

/* ---- Connections -------------------------------------------------------- */

static int dial(const struct endpoint *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(at, &sa);
    int one = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

static bool make_half(struct half *h, struct exec_stream *c, int from, int to,
                      event_callback_fn on_read)
{
    struct event_base *base = c->streams->base;

    *h = (struct half){.stream = c, .from = from, .to = to};
    h->readable = event_new(base, from, EV_READ | EV_PERSIST, on_read, h);
    h->writable = event_new(base, to, EV_WRITE, on_writable, h);
    return h->readable != NULL && h->writable != NULL &&
           event_add(h->readable, NULL) == 0;
}

/* Where the program wanted to go. False: nowhere outside. */
static bool target_of(struct exec_stream *c, struct socks_address *out)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    struct endpoint to;

    if (getsockname(c->program, (struct sockaddr *)&sa, &len) != 0 ||
        sockaddr_to_endpoint((struct sockaddr *)&sa, &to) != OK)
        return false;
    return exec_names_target(c->streams->names, &to, clock_now(), &c->name,
                             out);
}

static bool start(struct exec_stream *c)
{
    uint8_t said[EXEC_SOCKS_SAID_MAX];
    struct socks_address to;
    size_t len;
    int one = 1;

    if (!target_of(c, &to))
        return false;
    c->proxy = dial(&c->streams->proxy->at);
    if (c->proxy < 0)
        return false;
    setsockopt(c->program, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!make_half(&c->out, c, c->program, c->proxy, on_readable) ||
        !make_half(&c->back, c, c->proxy, c->program, on_answer))
        return false;
    len = exec_socks_say(c->streams->proxy, false, &to, said);
    return keep(&c->out, bytes_of(said, len));
}

static void stream_new(struct exec_streams *s, int fd)
{
    struct exec_stream *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        close_with(fd, true);
        return;
    }
    c->streams = s;
    c->program = fd;
    c->proxy = -1;
    LIST_INSERT_HEAD(&s->list, c, link);
    if (++s->count == EXEC_STREAMS_MAX)
        set_accepting(s, false);
    if (!start(c))
        stream_free(c, true);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    struct exec_streams *s = arg;

    (void)fd;
    (void)what;
    if (s->count < EXEC_STREAMS_MAX)
        set_accepting(s, true);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    const struct timeval rest = {.tv_usec = REST_MS * 1000};
    struct exec_streams *s = arg;

    (void)what;
    for (unsigned i = 0; i < ACCEPTS && s->count < EXEC_STREAMS_MAX; i++) {
        int program = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (program >= 0) {
            stream_new(s, program);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            set_accepting(s, false); /* else the loop would spin on it */
            event_add(s->rested, &rest);
        }
        return;
    }
}

enum error exec_streams_start(struct exec_streams *s, struct event_base *base,
                              const struct exec_proxy *proxy,
                              struct exec_names *names,
                              const int listening[FAMILIES])
{
    *s = (struct exec_streams){.base = base, .proxy = proxy, .names = names};
    LIST_INIT(&s->list);
    s->rested = evtimer_new(base, on_rested, s);
    if (s->rested == NULL)
        return ERR_NO_MEMORY;
    for (int f = 0; f < FAMILIES; f++) {
        if (listening[f] < 0)
            continue;
        s->readable[f] =
            event_new(base, listening[f], EV_READ | EV_PERSIST, on_accept, s);
        if (s->readable[f] == NULL || event_add(s->readable[f], NULL) != 0)
            return ERR_NO_MEMORY;
    }
    return OK;
}

void exec_streams_stop(struct exec_streams *s)
{
    struct exec_stream *c, *next;

    for (c = LIST_FIRST(&s->list); c != NULL; c = next) {
        next = LIST_NEXT(c, link);
        stream_free(c, true);
    }
    for (int f = 0; f < FAMILIES; f++)
        if (s->readable[f] != NULL)
            event_free(s->readable[f]);
    if (s->rested != NULL)
        event_free(s->rested);
}

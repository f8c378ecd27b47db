/* SPDX-License-Identifier: MIT
 *
 * A splice is gone when the stream says that it is (on_closed), which comes
 * after both halves have ended, or after a reset by either end.
 */
#include "node/splice/splice.h"

#include "base/timestamp.h"
#include "node/os/clock.h"
#include "tunnel/link/reason.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX ((size_t)64 * 1024) /* bytes a system call, */
#define READS    8                   /* and calls a turn of the loop */

struct splice {
    struct splice_env env;
    int fd;
    struct stream *st;
    struct event *readable, *writable;
    uint8_t *first; /* read, and not yet taken by the stream; or NULL */
    size_t first_len;
    uint64_t used_at;
    bool ended; /* the socket has sent its last byte */
    bool shut;  /* and was given its last one */
    enum error why;
    splice_done_fn *done;
    void *arg;
};

static void free_events(struct splice *s)
{
    if (s->readable != NULL)
        event_free(s->readable);
    if (s->writable != NULL)
        event_free(s->writable);
    s->readable = s->writable = NULL;
}

/* An end without a word is a good end; RST is none. It is what the kernel says,
 * too, when this process is killed. */
static void end_badly(int fd, bool badly)
{
    struct linger now = {.l_onoff = badly};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void close_socket(struct splice *s)
{
    if (s->fd < 0)
        return;
    end_badly(s->fd, s->why != OK);
    close(s->fd);
    s->fd = -1;
}

static void splice_release(struct splice *s)
{
    free_events(s);
    close_socket(s);
    free(s->first);
    free(s);
}

static void rearm(const struct splice_env *env)
{
    if (env->rearm != NULL)
        env->rearm(env->arg);
}

/* on_closed comes of it. */
static void break_off(struct splice *s, enum error why, enum reason code,
                      uint64_t now)
{
    s->why = why;
    event_del(s->readable);
    event_del(s->writable);
    stream_reset(s->st, code, now);
}

/* ---- From the socket ---------------------------------------------------- */

/* False while the stream has no room for all of it. */
static bool pass_first(struct splice *s, uint64_t now)
{
    size_t took;

    if (s->first_len == 0)
        return true;
    took = stream_write(s->st, bytes_of(s->first, s->first_len), now);
    s->first_len -= took;
    memmove(s->first, s->first + took, s->first_len);
    if (s->first_len > 0)
        return false; /* on_room follows */
    free(s->first);
    s->first = NULL;
    return true;
}

/* False when no more is to be read now. */
static bool read_some(struct splice *s, uint64_t now)
{
    uint8_t buf[READ_MAX];
    size_t room = stream_room(s->st);
    ssize_t r;

    if (room == 0) {
        event_del(s->readable);
        stream_want_room(s->st);
        return false;
    }
    r = recv(s->fd, buf, room < sizeof(buf) ? room : sizeof(buf), 0);
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    s->used_at = now;
    if (r < 0) {
        break_off(s, ERR_CANCELLED, REASON_LINK_LOST, now);
        return false;
    }
    if (r == 0) {
        event_del(s->readable);
        s->ended = true;
        stream_finish(s->st, now);
        return false;
    }
    stream_write(s->st, bytes_of(buf, (size_t)r), now);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct splice *s = arg;
    struct splice_env env = s->env;
    uint64_t now = clock_now();

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < READS; i++)
        if (!read_some(s, now))
            break;
    rearm(&env); /* s may be gone */
}

static void on_room(void *arg, struct stream *st, uint64_t now)
{
    struct splice *s = arg;

    (void)st;
    if (!s->ended && pass_first(s, now))
        event_add(s->readable, NULL);
}

/* ---- To the socket ------------------------------------------------------ */

static size_t on_data(void *arg, struct stream *st, struct bytes data, bool fin,
                      uint64_t now)
{
    struct splice *s = arg;
    ssize_t r = 0;

    (void)st;
    if (data.len > 0)
        r = send(s->fd, data.p, data.len, MSG_NOSIGNAL);
    if (r < 0 && errno != EAGAIN && errno != EINTR) {
        break_off(s, ERR_CANCELLED, REASON_LINK_LOST, now);
        return data.len;
    }
    if (r < 0)
        r = 0;
    s->used_at = now;
    if ((size_t)r < data.len)
        event_add(s->writable, NULL);
    else if (fin)
        s->shut = shutdown(s->fd, SHUT_WR) == 0;
    return (size_t)r;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct splice *s = arg;
    struct splice_env env = s->env;

    (void)fd;
    (void)what;
    stream_resume(s->st, clock_now());
    rearm(&env);
}

/* ---- The end ------------------------------------------------------------ */

static void on_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                     uint64_t now)
{
    struct splice *s = arg;

    (void)st;
    (void)reading;
    break_off(s, ERR_CANCELLED, reason_of(code), now);
}

/* Also when its connection is gone: then not both halves have ended. */
static void on_closed(void *arg, struct stream *st, uint64_t now)
{
    struct splice *s = arg;
    splice_done_fn *done;
    enum error why;
    void *holder;

    (void)st;
    (void)now;
    if (s == NULL) /* splice_free */
        return;
    if (s->why == OK && !(s->ended && s->shut))
        s->why = ERR_CANCELLED;
    done = s->done;
    holder = s->arg;
    why = s->why;
    splice_release(s);
    done(holder, why);
}

static void on_moved(void *holder, struct stream_conn *c, uint64_t path,
                     uint64_t now)
{
    (void)holder, (void)c, (void)path, (void)now;
}

static const struct stream_handler handler = {.data = on_data,
                                              .writable = on_room,
                                              .reset = on_reset,
                                              .closed = on_closed,
                                              .moved = on_moved};

/* ---- Life --------------------------------------------------------------- */

static bool make_events(struct splice *s)
{
    s->readable =
        event_new(s->env.base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
    s->writable = event_new(s->env.base, s->fd, EV_WRITE, on_writable, s);
    return s->readable != NULL && s->writable != NULL;
}

static bool keep_first(struct splice *s, struct bytes first)
{
    if (first.len == 0)
        return true;
    s->first = malloc(first.len);
    if (s->first == NULL)
        return false;
    memcpy(s->first, first.p, first.len);
    s->first_len = first.len;
    return true;
}

enum error splice_new(const struct splice_env *env, int fd, struct stream *st,
                      struct bytes first, splice_done_fn *done, void *arg,
                      uint64_t now, struct splice **out)
{
    struct splice *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        close(fd);
        stream_reset(st, REASON_FULL, now);
        return ERR_NO_MEMORY;
    }
    *s = (struct splice){
        .env = *env, .fd = fd, .used_at = now, .done = done, .arg = arg};
    if (!keep_first(s, first) || !make_events(s)) {
        s->why = ERR_NO_MEMORY;
        splice_release(s);
        stream_reset(st, REASON_FULL, now);
        return ERR_NO_MEMORY;
    }
    s->st = st;
    end_badly(fd, true);
    stream_hand_over(st, &handler, s);
    *out = s;
    if (pass_first(s, now))
        event_add(s->readable, NULL);
    stream_resume(st, now);
    return OK;
}

uint64_t splice_used_at(const struct splice *s)
{
    return s->used_at;
}

void splice_free(struct splice *s, uint32_t code, uint64_t now)
{
    struct stream *st = s->st;

    s->why = ERR_CANCELLED;
    splice_release(s);
    stream_hand_over(st, NULL, NULL); /* which tells nobody more than its end */
    stream_reset(st, code, now);
}

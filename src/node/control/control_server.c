/* SPDX-License-Identifier: MIT
 *
 * Each request becomes a control_call, which lives until it is answered or its
 * client goes. A client goes through these states, in this order, most through
 * the first and the last alone:
 *
 *     OPEN          asks, and is answered
 *     ANSWERS_LAST  has closed its half, and gets the answers that it waits for
 *     REASON_LAST   sent what cannot be answered, and gets to read why it ends
 *     DOOMED        writes to it do nothing, and an event reaps it: a callback
 *                   of an engine may be on the stack, so it is not freed here
 *
 * One that lets what it asked for lie for LAST_WORDS_S seconds in the two in
 * the middle is doomed too; before, what waits for it is bounded by bytes.
 *
 * One client more than may be is accepted, to see whose it is; then one makes
 * way (next_to_go), or the new one waits, unread, until one can.
 */
#include "node/control/control_server.h"
#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/os/unix_socket.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define GRACE          (50 * TIME_MS) /* in which an idle client asks */
#define LAST_WORDS_S   5
#define LAST_WORDS_MAX 512 /* bytes of a frame that says why it ends */

struct control_call {
    LIST_ENTRY(control_call) link;
    TAILQ_ENTRY(control_call) wanting_link;
    struct client *client;
    uint32_t msgid;
    void (*cancel)(void *arg);
    void *cancel_arg;
    bool wants_room; /* it is among the wanting */
    void (*room)(void *arg);
    void *room_arg;
};

enum client_state { OPEN, ANSWERS_LAST, REASON_LAST, DOOMED };

struct client {
    LIST_ENTRY(client) link;
    struct control_server *server;
    struct bufferevent *bev;
    LIST_HEAD(, control_call) calls; /* newest first */
    TAILQ_HEAD(wanting_head, control_call)
    wanting; /* room, the longest first */
    unsigned call_count;
    enum client_state state;
    bool has_asked;
    struct ucred peer; /* the process that has connected */
    uint64_t used_at;  /* when it came, or its last call ended */
};

struct control_server {
    struct event_base *base;
    struct control_handler handler;
    struct log *log;
    struct unix_listener socket;
    struct evconnlistener *listener;
    struct event *reaper;
    unsigned max_clients;
    unsigned client_count;
    LIST_HEAD(, client) clients; /* newest first */
    struct client *waiting;      /* for a place; NULL: none, it may be gone */
    struct control_counters counters;
    /* One frame is written at a time. Allocated while there are clients. */
    uint8_t *frame;
    struct mp_token *tokens; /* of a request */
    struct mp_writer writer;
};

/* ---- Clients ----------------------------------------------------------- */

/* The reaper comes, and sees who can go, and who can come in. */
static void wake(struct control_server *s)
{
    event_active(s->reaper, EV_TIMEOUT, 0);
}

static void client_doom(struct client *c)
{
    if (c->state == DOOMED)
        return;
    c->state = DOOMED;
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    wake(c->server);
}

static void client_end(struct client *c, enum error err, const char *text);

/* Dooms one that has got all that it was to get. */
static void client_done(struct client *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    bool answered = c->state == ANSWERS_LAST && c->call_count == 0;

    if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
        return;
    if (answered && evbuffer_get_length(in) > 0) {
        evbuffer_drain(in, evbuffer_get_length(in));
        client_end(c, ERR_MISSING, "the last frame is not whole");
    } else if (answered || c->state == REASON_LAST) {
        client_doom(c);
    }
}

static void client_read_no_more(struct client *c, enum client_state state)
{
    struct timeval patience = {.tv_sec = LAST_WORDS_S};

    c->state = state;
    bufferevent_disable(c->bev, EV_READ);
    bufferevent_set_timeouts(c->bev, NULL, &patience);
    client_done(c);
}

static void wake_in(struct control_server *s, uint64_t ns)
{
    struct timeval tv = clock_timeval(ns);

    if (!evtimer_pending(s->reaper, NULL) && evtimer_add(s->reaper, &tv) != 0)
        wake(s);
}

static void call_free(struct control_call *call)
{
    struct client *c = call->client;

    LIST_REMOVE(call, link);
    if (call->wants_room)
        TAILQ_REMOVE(&c->wanting, call, wanting_link);
    c->call_count--;
    c->used_at = clock_now();
    if (c->server->waiting != NULL)
        wake(c->server);
    free(call);
    client_done(c);
}

static void client_free(struct client *c)
{
    struct control_server *s = c->server;
    struct control_call *call;

    c->state = DOOMED;
    while ((call = LIST_FIRST(&c->calls)) != NULL) {
        if (call->cancel != NULL)
            call->cancel(call->cancel_arg);
        call_free(call);
    }
    LIST_REMOVE(c, link);
    s->client_count--;
    if (s->waiting == c)
        s->waiting = NULL;
    bufferevent_free(c->bev);
    free(c);
}

static void frame_buffers_free(struct control_server *s)
{
    free(s->frame);
    free(s->tokens);
    s->frame = NULL;
    s->tokens = NULL;
}

static bool frame_buffers_alloc(struct control_server *s)
{
    if (s->frame != NULL)
        return true;
    s->frame = malloc(CONTROL_FRAME_MAX);
    s->tokens = calloc(CONTROL_REQUEST_TOKENS, sizeof(*s->tokens));
    if (s->frame != NULL && s->tokens != NULL)
        return true;
    frame_buffers_free(s);
    return false;
}

/* The last frame, for one that is about to be cut off. */
static void send_closed(int fd, enum error err, const char *text)
{
    uint8_t frame[LAST_WORDS_MAX];
    struct mp_writer w;

    mp_writer_init(&w, frame, sizeof(frame));
    control_write_closed(&w, error_name(err), text);
    send(fd, frame, w.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Never into the middle of an answer. */
static void say_why(const struct client *c, enum error err, const char *text)
{
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
        send_closed(bufferevent_getfd(c->bev), err, text);
}

/* ---- Room for one more ------------------------------------------------- */

static bool same_process(const struct client *a, const struct client *b)
{
    return a->peer.uid == b->peer.uid && a->peer.pid == b->peer.pid;
}

static unsigned held_by_process_of(const struct client *one)
{
    const struct client *c = LIST_FIRST(&one->server->clients);
    unsigned n = 0;

    for (; c != NULL; c = LIST_NEXT(c, link))
        n += same_process(c, one);
    return n;
}

static bool is_idle(const struct client *c)
{
    return c->call_count == 0 &&
           evbuffer_get_length(bufferevent_get_output(c->bev)) == 0;
}

/* Who makes way for the one that waits: an idle one of the process that has
 * most, the longest idle of these; where all are at work, one of a process that
 * has more than the newcomer's. NULL: none, the others have to be waited for.
 */
static struct client *next_to_go(const struct control_server *s)
{
    struct client *c = LIST_FIRST(&s->clients), *best = NULL;
    unsigned most = 0;

    for (; c != NULL; c = LIST_NEXT(c, link)) {
        unsigned held = held_by_process_of(c);

        if (c == s->waiting || c->state == DOOMED ||
            (best != NULL && is_idle(best) && !is_idle(c)))
            continue;
        if (best == NULL || (is_idle(c) && !is_idle(best)) || held > most ||
            (held == most && c->used_at <= best->used_at)) {
            best = c;
            most = held;
        }
    }
    if (best == NULL || is_idle(best) || most > held_by_process_of(s->waiting))
        return best;
    return NULL;
}

/* How long one is left alone that has just come: until then somebody who means
 * it has asked something. */
static uint64_t grace_of(const struct client *c)
{
    uint64_t since = time_since(c->used_at, clock_now());

    return c->has_asked || since >= GRACE ? 0 : GRACE - since;
}

static void client_start(struct client *c)
{
    if (bufferevent_enable(c->bev, EV_READ | EV_WRITE) < 0)
        client_doom(c);
}

/* Lets the one that waits in, if there is room or can be made. Comes from the
 * loop and never from an engine, so that clients can be freed. */
static void let_in(struct control_server *s)
{
    struct client *c = s->waiting, *goes;

    if (c == NULL)
        return;
    if (s->client_count > s->max_clients) {
        goes = next_to_go(s);
        if (goes != NULL && grace_of(goes) > 0)
            wake_in(s, grace_of(goes));
        if (goes == NULL || grace_of(goes) > 0)
            return;
        s->counters.made_way++;
        say_why(goes, ERR_FULL,
                "there are too many clients, and of the program that has most "
                "the one that was idle for longest makes way");
        client_free(goes);
    }
    s->waiting = NULL;
    c->used_at = clock_now();
    client_start(c);
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
    struct control_server *s = arg;
    struct client *c = LIST_FIRST(&s->clients);

    (void)fd;
    (void)what;
    while (c != NULL) {
        struct client *next = LIST_NEXT(c, link);

        if (c->state == DOOMED)
            client_free(c);
        c = next;
    }
    if (s->client_count == 0)
        frame_buffers_free(s);
    let_in(s);
    if (s->waiting == NULL)
        evconnlistener_enable(s->listener);
}

/* ---- Answers ----------------------------------------------------------- */

static struct mp_writer *frame_begin(struct control_server *s)
{
    mp_writer_init(&s->writer, s->frame, CONTROL_FRAME_MAX);
    return &s->writer;
}

static void client_send(struct client *c, struct bytes frame)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);

    if (c->state >= REASON_LAST)
        return;
    if (evbuffer_get_length(out) + frame.len > CONTROL_OUTPUT_MAX) {
        c->server->counters.slow_clients++;
        log_warn(c->server->log,
                 "a control client does not read its answers: cut off");
        client_doom(c);
        return;
    }
    if (bufferevent_write(c->bev, frame.p, frame.len) != 0)
        client_doom(c);
}

void control_on_cancel(struct control_call *call, void (*cancel)(void *arg),
                       void *arg)
{
    call->cancel = cancel;
    call->cancel_arg = arg;
}

struct mp_writer *control_reply(struct control_call *call)
{
    struct mp_writer *w = frame_begin(call->client->server);

    control_write_response(w, call->msgid);
    return w;
}

void control_finish(struct control_call *call)
{
    struct client *c = call->client;

    if (c->server->writer.err != OK) {
        control_fail(call, ERR_TOO_LARGE,
                     "the answer does not fit a frame of the control socket");
        return;
    }
    client_send(c, mp_writer_bytes(&c->server->writer));
    call_free(call);
}

struct mp_writer *control_notify(struct control_call *call, const char *method)
{
    struct mp_writer *w = frame_begin(call->client->server);

    control_write_notification(w, call->msgid, method);
    return w;
}

void control_notified(struct control_call *call)
{
    struct client *c = call->client;

    if (c->server->writer.err == OK)
        client_send(c, mp_writer_bytes(&c->server->writer));
}

static void send_error_as(struct client *c, uint32_t msgid, const char *code,
                          const char *text)
{
    struct mp_writer *w = frame_begin(c->server);

    c->server->counters.failed++;
    control_write_error(w, msgid, code, text);
    client_send(c, mp_writer_bytes(w));
}

static void send_error(struct client *c, uint32_t msgid, enum error err,
                       const char *text)
{
    send_error_as(c, msgid, error_name(err),
                  text != NULL ? text : error_text(err));
}

void control_fail(struct control_call *call, enum error err, const char *text)
{
    send_error(call->client, call->msgid, err, text);
    call_free(call);
}

void control_fail_as(struct control_call *call, const char *code,
                     const char *text)
{
    send_error_as(call->client, call->msgid, code, text);
    call_free(call);
}

/* ---- Calls that go on --------------------------------------------------- */

uint32_t control_msgid(const struct control_call *call)
{
    return call->msgid;
}

bool control_same_client(const struct control_call *a,
                         const struct control_call *b)
{
    return a->client == b->client;
}

bool control_same_process(const struct control_call *a,
                          const struct control_call *b)
{
    return same_process(a->client, b->client);
}

enum error control_find(const struct control_call *call, uint32_t msgid,
                        struct control_call **out)
{
    struct control_call *found = NULL, *other;

    LIST_FOREACH(other, &call->client->calls, link)
    {
        if (other == call || other->msgid != msgid)
            continue;
        if (found != NULL)
            return ERR_IN_USE;
        found = other;
    }
    if (found == NULL)
        return ERR_NOT_FOUND;
    *out = found;
    return OK;
}

void *control_held(const struct control_call *call, void (*cancel)(void *arg))
{
    return call->cancel == cancel ? call->cancel_arg : NULL;
}

bool control_cancel(struct control_call *call)
{
    if (call->cancel == NULL)
        return false;
    call->cancel(call->cancel_arg);
    control_fail(call, ERR_CANCELLED, NULL);
    return true;
}

static size_t waiting_for(const struct control_call *call)
{
    return evbuffer_get_length(bufferevent_get_output(call->client->bev));
}

bool control_has_room(const struct control_call *call)
{
    return waiting_for(call) < CONTROL_ROOM_MAX;
}

bool control_takes_news(const struct control_call *call)
{
    return waiting_for(call) < CONTROL_NEWS_MAX;
}

void control_on_room(struct control_call *call, void (*room)(void *arg),
                     void *arg)
{
    struct client *c = call->client;

    if (!call->wants_room)
        TAILQ_INSERT_TAIL(&c->wanting, call, wanting_link);
    call->wants_room = true;
    call->room = room;
    call->room_arg = arg;
    if (waiting_for(call) <= CONTROL_ROOM_LEFT)
        bufferevent_trigger(c->bev, EV_WRITE,
                            BEV_TRIG_IGNORE_WATERMARKS |
                                BEV_TRIG_DEFER_CALLBACKS);
}

void control_lost(struct control_call *call)
{
    call->client->server->counters.lost++;
}

/* Those that want room again meanwhile wait for the next time. */
static void tell_room(struct client *c)
{
    const struct control_call *last = TAILQ_LAST(&c->wanting, wanting_head);
    struct control_call *call;
    bool more = last != NULL;

    while (more && c->state < REASON_LAST &&
           (call = TAILQ_FIRST(&c->wanting)) != NULL &&
           control_has_room(call)) {
        more = call != last;
        TAILQ_REMOVE(&c->wanting, call, wanting_link);
        call->wants_room = false;
        call->room(call->room_arg);
    }
}

/* ---- Requests ---------------------------------------------------------- */

static void client_call(struct client *c, struct control_frame *f)
{
    struct control_server *s = c->server;
    struct control_call *call;

    s->counters.requests++;
    c->has_asked = true;
    if (c->call_count >= CONTROL_CALLS_MAX) {
        send_error(c, f->msgid, ERR_FULL, "too many requests are running");
        return;
    }
    call = calloc(1, sizeof(*call));
    if (call == NULL) {
        send_error(c, f->msgid, ERR_NO_MEMORY, NULL);
        return;
    }
    call->client = c;
    call->msgid = f->msgid;
    LIST_INSERT_HEAD(&c->calls, call, link);
    c->call_count++;
    s->handler.call(s->handler.arg, call, f->method, &f->value);
}

/* The last frame that a client gets. */
static void client_end(struct client *c, enum error err, const char *text)
{
    struct mp_writer *w = frame_begin(c->server);

    control_write_closed(w, error_name(err), text);
    client_send(c, mp_writer_bytes(w));
    if (c->state != DOOMED)
        client_read_no_more(c, REASON_LAST);
}

/* `text` NULL: nothing is known of it. */
static void client_refuse(struct client *c, enum error err, const char *text)
{
    struct control_server *s = c->server;

    s->counters.bad_frames++;
    log_warn(s->log, "a control client sent no valid request: cut off");
    if (err == ERR_MISSING || err == ERR_TOO_LARGE)
        client_end(c, ERR_TOO_LARGE,
                   "a request is at most 65536 bytes and 2048 values");
    else if (text != NULL)
        client_end(c, err, text);
    else
        client_end(c, ERR_SYNTAX,
                   "this is no msgpack: send requests, [0, msgid, method, "
                   "[params]]");
}

/* True when there may be one more. */
static bool client_read_one(struct client *c)
{
    struct control_server *s = c->server;
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t len = evbuffer_get_length(in);
    struct mp_tape tape = {.tokens = s->tokens, .cap = CONTROL_REQUEST_TOKENS};
    const uint8_t *bytes = evbuffer_pullup(in, -1);
    struct control_frame f = {0};
    size_t used;
    enum error err;

    if (len == 0)
        return false;
    if (bytes == NULL) {
        client_end(c, ERR_NO_MEMORY, error_text(ERR_NO_MEMORY));
        return false;
    }
    err = control_frame_read_request(&tape, bytes_of(bytes, len), &used, &f);
    if (err == ERR_MISSING && len < CONTROL_REQUEST_MAX)
        return false;
    if (err == OK && used > CONTROL_REQUEST_MAX)
        err = ERR_TOO_LARGE;
    if (err == OK && f.kind == CONTROL_REQUEST) {
        client_call(c, &f);
    } else if (err == OK && f.kind == CONTROL_BAD_REQUEST) {
        send_error(c, f.msgid, ERR_SYNTAX, (const char *)f.text.p);
    } else {
        client_refuse(c, err, (const char *)f.text.p);
        return false;
    }
    evbuffer_drain(in, used);
    return c->state == OPEN;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    while (client_read_one(arg))
        continue;
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct client *c = arg;

    (void)bev;
    if (c->server->waiting != NULL)
        wake(c->server);
    tell_room(c);
    client_done(c);
}

/* At the end of what it sends: whether it has closed the other half too. */
static bool is_gone(const struct client *c)
{
    struct pollfd p = {.fd = bufferevent_getfd(c->bev)};

    return poll(&p, 1, 0) != 0;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct client *c = arg;

    (void)bev;
    if ((what & BEV_EVENT_EOF) != 0 && c->state == OPEN && !is_gone(c))
        client_read_no_more(c, ANSWERS_LAST);
    else if (what != BEV_EVENT_CONNECTED)
        client_doom(c);
}

static struct client *client_new(struct control_server *s, evutil_socket_t fd)
{
    struct client *c = calloc(1, sizeof(*c));
    socklen_t len = sizeof(c->peer);

    if (c == NULL)
        return NULL;
    if (frame_buffers_alloc(s))
        c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c->bev == NULL) {
        free(c);
        return NULL;
    }
    c->server = s;
    c->used_at = clock_now();
    /* Unknown: of one process with all that are. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len) != 0)
        c->peer = (struct ucred){0};
    LIST_INIT(&c->calls);
    TAILQ_INIT(&c->wanting);
    bufferevent_setwatermark(c->bev, EV_WRITE, CONTROL_ROOM_LEFT, 0);
    LIST_INSERT_HEAD(&s->clients, c, link);
    s->client_count++;
    return c;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *addr, int addr_len, void *arg)
{
    struct control_server *s = arg;
    struct client *c = client_new(s, fd);

    (void)addr;
    (void)addr_len;
    if (c == NULL) {
        log_warn(s->log, "no memory for a control client: cut off");
        send_closed(fd, ERR_NO_MEMORY, error_text(ERR_NO_MEMORY));
        close(fd);
        return;
    }
    s->counters.accepted++;
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    /* A high watermark would do too, but libevent 2.1 does not survive that its
     * allocation fails. */
    bufferevent_set_max_single_read(c->bev, CONTROL_REQUEST_MAX);
    s->waiting = c;
    let_in(s);
    if (s->waiting != NULL)
        evconnlistener_disable(listener);
}

/* Out of descriptors, most likely. Without a rest the loop would spin on the
 * client that it cannot accept. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct control_server *s = arg;

    log_warn(s->log, "cannot accept a control client: %s", strerror(errno));
    wake_in(s, TIME_S);
    evconnlistener_disable(listener);
}

/* ---- Life -------------------------------------------------------------- */

static enum error server_start(struct control_server *s)
{
    s->reaper = event_new(s->base, -1, 0, on_reap, s);
    if (s->reaper == NULL)
        return ERR_NO_MEMORY;
    s->listener = evconnlistener_new(s->base, on_accept, s, 0, 0, s->socket.fd);
    if (s->listener == NULL)
        return ERR_NO_MEMORY;
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    return OK;
}

enum error control_server_new(struct event_base *base, const char *path,
                              unsigned max_clients,
                              const struct control_handler *handler,
                              struct log *log, struct control_server **out,
                              struct text *why)
{
    struct control_server *s = calloc(1, sizeof(*s));
    enum error err = ERR_NO_MEMORY;

    if (s == NULL)
        goto out;
    s->base = base;
    s->handler = *handler;
    s->log = log;
    s->max_clients = max_clients;
    LIST_INIT(&s->clients);
    err = unix_listen(path, &s->socket, why);
    if (err != OK) {
        free(s);
        return err;
    }
    err = server_start(s);
    if (err == OK) {
        *out = s;
        return OK;
    }
    control_server_free(s);
out:
    text_add(why, error_text(err));
    return err;
}

void control_server_free(struct control_server *s)
{
    struct client *c, *next;

    if (s == NULL)
        return;
    for (c = LIST_FIRST(&s->clients); c != NULL; c = next) {
        next = LIST_NEXT(c, link);
        say_why(c, ERR_CANCELLED, "the daemon stops");
        client_free(c);
    }
    if (s->listener != NULL)
        evconnlistener_free(s->listener);
    if (s->reaper != NULL)
        event_free(s->reaper);
    unix_unlisten(&s->socket);
    frame_buffers_free(s);
    free(s);
}

unsigned control_clients(const struct control_server *s)
{
    return s->client_count;
}

const struct control_counters *control_counters(const struct control_server *s)
{
    return &s->counters;
}

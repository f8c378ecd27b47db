/* SPDX-License-Identifier: MIT */
#include "node/rpc/live/stream_call.h"

#include "base/timestamp.h"
#include "node/host/tunnel_host.h"
#include "node/os/clock.h"
#include "node/service/service_host.h"
#include "node/traffic/traffic_host.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

static void on_cancel(void *arg);

/* ---- What is told in pieces ---------------------------------------------- */

static void tell_piece(struct live *live)
{
    struct stream_call *s = live->piece_of;
    struct mp_writer *w;

    live->piece_of = NULL;
    if (s == NULL)
        return;
    w = control_notify(s->call, "data");
    mp_write_map(w, 1);
    mp_write_text(w, "data");
    mp_write_bin(w, bytes_of(live->piece, live->piece_len));
    control_notified(s->call);
    live->piece_len = 0;
}

static void on_piece(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell_piece(arg);
}

static bool have_piece(struct rpc *rpc)
{
    struct live *live = rpc->live;

    if (live->piece == NULL)
        live->piece = malloc(STREAM_PIECE);
    if (live->piece_event == NULL)
        live->piece_event = evtimer_new(rpc->node->base, on_piece, live);
    return live->piece != NULL && live->piece_event != NULL;
}

/* ---- Life --------------------------------------------------------------- */

struct stream_call *stream_call_new(struct rpc *rpc, struct control_call *call,
                                    const struct rpc_params *params)
{
    struct stream_call *s = have_piece(rpc) ? calloc(1, sizeof(*s)) : NULL;

    if (s == NULL) {
        control_fail(call, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    s->rpc = rpc;
    s->call = call;
    s->number = ++rpc->live->last_stream;
    s->credit = (params->has & RPC_CREDIT) != 0 ? params->credit
                                                : STREAM_CREDIT_DEFAULT;
    control_on_cancel(call, on_cancel, s);
    return s;
}

static void drop_rest(struct stream_call *s)
{
    free(s->rest);
    s->rest = NULL;
    s->rest_at = 0;
    s->rest_len = 0;
}

void stream_call_free(struct stream_call *s)
{
    struct live *live = s->rpc->live;

    if (live->piece_of == s) {
        live->piece_of = NULL;
        live->piece_len = 0;
    }
    if (s->service != 0)
        service_host_let_go(s->rpc->node->services, s->service, clock_now());
    drop_rest(s);
    free(s);
}

/* The carrier's side ends; nobody is called. */
static void detach(struct stream_call *s, uint64_t now)
{
    struct stream *st = s->st;

    if (s->asked != NULL)
        carrier_cancel(s->asked, now);
    s->asked = NULL;
    s->st = NULL;
    if (st == NULL)
        return;
    stream_hand_over(st, NULL, NULL);
    stream_reset(st, REASON_REQUESTED, now);
}

static void end_write(struct stream_call *s)
{
    struct control_call *writing = s->writing;

    s->writing = NULL;
    if (writing != NULL)
        control_fail(writing, ERR_CANCELLED,
                     "the stream has ended before it took all of this");
}

static void tell_ended(const struct stream_call *s, const char *reason,
                       const char *text)
{
    struct stream_news news = {.event = "ended",
                               .stream = s->number,
                               .counts = true,
                               .bad = reason != NULL,
                               .read = s->read,
                               .written = s->written,
                               .reason = reason,
                               .text = text};

    live_tell_stream(s->rpc, &news);
}

/* The client has gone, or wants it no more. */
static void on_cancel(void *arg)
{
    struct stream_call *s = arg;
    struct rpc *rpc = s->rpc;

    detach(s, clock_now());
    end_write(s);
    tell_ended(s, error_name(ERR_CANCELLED), error_text(ERR_CANCELLED));
    stream_call_free(s);
    tunnel_host_rearm(rpc->node->tunnels);
}

struct stream_call *stream_call_find(struct control_call *call,
                                     const struct rpc_params *params)
{
    struct control_call *other;
    struct stream_call *s;
    enum error err = control_find(call, params->call, &other);

    if (err == ERR_IN_USE) {
        control_fail(call, err, "several requests with this msgid are running");
        return NULL;
    }
    s = err == OK ? control_held(other, on_cancel) : NULL;
    if (s == NULL)
        control_fail(call, ERR_NOT_FOUND,
                     "no stream of yours runs as the request with this msgid");
    return s;
}

/* ---- What comes --------------------------------------------------------- */

/* Puts some of it to what is told next; how much. */
static size_t gather(struct stream_call *s, struct bytes data)
{
    static const struct timeval at_once;
    struct live *live = s->rpc->live;
    size_t len = data.len;

    if (live->piece_of != s || live->piece_len == STREAM_PIECE)
        tell_piece(live);
    if (len > STREAM_PIECE - live->piece_len)
        len = STREAM_PIECE - live->piece_len;
    if (len > s->credit)
        len = (size_t)s->credit;
    if (!control_has_room(s->call))
        return 0;
    if (evtimer_add(live->piece_event, &at_once) != 0)
        event_active(live->piece_event, EV_TIMEOUT, 0);
    memcpy(live->piece + live->piece_len, data.p, len);
    live->piece_of = s;
    live->piece_len += len;
    s->credit -= len;
    s->read += len;
    return len;
}

static void flush(struct stream_call *s)
{
    if (s->rpc->live->piece_of == s)
        tell_piece(s->rpc->live);
}

static void tell_nothing(struct stream_call *s, const char *name)
{
    mp_write_map(control_notify(s->call, name), 0);
    control_notified(s->call);
}

static void on_room(void *arg)
{
    struct stream_call *s = arg;
    struct rpc *rpc = s->rpc;

    if (s->st != NULL)
        stream_resume(s->st, clock_now());
    tunnel_host_rearm(rpc->node->tunnels);
}

static size_t on_data(void *arg, struct stream *st, struct bytes data, bool fin,
                      uint64_t now)
{
    struct stream_call *s = arg;
    size_t took = 0, len = 1;

    (void)st;
    (void)now;
    if (s == NULL)
        return data.len;
    while (took < data.len && s->credit > 0 && len > 0) {
        len = gather(s, bytes_of(data.p + took, data.len - took));
        took += len;
    }
    if (took < data.len && s->credit > 0)
        control_on_room(s->call, on_room, s);
    if (fin && took == data.len && !s->ended) {
        flush(s);
        s->ended = true;
        tell_nothing(s, "end");
    }
    return took;
}

void stream_call_more_credit(struct stream_call *s, uint64_t credit,
                             uint64_t now)
{
    s->credit += credit;
    if (s->st != NULL)
        stream_resume(s->st, now);
}

/* ---- What goes ---------------------------------------------------------- */

static size_t push(struct stream_call *s, struct bytes data, uint64_t now)
{
    size_t took = 0;

    if (s->st != NULL)
        took = stream_write(s->st, data, now);
    else if (s->asked != NULL)
        took = carrier_early(s->asked, data, now);
    s->written += took;
    return took;
}

static void push_rest(struct stream_call *s, uint64_t now)
{
    struct control_call *writing = s->writing;

    if (s->rest == NULL)
        return;
    s->rest_at +=
        push(s, bytes_of(s->rest + s->rest_at, s->rest_len - s->rest_at), now);
    if (s->rest_at < s->rest_len)
        return;
    drop_rest(s);
    s->writing = NULL;
    if (writing != NULL)
        live_answer(writing);
}

static void push_end(struct stream_call *s, uint64_t now)
{
    if (s->st != NULL && s->shut && s->rest == NULL)
        stream_finish(s->st, now);
}

/* The client waits no more for the answer; the bytes go on. */
static void on_write_cancel(void *arg)
{
    struct stream_call *s = arg;

    s->writing = NULL;
}

enum error stream_call_write(struct stream_call *s, struct bytes data,
                             struct control_call *writing, uint64_t now)
{
    s->rest = malloc(data.len);
    if (s->rest == NULL)
        return ERR_NO_MEMORY;
    memcpy(s->rest, data.p, data.len);
    s->rest_len = data.len;
    s->writing = writing;
    control_on_cancel(writing, on_write_cancel, s);
    push_rest(s, now);
    return OK;
}

void stream_call_shutdown(struct stream_call *s, uint64_t now)
{
    s->shut = true;
    push_end(s, now);
}

/* ---- The carrier's stream ----------------------------------------------- */

static void on_writable(void *arg, struct stream *st, uint64_t now)
{
    struct stream_call *s = arg;

    (void)st;
    if (s == NULL)
        return;
    push_rest(s, now);
    push_end(s, now);
}

/* Half a stream is of no use: both end, and on_closed comes of it. */
static void on_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                     uint64_t now)
{
    struct stream_call *s = arg;

    (void)reading;
    if (s == NULL)
        return;
    s->broken = true;
    s->why = reason_of(code);
    stream_reset(st, code, now);
}

static void end_well(struct stream_call *s)
{
    struct mp_writer *w;

    tell_ended(s, NULL, NULL);
    w = control_reply(s->call);
    mp_write_map(w, 2);
    rpc_write_uint(w, "read", s->read);
    rpc_write_uint(w, "written", s->written);
    control_finish(s->call);
    stream_call_free(s);
}

static void end_badly(struct stream_call *s, enum reason why)
{
    end_write(s);
    tell_ended(s, reason_name(why), reason_text(why));
    control_fail_as(s->call, reason_name(why), reason_text(why));
    stream_call_free(s);
}

static void on_closed(void *arg, struct stream *st, uint64_t now)
{
    struct stream_call *s = arg;

    (void)st;
    (void)now;
    if (s == NULL) /* detach */
        return;
    s->st = NULL;
    flush(s);
    if (s->broken)
        end_badly(s, s->why);
    else if (s->shut && s->ended && s->rest == NULL)
        end_well(s);
    else
        end_badly(s, REASON_LINK_LOST);
}

static void on_moved(void *holder, struct stream_conn *c, uint64_t path,
                     uint64_t now)
{
    (void)holder, (void)c, (void)path, (void)now;
}

static const struct stream_handler stream_calls = {.data = on_data,
                                                   .writable = on_writable,
                                                   .reset = on_reset,
                                                   .closed = on_closed,
                                                   .moved = on_moved};

void stream_call_open(struct stream_call *s, struct stream *st, uint64_t now)
{
    s->asked = NULL;
    s->st = st;
    stream_hand_over(st, &stream_calls, s);
    push_rest(s, now);
    push_end(s, now);
    stream_resume(st, now);
}

/* ---- Asking ------------------------------------------------------------- */

static void on_asked(void *arg, uint64_t now)
{
    push_rest(arg, now);
}

static void on_answered(void *arg, struct stream *st,
                        const struct stream_answer *answer, uint64_t now)
{
    struct stream_call *s = arg;
    struct stream_news news = {.event = "opened", .stream = s->number};

    (void)answer;
    tell_nothing(s, "opened");
    live_tell_stream(s->rpc, &news);
    stream_call_open(s, st, now);
}

static void on_failed(void *arg, enum reason why, uint64_t now)
{
    struct stream_call *s = arg;

    (void)now;
    s->asked = NULL;
    end_badly(s, why);
}

enum error stream_call_ask(struct stream_call *s,
                           const struct carrier_target *target, uint64_t now)
{
    static const struct carrier_handler calls = {
        .asked = on_asked, .answered = on_answered, .failed = on_failed};
    struct traffic_host *traffic = tunnel_host_traffic(s->rpc->node->tunnels);

    return carrier_open(traffic_host_carrier(traffic), target, &calls, s, now,
                        &s->asked);
}

/* SPDX-License-Identifier: MIT
 *
 * Streams: what is asked of them, and what ngtcp2 says of them.
 */
#include "stream/stream_internal.h"

#include <assert.h>

/* ---- Life --------------------------------------------------------------- */

static struct stream *stream_new(struct stream_conn *c, int64_t id)
{
    struct streams *s = c->streams;
    struct stream *st = memory_new(s, c, sizeof(*st));

    if (st == NULL)
        return NULL;
    st->conn = c;
    st->handler = c->handler;
    st->id = id;
    window_open(st);
    TAILQ_INSERT_TAIL(&c->list, st, link);
    c->count++;
    c->idle_at = TIME_NEVER;
    s->stats.streams++;
    s->stats.opened++;
    return st;
}

static void forget_holder(struct stream *st)
{
    struct stream_conn *c = st->conn;

    st->told = true;
    st->arg = NULL;
    c->streams->stats.streams--;
    c->streams->stats.closed++;
    if (--c->count == 0)
        c->idle_at = c->streams->now;
}

void stream_tell_closed(struct stream *st)
{
    struct stream_conn *c = st->conn;

    if (st->told)
        return;
    st->ended = st->read_over = st->write_over = true;
    st->handler->closed(st->arg, st, c->streams->now);
    forget_holder(st);
}

/* What was not taken does not count any more. */
static void give_back(struct stream *st)
{
    struct stream_conn *c = st->conn;

    c->returned += st->kept.len + st->returned;
    st->returned = 0;
    kept_forget(st);
}

void stream_free(struct stream *st)
{
    struct stream_conn *c = st->conn;

    if (!st->told)
        forget_holder(st);
    give_back(st);
    window_close(st);
    stream_unready(st);
    stream_unchange(st);
    if (st->is_waiting)
        TAILQ_REMOVE(&c->streams->waiting, st, waiting);
    send_buffer_forget(st);
    if (st->id == ID_NONE)
        c->opening--;
    TAILQ_REMOVE(&c->list, st, link);
    memory_free(c->streams, c, st, sizeof(*st));
}

/* ---- What has changed --------------------------------------------------- */

void stream_change(struct stream *st)
{
    if (!st->is_changed)
        TAILQ_INSERT_TAIL(&st->conn->changed, st, changed);
    st->is_changed = true;
    conn_mark(st->conn);
}

void stream_unchange(struct stream *st)
{
    if (st->is_changed)
        TAILQ_REMOVE(&st->conn->changed, st, changed);
    st->is_changed = false;
}

static bool stream_is_read(const struct stream *st)
{
    return st->read_over || (st->fin_told && st->kept.len == 0);
}

/* ---- The interface ------------------------------------------------------ */

static bool has_room_for_one(const struct stream_conn *c)
{
    return ngtcp2_conn_get_streams_bidi_left(c->quic) > c->opening;
}

enum error stream_open(struct stream_conn *c, void *arg, uint64_t now,
                       struct stream **out)
{
    struct stream *st;

    if (c->over || !c->opener)
        return ERR_NOT_FOUND;
    if (memory_is_short(c->streams))
        return ERR_NO_MEMORY;
    if (!has_room_for_one(c)) {
        c->wants_streams = true;
        return ERR_FULL;
    }
    streams_enter(c->streams, now);
    st = stream_new(c, ID_NONE);
    if (st != NULL) {
        c->opening++;
        st->arg = arg;
        *out = st;
    }
    c->streams->depth--;
    return st == NULL ? ERR_NO_MEMORY : OK;
}

void stream_hand_over(struct stream *st, const struct stream_handler *handler,
                      void *arg)
{
    st->arg = arg;
    if (handler == NULL)
        return;
    st->handler = handler;
    st->fin_told = false;
}

struct stream_conn *stream_conn_of(const struct stream *st)
{
    return st->conn;
}

static bool writes(const struct stream *st)
{
    return !st->finished && !st->write_over && !st->ended && !st->conn->over;
}

/* What is not on its way yet is kept short: it is what would pile up behind a
 * reader who stalls. */
#define UNSENT_MAX ((size_t)131072)

/* And of all streams of a connection together: above it each may have so little
 * that a thousand that wait for their turn do not weigh much. */
#define UNSENT_ALL ((size_t)4 << 20)
#define UNSENT_MIN ((size_t)8192)

static size_t unsent_max(const struct stream_conn *c)
{
    return c->unsent < UNSENT_ALL ? UNSENT_MAX : UNSENT_MIN;
}

static size_t room(const struct stream *st)
{
    const struct streams *s = st->conn->streams;
    const struct send_buffer *b = &st->out;
    size_t kept = (size_t)(b->end - b->acked);
    size_t unsent = (size_t)(b->end - b->sent);
    size_t left = kept >= s->config.buffer ? 0 : s->config.buffer - kept;
    size_t most = unsent_max(st->conn);
    size_t may = unsent >= most ? 0 : most - unsent;

    return may < left ? may : left;
}

size_t stream_room(const struct stream *st)
{
    return writes(st) && !memory_is_short(st->conn->streams) ? room(st) : 0;
}

static void wait_for_memory(struct stream *st)
{
    struct streams *s = st->conn->streams;

    if (!st->is_waiting && memory_is_short(s)) {
        st->is_waiting = true;
        TAILQ_INSERT_TAIL(&s->waiting, st, waiting);
    }
}

void stream_want_room(struct stream *st)
{
    st->wants_room = true;
    wait_for_memory(st);
}

size_t stream_write(struct stream *st, struct bytes data, uint64_t now)
{
    struct streams *s = st->conn->streams;
    size_t left = room(st), taken;

    if (!writes(st) || data.len == 0)
        return 0;
    streams_enter(s, now);
    taken = send_buffer_add(
        st, bytes_of(data.p, data.len < left ? data.len : left));
    if (taken < data.len)
        stream_want_room(st);
    if (taken > 0)
        stream_ready(st);
    streams_leave_quietly(st->conn);
    return taken;
}

void stream_finish(struct stream *st, uint64_t now)
{
    struct streams *s = st->conn->streams;

    if (!writes(st))
        return;
    streams_enter(s, now);
    st->finished = true;
    st->wants_room = false;
    stream_ready(st);
    streams_leave_quietly(st->conn);
}

void stream_reset(struct stream *st, uint32_t code, uint64_t now)
{
    struct streams *s = st->conn->streams;

    if (st->ended || st->conn->over)
        return;
    streams_enter(s, now);
    st->ended = st->resetting = true;
    st->read_over = st->write_over = true;
    st->code = code;
    stream_unready(st);
    stream_change(st);
    streams_leave(s);
}

void stream_resume(struct stream *st, uint64_t now)
{
    struct streams *s = st->conn->streams;

    if (st->ended || st->conn->over)
        return;
    streams_enter(s, now);
    st->resuming = true;
    stream_change(st);
    streams_leave(s);
}

/* ---- The other end resets ----------------------------------------------- */

static uint32_t code_of(uint64_t code)
{
    return code > UINT32_MAX ? UINT32_MAX : (uint32_t)code;
}

static void tell_reset(struct stream *st, bool reading)
{
    struct stream_conn *c = st->conn;

    c->streams->stats.resets++;
    st->handler->reset(st->arg, st, reading, st->code, c->streams->now);
}

static void tell_stopped(struct stream *st)
{
    if (st->stop_told || st->ended)
        return;
    st->stop_told = true;
    tell_reset(st, true);
}

/* ngtcp2 does not tell of STOP_SENDING, but refuses what is written then: also
 * what is too much, which it does not look at before. */
static bool is_stopped(const struct stream *st)
{
    ngtcp2_vec too_much = {NULL, SIZE_MAX};
    uint8_t nowhere[1];

    return ngtcp2_conn_writev_stream(st->conn->quic, NULL, NULL, nowhere, 0,
                                     NULL, 0, st->id, &too_much, 1,
                                     st->conn->streams->now) ==
           NGTCP2_ERR_STREAM_SHUT_WR;
}

void stream_stopped(struct stream *st)
{
    if (st->write_over)
        return;
    st->write_over = true;
    stream_unready(st);
    send_buffer_forget(st);
    /* Its code is told when the stream is closed, which is soon. */
    if (!st->fin_came)
        tell_stopped(st);
}

/* ---- What ngtcp2 is asked, when we leave -------------------------------- */

static void apply_reset(struct stream *st)
{
    struct stream_conn *c = st->conn;
    int rv = st->id < 0
                 ? 0
                 : ngtcp2_conn_shutdown_stream(c->quic, 0, st->id, st->code);

    st->resetting = false;
    conn_failed(c, rv);
    give_back(st);
    send_buffer_forget(st);
    stream_tell_closed(st);
    if (st->id < 0)
        stream_free(st);
}

static void apply_returned(struct stream *st)
{
    struct stream_conn *c = st->conn;
    size_t more = window_returns(st, st->returned);
    int rv = st->id < 0 || more == 0
                 ? 0
                 : ngtcp2_conn_extend_max_stream_offset(c->quic, st->id, more);

    c->returned += st->returned;
    st->returned = 0;
    conn_failed(c, rv);
}

/* ngtcp2 is done with it, and its reader, too. */
static void end_if_read(struct stream *st)
{
    if (st->id != ID_GONE || !stream_is_read(st))
        return;
    stream_tell_closed(st);
    stream_free(st);
}

static void apply(struct stream *st)
{
    if (st->resuming)
        stream_offer(st);
    if (st->maybe_stopped && st->id >= 0 && !st->fin_sent && is_stopped(st))
        stream_stopped(st);
    st->maybe_stopped = false;
    if (st->returned > 0)
        apply_returned(st);
    if (st->resetting)
        apply_reset(st);
    else
        end_if_read(st);
}

void conn_apply_streams(struct stream_conn *c)
{
    struct stream *st = TAILQ_FIRST(&c->changed), *next;

    for (; st != NULL && !c->over; st = next) {
        next = TAILQ_NEXT(st, changed);
        apply(st);
    }
    ngtcp2_conn_extend_max_offset(c->quic, c->returned);
    c->returned = 0;
}

/* Less is not worth a call. */
static size_t worth_telling(const struct stream_conn *c)
{
    size_t few = c->streams->config.buffer / 4;
    size_t part = unsent_max(c) / 4;

    return few < part ? few : part;
}

static void offer_room(struct stream *st)
{
    struct stream_conn *c = st->conn;

    if (!st->wants_room || !writes(st) || room(st) < worth_telling(c))
        return;
    if (memory_is_short(c->streams)) {
        wait_for_memory(st);
        return;
    }
    st->wants_room = false;
    st->handler->writable(st->arg, st, c->streams->now);
}

/* For the next round: a handler has asked for it meanwhile. */
static bool is_asked_for(const struct stream *st)
{
    return st->resuming || st->resetting || st->maybe_stopped ||
           st->returned > 0;
}

void conn_offer_streams(struct stream_conn *c)
{
    if (!c->wants_streams || c->over || memory_is_short(c->streams) ||
        !has_room_for_one(c))
        return;
    c->wants_streams = false;
    if (c->handler->openable != NULL)
        c->handler->openable(c->holder, c, c->streams->now);
}

void conn_offer_room(struct stream_conn *c)
{
    struct stream *last = TAILQ_LAST(&c->changed, stream_list), *st = NULL;

    while (st != last && !c->over) {
        st = TAILQ_FIRST(&c->changed);
        stream_unchange(st);
        offer_room(st);
        if (is_asked_for(st))
            stream_change(st);
    }
}

/* ---- What ngtcp2 tells -------------------------------------------------- */

static int opened(ngtcp2_conn *q, int64_t id, void *user_data)
{
    struct stream_conn *c = user_data;
    struct stream *st;

    if (c->over)
        return 0;
    st = stream_new(c, id);
    if (st == NULL) {
        c->streams->newcomer_waits = true;
        return ngtcp2_conn_shutdown_stream(q, 0, id, STREAM_CODE_MEMORY);
    }
    ngtcp2_conn_set_stream_user_data(q, id, st);
    c->handler->opened(c->holder, st, c->streams->now);
    return 0;
}

static int data_came(ngtcp2_conn *q, uint32_t flags, int64_t id,
                     uint64_t offset, const uint8_t *data, size_t len,
                     void *user_data, void *stream_user_data)
{
    struct stream_conn *c = user_data;
    struct stream *st = stream_user_data;

    (void)q, (void)id, (void)offset;
    if (st == NULL || c->over || st->read_over) {
        c->returned += len;
        return 0;
    }
    c->streams->stats.bytes_in += len;
    if (!stream_came(st, bytes_of(data, len),
                     flags & NGTCP2_STREAM_DATA_FLAG_FIN))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int acked(ngtcp2_conn *q, int64_t id, uint64_t offset, uint64_t len,
                 void *user_data, void *stream_user_data)
{
    struct stream *st = stream_user_data;

    (void)q, (void)id, (void)user_data;
    if (st == NULL)
        return 0;
    send_buffer_acked(st, offset + len);
    if (st->wants_room)
        stream_change(st);
    return 0;
}

static bool all_arrived(const struct stream *st)
{
    return st->fin_sent && st->out.acked == st->out.end;
}

static int closed(ngtcp2_conn *q, uint32_t flags, int64_t id, uint64_t code,
                  void *user_data, void *stream_user_data)
{
    struct stream_conn *c = user_data;
    struct stream *st = stream_user_data;

    c->streams->stats.lost += ngtcp2_conn_get_stream_loss_count(q, id);
    if (!c->opener)
        ngtcp2_conn_extend_max_streams_bidi(q, 1);
    if (st == NULL || c->over)
        return 0;
    if ((flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) &&
        !all_arrived(st)) {
        st->code = code_of(code);
        tell_stopped(st);
    }
    st->id = ID_GONE;
    st->write_over = true;
    stream_unready(st);
    send_buffer_forget(st);
    end_if_read(st);
    return 0;
}

static int reset_came(ngtcp2_conn *q, int64_t id, uint64_t size, uint64_t code,
                      void *user_data, void *stream_user_data)
{
    struct stream_conn *c = user_data;
    struct stream *st = stream_user_data;

    (void)q, (void)id, (void)size;
    if (st == NULL || c->over || st->read_over)
        return 0;
    st->read_over = st->maybe_stopped = true;
    st->code = code_of(code);
    give_back(st);
    stream_change(st);
    tell_reset(st, false);
    return 0;
}

static int window_grew(ngtcp2_conn *q, int64_t id, uint64_t max,
                       void *user_data, void *stream_user_data)
{
    struct stream *st = stream_user_data;

    (void)q, (void)id, (void)max, (void)user_data;
    if (st != NULL)
        stream_ready(st);
    return 0;
}

void data_callbacks(ngtcp2_callbacks *cb)
{
    cb->stream_open = opened;
    cb->recv_stream_data = data_came;
    cb->acked_stream_data_offset = acked;
    cb->stream_close = closed;
    cb->stream_reset = reset_came;
    cb->extend_max_stream_data = window_grew;
}

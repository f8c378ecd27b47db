/* SPDX-License-Identifier: MIT
 *
 * What was written, in chunks that ngtcp2 points into until they are
 * acknowledged, and packets made of it: each takes from the streams that have
 * something in turn.
 */
#include "stream/stream_internal.h"

#include <assert.h>

/* ---- The buffer --------------------------------------------------------- */

static size_t free_in_last(const struct send_buffer *b)
{
    uint64_t chunks_end = b->first_offset;

    if (b->last == NULL)
        return 0;
    chunks_end += ((b->end - b->first_offset + CHUNK_BYTES - 1) / CHUNK_BYTES) *
                  CHUNK_BYTES;
    return (size_t)(chunks_end - b->end);
}

static bool add_chunk(struct stream *st)
{
    struct send_buffer *b = &st->out;
    struct chunk *k = memory_new(st->conn->streams, st->conn, sizeof(*k));

    if (k == NULL)
        return false;
    if (b->last == NULL) {
        b->first = k;
        b->first_offset = b->end;
    } else {
        b->last->next = k;
    }
    if (b->cursor == NULL) {
        b->cursor = k;
        b->cursor_offset = b->end;
    }
    b->last = k;
    return true;
}

size_t send_buffer_add(struct stream *st, struct bytes data)
{
    struct send_buffer *b = &st->out;
    size_t done = 0;

    while (done < data.len) {
        size_t part = free_in_last(b);

        if (part == 0) {
            if (!add_chunk(st))
                break;
            part = CHUNK_BYTES;
        }
        if (part > data.len - done)
            part = data.len - done;
        memcpy(b->last->data + (b->end - b->first_offset) % CHUNK_BYTES,
               data.p + done, part);
        done += part;
        b->end += part;
        st->conn->unsent += part;
    }
    return done;
}

static void drop_first(struct stream *st)
{
    struct send_buffer *b = &st->out;
    struct chunk *k = b->first;

    b->first = k->next;
    b->first_offset += CHUNK_BYTES;
    if (b->cursor == k)
        b->cursor = NULL;
    if (b->last == k)
        b->last = NULL;
    memory_free(st->conn->streams, st->conn, k, sizeof(*k));
}

void send_buffer_acked(struct stream *st, uint64_t upto)
{
    struct send_buffer *b = &st->out;

    if (upto > b->sent)
        upto = b->sent;
    if (upto > b->acked)
        b->acked = upto;
    while (b->first != NULL &&
           (b->acked == b->end || b->acked >= b->first_offset + CHUNK_BYTES))
        drop_first(st);
}

void send_buffer_forget(struct stream *st)
{
    while (st->out.first != NULL)
        drop_first(st);
    st->conn->unsent -= (size_t)(st->out.end - st->out.sent);
    st->out.acked = st->out.end = st->out.sent;
}

/* What follows `sent`, up to a packet's worth; true when it is all there is. */
static bool unsent(const struct send_buffer *b, ngtcp2_vec vec[2],
                   size_t *count)
{
    struct chunk *k = b->cursor;
    uint64_t at = b->sent, base = b->cursor_offset;

    for (*count = 0; *count < 2 && k != NULL && at < b->end; (*count)++) {
        uint64_t end = base + CHUNK_BYTES < b->end ? base + CHUNK_BYTES
                                                   : b->end;

        vec[*count].base = k->data + (at - base);
        vec[*count].len = (size_t)(end - at);
        at = end;
        base += CHUNK_BYTES;
        k = k->next;
    }
    return at == b->end;
}

static void went(struct send_buffer *b, size_t n)
{
    b->sent += n;
    while (b->cursor != NULL && b->sent >= b->cursor_offset + CHUNK_BYTES) {
        b->cursor = b->cursor->next;
        b->cursor_offset += CHUNK_BYTES;
    }
}

/* ---- Streams that have something to say --------------------------------- */

static bool has_something(const struct stream *st)
{
    return st->out.sent < st->out.end || (st->finished && !st->fin_sent);
}

void stream_ready(struct stream *st)
{
    if (st->is_ready || st->write_over || !has_something(st))
        return;
    if (st->out.sent == st->out.end)
        TAILQ_INSERT_HEAD(&st->conn->ready, st, ready);
    else
        TAILQ_INSERT_TAIL(&st->conn->ready, st, ready);
    st->is_ready = true;
}

void stream_unready(struct stream *st)
{
    if (st->is_ready)
        TAILQ_REMOVE(&st->conn->ready, st, ready);
    st->is_ready = false;
}

/* `n` bytes of it are in a packet; its turn is over. */
static void stream_went(struct stream *st, size_t n, bool fin)
{
    struct stream_conn *c = st->conn;

    went(&st->out, n);
    c->unsent -= n;
    st->fin_sent |= fin;
    c->streams->stats.bytes_out += n;
    TAILQ_REMOVE(&c->ready, st, ready);
    TAILQ_INSERT_TAIL(&c->ready, st, ready);
    if (!has_something(st))
        stream_unready(st);
    if (st->wants_room)
        stream_change(st);
}

/* Before the handshake is done ngtcp2 leaves the padding of an INITIAL to the
 * data behind it, also where the congestion window has no room for any. */
static bool may_carry(const struct stream_conn *c)
{
    return c->answered || ngtcp2_conn_get_cwnd_left(c->quic) >=
                              (uint64_t)2 * STREAM_PACKET_MAX;
}

/* The next one in turn; when the connection's window is shut, one of which
 * nothing but its end is left to be sent: those are in front. */
static struct stream *next_ready(const struct stream_conn *c)
{
    struct stream *st = TAILQ_FIRST(&c->ready);

    if (st == NULL || !may_carry(c))
        return NULL;
    if (ngtcp2_conn_get_max_data_left(c->quic) > 0)
        return st;
    return st->out.sent == st->out.end ? st : NULL;
}

/* ---- Packets ------------------------------------------------------------ */

struct packet {
    uint8_t bytes[STREAM_PACKET_MAX];
    ngtcp2_path_storage to;
};

static ngtcp2_ssize put_nothing(struct stream_conn *c, struct packet *p)
{
    return ngtcp2_conn_writev_stream(c->quic, &p->to.path, NULL, p->bytes,
                                     sizeof(p->bytes), NULL, 0, -1, NULL, 0,
                                     c->streams->now);
}

static int open_late(struct stream *st)
{
    int rv = 0;

    if (st->id == ID_NONE)
        rv = ngtcp2_conn_open_bidi_stream(st->conn->quic, &st->id, st);
    else
        return 0;
    if (rv == 0)
        st->conn->opening--;
    else
        st->id = ID_NONE;
    return rv;
}

static ngtcp2_ssize put_stream(struct stream_conn *c, struct packet *p,
                               struct stream *st)
{
    uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
    ngtcp2_vec vec[2];
    size_t count, given = 0;
    bool fin = unsent(&st->out, vec, &count) && st->finished;
    ngtcp2_ssize n = open_late(st), taken = -1;

    if (n != 0)
        return n;
    if (fin)
        flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    for (size_t i = 0; i < count; i++)
        given += vec[i].len;
    n = ngtcp2_conn_writev_stream(c->quic, &p->to.path, NULL, p->bytes,
                                  sizeof(p->bytes), &taken, flags, st->id, vec,
                                  count, c->streams->now);
    if (taken >= 0)
        stream_went(st, (size_t)taken, fin && (size_t)taken == given);
    if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED || n == NGTCP2_ERR_STREAM_SHUT_WR ||
        n == NGTCP2_ERR_STREAM_NOT_FOUND)
        stream_unready(st);
    return n;
}

static bool takes_more(ngtcp2_ssize n)
{
    return n == NGTCP2_ERR_WRITE_MORE || n == NGTCP2_ERR_STREAM_DATA_BLOCKED ||
           n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND;
}

/* The length of the packet; 0: nothing can be sent now. */
static ngtcp2_ssize write_packet(struct stream_conn *c, struct packet *p)
{
    struct stream *st;
    ngtcp2_ssize n;

    ngtcp2_path_storage_zero(&p->to);
    while ((st = next_ready(c)) != NULL) {
        n = put_stream(c, p, st);
        if (!takes_more(n))
            return n;
    }
    return put_nothing(c, p);
}

/* False: the path is gone. */
static bool send_packet(struct stream_conn *c, const struct packet *p,
                        size_t len)
{
    struct streams *s = c->streams;
    struct route *r = route_of_number(c, &p->to.path);

    if (r == NULL)
        return false;
    s->stats.packets_out++;
    s->env.send(s->env.ctx, r->path, c->opener, bytes_of(p->bytes, len),
                s->now);
    if (c->unanswered_at == TIME_NEVER)
        c->unanswered_at = s->now;
    c->begun = true;
    return true;
}

static void ping_begin(struct stream_conn *c)
{
    if (c->ping)
        ngtcp2_conn_set_keep_alive_timeout(c->quic, 1);
}

/* What proves to an acceptor that a new path leads to us can be lost: then it
 * may say nothing, and we, who may have nothing to say, would wait for each
 * other. So who has moved says where it is while it is quiet, for some time. */
#define SHOW_EVERY (500 * TIME_MS)

static void ping_end(struct stream_conn *c)
{
    bool shows = c->streams->now < c->shows_until;

    if (c->ping || (c->shows_until != 0 && !shows))
        ngtcp2_conn_set_keep_alive_timeout(c->quic, shows ? SHOW_EVERY : 0);
    if (!shows)
        c->shows_until = 0;
    c->ping = false;
}

void conn_flush(struct stream_conn *c)
{
    size_t quantum = ngtcp2_conn_get_send_quantum(c->quic), sent = 0;
    struct packet p;
    ngtcp2_ssize n = 0;

    ping_begin(c);
    while (sent < quantum && (n = write_packet(c, &p)) > 0) {
        sent += (size_t)n;
        if (!send_packet(c, &p, (size_t)n))
            break;
    }
    ping_end(c);
    if (n < 0)
        conn_failed(c, (int)n);
    else
        ngtcp2_conn_update_pkt_tx_time(c->quic, c->streams->now);
}

void conn_write_close(struct stream_conn *c)
{
    struct packet p;
    ngtcp2_ccerr error;
    ngtcp2_ssize n;

    ngtcp2_ccerr_default(&error);
    ngtcp2_ccerr_set_application_error(&error, c->code, NULL, 0);
    ngtcp2_path_storage_zero(&p.to);
    n = ngtcp2_conn_write_connection_close(c->quic, &p.to.path, NULL, p.bytes,
                                           sizeof(p.bytes), &error,
                                           c->streams->now);
    if (n > 0)
        send_packet(c, &p, (size_t)n);
}

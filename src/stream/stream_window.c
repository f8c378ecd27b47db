/* SPDX-License-Identifier: MIT
 *
 * How much may be on its way to us of each stream. A window grows while its
 * reader takes what comes, as fast as it comes. That of a reader who stalls
 * stays as it is, full, and cannot be taken back; so what windows have grown by
 * is kept to a share of the connection's window, whose rest has room for what
 * all streams begin with: however many stall, others go on.
 *
 * Who would have more where all of the share is given away has it from those
 * who have more than an equal part, who give back as they are read, and from
 * those of whom nothing has come for a while.
 */
#include "stream/stream_internal.h"

/* A quarter of the window that is taken within so many round trips: it is what
 * keeps the other end from sending. */
#define QUICK_RTTS 2
#define LAPSE      (5 * TIME_S) /* a window that nobody used for so long */
#define GROWN_MAX  ((size_t)16000000)

static size_t share(const struct stream_conn *c)
{
    size_t half = c->streams->config.connection_window / 2;

    return half < GROWN_MAX ? half : GROWN_MAX;
}

static size_t grown(const struct stream *st)
{
    return st->window - STREAM_FIRST_WINDOW;
}

/* Whether it is of the share. */
static void count(struct stream *st, bool counts)
{
    struct stream_conn *c = st->conn;

    if (st->counts == counts)
        return;
    st->counts = counts;
    if (counts) {
        c->grown += grown(st);
        c->grown_streams++;
    } else {
        c->grown -= grown(st);
        c->grown_streams--;
    }
}

static void set_window(struct stream *st, size_t window)
{
    count(st, false);
    st->window = window;
    count(st, grown(st) > 0);
}

static void let_lapse(struct stream_conn *c)
{
    uint64_t now = c->streams->now;
    struct stream *st;

    if (time_since(c->lapsed_at, now) < LAPSE / 5)
        return;
    c->lapsed_at = now;
    TAILQ_FOREACH(st, &c->list, link)
    {
        if (st->kept.len == 0 && time_since(st->quarter_at, now) >= LAPSE)
            count(st, false);
    }
}

static size_t left(const struct stream_conn *c)
{
    return c->grown < share(c) ? share(c) - c->grown : 0;
}

/* What each of those that have grown, and this one, would have of the share. */
static size_t part(const struct stream *st)
{
    const struct stream_conn *c = st->conn;

    return share(c) / (c->grown_streams + !st->counts);
}

static bool is_quick(const struct stream *st)
{
    return time_since(st->quarter_at, st->conn->streams->now) <
           QUICK_RTTS * stream_conn_rtt(st->conn);
}

/* By how much it grows now. */
static size_t growth(const struct stream *st)
{
    struct stream_conn *c = st->conn;
    size_t most = c->streams->config.window, more = st->window;

    if (st->window >= most || !is_quick(st))
        return 0;
    if (more > most - st->window)
        more = most - st->window;
    if (more > left(c))
        let_lapse(c);
    c->is_tight = more > left(c);
    if (c->is_tight && grown(st) + more > part(st))
        more = grown(st) < part(st) ? part(st) - grown(st) : 0;
    return more < left(c) ? more : left(c);
}

/* And by how much it gets smaller. */
static size_t excess(const struct stream *st)
{
    if (!st->conn->is_tight || grown(st) <= part(st))
        return 0;
    return grown(st) - part(st);
}

void window_open(struct stream *st)
{
    st->window = STREAM_FIRST_WINDOW;
}

void window_close(struct stream *st)
{
    if (st->counts)
        st->conn->is_tight = false;
    count(st, false);
}

size_t window_returns(struct stream *st, size_t taken)
{
    size_t more, less, owed;

    st->owed += taken;
    if (st->owed < st->window / 4)
        return 0;
    owed = st->owed;
    st->owed = 0;
    count(st, grown(st) > 0);
    more = growth(st);
    less = more > 0 ? 0 : excess(st);
    if (less > owed)
        less = owed;
    set_window(st, st->window + more - less);
    st->quarter_at = st->conn->streams->now;
    return owed + more - less;
}

/* SPDX-License-Identifier: MIT
 *
 * Streams that peers of our services open: their request is read here, the
 * host says who answers it.
 */
#include "tunnel/traffic/carrier_internal.h"

#include "base/timestamp.h"

#include <stdlib.h>

#define PARTING (5 * TIME_S) /* for the peer to end its half once refused */

/* ---- The end ------------------------------------------------------------ */

static void unlist(struct carrier_visit *v)
{
    struct carrier *c = v->carrier;

    if (v->refused) {
        TAILQ_REMOVE(&c->parting, v, link);
        c->parting_count--;
        return;
    }
    TAILQ_REMOVE(&c->visits, v, link);
    c->stats.visits--;
    v->trunk->visits--;
}

static void visit_free(struct carrier_visit *v)
{
    unlist(v);
    free(v);
}

void carrier_visits_free(struct carrier *c)
{
    while (!TAILQ_EMPTY(&c->visits))
        visit_free(TAILQ_FIRST(&c->visits));
    while (!TAILQ_EMPTY(&c->parting))
        visit_free(TAILQ_FIRST(&c->parting));
}

/* The peer had its time. */
static void reset_parting(struct carrier_visit *v, uint64_t now)
{
    struct stream *st = v->stream;
    enum reason why = v->why;

    stream_hand_over(st, NULL, NULL);
    visit_free(v);
    stream_reset(st, why, now);
}

static void begin_parting(struct carrier_visit *v, enum reason why,
                          uint64_t now)
{
    struct carrier *c = v->carrier;

    if (c->parting_count >= c->config.max_visits)
        reset_parting(TAILQ_FIRST(&c->parting), now);
    unlist(v);
    v->refused = true;
    v->why = why;
    v->parts_at = time_after(now, PARTING);
    TAILQ_INSERT_TAIL(&c->parting, v, link);
    c->parting_count++;
}

void carrier_visits_tick(struct carrier *c, uint64_t now)
{
    struct carrier_visit *v;

    while ((v = TAILQ_FIRST(&c->parting)) != NULL && v->parts_at <= now)
        reset_parting(v, now);
}

uint64_t carrier_visits_deadline(const struct carrier *c)
{
    const struct carrier_visit *v = TAILQ_FIRST(&c->parting);

    return v == NULL ? TIME_NEVER : v->parts_at;
}

static void part(struct carrier_visit *v, uint64_t now)
{
    struct carrier *c = v->carrier;

    if (v->told)
        c->host.parted(c->host.ctx, v, now);
    visit_free(v);
}

/* False: there was no memory for all of it. */
static bool write_answer(struct stream *st, enum reason why, uint64_t now)
{
    struct stream_answer a = {.reason = (uint8_t)why};
    uint8_t text[STREAM_MESSAGE_MAX];
    size_t len = stream_answer_write(&a, STREAM_PORT, text);

    return stream_write(st, bytes_of(text, len), now) == len;
}

void carrier_refuse(struct carrier_visit *v, enum reason why, uint64_t now)
{
    struct stream *st = v->stream;
    struct streams *s = v->carrier->streams;

    streams_hold(s, now);
    begin_parting(v, why, now);
    stream_hand_over(st, NULL, v);
    write_answer(st, why, now);
    stream_finish(st, now);
    streams_release(s);
}

struct stream *carrier_take(struct carrier_visit *v,
                            const struct stream_handler *handler, void *arg,
                            uint64_t now)
{
    struct stream *st = v->stream;

    visit_free(v);
    if (!write_answer(st, REASON_UNKNOWN, now))
        stream_finish(st, now); /* without an answer the peer ends it */
    stream_hand_over(st, handler, arg);
    return st;
}

void carrier_visit_set(struct carrier_visit *v, void *holder)
{
    v->holder = holder;
}

void *carrier_visit_get(const struct carrier_visit *v)
{
    return v->holder;
}

/* ---- The request -------------------------------------------------------- */

static void ask_host(struct carrier_visit *v, uint64_t now)
{
    struct carrier *c = v->carrier;
    struct stream_request r;

    if (stream_request_read(&v->request, &r) != OK || r.kind != STREAM_PORT) {
        carrier_refuse(v, REASON_PROTOCOL, now);
        return;
    }
    v->told = true;
    c->host.visited(c->host.ctx, v, v->trunk->service, v->trunk->peer, r.port,
                    now);
}

/* Bytes behind the request wait until it is answered. */
static size_t on_data(void *arg, struct stream *st, struct bytes data, bool fin,
                      uint64_t now)
{
    struct carrier_visit *v = arg;
    struct bytes rest = data;
    enum error e;

    (void)st;
    if (v == NULL || v->refused)
        return data.len;
    if (v->told)
        return 0;
    e = stream_message_take(&v->request, &rest);
    if (e == OK)
        ask_host(v, now);
    else if (e != ERR_MISSING || fin)
        carrier_refuse(v, REASON_PROTOCOL, now);
    return data.len - rest.len;
}

static void on_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                     uint64_t now)
{
    struct carrier_visit *v = arg;

    (void)reading;
    if (v == NULL || v->refused)
        return;
    stream_hand_over(st, NULL, NULL);
    part(v, now);
    stream_reset(st, code, now);
}

static void on_closed(void *arg, struct stream *st, uint64_t now)
{
    struct carrier_visit *v = arg;

    (void)st;
    if (v == NULL)
        return;
    if (v->refused)
        visit_free(v);
    else
        part(v, now);
}

static void on_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)arg, (void)st, (void)now;
}

/* The oldest one of the peer that has most, who has more than it would leave
 * to this one; NULL: there is none. */
static struct carrier_visit *find_spare(const struct carrier *c,
                                        const struct trunk *t)
{
    struct carrier_visit *found = NULL, *v;
    unsigned most = t->visits + 1;

    TAILQ_FOREACH(v, &c->visits, link)
    {
        if (v->trunk->visits > most) {
            most = v->trunk->visits;
            found = v;
        }
    }
    return found;
}

static void end_visit(struct carrier_visit *v, uint64_t now)
{
    struct stream *st = v->stream;

    stream_hand_over(st, NULL, NULL);
    part(v, now);
    stream_reset(st, REASON_FULL, now);
}

static bool make_room(struct carrier *c, const struct trunk *t, uint64_t now)
{
    struct carrier_visit *spare;

    if (c->stats.visits < c->config.max_visits)
        return true;
    spare = find_spare(c, t);
    if (spare == NULL)
        return false;
    end_visit(spare, now);
    return true;
}

static void on_opened(void *holder, struct stream *st, uint64_t now)
{
    struct trunk *t = holder;
    struct carrier *c = t->carrier;
    struct carrier_visit *v = NULL;

    if (make_room(c, t, now))
        v = calloc(1, sizeof(*v));
    if (v == NULL) {
        stream_reset(st, REASON_FULL, now);
        return;
    }
    v->carrier = c;
    v->trunk = t;
    v->stream = st;
    TAILQ_INSERT_TAIL(&c->visits, v, link);
    c->stats.visits++;
    t->visits++;
    stream_hand_over(st, NULL, v);
}

static void on_moved(void *holder, struct stream_conn *conn, uint64_t path,
                     uint64_t now)
{
    (void)holder, (void)conn, (void)path, (void)now;
}

static void on_over(void *holder, struct stream_conn *conn, enum stream_end why,
                    uint32_t code, uint64_t now)
{
    (void)conn, (void)why, (void)code, (void)now;
    trunk_free(holder);
}

const struct stream_handler *carrier_accept(void *ctx, struct stream_conn *conn,
                                            uint64_t path, void **holder)
{
    static const struct stream_handler handler = {.opened = on_opened,
                                                  .data = on_data,
                                                  .reset = on_reset,
                                                  .closed = on_closed,
                                                  .writable = on_writable,
                                                  .moved = on_moved,
                                                  .over = on_over};
    struct carrier *c = ctx;

    if (!(path & PEER_PATH) || c->host.visited == NULL)
        return NULL;
    *holder = trunk_of_visitors(c, conn, path & ~PEER_PATH);
    return *holder == NULL ? NULL : &handler;
}

/* SPDX-License-Identifier: MIT
 *
 * All connections of a node: entering and leaving, time, and what can be asked
 * of a connection.
 */
#include "stream/stream_internal.h"

#include <assert.h>
#include <stdlib.h>

#define MB ((size_t)1000000)

/* How often a leave goes round: handlers that always have something new are
 * heard again at the next tick, which is due at once. */
#define ROUNDS 8

/* ---- Life --------------------------------------------------------------- */

void stream_config_init(struct stream_config *config)
{
    *config = (struct stream_config){
        .max_connections = 1000,
        .max_streams = 1000,
        .window = 8 * MB,
        .connection_window = 80 * MB,
        .buffer = 16 * MB,
        .max_memory = 256 * MB,
        .idle_time = 2 * TIME_MIN,
        .rest_time = TIME_MIN,
    };
}

static struct bytes id_key(const struct keyed_entry *e)
{
    return bytes_of(((const struct id_entry *)e)->id, STREAM_ID_BYTES);
}

static struct bytes path_key(const struct keyed_entry *e)
{
    const struct route *r = (const struct route *)e;

    return bytes_of(r->key, sizeof(r->key));
}

static void init_table(struct streams *s, struct keyed_table *t,
                       keyed_key_fn *key_of)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    s->env.random.fill(s->env.random.ctx, secret, sizeof(secret));
    keyed_table_init(t, SIZE_MAX, key_of, secret);
}

static void at_least(size_t *value, size_t least)
{
    if (*value < least)
        *value = least;
}

enum error streams_new(const struct stream_config *config,
                       const struct stream_env *env, struct streams **out)
{
    struct streams *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->config = *config;
    s->env = *env;
    at_least(&s->config.window, STREAM_FIRST_WINDOW);
    at_least(&s->config.connection_window, STREAM_FIRST_CONNECTION_WINDOW);
    TAILQ_INIT(&s->conns);
    TAILQ_INIT(&s->dirty);
    TAILQ_INIT(&s->waiting);
    init_table(s, &s->by_id, id_key);
    init_table(s, &s->by_path, path_key);
    shares_init(&s->shares, &env->random);
    env->random.fill(env->random.ctx, s->secret, sizeof(s->secret));
    *out = s;
    return OK;
}

void streams_free(struct streams *s)
{
    if (s == NULL)
        return;
    assert(s->depth == 0);
    while (!TAILQ_EMPTY(&s->conns))
        conn_free(TAILQ_FIRST(&s->conns));
    shares_deinit(&s->shares);
    heap_deinit(&s->timers);
    free(s->accepted);
    free(s);
}

/* ---- Entering and leaving ----------------------------------------------- */

void conn_mark(struct stream_conn *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    TAILQ_INSERT_TAIL(&c->streams->dirty, c, dirty);
    c->streams->dirty_count++;
}

void conn_unmark(struct stream_conn *c)
{
    if (!c->is_dirty)
        return;
    c->is_dirty = false;
    TAILQ_REMOVE(&c->streams->dirty, c, dirty);
    c->streams->dirty_count--;
}

/* ngtcp2 wants time that never goes back, and callers differ: who reads packets
 * in batches has looked at the clock earlier than who writes between them. */
void streams_enter(struct streams *s, uint64_t now)
{
    if (s->depth++ == 0)
        s->now = now > s->now ? now : s->now;
}

static void settle_all(struct streams *s)
{
    for (unsigned n = s->dirty_count; n > 0 && s->dirty_count > 0; n--) {
        struct stream_conn *c = TAILQ_FIRST(&s->dirty);

        conn_unmark(c);
        conn_settle(c);
    }
}

void streams_leave(struct streams *s)
{
    for (unsigned i = 0; s->depth == 1 && i < ROUNDS; i++) {
        memory_relieve(s);
        if (s->dirty_count == 0)
            break;
        settle_all(s);
    }
    s->depth--;
}

void streams_hold(struct streams *s, uint64_t now)
{
    streams_enter(s, now);
}

void streams_release(struct streams *s)
{
    streams_leave(s);
}

void streams_leave_quietly(struct stream_conn *c)
{
    if (c->streams->depth == 1)
        conn_send_now(c);
    else
        conn_mark(c);
    c->streams->depth--;
}

void conn_end(struct stream_conn *c, enum stream_end why, uint32_t code,
              bool tell_other)
{
    if (c->over)
        return;
    c->over = true;
    c->why = why;
    c->code = code;
    c->tell_other = tell_other;
    conn_mark(c);
}

static void closed_by_other(struct stream_conn *c)
{
    const ngtcp2_ccerr *error = ngtcp2_conn_get_ccerr(c->quic);
    uint64_t code = error->error_code;

    if (error->type == NGTCP2_CCERR_TYPE_APPLICATION)
        conn_end(c, STREAM_END_CLOSED,
                 code > UINT32_MAX ? UINT32_MAX : (uint32_t)code, false);
    else
        conn_end(c, STREAM_END_PROTOCOL, 0, false);
}

void conn_failed(struct stream_conn *c, int rv)
{
    if (rv == 0)
        return;
    if (rv == NGTCP2_ERR_DRAINING)
        closed_by_other(c);
    else if (rv == NGTCP2_ERR_NOMEM || rv == NGTCP2_ERR_CALLBACK_FAILURE)
        conn_end(c, STREAM_END_MEMORY, 0, false);
    else
        conn_end(c, STREAM_END_PROTOCOL, 0, true);
}

/* ---- Connections -------------------------------------------------------- */

static enum error take_off(struct stream_conn *c, uint64_t path, uint64_t rtt)
{
    enum error err = path_take(c, path);

    if (err != OK)
        return err;
    c->number_now = c->numbers = 1;
    route_find(c, path)->number = 1;
    return conn_open_quic(c, rtt);
}

enum error stream_connect(struct streams *s, uint64_t path, uint64_t rtt,
                          const struct stream_handler *handler, void *holder,
                          uint64_t now, struct stream_conn **out)
{
    struct stream_conn *c;
    enum error err = ERR_NO_MEMORY;

    if (memory_is_short(s))
        return ERR_FULL;
    streams_enter(s, now);
    c = conn_new(s, true);
    if (c != NULL) {
        c->handler = handler;
        c->holder = holder;
        err = take_off(c, path, rtt);
    }
    if (err != OK) {
        if (c != NULL)
            conn_free(c);
        s->depth--;
        return err;
    }
    s->stats.connected++;
    streams_leave_quietly(c);
    *out = c;
    return OK;
}

void stream_conn_close(struct stream_conn *c, uint32_t code, uint64_t now)
{
    struct streams *s = c->streams;

    streams_enter(s, now);
    conn_end(c, STREAM_END_CLOSED, code, true);
    streams_leave(s);
}

uint64_t stream_conn_path(const struct stream_conn *c)
{
    return c->path;
}

bool stream_conn_answered(const struct stream_conn *c)
{
    return c->answered;
}

bool stream_conn_is_clogged(const struct stream_conn *c)
{
    return c->kept >= c->streams->config.connection_window / 2;
}

unsigned stream_conn_streams(const struct stream_conn *c)
{
    return c->count;
}

uint64_t stream_conn_rtt(const struct stream_conn *c)
{
    ngtcp2_conn_info info;

    if (!c->answered)
        return 0;
    ngtcp2_conn_get_conn_info(c->quic, &info);
    return info.smoothed_rtt;
}

void *stream_conn_holder(const struct stream_conn *c)
{
    return c->holder;
}

/* ---- Time --------------------------------------------------------------- */

static struct stream_conn *of_timer(struct heap_entry *e)
{
    return (struct stream_conn *)((char *)e -
                                  offsetof(struct stream_conn, timer));
}

void streams_tick(struct streams *s, uint64_t now)
{
    struct heap_entry *e;

    streams_enter(s, now);
    while ((e = heap_first(&s->timers)) != NULL && e->at <= now) {
        heap_set(&s->timers, e, TIME_NEVER);
        conn_tick(of_timer(e));
    }
    streams_leave(s);
}

uint64_t streams_next_deadline(const struct streams *s)
{
    const struct heap_entry *e = heap_first(&s->timers);

    if (s->dirty_count > 0)
        return 0;
    return e == NULL ? TIME_NEVER : e->at;
}

/* ---- Looking inside ----------------------------------------------------- */

const struct stream_stats *streams_stats(const struct streams *s)
{
    return &s->stats;
}

const char *stream_end_name(enum stream_end why)
{
    static const char *const names[] = {
        [STREAM_END_CLOSED] = "closed",     [STREAM_END_IDLE] = "idle",
        [STREAM_END_TIMEOUT] = "timeout",   [STREAM_END_ROOM] = "room",
        [STREAM_END_PROTOCOL] = "protocol", [STREAM_END_MEMORY] = "memory",
    };

    assert(why <= STREAM_END_MEMORY);
    return names[why];
}

/* SPDX-License-Identifier: MIT
 *
 * A stream, from the engine's first word of it until its request is answered.
 * Each of the functions that end it (answer, refuse, drop) frees it: it is not
 * to be touched after a call that may have done so. What follows from them in
 * the engine is told to `deaf`.
 */
#include "tunnel/outlet/outlet_state.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>

/* ---- Nobody listens ----------------------------------------------------- */

static size_t deaf_data(void *arg, struct stream *st, struct bytes data,
                        bool fin, uint64_t now)
{
    (void)arg, (void)st, (void)fin, (void)now;
    return data.len;
}

static void deaf_stream(void *arg, struct stream *st, uint64_t now)
{
    (void)arg, (void)st, (void)now;
}

static void deaf_reset(void *arg, struct stream *st, bool reading,
                       uint32_t code, uint64_t now)
{
    (void)arg, (void)reading, (void)code;
    stream_reset(st, REASON_REQUESTED, now);
}

/* Of what is over here; the client may still write. */
static const struct stream_handler deaf = {.data = deaf_data,
                                           .writable = deaf_stream,
                                           .reset = deaf_reset,
                                           .closed = deaf_stream};

static void hand_to_deaf(struct stream *st, uint64_t now)
{
    stream_hand_over(st, &deaf, NULL);
    stream_resume(st, now);
}

static void reset(struct stream *st, enum reason code, uint64_t now)
{
    stream_hand_over(st, &deaf, NULL);
    stream_reset(st, code, now);
}

/* ---- Life --------------------------------------------------------------- */

struct outlet_stream *outlet_stream_find(const struct outlet *o, uint64_t id)
{
    struct outlet_stream *s =
        slot_table_find(&o->streams, (uint32_t)(id & UINT32_MAX));

    return s != NULL && s->id == id ? s : NULL;
}

static struct outlet_circuit *circuit_of(const struct outlet_stream *s)
{
    return s->conn == NULL ? NULL : s->conn->circuit;
}

static bool is_under_way(const struct outlet_stream *s)
{
    return s->state == OUTLET_CONNECTING;
}

static void count_in(const struct outlet_stream *s, struct outlet_circuit *c)
{
    c->streams++;
    c->under_way += is_under_way(s);
}

static void count_out(const struct outlet_stream *s, struct outlet_circuit *c)
{
    assert(c->streams > 0 && c->under_way >= is_under_way(s));
    c->streams--;
    c->under_way -= is_under_way(s);
}

static struct outlet_stream *make(struct outlet *o)
{
    struct outlet_stream *s = calloc(1, sizeof(*s));
    uint32_t index;

    if (s == NULL)
        return NULL;
    s->request = calloc(1, sizeof(*s->request));
    if (s->request == NULL || slot_table_add(&o->streams, s, &index) != OK) {
        free(s->request);
        free(s);
        return NULL;
    }
    s->id = ++o->serial << 32 | index;
    s->place = OUTLET_NO_PLACE;
    return s;
}

/* To where the engine has it: it does not tell of a move within the
 * handshake. */
static void follow(struct outlet_conn *conn, const struct stream_conn *engine,
                   uint64_t now)
{
    struct outlet *o = conn->outlet;
    struct outlet_circuit *c = outlet_circuit_find(o, stream_conn_path(engine));

    if (c == NULL || c == conn->circuit)
        return;
    outlet_conn_leave(o, conn);
    outlet_conn_enter(o, conn, c, now);
}

static void on_opened(void *holder, struct stream *st, uint64_t now)
{
    struct outlet_conn *conn = holder;
    struct outlet *o = conn->outlet;
    struct outlet_stream *s = NULL;
    struct outlet_circuit *c;

    follow(conn, stream_conn_of(st), now);
    c = conn->circuit;
    if (c != NULL && c->streams < o->config.max_circuit)
        s = make(o);
    if (s == NULL) {
        o->stats.refused[REASON_FULL]++;
        reset(st, REASON_FULL, now);
        return;
    }
    s->conn = conn;
    s->st = st;
    s->since = now;
    LIST_INSERT_HEAD(&conn->streams, s, of_conn);
    count_in(s, c);
    o->tick_at = time_min(o->tick_at, time_after(now, OUTLET_TICK));
    stream_hand_over(st, NULL, s);
}

void outlet_stream_enter(struct outlet *o, struct outlet_stream *s,
                         enum outlet_state state, uint64_t now)
{
    struct outlet_circuit *c = circuit_of(s);

    o->under_way -= is_under_way(s);
    if (c != NULL)
        count_out(s, c);
    s->state = (uint8_t)state;
    s->since = now;
    o->under_way += is_under_way(s);
    if (c != NULL)
        count_in(s, c);
}

static void stop_looking(struct outlet *o, struct outlet_stream *s)
{
    if (s->request == NULL || !s->request->is_looking)
        return;
    s->request->is_looking = false;
    exit_lookup_cancel(o->exit, circuit_of(s)->names, s->id);
}

void outlet_stream_free(struct outlet *o, struct outlet_stream *s)
{
    struct outlet_circuit *c = circuit_of(s);

    assert(s->place == OUTLET_NO_PLACE);
    o->under_way -= is_under_way(s);
    if (c != NULL)
        count_out(s, c);
    if (s->conn != NULL)
        LIST_REMOVE(s, of_conn);
    slot_table_remove(&o->streams, (uint32_t)(s->id & UINT32_MAX));
    free(s->request);
    free(s);
}

void outlet_stream_answer(struct outlet *o, struct outlet_stream *s,
                          const struct stream_answer *a, uint64_t now)
{
    uint8_t text[STREAM_MESSAGE_MAX];
    struct stream *st = s->st;
    size_t len = stream_answer_write(a, s->request->asked.kind, text);

    outlet_stream_free(o, s);
    if (stream_write(st, bytes_of(text, len), now) < len) {
        reset(st, REASON_FULL, now);
        return;
    }
    stream_finish(st, now);
    hand_to_deaf(st, now);
}

void outlet_stream_refuse(struct outlet *o, struct outlet_stream *s,
                          enum reason why, uint64_t now)
{
    const struct stream_answer a = {.reason = (uint8_t)why};

    o->stats.refused[why]++;
    stop_looking(o, s);
    outlet_stream_answer(o, s, &a, now);
}

void outlet_stream_abandon(struct outlet *o, struct outlet_stream *s,
                           enum reason why)
{
    stop_looking(o, s);
    outlet_socket_close(o, s, why);
    outlet_stream_free(o, s);
}

void outlet_stream_drop(struct outlet *o, struct outlet_stream *s,
                        enum reason why, uint64_t now)
{
    struct stream *st = s->st;

    outlet_stream_abandon(o, s, why);
    if (st != NULL)
        reset(st, why, now);
}

/* ---- Requests ----------------------------------------------------------- */

static enum reason look_up_now(struct outlet *o, const struct outlet_stream *s,
                               struct exit_circuit *names, uint64_t now)
{
    const struct stream_request *q = &s->request->asked;
    const struct endpoint address = q->ep; /* it may go */

    if (names == NULL)
        return REASON_FULL;
    if (q->kind != STREAM_REVERSE) {
        o->stats.lookups++;
        return exit_lookup(o->exit, names, q->name, s->id, now);
    }
    o->stats.reversals++;
    return exit_reverse(o->exit, names, &address, s->id, now);
}

/* Its circuit is there, and asks for the addresses of a name, or the name of an
 * address. */
static void look_up(struct outlet *o, struct outlet_stream *s, uint64_t now)
{
    struct outlet_circuit *c = circuit_of(s);
    enum reason why;

    if (c->names == NULL)
        c->names = o->env.names(o->env.ctx, c->owner, now);
    s->request->is_looking = true;
    why = look_up_now(o, s, c->names, now);
    if (why == EXIT_SENT)
        return; /* it may be gone already */
    s->request->is_looking = false;
    outlet_stream_refuse(o, s, why, now);
}

static void answer_found(struct outlet *o, struct outlet_stream *s,
                         const struct exit_answer *found, uint64_t now)
{
    struct stream_answer a = {.ttl = (uint32_t)(found->ttl / TIME_S),
                              .name = found->name};

    for (size_t i = 0; i < found->count && i < STREAM_ADDRESSES_MAX; i++)
        a.address[a.address_count++] = found->addrs[i];
    outlet_stream_answer(o, s, &a, now);
}

static void keep_addresses(struct outlet_request *r,
                           const struct endpoint *addrs, size_t count)
{
    for (size_t i = 0; i < count && r->count < NAME_ADDRS_MAX; i++) {
        r->address[r->count] = addrs[i];
        r->address[r->count++].port = r->asked.port;
    }
}

void outlet_found(struct outlet *o, uint64_t lookup,
                  const struct exit_answer *answer, uint64_t now)
{
    struct outlet_stream *s = outlet_stream_find(o, lookup);

    if (s == NULL || s->state != OUTLET_NAMING)
        return;
    s->request->is_looking = false;
    if (answer->why != EXIT_SENT) {
        outlet_stream_refuse(o, s, answer->why, now);
    } else if (s->request->asked.kind != STREAM_CONNECT) {
        answer_found(o, s, answer, now);
    } else {
        keep_addresses(s->request, answer->addrs, answer->count);
        outlet_connect_next(o, s, now);
    }
}

static void ask(struct outlet *o, struct outlet_stream *s, uint64_t now)
{
    struct outlet_request *r = s->request;

    switch (r->asked.kind) {
    case STREAM_CONNECT:
        if (r->asked.name.len == 0) {
            r->address[r->count++] = r->asked.ep;
            outlet_connect_next(o, s, now);
            return;
        }
        outlet_stream_enter(o, s, OUTLET_NAMING, now);
        look_up(o, s, now);
        break;
    case STREAM_RESOLVE:
    case STREAM_REVERSE:
        outlet_stream_enter(o, s, OUTLET_NAMING, now);
        look_up(o, s, now);
        break;
    case STREAM_PORT: /* of a service */
        outlet_stream_refuse(o, s, REASON_NO_EXIT, now);
        break;
    }
}

/* The request is whole. */
static void receive_request(struct outlet *o, struct outlet_stream *s,
                            uint64_t now)
{
    struct outlet_circuit *c = circuit_of(s);

    o->stats.requests++;
    if (stream_request_read(&s->request->message, &s->request->asked) != OK)
        outlet_stream_refuse(o, s, REASON_PROTOCOL, now);
    else if (c == NULL || !outlet_limits_request(&o->limits, &c->share, now))
        outlet_stream_refuse(o, s, REASON_RATE, now);
    else
        ask(o, s, now);
}

/* ---- What the engine tells ---------------------------------------------- */

static struct outlet *outlet_of(const struct outlet_stream *s)
{
    return s->conn->outlet; /* which is there as long as `st` is */
}

static size_t on_data(void *arg, struct stream *st, struct bytes data, bool fin,
                      uint64_t now)
{
    struct outlet_stream *s = arg;
    struct outlet *o = outlet_of(s);
    struct bytes rest = data;
    uint64_t id = s->id;
    enum error e;

    (void)st;
    s->ended |= fin && data.len == 0;
    if (s->state != OUTLET_ASKING)
        return 0;
    e = stream_message_take(&s->request->message, &rest);
    s->ended |= fin && rest.len == 0;
    if (e == OK)
        receive_request(o, s, now);
    else if (e != ERR_MISSING || fin)
        outlet_stream_refuse(o, s, REASON_PROTOCOL, now);
    s = outlet_stream_find(o, id);
    /* Of one that is over nothing is kept. Nor of one that is joined: the
     * world has had the rest offered by now. */
    return s == NULL ? data.len : data.len - rest.len;
}

static void on_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                     uint64_t now)
{
    struct outlet_stream *s = arg;

    (void)st, (void)reading, (void)code;
    outlet_stream_drop(outlet_of(s), s, REASON_REQUESTED, now);
}

static void on_closed(void *arg, struct stream *st, uint64_t now)
{
    struct outlet_stream *s = arg;

    (void)st;
    s->st = NULL;
    outlet_stream_drop(outlet_of(s), s, REASON_REQUESTED, now);
}

static void on_moved(void *holder, struct stream_conn *sc, uint64_t path,
                     uint64_t now)
{
    struct outlet_conn *conn = holder;

    (void)path;
    follow(conn, sc, now);
}

/* What is joined goes on without it. */
static void on_over(void *holder, struct stream_conn *sc, enum stream_end why,
                    uint32_t code, uint64_t now)
{
    struct outlet_conn *conn = holder;
    struct outlet_stream *s;

    (void)sc, (void)why, (void)code, (void)now;
    outlet_conn_leave(conn->outlet, conn);
    while ((s = LIST_FIRST(&conn->streams)) != NULL) {
        assert(s->state == OUTLET_JOINED);
        LIST_REMOVE(s, of_conn);
        s->conn = NULL;
    }
    LIST_REMOVE(conn, of_all);
    free(conn);
}

const struct stream_handler outlet_handler = {.opened = on_opened,
                                              .data = on_data,
                                              .writable = deaf_stream,
                                              .reset = on_reset,
                                              .closed = on_closed,
                                              .moved = on_moved,
                                              .over = on_over};

/* ---- From circuit to circuit -------------------------------------------- */

void outlet_conn_leave(struct outlet *o, struct outlet_conn *conn)
{
    struct outlet_stream *s;

    if (conn->circuit == NULL)
        return;
    LIST_FOREACH(s, &conn->streams, of_conn)
    {
        stop_looking(o, s);
        count_out(s, conn->circuit);
    }
    LIST_REMOVE(conn, of_circuit);
    conn->circuit = NULL;
}

static struct outlet_stream *next_to_look(const struct outlet_conn *conn)
{
    struct outlet_stream *s;

    LIST_FOREACH(s, &conn->streams, of_conn)
    {
        if (s->state == OUTLET_NAMING && !s->request->is_looking)
            break;
    }
    return s;
}

void outlet_conn_enter(struct outlet *o, struct outlet_conn *conn,
                       struct outlet_circuit *c, uint64_t now)
{
    struct outlet_stream *s;

    conn->circuit = c;
    conn->source = c->share.neighbour;
    LIST_INSERT_HEAD(&c->conns, conn, of_circuit);
    LIST_FOREACH(s, &conn->streams, of_conn)
    {
        count_in(s, c);
        outlet_socket_moved(o, s, &conn->source);
    }
    while ((s = next_to_look(conn)) != NULL)
        look_up(o, s, now);
}

/* ---- Time --------------------------------------------------------------- */

static bool is_idle(const struct outlet *o, const struct outlet_stream *s,
                    uint64_t now)
{
    uint64_t used = o->env.world.used_at(o->env.world.ctx, s->handle);

    if (used < s->since)
        used = s->since;
    return time_since(used, now) >= o->config.idle_timeout;
}

void outlet_stream_tick(struct outlet *o, struct outlet_stream *s, uint64_t now)
{
    bool overdue = time_since(s->since, now) >= o->config.connect_timeout;

    switch ((enum outlet_state)s->state) {
    case OUTLET_ASKING:
        if (overdue)
            outlet_stream_refuse(o, s, REASON_TIMEOUT, now);
        break;
    case OUTLET_NAMING: /* the exit tells, or the connection ends */
        follow(s->conn, stream_conn_of(s->st), now);
        break;
    case OUTLET_CONNECTING:
        if (overdue)
            outlet_connect_overdue(o, s, now);
        break;
    case OUTLET_JOINED:
        if (!is_idle(o, s, now))
            break;
        o->stats.idle++;
        outlet_stream_drop(o, s, REASON_IDLE, now);
        break;
    }
}

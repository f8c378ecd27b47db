/* SPDX-License-Identifier: MIT
 *
 * Connects, and the sockets that come of them. An address is tried when the
 * policy, the room and the limits allow it (may_connect); what is wrong with
 * one is remembered, and told when no other will do.
 */
#include "tunnel/outlet/outlet_state.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_SOCKETS 8
#define USED_FOR      (10 * TIME_S) /* within that a socket is in use */

/* ---- Room --------------------------------------------------------------- */

static bool tell_socket(const void *table, size_t place, struct holding *out)
{
    const struct outlet *o = table;
    const struct outlet_stream *s = o->sockets[place];

    *out = (struct holding){.source = s->source, .used_at = s->since};
    if (s->state == OUTLET_JOINED)
        out->used_at = o->env.world.used_at(o->env.world.ctx, s->handle);
    return true;
}

/* The socket that is to make way; NULL: none does. */
static struct outlet_stream *
victim(struct outlet *o, const struct endpoint *newcomer, uint64_t now)
{
    size_t place = shares_make_way(&o->sockets_by, newcomer, o->socket_count,
                                   tell_socket, o, USED_FOR, now);

    return place == SIZE_MAX ? NULL : o->sockets[place];
}

static void displace(struct outlet *o, uint64_t id, uint64_t now)
{
    struct outlet_stream *s = outlet_stream_find(o, id);

    if (s == NULL)
        return;
    o->stats.displaced++;
    if (s->state == OUTLET_JOINED) {
        outlet_stream_drop(o, s, REASON_FULL, now);
        return;
    }
    outlet_socket_close(o, s, REASON_FULL);
    outlet_stream_refuse(o, s, REASON_FULL, now);
}

/* Whether there is room, for the sake of which `out` makes way; 0: nobody. */
static bool find_room(struct outlet *o, const struct endpoint *newcomer,
                      uint64_t now, uint64_t *out)
{
    const struct outlet_stream *s;

    *out = 0;
    if (shares_count(&o->sockets_by, newcomer, SOURCE_LINE) >=
        o->config.max_source)
        return false;
    if (o->socket_count < o->config.max_sockets)
        return true;
    s = victim(o, newcomer, now);
    *out = s == NULL ? 0 : s->id;
    return s != NULL;
}

static bool grow(struct outlet *o)
{
    size_t cap = o->socket_cap == 0 ? FIRST_SOCKETS : 2 * o->socket_cap;
    struct outlet_stream **sockets;

    if (o->socket_count < o->socket_cap)
        return true;
    sockets = realloc(o->sockets, cap * sizeof(struct outlet_stream *));
    if (sockets == NULL)
        return false;
    o->sockets = sockets;
    o->socket_cap = cap;
    return true;
}

static bool count_socket(struct outlet *o, struct outlet_stream *s)
{
    if (!grow(o) || shares_add(&o->sockets_by, &s->conn->source) != OK)
        return false;
    s->source = s->conn->source;
    s->place = o->socket_count++;
    o->sockets[s->place] = s;
    return true;
}

void outlet_socket_gone(struct outlet *o, struct outlet_stream *s)
{
    shares_remove(&o->sockets_by, &s->source);
    o->sockets[s->place] = o->sockets[--o->socket_count];
    o->sockets[s->place]->place = s->place;
    s->place = OUTLET_NO_PLACE;
    s->handle = NULL;
}

void outlet_socket_close(struct outlet *o, struct outlet_stream *s,
                         enum reason code)
{
    void *handle = s->handle;

    if (s->place == OUTLET_NO_PLACE)
        return;
    outlet_socket_gone(o, s);
    o->env.world.close(o->env.world.ctx, handle, code);
}

void outlet_socket_moved(struct outlet *o, struct outlet_stream *s,
                         const struct endpoint *source)
{
    if (s->place == OUTLET_NO_PLACE || endpoint_equal(&s->source, source) ||
        shares_add(&o->sockets_by, source) != OK)
        return;
    shares_remove(&o->sockets_by, &s->source);
    s->source = *source;
}

/* ---- One address after the other ---------------------------------------- */

/* Charged when it may; somebody is to make `way` then. */
static enum reason may_connect(struct outlet *o, struct outlet_stream *s,
                               const struct endpoint *to, uint64_t now,
                               uint64_t *way)
{
    struct outlet_circuit *c = s->conn->circuit;

    if (policy_check(o->policy, to) != POLICY_ACCEPTED)
        return REASON_POLICY;
    if (c == NULL) /* nobody would hear of it now */
        return REASON_LINK_LOST;
    if (c->under_way >= o->config.max_connects ||
        !find_room(o, &s->conn->source, now, way))
        return REASON_FULL;
    if (!outlet_limits_connect(&o->limits, &c->share, to, now))
        return REASON_RATE;
    s->request->charged = c->path;
    return OUTLET_DONE;
}

static enum reason reason_of_error(enum error e)
{
    if (e == ERR_TIMEOUT)
        return REASON_TIMEOUT;
    if (e == ERR_UNREACHABLE || e == ERR_FORBIDDEN)
        return REASON_UNREACHABLE;
    return e == ERR_REMOTE ? REASON_REFUSED : REASON_IO;
}

/* DONE: `s` may be gone. */
static enum reason begin(struct outlet *o, struct outlet_stream *s,
                         const struct endpoint *to, uint64_t now)
{
    uint64_t way;
    enum reason why = may_connect(o, s, to, now, &way);
    enum error e;

    if (why != OUTLET_DONE)
        return why;
    if (!count_socket(o, s))
        return REASON_FULL;
    s->request->tries++;
    o->stats.connects++;
    outlet_stream_enter(o, s, OUTLET_CONNECTING, now);
    e = o->env.world.connect(o->env.world.ctx, s->id, to, &s->handle);
    if (e == OK) {
        displace(o, way, now);
        return OUTLET_DONE;
    }
    outlet_socket_gone(o, s);
    outlet_stream_enter(o, s, OUTLET_ASKING, now);
    return reason_of_error(e);
}

/* That an address is refused says least. */
static void note(struct outlet_request *r, enum reason why)
{
    if (r->why == OUTLET_DONE || why != REASON_POLICY)
        r->why = why;
}

void outlet_connect_next(struct outlet *o, struct outlet_stream *s,
                         uint64_t now)
{
    struct outlet_request *r = s->request;
    enum reason why;

    outlet_stream_enter(o, s, OUTLET_ASKING, now);
    while (r->next < r->count && r->tries < OUTLET_TRIES) {
        why = begin(o, s, &r->address[r->next++], now);
        if (why == OUTLET_DONE)
            return;
        note(r, why);
    }
    outlet_stream_refuse(o, s, r->why == OUTLET_DONE ? REASON_RESOLVE : r->why,
                         now);
}

void outlet_connect_overdue(struct outlet *o, struct outlet_stream *s,
                            uint64_t now)
{
    outlet_socket_close(o, s, REASON_TIMEOUT);
    note(s->request, REASON_TIMEOUT);
    outlet_connect_next(o, s, now);
}

/* ---- Connected ---------------------------------------------------------- */

/* The stream is the world's when this returns, or gone. */
static void join(struct outlet *o, struct outlet_stream *s, uint64_t now)
{
    struct outlet_request *r = s->request;
    struct stream_answer a = {.address_count = 1};
    uint8_t text[STREAM_MESSAGE_MAX];
    struct stream *st = s->st;
    size_t len;

    a.address[0] = r->address[r->next - 1];
    len = stream_answer_write(&a, STREAM_CONNECT, text);
    if (stream_write(st, bytes_of(text, len), now) < len) {
        outlet_stream_drop(o, s, REASON_FULL, now);
        return;
    }
    o->stats.connected++;
    outlet_stream_enter(o, s, OUTLET_JOINED, now);
    s->st = NULL;
    s->request = NULL;
    free(r);
    o->env.world.join(o->env.world.ctx, s->handle, st, s->ended, s->id);
}

void outlet_connected(struct outlet *o, uint64_t id, enum error e, uint64_t now)
{
    struct outlet_stream *s = outlet_stream_find(o, id);
    struct outlet_circuit *c;

    if (s == NULL || s->state != OUTLET_CONNECTING)
        return;
    if (e != OK) {
        outlet_socket_gone(o, s);
        note(s->request, reason_of_error(e));
        outlet_connect_next(o, s, now);
        return;
    }
    c = outlet_circuit_find(o, s->request->charged);
    if (c != NULL)
        outlet_limits_answered(&o->limits, &c->share);
    join(o, s, now);
}

void outlet_parted(struct outlet *o, uint64_t id)
{
    struct outlet_stream *s = outlet_stream_find(o, id);

    if (s == NULL || s->state != OUTLET_JOINED)
        return;
    outlet_socket_gone(o, s);
    outlet_stream_free(o, s);
}

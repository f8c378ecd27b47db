/* SPDX-License-Identifier: MIT
 *
 * Paths come and go. ngtcp2 knows each by a number, which stands for an
 * address; it can be told to migrate when the handshake is confirmed and the
 * acceptor has given it a spare connection id. Otherwise the new path takes
 * over the number of the one before: to ngtcp2 nothing has happened, and the
 * acceptor takes it for a rebinding, which it validates, too.
 */
#include "stream/stream_internal.h"

#include <netinet/in.h>

#define SHOW_TIME (10 * TIME_S) /* of an opener that has moved */

static struct sockaddr_in6 address_of(uint64_t number)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(1)};

    bytes_put_number(a.sin6_addr.s6_addr, sizeof(number), number);
    return a;
}

void path_fill(ngtcp2_path_storage *ps, uint64_t number)
{
    struct sockaddr_in6 a = address_of(number);

    ngtcp2_path_storage_init(ps, (struct sockaddr *)&a, sizeof(a),
                             (struct sockaddr *)&a, sizeof(a), NULL);
}

static uint64_t number_of(const ngtcp2_path *path)
{
    struct sockaddr_in6 a;

    if (path->remote.addrlen != sizeof(a))
        return 0;
    memcpy(&a, path->remote.addr, sizeof(a));
    return bytes_get_number(a.sin6_addr.s6_addr, sizeof(uint64_t));
}

/* ---- Routes ------------------------------------------------------------- */

struct route *route_find(struct stream_conn *c, uint64_t path)
{
    for (size_t i = 0; i < ROUTES; i++) {
        if (c->routes[i].live && c->routes[i].path == path)
            return &c->routes[i];
    }
    return NULL;
}

struct route *route_of_number(struct stream_conn *c, const ngtcp2_path *path)
{
    uint64_t number = number_of(path);

    for (size_t i = 0; i < ROUTES; i++) {
        if (c->routes[i].live && c->routes[i].number == number)
            return &c->routes[i];
    }
    return NULL;
}

void route_remove(struct route *r)
{
    if (r->live && r->conn->opener)
        keyed_table_remove(&r->conn->streams->by_path, &r->entry);
    r->live = false;
    r->number = 0;
}

void routes_deinit(struct stream_conn *c)
{
    for (size_t i = 0; i < ROUTES; i++) {
        if (c->routes[i].live)
            route_remove(&c->routes[i]);
    }
}

/* A free one, or the oldest that is not in use: numbers grow. */
static struct route *route_place(struct stream_conn *c)
{
    struct route *oldest = NULL;

    for (size_t i = 0; i < ROUTES; i++) {
        struct route *r = &c->routes[i];

        if (!r->live)
            return r;
        if (r->path != c->path &&
            (oldest == NULL || r->number < oldest->number))
            oldest = r;
    }
    route_remove(oldest);
    return oldest;
}

struct route *route_add(struct stream_conn *c, uint64_t path)
{
    struct route *r = route_place(c);

    *r = (struct route){.conn = c, .path = path};
    bytes_put_number(r->key, sizeof(r->key), path);
    if (c->opener && keyed_table_add(&c->streams->by_path, &r->entry) != OK)
        return NULL;
    r->live = true;
    return r;
}

/* It gets the number of the path that ngtcp2 is on. */
static void take_over(struct stream_conn *c, struct route *r)
{
    for (size_t i = 0; i < ROUTES; i++) {
        if (c->routes[i].number == c->number_now)
            c->routes[i].number = 0;
    }
    r->number = c->number_now;
}

/* ---- Resting ------------------------------------------------------------ */

void conn_rest(struct stream_conn *c)
{
    if (c->rest_at == TIME_NEVER)
        c->rest_at = c->streams->now;
    c->path = 0;
}

static void goes_on(struct stream_conn *c, uint64_t path)
{
    c->path = path;
    c->rest_at = TIME_NEVER;
    c->unanswered_at = TIME_NEVER;
}

static void gone(struct stream_conn *c, uint64_t path, uint64_t now)
{
    struct route *r = route_find(c, path);

    if (r == NULL)
        return;
    route_remove(r);
    if (c->path != path)
        return;
    streams_enter(c->streams, now);
    conn_rest(c);
    streams_leave_quietly(c);
}

void streams_path_gone(struct streams *s, uint64_t path, uint64_t now)
{
    struct stream_conn *c;

    for (c = TAILQ_FIRST(&s->conns); c != NULL; c = TAILQ_NEXT(c, link))
        gone(c, path, now);
}

/* ---- The opener moves --------------------------------------------------- */

struct stream_conn *path_owner(const struct streams *s, uint64_t path)
{
    uint8_t key[8];
    struct keyed_entry *e;

    bytes_put_number(key, sizeof(key), path);
    e = keyed_table_find(&s->by_path, bytes_of(key, sizeof(key)));
    return e == NULL ? NULL : ((struct route *)e)->conn;
}

enum error path_take(struct stream_conn *c, uint64_t path)
{
    struct stream_conn *other = path_owner(c->streams, path);
    struct route *r = route_find(c, path);

    if (other != NULL && other != c && other->path == path)
        return ERR_IN_USE;
    if (other != NULL && other != c)
        route_remove(route_find(other, path));
    if (r == NULL)
        r = route_add(c, path);
    if (r == NULL)
        return ERR_NO_MEMORY;
    goes_on(c, path);
    return OK;
}

enum error stream_move(struct stream_conn *c, uint64_t path, uint64_t now)
{
    enum error err;

    if (c->over || !c->opener)
        return ERR_NOT_FOUND;
    if (c->path == path)
        return OK;
    err = path_take(c, path);
    if (err != OK)
        return err;
    streams_enter(c->streams, now);
    c->streams->stats.moved++;
    c->moving = true;
    streams_leave_quietly(c);
    return OK;
}

void conn_apply_move(struct stream_conn *c)
{
    struct route *r = route_find(c, c->path);
    ngtcp2_path_storage to;
    int rv;

    c->moving = false;
    if (r == NULL)
        return;
    if (!c->answered) {
        take_over(c, r);
        return;
    }
    r->number = ++c->numbers;
    path_fill(&to, r->number);
    rv = ngtcp2_conn_initiate_immediate_migration(c->quic, &to.path,
                                                  c->streams->now);
    if (rv == 0)
        c->number_now = r->number;
    else if (ngtcp2_err_is_fatal(rv))
        conn_failed(c, rv);
    else
        take_over(c, r);
    c->ping = true;
    c->shows_until = time_after(c->streams->now, SHOW_TIME);
}

/* ---- The acceptor follows ----------------------------------------------- */

static void follow(struct stream_conn *c, uint64_t path)
{
    goes_on(c, path);
    c->streams->stats.moved++;
    c->handler->moved(c->holder, c, path, c->streams->now);
}

struct route *path_came(struct stream_conn *c, uint64_t path)
{
    struct route *r = route_find(c, path);

    if (r != NULL && r->number != 0)
        return r;
    if (r == NULL)
        r = route_add(c, path);
    if (r == NULL)
        return NULL;
    r->number = ++c->numbers;
    if (!c->answered) {
        take_over(c, r);
        follow(c, path);
    }
    return r;
}

void conn_follow(struct stream_conn *c)
{
    const ngtcp2_path *path = ngtcp2_conn_get_path(c->quic);
    const struct route *r = route_of_number(c, path);

    c->number_now = number_of(path);
    if (r == NULL) {
        conn_rest(c);
        return;
    }
    if (c->path == r->path)
        return;
    follow(c, r->path);
}

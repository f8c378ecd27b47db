/* SPDX-License-Identifier: MIT
 *
 * Streams of simulated members. Where they leave is not simulated: a
 * destination does at once what its port says.
 *
 *     81  refuses                       82  is silent
 *     84  breaks at the first byte      others echo, and end as they are ended
 */
#include "sim/tunnel_node.h"

#include <stdlib.h>
#include <sys/queue.h>

#define REFUSES 81
#define SILENT  82
#define BREAKS  84

struct sim_tcp {
    LIST_ENTRY(sim_tcp) link;
    struct sim_tunnel *n;
    uint64_t id, used_at;
    uint16_t port;
    bool connected;
    struct stream *st; /* NULL until it is joined */
};

static enum error connect_to(void *ctx, uint64_t id, const struct endpoint *to,
                             void **handle)
{
    struct sim_tunnel *n = ctx;
    struct sim_tcp *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return ERR_NO_MEMORY;
    t->n = n;
    t->id = id;
    t->port = to->port;
    LIST_INSERT_HEAD(&n->tcp, t, link);
    n->tcp_open++;
    n->tcp_pending |= to->port != SILENT;
    *handle = t;
    return OK;
}

static void gone(struct sim_tcp *t)
{
    LIST_REMOVE(t, link);
    t->n->tcp_open--;
    free(t);
}

static void end(struct sim_tcp *t)
{
    struct member *member = t->n->member;
    uint64_t id = t->id;

    gone(t);
    member_outlet_parted(member, id);
}

static size_t on_data(void *arg, struct stream *st, struct bytes data, bool fin,
                      uint64_t now)
{
    struct sim_tcp *t = arg;
    size_t taken;

    t->used_at = now;
    if (t->port == BREAKS) {
        stream_reset(st, REASON_LINK_LOST, now); /* on_closed comes */
        return data.len;
    }
    taken = stream_write(st, data, now);
    if (fin && taken == data.len)
        stream_finish(st, now);
    return taken;
}

static void on_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)arg;
    stream_resume(st, now);
}

static void on_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                     uint64_t now)
{
    (void)arg, (void)reading, (void)code;
    stream_reset(st, REASON_REQUESTED, now);
}

static void on_closed(void *arg, struct stream *st, uint64_t now)
{
    (void)st, (void)now;
    end(arg);
}

static const struct stream_handler handler = {.data = on_data,
                                              .writable = on_writable,
                                              .reset = on_reset,
                                              .closed = on_closed};

static void join(void *ctx, void *handle, struct stream *st, bool ended,
                 uint64_t id)
{
    struct sim_tunnel *n = ctx;
    struct sim_tcp *t = handle;

    (void)id;
    t->st = st;
    t->used_at = sim_now(n->sim);
    stream_hand_over(st, &handler, t);
    if (ended)
        stream_finish(st, t->used_at);
    stream_resume(st, t->used_at);
}

static size_t deaf_data(void *arg, struct stream *st, struct bytes data,
                        bool fin, uint64_t now)
{
    (void)arg, (void)st, (void)fin, (void)now;
    return data.len;
}

static void deaf(void *arg, struct stream *st, uint64_t now)
{
    (void)arg, (void)st, (void)now;
}

static void deaf_reset(void *arg, struct stream *st, bool reading,
                       uint32_t code, uint64_t now)
{
    (void)arg, (void)st, (void)reading, (void)code, (void)now;
}

static const struct stream_handler over = {
    .data = deaf_data, .writable = deaf, .reset = deaf_reset, .closed = deaf};

static void close_it(void *ctx, void *handle, uint32_t code)
{
    struct sim_tunnel *n = ctx;
    struct sim_tcp *t = handle;
    struct stream *st = t->st;

    gone(t);
    if (st == NULL)
        return;
    stream_hand_over(st, &over, NULL);
    stream_reset(st, code, sim_now(n->sim));
}

static uint64_t used_at(void *ctx, void *handle)
{
    const struct sim_tcp *t = handle;

    (void)ctx;
    return t->used_at;
}

void sim_tcp_world(struct sim_tunnel *n, struct outlet_world *out)
{
    LIST_INIT(&n->tcp);
    *out = (struct outlet_world){.ctx = n,
                                 .connect = connect_to,
                                 .join = join,
                                 .close = close_it,
                                 .used_at = used_at};
}

static struct sim_tcp *next_to_answer(const struct sim_tunnel *n)
{
    struct sim_tcp *t;

    LIST_FOREACH(t, &n->tcp, link)
    {
        if (!t->connected && t->port != SILENT)
            break;
    }
    return t;
}

void sim_tcp_tick(struct sim_tunnel *n, uint64_t now)
{
    struct sim_tcp *t;

    n->tcp_pending = false;
    while ((t = next_to_answer(n)) != NULL) {
        uint64_t id = t->id;
        enum error e = t->port == REFUSES ? ERR_REMOTE : OK;

        t->connected = true;
        if (e != OK)
            gone(t);
        member_outlet_connected(n->member, id, e, now);
    }
}

bool sim_tcp_pending(const struct sim_tunnel *n)
{
    return n->tcp_pending;
}

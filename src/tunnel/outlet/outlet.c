/* SPDX-License-Identifier: MIT
 *
 * Circuits, the connections on them, and the life of an outlet. A connection is
 * made by on_accept and ends with the engine's `over`; what its streams do is
 * in outlet_stream.c.
 */
#include "tunnel/outlet/outlet_state.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>

void outlet_config_init(struct outlet_config *config)
{
    *config = (struct outlet_config){
        .max_sockets = 4096,
        .max_source = 2048,
        .max_circuit = 1024,
        .max_connects = 256,
        .rate = 2000,
        .source_rate = 400,
        .circuit_rate = 50,
        .circuit_burst = 500,
        .address_rate = 1000,
        .max_silent = 256,
        .max_source_silent = 2048,
        .connect_timeout = 15 * TIME_S,
        .idle_timeout = 2 * TIME_HOUR,
    };
    stream_config_init(&config->stream);
}

/* ---- Circuits ----------------------------------------------------------- */

struct outlet_circuit *outlet_circuit_find(const struct outlet *o,
                                           uint64_t path)
{
    struct outlet_circuit *c =
        slot_table_find(&o->circuits, (uint32_t)(path & UINT32_MAX));

    return c != NULL && c->path == path ? c : NULL;
}

enum error outlet_circuit_new(struct outlet *o, void *owner,
                              const struct endpoint *neighbour,
                              struct outlet_circuit **out)
{
    struct outlet_circuit *c = calloc(1, sizeof(*c));
    uint32_t index;
    enum error e;

    if (c == NULL)
        return ERR_NO_MEMORY;
    e = slot_table_add(&o->circuits, c, &index);
    if (e != OK) {
        free(c);
        return e;
    }
    c->path = ++o->serial << 32 | index;
    c->owner = owner;
    outlet_share_init(&c->share, &o->limits, neighbour);
    LIST_INIT(&c->conns);
    *out = c;
    return OK;
}

void outlet_circuit_free(struct outlet *o, struct outlet_circuit *c,
                         uint64_t now)
{
    if (c == NULL)
        return;
    while (!LIST_EMPTY(&c->conns))
        outlet_conn_leave(o, LIST_FIRST(&c->conns));
    assert(c->streams == 0 && c->under_way == 0);
    streams_path_gone(o->engine, c->path, now);
    slot_table_remove(&o->circuits, (uint32_t)(c->path & UINT32_MAX));
    free(c);
}

enum error outlet_receive(struct outlet *o, struct outlet_circuit *c,
                          struct bytes packet, uint64_t now)
{
    /* It is a view into the cell that came, which nobody needs any more. */
    uint8_t *p = (uint8_t *)(uintptr_t)packet.p;

    return streams_receive(o->engine, c->path, true, &c->share.neighbour, p,
                           packet.len, now);
}

/* ---- What the engine asks ----------------------------------------------- */

static void on_send(void *ctx, uint64_t path, bool to_acceptor,
                    struct bytes packet, uint64_t now)
{
    const struct outlet *o = ctx;
    const struct outlet_circuit *c = outlet_circuit_find(o, path);

    assert(!to_acceptor);
    if (c != NULL)
        o->env.send(o->env.ctx, c->owner, packet, now);
}

static bool may_begin(const struct outlet_circuit *c)
{
    const struct outlet_conn *conn;
    unsigned n = 0;

    LIST_FOREACH(conn, &c->conns, of_circuit)
    n++;
    return n < OUTLET_CONNECTIONS;
}

static const struct stream_handler *on_accept(void *ctx, struct stream_conn *sc,
                                              uint64_t path, void **holder)
{
    struct outlet *o = ctx;
    struct outlet_circuit *c = outlet_circuit_find(o, path);
    struct outlet_conn *conn = NULL;

    (void)sc;
    if (c != NULL && may_begin(c))
        conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return NULL;
    conn->outlet = o;
    conn->circuit = c;
    conn->source = c->share.neighbour;
    LIST_INSERT_HEAD(&c->conns, conn, of_circuit);
    LIST_INSERT_HEAD(&o->conns, conn, of_all);
    *holder = conn;
    return &outlet_handler;
}

/* ---- Life --------------------------------------------------------------- */

enum error outlet_new(const struct outlet_config *config,
                      const struct outlet_env *env, struct exit *exit,
                      struct policy *policy, struct outlet **out)
{
    struct stream_env engine = {
        .random = env->random, .send = on_send, .accept = on_accept};
    struct outlet *o = calloc(1, sizeof(*o));
    enum error e;

    if (o == NULL)
        return ERR_NO_MEMORY;
    engine.ctx = o;
    e = streams_new(&config->stream, &engine, &o->engine);
    if (e != OK) {
        free(o);
        return e;
    }
    o->config = *config;
    o->env = *env;
    o->exit = exit;
    o->policy = policy;
    o->tick_at = TIME_NEVER;
    outlet_limits_init(&o->limits, config, &env->random);
    slot_table_init(&o->circuits, SLOTS_MAX, &env->random);
    slot_table_init(&o->streams, SLOTS_MAX, &env->random);
    shares_init(&o->sockets_by, &env->random);
    LIST_INIT(&o->conns);
    *out = o;
    return OK;
}

static void free_conn(struct outlet_conn *conn)
{
    assert(LIST_EMPTY(&conn->streams) && conn->circuit == NULL);
    LIST_REMOVE(conn, of_all);
    free(conn);
}

void outlet_free(struct outlet *o)
{
    if (o == NULL)
        return;
    assert(o->circuits.count == 0);
    for (size_t i = 0; i < o->streams.cap; i++) {
        if (o->streams.slots[i].thing != NULL)
            outlet_stream_abandon(o, o->streams.slots[i].thing,
                                  REASON_SHUTDOWN);
    }
    while (!LIST_EMPTY(&o->conns))
        free_conn(LIST_FIRST(&o->conns));
    streams_free(o->engine);
    outlet_limits_deinit(&o->limits);
    slot_table_deinit(&o->circuits);
    slot_table_deinit(&o->streams);
    shares_deinit(&o->sockets_by);
    free(o->sockets);
    free(o);
}

/* ---- Time --------------------------------------------------------------- */

static void tick_streams(struct outlet *o, uint64_t now)
{
    if (now < o->tick_at)
        return;
    for (size_t i = 0; i < o->streams.cap; i++) /* which only grows */
        if (o->streams.slots[i].thing != NULL)
            outlet_stream_tick(o, o->streams.slots[i].thing, now);
    o->tick_at = time_after(now, OUTLET_TICK);
}

void outlet_hold(struct outlet *o, uint64_t now)
{
    streams_hold(o->engine, now);
}

void outlet_release(struct outlet *o)
{
    streams_release(o->engine);
}

void outlet_tick(struct outlet *o, uint64_t now)
{
    streams_tick(o->engine, now);
    tick_streams(o, now);
    if (o->streams.count == 0)
        o->tick_at = TIME_NEVER;
}

uint64_t outlet_next_deadline(const struct outlet *o)
{
    return time_min(o->tick_at, streams_next_deadline(o->engine));
}

void outlet_get_stats(const struct outlet *o, struct outlet_stats *out)
{
    *out = o->stats;
    out->circuits = (unsigned)o->circuits.count;
    out->streams = (unsigned)o->streams.count;
    out->sockets = (unsigned)o->socket_count;
    out->connecting = o->under_way;
    out->stream = *streams_stats(o->engine);
}

/* SPDX-License-Identifier: MIT
 *
 * A member of the community, whose world is the simulator's: env_* is what the
 * member calls, node_* what the simulator calls. What an exit sends waits in
 * `echoes` until the next tick, because the member must not be called back in.
 */
#include "sim/tunnel_node.h"

#include "sim/dht_node.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static uint64_t wall_of(const struct sim_tunnel *n, uint64_t now)
{
    return (uint64_t)((int64_t)(SIM_WALL + now / TIME_S) + n->clock_error);
}

/* ---- The engine in its world -------------------------------------------- */

static void env_send(void *ctx, const struct endpoint *to,
                     struct bytes datagram)
{
    struct sim_tunnel *n = ctx;

    if (!n->dying && (n->keeps == NULL || !n->keeps(n, to, datagram)))
        sim_send(n->sim, n->node, to, datagram);
}

static void env_random(void *ctx, void *buf, size_t len)
{
    struct sim_tunnel *n = ctx;

    sim_random(n->sim, n->node, buf, len);
}

static void take_packet(struct sim_tunnel *n, const struct member_event *event)
{
    uint8_t copy[STREAM_PACKET_MAX];
    size_t len = event->payload.len;

    if (n->streams == NULL || len > sizeof(copy))
        return;
    memcpy(copy, event->payload.p, len);
    streams_receive(n->streams, event->circuit, false, NULL, copy, len,
                    sim_now(n->sim));
}

static void lose_circuit(struct sim_tunnel *n, uint32_t circuit)
{
    if (n->streams != NULL)
        streams_path_gone(n->streams, circuit, sim_now(n->sim));
}

static void env_event(void *ctx, const struct member_event *event)
{
    struct sim_tunnel *n = ctx;

    if (n->above.event != NULL && !n->dying)
        n->above.event(n->above.arg, event, sim_now(n->sim));
    switch (event->kind) {
    case MEMBER_CIRCUIT_READY:
        n->ready++;
        break;
    case MEMBER_CIRCUIT_CLOSED:
        n->closed++;
        n->why = event->why;
        lose_circuit(n, event->circuit);
        break;
    case MEMBER_REFUSED:
        n->refused++;
        n->why = event->why;
        break;
    case MEMBER_DATA:
        n->data++;
        n->data_bytes += event->payload.len;
        break;
    case MEMBER_PONG:
    case MEMBER_SPEEDTEST:
    case MEMBER_LEARNED:
        break;
    case MEMBER_PACKET:
        take_packet(n, event);
        break;
    }
}

static enum error env_exit_open(void *ctx, enum family family, uint32_t cookie,
                                void **handle)
{
    struct sim_tunnel *n = ctx;

    (void)family;
    *handle = (void *)(uintptr_t)cookie;
    n->sockets++;
    return OK;
}

static enum error env_exit_send(void *ctx, void *handle,
                                const struct endpoint *to, struct bytes payload)
{
    struct sim_tunnel *n = ctx;
    struct sim_echo *e;

    if (n->swallows)
        return OK;
    if (n->echo_count == SIM_ECHOES || payload.len > SIM_DATAGRAM_MAX)
        return ERR_NO_SPACE;
    if (n->echoes == NULL) /* large, and most members are no exits */
        n->echoes = calloc(SIM_ECHOES, sizeof(*n->echoes));
    if (n->echoes == NULL)
        return ERR_NO_MEMORY;
    e = &n->echoes[n->echo_count++];
    e->cookie = (uint32_t)(uintptr_t)handle;
    e->from = *to;
    e->len = payload.len;
    memcpy(e->bytes, payload.p, payload.len);
    return OK;
}

static void env_exit_close(void *ctx, void *handle)
{
    struct sim_tunnel *n = ctx;

    (void)handle;
    n->sockets--;
}

/* There are no names here. */
static enum error env_resolve(void *ctx, const char *name, uint32_t cookie)
{
    (void)ctx, (void)name, (void)cookie;
    return ERR_NOT_FOUND;
}

static void env_resolve_cancel(void *ctx, uint32_t cookie)
{
    (void)ctx, (void)cookie;
}

/* A node that dies here forgets. */
static void env_remember(void *ctx, const struct stored_relay *relay)
{
    (void)ctx, (void)relay;
}

static void env_forget(void *ctx, const uint8_t identity[32])
{
    (void)ctx, (void)identity;
}

static void env_rotated(void *ctx, const uint8_t secret[NOISE_KEY_BYTES],
                        const uint8_t previous[NOISE_KEY_BYTES], uint64_t wall)
{
    (void)ctx, (void)secret, (void)previous, (void)wall;
}

static void env_retired(void *ctx)
{
    (void)ctx;
}

static void env_service(void *ctx, const struct service_event *event)
{
    struct sim_tunnel *n = ctx;

    if (n->on_service != NULL)
        n->on_service(n, event);
}

/* ---- Rows --------------------------------------------------------------- */

/* NULL when this is not of the service whose rows are kept. */
static struct sim_rows *rows_of(void *ctx, uint32_t service)
{
    struct sim_rows *rows = ((struct sim_tunnel *)ctx)->rows;

    if (rows == NULL)
        return NULL;
    if (rows->service == 0)
        rows->service = service;
    return rows->service == service ? rows : NULL;
}

static unsigned find_point(const struct sim_rows *rows, const uint8_t relay[32])
{
    unsigned i = 0;

    while (i < rows->point_count &&
           memcmp(rows->points[i].relay.identity, relay, 32) != 0)
        i++;
    return i;
}

static void env_remember_point(void *ctx, uint32_t service,
                               const struct service_point_row *row)
{
    struct sim_rows *rows = rows_of(ctx, service);
    unsigned i;

    if (rows == NULL)
        return;
    i = find_point(rows, row->relay.identity);
    if (i == SIM_POINT_ROWS)
        memmove(rows->points, rows->points + 1, --i * sizeof(*rows->points));
    rows->points[i] = *row;
    if (i == rows->point_count)
        rows->point_count++;
}

static void env_forget_point(void *ctx, uint32_t service,
                             const uint8_t relay[32])
{
    struct sim_rows *rows = rows_of(ctx, service);
    unsigned i;

    if (rows == NULL)
        return;
    i = find_point(rows, relay);
    if (i < rows->point_count)
        rows->points[i] = rows->points[--rows->point_count];
}

static void env_remember_seq(void *ctx, uint32_t service,
                             const struct service_seq_row *row)
{
    struct sim_rows *rows = rows_of(ctx, service);
    unsigned i = 0;

    if (rows == NULL)
        return;
    while (i < rows->seq_count && (rows->seqs[i].period != row->period ||
                                   rows->seqs[i].access != row->access))
        i++;
    if (i == SIM_SEQ_ROWS)
        memmove(rows->seqs, rows->seqs + 1, --i * sizeof(*rows->seqs));
    rows->seqs[i] = *row;
    if (i == rows->seq_count)
        rows->seq_count++;
}

static void env_remember_third(void *ctx, uint32_t service,
                               const struct vanguard_set *set)
{
    struct sim_rows *rows = rows_of(ctx, service);

    if (rows != NULL)
        rows->third = *set;
}

static void env_remember_layer2(void *ctx, const struct vanguard_set *set)
{
    struct sim_tunnel *n = ctx;

    if (n->rows != NULL)
        n->rows->layer2 = *set;
}

struct service_memory sim_memory_of(const struct sim_rows *rows)
{
    return (struct service_memory){.points = rows->points,
                                   .point_count = rows->point_count,
                                   .seqs = rows->seqs,
                                   .seq_count = rows->seq_count,
                                   .third = rows->third};
}

/* ---- Work --------------------------------------------------------------- */

/* It takes no time here; one task at once. */
static void env_solve(void *ctx, uint64_t id, const struct work_task *task,
                      uint64_t budget)
{
    struct sim_tunnel *n = ctx;

    (void)budget;
    n->task = *task;
    n->task_id = id;
}

static void solve(struct sim_tunnel *n, uint64_t now)
{
    struct work_proof proof;
    uint64_t nonce = 0, id = n->task_id;

    n->task_id = 0;
    if (id == 0)
        return;
    while (work_solve(&n->task, &nonce, 64, &proof) == ERR_NOT_FOUND)
        ;
    services_solved(member_services(n->member), id, true, &proof, now);
}

static uint64_t provider_now(void *ctx)
{
    const struct sim_tunnel *n = ctx;

    return sim_now(n->sim);
}

static void on_met(void *ctx, const struct endpoint *node)
{
    struct sim_tunnel *n = ctx;

    if (n->member != NULL)
        member_meet(n->member, node, sim_now(n->sim));
}

/* ---- The node in its network -------------------------------------------- */

static void node_receive(void *engine, const struct endpoint *from,
                         struct bytes datagram, uint64_t now)
{
    struct sim_tunnel *n = engine;
    uint8_t copy[SIM_DATAGRAM_MAX]; /* cells are opened where they lie */

    if (n->asleep)
        return;
    memcpy(copy, datagram.p, datagram.len);
    member_receive(n->member, from, copy, datagram.len, now, wall_of(n, now));
}

static void answer_echoes(struct sim_tunnel *n, uint64_t now)
{
    for (unsigned i = 0; i < n->echo_count; i++) {
        struct sim_echo *e = &n->echoes[i];

        member_exit_receive(n->member, e->cookie, &e->from,
                            bytes_of(e->bytes, e->len), now);
    }
    n->echo_count = 0;
}

static void node_tick(void *engine, uint64_t now)
{
    struct sim_tunnel *n = engine;

    if (n->asleep)
        return;
    member_tick(n->member, now, wall_of(n, now));
    answer_echoes(n, now);
    sim_tcp_tick(n, now);
    if (n->streams != NULL)
        streams_tick(n->streams, now);
    if (n->above.tick != NULL)
        n->above.tick(n->above.arg, now);
    solve(n, now);
}

static uint64_t node_next_deadline(void *engine)
{
    struct sim_tunnel *n = engine;
    uint64_t at;

    if (n->asleep)
        return TIME_NEVER;
    if (n->echo_count > 0 || n->task_id != 0 || sim_tcp_pending(n))
        return sim_now(n->sim);
    at = member_next_deadline(n->member);
    if (n->streams != NULL)
        at = time_min(at, streams_next_deadline(n->streams));
    if (n->above.next_deadline != NULL)
        at = time_min(at, n->above.next_deadline(n->above.arg));
    return at;
}

static void node_free(void *engine)
{
    struct sim_tunnel *n = engine;

    n->dying = true;
    member_free(n->member, 0);
    streams_free(n->streams);
    both_provider_deinit(&n->both);
    builtin_provider_deinit(&n->mainline);
    builtin_provider_deinit(&n->builtin);
    free(n->echoes);
    free(n);
}

static void node_unreachable(void *engine, const struct endpoint *to,
                             uint64_t now)
{
    struct sim_tunnel *n = engine;

    if (!n->asleep)
        member_unreachable(n->member, to, now);
}

static const struct sim_engine community_engine = {
    .receive = node_receive,
    .tick = node_tick,
    .next_deadline = node_next_deadline,
    .free = node_free,
    .unreachable = node_unreachable};

static void make_keys(struct sim_tunnel *n, struct member_config *c)
{
    uint8_t seed[crypto_sign_SEEDBYTES];

    sim_random(n->sim, n->node, seed, sizeof(seed));
    crypto_sign_seed_keypair(c->identity, c->identity_secret, seed);
    sim_random(n->sim, n->node, c->handshake_secret,
               sizeof(c->handshake_secret));
    c->handshake_made = SIM_WALL;
}

static size_t own_addresses(struct sim *s, uint32_t node,
                            struct member_config *c,
                            struct endpoint out[FAMILIES])
{
    size_t count = 0;

    for (int f = 0; f < FAMILIES; f++) {
        c->family[f] = sim_endpoint(s, node, (enum family)f, &out[count]);
        if (!c->family[f])
            continue;
        c->testing_network = !endpoint_is_global(&out[count]);
        count++;
    }
    return count;
}

/* As in the daemon (node/host/tunnel_host.c). */
static void make_providers(struct sim_tunnel *n, struct sim_dht *own,
                           struct sim_dht *mainline)
{
    const struct sim_dht *first = own != NULL ? own : mainline;

    builtin_provider_init(&n->builtin, first->dht, provider_now, n);
    n->dht = &n->builtin.provider;
    if (own != NULL && mainline == NULL)
        n->builtin.met = on_met;
    if (own == NULL || mainline == NULL)
        return;
    builtin_provider_init(&n->mainline, mainline->dht, provider_now, n);
    both_provider_init(&n->both, &n->builtin.provider, &n->mainline.provider);
    n->dht = &n->both.provider;
}

enum error sim_tunnel_add(struct sim *s, uint32_t node,
                          const struct member_config *config,
                          int64_t clock_error)
{
    struct sim_dht *ours = sim_dht_on(s, node, DHT_DIALECT_WARREN);
    struct sim_dht *mainline = sim_dht_on(s, node, DHT_DIALECT_MAINLINE);
    struct sim_tunnel *n;
    struct member_config c = *config;
    struct endpoint own[FAMILIES];
    struct member_env env = {
        .send = env_send,
        .event = env_event,
        .exit = {.open = env_exit_open,
                 .send = env_exit_send,
                 .close = env_exit_close,
                 .resolve = env_resolve,
                 .resolve_cancel = env_resolve_cancel},
        .remember = env_remember,
        .forget = env_forget,
        .rotated = env_rotated,
        .retired = env_retired,
        .service = {.event = env_service,
                    .remember_point = env_remember_point,
                    .forget_point = env_forget_point,
                    .remember_seq = env_remember_seq,
                    .remember_third = env_remember_third,
                    .remember_layer2 = env_remember_layer2,
                    .solve = env_solve},
    };
    uint64_t now = sim_now(s);
    size_t count;
    enum error e;

    if (ours == NULL && mainline == NULL)
        return ERR_NO_NODES;
    n = calloc(1, sizeof(struct sim_tunnel));
    if (n == NULL)
        return ERR_NO_MEMORY;
    n->sim = s;
    n->node = node;
    n->clock_error = clock_error;
    if (sodium_is_zero(c.identity, sizeof(c.identity)))
        make_keys(n, &c);
    count = own_addresses(s, node, &c, own);
    policy_init(&n->policy, true, c.testing_network);
    policy_init(&n->tcp_policy, true, c.testing_network);
    env.tcp_policy = &n->tcp_policy;
    sim_tcp_world(n, &env.outlet);
    make_providers(n, ours, mainline);
    env.ctx = env.exit.ctx = env.service.ctx = n;
    env.random = (struct random_source){.ctx = n, .fill = env_random};
    env.dht = n->dht;
    e = member_new(&c, &env, &n->policy, now, wall_of(n, now), &n->member);
    sodium_memzero(&c, sizeof(c));
    if (e != OK) {
        free(n);
        return e;
    }
    member_set_addresses(n->member, own, count, 0, now);
    sim_attach(s, node, SIM_PLANE_TUNNEL, &community_engine, n);
    return OK;
}

struct sim_tunnel *sim_tunnel_of(const struct sim *s, uint32_t node)
{
    return sim_engine_of(s, node, SIM_PLANE_TUNNEL);
}

const uint8_t *sim_tunnel_identity(const struct sim_tunnel *n)
{
    return directory_config_of(member_directory(n->member))->identity;
}

enum error sim_tunnel_reconfigure(struct sim_tunnel *n,
                                  const struct member_config *config)
{
    struct member_config c = *config;
    struct endpoint own[FAMILIES];
    size_t count = own_addresses(n->sim, n->node, &c, own);
    uint64_t now = sim_now(n->sim);
    enum error e = member_reconfigure(n->member, &c, now);

    if (e == OK)
        member_set_addresses(n->member, own, count, 0, now);
    sim_wake(n->sim, n->node);
    return e;
}

static void streams_send(void *ctx, uint64_t path, bool to_acceptor,
                         struct bytes packet, uint64_t now)
{
    struct sim_tunnel *n = ctx;

    (void)to_acceptor;
    member_packet(n->member, (uint32_t)path, packet, now);
}

struct streams *sim_streams_of(struct sim *s, uint32_t node)
{
    struct sim_tunnel *n = sim_tunnel_of(s, node);
    struct stream_config config;
    struct stream_env env = {.ctx = n, .send = streams_send};

    if (n == NULL || n->streams != NULL)
        return n == NULL ? NULL : n->streams;
    env.random = (struct random_source){.ctx = n, .fill = env_random};
    stream_config_init(&config);
    return streams_new(&config, &env, &n->streams) == OK ? n->streams : NULL;
}

struct services *sim_services_of(const struct sim *s, uint32_t node)
{
    struct sim_tunnel *n = sim_tunnel_of(s, node);

    return n == NULL ? NULL : member_services(n->member);
}

enum error sim_tunnel_build(struct sim *s, uint32_t node, unsigned hops)
{
    struct sim_tunnel *n = sim_tunnel_of(s, node);
    enum error e;

    if (n == NULL)
        return ERR_NO_NODES;
    e = member_build(n->member, hops, sim_now(s));
    sim_wake(s, node);
    return e;
}

enum error sim_tunnel_data(struct sim *s, uint32_t node, unsigned hops,
                           const struct endpoint *to, struct bytes payload)
{
    struct sim_tunnel *n = sim_tunnel_of(s, node);
    uint32_t id;
    enum error e;

    if (n == NULL || member_active(n->member, hops, &id, 1) == 0)
        return ERR_NO_NODES;
    e = member_data(n->member, id, to, payload, sim_now(s));
    sim_wake(s, node);
    return e;
}

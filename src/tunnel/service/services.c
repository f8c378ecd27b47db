/* SPDX-License-Identifier: MIT
 *
 * The table of services: what begins and ends them, what drives them, and what
 * is asked of them from above.
 */
#include "tunnel/service/service.h"

#include "tunnel/service/gate.h"
#include "tunnel/service/host.h"
#include "tunnel/service/remote.h"
#include "tunnel/service/swarm.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* A stem is not so old that what becomes of it would be cut before it is
 * renewed (peer.c). */
#define STEM_PART 5 /* of max_time */

#define PIECE_MEMORY (1024 * 1024) /* of unfinished long datagrams */

void service_config_init(struct service_config *config)
{
    *config = (struct service_config){.max_time = 10 * TIME_MIN,
                                      .max_services = 16,
                                      .max_peers = 64,
                                      .max_connects = 32,
                                      .join_rate = 50,
                                      .max_queue = 256,
                                      .max_work = 10 * TIME_S};
}

/* ---- Stems -------------------------------------------------------------- */

static void service_stems(struct service *service, enum path_result why,
                          uint64_t now)
{
    if (service->host != NULL)
        host_stems(service->host, why, now);
    if (service->swarm != NULL)
        swarm_stems(service->swarm, why, now);
}

/* Whoever waits for stems of this kit gets them in this order: those that go
 * to others first, because somebody waits there; then what we ask others. */
static void on_stems(void *ctx, struct stem_kit *kit, enum path_result why,
                     uint64_t now)
{
    struct services *s = ctx;
    struct service *service = stem_kit_arg(kit);

    if (service != NULL && service->gate != NULL && why == PATH_FOUND)
        gate_stems(service->gate, now);
    connects_stems(s, kit, why, now);
    if (service != NULL)
        service_stems(service, why, now);
    finder_stems(s->finder, kit, now);
}

/* ---- Life --------------------------------------------------------------- */

static enum error make_parts(struct services *s)
{
    struct stems_env stems = {
        .ctx = s,
        .random = s->env.random,
        .circuits = s->env.circuits,
        .directory = s->env.directory,
        .guards = s->env.guards,
        .vanguards = &s->vanguards,
        .max_age = time_min(STEM_AGE, s->config.max_time / STEM_PART),
        .ready = on_stems};
    struct finder_env finder = {.random = s->env.random,
                                .circuits = s->env.circuits,
                                .directory = s->env.directory};
    enum error e = stems_new(&stems, &s->stems);

    if (s->env.dht != NULL && s->env.dht->anonymous)
        finder.dht = s->env.dht;
    if (e == OK)
        e = finder_new(&finder, &s->finder);
    return e;
}

enum error services_new(const struct service_config *config,
                        const struct service_env *env,
                        const struct vanguard_set *layer2, uint64_t wall,
                        uint64_t now, struct services **out)
{
    struct services *s = calloc(1, sizeof(*s));
    enum error e;

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->config = *config;
    s->env = *env;
    s->wall = wall;
    s->next_id = 1;
    s->next_peer = 1;
    s->budget.max = PIECE_MEMORY;
    s->join_rate = token_rate_of(config->join_rate, config->join_rate);
    TAILQ_INIT(&s->connects);
    if (layer2 != NULL)
        s->vanguards.layer2 = *layer2;
    e = make_parts(s);
    if (e != OK) {
        services_free(s, now);
        return e;
    }
    *out = s;
    return OK;
}

/* All but its peers, to which CLOSE may still be on its way. */
static void end_parts(struct service *service, bool forget, uint64_t now)
{
    host_free(service->host, now);
    remote_free(service->remote, now);
    swarm_free(service->swarm, forget, now);
    gate_free(service->gate, now);
    if (service->kit != NULL)
        stem_kit_free(service->kit, now);
    service->host = NULL;
    service->remote = NULL;
    service->swarm = NULL;
    service->gate = NULL;
    service->kit = NULL;
}

static void end_service(struct service *service, bool forget, uint64_t now)
{
    struct services *s = service->all;

    peers_free_of(service, now);
    end_parts(service, forget, now);
    for (unsigned i = 0; i < s->count; i++)
        if (s->list[i] == service)
            s->list[i--] = s->list[--s->count];
    sodium_memzero(service, sizeof(*service));
    free(service);
}

void services_free(struct services *s, uint64_t now)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->count; i++)
        peers_close_of(s->list[i], REASON_SHUTDOWN, now);
    while (s->count > 0)
        end_service(s->list[s->count - 1], false, now);
    for (unsigned i = 0; i <= SERVICE_HOPS_MAX; i++)
        if (s->clients[i] != NULL)
            stem_kit_free(s->clients[i], now);
    finder_free(s->finder, now);
    stems_free(s->stems, now);
    piece_budget_rest(&s->budget);
    news_deinit(&s->news);
    free(s->peers);
    free(s->list);
    sodium_memzero(s, sizeof(*s));
    free(s);
}

struct service *service_find(const struct services *s, uint32_t id)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->list[i]->id == id && !s->list[i]->leaving)
            return s->list[i];
    return NULL;
}

/* ---- Beginning ---------------------------------------------------------- */

static enum error check_options(const struct service_options *o)
{
    if (o->hops < 1 || o->hops > SERVICE_HOPS_MAX ||
        o->points > SERVICE_POINTS_MAX || o->access_count > SERVICE_ACCESS_MAX)
        return ERR_RANGE;
    return OK;
}

static void set_options(struct service *service,
                        const struct service_options *options)
{
    service->options = *options;
    if (options->points == 0)
        service->options.points = SERVICE_POINTS;
    for (unsigned i = 0; i < options->access_count; i++)
        memcpy(service->access[i], options->access[i], 32);
    service->options.access = (const uint8_t(*)[32])service->access;
}

/* Those that are leaving have made room, though some seconds pass until they
 * have ended; as many again can be at that. */
static bool has_room(const struct services *s)
{
    unsigned staying = 0;

    for (unsigned i = 0; i < s->count; i++)
        staying += !s->list[i]->leaving;
    return staying < s->config.max_services &&
           s->count < 2 * s->config.max_services;
}

static enum error add_service(struct services *s, enum service_kind kind,
                              const struct service_options *options,
                              struct service **out)
{
    enum error e = check_options(options);
    struct service **list;
    struct service *service;

    if (e == OK && !has_room(s))
        e = ERR_FULL;
    if (e != OK)
        return e;
    list = realloc(s->list, (s->count + 1) * sizeof(struct service *));
    if (list == NULL)
        return ERR_NO_MEMORY;
    s->list = list;
    service = calloc(1, sizeof(*service));
    if (service == NULL)
        return ERR_NO_MEMORY;
    service->all = s;
    service->kind = kind;
    service->id = s->next_id++;
    service->problem = kind == SERVICE_REMOTE ? SERVICE_FINE : SERVICE_STARTING;
    set_options(service, options);
    list[s->count++] = service;
    if (!news_reserve(s)) {
        end_service(service, false, 0);
        return ERR_NO_MEMORY;
    }
    *out = service;
    return OK;
}

/* What a service has that others come to. */
static enum error make_reachable(struct service *service,
                                 const struct service_memory *memory,
                                 uint64_t now)
{
    enum error e;

    if (memory != NULL)
        service->third = memory->third;
    service->third.third = true;
    e = stem_kit_new(service->all->stems, service->options.hops,
                     &service->third, service, &service->kit);
    if (e == OK)
        e = gate_new(service, now, &service->gate);
    return e;
}

static enum error begun(struct service *service, enum error e, uint64_t now,
                        uint32_t *id)
{
    if (e != OK) {
        end_service(service, false, now);
        return e;
    }
    *id = service->id;
    return OK;
}

enum error service_serve(struct services *s, const uint8_t seed[32],
                         const struct service_options *options,
                         const struct service_memory *memory, uint64_t now,
                         uint32_t *id)
{
    struct service_secret secret;
    struct service *service;
    enum error e = OK;

    blind_expand(seed, &secret);
    for (unsigned i = 0; i < s->count; i++) {
        struct service *other = s->list[i];

        if (other->host == NULL ||
            memcmp(host_key(other->host), secret.key, 32) != 0)
            continue;
        if (other->leaving)
            end_parts(other, false, now); /* one counts the seqs of a key */
        else
            e = ERR_IN_USE;
    }
    sodium_memzero(&secret, sizeof(secret));
    if (e == OK)
        e = add_service(s, SERVICE_KEY, options, &service);
    if (e != OK)
        return e;
    e = make_reachable(service, memory, now);
    if (e == OK)
        e = host_new(service, seed, memory, now, &service->host);
    return begun(service, e, now, id);
}

enum error service_join(struct services *s, struct bytes string,
                        const uint8_t member[32],
                        const struct service_options *options,
                        const struct service_memory *memory, uint64_t now,
                        uint32_t *id)
{
    struct service *service;
    enum error e;

    for (unsigned i = 0; i < s->count; i++)
        if (s->list[i]->swarm != NULL && swarm_is(s->list[i]->swarm, string) &&
            s->list[i]->options.observer == options->observer)
            return ERR_IN_USE;
    e = add_service(s, SERVICE_STRING, options, &service);
    if (e != OK)
        return e;
    e = make_reachable(service, memory, now);
    if (e == OK)
        e = swarm_new(service, string, member, memory, now, &service->swarm);
    return begun(service, e, now, id);
}

static enum error need_client_kit(struct services *s, unsigned hops)
{
    if (s->clients[hops] != NULL)
        return OK;
    return stem_kit_new(s->stems, hops, NULL, NULL, &s->clients[hops]);
}

enum error service_reach(struct services *s, const uint8_t key[32],
                         const uint8_t access[32], unsigned hops, uint64_t now,
                         uint32_t *id)
{
    struct service_options options = {.hops = hops, .max_peers = 1};
    struct service *service;
    enum error e;

    for (unsigned i = 0; i < s->count; i++) {
        if (s->list[i]->remote != NULL && s->list[i]->options.hops == hops &&
            remote_is(s->list[i]->remote, key, access)) {
            *id = s->list[i]->id;
            return OK;
        }
    }
    e = add_service(s, SERVICE_REMOTE, &options, &service);
    if (e != OK)
        return e;
    e = need_client_kit(s, hops);
    if (e == OK)
        e = remote_new(service, key, access, &service->remote);
    return begun(service, e, now, id);
}

/* ---- Changing, and ending ----------------------------------------------- */

static bool has_left(const struct service *service, uint64_t now)
{
    return service->leaving && peer_count_of(service) == 0 &&
           (service->host == NULL || host_is_gone(service->host, now));
}

enum error service_leave(struct services *s, uint32_t id, bool withdraw,
                         uint64_t now)
{
    struct service *service = service_find(s, id);

    if (service == NULL)
        return ERR_NOT_FOUND;
    service->leaving = true;
    peers_close_of(service, REASON_REQUESTED, now);
    if (service->host != NULL && withdraw)
        host_withdraw(service->host, now);
    else
        end_parts(service, withdraw, now);
    if (has_left(service, now))
        end_service(service, withdraw, now);
    return OK;
}

static bool same_access(const struct service *service,
                        const struct service_options *options)
{
    return service->options.access_count == options->access_count &&
           (options->access_count == 0 ||
            sodium_memcmp(service->access, options->access,
                          (size_t)options->access_count * 32) == 0);
}

enum error service_reconfigure(struct services *s, uint32_t id,
                               const struct service_options *options,
                               uint64_t now)
{
    struct service *service = service_find(s, id);
    enum error e = check_options(options);

    if (service == NULL)
        return ERR_NOT_FOUND;
    if (e != OK || options->hops != service->options.hops)
        return ERR_RANGE;
    service->access_changed |= !same_access(service, options);
    set_options(service, options);
    if (service->host != NULL)
        host_changed(service->host, now);
    return OK;
}

void service_effort_changed(struct service *service, uint64_t now)
{
    if (service->host != NULL)
        host_changed(service->host, now);
}

void service_set_problem(struct service *service, enum service_problem p)
{
    struct service_event event = {
        .kind = SERVICE_EVENT_STATE, .service = service->id, .problem = p};

    if (service->problem == p)
        return;
    service->problem = p;
    news_add(service->all, &event);
}

/* ---- Peers -------------------------------------------------------------- */

enum error service_connect(struct services *s, uint32_t id, uint64_t now)
{
    struct service *service = service_find(s, id);

    if (service == NULL || service->remote == NULL)
        return ERR_NOT_FOUND;
    return remote_connect(service->remote, now);
}

enum error service_send(struct services *s, uint32_t id, uint16_t port,
                        struct bytes payload, uint64_t now)
{
    struct service *service = service_find(s, id);

    if (service == NULL || service->remote == NULL)
        return ERR_NOT_FOUND;
    return remote_send(service->remote, port, payload, now);
}

enum error service_peer_send(struct services *s, uint64_t peer, uint16_t port,
                             struct bytes payload, uint64_t now)
{
    struct service_peer *p = peer_find(s, peer);

    if (p == NULL || !p->told)
        return ERR_NOT_FOUND;
    return channel_send(p->channel, port, payload, now);
}

enum error service_peer_packet(struct services *s, uint64_t peer,
                               bool to_acceptor, struct bytes packet,
                               uint64_t now)
{
    struct service_peer *p = peer_find(s, peer);

    if (p == NULL || !p->told)
        return ERR_NOT_FOUND;
    channel_packet(p->channel, to_acceptor, packet, now);
    return OK;
}

enum error service_peer_close(struct services *s, uint64_t peer, uint64_t now)
{
    struct service_peer *p = peer_find(s, peer);

    if (p == NULL)
        return ERR_NOT_FOUND;
    peer_close(p, REASON_REQUESTED, now);
    return OK;
}

enum error service_probe(struct services *s, uint32_t id, uint64_t now)
{
    struct service *service = service_find(s, id);

    if (service == NULL || service->host == NULL)
        return ERR_NOT_FOUND;
    return host_probe(service->host, now);
}

/* ---- Relays ------------------------------------------------------------- */

bool service_is_own_relay(const struct services *s, const uint8_t identity[32])
{
    return memcmp(directory_config_of(s->env.directory)->identity, identity,
                  32) == 0;
}

static bool has_family(const struct services *s, const uint8_t identity[32],
                       enum family f)
{
    const struct known_relay *relay =
        directory_find(s->env.directory, identity);

    if (relay == NULL) /* it is tried: the relay says so when it cannot */
        return true;
    for (unsigned i = 0; i < relay->d.address_count; i++)
        if (relay->d.addresses[i].family == f)
            return true;
    return false;
}

bool service_link_target(const struct services *s, const uint8_t last[32],
                         const struct relay_target *t, struct link_target *out)
{
    memcpy(out->identity, t->identity, sizeof(out->identity));
    memcpy(out->handshake_key, t->handshake_key, sizeof(out->handshake_key));
    for (unsigned i = 0; i < t->endpoint_count; i++) {
        if (!has_family(s, last, t->endpoints[i].family))
            continue;
        out->ep = t->endpoints[i];
        return true;
    }
    return false;
}

void service_target_of(const struct descriptor *d, struct relay_target *out)
{
    memcpy(out->identity, d->identity, sizeof(out->identity));
    memcpy(out->handshake_key, d->handshake_key, sizeof(out->handshake_key));
    out->endpoint_count = 0;
    for (unsigned f = 0; f < FAMILIES; f++) {
        for (unsigned i = 0; i < d->address_count; i++) {
            if (d->addresses[i].family != f)
                continue;
            out->endpoints[out->endpoint_count++] = d->addresses[i];
            break;
        }
    }
}

void service_relay_target(const struct services *s, const struct circuit *c,
                          struct relay_target *out)
{
    const struct link_target *hop = &c->hop[c->length - 1].target;
    const struct known_relay *relay =
        directory_find(s->env.directory, hop->identity);

    if (relay != NULL) {
        service_target_of(&relay->d, out);
        return;
    }
    memcpy(out->identity, hop->identity, sizeof(out->identity));
    memcpy(out->handshake_key, hop->handshake_key, sizeof(out->handshake_key));
    out->endpoints[0] = hop->ep;
    out->endpoint_count = 1;
}

/* ---- Driven ------------------------------------------------------------- */

void services_network_changed(struct services *s, uint64_t now)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->list[i]->host != NULL)
            host_suspect(s->list[i]->host, now);
        if (s->list[i]->swarm != NULL)
            swarm_suspect(s->list[i]->swarm, now);
    }
}

static void tick_service(struct service *service, uint64_t now)
{
    if (service->gate != NULL)
        gate_tick(service->gate, now);
    if (service->host != NULL)
        host_tick(service->host, now);
    if (service->remote != NULL)
        remote_tick(service->remote, now);
    if (service->swarm != NULL)
        swarm_tick(service->swarm, now);
}

static void remember_sets(struct services *s)
{
    struct service_env *env = &s->env;

    if (s->vanguards.layer2.changed && env->world.remember_layer2 != NULL)
        env->world.remember_layer2(env->world.ctx, &s->vanguards.layer2);
    s->vanguards.layer2.changed = false;
    for (unsigned i = 0; i < s->count; i++) {
        struct service *service = s->list[i];

        if (service->third.changed && env->world.remember_third != NULL)
            env->world.remember_third(env->world.ctx, service->id,
                                      &service->third);
        service->third.changed = false;
    }
}

void services_tick(struct services *s, uint64_t wall, uint64_t now)
{
    s->wall = wall;
    stems_tick(s->stems, wall, now);
    finder_tick(s->finder, wall, now);
    connects_tick(s, now);
    for (unsigned i = s->count; i-- > 0;) {
        struct service *service = s->list[i];

        tick_service(service, now);
        if (has_left(service, now))
            end_service(service, true, now);
    }
    peers_tick(s, now);
    remember_sets(s);
}

static uint64_t deadline_of(const struct service *service)
{
    uint64_t at = TIME_NEVER;

    if (service->leaving && service->host == NULL &&
        peer_count_of(service) == 0)
        return 0; /* its last peer is gone */
    if (service->gate != NULL)
        at = time_min(at, gate_deadline(service->gate));
    if (service->host != NULL)
        at = time_min(at, host_deadline(service->host));
    if (service->remote != NULL)
        at = time_min(at, remote_deadline(service->remote));
    if (service->swarm != NULL)
        at = time_min(at, swarm_deadline(service->swarm));
    return at;
}

uint64_t services_next_deadline(const struct services *s)
{
    uint64_t at = time_min(stems_next_deadline(s->stems),
                           finder_next_deadline(s->finder));

    if (s->news.count > 0)
        return 0;
    at = time_min(at, connects_deadline(s));
    at = time_min(at, peers_deadline(s));
    for (unsigned i = 0; i < s->count; i++)
        at = time_min(at, deadline_of(s->list[i]));
    return at;
}

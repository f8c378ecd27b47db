/* SPDX-License-Identifier: MIT */
#include "node/traffic/traffic_host.h"

#include "base/timestamp.h"
#include "node/dns/dns_server.h"
#include "node/os/clock.h"
#include "node/os/files.h"
#include "node/service/service_host.h"
#include "node/socks/socks_udp.h"
#include "tunnel/record/address.h"
#include "tunnel/traffic/flow.h"

#include <stdlib.h>
#include <string.h>

/* A client that waits for an exit or a service for longer is told. */
#define CONNECT_TIME  TIME_MIN
#define WHY_MAX       256
#define PRIVATE_SHARE 8 /* of the files that may be open */

struct traffic_host {
    struct traffic_host_world world;
    const char *network;
    struct carrier *carrier;
    struct flows *flows;
    struct stream_ports *ports;
    struct carrier_host servers; /* the ports' */
    struct traffic_guest guest;
    struct socks_server *socks;      /* NULL: nobody listens */
    struct service_listener answers; /* of services, to its associations */
    struct dns_server *dns;          /* NULL: nobody listens */
};

/* ---- Services ----------------------------------------------------------- */

static enum error on_service(void *arg, struct bytes text, unsigned hops,
                             uint32_t *id)
{
    struct traffic_host *h = arg;
    uint8_t key[32];

    if (address_read(h->network, text, key) != OK)
        return ERR_SYNTAX;
    return service_host_reach(h->world.services, key, NULL,
                              hops > SERVICE_HOPS_MAX ? SERVICE_HOPS_MAX : hops,
                              clock_now(), id);
}

static void on_let_go(void *arg, uint32_t id)
{
    struct traffic_host *h = arg;

    service_host_let_go(h->world.services, id, clock_now());
}

static enum error on_service_send(void *arg, uint32_t id, uint16_t port,
                                  struct bytes data)
{
    struct traffic_host *h = arg;
    enum error e = service_send(service_host_engine(h->world.services), id,
                                port, data, clock_now());

    service_host_rearm(h->world.services);
    return e;
}

static void on_service_event(void *arg, const struct service_event *event)
{
    struct traffic_host *h = arg;

    if (event->kind == SERVICE_EVENT_DATA)
        socks_udp_from_service(socks_server_udp(h->socks), event->service,
                               event->port, event->payload);
}

static const struct config_ports *on_ports(void *arg, uint32_t service)
{
    struct traffic_host *h = arg;
    const struct hosted *s = service_host_by_id(h->world.services, service);

    return s == NULL ? NULL : &s->config.ports;
}

static void on_rearm(void *arg)
{
    struct traffic_host *h = arg;

    h->world.rearm(h->world.arg);
}

static void on_visited(void *ctx, struct carrier_visit *v, uint32_t service,
                       uint64_t peer, uint16_t port, uint64_t now)
{
    struct traffic_host *h = ctx;
    const struct traffic_guest *g = &h->guest;

    if (g->visited == NULL || !g->visited(g->arg, v, service, peer, port, now))
        h->servers.visited(h->servers.ctx, v, service, peer, port, now);
}

static void on_parted(void *ctx, struct carrier_visit *v, uint64_t now)
{
    struct traffic_host *h = ctx;
    const struct traffic_guest *g = &h->guest;

    if (g->parted == NULL || !g->parted(g->arg, v, now))
        h->servers.parted(h->servers.ctx, v, now);
}

/* ---- The proxy ---------------------------------------------------------- */

static void take_settings(const struct config *config, struct socks_config *out)
{
    *out = (struct socks_config){
        .listen_count = config->socks.count,
        .max_clients = config->socks_max_clients,
        .max_source = config->socks_max_clients_per_source,
        .max_associations = config->socks_max_associations,
        .max_source_associations = config->socks_max_associations_per_source,
        .max_private = config->socks_max_private,
        .handshake_time = config->socks_handshake_timeout,
        .connect_time = CONNECT_TIME,
        .local_too = config->dht.testing_network};
    for (unsigned i = 0; i < config->socks.count; i++) {
        const struct config_listener *from = &config->socks.at[i];
        struct socks_listen *to = &out->listen[i];

        to->is_unix = from->is_unix;
        to->at = from->at;
        to->hops = from->hops;
        memcpy(to->path, from->path, sizeof(to->path));
    }
}

static void say_listening(const struct traffic_host *h,
                          const struct socks_config *config)
{
    char at[ENDPOINT_TEXT_SIZE];

    for (unsigned i = 0; i < config->listen_count; i++) {
        const struct socks_listen *l = &config->listen[i];

        log_info(h->world.log, "SOCKS and HTTP CONNECT at %s%s, over %u hop%s",
                 l->is_unix ? "unix:" : "",
                 l->is_unix ? l->path
                            : endpoint_print(socks_server_at(h->socks, i), at),
                 l->hops, text_plural(l->hops));
    }
}

/* Each is a file. */
static unsigned limited_private(unsigned wanted)
{
    unsigned most = files_limit() / PRIVATE_SHARE;

    return wanted < most ? wanted : most;
}

unsigned traffic_host_max_private(const struct config *config)
{
    return limited_private(config->socks_max_private);
}

static enum error start_socks(struct traffic_host *h,
                              struct socks_config *settings, struct text *why)
{
    struct socks_world world = {.base = h->world.base,
                                .random = h->world.random,
                                .carrier = h->carrier,
                                .flows = h->flows,
                                .arg = h,
                                .service = on_service,
                                .let_go = on_let_go,
                                .service_send = on_service_send,
                                .rearm = on_rearm};
    enum error e;

    settings->max_private = limited_private(settings->max_private);
    e = socks_server_new(&world, settings, &h->socks, why);
    if (e != OK)
        return e;
    h->answers = (struct service_listener){.arg = h, .event = on_service_event};
    service_host_listen(h->world.services, &h->answers);
    say_listening(h, settings);
    return OK;
}

/* Nobody had planned for the files of a proxy when the node began: half of
 * those that there may be are left to the rest of it. */
static void plan_files(struct socks_config *s)
{
    unsigned wanted = s->max_clients + s->max_associations;
    unsigned half = files_raise(files_limit() + 2 * wanted) / 2;

    if (wanted <= half)
        return;
    if (s->max_associations > half / 8)
        s->max_associations = half / 8;
    if (s->max_clients > half - s->max_associations)
        s->max_clients = half - s->max_associations;
}

enum error traffic_host_need_socks(struct traffic_host *h,
                                   const struct config *config,
                                   struct socks_server **out)
{
    struct socks_config settings;
    struct text why;
    enum error e = OK;

    take_settings(config, &settings);
    settings.listen_count = 0;
    text_init(&why, WHY_MAX);
    if (h->socks == NULL) {
        plan_files(&settings);
        e = start_socks(h, &settings, &why);
    }
    text_deinit(&why);
    *out = h->socks;
    return e;
}

/* ---- The resolver ------------------------------------------------------- */

static enum error start_dns(struct traffic_host *h, const struct config *config,
                            struct text *why)
{
    struct dns_server_world world = {.base = h->world.base,
                                     .random = h->world.random,
                                     .carrier = h->carrier,
                                     .arg = h,
                                     .rearm = on_rearm};
    struct dns_server_config settings = {
        .listen_count = config->dns.count,
        .max_questions = config->dns_max_questions,
        .max_source = config->dns_max_questions_per_source,
        .max_cached = config->dns_max_cached,
        .timeout = config->dns_timeout,
        .local_too = config->dht.testing_network};
    char at[ENDPOINT_TEXT_SIZE];
    enum error e;

    if (config->dns.count == 0)
        return OK;
    for (unsigned i = 0; i < config->dns.count; i++)
        settings.listen[i] =
            (struct dns_listen){config->dns.at[i].at, config->dns.at[i].hops};
    e = dns_server_new(&world, &settings, &h->dns, why);
    for (unsigned i = 0; e == OK && i < config->dns.count; i++)
        log_info(h->world.log, "resolver at %s, over %u hop%s",
                 endpoint_print(dns_server_at(h->dns, i), at),
                 settings.listen[i].hops, text_plural(settings.listen[i].hops));
    return e;
}

/* ---- Life --------------------------------------------------------------- */

static enum error start(struct traffic_host *h, const struct config *config,
                        struct text *why)
{
    struct stream_ports_env env = {
        .base = h->world.base, .arg = h, .ports = on_ports, .rearm = on_rearm};
    struct carrier_host host = {
        .ctx = h, .visited = on_visited, .parted = on_parted};
    struct socks_config socks;
    enum error e =
        stream_ports_new(&env, config->max_service_sockets, &h->ports);

    if (e != OK)
        return e;
    stream_ports_host(h->ports, &h->servers);
    e = carrier_new(&config->carrier, h->world.member, h->world.claims,
                    &h->world.random, &host, &h->carrier);
    if (e != OK)
        return e;
    service_host_carry(h->world.services, h->carrier);
    e = flows_new(h->world.member, h->world.claims, &h->world.random,
                  &h->flows);
    if (e != OK)
        return e;
    take_settings(config, &socks);
    e = socks.listen_count == 0 ? OK : start_socks(h, &socks, why);
    return e == OK ? start_dns(h, config, why) : e;
}

enum error traffic_host_new(const struct traffic_host_world *world,
                            const struct config *config,
                            struct traffic_host **out, struct text *why)
{
    struct traffic_host *h = calloc(1, sizeof(*h));
    enum error e;

    if (h == NULL)
        return ERR_NO_MEMORY;
    h->world = *world;
    h->network = config->dht.network;
    e = start(h, config, why);
    if (e != OK) {
        traffic_host_free(h);
        return e;
    }
    *out = h;
    return OK;
}

void traffic_host_free(struct traffic_host *h)
{
    if (h == NULL)
        return;
    service_host_unlisten(h->world.services, &h->answers);
    dns_server_free(h->dns);
    socks_server_free(h->socks);
    flows_free(h->flows);
    stream_ports_free(h->ports);
    service_host_carry(h->world.services, NULL);
    carrier_free(h->carrier);
    free(h);
}

void traffic_host_reconfigure(struct traffic_host *h,
                              const struct config *config)
{
    stream_ports_configure(h->ports, config->max_service_sockets);
}

void traffic_host_event(struct traffic_host *h,
                        const struct member_event *event, uint64_t now)
{
    carrier_event(h->carrier, event, now);
    flows_event(h->flows, event, now);
}

void traffic_host_batch_begin(struct traffic_host *h, uint64_t now)
{
    carrier_hold(h->carrier, now);
}

void traffic_host_batch_end(struct traffic_host *h)
{
    carrier_release(h->carrier);
}

void traffic_host_tick(struct traffic_host *h, uint64_t now)
{
    carrier_tick(h->carrier, now);
    flows_tick(h->flows, now);
}

uint64_t traffic_host_next_deadline(const struct traffic_host *h)
{
    return time_min(carrier_next_deadline(h->carrier),
                    flows_next_deadline(h->flows));
}

void traffic_host_invite(struct traffic_host *h,
                         const struct traffic_guest *guest)
{
    h->guest = *guest;
}

struct carrier *traffic_host_carrier(const struct traffic_host *h)
{
    return h->carrier;
}

const struct flows *traffic_host_flows(const struct traffic_host *h)
{
    return h->flows;
}

const struct socks_server *traffic_host_socks(const struct traffic_host *h)
{
    return h->socks;
}

const struct dns_server *traffic_host_dns(const struct traffic_host *h)
{
    return h->dns;
}

const struct stream_ports *traffic_host_ports(const struct traffic_host *h)
{
    return h->ports;
}

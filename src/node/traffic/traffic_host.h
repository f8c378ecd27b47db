/* SPDX-License-Identifier: MIT
 *
 * Streams and flows on the event loop, and those who use them: the proxy, the
 * resolver, and ports of our services. The one who has the member drives it.
 */
#ifndef WARREN_NODE_TRAFFIC_TRAFFIC_HOST_H
#define WARREN_NODE_TRAFFIC_TRAFFIC_HOST_H

#include "base/error.h"
#include "base/random_source.h"
#include "base/text.h"
#include "node/config/config.h"
#include "node/log/log.h"
#include "node/service/stream_ports.h"
#include "node/socks/socks_server.h"
#include "tunnel/traffic/carrier.h"

#include <stdbool.h>
#include <stdint.h>

struct claims;
struct dns_server;
struct event_base;
struct flows;
struct member;
struct member_event;
struct service_host;
struct traffic_host;

/* All outlive it. */
struct traffic_host_world {
    struct event_base *base;
    struct log *log;
    struct member *member;
    struct claims *claims;
    struct service_host *services;
    struct random_source random;
    void *arg;
    void (*rearm)(void *arg); /* deadlines may have changed */
};

/* Listens where the settings say. `why` gets a sentence: ERR_IN_USE, ERR_IO,
 * ERR_NO_MEMORY. */
enum error traffic_host_new(const struct traffic_host_world *world,
                            const struct config *config,
                            struct traffic_host **out, struct text *why);
/* Connections of applications are closed. */
void traffic_host_free(struct traffic_host *h);

/* Takes how many connections services may have. */
void traffic_host_reconfigure(struct traffic_host *h,
                              const struct config *config);

void traffic_host_event(struct traffic_host *h,
                        const struct member_event *event, uint64_t now);
/* As carrier_hold, carrier_release. */
void traffic_host_batch_begin(struct traffic_host *h, uint64_t now);
void traffic_host_batch_end(struct traffic_host *h);
void traffic_host_tick(struct traffic_host *h, uint64_t now);
uint64_t traffic_host_next_deadline(const struct traffic_host *h);

/* Who is asked about streams of peers before the ports of our services are. All
 * may be NULL. */
struct traffic_guest {
    void *arg;
    /* True: it takes (carrier_take) or refuses it, now or later. */
    bool (*visited)(void *arg, struct carrier_visit *v, uint32_t service,
                    uint64_t peer, uint16_t port, uint64_t now);
    /* As that of struct carrier_host; true: it was one of its own. */
    bool (*parted)(void *arg, struct carrier_visit *v, uint64_t now);
};
void traffic_host_invite(struct traffic_host *h,
                         const struct traffic_guest *guest);

struct carrier *traffic_host_carrier(const struct traffic_host *h);
const struct flows *traffic_host_flows(const struct traffic_host *h);
/* The proxy, which is made if nobody listens yet: for listeners of its own
 * (socks_server_open). ERR_NO_MEMORY. */
enum error traffic_host_need_socks(struct traffic_host *h,
                                   const struct config *config,
                                   struct socks_server **out);
/* Private listeners that there may be at a time. */
unsigned traffic_host_max_private(const struct config *config);

/* NULL: nobody listens, or ever did. */
const struct socks_server *traffic_host_socks(const struct traffic_host *h);
/* NULL: nobody listens. */
const struct dns_server *traffic_host_dns(const struct traffic_host *h);
const struct stream_ports *traffic_host_ports(const struct traffic_host *h);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Streams that peers open to ports of our services: each becomes a connection
 * to the server that the section names.
 *
 *     visited -> port of the section -> dial -> carrier_take -> splice
 *
 * A server that asks for it is told whose stream it is, before its first byte,
 * by the PROXY protocol (version 2): the command is PROXY, over TCP and IPv6,
 * from fd00::<the peer's number> to fd00:: with the port of the service.
 */
#ifndef WARREN_NODE_SERVICE_STREAM_PORTS_H
#define WARREN_NODE_SERVICE_STREAM_PORTS_H

#include "base/error.h"
#include "node/config/config.h"
#include "tunnel/traffic/carrier.h"

#include <stdint.h>

#define PROXY_HEAD_BYTES 52
#define STREAM_DIAL_TIME (10 * TIME_S)

struct event_base;
struct stream_ports;

struct stream_ports_env {
    struct event_base *base;
    void *arg;
    /* The ports of a service of this node; NULL: it has none. */
    const struct config_ports *(*ports)(void *arg, uint32_t service);
    void (*rearm)(void *arg);
};

struct stream_ports_counters {
    uint64_t to_server;
    uint64_t no_port;     /* that the section does not have */
    uint64_t refused;     /* nobody listens there */
    uint64_t unreachable; /* or the server could not be had otherwise */
    unsigned now;
};

/* `max`: connections to servers, of all services. ERR_NO_MEMORY. */
enum error stream_ports_new(const struct stream_ports_env *env, unsigned max,
                            struct stream_ports **out);
/* Connections are closed. */
void stream_ports_free(struct stream_ports *p);
/* Above the new `max` those that there are stay. */
void stream_ports_configure(struct stream_ports *p, unsigned max);
/* What the carrier is to call. */
void stream_ports_host(struct stream_ports *p, struct carrier_host *host);

const struct stream_ports_counters *
stream_ports_counters(const struct stream_ports *p);

/* The head that tells a server of this peer. */
void proxy_head_write(uint64_t peer, uint16_t port,
                      uint8_t out[PROXY_HEAD_BYTES]);

#endif

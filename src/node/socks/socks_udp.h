/* SPDX-License-Identifier: MIT
 *
 * Associations of the proxy (RFC 1928 §7): a UDP socket for each, and what
 * comes in there goes through a flow (tunnel/traffic/flow.h), or, to the
 * address of a service, to that; and answers back.
 *
 * Only the client's datagrams are taken: from its address, and from the port
 * that it has named, or that its first one came from. What is not its own, is a
 * fragment or makes no sense is dropped and counted; so is what the client's
 * socket does not take. Names go to the exit as they are.
 */
#ifndef WARREN_NODE_SOCKS_SOCKS_UDP_H
#define WARREN_NODE_SOCKS_SOCKS_UDP_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"

#include <stdint.h>

#define SOCKS_UDP_SERVICES 16 /* that one association may send to */

struct association;
struct event_base;
struct flows;
struct socks_udp;

struct socks_udp_world {
    struct event_base *base;
    struct random_source random;
    struct flows *flows;
    void *arg;
    /* As those of struct socks_world. */
    enum error (*service)(void *arg, struct bytes address, unsigned hops,
                          uint32_t *id);
    void (*let_go)(void *arg, uint32_t id);
    enum error (*service_send)(void *arg, uint32_t id, uint16_t port,
                               struct bytes data);
    void (*rearm)(void *arg);
};

struct socks_udp_counters {
    uint64_t associations; /* that were made */
    uint64_t crowded;      /* refused: too many, over all or of one source */
    uint64_t in, out;      /* datagrams of clients, and to them */
    uint64_t strange;      /* dropped: from another address or port */
    uint64_t fragments;
    uint64_t senseless; /* no head of a datagram, or a name that is none */
    uint64_t lost;      /* not sent: it cannot be, or too much at once */
};

/* ERR_NO_MEMORY. */
enum error socks_udp_new(const struct socks_udp_world *world, unsigned max,
                         unsigned max_source, struct socks_udp **out);
/* Associations are ended before. */
void socks_udp_free(struct socks_udp *u);

/* What a client asks for. */
struct associate {
    struct endpoint client;  /* where its connection is from */
    struct endpoint reached; /* and where that has reached us; its port: any */
    uint16_t port;           /* of its datagrams; 0: of the first */
    unsigned hops;
    uint64_t isolation;
};

/* `at` gets the address and port of the socket. ERR_FULL (a cap), ERR_IO (no
 * socket can be had), ERR_NO_MEMORY. */
enum error socks_associate(struct socks_udp *u, const struct associate *wish,
                           uint64_t now, struct endpoint *at,
                           struct association **out);
void socks_dissociate(struct association *a);

/* A service that is reached has sent this. */
void socks_udp_from_service(struct socks_udp *u, uint32_t service,
                            uint16_t port, struct bytes payload);

unsigned socks_udp_count(const struct socks_udp *u); /* associations now */
const struct socks_udp_counters *socks_udp_counters(const struct socks_udp *u);

#endif

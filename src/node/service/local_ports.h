/* SPDX-License-Identifier: MIT
 *
 * Local sockets of the ports of services. Each peer has one of its own for each
 * port it uses, connected to the server that the section names, UDP or a Unix
 * datagram socket: so the server tells peers apart by their source, and what it
 * answers there goes back to that peer.
 *
 *     peer 17, port 53  <->  127.0.0.1:40001  <->  127.0.0.1:5353
 *
 * A Unix socket has a name that the kernel gives it, in the abstract namespace,
 * for the server to answer to; both have to be in one network namespace.
 *
 * A socket is closed with its peer, after `idle` without data, or when the
 * port goes elsewhere. At the cap the one that was not used for longest makes
 * way if it rested for LOCAL_REST; else the newcomer's datagram is dropped, so
 * that who has a socket and uses it is served.
 */
#ifndef WARREN_NODE_SERVICE_LOCAL_PORTS_H
#define WARREN_NODE_SERVICE_LOCAL_PORTS_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/timestamp.h"
#include "node/config/config.h"

#include <stdint.h>

#define LOCAL_REST (10 * TIME_S)

struct event_base;
struct local_ports;

/* What a server answers. May call all functions below but local_ports_free. */
typedef void local_received_fn(void *arg, uint64_t peer, uint16_t port,
                               struct bytes payload);

struct local_ports_handler {
    void *arg;
    local_received_fn *received;
    void (*batch_end)(void *arg); /* after some of them; may be NULL */
    /* Nobody listened for one that was taken for sent; may be NULL. */
    void (*refused)(void *arg, uint64_t peer, uint16_t port);
};

/* Why a datagram did not get to the server. */
enum local_drop {
    LOCAL_DROP_FULL,    /* too many sockets, of ours or of the process */
    LOCAL_DROP_REFUSED, /* nobody listens there */
    LOCAL_DROP_BUSY,    /* the server does not read as fast */
    LOCAL_DROP_TOO_LARGE,
    LOCAL_DROP_SYSTEM,
    LOCAL_DROPS
};
/* "full", ... */
const char *local_drop_name(enum local_drop why);
/* For people: "nobody listens there". */
const char *local_drop_text(enum local_drop why);

struct local_counters {
    uint64_t to_server, from_server;
    uint64_t dropped[LOCAL_DROPS];
    unsigned sockets;
};

/* `idle` in ns. ERR_NO_MEMORY. */
enum error local_ports_new(struct event_base *base,
                           const struct local_ports_handler *handler,
                           unsigned max_sockets, uint64_t idle,
                           struct local_ports **out);
void local_ports_free(struct local_ports *p);
/* What is over the new cap stays until it rests. */
void local_ports_configure(struct local_ports *p, unsigned max_sockets,
                           uint64_t idle);

/* A datagram of a peer for a port. OK: it was sent, or leaves at the end of
 * this turn of the loop; or why it was dropped: ERR_FULL, ERR_UNREACHABLE
 * (refused), ERR_NO_SPACE (busy), ERR_TOO_LARGE, ERR_IO, ERR_NO_MEMORY.
 * Counted, also what is dropped later. */
enum error local_ports_send(struct local_ports *p, uint64_t peer,
                            const struct config_port *port,
                            struct bytes payload, uint64_t now);

void local_ports_close_peer(struct local_ports *p, uint64_t peer);
/* Closes the peer's sockets that do not lead to one of `ports`. */
void local_ports_keep(struct local_ports *p, uint64_t peer,
                      const struct config_ports *ports);

/* Closes what was idle for too long; to be called now and then. */
void local_ports_tick(struct local_ports *p, uint64_t now);

const struct local_counters *local_ports_counters(const struct local_ports *p);

#endif

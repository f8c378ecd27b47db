/* SPDX-License-Identifier: MIT
 *
 * The proxy: listens, and gives each client a stream (tunnel/traffic/carrier.h)
 * to where it asks for.
 *
 *     accept -> handshake -> a call -> answer -> splice
 *
 * Names go to the exit as they are, addresses of services to the service.
 * What a client sends before the answer travels with the request. A client
 * that has not said what it wants when handshake_time is over is closed.
 *
 * The datagrams of an association go through flows (socks_udp.h).
 *
 * Each listener, and each pair of user and password at it, is an isolation key
 * of its own. A private listener is there for one who has asked for it, and
 * does nothing for a client without its user and password.
 */
#ifndef WARREN_NODE_SOCKS_SOCKS_SERVER_H
#define WARREN_NODE_SOCKS_SOCKS_SERVER_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define SOCKS_LISTENERS_MAX 16
#define SOCKS_PATH_SIZE     104
#define SOCKS_PRIVATE_USER  "exec"

struct carrier;
struct event_base;
struct flows;
struct socks_private;
struct socks_server;
struct socks_udp;

/* Where to listen, and over how many hops its clients go. */
struct socks_listen {
    bool is_unix;
    struct endpoint at;
    char path[SOCKS_PATH_SIZE]; /* with is_unix */
    unsigned hops;
};

struct socks_config {
    struct socks_listen listen[SOCKS_LISTENERS_MAX];
    unsigned listen_count;
    unsigned max_clients; /* over all */
    unsigned max_source;  /* of one address; all of a Unix socket are one */
    unsigned max_associations; /* over all */
    unsigned max_source_associations;
    unsigned max_private;    /* listeners of programs */
    uint64_t handshake_time; /* ns, until a client has said what it wants */
    uint64_t connect_time;   /* ns, until that is answered */
    bool local_too; /* a testing network: names have local addresses, too */
};

struct socks_world {
    struct event_base *base;
    struct random_source random;
    struct carrier *carrier;
    struct flows *flows;
    void *arg;
    /* The service with this address, reached over so many hops: its number.
     * ERR_SYNTAX, ERR_FULL, ERR_NO_MEMORY. */
    enum error (*service)(void *arg, struct bytes address, unsigned hops,
                          uint32_t *id);
    void (*let_go)(void *arg, uint32_t id); /* as often as it was asked for */
    /* A datagram to a port of it, now or when it is there. */
    enum error (*service_send)(void *arg, uint32_t id, uint16_t port,
                               struct bytes data);
    void (*rearm)(void *arg); /* something was done with carrier or flows */
};

struct socks_counters {
    uint64_t clients;   /* that were accepted */
    uint64_t crowded;   /* and closed at once: too many, over all or of one */
    uint64_t senseless; /* handshakes that made no sense */
    uint64_t late;      /* or never came to an end */
    uint64_t opened, refused;
};

/* Listens at all of them, or at none: ERR_IN_USE, ERR_IO, with a sentence in
 * `why`; ERR_NO_MEMORY. */
enum error socks_server_new(const struct socks_world *world,
                            const struct socks_config *config,
                            struct socks_server **out, struct text *why);
/* All clients are closed. */
void socks_server_free(struct socks_server *s);

/* What a private listener is to be. */
struct socks_wish {
    unsigned hops;
    const char *password;   /* secret; the user is SOCKS_PRIVATE_USER */
    struct bytes isolation; /* those with the same share circuits; empty: no
                               other does */
};

/* Listens at a free port of 127.0.0.1; `at` gets it. A reset reaches a client
 * by TCP, but none by a Unix socket. ERR_FULL (max_private); ERR_IO, with a
 * sentence in `why`; ERR_NO_MEMORY. */
enum error socks_server_open(struct socks_server *s,
                             const struct socks_wish *wish,
                             struct socks_private **out, struct endpoint *at,
                             struct text *why);
/* Closes its clients too; before the server is freed. */
void socks_server_close(struct socks_private *p);

/* Where listener `i` is, with the port that it has. */
const struct endpoint *socks_server_at(const struct socks_server *s,
                                       unsigned i);
unsigned socks_server_clients(const struct socks_server *s); /* now */
unsigned socks_server_private(const struct socks_server *s); /* listeners */
const struct socks_counters *
socks_server_counters(const struct socks_server *s);

/* Its associations. */
struct socks_udp *socks_server_udp(const struct socks_server *s);

#endif

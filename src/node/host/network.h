/* SPDX-License-Identifier: MIT
 *
 * What the machine's network is good for at the moment, and what follows from
 * it. The kernel tells of changes (reach/netwatch.h), we look (reach/view.h),
 * and where something is different the engines are told: a family without a
 * way out is not counted on, the others are looked through anew at once, and
 * our address is asked for again.
 *
 * What the kernel does not know is watched for each family: sends that it
 * refuses, and nodes that do not answer any more (reach/silence.h).
 */
#ifndef WARREN_NODE_HOST_NETWORK_H
#define WARREN_NODE_HOST_NETWORK_H

#include "base/endpoint.h"
#include "base/error.h"
#include "node/config/config.h"
#include "node/log/log.h"
#include "node/net/udp.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct dht_host;
struct event_base;
struct network;
struct tunnel_host;

/* What it borrows; all outlive it. */
struct network_world {
    struct event_base *base;
    struct udp *udp;
    struct log *log;
    struct dht_host *dhts[STORE_DHTS]; /* NULL: not enabled */
    struct tunnel_host *tunnels;
    const struct config *config; /* as it is now, after each reload too */
};

/* Looks, and tells the engines. ERR_NO_MEMORY. */
enum error network_new(const struct network_world *world, uint64_t now,
                       struct network **out);
void network_free(struct network *n);

/* To be called every few seconds. */
void network_tick(struct network *n, uint64_t now);

/* Of one address family. Times are TIME_NEVER while it is not so. */
struct network_family {
    bool listening;         /* there is a socket of it */
    bool usable;            /* it has a way out */
    bool was_usable;        /* at some time of this run */
    uint64_t cut_since;     /* not usable */
    uint64_t refused_since; /* nothing that is sent is taken by the kernel, */
    int refusal;            /* with this errno */
    uint64_t silent_since;  /* nobody answers, though some were asked */
};

const struct network_family *network_family(const struct network *n,
                                            enum family f);
/* "IPv4", "IPv6". */
const char *network_family_name(enum family f);

#endif

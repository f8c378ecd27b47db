/* SPDX-License-Identifier: MIT
 *
 * At which address of this machine each peer has asked, for sockets that are
 * bound to all of them: what goes to it leaves from there. Left to itself the
 * kernel takes the first address of the interface, from where an asker, or the
 * NAT before it, expects nothing.
 *
 * A table of fixed size in which newer peers replace older ones. One that is
 * gone, or has not been heard of in LOCAL_LIFE, is the kernel's to choose for.
 */
#ifndef WARREN_NODE_NET_UDP_LOCAL_H
#define WARREN_NODE_NET_UDP_LOCAL_H

#include "base/endpoint.h"
#include "base/error.h"

#include <stdint.h>

#define LOCAL_PEERS 1024
/* Longer than neighbours on an idle link are silent. */
#define LOCAL_LIFE (60 * TIME_S)

struct udp_local {
    struct endpoint peer;
    uint8_t addr[16]; /* ours; IPv4 in the first 4 */
    uint64_t heard_at;
};

struct udp_locals {
    struct udp_local *peers; /* NULL: the socket has one address */
};

/* ERR_NO_MEMORY. */
enum error udp_locals_init(struct udp_locals *l);
/* Also of one that is all zero. */
void udp_locals_deinit(struct udp_locals *l);

/* `peer` has asked at `addr`. */
void udp_locals_learn(struct udp_locals *l, const struct endpoint *peer,
                      const uint8_t addr[16], uint64_t now);
/* Where it has asked; NULL when that is not known (any more). */
const uint8_t *udp_locals_find(const struct udp_locals *l,
                               const struct endpoint *peer, uint64_t now);
/* Addresses of this machine are gone. */
void udp_locals_forget(struct udp_locals *l);

#endif

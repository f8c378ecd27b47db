/* SPDX-License-Identifier: MIT
 *
 * The addresses of this node: where others reach it, and all that it has.
 */
#ifndef WARREN_NODE_OWN_ADDRESS_H
#define WARREN_NODE_OWN_ADDRESS_H

#include "node/config.h"
#include "node/log.h"
#include "node/udp.h"
#include "wire/endpoint.h"

#include <stdbool.h>

struct dht_host;

/* Where others reach this node: as configured; else the addresses that its
 * sockets are bound to, if others can have them; else as the nodes of the DHT
 * see it. At most DESCRIPTOR_ADDRESSES_MAX; none while it is not known. */
void own_address_reachable(const struct config *config, const struct udp *udp,
                           const struct dht_host *dht, uint64_t now,
                           struct config_endpoints *out);

/* Those, and of the sockets and the machine's interfaces as many as there is
 * room for: what an exit must not send to. Appends up to `max` to `out`;
 * returns how many there are then. The log says when the system does not tell
 * them. */
unsigned own_address_all(const struct udp *udp, struct log *log,
                         struct endpoint *out, unsigned count, unsigned max);

#endif

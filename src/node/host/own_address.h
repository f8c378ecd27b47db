/* SPDX-License-Identifier: MIT
 *
 * The addresses of this node: where others reach it, and all that it has.
 */
#ifndef WARREN_NODE_HOST_OWN_ADDRESS_H
#define WARREN_NODE_HOST_OWN_ADDRESS_H

#include "base/endpoint.h"
#include "node/config/config.h"
#include "node/log/log.h"
#include "node/net/udp.h"
#include "tunnel/exit/policy.h"

#include <stdbool.h>

struct dht_host;
struct view;

/* Whose nodes tell how others see us: those of our DHT and, where that is not
 * NULL, of the mainline DHT, which are asked where the first do not know. */
struct own_witnesses {
    const struct dht_host *dht, *mainline;
};

/* Where others reach this node: as configured; else the addresses that its
 * sockets are bound to, if others can have them; else as the nodes of the DHT
 * see it; else the global address that it sends from. Without `view`, which
 * may be NULL, every family counts. At most DESCRIPTOR_ADDRESSES_MAX; none
 * while it is not known. `unproven` gets bit i for the i-th that is known from
 * other nodes alone, and no interface has; never in a network for tests, whose
 * nodes may all be of one network. */
void own_address_reachable(const struct config *config, const struct udp *udp,
                           const struct own_witnesses *witnesses,
                           const struct view *view, uint64_t now,
                           struct config_endpoints *out, unsigned *unproven);

/* Our global address in this family, where the machine itself knows it: of a
 * socket that is bound to it, or of the interface that a socket bound to none
 * sends from. False when it does not, or a NAT has it. */
bool own_address_certain(const struct udp *udp, const struct view *view,
                         enum family f, struct endpoint *out);

/* As the nodes of either DHT see it, whatever is configured: a NAT may lead
 * from there to the operator's network. */
void own_address_add_external(const struct own_witnesses *witnesses,
                              uint64_t now, struct config_endpoints *list);

/* Whether `ep` is this node: a socket of it, through any of the machine's
 * addresses, or what the nodes of the DHT see. */
bool own_address_is(const struct udp *udp, const struct dht_host *dht,
                    const struct endpoint *ep, uint64_t now);

/* Tells a policy of an exit where it must not send to, if that is not what
 * it knows already: these, the addresses of the sockets and those of the
 * machine's interfaces, as many as there is room for; and the networks of these
 * interfaces, of IPv6 the /56 around each, which is what one line is given.
 * They come and go, so this is to be called when they do. The log says when the
 * system does not tell them, or they are too many. */
void own_address_refuse(struct policy *p,
                        const struct config_endpoints *reachable,
                        const struct udp *udp, struct log *log);

#endif

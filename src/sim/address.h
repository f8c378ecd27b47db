/* SPDX-License-Identifier: MIT
 *
 * Which node has which address. Addresses are made from the node's index, no
 * two nodes in one /24 (IPv4) or /48 (IPv6), and the index can be computed from
 * them; a node may also ask for an address, which a flat hash leads back from.
 */
#ifndef WARREN_SIM_ADDRESS_H
#define WARREN_SIM_ADDRESS_H

#include "base/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_addressing {
    SIM_ADDRESS_PRIVATE, /* 10.0.0.0/8 and fd00::/16, for testing networks */
    SIM_ADDRESS_GLOBAL   /* global unicast: the rules of the public DHT */
};

/* Node indexes are below this, so that every one has a /24 of its own. In
 * 10.0.0.0/8 there are only 65,536 of those: there, nodes share. */
#define SIM_NODES_MAX (1u << 22)
#define SIM_PORT      6881

/* The address of node `index` (< SIM_NODES_MAX). */
void sim_address_make(enum sim_addressing addressing, enum family family,
                      uint32_t index, struct endpoint *out);

/* The other way. False when `ep` is the address of no index. */
bool sim_address_index(enum sim_addressing addressing,
                       const struct endpoint *ep, uint32_t *out);

/* Those that were asked for: open addressing with linear probing, at most half
 * full. */
struct sim_address_map {
    struct sim_address_slot *slots;
    size_t mask; /* slots - 1 */
    size_t count;
};

struct sim_address_slot {
    struct endpoint ep;
    uint32_t node; /* SIM_ADDRESS_FREE: none */
};

#define SIM_ADDRESS_FREE UINT32_MAX

void sim_address_map_init(struct sim_address_map *m);
void sim_address_map_deinit(struct sim_address_map *m);

/* Room for `more` addresses. False when memory is out. */
bool sim_address_map_reserve(struct sim_address_map *m, size_t more);

/* `ep` must be nobody's yet and room be reserved. There is no removing: an
 * address stays its node's, dead or alive. */
void sim_address_map_add(struct sim_address_map *m, const struct endpoint *ep,
                         uint32_t node);

/* SIM_ADDRESS_FREE when nobody has it. */
uint32_t sim_address_map_find(const struct sim_address_map *m,
                              const struct endpoint *ep);

#endif

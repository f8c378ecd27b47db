/* SPDX-License-Identifier: MIT
 *
 * What kind of node a member is: its families, what it is behind, what is wrong
 * with it. Drawn from a stream of its own, which follows from the seed and the
 * member's index.
 */
#ifndef WARREN_SIM_POPULATION_KIND_H
#define WARREN_SIM_POPULATION_KIND_H

#include "base/endpoint.h"
#include "sim/path/nat.h"
#include "sim/population/seat.h"
#include "sim/scenario/scenario.h"

#include <stdbool.h>
#include <stdint.h>

struct kind {
    bool family[FAMILIES];
    bool read_only, variant;
    bool both; /* it has an engine of each dialect */
    bool old;  /* it has the scenario's habits */
    enum nat_kind nat;
    int64_t clock_error; /* seconds */
};

/* The bootstrap nodes are plain, and have both families where any node has
 * IPv6. Relays, exits and the adversary are neither read-only nor behind a
 * NAT. */
struct kind kind_draw(const struct scenario *scenario, const struct seat *seat,
                      uint32_t index);

/* The `n`th address of the adversary in its networks, of which there must be
 * some: `n` counts through the networks in turn, and in each through addresses
 * spread over it. When a network has no more, ports of its addresses follow. */
struct endpoint kind_hostile_address(const struct scenario *scenario,
                                     uint32_t n);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Who is really at an address, whatever anybody says: for measures. To be asked
 * between two windows of the network, or from an engine, as it only reads.
 */
#ifndef WARREN_SIM_PART_TUNNEL_TRUTH_H
#define WARREN_SIM_PART_TUNNEL_TRUTH_H

#include "sim/part/part.h"
#include "tunnel/circuit/circuit.h"
#include "tunnel/directory/known.h"

/* When the adversary begins; with [adversary] start 0 it has always been there,
 * in the warm-up too. TIME_NEVER: there is none. */
uint64_t truth_enemy_begins(const struct laboratory *lab);
bool truth_enemy_is_there(const struct laboratory *lab, uint64_t now);

/* Whoever has this address, present or not; NULL: nobody. */
struct population_member *truth_at(const struct laboratory *lab,
                                   const struct endpoint *ep);
/* It is the adversary's, who has begun. */
bool truth_is_hostile(const struct laboratory *lab, const struct endpoint *ep,
                      uint64_t now);
/* The relay of this descriptor is there, under this identity. */
struct population_member *truth_relay(const struct laboratory *lab,
                                      const struct known_relay *known);

/* Of the circuit's hops that have proved their keys: bit i is set when the
 * i-th (from 0) is hostile. */
unsigned truth_hostile_hops(const struct laboratory *lab,
                            const struct circuit *c, uint64_t now);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What circuits of our own and circuits of others stand on: one set of links,
 * one table from the index in a cell's head to the end that it is for, the keys
 * that answer and name this node, and randomness. The router owns it; neither
 * side sees more of the other than this.
 */
#ifndef WARREN_TUNNEL_CIRCUIT_CIRCUIT_SHARED_H
#define WARREN_TUNNEL_CIRCUIT_CIRCUIT_SHARED_H

#include "base/table/slot_table.h"
#include "tunnel/crypto/keystream.h"
#include "tunnel/crypto/responder.h"
#include "tunnel/link/link.h"

struct circuit_shared {
    struct links *links;
    struct slot_table ends; /* struct circuit_end, by index */
    const struct responder *responder;
    struct random_source random;
    struct keystream fill; /* what is behind a layer in a cell */
};

#endif

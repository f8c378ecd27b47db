/* SPDX-License-Identifier: MIT
 *
 * What the relaying side and the client side of a node share.
 */
#ifndef WARREN_TUNNEL_LINK_CORE_H
#define WARREN_TUNNEL_LINK_CORE_H

#include "base/table/slot_table.h"
#include "tunnel/crypto/keystream.h"
#include "tunnel/crypto/responder.h"
#include "tunnel/link/link.h"

struct tunnel_core {
    struct links *links;
    struct slot_table ends; /* of circuits, by circuit index */
    struct keystream fill;  /* padding of relayed cells */
    const struct responder *responder;
    struct random_source random;
};

#endif

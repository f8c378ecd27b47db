/* SPDX-License-Identifier: MIT
 *
 * Whom a datagram of a service is for, as programs and people write it: a peer
 * ("p17.peer.warren", or with ":PORT") or the address of a service and a port
 * ("<56 characters>.warren:53").
 */
#ifndef WARREN_NODE_SERVICE_DESTINATION_H
#define WARREN_NODE_SERVICE_DESTINATION_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define SERVICE_PEER_TEXT 40 /* "p17.peer.warren" and the terminator */

struct service_destination {
    uint64_t peer;        /* 0: it is an address, */
    struct bytes address; /* which nobody has looked at; inside of the text */
    uint16_t port;        /* 0 where a peer has none */
};

/* False for anything else, as a host of the Internet. */
bool service_destination_read(struct bytes text,
                              struct service_destination *out);

/* "p17.peer.warren"; returns `text`. */
const char *service_peer_text(uint64_t peer, char text[SERVICE_PEER_TEXT]);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Where a datagram is to go, as people write it: "192.0.2.1:53",
 * "[2001:db8::1]:53" or "example.org:53". Names stay names: the exit resolves
 * them.
 */
#ifndef WARREN_TUNNEL_EXIT_HOST_PORT_H
#define WARREN_TUNNEL_EXIT_HOST_PORT_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "tunnel/exit/name.h"

struct host_port {
    struct endpoint ep; /* of a name only the port */
    struct name name;   /* len 0: it is an address */
};

/* ERR_SYNTAX; ERR_ADDRESS (nobody can have it, or port 0); ERR_UNSUPPORTED (a
 * name that is never resolved, like localhost). */
enum error host_port_parse(struct bytes text, struct host_port *out);
/* What is wrong and would be right, for each of these errors. */
const char *host_port_error_text(enum error e);

#endif

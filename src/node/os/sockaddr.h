/* SPDX-License-Identifier: MIT
 *
 * Between our endpoints and the kernel's socket addresses.
 */
#ifndef WARREN_NODE_OS_SOCKADDR_H
#define WARREN_NODE_OS_SOCKADDR_H

#include "base/endpoint.h"

#include <sys/socket.h>

/* Fills `out` and returns its length. */
socklen_t sockaddr_from_endpoint(const struct endpoint *ep,
                                 struct sockaddr_storage *out);

/* ERR_ADDRESS when it is neither IPv4 nor IPv6. */
enum error sockaddr_to_endpoint(const struct sockaddr *sa,
                                struct endpoint *out);

#endif

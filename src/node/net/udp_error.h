/* SPDX-License-Identifier: MIT
 *
 * What the network says of datagrams that were sent (IP_RECVERR, ip(7)): the
 * kernel keeps each ICMP error in a queue beside the socket, and also lets the
 * next call on the socket fail with it, whatever that call is about.
 *
 * Only that a port is unreachable is handed on: the host itself says so, at
 * once, when a process is gone. That a host or a network is unreachable is
 * said by routers, also while they look for another way (a "soft" error, RFC
 * 1122, 4.2.3.9). Anybody who knows both addresses can make up either.
 */
#ifndef WARREN_NODE_NET_UDP_ERROR_H
#define WARREN_NODE_NET_UDP_ERROR_H

#include "base/endpoint.h"

#include <stdbool.h>

#define UDP_ERRORS 32 /* read at once */

/* Begins, or ends; false where the kernel cannot. What waits is gone then. */
bool udp_errors_ask(int fd, enum family family, bool on);

/* Whether a call may have failed with the error of something sent before: then
 * it does not fail with it again. */
bool udp_error_is_stale(int errnum);

/* Reads up to UDP_ERRORS of any kind; how many. Those `gone` were sent to
 * ports where nobody is, *gone_count of them. */
unsigned udp_errors_read(int fd, struct endpoint gone[UDP_ERRORS],
                         unsigned *gone_count);

#endif

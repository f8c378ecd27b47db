/* SPDX-License-Identifier: MIT
 *
 * A datagram with its headers of IP and UDP (RFC 791, 8200, 768), for a raw
 * socket: what came back for a program is from an address that no socket of
 * ours is bound to.
 */
#ifndef WARREN_CLI_EXEC_EXEC_PACKET_H
#define WARREN_CLI_EXEC_EXEC_PACKET_H

#include "base/bytes.h"
#include "base/endpoint.h"

#include <stddef.h>
#include <stdint.h>

#define EXEC_PACKET_HEAD_MAX (40 + 8)
#define EXEC_PACKET_MAX      65535

/* Returns the bytes; 0 when it is too long, or the addresses are not of one
 * family. The kernel fills in the checksum of IPv4's header. */
size_t exec_packet_write(const struct endpoint *from, const struct endpoint *to,
                         struct bytes payload, uint8_t out[EXEC_PACKET_MAX]);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What stands before each datagram of an association (RFC 1928 §7), both ways:
 *
 *     2   reserved   0
 *     1   fragment   0: it is whole
 *     n   where to, or from: socks_address.h
 *
 * Fragments are dropped, which the RFC allows.
 */
#ifndef WARREN_NODE_SOCKS_SOCKS_DATAGRAM_H
#define WARREN_NODE_SOCKS_SOCKS_DATAGRAM_H

#include "base/bytes.h"
#include "base/error.h"
#include "node/socks/socks_address.h"

#include <stddef.h>
#include <stdint.h>

#define SOCKS_DATAGRAM_HEAD_MAX (3 + SOCKS_ADDRESS_MAX)

/* Splits `in` into address and data, a view into it. ERR_MISSING (cut off),
 * ERR_RANGE (what is reserved), ERR_UNSUPPORTED (a fragment), ERR_UNKNOWN_KIND
 * (of address), ERR_SYNTAX (no name), ERR_ADDRESS (port 0). */
enum error socks_datagram_read(struct bytes in, struct socks_address *to,
                               struct bytes *data);

/* Returns the bytes written; 0 when `cap` has no room for them. */
size_t socks_datagram_write(const struct socks_address *from, struct bytes data,
                            uint8_t *out, size_t cap);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Where a client of the proxy wants to go, and how SOCKS5 writes it (RFC 1928
 * §4, §5):
 *
 *     1   address type   1 IPv4, 3 name, 4 IPv6
 *     n   address        4 or 16 bytes, or a length (1 byte) and a name
 *     2   port           big-endian
 *
 * A name stays a name, whatever its suffix: this machine looks none up. But an
 * address that is written as a name is an address.
 */
#ifndef WARREN_NODE_SOCKS_SOCKS_ADDRESS_H
#define WARREN_NODE_SOCKS_SOCKS_ADDRESS_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKS_NAME_MAX    255                          /* bytes */
#define SOCKS_ADDRESS_MAX (1 + 1 + SOCKS_NAME_MAX + 2) /* bytes, written */

struct socks_address {
    struct endpoint ep; /* of a name only the port; IPv4 never as mapped */
    uint8_t name_len;   /* 0: it is an address */
    char name[SOCKS_NAME_MAX + 1]; /* as the client wrote it */
};

/* An address, brackets allowed around IPv6, or else a name. ERR_SYNTAX for
 * what is neither: it is empty, too long, or has a control character, a blank,
 * a colon or a bracket in it. */
enum error socks_address_set(struct socks_address *out, struct bytes host,
                             uint16_t port);

/* The name of a service: NAME.warren. */
bool socks_address_is_service(const struct socks_address *a);

/* How many bytes the address has that begins with `in`: more than those while
 * more have to come, 0 for an address type that is none. */
size_t socks_address_length(struct bytes in);

/* Of socks_address_length bytes; ERR_SYNTAX as above. */
enum error socks_address_read(struct bytes in, struct socks_address *out);

/* Returns the bytes written. */
size_t socks_address_write(const struct socks_address *a,
                           uint8_t out[SOCKS_ADDRESS_MAX]);

#endif

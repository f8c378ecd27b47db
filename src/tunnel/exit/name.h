/* SPDX-License-Identifier: MIT
 *
 * The names of destinations, as a client writes them: an address, or a DNS
 * name (RFC 1035 with the underscore of RFC 2782) that may be resolved.
 *
 * Nothing is a name that a resolver could take for an address: "127.1",
 * "0x7f000001", "2130706433" (the last label is a number). Nor is a name that
 * must never reach the DNS: those under localhost and local (RFC 6761, 6762),
 * onion (RFC 7686), warren and invalid.
 */
#ifndef WARREN_TUNNEL_EXIT_NAME_H
#define WARREN_TUNNEL_EXIT_NAME_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define NAME_MAX_LEN 253

struct name {
    uint8_t len;
    char text[NAME_MAX_LEN + 1]; /* lower case, without the dot of the root */
};

/* The address when `text` is one (brackets allowed around IPv6), and then
 * `is_address`; else the name. The port of `ep` is 0. ERR_SYNTAX for what is
 * neither, ERR_UNSUPPORTED for a name that is not resolved. */
enum error name_parse(struct bytes text, struct name *name, struct endpoint *ep,
                      bool *is_address);

#endif

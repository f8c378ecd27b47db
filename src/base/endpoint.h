/* SPDX-License-Identifier: MIT
 *
 * An IP address and a UDP port, of either family: parsed, printed, in the
 * compact form of BEP 5 and BEP 32, and classified.
 */
#ifndef WARREN_BASE_ENDPOINT_H
#define WARREN_BASE_ENDPOINT_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum family { FAMILY_IPV4 = 0, FAMILY_IPV6 = 1 };
#define FAMILIES 2

struct endpoint {
    uint8_t addr[16]; /* network order; IPv4 in the first 4, rest zero */
    uint16_t port;    /* host order */
    uint8_t family;   /* enum family */
};

/* "[ffff:...:255.255.255.255]:65535" and the terminator fit. */
#define ENDPOINT_TEXT_SIZE   56
#define ENDPOINT_COMPACT_MAX 18 /* IPv6; IPv4 takes 6 */

/* "1.2.3.4:80" or "[2001:db8::1]:80"; the port is required, 0..65535.
 * Names are not resolved. An IPv4-mapped IPv6 address becomes IPv4.
 * ERR_SYNTAX otherwise. */
enum error endpoint_parse(const char *text, struct endpoint *out);

/* An address without port (which is set to 0), brackets optional for IPv6. */
enum error endpoint_parse_addr(const char *text, struct endpoint *out);

/* What endpoint_parse reads, into `text`, which is also returned. */
const char *endpoint_print(const struct endpoint *ep,
                           char text[ENDPOINT_TEXT_SIZE]);
/* The address alone, without brackets or port. */
const char *endpoint_print_addr(const struct endpoint *ep,
                                char text[ENDPOINT_TEXT_SIZE]);

static inline bool endpoint_same_addr(const struct endpoint *a,
                                      const struct endpoint *b)
{
    return a->family == b->family &&
           memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static inline bool endpoint_equal(const struct endpoint *a,
                                  const struct endpoint *b)
{
    return a->port == b->port && endpoint_same_addr(a, b);
}

/* 32 bits of the address, an IPv4 address itself: for looks through many, of
 * which those that agree in them are compared. Whoever chooses addresses can
 * make them agree. */
static inline uint32_t endpoint_tag(const struct endpoint *ep)
{
    uint32_t words[4];

    memcpy(words, ep->addr, sizeof(words));
    return words[0] ^ words[1] ^ words[2] ^ words[3];
}

/* The address that sockets are bound to for all of a machine: 0.0.0.0, [::]. */
bool endpoint_is_wildcard(const struct endpoint *ep);

/* Bytes in the address (4, 16) and in the compact form (6, 18). */
size_t endpoint_addr_len(const struct endpoint *ep);
size_t endpoint_compact_len(const struct endpoint *ep);

/* Address then port in network order; returns the bytes written. */
size_t endpoint_write_compact(const struct endpoint *ep,
                              uint8_t out[ENDPOINT_COMPACT_MAX]);
/* `in` must have 6 or 18 bytes: ERR_WRONG_LENGTH. A mapped IPv4 address stays
 * what it was sent as, and is not usable (below). */
enum error endpoint_read_compact(struct bytes in, struct endpoint *out);

/* Same family and the same first `bits` of the address. */
bool endpoint_same_prefix(const struct endpoint *a, const struct endpoint *b,
                          int bits);

/* True for an address that a datagram can come from and be answered at: not
 * unspecified, in 0/8, multicast, reserved (240/4), broadcast, IPv4-mapped,
 * and its port is not 0. Loopback and private addresses are usable. */
bool endpoint_is_usable(const struct endpoint *ep);

/* True for global unicast: not private, shared (RFC 6598), loopback,
 * link-local, documentation, benchmarking, reserved (IANA special-purpose
 * registries, RFC 6890), nor an IPv6 form that embeds an IPv4 address
 * (mapped, 6to4, NAT64, Teredo). The port does not matter. */
bool endpoint_is_global(const struct endpoint *ep);

bool endpoint_is_loopback(const struct endpoint *ep);

#endif

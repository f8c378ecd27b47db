/* SPDX-License-Identifier: MIT
 *
 * The NAT that a node is behind, in the terms of RFC 4787. The node has a
 * private address, which nobody sees, with port `port`; the NAT has a public
 * one for it alone, and preserves ports where it can.
 *
 *   cone       endpoint-independent mapping: one outer port for all whom the
 *              node sends to. Address-dependent filtering: in comes what is
 *              from an address that it has sent to (a "restricted cone" of
 *              RFC 3489).
 *   symmetric  address and port-dependent mapping: an outer port for each
 *              endpoint that it sends to, one after the other. Address and
 *              port-dependent filtering: in comes what is from there, to that
 *              port.
 *
 * What was opened by a datagram going out is closed NAT_IDLE after the last one
 * that went out (outbound refresh; what comes in does not refresh, REQ-6). No
 * hairpinning. Of IPv6 addresses and ports are not rewritten, but filtered all
 * the same, as a home router does (RFC 6092).
 */
#ifndef WARREN_SIM_PATH_NAT_H
#define WARREN_SIM_PATH_NAT_H

#include "base/endpoint.h"
#include "base/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

#define NAT_IDLE      (60 * TIME_S)
#define NAT_HOLES_MAX 512 /* at a time; then the oldest makes way */

enum nat_kind { NAT_NONE, NAT_CONE, NAT_SYMMETRIC };

struct nat;

/* `number` decides where outer ports begin. NULL: no memory. */
struct nat *nat_new(enum nat_kind kind, uint16_t port, uint64_t number);
void nat_free(struct nat *n);

enum nat_kind nat_kind(const struct nat *n);
/* The outer port of what leaves for `to`; 0: no memory, it is dropped. */
uint16_t nat_out(struct nat *n, const struct endpoint *to, uint64_t now);
/* Whether what comes from `from` to the outer port is let in. */
bool nat_in(const struct nat *n, const struct endpoint *from, uint16_t port,
            uint64_t now);
/* Endpoints or addresses that could come in now. */
unsigned nat_open(const struct nat *n, uint64_t now);

#endif

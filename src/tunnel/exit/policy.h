/* SPDX-License-Identifier: MIT
 *
 * Where an exit sends to. Rules that no line can change come first:
 *
 * - the address is one that a datagram can be sent to, and the port is not 0;
 * - it is global unicast (endpoint_is_global). In a testing network this rule
 *   is off, but for link-local addresses, where clouds keep their
 *   credentials;
 * - it is none of the node's own addresses, whatever the port. On loopback,
 *   which only a testing network reaches, many nodes share one address: there
 *   the node's own port is refused.
 *
 * Then, outside of a testing network, the networks that this machine is in:
 * global addresses too may be the operator's, behind his firewall. They are
 * refused unless the first line that matches accepts them and is about them:
 * an address or a network no wider than they are. "accept *" is not.
 *
 * Then the lines of the operator, of which the first that matches decides,
 * and at the end the default:
 *
 *     accept|reject ADDR[/BITS][:PORT[-PORT]]
 *
 *     accept 192.0.2.0/24:53       reject [2001:db8::]/32:1-1023
 *     accept *:443                 reject *
 *
 * `*` is any address of both families, 0.0.0.0/0 and ::/0 any of one; as a
 * port `*` is any too. An IPv6 address without /BITS but with a port stands in
 * brackets. Text holds several lines, separated by commas or line ends.
 *
 * The summary is what a descriptor says of it: "accept 53,80,443" or "reject
 * 25,135-139", the ports that are sent to in general, whatever is refused for
 * single networks. A hint to clients, and no promise.
 */
#ifndef WARREN_TUNNEL_EXIT_POLICY_H
#define WARREN_TUNNEL_EXIT_POLICY_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_LINES_MAX    72
#define POLICY_OWN_MAX      32
#define POLICY_NETWORKS_MAX 32
#define POLICY_ERROR_SIZE   160
#define POLICY_LINE_SIZE    80  /* a printed line with its terminator */
#define POLICY_SUMMARY_SIZE 129 /* 128 bytes and the terminator */

struct policy_line {
    struct endpoint net; /* address with all bits after `bits` zero */
    uint8_t bits;
    bool any; /* both families; `net` does not count */
    bool accept;
    uint16_t first, last; /* ports, 1 to 65535 */
    uint64_t hits;        /* destinations that it decided */
};

/* The address has all bits after `bits` zero. */
struct policy_network {
    struct endpoint net;
    uint8_t bits;
};

enum policy_verdict {
    POLICY_ACCEPTED,
    POLICY_UNUSABLE,    /* port 0, multicast, mapped, unspecified */
    POLICY_NOT_GLOBAL,  /* private, loopback, link-local, ... */
    POLICY_OWN,         /* an address of this node */
    POLICY_REJECTED,    /* by a line or by the default */
    POLICY_OWN_NETWORK, /* in a network of this machine, which no line opens */
    POLICY_VERDICTS
};

struct policy {
    struct policy_line lines[POLICY_LINES_MAX];
    size_t count;
    bool accept_rest; /* the default */
    bool testing_network;
    struct endpoint own[POLICY_OWN_MAX];
    size_t own_count;
    struct policy_network networks[POLICY_NETWORKS_MAX];
    size_t network_count;
    uint32_t version; /* changes with every change of the above */
    uint64_t rest_hits;
    uint64_t verdicts[POLICY_VERDICTS];
};

/* No lines yet. */
void policy_init(struct policy *p, bool accept_rest, bool testing_network);

/* At most POLICY_LINES_MAX, in place of those before. */
void policy_set_lines(struct policy *p, const struct policy_line *lines,
                      size_t count);

/* One line, without blanks around it, which are taken too. */
enum error policy_parse_line(struct bytes text, struct policy_line *out,
                             char why[POLICY_ERROR_SIZE]);
/* What policy_parse_line reads, into `text`, which is also returned. */
const char *policy_print_line(const struct policy_line *line,
                              char text[POLICY_LINE_SIZE]);

/* The addresses of this node, in the place of those given before: external,
 * of its interfaces, of its sockets. ERR_TOO_LARGE. */
enum error policy_set_own(struct policy *p, const struct endpoint *own,
                          size_t count);
/* Whether it is one of them; of a loopback address the port counts too. */
bool policy_is_own(const struct policy *p, const struct endpoint *to);

/* The networks that this machine is in, in the place of those given before,
 * made from addresses in them. ERR_TOO_LARGE. */
enum error policy_set_networks(struct policy *p,
                               const struct policy_network *networks,
                               size_t count);
/* Whether it is in one of them, whatever the lines say; never in a testing
 * network. */
bool policy_is_near(const struct policy *p, const struct endpoint *to);
/* The network of this length that `in` is in. */
struct policy_network policy_network_of(const struct endpoint *in,
                                        unsigned bits);

/* Decides and counts. */
enum policy_verdict policy_check(struct policy *p, const struct endpoint *to);

/* A name for metrics: "not_global". */
const char *policy_verdict_name(enum policy_verdict v);

/* policy_summary.c: a summary of at most `size` bytes with its terminator,
 * which is also returned, and how a client reads it; nothing is accepted by a
 * text that is no summary. `size` is 7 to POLICY_SUMMARY_SIZE. */
const char *policy_summary(const struct policy *p, char *text, size_t size);
bool policy_summary_accepts(struct bytes summary, uint16_t port);
/* Whether there is such a port. */
bool policy_summary_accepts_any(struct bytes summary);

#endif
